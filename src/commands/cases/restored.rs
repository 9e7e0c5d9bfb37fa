//! `cases restored`: what has to be deleted again after a backup was put back.

use std::collections::HashMap;
use std::io::{BufRead as _, stdin};

use anyhow::{Context as _, Result};
use chrono::NaiveDate;

use crate::bot::Settings;
use crate::case::due::start_of;
use crate::mail::EmailAddress;
use crate::store::Store;

/// Names the deletions since that day of addresses that somebody gives. The desk itself no
/// longer knows the addresses, only keyed hashes of them.
pub(super) async fn restored(
    store: &Store,
    settings: &Settings,
    since: NaiveDate,
    addresses: Vec<String>,
) -> Result<()> {
    let since_at = start_of(since, settings.policy.zone);
    let mut done: HashMap<String, Vec<String>> = HashMap::new();
    for (key, reference, closed_at) in store.completed_since(since_at).await? {
        let line = format!("{reference}, completed {}", closed_at.format("%Y-%m-%d"));
        done.entry(key).or_default().push(line);
    }
    let texts = match addresses.is_empty() {
        false => addresses,
        true => {
            stdin().lock().lines().collect::<Result<_, _>>().context("Cannot read the addresses")?
        }
    };
    let mut again = 0;
    for text in texts.iter().map(|text| text.trim()).filter(|text| !text.is_empty()) {
        let address =
            EmailAddress::parse(text).with_context(|| format!("{text:?} is no mail address"))?;
        for line in done.get(&store.key().address_key(&address)).into_iter().flatten() {
            println!("{text}: delete again ({line})");
            again += 1;
        }
    }
    match again {
        0 => println!("None of these addresses was deleted since {since}."),
        count => println!("Deletions to do again: {count}."),
    }
    Ok(())
}
