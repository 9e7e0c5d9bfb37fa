//! Bytes → [`Mail`]. The only place that knows mail-parser, and where its limits are guarded.

use std::borrow::Cow;

use data_encoding::HEXLOWER;
use mail_parser::{
    Address, Header, HeaderName, HeaderValue, Message, MessageParser, MessagePart,
    MimeHeaders as _, PartType,
};
use sha2::{Digest as _, Sha256};

use super::body::{self, Body};
use super::headers::Headers;
use super::{Attachment, Author, EmailAddress, Mail, bounce};

/// How much of one message is read. Beyond it, a person looks.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Octets of the whole message.
    pub message_bytes_max: usize,
    /// Octets of the top header block.
    pub header_bytes_max: usize,
    /// MIME parts, nested ones included.
    pub parts_max: usize,
    /// Levels of nesting.
    pub depth_max: usize,
    /// Octets of decoded text that rules get to see.
    pub text_bytes_max: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Bounds {
            message_bytes_max: 25 * 1024 * 1024,
            header_bytes_max: 100 * 1024,
            parts_max: 1_000,
            depth_max: 20,
            text_bytes_max: 1024 * 1024,
        }
    }
}

/// Why a message was not read. The texts are reasons of the journal: no personal data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// Larger than [`Bounds::message_bytes_max`].
    #[error("message-too-large")]
    TooLarge,
    /// Its header block is larger than [`Bounds::header_bytes_max`].
    #[error("header-too-large")]
    HeaderTooLarge,
    /// More parts or levels than [`Bounds`] allow.
    #[error("too-deeply-nested")]
    TooNested,
    /// The parser found nothing that is a message.
    #[error("not-a-message")]
    NoMessage,
}

/// Reads a message as far as a person could.
///
/// # Errors
/// [`Unreadable`] when it is beyond the bounds or no message at all; the sender may choose
/// the bytes, so this is no failure of ours.
pub fn parse(raw: &[u8], bounds: &Bounds) -> Result<Mail, Unreadable> {
    let raw = &*with_line_feeds(raw);
    guard(raw, bounds)?;
    let message = MessageParser::default().parse(raw).ok_or(Unreadable::NoMessage)?;
    if depth(&message) > bounds.depth_max || message.parts.len() > bounds.parts_max {
        return Err(Unreadable::TooNested);
    }
    // What the parser took for the header, whatever line ends it saw.
    if message.root_part().raw_body_offset() as usize > bounds.header_bytes_max {
        return Err(Unreadable::HeaderTooLarge);
    }
    let headers = headers(&message, raw);
    if headers.names().next().is_none() {
        return Err(Unreadable::NoMessage);
    }
    Ok(Mail {
        author: author(&message, &headers),
        recipients: recipients(&message, &headers),
        subject: message
            .subject()
            .unwrap_or_default()
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" "),
        body: Body::split(&visible_text(&message, bounds.text_bytes_max)),
        report: bounce::report(&message, &headers, raw),
        reply_to: one_address(message.reply_to()),
        attachments: attachments(&message),
        headers,
    })
}

/// Lines that end in CR alone: mail-parser takes such a mail for one long line.
fn with_line_feeds(raw: &[u8]) -> Cow<'_, [u8]> {
    let is_bare = |at: usize| raw.get(at) == Some(&b'\r') && raw.get(at + 1) != Some(&b'\n');
    if !memchr::memchr2(b'\r', b'\n', raw).is_some_and(is_bare) {
        return Cow::Borrowed(raw);
    }
    let ended = |(at, byte): (usize, &u8)| if is_bare(at) { b'\n' } else { *byte };
    Cow::Owned(raw.iter().enumerate().map(ended).collect())
}

/// The HTML part of a mail of ours, as its reader's mail program shows it.
pub fn html_part(raw: &[u8]) -> Option<String> {
    let message = MessageParser::default().parse(raw)?;
    message.body_html(0).map(|html| html.into_owned())
}

/// Bounds that must hold before mail-parser sees the bytes: 0.11 recurses into nested
/// messages when it drops them and overflows the stack at some 30,000 levels, which aborts
/// the process and cannot be caught.
fn guard(raw: &[u8], bounds: &Bounds) -> Result<(), Unreadable> {
    if raw.len() > bounds.message_bytes_max {
        return Err(Unreadable::TooLarge);
    }
    let head = raw.get(..bounds.header_bytes_max).unwrap_or(raw);
    let ends = |pattern: &[u8]| head.windows(pattern.len()).any(|w| w == pattern);
    if raw.len() > bounds.header_bytes_max && !ends(b"\r\n\r\n") && !ends(b"\n\n") {
        return Err(Unreadable::HeaderTooLarge);
    }
    if raw.len() > HIDING_BYTES_MAX && hides_messages(raw) {
        return Err(Unreadable::TooNested);
    }
    if occurrences(raw, b"message/rfc822") + occurrences(raw, b"message/global")
        > bounds.depth_max * 5
        || occurrences(raw, b"content-type:") > bounds.parts_max
        || occurrences(raw, b"\n--") > bounds.parts_max * 10
    {
        return Err(Unreadable::TooNested);
    }
    Ok(())
}

/// Octets up to which a mail may hide messages in encoded parts, as some bounces do: the
/// parser copies the whole once for each level it finds, and so few octets hold few levels.
const HIDING_BYTES_MAX: usize = 16 * 1024;

/// Whether a part is both a message and encoded, which RFC 2046 §5.2.1 forbids: mail-parser
/// decodes it and reads the messages inside, so that counting them in the raw bytes tells
/// nothing. The type may be left out in a digest, where it is the default (§5.1.5).
fn hides_messages(raw: &[u8]) -> bool {
    let is_digest = occurrences(raw, b"multipart/digest") > 0;
    if !is_digest && occurrences(raw, b"message/") == 0 {
        return false;
    }
    let text = String::from_utf8_lossy(raw).to_ascii_lowercase().replace("\r\n", "\n");
    text.split("\n\n").filter(|block| block.contains("content-transfer-encoding")).any(|block| {
        let encoded = block.contains("base64") || block.contains("quoted-printable");
        let is_message = READ_AS_MESSAGES.iter().any(|kind| block.contains(kind));
        encoded && (is_message || (is_digest && !block.contains("content-type:")))
    })
}

/// Types that mail-parser reads as messages.
const READ_AS_MESSAGES: [&str; 3] = ["message/rfc822", "message/global\n", "message/global;"];

/// How often the lower-case `needle` stands in `haystack`, whatever the case.
fn occurrences(haystack: &[u8], needle: &[u8]) -> usize {
    let Some(first) = needle.first() else { return 0 };
    let is_there = |at: &usize| {
        let here = haystack.get(*at..at.saturating_add(needle.len()));
        here.is_some_and(|here| here.eq_ignore_ascii_case(needle))
    };
    memchr::memchr2_iter(*first, first.to_ascii_uppercase(), haystack).filter(is_there).count()
}

fn depth(message: &Message<'_>) -> usize {
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

fn headers(message: &Message<'_>, raw: &[u8]) -> Headers {
    Headers::new(
        message
            .headers()
            .iter()
            .map(|header| (header.name.as_str().to_owned(), raw_value(header, raw))),
    )
}

fn raw_value(header: &Header<'_>, raw: &[u8]) -> String {
    let range = header.offset_start as usize..header.offset_end as usize;
    String::from_utf8_lossy(raw.get(range).unwrap_or_default()).into_owned()
}

fn author(message: &Message<'_>, headers: &Headers) -> Author {
    // mail-parser's `from()` is the last of several fields; the first proves nothing either.
    let mut fields = message.header_values(HeaderName::From);
    let (Some(field), None) = (fields.next(), fields.next()) else {
        let any = headers.first("from").is_some();
        return if any { Author::Several } else { Author::Nobody };
    };
    let HeaderValue::Address(Address::List(list)) = field else {
        return if matches!(field, HeaderValue::Address(_)) {
            Author::Several
        } else {
            Author::Nobody
        };
    };
    let [mailbox] = list.as_slice() else {
        return Author::Several;
    };
    let written = headers.first("from").unwrap_or_default();
    // "Mailsploit": an address that only appears after RFC 2047 decoding is not what the
    // servers on the way checked.
    let stands_there = |text: &&str| written.contains(*text);
    match mailbox.address().filter(stands_there).map(EmailAddress::parse) {
        Some(Ok(address)) => Author::One(address),
        _ => Author::Nobody,
    }
}

/// The address of a field that names exactly one.
fn one_address(field: Option<&Address<'_>>) -> Option<EmailAddress> {
    let mut mailboxes = field?.iter();
    match (mailboxes.next(), mailboxes.next()) {
        (Some(one), None) => EmailAddress::parse(one.address()?).ok(),
        _ => None,
    }
}

/// Files that are recorded of one mail.
const ATTACHMENTS_MAX: usize = 50;
/// Characters of a file's name that staff are shown.
const NAME_CHARS_MAX: usize = 100;

fn attachments(message: &Message<'_>) -> Vec<Attachment> {
    let read = |part: &MessagePart<'_>| {
        let content_type =
            part.content_type().map_or("application/octet-stream".to_owned(), |ct| {
                format!("{}/{}", ct.ctype(), ct.subtype().unwrap_or("octet-stream"))
            });
        let name = part.attachment_name().unwrap_or("without a name");
        let contents = part.contents();
        Attachment {
            name: plain_words(name),
            content_type: plain_words(&content_type),
            bytes: contents.len(),
            sha256: HEXLOWER.encode(&Sha256::digest(contents)),
        }
    };
    message.attachments().take(ATTACHMENTS_MAX).map(read).collect()
}

/// A sender's word on one line, short, without characters that turn or hide the rest.
fn plain_words(text: &str) -> String {
    let invisible = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
    };
    text.chars().filter(|c| !invisible(*c)).take(NAME_CHARS_MAX).collect()
}

fn recipients(message: &Message<'_>, headers: &Headers) -> Vec<EmailAddress> {
    let listed = message.all_to().chain(message.all_cc()).flat_map(|field| field.iter());
    let named = listed.filter_map(|mailbox| mailbox.address()).map(str::to_owned);
    let delivered = ["delivered-to", "x-original-to", "envelope-to"];
    let noted = delivered
        .iter()
        .flat_map(|name| headers.all(name))
        .map(|value| value.trim_matches(|c| c == '<' || c == '>').to_owned());
    named.chain(noted).take(100).filter_map(|text| EmailAddress::parse(&text).ok()).collect()
}

/// The text that a reader would see: the plain part when there is one with something in it,
/// otherwise the HTML part as text, with what it quotes marked as quoted.
fn visible_text(message: &Message<'_>, bytes_max: usize) -> String {
    let plain: Vec<&str> = message
        .text_bodies()
        .filter_map(|part| match &part.body {
            PartType::Text(text) => Some(text.as_ref()),
            _ => None,
        })
        .collect();
    let mut text = plain.join("\n");
    if text.trim().is_empty() {
        text = message
            .html_bodies()
            .filter_map(|part| match &part.body {
                PartType::Html(html) => Some(body::text_of_html(cut(html, bytes_max))),
                _ => None,
            })
            .collect::<Vec<_>>()
            .join("\n");
    }
    cut(&text, bytes_max).to_owned()
}

/// At most the first `bytes_max` octets, cut between characters.
fn cut(text: &str, bytes_max: usize) -> &str {
    let end = (0..=bytes_max.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    end.and_then(|end| text.get(..end)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_author(header: &str, expected: Option<&str>) {
        let raw = format!("{header}\r\nSubject: x\r\n\r\nhello\r\n");
        let mail = parse(raw.as_bytes(), &Bounds::default()).unwrap();
        assert_eq!(mail.author.address().map(EmailAddress::as_str), expected, "{header:?}");
    }

    #[test]
    fn only_one_plain_mailbox_names_an_author() {
        check_author("From: Jane <jane@example.org>", Some("jane@example.org"));
        check_author("From: jane@example.org", Some("jane@example.org"));
        check_author("From: =?utf-8?q?J=C3=A4ne?= <jane@example.org>", Some("jane@example.org"));
        check_author("From: \"Doe, Jane\"\r\n <jane@example.org>", Some("jane@example.org"));
        for forged in [
            "X: y",
            "From: jane@example.org, bob@example.org",
            "From: jane@example.org\r\nFrom: bob@example.org",
            "From: friends: jane@example.org;",
            "From: undisclosed-recipients:;",
            "From: jane",
            "From: =?utf-8?q?jane=40example.org?=",
            "From: <=?utf-8?q?jane?=@example.org>",
            "From: =?utf-8?b?amFuZUBleGFtcGxlLm9yZwA=?=@example.net",
        ] {
            check_author(forged, None);
        }
    }

    #[test]
    fn what_is_beyond_the_bounds_is_refused_before_the_parser_sees_it() {
        let nested = "Content-Type: message/rfc822\r\n\r\n".repeat(40_000);
        assert_eq!(
            parse(nested.as_bytes(), &Bounds::default()).unwrap_err(),
            Unreadable::TooNested
        );
        let header = format!("X: {}\r\n\r\nx", "y".repeat(200_000));
        assert_eq!(
            parse(header.as_bytes(), &Bounds::default()).unwrap_err(),
            Unreadable::HeaderTooLarge
        );
        for encoding in ["base64", "Quoted-Printable"] {
            let hidden = format!(
                "From: j@example.org\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\
                 Content-Transfer-Encoding: {encoding}\r\nContent-Type: Message/RFC822\r\n\r\n{}\r\n--b--\r\n",
                "x".repeat(HIDING_BYTES_MAX)
            );
            assert_eq!(
                parse(hidden.as_bytes(), &Bounds::default()).unwrap_err(),
                Unreadable::TooNested
            );
        }
        let bounds = Bounds { message_bytes_max: 10, ..Bounds::default() };
        assert_eq!(parse(b"Subject: hello\r\n\r\n", &bounds).unwrap_err(), Unreadable::TooLarge);
        assert_eq!(parse(b"", &Bounds::default()).unwrap_err(), Unreadable::NoMessage);
    }

    #[test]
    fn lines_may_end_in_cr_alone() {
        let raw = b"From: jane@example.org\rSubject: hi\r\rfirst\rsecond\r";
        let mail = parse(raw, &Bounds::default()).unwrap();
        assert_eq!(mail.subject, "hi");
        assert_eq!(mail.body.own.trim(), "first\nsecond");
    }

    #[test]
    fn html_alone_is_read_by_its_visible_text() {
        let raw = b"From: j@example.org\r\nContent-Type: text/html\r\n\r\n\
            <p>Please <b>delete</b> my data.</p><blockquote>quoted</blockquote>";
        let mail = parse(raw, &Bounds::default()).unwrap();
        assert_eq!(mail.body.own.trim(), "Please delete my data.");
        assert_eq!(mail.body.quoted.trim(), "> quoted");
    }
}
