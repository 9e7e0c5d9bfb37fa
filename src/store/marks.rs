//! Small facts that survive a restart, suppressions, and which digests were written.

use anyhow::Result;
use chrono::{DateTime, TimeDelta, Utc};

use super::{Store, Tx, instant, millis};
use crate::mail::EmailAddress;

impl Tx {
    /// Remembers a fact under a name.
    ///
    /// # Errors
    /// Storage errors.
    pub async fn set_mark(&mut self, name: &str, value: &str) -> Result<()> {
        sqlx::query("INSERT INTO marks (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value")
            .bind(name)
            .bind(value)
            .execute(self.connection())
            .await?;
        Ok(())
    }

    /// Remembers an instant.
    ///
    /// # Errors
    /// Storage errors.
    pub async fn set_mark_at(&mut self, name: &str, at: DateTime<Utc>) -> Result<()> {
        self.set_mark(name, &millis(at).to_string()).await
    }

    /// The fact of that name.
    ///
    /// # Errors
    /// Storage errors.
    pub async fn mark(&mut self, name: &str) -> Result<Option<String>> {
        let query = sqlx::query_scalar("SELECT value FROM marks WHERE name = ?").bind(name);
        Ok(query.fetch_optional(self.connection()).await?)
    }

    /// The instant of that name.
    ///
    /// # Errors
    /// Storage errors.
    pub async fn mark_at(&mut self, name: &str) -> Result<Option<DateTime<Utc>>> {
        Ok(self.mark(name).await?.and_then(|text| text.parse().ok()).map(instant))
    }

    /// The clock was set back by `by`, to `now`: what was done last was done by now, and letters
    /// wait no longer than they did before.
    ///
    /// # Errors
    /// Storage errors.
    pub async fn set_back(&mut self, now: DateTime<Utc>, by: TimeDelta) -> Result<()> {
        const MARKS: &str =
            "UPDATE marks SET value = CAST(?1 AS TEXT) WHERE CAST(value AS INTEGER) > ?1";
        const LETTERS: &str = "UPDATE outbox SET due_at = due_at - ?2, released_at = min(released_at, ?1) \
            WHERE status IN ('waiting', 'claimed') OR released_at > ?1";
        sqlx::query(MARKS).bind(millis(now)).execute(self.connection()).await?;
        sqlx::query(LETTERS)
            .bind(millis(now))
            .bind(by.num_milliseconds())
            .execute(self.connection())
            .await?;
        Ok(())
    }

    /// Notes that a member gets the digest of a firing; `false` when it was noted before.
    ///
    /// # Errors
    /// Storage errors.
    pub async fn note_digest(
        &mut self,
        fired_at: DateTime<Utc>,
        member: &EmailAddress,
    ) -> Result<bool> {
        let member = self.key.address_key(member);
        let sql = "INSERT INTO digests (fired_at, member) VALUES (?, ?) ON CONFLICT DO NOTHING";
        let query = sqlx::query(sql).bind(millis(fired_at)).bind(member);
        Ok(query.execute(self.connection()).await?.rows_affected() == 1)
    }

    pub(super) async fn lift_suppression(&mut self, address_key: &str) -> Result<()> {
        let query = sqlx::query("DELETE FROM suppressions WHERE address_key = ?").bind(address_key);
        query.execute(self.connection()).await?;
        Ok(())
    }

    pub(super) async fn suppress(&mut self, address_key: &str, since: DateTime<Utc>) -> Result<()> {
        sqlx::query(
            "INSERT INTO suppressions (address_key, since) VALUES (?, ?) ON CONFLICT DO NOTHING",
        )
        .bind(address_key)
        .bind(millis(since))
        .execute(self.connection())
        .await?;
        Ok(())
    }
}

impl Store {
    /// The fact of that name.
    ///
    /// # Errors
    /// Storage errors.
    pub async fn mark(&self, name: &str) -> Result<Option<String>> {
        let query = sqlx::query_scalar("SELECT value FROM marks WHERE name = ?").bind(name);
        Ok(query.fetch_optional(self.readers()).await?)
    }

    /// The instant of that name.
    ///
    /// # Errors
    /// Storage errors.
    pub async fn mark_at(&self, name: &str) -> Result<Option<DateTime<Utc>>> {
        Ok(self.mark(name).await?.and_then(|text| text.parse().ok()).map(instant))
    }
}
