//! Cases, messages, letters + today → the daily digest. Pure.

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;
use serde_json::{Value, json};

use crate::case::deadline::{NearestDate, Standing, day_of, nearest_date, standing};
use crate::case::{Case, Letter, Means, Resolution, Role, Source, State};
use crate::compose::day_in_words;
use crate::store::cases::StoredCase;
use crate::store::inbox::Outcome;
use crate::store::lists::{LetterLine, MessageLine};

/// Everything a digest is made of.
#[derive(Clone, Debug)]
pub struct Material {
    /// Cases that are open.
    pub open: Vec<StoredCase>,
    /// Cases closed since the last digest.
    pub closed: Vec<StoredCase>,
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
    /// The newest hash of the journal.
    pub chain_head: String,
    /// When the last digest was written.
    pub since: DateTime<Utc>,
}

/// How the digest is cut.
#[derive(Clone, Debug)]
pub struct Shape {
    /// The organisation's zone.
    pub zone: Tz,
    /// Days before a date from which a case is due soon.
    pub nearing_days: u32,
    /// Lines of one section.
    pub rows_max: usize,
    /// `observe`, `approve` or `live`.
    pub mode: &'static str,
}

/// A poll older than this is late (minutes).
const POLL_LATE_MINUTES: i64 = 15;

/// Writes the digest.
pub fn digest(material: &Material, shape: &Shape, now: DateTime<Utc>) -> Letter {
    let today = day_of(now, shape.zone);
    let groups = Groups::of(material, shape, today);
    let mut more = 0;
    let mut cases = |all: &[&StoredCase]| -> Vec<Value> {
        more += all.len().saturating_sub(shape.rows_max);
        all.iter().take(shape.rows_max).map(|stored| case_line(stored, today, shape)).collect()
    };
    let (overdue, due_soon) = (cases(&groups.overdue), cases(&groups.due_soon));
    let (confirmed, in_progress) = (cases(&groups.confirmed), cases(&groups.in_progress));
    let (waiting, redirecting) = (cases(&groups.waiting), cases(&groups.redirecting));
    let is_quarantined = |line: &&MessageLine| line.outcome == Some(Outcome::Quarantined);
    let (quarantined, for_staff): (Vec<&MessageLine>, Vec<&MessageLine>) =
        material.messages.iter().partition(is_quarantined);
    let mut messages = |all: Vec<&MessageLine>| -> Vec<Value> {
        more += all.len().saturating_sub(shape.rows_max);
        all.into_iter().take(shape.rows_max).map(|line| message_line(line, shape.zone)).collect()
    };
    let (quarantined, for_staff) = (messages(quarantined), messages(for_staff));
    let polled_at = material.polled_at;
    let poll_late = polled_at.is_none_or(|at| (now - at).num_minutes() >= POLL_LATE_MINUTES);
    let closed: Vec<Value> = material.closed.iter().take(shape.rows_max).map(closed_line).collect();
    Letter::digest(json!({
        "subject": subject(&groups, material),
        "today": format!("{}, {}", today.format("%A"), day_in_words(today)),
        "mode": shape.mode,
        "poll": polled_at.map_or("never".to_owned(), |at| moment(at, today, shape.zone)),
        "poll_late": poll_late,
        "overdue": overdue, "due_soon": due_soon, "confirmed": confirmed,
        "in_progress": in_progress, "waiting": waiting, "redirecting": redirecting,
        "for_staff": for_staff,
        "quarantined": quarantined,
        "letters": letter_lines(material, shape.rows_max),
        "budgets": budget_lines(&material.letters),
        "closed": closed,
        "left_alone": material.left_alone,
        "already_handled": material.already_handled,
        "chain_head": material.chain_head.get(..16).unwrap_or(&material.chain_head),
        "more": more,
    }))
}

/// Open cases by what they ask of staff today, the nearest date first.
struct Groups<'a> {
    overdue: Vec<&'a StoredCase>,
    due_soon: Vec<&'a StoredCase>,
    confirmed: Vec<&'a StoredCase>,
    in_progress: Vec<&'a StoredCase>,
    waiting: Vec<&'a StoredCase>,
    redirecting: Vec<&'a StoredCase>,
}

impl<'a> Groups<'a> {
    fn of(material: &'a Material, shape: &Shape, today: NaiveDate) -> Groups<'a> {
        let mut open: Vec<&StoredCase> = material.open.iter().collect();
        open.sort_by_key(|one| (nearest_date(&one.case), one.case.received_at, one.id));
        let in_state = |state| open.iter().filter(move |one| one.case.state == state).copied();
        let stands = |wanted: Standing| {
            in_state(State::InProgress)
                .filter(move |one| standing(&one.case, today, shape.nearing_days) == wanted)
        };
        let is_new =
            |one: &&StoredCase| one.case.confirmed_at.is_some_and(|at| at > material.since);
        let (confirmed, in_progress) = stands(Standing::OnTime).partition(is_new);
        Groups {
            overdue: stands(Standing::Overdue).collect(),
            due_soon: stands(Standing::DueSoon).collect(),
            confirmed,
            in_progress,
            waiting: in_state(State::AwaitingVerification).collect(),
            redirecting: in_state(State::Redirecting).collect(),
        }
    }
}

/// The subject tells enough to leave the mail unopened on a quiet day.
fn subject(groups: &Groups<'_>, material: &Material) -> String {
    let mut parts = Vec::new();
    let mut add = |count: usize, words: &str| {
        if count > 0 {
            parts.push(format!("{count} {words}"));
        }
    };
    add(groups.overdue.len(), "overdue");
    add(groups.due_soon.len(), "due soon");
    add(groups.confirmed.len(), "newly confirmed");
    add(material.messages.len(), "to look at");
    if parts.is_empty() {
        return "Deletion requests: 0 due, all well".to_owned();
    }
    format!("Deletion requests: {}", parts.join(", "))
}

fn case_line(stored: &StoredCase, today: NaiveDate, shape: &Shape) -> Value {
    let case = &stored.case;
    let nearest = nearest_date(case);
    let other = other_date(case, nearest);
    json!({
        "reference": case.reference.as_str(),
        "who": stored.subject.as_ref().map_or("forgotten".to_owned(), |subject| subject.masked()),
        "role": role_words(case),
        "date": nearest.map(|date| day_in_words(date.on)).unwrap_or_default(),
        "which": which_date(nearest),
        "days": nearest.map_or("no date".to_owned(), |date| days_left(date.on, today)),
        "other": other,
        "note": note(case, shape.zone),
    })
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

fn role_words(case: &Case) -> String {
    match (case.state, case.role) {
        (State::AwaitingVerification, _) => "Not confirmed".to_owned(),
        (_, Some(role)) => format!("Says: {}", role.describe()),
        (_, None) => "Role not told (confirmed by mail)".to_owned(),
    }
}

fn note(case: &Case, zone: Tz) -> String {
    let received = format!(
        "Received {} {}",
        day_in_words(day_of(case.received_at, zone)),
        by_way_of(case.source)
    );
    let confirmed = match (case.confirmed_at, case.confirmed_by) {
        (Some(at), Some(Means::Page)) => {
            format!(", confirmed {} on the page", day_in_words(day_of(at, zone)))
        }
        (Some(at), _) => format!(", confirmed {} by mail", day_in_words(day_of(at, zone))),
        _ => String::new(),
    };
    let check = match case.role {
        Some(Role::Workspace) => " Check that the address is the owner's or an admin's.",
        Some(Role::Business) => " Ask for proof of authorization.",
        _ => "",
    };
    format!("{received}{confirmed}.{check}")
}

fn by_way_of(source: Source) -> &'static str {
    match source {
        Source::Mail => "by mail",
        Source::Form => "by the website's form",
        Source::Page => "by our form",
        Source::Staff => "through staff",
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

fn moment(at: DateTime<Utc>, today: NaiveDate, zone: Tz) -> String {
    let local = at.with_timezone(&zone);
    if local.date_naive() == today {
        format!("today at {}", local.format("%H:%M"))
    } else {
        format!("on {} at {}", day_in_words(local.date_naive()), local.format("%H:%M"))
    }
}

fn message_line(line: &MessageLine, zone: Tz) -> Value {
    let command = match (&line.proposed, line.outcome) {
        (Some(_), Some(Outcome::ForStaff | Outcome::WouldAsk)) => {
            format!("deletion-desk cases open --from-message {} --by NAME", line.id)
        }
        _ => String::new(),
    };
    json!({
        "received_on": day_in_words(day_of(line.received_at, zone)),
        "who": line.proposed.as_ref().map(|address| address.masked()).unwrap_or_default(),
        "why": why_in_words(&line.reason),
        "reference": match line.outcome {
            Some(Outcome::Quarantined) => {
                format!("arrived at {}", line.received_at.with_timezone(&zone).format("%H:%M:%S"))
            }
            _ => line.reference.clone().unwrap_or_default(),
        },
        "excerpt": line.excerpt.clone().unwrap_or_default(),
        "command": command,
    })
}

/// What a reason means, for people who never saw the code.
pub fn why_in_words(reason: &str) -> &str {
    match reason {
        "possible-request" => "may be a deletion request",
        "would-ask" => "a deletion request; in live mode its sender would have been asked",
        "before-first-start" => {
            "a deletion request from before the first start; its clock may be running"
        }
        "automatic-request" => "a deletion request that a program sent; programs get no answer",
        "cannot-be-fetched" => "the mail server cannot give it",
        "ended-the-reader" => "ended the desk each time it was read",
        "forwarded-by-staff" => "passed on by a colleague; nobody was asked",
        "names-another-address" => {
            "a deletion request that names another address than its sender's"
        }
        "form-not-authenticated" => "looks like our form, but its sender is not authenticated",
        "form-without-address" => "our form, without a readable address",
        "no-single-author" => "a deletion request without one plain sender address",
        "answer-unclear" => "an answer that is neither yes nor no",
        "answer-from-another-address" => {
            "an answer from another address than the one that was asked"
        }
        "answer-too-late" => "an answer to a letter that had expired",
        "later-mail" => "a later mail of a requester",
        "address-suppressed" => "a request for an address that said it never asks",
        "repeat-noted" => "a further request while a confirmed one is open (not verified)",
        "message-too-large" => "too large to be read",
        "header-too-large" => "its header is too large",
        "too-deeply-nested" => "too many parts inside each other",
        "not-a-message" => "not a mail",
        "unreadable" => "could not be read",
        other => other,
    }
}

fn letter_lines(material: &Material, rows_max: usize) -> Vec<Value> {
    let uncertain = material.letters.iter().filter(|line| line.status == "uncertain");
    let retried =
        material.letters.iter().filter(|line| line.status == "waiting" && line.attempts >= 3);
    let describe = |line: &LetterLine| {
        let what = match line.status.as_str() {
            "uncertain" => {
                "may or may not have arrived, twice; ask the requester, then `letters retry` or `letters drop`"
            }
            "refused" => "was refused by the mail server",
            "bounced" => "came back as undeliverable",
            "given-up" => "could not be handed over, after many attempts",
            _ => "is being tried again",
        };
        let note = line.note.as_deref().filter(|note| !note.is_empty());
        json!({
            "reference": line.reference.clone().unwrap_or_else(|| "staff".to_owned()),
            "note": format!("{} {what}{}", line.kind, note.map(|note| format!(" ({note})")).unwrap_or_default()),
        })
    };
    material.failed.iter().chain(uncertain).chain(retried).take(rows_max).map(describe).collect()
}

fn budget_lines(letters: &[LetterLine]) -> Vec<Value> {
    let mut lines = Vec::new();
    for (class, words) in
        [("authenticated", "authenticated mail"), ("direct", "other mail"), ("form", "forms")]
    {
        let held = |line: &&LetterLine| {
            line.hold.as_deref() == Some("budget") && line.class.as_deref() == Some(class)
        };
        let count = letters.iter().filter(held).count();
        if count > 0 {
            lines.push(json!({ "note": format!(
                "Verification mails for requests by {words}: {count}. The oldest goes first."
            ) }));
        }
    }
    let waiting = letters.iter().filter(|line| line.hold.as_deref() == Some("approval")).count();
    if waiting > 0 {
        lines.push(json!({ "note": format!("Letters that wait for your approval: {waiting}.") }));
    }
    lines
}

fn closed_line(stored: &StoredCase) -> Value {
    let words = match stored.case.state.resolution() {
        Some(Resolution::Completed) => "completed",
        Some(Resolution::Redirected) => {
            "closed: the requester was sent to the business that controls the data"
        }
        Some(Resolution::Withdrawn) => "withdrawn, or never asked for by the owner of the mailbox",
        Some(Resolution::Expired) => "lapsed: nobody confirmed in time",
        Some(Resolution::Undeliverable) => "closed: the verification mail cannot be delivered",
        None => "open",
    };
    json!({ "reference": stored.case.reference.as_str(), "note": words })
}
