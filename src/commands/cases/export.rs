//! `cases export`: one file about a case that can be checked without the database.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::reference;
use crate::bot::Settings;
use crate::case::state::evolve;
use crate::case::{Case, Change, Reference};
use crate::digest::brief::state_in_words;
use crate::store::Store;
use crate::store::journal::{Entry, Link, hash};

/// The file: the case's entries whole, and of everybody else's since then what the chain needs.
#[derive(Debug, Serialize, Deserialize)]
struct Export {
    /// What it is, for whoever finds it.
    about: String,
    reference: Reference,
    exported_at: DateTime<Utc>,
    organization: String,
    /// Hash that the chain had before the case's first entry.
    before: String,
    /// The chain from there to its head.
    chain: Vec<Link>,
    entries: Vec<Written>,
}

/// An entry of the journal, as it went into the chain.
#[derive(Debug, Serialize, Deserialize)]
struct Written {
    seq: i64,
    at: DateTime<Utc>,
    event: String,
    reason: String,
    /// The change, as its text was hashed.
    decided: String,
    detail: Option<String>,
    salt: Option<String>,
    detail_hash: String,
}

const ABOUT: &str = "A case of deletion-desk. `deletion-desk journal verify --file FILE` checks it: \
    each entry against its hash, the chain link by link up to its head, which stood in the daily digest.";

/// Writes the file, or prints it.
///
/// # Errors
/// When there is no such case, or the file cannot be written.
pub async fn export(
    store: &Store,
    settings: &Settings,
    text: &str,
    to: Option<&Path>,
    now: DateTime<Utc>,
) -> Result<()> {
    let reference = reference(text)?;
    let entries = store.journal_of(&reference).await?;
    let first = entries.first().with_context(|| format!("There is no case {reference}"))?.seq;
    let mut chain = store.chain_from(first - 1).await?;
    let before = match chain.first() {
        Some(link) if link.seq < first => chain.remove(0).hash,
        _ => crate::store::journal::GENESIS.to_owned(),
    };
    let written = entries.into_iter().map(written).collect();
    let export = Export {
        about: ABOUT.to_owned(),
        reference: reference.clone(),
        exported_at: now,
        organization: settings.identity.organization.clone(),
        before,
        chain,
        entries: written,
    };
    let json = serde_json::to_string_pretty(&export)?;
    match to {
        None => println!("{json}"),
        Some(file) => {
            fs::write(file, json).with_context(|| format!("Cannot write {}", file.display()))?;
            println!(
                "{reference} is in {}. Check it with `deletion-desk journal verify --file`.",
                file.display()
            );
        }
    }
    Ok(())
}

fn written(entry: Entry) -> Written {
    Written {
        seq: entry.seq,
        at: entry.at,
        event: entry.event,
        reason: entry.reason,
        decided: entry.decided,
        detail: entry.detail,
        salt: entry.salt,
        detail_hash: entry.detail_hash,
    }
}

/// Checks such a file: its entries, its chain, and what the case comes to. Returns what it
/// proves, in words.
///
/// # Errors
/// What is wrong with it.
pub fn check_file(file: &Path) -> Result<String> {
    let text =
        fs::read_to_string(file).with_context(|| format!("Cannot read {}", file.display()))?;
    let export: Export = serde_json::from_str(&text)
        .with_context(|| format!("{} is no file of `cases export`", file.display()))?;
    let mut head = export.before.clone();
    let mut seq = export.chain.first().map_or(0, |link| link.seq);
    for link in &export.chain {
        if link.seq != seq || link.hash != hash(&[&head, &link.content]) {
            bail!("The chain is broken at entry {seq}");
        }
        head.clone_from(&link.hash);
        seq += 1;
    }
    let mut case: Option<Case> = None;
    for entry in &export.entries {
        check_entry(&export, entry)?;
        let change: Change = serde_json::from_str(&entry.decided)
            .with_context(|| format!("Entry {} cannot be read", entry.seq))?;
        case = evolve(case, &change);
    }
    let case = case.context("It holds no case")?;
    Ok(format!(
        "{}: {} entries verify; the case is {}. The chain goes on to entry {}, head {head}",
        export.reference,
        export.entries.len(),
        state_in_words(case.state),
        seq - 1
    ))
}

fn check_entry(export: &Export, entry: &Written) -> Result<()> {
    let link = export.chain.iter().find(|link| link.seq == entry.seq);
    let link = link.with_context(|| format!("The chain has no entry {}", entry.seq))?;
    let content = hash(&[
        &entry.seq.to_string(),
        export.reference.as_str(),
        &entry.at.timestamp_millis().to_string(),
        &entry.event,
        &entry.reason,
        &entry.decided,
        &entry.detail_hash,
    ]);
    if content != link.content {
        bail!("Entry {} was changed", entry.seq);
    }
    if let (Some(salt), Some(detail)) = (&entry.salt, &entry.detail)
        && hash(&[salt, detail]) != entry.detail_hash
    {
        bail!("The detail of entry {} was changed", entry.seq);
    }
    Ok(())
}
