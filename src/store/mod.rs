//! The database: the only SQL, and the only truth about what was handled.

pub mod attempts;
pub mod backup;
pub mod cases;
pub mod commit;
pub mod evidence;
pub mod fault;
pub mod inbox;
pub mod journal;
mod known;
pub mod lists;
pub mod marks;
pub mod outbox;
mod random;
mod rows;
pub mod tokens;
pub mod whole;

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use chrono::{DateTime, NaiveDate, Utc};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{Row, Sqlite, SqliteConnection, Transaction};
use tracing::warn;

use crate::case::verification::TokenKey;
use crate::step::step;
use fault::Fault;
use known::Known;
use rows::Rows;
pub use whole::Care;
use whole::{Left, Seal};

/// Row number of a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CaseId(pub i64);

/// The oldest SQLite that two connections may use in WAL mode: before it, a checkpoint in
/// the wrong moment can corrupt the database.
const SQLITE_VERSION_MIN: (u32, u32, u32) = (3, 51, 3);
/// Pages of the write-ahead log before they are folded into the file: 16 MiB.
const WAL_PAGES: &str = "4000";
/// Rows of one answer that may wait to be taken; at more than that SQLite's thread rests.
const ROWS_WAITING_MAX: usize = 500;
/// How long a write waits for another process.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
/// So often the daemon waits that long, half a minute in all. Somebody who looks at the
/// database by hand is no reason to end: a letter that the server has just taken would count
/// as uncertain, and go out again. Nothing is read or sent meanwhile. Whoever forgets the lock
/// ends the daemon, with words that say so; it is started again until the lock has gone.
const LOCKED_TRIES_MAX: u32 = 3;

static MIGRATOR: sqlx::migrate::Migrator = sqlx::migrate!();

/// Who opens the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// The daemon: creates and migrates it.
    Daemon,
    /// A command beside it: takes the schema as it is.
    Command,
}

/// An open database: one connection that writes, a few that read.
#[derive(Clone, Debug)]
pub struct Store {
    writer: SqlitePool,
    readers: SqlitePool,
    key: TokenKey,
    path: PathBuf,
    access: Access,
    left: Left,
}

/// A transaction that will write; nothing of it is there before [`Tx::commit`].
pub struct Tx {
    inner: Transaction<'static, Sqlite>,
    key: TokenKey,
    known: Known,
    /// What was decided and is not written yet.
    rows: Rows,
    /// Decisions collect their rows, for one statement a table.
    in_batch: bool,
    /// Number and hash of the newest journal entry, once they were read.
    journal_head: Option<(i64, String)>,
    /// Number of the newest case, once it was read.
    last_case: Option<i64>,
}

impl Store {
    /// Opens the database file. Only what is cheap is looked at: whether all of it is whole,
    /// [`Store::check_whole`] says.
    ///
    /// # Errors
    /// When it cannot be opened, belongs to another version, or the SQLite inside is too old.
    pub async fn open(path: &Path, key: TokenKey, access: Access) -> Result<Store> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(access == Access::Daemon)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(BUSY_TIMEOUT)
            .foreign_keys(true)
            .pragma("trusted_schema", "OFF")
            .pragma("secure_delete", "ON")
            // What a statement needs to be undone by itself is no business of the disk.
            .pragma("temp_store", "MEMORY")
            .row_buffer_size(ROWS_WAITING_MAX)
            .pragma("wal_autocheckpoint", WAL_PAGES);
        let context = || format!("Cannot open the database {}", path.display());
        if access == Access::Command && !path.exists() {
            bail!("{}: it is not there yet; `deletion-desk run` makes it", context());
        }
        let left = match access {
            Access::Daemon => Seal::of(path).take(),
            Access::Command => Left::Unknown,
        };
        if access == Access::Daemon {
            // It will hold addresses, so nobody else may read it; its log will be like it. What
            // stands in the way here stands in SQLite's way, too, which says so.
            drop(OpenOptions::new().write(true).create_new(true).mode(0o600).open(path));
        }
        let writer = SqlitePoolOptions::new()
            .max_connections(1)
            .min_connections(1)
            .idle_timeout(None)
            .max_lifetime(None)
            .connect_with(options.clone())
            .await
            .with_context(context)?;
        let readers = SqlitePoolOptions::new()
            .max_connections(4)
            .connect_lazy_with(options.create_if_missing(false).read_only(true));
        let store = Store { writer, readers, key, path: path.to_owned(), access, left };
        store.check_version().await?;
        store.check_schema().await.with_context(context)?;
        Ok(store)
    }

    async fn check_version(&self) -> Result<()> {
        let row = sqlx::query("SELECT sqlite_version()").fetch_one(&self.writer).await?;
        let text: String = row.get(0);
        let mut numbers = text.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
        let mut next = || numbers.next().unwrap_or(0);
        let version = (next(), next(), next());
        if version < SQLITE_VERSION_MIN {
            bail!(
                "The SQLite inside is {text}; 3.51.3 or newer is needed, older ones can corrupt the database"
            );
        }
        Ok(())
    }

    async fn check_schema(&self) -> Result<()> {
        let ours = MIGRATOR.iter().map(|migration| migration.version).max().unwrap_or(0);
        let applied = self.applied().await?;
        if self.access == Access::Daemon {
            // What is damaged is not made over.
            if applied.is_some_and(|applied| applied < ours) {
                self.check_whole(Care::Quick).await?;
            }
            return MIGRATOR.run(&self.writer).await.context(
                "Its schema does not fit this version of deletion-desk. Use the version that wrote it, or a newer one",
            );
        }
        let applied = applied.context("It is no database of deletion-desk")?;
        if applied != ours {
            bail!(
                "Its schema has version {applied}, this deletion-desk has {ours}. Start the daemon of this version once"
            );
        }
        Ok(())
    }

    /// The version of the schema; none in a database that was just made.
    async fn applied(&self) -> Result<Option<i64>> {
        let tables: Vec<String> =
            sqlx::query_scalar("SELECT name FROM sqlite_schema WHERE type = 'table'")
                .fetch_all(&self.writer)
                .await?;
        if tables.is_empty() {
            return Ok(None);
        }
        if !tables.iter().any(|table| table == "_sqlx_migrations") {
            bail!(
                "It is a database of another program. Name another file, or none, in database.path"
            );
        }
        let sql = "SELECT coalesce(max(version), 0) FROM _sqlx_migrations";
        Ok(Some(sqlx::query_scalar(sql).fetch_one(&self.writer).await?))
    }

    /// Begins a transaction that writes: waits for other writers now, not at the commit.
    ///
    /// # Errors
    /// Storage errors.
    pub async fn begin(&self) -> Result<Tx> {
        let tries_max = if self.access == Access::Daemon { LOCKED_TRIES_MAX } else { 1 };
        let mut tries = 1;
        loop {
            match self.writer.begin_with("BEGIN IMMEDIATE").await.map_err(anyhow::Error::from) {
                Ok(inner) => {
                    return Ok(Tx {
                        inner,
                        key: self.key.clone(),
                        known: Known::default(),
                        rows: Rows::default(),
                        in_batch: false,
                        journal_head: None,
                        last_case: None,
                    });
                }
                Err(why) if tries < tries_max && Fault::of(&why) == Some(Fault::Locked) => {
                    warn!("another program keeps the database locked; waiting for it");
                    tries += 1;
                }
                Err(why) => return Err(why.context("Cannot begin a transaction")),
            }
        }
    }

    /// Where the database is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The key that tokens and address keys are made with.
    pub fn key(&self) -> &TokenKey {
        &self.key
    }

    /// Closes all connections; the last one folds the write-ahead log into the file.
    pub async fn close(self) {
        self.readers.close().await;
        self.writer.close().await;
    }

    fn writer(&self) -> &SqlitePool {
        &self.writer
    }

    fn readers(&self) -> &SqlitePool {
        &self.readers
    }
}

impl Tx {
    /// The key that tokens and address keys are made with.
    pub fn key(&self) -> &TokenKey {
        &self.key
    }

    /// Puts everything on disk, or nothing.
    ///
    /// # Errors
    /// Storage errors; then nothing was written.
    pub async fn commit(mut self) -> Result<()> {
        self.write_rows().await?;
        step("before-commit");
        self.inner.commit().await.context("Cannot commit")?;
        step("after-commit");
        Ok(())
    }

    /// For statements: they would not see what a batch has not written yet.
    fn connection(&mut self) -> &mut SqliteConnection {
        debug_assert!(self.rows.is_empty(), "a statement in the middle of a batch");
        &mut self.inner
    }
}

fn millis(at: DateTime<Utc>) -> i64 {
    at.timestamp_millis()
}

fn instant(millis: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(millis).unwrap_or_default()
}

fn day(text: Option<String>) -> Option<NaiveDate> {
    text.and_then(|text| text.parse().ok())
}
