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
/// Words behind a greeting: "Dear privacy team of Flexus,".
const GREETED_WORDS_MAX: usize = 6;

/// Phrases of which the whole text has to consist, as `in = "whole"` wants it. A `*` at the end
/// of one stands for the rest of its word.
#[derive(Clone, Debug, Default)]
pub(super) struct Phrases {
    /// One of these comes first, but for a greeting.
    begins: Vec<String>,
    /// What may follow, in any order and number.
    goes_on: Vec<String>,
    /// Greetings; whom they name is not looked at.
    greets: Vec<String>,
    /// Closing words; a name and the like stand below.
    closes: Vec<String>,
}

impl Phrases {
    /// Folds the phrases as texts are: those that begin, that follow, that greet, that close.
    pub(super) fn new(lists: [&[String]; 4]) -> Phrases {
        let [begins, goes_on, greets, closes] =
            lists.map(|list| list.iter().map(|phrase| normalize(phrase)).collect());
        Phrases { begins, goes_on, greets, closes }
    }

    /// What they say first, when the whole text consists of them.
    pub(super) fn are_all_of<'t>(&self, words: &'t Words) -> Option<&'t str> {
        if words.own.len() > TEXT_OCTETS_MAX {
            return None;
        }
        let mut reading = Reading::Greeting;
        let (mut saw, mut names) = (None, 0);
        for line in &words.lines {
            if let Reading::Signature(lines) = &mut reading {
                *lines += 1;
                let fits = *lines <= SIGNATURE_LINES_MAX && line.text.len() <= SIGNATURE_OCTETS_MAX;
                if !fits || !(line.may_be_signed || self.reads(&line.text).is_some()) {
                    return None;
                }
                continue;
            }
            if saw.is_some() && self.reads(&line.text).is_none() && line.may_be_a_name {
                names += 1;
                if names > NAME_LINES_MAX {
                    return None;
                }
                continue;
            }
            self.read_line(line, &mut reading, &mut saw)?;
        }
        saw
    }

    /// Whether a line consists of phrases.
    fn reads(&self, line: &str) -> Option<()> {
        let line = Line {
            text: line.to_owned(),
            may_be_a_name: false,
            names_at_end: 0,
            may_be_signed: false,
        };
        self.read_line(&line, &mut Reading::Answer, &mut Some(""))
    }

    fn read_line<'t>(
        &self,
        line: &'t Line,
        reading: &mut Reading,
        saw: &mut Option<&'t str>,
    ) -> Option<()> {
        let mut rest = without_separators(&line.text);
        if *reading == Reading::Greeting
            && let Some(greeting) = phrases_of(&self.greets, rest).max()
        {
            rest = self.behind_greeting(rest.get(greeting..)?);
        }
        if rest.is_empty() {
            return Some(());
        }
        let names = line.names_at_end.min(SIGNED_WORDS_MAX);
        let (first, closes) = self.walk(rest, saw.is_some(), names)?;
        saw.get_or_insert(first);
        *reading = if closes { Reading::Signature(0) } else { Reading::Answer };
        Some(())
    }

    /// Whether phrases make up the rest of a line in some way, but for so many words of a name
    /// behind closing words: the first of them, and whether one of them closes the text.
    fn walk<'t>(&self, line: &'t str, has_begun: bool, names: usize) -> Option<(&'t str, bool)> {
        let mut seen = BTreeSet::new();
        let mut todo = vec![(line, has_begun, false, None)];
        while let Some((rest, has_begun, closes, first)) = todo.pop() {
            let rest = without_separators(rest);
            let signed = closes && rest.split_whitespace().count() <= names;
            if rest.is_empty() || signed {
                return Some((first.unwrap_or_default(), closes)).filter(|_| has_begun);
            }
            if !seen.insert((rest.len(), has_begun, closes)) {
                continue;
            }
            let mut follow = |lists: &[&Vec<String>], closes| {
                for length in lists.iter().flat_map(|list| phrases_of(list, rest)) {
                    if let (Some(phrase), Some(next)) = (rest.get(..length), rest.get(length..)) {
                        todo.push((next, true, closes, first.or(Some(phrase))));
                    }
                }
            };
            match has_begun {
                true => {
                    follow(&[&self.begins, &self.goes_on], closes);
                    follow(&[&self.closes], true);
                }
                false => follow(&[&self.begins], closes),
            }
        }
        None
    }

    /// What follows the name of whoever is greeted.
    fn behind_greeting<'t>(&self, rest: &'t str) -> &'t str {
        let rest = without_separators(rest);
        if phrases_of(&self.begins, rest).next().is_some() {
            return rest;
        }
        let end = rest.find([',', '.', '!', ':', ';', '、', '。']).unwrap_or(rest.len());
        let (greeted, behind) = rest.split_at(end);
        match greeted.split_whitespace().count() > GREETED_WORDS_MAX {
            true => rest,
            false => without_separators(behind),
        }
    }
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

/// Octets of the phrases that `text` begins with and that end where a word does.
fn phrases_of(phrases: &[String], text: &str) -> impl Iterator<Item = usize> {
    phrases.iter().filter_map(move |phrase| begins_with(text, phrase))
}

fn begins_with(text: &str, phrase: &str) -> Option<usize> {
    let open = phrase.strip_suffix('*');
    let mut rest = text;
    for (at, word) in open.unwrap_or(phrase).split(' ').enumerate() {
        // "Ok, I confirm" is what "ok i confirm" says.
        let next = if at == 0 { rest } else { without_separators(rest) };
        if at > 0 && next.len() == rest.len() {
            return None;
        }
        rest = next.strip_prefix(word)?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_text_has_to_be_known() {
        let list = |texts: &[&str]| -> Vec<String> {
            texts.iter().map(|text| (*text).to_owned()).collect()
        };
        let phrases = Phrases::new([
            &list(&["yes", "はい"]),
            &list(&["please", "delet*", "it", "削除してください"]),
            &list(&["hi", "dear"]),
            &list(&["thanks", "best regards"]),
        ]);
        let reads = |text: &str| phrases.are_all_of(&Words::of("", text)).is_some();
        for text in [
            "Yes",
            "YES!!",
            "Hi,\nyes please, deleting it.",
            "Hi yes",
            "yes, thanks Jane Doe",
            "yes, it. Yes! Please: it",
            "Dear privacy team at Flexus,\nyes\nBest regards\nJane Doe\n+1 555 0100",
            "Yes\nJane Doe",
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
            "yes\nThanks\nI will call my lawyer",
            "yes, thanks, I will think about it",
        ] {
            assert!(!reads(text), "{text}");
        }
    }
}
