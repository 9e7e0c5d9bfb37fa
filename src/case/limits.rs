//! How many letters an address may get before it has confirmed anything.

use chrono::{DateTime, Duration, Utc};

/// Caps for letters to unconfirmed addresses. A completion is never held back by them.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Verification letters per address in 24 hours.
    pub verifications_per_day_max: usize,
    /// Verification letters per address in 7 days.
    pub verifications_per_week_max: usize,
    /// Automatic letters per address in 24 hours.
    pub automatic_per_day_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            verifications_per_day_max: 1,
            verifications_per_week_max: 3,
            automatic_per_day_max: 3,
        }
    }
}

/// The first instant from `now` on at which one more verification letter keeps all caps.
pub fn next_verification_at(
    verifications_at: &[DateTime<Utc>],
    automatic_at: &[DateTime<Utc>],
    limits: &Limits,
    now: DateTime<Utc>,
) -> DateTime<Utc> {
    let (day, week) = (Duration::hours(24), Duration::days(7));
    [
        free_at(verifications_at, limits.verifications_per_day_max, day),
        free_at(verifications_at, limits.verifications_per_week_max, week),
        free_at(automatic_at, limits.automatic_per_day_max, day),
    ]
    .into_iter()
    .flatten()
    .fold(now, DateTime::max)
}

/// When the window that ends then holds fewer than `max`; `None` when it does so already,
/// whatever the time.
fn free_at(at: &[DateTime<Utc>], max: usize, window: Duration) -> Option<DateTime<Utc>> {
    let mut newest_first = at.to_vec();
    newest_first.sort_unstable_by(|a, b| b.cmp(a));
    newest_first.get(max.saturating_sub(1)).map(|nth| *nth + window)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_a_day_and_three_a_week() {
        let now = "2026-06-10T12:00:00Z".parse::<DateTime<Utc>>().unwrap();
        let ago = |hours: i64| now - Duration::hours(hours);
        let next =
            |sent: &[DateTime<Utc>]| next_verification_at(sent, &[], &Limits::default(), now);
        assert_eq!(next(&[]), now);
        assert_eq!(next(&[ago(25)]), now);
        assert_eq!(next(&[ago(1)]), now + Duration::hours(23));
        assert_eq!(next(&[ago(160), ago(100), ago(30)]), now + Duration::hours(8));
        assert_eq!(next(&[ago(169), ago(100), ago(30)]), now);
    }
}
