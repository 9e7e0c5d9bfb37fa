//! Messages whose header mail-parser would misread, put into a form that it reads: the mbox
//! line, byte order marks, lines that end in CR, a body that begins without a blank line, and
//! raw octets beyond ASCII. All others are passed on as they are, uncopied.

use std::borrow::Cow;

use super::{Bounds, charset};

/// Octets of a message that is copied to be repaired; a larger one is read as it is.
const REPAIRED_BYTES_MAX: usize = 8 * 1024 * 1024;

/// `raw` as mail-parser should see it.
pub(super) fn repaired(raw: &[u8], header_bytes_max: usize) -> Cow<'_, [u8]> {
    let raw = without_preamble(raw);
    if raw.len() > REPAIRED_BYTES_MAX {
        return Cow::Borrowed(raw);
    }
    let head = raw.get(..header_bytes_max).unwrap_or(raw);
    if memchr::memchr(b'\n', head).is_none() && memchr::memchr(b'\r', head).is_some() {
        let lines: Vec<u8> =
            raw.iter().map(|byte| if *byte == b'\r' { b'\n' } else { *byte }).collect();
        let again = mended_header(&lines).unwrap_or(lines);
        return Cow::Owned(again);
    }
    mended_header(raw).map_or(Cow::Borrowed(raw), Cow::Owned)
}

/// Without what nobody gets to see of a text that is all of a huge mail: mail-parser would copy
/// it whole, and each octet that it cannot read three times.
pub(super) fn shortened<'a>(raw: &'a [u8], bounds: &Bounds) -> &'a [u8] {
    // Encoded, an octet of text takes three at most, and has its line ends.
    let kept = bounds.header_bytes_max + bounds.text_bytes_max * 4;
    let Some(begin) = raw.get(..kept) else { return raw };
    let head = begin.get(..bounds.header_bytes_max).unwrap_or(begin);
    let head = head.get(..header_end(head).0).unwrap_or(head).to_ascii_lowercase();
    let is_text = match memchr::memmem::find(&head, b"content-type:") {
        Some(at) => {
            head.get(at + 13..).is_some_and(|kind| kind.trim_ascii_start().starts_with(b"text/"))
        }
        None => true,
    };
    if is_text { begin } else { raw }
}

/// Without a byte order mark, blank lines and the line of an mbox (RFC 4155) at the top.
fn without_preamble(raw: &[u8]) -> &[u8] {
    let raw = raw.strip_prefix(b"\xef\xbb\xbf").unwrap_or(raw);
    let mut rest = raw;
    loop {
        let line =
            rest.split_inclusive(|byte| matches!(byte, b'\n' | b'\r')).next().unwrap_or_default();
        let is_mbox = line.starts_with(b"From ") || line.starts_with(b">From ");
        let blank = line.trim_ascii().is_empty();
        if line.is_empty() || !(is_mbox || blank) || line.len() == rest.len() {
            return rest;
        }
        rest = rest.get(line.len()..).unwrap_or_default();
    }
}

/// The message with its header mended; `None` when nothing is wrong with it.
fn mended_header(raw: &[u8]) -> Option<Vec<u8>> {
    let (end, missing) = header_end(raw);
    let header = raw.get(..end)?;
    let is_readable = header.is_ascii() && memchr::memmem::find(header, b"\x1b$").is_none();
    if !missing
        && (is_readable || std::str::from_utf8(header).is_ok_and(|text| !text.contains("\x1b$")))
    {
        return None;
    }
    let mut out = Vec::with_capacity(raw.len() + 64);
    let declared = declared_charset(header);
    for line in header.split_inclusive(|byte| *byte == b'\n') {
        out.extend(charset::decode(line, declared.as_deref()).into_bytes());
    }
    if missing {
        out.push(b'\n');
    }
    out.extend(raw.get(end..)?);
    Some(out)
}

/// Where the header ends, and whether the blank line behind it is missing.
fn header_end(raw: &[u8]) -> (usize, bool) {
    let mut at = 0;
    let mut fields = 0;
    for line in raw.split_inclusive(|byte| *byte == b'\n') {
        if line.trim_ascii().is_empty() {
            return (at, false);
        }
        if is_field(line) {
            fields += 1;
        } else if !line.starts_with(b" ") && !line.starts_with(b"\t") && fields > 0 {
            let rest = raw.get(at + line.len()..).unwrap_or_default();
            if !header_goes_on(rest) {
                return (at, true);
            }
        }
        at += line.len();
    }
    (raw.len(), false)
}

/// `Name:` (RFC 5322 §3.6.8), a space before the colon forgiven.
fn is_field(line: &[u8]) -> bool {
    let Some(colon) = memchr::memchr(b':', line) else { return false };
    let name = line.get(..colon).unwrap_or_default().trim_ascii_end();
    !name.is_empty() && name.iter().all(|byte| byte.is_ascii_graphic())
}

/// Whether a line that is no field stands inside a header, not at its end.
fn header_goes_on(rest: &[u8]) -> bool {
    const LINES_MAX: usize = 6;
    const NAMES: [&str; 14] = [
        "from:",
        "to:",
        "cc:",
        "subject:",
        "date:",
        "message-id:",
        "mime-version:",
        "content-",
        "received:",
        "return-path:",
        "reply-to:",
        "references:",
        "in-reply-to:",
        "x-",
    ];
    let lines = rest.split(|byte| *byte == b'\n').take(LINES_MAX);
    lines.take_while(|line| !line.trim_ascii().is_empty()).any(|line| {
        NAMES.iter().any(|name| {
            let begin = line.get(..name.len()).unwrap_or_default();
            begin.eq_ignore_ascii_case(name.as_bytes()) && is_field(line)
        })
    })
}

/// The charset that the Content-Type of the header names: its raw octets are likely the same.
fn declared_charset(header: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(header).to_ascii_lowercase();
    let (_, rest) = text.split_once("charset=")?;
    let name = rest.trim_start_matches('"').split(['"', ';', ' ', '\r', '\n']).next()?;
    (!name.starts_with("utf") && !name.is_empty()).then(|| name.to_owned())
}
