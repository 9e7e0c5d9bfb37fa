//! The lines of the digest that are not about a case's work.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use serde_json::{Value, json};

use super::Material;
use super::history::WRITTEN_BY_HAND;
use crate::case::Policy;
use crate::case::Resolution;
use crate::case::deadline::{day_of, law_due_on};
use crate::classify::rules::Right;
use crate::compose::day_in_words;
use crate::store::cases::StoredCase;
use crate::store::inbox::Outcome;
use crate::store::journal::Entry;
use crate::store::lists::{LetterLine, MessageLine};

/// What a message is called in links and in commands.
pub(super) fn message_name(id: i64) -> String {
    format!("m{id}")
}

/// What somebody of the staff did.
pub(super) fn act_line(entry: &Entry, zone: Tz) -> Value {
    let at = entry.at.with_timezone(&zone);
    json!({
        "reference": entry.reference,
        "note": format!(
            "{}, {}",
            entry.detail.as_deref().unwrap_or(&entry.event),
            at.format("%-d %B at %H:%M")
        ),
    })
}

/// What somebody wrote to a requester without the desk.
pub(super) fn by_hand_line(line: &MessageLine, zone: Tz) -> Value {
    let at = line.received_at.with_timezone(&zone);
    json!({
        "reference": line.reference,
        "note": format!("{WRITTEN_BY_HAND}, {}", at.format("%-d %B at %H:%M")),
    })
}

/// What somebody took off the list.
pub(super) fn dismissal_line(at: DateTime<Utc>, how: &str, zone: Tz) -> Value {
    let at = at.with_timezone(&zone);
    json!({ "reference": "", "note": format!("{how}, {}", at.format("%-d %B at %H:%M")) })
}

pub(super) fn message_line(line: &MessageLine, policy: &Policy) -> Value {
    let zone = policy.zone;
    let command = match (line.proposed.is_empty(), line.outcome) {
        (false, Some(Outcome::ForStaff | Outcome::WouldAsk)) => {
            format!("deletion-desk cases open --from-message {} --by NAME", line.id)
        }
        _ => String::new(),
    };
    let who: Vec<String> = line.proposed.iter().map(|address| address.masked()).collect();
    json!({
        "id": message_name(line.id),
        "received_on": day_in_words(day_of(line.received_at, zone)),
        "who": who.join(", "),
        "why": why_shown(line, policy),
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

/// Why a message is shown to people; of a request by a right of the law, until when it wants an
/// answer.
pub fn why_shown(line: &MessageLine, policy: &Policy) -> String {
    let why = why_in_words(&line.reason);
    let due_on = match line.reason.as_str() {
        "access-request" | "rectification-request" | "objection" | "opt-out" => {
            law_due_on(line.received_at, policy)
        }
        _ => None,
    };
    match due_on {
        Some(on) => format!("{why}; the law wants an answer by {}", day_in_words(on)),
        None => why.to_owned(),
    }
}

/// What a reason means, for people who never saw the code.
pub fn why_in_words(reason: &str) -> &str {
    match reason {
        "possible-request" => "looks like a deletion request; open a case?",
        "would-ask" => "a deletion request; in live mode its sender would have been asked",
        "before-first-start" => {
            "a deletion request from before the first start; its clock may be running"
        }
        "found-in-junk" => {
            "found in the Junk folder and not answered; if it is genuine, move it to the inbox"
        }
        "automatic-request" => "a deletion request that a program sent; programs get no answer",
        "access-request" => Right::Access.asked_for(),
        "rectification-request" => Right::Rectification.asked_for(),
        "objection" => Right::Objection.asked_for(),
        "opt-out" => Right::OptOut.asked_for(),
        "sealed" => "encrypted, or in a form that only one mail program reads",
        "earlier-request" => "asks after an earlier request, or complains about it",
        "cannot-be-fetched" => "the mail server cannot give it",
        "ended-the-reader" => "ended the desk each time it was read",
        "forwarded-by-staff" => "passed on by a colleague; nobody was asked",
        "names-another-address" => {
            "a deletion request that names another address than its sender's"
        }
        "form-not-authenticated" => "looks like our form, but its sender is not authenticated",
        "form-without-address" => "our form, without a readable address",
        "possible-form-request" => "an entry of our contact form that may be a deletion request",
        "form-not-ours" => {
            "a deletion request in the notification of a form that bot.toml does not name"
        }
        "no-single-author" => "a deletion request without one plain sender address",
        "answer-unclear" => "an answer that is neither yes nor no",
        "answer-from-another-address" => {
            "an answer from another address than the one that was asked"
        }
        "answer-too-late" => "an answer to a letter that had expired",
        "later-mail" => "a later mail of a requester",
        "possible-bounce" => {
            "says that a letter to the requester of this case cannot arrive; nothing in it proves \
             that, so the case stays as it is"
        }
        "unclear-report" => {
            "a report on a letter of this case, which does not say what became of it"
        }
        "answer-to-return-path" => {
            "came to the address for reports of mail servers; if a person wrote it, act on it by hand"
        }
        "address-suppressed" => "a request for an address that said it never asks",
        "command-refused" => "an answer to a mail for staff, which may not act",
        "for-other-people" => "a deletion request for several people or addresses",
        "repeat-noted" => "a further request while a confirmed one is open (not verified)",
        "message-too-large" => "too large to be read",
        "header-too-large" => "its header is too large",
        "too-deeply-nested" => "too many parts inside each other",
        "not-a-message" => "not a mail",
        "unreadable" => "could not be read",
        other => other,
    }
}

pub(super) fn letter_lines(material: &Material, rows_max: usize) -> Vec<Value> {
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

pub(super) fn budget_lines(letters: &[LetterLine]) -> Vec<Value> {
    let mut lines = Vec::new();
    const CLASSES: [(&str, &str); 4] = [
        ("authenticated", "authenticated mail"),
        ("direct", "other mail"),
        ("form", "forms"),
        ("page", "our own form"),
    ];
    for (class, words) in CLASSES {
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

pub(super) fn closed_line(stored: &StoredCase) -> Value {
    let words = match stored.case.state.resolution() {
        Some(Resolution::Completed) => "completed",
        Some(Resolution::Refused) => "refused",
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
