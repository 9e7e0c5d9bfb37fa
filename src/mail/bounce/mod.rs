//! Bounces: what a mail server says of a mail that it could not deliver.
//!
//! RFC 3464 says how; many servers have their own way. So three things are looked at in turn:
//! the header ([`signs`]), whose word decides whether anything else is read; the fields of
//! RFC 3464 ([`status`]), also where they stand in a text; the words and codes for people
//! ([`words`], [`codes`]). Words alone never make a bounce: the sender has to look like a mail
//! server, and there has to be what such servers give besides, a code, an address or the mail
//! itself.

mod codes;
mod ids;
mod pieces;
mod signs;
mod status;
mod words;

use std::fmt;

use mail_parser::Message;

use super::EmailAddress;
use super::headers::Headers;
use pieces::Pieces;
use signs::{Signs, Trust};

/// Addresses that are taken out of a notice for people.
const NAMED_MAX: usize = 20;

/// A report of what became of a mail of ours, or of somebody else's.
#[derive(Clone, PartialEq, Eq)]
pub struct Report {
    /// How it was recognised.
    pub form: Form,
    /// What it says of each recipient.
    pub recipients: Vec<RecipientStatus>,
    /// The Message-ID of the mail it is about, without angle brackets, when it returns the
    /// mail or its header.
    pub returned_message_id: Option<String>,
    /// Every `local@domain` in it that is long enough to be an id of ours, in lower case.
    pub quoted_ids: Vec<String>,
}

/// How a report was recognised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A part of RFC 3464.
    DeliveryStatus,
    /// The fields of RFC 3464, in a text.
    StatusInText,
    /// `X-Failed-Recipients`, as Exim and Gmail write it.
    FailedRecipients,
    /// A notification of Amazon SES, in JSON.
    Notification,
    /// The words and codes of a mail server.
    Words,
    /// It is called a report and does not say of what.
    Unclear,
}

/// What became of a mail to one recipient.
#[derive(Clone, PartialEq, Eq)]
pub struct RecipientStatus {
    /// Whose; the report need not say it in a way that we understand.
    pub address: Option<EmailAddress>,
    /// `Action`, or what it must be.
    pub action: Action,
    /// An enhanced code such as `5.1.1` (RFC 3463); empty when there is none.
    pub status: String,
}

/// RFC 3464 §2.3.3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// It will not arrive: a bounce.
    Failed,
    /// It has not arrived yet and is still being tried.
    Delayed,
    /// Delivered, relayed or expanded: nothing is wrong.
    Arrived,
}

impl Form {
    /// The name, as `explain` shows it.
    pub fn as_str(self) -> &'static str {
        match self {
            Form::DeliveryStatus => "delivery-status",
            Form::StatusInText => "delivery-status-in-text",
            Form::FailedRecipients => "x-failed-recipients",
            Form::Notification => "notification",
            Form::Words => "words-of-a-mail-server",
            Form::Unclear => "report-of-nothing-known",
        }
    }
}

impl Action {
    /// The word of RFC 3464.
    pub fn as_str(self) -> &'static str {
        match self {
            Action::Failed => "failed",
            Action::Delayed => "delayed",
            Action::Arrived => "delivered",
        }
    }
}

impl Report {
    /// Whether it says that the mail will not arrive.
    pub fn failed(&self) -> bool {
        self.recipients.iter().any(|recipient| recipient.action == Action::Failed)
    }

    /// Whether it says no more than that the mail has not arrived yet.
    pub fn delayed(&self) -> bool {
        !self.failed() && self.recipients.iter().any(|one| one.action == Action::Delayed)
    }

    /// Where it will not arrive, as far as the report names addresses.
    pub fn failed_addresses(&self) -> impl Iterator<Item = &EmailAddress> {
        let failed = self.recipients.iter().filter(|one| one.action == Action::Failed);
        failed.filter_map(|one| one.address.as_ref())
    }
}

impl fmt::Debug for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<report: {}, {:?}>", self.form.as_str(), self.recipients)
    }
}

impl fmt::Debug for RecipientStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.action.as_str(), self.status)
    }
}

/// The report that a message is, if it is one; `raw` are the bytes it was parsed from.
pub(super) fn report(message: &Message<'_>, headers: &Headers, raw: &[u8]) -> Option<Report> {
    let signs = Signs::of(message, headers);
    match signs.trust {
        Trust::None => return None,
        Trust::Unread if !pieces::has_form(message) => return None,
        _ => {}
    }
    let pieces = Pieces::of(message, raw);
    let (form, recipients) = read(message, headers, signs, &pieces)?;
    Some(Report {
        form,
        recipients,
        returned_message_id: pieces.returned.as_deref().and_then(message_id_in),
        quoted_ids: ids::quoted_ids(message, raw),
    })
}

/// From the surest form to the least sure.
fn read(
    message: &Message<'_>,
    headers: &Headers,
    signs: Signs,
    pieces: &Pieces<'_>,
) -> Option<(Form, Vec<RecipientStatus>)> {
    let by_fields: Vec<_> =
        pieces.status.iter().flat_map(|text| status::recipients(text)).collect();
    if !by_fields.is_empty() {
        return Some((Form::DeliveryStatus, by_fields));
    }
    if pieces.is_other_report {
        return None;
    }
    if let Some(recipients) = notification(&pieces.notice) {
        return Some((Form::Notification, recipients));
    }
    if signs.trust >= Trust::Server {
        let in_text = status::recipients(&pieces.notice);
        if in_text.iter().any(|one| one.address.is_some()) {
            return Some((Form::StatusInText, in_text));
        }
    }
    let said = said(message.subject().unwrap_or_default(), headers, signs.trust, pieces);
    if let Some(failed) = signs.failed_recipients {
        let (action, status) = said.map_or((Action::Failed, String::new()), |(a, s, _)| (a, s));
        return Some((Form::FailedRecipients, each(failed, action, &status)));
    }
    match said {
        Some((action, status, named)) => Some((Form::Words, each(named, action, &status))),
        None => (signs.trust == Trust::Report).then(|| (Form::Unclear, Vec::new())),
    }
}

fn each(addresses: Vec<EmailAddress>, action: Action, status: &str) -> Vec<RecipientStatus> {
    let one = |address| RecipientStatus { address, action, status: status.to_owned() };
    if addresses.is_empty() {
        return vec![one(None)];
    }
    addresses.into_iter().map(|address| one(Some(address))).collect()
}

/// What the notice says to people, with its code and the addresses in it.
fn said(
    subject: &str,
    headers: &Headers,
    trust: Trust,
    pieces: &Pieces<'_>,
) -> Option<(Action, String, Vec<EmailAddress>)> {
    let code = codes::code_in(&pieces.notice);
    let named = named_in(&pieces.notice, headers);
    let returns = pieces.returned.is_some();
    // No person and no newsletter gives the code of a server and whom it was about.
    let is_server = trust >= Trust::Server || (code.is_some() && !named.is_empty());
    let says = || words::action_in(&format!("{subject}\n{}", pieces.notice), is_server);
    let gives_code = || status::by_status(code.as_deref()?);
    let tells_whom = returns || !named.is_empty();
    let action = match trust {
        // Answering machines say such words, too.
        Trust::None | Trust::Unread | Trust::Weak => (is_server || returns).then(says).flatten(),
        Trust::Server | Trust::Report => says()
            .filter(|_| tells_whom || code.is_some())
            .or_else(|| gives_code().filter(|_| tells_whom)),
    }?;
    Some((action, code.unwrap_or_default(), named))
}

/// The addresses in a notice, but for those that the report itself is from or to.
fn named_in(notice: &str, headers: &Headers) -> Vec<EmailAddress> {
    let around: String = ["from", "to", "delivered-to", "reply-to"]
        .iter()
        .flat_map(|name| headers.all(name))
        .collect::<Vec<_>>()
        .join(" ")
        .to_ascii_lowercase();
    let mut found: Vec<EmailAddress> = Vec::new();
    let words = notice.split(|c: char| c.is_whitespace() || "<>()[]\"',;:|".contains(c));
    for word in words.filter(|word| word.contains('@')) {
        let Ok(address) = EmailAddress::parse(word.trim_end_matches('.')) else { continue };
        if !around.contains(&address.as_str().to_ascii_lowercase()) && !found.contains(&address) {
            found.push(address);
        }
        if found.len() >= NAMED_MAX {
            break;
        }
    }
    found
}

/// What Amazon SES reports through SNS: an object whose fields are in no fixed order.
fn notification(notice: &str) -> Option<Vec<RecipientStatus>> {
    let notice = notice.trim_start();
    let head: String = notice.chars().filter(|c| !c.is_whitespace()).take(200).collect();
    let is_bounce = ["notificationType", "eventType"]
        .iter()
        .any(|name| head.contains(&format!("\"{name}\":\"Bounce\"")));
    if !notice.starts_with('{') || !is_bounce {
        return None;
    }
    let permanent = !notice.contains("\"Transient\"");
    let action = if permanent { Action::Failed } else { Action::Delayed };
    let (_, bounced) = notice.split_once("\"bouncedRecipients\"")?;
    let (bounced, _) = bounced.split_once(']')?;
    let addresses = bounced.split('"').filter_map(|word| EmailAddress::parse(word).ok());
    let code = codes::code_in(bounced).unwrap_or_default();
    Some(each(addresses.take(NAMED_MAX).collect(), action, &code))
}

/// The Message-ID in a returned header; the field may be folded, indented or quoted.
fn message_id_in(returned: &str) -> Option<String> {
    let mut lines = returned.lines().map(|line| line.trim_start_matches(['>', ' ', '\t']));
    let (_, value) = lines.by_ref().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.trim_end().eq_ignore_ascii_case("message-id").then_some((name, value))
    })?;
    let value = if value.trim().is_empty() { lines.next()? } else { value };
    let id = value.split('>').next()?.trim().trim_start_matches('<');
    (!id.is_empty()).then(|| id.to_owned())
}
