//! What is known of cases and addresses inside one transaction: read for a whole batch at once,
//! and kept true as its decisions follow each other.

use std::collections::HashMap;

use anyhow::Result;
use chrono::{DateTime, Utc};
use sqlx::Row;

use super::cases::StoredCase;
use super::inbox::KnownBytes;
use super::{CaseId, Tx, instant};
use crate::case::LetterKind;
use crate::mail::EmailAddress;
use crate::mailbox::Folder;

/// Cases and addresses of a batch.
#[derive(Debug, Default)]
pub(super) struct Known {
    cases: HashMap<CaseId, StoredCase>,
    addresses: HashMap<String, KnownAddress>,
    /// How hashes of messages are known, of those that the batch asks for.
    pub(super) hashes: Option<HashMap<String, KnownBytes>>,
}

/// What decisions about one address rest on.
#[derive(Clone, Debug, Default)]
pub(super) struct KnownAddress {
    open: Vec<CaseId>,
    pub(super) letters: Vec<KnownLetter>,
    pub(super) suppressed: bool,
}

/// A letter to an address, however far it got.
#[derive(Clone, Debug)]
pub(super) struct KnownLetter {
    pub(super) kind: LetterKind,
    pub(super) case: Option<CaseId>,
    pub(super) to_staff: bool,
    /// When it left the desk, or may leave it.
    pub(super) at: DateTime<Utc>,
    pub(super) has_left: bool,
    pub(super) status: String,
}

impl Known {
    /// The open case for exactly this address, whatever the case of its letters.
    fn open_case_for(&self, key: &str, address: &EmailAddress) -> Option<StoredCase> {
        let lower = address.as_str().to_lowercase();
        let cases = self.addresses.get(key)?.open.iter().filter_map(|id| self.cases.get(id));
        let is_same = |stored: &&StoredCase| {
            let subject = stored.subject.as_ref().map(EmailAddress::as_str);
            stored.case.state.resolution().is_none()
                && subject.is_some_and(|subject| subject.to_lowercase() == lower)
        };
        cases.filter(is_same).min_by_key(|stored| stored.id).cloned()
    }

    fn set_case(&mut self, key: &str, stored: StoredCase) {
        let id = stored.id;
        if let Some(address) = self.addresses.get_mut(key)
            && !address.open.contains(&id)
        {
            address.open.push(id);
        }
        self.cases.insert(id, stored);
    }

    /// Takes note of a letter that was written.
    pub(super) fn add_letter(&mut self, key: &str, letter: KnownLetter) {
        if let Some(address) = self.addresses.get_mut(key) {
            address.letters.push(letter);
        }
    }

    /// Reads cases and addresses anew when they are needed next.
    pub(super) fn forget(&mut self) {
        self.cases.clear();
        self.addresses.clear();
    }
}

impl Tx {
    /// Begins a batch: reads what decisions about these addresses rest on, and from now on
    /// collects what they write. Until [`Tx::end_batch`] or the commit only decisions and
    /// outcomes of messages may follow.
    ///
    /// # Errors
    /// Storage errors.
    pub async fn begin_batch(&mut self, addresses: &[&EmailAddress]) -> Result<()> {
        self.read_addresses(addresses).await?;
        self.in_batch = true;
        Ok(())
    }

    /// As [`Tx::begin_batch`], about cases.
    ///
    /// # Errors
    /// Storage errors.
    pub async fn begin_batch_about(&mut self, cases: &[CaseId]) -> Result<()> {
        let found = self.cases_of(cases).await?;
        let addresses: Vec<&EmailAddress> =
            found.values().filter_map(|stored| stored.subject.as_ref()).collect();
        self.read_addresses(&addresses).await?;
        self.known.cases.extend(found);
        self.in_batch = true;
        Ok(())
    }

    /// Writes what a batch has collected, and decides one by one from here on.
    ///
    /// # Errors
    /// Storage errors.
    pub async fn end_batch(&mut self) -> Result<()> {
        self.known = Known::default();
        self.in_batch = false;
        self.write_rows().await
    }

    /// Of a batch out of one folder: which of these hashes belong to messages that were handled
    /// before.
    ///
    /// # Errors
    /// Storage errors.
    pub async fn read_hashes(&mut self, folder: &Folder, hashes: &[&str]) -> Result<()> {
        self.known.hashes = Some(self.known_hashes(folder, hashes).await?);
        Ok(())
    }

    /// Outside of a batch other statements stand between decisions: each reads anew.
    pub(super) fn forget_outside_batch(&mut self) {
        if !self.in_batch {
            self.known = Known::default();
        }
    }

    /// What a decision made of a case, for those that follow in the batch.
    pub(super) fn remember(&mut self, stored: StoredCase) {
        let key = stored.subject.as_ref().map(|subject| self.key.address_key(subject));
        self.known.set_case(&key.unwrap_or_default(), stored);
    }

    pub(super) async fn known_case(&mut self, id: CaseId) -> Result<Option<StoredCase>> {
        if let Some(stored) = self.known.cases.get(&id) {
            return Ok(Some(stored.clone()));
        }
        self.write_rows().await?;
        self.case(id).await
    }

    /// The open case for exactly this address, whatever the case of its letters. There is at
    /// most one: a further request joins it. Another plus-tag may be another account.
    ///
    /// # Errors
    /// Storage errors.
    pub async fn open_case_for(&mut self, address: &EmailAddress) -> Result<Option<StoredCase>> {
        self.forget_outside_batch();
        let key = self.key.address_key(address);
        self.read_unknown(&key, address).await?;
        Ok(self.known.open_case_for(&key, address))
    }

    /// What is known of an address, read now where nothing is.
    pub(super) async fn known_address(&mut self, address: &EmailAddress) -> Result<KnownAddress> {
        let key = self.key.address_key(address);
        self.read_unknown(&key, address).await?;
        Ok(self.known.addresses.get(&key).cloned().unwrap_or_default())
    }

    async fn read_unknown(&mut self, key: &str, address: &EmailAddress) -> Result<()> {
        if !self.known.addresses.contains_key(key) {
            self.write_rows().await?;
            self.read_addresses(&[address]).await?;
        }
        Ok(())
    }

    async fn read_addresses(&mut self, addresses: &[&EmailAddress]) -> Result<()> {
        const LETTERS: &str = "SELECT address_key, kind, case_id, to_staff, status, released_at, \
            coalesce(released_at, due_at) AS at FROM outbox \
            WHERE address_key IN (SELECT value FROM json_each(?)) AND status <> 'cancelled'";
        const SUPPRESSED: &str = "SELECT address_key FROM suppressions \
            WHERE address_key IN (SELECT value FROM json_each(?))";
        let mut found: HashMap<String, KnownAddress> = addresses
            .iter()
            .map(|address| (self.key.address_key(address), KnownAddress::default()))
            .collect();
        let keys = serde_json::to_string(&found.keys().collect::<Vec<_>>())?;
        for (key, stored) in self.open_cases_of(&keys).await? {
            if let Some(address) = found.get_mut(&key) {
                address.open.push(stored.id);
            }
            self.known.cases.insert(stored.id, stored);
        }
        let rows = sqlx::query(LETTERS).bind(&keys).fetch_all(self.connection()).await?;
        for row in &rows {
            let key: &str = row.get("address_key");
            let kind = LetterKind::parse(row.get("kind"));
            if let (Some(address), Some(kind)) = (found.get_mut(key), kind) {
                address.letters.push(KnownLetter {
                    kind,
                    case: row.get::<Option<i64>, _>("case_id").map(CaseId),
                    to_staff: row.get("to_staff"),
                    at: instant(row.get("at")),
                    has_left: row.get::<Option<i64>, _>("released_at").is_some(),
                    status: row.get("status"),
                });
            }
        }
        let query = sqlx::query_scalar(SUPPRESSED).bind(&keys);
        let suppressed: Vec<String> = query.fetch_all(self.connection()).await?;
        for key in suppressed {
            if let Some(address) = found.get_mut(&key) {
                address.suppressed = true;
            }
        }
        self.known.addresses.extend(found);
        Ok(())
    }
}
