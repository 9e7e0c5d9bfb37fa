//! What the parts of patterns can begin with: one look for all of it tells which parts may stand
//! in a text at all, and where. Most parts are lists of words and need no other engine.

use std::collections::BTreeMap;

use aho_corasick::AhoCorasick;
use regex_automata::util::look::{Look, LookMatcher, LookSet};
use regex_syntax::hir::literal::{Extractor, Seq};
use regex_syntax::hir::{Hir, HirKind};

/// Words that one part may consist of or begin with; one with more is looked for everywhere.
const BEGINNINGS_MAX: usize = 500;
/// Octets of a beginning; what follows in the part is tried where it stands.
const BEGINNING_OCTETS_MAX: usize = 40;

/// How far the beginnings of a part say where it stands.
#[derive(Clone, Copy, Debug)]
pub(super) enum Extent {
    /// All of it, when this holds before and behind.
    Whole(LookSet, LookSet),
    /// It goes on behind them.
    Begun,
    /// It has none, and may stand anywhere.
    Unknown,
}

/// The beginnings of all parts of a file.
#[derive(Debug, Default)]
pub(super) struct Beginnings {
    /// None when there are none.
    all: Option<AhoCorasick>,
    /// Whose each is, in their order.
    of: Vec<Owner>,
    /// Where the owners of each begin.
    owners_from: Vec<usize>,
}

#[derive(Clone, Copy, Debug)]
struct Owner {
    part: usize,
    /// Which of the part's: at one place the first counts.
    rank: usize,
}

/// Where a part may stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Candidate {
    /// Where a beginning of it begins.
    pub(super) start: usize,
    rank: usize,
    /// Where that beginning ends.
    pub(super) end: usize,
}

impl Beginnings {
    /// Of parts, in their order, and how far each part's say where it stands.
    pub(super) fn of<'p>(parts: impl Iterator<Item = &'p str>) -> (Beginnings, Vec<Extent>) {
        let mut known: BTreeMap<Vec<u8>, Vec<Owner>> = BTreeMap::new();
        let extents = parts.enumerate().map(|(part, source)| {
            let (extent, literals) = beginnings(source);
            for (rank, literal) in literals.into_iter().enumerate() {
                known.entry(literal).or_default().push(Owner { part, rank });
            }
            extent
        });
        let extents: Vec<Extent> = extents.collect();
        let Ok(all) = AhoCorasick::new(known.keys()) else {
            return (Beginnings::default(), vec![Extent::Unknown; extents.len()]);
        };
        let (mut of, mut owners_from) = (Vec::new(), vec![0]);
        for owners in known.into_values() {
            of.extend(owners);
            owners_from.push(of.len());
        }
        (Beginnings { all: Some(all), of, owners_from }, extents)
    }

    /// Where each part may stand in a text, in order.
    pub(super) fn find(&self, text: &str, parts: usize) -> Vec<Vec<Candidate>> {
        let mut candidates = vec![Vec::new(); parts];
        let Some(all) = &self.all else { return candidates };
        for found in all.find_overlapping_iter(text) {
            let literal = found.pattern().as_usize();
            let owners = match self.owners_from.get(literal..) {
                Some([from, to, ..]) => self.of.get(*from..*to).unwrap_or_default(),
                _ => &[],
            };
            for Owner { part, rank } in owners {
                if let Some(own) = candidates.get_mut(*part) {
                    own.push(Candidate { start: found.start(), rank: *rank, end: found.end() });
                }
            }
        }
        candidates.iter_mut().for_each(|own| own.sort_unstable());
        candidates
    }
}

/// Whether all of it holds at a place of a text.
pub(super) fn holds(looks: LookSet, text: &str, at: usize) -> bool {
    looks.is_empty() || LookMatcher::new().matches_set(looks, text.as_bytes(), at)
}

/// What a part begins with, the first that counts first.
fn beginnings(source: &str) -> (Extent, Vec<Vec<u8>>) {
    // One that is wrong is refused by the engine, with its reason.
    let Ok(part) = regex_syntax::parse(source) else { return (Extent::Unknown, Vec::new()) };
    let (before, core, behind) = without_looks(part);
    let mut extractor = Extractor::new();
    extractor.limit_total(BEGINNINGS_MAX).limit_literal_len(BEGINNING_OCTETS_MAX);
    let found: Seq = extractor.extract(&core);
    let Some(literals) = found.literals().filter(|_| found.min_literal_len() > Some(0)) else {
        return (Extent::Unknown, Vec::new());
    };
    let literals = literals.iter().map(|literal| literal.as_bytes().to_vec()).collect();
    match found.is_exact() && core.properties().look_set().is_empty() {
        true => (Extent::Whole(before, behind), literals),
        false => (Extent::Begun, literals),
    }
}

/// What holds before and behind a part, and the part without it.
fn without_looks(part: Hir) -> (LookSet, Hir, LookSet) {
    let (mut before, mut behind) = (LookSet::empty(), LookSet::empty());
    let HirKind::Concat(inner) = part.kind() else { return (before, part, behind) };
    let mut inner = inner.as_slice();
    while let Some((look, rest)) =
        inner.split_first().and_then(|(one, rest)| Some((look(one)?, rest)))
    {
        before = before.insert(look);
        inner = rest;
    }
    while let Some((look, rest)) =
        inner.split_last().and_then(|(one, rest)| Some((look(one)?, rest)))
    {
        behind = behind.insert(look);
        inner = rest;
    }
    (before, Hir::concat(inner.to_vec()), behind)
}

/// As the engine calls it.
fn look(part: &Hir) -> Option<Look> {
    match part.kind() {
        HirKind::Look(look) => Look::from_repr(look.as_repr()),
        _ => None,
    }
}
