//! A mail server that asks us to slow down is left alone for a while, on all lines.

use chrono::{DateTime, Duration, Utc};

/// The first rest; each further one that is asked for takes twice as long.
const REST_FIRST_SECONDS: i64 = 60;
/// The longest rest.
const REST_LAST_SECONDS: i64 = 3600;
/// So long after a rest it counts as over when nothing was refused again: no letter waited.
const CALM_SECONDS: i64 = 120;

/// When letters may leave again.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Throttle {
    until: Option<DateTime<Utc>>,
    rest_seconds: i64,
}

impl Throttle {
    /// Whether no letter may leave now.
    pub(super) fn rests(&self, now: DateTime<Utc>) -> bool {
        self.until.is_some_and(|until| now < until)
    }

    /// Takes the server's word. What other lines hear while all rest is the same word.
    pub(super) fn slow_down(&mut self, now: DateTime<Utc>) {
        if !self.rests(now) {
            self.rest_seconds =
                (self.rest_seconds * 2).clamp(REST_FIRST_SECONDS, REST_LAST_SECONDS);
            self.until = Some(now + Duration::seconds(self.rest_seconds));
        }
    }

    /// A letter was taken: all is as before.
    pub(super) fn end(&mut self) {
        *self = Throttle::default();
    }

    /// Whether a rest ended long ago, and no letter came to try it.
    pub(super) fn is_calm(&self, now: DateTime<Utc>) -> bool {
        self.until.is_some_and(|until| now >= until + Duration::seconds(CALM_SECONDS))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rests_grow_from_a_minute_to_an_hour_and_begin_anew_after_a_success() {
        let mut now = DateTime::UNIX_EPOCH;
        let mut throttle = Throttle::default();
        let mut rests = Vec::new();
        for _ in 0..8 {
            assert!(!throttle.rests(now));
            throttle.slow_down(now);
            // The second line hears the same.
            throttle.slow_down(now + Duration::seconds(1));
            let begun = now;
            while throttle.rests(now) {
                now += Duration::seconds(1);
            }
            rests.push((now - begun).num_minutes());
        }
        assert_eq!(rests, [1, 2, 4, 8, 16, 32, 60, 60]);
        assert!(!throttle.is_calm(now) && throttle.is_calm(now + Duration::minutes(2)));
        throttle.end();
        throttle.slow_down(now);
        assert!(throttle.rests(now) && !throttle.rests(now + Duration::minutes(1)));
    }
}
