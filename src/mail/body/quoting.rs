//! Which lines of a text were written by somebody else before.
//!
//! There are four ways of quoting: lines marked by `>`, a line of attribution, a separator, and
//! the header of the answered mail as a block of lines. They are told by their shape (a line
//! that ends in a colon and holds a time or an address and a verb of writing), so that a mail
//! program that nobody here has seen is understood as well.

use super::Standing;
use super::attribution::attribution;
use super::separator::{is_header_block, is_rule, label_of, separator};
use crate::mail::languages::Label;

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
            let marked = next_line(lines, index + 1).is_some_and(is_marked);
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
pub(super) fn next_line<'a>(lines: &[&'a str], from: usize) -> Option<&'a str> {
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
        let filled = before.chars().count() + word.chars().count() >= LINE_CHARS_MIN;
        if let (true, false, Some(kind)) = (filled, word.is_empty(), kinds.get_mut(index)) {
            *kind = Line::Quoted;
        }
    }
}
