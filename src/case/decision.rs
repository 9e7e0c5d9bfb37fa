//! What was decided: the change, the letters, the reason.

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use super::event::{Means, Source};
use super::letter::Letter;
use super::state::{Reference, Role, State, named};

/// The answer of [`decide`](super::decide()).
#[derive(Clone, Debug)]
pub struct Decision {
    /// What changes in the case; an empty change when nothing does.
    pub change: Change,
    /// Letters to the requester, each with the first instant it may leave.
    pub letters: Vec<(Letter, DateTime<Utc>)>,
    /// The address is not to be asked again until it lifts that itself.
    pub suppress: bool,
    /// The address asks again: it may be asked from now on.
    pub lift: bool,
    /// Why.
    pub reason: Reason,
}

/// What changes in a case. The journal keeps it; [`evolve`](super::state::evolve) applies it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Change {
    /// The case begins.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub opened: Option<Opened>,
    /// It moves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<State>,
    /// The requester said who they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// The verification can be used until then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<DateTime<Utc>>,
    /// The mailbox confirmed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub confirmed: Option<Confirmed>,
    /// A redirected case closes then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redirect_ends_at: Option<DateTime<Utc>>,
    /// It ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub closed_at: Option<DateTime<Utc>>,
}

/// How a case begins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opened {
    /// Its name.
    pub reference: Reference,
    /// How it came in.
    pub source: Source,
    /// When it reached us.
    pub received_at: DateTime<Utc>,
    /// The law's day from there.
    pub law_due_on: Option<NaiveDate>,
}

/// That a case was confirmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confirmed {
    /// When.
    pub at: DateTime<Utc>,
    /// By which act.
    pub means: Means,
    /// The promised day from there.
    pub due_on: NaiveDate,
}

named! {
    /// Why a decision is what it is. The names stand in the journal.
    Reason {
        /// A new case; the mailbox is asked.
        VerificationRequested = "verification-requested",
        /// A new case; the mailbox is asked once its caps allow.
        VerificationDeferred = "verification-deferred",
        /// Asked again after a day without an answer.
        VerificationRepeated = "verification-repeated",
        /// It was asked already and will not be again now.
        AlreadyAsked = "already-asked",
        /// The address said that it never asks; staff look.
        AddressSuppressed = "address-suppressed",
        /// A confirmed case is open; the further request is listed on it.
        RepeatNoted = "repeat-noted",
        /// The verification letter left.
        VerificationReleased = "verification-released",
        /// The mailbox confirmed.
        AddressConfirmed = "address-confirmed",
        /// Confirmed by the customer of a business: sent there.
        SentToBusiness = "sent-to-business",
        /// Confirmed before.
        AlreadyConfirmed = "already-confirmed",
        /// Too late: the verification had expired.
        ConfirmedTooLate = "confirmed-too-late",
        /// Who is asking was corrected.
        RoleCorrected = "role-corrected",
        /// Only a confirmed case has a role.
        NotConfirmedYet = "not-confirmed-yet",
        /// The owner of the mailbox never asked.
        NotRequested = "not-requested",
        /// The requester took it back.
        RequestWithdrawn = "request-withdrawn",
        /// The verification letter cannot arrive.
        VerificationUndeliverable = "verification-undeliverable",
        /// Another letter cannot arrive; staff look.
        LetterUndeliverable = "letter-undeliverable",
        /// Nobody confirmed in time.
        VerificationExpired = "verification-expired",
        /// Nobody objected to being sent to the business.
        RedirectUnanswered = "redirect-unanswered",
        /// No date has come.
        NothingDue = "nothing-due",
        /// Staff finished.
        RequestCompleted = "request-completed",
        /// The case had ended before.
        AlreadyClosed = "already-closed",
        /// There is no such case.
        NoCase = "no-case",
    }
}

impl Decision {
    /// Nothing changes, for that reason.
    pub(super) fn keep(reason: Reason) -> Decision {
        Decision {
            change: Change::default(),
            letters: Vec::new(),
            suppress: false,
            lift: false,
            reason,
        }
    }

    /// The case changes, for that reason.
    pub(super) fn change(change: Change, reason: Reason) -> Decision {
        Decision { change, letters: Vec::new(), suppress: false, lift: false, reason }
    }

    /// With a letter that may leave from `not_before` on.
    pub(super) fn with_letter(mut self, letter: Letter, not_before: DateTime<Utc>) -> Decision {
        self.letters.push((letter, not_before));
        self
    }
}
