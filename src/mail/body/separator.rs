//! What mail programs put between the writer's words and the mail that they answer or forward:
//! `-----Original Message-----`, a ruled line, the header of that mail.

use crate::mail::languages::{Label, folded, holds_any, label};

/// A line of nothing but `_`, `-`, `=` or the like, as Outlook draws one.
pub(super) fn is_rule(line: &str) -> bool {
    let line = line.trim();
    line.len() >= 5 && line.chars().all(|c| DECORATION.contains(&c))
}

/// What separators are drawn with, Proton's hyphens included.
pub(super) const DECORATION: [char; 7] = ['-', '_', '=', '*', '\u{2010}', '\u{2013}', '\u{2014}'];
/// Octets up to which a line may be a separator; the longest are Cyrillic.
const SEPARATOR_OCTETS_MAX: usize = 160;

/// `-----Original Message-----`, `Begin forwarded message:`; whether it is a forwarded one.
pub(super) fn separator(line: &str) -> Option<bool> {
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
pub(super) fn label_of(line: &str) -> Option<Label> {
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
pub(super) fn is_header_block(lines: &[&str]) -> bool {
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
