//! The whole policy on one page: every State × Event pair.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use chrono::TimeDelta;
use deletion_desk::case::authority::Authority;
use deletion_desk::case::deadline::{Law, law_due_on, promised_on};
use deletion_desk::case::letter::Kept;
use deletion_desk::case::limits::Limits;
use deletion_desk::case::{
    Case, Decision, Event, Facts, LetterKind, Means, Outcome, Policy, Reference, Role, Source,
    State, decide,
};

use crate::harness::at;

fn policy() -> Policy {
    Policy {
        fulfil_days: 30,
        nearing_days: 7,
        law: Law::Gdpr,
        zone: chrono_tz::Europe::Berlin,
        verification_days: 7,
        limits: Limits::default(),
    }
}

fn facts() -> Facts {
    Facts {
        suppressed: false,
        verifications_at: Vec::new(),
        automatic_at: Vec::new(),
        verification_waits: false,
        written: BTreeSet::new(),
        fresh_reference: Reference::from_random([9; 8]),
    }
}

fn case(state: State) -> Case {
    let received_at = at("2026-06-01T12:00:00Z");
    let confirmed_at = at("2026-06-02T12:00:00Z");
    let confirmed = state != State::AwaitingVerification;
    Case {
        reference: Reference::from_random([1; 8]),
        state,
        source: Source::Mail,
        role: (state == State::Redirecting).then_some(Role::Customer),
        received_at,
        expires_at: Some(received_at + TimeDelta::days(7)),
        confirmed_at: confirmed.then_some(confirmed_at),
        confirmed_by: confirmed.then_some(Means::Page),
        due_on: confirmed.then(|| promised_on(confirmed_at, &policy())),
        law_due_on: law_due_on(received_at, &policy()),
        redirect_ends_at: (state == State::Redirecting).then(|| confirmed_at + TimeDelta::days(7)),
        closed_at: state.resolution().map(|_| confirmed_at + TimeDelta::hours(1)),
    }
}

fn events() -> Vec<(&'static str, Event)> {
    let means = Means::Page;
    let received_at = at("2026-06-03T12:00:00Z");
    let kept = vec![Kept { what: "invoices".into(), why: "tax law".into() }];
    let by = Authority::command_line("Ada");
    vec![
        (
            "request-received",
            Event::RequestReceived { source: Source::Mail, received_at, authenticated: false },
        ),
        ("verification-released", Event::VerificationReleased),
        ("confirmed by mail", Event::Confirmed { means: Means::Reply, role: None }),
        ("confirmed as own-account", Event::Confirmed { means, role: Some(Role::OwnAccount) }),
        ("confirmed as customer", Event::Confirmed { means, role: Some(Role::Customer) }),
        ("role-changed to business", Event::RoleChanged { role: Role::Business }),
        ("role-changed to customer", Event::RoleChanged { role: Role::Customer }),
        ("disowned", Event::Disowned { means }),
        ("withdrawn", Event::Withdrawn { means }),
        (
            "letter-failed verification",
            Event::LetterFailed { letter: LetterKind::VerificationRequest },
        ),
        ("letter-failed completion", Event::LetterFailed { letter: LetterKind::Completion }),
        ("time-passed", Event::TimePassed),
        (
            "completed as deleted",
            Event::Completed { by: by.clone(), outcome: Outcome::Deleted, kept: Vec::new() },
        ),
        ("completed as partly", Event::Completed { by, outcome: Outcome::Partly, kept }),
    ]
}

#[test]
fn every_state_stands_beside_every_event() {
    let mut table = String::new();
    let states = std::iter::once(None).chain(State::all().into_iter().map(Some));
    // On the third day, and after every date has come.
    let moments = [("day 3", at("2026-06-03T12:00:00Z")), ("day 60", at("2026-07-31T12:00:00Z"))];
    for state in states {
        let name = match state {
            None => "no case".to_owned(),
            Some(state) => match state.resolution() {
                Some(resolution) => format!("closed ({})", resolution.as_str()),
                None => state.as_str().to_owned(),
            },
        };
        writeln!(table, "{name}").unwrap();
        for (what, event) in events() {
            let before = state.map(case);
            let lines = moments.map(|(_, now)| {
                in_words(&decide(before.as_ref(), &event, &facts(), &policy(), now))
            });
            if lines[0] == lines[1] {
                writeln!(table, "  any day  {what:<27} {}", lines[0]).unwrap();
            } else {
                for ((when, _), line) in moments.iter().zip(&lines) {
                    writeln!(table, "  {when:<7}  {what:<27} {line}").unwrap();
                }
            }
        }
    }
    insta::assert_snapshot!(table);
}

fn in_words(decision: &Decision) -> String {
    let next = match decision.change.state {
        Some(State::Closed(resolution)) => format!("→ closed ({})", resolution.as_str()),
        Some(state) => format!("→ {}", state.as_str()),
        None if decision.change.opened.is_some() => "→ awaiting-verification".to_owned(),
        None => "stays".to_owned(),
    };
    let letters: Vec<&str> =
        decision.letters.iter().map(|(letter, _)| letter.kind.as_str()).collect();
    let letters = if letters.is_empty() { "no letter".to_owned() } else { letters.join(" + ") };
    let suppress = if decision.suppress { ", suppresses the address" } else { "" };
    format!("{next:<26} {letters:<22} {}{suppress}", decision.reason.as_str())
}

#[test]
fn closed_cases_never_write_letters_or_change() {
    for state in State::all().into_iter().filter(|state| state.resolution().is_some()) {
        for (what, event) in events() {
            let decision =
                decide(Some(&case(state)), &event, &facts(), &policy(), at("2026-06-03T12:00:00Z"));
            assert!(
                decision.letters.is_empty() && decision.change == Default::default(),
                "{state:?} {what}"
            );
        }
    }
}
