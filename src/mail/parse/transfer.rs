//! The transfer encodings of bodies (RFC 2045 §6) and headers (RFC 2047), read with all their
//! faults where mail-parser's strict reading gives up.

use std::borrow::Cow;

use super::charset::decode;

/// Quoted-printable as far as it is some: what is no escape stands for itself.
pub(super) fn lenient_quoted_printable(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((first, after)) = rest.split_first() {
        let hex = |at: usize| after.get(at).and_then(|byte| char::from(*byte).to_digit(16));
        let spaces = after.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
        let beyond = after.get(spaces..).unwrap_or_default();
        rest = match (first, after, hex(0).zip(hex(1))) {
            (b'=', [_, _, after @ ..], Some((high, low))) => {
                out.push((high * 16 + low) as u8);
                after
            }
            (b'=', ..) if beyond.starts_with(b"\r\n") => beyond.get(2..).unwrap_or_default(),
            (b'=', ..) if beyond.starts_with(b"\n") => beyond.get(1..).unwrap_or_default(),
            (b'=', ..) if beyond.is_empty() => &[],
            _ => {
                out.push(*first);
                after
            }
        };
    }
    out
}

/// Whether quoted-printable holds an `=` that is no escape, or ends in a soft line break.
pub(super) fn has_false_escapes(bytes: &[u8]) -> bool {
    memchr::memchr_iter(b'=', bytes).any(|at| match bytes.get(at + 1..) {
        Some([high, low, ..]) if high.is_ascii_hexdigit() => !low.is_ascii_hexdigit(),
        Some([b'\r', b'\n', rest @ ..] | [b'\n', rest @ ..]) => rest.is_empty(),
        _ => true,
    })
}

/// Whether base64 ends within a group of four.
pub(super) fn lacks_padding(bytes: &[u8]) -> bool {
    let last = bytes.trim_ascii_end().rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
    last.trim_ascii_end().len() % 4 != 0
}

/// Base64 with whatever else stands between; `None` when it is no base64 but a text.
pub(super) fn lenient_base64(bytes: &[u8]) -> Option<Vec<u8>> {
    let is_word = |line: &&[u8]| line.iter().filter(|byte| **byte == b' ').count() > 2;
    let (texts, lines) = bytes.split(|byte| *byte == b'\n').fold((0, 0), |(texts, lines), line| {
        (texts + usize::from(is_word(&line)), lines + usize::from(line.len() > 1))
    });
    if texts * 2 > lines {
        return None;
    }
    let mut out = Vec::with_capacity(bytes.len() / 4 * 3);
    let (mut bits, mut held) = (0_u32, 0_u32);
    for byte in bytes {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            b'=' => {
                // Padding ends a piece; another may follow.
                (bits, held) = (0, 0);
                continue;
            }
            _ => continue,
        };
        bits = (bits << 6) | u32::from(value);
        held += 6;
        if held >= 8 {
            held -= 8;
            out.push((bits >> held) as u8);
            bits &= (1 << held) - 1;
        }
    }
    Some(out)
}

/// A header value that mail-parser read with holes, once more: words in raw octets, encoded
/// words that end within a character or a line (RFC 2047 §5 forbids it).
pub(super) fn header_text(raw: &[u8]) -> String {
    let line: Vec<u8> = unfolded(raw);
    let mut out = String::new();
    let mut rest = line.as_slice();
    let mut open: Option<Word> = None;
    let flush = |out: &mut String, open: &mut Option<Word>| {
        if let Some((charset, bytes)) = open.take() {
            out.push_str(&decode(&bytes, Some(&charset)));
        }
    };
    while let Some(at) = memchr::memmem::find(rest, b"=?") {
        let before = rest.get(..at).unwrap_or_default();
        let Some((word, after)) = encoded_word(rest.get(at + 2..).unwrap_or_default()) else {
            flush(&mut out, &mut open);
            out.push_str(&decode(rest.get(..at + 2).unwrap_or_default(), None));
            rest = rest.get(at + 2..).unwrap_or_default();
            continue;
        };
        // White space between encoded words is for the eye of the transport (§6.2).
        if !before.trim_ascii().is_empty() || open.is_none() {
            flush(&mut out, &mut open);
            out.push_str(&decode(before, None));
        }
        match &mut open {
            Some((charset, bytes)) if charset.eq_ignore_ascii_case(&word.0) => bytes.extend(word.1),
            _ => {
                flush(&mut out, &mut open);
                open = Some(word);
            }
        }
        rest = after;
    }
    flush(&mut out, &mut open);
    out.push_str(&decode(rest, None));
    out
}

/// Without line ends; a line's indent is one space.
fn unfolded(raw: &[u8]) -> Vec<u8> {
    let lines =
        raw.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).filter(|line| !line.is_empty());
    lines.collect::<Vec<_>>().join(&b' ')
}

/// A charset, and octets in it.
type Word = (String, Vec<u8>);

/// `charset?Q?text?=` and what follows it.
fn encoded_word(bytes: &[u8]) -> Option<(Word, &[u8])> {
    let mut parts = bytes.splitn(3, |byte| *byte == b'?');
    let (charset, encoding, text) = (parts.next()?, parts.next()?, parts.next()?);
    let end = memchr::memmem::find(text, b"?=")?;
    let inside = text.get(..end)?;
    let charset = String::from_utf8_lossy(charset.split(|byte| *byte == b'*').next()?).into_owned();
    let bytes = match encoding {
        b"Q" | b"q" => {
            let spaced: Cow<'_, [u8]> =
                inside.iter().map(|byte| if *byte == b'_' { b' ' } else { *byte }).collect();
            lenient_quoted_printable(&spaced)
        }
        b"B" | b"b" => lenient_base64(inside)?,
        _ => return None,
    };
    let plain = charset.len() < 40 && !charset.contains(char::is_whitespace);
    plain.then_some(((charset, bytes), text.get(end + 2..)?))
}
