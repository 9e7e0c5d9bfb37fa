//! The words of one language that letters and pages are put together from.

use std::collections::BTreeMap;

use chrono::{Datelike as _, NaiveDate};
use serde::{Deserialize, Serialize};

use crate::case::Role;
use crate::case::act::{ExtensionReason, ProofWant, RefusalGround, Sentence};
use crate::case::work::Ground;

/// `templates/<language>/words.toml`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Words {
    /// The name of the language, in itself.
    pub language: String,
    day: String,
    #[serde(default)]
    first_day: Option<String>,
    months: [String; 12],
    roles: BTreeMap<String, String>,
    said: BTreeMap<String, String>,
    grounds: BTreeMap<String, String>,
    refusals: BTreeMap<String, String>,
    extensions: BTreeMap<String, String>,
    wants: BTreeMap<String, String>,
    sentences: BTreeMap<String, String>,
    problems: BTreeMap<String, String>,
}

/// What the page may have to say.
const PROBLEMS: [&str; 10] = [
    "address",
    "choose-role",
    "dead-link",
    "dead-link-why",
    "incomplete",
    "nothing-here",
    "tick-asked",
    "tick-denied",
    "tick-stop",
    "use-button",
];

impl Words {
    /// Reads a file, and sees that no word is missing.
    ///
    /// # Errors
    /// In words: what cannot be read or is missing.
    pub fn load(text: &str) -> Result<Words, String> {
        let words: Words = toml::from_str(text).map_err(|why| why.to_string())?;
        let needed: [(&str, &BTreeMap<String, String>, Vec<&str>); 8] = [
            ("roles", &words.roles, Role::ALL.iter().map(|one| one.as_str()).collect()),
            ("said", &words.said, Role::ALL.iter().map(|one| one.as_str()).collect()),
            ("grounds", &words.grounds, Ground::ALL.iter().map(|one| one.as_str()).collect()),
            (
                "refusals",
                &words.refusals,
                RefusalGround::ALL.iter().map(|one| one.as_str()).collect(),
            ),
            (
                "extensions",
                &words.extensions,
                ExtensionReason::ALL.iter().map(|one| one.as_str()).collect(),
            ),
            ("wants", &words.wants, ProofWant::ALL.iter().map(|one| one.as_str()).collect()),
            ("sentences", &words.sentences, Sentence::ALL.iter().map(|one| one.as_str()).collect()),
            ("problems", &words.problems, PROBLEMS.to_vec()),
        ];
        for (section, there, names) in needed {
            if let Some(missing) = names.iter().find(|name| !there.contains_key(**name)) {
                return Err(format!("[{section}] has no {missing}"));
            }
            if let Some(unknown) = there.keys().find(|name| !names.contains(&name.as_str())) {
                return Err(format!("[{section}] names {unknown}, which nobody uses"));
            }
        }
        Ok(words)
    }

    /// A civil day as this language writes it.
    pub fn day(&self, day: NaiveDate) -> String {
        let month = self.months.get(day.month0() as usize).map_or("", String::as_str);
        let number = match (day.day(), &self.first_day) {
            (1, Some(first)) => first.clone(),
            (number, _) => number.to_string(),
        };
        let text = self.day.replace("{day}", &number).replace("{month}", month);
        text.replace("{year}", &day.year().to_string())
    }

    /// Who may be asking, in the order of the page, as name and label.
    pub fn role_choices(&self, organization: &str) -> Vec<(&'static str, String)> {
        let label = |role: &Role| {
            let words = of(&self.roles, role.as_str()).replace("{organization}", organization);
            (role.as_str(), words)
        };
        Role::ALL.iter().map(label).collect()
    }

    /// What the requester chose, said back to them.
    pub fn said(&self, role: Role) -> &str {
        of(&self.said, role.as_str())
    }

    /// Why something is kept.
    pub fn ground(&self, ground: &str) -> &str {
        of(&self.grounds, ground)
    }

    /// Why a request is refused.
    pub fn refusal(&self, ground: &str) -> &str {
        of(&self.refusals, ground)
    }

    /// Why it takes longer.
    pub fn extension(&self, reason: &str) -> &str {
        of(&self.extensions, reason)
    }

    /// What a proof lacks.
    pub fn want(&self, want: &str) -> &str {
        of(&self.wants, want)
    }

    /// One of the fixed sentences of staff.
    pub fn sentence(&self, sentence: &str) -> &str {
        of(&self.sentences, sentence)
    }

    /// What the page says of a press that cannot be taken.
    pub fn problem(&self, name: &str) -> &str {
        of(&self.problems, name)
    }
}

fn of<'a>(words: &'a BTreeMap<String, String>, name: &str) -> &'a str {
    words.get(name).map_or("", String::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compose::shipped::TEMPLATES;

    #[test]
    fn every_language_writes_days_its_own_way() {
        let expected = [
            ("en", "1 March 2028", "29 February 2028"),
            ("de", "1. März 2028", "29. Februar 2028"),
            ("fr", "1er mars 2028", "29 février 2028"),
            ("es", "1 de marzo de 2028", "29 de febrero de 2028"),
        ];
        for (language, first, leap) in expected {
            let path = format!("{language}/words.toml");
            let text = TEMPLATES.iter().find(|(known, _)| **known == path).unwrap().1;
            let words = Words::load(text).unwrap();
            let day = |text: &str| words.day(text.parse().unwrap());
            assert_eq!((day("2028-03-01"), day("2028-02-29")), (first.into(), leap.into()));
        }
    }

    #[test]
    fn a_missing_or_unknown_word_is_named() {
        let english = TEMPLATES.iter().find(|(path, _)| *path == "en/words.toml").unwrap().1;
        let missing = Words::load(&english.replace("many = ", "more = ")).unwrap_err();
        assert_eq!(missing, "[extensions] has no many");
        let unknown = english.replace("[problems]", "[problems]\nx = \"y\"");
        assert_eq!(Words::load(&unknown).unwrap_err(), "[problems] names x, which nobody uses");
    }
}
