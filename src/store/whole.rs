//! Whether the database is whole: when all of it has to be read, and what it was like when the
//! desk that closed it had found it whole.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Result, bail};
use tracing::warn;

use super::fault::Fault;
use super::{Access, Store};

/// Pages, or steps within a row, between two looks whether anybody still waits for the verdict.
const STEPS_BETWEEN: i32 = 10;

/// In the place of a seal.
const DAMAGED: &str = "damaged\n";

/// How carefully [`Store::check_whole`] looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Care {
    /// At every page, and at what each row has to hold.
    Quick,
    /// Also whether each index has what the rows have; some four times as long.
    Thorough,
}

/// A file beside the database, by whatever name that is called: SQLite, too, puts its log beside
/// the file itself.
pub fn beside(database: &Path, ending: &str) -> PathBuf {
    let mut path = fs::canonicalize(database).unwrap_or(database.to_owned()).into_os_string();
    path.push(ending);
    PathBuf::from(path)
}

/// A file beside the database that tells how it was closed. It is good for one start, as the
/// mark of a file system that was cleanly unmounted: whatever was written to the database since,
/// by whomever, or ended without closing it, makes it worthless.
#[derive(Clone, Debug)]
pub(super) struct Seal {
    database: PathBuf,
}

impl Seal {
    pub(super) fn of(database: &Path) -> Seal {
        Seal { database: database.to_owned() }
    }

    /// Which file it is, how long, and when it was written last. The time of its last change
    /// (`ctime`) is among them, which no program can set.
    fn sight(&self) -> io::Result<String> {
        let file = fs::metadata(&self.database)?;
        Ok(format!(
            "{} {} {} {}.{:09} {}.{:09}\n",
            file.dev(),
            file.ino(),
            file.size(),
            file.mtime(),
            file.mtime_nsec(),
            file.ctime(),
            file.ctime_nsec()
        ))
    }

    /// Seals a database that all connections have left.
    fn put(&self) -> io::Result<()> {
        fs::write(beside(&self.database, ".seal"), self.sight()?)
    }

    /// Takes the seal off; what it told. Damage is told until the desk closes a whole database.
    pub(super) fn take(&self) -> Left {
        let seal = beside(&self.database, ".seal");
        let Ok(sealed) = fs::read_to_string(&seal) else { return Left::Unknown };
        let log = fs::metadata(beside(&self.database, "-wal")).map_or(0, |log| log.len());
        if sealed == DAMAGED {
            return Left::Damaged;
        }
        // One that stays could only tell of an older file, which this one is not any more.
        let _ = fs::remove_file(&seal);
        match log == 0 && self.sight().is_ok_and(|now| now == sealed) {
            true => Left::Whole,
            false => Left::Unknown,
        }
    }
}

/// How the daemon before left the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Left {
    /// Found whole, closed, and not written to since.
    Whole,
    /// Found damaged; perhaps it was replaced since.
    Damaged,
    /// It was killed, or somebody else wrote to it.
    Unknown,
}

/// Whether somebody waits for a verdict.
struct Waits(Arc<AtomicBool>);

impl Drop for Waits {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

impl Store {
    /// Reads all of the database, on a connection that only reads. Whoever drops this, because
    /// the desk stops, ends it.
    ///
    /// # Errors
    /// When it is damaged.
    pub async fn check_whole(&self, care: Care) -> Result<()> {
        let sql = match care {
            Care::Quick => "PRAGMA quick_check(1)",
            Care::Thorough => "PRAGMA integrity_check(1)",
        };
        let mut connection = self.readers().acquire().await?;
        // With what is set here it is of no use to others.
        connection.close_on_drop();
        let waits = Waits(Arc::new(AtomicBool::new(true)));
        let still_waits = Arc::clone(&waits.0);
        let goes_on = move || still_waits.load(Ordering::Relaxed);
        connection.lock_handle().await?.set_progress_handler(STEPS_BETWEEN, goes_on);
        let verdict: String = sqlx::query_scalar(sql).fetch_one(&mut *connection).await?;
        if verdict != "ok" {
            self.note_damage();
            bail!(
                "The database {} is damaged ({verdict}). {}",
                self.path.display(),
                Fault::Damaged.remedy()
            );
        }
        Ok(())
    }

    /// Whether the daemon before closed it as [`Store::close_whole`] does, and nothing was
    /// written since.
    pub fn was_left_whole(&self) -> bool {
        self.left == Left::Whole
    }

    /// How carefully it has to be looked at before the first letter: damage that a thorough look
    /// found is not missed by a quick one.
    pub fn care_at_start(&self) -> Care {
        if self.left == Left::Damaged { Care::Thorough } else { Care::Quick }
    }

    /// Notes for the daemon's next start what that may not see.
    fn note_damage(&self) {
        if self.access == Access::Daemon
            && let Err(why) = fs::write(beside(&self.path, ".seal"), DAMAGED)
        {
            warn!(%why, "the next start may not see the damage");
        }
    }

    /// Closes all connections of a database that was found whole, and notes how it is left.
    pub async fn close_whole(self) {
        let seal = Seal::of(&self.path);
        self.close().await;
        if let Err(why) = seal.put() {
            warn!(%why, "the next start reads all of the database before it sends");
        }
    }
}
