//! What staff are shown of a mail, and whom it proposes to ask.

use std::collections::BTreeSet;

use crate::classify::form::FormEntry;
use crate::classify::{Classification, ForStaff, Verdict, text};
use crate::mail::{EmailAddress, Mail};
use crate::store::inbox::{Handled, OLD, Outcome};

/// Characters of a stranger's text that staff are shown.
const EXCERPT_CHARS_MAX: usize = 280;

pub(super) fn for_staff(reason: &str, proposed: Vec<EmailAddress>, mail: &Mail) -> Handled {
    Handled { proposed, excerpt: Some(excerpt(mail)), ..Handled::new(Outcome::ForStaff, reason) }
}

/// Old mail is never answered; what looks like a request is shown to staff.
pub(super) fn old(classification: &Classification, mail: &Mail) -> Handled {
    let proposed = match &classification.verdict {
        Verdict::Request(answerable) => vec![answerable.address().clone()],
        Verdict::FormEntry(entered) => vec![entered.clone()],
        Verdict::ForStaff(why) => proposal(*why, mail, classification.form.as_ref()),
        Verdict::Answer(_) | Verdict::Command | Verdict::Bounce | Verdict::LeftAlone(_) => {
            return Handled::new(Outcome::Old, OLD);
        }
    };
    for_staff(OLD, proposed, mail)
}

/// Addresses that one mail proposes; who lists more is a matter for a person anyway.
const PROPOSED_MAX: usize = 20;

/// Whom staff may open a case for: a suggestion, whatever it is.
pub(super) fn proposal(why: ForStaff, mail: &Mail, form: Option<&FormEntry>) -> Vec<EmailAddress> {
    // Of a form's notification, whoever was entered and never who sent it.
    let author = match form {
        Some(entry) => entry.address.clone(),
        None => mail.author.address().cloned(),
    };
    let mut found: Vec<EmailAddress> = match why {
        ForStaff::PossibleRequest
        | ForStaff::AutomaticRequest
        | ForStaff::AccessRequest
        | ForStaff::RectificationRequest
        | ForStaff::Objection
        | ForStaff::OptOut
        | ForStaff::EarlierRequest
        | ForStaff::Sealed
        | ForStaff::FormNotAuthenticated
        | ForStaff::PossibleFormRequest
        | ForStaff::FormNotOurs => author.into_iter().collect(),
        // Several people in one mail: each of them may be asked.
        ForStaff::NamesAnotherAddress => {
            author.into_iter().chain(text::addresses(&mail.body.own)).collect()
        }
        ForStaff::ForwardedByStaff => text::addresses(&mail.body.quoted),
        ForStaff::FormWithoutAddress | ForStaff::NoSingleAuthor => Vec::new(),
    };
    let mut known = BTreeSet::new();
    found.retain(|address| known.insert(address.canonical()));
    found.truncate(PROPOSED_MAX);
    found
}

/// What a quoted mail says, without its marks, its separator and the addresses in its header.
fn said_in(quoted: &str) -> String {
    let lines = quoted.lines().map(|line| line.trim_start_matches(['>', ' ']));
    let says = |line: &&str| !line.starts_with("--") && text::addresses(line).is_empty();
    lines.filter(says).collect::<Vec<_>>().join("\n")
}

/// The subject and the beginning of what a mail says, on one line.
pub(super) fn excerpt(mail: &Mail) -> String {
    // Of what a colleague passes on, the requester's words tell more than "see below".
    let is_passed_on = mail.body.forwards || mail.body.own.trim().is_empty();
    let own = if is_passed_on { said_in(&mail.body.quoted) } else { mail.body.own.clone() };
    let from = mail.author.address().map(EmailAddress::masked);
    let text =
        format!("{} wrote \"{}\": {own}", from.as_deref().unwrap_or("somebody"), mail.subject);
    let words: Vec<&str> = text.split_whitespace().collect();
    let line = words.join(" ");
    let short: String = line.chars().take(EXCERPT_CHARS_MAX).collect();
    if short.len() < line.len() { format!("{short}…") } else { short }
}
