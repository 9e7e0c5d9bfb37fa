//! What time brings to a case: one thing at a time, and when the next one comes.

use chrono::{DateTime, Days, Duration, NaiveDate, NaiveTime, TimeZone as _, Utc};
use chrono_tz::Tz;

use super::Policy;
use super::deadline::{day_of, nearest_date};
use super::state::{Case, State};
use super::work::{Forgotten, StaffRole};

/// Days before a case's nearest date on which the deputy hears that nobody acts.
pub const DEPUTY_DAYS: u64 = 7;
/// And the lead.
pub const LEAD_DAYS: u64 = 5;
/// An act keeps the case quiet for so many days.
const QUIET_DAYS: u64 = 7;

/// A thing that time brings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// The verification can no longer be used.
    Expiry,
    /// The verification letter is unanswered for a day.
    Reminder,
    /// Nobody objected to being sent to the business.
    RedirectEnd,
    /// The day to look again at what is held.
    HoldEnd,
    /// Nobody acts: this role hears.
    Escalation(StaffRole),
    /// The retention time of a closed case is over.
    Forgetting(Forgotten),
}

/// What is due at `now`, if anything is.
pub fn due(case: &Case, policy: &Policy, now: DateTime<Utc>) -> Option<Due> {
    coming(case, policy)
        .into_iter()
        .filter(|(at, _)| *at <= now)
        .min_by_key(|(at, _)| *at)
        .map(|(_, due)| due)
}

/// When the case has to be looked at next, even if nothing happens.
pub fn look_at(case: &Case, policy: &Policy) -> Option<DateTime<Utc>> {
    coming(case, policy).into_iter().map(|(at, _)| at).min()
}

/// Everything that is to come, with its instant.
fn coming(case: &Case, policy: &Policy) -> Vec<(DateTime<Utc>, Due)> {
    match case.state {
        State::AwaitingVerification => {
            let expiry = case.expires_at.map(|at| (at, Due::Expiry));
            let reminder = case.work.remind_at.map(|at| (at, Due::Reminder));
            expiry.into_iter().chain(reminder).collect()
        }
        State::Redirecting => {
            let end = case.redirect_ends_at.map(|at| (at, Due::RedirectEnd));
            end.into_iter().chain(escalation(case, policy)).collect()
        }
        State::AwaitingProof | State::InProgress | State::OnHold => {
            let holds = case.work.holds.iter();
            let ends = holds.map(|hold| (start_of(hold.look_again_on, policy.zone), Due::HoldEnd));
            ends.chain(escalation(case, policy)).collect()
        }
        State::Closed(_) => forgetting(case, policy).into_iter().collect(),
    }
}

fn escalation(case: &Case, policy: &Policy) -> Option<(DateTime<Utc>, Due)> {
    let (role, days) = match case.work.escalated {
        None | Some(StaffRole::Officer) => (StaffRole::Deputy, DEPUTY_DAYS),
        Some(StaffRole::Deputy) => (StaffRole::Lead, LEAD_DAYS),
        Some(StaffRole::Lead) => return None,
    };
    let due_on = nearest_date(case)?.on;
    let near = due_on.checked_sub_days(Days::new(days))?;
    let last = due_on.pred_opt()?;
    let acted_on = case.work.acted_at.map(|at| day_of(at, policy.zone));
    let quiet_until = acted_on.and_then(|on| on.checked_add_days(Days::new(QUIET_DAYS)));
    // However lately somebody acted: before the date has passed.
    let on = quiet_until.map_or(near, |until| until.min(last).max(near));
    Some((start_of(on, policy.zone), Due::Escalation(role)))
}

fn forgetting(case: &Case, policy: &Policy) -> Option<(DateTime<Utc>, Due)> {
    let (what, days) = match case.work.forgotten {
        // First a person has to see that a letter came back.
        None if case.work.returned.is_some() => return None,
        None => (Forgotten::Reduced, policy.retention_days),
        Some(Forgotten::Reduced) => {
            (Forgotten::Erased, policy.retention_days.max(policy.backup_rollover_days))
        }
        Some(Forgotten::Erased) => return None,
    };
    Some((case.closed_at? + Duration::days(days.into()), Due::Forgetting(what)))
}

/// The first instant of a civil day where the organisation is.
pub fn start_of(day: NaiveDate, zone: Tz) -> DateTime<Utc> {
    let midnight = day.and_time(NaiveTime::MIN);
    // Where the clocks skip midnight, the day begins an hour later.
    (0..3)
        .find_map(|hours| zone.from_local_datetime(&(midnight + Duration::hours(hours))).earliest())
        .map_or_else(|| midnight.and_utc(), |at| at.to_utc())
}
