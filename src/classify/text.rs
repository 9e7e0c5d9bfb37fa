//! One spelling for what people write in many.

use std::sync::LazyLock;

use regex::Regex;

use crate::mail::EmailAddress;

/// Characters of a subject that rules get to see.
const SUBJECT_CHARS_MAX: usize = 1_000;

/// Lower case, straight quotes, single spaces: what rules match against.
pub fn normalize(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut space = true;
    for c in text.chars() {
        let c = match c {
            '\u{2018}' | '\u{2019}' | '\u{02bc}' | '\u{b4}' | '`' => '\'',
            '\u{201c}' | '\u{201d}' | '\u{ab}' | '\u{bb}' => '"',
            '\u{2010}'..='\u{2015}' => '-',
            // Soft hyphens and zero-width characters are there for the eye only.
            '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{feff}' => continue,
            c => c,
        };
        if c.is_whitespace() {
            if !space {
                out.push(' ');
            }
            space = true;
        } else {
            out.extend(c.to_lowercase());
            space = false;
        }
    }
    if out.ends_with(' ') {
        out.pop();
    }
    out
}

/// The subject without `Re:`, `Fwd:` and `[tags]` in front, normalized.
pub fn bare_subject(subject: &str) -> String {
    static PREFIX: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"^(?:(?:re|fwd?|aw|wg|sv|tr|rv|antw|r|i)(?:\[\d+\])?\s*:|\[[^\]]{0,60}\])\s*")
            .expect("a fixed pattern compiles")
    });
    let short: String = subject.chars().take(SUBJECT_CHARS_MAX).collect();
    let folded = normalize(&short);
    let mut rest = folded.as_str();
    while let Some(prefix) = PREFIX.find(rest).filter(|prefix| !prefix.is_empty()) {
        rest = rest.get(prefix.end()..).unwrap_or_default();
    }
    rest.to_owned()
}

/// Every mail address that stands in a text.
pub fn addresses(text: &str) -> Vec<EmailAddress> {
    static ADDRESS: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"[\w.!#$%&'*+/=?^`{|}~-]+@[\w-]+(?:\.[\w-]+)+")
            .expect("a fixed pattern compiles")
    });
    ADDRESS.find_iter(text).filter_map(|found| EmailAddress::parse(found.as_str()).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_are_folded() {
        assert_eq!(
            normalize(" Please\u{a0}don\u{2019}t\r\n  DELETE\u{200b} it "),
            "please don't delete it"
        );
        assert_eq!(
            bare_subject("RE: Fwd: [EXT] [ticket #3] Re[2]: Data  Deletion Request"),
            "data deletion request"
        );
        assert_eq!(bare_subject("[only a tag]"), "");
    }

    #[test]
    fn addresses_are_found_in_running_text() {
        let found = addresses("mine is jane@example.org, (or <bob@mail.example.net>). x@y");
        let texts: Vec<_> = found.iter().map(EmailAddress::as_str).collect();
        assert_eq!(texts, ["jane@example.org", "bob@mail.example.net"]);
    }
}
