//! Five cron fields and a time zone → the next firing. Pure.
//!
//! The `cron` crate wants seconds, counts weekdays from 1 = Sunday, skips a firing in the
//! spring gap and doubles one in the autumn hour. So it is asked about naive local time
//! only, and the result is placed on the time line here.

use std::str::FromStr;

use chrono::{DateTime, LocalResult, NaiveDateTime, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;
use cron::Schedule;
use serde::{Deserialize, Deserializer};

/// A five-field cron expression: minute, hour, day of month, month, day of week (0 and 7 are
/// Sunday). A day must match both day fields.
#[derive(Clone, Debug)]
pub struct Cron {
    text: String,
    schedule: Schedule,
}

/// How far the gap of a clock change may reach; no zone has ever jumped further.
const GAP_MINUTES_MAX: i64 = 25 * 60;

impl Cron {
    /// Reads an expression.
    ///
    /// # Errors
    /// In words: not five fields, a field that cannot be read, a day that never comes.
    pub fn parse(text: &str) -> Result<Cron, String> {
        let fields: Vec<&str> = text.split_whitespace().collect();
        let [minute, hour, day, month, weekday] = fields.as_slice() else {
            return Err(format!(
                "a cron expression has five fields (minute hour day month weekday), this has {}",
                fields.len()
            ));
        };
        let weekday = weekday_names(weekday)?;
        let seven = format!("0 {minute} {hour} {day} {month} {weekday}");
        let schedule = Schedule::from_str(&seven)
            .map_err(|_| format!("{text:?} is no cron expression, for example \"0 8 * * *\""))?;
        let cron = Cron { text: text.to_owned(), schedule };
        let start = DateTime::UNIX_EPOCH.naive_utc();
        if cron.naive_after(start).next().is_none() {
            return Err(format!("{text:?} names a day that never comes"));
        }
        Ok(cron)
    }

    /// The expression as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The first firing strictly after `after`. A time that the spring gap swallows fires
    /// right behind the gap; one that autumn repeats fires once, the first time.
    pub fn next_after(&self, after: DateTime<Utc>, zone: Tz) -> Option<DateTime<Utc>> {
        // A day earlier on the wall clock, so that no change of the clock hides a firing.
        let from = after.with_timezone(&zone).naive_local() - TimeDelta::days(1);
        self.naive_after(from).filter_map(|local| place(local, zone)).find(|at| *at > after)
    }

    fn naive_after(&self, from: NaiveDateTime) -> impl Iterator<Item = NaiveDateTime> {
        let from = from.and_utc();
        self.schedule.after_owned(from).map(|at| at.naive_utc())
    }
}

fn place(local: NaiveDateTime, zone: Tz) -> Option<DateTime<Utc>> {
    match zone.from_local_datetime(&local) {
        LocalResult::Single(at) => Some(at.to_utc()),
        LocalResult::Ambiguous(first, _) => Some(first.to_utc()),
        LocalResult::None => (1..=GAP_MINUTES_MAX)
            .find_map(|minutes| {
                zone.from_local_datetime(&(local + TimeDelta::minutes(minutes))).earliest()
            })
            .map(|at| at.to_utc()),
    }
}

/// Cron counts from Sunday = 0, the crate from Sunday = 1: names mean the same to both.
fn weekday_names(field: &str) -> Result<String, String> {
    const NAMES: [&str; 8] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
    let name = |text: &str| match text.parse::<usize>() {
        Ok(number) => NAMES
            .get(number)
            .map(|name| (*name).to_owned())
            .ok_or_else(|| format!("{number} is no day of the week; 0 and 7 are Sunday")),
        Err(_) => Ok(text.to_owned()),
    };
    let range = |text: &str| -> Result<String, String> {
        let (days, step) = match text.split_once('/') {
            Some((days, step)) => (days, format!("/{step}")),
            None => (text, String::new()),
        };
        let named: Result<Vec<String>, String> = days.split('-').map(name).collect();
        Ok(named?.join("-") + &step)
    };
    let parts: Result<Vec<String>, String> = field.split(',').map(range).collect();
    Ok(parts?.join(","))
}

impl<'de> Deserialize<'de> for Cron {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Cron::parse(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(expression: &str, zone: &str, after: &str, expected: [&str; 3]) {
        let cron = Cron::parse(expression).unwrap();
        let zone: Tz = zone.parse().unwrap();
        let mut at: DateTime<Utc> = after.parse().unwrap();
        let mut found = Vec::new();
        for _ in 0..3 {
            at = cron.next_after(at, zone).unwrap();
            found.push(at.with_timezone(&zone).format("%a %m-%d %H:%M %Z").to_string());
        }
        assert_eq!(found, expected, "{expression}");
    }

    #[test]
    fn the_next_firings_stand_where_people_expect_them() {
        check(
            "0 8 * * *",
            "Europe/Berlin",
            "2026-06-01T00:00:00Z",
            ["Mon 06-01 08:00 CEST", "Tue 06-02 08:00 CEST", "Wed 06-03 08:00 CEST"],
        );
        check(
            "30 9 * * 1-5",
            "Europe/Berlin",
            "2026-06-05T08:00:00Z",
            ["Mon 06-08 09:30 CEST", "Tue 06-09 09:30 CEST", "Wed 06-10 09:30 CEST"],
        );
        check(
            "0 8 * * 0,7",
            "UTC",
            "2026-06-01T00:00:00Z",
            ["Sun 06-07 08:00 UTC", "Sun 06-14 08:00 UTC", "Sun 06-21 08:00 UTC"],
        );
        check(
            "0 8 29 2 *",
            "UTC",
            "2026-06-01T00:00:00Z",
            ["Tue 02-29 08:00 UTC", "Sun 02-29 08:00 UTC", "Fri 02-29 08:00 UTC"],
        );
    }

    #[test]
    fn the_spring_gap_swallows_no_firing() {
        check(
            "30 2 * * *",
            "Europe/Berlin",
            "2026-03-28T00:00:00Z",
            ["Sat 03-28 02:30 CET", "Sun 03-29 03:00 CEST", "Mon 03-30 02:30 CEST"],
        );
        check(
            "0 8 * * *",
            "Europe/Berlin",
            "2026-03-28T06:00:00Z",
            ["Sat 03-28 08:00 CET", "Sun 03-29 08:00 CEST", "Mon 03-30 08:00 CEST"],
        );
        check(
            "0 0 * * *",
            "America/Santiago",
            "2026-09-05T12:00:00Z",
            ["Sun 09-06 01:00 -03", "Mon 09-07 00:00 -03", "Tue 09-08 00:00 -03"],
        );
    }

    #[test]
    fn the_autumn_hour_fires_once() {
        check(
            "30 2 * * *",
            "Europe/Berlin",
            "2026-10-24T00:00:00Z",
            ["Sat 10-24 02:30 CEST", "Sun 10-25 02:30 CEST", "Mon 10-26 02:30 CET"],
        );
        check(
            "30 1 * * *",
            "America/New_York",
            "2026-10-31T00:00:00Z",
            ["Sat 10-31 01:30 EDT", "Sun 11-01 01:30 EDT", "Mon 11-02 01:30 EST"],
        );
    }

    #[test]
    fn what_is_no_schedule_is_refused_in_words() {
        for wrong in
            ["", "0 8 * *", "0 0 8 * * *", "61 8 * * *", "0 8 31 2 *", "0 8 * * 8", "x 8 * * *"]
        {
            assert!(Cron::parse(wrong).is_err(), "{wrong}");
        }
    }
}
