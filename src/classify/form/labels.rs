//! What the labels of a form say: which holds the address, which the message.

use std::collections::BTreeMap;
use std::ops::Range;

use aho_corasick::AhoCorasick;
use serde::Deserialize;

use crate::classify::rules::Trial;
use crate::classify::text::normalize;

/// Characters of the longest label; what is longer is somebody's text.
const LABEL_CHARS_MAX: usize = 80;

/// What stands behind a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The visitor's address, and the label says nothing else.
    Address,
    /// It speaks of mail, and may be about something else ("Do you want our e-mails?").
    PerhapsAddress,
    /// What the visitor wants to say.
    Message,
    /// What it is about; the choice of a list, too.
    Subject,
    /// The visitor's name.
    Name,
    /// A label that is not known; told by its place.
    Other,
}

impl Kind {
    /// In one word, for people.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Address => "address",
            Kind::PerhapsAddress => "perhaps the address",
            Kind::Message => "message",
            Kind::Subject => "subject",
            Kind::Name => "name",
            Kind::Other => "other",
        }
    }

    /// Whether an address may stand there.
    pub fn may_be_address(self) -> bool {
        matches!(self, Kind::Address | Kind::PerhapsAddress)
    }
}

/// `rules/forms/labels.toml`: the words that forms use, in any language.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    address: Vec<String>,
    address_words: Vec<String>,
    not_address_words: Vec<String>,
    message: Vec<String>,
    message_words: Vec<String>,
    subject: Vec<String>,
    subject_words: Vec<String>,
    name: Vec<String>,
}

/// The words of the file and of one rule, ready to compare.
#[derive(Clone, Debug, Default)]
pub struct Labels {
    whole: BTreeMap<String, Kind>,
    words: Words,
}

/// Words of which one makes a label known, and words that none about an address has.
#[derive(Clone, Debug, Default)]
struct Words {
    /// With what each says, the first that counts first; [`None`] for those that no label of an
    /// address has.
    known: Vec<(String, Option<Kind>)>,
    /// All of them at once.
    finder: Option<AhoCorasick>,
}

impl Labels {
    /// Reads the file.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn load(text: &str, trial: Trial) -> Result<Labels, String> {
        let file: File = trial.parse(text)?;
        let mut labels = Labels::default();
        let whole = [
            (&file.name, Kind::Name),
            (&file.subject, Kind::Subject),
            (&file.message, Kind::Message),
            (&file.address, Kind::Address),
        ];
        for (list, kind) in whole {
            for label in list {
                let other = labels.whole.insert(bare(label), kind).filter(|other| *other != kind);
                if let Some(other) = other {
                    return Err(format!(
                        "{label:?} is both {} and {}; take one out",
                        other.as_str(),
                        kind.as_str()
                    ));
                }
            }
        }
        let words = [
            (&file.address_words, Kind::PerhapsAddress),
            (&file.message_words, Kind::Message),
            (&file.subject_words, Kind::Subject),
        ];
        for (list, kind) in words {
            labels.words.known.extend(list.iter().map(|word| (normalize(word), Some(kind))));
        }
        labels
            .words
            .known
            .extend(file.not_address_words.iter().map(|word| (normalize(word), None)));
        let finder = AhoCorasick::new(labels.words.known.iter().map(|(word, _)| word));
        labels.words.finder = Some(finder.map_err(|why| why.to_string())?);
        Ok(labels)
    }

    /// With labels of a rule's or an operator's own, which come first.
    #[must_use]
    pub fn with(mut self, own: &[String], kind: Kind) -> Labels {
        self.whole.extend(own.iter().map(|label| (bare(label), kind)));
        self
    }

    /// Where exactly these hold the address, and nothing else does.
    #[must_use]
    pub fn with_address_only(mut self, label: &str) -> Labels {
        let of_words = self.words.known.iter_mut().filter_map(|(_, kind)| kind.as_mut());
        let kinds = self.whole.values_mut().chain(of_words);
        kinds.filter(|kind| kind.may_be_address()).for_each(|kind| *kind = Kind::Other);
        self.with(&[label.to_owned()], Kind::Address)
    }

    /// Whether any label would be known to hold an address.
    pub fn know_addresses(&self) -> bool {
        self.whole.values().any(|kind| *kind == Kind::Address)
    }

    /// What stands behind `label`, where all of it is known.
    pub fn whole_kind(&self, label: &str) -> Option<Kind> {
        self.whole.get(&bare(label)).copied()
    }

    /// What stands behind `label`, or behind one with such words; [`None`] where neither is known.
    pub fn kind(&self, label: &str) -> Option<Kind> {
        // Who writes of their address writes it.
        if label.contains(['\n', '@']) || label.chars().nth(LABEL_CHARS_MAX).is_some() {
            return None;
        }
        let label = bare(label);
        if let Some(kind) = self.whole.get(&label) {
            return Some(*kind);
        }
        self.words.kind(&label)
    }
}

impl Words {
    /// What a label with such words is for.
    fn kind(&self, label: &str) -> Option<Kind> {
        let found = self.finder.as_ref()?.find_overlapping_iter(label).filter_map(|found| {
            let at = found.pattern().as_usize();
            let (word, kind) = self.known.get(at)?;
            stands_alone(label, word, found.range()).then_some((at, *kind))
        });
        let found: BTreeMap<usize, Option<Kind>> = found.collect();
        let excluded = found.values().any(Option::is_none);
        let mut kinds = found.values().copied().flatten();
        kinds.find(|kind| !(excluded && *kind == Kind::PerhapsAddress))
    }
}

/// A label without what services and people put around it: `* Your E-Mail: (required)`.
fn bare(label: &str) -> String {
    let label = normalize(label).replace(['_', '*', '"'], " ");
    // "(required)", in any language.
    let label = label.trim_end_matches([' ', ':', '?']);
    let bracket = label.strip_suffix(')').and_then(|rest| rest.rsplit_once('('));
    let label = bracket.map_or(label, |(before, _)| before);
    let trimmed = label.trim_matches(|c: char| c.is_whitespace() || ":?-–—.：？•>#".contains(c));
    // A number in front: "1. Name", "Q2 Email".
    let rest = trimmed.trim_start_matches(|c: char| c.is_ascii_digit());
    let rest =
        if rest.len() < trimmed.len() { rest.trim_start_matches(['.', ')', ' ']) } else { rest };
    rest.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Whether a word that stands in a label there stands for itself; one of the Latin alphabet has
/// to be a whole word.
fn stands_alone(label: &str, word: &str, at: Range<usize>) -> bool {
    let is_letter = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    let before = label.get(..at.start).and_then(|before| before.chars().next_back());
    let after = label.get(at.end..).and_then(|after| after.chars().next());
    !word.is_ascii() || !(is_letter(before) || is_letter(after))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shipped() -> Labels {
        Labels::load(include_str!("../../../rules/forms/labels.toml"), Trial::All).unwrap()
    }

    #[track_caller]
    fn check(label: &str, expected: Option<Kind>) {
        assert_eq!(shipped().kind(label), expected, "{label}");
    }

    #[test]
    fn labels_are_known_in_the_languages_of_people() {
        for label in [
            "Email",
            "E-Mail:",
            "* Email Address",
            "Email *",
            "email (required)",
            "E-Mail (erforderlich):",
            "_replyto",
            "your-email",
            "Your email",
            "E-Mail-Adresse",
            "Ihre E-Mail-Adresse *",
            "Adresse e-mail",
            "Adresse électronique :",
            "Courriel",
            "Correo electrónico",
            "Dirección de correo electrónico",
            "Indirizzo email",
            "E-mailadres",
            "Adres e-mail",
            "E-postadress",
            "E-mailová adresa",
            "Электронная почта",
            "Эл. почта",
            "Ηλεκτρονικό ταχυδρομείο",
            "メールアドレス",
            "电子邮件",
            "電子郵件",
            "E-posta",
            "What is your email address?",
            "1. Email",
            "--- Email ---",
            "**Email:**",
        ] {
            check(label, Some(Kind::Address));
        }
        for label in
            ["Primary email", "E-mail of your account", "Which e-mail did you register with?"]
        {
            check(label, Some(Kind::PerhapsAddress));
        }
        for label in [
            "Message",
            "Your request",
            "Nachricht",
            "Ihre Nachricht an uns",
            "Mensaje",
            "How can we help?",
            "お問い合わせ内容",
        ] {
            check(label, Some(Kind::Message));
        }
        check("Betreff", Some(Kind::Subject));
        check("Type of request", Some(Kind::Subject));
        check("What is your name?", Some(Kind::Name));
    }

    #[test]
    fn what_only_speaks_of_mail_is_no_address() {
        for label in
            ["Subscribe to our e-mails", "E-Mail-Newsletter", "Emailing consent", "Company", ""]
        {
            check(label, None);
        }
        check(&"email ".repeat(40), None);
    }

    #[test]
    fn an_operator_names_the_label_that_counts() {
        let labels = shipped().with_address_only("Kontakt");
        assert_eq!(labels.kind("Kontakt:"), Some(Kind::Address));
        assert_eq!(labels.kind("Email"), Some(Kind::Other));
    }
}
