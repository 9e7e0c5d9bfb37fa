//! A copy of the database, made while others use it.

use std::path::Path;

use anyhow::{Context as _, Result, bail};
use sqlx::Row;

use super::{Access, Care, Store};

/// What a copy holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Contents {
    /// Cases, open and closed.
    pub cases: i64,
    /// Messages with their outcomes.
    pub messages: i64,
    /// Letters, sent and waiting.
    pub letters: i64,
    /// Entries of the journal.
    pub entries: u64,
}

impl Store {
    /// Writes all of one moment into a file that is empty or not there. What was deleted is not
    /// in it.
    ///
    /// # Errors
    /// Storage errors; then the file is worth nothing.
    pub async fn copy_into(&self, file: &Path) -> Result<()> {
        let name = file.to_str().context("The name of the file is no UTF-8")?;
        let copied = sqlx::query("VACUUM INTO ?").bind(name).execute(self.readers()).await;
        copied.with_context(|| format!("Cannot write the copy {}", file.display()))?;
        Ok(())
    }

    /// Reads a copy of this database again: all of it is whole, and its journal is a part of
    /// ours.
    ///
    /// # Errors
    /// When anything is wrong with it.
    pub async fn verify_copy(&self, file: &Path) -> Result<Contents> {
        let copy = Store::open(file, self.key.clone(), Access::Command).await?;
        let verified = copy.contents(self).await;
        copy.close().await;
        verified.with_context(|| format!("The copy {} is not good", file.display()))
    }

    async fn contents(&self, original: &Store) -> Result<Contents> {
        self.check_whole(Care::Thorough).await?;
        let loose = sqlx::query("PRAGMA foreign_key_check").fetch_all(self.readers()).await?;
        if !loose.is_empty() {
            bail!("{} of its rows belong to none", loose.len());
        }
        let journal = self.verify_journal().await?;
        if let Some(problem) = journal.problems.first() {
            bail!("Its journal is not whole: {problem}. `deletion-desk journal verify` tells more");
        }
        if journal.entries > 0 {
            let last = i64::try_from(journal.entries)?;
            let here = original.chain_from(last).await?;
            if here.first().map(|link| &link.hash) != Some(&journal.head) {
                bail!("Its journal ends otherwise than that of the database");
            }
        }
        const SQL: &str = "SELECT (SELECT count(*) FROM cases) AS cases, \
            (SELECT count(*) FROM inbox) AS messages, (SELECT count(*) FROM outbox) AS letters";
        let row = sqlx::query(SQL).fetch_one(self.readers()).await?;
        Ok(Contents {
            cases: row.get("cases"),
            messages: row.get("messages"),
            letters: row.get("letters"),
            entries: journal.entries,
        })
    }
}
