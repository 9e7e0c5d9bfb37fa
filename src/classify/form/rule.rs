//! A file of `rules/forms/`: how the notifications of one service look.

use std::sync::{Arc, OnceLock};

use regex::Regex;
use serde::Deserialize;

use super::FormSetting;
use super::fields::{Field, Fields, Missing, Shape};
use super::labels::{Kind, Labels};
use super::places::{CompiledPlaces, Places, compiled, is_same_name};
use super::sheet::Sheet;
use crate::classify::rules::Trial;
use crate::classify::text::normalize;
use crate::mail::EmailAddress;

/// Fields by which a notification is known without its sender.
const FIELDS_MIN: usize = 2;

/// What bot.toml has to tell about a form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Need {
    /// The address that sends its notifications.
    From,
    /// The site that it stands on.
    Site,
    /// Its name.
    Form,
    /// The subject of its notifications.
    Subject,
}

impl Need {
    /// The key of `[[form]]`, and what to write there.
    pub fn key(self) -> (&'static str, &'static str) {
        match self {
            Need::From => ("from", "the address that sends its notifications"),
            Need::Site => ("site", "your site, as the notifications call it"),
            Need::Form => ("form", "the name of your form, as the notifications call it"),
            Need::Subject => ("subject", "what the subject of its notifications begins with"),
        }
    }
}

/// Whether each entry of a form asks for a deletion.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Purpose {
    /// The form is for deletion requests and nothing else: each entry is one.
    Deletion,
    /// People write all kinds of things: what the message says decides.
    #[default]
    Contact,
}

/// A file of `rules/forms/`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FormRule {
    /// What `bot.toml` calls it.
    pub name: String,
    /// What people call the service.
    pub service: String,
    /// The addresses of the service itself; plus-tags do not matter. Without any, the
    /// notifications come from an address of the site's own, which bot.toml names.
    #[serde(default)]
    senders: Vec<EmailAddress>,
    /// Whether the sender needs an aligned DMARC pass of our own border.
    pub authenticated: bool,
    /// What bot.toml has to say.
    pub needs: Vec<Need>,
    /// What its forms are for, where bot.toml does not say.
    #[serde(default)]
    pub purpose: Purpose,
    /// Patterns of the (normalized) subject; one of them must match, or one of `says`.
    #[serde(default)]
    subject: Vec<String>,
    /// Patterns of (normalized) lines that every notification has, however its subject reads.
    #[serde(default)]
    says: Vec<String>,
    /// Patterns of subjects and lines of other mail by the same sender: receipts for visitors,
    /// notices for the owner.
    #[serde(default)]
    other_mail: Vec<String>,
    /// Where the name of the site stands: patterns with one group.
    #[serde(default)]
    site: Places,
    /// Where the name of the form stands.
    #[serde(default)]
    form: Places,
    /// How the fields are written, tried in order; the first with an address field counts.
    fields: Vec<Shape>,
    /// Labels beside those of labels.toml.
    #[serde(default)]
    address_labels: Vec<String>,
    #[serde(default)]
    message_labels: Vec<String>,
    #[serde(default)]
    subject_labels: Vec<String>,
    /// The name stands in front of the address, in the same field.
    #[serde(default)]
    name_in_front: bool,
    /// Reply-To is the address that was entered; a visitor cannot set it otherwise.
    #[serde(default)]
    reply_to: bool,
    /// Patterns of lines from which on a message is the service's own text.
    #[serde(default)]
    ends: Vec<String>,
    /// Known by its shape alone: a mail like this is a notification, whoever sends it, and is
    /// never answered as a mail.
    #[serde(default)]
    by_shape: bool,
    #[serde(default, rename = "example")]
    examples: Vec<Example>,
    #[serde(skip)]
    compiled: OnceLock<Compiled>,
    #[serde(skip)]
    shared: Arc<Labels>,
    #[serde(skip)]
    labels: OnceLock<Labels>,
}

#[derive(Clone, Debug, Default)]
struct Compiled {
    subject: Vec<Regex>,
    says: Vec<Regex>,
    other_mail: Vec<Regex>,
    ends: Vec<Regex>,
    site: CompiledPlaces,
    form: CompiledPlaces,
}

/// A notification, and what must be read from it (an empty address: none).
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Example {
    subject: String,
    /// What bot.toml says of the subject.
    #[serde(default)]
    own_subject: Option<String>,
    #[serde(default)]
    sender: String,
    #[serde(default)]
    text: String,
    #[serde(default)]
    html: String,
    #[serde(default)]
    reply_to: Option<EmailAddress>,
    /// Whether it is a notification at all.
    #[serde(default = "yes")]
    is_entry: bool,
    address: String,
    #[serde(default)]
    site: Option<String>,
    #[serde(default)]
    form: Option<String>,
    #[serde(default)]
    message: Option<String>,
}

fn yes() -> bool {
    true
}

/// What was read from a notification.
#[derive(Clone, Debug)]
pub struct Reading {
    /// The fields, as they stand there.
    pub fields: Fields,
    /// Whom to ask, or why nobody.
    pub address: Result<EmailAddress, Missing>,
    /// What the visitor wants to say.
    pub message: String,
    /// What the visitor says it is about.
    pub subject: String,
}

impl FormRule {
    /// Reads one file, and tries it on its examples unless they were tried before.
    pub(in crate::classify) fn load(
        text: &str,
        labels: &Arc<Labels>,
        trial: Trial,
    ) -> Result<FormRule, String> {
        let mut rule: FormRule = trial.parse(text)?;
        rule.shared = Arc::clone(labels);
        if trial == Trial::All {
            rule.compile()?;
            rule.check()?;
            for example in &rule.examples {
                rule.try_on(example)?;
            }
        }
        Ok(rule)
    }

    fn compile(&self) -> Result<Compiled, String> {
        Ok(Compiled {
            subject: compiled(&self.subject)?,
            says: compiled(&self.says)?,
            other_mail: compiled(&self.other_mail)?,
            ends: compiled(&self.ends)?,
            site: self.site.compiled()?,
            form: self.form.compiled()?,
        })
    }

    /// The patterns, compiled once. One that is wrong was refused when it was tried.
    fn compiled(&self) -> &Compiled {
        self.compiled.get_or_init(|| self.compile().unwrap_or_default())
    }

    fn labels(&self) -> &Labels {
        self.labels.get_or_init(|| {
            let own = Labels::clone(&self.shared).with(&self.message_labels, Kind::Message);
            let own = own.with(&self.subject_labels, Kind::Subject);
            own.with(&self.address_labels, Kind::Address)
        })
    }

    /// What the types cannot say.
    fn check(&self) -> Result<(), String> {
        let needs = |need| self.needs.contains(&need);
        let wrong = if self.examples.is_empty() {
            "needs at least one [[example]]"
        } else if self.fields.is_empty() {
            "needs `fields`: one or more of cells, bold-label, colon, lines"
        } else if !self.labels().know_addresses() {
            "needs `address_labels`, here or in rules/forms/labels.toml"
        } else if self.subject.is_empty() && self.says.is_empty() && !needs(Need::Subject) {
            "needs `subject` or `says`, or needs = [\"subject\"] so that bot.toml tells"
        } else if self.senders.is_empty() && !needs(Need::From) {
            "needs `senders`, or needs = [\"from\"] so that bot.toml tells"
        } else if needs(Need::Site) && self.site.are_empty() {
            "needs the site, and does not say where it stands: site = { subject = [\"… (.+)\"] }"
        } else if needs(Need::Form) && self.form.are_empty() {
            "needs the form, and does not say where it stands: form = { subject = [\"… (.+)\"] }"
        } else {
            return Ok(());
        };
        Err(wrong.to_owned())
    }

    fn try_on(&self, example: &Example) -> Result<(), String> {
        let sheet = Sheet::of_example(
            &example.subject,
            &example.sender,
            &example.text,
            &example.html,
            example.reply_to.clone(),
        );
        let differs = |what: &str, expected: &str, found: &str| {
            Err(format!(
                "the example with the subject {:?} should give the {what} {expected:?} and gives {found:?}",
                example.subject
            ))
        };
        let is_entry = self.is_entry(&sheet, example.own_subject.as_deref());
        let read = self.read(&sheet, None);
        let address = read.address.map(|address| address.as_str().to_owned()).unwrap_or_default();
        let address = if is_entry { address } else { String::new() };
        if address != example.address {
            return differs("address", &example.address, &address);
        }
        if is_entry != example.is_entry {
            return differs("verdict", entry(example.is_entry), entry(is_entry));
        }
        let names = [
            ("site", &example.site, self.compiled().site.find(&sheet)),
            ("form", &example.form, self.compiled().form.find(&sheet)),
            ("message", &example.message, Some(read.message)),
        ];
        for (what, expected, found) in names {
            let found = found.unwrap_or_default();
            if let Some(expected) = expected.as_ref().filter(|expected| **expected != found) {
                return differs(what, expected, &found);
            }
        }
        Ok(())
    }

    /// Whether this is an address of the service itself.
    pub fn is_sender(&self, author: &EmailAddress) -> bool {
        self.senders.iter().any(|one| one.domain() == author.domain() && one.same_mailbox(author))
    }

    /// Whether a mail of the right sender is the notification of an entry; with the subject that
    /// the operator gave to their mails, if they did.
    pub fn is_entry(&self, sheet: &Sheet, own_subject: Option<&str>) -> bool {
        let fits = |patterns: &[Regex]| patterns.iter().any(|one| one.is_match(&sheet.subject));
        let is_own = own_subject.is_some_and(|own| sheet.subject.starts_with(&normalize(own)));
        let is_other =
            fits(&self.compiled().other_mail) || sheet.any_line(&self.compiled().other_mail);
        let is_named =
            is_own || fits(&self.compiled().subject) || sheet.any_line(&self.compiled().says);
        is_named && !is_other
    }

    /// Whether a mail of nobody in particular is a notification of this service: by its subject,
    /// at little cost, and then by its fields.
    pub fn fits_shape(&self, sheet: &Sheet) -> bool {
        if !self.by_shape || !self.compiled().subject.iter().any(|one| one.is_match(&sheet.subject))
        {
            return false;
        }
        let says = self.says.is_empty() || sheet.any_line(&self.compiled().says);
        let is_known = |field: &&Field| field.kind != Kind::Other;
        says && self.read(sheet, None).fields.all.iter().filter(is_known).count() >= FIELDS_MIN
    }

    /// Which of a setting's names the mail does not bear; [`None`] when it is that form's.
    pub fn lacks(&self, sheet: &Sheet, setting: &FormSetting) -> Option<String> {
        let names = [
            ("site", &setting.site, self.compiled().site.find(sheet)),
            ("form", &setting.form, self.compiled().form.find(sheet)),
        ];
        names.into_iter().find_map(|(key, wanted, found)| {
            let wanted = wanted.as_ref()?;
            match found {
                Some(found) if is_same_name(wanted, &found) => None,
                Some(found) => Some(format!("its {key} is {found:?}, not {wanted:?}")),
                // A subject of the operator's own tells it.
                None if setting.subject.is_some() => None,
                None => Some(format!("it does not name its {key}")),
            }
        })
    }

    /// Reads the fields; with the label that the operator named for the address, if they did.
    pub fn read(&self, sheet: &Sheet, own_label: Option<&str>) -> Reading {
        let own = own_label.map(|label| self.labels().clone().with_address_only(label));
        let labels = own.as_ref().unwrap_or(self.labels());
        let mut fields = self.fields(sheet, labels);
        if self.name_in_front {
            fields.all.iter_mut().filter(|field| field.kind.may_be_address()).for_each(part_name);
        }
        let vouched = sheet.reply_to.as_ref().filter(|_| self.reply_to);
        let address = match (fields.address(vouched), vouched) {
            (Err(Missing::NoLabel), Some(entered)) if fields.hold(entered) => Ok(entered.clone()),
            (Ok(entered), _) if self.is_contradicted(&entered, sheet, labels) => {
                Err(Missing::Several)
            }
            (read, _) => read,
        };
        let is_end = |line: &&str| {
            let line = normalize(line);
            self.compiled().ends.iter().any(|end| end.is_match(&line))
        };
        let message = fields.text(Kind::Message);
        let message: Vec<&str> = message.lines().take_while(|line| !is_end(line)).collect();
        let subject = fields.text(Kind::Subject);
        let subject = subject.lines().next().unwrap_or_default().to_owned();
        Reading { address, message: message.join("\n").trim().to_owned(), subject, fields }
    }

    /// Whether a field out of sight holds another address: somebody wrote HTML into the form.
    fn is_contradicted(&self, entered: &EmailAddress, sheet: &Sheet, labels: &Labels) -> bool {
        let hidden = sheet.hidden_blocks();
        let read = |shape: &Shape| Fields::of_blocks(hidden, *shape, labels).address(None).ok();
        !hidden.is_empty() && self.fields.iter().filter_map(read).any(|other| other != *entered)
    }

    fn fields(&self, sheet: &Sheet, labels: &Labels) -> Fields {
        let mut any = Fields::default();
        for shape in &self.fields {
            let in_html = || Fields::of_blocks(sheet.blocks(), *shape, labels);
            let candidates = match shape {
                Shape::Cells | Shape::BoldLabel => vec![in_html()],
                Shape::Colon | Shape::Lines => {
                    vec![Fields::of_lines(sheet.text, *shape, labels), in_html()]
                }
            };
            for found in candidates {
                if found.name_an_address() || found.surely_lack_address() {
                    return found;
                }
                any = if any.all.is_empty() { found } else { any };
            }
        }
        any
    }
}

fn entry(is_entry: bool) -> &'static str {
    if is_entry { "an entry" } else { "no entry" }
}

/// Leaves the address of a field that begins with a name, where exactly one stands there, at
/// the end. Without any it is a name.
fn part_name(field: &mut Field) {
    let line = field.value.lines().next().unwrap_or_default();
    let with_at = line.split_whitespace().filter(|word| word.contains('@')).count();
    match line.split_whitespace().next_back() {
        Some(last) if with_at == 1 && last.contains('@') => field.value = last.to_owned(),
        Some(_) if with_at == 0 => field.kind = Kind::Name,
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_that_cannot_work_is_refused_with_the_reason() {
        let labels = include_str!("../../../rules/forms/labels.toml");
        let labels = Arc::new(Labels::load(labels, Trial::All).unwrap());
        let head = "name = \"x\"\nservice = \"X\"\nauthenticated = true\nfields = [\"colon\"]\n";
        let example = "[[example]]\nsubject = \"new\"\ntext = \"Email: jane@example.org\"\n";
        for (rest, expected) in [
            ("needs = []\nsubject = ['^new']\n", "needs `senders`, or needs = [\"from\"]"),
            ("needs = [\"from\"]\n", "needs `subject` or `says`"),
            ("needs = [\"from\", \"site\"]\nsubject = ['^new']\n", "needs the site"),
            ("needs = [\"from\"]\nsubject = ['(']\n", "\"(\" is no pattern"),
            (
                "needs = [\"from\"]\nsubject = ['^new']\nsite = { subject = ['x'] }\n",
                "exactly one group",
            ),
            (
                "needs = [\"from\"]\nsubject = ['^old']\n",
                "should give the address \"jane@example.org\" and gives \"\"",
            ),
            ("needs = [\"from\"]\nsubject = ['^new']\nend = []\n", "unknown field `end`"),
        ] {
            let text = format!("{head}{rest}{example}address = \"jane@example.org\"\n");
            let said = FormRule::load(&text, &labels, Trial::All).unwrap_err();
            assert!(said.contains(expected), "{said}");
        }
    }
}
