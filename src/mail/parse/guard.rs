//! What must hold of the raw bytes before mail-parser sees them, and of its result.

use std::sync::LazyLock;

use mail_parser::{Message, PartType};
use regex::bytes::Regex;

use super::{Bounds, Unreadable};

/// Bounds that must hold before mail-parser sees the bytes: 0.11 recurses into nested
/// messages when it drops them and overflows the stack at some 30,000 levels, which aborts
/// the process and cannot be caught.
pub(super) fn guard(raw: &[u8], bounds: &Bounds) -> Result<(), Unreadable> {
    let head = raw.get(..bounds.header_bytes_max).unwrap_or(raw);
    let ends = |pattern: &[u8]| memchr::memmem::find(head, pattern).is_some();
    if raw.len() > bounds.header_bytes_max && !ends(b"\r\n\r\n") && !ends(b"\n\n") {
        return Err(Unreadable::HeaderTooLarge);
    }
    let types = Types::count(raw);
    if types.messages > bounds.depth_max * 5
        || fields_of_type(raw) > bounds.parts_max
        || memchr::memmem::find_iter(raw, b"\n--").count() > bounds.parts_max * 10
    {
        return Err(Unreadable::TooNested);
    }
    if raw.len() > HIDING_BYTES_MAX && types.may_hide_messages() && hides_messages(raw, &types) {
        return Err(Unreadable::TooNested);
    }
    Ok(())
}

/// Octets up to which a mail may hide messages in encoded parts, as some bounces do: the
/// parser copies the whole once for each level it finds, and so few octets hold few levels.
pub(super) const HIDING_BYTES_MAX: usize = 16 * 1024;

/// Whether a part is both a message and encoded, which RFC 2046 §5.2.1 forbids: mail-parser
/// decodes it and reads the messages inside, so that counting them in the raw bytes tells
/// nothing. The type may be left out in a digest, where it is the default (§5.1.5).
/// The whole is looked through where it lies: it may be 25 MiB, and a copy as much again.
fn hides_messages(raw: &[u8], types: &Types) -> bool {
    static BLANK_LINE: LazyLock<Regex> = LazyLock::new(|| fixed(r"\r?\n\r?\n"));
    static ENCODING: LazyLock<Regex> = LazyLock::new(|| fixed("content-transfer-encoding"));
    static ENCODED: LazyLock<Regex> = LazyLock::new(|| fixed("base64|quoted-printable"));
    static TYPE: LazyLock<Regex> = LazyLock::new(|| fixed("content-type:"));
    // What mail-parser reads as messages.
    static MESSAGE: LazyLock<Regex> =
        LazyLock::new(|| fixed(r"message/rfc822|message/global(?:;|\r?\n|$)"));
    let default_is_message = |block| types.digests > 0 && !TYPE.is_match(block);
    BLANK_LINE.split(raw).filter(|block| ENCODING.is_match(block)).any(|block| {
        ENCODED.is_match(block) && (MESSAGE.is_match(block) || default_is_message(block))
    })
}

/// A pattern of ASCII, in any case.
fn fixed(pattern: &str) -> Regex {
    Regex::new(&format!("(?i-u){pattern}")).expect("a fixed pattern compiles")
}

/// How often the bytes name types that hold messages, in any case and wherever it stands. All
/// are looked for by the stroke in them, which is rarer than any letter.
#[derive(Default)]
struct Types {
    /// `message/rfc822` and `message/global`.
    messages: usize,
    /// `message/` of any kind.
    any_message: usize,
    /// `multipart/digest`.
    digests: usize,
}

impl Types {
    fn count(raw: &[u8]) -> Types {
        let mut types = Types::default();
        for at in memchr::memchr_iter(b'/', raw) {
            if ends_with(raw.get(..at), b"message") {
                types.any_message += 1;
                let holds = [&b"rfc822"[..], b"global"];
                let is_whole = holds.iter().any(|kind| begins_with(raw.get(at + 1..), kind));
                types.messages += usize::from(is_whole);
            } else if ends_with(raw.get(..at), b"multipart") {
                types.digests += usize::from(begins_with(raw.get(at + 1..), b"digest"));
            }
        }
        types
    }

    fn may_hide_messages(&self) -> bool {
        self.any_message > 0 || self.digests > 0
    }
}

/// How often `Content-Type:` stands there, in any case.
fn fields_of_type(raw: &[u8]) -> usize {
    let dashes = memchr::memchr_iter(b'-', raw);
    dashes
        .filter(|at| begins_with(raw.get(at + 1..), b"type:"))
        .filter(|at| ends_with(raw.get(..*at), b"content"))
        .count()
}

fn begins_with(bytes: Option<&[u8]>, word: &[u8]) -> bool {
    let begin = bytes.and_then(|bytes| bytes.get(..word.len()));
    begin.is_some_and(|begin| begin.eq_ignore_ascii_case(word))
}

fn ends_with(bytes: Option<&[u8]>, word: &[u8]) -> bool {
    let end = bytes.and_then(|bytes| bytes.get(bytes.len().checked_sub(word.len())?..));
    end.is_some_and(|end| end.eq_ignore_ascii_case(word))
}

/// Levels of nesting.
pub(super) fn depth(message: &Message<'_>) -> usize {
    let mut deepest = 0;
    let mut todo = vec![(message, 0u32, 1usize)];
    // Every part is visited once; a part that names itself as its child would be visited for
    // ever, so the walk is bounded by what the guard let through.
    let mut steps = 0;
    while let Some((inside, id, level)) = todo.pop() {
        deepest = deepest.max(level);
        steps += 1;
        if steps > 100_000 {
            return usize::MAX;
        }
        match inside.part(id).map(|part| &part.body) {
            Some(PartType::Multipart(children)) => {
                todo.extend(children.iter().map(|child| (inside, *child, level + 1)));
            }
            Some(PartType::Message(nested)) => todo.push((nested, 0, level + 1)),
            _ => {}
        }
    }
    deepest
}
