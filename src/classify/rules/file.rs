//! One rule file: a kind in a language.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use serde::Deserialize;

use super::super::shipped::Shipped;
use super::super::text::normalize;
use super::super::words::Words;
use super::pattern::{Look, Parts, Pattern};
use super::phrases::Phrases;
use super::stems::Stems;
use super::{ACTS_FROM, Evidence, Judgement, Kind, Right, SUGGESTS_FROM, Strength};

/// Languages whose letters are not those of Latin.
const OTHER_SCRIPTS: [&str; 6] = ["bg", "el", "ja", "ru", "uk", "zh"];
/// Whole texts that are named at once when a file gets them wrong.
const WRONG_TEXTS_MAX: usize = 20;

/// A file: what says whether it has anything to do with a mail, and its rules, which are read
/// when there is need.
#[derive(Clone, Debug)]
pub(super) struct RuleFile {
    path: String,
    head: Head,
    /// Shared by all that read by the same rules.
    body: Arc<OnceLock<Body>>,
    /// Where the body comes from, as long as it was not needed.
    shipped: Option<Shipped>,
}

#[derive(Clone, Debug, Deserialize)]
struct Head {
    kind: Kind,
    language: String,
    /// Whether this language earned it that the desk acts by itself.
    #[serde(default)]
    acts: bool,
    /// Whether it may only suggest: the opposite of `acts`, for who reads the file.
    #[serde(default)]
    suggests: bool,
    /// Parts of words; without one of these in a mail its rules are not looked at.
    #[serde(default)]
    stems: Vec<String>,
    /// Where the stems are words that every mail may have: parts of words, one of which has to
    /// stand near to a stem.
    #[serde(default)]
    beside: Vec<String>,
}

/// What is left when a file was read.
#[derive(Debug, Default)]
struct Body {
    rules: Vec<Rule>,
    /// What the patterns of the rules are made of.
    parts: Parts,
}

/// A whole file as somebody wrote it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Source {
    kind: Kind,
    language: String,
    #[serde(default)]
    acts: bool,
    #[serde(default)]
    suggests: bool,
    #[serde(default)]
    stems: Vec<String>,
    #[serde(default)]
    beside: Vec<String>,
    /// Lists of words by name; `{delete}` in a pattern stands for one of the list `delete`.
    #[serde(default)]
    words: BTreeMap<String, Vec<String>>,
    #[serde(rename = "rule")]
    rules: Vec<Rule>,
    /// Whole texts, subject in the first line, and what the sum of all rules makes of them.
    #[serde(default)]
    acts_on: Vec<String>,
    #[serde(default)]
    suggests_on: Vec<String>,
    #[serde(default)]
    leaves_alone: Vec<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rule {
    name: String,
    #[serde(rename = "in")]
    place: Place,
    /// Patterns; one of them has to match.
    #[serde(default)]
    any: Vec<String>,
    /// In place of patterns, with `in = "whole"`: see [`Phrases`].
    #[serde(default)]
    begins: Vec<String>,
    /// What may stand before these and says nothing.
    #[serde(default)]
    opens: Vec<String>,
    #[serde(default)]
    goes_on: Vec<String>,
    #[serde(default)]
    greets: Vec<String>,
    #[serde(default)]
    closes: Vec<String>,
    /// One slip in a longer word is overlooked.
    #[serde(default)]
    slips: bool,
    #[serde(default)]
    weight: i32,
    /// Whatever the sum is: where it fires a person decides.
    #[serde(default)]
    doubtful: bool,
    /// It counts as far as the others leave too little for a suggestion, and no further.
    #[serde(default)]
    hint: bool,
    /// By which right; without one it counts for each.
    right: Option<Right>,
    #[serde(default)]
    examples: Vec<String>,
    #[serde(default)]
    counter_examples: Vec<String>,
    #[serde(skip)]
    phrases: Phrases,
    #[serde(skip)]
    patterns: Vec<Pattern>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Place {
    Subject,
    /// The writer's words as one line.
    OwnWords,
    /// The subject or the own words; counts once.
    Anywhere,
    /// All of the own words: they consist of the rule's phrases and nothing else.
    Whole,
    /// What is left of them beside the phrases of a rule for the whole: names and signatures. All
    /// of them, where they do not consist of phrases.
    Unlisted,
}

impl Head {
    fn fold(mut self) -> Head {
        for list in [&mut self.stems, &mut self.beside] {
            list.iter_mut().for_each(|stem| *stem = stem_of(stem));
        }
        self
    }

    fn is_latin(&self) -> bool {
        !OTHER_SCRIPTS.contains(&self.language.as_str())
    }
}

impl Body {
    /// # Errors
    /// The name of the rule that is wrong, and why.
    fn of(
        mut rules: Vec<Rule>,
        words: &BTreeMap<String, Vec<String>>,
        is_latin: bool,
    ) -> Result<Body, (String, String)> {
        let mut parts = Parts::default();
        for rule in &mut rules {
            let read = |pattern: &String| parts.read(pattern, words, is_latin);
            let patterns: Result<Vec<Pattern>, String> = rule.any.iter().map(read).collect();
            rule.patterns = patterns.map_err(|reason| (rule.name.clone(), reason))?;
            let lists = [
                &mut rule.opens,
                &mut rule.begins,
                &mut rule.goes_on,
                &mut rule.greets,
                &mut rule.closes,
            ];
            rule.phrases = Phrases::new(lists.map(std::mem::take), rule.slips);
        }
        parts.seal();
        Ok(Body { rules, parts })
    }
}

impl RuleFile {
    /// Reads one file, and tries it.
    ///
    /// # Errors
    /// The name of the rule that is wrong, empty for the file as a whole, and why.
    pub(super) fn load(path: &str, text: &str) -> Result<RuleFile, (String, String)> {
        let whole = |reason: String| (String::new(), reason);
        let source: Source = toml::from_str(text).map_err(|why| whole(why.to_string()))?;
        let Source { kind, language, acts, suggests, stems, beside, .. } = source;
        let head = Head { kind, language, acts, suggests, stems, beside }.fold();
        let body = Body::of(source.rules, &source.words, head.is_latin())?;
        let body = Arc::new(OnceLock::from(body));
        let file = RuleFile { path: path.to_owned(), head, body, shipped: None };
        file.check_head().map_err(whole)?;
        for rule in file.rules() {
            rule.try_examples(&file.body().parts).map_err(|reason| (rule.name.clone(), reason))?;
        }
        let acts = if file.head.acts { Strength::Acts } else { Strength::Suggests };
        file.try_whole_texts(&[
            ("acts_on", &source.acts_on, acts),
            ("suggests_on", &source.suggests_on, Strength::Suggests),
            ("leaves_alone", &source.leaves_alone, Strength::Nothing),
        ])
        .map_err(whole)?;
        Ok(file)
    }

    /// One of those inside the program, which its tests have tried.
    ///
    /// # Errors
    /// When its head cannot be read.
    pub(super) fn shipped(shipped: Shipped) -> Result<RuleFile, String> {
        let head: Head = serde_json::from_str(shipped.head).map_err(|why| why.to_string())?;
        let path = shipped.path.to_owned();
        Ok(RuleFile { path, head: head.fold(), body: Arc::default(), shipped: Some(shipped) })
    }

    fn body(&self) -> &Body {
        self.body.get_or_init(|| {
            let json = self.shipped.map(|shipped| shipped.unpacked()).unwrap_or_default();
            let source = serde_json::from_str::<Source>(&json).ok();
            let body =
                source.map(|source| Body::of(source.rules, &source.words, self.head.is_latin()));
            body.and_then(Result::ok).unwrap_or_default()
        })
    }

    fn rules(&self) -> &[Rule] {
        &self.body().rules
    }

    pub(super) fn is_of(&self, kind: Kind) -> bool {
        self.head.kind == kind
    }

    pub(super) fn is_in(&self, language: &str) -> bool {
        self.head.language == language
    }

    pub(super) fn len(&self) -> usize {
        self.rules().len()
    }

    pub(super) fn stems(&self) -> impl Iterator<Item = &str> {
        self.head.stems.iter().map(String::as_str)
    }

    pub(super) fn beside(&self) -> impl Iterator<Item = &str> {
        self.head.beside.iter().map(String::as_str)
    }

    pub(super) fn judge(&self, words: &Words, evidence: &mut Vec<Evidence>) -> Judgement {
        let mut fired: Vec<&Rule> = Vec::new();
        let mut phrases = self.rules().iter().filter(|rule| rule.place == Place::Whole);
        let listed = phrases.find_map(|rule| rule.phrases.are_all_of(words));
        let unlisted = listed.as_ref().map_or(&words.own, |listed| &listed.unlisted);
        let looks = Looks::into(&self.body().parts, words, unlisted);
        for rule in self.rules() {
            if let Some(saw) = rule.sees(&looks, words) {
                evidence.push(Evidence {
                    rule: format!("{}/{}", self.path.trim_end_matches(".toml"), rule.name),
                    weight: rule.weight,
                    saw: saw.to_owned(),
                });
                fired.push(rule);
            }
        }
        // What names no right speaks for or against each.
        let sum_for = |right: Option<Right>| -> i32 {
            let counts = |rule: &&&Rule| rule.right.is_none() || rule.right == right;
            let weight_of = |hints: bool| -> i32 {
                let of_kind = fired.iter().filter(counts).filter(|rule| rule.hint == hints);
                of_kind.map(|rule| rule.weight).sum()
            };
            let sum = weight_of(false);
            if sum < 0 { sum } else { sum.max((sum + weight_of(true)).min(SUGGESTS_FROM)) }
        };
        let rights = fired.iter().map(|rule| rule.right).chain([None]);
        let (sum, right) = rights.map(|right| (sum_for(right), right)).max().unwrap_or_default();
        let strength = match sum {
            sum if sum >= ACTS_FROM
                && self.head.acts
                && !fired.iter().any(|rule| rule.doubtful) =>
            {
                Strength::Acts
            }
            sum if sum >= SUGGESTS_FROM => Strength::Suggests,
            _ => Strength::Nothing,
        };
        let language = if fired.is_empty() { String::new() } else { self.head.language.clone() };
        Judgement { strength, sum, language, right }
    }

    /// What a text holds beside the phrases of this file, if it consists of them.
    pub(super) fn unlisted(&self, words: &Words) -> Option<String> {
        let mut phrases = self.rules().iter().filter(|rule| rule.place == Place::Whole);
        phrases.find_map(|rule| rule.phrases.are_all_of(words)).map(|listed| listed.unlisted)
    }

    /// Whether a name or signature holds what speaks against it.
    pub(super) fn vetoes(&self, unlisted: &str) -> bool {
        let look = self.body().parts.look_into(unlisted);
        let mut rules = self.rules().iter().filter(|rule| rule.place == Place::Unlisted);
        rules.any(|rule| rule.weight <= -ACTS_FROM && look.find(&rule.patterns).is_some())
    }

    fn check_head(&self) -> Result<(), String> {
        let named = format!("{}/{}.toml", self.head.kind.folder(), self.head.language);
        if named != self.path {
            return Err(format!(
                "its kind and its language = \"{}\" belong into {named}",
                self.head.language
            ));
        }
        if self.head.acts == self.head.suggests {
            return Err("needs either acts = true or suggests = true".to_owned());
        }
        if self.head.kind.is_for_any_mail() && self.head.stems.is_empty() {
            return Err(
                "needs `stems`: parts of words of which every mail it is for has one".to_owned()
            );
        }
        Ok(())
    }

    /// Tries all whole texts, so that somebody who mends a rule sees at once what else it does.
    fn try_whole_texts(&self, expected: &[(&str, &[String], Strength)]) -> Result<(), String> {
        let texts = expected.iter().flat_map(|(key, texts, strength)| {
            texts.iter().filter_map(|text| self.try_whole_text(text, key, *strength).err())
        });
        let wrong: Vec<String> = texts.take(WRONG_TEXTS_MAX).collect();
        if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n")) }
    }

    fn try_whole_text(&self, text: &str, key: &str, strength: Strength) -> Result<(), String> {
        let (subject, own) = text.split_once('\n').unwrap_or((text, ""));
        let words = Words::of(subject, own);
        let part = Stems::of(std::slice::from_ref(self)).find(&words).pop();
        let part = part.as_ref().and_then(|spoken| spoken.part_of(&words));
        let mut evidence = Vec::new();
        let found = match &part {
            Some(words) => self.judge(words, &mut evidence).strength,
            None => Strength::Nothing,
        };
        if found == strength {
            return Ok(());
        }
        let fired: Vec<String> =
            evidence.iter().map(|e| format!("{} ({:+})", e.rule, e.weight)).collect();
        Err(format!(
            "{key} lists {text:?}, but the sum gives {found:?}; {}",
            match (part.is_some(), fired.is_empty()) {
                (false, _) => "none of its `stems` is in it, or nothing `beside` it".to_owned(),
                (true, true) => "fired: nothing".to_owned(),
                (true, false) => format!("fired: {}", fired.join(", ")),
            }
        ))
    }
}

/// A stem as texts are folded, with the spaces that end a word.
fn stem_of(stem: &str) -> String {
    let space = |is_there: bool| if is_there { " " } else { "" };
    let (before, behind) = (space(stem.starts_with(' ')), space(stem.ends_with(' ')));
    format!("{before}{}{behind}", normalize(stem))
}

impl Rule {
    /// Compiles each pattern, to say which is wrong.
    fn try_patterns(&self, parts: &Parts) -> Result<(), String> {
        for (source, pattern) in self.any.iter().zip(&self.patterns) {
            parts.try_pattern(pattern).map_err(|why| format!("{source:?} is no pattern: {why}"))?;
        }
        Ok(())
    }

    fn try_examples(&self, parts: &Parts) -> Result<(), String> {
        self.try_patterns(parts)?;
        let is_whole = self.place == Place::Whole;
        if self.any.is_empty() != is_whole || self.phrases.is_empty() == is_whole {
            return Err("needs `any`, or with in = \"whole\" `begins` in its place".to_owned());
        }
        if self.examples.is_empty() {
            return Err("needs at least one text in `examples`".to_owned());
        }
        let missed = self.examples.iter().filter(|text| !self.sees_text(text, parts));
        let missed = missed.map(|text| format!("does not match its own example {text:?}"));
        let caught = self.counter_examples.iter().filter(|text| self.sees_text(text, parts));
        let caught = caught.map(|text| format!("matches its counter-example {text:?}"));
        let wrong: Vec<String> = missed.chain(caught).collect();
        if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n")) }
    }

    fn sees_text(&self, text: &str, parts: &Parts) -> bool {
        let (subject, own) = if self.place == Place::Subject { (text, "") } else { ("", text) };
        let words = Words::of(subject, own);
        self.sees(&Looks::into(parts, &words, &words.own), &words).is_some()
    }

    fn sees<'t>(&self, looks: &Looks<'t>, words: &'t Words) -> Option<&'t str> {
        match self.place {
            Place::Subject => looks.subject.find(&self.patterns),
            Place::OwnWords => looks.own.find(&self.patterns),
            Place::Anywhere => {
                looks.subject.find(&self.patterns).or_else(|| looks.own.find(&self.patterns))
            }
            Place::Whole => self.phrases.are_all_of(words).map(|listed| listed.saw),
            Place::Unlisted => looks.unlisted.find(&self.patterns),
        }
    }
}

/// The places that rules look into.
struct Looks<'t> {
    subject: Look<'t>,
    own: Look<'t>,
    unlisted: Look<'t>,
}

impl<'t> Looks<'t> {
    fn into(parts: &'t Parts, words: &'t Words, unlisted: &'t str) -> Looks<'t> {
        Looks {
            subject: parts.look_into(&words.subject),
            own: parts.look_into(&words.own),
            unlisted: parts.look_into(unlisted),
        }
    }
}
