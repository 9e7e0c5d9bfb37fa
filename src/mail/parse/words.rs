//! The text that the reader of a mail sees. Where mail-parser reads a part worse than a
//! person's program would, its bytes are read again here, and nowhere else:
//!
//! - it decodes a text without a charset, or with a wrong one, by force;
//! - it takes a part whose base64 or quoted-printable has one fault as undecoded, and an HTML
//!   part then as no body at all;
//! - it loses two characters of a quoted-printable part that ends in a soft line break, reads
//!   `= 10` as an escape, and drops the last character of base64 without its padding;
//! - it shows nothing of a multipart whose boundary is missing or wrong.

use std::borrow::Cow;

use mail_parser::{Message, MessageParser, MessagePart, MimeHeaders as _, PartType};

use super::{charset, is_invisible, transfer};
use crate::mail::Sealed;
use crate::mail::body::html::text_of_html;
use crate::mail::body::unflowed;

/// Octets of a plain part that may stand in for an HTML part without being read beside it.
const STUB_OCTETS_MAX: usize = 400;

/// The visible text: the plain part when it says as much as the HTML part, otherwise the HTML
/// part as text, with what it quotes marked as quoted.
pub(super) fn visible_text(message: &Message<'_>, raw: &[u8], bytes_max: usize) -> String {
    let plain = joined(message, &message.text_body, raw, bytes_max, |part| {
        matches!(part.body, PartType::Text(_))
    });
    let html = || {
        joined(message, &message.html_body, raw, bytes_max, |part| {
            matches!(part.body, PartType::Html(_))
        })
    };
    let trimmed = plain.trim();
    let text = if trimmed.is_empty() {
        let html = html();
        if html.trim().is_empty() { salvaged(message, raw, bytes_max) } else { html }
    } else if trimmed.len() <= STUB_OCTETS_MAX {
        let html = html();
        if says_more(&html, trimmed) { html } else { plain }
    } else {
        plain
    };
    let text =
        if text.trim().is_empty() { opaque_text(message, bytes_max).unwrap_or(text) } else { text };
    without_invisible(cut(&text, bytes_max))
}

/// The source of the first HTML part that is shown as part of the text; empty without one. As
/// mail-parser decodes it: who reads it are the rules of forms, and services encode well.
pub(super) fn html(message: &Message<'_>, bytes_max: usize) -> String {
    let mut parts = message.html_body.iter().filter_map(|id| message.part(*id));
    let source = parts.find_map(|part| match &part.body {
        PartType::Html(html) => Some(cut(html, bytes_max).to_owned()),
        _ => None,
    });
    source.unwrap_or_default()
}

/// The texts of those `parts` that `is_wanted`.
fn joined(
    message: &Message<'_>,
    parts: &[u32],
    raw: &[u8],
    bytes_max: usize,
    is_wanted: impl Fn(&MessagePart<'_>) -> bool,
) -> String {
    let mut out = String::new();
    let found = parts.iter().filter_map(|id| message.part(*id)).filter(|part| is_wanted(part));
    for part in found {
        if !out.is_empty() {
            out.push('\n');
        }
        out.push_str(&text_of(part, raw, bytes_max));
        if out.len() > bytes_max {
            break;
        }
    }
    out
}

/// Whether the plain part is a stub beside what the HTML part says, as "Your program does not
/// show HTML" is.
fn says_more(html: &str, plain: &str) -> bool {
    let letters = |text: &str| text.chars().filter(|c| c.is_alphanumeric()).count();
    let (shown, plain_letters) = (letters(html), letters(plain));
    let speaks_of_itself = plain.to_lowercase().contains("html");
    shown > 2 * plain_letters
        || (speaks_of_itself && shown > 0 && !html.to_lowercase().contains("html"))
}

/// The text of one part, as plain text.
fn text_of(part: &MessagePart<'_>, raw: &[u8], bytes_max: usize) -> String {
    let text = decoded(part, raw, bytes_max);
    let text = cut(&text, bytes_max);
    let content_type = part.content_type();
    let is_html = content_type
        .is_some_and(|kind| kind.subtype().is_some_and(|s| s.eq_ignore_ascii_case("html")));
    if is_html || looks_like_html(text) {
        return text_of_html(text);
    }
    let attribute =
        |name: &str| content_type.and_then(|kind| kind.attribute(name)).unwrap_or_default();
    if attribute("format").eq_ignore_ascii_case("flowed") {
        unflowed(text, attribute("delsp").eq_ignore_ascii_case("yes"))
    } else {
        text.to_owned()
    }
}

/// A text that calls itself plain and is HTML.
fn looks_like_html(text: &str) -> bool {
    const BEGIN: [&str; 10] = [
        "<!doctype html",
        "<html",
        "<head",
        "<body",
        "<div",
        "<p>",
        "<p ",
        "<table",
        "<span",
        "<font",
    ];
    let text = text.trim_start();
    if !text.starts_with('<') || !text.contains("</") {
        return false;
    }
    let begin: String = text.chars().take(15).collect::<String>().to_ascii_lowercase();
    BEGIN.iter().any(|tag| begin.starts_with(tag))
}

/// The part as mail-parser decoded it, or better.
fn decoded<'a>(part: &'a MessagePart<'_>, raw: &[u8], bytes_max: usize) -> Cow<'a, str> {
    let (PartType::Text(text) | PartType::Html(text)) = &part.body else {
        return Cow::Borrowed("");
    };
    let declared = part.content_type().and_then(|kind| kind.attribute("charset"));
    let range = part.offset_body as usize..part.offset_end as usize;
    let bytes = raw.get(range).unwrap_or_default();
    let encoding = part.content_transfer_encoding().unwrap_or_default().to_ascii_lowercase();
    let misread = if encoding.contains("quoted") {
        encoding.trim() != "quoted-printable" || transfer::has_false_escapes(bytes)
    } else {
        encoding.contains("base64") && transfer::lacks_padding(bytes)
    };
    let is_whole = !part.is_encoding_problem && !misread;
    if is_whole && !charset::is_doubtful(cut(text, bytes_max), declared) {
        return Cow::Borrowed(text.as_ref());
    }
    // Encoded, a text takes four octets for three at least.
    let bytes = bytes.get(..bytes_max.saturating_mul(4)).unwrap_or(bytes);
    let bytes = if encoding.contains("base64") {
        transfer::lenient_base64(bytes).map_or(Cow::Borrowed(bytes), Cow::Owned)
    } else if encoding.contains("quoted") {
        Cow::Owned(transfer::lenient_quoted_printable(bytes))
    } else {
        Cow::Borrowed(bytes)
    };
    Cow::Owned(charset::decode(&bytes, declared))
}

/// What can be saved of a mail that seems to have no text: parts whose encoding is broken, and
/// a multipart whose boundary is another one than it says.
fn salvaged(message: &Message<'_>, raw: &[u8], bytes_max: usize) -> String {
    let root = message.root_part();
    let kind = root.content_type();
    let is_multipart = kind.is_some_and(|kind| kind.ctype().eq_ignore_ascii_case("multipart"));
    if is_multipart && !matches!(root.body, PartType::Multipart(_)) {
        let body = String::from_utf8_lossy(root.contents());
        let body = cut(&body, bytes_max);
        return rebuilt(body, bytes_max).unwrap_or_else(|| body.to_owned());
    }
    let is_attached = |part: &&MessagePart<'_>| {
        part.content_disposition().is_some_and(|disposition| disposition.is_attachment())
            || part.attachment_name().is_some()
    };
    let is_text = |part: &&MessagePart<'_>| {
        part.content_type().is_none_or(|kind| {
            kind.ctype().eq_ignore_ascii_case("text")
                && kind.subtype().is_some_and(|kind| {
                    ["plain", "html"].iter().any(|name| kind.eq_ignore_ascii_case(name))
                })
        })
    };
    let parts = message
        .parts
        .iter()
        .filter(|part| matches!(part.body, PartType::Text(_) | PartType::Html(_)));
    let texts = parts
        .filter(|part| is_text(part) && !is_attached(part))
        .map(|part| text_of(part, raw, bytes_max));
    texts.filter(|text| !text.trim().is_empty()).take(2).collect::<Vec<_>>().join("\n")
}

/// The text of a multipart by the boundary that it really has.
fn rebuilt(body: &str, bytes_max: usize) -> Option<String> {
    let first = body.lines().find(|line| line.starts_with("--") && line.len() > 4)?;
    let boundary = first.get(2..)?.trim_end();
    if boundary.contains('"') {
        return None;
    }
    let whole = format!("Content-Type: multipart/mixed; boundary=\"{boundary}\"\n\n{body}");
    let message = MessageParser::default().parse(whole.as_bytes())?;
    if !matches!(message.root_part().body, PartType::Multipart(_)) {
        return None;
    }
    Some(visible_text(&message, whole.as_bytes(), bytes_max))
}

/// The text inside an S/MIME signature that holds its text (RFC 8551 §3.5.2), found by its own
/// header; nothing is checked or deciphered.
fn opaque_text(message: &Message<'_>, bytes_max: usize) -> Option<String> {
    let part = message.parts.iter().find(|part| is_smime(part) == Some(Sealing::Signed))?;
    let contents = part.contents();
    let start = memchr::memmem::find(contents, b"Content-Type: ")?;
    let inside = contents.get(start..)?;
    let message = MessageParser::default().parse(inside)?;
    Some(joined(&message, &message.text_body, inside, bytes_max, |_| true))
}

#[derive(PartialEq)]
enum Sealing {
    Signed,
    Encrypted,
}

fn is_smime(part: &MessagePart<'_>) -> Option<Sealing> {
    let kind = part.content_type()?;
    let subtype = kind.subtype()?.to_ascii_lowercase();
    if !subtype.ends_with("pkcs7-mime") {
        return None;
    }
    let signed =
        kind.attribute("smime-type").is_some_and(|kind| kind.eq_ignore_ascii_case("signed-data"));
    Some(if signed { Sealing::Signed } else { Sealing::Encrypted })
}

/// A mail that came as an attachment, as its reader sees it: who wrote what. What a report
/// returns is none.
pub(super) fn attached_mail(message: &Message<'_>, bytes_max: usize) -> Option<String> {
    let root = message.root_part().content_type();
    let is_report = root.and_then(|kind| kind.subtype());
    if is_report.is_some_and(|kind| kind.eq_ignore_ascii_case("report")) {
        return None;
    }
    let inside = message.parts.iter().find_map(|part| match &part.body {
        PartType::Message(inside) => Some(inside),
        _ => None,
    })?;
    let author = inside.from().and_then(|from| from.first()).and_then(|one| one.address());
    let (author, subject) = (author.unwrap_or_default(), inside.subject().unwrap_or_default());
    let text = visible_text(inside, inside.raw_message(), bytes_max);
    Some(format!("From: {author}\nSubject: {subject}\n\n{text}"))
}

/// Why the words of a mail cannot be read, when it has some.
pub(super) fn sealed(message: &Message<'_>, text: &str) -> Option<Sealed> {
    let is = |part: &MessagePart<'_>, kind: &str, subtypes: &[&str]| {
        part.content_type().is_some_and(|found| {
            found.ctype().eq_ignore_ascii_case(kind)
                && found
                    .subtype()
                    .is_some_and(|found| subtypes.iter().any(|s| s.eq_ignore_ascii_case(found)))
        })
    };
    let root = message.root_part();
    let encrypted = is(root, "multipart", &["encrypted"])
        || is_smime(root) == Some(Sealing::Encrypted)
        || text.trim_start().starts_with("-----BEGIN PGP MESSAGE-----");
    if encrypted {
        return Some(Sealed::Encrypted);
    }
    let has_tnef =
        message.parts.iter().any(|part| is(part, "application", &["ms-tnef", "vnd.ms-tnef"]));
    (has_tnef && text.trim().is_empty()).then_some(Sealed::WinmailDat)
}

/// Without characters that no reader sees, and that part words or turn them round.
fn without_invisible(text: &str) -> String {
    if text.is_ascii() && !text.contains('\0') {
        text.to_owned()
    } else {
        text.chars().filter(|c| !is_invisible(*c)).collect()
    }
}

/// At most the first `bytes_max` octets, cut between characters.
fn cut(text: &str, bytes_max: usize) -> &str {
    let end = (0..=bytes_max.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    end.and_then(|end| text.get(..end)).unwrap_or_default()
}
