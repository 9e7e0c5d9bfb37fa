//! Rules that yield days. All civil days are days in the organisation's zone.

use chrono::{DateTime, Days, Months, NaiveDate, Utc};
use chrono_tz::Tz;
use serde::Deserialize;

use super::Policy;
use super::state::{Case, State};

/// Whose deadline runs beside the promise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Law {
    /// GDPR Art. 12(3): within one month of receipt.
    Gdpr,
    /// CCPA, Cal. Civ. Code § 1798.130(a)(2): within 45 days of receipt.
    Ccpa,
    /// None: only the promise counts.
    None,
}

/// Cal. Civ. Code § 1798.130(a)(2)(A).
const CCPA_DAYS: u64 = 45;

/// How a case stands today. Derived, never stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// Its nearest date has passed.
    Overdue,
    /// Its nearest date is near.
    DueSoon,
    /// There is time.
    OnTime,
    /// It is closed.
    Done,
}

/// The civil day of an instant where the organisation is.
pub fn day_of(at: DateTime<Utc>, zone: Tz) -> NaiveDate {
    at.with_timezone(&zone).date_naive()
}

/// The day by which a request confirmed at `confirmed_at` is promised to be done.
pub fn promised_on(confirmed_at: DateTime<Utc>, policy: &Policy) -> NaiveDate {
    let day = day_of(confirmed_at, policy.zone);
    day.checked_add_days(Days::new(policy.fulfil_days.into())).unwrap_or(NaiveDate::MAX)
}

/// The law's day for a request received at `received_at`. A month without that day ends on
/// its last day (Regulation 1182/71 Art. 3(2)(c)).
pub fn law_due_on(received_at: DateTime<Utc>, policy: &Policy) -> Option<NaiveDate> {
    let day = day_of(received_at, policy.zone);
    match policy.law {
        Law::Gdpr => day.checked_add_months(Months::new(1)),
        Law::Ccpa => day.checked_add_days(Days::new(CCPA_DAYS)),
        Law::None => None,
    }
}

/// The law's day after an extension by `months` (GDPR Art. 12(3)), or by 45 days more (Cal. Civ.
/// Code § 1798.130(a)(2)(A)).
pub fn extended_law_due_on(
    received_at: DateTime<Utc>,
    months: u32,
    policy: &Policy,
) -> Option<NaiveDate> {
    let day = day_of(received_at, policy.zone);
    match policy.law {
        Law::Gdpr => day.checked_add_months(Months::new(1 + months)),
        Law::Ccpa => day.checked_add_days(Days::new(2 * CCPA_DAYS)),
        Law::None => None,
    }
}

/// Which of the two dates of a case comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NearestDate {
    /// The day.
    pub on: NaiveDate,
    /// Whether it is the law's rather than the promise's.
    pub by_law: bool,
}

/// The date that alarms: the nearer one of an open case.
pub fn nearest_date(case: &Case) -> Option<NearestDate> {
    let open = case.state.resolution().is_none();
    let promise = case.due_on.map(|on| NearestDate { on, by_law: false });
    let law = case.law_due_on.map(|on| NearestDate { on, by_law: true });
    promise.into_iter().chain(law).min().filter(|_| open)
}

/// How the case stands on `today`.
pub fn standing(case: &Case, today: NaiveDate, nearing_days: u32) -> Standing {
    match (case.state, nearest_date(case)) {
        (State::Closed(_), _) => Standing::Done,
        (_, Some(date)) if date.on < today => Standing::Overdue,
        (_, Some(date)) if (date.on - today).num_days() <= i64::from(nearing_days) => {
            Standing::DueSoon
        }
        _ => Standing::OnTime,
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::case::limits::Limits;

    pub(crate) fn policy(law: Law, zone: &str) -> Policy {
        Policy {
            fulfil_days: 30,
            nearing_days: 7,
            law,
            zone: zone.parse().unwrap(),
            verification_days: 7,
            limits: Limits::default(),
            scope: Vec::new(),
            retention_days: 90,
            backup_rollover_days: 30,
            undo_minutes: 10,
        }
    }

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[track_caller]
    fn check(law: Law, zone: &str, from: &str, promised: &str, by_law: Option<&str>) {
        let policy = policy(law, zone);
        assert_eq!(promised_on(at(from), &policy).to_string(), promised, "promise");
        assert_eq!(law_due_on(at(from), &policy).map(|day| day.to_string()).as_deref(), by_law);
    }

    #[test]
    fn days_are_counted_where_the_organisation_is() {
        check(Law::Gdpr, "UTC", "2026-01-31T12:00:00Z", "2026-03-02", Some("2026-02-28"));
        check(Law::Gdpr, "UTC", "2028-01-31T12:00:00Z", "2028-03-01", Some("2028-02-29"));
        check(Law::Gdpr, "UTC", "2026-12-31T12:00:00Z", "2027-01-30", Some("2027-01-31"));
        // 23:30 in London is the next day in Berlin, and the clocks change in between.
        check(Law::Gdpr, "Europe/Berlin", "2026-03-14T23:30:00Z", "2026-04-14", Some("2026-04-15"));
        check(Law::Gdpr, "Europe/London", "2026-03-14T23:30:00Z", "2026-04-13", Some("2026-04-14"));
        check(
            Law::Ccpa,
            "America/Los_Angeles",
            "2026-02-01T05:00:00Z",
            "2026-03-02",
            Some("2026-03-17"),
        );
        check(Law::None, "UTC", "2026-02-01T05:00:00Z", "2026-03-03", None);
    }
}
