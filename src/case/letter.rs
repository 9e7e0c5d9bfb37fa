//! What the bot may say, and to whom.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::state::{Outcome, named};
use crate::mail::EmailAddress;
use crate::mail::origin::Answerable;

named! {
    /// The kinds of letters. The name is also that of the template.
    LetterKind {
        /// Asks the mailbox whether the request is its own.
        VerificationRequest = "verification-request",
        /// "Confirmed; we will be done by …".
        RequestConfirmed = "request-confirmed",
        /// Sends a customer of a business to that business.
        NotOurs = "not-ours",
        /// "It is done", with what is kept and why.
        Completion = "completion",
        /// "We stopped; nothing will be deleted."
        WithdrawalConfirmed = "withdrawal-confirmed",
        /// Staff: what is due, every day.
        Digest = "digest",
        /// Staff: something is wrong now.
        Alarm = "alarm",
    }
}

impl LetterKind {
    /// Whether it goes to staff rather than to a requester.
    pub fn is_for_staff(self) -> bool {
        match self {
            LetterKind::Digest | LetterKind::Alarm => true,
            LetterKind::VerificationRequest
            | LetterKind::RequestConfirmed
            | LetterKind::NotOurs
            | LetterKind::Completion
            | LetterKind::WithdrawalConfirmed => false,
        }
    }
}

/// One thing that is kept, with its ground.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// What, in words for the requester.
    pub what: String,
    /// Why it may be kept.
    pub why: String,
}

/// What to say: a kind and its values. Composed only when it is released.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    /// Which letter.
    pub kind: LetterKind,
    /// What the template needs beside the case and the organisation.
    pub values: Value,
}

impl Letter {
    /// A letter that needs no values of its own.
    pub fn plain(kind: LetterKind) -> Letter {
        Letter { kind, values: json!({}) }
    }

    /// The completion letter.
    pub fn completion(outcome: Outcome, kept: &[Kept]) -> Letter {
        Letter {
            kind: LetterKind::Completion,
            values: json!({ "outcome": outcome.as_str(), "kept": kept }),
        }
    }

    /// The daily digest, with the values that `digest` computed.
    pub fn digest(values: Value) -> Letter {
        Letter { kind: LetterKind::Digest, values }
    }

    /// An alarm: what is wrong, and what to do.
    pub fn alarm(subject: &str, what: &str, remedy: &str) -> Letter {
        let values = json!({ "subject": subject, "what": what, "remedy": remedy });
        Letter { kind: LetterKind::Alarm, values }
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
