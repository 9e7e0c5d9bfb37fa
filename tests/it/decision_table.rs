//! The whole policy on one page: every State × Event pair.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use chrono::TimeDelta;
use deletion_desk::case::act::{Deleted, ExtensionReason, ProofWant, RefusalGround, Sentence};
use deletion_desk::case::authority::{Way, authorize};
use deletion_desk::case::deadline::{Law, law_due_on, promised_on};
use deletion_desk::case::limits::Limits;
use deletion_desk::case::scope::{Reach, ScopeItem};
use deletion_desk::case::work::{Ground, Hold, Kept, Proof, Work};
use deletion_desk::case::{
    Act, Case, Decision, Event, Facts, LetterKind, Means, Outcome, Policy, Reason, Reference,
    Resolution, Role, Source, State, decide,
};

use crate::harness::at;

fn policy() -> Policy {
    let item = |name: &str, of| ScopeItem { item: name.into(), of, words: BTreeMap::new() };
    Policy {
        fulfil_days: 30,
        nearing_days: 7,
        law: Law::Gdpr,
        zone: chrono_tz::Europe::Berlin,
        verification_days: 7,
        limits: Limits::default(),
        scope: vec![
            item("profile", vec![Reach::Account, Reach::Workspace]),
            item("media", vec![Reach::Account, Reach::Workspace]),
        ],
        retention_days: 90,
        backup_rollover_days: 120,
        undo_minutes: 10,
    }
}

/// A closed case's letter is still on the desk: its step can be taken back.
fn facts() -> Facts {
    Facts {
        suppressed: false,
        verifications_at: Vec::new(),
        automatic_at: Vec::new(),
        written: BTreeSet::new(),
        on_desk: BTreeSet::from([LetterKind::Completion]),
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
        role: match state {
            State::Redirecting => Some(Role::Customer),
            State::AwaitingProof => Some(Role::Business),
            _ => None,
        },
        received_at,
        expires_at: Some(received_at + TimeDelta::days(7)),
        confirmed_at: confirmed.then_some(confirmed_at),
        confirmed_by: confirmed.then_some(Means::Page),
        due_on: confirmed.then(|| promised_on(confirmed_at, &policy())),
        law_due_on: law_due_on(received_at, &policy()),
        redirect_ends_at: (state == State::Redirecting).then(|| confirmed_at + TimeDelta::days(7)),
        closed_at: state.resolution().map(|_| confirmed_at + TimeDelta::hours(1)),
        work: work(state),
    }
}

/// What a case of that state cannot be without.
fn work(state: State) -> Work {
    let hold = |item: Option<&str>| Hold {
        item: item.map(str::to_owned),
        ground: Ground::Law,
        look_again_on: "2026-06-20".parse().unwrap(),
    };
    match state {
        State::AwaitingVerification => {
            Work { remind_at: Some(at("2026-06-02T12:00:00Z")), ..Work::default() }
        }
        State::AwaitingProof => Work { proof: Some(Proof::Asked), ..Work::default() },
        State::InProgress => Work { holds: vec![hold(Some("media"))], ..Work::default() },
        State::OnHold => Work { holds: vec![hold(None)], ..Work::default() },
        State::Redirecting => Work::default(),
        State::Closed(Resolution::Completed | Resolution::Refused) => Work {
            closed_from: Some(State::InProgress),
            returned: Some(LetterKind::Completion),
            ..Work::default()
        },
        State::Closed(_) => Work::default(),
    }
}

fn acts() -> Vec<(&'static str, Act)> {
    let kept = |ground| vec![Kept { what: "media".into(), ground, until: None }];
    let complete = |outcome, kept| Act::Complete { outcome, deleted: Deleted::All, kept };
    let hold = |items: &[&str], ground| Act::Hold {
        items: items.iter().map(|item| (*item).to_owned()).collect(),
        ground,
        look_again_on: "2026-09-01".parse().unwrap(),
    };
    vec![
        ("verify", Act::Verify { role: Some(Role::OwnAccount) }),
        ("set-role business", Act::SetRole(Role::Business)),
        ("set-role own-account", Act::SetRole(Role::OwnAccount)),
        ("approve proof", Act::ApproveProof),
        ("ask proof again", Act::AskProofAgain(ProofWant::Unreadable)),
        ("hold everything", hold(&[], Ground::Litigation)),
        ("hold an item", hold(&["profile"], Ground::Tax)),
        ("hold an unknown item", hold(&["moon"], Ground::Tax)),
        ("hold on no ground", hold(&[], Ground::OptOut)),
        ("release", Act::Release { items: Vec::new() }),
        ("release an item", Act::Release { items: vec!["media".into()] }),
        ("extend by 2 months", Act::Extend { months: 2, reason: ExtensionReason::Complex }),
        ("extend by 3 months", Act::Extend { months: 3, reason: ExtensionReason::Complex }),
        ("refuse", Act::Refuse { ground: RefusalGround::Unfounded, words: String::new() }),
        ("complete as deleted", complete(Outcome::Deleted, Vec::new())),
        ("complete as nothing found", complete(Outcome::NothingFound, Vec::new())),
        ("complete partly", complete(Outcome::Partly, kept(Ground::Law))),
        ("complete partly, nothing kept", complete(Outcome::Partly, Vec::new())),
        ("complete as deleted, kept", complete(Outcome::Deleted, kept(Ground::Law))),
        ("tick", Act::Tick { items: vec!["profile".into()], done: true }),
        ("note", Act::Note("called".into())),
        ("write", Act::Write(Sentence::StillWorking)),
        ("undo", Act::Undo),
        ("seen", Act::Seen),
    ]
}

fn events() -> Vec<(&'static str, Event)> {
    let means = Means::Page;
    let received_at = at("2026-06-03T12:00:00Z");
    let mut events = vec![
        (
            "request-received",
            Event::RequestReceived { source: Source::Mail, received_at, authenticated: false },
        ),
        ("verification-released", Event::VerificationReleased),
        ("confirmed by mail", Event::Confirmed { means: Means::Reply, role: None }),
        ("confirmed as own-account", Event::Confirmed { means, role: Some(Role::OwnAccount) }),
        ("confirmed as business", Event::Confirmed { means, role: Some(Role::Business) }),
        ("confirmed as customer", Event::Confirmed { means, role: Some(Role::Customer) }),
        ("role-changed to business", Event::RoleChanged { role: Role::Business }),
        ("role-changed to customer", Event::RoleChanged { role: Role::Customer }),
        ("disowned", Event::Disowned { means }),
        ("withdrawn", Event::Withdrawn { means }),
        ("redirect-answered", Event::RedirectAnswered),
        ("proof-received", Event::ProofReceived),
        (
            "letter-failed verification",
            Event::LetterFailed { letter: LetterKind::VerificationRequest },
        ),
        ("letter-failed completion", Event::LetterFailed { letter: LetterKind::Completion }),
        ("time-passed", Event::TimePassed),
    ];
    let by = authorize(&Way::CommandLine { who: "Ada" }, "", received_at).unwrap();
    let acted = |(name, act)| (name, Event::Acted { by: by.clone(), act });
    events.extend(acts().into_iter().map(acted));
    events
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
    let staff: Vec<String> = decision
        .staff
        .iter()
        .map(|(letter, role)| format!("; {} to the {}", letter.as_str(), role.as_str()))
        .collect();
    let suppress = if decision.suppress { ", suppresses the address" } else { "" };
    format!("{next:<26} {letters:<22} {}{suppress}{}", decision.reason.as_str(), staff.concat())
}

/// A note, having seen what came back, and taking the last step back are all that staff can do
/// with a closed case; nobody else can do anything.
#[test]
fn closed_cases_write_no_letters_and_open_again_by_undo_only() {
    for state in State::all().into_iter().filter(|state| state.resolution().is_some()) {
        for (what, event) in events() {
            let now = at("2026-06-03T12:00:00Z");
            let decision = decide(Some(&case(state)), &event, &facts(), &policy(), now);
            assert!(decision.letters.is_empty(), "{state:?} {what}");
            let opens = decision.change.state.is_some();
            assert!(!opens || what == "undo", "{state:?} {what}");
        }
    }
    let gone = Facts { on_desk: BTreeSet::new(), ..facts() };
    let by = authorize(&Way::CommandLine { who: "Ada" }, "", at("2026-06-03T12:00:00Z")).unwrap();
    let undo = Event::Acted { by, act: Act::Undo };
    let closed = case(State::Closed(Resolution::Completed));
    let decision = decide(Some(&closed), &undo, &gone, &policy(), at("2026-06-03T12:00:00Z"));
    assert_eq!(decision.reason, Reason::NothingToUndo, "its letter has left");
}

/// Every name that an act has in the journal is known to those who list acts.
#[test]
fn every_act_has_its_name_in_the_list() {
    for (what, act) in acts() {
        assert!(Act::NAMES.contains(&act.as_str()), "{what}");
    }
    let untick = Act::Tick { items: Vec::new(), done: false };
    assert!(Act::NAMES.contains(&untick.as_str()));
}
