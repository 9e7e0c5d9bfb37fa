//! A text that consists of nothing but known phrases: the way to be sure of a yes.

use std::collections::BTreeSet;

use super::super::text::normalize;
use super::super::words::{Line, Words};

/// Octets of an answer that is looked at so closely.
const TEXT_OCTETS_MAX: usize = 2_000;
/// Lines that may stand below a closing word, and octets in each.
const SIGNATURE_LINES_MAX: usize = 10;
const SIGNATURE_OCTETS_MAX: usize = 120;
/// Lines that are a name, without a closing word before them.
const NAME_LINES_MAX: usize = 2;
/// Words of a name in the line of a closing word: "Thanks, Jane Doe".
const SIGNED_WORDS_MAX: usize = 3;
/// Words of a name that need no closing words before them.
const FULL_NAME_WORDS: usize = 2;
/// Letters of a word in which a slip is overlooked.
const SLIP_CHARS_MIN: usize = 5;
/// Words behind a greeting: "Dear privacy team of Flexus,".
const GREETED_WORDS_MAX: usize = 6;

/// Phrases of which the whole text has to consist, as `in = "whole"` wants it. A `*` at the end
/// of one stands for the rest of its word.
#[derive(Clone, Debug, Default)]
pub(super) struct Phrases {
    /// What may stand before it and says nothing: that a link does not open.
    opens: Vec<String>,
    /// One of these comes first, but for a greeting and what opens.
    begins: Vec<String>,
    /// What may follow, in any order and number.
    goes_on: Vec<String>,
    /// Greetings; whom they name is not looked at.
    greets: Vec<String>,
    /// Closing words; a name and the like stand below.
    closes: Vec<String>,
    /// Whether a slip in a longer word is overlooked.
    slips: bool,
}

impl Phrases {
    /// Folds the phrases as texts are: those that open, that begin, that follow, that greet, that
    /// close.
    pub(super) fn new(lists: [Vec<String>; 5], slips: bool) -> Phrases {
        let [opens, begins, goes_on, greets, closes] =
            lists.map(|list| list.iter().map(|phrase| normalize(phrase)).collect());
        Phrases { opens, begins, goes_on, greets, closes, slips }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.begins.is_empty()
    }

    /// What they say first, when the whole text consists of them, and what stands there beside
    /// them: names and signatures.
    pub(super) fn are_all_of<'t>(&self, words: &'t Words) -> Option<Listed<'t>> {
        if words.own.len() > TEXT_OCTETS_MAX {
            return None;
        }
        let mut reading = Reading::Greeting;
        let (mut saw, mut names) = (None, 0);
        let mut unlisted = String::new();
        let has_contact = words.lines.iter().any(|line| line.has_contact);
        for line in &words.lines {
            if let Reading::Signature(lines) = &mut reading {
                *lines += 1;
                let fits = *lines <= SIGNATURE_LINES_MAX && line.text.len() <= SIGNATURE_OCTETS_MAX;
                let is_listed = self.reads(&line.text).is_some();
                let is_role = has_contact && line.may_be_a_role;
                if !fits || !(line.may_be_signed || is_role || is_listed) {
                    return None;
                }
                if !is_listed {
                    unlisted.push_str(&line.text);
                    unlisted.push('\n');
                }
                continue;
            }
            if saw.is_some() && self.reads(&line.text).is_none() && line.may_be_a_name {
                names += 1;
                if names > NAME_LINES_MAX {
                    return None;
                }
                unlisted.push_str(&line.text);
                unlisted.push('\n');
                // A name over a telephone number begins a signature.
                if has_contact && line.names_at_end >= FULL_NAME_WORDS {
                    reading = Reading::Signature(1);
                }
                continue;
            }
            // As does a line drawn below the answer.
            if saw.is_some() && !line.text.contains(char::is_alphanumeric) {
                reading = Reading::Signature(0);
                continue;
            }
            for rest in self.read_line(line, &mut reading, &mut saw)? {
                unlisted.push_str(rest);
                unlisted.push('\n');
            }
        }
        Some(Listed { saw: saw?, unlisted })
    }

    /// Whether a line consists of phrases.
    fn reads(&self, line: &str) -> Option<()> {
        self.walk(line, true, 0).map(|_| ())
    }

    /// Reads a line on; what remains of it is whom it greets, and a name behind closing words.
    fn read_line<'t>(
        &self,
        line: &'t Line,
        reading: &mut Reading,
        saw: &mut Option<&'t str>,
    ) -> Option<[&'t str; 2]> {
        let mut rest = without_separators(&line.text);
        let mut greeted = "";
        if *reading == Reading::Greeting
            && let Some(greeting) = self.found(&self.greets, rest).max()
        {
            (greeted, rest) = self.behind_greeting(rest.get(greeting..)?);
        }
        if rest.is_empty() {
            return Some([greeted, ""]);
        }
        let names = line.names_at_end.min(SIGNED_WORDS_MAX);
        let whole = self.walk(rest, saw.is_some(), 0);
        let walked = whole.or_else(|| self.walk(rest, saw.is_some(), names))?;
        *saw = saw.or(walked.first);
        *reading = match (saw, walked.closes) {
            (None, _) => Reading::Greeting,
            (_, true) => Reading::Signature(0),
            (_, false) => Reading::Answer,
        };
        Some([greeted, walked.name])
    }

    /// How phrases make up the rest of a line, but for so many words of a name behind closing
    /// words. What has begun may go on; else one of them has to begin it, or it only opens.
    fn walk<'t>(&self, line: &'t str, has_begun: bool, names: usize) -> Option<Walked<'t>> {
        let mut seen = BTreeSet::new();
        let mut todo = vec![(line, has_begun, false, None::<&str>)];
        while let Some((rest, has_begun, closes, first)) = todo.pop() {
            let rest = without_separators(rest);
            // A single word with a capital may be anything, but behind closing words.
            let left = rest.split_whitespace().count();
            let signed = left <= names && (closes || (has_begun && left >= FULL_NAME_WORDS));
            if rest.is_empty() || (signed && has_begun) {
                return Some(Walked { first, closes, name: rest });
            }
            if !seen.insert((rest.len(), has_begun, closes)) {
                continue;
            }
            let mut follow = |list: &[String], begins: bool, closes: bool| {
                for length in self.found(list, rest) {
                    if let (Some(phrase), Some(next)) = (rest.get(..length), rest.get(length..)) {
                        let first = first.or(begins.then_some(phrase));
                        todo.push((next, begins, closes, first));
                    }
                }
            };
            follow(&self.opens, has_begun, closes);
            follow(&self.begins, true, closes);
            if has_begun {
                follow(&self.goes_on, true, closes);
                follow(&self.closes, true, true);
            }
        }
        None
    }

    /// Octets of the phrases that `text` begins with and that end where a word does.
    fn found(&self, phrases: &[String], text: &str) -> impl Iterator<Item = usize> {
        phrases.iter().filter_map(move |phrase| begins_with(text, phrase, self.slips))
    }

    /// Whoever is greeted, and what follows.
    fn behind_greeting<'t>(&self, rest: &'t str) -> (&'t str, &'t str) {
        let rest = without_separators(rest);
        let begins = self.found(&self.begins, rest).chain(self.found(&self.opens, rest));
        if begins.count() > 0 {
            return ("", rest);
        }
        let end = rest.find([',', '.', '!', ':', ';', '、', '。']).unwrap_or(rest.len());
        let (greeted, behind) = rest.split_at(end);
        match greeted.split_whitespace().count() > GREETED_WORDS_MAX {
            true => ("", rest),
            false => (greeted, without_separators(behind)),
        }
    }
}

/// A text that consists of phrases.
#[derive(Clone, Debug)]
pub(super) struct Listed<'t> {
    /// What it says first.
    pub(super) saw: &'t str,
    /// What no list has: names and signatures, line by line.
    pub(super) unlisted: String,
}

/// A line that consists of phrases.
#[derive(Clone, Copy, Debug)]
struct Walked<'t> {
    /// The first of those that say something.
    first: Option<&'t str>,
    /// Whether one of them closes the text.
    closes: bool,
    /// The name behind them.
    name: &'t str,
}

/// How far one has read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reading {
    Greeting,
    Answer,
    /// With the number of its lines.
    Signature(usize),
}

fn without_separators(text: &str) -> &str {
    text.trim_start_matches(is_separator)
}

fn is_separator(c: char) -> bool {
    c.is_whitespace() || ",.!¡:;-_\"'()*~/&+、。・「」…✓✔✅👍🙏🙂😊".contains(c)
}

fn begins_with(text: &str, phrase: &str, slips: bool) -> Option<usize> {
    let open = phrase.strip_suffix('*');
    let mut rest = text;
    for (at, word) in open.unwrap_or(phrase).split(' ').enumerate() {
        // "Ok, I confirm" is what "ok i confirm" says.
        let next = if at == 0 { rest } else { without_separators(rest) };
        if at > 0 && next.len() == rest.len() {
            return None;
        }
        let slip = || behind_slip(next, word).filter(|_| slips);
        rest = next.strip_prefix(word).or_else(slip)?;
    }
    let at = text.len() - rest.len();
    if open.is_some() {
        let tail = rest.find(|c: char| !c.is_alphanumeric() && c != '\'').unwrap_or(rest.len());
        return Some(at + tail);
    }
    // Scripts that put no spaces between words have no ends of words either.
    let spaced = |c: char| !matches!(c, '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}');
    let last = phrase.chars().next_back()?;
    let goes_on = rest.starts_with(|c: char| c.is_alphanumeric() || c == '\'');
    (!goes_on || !spaced(last)).then_some(at)
}

/// What stands behind the word that a text begins with, when it is `word` with a slip in it: a
/// letter too many, one missing, or two of them swapped. Other letters, first ones above all, and
/// short words differ for a reason: "keine" is not "meine", "borran" not "borren".
fn behind_slip<'t>(text: &'t str, word: &str) -> Option<&'t str> {
    let end = text.find(|c: char| !c.is_alphabetic()).unwrap_or(text.len());
    let (written, rest) = text.split_at(end);
    let meant: Vec<char> = word.chars().collect();
    let written: Vec<char> = written.chars().collect();
    let is_long = meant.len().min(written.len()) >= SLIP_CHARS_MIN;
    if !is_long || meant.len().abs_diff(written.len()) > 1 || meant.first() != written.first() {
        return None;
    }
    let alike = meant.iter().zip(&written).take_while(|(a, b)| a == b).count();
    let (meant, written) = (meant.get(alike..)?, written.get(alike..)?);
    let alike = meant.iter().rev().zip(written.iter().rev()).take_while(|(a, b)| a == b).count();
    let meant = meant.get(..meant.len() - alike)?;
    let written = written.get(..written.len() - alike)?;
    let swapped = matches!((meant, written), ([a, b], [c, d]) if a == d && b == c);
    (swapped || meant.len() + written.len() <= 1).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_text_has_to_be_known() {
        let list = |texts: &[&str]| -> Vec<String> {
            texts.iter().map(|text| (*text).to_owned()).collect()
        };
        let lists = [
            list(&["the link", "does not open", "so"]),
            list(&["yes", "confirmed", "はい"]),
            list(&["please", "delet*", "it", "削除してください"]),
            list(&["hi", "dear"]),
            list(&["thanks", "best regards"]),
        ];
        let phrases = Phrases::new(lists, true);
        let reads = |text: &str| phrases.are_all_of(&Words::of("", text)).is_some();
        for text in [
            "Yes",
            "YES!!",
            "Hi,\nyes please, deleting it.",
            "Hi yes",
            "yes, thanks Jane Doe",
            "yes, it, Jane Doe",
            "yes, it. Yes! Please: it",
            "Dear privacy team at Flexus,\nyes\nBest regards\nJane Doe\n+1 555 0100",
            "Yes\nJane Doe",
            "The link does not open, so: yes",
            "confrimed",
            "confirmd, delet it",
            "Yes\n\nJane Doe\nhead of sales\nExample Ltd\nTel. +1 555 0100",
            "Yes\n----\nJane Doe, Example Ltd",
            "はい、削除してください。",
        ] {
            assert!(reads(text), "{text}");
        }
        for text in [
            "",
            "Hi",
            "please",
            "yesterday",
            "yes?",
            "yes but",
            "Yes\nleave it",
            "yes it\nJane said so",
            "Hi, yes\nA B\nC D\nE F",
            "please yes",
            "はい、しかし",
            "yes, thanks stop it",
            "yes, Stop",
            "yes\nThanks\nI will call my lawyer",
            "The link does not open",
            "yse",
            "zonfirmed",
            "Yes\nJane Doe\nhead of sales",
            "Yes\n\nJane Doe\nI will call my lawyer now\nTel. +1 555 0100",
            "yes, thanks, I will think about it",
        ] {
            assert!(!reads(text), "{text}");
        }
    }
}
