//! Tells in the terminal what came in, what was decided and why, and what was sent.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use chrono::DateTime;
use tokio::time::sleep;

use super::page::{Sent, sent};
use crate::digest::history::reason_in_words;
use crate::digest::why_in_words;
use crate::store::Store;
use crate::store::inbox::Outcome;
use crate::store::lists::MessageLine;

/// How often it looks.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// What was told so far.
pub(super) struct Teller {
    store: Store,
    out: PathBuf,
    /// What the demo says of the mails that it put in, by their key.
    came: BTreeMap<String, &'static str>,
    told_messages: BTreeSet<i64>,
    told_entries: BTreeSet<i64>,
    letters: Vec<Sent>,
}

impl Teller {
    pub(super) fn new(store: Store, out: PathBuf) -> Teller {
        Teller {
            store,
            out,
            came: BTreeMap::new(),
            told_messages: BTreeSet::new(),
            told_entries: BTreeSet::new(),
            letters: Vec::new(),
        }
    }

    /// A mail was put into the inbox.
    pub(super) fn came(&mut self, key: String, what: &'static str) {
        self.came.insert(key, what);
    }

    /// The link in the newest letter that has one.
    pub(super) fn last_link(&self) -> Option<String> {
        self.letters.iter().rev().find_map(|letter| letter.link.clone())
    }

    /// Whether a letter with such a subject was sent.
    pub(super) fn has_letter(&self, subject: &str) -> bool {
        self.letters.iter().any(|letter| letter.subject.starts_with(subject))
    }

    /// Looks and tells for a while.
    pub(super) async fn tell_for(&mut self, time: Duration) -> Result<()> {
        let until = tokio::time::Instant::now() + time;
        loop {
            self.tell_messages().await?;
            self.tell_entries().await?;
            self.tell_letters();
            if tokio::time::Instant::now() >= until {
                return Ok(());
            }
            sleep(LOOK_EVERY).await;
        }
    }

    async fn tell_messages(&mut self) -> Result<()> {
        let mut lines = self.store.messages_handled_since(DateTime::UNIX_EPOCH).await?;
        lines.retain(|line| !self.told_messages.contains(&line.id));
        for line in lines {
            let what =
                self.came.get(&line.key).copied().unwrap_or("an entry of the form on the page");
            println!("  in   {what}");
            println!("       {}\n", became(&line));
            self.told_messages.insert(line.id);
        }
        Ok(())
    }

    async fn tell_entries(&mut self) -> Result<()> {
        for stored in self.store.cases(false).await? {
            for entry in self.store.journal_of(&stored.case.reference).await? {
                let told = !self.told_entries.insert(entry.seq);
                if told
                    || entry.event == "verification-released"
                    || entry.event == "request-received"
                {
                    continue;
                }
                println!(
                    "  case {}: {} ({})\n",
                    entry.reference,
                    reason_in_words(&entry.reason),
                    entry.reason
                );
            }
        }
        Ok(())
    }

    fn tell_letters(&mut self) {
        for letter in sent(&self.out).into_iter().skip(self.letters.len()) {
            println!("  out  to {}: \"{}\"", letter.to, letter.subject);
            if let Some(link) = &letter.link {
                println!("       press: {link}");
            }
            println!();
            self.letters.push(letter);
        }
    }
}

fn became(line: &MessageLine) -> String {
    let case = line.reference.as_deref().unwrap_or_default();
    match line.outcome {
        Some(Outcome::Opened) => {
            format!("opened {case}: the address is asked to confirm ({})", line.reason)
        }
        Some(Outcome::Joined) => {
            format!("joins {case}, which waits for its confirmation ({})", line.reason)
        }
        Some(Outcome::Noted) => format!("noted on {case} ({})", line.reason),
        Some(Outcome::ForStaff) => {
            format!("shown to staff, nobody is answered: {}", why_in_words(&line.reason))
        }
        Some(Outcome::LeftAlone) => format!("left alone, no answer ({})", line.reason),
        Some(outcome) => format!("{} {case} ({})", outcome.as_str(), line.reason),
        None => line.reason.clone(),
    }
}
