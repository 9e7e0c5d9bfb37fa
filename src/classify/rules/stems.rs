//! Which rule files have something to say to a text: one look for the stems of all of them.

use std::borrow::Cow;
use std::ops::Range;

use aho_corasick::AhoCorasick;

use super::super::words::Words;
use super::file::RuleFile;

/// What stands so many octets before and behind a stem is read; people are brief, and who is not
/// speaks of other things further off.
const NEAR_OCTETS: usize = 600;
/// What has to stand beside a stem is at most so many octets away: in its sentence, more or less.
const BESIDE_OCTETS: usize = 200;

/// The stems of all files.
#[derive(Clone, Debug, Default)]
pub(super) struct Stems {
    /// None when there are none.
    all: Option<AhoCorasick>,
    /// Whose each is.
    of: Vec<Stem>,
    /// What each file is like before a text was looked at.
    files: Vec<Spoken>,
}

#[derive(Clone, Copy, Debug)]
struct Stem {
    file: usize,
    /// One that only has to stand beside another.
    beside: bool,
}

/// Where a file has stems of its own.
#[derive(Clone, Debug)]
pub(super) struct Spoken {
    /// It has no stems: it is for every text.
    always: bool,
    /// Whether something has to stand beside a stem.
    wants_company: bool,
    last_stem: Option<usize>,
    last_beside: Option<usize>,
    in_subject: bool,
    /// What is near to one in the own words: from where to where, in order and apart.
    near: Vec<Range<usize>>,
}

impl Stems {
    pub(super) fn of(files: &[RuleFile]) -> Stems {
        let mut stems = Vec::new();
        let mut of = Vec::new();
        for (file, rules) in files.iter().enumerate() {
            let own = rules.stems().map(|stem| (stem, false));
            for (stem, beside) in own.chain(rules.beside().map(|stem| (stem, true))) {
                stems.push(stem.to_owned());
                of.push(Stem { file, beside });
            }
        }
        let all = AhoCorasick::new(&stems).ok().filter(|_| !stems.is_empty());
        Stems { all, of, files: files.iter().map(Spoken::before).collect() }
    }

    /// Where each file has a word of its own in the text.
    pub(super) fn find(&self, words: &Words) -> Vec<Spoken> {
        let mut spoken = self.files.clone();
        let Some(stems) = &self.all else { return spoken };
        // The subject stands beside the beginning of the text.
        for (text, from) in [(&words.subject, 0), (&words.own, words.subject.len())] {
            for found in stems.find_overlapping_iter(text.as_str()) {
                let Some(stem) = self.of.get(found.pattern().as_usize()) else { continue };
                if let Some(spoken) = spoken.get_mut(stem.file) {
                    spoken.note(from + found.start(), stem.beside, words.subject.len());
                }
            }
        }
        spoken
    }
}

impl Spoken {
    fn before(file: &RuleFile) -> Spoken {
        Spoken {
            always: file.stems().next().is_none(),
            wants_company: file.beside().next().is_some(),
            last_stem: None,
            last_beside: None,
            in_subject: false,
            near: Vec::new(),
        }
    }

    /// Notes a stem at `at`, counted from the subject, which is so many octets long.
    fn note(&mut self, at: usize, beside: bool, subject: usize) {
        let (own, other) = match beside {
            true => (&mut self.last_beside, self.last_stem),
            false => (&mut self.last_stem, self.last_beside),
        };
        *own = Some(at);
        if self.wants_company && other.is_none_or(|other| at.abs_diff(other) > BESIDE_OCTETS) {
            return;
        }
        match at.checked_sub(subject) {
            Some(at) => self.note_near(at),
            None => self.in_subject = true,
        }
    }

    fn note_near(&mut self, at: usize) {
        let (from, to) = (at.saturating_sub(NEAR_OCTETS), at + NEAR_OCTETS);
        match self.near.last_mut().filter(|last| from <= last.end) {
            Some(last) => last.end = to.max(last.end),
            None => self.near.push(from..to),
        }
    }

    /// The part of some words that the file is to judge; none when it has nothing to say.
    pub(super) fn part_of<'w>(&self, words: &'w Words) -> Option<Cow<'w, Words>> {
        let near: usize = self.near.iter().map(ExactSizeIterator::len).sum();
        match (self.always, self.in_subject, self.near.is_empty()) {
            (true, ..) => Some(Cow::Borrowed(words)),
            (false, false, true) => None,
            _ if near >= words.own.len() || words.own.len() <= 2 * NEAR_OCTETS => {
                Some(Cow::Borrowed(words))
            }
            // Of a mail that says it in its subject the beginning counts.
            (_, true, true) => {
                Some(Cow::Owned(words.near(std::slice::from_ref(&(0..2 * NEAR_OCTETS)))))
            }
            _ => Some(Cow::Owned(words.near(&self.near))),
        }
    }
}
