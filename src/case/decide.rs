//! The heart: one event, one case, one decision.

use chrono::{DateTime, Duration, Utc};

use super::Policy;
use super::deadline::{law_due_on, promised_on};
use super::decision::{Change, Confirmed, Decision, Opened, Reason};
use super::event::{Event, Facts, Means, Source};
use super::letter::{Kept, Letter, LetterKind};
use super::limits::next_verification_at;
use super::state::{Case, Outcome, Resolution, Role, State};

/// Decides what one event does to one case. Pure: no clock, no database, no mail. Every
/// state stands beside every event; a new one of either has to be thought about here.
pub fn decide(
    case: Option<&Case>,
    event: &Event,
    facts: &Facts,
    policy: &Policy,
    now: DateTime<Utc>,
) -> Decision {
    use State::{AwaitingVerification, Closed, InProgress, Redirecting};
    let Some(case) = case else {
        return begin(event, facts, policy, now);
    };
    match (case.state, event) {
        (AwaitingVerification, Event::RequestReceived { .. }) => ask_again(facts, policy, now),
        (InProgress | Redirecting, Event::RequestReceived { .. }) => {
            Decision::keep(Reason::RepeatNoted)
        }

        (AwaitingVerification, Event::VerificationReleased) => released(policy, now),
        (InProgress | Redirecting, Event::VerificationReleased) => {
            Decision::keep(Reason::AlreadyConfirmed)
        }

        (AwaitingVerification, Event::Confirmed { means, role }) => {
            confirm(case, *means, *role, policy, now)
        }
        (InProgress | Redirecting, Event::Confirmed { .. }) => {
            Decision::keep(Reason::AlreadyConfirmed)
        }

        (AwaitingVerification, Event::RoleChanged { .. }) => {
            Decision::keep(Reason::NotConfirmedYet)
        }
        (InProgress | Redirecting, Event::RoleChanged { role }) => {
            correct_role(case, *role, facts, now)
        }

        (AwaitingVerification | InProgress | Redirecting, Event::Disowned { .. }) => {
            let closed = close(Resolution::Withdrawn, Reason::NotRequested, now);
            Decision { suppress: true, ..closed }
        }

        (AwaitingVerification | InProgress | Redirecting, Event::Withdrawn { .. }) => {
            close(Resolution::Withdrawn, Reason::RequestWithdrawn, now)
                .with_letter(Letter::plain(LetterKind::WithdrawalConfirmed), now)
        }

        (AwaitingVerification, Event::LetterFailed { letter: LetterKind::VerificationRequest }) => {
            close(Resolution::Undeliverable, Reason::VerificationUndeliverable, now)
        }
        (
            AwaitingVerification | InProgress | Redirecting | Closed(_),
            Event::LetterFailed { .. },
        ) => Decision::keep(Reason::LetterUndeliverable),

        (AwaitingVerification, Event::TimePassed) => expire(case, now),
        (Redirecting, Event::TimePassed) => end_redirect(case, now),
        (InProgress, Event::TimePassed) => Decision::keep(Reason::NothingDue),

        (AwaitingVerification, Event::Completed { .. }) => Decision::keep(Reason::NotConfirmedYet),
        (InProgress | Redirecting, Event::Completed { outcome, kept, .. }) => {
            complete(*outcome, kept, now)
        }

        (
            Closed(_),
            Event::RequestReceived { .. }
            | Event::VerificationReleased
            | Event::Confirmed { .. }
            | Event::RoleChanged { .. }
            | Event::Disowned { .. }
            | Event::Withdrawn { .. }
            | Event::TimePassed
            | Event::Completed { .. },
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
            Decision { lift: facts.suppressed, ..opened }
        }
        Event::VerificationReleased
        | Event::Confirmed { .. }
        | Event::RoleChanged { .. }
        | Event::Disowned { .. }
        | Event::Withdrawn { .. }
        | Event::LetterFailed { .. }
        | Event::TimePassed
        | Event::Completed { .. } => Decision::keep(Reason::NoCase),
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
    if free && !facts.verification_waits && !facts.suppressed {
        Decision::keep(Reason::VerificationRepeated).with_letter(verification_request(), now)
    } else {
        Decision::keep(Reason::AlreadyAsked)
    }
}

fn released(policy: &Policy, now: DateTime<Utc>) -> Decision {
    let expires_at = now + Duration::days(policy.verification_days.into());
    let change = Change { expires_at: Some(expires_at), ..Change::default() };
    Decision::change(change, Reason::VerificationReleased)
}

fn confirm(
    case: &Case,
    means: Means,
    role: Option<Role>,
    policy: &Policy,
    now: DateTime<Utc>,
) -> Decision {
    if case.expires_at.is_some_and(|expires_at| now >= expires_at) {
        return close(Resolution::Expired, Reason::ConfirmedTooLate, now);
    }
    let confirmed = Confirmed { at: now, means, due_on: promised_on(now, policy) };
    let mut decision = place(role, Reason::AddressConfirmed, now);
    decision.change.confirmed = Some(confirmed);
    decision
}

/// Where a confirmed case belongs by who is asking, with the letter that says so.
fn place(role: Option<Role>, reason: Reason, now: DateTime<Utc>) -> Decision {
    let (state, kind, reason, ends_at) = match role {
        Some(Role::Customer) => {
            let ends_at = now + Duration::days(Policy::REDIRECT_DAYS.into());
            (State::Redirecting, LetterKind::NotOurs, Reason::SentToBusiness, Some(ends_at))
        }
        Some(Role::OwnAccount | Role::Workspace | Role::Business | Role::NotSure) | None => {
            (State::InProgress, LetterKind::RequestConfirmed, reason, None)
        }
    };
    let change =
        Change { state: Some(state), role, redirect_ends_at: ends_at, ..Change::default() };
    Decision::change(change, reason).with_letter(Letter::plain(kind), now)
}

/// A correction writes a letter only when it moves the case, and each kind once: a button
/// pressed back and forth is no way to fill a mailbox.
fn correct_role(case: &Case, role: Role, facts: &Facts, now: DateTime<Utc>) -> Decision {
    if case.role == Some(role) {
        return Decision::keep(Reason::AlreadyConfirmed);
    }
    let mut decision = place(Some(role), Reason::RoleCorrected, now);
    if decision.change.state == Some(case.state) {
        decision.letters.clear();
    }
    decision.letters.retain(|(letter, _)| !facts.written.contains(&letter.kind));
    decision
}

fn close(resolution: Resolution, reason: Reason, now: DateTime<Utc>) -> Decision {
    let state = Some(State::Closed(resolution));
    Decision::change(Change { state, closed_at: Some(now), ..Change::default() }, reason)
}

fn expire(case: &Case, now: DateTime<Utc>) -> Decision {
    if case.expires_at.is_some_and(|expires_at| now >= expires_at) {
        close(Resolution::Expired, Reason::VerificationExpired, now)
    } else {
        Decision::keep(Reason::NothingDue)
    }
}

fn end_redirect(case: &Case, now: DateTime<Utc>) -> Decision {
    if case.redirect_ends_at.is_some_and(|ends_at| now >= ends_at) {
        close(Resolution::Redirected, Reason::RedirectUnanswered, now)
    } else {
        Decision::keep(Reason::NothingDue)
    }
}

fn complete(outcome: Outcome, kept: &[Kept], now: DateTime<Utc>) -> Decision {
    close(Resolution::Completed, Reason::RequestCompleted, now)
        .with_letter(Letter::completion(outcome, kept), now)
}
