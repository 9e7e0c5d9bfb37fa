//! The database on a full disk, not to be written, locked, damaged, or of another version; and
//! twenty daemons that start at the same moment.

use std::fs::{self, File};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::Path;
use std::process::{Child, Command};

use deletion_desk::case::verification::TokenKey;
use deletion_desk::store::{Access, Care, Store};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{Connection as _, Executor as _};
use tempfile::TempDir;

use crate::many_cases::add_closed_cases;
use crate::starved::{Host, Running, wait_until};

/// A user who owns nothing.
const NOBODY: u32 = 65_534;
/// Octets of the small disk.
const DISK: u64 = 2 << 20;

/// A small file system of its own, as long as it is held.
struct Disk {
    folder: TempDir,
}

impl Disk {
    fn new() -> Disk {
        let folder = TempDir::new().unwrap();
        let disk = Disk { folder };
        disk.mount(&["-t", "tmpfs", "-o", &format!("size={DISK},mode=777"), "tmpfs"]);
        disk
    }

    fn mount(&self, arguments: &[&str]) {
        let done = Command::new("mount").args(arguments).arg(self.folder.path()).status();
        assert!(done.unwrap().success(), "mount {arguments:?}: these tests run as root");
    }

    /// Takes all the room there is; the file gives it back when it is removed.
    fn is_filled(&self) -> std::path::PathBuf {
        let filler = self.folder.path().join("filler");
        let written = fs::write(&filler, vec![1; usize::try_from(DISK).unwrap()]);
        assert!(written.is_err(), "the disk is larger than it should be");
        filler
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(self.folder.path()).status();
    }
}

/// The last words of a desk that ended by itself.
#[track_caller]
fn last_words(host: &Host, mut desk: Running) -> String {
    let status = wait_until(|| desk.ended());
    let log = host.log();
    assert!(!status.success(), "{status}: {log}");
    let last = log.lines().last().unwrap_or_default().to_owned();
    assert!(last.starts_with("deletion-desk: "), "{log}");
    last
}

#[test]
fn on_a_full_disk_nothing_is_sent_and_with_room_everything_is() {
    let disk = Disk::new();
    let host = Host::with(|_, settings| {
        let path = format!("path = \"{}\"", disk.folder.path().join("bot.db").display());
        settings.replace("path = \"bot.db\"", &path)
    });
    let desk = host.starts();
    wait_until(|| host.log().contains("started").then_some(()));
    let filler = disk.is_filled();
    host.mail_arrives();
    let last = last_words(&host, desk);
    assert!(last.contains("bot.db failed. No room is left on its disk. Make room"), "{last}");
    assert!(host.letters().is_empty());
    // It is not better by being started again.
    let last = last_words(&host, host.starts());
    assert!(last.contains("No room is left on its disk"), "{last}");
    assert!(host.letters().is_empty());
    fs::remove_file(filler).unwrap();
    host.comes_to_rest();
    host.has_lost_and_doubled_nothing(0, "a full disk");
}

#[test]
fn a_database_that_may_not_be_written_is_refused_at_the_start() {
    let host = Host::new();
    let folder = host.file(".");
    chown(&folder, Some(NOBODY), Some(NOBODY)).unwrap();
    for name in ["bot.key", "bot.db.lock", "bot.toml", "in", "in/new", "in/cur", "in/tmp"] {
        chown(host.file(name), Some(NOBODY), Some(NOBODY)).unwrap();
    }
    fs::set_permissions(host.file("bot.db"), fs::Permissions::from_mode(0o444)).unwrap();
    // Its own copy: the folder of the build may be closed to others.
    let program = host.file("deletion-desk");
    fs::copy(env!("CARGO_BIN_EXE_deletion-desk"), &program).unwrap();
    let mut as_nobody = Command::new("setpriv");
    as_nobody.args([&format!("--reuid={NOBODY}"), "--clear-groups"]).arg(program);
    host.mail_arrives();
    let last = last_words(&host, host.runs(as_nobody));
    assert!(last.contains("bot.db failed. It cannot be written. Make the file"), "{last}");
    assert!(host.letters().is_empty());
}

/// Somebody looks at the database by hand, and begins a transaction.
async fn somebody_locks(database: &Path) -> SqliteConnection {
    let options = SqliteConnectOptions::new().filename(database);
    let mut somebody = SqliteConnection::connect_with(&options).await.unwrap();
    somebody.execute("BEGIN IMMEDIATE").await.unwrap();
    somebody
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_that_is_soon_gone_is_waited_for_and_one_that_stays_ends_the_desk() {
    let host = Host::new();
    let desk = host.starts();
    wait_until(|| host.log().contains("started").then_some(()));
    let mut somebody = somebody_locks(&host.file("bot.db")).await;
    host.mail_arrives();
    wait_until(|| host.log().contains("keeps the database locked; waiting").then_some(()));
    assert!(host.letters().is_empty());
    somebody.execute("ROLLBACK").await.unwrap();
    wait_until(|| (host.log().matches("letter submitted").count() == 3).then_some(()));

    somebody.execute("BEGIN IMMEDIATE").await.unwrap();
    let last = last_words(&host, desk);
    assert!(last.contains("Another program keeps it locked. End that one"), "{last}");
    somebody.close().await.unwrap();
    host.until(host.starts(), "started");
    host.has_lost_and_doubled_nothing(0, "a lock");
}

/// All that the tables hold, as text.
async fn contents(database: &Path) -> Result<String, sqlx::Error> {
    const TABLES: [&str; 6] = [
        "SELECT json_array(id, key, sha256, outcome, reason, case_id) FROM inbox",
        "SELECT json_array(id, reference, state, address_key, received_at, work) FROM cases",
        "SELECT json_array(case_id, address, language) FROM subjects",
        "SELECT json_array(seq, reference, at, event, decided, hash) FROM journal",
        "SELECT json_array(id, kind, recipient, address_key, nonce, status) FROM outbox",
        "SELECT json_array(name, value) FROM marks",
    ];
    let options = SqliteConnectOptions::new().filename(database);
    let mut connection = SqliteConnection::connect_with(&options).await?;
    let mut all = String::new();
    for sql in TABLES {
        let rows: Vec<String> = sqlx::query_scalar(sql).fetch_all(&mut connection).await?;
        all += &rows.join("\n");
    }
    connection.close().await?;
    Ok(all)
}

/// SQLite keeps no sum over what stands in a row. What of it matters is in the journal's chain;
/// the rest may change without a word, but never which rows there are.
#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_file_is_refused_or_whole() {
    let host = Host::new();
    let now = deletion_desk::clock::Clock::System.now();
    add_closed_cases(&host.file("bot.db"), 200, 100, now).await.unwrap();
    let key = || TokenKey::new(vec![7; 32]);
    let bytes = fs::read(host.file("bot.db")).unwrap();
    let whole = contents(&host.file("bot.db")).await.unwrap();
    let folder = TempDir::new().unwrap();
    let (mut refused, mut same, mut seen_by_journal, mut in_a_value) = (0, 0, 0, 0);
    for place in (0..bytes.len()).step_by(2_999) {
        let file = folder.path().join(format!("{place}.db"));
        let mut damaged = bytes.clone();
        damaged[place] ^= 0x55;
        fs::write(&file, damaged).unwrap();
        let opened = Store::open(&file, key(), Access::Daemon).await;
        let Ok(store) = opened else {
            refused += 1;
            continue;
        };
        if store.check_whole(Care::Quick).await.is_err() {
            refused += 1;
        } else if contents(&file).await.is_ok_and(|found| found == whole) {
            same += 1;
        } else if store.verify_journal().await.map_or(true, |found| !found.problems.is_empty()) {
            seen_by_journal += 1;
        } else {
            let found = contents(&file).await.unwrap();
            let differing = found.lines().zip(whole.lines()).filter(|(one, other)| one != other);
            assert_eq!(found.lines().count(), whole.lines().count(), "at {place}");
            assert_eq!(differing.count(), 1, "at {place}");
            in_a_value += 1;
        }
        store.close().await;
    }
    println!("{refused} refused, {same} the same, {seen_by_journal} seen, {in_a_value} in a value");
    assert!(
        refused > 10 && seen_by_journal > 10,
        "{refused} {same} {seen_by_journal} {in_a_value}"
    );
}

/// The whole of a damaged file is read beside the start, and nothing leaves before. Mail may be
/// taken in meanwhile, so it must still be there for the copy that takes the file's place.
#[test]
fn a_desk_on_a_damaged_file_sends_nothing_and_says_what_to_do() {
    let host = Host::new();
    let whole = fs::read(host.file("bot.db")).unwrap();
    let mut bytes = whole.clone();
    // A page of an index, that no start looks at: every entry of it is garbled.
    let page = 4096;
    let index =
        (1..bytes.len() / page).rfind(|at| bytes[at * page] == 0x0a && bytes[at * page + 4] > 0);
    let from = index.unwrap() * page;
    bytes[from + 8..from + 10].copy_from_slice(&[0xff, 0xff]);
    fs::write(host.file("bot.db"), bytes).unwrap();
    host.mail_arrives();
    let last = last_words(&host, host.starts());
    assert!(
        last.contains("bot.db")
            && last.contains("s damaged")
            && last.contains("Restore it from a backup"),
        "{last}"
    );
    assert!(host.letters().is_empty(), "{}", host.log());
    for beside in ["bot.db-wal", "bot.db-shm"] {
        let _ = fs::remove_file(host.file(beside));
    }
    fs::write(host.file("bot.db"), whole).unwrap();
    host.comes_to_rest();
    host.has_lost_and_doubled_nothing(0, "restored");

    fs::write(
        host.file("bot.db"),
        "this is no database at all, but a letter to a friend, and long",
    )
    .unwrap();
    let last = last_words(&host, host.starts());
    assert!(last.contains("bot.db failed. It is damaged. Restore"), "{last}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_of_a_newer_version_or_another_program_is_refused() {
    const NEWER: &str = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
        VALUES (9999, 'later', 1, x'00', 0)";
    let host = Host::new();
    let options = SqliteConnectOptions::new().filename(host.file("bot.db"));
    let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
    connection.execute(NEWER).await.unwrap();
    connection.close().await.unwrap();
    host.mail_arrives();
    let last = last_words(&host, host.starts());
    assert!(last.contains("Its schema does not fit this version"), "{last}");
    assert!(last.contains("or a newer one"), "{last}");

    fs::remove_file(host.file("bot.db")).unwrap();
    let options = options.create_if_missing(true);
    let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
    connection.execute("CREATE TABLE songs (title TEXT)").await.unwrap();
    connection.close().await.unwrap();
    let last = last_words(&host, host.starts());
    assert!(last.contains("It is a database of another program"), "{last}");
    assert!(host.letters().is_empty());
}

/// Promise 8, at the worst moment, and under two names of one file.
#[test]
fn of_twenty_daemons_that_start_together_one_runs() {
    let host = Host::new();
    fs::remove_file(host.file("bot.db")).unwrap();
    host.mail_arrives();
    let starts = |number: usize| {
        let log = File::create(host.file(&format!("log.{number}"))).unwrap();
        let mut program = Command::new(env!("CARGO_BIN_EXE_deletion-desk"));
        program.current_dir(host.file(".")).arg("run").stderr(log).spawn().unwrap()
    };
    let mut desks: Vec<Child> = (0..20).map(starts).collect();
    let ended = |desks: &mut Vec<Child>| {
        desks.iter_mut().filter_map(|desk| desk.try_wait().unwrap()).collect::<Vec<_>>()
    };
    let statuses = wait_until(|| Some(ended(&mut desks)).filter(|ended| ended.len() == 19));
    assert!(statuses.iter().all(|status| !status.success()));
    let refused = (0..20).map(|number| fs::read_to_string(host.file(&format!("log.{number}"))));
    let refused = refused.filter(|log| {
        log.as_ref().unwrap().contains("Another deletion-desk runs with the database")
    });
    assert_eq!(refused.count(), 19);

    let settings = fs::read_to_string(host.file("bot.toml")).unwrap();
    fs::write(host.file("bot.toml"), settings.replace("\"bot.db\"", "\"other.db\"")).unwrap();
    std::os::unix::fs::symlink(host.file("bot.db"), host.file("other.db")).unwrap();
    let last = last_words(&host, host.starts());
    assert!(last.contains("Another deletion-desk runs with the database"), "{last}");
    for desk in &mut desks {
        let _ = desk.kill();
        desk.wait().unwrap();
    }
}
