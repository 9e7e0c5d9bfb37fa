//! "On Monday Jane wrote:", in our languages and in as many lines as programs like.

use super::quoting::{Line, is_marked, next_line};
use super::separator::DECORATION;
use crate::mail::languages::{begins_with_any, folded, holds_any};

/// Where the attribution begins that ends in the line at `index`: in it or up to two lines
/// above, which mail programs break as they like.
pub(super) fn attribution(lines: &[&str], index: usize, kinds: &[Line]) -> Option<usize> {
    const LINES_MAX: usize = 3;
    let line = lines.get(index)?;
    let ends = ends_attribution(line);
    if !ends && !line.contains('@') {
        return None;
    }
    let marked_below = next_line(lines, index + 1).is_some_and(is_marked);
    if !ends && !marked_below {
        return None;
    }
    let continues = |start: usize| {
        let above = start.checked_sub(1)?;
        let line = lines.get(above)?;
        let is_free = kinds.get(above) == Some(&Line::Own) && !line.trim().is_empty();
        (is_free && index - above < LINES_MAX).then_some(above)
    };
    let mut start = index;
    let mut joined = folded(line.trim());
    while !is_attribution(&joined, marked_below) {
        start = continues(start)?;
        joined = format!("{} {joined}", folded(lines.get(start)?.trim()));
    }
    // The verb and the address may stand in the last line alone: then the date is above.
    while let Some(above) = continues(start) {
        let here = lines.get(start).map(|line| folded(line.trim())).unwrap_or_default();
        let before = lines.get(above).map(|line| folded(line.trim())).unwrap_or_default();
        // "10:00 wrote:" is the end of one, "26.11.2026 10:00, Jane wrote:" may be all of it.
        let is_whole = opens_attribution(&here)
            && !(here.starts_with(|c: char| c.is_ascii_digit()) && here.chars().count() < 16);
        let ends_sentence = before.ends_with(['.', '!', '?', '。', ',']) && !has_time(&before);
        let begins = opens_attribution(&before)
            || has_address_in_brackets(&before)
            || before.split_once(',').is_some_and(|(day, _)| !day.contains(' '));
        if is_whole || ends_sentence || !(begins && has_time(&before)) {
            break;
        }
        start = above;
    }
    Some(start)
}

/// A colon, or the dashes of Zoho and Zimbra.
fn ends_attribution(line: &str) -> bool {
    let line = line.trim_end_matches([' ', '\t', '\u{a0}', '*', '_']);
    line.ends_with([':', '：']) || (line.ends_with("--") && line.starts_with("--"))
}

/// `folded` is lower case and one line.
fn is_attribution(folded: &str, marked_below: bool) -> bool {
    /// Octets: a long name, a long address and a date in any alphabet.
    const OCTETS_MAX: usize = 500;
    /// Whoever speaks of what they themselves wrote quotes nobody.
    const FIRST_PERSON: [&str; 21] = [
        "i wrote",
        "we wrote",
        "i have written",
        "i said",
        "schrieb ich",
        "ich schrieb",
        "ich geschrieben",
        "hiermit",
        "ik schreef",
        "schreef ik",
        "jeg skrev",
        "skrev jeg",
        "jag skrev",
        "napisałem",
        "napisałam",
        "írtam",
        "yazdım",
        "написах",
        "я написал",
        "я писал",
        "napisao sam",
    ];
    if folded.len() > OCTETS_MAX || FIRST_PERSON.iter().any(|words| folded.contains(words)) {
        return false;
    }
    let folded = folded.trim_matches(|c: char| DECORATION.contains(&c) || c.is_whitespace());
    let writes = holds_any(folded, |language| language.wrote);
    let in_brackets = has_address_in_brackets(folded);
    let begins = opens_attribution(folded) || in_brackets;
    // "Jane Doe wrote:", as some programs were set long ago.
    let is_short =
        writes && folded.ends_with([':', '：']) && folded.split_whitespace().count() <= 6;
    if marked_below {
        let names = begins || has_address(folded) || has_time(folded) || is_short;
        return (writes && names)
            || (has_address(folded) && has_time(folded))
            || (in_brackets && folded.ends_with([':', '：']));
    }
    let says_when = in_brackets || folded.contains(|c: char| c.is_ascii_digit());
    (writes && begins && says_when) || (in_brackets && has_time(folded)) || is_short
}

/// Whether a line begins as attributions do: with "on", a date, or a weekday.
fn opens_attribution(folded: &str) -> bool {
    folded.starts_with(|c: char| c.is_ascii_digit())
        || begins_with_any(folded, |language| language.opens)
        || folded
            .split([' ', ','])
            .next()
            .is_some_and(|word| word.ends_with('.') && word.len() <= 12)
        || begins_with_weekday(folded)
}

/// Weekdays of the languages whose attributions begin with one.
fn begins_with_weekday(folded: &str) -> bool {
    const WEEKDAYS: [&str; 53] = [
        "pon",
        "wt",
        "śr",
        "czw",
        "pt",
        "sob",
        "niedz",
        "man",
        "tir",
        "ons",
        "tor",
        "fre",
        "lør",
        "søn",
        "po ",
        "út",
        "st ",
        "čt",
        "pá",
        "so ",
        "ne ",
        "uto",
        "sri",
        "čet",
        "pet",
        "sub",
        "ned",
        "пн",
        "вт",
        "ср",
        "чт",
        "пт",
        "сб",
        "вс",
        "нд",
        "нед",
        "понед",
        "вторн",
        "среда",
        "четв",
        "пятн",
        "субб",
        "воскр",
        "ma ",
        "ti ",
        "ke ",
        "to ",
        "pe ",
        "la ",
        "su ",
        "mon",
        "thu",
        "fri",
    ];
    WEEKDAYS.iter().any(|day| folded.starts_with(day))
}

fn has_address(folded: &str) -> bool {
    folded.split_once('@').is_some_and(|(before, after)| {
        before.ends_with(|c: char| !c.is_whitespace())
            && after.starts_with(|c: char| c.is_alphanumeric())
    })
}

fn has_address_in_brackets(folded: &str) -> bool {
    let mut inside = folded.split(['<', '[', '(']).skip(1);
    inside.any(|rest| {
        rest.split(['>', ']', ')'])
            .next()
            .is_some_and(|inner| has_address(inner) && !inner.contains(' '))
    })
}

/// A year, a time of day, or a date in figures.
fn has_time(text: &str) -> bool {
    let bytes = text.as_bytes();
    let mut groups = 0;
    let mut at = 0;
    while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if digits == 0 {
            at += 1;
            // "26. 11. 26": groups of figures with a dot, stroke or colon and perhaps a space between.
            let joins = matches!(rest.first(), Some(b'.' | b'/' | b'-' | b':' | b' '));
            groups = if joins { groups } else { 0 };
            continue;
        }
        let year = rest.get(..4).filter(|_| digits == 4);
        if year.is_some_and(|year| year.starts_with(b"19") || year.starts_with(b"20")) {
            return true;
        }
        let follows = rest.get(digits..).unwrap_or_default();
        let minutes = follows.iter().skip(1).take_while(|byte| byte.is_ascii_digit()).count() == 2;
        if digits <= 2 && minutes && matches!(follows.first(), Some(b':' | b'h')) {
            return true;
        }
        groups = if digits <= 4 { groups + 1 } else { 0 };
        if groups == 3 {
            return true;
        }
        at += digits;
    }
    false
}
