//! Rows that were decided and are not written yet. A batch writes each table by one statement.

use std::collections::BTreeMap;

use anyhow::Result;
use serde_json::{Value, json};

use super::{CaseId, Tx};

/// What waits, by table; in the order in which tables may name each other.
#[derive(Debug, Default)]
pub(super) struct Rows {
    /// New cases: what never changes of them.
    pub(super) opened: Vec<Value>,
    /// What changes of cases; the last word counts.
    pub(super) changed: BTreeMap<CaseId, Value>,
    pub(super) subjects: Vec<Value>,
    pub(super) journal: Vec<Value>,
    pub(super) details: Vec<Value>,
    pub(super) evidence: Vec<Value>,
    pub(super) letters: Vec<Value>,
    pub(super) messages: Vec<Value>,
}

const OPENED: &str = "INSERT INTO cases (id, reference, address_key, state, source, received_at, work) \
    SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, '{}' FROM jsonb_each(?)";
const CHANGED: &str = "UPDATE cases SET state = value ->> 1, resolution = value ->> 2, role = value ->> 3, \
    expires_at = value ->> 4, confirmed_at = value ->> 5, confirmed_by = value ->> 6, due_on = value ->> 7, \
    law_due_on = value ->> 8, redirect_ends_at = value ->> 9, closed_at = value ->> 10, work = value ->> 11, \
    look_at = value ->> 12 FROM jsonb_each(?) WHERE cases.id = value ->> 0";
const SUBJECTS: &str = "INSERT INTO subjects (case_id, address, language) \
    SELECT value ->> 0, value ->> 1, value ->> 2 FROM jsonb_each(?)";
const JOURNAL: &str = "INSERT INTO journal (seq, reference, at, event, reason, decided, detail_hash, content, hash) \
    SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, \
    value ->> 7, value ->> 8 FROM jsonb_each(?)";
const DETAILS: &str = "INSERT INTO details (seq, salt, text) \
    SELECT value ->> 0, value ->> 1, value ->> 2 FROM jsonb_each(?)";
const EVIDENCE: &str = "INSERT INTO evidence (case_id, at, deed, facts) \
    SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3 FROM jsonb_each(?)";
const LETTERS: &str = "INSERT INTO outbox (case_id, kind, \"values\", recipient, address_key, nonce, to_staff, about, \
    in_reply_to, class, origin, hold, written_at, due_at, status) \
    SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, \
    value ->> 7, value ->> 8, value ->> 9, value ->> 10, value ->> 11, value ->> 12, value ->> 13, 'waiting' \
    FROM jsonb_each(?)";
const MESSAGES: &str = "UPDATE inbox SET sha256 = value ->> 1, outcome = value ->> 2, reason = value ->> 3, \
    case_id = value ->> 4, proposed = value ->> 5, excerpt = value ->> 6, handled_at = value ->> 7, \
    thread_key = value ->> 8 \
    FROM jsonb_each(?) WHERE inbox.id = value ->> 0";

impl Rows {
    /// Statements with what they write, in the order in which tables name each other.
    fn take(&mut self) -> [(&'static str, Vec<Value>); 8] {
        let rows = std::mem::take(self);
        [
            (OPENED, rows.opened),
            (CHANGED, rows.changed.into_values().collect()),
            (SUBJECTS, rows.subjects),
            (JOURNAL, rows.journal),
            (DETAILS, rows.details),
            (EVIDENCE, rows.evidence),
            (LETTERS, rows.letters),
            (MESSAGES, rows.messages),
        ]
    }

    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.changed.is_empty()
            && [
                &self.opened,
                &self.subjects,
                &self.journal,
                &self.details,
                &self.evidence,
                &self.letters,
                &self.messages,
            ]
            .iter()
            .all(|rows| rows.is_empty())
    }
}

impl Tx {
    /// Writes what waits; it stays part of the transaction.
    pub(super) async fn write_rows(&mut self) -> Result<()> {
        for (sql, rows) in self.rows.take() {
            if !rows.is_empty() {
                let rows = json!(rows).to_string();
                sqlx::query(sql).bind(rows).execute(self.connection()).await?;
            }
        }
        Ok(())
    }

    /// The row number of a case that is opened now.
    pub(super) async fn next_case(&mut self) -> Result<CaseId> {
        const SQL: &str = "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'cases'";
        let last = match self.last_case {
            Some(last) => last,
            None => sqlx::query_scalar(SQL).fetch_one(&mut *self.inner).await?,
        };
        self.last_case = Some(last + 1);
        Ok(CaseId(last + 1))
    }
}
