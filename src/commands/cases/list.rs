//! `cases list` and `cases show`.

use anyhow::{Context as _, Result};
use chrono::{DateTime, NaiveDate, Utc};
use serde_json::{Value, json};

use super::reference;
use crate::bot::Settings;
use crate::bot::digest::brief;
use crate::case::deadline::{Standing, day_of, nearest_date, standing};
use crate::case::identity::{Show, card};
use crate::case::scope::scope_of;
use crate::case::{Means, Role};
use crate::digest::brief::{Brief, state_in_words};
use crate::digest::history::history;
use crate::store::Store;
use crate::store::cases::StoredCase;

pub(super) async fn list(
    store: &Store,
    settings: &Settings,
    all: bool,
    as_json: bool,
    now: DateTime<Utc>,
) -> Result<()> {
    let mut cases = store.cases(!all).await?;
    cases.sort_by_key(|stored| (nearest_date(&stored.case).is_none(), nearest_date(&stored.case)));
    if as_json {
        let rows: Vec<Value> = cases.iter().map(case_json).collect();
        println!("{}", serde_json::to_string_pretty(&rows)?);
        return Ok(());
    }
    if cases.is_empty() {
        println!(
            "No case is open.{}",
            if all { "" } else { " `cases list --all` shows closed ones, too." }
        );
        return Ok(());
    }
    let today = day_of(now, settings.policy.zone);
    println!("{:<14}  {:<28}  {:<24}  {:<28}  who", "case", "state", "nearest date", "asks as");
    for stored in &cases {
        let case = &stored.case;
        let date = nearest_date(case).map_or("-".to_owned(), |date| {
            let which = if date.by_law { "law" } else { "promised" };
            let late = match standing(case, today, settings.policy.nearing_days) {
                Standing::Overdue => ", OVERDUE",
                Standing::DueSoon => ", soon",
                Standing::OnTime | Standing::Done => "",
            };
            format!("{} {which}{late}", date.on)
        });
        println!(
            "{:<14}  {:<28}  {date:<24}  {:<28}  {}",
            case.reference.as_str(),
            state_in_words(case.state),
            case.role.map_or("-", Role::as_str),
            stored.subject.as_ref().map_or("(forgotten)", |subject| subject.as_str()),
        );
    }
    Ok(())
}

fn case_json(stored: &StoredCase) -> Value {
    let case = &stored.case;
    json!({
        "reference": case.reference.as_str(), "state": case.state.as_str(),
        "resolution": case.state.resolution().map(|resolution| resolution.as_str()),
        "role": case.role.map(Role::as_str), "source": case.source.as_str(),
        "address": stored.subject.as_ref().map(|subject| subject.as_str()),
        "received_at": case.received_at, "confirmed_at": case.confirmed_at,
        "confirmed_by": case.confirmed_by.map(Means::as_str),
        "due_on": case.due_on, "law_due_on": case.law_due_on, "closed_at": case.closed_at,
        "language": stored.language, "work": case.work,
    })
}

pub(super) async fn show(
    store: &Store,
    settings: &Settings,
    text: &str,
    as_json: bool,
) -> Result<()> {
    let reference = reference(text)?;
    let found = store.case_of_reference(&reference).await?;
    let stored = found.with_context(|| format!("There is no case {reference}"))?;
    let entries = store.journal_of(&reference).await?;
    let messages = store.messages_of(stored.id).await?;
    let letters = store.letters_of(stored.id).await?;
    let files = store.attachments_of(stored.id).await?;
    let brief = brief(store, settings, stored).await?;
    let stored = &brief.stored;
    if as_json {
        let value = json!({
            "case": case_json(stored),
            "card": lines_of_card(&brief, settings).into_iter()
                .map(|(what, text)| json!({ "what": what, "text": text })).collect::<Vec<_>>(),
            "files": files.iter().map(|file| json!({
                "at": file.at, "name": file.attachment.name, "type": file.attachment.content_type,
                "bytes": file.attachment.bytes, "sha256": file.attachment.sha256,
            })).collect::<Vec<_>>(),
            "history": entries.iter().map(|entry| json!({
                "at": entry.at, "event": entry.event, "reason": entry.reason, "detail": entry.detail,
            })).collect::<Vec<_>>(),
            "messages": messages.iter().map(|line| json!({
                "received_at": line.received_at, "reason": line.reason,
                "outcome": line.outcome.map(|outcome| outcome.as_str()),
            })).collect::<Vec<_>>(),
            "letters": letters.iter().map(|line| json!({
                "kind": line.kind, "status": line.status, "hold": line.hold,
                "submitted_at": line.submitted_at,
            })).collect::<Vec<_>>(),
        });
        println!("{}", serde_json::to_string_pretty(&value)?);
        return Ok(());
    }
    let zone = settings.policy.zone;
    let moment = |at: DateTime<Utc>| at.with_timezone(&zone).format("%Y-%m-%d %H:%M").to_string();
    print_head(&brief, settings);
    print_checklist(stored, settings, &moment);
    for file in &files {
        let one = &file.attachment;
        println!("  File          {} ({}, {} octets)", one.name, one.content_type, one.bytes);
        println!("                SHA-256 {}", one.sha256);
    }
    println!("\nHistory ({zone})");
    for (at, words) in history(&entries, &messages, &letters) {
        println!("  {}  {words}", moment(at));
    }
    Ok(())
}

fn lines_of_card(brief: &Brief, settings: &Settings) -> Vec<(&'static str, String)> {
    let address = brief.stored.subject.as_ref().map_or("(forgotten)", |subject| subject.as_str());
    card(
        &brief.stored.case,
        address,
        &brief.seen,
        &brief.finding,
        settings.policy.zone,
        Show::Whole,
    )
}

fn print_head(brief: &Brief, settings: &Settings) {
    let case = &brief.stored.case;
    let day = |day: Option<NaiveDate>| day.map_or("-".to_owned(), |day| day.to_string());
    println!("{}  {}", case.reference, state_in_words(case.state));
    println!("  {:<14}{}", "Next", brief.next_step(&settings.policy));
    println!("  {:<14}{}", "Promised by", day(case.due_on));
    println!("  {:<14}{}", "Law's date", day(case.law_due_on));
    for (what, text) in lines_of_card(brief, settings) {
        println!("  {what:<14}{text}");
    }
    for hold in &case.work.holds {
        let what = hold.item.as_deref().unwrap_or("everything");
        println!(
            "  {:<14}{what}, until {}: {}",
            "On hold",
            hold.look_again_on,
            hold.ground.describe()
        );
    }
}

fn print_checklist(
    stored: &StoredCase,
    settings: &Settings,
    moment: &dyn Fn(DateTime<Utc>) -> String,
) {
    if !stored.case.state.is_work() {
        return;
    }
    println!("\nChecklist");
    for item in scope_of(&stored.case, &settings.policy) {
        let ticked = stored.case.work.ticked.get(&item.item);
        let (tick, when) = match ticked {
            Some(at) => ("x", format!("  (since {})", moment(*at))),
            None => (" ", String::new()),
        };
        println!("  [{tick}] {:<20} {}{when}", item.item, item.label("en"));
    }
}
