//! What was seen around a case, and forgetting it.

use std::collections::HashMap;

use anyhow::Result;
use chrono::{DateTime, Utc};
use serde_json::json;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::{CaseId, Store, Tx, instant, millis};
use crate::case::Reference;
use crate::case::identity::{Deed, Evidence, Seen};
use crate::case::work::Forgotten;
use crate::mail::Attachment;

/// A file that came as proof.
#[derive(Clone, Debug)]
pub struct AttachmentLine {
    /// When it came.
    pub at: DateTime<Utc>,
    /// What it is.
    pub attachment: Attachment,
}

impl Tx {
    pub(super) fn note_evidence(
        &mut self,
        case: CaseId,
        deed: Deed,
        evidence: &Evidence,
        now: DateTime<Utc>,
    ) -> Result<()> {
        let facts = serde_json::to_string(evidence)?;
        self.rows.evidence.push(json!([case.0, millis(now), deed.as_str(), facts]));
        Ok(())
    }

    /// Records files that came as proof: what they are, never what is in them.
    ///
    /// # Errors
    /// Storage errors.
    pub async fn note_attachments(
        &mut self,
        case: CaseId,
        attachments: &[Attachment],
        now: DateTime<Utc>,
    ) -> Result<()> {
        for one in attachments {
            sqlx::query("INSERT INTO attachments (case_id, at, name, type, bytes, sha256) VALUES (?, ?, ?, ?, ?, ?)")
                .bind(case.0)
                .bind(millis(now))
                .bind(&one.name)
                .bind(&one.content_type)
                .bind(i64::try_from(one.bytes)?)
                .bind(&one.sha256)
                .execute(self.connection())
                .await?;
        }
        Ok(())
    }

    /// Takes what is personal out of everything that belongs to a case. `secure_delete` writes
    /// zeros over it.
    pub(super) async fn forget_case(
        &mut self,
        case: CaseId,
        reference: &Reference,
        what: Forgotten,
    ) -> Result<()> {
        const REDUCE: [&str; 6] = [
            "DELETE FROM subjects WHERE case_id = ?",
            "DELETE FROM evidence WHERE case_id = ?",
            "DELETE FROM attachments WHERE case_id = ?",
            "DELETE FROM outbox WHERE case_id = ? AND status NOT IN ('waiting', 'claimed', 'uncertain')",
            "UPDATE inbox SET proposed = NULL, excerpt = NULL, dismissed = 1 WHERE case_id = ?",
            "DELETE FROM details WHERE seq IN (SELECT journal.seq FROM journal JOIN cases \
             ON cases.reference = journal.reference WHERE cases.id = ?)",
        ];
        const ERASE: [&str; 1] = ["UPDATE cases SET address_key = '' WHERE id = ?"];
        let steps: &[&'static str] = match what {
            Forgotten::Reduced => &REDUCE,
            Forgotten::Erased => &ERASE,
        };
        for sql in steps {
            sqlx::query(*sql).bind(case.0).execute(self.connection()).await?;
        }
        tracing::info!(case = %reference, what = what.as_str(), "forgotten");
        Ok(())
    }

    /// Takes personal words out of messages that were handled before that instant, and the
    /// letters to staff that are older.
    ///
    /// # Errors
    /// Storage errors.
    pub async fn forget_messages(&mut self, before: DateTime<Utc>) -> Result<()> {
        const MESSAGES: &str = "UPDATE inbox SET proposed = NULL, excerpt = NULL, dismissal = NULL, dismissed = 1 \
            WHERE handled_at <= ? AND (excerpt IS NOT NULL OR proposed IS NOT NULL OR dismissal IS NOT NULL)";
        const LETTERS: &str = "DELETE FROM outbox WHERE to_staff = 1 AND written_at <= ? \
            AND status NOT IN ('waiting', 'claimed', 'uncertain')";
        for sql in [MESSAGES, LETTERS] {
            sqlx::query(sql).bind(millis(before)).execute(self.connection()).await?;
        }
        Ok(())
    }

    /// Forgets commands by mail whose token is good for nothing any more.
    ///
    /// # Errors
    /// Storage errors.
    pub async fn forget_commands(&mut self, before: DateTime<Utc>) -> Result<()> {
        let query = sqlx::query("DELETE FROM commands WHERE at <= ?").bind(millis(before));
        query.execute(self.connection()).await?;
        Ok(())
    }

    /// Notes that a command by mail was done.
    ///
    /// # Errors
    /// Storage errors.
    pub async fn note_command(&mut self, hash: &str, now: DateTime<Utc>) -> Result<()> {
        let sql = "INSERT INTO commands (hash, at) VALUES (?, ?) ON CONFLICT DO NOTHING";
        sqlx::query(sql).bind(hash).bind(millis(now)).execute(self.connection()).await?;
        Ok(())
    }

    /// Whether the same command was done before.
    ///
    /// # Errors
    /// Storage errors.
    pub async fn is_command_known(&mut self, hash: &str) -> Result<bool> {
        let query = sqlx::query("SELECT 1 FROM commands WHERE hash = ?").bind(hash);
        Ok(query.fetch_optional(self.connection()).await?.is_some())
    }
}

fn seen(row: &SqliteRow) -> Seen {
    Seen {
        at: instant(row.get("at")),
        deed: Deed::parse(row.get("deed")).unwrap_or(Deed::Asked),
        evidence: serde_json::from_str(row.get("facts")).unwrap_or_default(),
    }
}

impl Store {
    /// What was seen when somebody asked, confirmed or sent proof, oldest first.
    ///
    /// # Errors
    /// Storage errors.
    pub async fn evidence_of(&self, case: CaseId) -> Result<Vec<Seen>> {
        let sql = "SELECT at, deed, facts FROM evidence WHERE case_id = ? ORDER BY id";
        let rows = sqlx::query(sql).bind(case.0).fetch_all(self.readers()).await?;
        Ok(rows.iter().map(seen).collect())
    }

    /// The same of all open cases, in one look.
    ///
    /// # Errors
    /// Storage errors.
    pub async fn evidence_of_open_cases(&self) -> Result<HashMap<CaseId, Vec<Seen>>> {
        const SQL: &str = "SELECT case_id, evidence.at, deed, facts FROM cases \
            CROSS JOIN evidence ON case_id = cases.id WHERE state <> 'closed' ORDER BY evidence.id";
        let rows = sqlx::query(SQL).fetch_all(self.readers()).await?;
        let mut all: HashMap<CaseId, Vec<Seen>> = HashMap::new();
        for row in &rows {
            all.entry(CaseId(row.get("case_id"))).or_default().push(seen(row));
        }
        Ok(all)
    }

    /// The files that came as proof, oldest first.
    ///
    /// # Errors
    /// Storage errors.
    pub async fn attachments_of(&self, case: CaseId) -> Result<Vec<AttachmentLine>> {
        let sql = "SELECT * FROM attachments WHERE case_id = ? ORDER BY id";
        let rows = sqlx::query(sql).bind(case.0).fetch_all(self.readers()).await?;
        let line = |row: &SqliteRow| AttachmentLine {
            at: instant(row.get("at")),
            attachment: Attachment {
                name: row.get("name"),
                content_type: row.get("type"),
                bytes: usize::try_from(row.get::<i64, _>("bytes")).unwrap_or(0),
                sha256: row.get("sha256"),
            },
        };
        Ok(rows.iter().map(line).collect())
    }

    /// Empties the write-ahead log, so that what was deleted is not left in it.
    ///
    /// # Errors
    /// Storage errors.
    pub async fn empty_log(&self) -> Result<()> {
        sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(self.writer()).await?;
        Ok(())
    }

    /// Completed cases since that instant whose address has one of these keys, with the key.
    ///
    /// # Errors
    /// Storage errors.
    pub async fn completed_since(
        &self,
        since: DateTime<Utc>,
    ) -> Result<Vec<(String, Reference, DateTime<Utc>)>> {
        const SQL: &str = "SELECT address_key, reference, closed_at FROM cases \
            WHERE resolution = 'completed' AND closed_at >= ? AND address_key <> '' ORDER BY closed_at";
        let rows = sqlx::query(SQL).bind(millis(since)).fetch_all(self.readers()).await?;
        let read = |row: &SqliteRow| {
            let reference = Reference::parse(&row.get::<String, _>("reference"))?;
            Some((row.get("address_key"), reference, instant(row.get("closed_at"))))
        };
        Ok(rows.iter().filter_map(read).collect())
    }
}
