//! Bytes whose encoding is missing, unknown or wrongly named, read as a person's program would
//! guess. The decoders are mail-parser's; the guess is ours.

use mail_parser::decoders::charsets::map::charset_decoder;

/// Reads `bytes` by the charset they claim, unless they themselves say otherwise.
pub(super) fn decode(bytes: &[u8], declared: Option<&str>) -> String {
    if let Some(text) = by_own_marks(bytes) {
        return text;
    }
    let declared = declared.map(str::trim).filter(|name| !name.is_empty());
    let decoder = declared.and_then(|name| charset_decoder(name.as_bytes()));
    let is_multibyte = declared.is_some_and(is_multibyte);
    if let (Ok(text), false) = (std::str::from_utf8(bytes), is_multibyte) {
        return text.to_owned();
    }
    match (declared, decoder) {
        (Some(name), Some(decoder)) if !is_unsaid(name) => {
            let text = decoder(bytes);
            if text.contains('\u{fffd}') || (is_western(name) && is_mostly_high(bytes)) {
                guess(bytes)
            } else {
                text
            }
        }
        _ => guess(bytes),
    }
}

/// Whether a text that mail-parser decoded by `declared` deserves a second look at its bytes.
pub(super) fn is_doubtful(text: &str, declared: Option<&str>) -> bool {
    let mut marks = memchr::memchr2_iter(0x1b, 0, text.as_bytes());
    if text.contains('\u{fffd}') || marks.next().is_some() {
        return true;
    }
    !text.is_ascii() && declared.is_some_and(|name| !is_multibyte(name) && !is_utf8(name))
}

/// Byte order marks, the escapes of ISO-2022-JP, and the zeros of UTF-16.
fn by_own_marks(bytes: &[u8]) -> Option<String> {
    let by = |name: &[u8], bytes: &[u8]| charset_decoder(name).map(|decoder| decoder(bytes));
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return by(b"utf-16", bytes);
    }
    let escapes = || memchr::memmem::find_iter(bytes, b"\x1b$");
    if escapes().any(|at| matches!(bytes.get(at + 2), Some(b'B' | b'@'))) {
        return by(b"iso-2022-jp", bytes);
    }
    let zeros = memchr::memchr_iter(0, bytes).count();
    if zeros >= 8 && zeros * 3 > bytes.len() {
        let even = bytes.iter().step_by(2).filter(|byte| **byte == 0).count();
        return by(if even * 2 > zeros { b"utf-16be" } else { b"utf-16le" }, bytes);
    }
    None
}

fn is_utf8(name: &str) -> bool {
    name.eq_ignore_ascii_case("utf-8") || name.eq_ignore_ascii_case("utf8")
}

/// Names that say nothing about octets beyond ASCII, or that the bytes gave the lie.
fn is_unsaid(name: &str) -> bool {
    const NAMES: [&str; 6] =
        ["us-ascii", "ascii", "unknown-8bit", "default", "x-unknown", "ansi_x3.4-1968"];
    is_utf8(name) || NAMES.iter().any(|other| name.eq_ignore_ascii_case(other))
}

/// What programs name when they were never told.
fn is_western(name: &str) -> bool {
    ["iso-8859-1", "iso8859-1", "latin1", "windows-1252", "iso-8859-15"]
        .iter()
        .any(|other| name.eq_ignore_ascii_case(other))
}

/// Encodings whose octets may be UTF-8 by chance, or are plain ASCII anyway.
fn is_multibyte(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    [
        "gb", "big5", "shift", "sjis", "euc", "iso-2022", "utf-7", "utf7", "utf-16", "ks_c", "hz",
        "x-sjis", "cp9", "unicode",
    ]
    .iter()
    .any(|begin| name.starts_with(begin))
}

/// Runs of octets beyond ASCII.
fn high_runs(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split(|byte| byte.is_ascii()).filter(|run| !run.is_empty())
}

/// Whether the letters are not of the Latin alphabet, whatever they are.
fn is_mostly_high(bytes: &[u8]) -> bool {
    let high = bytes.iter().filter(|byte| !byte.is_ascii()).count();
    let letters = bytes.iter().filter(|byte| byte.is_ascii_alphabetic()).count();
    high > 4 && high > letters * 2
}

/// The likeliest reading of octets that say nothing about themselves.
pub(super) fn guess(bytes: &[u8]) -> String {
    /// What is looked at (octets).
    const SAMPLE_OCTETS: usize = 16 * 1024;
    let lossy = String::from_utf8_lossy(bytes);
    let broken = lossy.matches('\u{fffd}').count();
    let whole = lossy.chars().filter(|c| !c.is_ascii()).count() - broken;
    if whole >= broken {
        return lossy.into_owned();
    }
    let sample = bytes.get(..SAMPLE_OCTETS).unwrap_or(bytes);
    let name: &[u8] = if is_mostly_high(sample) { by_letters(sample) } else { b"windows-1252" };
    charset_decoder(name).map_or_else(|| lossy.clone().into_owned(), |decoder| decoder(bytes))
}

fn by_letters(sample: &[u8]) -> &'static [u8] {
    let high: Vec<u8> = high_runs(sample).flatten().copied().collect();
    let share = |range: std::ops::RangeInclusive<u8>| {
        high.iter().filter(|byte| range.contains(byte)).count() * 100 / high.len().max(1)
    };
    let even = high_runs(sample).all(|run| run.len() % 2 == 0);
    let kana = high.chunks_exact(2).filter(|pair| matches!(pair, [0x82 | 0x83, _])).count();
    if kana * 5 > high.len() / 2 {
        return b"shift_jis";
    }
    let pairs = |lead: u8| high.chunks_exact(2).filter(|pair| pair.first() == Some(&lead)).count();
    // Hiragana stands in EUC-JP's row 4, its commas and stops in row 1.
    if even && pairs(0xa4) * 4 > high.len() / 2 {
        return b"euc-jp";
    }
    if even
        && share(0xa1..=0xfe) == 100
        && high_runs(sample).count() > 1
        && !reads_as_cyrillic(&high)
    {
        return b"gb18030";
    }
    // Small letters are the many: KOI8-R has them where windows-1251 has the capitals.
    let (small, capital) = (share(0xe0..=0xff), share(0xc0..=0xdf));
    if small + capital < 60 {
        return if even { b"gb18030" } else { b"windows-1252" };
    }
    if capital > small { b"koi8-r" } else { b"windows-1251" }
}

/// Whether nearly all octets are letters of windows-1251 or KOI8-R; Chinese uses lower ones too.
fn reads_as_cyrillic(high: &[u8]) -> bool {
    let letters = high
        .iter()
        .filter(|byte| **byte >= 0xc0 || matches!(byte, 0xa3 | 0xb3 | 0xb8 | 0xa8))
        .count();
    letters * 100 >= high.len() * 97
}
