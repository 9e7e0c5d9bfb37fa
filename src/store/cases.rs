//! Cases and whom they are about.

use std::collections::HashMap;

use anyhow::{Context as _, Result};
use chrono::{DateTime, Utc};
use serde_json::json;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::{CaseId, Store, Tx, day, instant, millis};
use crate::case::due::look_at;
use crate::case::{Case, Means, Policy, Reference, Resolution, Role, Source, State};
use crate::mail::EmailAddress;

/// A case with its row and whom it is about.
#[derive(Clone, Debug)]
pub struct StoredCase {
    /// Its row.
    pub id: CaseId,
    /// The case.
    pub case: Case,
    /// The address it is about; none once it is forgotten.
    pub subject: Option<EmailAddress>,
    /// The language of the requester.
    pub language: String,
}

/// A query for whole cases: the shared head, and what follows it.
macro_rules! select_cases {
    ($rest:literal) => {
        concat!(
            "SELECT cases.*, subjects.address, subjects.language FROM cases ",
            "LEFT JOIN subjects ON subjects.case_id = cases.id ",
            $rest
        )
    };
}

fn stored(row: &SqliteRow) -> Result<StoredCase> {
    let text = |name: &str| row.get::<String, _>(name);
    let maybe = |name: &str| row.get::<Option<String>, _>(name);
    let at = |name: &str| row.get::<Option<i64>, _>(name).map(instant);
    let reference = text("reference");
    let whole = || {
        format!(
            "Case {reference} cannot be read; the database was written by another version or by hand"
        )
    };
    Ok(StoredCase {
        id: CaseId(row.get("id")),
        case: Case {
            reference: Reference::parse(&reference).with_context(whole)?,
            state: State::from_columns(&text("state"), maybe("resolution").as_deref())
                .with_context(whole)?,
            source: Source::parse(&text("source")).with_context(whole)?,
            role: maybe("role").and_then(|name| Role::parse(&name)),
            received_at: instant(row.get("received_at")),
            expires_at: at("expires_at"),
            confirmed_at: at("confirmed_at"),
            confirmed_by: maybe("confirmed_by").and_then(|name| Means::parse(&name)),
            due_on: day(maybe("due_on")),
            law_due_on: day(maybe("law_due_on")),
            redirect_ends_at: at("redirect_ends_at"),
            closed_at: at("closed_at"),
            work: serde_json::from_str(row.get("work")).with_context(whole)?,
        },
        subject: maybe("address").and_then(|text| EmailAddress::parse(&text).ok()),
        language: maybe("language").unwrap_or_else(|| "en".to_owned()),
    })
}

impl Tx {
    /// The case of that row.
    ///
    /// # Errors
    /// Storage errors.
    pub async fn case(&mut self, id: CaseId) -> Result<Option<StoredCase>> {
        const SQL: &str = select_cases!("WHERE cases.id = ?");
        let row = sqlx::query(SQL).bind(id.0).fetch_optional(self.connection()).await?;
        row.as_ref().map(stored).transpose()
    }

    /// The case of that reference.
    ///
    /// # Errors
    /// Storage errors.
    pub async fn case_of_reference(&mut self, reference: &Reference) -> Result<Option<StoredCase>> {
        const SQL: &str = select_cases!("WHERE cases.reference = ?");
        let row =
            sqlx::query(SQL).bind(reference.as_str()).fetch_optional(self.connection()).await?;
        row.as_ref().map(stored).transpose()
    }

    /// The cases of these rows.
    ///
    /// # Errors
    /// Storage errors.
    pub async fn cases_of(&mut self, ids: &[CaseId]) -> Result<HashMap<CaseId, StoredCase>> {
        const SQL: &str = select_cases!("WHERE cases.id IN (SELECT value FROM json_each(?))");
        let ids: Vec<i64> = ids.iter().map(|id| id.0).collect();
        let query = sqlx::query(SQL).bind(serde_json::to_string(&ids)?);
        let rows = query.fetch_all(self.connection()).await?;
        rows.iter().map(|row| stored(row).map(|stored| (stored.id, stored))).collect()
    }

    /// The open cases behind these keys of addresses (JSON), each with its key.
    pub(super) async fn open_cases_of(&mut self, keys: &str) -> Result<Vec<(String, StoredCase)>> {
        const SQL: &str = select_cases!(
            "WHERE cases.address_key IN (SELECT value FROM json_each(?)) AND cases.state <> 'closed' ORDER BY cases.id"
        );
        let rows = sqlx::query(SQL).bind(keys).fetch_all(self.connection()).await?;
        rows.iter().map(|row| Ok((row.get("address_key"), stored(row)?))).collect()
    }

    /// The cases that time brings something to, the longest due first.
    ///
    /// # Errors
    /// Storage errors.
    pub async fn cases_to_look_at(&mut self, now: DateTime<Utc>) -> Result<Vec<CaseId>> {
        const SQL: &str = "SELECT id FROM cases WHERE look_at <= ? ORDER BY look_at, id LIMIT 500";
        let rows = sqlx::query(SQL).bind(millis(now)).fetch_all(self.connection()).await?;
        Ok(rows.iter().map(|row| CaseId(row.get(0))).collect())
    }

    /// Reckons anew when cases behind that row have to be looked at: the policy has changed.
    /// Some at a time; returns the last of them while there may be more.
    ///
    /// # Errors
    /// Storage errors.
    pub async fn look_at_again(
        &mut self,
        behind: CaseId,
        policy: &Policy,
    ) -> Result<Option<CaseId>> {
        const SQL: &str = select_cases!(
            "WHERE cases.id > ? AND cases.look_at IS NOT NULL ORDER BY cases.id LIMIT 500"
        );
        let rows = sqlx::query(SQL).bind(behind.0).fetch_all(self.connection()).await?;
        for row in &rows {
            let found = stored(row)?;
            self.set_look_at(found.id, look_at(&found.case, policy)).await?;
        }
        let last = rows.last().map(|row| CaseId(row.get("id")));
        Ok(last.filter(|_| rows.len() == 500))
    }

    /// Puts off a case to which time brought nothing.
    ///
    /// # Errors
    /// Storage errors.
    pub async fn set_look_at(&mut self, id: CaseId, at: Option<DateTime<Utc>>) -> Result<()> {
        let query = sqlx::query("UPDATE cases SET look_at = ? WHERE id = ?");
        query.bind(at.map(millis)).bind(id.0).execute(self.connection()).await?;
        Ok(())
    }

    /// Opens a case; it is written with the batch.
    pub(super) async fn insert_case(
        &mut self,
        case: &Case,
        subject: &EmailAddress,
        language: &str,
        policy: &Policy,
    ) -> Result<CaseId> {
        let id = self.next_case().await?;
        self.rows.opened.push(json!([
            id.0,
            case.reference.as_str(),
            self.key.address_key(subject),
            State::AwaitingVerification.as_str(),
            case.source.as_str(),
            millis(case.received_at),
        ]));
        self.rows.subjects.push(json!([id.0, subject.as_str(), language]));
        self.update_case(id, case, policy)?;
        Ok(id)
    }

    /// Changes a case; it is written with the batch.
    pub(super) fn update_case(&mut self, id: CaseId, case: &Case, policy: &Policy) -> Result<()> {
        let row = json!([
            id.0,
            case.state.as_str(),
            case.state.resolution().map(Resolution::as_str),
            case.role.map(Role::as_str),
            case.expires_at.map(millis),
            case.confirmed_at.map(millis),
            case.confirmed_by.map(Means::as_str),
            case.due_on.map(|day| day.to_string()),
            case.law_due_on.map(|day| day.to_string()),
            case.redirect_ends_at.map(millis),
            case.closed_at.map(millis),
            serde_json::to_string(&case.work)?,
            look_at(case, policy).map(millis),
        ]);
        self.rows.changed.insert(id, row);
        Ok(())
    }
}

impl Store {
    /// All cases, or the open ones only, oldest first.
    ///
    /// # Errors
    /// Storage errors.
    pub async fn cases(&self, open_only: bool) -> Result<Vec<StoredCase>> {
        const ALL: &str = select_cases!("ORDER BY cases.received_at, cases.id");
        const OPEN: &str =
            select_cases!("WHERE cases.state <> 'closed' ORDER BY cases.received_at, cases.id");
        let sql = if open_only { OPEN } else { ALL };
        let rows = sqlx::query(sql).fetch_all(self.readers()).await?;
        rows.iter().map(stored).collect()
    }

    /// How many are open.
    ///
    /// # Errors
    /// Storage errors.
    pub async fn count_open(&self) -> Result<i64> {
        let sql = "SELECT count(*) FROM cases WHERE state <> 'closed'";
        Ok(sqlx::query_scalar(sql).fetch_one(self.readers()).await?)
    }

    /// The case of that reference.
    ///
    /// # Errors
    /// Storage errors.
    pub async fn case_of_reference(&self, reference: &Reference) -> Result<Option<StoredCase>> {
        const SQL: &str = select_cases!("WHERE cases.reference = ?");
        let row = sqlx::query(SQL).bind(reference.as_str()).fetch_optional(self.readers()).await?;
        row.as_ref().map(stored).transpose()
    }

    /// The case of that row.
    ///
    /// # Errors
    /// Storage errors.
    pub async fn case(&self, id: CaseId) -> Result<Option<StoredCase>> {
        const SQL: &str = select_cases!("WHERE cases.id = ?");
        let row = sqlx::query(SQL).bind(id.0).fetch_optional(self.readers()).await?;
        row.as_ref().map(stored).transpose()
    }

    /// Closed cases with a letter that came back and that no person has seen yet.
    ///
    /// # Errors
    /// Storage errors.
    pub async fn cases_with_returned_letters(&self) -> Result<Vec<StoredCase>> {
        const SQL: &str =
            select_cases!("WHERE cases.state = 'closed' AND cases.work ->> 'returned' IS NOT NULL");
        sqlx::query(SQL).fetch_all(self.readers()).await?.iter().map(stored).collect()
    }

    /// Cases closed in `(since, until]`.
    ///
    /// # Errors
    /// Storage errors.
    pub async fn cases_closed_between(
        &self,
        since: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Result<Vec<StoredCase>> {
        const SQL: &str = select_cases!(
            "WHERE cases.closed_at > ? AND cases.closed_at <= ? ORDER BY cases.closed_at, cases.id"
        );
        let query = sqlx::query(SQL).bind(millis(since)).bind(millis(until));
        query.fetch_all(self.readers()).await?.iter().map(stored).collect()
    }
}
