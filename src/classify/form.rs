//! Notifications of form services: which mail is one, and whose address was entered.

use regex::Regex;
use serde::Deserialize;

use super::rules::Trial;
use super::text::normalize;
use crate::mail::EmailAddress;

/// A `[[form]]` of `bot.toml`: a service that is ours.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FormSetting {
    /// Name of the rule file under `rules/forms/`.
    pub rule: String,
    /// The address that sends its notifications.
    pub from: EmailAddress,
}

/// A file of `rules/forms/`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FormRule {
    /// What `bot.toml` calls it.
    pub name: String,
    /// Whether the sender needs an aligned DMARC pass of our own border.
    pub authenticated: bool,
    /// Patterns of the (normalized) subject; one must match.
    subject: Vec<String>,
    /// Labels behind which the address stands, as `label: value` on one line or with the
    /// value on the next. The first label in the mail counts: what follows may be a
    /// stranger's text.
    address_labels: Vec<String>,
    #[serde(default, rename = "example")]
    examples: Vec<Example>,
    #[serde(skip)]
    patterns: Vec<Regex>,
}

/// A notification, and the address that must be read from it (empty: none).
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Example {
    subject: String,
    text: String,
    address: String,
}

impl FormRule {
    /// Compiles one file and tries it on its examples.
    pub(super) fn load(text: &str, trial: Trial) -> Result<FormRule, String> {
        let mut rule: FormRule = trial.parse(text)?;
        for pattern in &rule.subject {
            let compiled =
                Regex::new(pattern).map_err(|why| format!("{pattern:?} is no pattern: {why}"))?;
            rule.patterns.push(compiled);
        }
        let untried = trial == Trial::All && rule.examples.is_empty();
        if rule.patterns.is_empty() || rule.address_labels.is_empty() || untried {
            return Err("needs `subject`, `address_labels` and at least one [[example]]".to_owned());
        }
        for example in &rule.examples {
            let read =
                rule.is_notification(&example.subject).then(|| rule.entered_address(&example.text));
            let read =
                read.flatten().map(|address| address.as_str().to_owned()).unwrap_or_default();
            if read != example.address {
                return Err(format!(
                    "the example with the subject {:?} should give {:?} and gives {read:?}",
                    example.subject, example.address
                ));
            }
        }
        Ok(rule)
    }

    /// Whether a mail of the configured sender with this subject is a notification.
    pub fn is_notification(&self, subject: &str) -> bool {
        let subject = normalize(subject);
        self.patterns.iter().any(|pattern| pattern.is_match(&subject))
    }

    /// The address behind the first of the labels. What stands there and is no plain address
    /// is none: the next label may already be a stranger's.
    pub fn entered_address(&self, text: &str) -> Option<EmailAddress> {
        let lines: Vec<&str> =
            text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        let (index, inline) = lines.iter().enumerate().find_map(|(index, line)| {
            let (label, value) = line.split_once(':')?;
            let label = normalize(label.trim_matches('*'));
            self.address_labels.contains(&label).then_some((index, value.trim().trim_matches('*')))
        })?;
        let value = if inline.is_empty() { lines.get(index + 1)? } else { inline };
        let value =
            value.trim().trim_start_matches("mailto:").trim_matches(|c| c == '<' || c == '>');
        EmailAddress::parse(value).ok()
    }
}
