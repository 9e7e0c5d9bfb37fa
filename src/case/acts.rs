//! What the acts of staff do: every state stands beside every act.

use chrono::{DateTime, Duration, Months, NaiveDate, Utc};
use serde_json::json;

use super::Policy;
use super::act::{Act, Deleted, ExtensionReason, ProofWant, RefusalGround, Sentence};
use super::deadline::{Law, day_of, extended_law_due_on, nearest_date};
use super::decide::{close, confirm, correct_role};
use super::decision::{Change, Decision, Reason};
use super::event::{Facts, Means};
use super::letter::{Letter, LetterKind};
use super::scope::{find_item, open_items};
use super::state::{Case, Outcome, Resolution, State};
use super::work::{Extended, Ground, Hold, Kept, Proof, Work};

/// Decides what an act of staff does to a case.
pub(super) fn decide(
    case: &Case,
    act: &Act,
    facts: &Facts,
    policy: &Policy,
    now: DateTime<Utc>,
) -> Decision {
    let mut decision = outcome_of(case, act, facts, policy, now);
    // Whatever it was: somebody is at it.
    if decision.change != Change::default() || !decision.letters.is_empty() {
        let work = decision.change.work.take().unwrap_or_else(|| case.work.clone());
        decision.change.work = Some(Work { acted_at: Some(now), ..work });
    }
    decision
}

fn outcome_of(
    case: &Case,
    act: &Act,
    facts: &Facts,
    policy: &Policy,
    now: DateTime<Utc>,
) -> Decision {
    match case.state {
        State::AwaitingVerification => before_confirmation(case, act, policy, now),
        State::AwaitingProof | State::InProgress | State::OnHold => {
            at_work(case, act, facts, policy, now)
        }
        State::Redirecting => while_redirecting(case, act, facts, policy, now),
        State::Closed(_) => when_closed(case, act, facts),
    }
}

/// Nobody has proved yet that the request is theirs: only a person's own check helps.
fn before_confirmation(case: &Case, act: &Act, policy: &Policy, now: DateTime<Utc>) -> Decision {
    match act {
        Act::Verify { role } => {
            let decision = confirm(case, Means::Staff, *role, policy, now);
            Decision { reason: Reason::VerifiedByStaff, ..decision }
        }
        Act::Note(_) => keep_work(case, Reason::NoteWritten),
        Act::Seen => seen(case),
        Act::Undo => Decision::keep(Reason::NothingToUndo),
        Act::SetRole(_)
        | Act::ApproveProof
        | Act::AskProofAgain(_)
        | Act::Hold { .. }
        | Act::Release { .. }
        | Act::Extend { .. }
        | Act::Refuse { .. }
        | Act::Complete { .. }
        | Act::Tick { .. }
        | Act::Write(_) => Decision::keep(Reason::NotConfirmedYet),
    }
}

fn at_work(case: &Case, act: &Act, facts: &Facts, policy: &Policy, now: DateTime<Utc>) -> Decision {
    let waits_for_proof = case.work.wants_proof();
    match act {
        Act::Verify { .. } => Decision::keep(Reason::AlreadyConfirmed),
        Act::SetRole(role) => correct_role(case, *role, facts, policy, now),
        Act::ApproveProof if waits_for_proof => approve_proof(case, facts, now),
        Act::AskProofAgain(want) if waits_for_proof => ask_proof_again(case, *want, now),
        Act::ApproveProof | Act::AskProofAgain(_) => Decision::keep(Reason::NoProofWanted),
        Act::Hold { items, ground, look_again_on } => {
            hold(case, items, *ground, *look_again_on, policy, now)
        }
        Act::Release { items } => release(case, items, policy),
        Act::Extend { months, reason } => extend(case, *months, *reason, policy, now),
        Act::Refuse { ground, words } => refuse(case, *ground, words, policy, now),
        Act::Complete { .. } if case.state == State::OnHold => Decision::keep(Reason::CaseOnHold),
        Act::Complete { .. } if waits_for_proof => Decision::keep(Reason::ProofMissing),
        Act::Complete { outcome, deleted, kept } => {
            complete(case, *outcome, deleted, kept, policy, now)
        }
        Act::Tick { items, done } => tick(case, items, *done, policy, now),
        Act::Note(_) => keep_work(case, Reason::NoteWritten),
        Act::Write(sentence) => write(case, *sentence, now),
        Act::Undo => Decision::keep(Reason::NothingToUndo),
        Act::Seen => seen(case),
    }
}

/// Sent to a business: there is nothing to delete here, unless that was wrong.
fn while_redirecting(
    case: &Case,
    act: &Act,
    facts: &Facts,
    policy: &Policy,
    now: DateTime<Utc>,
) -> Decision {
    match act {
        Act::Verify { .. } => Decision::keep(Reason::AlreadyConfirmed),
        Act::SetRole(role) => correct_role(case, *role, facts, policy, now),
        Act::ApproveProof | Act::AskProofAgain(_) => Decision::keep(Reason::NoProofWanted),
        Act::Refuse { ground, words } => refuse(case, *ground, words, policy, now),
        Act::Complete { outcome, deleted, kept } => {
            complete(case, *outcome, deleted, kept, policy, now)
        }
        Act::Note(_) => keep_work(case, Reason::NoteWritten),
        Act::Write(sentence) => write(case, *sentence, now),
        Act::Undo => Decision::keep(Reason::NothingToUndo),
        Act::Seen => seen(case),
        Act::Hold { .. } | Act::Release { .. } | Act::Extend { .. } | Act::Tick { .. } => {
            Decision::keep(Reason::NotInWork)
        }
    }
}

fn when_closed(case: &Case, act: &Act, facts: &Facts) -> Decision {
    match act {
        // Nothing personal may come back to a case that was reduced.
        Act::Note(_) if case.work.forgotten.is_some() => Decision::keep(Reason::AlreadyClosed),
        Act::Note(_) => keep_work(case, Reason::NoteWritten),
        Act::Undo => undo(case, facts),
        Act::Seen => seen(case),
        Act::Verify { .. }
        | Act::SetRole(_)
        | Act::ApproveProof
        | Act::AskProofAgain(_)
        | Act::Hold { .. }
        | Act::Release { .. }
        | Act::Extend { .. }
        | Act::Refuse { .. }
        | Act::Complete { .. }
        | Act::Tick { .. }
        | Act::Write(_) => Decision::keep(Reason::AlreadyClosed),
    }
}

/// Nothing but the fact that somebody acted.
fn keep_work(case: &Case, reason: Reason) -> Decision {
    Decision::change(Change::default(), reason).with_work(case.work.clone())
}

fn write(case: &Case, sentence: Sentence, now: DateTime<Utc>) -> Decision {
    let values = json!({ "sentence": sentence.as_str() });
    let letter = Letter::with(LetterKind::StaffMessage, values);
    keep_work(case, Reason::MessageWritten).with_letter(letter, now)
}

fn ask_proof_again(case: &Case, want: ProofWant, now: DateTime<Utc>) -> Decision {
    let work = Work { proof: Some(Proof::Asked), ..case.work.clone() };
    let letter = Letter::with(LetterKind::ProofRequest, json!({ "want": want.as_str() }));
    Decision::change(Change::default(), Reason::ProofAskedAgain)
        .with_work(work)
        .with_letter(letter, now)
}

fn refuse(
    case: &Case,
    ground: RefusalGround,
    words: &str,
    policy: &Policy,
    now: DateTime<Utc>,
) -> Decision {
    let values = json!({ "ground": ground.as_str(), "words": words });
    let letter = Letter::with(LetterKind::Refusal, values);
    end(case, Resolution::Refused, Reason::RequestRefused, letter, policy, now)
}

fn seen(case: &Case) -> Decision {
    if case.work.returned.is_none() {
        return Decision::keep(Reason::NothingToSee);
    }
    let work = Work { returned: None, ..case.work.clone() };
    Decision::change(Change::default(), Reason::ReturnSeen).with_work(work)
}

/// Where work goes on: by proof and hold.
fn working_state(work: &Work) -> State {
    match (work.whole_hold(), work.wants_proof()) {
        (Some(_), _) => State::OnHold,
        (None, true) => State::AwaitingProof,
        (None, false) => State::InProgress,
    }
}

fn work_on(work: Work, reason: Reason) -> Decision {
    let state = Some(working_state(&work));
    Decision::change(Change { state, ..Change::default() }, reason).with_work(work)
}

fn approve_proof(case: &Case, facts: &Facts, now: DateTime<Utc>) -> Decision {
    let work = Work { proof: Some(Proof::Approved), ..case.work.clone() };
    let mut decision = work_on(work, Reason::ProofApproved)
        .with_letter(Letter::plain(LetterKind::RequestConfirmed), now);
    decision.letters.retain(|(letter, _)| !facts.written.contains(&letter.kind));
    decision
}

fn hold(
    case: &Case,
    items: &[String],
    ground: Ground,
    look_again_on: NaiveDate,
    policy: &Policy,
    now: DateTime<Utc>,
) -> Decision {
    if !ground.may_hold() {
        return Decision::keep(Reason::NoGroundToHold);
    }
    if look_again_on <= day_of(now, policy.zone) {
        return Decision::keep(Reason::DayNotAhead);
    }
    let Some(items) = known(items, policy) else {
        return Decision::keep(Reason::UnknownItem);
    };
    let mut work = case.work.clone();
    let wanted: Vec<Option<String>> = match items.is_empty() {
        true => vec![None],
        false => items.into_iter().map(Some).collect(),
    };
    for item in wanted {
        work.holds.retain(|hold| hold.item != item);
        work.holds.push(Hold { item, ground, look_again_on });
    }
    work_on(work, Reason::PutOnHold)
}

fn release(case: &Case, items: &[String], policy: &Policy) -> Decision {
    let Some(items) = known(items, policy) else {
        return Decision::keep(Reason::UnknownItem);
    };
    let mut work = case.work.clone();
    work.holds.retain(|hold| match &hold.item {
        Some(item) => !items.is_empty() && !items.contains(item),
        None => !items.is_empty(),
    });
    if work.holds == case.work.holds {
        return Decision::keep(Reason::NothingHeld);
    }
    work_on(work, Reason::HoldReleased)
}

/// What was to be looked at again by now comes back by itself.
pub(super) fn end_holds(case: &Case, policy: &Policy, now: DateTime<Utc>) -> Decision {
    let today = day_of(now, policy.zone);
    let mut work = case.work.clone();
    work.holds.retain(|hold| hold.look_again_on > today);
    work_on(work, Reason::HoldEnded)
        .telling(LetterKind::CaseConfirmed, super::work::StaffRole::Officer)
}

/// Both dates move by calendar months (Regulation 1182/71 Art. 3(2)(c): a month without that
/// day ends on its last day); the law's from receipt.
fn extend(
    case: &Case,
    months: u32,
    reason: ExtensionReason,
    policy: &Policy,
    now: DateTime<Utc>,
) -> Decision {
    if case.work.extended.is_some() {
        return Decision::keep(Reason::AlreadyExtended);
    }
    if !(1..=2).contains(&months) || (policy.law == Law::Ccpa && months == 2) {
        return Decision::keep(Reason::TooLong);
    }
    if nearest_date(case).is_none_or(|date| date.on < day_of(now, policy.zone)) {
        return Decision::keep(Reason::DatePassed);
    }
    let law_due_on = extended_law_due_on(case.received_at, months, policy);
    let later = |day: NaiveDate| day.checked_add_months(Months::new(months));
    // What we promise stays within what the law allows.
    let due_on = case.due_on.and_then(later).map(|on| law_due_on.map_or(on, |law| on.min(law)));
    let extended = Extended { at: now, due_on, law_due_on };
    let work = Work { extended: Some(extended), escalated: None, ..case.work.clone() };
    let letter = Letter::with(LetterKind::ExtensionNotice, json!({ "why": reason.as_str() }));
    Decision::change(Change::default(), Reason::DatesExtended)
        .with_work(work)
        .with_letter(letter, now)
}

fn tick(
    case: &Case,
    items: &[String],
    done: bool,
    policy: &Policy,
    now: DateTime<Utc>,
) -> Decision {
    let Some(items) = known(items, policy).filter(|items| !items.is_empty()) else {
        return Decision::keep(Reason::UnknownItem);
    };
    if done && items.iter().any(|item| case.work.hold_on(item).is_some()) {
        return Decision::keep(Reason::CaseOnHold);
    }
    let mut work = case.work.clone();
    for item in items {
        if done {
            work.ticked.entry(item).or_insert(now);
        } else {
            work.ticked.remove(&item);
        }
    }
    Decision::change(Change::default(), Reason::ItemsTicked).with_work(work)
}

/// The names of the items that are meant; `None` when one is none of the scope.
fn known(items: &[String], policy: &Policy) -> Option<Vec<String>> {
    items.iter().map(|text| find_item(text, policy).map(|item| item.item.clone())).collect()
}

fn complete(
    case: &Case,
    outcome: Outcome,
    deleted: &Deleted,
    kept: &[Kept],
    policy: &Policy,
    now: DateTime<Utc>,
) -> Decision {
    match (outcome, kept.is_empty()) {
        (Outcome::Partly, true) => return Decision::keep(Reason::KeptMissing),
        (Outcome::Deleted | Outcome::DeIdentified | Outcome::NothingFound, false) => {
            return Decision::keep(Reason::KeptContradicts);
        }
        _ => {}
    }
    let kept: Vec<Kept> = kept
        .iter()
        .map(|one| Kept {
            what: find_item(&one.what, policy).map_or(one.what.clone(), |item| item.item.clone()),
            ..one.clone()
        })
        .collect();
    let mut work = case.work.clone();
    for item in still_open(case, outcome, deleted, &kept, policy).0 {
        work.ticked.insert(item, now);
    }
    if !still_open(case, outcome, deleted, &kept, policy).1.is_empty() {
        return Decision::keep(Reason::ItemsOpen);
    }
    work.outcome = Some(outcome);
    work.grounds = kept.iter().map(|one| one.ground).collect();
    work.grounds.sort_unstable();
    work.grounds.dedup();
    let letter = Letter::completion(outcome, &kept);
    let case = Case { work, ..case.clone() };
    end(&case, Resolution::Completed, Reason::RequestCompleted, letter, policy, now)
}

/// Of the open items: those that are declared deleted, and those about which nothing is said.
/// What is on hold has to be kept on a ground, or released first.
pub fn still_open(
    case: &Case,
    outcome: Outcome,
    deleted: &Deleted,
    kept: &[Kept],
    policy: &Policy,
) -> (Vec<String>, Vec<String>) {
    if outcome == Outcome::NothingFound {
        return (Vec::new(), Vec::new());
    }
    let items = open_items(case, policy).into_iter().map(|item| item.item.clone());
    let unsaid = items.filter(|item| !kept.iter().any(|one| one.what == *item));
    unsaid.partition(|item| match deleted {
        Deleted::All => case.work.hold_on(item).is_none(),
        Deleted::Only(items) => items.contains(item) && case.work.hold_on(item).is_none(),
    })
}

/// Closes a case with a letter that stays on the desk for a while.
fn end(
    case: &Case,
    resolution: Resolution,
    reason: Reason,
    letter: Letter,
    policy: &Policy,
    now: DateTime<Utc>,
) -> Decision {
    let before = case.work.holds.clone();
    let decision = close(case, resolution, reason, now);
    let work = decision.change.work.clone().unwrap_or_default();
    // Kept, so that undo finds what was held.
    let work = Work { closed_from: Some(case.state), holds: before, ..work };
    decision
        .with_work(work)
        .with_letter(letter, now + Duration::minutes(policy.undo_minutes.into()))
}

fn undo(case: &Case, facts: &Facts) -> Decision {
    let ending: Vec<LetterKind> =
        facts.on_desk.iter().copied().filter(|kind| kind.can_be_undone()).collect();
    let (Some(state), false) = (case.work.closed_from, ending.is_empty()) else {
        return Decision::keep(Reason::NothingToUndo);
    };
    let mut work =
        Work { closed_from: None, outcome: None, grounds: Vec::new(), ..case.work.clone() };
    // What completing declared as deleted is open again.
    work.ticked.retain(|_, at| Some(*at) != case.closed_at);
    let change = Change { state: Some(state), ..Change::default() };
    let decision = Decision::change(change, Reason::StepUndone).with_work(work);
    Decision { cancel: ending, ..decision }
}
