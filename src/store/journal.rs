//! The journal: append-only, hash-chained, without personal data.

use anyhow::Result;
use chrono::{DateTime, Utc};
use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::{Store, Tx, instant, millis, random};
use crate::case::state::evolve;
use crate::case::{Act, Case, Change, Reference};

/// What the chain begins with.
pub const GENESIS: &str = "deletion-desk journal v1";

/// One entry, as it is read back.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its place in the chain.
    pub seq: i64,
    /// The case.
    pub reference: String,
    /// When.
    pub at: DateTime<Utc>,
    /// What happened.
    pub event: String,
    /// Why it was decided so.
    pub reason: String,
    /// The change, as JSON.
    pub decided: String,
    /// Who and what, when a person acted; deletable.
    pub detail: Option<String>,
    /// Hash of the salted detail.
    pub detail_hash: String,
    /// Its salt.
    pub salt: Option<String>,
    /// Hash of everything above but the detail itself.
    pub content: String,
    /// Hash of the chain so far and `content`.
    pub hash: String,
}

/// What goes into the chain.
pub(super) struct NewEntry<'a> {
    pub(super) reference: &'a Reference,
    pub(super) at: DateTime<Utc>,
    pub(super) event: &'a str,
    pub(super) reason: &'a str,
    pub(super) decided: &'a Change,
    pub(super) detail: Option<&'a str>,
}

/// What [`Store::verify_journal`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// Entries in the chain.
    pub entries: u64,
    /// The hash of the newest one.
    pub head: String,
    /// What is wrong, in words; empty when all is well.
    pub problems: Vec<String>,
}

/// What an entry adds to the chain: enough to check the chain without knowing the entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// Its place.
    pub seq: i64,
    /// Hash of its content.
    pub content: String,
    /// Hash of the one before and of its content.
    pub hash: String,
}

/// SHA-256 over parts, each behind its length.
pub fn hash(parts: &[&str]) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part.as_bytes());
    }
    HEXLOWER.encode(&hasher.finalize())
}

impl Entry {
    fn read(row: &SqliteRow) -> Entry {
        Entry {
            seq: row.get("seq"),
            reference: row.get("reference"),
            at: instant(row.get("at")),
            event: row.get("event"),
            reason: row.get("reason"),
            decided: row.get("decided"),
            detail: row.get("text"),
            detail_hash: row.get("detail_hash"),
            salt: row.get("salt"),
            content: row.get("content"),
            hash: row.get("hash"),
        }
    }

    /// What `content` has to be.
    pub fn expected_content(&self) -> String {
        let (seq, at) = (self.seq.to_string(), millis(self.at).to_string());
        hash(&[
            &seq,
            &self.reference,
            &at,
            &self.event,
            &self.reason,
            &self.decided,
            &self.detail_hash,
        ])
    }
}

impl Tx {
    pub(super) async fn append_journal(&mut self, new: &NewEntry<'_>) -> Result<()> {
        let (last_seq, prev) = self.read_journal_head().await?;
        let salt = new.detail.map(|_| random::salt()).transpose()?;
        let mut entry = Entry {
            seq: last_seq + 1,
            reference: new.reference.to_string(),
            at: new.at,
            event: new.event.to_owned(),
            reason: new.reason.to_owned(),
            decided: serde_json::to_string(new.decided)?,
            detail: new.detail.map(str::to_owned),
            detail_hash: match (&salt, new.detail) {
                (Some(salt), Some(detail)) => hash(&[salt, detail]),
                _ => String::new(),
            },
            salt,
            content: String::new(),
            hash: String::new(),
        };
        entry.content = entry.expected_content();
        entry.hash = hash(&[&prev, &entry.content]);
        self.rows.journal.push(json!([
            entry.seq,
            entry.reference,
            millis(entry.at),
            entry.event,
            entry.reason,
            entry.decided,
            entry.detail_hash,
            entry.content,
            entry.hash,
        ]));
        if let (Some(salt), Some(detail)) = (entry.salt, entry.detail) {
            self.rows.details.push(json!([entry.seq, salt, detail]));
        }
        self.journal_head = Some((entry.seq, entry.hash));
        Ok(())
    }

    async fn read_journal_head(&mut self) -> Result<(i64, String)> {
        if let Some(head) = &self.journal_head {
            return Ok(head.clone());
        }
        // A batch may be under way: what it adds to the journal is behind the head that it keeps.
        let last = sqlx::query("SELECT seq, hash FROM journal ORDER BY seq DESC LIMIT 1")
            .fetch_optional(&mut *self.inner)
            .await?;
        Ok(last.map_or((0, GENESIS.to_owned()), |row| (row.get(0), row.get(1))))
    }
}

impl Store {
    /// The entries of one case, oldest first.
    ///
    /// # Errors
    /// Storage errors.
    pub async fn journal_of(&self, reference: &Reference) -> Result<Vec<Entry>> {
        const SQL: &str = "SELECT journal.*, details.salt, details.text FROM journal \
            LEFT JOIN details ON details.seq = journal.seq WHERE reference = ? ORDER BY journal.seq";
        let rows = sqlx::query(SQL).bind(reference.as_str()).fetch_all(self.readers()).await?;
        Ok(rows.iter().map(Entry::read).collect())
    }

    /// The links of the chain from that place on, oldest first.
    ///
    /// # Errors
    /// Storage errors.
    pub async fn chain_from(&self, seq: i64) -> Result<Vec<Link>> {
        let sql = "SELECT seq, content, hash FROM journal WHERE seq >= ? ORDER BY seq";
        let rows = sqlx::query(sql).bind(seq).fetch_all(self.readers()).await?;
        let link =
            |row: &SqliteRow| Link { seq: row.get(0), content: row.get(1), hash: row.get(2) };
        Ok(rows.iter().map(link).collect())
    }

    /// What staff did in `(since, until]`, oldest first.
    ///
    /// # Errors
    /// Storage errors.
    pub async fn acts_between(
        &self,
        since: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Result<Vec<Entry>> {
        const SQL: &str = "SELECT journal.*, details.salt, details.text FROM journal \
            LEFT JOIN details ON details.seq = journal.seq WHERE at > ? AND at <= ? \
            AND (event IN (SELECT value FROM json_each(?)) OR (event = 'request-received' AND details.text IS NOT NULL)) ORDER BY journal.seq LIMIT 500";
        let names = serde_json::to_string(Act::NAMES)?;
        let query = sqlx::query(SQL).bind(millis(since)).bind(millis(until)).bind(names);
        Ok(query.fetch_all(self.readers()).await?.iter().map(Entry::read).collect())
    }

    /// The hash of the newest entry; `empty` before the first.
    ///
    /// # Errors
    /// Storage errors.
    pub async fn journal_head(&self) -> Result<String> {
        let head: Option<String> =
            sqlx::query_scalar("SELECT hash FROM journal ORDER BY seq DESC LIMIT 1")
                .fetch_optional(self.readers())
                .await?;
        Ok(head.unwrap_or_else(|| "empty".to_owned()))
    }

    /// Recomputes the whole chain, and folds each case out of it.
    ///
    /// # Errors
    /// Storage errors; what is wrong with the journal itself is in the result.
    pub async fn verify_journal(&self) -> Result<Verified> {
        const SQL: &str = "SELECT journal.*, details.salt, details.text FROM journal \
            LEFT JOIN details ON details.seq = journal.seq WHERE journal.seq > ? ORDER BY journal.seq LIMIT 1000";
        let mut chain = Chain { head: GENESIS.to_owned(), ..Chain::default() };
        loop {
            let rows = sqlx::query(SQL).bind(chain.last_seq).fetch_all(self.readers()).await?;
            if rows.is_empty() {
                break;
            }
            rows.iter().map(Entry::read).for_each(|entry| chain.take(&entry));
        }
        for stored in self.cases(false).await? {
            let folded = chain.cases.remove(stored.case.reference.as_str());
            if folded.flatten().as_ref() != Some(&stored.case) {
                chain
                    .problems
                    .push(format!("{} is not what its journal says", stored.case.reference));
            }
        }
        let missing =
            chain.cases.keys().map(|reference| format!("{reference} is in the journal only"));
        chain.problems.extend(missing);
        Ok(Verified { entries: chain.entries, head: chain.head, problems: chain.problems })
    }
}

#[derive(Default)]
struct Chain {
    entries: u64,
    last_seq: i64,
    head: String,
    cases: std::collections::BTreeMap<String, Option<Case>>,
    problems: Vec<String>,
}

impl Chain {
    fn take(&mut self, entry: &Entry) {
        if entry.seq != self.last_seq + 1 {
            self.problems.push(format!("entry {} is missing", self.last_seq + 1));
        } else if entry.hash != hash(&[&self.head, &entry.content]) {
            self.problems.push(format!("entry {} does not follow the one before it", entry.seq));
        }
        if entry.content != entry.expected_content() {
            self.problems.push(format!("entry {} was changed", entry.seq));
        }
        if let (Some(salt), Some(detail)) = (&entry.salt, &entry.detail)
            && hash(&[salt, detail]) != entry.detail_hash
        {
            self.problems.push(format!("the detail of entry {} was changed", entry.seq));
        }
        match serde_json::from_str::<Change>(&entry.decided) {
            Ok(change) => {
                let before = self.cases.remove(&entry.reference).flatten();
                self.cases.insert(entry.reference.clone(), evolve(before, &change));
            }
            Err(_) => self.problems.push(format!("entry {} cannot be read", entry.seq)),
        }
        self.entries += 1;
        self.last_seq = entry.seq;
        self.head.clone_from(&entry.hash);
    }
}
