//! When all of the database is read: before the first letter of a start, unless the desk itself
//! closed the file and nothing was written to it since; then soon after; and every day.

use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::Command;

use chrono::TimeDelta;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Connection as _, Executor as _, SqliteConnection};

use crate::harness::{Desk, JANE, mail};
use crate::many_cases::add_closed_cases;
use crate::starved::{Host, wait_until};
use crate::watched_signals::heard;
use crate::wire::LiveDesk;

const READ: &str = "all of the database was read; it is whole";
const SENT: &str = "letter submitted";

/// What was done to the file between two runs, and how.
type Meanwhile = (&'static str, fn(&Host));

const MEANWHILE: [Meanwhile; 5] = [
    ("a desk that was killed", |host| {
        let mut desk = host.starts();
        wait_until(|| host.log().contains("started").then_some(()));
        desk.is_killed();
    }),
    ("a write that leaves its length and its time", |host| {
        let file = File::options().read(true).write(true).open(host.file("bot.db")).unwrap();
        let written_at = file.metadata().unwrap().modified().unwrap();
        let mut octet = [0];
        file.read_exact_at(&mut octet, 5000).unwrap();
        file.write_all_at(&octet, 5000).unwrap();
        file.set_modified(written_at).unwrap();
    }),
    ("a copy in its place, as old as it is", |host| {
        let cp =
            Command::new("cp").arg("-a").arg(host.file("bot.db")).arg(host.file("copy")).status();
        assert!(cp.unwrap().success());
        fs::rename(host.file("copy"), host.file("bot.db")).unwrap();
    }),
    ("another program that writes to it", |host| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let options = SqliteConnectOptions::new().filename(host.file("bot.db"));
            let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
            connection.execute("INSERT INTO marks VALUES ('song', 'one')").await.unwrap();
            connection.close().await.unwrap();
        });
    }),
    ("a seal that was written by hand", |host| {
        fs::write(host.file("bot.db.seal"), "whole").unwrap();
    }),
];

/// A desk that was stopped, over a file that was read and is whole.
fn stopped() -> Host {
    let host = Host::new();
    // So that it has to read it.
    let _ = fs::remove_file(host.file("bot.db.seal"));
    host.until(host.starts(), READ);
    host
}

/// What the log of a start says up to its first letter.
fn until_it_sends(host: &Host) -> String {
    host.mail_arrives();
    host.comes_to_rest();
    host.log().split(SENT).next().unwrap_or_default().to_owned()
}

#[test]
fn after_a_stop_letters_do_not_wait_until_all_of_the_database_was_read() {
    let host = stopped();
    let log = until_it_sends(&host);
    assert!(log.contains("started") && !log.contains(READ), "{log}");
    host.has_lost_and_doubled_nothing(0, "after a stop");
}

#[test]
fn a_file_that_the_desk_did_not_leave_like_this_is_read_before_anything_is_sent() {
    for (what, happens) in MEANWHILE {
        let host = stopped();
        happens(&host);
        let log = until_it_sends(&host);
        assert!(log.contains(READ), "{what}: {log}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn while_all_of_it_is_read_the_desk_lives_says_so_and_can_be_stopped() {
    let mut desk = LiveDesk::over_folders().await;
    desk.stops().await;
    let seal = desk.file("bot.db.seal");
    assert!(seal.exists());
    // It takes a while to be read, and breaks the seal.
    let now = deletion_desk::clock::Clock::System.now();
    add_closed_cases(&desk.file("bot.db"), 300, 60, now).await.unwrap();
    fs::remove_file(desk.file("log")).unwrap();
    let socket = desk.file("notify");
    let manager = UnixDatagram::bind(&socket).unwrap();
    manager.set_nonblocking(true).unwrap();
    desk.launches_on_a_slow_disk(&[("NOTIFY_SOCKET", &socket)]);
    let (mut all, mut beats) = (Vec::new(), 0);
    desk.until("systemd heard that it moves", || {
        all.extend(heard(&manager, &mut beats));
        (beats >= 3).then_some(())
    })
    .await;
    let wanted = "STATUS=reading the inbox, letters wait (the database is checked), 0 open cases";
    assert!(all.iter().any(|one| one == wanted), "{all:?}");
    let health = desk.opens("/healthz").await;
    let line = "checking  database: letters wait until all of it was read, since 20";
    assert!(health.starts_with("HTTP/1.1 200 ") && health.contains(line), "{health}");

    desk.stops().await;
    assert!(!desk.log().contains(READ), "{}", desk.log());
    assert!(!seal.exists(), "nobody knows yet whether it is whole");
    desk.starts().await;
    desk.until_log_says(READ).await;
    desk.stops().await;
    assert!(seal.exists());
}

/// Garbles the index that mails are known by, as a bad disk does: nobody sees it who reads
/// something else.
async fn rots(database: &Path) {
    const PAGE: i64 = 4096;
    let options = SqliteConnectOptions::new().filename(database);
    let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
    let sql = "SELECT rootpage FROM sqlite_schema WHERE name = 'inbox_sha256'";
    let page: i64 = sqlx::query_scalar(sql).fetch_one(&mut connection).await.unwrap();
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").await.unwrap();
    connection.close().await.unwrap();
    let file = File::options().write(true).open(database).unwrap();
    file.write_all_at(&[0xff, 0xff], ((page - 1) * PAGE + 8).try_into().unwrap()).unwrap();
}

#[tokio::test]
async fn what_rots_while_the_desk_works_ends_it_within_a_day() {
    let mut desk = Desk::live().await;
    desk.receives(&mail(JANE, "Data Deletion Request", "please")).await;
    desk.hours_pass(20).await;
    rots(&desk.database()).await;
    desk.sleeps_for(TimeDelta::hours(5));
    let (why, noted) = desk.breaks_off().await;
    assert!(why.contains("is damaged") && why.contains("Restore it from a backup"), "{why}");
    assert_eq!(noted, "damaged\n");
}

/// An index that has something else than its table, as after a write that a disk lost: only a
/// thorough look sees it.
async fn disagrees_with_itself(database: &Path) {
    let options = SqliteConnectOptions::new().filename(database);
    let steps = [
        "CREATE TABLE kept AS SELECT * FROM sqlite_schema WHERE name = 'inbox_sha256';
         PRAGMA writable_schema = ON; DELETE FROM sqlite_schema WHERE name = 'inbox_sha256'",
        "UPDATE inbox SET sha256 = hex(randomblob(32))",
        "PRAGMA writable_schema = ON; INSERT INTO sqlite_schema SELECT * FROM kept; DROP TABLE kept",
    ];
    for step in steps {
        // What the schema is, each connection reads once.
        let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
        connection.execute(step).await.unwrap();
        connection.close().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn damage_that_a_thorough_look_found_is_not_missed_by_the_next_start() {
    let host = stopped();
    host.mail_arrives();
    host.comes_to_rest();
    disagrees_with_itself(&host.file("bot.db")).await;
    // A quick look does not see it.
    host.until(host.starts(), READ);
    fs::write(host.file("bot.db.seal"), "damaged\n").unwrap();
    for start in 1..=2 {
        let mut desk = host.starts();
        let ended = wait_until(|| desk.ended());
        assert!(!ended.success() && host.log().contains("is damaged"), "{start}: {}", host.log());
    }
}

#[tokio::test]
async fn a_stop_before_the_daily_look_has_ended_vouches_for_nothing() {
    for (hours, vouches) in [(23, true), (25, false)] {
        let mut desk = Desk::live().await;
        desk.receives(&mail(JANE, "Data Deletion Request", "please")).await;
        // Two hours went by since its start.
        desk.sleeps_for(TimeDelta::hours(hours - 2));
        assert_eq!(desk.ticks_and_stops().await, vouches, "after {hours} hours");
    }
}

#[tokio::test]
async fn what_rotted_before_a_start_that_trusted_it_ends_the_desk_soon_after() {
    let mut desk = Desk::live().await;
    desk.receives(&mail(JANE, "Data Deletion Request", "please")).await;
    rots(&desk.database()).await;
    let mut desk = desk.restarts().await;
    desk.sleeps_for(TimeDelta::minutes(9));
    desk.settles().await;
    desk.sleeps_for(TimeDelta::minutes(2));
    let (why, _) = desk.breaks_off().await;
    assert!(why.contains("is damaged"), "{why}");
}
