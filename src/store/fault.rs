//! What is wrong when the database fails, and what a person can do about it.

use std::path::Path;

use anyhow::Error;

/// A fault of the storage. While there is one, nothing may be read or sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// No room is left.
    Full,
    /// The disk or the file system gives an error.
    Disk,
    /// The file is not what was written.
    Damaged,
    /// Another process keeps it locked.
    Locked,
    /// It may not be written.
    ReadOnly,
    /// It cannot be opened.
    NotOpened,
    /// Anything else.
    Other,
}

/// The primary result codes of SQLite (<https://www.sqlite.org/rescode.html>).
fn of_code(code: i32) -> Option<Fault> {
    match code & 0xff {
        5 | 6 => Some(Fault::Locked),
        8 => Some(Fault::ReadOnly),
        10 => Some(Fault::Disk),
        11 | 26 => Some(Fault::Damaged),
        13 => Some(Fault::Full),
        14 => Some(Fault::NotOpened),
        // A row that the schema refuses is the fault of whoever wrote it, not of the disk.
        19 => None,
        _ => Some(Fault::Other),
    }
}

fn of_sqlx(why: &sqlx::Error) -> Option<Fault> {
    let sqlx::Error::Database(database) = why else { return Some(Fault::Other) };
    let code = database.code().and_then(|code| code.parse().ok());
    code.map_or(Some(Fault::Other), of_code)
}

impl Fault {
    /// The fault of the storage behind an error; none when the error is another one.
    pub fn of(why: &Error) -> Option<Fault> {
        why.chain().find_map(|cause| cause.downcast_ref::<sqlx::Error>()).and_then(of_sqlx)
    }

    /// What a person can do.
    pub fn remedy(self) -> &'static str {
        match self {
            Fault::Full => "No room is left on its disk. Make room, then start again.",
            Fault::Disk => {
                "The disk gives errors. Look into the log of the system (`dmesg`), mend or change the disk, then start again."
            }
            Fault::Damaged => {
                "It is damaged. Restore it from a backup; mail that is still in the inbox is read again."
            }
            Fault::Locked => {
                "Another program keeps it locked. End that one (`fuser -v` on the file names it), then start again."
            }
            Fault::ReadOnly => {
                "It cannot be written. Make the file and its folder writable for the user of the desk, then start again."
            }
            Fault::NotOpened => {
                "It cannot be opened. Look whether the folder is there, and readable and writable for the user of the desk."
            }
            Fault::Other => "Start again; if it comes again, restore it from a backup.",
        }
    }
}

/// Adds to an error which database it was, and what to do, if it was the storage's fault.
pub fn explained(why: Error, database: &Path) -> Error {
    match Fault::of(&why) {
        None => why,
        Some(fault) => {
            let place = database.display();
            why.context(format!(
                "The database {place} failed. {} Nothing that was written before is lost. The error was",
                fault.remedy()
            ))
        }
    }
}
