//! `backup`: a verified copy of the database, made while the desk runs.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, anyhow, bail};
use clap::Args;

use super::run::stop_signal;
use super::setup::Setup;
use crate::store::Store;
use crate::store::backup::Contents;
use crate::store::whole::beside;

/// Arguments of `backup`.
#[derive(Debug, Args)]
#[command(after_help = "\
The copy is one file of mode 0600. It is read again before it gets its name, so what stands under
FILE is whole, or nothing stands there. It holds addresses of requesters; it holds no token, and
no key: keep database.key_file apart from it, at a place of its own.

To put it back: stop the desk; remove bot.db-wal and bot.db-shm beside the database; put the
copy in the place of the database; start the desk. It takes up the mail that is in the inbox and
that the copy does not know, and asks nobody again whom the copy knows.

Every night, for example:
  deletion-desk backup /var/backups/desk-$(date +%F).db")]
pub struct BackupArgs {
    /// Where the copy goes; nothing may be there yet
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

/// Copies, verifies and says what there is.
///
/// # Errors
/// Configuration and storage errors; a file that is there already; an end by a signal. Nothing is
/// left then.
pub async fn backup(config: &Path, args: &BackupArgs) -> Result<ExitCode> {
    let file = &args.file;
    let setup = Setup::read(config)?;
    let store = setup.open_store().await?;
    let stop = stop_signal()?;
    let part = part_of(file)?;
    let made = tokio::select! {
        made = make(&store, &part, file) => made,
        () = stop => Err(anyhow!("Stopped; there is no copy")),
    };
    let (contents, octets) = match made {
        Ok(made) => made,
        Err(why) => {
            // Whatever there is of it is worth nothing, and has addresses in it.
            for ending in ["-journal", "-wal", "-shm", ""] {
                let _ = fs::remove_file(beside(&part, ending));
            }
            return Err(why);
        }
    };
    store.close().await;
    println!(
        "{}: {} cases, {} messages, {} letters, {} entries of the journal, {octets} octets; read again and whole.",
        file.display(),
        contents.cases,
        contents.messages,
        contents.letters,
        contents.entries,
    );
    println!(
        "The key {} is not in it; keep a copy of that at another place.",
        setup.config.resolve(&setup.config.database.key_file).display()
    );
    Ok(ExitCode::SUCCESS)
}

async fn make(store: &Store, part: &Path, file: &Path) -> Result<(Contents, u64)> {
    store.copy_into(part).await?;
    let contents = store.verify_copy(part).await?;
    let written = File::open(part).and_then(|copy| copy.sync_all().and(copy.metadata()));
    let written = written.with_context(|| format!("Cannot write {}", part.display()))?;
    name_it(part, file)
        .and_then(|()| File::open(folder_of(file))?.sync_all())
        .with_context(|| format!("Cannot name the copy {}", file.display()))?;
    Ok((contents, written.len()))
}

fn name_it(part: &Path, file: &Path) -> std::io::Result<()> {
    // A link takes no name that somebody else took in the meantime.
    match fs::hard_link(part, file) {
        Ok(()) => fs::remove_file(part),
        Err(why) if why.kind() == ErrorKind::AlreadyExists => Err(why),
        // Not every file system has links.
        Err(_) => fs::rename(part, file),
    }
}

/// An empty file beside it that only its owner can read.
fn part_of(file: &Path) -> Result<PathBuf> {
    if file.symlink_metadata().is_ok() {
        bail!("{} is there already; name another file, or move that one away", file.display());
    }
    let mut name = OsString::from(file);
    name.push(format!(".{}.part", std::process::id()));
    let part = PathBuf::from(name);
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&part)
        .with_context(|| format!("Cannot write {}", part.display()))?;
    Ok(part)
}

fn folder_of(file: &Path) -> &Path {
    file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
