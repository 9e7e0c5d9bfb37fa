//! What was decided: the change, the letters, the reason.

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use super::event::{Means, Source};
use super::letter::{Letter, LetterKind};
use super::state::{Reference, Role, State, named};
use super::work::{Forgotten, StaffRole, Work};

/// The answer of [`decide`](super::decide()).
#[derive(Clone, Debug)]
pub struct Decision {
    /// What changes in the case; an empty change when nothing does.
    pub change: Change,
    /// Letters to the requester, each with the first instant it may leave.
    pub letters: Vec<(Letter, DateTime<Utc>)>,
    /// Letters to staff: which, and to whom.
    pub staff: Vec<(LetterKind, StaffRole)>,
    /// Letters of the case that must not leave the desk any more.
    pub cancel: Vec<LetterKind>,
    /// What of the case is to be forgotten.
    pub forget: Option<Forgotten>,
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
    /// What people did and owe, whole, as it is from now on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub work: Option<Work>,
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
        /// Reminded after a day without an answer.
        VerificationReminded = "verification-reminded",
        /// No reminder: the caps of the address are reached.
        ReminderSkipped = "reminder-skipped",
        /// Asked again, on a further request.
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
        /// Somebody did: staff read it, and the case stays open for seven more days.
        RedirectPutOff = "redirect-put-off",
        /// No date has come.
        NothingDue = "nothing-due",
        /// Confirmed for a business: authorization is asked for.
        ProofAsked = "proof-asked",
        /// Something came in answer to that.
        ProofReceived = "proof-received",
        /// Staff are satisfied with it.
        ProofApproved = "proof-approved",
        /// They are not, and ask again.
        ProofAskedAgain = "proof-asked-again",
        /// The case does not wait for proof.
        NoProofWanted = "no-proof-wanted",
        /// First the proof of authorization has to be approved.
        ProofMissing = "proof-missing",
        /// The requester was identified by staff.
        VerifiedByStaff = "verified-by-staff",
        /// Put on hold.
        PutOnHold = "put-on-hold",
        /// Taken up again.
        HoldReleased = "hold-released",
        /// The day to look again has come.
        HoldEnded = "hold-ended",
        /// Nothing is held.
        NothingHeld = "nothing-held",
        /// The case as a whole is on hold.
        CaseOnHold = "case-on-hold",
        /// That is no ground to hold anything.
        NoGroundToHold = "no-ground-to-hold",
        /// The day is not in the future.
        DayNotAhead = "day-not-ahead",
        /// The scope has no such item.
        UnknownItem = "unknown-item",
        /// Both dates were extended.
        DatesExtended = "dates-extended",
        /// They were extended before.
        AlreadyExtended = "already-extended",
        /// A date has passed: too late to extend.
        DatePassed = "date-passed",
        /// One or two months can be had, not that many.
        TooLong = "too-long",
        /// Staff refused.
        RequestRefused = "request-refused",
        /// Items of the scope are neither deleted nor kept on a ground.
        ItemsOpen = "items-open",
        /// "Partly" has to say what is kept.
        KeptMissing = "kept-missing",
        /// What is kept contradicts the outcome.
        KeptContradicts = "kept-contradicts",
        /// Items were ticked, or ticks taken off.
        ItemsTicked = "items-ticked",
        /// Written down for the colleagues.
        NoteWritten = "note-written",
        /// A fixed sentence was written to the requester.
        MessageWritten = "message-written",
        /// Completing or refusing was taken back.
        StepUndone = "step-undone",
        /// There is nothing, or nothing any more, to take back.
        NothingToUndo = "nothing-to-undo",
        /// A person knows that a letter came back.
        ReturnSeen = "return-seen",
        /// No letter came back.
        NothingToSee = "nothing-to-see",
        /// It was sent to a business, or waits: nothing to do with it yet.
        NotInWork = "not-in-work",
        /// Nobody acts: the deputy hears.
        EscalatedToDeputy = "escalated-to-deputy",
        /// Nobody acts: the lead hears.
        EscalatedToLead = "escalated-to-lead",
        /// The retention time is over: reduced to dates, kind and outcome.
        CaseReduced = "case-reduced",
        /// The backups have rolled over: the keyed address goes, too.
        AddressErased = "address-erased",
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
        Decision::change(Change::default(), reason)
    }

    /// The case changes, for that reason.
    pub(super) fn change(change: Change, reason: Reason) -> Decision {
        Decision {
            change,
            letters: Vec::new(),
            staff: Vec::new(),
            cancel: Vec::new(),
            forget: None,
            suppress: false,
            lift: false,
            reason,
        }
    }

    /// With the work as it is from now on.
    pub(super) fn with_work(mut self, work: Work) -> Decision {
        self.change.work = Some(work);
        self
    }

    /// With a letter to those of the staff who have that role.
    pub(super) fn telling(mut self, kind: LetterKind, role: StaffRole) -> Decision {
        self.staff.push((kind, role));
        self
    }

    /// With a letter that may leave from `not_before` on.
    pub(super) fn with_letter(mut self, letter: Letter, not_before: DateTime<Utc>) -> Decision {
        self.letters.push((letter, not_before));
        self
    }
}
