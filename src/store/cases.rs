//! Cases and whom they are about.

use anyhow::{Context as _, Result};
use chrono::{DateTime, Utc};
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

    /// The open case for exactly this address, whatever the case of its letters. There is at
    /// most one: a further request joins it. Another plus-tag may be another account.
    ///
    /// # Errors
    /// Storage errors.
    pub async fn open_case_for(&mut self, address: &EmailAddress) -> Result<Option<StoredCase>> {
        const SQL: &str = select_cases!(
            "WHERE cases.address_key = ? AND cases.state <> 'closed' ORDER BY cases.id"
        );
        let key = self.key.address_key(address);
        let rows = sqlx::query(SQL).bind(key).fetch_all(self.connection()).await?;
        let is_same = |stored: &StoredCase| {
            let subject = stored.subject.as_ref().map(EmailAddress::as_str);
            subject.is_some_and(|subject| subject.to_lowercase() == address.as_str().to_lowercase())
        };
        for row in &rows {
            let found = stored(row)?;
            if is_same(&found) {
                return Ok(Some(found));
            }
        }
        Ok(None)
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

    /// Reckons anew when each case has to be looked at: the policy has changed.
    ///
    /// # Errors
    /// Storage errors.
    pub async fn look_at_all_again(&mut self, policy: &Policy) -> Result<()> {
        const SQL: &str = select_cases!("WHERE cases.look_at IS NOT NULL");
        let rows = sqlx::query(SQL).fetch_all(self.connection()).await?;
        for row in &rows {
            let found = stored(row)?;
            self.set_look_at(found.id, look_at(&found.case, policy)).await?;
        }
        Ok(())
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

    pub(super) async fn insert_case(
        &mut self,
        case: &Case,
        subject: &EmailAddress,
        language: &str,
        policy: &Policy,
    ) -> Result<CaseId> {
        const SQL: &str = "INSERT INTO cases (reference, address_key, state, source, received_at, law_due_on, work) \
            VALUES (?, ?, ?, ?, ?, ?, '{}')";
        let key = self.key.address_key(subject);
        let done = sqlx::query(SQL)
            .bind(case.reference.as_str())
            .bind(key)
            .bind(State::AwaitingVerification.as_str())
            .bind(case.source.as_str())
            .bind(millis(case.received_at))
            .bind(case.law_due_on.map(|day| day.to_string()))
            .execute(self.connection())
            .await?;
        let id = CaseId(done.last_insert_rowid());
        self.update_case(id, case, policy).await?;
        sqlx::query("INSERT INTO subjects (case_id, address, language) VALUES (?, ?, ?)")
            .bind(id.0)
            .bind(subject.as_str())
            .bind(language)
            .execute(self.connection())
            .await?;
        Ok(id)
    }

    pub(super) async fn update_case(
        &mut self,
        id: CaseId,
        case: &Case,
        policy: &Policy,
    ) -> Result<()> {
        const SQL: &str = "UPDATE cases SET state = ?, resolution = ?, role = ?, expires_at = ?, confirmed_at = ?, \
            confirmed_by = ?, due_on = ?, law_due_on = ?, redirect_ends_at = ?, closed_at = ?, work = ?, look_at = ? \
            WHERE id = ?";
        sqlx::query(SQL)
            .bind(case.state.as_str())
            .bind(case.state.resolution().map(Resolution::as_str))
            .bind(case.role.map(Role::as_str))
            .bind(case.expires_at.map(millis))
            .bind(case.confirmed_at.map(millis))
            .bind(case.confirmed_by.map(Means::as_str))
            .bind(case.due_on.map(|day| day.to_string()))
            .bind(case.law_due_on.map(|day| day.to_string()))
            .bind(case.redirect_ends_at.map(millis))
            .bind(case.closed_at.map(millis))
            .bind(serde_json::to_string(&case.work)?)
            .bind(look_at(case, policy).map(millis))
            .bind(id.0)
            .execute(self.connection())
            .await?;
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
