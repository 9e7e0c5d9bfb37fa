//! Which lines of a text were written by somebody else before.
//!
//! There are four ways of quoting: lines marked by `>`, a line of attribution, a separator, and
//! the header of the answered mail as a block of lines. They are told by their shape (a line
//! that ends in a colon and holds a time or an address and a verb of writing), so that a mail
//! program that nobody here has seen is understood as well.

use super::Standing;
use crate::mail::languages::{Label, begins_with_any, folded, holds_any, label};

/// What one line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// The writer's own, as far as quoting goes.
    Own,
    /// Somebody's before.
    Quoted,
    /// "On Monday Jane wrote:": nobody's words.
    Attribution,
}

/// What each of the lines is, and whether the quoted ones were passed on rather than answered.
pub(super) fn read(lines: &[&str], standing: Standing) -> (Vec<Line>, bool) {
    let mut kinds = Vec::with_capacity(lines.len());
    let mut forwards = None;
    while let Some(line) = lines.get(kinds.len()) {
        let index = kinds.len();
        if is_marked(line) {
            forwards = forwards.or_else(|| passes_on(line));
            kinds.push(Line::Quoted);
        } else if let Some(passed_on) = ends_own_words(lines, index, standing) {
            forwards = forwards.or(passed_on);
            kinds.resize(lines.len(), Line::Quoted);
        } else if let Some(start) = attribution(lines, index, &kinds) {
            let marked = next_line(lines, index + 1).is_some_and(|next| is_marked(next));
            match (marked, standing) {
                (true, _) => {
                    kinds.truncate(start);
                    kinds.resize(index + 1, Line::Attribution);
                }
                (false, Standing::InThread) => {
                    kinds.truncate(start);
                    kinds.resize(lines.len(), Line::Quoted);
                }
                (false, Standing::First) => kinds.push(Line::Own),
            }
            if kinds.len() > index + 1 || marked {
                forwards = forwards.or(Some(false));
            }
        } else {
            kinds.push(Line::Own);
        }
    }
    mend_broken_lines(lines, &mut kinds);
    (kinds, forwards.unwrap_or(false))
}

/// RFC 3676 §4.5.
pub(super) fn is_marked(line: &str) -> bool {
    line.trim_start_matches([' ', '\t', '\u{a0}']).starts_with('>')
}

/// The next line with something in it.
fn next_line<'a>(lines: &[&'a str], from: usize) -> Option<&'a str> {
    /// Blank lines between an attribution or a separator and what belongs to it.
    const BLANK_LINES_MAX: usize = 4;
    let below = lines.get(from..).unwrap_or_default().iter().take(BLANK_LINES_MAX + 1);
    below.copied().find(|line| !line.trim().is_empty())
}

/// Of the first marked line that says it at all: whether it begins a forwarded mail.
fn passes_on(line: &str) -> Option<bool> {
    let words = line.trim_start_matches(['>', ' ', '\t', '\u{a0}']);
    if words.trim().is_empty() { None } else { Some(separator(words) == Some(true)) }
}

/// `Some(_)` when everything from this line on was written by somebody else before; inside,
/// whether that is certainly forwarded or certainly answered.
fn ends_own_words(lines: &[&str], index: usize, standing: Standing) -> Option<Option<bool>> {
    let line = lines.get(index)?;
    if let Some(forwarded) = separator(line) {
        let header_below = next_line(lines, index + 1).is_some_and(|next| label_of(next).is_some());
        let counts = standing == Standing::InThread || header_below;
        return counts.then_some(Some(forwarded));
    }
    if is_rule(line) {
        let header_below = next_line(lines, index + 1)
            .is_some_and(|next| matches!(label_of(next), Some(Label::From | Label::Sent)));
        return (header_below && is_header_block(below(lines, index))).then_some(None);
    }
    let is_block = standing == Standing::InThread
        && matches!(label_of(line), Some(Label::From | Label::Sent))
        && is_header_block(lines.get(index..)?);
    is_block.then_some(None)
}

fn below<'a>(lines: &'a [&'a str], index: usize) -> &'a [&'a str] {
    let rest = lines.get(index + 1..).unwrap_or_default();
    let blank = rest.iter().take_while(|line| line.trim().is_empty()).count();
    rest.get(blank..).unwrap_or_default()
}

/// A line of nothing but `_`, `-`, `=` or the like, as Outlook draws one.
fn is_rule(line: &str) -> bool {
    let line = line.trim();
    line.len() >= 5 && line.chars().all(|c| DECORATION.contains(&c))
}

/// What separators are drawn with, Proton's hyphens included.
const DECORATION: [char; 7] = ['-', '_', '=', '*', '\u{2010}', '\u{2013}', '\u{2014}'];
/// Octets up to which a line may be a separator; the longest are Cyrillic.
const SEPARATOR_OCTETS_MAX: usize = 160;

/// `-----Original Message-----`, `Begin forwarded message:`; whether it is a forwarded one.
fn separator(line: &str) -> Option<bool> {
    let line = line.trim().trim_start_matches(['*', ' ']);
    // Samsung's programs write the header behind it in the same line.
    let line = match line.strip_prefix("--").and_then(|rest| rest.rsplit_once("----")) {
        Some((_, header)) if header.contains(':') => {
            line.get(..line.len() - header.len()).unwrap_or(line)
        }
        _ => line,
    };
    if line.len() > SEPARATOR_OCTETS_MAX {
        return None;
    }
    let is_decoration = |c: char| DECORATION.contains(&c) || c.is_whitespace();
    let words = line.trim_matches(is_decoration);
    let drawn = line.starts_with(DECORATION)
        && line.ends_with(DECORATION)
        && line.len() >= words.len() + 4
        && !words.is_empty();
    let introduces = line.ends_with([':', '：']) || line.ends_with(":*");
    if !drawn && !introduces {
        return None;
    }
    let folded = folded(words);
    if drawn && words.split_whitespace().count() <= 5 && !folded.contains('@') {
        if holds_any(&folded, |language| language.forwarded) {
            return Some(true);
        }
        let answers = folded.contains("reply message");
        return (answers || holds_any(&folded, |language| language.original)).then_some(false);
    }
    // Apple Mail's "Begin forwarded message:" has no dashes, and nobody's sentence is so short.
    let few = words.split_whitespace().count() <= 6 && !folded.contains('@');
    let passes_on = introduces && few && !words.trim_end_matches([':', '：']).contains(':');
    (passes_on && begins_a_forwarded_mail(&folded)).then_some(true)
}

fn begins_a_forwarded_mail(folded: &str) -> bool {
    const BEGIN: [&str; 26] = [
        "begin",
        "anfang",
        "début",
        "debut",
        "inicio",
        "inizio",
        "início",
        "początek",
        "start",
        "začátek",
        "zaciatok",
        "începe",
        "început",
        "kezdete",
        "έναρξη",
        "αρχή",
        "початок",
        "начало",
        "započinje",
        "početak",
        "başlangıc",
        "転送されたメッセージ",
        "下面是",
        "以下是",
        "開始",
        "vidarebefordra",
    ];
    holds_any(folded, |language| language.forwarded)
        && (BEGIN.iter().any(|word| folded.contains(word)) || folded.starts_with("videresendt"))
}

/// Which label of a reply header a line begins with: `*From:* Jane`, `Von : Jana`, `发件人：…`.
fn label_of(line: &str) -> Option<Label> {
    /// Octets of the longest label with the space before its colon.
    const LABEL_OCTETS_MAX: usize = 44;
    let line = line.trim_start_matches(['*', '_', ' ', '\t', '\u{a0}', '|']);
    let colon = line.char_indices().take_while(|(at, _)| *at <= LABEL_OCTETS_MAX);
    let (at, _) = colon.into_iter().find(|(_, c)| matches!(c, ':' | '：'))?;
    let word = line.get(..at)?.trim_end_matches(['*', '_', ' ', '\t', '\u{a0}']);
    if word.is_empty() || word.contains(|c: char| c.is_ascii_digit()) {
        return None;
    }
    label(&folded(word))
}

/// Whether these lines begin with the header of a mail: who, and two more of when, to whom and
/// about what.
fn is_header_block(lines: &[&str]) -> bool {
    /// Lines of a header, long lists of recipients and blank lines of HTML included.
    const LINES_MAX: usize = 12;
    let mut found = Vec::new();
    let mut others = 0;
    for line in lines.iter().take(LINES_MAX).filter(|line| !line.trim().is_empty()) {
        match label_of(line) {
            Some(label) if !found.contains(&label) => found.push(label),
            Some(_) => {}
            None => others += 1,
        }
        if others > 3 {
            break;
        }
    }
    found.contains(&Label::From) && found.len() >= 3
}

/// Where the attribution begins that ends in the line at `index`: in it or up to two lines
/// above, which mail programs break as they like.
fn attribution(lines: &[&str], index: usize, kinds: &[Line]) -> Option<usize> {
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

/// Programs that break marked lines leave their ends unmarked between them. Those are nobody's
/// answer: an inline answer is set apart, or its question does not fill the line.
fn mend_broken_lines(lines: &[&str], kinds: &mut [Line]) {
    /// Where programs break lines at the earliest (characters).
    const LINE_CHARS_MIN: usize = 66;
    let is_quoted =
        |kinds: &[Line], at: Option<usize>| at.and_then(|at| kinds.get(at)) == Some(&Line::Quoted);
    for index in 1..kinds.len() {
        let between = kinds.get(index) == Some(&Line::Own)
            && is_quoted(kinds, index.checked_sub(1))
            && is_quoted(kinds, Some(index + 1));
        if !between {
            continue;
        }
        let Some((before, line)) = lines.get(index - 1).zip(lines.get(index)) else { continue };
        let word = line.split_whitespace().next().unwrap_or_default();
        if !word.is_empty() && before.chars().count() + word.chars().count() >= LINE_CHARS_MIN {
            if let Some(kind) = kinds.get_mut(index) {
                *kind = Line::Quoted;
            }
        }
    }
}
