//! A mail as rules see it.

use std::ops::Range;

use super::text::{bare_subject, normalize};
use crate::mail::Mail;

/// Octets of somebody's words that are judged; whoever asks for something does so before.
const JUDGED_OCTETS_MAX: usize = 16 * 1024;

/// A subject and own words, normalized.
#[derive(Clone, Debug, Default)]
pub struct Words {
    /// Without `Re:` and the like.
    pub(super) subject: String,
    /// The own words as one line; a word that was broken by a hyphen is whole again.
    pub(super) own: String,
    /// The own words line by line, without empty lines.
    pub(super) lines: Vec<Line>,
}

/// One line of somebody's words.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) text: String,
    /// Whether it may be nothing but a name, by its capitals.
    pub(super) may_be_a_name: bool,
    /// How many words at its end are written as names are.
    pub(super) names_at_end: usize,
    /// Whether it may stand below a name: a role, a firm, a number, an address.
    pub(super) may_be_signed: bool,
    /// Whether it may be a role where a number or an address stands near: "head of sales".
    pub(super) may_be_a_role: bool,
    /// Whether it holds a telephone number or an address.
    pub(super) has_contact: bool,
}

impl Words {
    /// Of a mail, without what it only quotes.
    pub fn of_mail(mail: &Mail) -> Words {
        Words::of(&mail.subject, &mail.body.own)
    }

    /// Of a subject and a text.
    pub fn of(subject: &str, own: &str) -> Words {
        let end = (0..=own.len().min(JUDGED_OCTETS_MAX)).rev().find(|at| own.is_char_boundary(*at));
        let own = end.and_then(|end| own.get(..end)).unwrap_or_default();
        let mut words = Words { subject: bare_subject(subject), ..Words::default() };
        for line in own.lines() {
            let text = normalize(line);
            if text.is_empty() {
                continue;
            }
            words.join(&text);
            words.lines.push(Line {
                may_be_a_name: may_be_a_name(line),
                names_at_end: line
                    .split_whitespace()
                    .rev()
                    .take_while(|word| is_named(word))
                    .count(),
                may_be_signed: may_be_signed(line),
                may_be_a_role: may_be_a_role(line),
                has_contact: has_contact(line),
                text,
            });
        }
        words
    }

    /// Whether it is too short to tell its language.
    pub(super) fn is_brief(&self) -> bool {
        self.own.split_whitespace().count() <= BRIEF_WORDS_MAX
    }

    /// Without its subject.
    pub(super) fn without_subject(&self) -> Words {
        Words { subject: String::new(), ..self.clone() }
    }

    /// The subject, and parts of the own words, each grown or cut to whole words.
    pub(super) fn near(&self, parts: &[Range<usize>]) -> Words {
        let end_of_word = |at: usize| {
            let at = (at..self.own.len()).find(|at| self.own.is_char_boundary(*at));
            let rest = at.and_then(|at| self.own.get(at..)).unwrap_or_default();
            // Some scripts put no spaces between words.
            let end = rest.char_indices().take(WORD_CHARS_MAX).find(|(_, c)| *c == ' ');
            self.own.len() - rest.len() + end.map_or(0, |(end, _)| end)
        };
        let whole = |part: &Range<usize>| {
            let from = if part.start == 0 { 0 } else { end_of_word(part.start) };
            self.own.get(from..end_of_word(part.end)).unwrap_or_default()
        };
        let own = parts.iter().map(whole).collect::<Vec<_>>().join(" … ");
        Words { subject: self.subject.clone(), own, lines: Vec::new() }
    }

    /// The subject and nothing else.
    pub(super) fn subject_alone(&self) -> Words {
        Words { subject: self.subject.clone(), ..Words::default() }
    }

    fn join(&mut self, line: &str) {
        let begins_small = line.starts_with(|c: char| c.is_lowercase());
        let broken = self
            .own
            .strip_suffix('-')
            .filter(|before| begins_small && before.ends_with(|c: char| c.is_alphabetic()));
        match broken.map(str::len) {
            Some(end) => self.own.truncate(end),
            None if self.own.is_empty() => {}
            None => self.own.push(' '),
        }
        self.own.push_str(line);
    }
}

/// Words that may be of several languages.
const BRIEF_WORDS_MAX: usize = 2;
/// Characters after which a word has ended.
const WORD_CHARS_MAX: usize = 60;
/// Words of a role at most.
const ROLE_WORDS_MAX: usize = 4;
/// Digits of a telephone number at least.
const NUMBER_DIGITS_MIN: usize = 7;
/// Words of a name at most.
const NAME_WORDS_MAX: usize = 5;

/// Whether each word begins as names do. In scripts without capitals nothing tells them.
fn may_be_a_name(line: &str) -> bool {
    const PARTICLES: [&str; 14] =
        ["de", "da", "do", "del", "di", "du", "la", "le", "van", "von", "der", "den", "bin", "al"];
    let words: Vec<&str> = line.split_whitespace().collect();
    let is_name = |word: &&str| {
        PARTICLES.contains(word)
            || (word.starts_with(char::is_uppercase)
                && !is_shouted(word)
                && word.chars().all(|c| c.is_alphabetic() || "'’.,-".contains(c)))
    };
    (1..=NAME_WORDS_MAX).contains(&words.len()) && words.iter().all(is_name)
}

/// Whether most of its words are written as in names, numbers and addresses.
fn may_be_signed(line: &str) -> bool {
    let words = line.split_whitespace().count();
    line.split_whitespace().filter(|word| is_named(word)).count() * 2 > words
}

/// Whether it is a few words that are no sentence.
fn may_be_a_role(line: &str) -> bool {
    line.split_whitespace().count() <= ROLE_WORDS_MAX && !line.contains(['.', '!', '?', ';', ':'])
}

fn has_contact(line: &str) -> bool {
    let digits = line.chars().filter(char::is_ascii_digit).count();
    digits >= NUMBER_DIGITS_MIN || line.contains(['@', '☎']) || line.contains("www.")
}

/// Whether it is all capitals, as what somebody shouts: "STOP".
fn is_shouted(word: &str) -> bool {
    word.chars().filter(|c| c.is_uppercase()).count() > 2 && !word.contains(char::is_lowercase)
}

fn is_named(word: &str) -> bool {
    let is_domain = || word.trim_end_matches('.').contains('.');
    word.contains(['@', '/']) || !word.starts_with(char::is_lowercase) || is_domain()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_become_one_and_broken_words_whole() {
        let words =
            Words::of("Re: X", "Delete my per-\nsonal data\n\n and the e-mail\nTHANKS -\nJane");
        assert_eq!(words.own, "delete my personal data and the e-mail thanks - jane");
        assert_eq!(words.lines.len(), 5);
    }

    #[test]
    fn parts_of_a_text_are_whole_words() {
        let near = |text: &str, part: Range<usize>| Words::of("", text).near(&[part]).own;
        assert_eq!(near("one two three four five", 5..10), " three");
        assert_eq!(near("one two three", 0..99), "one two three");
        assert_eq!(near("個人情報を削除", 4..10), "情報");
        assert_eq!(near("short", 40..60), "");
    }

    #[test]
    fn a_name_is_told_by_its_capitals() {
        let name = |line: &str| may_be_a_name(line);
        assert!(name("Jane Doe") && name("José María de la Cruz") && name("J. O'Neill"));
        for line in ["Head of Sales, Example Ltd", "jane@example.org", "www.shop.example"] {
            assert!(may_be_signed(line), "{line}");
        }
        assert!(!may_be_signed("I will call my lawyer") && !may_be_signed("but not yet"));
        assert!(
            !name("leave it")
                && !name("Leave it")
                && !name("")
                && !name("Call 112")
                && !name("NO MAILS")
        );
    }
}
