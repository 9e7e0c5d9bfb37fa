//! The heart: one event, one case, one decision.

use chrono::{DateTime, Duration, Utc};

use super::Policy;
use super::acts;
use super::deadline::{law_due_on, promised_on};
use super::decision::{Change, Confirmed, Decision, Opened, Reason};
use super::due::{Due, due};
use super::event::{Event, Facts, Means, Source};
use super::letter::{Letter, LetterKind};
use super::limits::next_verification_at;
use super::state::{Case, Resolution, Role, State};
use super::work::{Forgotten, Proof, StaffRole, Work};

/// Decides what one event does to one case. Pure: no clock, no database, no mail. Every
/// state stands beside every event; a new one of either has to be thought about here.
pub fn decide(
    case: Option<&Case>,
    event: &Event,
    facts: &Facts,
    policy: &Policy,
    now: DateTime<Utc>,
) -> Decision {
    use State::{AwaitingProof, AwaitingVerification, Closed, InProgress, OnHold, Redirecting};
    let Some(case) = case else {
        return begin(event, facts, policy, now);
    };
    match (case.state, event) {
        (AwaitingVerification, Event::RequestReceived { .. }) => ask_again(facts, policy, now),
        (AwaitingProof | InProgress | OnHold | Redirecting, Event::RequestReceived { .. }) => {
            Decision::keep(Reason::RepeatNoted)
        }

        (AwaitingVerification, Event::VerificationReleased) => released(case, policy, now),
        (
            AwaitingProof | InProgress | OnHold | Redirecting,
            Event::VerificationReleased | Event::Confirmed { .. },
        ) => Decision::keep(Reason::AlreadyConfirmed),

        (AwaitingVerification, Event::Confirmed { means, role }) => {
            confirm(case, *means, *role, policy, now)
        }

        (AwaitingVerification, Event::RoleChanged { .. }) => {
            Decision::keep(Reason::NotConfirmedYet)
        }
        (AwaitingProof | InProgress | OnHold | Redirecting, Event::RoleChanged { role }) => {
            correct_role(case, *role, facts, policy, now)
        }

        (
            AwaitingVerification | AwaitingProof | InProgress | OnHold | Redirecting,
            Event::Disowned { .. },
        ) => disown(case, now),

        (
            AwaitingVerification | AwaitingProof | InProgress | OnHold | Redirecting,
            Event::Withdrawn { .. },
        ) => close(case, Resolution::Withdrawn, Reason::RequestWithdrawn, now)
            .with_letter(Letter::plain(LetterKind::WithdrawalConfirmed), now),

        (AwaitingVerification, Event::LetterFailed { letter }) if letter.asks_to_confirm() => {
            close(case, Resolution::Undeliverable, Reason::VerificationUndeliverable, now)
        }
        (
            AwaitingVerification | AwaitingProof | InProgress | OnHold | Redirecting | Closed(_),
            Event::LetterFailed { letter },
        ) => returned(case, *letter),

        (
            AwaitingVerification | AwaitingProof | InProgress | OnHold | Redirecting,
            Event::ProofReceived,
        ) => receive_proof(case),

        (Redirecting, Event::RedirectAnswered) => put_off_redirect(now),
        (AwaitingVerification, Event::RedirectAnswered) => Decision::keep(Reason::NotConfirmedYet),
        (AwaitingProof | InProgress | OnHold, Event::RedirectAnswered) => {
            Decision::keep(Reason::AlreadyConfirmed)
        }

        (
            AwaitingVerification | AwaitingProof | InProgress | OnHold | Redirecting | Closed(_),
            Event::TimePassed,
        ) => pass_time(case, facts, policy, now),

        (
            AwaitingVerification | AwaitingProof | InProgress | OnHold | Redirecting | Closed(_),
            Event::Acted { act, .. },
        ) => acts::decide(case, act, facts, policy, now),

        (
            Closed(_),
            Event::RequestReceived { .. }
            | Event::VerificationReleased
            | Event::Confirmed { .. }
            | Event::RoleChanged { .. }
            | Event::Disowned { .. }
            | Event::Withdrawn { .. }
            | Event::RedirectAnswered
            | Event::ProofReceived,
        ) => Decision::keep(Reason::AlreadyClosed),
    }
}

/// Without a case only a request means anything.
fn begin(event: &Event, facts: &Facts, policy: &Policy, now: DateTime<Utc>) -> Decision {
    match event {
        Event::RequestReceived { source, received_at, authenticated } => {
            // "I never ask" holds until the address itself writes, provably, or staff insist.
            let lifts = *authenticated || *source == Source::Staff;
            if facts.suppressed && !lifts {
                return Decision::keep(Reason::AddressSuppressed);
            }
            let opened = open(*source, *received_at, facts, policy, now);
            Decision { lift: facts.suppressed && *authenticated, ..opened }
        }
        Event::VerificationReleased
        | Event::Confirmed { .. }
        | Event::RoleChanged { .. }
        | Event::Disowned { .. }
        | Event::Withdrawn { .. }
        | Event::LetterFailed { .. }
        | Event::RedirectAnswered
        | Event::ProofReceived
        | Event::TimePassed
        | Event::Acted { .. } => Decision::keep(Reason::NoCase),
    }
}

fn open(
    source: Source,
    received_at: DateTime<Utc>,
    facts: &Facts,
    policy: &Policy,
    now: DateTime<Utc>,
) -> Decision {
    let opened = Opened {
        reference: facts.fresh_reference.clone(),
        source,
        received_at,
        law_due_on: law_due_on(received_at, policy),
    };
    let change = Change { opened: Some(opened), ..Change::default() };
    let at = verification_at(facts, policy, now);
    let reason =
        if at > now { Reason::VerificationDeferred } else { Reason::VerificationRequested };
    Decision::change(change, reason).with_letter(verification_request(), at)
}

fn verification_request() -> Letter {
    Letter::plain(LetterKind::VerificationRequest)
}

fn verification_at(facts: &Facts, policy: &Policy, now: DateTime<Utc>) -> DateTime<Utc> {
    next_verification_at(&facts.verifications_at, &facts.automatic_at, &policy.limits, now)
}

/// Two requests before confirmation share one open verification.
fn ask_again(facts: &Facts, policy: &Policy, now: DateTime<Utc>) -> Decision {
    let free = verification_at(facts, policy, now) <= now;
    if free && !facts.verification_waits() && !facts.suppressed {
        Decision::keep(Reason::VerificationRepeated).with_letter(verification_request(), now)
    } else {
        Decision::keep(Reason::AlreadyAsked)
    }
}

/// The days of a verification run from its release; the reminder comes once, after the first.
fn released(case: &Case, policy: &Policy, now: DateTime<Utc>) -> Decision {
    let expires_at = now + Duration::days(policy.verification_days.into());
    let change = Change { expires_at: Some(expires_at), ..Change::default() };
    let decision = Decision::change(change, Reason::VerificationReleased);
    if case.expires_at.is_some() {
        return decision;
    }
    let remind_at = now + Duration::hours(Policy::REMINDER_HOURS);
    decision.with_work(Work { remind_at: Some(remind_at), ..case.work.clone() })
}

/// The requester proved that the mailbox is theirs.
pub(super) fn confirm(
    case: &Case,
    means: Means,
    role: Option<Role>,
    policy: &Policy,
    now: DateTime<Utc>,
) -> Decision {
    if means != Means::Staff && case.expires_at.is_some_and(|expires_at| now >= expires_at) {
        return close(case, Resolution::Expired, Reason::ConfirmedTooLate, now);
    }
    let confirmed = Confirmed { at: now, means, due_on: promised_on(now, policy) };
    let mut decision = place(case, role, Reason::AddressConfirmed, now);
    decision.change.confirmed = Some(confirmed);
    decision.telling(LetterKind::CaseConfirmed, StaffRole::Officer)
}

/// Where a confirmed case belongs by who is asking, with the letter that says so.
fn place(case: &Case, role: Option<Role>, reason: Reason, now: DateTime<Utc>) -> Decision {
    let mut work = Work { remind_at: None, ..case.work.clone() };
    let held = work.whole_hold().is_some();
    let (state, kind, reason, ends_at) = match role {
        Some(Role::Customer) if !held => {
            let ends_at = now + Duration::days(Policy::REDIRECT_DAYS.into());
            (State::Redirecting, LetterKind::NotOurs, Reason::SentToBusiness, Some(ends_at))
        }
        Some(Role::Business) if work.proof != Some(Proof::Approved) => {
            work.proof = work.proof.or(Some(Proof::Asked));
            let asked = match reason {
                Reason::AddressConfirmed => Reason::ProofAsked,
                other => other,
            };
            (State::AwaitingProof, LetterKind::ProofRequest, asked, None)
        }
        Some(_) | None => (State::InProgress, LetterKind::RequestConfirmed, reason, None),
    };
    if role != Some(Role::Business) {
        // Whoever is no representative owes no authorization.
        work.proof = work.proof.filter(|proof| *proof == Proof::Approved);
    }
    // What is on hold stays there, whoever asks.
    let state = if held { State::OnHold } else { state };
    let change =
        Change { state: Some(state), role, redirect_ends_at: ends_at, ..Change::default() };
    Decision::change(change, reason).with_work(work).with_letter(Letter::plain(kind), now)
}

/// A correction writes a letter only when it moves the case, and no more than the day's share:
/// a button pressed back and forth is no way to fill a mailbox.
pub(super) fn correct_role(
    case: &Case,
    role: Role,
    facts: &Facts,
    policy: &Policy,
    now: DateTime<Utc>,
) -> Decision {
    if case.role == Some(role) {
        return Decision::keep(Reason::AlreadyConfirmed);
    }
    let mut decision = place(case, Some(role), Reason::RoleCorrected, now);
    let stays = decision.change.state == Some(case.state);
    decision.letters.retain(|(letter, _)| {
        let asks_something = letter.kind == LetterKind::ProofRequest;
        // A step back is told again, within the day's share of mails.
        let again = facts.automatic_in_a_day(now) < policy.limits.automatic_per_day_max;
        (asks_something || !stays) && (again || !facts.written.contains(&letter.kind))
    });
    decision
}

pub(super) fn close(
    case: &Case,
    resolution: Resolution,
    reason: Reason,
    now: DateTime<Utc>,
) -> Decision {
    let state = Some(State::Closed(resolution));
    let work = Work { remind_at: None, holds: Vec::new(), ..case.work.clone() };
    let change = Change { state, closed_at: Some(now), ..Change::default() };
    Decision::change(change, reason).with_work(work)
}

/// It closes only after seven days without another answer.
fn put_off_redirect(now: DateTime<Utc>) -> Decision {
    let ends_at = now + Duration::days(Policy::REDIRECT_DAYS.into());
    let change = Change { redirect_ends_at: Some(ends_at), ..Change::default() };
    Decision::change(change, Reason::RedirectPutOff)
}

/// Something came in answer to the question for an authorization.
fn receive_proof(case: &Case) -> Decision {
    if !case.work.wants_proof() {
        return Decision::keep(Reason::NoProofWanted);
    }
    let work = Work { proof: Some(Proof::Received), ..case.work.clone() };
    Decision::change(Change::default(), Reason::ProofReceived)
        .with_work(work)
        .telling(LetterKind::CaseConfirmed, StaffRole::Officer)
}

/// The owner of the mailbox never asked.
fn disown(case: &Case, now: DateTime<Utc>) -> Decision {
    let closed = close(case, Resolution::Withdrawn, Reason::NotRequested, now);
    Decision { suppress: true, ..closed }
}

/// Staff have to see that a letter they count on never arrived.
fn returned(case: &Case, letter: LetterKind) -> Decision {
    let work = Work { returned: Some(letter), ..case.work.clone() };
    Decision::change(Change::default(), Reason::LetterUndeliverable).with_work(work)
}

fn pass_time(case: &Case, facts: &Facts, policy: &Policy, now: DateTime<Utc>) -> Decision {
    let kept = |reason, work| Decision::change(Change::default(), reason).with_work(work);
    match due(case, policy, now) {
        None => Decision::keep(Reason::NothingDue),
        Some(Due::Expiry) => close(case, Resolution::Expired, Reason::VerificationExpired, now),
        Some(Due::RedirectEnd) => {
            close(case, Resolution::Redirected, Reason::RedirectUnanswered, now)
        }
        Some(Due::Reminder) => {
            let work = Work { remind_at: None, ..case.work.clone() };
            let free = verification_at(facts, policy, now) <= now;
            if !free || facts.verification_waits() || facts.suppressed {
                return kept(Reason::ReminderSkipped, work);
            }
            let letter = Letter::plain(LetterKind::VerificationReminder);
            kept(Reason::VerificationReminded, work).with_letter(letter, now)
        }
        Some(Due::HoldEnd) => acts::end_holds(case, policy, now),
        Some(Due::Escalation(role)) => {
            let reason = match role {
                StaffRole::Lead => Reason::EscalatedToLead,
                StaffRole::Officer | StaffRole::Deputy => Reason::EscalatedToDeputy,
            };
            let work = Work { escalated: Some(role), ..case.work.clone() };
            kept(reason, work).telling(LetterKind::Escalation, role)
        }
        Some(Due::Forgetting(what)) => {
            let reason = match what {
                Forgotten::Reduced => Reason::CaseReduced,
                Forgotten::Erased => Reason::AddressErased,
            };
            let work = Work { forgotten: Some(what), returned: None, ..case.work.clone() };
            Decision { forget: Some(what), ..kept(reason, work) }
        }
    }
}
