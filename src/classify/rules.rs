//! Rule files: one folder a kind, one file a language, weights that a person can follow.

use std::collections::BTreeMap;

use regex::{Regex, RegexBuilder};
use serde::Deserialize;

use super::form::FormRule;
use super::text::{bare_subject, normalize};
use crate::mail::Mail;

/// From this sum on a rule file is sure enough to act on.
pub const ACTS_FROM: i32 = 5;
/// From this sum on staff are asked.
pub const SUGGESTS_FROM: i32 = 2;
/// Compiled size of one pattern (octets); the engine is linear whatever the size.
const PATTERN_BYTES_MAX: usize = 4 << 20;

/// What a rule file looks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A request to delete the writer's data.
    DeletionRequest,
    /// Yes, in answer to a verification letter.
    AnswerYes,
    /// No, I never asked.
    AnswerNo,
    /// I take my request back.
    Withdrawal,
}

/// How sure the rules of a kind are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Strength {
    /// They say nothing.
    Nothing,
    /// Enough to show it to staff.
    Suggests,
    /// Enough to act.
    Acts,
}

/// One rule that fired.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// `file/name` of the rule.
    pub rule: String,
    /// What it adds to the sum.
    pub weight: i32,
    /// The words it saw.
    pub saw: String,
}

impl Evidence {
    pub(super) fn of_form(rule: &FormRule, subject: &str) -> Evidence {
        Evidence {
            rule: format!("forms/{}", rule.name),
            weight: ACTS_FROM,
            saw: subject.to_owned(),
        }
    }
}

/// All rules, compiled and tried on their own examples.
#[derive(Clone, Debug, Default)]
pub struct RuleSet {
    files: Vec<RuleFile>,
    forms: BTreeMap<String, FormRule>,
}

/// A rule that cannot be used: which file, which rule, why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("rules/{file}{}: {reason}", if rule.is_empty() { String::new() } else { format!(", rule \"{rule}\"") })]
pub struct RuleProblem {
    /// Path below the rules folder.
    pub file: String,
    /// Name of the rule; empty when the file as a whole is wrong.
    pub rule: String,
    /// What is wrong, and what to do.
    pub reason: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleFile {
    #[serde(skip)]
    path: String,
    kind: Kind,
    language: String,
    /// Whether this language earned it that cases open by themselves.
    acts: bool,
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
    any: Vec<String>,
    weight: i32,
    examples: Vec<String>,
    #[serde(default)]
    counter_examples: Vec<String>,
    #[serde(skip)]
    patterns: Vec<Regex>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Place {
    Subject,
    /// The writer's words as one line.
    OwnWords,
    /// The writer's words line by line, empty lines left out.
    OwnLines,
    /// The subject or the own words; counts once.
    Anywhere,
}

impl RuleSet {
    /// Compiles rule files, given as paths below the rules folder with their text.
    ///
    /// # Errors
    /// The first [`RuleProblem`]: no TOML, unknown key, a pattern that does not compile, a
    /// rule that fails its own examples.
    pub fn load<'a>(
        files: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<RuleSet, RuleProblem> {
        let mut set = RuleSet::default();
        for (path, text) in files {
            let problem = |rule: &str, reason: String| RuleProblem {
                file: path.to_owned(),
                rule: rule.to_owned(),
                reason,
            };
            if path.starts_with("forms/") {
                let form = FormRule::load(text).map_err(|reason| problem("", reason))?;
                set.forms.insert(form.name.clone(), form);
            } else {
                let file = RuleFile::load(path, text).map_err(|(rule, why)| problem(&rule, why))?;
                set.files.push(file);
            }
        }
        Ok(set)
    }

    /// The form rule of that name.
    pub fn form(&self, name: &str) -> Option<&FormRule> {
        self.forms.get(name)
    }

    /// The names of all form rules.
    pub fn form_names(&self) -> impl Iterator<Item = &str> {
        self.forms.keys().map(String::as_str)
    }

    /// How many rules there are.
    pub fn len(&self) -> usize {
        self.files.iter().map(|file| file.rules.len()).sum::<usize>() + self.forms.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How sure the rules of one kind are about a mail, over all languages; what fired is
    /// added to `evidence`.
    pub fn judge(&self, kind: Kind, mail: &Mail, evidence: &mut Vec<Evidence>) -> Strength {
        self.judge_text(kind, &mail.subject, &mail.body.own, evidence)
    }

    /// As [`RuleSet::judge`], of a subject and a text.
    pub fn judge_text(
        &self,
        kind: Kind,
        subject: &str,
        own: &str,
        evidence: &mut Vec<Evidence>,
    ) -> Strength {
        let words = Words::of(subject, own);
        let files = self.files.iter().filter(|file| file.kind == kind);
        files.map(|file| file.judge(&words, evidence)).max().unwrap_or(Strength::Nothing)
    }
}

impl RuleFile {
    fn load(path: &str, text: &str) -> Result<RuleFile, (String, String)> {
        let whole = |reason: String| (String::new(), reason);
        let mut file: RuleFile = toml::from_str(text).map_err(|why| whole(why.to_string()))?;
        path.clone_into(&mut file.path);
        let folder = path.split('/').next().unwrap_or_default();
        let named = format!("{folder}/{}.toml", file.language);
        if named != path {
            return Err(whole(format!("language = \"{}\" belongs into {named}", file.language)));
        }
        for rule in &mut file.rules {
            rule.compile().map_err(|reason| (rule.name.clone(), reason))?;
        }
        file.try_whole_texts().map_err(whole)?;
        Ok(file)
    }

    fn judge(&self, words: &Words, evidence: &mut Vec<Evidence>) -> Strength {
        let mut sum = 0;
        for rule in &self.rules {
            if let Some(saw) = rule.sees(words) {
                sum += rule.weight;
                evidence.push(Evidence {
                    rule: format!("{}/{}", self.path.trim_end_matches(".toml"), rule.name),
                    weight: rule.weight,
                    saw: saw.to_owned(),
                });
            }
        }
        match sum {
            sum if sum >= ACTS_FROM && self.acts => Strength::Acts,
            sum if sum >= SUGGESTS_FROM => Strength::Suggests,
            _ => Strength::Nothing,
        }
    }

    fn try_whole_texts(&self) -> Result<(), String> {
        let expected = [
            (&self.acts_on, "acts_on", if self.acts { Strength::Acts } else { Strength::Suggests }),
            (&self.suggests_on, "suggests_on", Strength::Suggests),
            (&self.leaves_alone, "leaves_alone", Strength::Nothing),
        ];
        for (texts, key, strength) in expected {
            for text in texts {
                let (subject, own) = text.split_once('\n').unwrap_or((text, ""));
                let mut evidence = Vec::new();
                let found = self.judge(&Words::of(subject, own), &mut evidence);
                if found != strength {
                    let fired: Vec<String> =
                        evidence.iter().map(|e| format!("{} ({:+})", e.rule, e.weight)).collect();
                    return Err(format!(
                        "{key} lists {text:?}, but the sum gives {found:?}; fired: {}",
                        if fired.is_empty() { "nothing".to_owned() } else { fired.join(", ") }
                    ));
                }
            }
        }
        Ok(())
    }
}

impl Rule {
    fn compile(&mut self) -> Result<(), String> {
        for pattern in &self.any {
            let compiled = RegexBuilder::new(pattern)
                .size_limit(PATTERN_BYTES_MAX)
                .dfa_size_limit(200 << 10)
                .build();
            self.patterns
                .push(compiled.map_err(|why| format!("{pattern:?} is no pattern: {why}"))?);
        }
        if self.patterns.is_empty() || self.examples.is_empty() {
            return Err("needs at least one pattern in `any` and one text in `examples`".to_owned());
        }
        if let Some(text) = self.examples.iter().find(|text| !self.sees_text(text)) {
            return Err(format!("does not match its own example {text:?}"));
        }
        if let Some(text) = self.counter_examples.iter().find(|text| self.sees_text(text)) {
            return Err(format!("matches its counter-example {text:?}"));
        }
        Ok(())
    }

    fn sees_text(&self, text: &str) -> bool {
        let (subject, own) = if self.place == Place::Subject { (text, "") } else { ("", text) };
        self.sees(&Words::of(subject, own)).is_some()
    }

    fn sees<'t>(&self, words: &'t Words) -> Option<&'t str> {
        let find = |text: &'t str| {
            self.patterns.iter().find_map(|pattern| pattern.find(text)).map(|found| found.as_str())
        };
        match self.place {
            Place::Subject => find(&words.subject),
            Place::OwnWords => find(&words.own),
            Place::OwnLines => find(&words.lines),
            Place::Anywhere => find(&words.subject).or_else(|| find(&words.own)),
        }
    }
}

/// A mail as rules see it: normalized.
struct Words {
    subject: String,
    own: String,
    lines: String,
}

impl Words {
    fn of(subject: &str, own: &str) -> Words {
        let lines: Vec<String> =
            own.lines().map(normalize).filter(|line| !line.is_empty()).collect();
        Words { subject: bare_subject(subject), own: lines.join(" "), lines: lines.join("\n") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(path: &str, text: &str) -> String {
        RuleSet::load([(path, text)]).unwrap_err().to_string()
    }

    const HEAD: &str = "kind = \"deletion-request\"\nlanguage = \"en\"\nacts = true\n";

    #[test]
    fn a_wrong_rule_is_named_with_file_and_reason() {
        let rule = |rest: &str| {
            format!("{HEAD}[[rule]]\nname = \"r\"\nin = \"subject\"\nweight = 5\n{rest}")
        };
        let path = "deletion-request/en.toml";
        let said = problem(path, &rule("any = ['(']\nexamples = ['x']"));
        assert!(
            said.starts_with("rules/deletion-request/en.toml, rule \"r\": \"(\" is no pattern"),
            "{said}"
        );
        let said = problem(path, &rule("any = ['a']\nexamples = ['x']"));
        assert!(said.ends_with("does not match its own example \"x\""), "{said}");
        let said =
            problem(path, &rule("any = ['a']\nexamples = ['a']\ncounter_examples = ['Re: a']"));
        assert!(said.ends_with("matches its counter-example \"Re: a\""), "{said}");
        let said = problem(path, &rule("any = ['a']\nexamples = ['a']\nwieght = 3"));
        assert!(said.contains("unknown field `wieght`"), "{said}");
        let said = problem("deletion-request/de.toml", &rule("any = ['a']\nexamples = ['a']"));
        assert!(said.contains("belongs into deletion-request/en.toml"), "{said}");
        let wrong_sum = format!("leaves_alone = ['a']\n{}", rule("any = ['a']\nexamples = ['a']"));
        assert!(
            problem(path, &wrong_sum)
                .contains("but the sum gives Acts; fired: deletion-request/en/r (+5)")
        );
    }

    #[test]
    fn patterns_cannot_be_made_slow_by_a_text() {
        let text = format!(
            "{HEAD}[[rule]]\nname = \"r\"\nin = \"own-words\"\nweight = 5\nany = ['(a+)+$']\nexamples = ['aa']"
        );
        let set = RuleSet::load([("deletion-request/en.toml", text.as_str())]).unwrap();
        let raw = format!("From: j@example.org\r\n\r\n{}!", "a".repeat(100_000));
        let mail = crate::mail::parse(raw.as_bytes(), &crate::mail::Bounds::default()).unwrap();
        // With a backtracking engine this would not end.
        assert_eq!(set.judge(Kind::DeletionRequest, &mail, &mut Vec::new()), Strength::Nothing);
    }
}
