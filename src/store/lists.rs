//! What people read: rows for the digest and the command line.

use std::collections::HashMap;

use anyhow::Result;
use chrono::{DateTime, Utc};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::inbox::{Outcome, addresses_in};
use super::{CaseId, Store, instant, millis};
use crate::mail::EmailAddress;

/// A message with its outcome, for people.
#[derive(Clone, Debug)]
pub struct MessageLine {
    /// Its row; staff name it to open a case for it.
    pub id: i64,
    /// Its key in the mailbox.
    pub key: String,
    /// When it reached the mailbox.
    pub received_at: DateTime<Utc>,
    /// When it was handled.
    pub handled_at: Option<DateTime<Utc>>,
    /// What became of it.
    pub outcome: Option<Outcome>,
    /// Why.
    pub reason: String,
    /// The reference of its case.
    pub reference: Option<String>,
    /// Addresses that staff may open cases for.
    pub proposed: Vec<EmailAddress>,
    /// What it says.
    pub excerpt: Option<String>,
}

/// A letter, for people.
#[derive(Clone, Debug)]
pub struct LetterLine {
    /// Its row.
    pub id: i64,
    /// What it says.
    pub kind: String,
    /// The reference of its case.
    pub reference: Option<String>,
    /// Where it is.
    pub status: String,
    /// What holds it back.
    pub hold: Option<String>,
    /// Its budget.
    pub class: Option<String>,
    /// When it was committed.
    pub written_at: DateTime<Utc>,
    /// When the server took it.
    pub submitted_at: Option<DateTime<Utc>>,
    /// Attempts made.
    pub attempts: i64,
    /// The server's last answer.
    pub note: Option<String>,
    /// To whom, while it waits.
    pub recipient: Option<EmailAddress>,
    /// The earliest instant it may leave or is tried again.
    pub due_at: DateTime<Utc>,
    /// Whether it goes to staff.
    pub to_staff: bool,
}

const MESSAGES_MAX: i64 = 2_000;

fn message_line(row: &SqliteRow) -> MessageLine {
    MessageLine {
        id: row.get("id"),
        key: row.get("key"),
        received_at: instant(row.get("received_at")),
        handled_at: row.get::<Option<i64>, _>("handled_at").map(instant),
        outcome: row.get::<Option<String>, _>("outcome").and_then(|name| Outcome::parse(&name)),
        reason: row.get::<Option<String>, _>("reason").unwrap_or_default(),
        reference: row.get("reference"),
        proposed: addresses_in(row.get("proposed")),
        excerpt: row.get("excerpt"),
    }
}

fn letter_line(row: &SqliteRow) -> LetterLine {
    LetterLine {
        id: row.get("id"),
        kind: row.get("kind"),
        reference: row.get("reference"),
        status: row.get("status"),
        hold: row.get("hold"),
        class: row.get("class"),
        written_at: instant(row.get("written_at")),
        submitted_at: row.get::<Option<i64>, _>("submitted_at").map(instant),
        attempts: row.get("attempts"),
        note: row.get("note"),
        recipient: EmailAddress::parse(row.get("recipient")).ok(),
        due_at: instant(row.get("due_at")),
        to_staff: row.get::<i64, _>("to_staff") == 1,
    }
}

impl Store {
    /// Messages that a person should see, handled in `(since, until]`, oldest first.
    ///
    /// # Errors
    /// Storage errors.
    pub async fn messages_for_people(
        &self,
        since: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Result<Vec<MessageLine>> {
        const SQL: &str = "SELECT inbox.*, cases.reference FROM inbox LEFT JOIN cases ON cases.id = inbox.case_id \
            WHERE handled_at > ? AND handled_at <= ? AND dismissed = 0 AND outcome IN ('for-staff', 'would-ask', 'quarantined', 'noted') \
            ORDER BY handled_at, inbox.id LIMIT ?";
        let query = sqlx::query(SQL).bind(millis(since)).bind(millis(until)).bind(MESSAGES_MAX);
        Ok(query.fetch_all(self.readers()).await?.iter().map(message_line).collect())
    }

    /// Suggestions that nobody took up yet, oldest first.
    ///
    /// # Errors
    /// Storage errors.
    pub async fn suggestions(&self) -> Result<Vec<MessageLine>> {
        const SQL: &str = "SELECT inbox.*, cases.reference FROM inbox LEFT JOIN cases ON cases.id = inbox.case_id \
            WHERE proposed IS NOT NULL AND outcome IN ('for-staff', 'would-ask') ORDER BY received_at, inbox.id LIMIT ?";
        let rows = sqlx::query(SQL).bind(MESSAGES_MAX).fetch_all(self.readers()).await?;
        Ok(rows.iter().map(message_line).collect())
    }

    /// What staff took off the list in `(since, until]`, in words, with the moment.
    ///
    /// # Errors
    /// Storage errors.
    pub async fn dismissals_between(
        &self,
        since: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Result<Vec<(DateTime<Utc>, String)>> {
        const SQL: &str = "SELECT dismissed_at, dismissal FROM inbox WHERE dismissal IS NOT NULL \
            AND dismissed_at > ? AND dismissed_at <= ? ORDER BY dismissed_at LIMIT 500";
        let query = sqlx::query(SQL).bind(millis(since)).bind(millis(until));
        let rows = query.fetch_all(self.readers()).await?;
        Ok(rows.iter().map(|row| (instant(row.get(0)), row.get(1))).collect())
    }

    /// Mails that a person sent to the requester of a case, seen in `(since, until]`.
    ///
    /// # Errors
    /// Storage errors.
    pub async fn written_by_hand_between(
        &self,
        since: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Result<Vec<MessageLine>> {
        const SQL: &str = "SELECT inbox.*, cases.reference FROM inbox JOIN cases ON cases.id = inbox.case_id \
            WHERE handled_at > ? AND handled_at <= ? AND outcome = 'written-by-hand' \
            ORDER BY handled_at, inbox.id LIMIT ?";
        let query = sqlx::query(SQL).bind(millis(since)).bind(millis(until)).bind(MESSAGES_MAX);
        Ok(query.fetch_all(self.readers()).await?.iter().map(message_line).collect())
    }

    /// When a person last wrote to the requester of each open case, where somebody did.
    ///
    /// # Errors
    /// Storage errors.
    pub async fn last_written_by_hand(&self) -> Result<HashMap<CaseId, DateTime<Utc>>> {
        const SQL: &str = "SELECT cases.id, max(inbox.received_at) FROM cases INDEXED BY cases_open \
            CROSS JOIN inbox ON inbox.case_id = cases.id AND inbox.outcome = 'written-by-hand' \
            WHERE cases.state <> 'closed' GROUP BY cases.id";
        let rows = sqlx::query(SQL).fetch_all(self.readers()).await?;
        Ok(rows.iter().map(|row| (CaseId(row.get(0)), instant(row.get(1)))).collect())
    }

    /// The message of that row, while it waits for a person.
    ///
    /// # Errors
    /// Storage errors.
    pub async fn message_for_people(&self, id: i64) -> Result<Option<MessageLine>> {
        const SQL: &str = "SELECT inbox.*, cases.reference FROM inbox LEFT JOIN cases ON cases.id = inbox.case_id \
            WHERE inbox.id = ? AND dismissed = 0 AND outcome IN ('for-staff', 'would-ask', 'quarantined', 'noted')";
        let row = sqlx::query(SQL).bind(id).fetch_optional(self.readers()).await?;
        Ok(row.as_ref().map(message_line))
    }

    /// All messages of a case, oldest first.
    ///
    /// # Errors
    /// Storage errors.
    pub async fn messages_of(&self, case: CaseId) -> Result<Vec<MessageLine>> {
        const SQL: &str = "SELECT inbox.*, cases.reference FROM inbox JOIN cases ON cases.id = inbox.case_id \
            WHERE case_id = ? ORDER BY received_at, inbox.id LIMIT ?";
        let rows =
            sqlx::query(SQL).bind(case.0).bind(MESSAGES_MAX).fetch_all(self.readers()).await?;
        Ok(rows.iter().map(message_line).collect())
    }

    /// Messages whose outcome is newer than that row, for a running account.
    ///
    /// # Errors
    /// Storage errors.
    pub async fn messages_handled_since(&self, since: DateTime<Utc>) -> Result<Vec<MessageLine>> {
        const SQL: &str = "SELECT inbox.*, cases.reference FROM inbox LEFT JOIN cases ON cases.id = inbox.case_id \
            WHERE handled_at >= ? ORDER BY handled_at, inbox.id LIMIT ?";
        let rows = sqlx::query(SQL)
            .bind(millis(since))
            .bind(MESSAGES_MAX)
            .fetch_all(self.readers())
            .await?;
        Ok(rows.iter().map(message_line).collect())
    }

    /// How many messages of the inbox got that outcome in `(since, until]`.
    ///
    /// # Errors
    /// Storage errors.
    pub async fn count_outcome(
        &self,
        outcome: Outcome,
        since: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Result<i64> {
        let sql = "SELECT count(*) FROM inbox WHERE outcome = ? AND handled_at > ? AND handled_at <= ? \
            AND mailbox NOT GLOB 'junk:*' AND mailbox NOT GLOB 'sent:*'";
        let query =
            sqlx::query_scalar(sql).bind(outcome.as_str()).bind(millis(since)).bind(millis(until));
        Ok(query.fetch_one(self.readers()).await?)
    }

    /// All letters of a case, oldest first.
    ///
    /// # Errors
    /// Storage errors.
    pub async fn letters_of(&self, case: CaseId) -> Result<Vec<LetterLine>> {
        const SQL: &str = "SELECT outbox.*, cases.reference FROM outbox JOIN cases ON cases.id = outbox.case_id \
            WHERE case_id = ? AND to_staff = 0 ORDER BY outbox.id";
        let rows = sqlx::query(SQL).bind(case.0).fetch_all(self.readers()).await?;
        Ok(rows.iter().map(letter_line).collect())
    }

    /// Letters that are not done: waiting, held, or in need of a person.
    ///
    /// # Errors
    /// Storage errors.
    pub async fn letters_not_done(&self) -> Result<Vec<LetterLine>> {
        const SQL: &str = "SELECT outbox.*, cases.reference FROM outbox LEFT JOIN cases ON cases.id = outbox.case_id \
            WHERE status IN ('waiting', 'claimed', 'uncertain') ORDER BY outbox.id LIMIT 5000";
        let rows = sqlx::query(SQL).fetch_all(self.readers()).await?;
        Ok(rows.iter().map(letter_line).collect())
    }

    /// Whether a letter waits to be submitted that nothing but the mail server holds up.
    ///
    /// # Errors
    /// Storage errors.
    pub async fn letters_wait(&self) -> Result<bool> {
        const SQL: &str = "SELECT EXISTS (SELECT 1 FROM outbox INDEXED BY outbox_to_send \
            WHERE status = 'waiting' AND released_at IS NOT NULL)";
        Ok(sqlx::query_scalar(SQL).fetch_one(self.readers()).await?)
    }

    /// Letters of the last days that cannot arrive.
    ///
    /// # Errors
    /// Storage errors.
    pub async fn letters_failed_since(&self, since: DateTime<Utc>) -> Result<Vec<LetterLine>> {
        const SQL: &str = "SELECT outbox.*, cases.reference FROM outbox LEFT JOIN cases ON cases.id = outbox.case_id \
            WHERE status IN ('refused', 'bounced', 'given-up') AND ended_at > ? ORDER BY outbox.id LIMIT 500";
        let rows = sqlx::query(SQL).bind(millis(since)).fetch_all(self.readers()).await?;
        Ok(rows.iter().map(letter_line).collect())
    }
}
