//! An inbox in memory, for tests and `explain`.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::sync::Notify;

use super::{Fetched, Seen};

type Messages = Vec<(Seen, Vec<u8>)>;

/// Clones share one inbox: a test keeps one and gives the bot the other.
#[derive(Clone, Debug, Default)]
pub struct MemoryMailbox {
    messages: Arc<Mutex<Messages>>,
    news: Arc<Notify>,
}

impl MemoryMailbox {
    /// Puts a message in, under a key of its own.
    pub fn put(&self, key: &str, received_at: DateTime<Utc>, raw: &[u8]) {
        let seen = Seen { key: key.to_owned(), size: raw.len() as u64, received_at };
        self.with(|messages| messages.push((seen, raw.to_vec())));
        self.news.notify_one();
    }

    /// Gives every message a new key, as a server does whose UIDVALIDITY changed.
    pub fn renumber(&self, prefix: &str) {
        self.with(|messages| {
            for (index, (seen, _)) in messages.iter_mut().enumerate() {
                seen.key = format!("{prefix}:{index}");
            }
        });
    }

    /// Takes every message out, as somebody does who moves them.
    pub fn empty(&self) {
        self.with(Vec::clear);
    }

    fn with<T>(&self, act: impl FnOnce(&mut Messages) -> T) -> T {
        act(&mut self.messages.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn list(&self) -> Vec<String> {
        self.with(|messages| messages.iter().map(|(seen, _)| seen.key.clone()).collect())
    }

    pub(super) fn describe(&self, keys: &[String]) -> Vec<Seen> {
        let keys: HashSet<&String> = keys.iter().collect();
        self.with(|messages| {
            let seen = messages.iter().map(|(seen, _)| seen);
            seen.filter(|seen| keys.contains(&seen.key)).cloned().collect()
        })
    }

    pub(super) fn fetch(&self, wanted: &[Seen]) -> Vec<Fetched> {
        let keys: HashSet<&String> = wanted.iter().map(|seen| &seen.key).collect();
        self.with(|messages| {
            let wanted = messages.iter().filter(|(seen, _)| keys.contains(&seen.key));
            wanted.map(|(seen, raw)| Fetched { seen: seen.clone(), raw: Ok(raw.clone()) }).collect()
        })
    }

    pub(super) async fn wait(&self, poll: Duration) {
        let _ = tokio::time::timeout(poll, self.news.notified()).await;
    }
}
