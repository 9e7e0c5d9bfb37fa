//! Notifications of form services: which mail is one, whether the form is ours, and whose
//! address was entered. A notification is never answered as a mail, whoever's it is.

pub mod fields;
pub mod labels;
mod places;
pub mod rule;
pub mod sheet;

use serde::Deserialize;

use super::rules::{Evidence, Kind, RuleSet, Strength};
use super::text::addresses;
use super::words::Words;
use super::{Desk, ForStaff, LeftAlone, Verdict};
use crate::mail::sender_auth::SenderAuth;
use crate::mail::{EmailAddress, Mail};
pub use rule::{FormRule, Purpose};
use rule::{Need, Reading};
use sheet::Sheet;

/// A `[[form]]` of `bot.toml`: a form that is ours.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FormSetting {
    /// Name of the rule file under `rules/forms/`.
    pub rule: String,
    /// The address that sends its notifications, where the service has none of its own.
    pub from: Option<EmailAddress>,
    /// The site that it stands on, as the notifications call it.
    pub site: Option<String>,
    /// Its name, as the notifications call it.
    pub form: Option<String>,
    /// What the subject begins with, where it is not the service's own.
    pub subject: Option<String>,
    /// Whether each entry asks for a deletion; the rule's word where it is left out.
    pub purpose: Option<Purpose>,
    /// Whether its sender needs an aligned DMARC pass; the rule's word where it is left out.
    pub authenticated: Option<bool>,
    /// The label of the field that holds the address, where several do or none is known.
    pub address: Option<String>,
}

impl FormSetting {
    /// What is wrong with it: the key, and what to do.
    pub fn problem(&self, rules: &RuleSet) -> Option<(&'static str, String)> {
        let Some(rule) = rules.form(&self.rule) else {
            let names: Vec<&str> = rules.form_names().collect();
            let what = format!(
                "there is no rules/forms/{}.toml; there are {}",
                self.rule,
                names.join(", ")
            );
            return Some(("rule", what));
        };
        let is_set = |need: &Need| match need {
            Need::From => self.from.is_some(),
            // A subject of the operator's own tells the form from others, too.
            Need::Site => self.site.is_some() || self.subject.is_some(),
            Need::Form => self.form.is_some() || self.subject.is_some(),
            Need::Subject => self.subject.is_some(),
        };
        let missing = rule.needs.iter().find(|need| !is_set(need))?;
        let (key, what) = missing.key();
        Some((key, format!("a form of rule {:?} needs {what}: {key} = \"…\"", self.rule)))
    }

    /// What tells it from the others: its budget, and how people hear of it.
    pub fn title(&self) -> String {
        let names = [&self.site, &self.form];
        let names = names.into_iter().flatten().map(String::as_str);
        std::iter::once(self.rule.as_str()).chain(names).collect::<Vec<_>>().join(" ")
    }

    fn is_authenticated(&self, rule: &FormRule) -> bool {
        self.authenticated.unwrap_or(rule.authenticated)
    }

    fn is_sent_by(&self, author: &EmailAddress, rule: &FormRule) -> bool {
        match &self.from {
            Some(from) => from.same_mailbox(author),
            None => rule.is_sender(author),
        }
    }

    /// Whether a mail comes from this form.
    fn is_of(&self, sheet: &Sheet, author: &EmailAddress, rule: &FormRule) -> bool {
        self.is_sent_by(author, rule)
            && rule.is_entry(sheet, self.subject.as_deref())
            && rule.lacks(sheet, self).is_none()
    }
}

/// What a notification of a form says.
#[derive(Clone, Debug)]
pub struct FormEntry {
    /// Which form of ours it is, as [`FormSetting::title`]; none where it is not ours.
    pub form: Option<String>,
    /// The address that was entered, where exactly one stands in its field.
    pub address: Option<EmailAddress>,
    /// What the visitor wants to say.
    pub message: String,
}

impl FormEntry {
    fn of(reading: &Reading, form: Option<String>) -> FormEntry {
        let message = match (reading.subject.is_empty(), reading.message.is_empty()) {
            (false, false) => format!("{}\n{}", reading.subject, reading.message),
            _ => format!("{}{}", reading.subject, reading.message),
        };
        FormEntry { form, address: reading.address.clone().ok(), message }
    }

    /// The mail with the visitor's words in place of the service's, for staff.
    pub fn shown_in(&self, mail: &Mail) -> Mail {
        let mut mail = mail.clone();
        mail.body.own.clone_from(&self.message);
        mail.body.quoted.clear();
        mail.body.forwards = false;
        mail
    }
}

/// The verdict on a notification, if it is one.
pub(super) fn verdict(
    mail: &Mail,
    desk: &Desk,
    rules: &RuleSet,
    sender_auth: &SenderAuth,
    evidence: &mut Vec<Evidence>,
) -> Option<(Verdict, FormEntry)> {
    let author = mail.author.address()?;
    let sheet = Sheet::of(mail);
    let ours = desk.forms.iter().filter_map(|form| Some((form, rules.form(&form.rule)?)));
    let mut ours = ours.filter(|(form, rule)| form.is_of(&sheet, author, rule));
    let Some((form, rule)) = ours.next() else {
        return not_ours(&sheet, author, desk, rules, evidence);
    };
    evidence.push(Evidence::of_form(rule, &mail.subject));
    let reading = with_words(rule.read(&sheet, form.address.as_deref()), &sheet);
    let entry = FormEntry::of(&reading, Some(form.title()));
    let asks = match form.purpose.unwrap_or(rule.purpose) {
        Purpose::Deletion => Asks::Deletion,
        Purpose::Contact => asks(&reading, rules, evidence),
    };
    let is_authentic = !form.is_authenticated(rule) || sender_auth.aligned_pass_for(author);
    let verdict = match (asks, &reading.address) {
        (Asks::Nothing, _) => Verdict::LeftAlone(LeftAlone::NotARequest),
        (Asks::Else(why), _) => Verdict::ForStaff(why),
        _ if !is_authentic => Verdict::ForStaff(ForStaff::FormNotAuthenticated),
        (_, Err(_)) => Verdict::ForStaff(ForStaff::FormWithoutAddress),
        (Asks::Perhaps, Ok(_)) => Verdict::ForStaff(ForStaff::PossibleFormRequest),
        (Asks::Deletion, Ok(entered)) => Verdict::FormEntry(entered.clone()),
    };
    Some((verdict, entry))
}

/// A notification that `bot.toml` does not name, or other mail of who sends them. Nobody is
/// asked, and a program is not answered; what asks for a deletion is shown to staff.
fn not_ours(
    sheet: &Sheet,
    author: &EmailAddress,
    desk: &Desk,
    rules: &RuleSet,
    evidence: &mut Vec<Evidence>,
) -> Option<(Verdict, FormEntry)> {
    let sends =
        |form: &&FormSetting| form.from.as_ref().is_some_and(|from| from.same_mailbox(author));
    let named = desk.forms.iter().find(sends).and_then(|form| rules.form(&form.rule));
    let fits = |rule: &&FormRule| rule.is_sender(author) || rule.fits_shape(sheet);
    let rule = named.or_else(|| rules.forms().find(fits))?;
    let reading = with_words(rule.read(sheet, None), sheet);
    let verdict = match asks(&reading, rules, evidence) {
        Asks::Nothing => Verdict::LeftAlone(LeftAlone::NotARequest),
        Asks::Else(_) | Asks::Perhaps | Asks::Deletion => Verdict::ForStaff(ForStaff::FormNotOurs),
    };
    Some((verdict, FormEntry::of(&reading, None)))
}

/// The entry of a form that no rule knows, when a mail is one: it has a field for a message, and
/// one with another address than its sender's. A person who writes so does not mind a look.
pub(super) fn unknown(mail: &Mail, desk: &Desk, rules: &RuleSet) -> Option<FormEntry> {
    let author = mail.author.address()?;
    // Most mails name nobody else, and need not be read as a form.
    let is_another =
        |named: &EmailAddress| !named.same_mailbox(author) && !named.same_mailbox(&desk.address);
    let mut texts = [mail.text.0.as_str(), mail.html.source()].into_iter();
    if !texts.any(|text| text.contains("&#") || addresses(text).iter().any(is_another)) {
        return None;
    }
    let sheet = Sheet::of(mail);
    let reading = rules.form(GENERIC)?.read(&sheet, None);
    let is_entry = !reading.fields.text(labels::Kind::Message).is_empty()
        && reading.fields.name_another_than(author);
    is_entry.then(|| FormEntry::of(&reading, None))
}

/// The rule for forms of one's own.
const GENERIC: &str = "generic";

/// What a visitor asks for.
enum Asks {
    Nothing,
    /// By another right, or after an earlier request.
    Else(ForStaff),
    Perhaps,
    Deletion,
}

/// What a visitor's words ask for, as those of a mail would.
fn asks(reading: &Reading, rules: &RuleSet, evidence: &mut Vec<Evidence>) -> Asks {
    let words = Words::of(&reading.subject, &reading.message);
    let heard = rules.hear(&words);
    let mut judge = |kind| heard.judge(kind, evidence);
    let deletion = judge(Kind::DeletionRequest).strength;
    let earlier = judge(Kind::EarlierRequest).strength;
    let company = judge(Kind::CompanyTalk).strength;
    let other = judge(Kind::OtherRequest);
    match (deletion, earlier, other.right) {
        (_, Strength::Acts, _) => Asks::Else(ForStaff::EarlierRequest),
        (Strength::Acts, Strength::Nothing, _) if company == Strength::Nothing => Asks::Deletion,
        (Strength::Acts, ..) => Asks::Perhaps,
        (_, _, Some(right)) if other.strength > Strength::Nothing => {
            Asks::Else(ForStaff::by(right))
        }
        (Strength::Suggests, ..) => Asks::Perhaps,
        (Strength::Nothing, ..) => Asks::Nothing,
    }
}

/// Where no field is known to be the message, all that was entered may be; and where no field
/// is known at all, all of the text.
fn with_words(reading: Reading, sheet: &Sheet) -> Reading {
    if !reading.message.is_empty() {
        return reading;
    }
    let words = reading.fields.words();
    let message = if words.trim().is_empty() { sheet.lines().join("\n") } else { words };
    Reading { message, ..reading }
}

/// How a rule fares with a mail, for people.
#[derive(Clone, Debug)]
pub struct Considered {
    /// The rule, or the form of ours.
    pub form: String,
    /// What keeps it from asking somebody; empty where nothing does.
    pub lacks: Vec<String>,
    /// The fields that it reads: label, what it is for, value.
    pub fields: Vec<(String, &'static str, String)>,
}

/// What each form of ours, and each rule that nearly fits, makes of a mail.
pub fn explain(
    mail: &Mail,
    desk: &Desk,
    rules: &RuleSet,
    sender_auth: &SenderAuth,
) -> Vec<Considered> {
    let Some(author) = mail.author.address() else { return Vec::new() };
    let sheet = Sheet::of(mail);
    let mut found = Vec::new();
    for form in &desk.forms {
        let Some(rule) = rules.form(&form.rule) else { continue };
        let is_sender = form.is_sent_by(author, rule);
        let is_entry = rule.is_entry(&sheet, form.subject.as_deref());
        if !(is_sender || (is_entry && rule.fits_shape(&sheet))) {
            continue;
        }
        let mut lacks = Vec::new();
        if !is_sender {
            lacks.push("it comes from another address than `from` in bot.toml".to_owned());
        }
        if !is_entry {
            lacks.push(
                "neither subject nor text are those of an entry; where you gave it a subject of your own, \
                 say so in bot.toml: [[form]] subject = \"…\""
                    .to_owned(),
            );
        }
        lacks.extend(rule.lacks(&sheet, form));
        if form.is_authenticated(rule) && !sender_auth.aligned_pass_for(author) {
            lacks.push(
                "its sender has no aligned DMARC pass by [authentication] authserv_id".to_owned(),
            );
        }
        found.push(considered(rule, &sheet, form.address.as_deref(), form.title(), lacks));
    }
    let is_ours = |rule: &FormRule| found.iter().any(|one| one.form.starts_with(&rule.name));
    let others: Vec<&FormRule> = rules
        .forms()
        .filter(|rule| !is_ours(rule) && (rule.is_sender(author) || rule.fits_shape(&sheet)))
        .collect();
    for rule in others {
        let keys: Vec<String> =
            rule.needs.iter().map(|need| format!(", {} = \"…\"", need.key().0)).collect();
        let lacks = format!(
            "bot.toml does not name it; where the form is yours: [[form]] rule = \"{}\"{}",
            rule.name,
            keys.concat()
        );
        found.push(considered(rule, &sheet, None, rule.name.clone(), vec![lacks]));
    }
    found
}

fn considered(
    rule: &FormRule,
    sheet: &Sheet,
    own_label: Option<&str>,
    form: String,
    mut lacks: Vec<String>,
) -> Considered {
    let reading = rule.read(sheet, own_label);
    if let Err(missing) = reading.address {
        lacks.push(missing.as_str().to_owned());
    }
    let fields = reading.fields.all.into_iter();
    let fields = fields.map(|field| (field.label, field.kind.as_str(), field.value)).collect();
    Considered { form, lacks, fields }
}
