//! The clock of the machine jumps by a day, by a year, and back. What time brings cannot be
//! taken back, so a jump is not followed before somebody had the time to mend it.

use chrono::TimeDelta;
use deletion_desk::clock::Clock;

use crate::harness::{Desk, OFFICER, START, at, mail};

const REQUEST: &str = "Data Deletion Request";

fn digests(desk: &Desk) -> usize {
    let subjects = desk.subjects_to(OFFICER);
    subjects.iter().filter(|subject| !subject.contains("clock")).count()
}

fn jumps() -> Vec<TimeDelta> {
    let days = [1, 30, 365, 3650];
    days.iter().flat_map(|days| [TimeDelta::days(*days), TimeDelta::days(-days)]).collect()
}

#[tokio::test]
async fn a_jump_that_is_taken_back_expires_nothing_and_neither_skips_nor_doubles_a_digest() {
    for by in jumps() {
        let (mut desk, letter) = Desk::asked().await;
        let digests_before = digests(&desk);
        let before = desk.clock.now();
        desk.clock.jumps(by);
        desk.hours_pass(5).await;
        assert_eq!(desk.clock.now(), before + TimeDelta::hours(5), "{by}");
        assert_eq!(desk.state().await, "awaiting-verification", "{by}");
        desk.receives(&mail("bob@example.net", REQUEST, "please")).await;
        assert_eq!(desk.letters_to("bob@example.net").len(), 1, "{by}: the desk goes on");
        desk.clock.jumps(-by);
        desk.days_pass(3).await;
        assert_eq!(digests(&desk) - digests_before, 3, "{by}: {:?}", desk.subjects_to(OFFICER));
        desk.confirms(&letter.link(), "own-account").await;
        let received = desk.cases().await.iter().map(|stored| stored.case.received_at).max();
        assert_eq!(received, Some(before + TimeDelta::hours(5)), "{by}: no date is of the jump");
        assert!(desk.store.verify_journal().await.unwrap().problems.is_empty());
    }
}

#[tokio::test]
async fn staff_hear_of_a_jump_once_and_until_when_it_can_be_mended() {
    let mut desk = Desk::live().await;
    let hour = desk.clock.now() + TimeDelta::hours(6);
    desk.clock.jumps(TimeDelta::days(365));
    desk.settles().await;
    desk.hours_pass(3).await;
    desk.clock.jumps(TimeDelta::days(-365));
    desk.hours_pass(3).await;
    let alarms = || desk.subjects_to(OFFICER).iter().filter(|one| one.contains("clock")).count();
    assert_eq!(alarms(), 1, "{:?}", desk.subjects_to(OFFICER));
    let letters = desk.letters_to(OFFICER);
    let alarm = letters.iter().find(|letter| letter.subject.contains("clock")).unwrap();
    let words = alarm.words();
    let until = hour.with_timezone(&chrono_tz::Europe::Berlin).format("%H:%M").to_string();
    assert!(words.contains("was set ahead by 365 days"), "{words}");
    assert!(
        words.contains(&format!("From {until} on")) && words.contains("timedatectl"),
        "{words}"
    );
    desk.clock.jumps(TimeDelta::hours(-30));
    desk.hours_pass(1).await;
    assert!(desk.last_letter_to(OFFICER).words().contains("was set back by 1 day and 6 hours"));
}

#[tokio::test]
async fn a_jump_ahead_that_stays_is_followed() {
    let (mut desk, _) = Desk::asked().await;
    let begun = desk.clock.now();
    desk.clock.jumps(TimeDelta::days(8));
    desk.hours_pass(5).await;
    assert_eq!(desk.state().await, "awaiting-verification");
    desk.hours_pass(2).await;
    assert_eq!(desk.clock.now(), begun + TimeDelta::days(8) + TimeDelta::hours(7));
    assert_eq!(desk.state().await, "closed (expired)");
}

/// The clock was a year ahead from the first start on, and is set right.
#[tokio::test]
async fn a_jump_back_that_stays_leaves_nothing_waiting_for_a_year() {
    let (mut desk, letter) = Desk::asked().await;
    desk.clock.jumps(TimeDelta::days(-365));
    desk.hours_pass(7).await;
    assert!(desk.clock.now() < at(START));
    let before = digests(&desk);
    desk.receives(&mail("bob@example.net", REQUEST, "please")).await;
    assert_eq!(desk.letters_to("bob@example.net").len(), 1, "{:?}", desk.outcomes().await);
    desk.days_pass(2).await;
    assert_eq!(digests(&desk) - before, 2, "{:?}", desk.subjects_to(OFFICER));
    desk.confirms(&letter.link(), "own-account").await;
    // Silence is still heard.
    desk.sleeps_for(TimeDelta::minutes(20));
    desk.ticks().await;
    desk.submits().await;
    assert!(desk.last_letter_to(OFFICER).subject.contains("the inbox cannot be read"));
}

#[tokio::test]
async fn a_jump_between_two_runs_is_noticed_too() {
    let (mut desk, letter) = Desk::asked().await;
    desk.hours_pass(1).await;
    let before = desk.clock.now();
    desk.clock.jumps(TimeDelta::days(400));
    desk.clock = desk.clock.of_next_process();
    assert_ne!(desk.clock.now(), before, "a process that knows nothing believes the machine");
    desk.clock = desk.clock.of_next_process();
    let mut desk = desk.restarts().await;
    desk.hours_pass(4).await;
    assert_eq!(desk.clock.now(), before + TimeDelta::hours(4));
    assert_eq!(desk.state().await, "awaiting-verification");
    // The hours of grace go on over the next restart.
    desk.clock = desk.clock.of_next_process();
    let mut desk = desk.restarts().await;
    desk.hours_pass(1).await;
    assert_eq!(desk.clock.now(), before + TimeDelta::hours(5));
    desk.clock.jumps(TimeDelta::days(-400));
    desk.settles().await;
    desk.confirms(&letter.link(), "own-account").await;
    assert_eq!(desk.state().await, "in-progress");
}

/// A machine without a battery begins in the past, and is set right within a minute.
#[test]
fn after_a_restart_of_the_machine_it_is_not_earlier_than_before() {
    let clock = Clock::manual(at("2026-06-01T12:00:00Z"));
    let note = clock.note().replace("by-hand", "another-run");
    let behind = Clock::manual(at("2000-01-01T00:00:00Z"));
    behind.resume(&note);
    assert_eq!(behind.now(), at("2026-06-01T12:00:00Z"));
    assert!(behind.jump().is_some());
    behind.jumps(at("2026-06-03T07:00:00Z") - at("2000-01-01T00:00:00Z"));
    assert_eq!(behind.now(), at("2026-06-03T07:00:00Z"), "two days off are no jump");
    assert!(behind.jump().is_none());
    for nonsense in ["", "x", "1 2", "9999999999999999999 1 - by-hand", "- - - -"] {
        let clock = Clock::manual(at("2026-06-01T12:00:00Z"));
        clock.resume(nonsense);
        assert_eq!(clock.now(), at("2026-06-01T12:00:00Z"), "{nonsense}");
    }
}

#[test]
fn small_steps_are_followed_at_once() {
    let clock = Clock::manual(at(START));
    for minutes in [3, -3, 9, -9] {
        let before = clock.now();
        clock.jumps(TimeDelta::minutes(minutes));
        assert_eq!(clock.now(), before + TimeDelta::minutes(minutes));
        assert!(clock.jump().is_none());
    }
    assert!((Clock::System.now() - Clock::System.now()).abs() < TimeDelta::minutes(1));
}
