//! A case in the few lines that staff read: in the digest, in mails about it, on its page.

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;
use serde_json::{Value, json};

use crate::case::deadline::{NearestDate, day_of, nearest_date};
use crate::case::identity::{Finding, Seen, in_a_line};
use crate::case::scope::open_items;
use crate::case::work::Proof;
use crate::case::{Case, Policy, Role, Source, State};
use crate::compose::day_in_words;
use crate::store::cases::StoredCase;

/// A case with what is known of who asks.
#[derive(Clone, Debug)]
pub struct Brief {
    /// The case.
    pub stored: StoredCase,
    /// What was seen when they asked and confirmed.
    pub seen: Vec<Seen>,
    /// What the list of accounts says.
    pub finding: Finding,
    /// When somebody last wrote to the requester by hand.
    pub by_hand_at: Option<DateTime<Utc>>,
}

/// Days before its nearest date on which a case calls for an act, beside every day after it.
const ALARM_DAYS: [i64; 3] = [7, 3, 1];

impl Brief {
    /// Its lines, as values for a template.
    pub fn lines(&self, policy: &Policy, today: NaiveDate) -> Value {
        let case = &self.stored.case;
        let nearest = nearest_date(case);
        let left = nearest.map(|date| (date.on - today).num_days());
        json!({
            "reference": case.reference.as_str(),
            "who": self.stored.subject.as_ref().map_or("forgotten".to_owned(), |one| one.masked()),
            "state": state_in_words(case.state),
            "card": in_a_line(case, &self.seen, &self.finding),
            "date": nearest.map(|date| day_in_words(date.on)).unwrap_or_default(),
            "which": which_date(nearest),
            "days": nearest.map_or_else(|| without_date(case.state), |date| days_left(date.on, today)),
            "alarm": left.is_some_and(|left| left < 0 || ALARM_DAYS.contains(&left)),
            "bar": format!("{}/{}", left.unwrap_or(0).max(0), policy.fulfil_days),
            "other": other_date(case, nearest),
            "next": self.next_step(policy),
            "note": self.came(policy.zone),
        })
    }

    /// What staff have to do now, if anything.
    pub fn next_step(&self, policy: &Policy) -> String {
        let case = &self.stored.case;
        let held = case.work.whole_hold().map(|hold| (hold.look_again_on, hold.ground));
        match (case.state, case.role) {
            (State::AwaitingVerification, _) => "wait for the requester to confirm".to_owned(),
            (State::AwaitingProof, _) if case.work.proof == Some(Proof::Received) => {
                "look at the authorization that came: approve it, ask again, or refuse".to_owned()
            }
            (State::AwaitingProof, _) => "wait for the authorization".to_owned(),
            (State::OnHold, _) => held.map_or("look again".to_owned(), |(on, ground)| {
                format!("look again on {} ({})", day_in_words(on), ground.describe())
            }),
            (State::Redirecting, _) => {
                "nothing: they were sent to the business; forward it yourselves if you know which"
                    .to_owned()
            }
            (State::InProgress, Some(Role::Workspace)) if !self.is_admin() => {
                format!(
                    "check that the address is the owner's or an admin's, then {}",
                    to_delete(case, policy)
                )
            }
            (State::InProgress, Some(Role::NotSure) | None) => {
                format!("find out who they are, then {}", to_delete(case, policy))
            }
            (State::InProgress, _) => to_delete(case, policy),
            (State::Closed(_), _) if let Some(letter) = case.work.returned => format!(
                "the letter \u{201c}{}\u{201d} came back: reach them another way, then say \u{201c}seen\u{201d}",
                letter.as_str()
            ),
            (State::Closed(_), _) => "nothing".to_owned(),
        }
    }

    /// When and how it came, when it was confirmed, and when a person wrote.
    fn came(&self, zone: Tz) -> String {
        let case = &self.stored.case;
        let day = |at: DateTime<Utc>| day_in_words(day_of(at, zone));
        let confirmed =
            case.confirmed_at.map(|at| format!(", confirmed {}", day(at))).unwrap_or_default();
        let by_hand = self
            .by_hand_at
            .map(|at| format!(" Somebody wrote to the requester from the mailbox on {}.", day(at)))
            .unwrap_or_default();
        format!(
            "Received {} {}{confirmed}.{by_hand}",
            day(case.received_at),
            by_way_of(case.source)
        )
    }

    fn is_admin(&self) -> bool {
        matches!(self.finding, Finding::Admin(_))
    }
}

fn to_delete(case: &Case, policy: &Policy) -> String {
    match open_items(case, policy).len() {
        0 => "complete it: every item is ticked".to_owned(),
        1 => "delete the one item that is open".to_owned(),
        count => format!("delete the {count} items that are open"),
    }
}

/// A state for staff.
pub fn state_in_words(state: State) -> String {
    match state.resolution() {
        Some(resolution) => format!("closed ({})", resolution.as_str()),
        None => state.as_str().replace('-', " "),
    }
}

fn which_date(nearest: Option<NearestDate>) -> &'static str {
    match nearest {
        Some(date) if date.by_law => "The law's date is",
        Some(_) => "Promised by",
        None => "",
    }
}

/// The date that is not the nearest one.
fn other_date(case: &Case, nearest: Option<NearestDate>) -> String {
    match (nearest, case.due_on, case.law_due_on) {
        (Some(date), Some(due_on), _) if date.by_law => {
            format!("promised by {}", day_in_words(due_on))
        }
        (Some(date), _, Some(law)) if !date.by_law => {
            format!("the law's date is {}", day_in_words(law))
        }
        _ => String::new(),
    }
}

fn without_date(state: State) -> String {
    match state.resolution() {
        Some(_) => state_in_words(state),
        None => "no date".to_owned(),
    }
}

fn days_left(on: NaiveDate, today: NaiveDate) -> String {
    match (on - today).num_days() {
        0 => "today".to_owned(),
        1 => "1 day left".to_owned(),
        -1 => "1 day overdue".to_owned(),
        days if days < 0 => format!("{} days overdue", -days),
        days => format!("{days} days left"),
    }
}

fn by_way_of(source: Source) -> &'static str {
    match source {
        Source::Mail => "by mail",
        Source::Form => "by the website's form",
        Source::Page => "by our form",
        Source::Staff => "through staff",
    }
}
