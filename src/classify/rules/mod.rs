//! Rule files: one folder a kind, one file a language, weights that a person can follow.

mod beginnings;
mod file;
mod pattern;
mod phrases;
mod stems;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::form::FormRule;
use super::form::labels::Labels;
use super::shipped::{RULES, Shipped};
use super::words::Words;
use file::RuleFile;
use stems::{Spoken, Stems};

/// From this sum on a rule file is sure enough to act on.
pub const ACTS_FROM: i32 = 5;
/// From this sum on staff are asked.
pub const SUGGESTS_FROM: i32 = 2;
/// The words on forms, for all form rules.
const LABELS: &str = "forms/labels.toml";

/// What a rule file looks for: the name of its folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A request to delete the writer's data.
    DeletionRequest,
    /// A request by another right of the law: access, rectification, objection.
    OtherRequest,
    /// Asking after an earlier request, or complaining about it.
    EarlierRequest,
    /// A company's own talk about deletion: acknowledgements, terms, marketing, phishing.
    CompanyTalk,
    /// Yes, in answer to a verification letter.
    AnswerYes,
    /// No, I never asked.
    AnswerNo,
    /// I take my request back.
    Withdrawal,
}

impl Kind {
    fn folder(self) -> &'static str {
        match self {
            Kind::DeletionRequest => "deletion-request",
            Kind::OtherRequest => "other-request",
            Kind::EarlierRequest => "earlier-request",
            Kind::CompanyTalk => "company-talk",
            Kind::AnswerYes => "answer-yes",
            Kind::AnswerNo => "answer-no",
            Kind::Withdrawal => "withdrawal",
        }
    }

    /// Whether its rules are tried on mail that answers nothing of ours: then they need `stems`,
    /// or each mail would be read by the rules of all languages.
    fn is_for_any_mail(self) -> bool {
        match self {
            Kind::DeletionRequest
            | Kind::OtherRequest
            | Kind::EarlierRequest
            | Kind::CompanyTalk => true,
            Kind::AnswerYes | Kind::AnswerNo | Kind::Withdrawal => false,
        }
    }
}

/// A right beside that to deletion (GDPR Art. 15, 16, 18, 20, 21; CCPA §§ 1798.100 to 1798.135).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Right {
    /// To know what is held, and to get a copy.
    Access,
    /// To have it corrected.
    Rectification,
    /// To object to what is done with it, or to have that restricted.
    Objection,
    /// Not to be written to, or sold.
    OptOut,
}

impl Right {
    /// What a mail does that asks by it, in words for staff.
    pub fn asked_for(self) -> &'static str {
        match self {
            Right::Access => "asks what is held about them, or for a copy of it",
            Right::Rectification => "asks for something to be corrected",
            Right::Objection => "objects to what is done with their data",
            Right::OptOut => "wants no more mail, or no sale of their data",
        }
    }
}

/// How sure the rules of a kind are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Strength {
    /// They say nothing.
    #[default]
    Nothing,
    /// Enough to show it to staff.
    Suggests,
    /// Enough to act.
    Acts,
}

/// What the rules of a kind make of a mail: the file that is surest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Judgement {
    /// How sure it is.
    pub strength: Strength,
    /// The weights of the rules that fired.
    pub sum: i32,
    /// Its language; empty when nothing fired.
    pub language: String,
    /// Of another request: by which right.
    pub right: Option<Right>,
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

/// All rules.
#[derive(Clone, Debug, Default)]
pub struct RuleSet {
    files: Vec<RuleFile>,
    stems: Stems,
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

impl RuleProblem {
    fn of(file: &str, rule: &str, reason: String) -> RuleProblem {
        RuleProblem { file: file.to_owned(), rule: rule.to_owned(), reason }
    }
}

/// Whether rules are tried on their own examples before they are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trial {
    /// Each of them.
    All,
    /// None: they are those inside the program, which its tests have tried. Their patterns are
    /// compiled when a mail first needs them.
    Shipped,
}

impl Trial {
    /// Reads a file: TOML, or the JSON that those inside the program were made into.
    pub(super) fn parse<T: DeserializeOwned>(self, text: &str) -> Result<T, String> {
        match self {
            Trial::All => toml::from_str(text).map_err(|why| why.to_string()),
            Trial::Shipped => serde_json::from_str(text).map_err(|why| why.to_string()),
        }
    }
}

impl RuleSet {
    /// The rules inside the program. What they are made of is unpacked when a mail needs it.
    ///
    /// # Errors
    /// When they are not what the tests have tried.
    pub fn shipped() -> Result<RuleSet, RuleProblem> {
        let mut set = RuleSet::default();
        let labels = RULES.iter().find(|file| file.path == LABELS).map(Shipped::unpacked);
        let labels =
            labels.map_or(Ok(Labels::default()), |text| Labels::load(&text, Trial::Shipped));
        let labels = Arc::new(labels.map_err(|why| RuleProblem::of(LABELS, "", why))?);
        for file in RULES.iter().filter(|file| file.path != LABELS) {
            let problem = |why| RuleProblem::of(file.path, "", why);
            if file.path.starts_with("forms/") {
                let form = FormRule::load(&file.unpacked(), &labels, Trial::Shipped);
                let form = form.map_err(problem)?;
                set.forms.insert(form.name.clone(), form);
            } else {
                set.files.push(RuleFile::shipped(*file).map_err(problem)?);
            }
        }
        set.stems = Stems::of(&set.files);
        Ok(set)
    }

    /// Reads rule files, given as paths below the rules folder with their text, and tries them on
    /// their examples.
    ///
    /// # Errors
    /// The first [`RuleProblem`]: no TOML, unknown key, a pattern that does not compile, a
    /// rule that fails its own examples.
    pub fn load<'a>(
        files: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<RuleSet, RuleProblem> {
        let mut set = RuleSet::default();
        let (labels, files): (Vec<_>, Vec<_>) =
            files.into_iter().partition(|(path, _)| *path == LABELS);
        let labels = labels
            .first()
            .map_or(Ok(Labels::default()), |(_, text)| Labels::load(text, Trial::All));
        let labels = Arc::new(labels.map_err(|why| RuleProblem::of(LABELS, "", why))?);
        for (path, text) in files {
            if path.starts_with("forms/") {
                let form = FormRule::load(text, &labels, Trial::All);
                let form = form.map_err(|why| RuleProblem::of(path, "", why))?;
                set.forms.insert(form.name.clone(), form);
            } else {
                let file = RuleFile::load(path, text);
                set.files.push(file.map_err(|(rule, why)| RuleProblem::of(path, &rule, why))?);
            }
        }
        set.stems = Stems::of(&set.files);
        Ok(set)
    }

    /// The form rule of that name.
    pub fn form(&self, name: &str) -> Option<&FormRule> {
        self.forms.get(name)
    }

    /// All form rules, by name.
    pub fn forms(&self) -> impl Iterator<Item = &FormRule> {
        self.forms.values()
    }

    /// The names of all form rules.
    pub fn form_names(&self) -> impl Iterator<Item = &str> {
        self.forms.keys().map(String::as_str)
    }

    /// How many rules there are.
    pub fn len(&self) -> usize {
        self.files.iter().map(RuleFile::len).sum::<usize>() + self.forms.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Somebody's words, and which files have something to say to them.
    pub fn hear<'a>(&'a self, words: &'a Words) -> Heard<'a> {
        Heard { rules: self, words, spoken: self.stems.find(words) }
    }
}

/// Words that rules may be asked about.
#[derive(Debug)]
pub struct Heard<'a> {
    rules: &'a RuleSet,
    words: &'a Words,
    spoken: Vec<Spoken>,
}

impl Heard<'_> {
    /// What the rules of one kind make of the words: the surest of all languages. What fired is
    /// added to `evidence`.
    pub fn judge(&self, kind: Kind, evidence: &mut Vec<Evidence>) -> Judgement {
        surest(self.judge_each(kind, evidence))
    }

    /// What the rules of each language make of the words, as far as they have something to say.
    pub fn judge_each(&self, kind: Kind, evidence: &mut Vec<Evidence>) -> Vec<Judgement> {
        let files = self.rules.files.iter().zip(&self.spoken);
        let judged = files.filter(|(file, _)| file.is_of(kind)).filter_map(|(file, spoken)| {
            let words = spoken.part_of(self.words)?;
            Some(file.judge(&words, evidence))
        });
        judged.collect()
    }

    /// The languages in which the whole text surely says the contrary.
    pub fn contrary_in(&self, kind: Kind) -> Vec<String> {
        let files = self.rules.files.iter().filter(|file| file.is_of(kind));
        let judged = files.map(|file| file.judge(self.words, &mut Vec::new()));
        judged.filter(|judged| judged.sum <= -ACTS_FROM).map(|judged| judged.language).collect()
    }

    /// Whether what stands in the text beside the phrases of a file, a name perhaps, says the
    /// contrary.
    pub fn name_speaks_against(&self, kind: Kind) -> bool {
        let files = || self.rules.files.iter().filter(|file| file.is_of(kind));
        let unlisted: Vec<String> = files().filter_map(|file| file.unlisted(self.words)).collect();
        // Where one file takes all of it for phrases, there is nothing to ask.
        if unlisted.is_empty() || unlisted.iter().any(|text| text.trim().is_empty()) {
            return false;
        }
        // English is written by people of all languages.
        unlisted.iter().any(|text| files().any(|file| file.is_in("en") && file.vetoes(text)))
    }
}

/// The surest of some; nothing where there is none.
pub fn surest(judged: impl IntoIterator<Item = Judgement>) -> Judgement {
    judged.into_iter().max_by_key(|judged| (judged.strength, judged.sum)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(path: &str, text: &str) -> String {
        RuleSet::load([(path, text)]).unwrap_err().to_string()
    }

    const HEAD: &str =
        "kind = \"deletion-request\"\nlanguage = \"en\"\nacts = true\nstems = [\"a\"]\n";

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
        assert!(said.contains("belong into deletion-request/en.toml"), "{said}");
        let wrong_sum = format!("leaves_alone = ['a']\n{}", rule("any = ['a']\nexamples = ['a']"));
        assert!(
            problem(path, &wrong_sum)
                .contains("but the sum gives Acts; fired: deletion-request/en/r (+5)")
        );
    }

    #[test]
    fn a_hint_shows_a_mail_to_staff_and_opens_nothing() {
        let rule = |name: &str, pattern: &str, weight: i32, more: &str| {
            format!(
                "[[rule]]\nname = \"{name}\"\nin = \"own-words\"\nweight = {weight}\n{more}any = ['{pattern}']\nexamples = ['{pattern}']\n"
            )
        };
        let hint = rule("hint", "gone", 2, "hint = true\n");
        let text = format!(
            "{HEAD}{hint}{}{}",
            rule("half", "my data", 3, ""),
            rule("not", "a joke", -10, "")
        );
        let set = RuleSet::load([("deletion-request/en.toml", text.as_str())]).unwrap();
        let sum = |text: &str| {
            let words = Words::of("", text);
            set.hear(&words).judge(Kind::DeletionRequest, &mut Vec::new()).sum
        };
        assert_eq!(sum("make it all gone"), SUGGESTS_FROM);
        assert_eq!(sum("make my data gone"), 3);
        assert_eq!(sum("make it all gone, it was a joke"), -10);
    }

    #[test]
    fn patterns_cannot_be_made_slow_by_a_text() {
        let text = format!(
            "{HEAD}[[rule]]\nname = \"r\"\nin = \"own-words\"\nweight = 5\nany = ['(a+)+$']\nexamples = ['aa']"
        );
        let set = RuleSet::load([("deletion-request/en.toml", text.as_str())]).unwrap();
        let words = Words::of("", &format!("{}!", "a".repeat(10_000)));
        // With a backtracking engine this would not end.
        let judged = set.hear(&words).judge(Kind::DeletionRequest, &mut Vec::new());
        assert_eq!(judged.strength, Strength::Nothing);
    }
}
