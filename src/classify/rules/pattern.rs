//! Patterns with gaps: parts that follow each other in one sentence, each looked for by itself.
//! As one expression they would be slow: an engine that never goes back has to keep every way in
//! which the parts may still come, and these are too many to remember.

use std::cell::OnceCell;
use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::{LazyLock, Mutex, OnceLock};

use regex::Regex;
use regex_automata::meta::{self, BuildError};
use regex_automata::nfa::thompson::WhichCaptures;
use regex_automata::{Anchored, Input};

use super::super::text::fold_pattern;
use super::beginnings::{Beginnings, Candidate, Extent, holds};

/// Compiled size of one part (octets); the engine is linear whatever the size.
const PART_BYTES_MAX: usize = 4 << 20;
/// Memory that one part may take while it is matched (octets).
const MATCHING_BYTES_MAX: usize = 512 << 10;
/// What a part may reach beyond the end of a sentence (octets): "Art. 17".
const BEYOND_OCTETS_MAX: usize = 100;

/// Anything inside one sentence, whose end is a stop before a space; where it cannot be taken
/// apart.
const GAP: &str = r"(?:[^.!?]|\.\S)*";
/// Up to three words.
const SOME: &str = r"(?:[^ .!?]+ ){0,3}";

/// The parts of all patterns of a file, each compiled when it is first needed.
#[derive(Debug, Default)]
pub(super) struct Parts {
    parts: Vec<Part>,
    beginnings: Beginnings,
    known: HashMap<String, usize>,
}

#[derive(Debug)]
struct Part {
    source: String,
    extent: Extent,
    compiled: OnceLock<Option<Compiled>>,
}

/// With its one cache. The engine's own pool would keep one for each thread that ever reads.
#[derive(Debug)]
struct Compiled {
    regex: meta::Regex,
    cache: Mutex<meta::Cache>,
}

/// One pattern: its parts in order.
#[derive(Clone, Debug, Default)]
pub(super) struct Pattern(Vec<usize>);

impl Parts {
    /// Reads a pattern, with lists of words put in place of their names.
    ///
    /// # Errors
    /// When there is no such list.
    pub(super) fn read(
        &mut self,
        pattern: &str,
        words: &BTreeMap<String, Vec<String>>,
        is_latin: bool,
    ) -> Result<Pattern, String> {
        let whole = expand(pattern, words)?;
        let parts = apart(&whole).into_iter().filter(|part| !part.is_empty());
        let source = |part: &str| fold_pattern(&part.replace("{gap}", GAP), is_latin);
        Ok(Pattern(parts.map(|part| self.part(source(part))).collect()))
    }

    fn part(&mut self, source: String) -> usize {
        let next = self.parts.len();
        let at = *self.known.entry(source.clone()).or_insert(next);
        if at == next {
            self.parts.push(Part { source, extent: Extent::Unknown, compiled: OnceLock::new() });
        }
        at
    }

    /// All patterns were read: what is no longer needed goes.
    pub(super) fn seal(&mut self) {
        self.known = HashMap::new();
        let sources = self.parts.iter().map(|part| part.source.as_str());
        let (beginnings, extents) = Beginnings::of(sources);
        self.beginnings = beginnings;
        for (part, extent) in self.parts.iter_mut().zip(extents) {
            part.extent = extent;
        }
        self.parts.shrink_to_fit();
    }

    /// Compiles a pattern to say whether that can be done.
    ///
    /// # Errors
    /// The engine's words.
    pub(super) fn try_pattern(&self, pattern: &Pattern) -> Result<(), Box<BuildError>> {
        let mut parts = pattern.0.iter().filter_map(|at| self.parts.get(*at));
        parts.try_for_each(|part| compile(&part.source).map(|_| ()))
    }

    /// A text in which these parts are looked for.
    pub(super) fn look_into<'t>(&'t self, text: &'t str) -> Look<'t> {
        Look {
            parts: self,
            text,
            ends: OnceCell::new(),
            candidates: OnceCell::new(),
            first: vec![OnceCell::new(); self.parts.len()],
        }
    }
}

/// There are more than a thousand parts: each is kept small, without what only captures or
/// greater speed on long texts would need.
fn compile(source: &str) -> Result<meta::Regex, Box<BuildError>> {
    let config = meta::Config::new()
        .which_captures(WhichCaptures::Implicit)
        .onepass(false)
        .dfa(false)
        .backtrack(false)
        .hybrid_cache_capacity(MATCHING_BYTES_MAX)
        .nfa_size_limit(Some(PART_BYTES_MAX));
    meta::Regex::builder().configure(config).build(source).map_err(Box::new)
}

impl Part {
    /// Compiles it when it is needed first; one that is wrong was refused when it was tried.
    fn find(&self, input: &Input<'_>) -> Option<Range<usize>> {
        self.compiled.get_or_init(|| Compiled::of(&self.source)).as_ref()?.find(input)
    }
}

impl Compiled {
    fn of(source: &str) -> Option<Compiled> {
        let regex = compile(source).ok()?;
        Some(Compiled { cache: Mutex::new(regex.create_cache()), regex })
    }

    fn find(&self, input: &Input<'_>) -> Option<Range<usize>> {
        let found = match self.cache.try_lock() {
            Ok(mut cache) => self.regex.search_with(&mut cache, input),
            // Another thread reads just now, or broke off.
            Err(_) => self.regex.search_with(&mut self.regex.create_cache(), input),
        };
        found.map(|found| found.range())
    }
}

/// A text, and what was found in it so far.
pub(super) struct Look<'t> {
    parts: &'t Parts,
    text: &'t str,
    /// Where its sentences end.
    ends: OnceCell<Vec<usize>>,
    /// Where each part may stand.
    candidates: OnceCell<Vec<Vec<Candidate>>>,
    /// Where each part stands first, if it stands there at all.
    first: Vec<OnceCell<Option<Range<usize>>>>,
}

impl<'t> Look<'t> {
    /// What the first of some patterns saw that is there.
    pub(super) fn find(&self, patterns: &[Pattern]) -> Option<&'t str> {
        patterns.iter().find_map(|pattern| self.find_one(pattern))
    }

    fn find_one(&self, Pattern(parts): &Pattern) -> Option<&'t str> {
        // Most patterns fail for want of a part, and parts are shared by many patterns.
        if parts.iter().any(|part| self.first(*part).is_none()) {
            return None;
        }
        let (first, rest) = parts.split_first()?;
        let mut found = self.first(*first);
        while let Some(begin) = found {
            if let Some(end) = self.follow(begin.end, rest) {
                return self.text.get(begin.start..end);
            }
            // What fails from the first place in a sentence fails from each later one in it.
            let next = self.end_of_sentence(begin.end).max(begin.end);
            found = self.from(*first, next.max(begin.start + 1));
        }
        None
    }

    /// Where the last part ends, when each follows the one before it in its sentence.
    fn follow(&self, from: usize, parts: &[usize]) -> Option<usize> {
        let mut at = from;
        for part in parts {
            let end = self.end_of_sentence(at);
            let found = self.from(*part, at).filter(|found| found.start <= end)?;
            at = found.end;
        }
        Some(at)
    }

    fn first(&self, part: usize) -> Option<Range<usize>> {
        self.first.get(part)?.get_or_init(|| self.search(part, 0, self.text.len())).clone()
    }

    /// Where a part stands from a place on; not looked for far beyond the sentence.
    fn from(&self, part: usize, at: usize) -> Option<Range<usize>> {
        match self.first(part)? {
            first if first.start >= at => Some(first),
            _ => self.search(part, at, self.end_of_sentence(at) + BEYOND_OCTETS_MAX),
        }
    }

    fn search(&self, at: usize, from: usize, to: usize) -> Option<Range<usize>> {
        let part = self.parts.parts.get(at)?;
        let to = self.text.ceil_char_boundary(to.min(self.text.len()));
        let from = self.text.ceil_char_boundary(from).min(to);
        if matches!(part.extent, Extent::Unknown) {
            return part.find(&Input::new(self.text).range(from..to));
        }
        let candidates = self.candidates(at);
        let next = candidates.partition_point(|candidate| candidate.start < from);
        let mut candidates = candidates.get(next..)?.iter().filter(|one| one.end <= to);
        match part.extent {
            Extent::Whole(before, behind) => {
                let stands = |one: &&Candidate| {
                    holds(before, self.text, one.start) && holds(behind, self.text, one.end)
                };
                candidates.find(stands).map(|one| one.start..one.end)
            }
            _ => candidates.find_map(|one| {
                let rest = Input::new(self.text).range(one.start..to);
                part.find(&rest.anchored(Anchored::Yes))
            }),
        }
    }

    /// Where a part may stand, in order.
    fn candidates(&self, part: usize) -> &[Candidate] {
        let all = self
            .candidates
            .get_or_init(|| self.parts.beginnings.find(self.text, self.parts.parts.len()));
        all.get(part).map(Vec::as_slice).unwrap_or_default()
    }

    fn end_of_sentence(&self, at: usize) -> usize {
        let ends = self.ends.get_or_init(|| ends_of_sentences(self.text));
        let next = ends.partition_point(|end| *end < at);
        ends.get(next).copied().unwrap_or(self.text.len())
    }
}

fn ends_of_sentences(text: &str) -> Vec<usize> {
    let mut chars = text.char_indices().peekable();
    let mut ends = Vec::new();
    while let Some((at, c)) = chars.next() {
        let ends_here = match c {
            '!' | '?' | '。' => true,
            '.' => chars.peek().is_none_or(|(_, next)| next.is_whitespace()),
            _ => false,
        };
        if ends_here {
            ends.push(at);
        }
    }
    ends
}

/// Puts lists of words and shorthands in place of their names, but for gaps.
fn expand(pattern: &str, words: &BTreeMap<String, Vec<String>>) -> Result<String, String> {
    static NAME: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"\{([a-z][a-z-]*)\}").expect("a fixed pattern compiles"));
    let mut out = String::with_capacity(pattern.len());
    let mut done = 0;
    for found in NAME.captures_iter(pattern) {
        let (Some(whole), Some(name)) = (found.get(0), found.get(1)) else { continue };
        out.push_str(pattern.get(done..whole.start()).unwrap_or_default());
        done = whole.end();
        match (name.as_str(), words.get(name.as_str())) {
            ("gap", _) => out.push_str("{gap}"),
            ("some", _) => out.push_str(SOME),
            (_, Some(list)) => out.push_str(&format!("(?:{})", list.join("|"))),
            (name, None) => {
                return Err(format!("{pattern:?} names [words] {name}, which is not there"));
            }
        }
    }
    out.push_str(pattern.get(done..).unwrap_or_default());
    Ok(out)
}

/// A pattern cut at its gaps; whole where one of them stands in a group, or there is a choice.
fn apart(pattern: &str) -> Vec<&str> {
    let (mut depth, mut in_class, mut cuts) = (0_usize, false, Vec::new());
    let mut chars = pattern.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => drop(chars.next()),
            '[' if !in_class => in_class = true,
            ']' => in_class = false,
            _ if in_class => {}
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            '|' if depth == 0 => return vec![pattern],
            '{' if depth == 0
                && pattern.get(at..).is_some_and(|rest| rest.starts_with("{gap}")) =>
            {
                cuts.push(at);
            }
            _ => {}
        }
    }
    let mut parts = Vec::new();
    let mut from = 0;
    for cut in cuts {
        parts.push(pattern.get(from..cut).unwrap_or_default());
        from = cut + "{gap}".len();
    }
    parts.push(pattern.get(from..).unwrap_or_default());
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pattern: &str, text: &str, expected: Option<&str>) {
        let words = BTreeMap::from([(
            "delete".to_owned(),
            vec!["delete".to_owned(), "erased?".to_owned()],
        )]);
        let mut parts = Parts::default();
        let pattern = [parts.read(pattern, &words, true).unwrap()];
        parts.seal();
        assert_eq!(parts.look_into(text).find(&pattern), expected, "{text}");
    }

    #[test]
    fn parts_follow_each_other_in_one_sentence() {
        let pattern = r"\bplease\b{gap}\b{delete}\b{gap}\bmy\b";
        check(pattern, "please delete my data", Some("please delete my"));
        check(
            pattern,
            "do please, when you can, erase all of my data",
            Some("please, when you can, erase all of my"),
        );
        check(pattern, "please help. delete my data", None);
        check(
            pattern,
            "please! please delete what is on flexus.example of my data",
            Some("please delete what is on flexus.example of my"),
        );
        check(pattern, "delete my data please", None);
        check(pattern, "pleased to delete my data", None);
        check(
            r"\bart\. 17\b{gap}\berase\b",
            "under art. 17 please erase. it",
            Some("art. 17 please erase"),
        );
        check(r"\berase\b{gap}\bart\. 17\b", "erase it by art. 17", Some("erase it by art. 17"));
    }

    #[test]
    fn what_cannot_be_cut_is_taken_whole() {
        check(r"a(?:{gap}b|c)d", "a or bd", Some("a or bd"));
        check(r"^x{gap}y$|z", "x and y", Some("x and y"));
        check(r"a[{gap}]b", "a{b", Some("a{b"));
        check(r"\bdelete\b{gap}it$", "delete all of it", Some("delete all of it"));
    }
}
