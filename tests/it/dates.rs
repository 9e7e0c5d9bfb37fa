//! Dates that people rely on: the promise, the law, escalation; at every odd end of the calendar.

use std::collections::BTreeMap;

use chrono::{NaiveDate, TimeDelta};
use deletion_desk::case::deadline::nearest_date;
use deletion_desk::commands::cases::act;

use crate::harness::{Desk, JANE, OFFICER, at, mail};

const REQUEST: &str = "Data Deletion Request";
const DEPUTY: &str = "deputy@flexus.example";
const LEAD: &str = "lead@flexus.example";

fn with_staff(config: String) -> String {
    let members = format!(
        "[[staff.members]]\naddress = \"{DEPUTY}\"\nname = \"Dee\"\nrole = \"deputy\"\n\
         [[staff.members]]\naddress = \"{LEAD}\"\nname = \"Lea\"\nrole = \"lead\"\n"
    );
    config.replace("[authentication]", &format!("{members}[authentication]"))
}

/// A request received and confirmed at that instant: the promised day, and the law's.
async fn dates(law: &str, zone: &str, start: &str) -> (NaiveDate, Option<NaiveDate>) {
    let mut desk = Desk::with(|config| {
        let config = config.replace("law = \"gdpr\"", &format!("law = \"{law}\""));
        config.replace("Europe/Berlin", zone)
    })
    .await;
    desk.clock.set(at(start));
    desk.receives(&mail(JANE, REQUEST, "please")).await;
    let link = desk.last_letter_to(JANE).link();
    desk.confirms(&link, "own-account").await;
    let case = desk.the_case().await.case;
    (case.due_on.unwrap(), case.law_due_on)
}

/// Promise 24.
#[tokio::test]
async fn both_dates_hold_at_month_ends_leap_days_year_ends_and_clock_changes() {
    for (law, zone, start, promised, by_law) in [
        ("gdpr", "Europe/Berlin", "2027-01-31T12:00:00Z", "2027-03-02", "2027-02-28"),
        ("gdpr", "Europe/Berlin", "2028-01-30T12:00:00Z", "2028-02-29", "2028-02-29"),
        ("gdpr", "Europe/Berlin", "2028-02-29T12:00:00Z", "2028-03-30", "2028-03-29"),
        ("gdpr", "Europe/Berlin", "2026-12-31T22:59:00Z", "2027-01-30", "2027-01-31"),
        ("gdpr", "Europe/Berlin", "2026-12-31T23:01:00Z", "2027-01-31", "2027-02-01"),
        ("gdpr", "Europe/Berlin", "2027-03-28T00:59:00Z", "2027-04-27", "2027-04-28"),
        ("gdpr", "Europe/Berlin", "2026-10-25T00:30:00Z", "2026-11-24", "2026-11-25"),
        ("ccpa", "America/Los_Angeles", "2027-03-14T09:30:00Z", "2027-04-13", "2027-04-28"),
        ("none", "Asia/Kathmandu", "2027-06-30T18:20:00Z", "2027-07-31", ""),
    ] {
        let found = dates(law, zone, start).await;
        let expected = (promised.parse().unwrap(), by_law.parse().ok());
        assert_eq!(found, expected, "{law} {zone} {start}");
    }
}

/// GDPR Art. 12(3): once, with reasons, before the date has passed, by calendar months.
#[tokio::test]
async fn an_extension_moves_both_dates_by_calendar_months_and_is_told() {
    let mut desk = Desk::live().await;
    desk.clock.set(at("2026-12-31T12:00:00Z"));
    desk.receives(&mail(JANE, REQUEST, "please")).await;
    let link = desk.last_letter_to(JANE).link();
    desk.confirms(&link, "own-account").await;
    let reference = desk.the_case().await.case.reference.to_string();
    let acts = async |desk: &Desk, words: &str| {
        act(&desk.store, &desk.settings, &reference, "Ada", words, desk.clock.now()).await
    };
    assert!(acts(&desk, "extend: 3 months, complex").await.is_err());
    acts(&desk, "extend: 1 month, complex").await.unwrap();
    desk.settles().await;
    let case = desk.the_case().await.case;
    assert_eq!(case.law_due_on.unwrap().to_string(), "2027-02-28", "a shorter month");
    assert_eq!(case.due_on.unwrap().to_string(), "2027-02-28");
    let notice = desk.last_letter_to(JANE).words();
    assert!(notice.contains("because the request is complex"), "{notice}");
    assert!(notice.contains("We will be done by 28 February 2027."), "{notice}");
    let again = acts(&desk, "extend: many").await.unwrap_err().to_string();
    assert!(again.contains("once is all"), "{again}");
}

#[tokio::test]
async fn it_is_too_late_to_extend_when_a_date_has_passed() {
    let (mut desk, letter) = Desk::asked().await;
    desk.confirms(&letter.link(), "own-account").await;
    let reference = desk.the_case().await.case.reference.to_string();
    desk.days_pass(31).await;
    let now = desk.clock.now();
    let late = act(&desk.store, &desk.settings, &reference, "Ada", "extend: many", now).await;
    assert!(late.unwrap_err().to_string().contains("too late to extend"));
}

/// Neither proof nor hold moves the promise.
#[tokio::test]
async fn nothing_moves_the_promise_silently() {
    let (mut desk, letter) = Desk::asked().await;
    desk.confirms(&letter.link(), "business").await;
    let before = desk.the_case().await.case;
    let reference = before.reference.to_string();
    desk.days_pass(5).await;
    for words in [
        "hold: litigation until 2026-06-20",
        "release",
        "approve",
        "hold: media: law until 2026-06-25",
    ] {
        let now = desk.clock.now();
        act(&desk.store, &desk.settings, &reference, "Ada", words, now).await.unwrap();
    }
    desk.days_pass(20).await;
    let after = desk.the_case().await.case;
    assert_eq!((before.due_on, before.law_due_on), (after.due_on, after.law_due_on));
    assert_eq!(after.state.as_str(), "in-progress", "what was held came back by itself");
    assert!(after.work.holds.is_empty());
}

/// 7, 3 and 1 days before, and every day after, the digest asks for an act.
#[tokio::test]
async fn the_digest_asks_for_an_act_7_3_and_1_days_before_and_every_day_after() {
    let (mut desk, letter) = Desk::asked().await;
    desk.confirms(&letter.link(), "own-account").await;
    let mut asked = Vec::new();
    for _ in 0..34 {
        desk.days_pass(1).await;
        let digest = desk.last_letter_to(OFFICER).words();
        let case = nearest_date(&desk.the_case().await.case).unwrap();
        let today = desk.clock.now().with_timezone(&chrono_tz::Europe::Berlin).date_naive();
        if digest.contains("please act") {
            asked.push((case.on - today).num_days());
        }
    }
    assert_eq!(asked, [7, 3, 1, -1, -2, -3, -4]);
}

/// Nobody is on holiday: a year in which the officer never acts.
#[tokio::test]
async fn without_any_act_every_case_of_a_year_escalates_five_days_before_its_nearest_date() {
    let mut desk = Desk::with(with_staff).await;
    let mut nearest: BTreeMap<String, NaiveDate> = BTreeMap::new();
    let mut told: BTreeMap<String, NaiveDate> = BTreeMap::new();
    let mut seen = 0;
    for day in 0..430 {
        if day < 365 && day % 9 == 0 {
            let who = format!("someone{day}@example.net");
            desk.receives(&mail(&who, REQUEST, "please")).await;
            desk.sleeps_for(TimeDelta::hours(day % 5));
            let link = desk.last_letter_to(&who).link();
            let role = ["own-account", "workspace", "business", "not-sure"][(day / 9 % 4) as usize];
            desk.confirms(&link, role).await;
        }
        for stored in desk.cases().await {
            if let Some(date) = nearest_date(&stored.case) {
                nearest.insert(stored.case.reference.to_string(), date.on);
            }
        }
        for _ in 0..4 {
            desk.sleeps_for(TimeDelta::hours(6));
            desk.ticks().await;
            desk.submits().await;
        }
        let letters = desk.letters_to(LEAD);
        let today = desk.clock.now().with_timezone(&chrono_tz::Europe::Berlin).date_naive();
        for letter in &letters[seen..] {
            let reference = letter.subject.split(':').next().unwrap().to_owned();
            told.entry(reference).or_insert(today);
        }
        seen = letters.len();
    }
    assert_eq!(nearest.len(), 41);
    for (reference, on) in &nearest {
        let told_on = told.get(reference).unwrap_or_else(|| panic!("{reference} never escalated"));
        assert!((*on - *told_on).num_days() >= 5, "{reference} is due {on}, told {told_on}");
    }
    let mut deputy = desk.subjects_to(DEPUTY);
    deputy.retain(|subject| subject.starts_with("DEL-"));
    assert_eq!(deputy.len(), 41, "the deputy hears of each, too: {deputy:?}");
}

#[tokio::test]
async fn an_act_keeps_deputy_and_lead_quiet() {
    let mut desk = Desk::with(with_staff).await;
    desk.receives(&mail(JANE, REQUEST, "please")).await;
    let link = desk.last_letter_to(JANE).link();
    desk.confirms(&link, "own-account").await;
    let reference = desk.the_case().await.case.reference.to_string();
    desk.days_pass(22).await;
    let now = desk.clock.now();
    act(&desk.store, &desk.settings, &reference, "Ada", "note: at it", now).await.unwrap();
    desk.days_pass(6).await;
    assert!(desk.letters_to(DEPUTY).is_empty() && desk.letters_to(LEAD).is_empty());
    desk.days_pass(2).await;
    assert_eq!(desk.letters_to(DEPUTY).len(), 1, "a week later it is no excuse any more");
}
