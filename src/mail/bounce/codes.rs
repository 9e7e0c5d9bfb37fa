//! The codes that servers answer with, found in what people are meant to read.

use std::sync::LazyLock;

use regex::Regex;

/// An enhanced code (RFC 3463) that is no part of a longer number: no address, no version.
static ENHANCED: LazyLock<Regex> = LazyLock::new(|| {
    regex(r"(?:^|[^0-9A-Za-z.])([245]\.[0-9]\.[0-9]{1,3})(?:[^0-9A-Za-z.]|\.[^0-9]|\.?$)")
});
/// A reply of SMTP (RFC 5321 §4.2): 421, 450-455, 500-509, 550-559, with its text behind it.
static REPLY: LazyLock<Regex> = LazyLock::new(|| {
    regex(r#"(?:^|[\s:;<(\["'])(42[0-9]|45[0-9]|50[0-9]|55[0-9])(?:-|[ \t]+)(?:[^\s]{1,16}|$)"#)
});
/// What makes a number an amount.
const UNITS: [&str; 9] = ["mb", "gb", "kb", "mib", "gib", "bytes", "octets", "messages", "minutes"];

fn regex(pattern: &'static str) -> Regex {
    Regex::new(pattern).expect("a fixed pattern compiles")
}

/// The first code in `text`: as it stands, or of the class of a plain reply (`5.0.0`).
pub(super) fn code_in(text: &str) -> Option<String> {
    if let Some(found) = ENHANCED.captures(text).and_then(|found| found.get(1)) {
        return Some(found.as_str().to_owned());
    }
    let is_amount = |reply: &str| {
        let word = reply.rsplit(['-', ' ', '\t']).next().unwrap_or_default().to_ascii_lowercase();
        UNITS.iter().any(|unit| word.starts_with(unit))
    };
    let mut replies = REPLY.captures_iter(text);
    let reply = replies.find(|found| found.get(0).is_some_and(|all| !is_amount(all.as_str())))?;
    let class = reply.get(1)?.as_str().chars().next()?;
    Some(format!("{class}.0.0"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_told_from_other_numbers() {
        let check = |text: &str, expected: Option<&str>| {
            assert_eq!(code_in(text).as_deref(), expected, "{text}");
        };
        check("host said: 550 5.1.1 <jane@example.org>... User unknown", Some("5.1.1"));
        check("no mailbox here by that name. (#5.1.1)", Some("5.1.1"));
        check("the code is 4.2.2.", Some("4.2.2"));
        check("550-Requested action not taken", Some("5.0.0"));
        check("said: 421 try again", Some("4.0.0"));
        check("ERROR_CODE :550, mailbox", None);
        check("192.0.2.5, version 5.1.1.7, v4.6.1, 5.5.1960.3", None);
        check("uses 500 MB of 550 MB", None);
        check("call 5505551234", None);
    }
}
