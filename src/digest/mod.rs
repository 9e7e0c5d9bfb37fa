//! Cases, messages, letters + today → the daily digest. Pure.

pub mod brief;
pub mod history;
mod lines;

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;
use serde_json::{Value, json};

use crate::case::deadline::{Standing, day_of, nearest_date, standing};
use crate::case::{Letter, LetterKind, Policy, State};
use crate::compose::day_in_words;
use crate::store::cases::StoredCase;
use crate::store::inbox::Outcome;
use crate::store::journal::Entry;
use crate::store::lists::{LetterLine, MessageLine};
use brief::Brief;
use lines::{
    act_line, budget_lines, by_hand_line, closed_line, dismissal_line, letter_lines, message_line,
    message_name,
};
pub use lines::{why_in_words, why_shown};

/// Everything a digest is made of.
#[derive(Clone, Debug)]
pub struct Material {
    /// Cases that are open, and closed ones with a letter that came back.
    pub cases: Vec<Brief>,
    /// Cases closed since the last digest.
    pub closed: Vec<StoredCase>,
    /// What staff did since the last digest.
    pub acts: Vec<Entry>,
    /// Mails that a person sent to the requester of a case since then.
    pub by_hand: Vec<MessageLine>,
    /// What they took off the list since then.
    pub dismissals: Vec<(DateTime<Utc>, String)>,
    /// Messages for people, handled since the last digest, and old suggestions.
    pub messages: Vec<MessageLine>,
    /// Letters that are not done.
    pub letters: Vec<LetterLine>,
    /// Letters that failed since the last digest.
    pub failed: Vec<LetterLine>,
    /// Mails left alone since the last digest.
    pub left_alone: i64,
    /// Messages that were known under another key since the last digest.
    pub already_handled: i64,
    /// The last good poll.
    pub polled_at: Option<DateTime<Utc>>,
    /// When the server of the inbox last asked us to slow down, since the last digest.
    pub inbox_slowed_at: Option<DateTime<Utc>>,
    /// When the one that takes our letters did.
    pub mail_server_slowed_at: Option<DateTime<Utc>>,
    /// The newest hash of the journal.
    pub chain_head: String,
    /// When the last digest was written.
    pub since: DateTime<Utc>,
}

/// How the digest is cut.
#[derive(Clone, Debug)]
pub struct Shape<'a> {
    /// What is promised, and where.
    pub policy: &'a Policy,
    /// Lines of one section.
    pub rows_max: usize,
    /// `observe`, `approve` or `live`.
    pub mode: &'static str,
    /// Whether staff can act by answering.
    pub commands: bool,
    /// The colleague in whose place somebody gets it; empty for the officer's own.
    pub instead_of: &'a str,
}

/// A poll older than this is late (minutes).
const POLL_LATE_MINUTES: i64 = 15;

/// Writes the digest.
pub fn digest(material: &Material, shape: &Shape<'_>, now: DateTime<Utc>) -> Letter {
    let zone = shape.policy.zone;
    let today = day_of(now, zone);
    let groups = Groups::of(material, shape, today);
    let (mut more, mut about) = (0, Vec::new());
    let mut cases = |all: &[&Brief]| -> Vec<Value> {
        more += all.len().saturating_sub(shape.rows_max);
        let shown = all.iter().take(shape.rows_max);
        let line = |one: &&Brief| {
            about.push(one.stored.case.reference.to_string());
            one.lines(shape.policy, today)
        };
        shown.map(line).collect()
    };
    let (overdue, due_soon) = (cases(&groups.overdue), cases(&groups.due_soon));
    let (confirmed, in_progress) = (cases(&groups.confirmed), cases(&groups.in_progress));
    let (waiting, redirecting) = (cases(&groups.waiting), cases(&groups.redirecting));
    let (awaiting_proof, on_hold) = (cases(&groups.proof), cases(&groups.on_hold));
    let returned = cases(&groups.returned);
    let is_quarantined = |line: &&MessageLine| line.outcome == Some(Outcome::Quarantined);
    let (quarantined, for_staff): (Vec<&MessageLine>, Vec<&MessageLine>) =
        material.messages.iter().partition(is_quarantined);
    let mut messages = |all: Vec<&MessageLine>| -> Vec<Value> {
        more += all.len().saturating_sub(shape.rows_max);
        let shown: Vec<&MessageLine> = all.into_iter().take(shape.rows_max).collect();
        about.extend(shown.iter().map(|line| message_name(line.id)));
        shown.into_iter().map(|line| message_line(line, shape.policy)).collect()
    };
    let (quarantined, for_staff) = (messages(quarantined), messages(for_staff));
    let acts: Vec<Value> = material
        .acts
        .iter()
        .map(|act| act_line(act, zone))
        .chain(material.by_hand.iter().map(|line| by_hand_line(line, zone)))
        .chain(material.dismissals.iter().map(|(at, how)| dismissal_line(*at, how, zone)))
        .take(shape.rows_max)
        .collect();
    let closed: Vec<Value> = material.closed.iter().take(shape.rows_max).map(closed_line).collect();
    let polled_at = material.polled_at;
    let poll_late = polled_at.is_none_or(|at| (now - at).num_minutes() >= POLL_LATE_MINUTES);
    let values = json!({
        "subject": subject(&groups, material, shape, poll_late),
        "today": format!("{}, {}", today.format("%A"), day_in_words(today)),
        "mode": shape.mode,
        "commands": shape.commands,
        "instead_of": shape.instead_of,
        "poll": polled_at.map_or("never".to_owned(), |at| moment(at, today, zone)),
        "poll_late": poll_late,
        "slowed": slowed_lines(material, |at| moment(at, today, zone)),
        "overdue": overdue, "due_soon": due_soon, "confirmed": confirmed,
        "in_progress": in_progress, "waiting": waiting, "redirecting": redirecting,
        "awaiting_proof": awaiting_proof, "on_hold": on_hold, "returned": returned,
        "for_staff": for_staff, "quarantined": quarantined,
        "letters": letter_lines(material, shape.rows_max),
        "budgets": budget_lines(&material.letters),
        "acts": acts, "closed": closed,
        "left_alone": material.left_alone,
        "already_handled": material.already_handled,
        "chain_head": material.chain_head.get(..32).unwrap_or(&material.chain_head),
        "more": more,
    });
    Letter { about, ..Letter::with(LetterKind::Digest, values) }
}

/// Open cases by what they ask of staff today, the nearest date first.
struct Groups<'a> {
    overdue: Vec<&'a Brief>,
    due_soon: Vec<&'a Brief>,
    confirmed: Vec<&'a Brief>,
    in_progress: Vec<&'a Brief>,
    proof: Vec<&'a Brief>,
    on_hold: Vec<&'a Brief>,
    waiting: Vec<&'a Brief>,
    redirecting: Vec<&'a Brief>,
    returned: Vec<&'a Brief>,
}

impl<'a> Groups<'a> {
    fn of(material: &'a Material, shape: &Shape<'_>, today: NaiveDate) -> Groups<'a> {
        let mut all: Vec<&Brief> = material.cases.iter().collect();
        all.sort_by_key(|one| {
            let case = &one.stored.case;
            (nearest_date(case), case.received_at, one.stored.id)
        });
        let state = |one: &&Brief| one.stored.case.state;
        let stands = |one: &&Brief| standing(&one.stored.case, today, shape.policy.nearing_days);
        let pick = |wanted: &dyn Fn(&&Brief) -> bool| {
            all.iter().copied().filter(|one| wanted(one)).collect::<Vec<_>>()
        };
        let on_time =
            |wanted: State| pick(&|one| state(one) == wanted && stands(one) == Standing::OnTime);
        let is_new =
            |one: &&Brief| one.stored.case.confirmed_at.is_some_and(|at| at > material.since);
        let (confirmed, in_progress) = on_time(State::InProgress).into_iter().partition(is_new);
        let near = |wanted: Standing| pick(&|one| state(one).is_work() && stands(one) == wanted);
        Groups {
            overdue: near(Standing::Overdue),
            due_soon: near(Standing::DueSoon),
            confirmed,
            in_progress,
            proof: on_time(State::AwaitingProof),
            on_hold: on_time(State::OnHold),
            waiting: pick(&|one| state(one) == State::AwaitingVerification),
            redirecting: pick(&|one| state(one) == State::Redirecting),
            returned: pick(&|one| one.stored.case.work.returned.is_some()),
        }
    }
}

/// Servers that asked us to slow down, and how many letters wait by now.
fn slowed_lines(material: &Material, moment: impl Fn(DateTime<Utc>) -> String) -> Vec<Value> {
    let waits = |line: &&LetterLine| line.status == "waiting" && line.hold.is_none();
    let letters = match material.letters.iter().filter(waits).count() {
        0 => "No letter waits.".to_owned(),
        1 => "1 letter waits.".to_owned(),
        count => format!("{count} letters wait."),
    };
    let inbox = material.inbox_slowed_at.map(|at| ("server of the inbox", at, String::new()));
    let mail_server = material.mail_server_slowed_at.map(|at| ("mail server", at, letters));
    let line = |(server, at, waiting): (&str, DateTime<Utc>, String)| json!({ "server": server, "at": moment(at), "waiting": waiting });
    inbox.into_iter().chain(mail_server).map(line).collect()
}

/// The subject tells enough to leave the mail unopened on a quiet day.
fn subject(groups: &Groups<'_>, material: &Material, shape: &Shape<'_>, poll_late: bool) -> String {
    let mut parts = Vec::new();
    let mut add = |count: usize, words: &str| {
        if count > 0 {
            parts.push(format!("{count} {words}"));
        }
    };
    let soon = if shape.policy.nearing_days == 7 { "due this week" } else { "due soon" };
    let letters = material.letters.iter().filter(|line| line.status == "uncertain").count();
    add(usize::from(poll_late), "alarm: the inbox is not read");
    add(material.failed.len() + letters, "letters that need a person");
    add(groups.overdue.len(), "overdue");
    add(groups.due_soon.len(), soon);
    add(groups.confirmed.len(), "newly confirmed");
    add(material.messages.len() + groups.returned.len(), "to look at");
    if parts.is_empty() {
        return "Deletion requests: 0 due, all well".to_owned();
    }
    format!("Deletion requests: {}", parts.join(", "))
}

fn moment(at: DateTime<Utc>, today: NaiveDate, zone: Tz) -> String {
    let local = at.with_timezone(&zone);
    if local.date_naive() == today {
        format!("today at {}", local.format("%H:%M"))
    } else {
        format!("on {} at {}", day_in_words(local.date_naive()), local.format("%H:%M"))
    }
}
