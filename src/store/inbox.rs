//! Which messages were seen, and what became of each.

use std::collections::{HashMap, HashSet};

use anyhow::{Context as _, Result};
use chrono::{DateTime, Utc};
use serde_json::json;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::{CaseId, Tx, instant, millis, random};
use crate::case::state::named;
use crate::mail::EmailAddress;
use crate::mailbox::{Folder, JUNK, SENT, Seen, is_in};

/// A message has this many chances to be read before it is set aside.
pub const READ_ATTEMPTS_MAX: i64 = 2;

/// The reason of mail that was there before the first start.
pub const OLD: &str = "before-first-start";

named! {
    /// What became of a message. Each has exactly one.
    Outcome {
        /// A case was opened and its address is asked.
        Opened = "opened",
        /// It was about a case that was already waiting for its verification.
        Joined = "joined",
        /// It is listed on a confirmed case.
        Noted = "noted",
        /// It confirmed its case.
        Confirmed = "confirmed",
        /// It told more about its case: who is asking, or proof.
        Told = "told",
        /// A member of staff acted with it.
        Acted = "acted",
        /// It ended its case: withdrawn, or never asked.
        Ended = "ended",
        /// It reported a letter that cannot arrive.
        Bounced = "bounced",
        /// It reported a letter that has not arrived yet.
        Delayed = "delayed",
        /// A person has to look.
        ForStaff = "for-staff",
        /// A person wrote to the requester of its case.
        WrittenByHand = "written-by-hand",
        /// Nothing for us.
        LeftAlone = "left-alone",
        /// It was there before the first start.
        Old = "old",
        /// The same bytes were handled before.
        Known = "known",
        /// In observe mode: its address would have been asked.
        WouldAsk = "would-ask",
        /// It could not be read.
        Quarantined = "quarantined",
    }
}

/// What is written about a message when it is handled.
#[derive(Clone, Debug)]
pub struct Handled {
    /// What became of it.
    pub outcome: Outcome,
    /// Why.
    pub reason: String,
    /// The case it belongs to.
    pub case: Option<CaseId>,
    /// For staff: addresses that a case may be opened for.
    pub proposed: Vec<EmailAddress>,
    /// For staff: what it says.
    pub excerpt: Option<String>,
}

impl Handled {
    /// An outcome with its reason and nothing else.
    pub fn new(outcome: Outcome, reason: &str) -> Handled {
        Handled {
            outcome,
            reason: reason.to_owned(),
            case: None,
            proposed: Vec::new(),
            excerpt: None,
        }
    }
}

/// A message on its way through, with its row.
#[derive(Clone, Copy, Debug)]
pub struct Attempt {
    /// Its row.
    pub id: i64,
    /// How often it was begun, this time included.
    pub attempts: i64,
    /// It was there before the first start: staff may hear of it, its sender does not.
    pub is_old: bool,
}

/// By what a message is known again.
#[derive(Clone, Copy, Debug, Default)]
pub struct Traits<'a> {
    /// Of its raw bytes.
    pub sha256: Option<&'a str>,
    /// Its author and its Message-ID, without angle brackets.
    pub thread: Option<(&'a EmailAddress, &'a str)>,
}

/// How the bytes of a message are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KnownBytes {
    /// Not at all.
    No,
    /// By that row of Junk alone.
    InJunkOnly(i64),
    /// They were handled.
    Handled,
}

impl Tx {
    /// Of `keys`, those that have no outcome yet.
    ///
    /// # Errors
    /// Storage errors.
    pub async fn unhandled(&mut self, mailbox: &str, keys: &[String]) -> Result<Vec<String>> {
        const SQL: &str = "SELECT value FROM json_each(?2) WHERE NOT EXISTS \
            (SELECT 1 FROM inbox WHERE mailbox = ?1 AND key = value AND outcome IS NOT NULL)";
        let keys = serde_json::to_string(keys)?;
        let query = sqlx::query_scalar(SQL).bind(mailbox).bind(keys);
        Ok(query.fetch_all(self.connection()).await?)
    }

    /// Of what the mailbox has, what is not handled. Under a key that is, another date means
    /// another message: it gets a key of its own.
    ///
    /// # Errors
    /// Storage errors.
    pub async fn distinguish(&mut self, mailbox: &str, seen: Vec<Seen>) -> Result<Vec<Seen>> {
        const SQL: &str = "SELECT key, received_at FROM inbox WHERE mailbox = ?1 AND outcome IS NOT NULL \
            AND key IN (SELECT value FROM json_each(?2))";
        let keys: Vec<&str> = seen.iter().map(|seen| seen.key.as_str()).collect();
        let query = sqlx::query(SQL).bind(mailbox).bind(serde_json::to_string(&keys)?);
        let rows = query.fetch_all(self.connection()).await?;
        let handled: HashMap<String, i64> =
            rows.iter().map(|row| (row.get(0), row.get(1))).collect();
        let (known, mut new): (Vec<Seen>, Vec<Seen>) =
            seen.into_iter().partition(|seen| handled.contains_key(&seen.key));
        let others = known.into_iter().filter(|seen| {
            // Servers keep seconds.
            let at = handled.get(&seen.key).copied().unwrap_or_default();
            at.div_euclid(1000) != seen.received_at.timestamp()
        });
        let others: Vec<Seen> = others.map(Seen::as_another).collect();
        let keys: Vec<String> = others.iter().map(|seen| seen.key.clone()).collect();
        let unhandled: HashSet<String> =
            self.unhandled(mailbox, &keys).await?.into_iter().collect();
        new.extend(others.into_iter().filter(|seen| unhandled.contains(&seen.key)));
        Ok(new)
    }

    /// How often each of `keys` was begun and not finished.
    ///
    /// # Errors
    /// Storage errors.
    pub async fn attempts(
        &mut self,
        mailbox: &str,
        keys: &[String],
    ) -> Result<HashMap<String, i64>> {
        const SQL: &str = "SELECT key, attempts FROM inbox WHERE mailbox = ?1 AND outcome IS NULL \
            AND key IN (SELECT value FROM json_each(?2))";
        let keys = serde_json::to_string(keys)?;
        let rows = sqlx::query(SQL).bind(mailbox).bind(keys).fetch_all(self.connection()).await?;
        Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
    }

    /// Counts the attempt to read each message, before it is made. Attempts come in the order of
    /// the messages.
    ///
    /// # Errors
    /// Storage errors.
    pub async fn begin_messages(&mut self, mailbox: &str, seen: &[Seen]) -> Result<Vec<Attempt>> {
        const SQL: &str = "INSERT INTO inbox (mailbox, key, size, received_at, attempts) \
            SELECT ?1, value ->> 0, value ->> 1, value ->> 2, 1 FROM json_each(?2) WHERE true \
            ON CONFLICT (mailbox, key) DO UPDATE SET attempts = attempts + 1 \
            RETURNING key, id, attempts, coalesce(reason, '')";
        let query = sqlx::query(SQL).bind(mailbox).bind(as_rows(seen)?);
        let rows = query.fetch_all(self.connection()).await?;
        let attempt = |row: &SqliteRow| Attempt {
            id: row.get(1),
            attempts: row.get(2),
            is_old: row.get::<&str, _>(3) == OLD,
        };
        let begun: HashMap<&str, Attempt> =
            rows.iter().map(|row| (row.get(0), attempt(row))).collect();
        let of = |seen: &Seen| begun.get(seen.key.as_str()).copied();
        seen.iter().map(|seen| of(seen).context("A message was not noted")).collect()
    }

    /// A key for an entry that no mailbox gave one.
    ///
    /// # Errors
    /// When the system gives no random bytes.
    pub fn fresh_key(&self) -> Result<String> {
        random::salt()
    }

    /// Writes the outcome of a message.
    ///
    /// # Errors
    /// Storage errors.
    pub async fn finish_message(
        &mut self,
        id: i64,
        traits: Traits<'_>,
        handled: &Handled,
        now: DateTime<Utc>,
    ) -> Result<()> {
        let Traits { sha256, thread } = traits;
        let thread = thread.filter(|_| handled.case.is_some());
        self.rows.messages.push(json!([
            id,
            sha256,
            handled.outcome.as_str(),
            handled.reason,
            handled.case.map(|case| case.0),
            match handled.proposed.is_empty() {
                true => None,
                false => Some(serde_json::to_string(&handled.proposed)?),
            },
            handled.excerpt,
            millis(now),
            thread.map(|(author, message_id)| self.key.thread_key(author, message_id)),
        ]));
        if let (Some(hashes), Some(sha256)) = (&mut self.known.hashes, sha256) {
            hashes.insert(sha256.to_owned(), KnownBytes::Handled);
        }
        if self.in_batch { Ok(()) } else { self.write_rows().await }
    }

    /// The case that an earlier mail of that author was about which has one of these Message-IDs;
    /// the latest of several.
    ///
    /// # Errors
    /// Storage errors.
    pub async fn case_of_thread(
        &mut self,
        author: &EmailAddress,
        message_ids: &[String],
    ) -> Result<Option<CaseId>> {
        const SQL: &str = "SELECT cases.id FROM cases JOIN inbox ON inbox.case_id = cases.id \
            WHERE cases.address_key = ? AND thread_key IN (SELECT value FROM json_each(?)) \
            ORDER BY inbox.id DESC LIMIT 1";
        let keys: Vec<String> =
            message_ids.iter().map(|id| self.key.thread_key(author, id)).collect();
        let query = sqlx::query_scalar(SQL).bind(self.key.address_key(author));
        let query = query.bind(serde_json::to_string(&keys)?);
        Ok(query.fetch_optional(self.connection()).await?.map(CaseId))
    }

    /// Whether a message with these bytes was handled before, under whatever key. What lies in
    /// Junk was not handled for the inbox, and what was sent is a matter apart.
    ///
    /// # Errors
    /// Storage errors.
    pub async fn known_bytes(&mut self, folder: &Folder, sha256: &str) -> Result<KnownBytes> {
        let found = match &self.known.hashes {
            Some(hashes) => hashes.get(sha256).copied(),
            None => self.known_hashes(folder, &[sha256]).await?.get(sha256).copied(),
        };
        Ok(found.unwrap_or(KnownBytes::No))
    }

    /// How each of these hashes is known in that folder; those that are not are left out.
    pub(super) async fn known_hashes(
        &mut self,
        folder: &Folder,
        hashes: &[&str],
    ) -> Result<HashMap<String, KnownBytes>> {
        const SQL: &str = "SELECT sha256, id, mailbox FROM inbox \
            WHERE sha256 IN (SELECT value FROM json_each(?)) AND outcome IS NOT NULL ORDER BY id DESC";
        let query = sqlx::query(SQL).bind(serde_json::to_string(hashes)?);
        let rows = query.fetch_all(self.connection()).await?;
        let mut found = HashMap::new();
        for row in &rows {
            let (sha256, id, mailbox): (String, i64, &str) = (row.get(0), row.get(1), row.get(2));
            let known = match (folder, is_in(JUNK, mailbox), is_in(SENT, mailbox)) {
                (Folder::Inbox, true, _) => KnownBytes::InJunkOnly(id),
                (Folder::Inbox | Folder::Junk(_), _, false) => KnownBytes::Handled,
                (Folder::Sent(_), _, true) => KnownBytes::Handled,
                _ => continue,
            };
            // Of several rows in Junk the first is the suggestion.
            if found.get(&sha256) != Some(&KnownBytes::Handled) {
                found.insert(sha256, known);
            }
        }
        Ok(found)
    }

    /// Notes mail that was there before the first start: with the outcome that it is old, or
    /// to be read for suggestions.
    ///
    /// # Errors
    /// Storage errors.
    pub async fn note_old(
        &mut self,
        mailbox: &str,
        seen: &[Seen],
        to_read: bool,
        now: DateTime<Utc>,
    ) -> Result<()> {
        const SQL: &str = "INSERT INTO inbox (mailbox, key, size, received_at, outcome, reason, handled_at) \
            SELECT ?1, value ->> 0, value ->> 1, value ->> 2, ?4, ?5, ?3 \
            FROM json_each(?2) WHERE true ON CONFLICT DO NOTHING";
        sqlx::query(SQL)
            .bind(mailbox)
            .bind(as_rows(seen)?)
            .bind((!to_read).then(|| millis(now)))
            .bind((!to_read).then_some(Outcome::Old.as_str()))
            .bind(OLD)
            .execute(self.connection())
            .await?;
        Ok(())
    }

    /// The addresses that the mail of that row proposes for cases, and when it came. For
    /// suggestions only.
    ///
    /// # Errors
    /// Storage errors.
    pub async fn proposals(
        &mut self,
        id: i64,
    ) -> Result<Option<(Vec<EmailAddress>, DateTime<Utc>)>> {
        const SQL: &str =
            "SELECT proposed, received_at FROM inbox WHERE id = ? AND proposed IS NOT NULL";
        let row = sqlx::query(SQL).bind(id).fetch_optional(self.connection()).await?;
        Ok(row.map(|row| (addresses_in(row.get(0)), instant(row.get(1)))))
    }

    /// Takes a message off the list of those that wait for a person; its excerpt goes.
    ///
    /// # Errors
    /// Storage errors.
    pub async fn dismiss(&mut self, id: i64, how: &str, now: DateTime<Utc>) -> Result<bool> {
        const SQL: &str = "UPDATE inbox SET dismissed = 1, proposed = NULL, excerpt = NULL, \
            dismissal = ?, dismissed_at = ? WHERE id = ? AND dismissed = 0 \
            AND outcome IN ('for-staff', 'would-ask', 'quarantined', 'noted')";
        let query = sqlx::query(SQL).bind(how).bind(millis(now)).bind(id);
        Ok(query.execute(self.connection()).await?.rows_affected() == 1)
    }

    /// Notes that staff took a suggestion up as a case. While it proposes further addresses it
    /// stays on the list.
    ///
    /// # Errors
    /// Storage errors.
    pub async fn take_up_proposal(
        &mut self,
        id: i64,
        address: &EmailAddress,
        case: CaseId,
    ) -> Result<()> {
        const SQL: &str = "UPDATE inbox SET case_id = ?1, dismissed = (?2 IS NULL), proposed = ?2, \
            excerpt = CASE WHEN ?2 IS NULL THEN NULL ELSE excerpt END WHERE id = ?3";
        let proposed = self.proposals(id).await?.map(|(found, _)| found).unwrap_or_default();
        let left: Vec<EmailAddress> = proposed.into_iter().filter(|one| one != address).collect();
        let left = if left.is_empty() { None } else { Some(serde_json::to_string(&left)?) };
        sqlx::query(SQL).bind(case.0).bind(left).bind(id).execute(self.connection()).await?;
        Ok(())
    }
}

/// Key, size and date of each message, for a statement.
fn as_rows(seen: &[Seen]) -> Result<String> {
    let rows: Vec<(&str, u64, i64)> =
        seen.iter().map(|seen| (seen.key.as_str(), seen.size, millis(seen.received_at))).collect();
    Ok(serde_json::to_string(&rows)?)
}

/// Addresses as the database keeps several.
pub(super) fn addresses_in(text: Option<&str>) -> Vec<EmailAddress> {
    text.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
}
