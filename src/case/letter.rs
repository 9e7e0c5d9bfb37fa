//! What the bot may say, and to whom.

use serde_json::{Value, json};

use super::state::{Outcome, Reference, named};
use super::work::Kept;
use crate::mail::EmailAddress;
use crate::mail::origin::Answerable;

named! {
    /// The kinds of letters. The name is also that of the template.
    LetterKind {
        /// Asks the mailbox whether the request is its own.
        VerificationRequest = "verification-request",
        /// Asks once more, a day later.
        VerificationReminder = "verification-reminder",
        /// "Confirmed; we will be done by …".
        RequestConfirmed = "request-confirmed",
        /// Sends a customer of a business to that business.
        NotOurs = "not-ours",
        /// Asks a representative for the authorization of the business.
        ProofRequest = "proof-request",
        /// "It takes longer, and this is why."
        ExtensionNotice = "extension-notice",
        /// "We do not do it, and this is why", with the ways to complain.
        Refusal = "refusal",
        /// One of the fixed sentences that staff may write.
        StaffMessage = "staff-message",
        /// "It is done", with what is kept and why.
        Completion = "completion",
        /// "We stopped; nothing will be deleted."
        WithdrawalConfirmed = "withdrawal-confirmed",
        /// Staff: what is due, every day.
        Digest = "digest",
        /// Staff: a case is theirs now.
        CaseConfirmed = "case-confirmed",
        /// Staff: nobody acts on a case whose date is near.
        Escalation = "escalation",
        /// Staff: what they asked for is done.
        ActDone = "act-done",
        /// Staff: what they asked for is not done, and why.
        ActRefused = "act-refused",
        /// Staff: something is wrong now.
        Alarm = "alarm",
    }
}

impl LetterKind {
    /// Whether it goes to staff rather than to a requester.
    pub fn is_for_staff(self) -> bool {
        match self {
            LetterKind::Digest
            | LetterKind::CaseConfirmed
            | LetterKind::Escalation
            | LetterKind::ActDone
            | LetterKind::ActRefused
            | LetterKind::Alarm => true,
            LetterKind::VerificationRequest
            | LetterKind::VerificationReminder
            | LetterKind::RequestConfirmed
            | LetterKind::NotOurs
            | LetterKind::ProofRequest
            | LetterKind::ExtensionNotice
            | LetterKind::Refusal
            | LetterKind::StaffMessage
            | LetterKind::Completion
            | LetterKind::WithdrawalConfirmed => false,
        }
    }

    /// Whether it asks a mailbox to confirm: its link and its answer can.
    pub fn asks_to_confirm(self) -> bool {
        matches!(self, LetterKind::VerificationRequest | LetterKind::VerificationReminder)
    }

    /// Whether it ends a case: it stays on the desk for some minutes, so that the step that
    /// wrote it can be undone.
    pub fn can_be_undone(self) -> bool {
        matches!(self, LetterKind::Completion | LetterKind::Refusal)
    }
}

/// What to say: a kind and its values. Composed only when it is released.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    /// Which letter.
    pub kind: LetterKind,
    /// What the template needs beside the case and the organisation.
    pub values: Value,
    /// To staff: the cases and messages that its links and its answers are good for.
    pub about: Vec<String>,
}

impl Letter {
    /// A letter with values of its own.
    pub fn with(kind: LetterKind, values: Value) -> Letter {
        Letter { kind, values, about: Vec::new() }
    }

    /// A letter that needs no values of its own.
    pub fn plain(kind: LetterKind) -> Letter {
        Letter::with(kind, json!({}))
    }

    /// The completion letter.
    pub fn completion(outcome: Outcome, kept: &[Kept]) -> Letter {
        let values = json!({ "outcome": outcome.as_str(), "kept": kept });
        Letter::with(LetterKind::Completion, values)
    }

    /// A letter to staff about one case.
    pub fn about_case(kind: LetterKind, reference: &Reference, values: Value) -> Letter {
        Letter { about: vec![reference.to_string()], ..Letter::with(kind, values) }
    }

    /// An alarm: what is wrong, and what to do.
    pub fn alarm(subject: &str, what: &str, remedy: &str) -> Letter {
        let values = json!({ "subject": subject, "what": what, "remedy": remedy });
        Letter::with(LetterKind::Alarm, values)
    }
}

/// Somebody who may be written to. Made only out of a permission to answer, a form entry, the
/// address of a case, or the staff list.
#[derive(Clone, Debug)]
pub struct Recipient(EmailAddress);

impl Recipient {
    /// The author of a mail that may be answered.
    pub fn author(answerable: &Answerable) -> Recipient {
        Recipient(answerable.address().clone())
    }

    /// The address that was entered into a form we know to be ours.
    pub fn form_entry(entered: &EmailAddress) -> Recipient {
        Recipient(entered.clone())
    }

    /// The address of an open case, or one that staff open a case for.
    pub fn of_case(subject: &EmailAddress) -> Recipient {
        Recipient(subject.clone())
    }

    /// A member of staff, from `bot.toml`.
    pub fn staff(member: &EmailAddress) -> Recipient {
        Recipient(member.clone())
    }

    /// The address.
    pub fn address(&self) -> &EmailAddress {
        &self.0
    }
}
