//! A copy is made while the desk runs, and a desk goes on from last night's copy.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use deletion_desk::submission::Submitter;

use crate::harness::{Desk, JANE, answer, mail};
use crate::starved::{Host, PEOPLE, wait_until};

const REQUEST: &str = "Data Deletion Request";
const BOB: &str = "bob@example.net";
const CLEO: &str = "cleo@example.net";

#[test]
fn a_copy_is_made_while_the_desk_runs_and_takes_its_place() {
    let host = Host::new();
    let backs_up = |to: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_deletion-desk"));
        let output = command.args(["backup", to]).current_dir(host.file(".")).output().unwrap();
        let printed = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8(printed).unwrap())
    };
    let mut desk = host.starts();
    host.mail_arrives();
    let sent = || host.log().matches("letter submitted").count();
    wait_until(|| (sent() == PEOPLE.len()).then_some(()));
    let (done, said) = backs_up("copy.db");
    assert!(done && said.contains("copy.db: 3 cases, 3 messages, 3 letters, "), "{said}");
    assert!(said.contains("bot.key is not in it"), "{said}");
    assert!(desk.ended().is_none(), "{}", host.log());
    for name in ["copy.db", "bot.db", "bot.db-wal", "bot.key"] {
        let mode = fs::metadata(host.file(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }

    let copy = fs::read(host.file("copy.db")).unwrap();
    let (done, said) = backs_up("copy.db");
    assert!(!done && said.contains("copy.db is there already; name another file"), "{said}");
    assert_eq!(fs::read(host.file("copy.db")).unwrap(), copy);
    let (done, said) = backs_up("no/such/folder/copy.db");
    assert!(!done && said.contains("Cannot write no/such/folder/copy.db"), "{said}");
    let names = fs::read_dir(host.file(".")).unwrap().map(|entry| entry.unwrap().file_name());
    let left = names.filter(|name| name.to_string_lossy().starts_with("copy.db")).count();
    assert_eq!(left, 1, "nothing is left beside it");

    desk.is_killed();
    for name in ["bot.db-wal", "bot.db-shm"] {
        let _ = fs::remove_file(host.file(name));
    }
    fs::rename(host.file("copy.db"), host.file("bot.db")).unwrap();
    host.until(host.starts(), "started");
    host.has_lost_and_doubled_nothing(0, "a copy in the place of the database");
}

/// Ctrl-C, or a timer that takes it for stuck: what there is of the copy has addresses in it.
#[test]
fn a_copy_that_is_broken_off_leaves_nothing_behind() {
    let host = Host::new();
    let left = || {
        let names = fs::read_dir(host.file(".")).unwrap();
        names
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.starts_with("copy.db"))
            .collect::<Vec<_>>()
    };
    let mut slow = Command::new("strace");
    slow.args(["-D", "-f", "--seccomp-bpf", "-qq", "-e", "trace=pwrite64", "-o", "/dev/null"]);
    slow.args(["-e", "inject=pwrite64:delay_enter=500000"]);
    slow.args([env!("CARGO_BIN_EXE_deletion-desk"), "backup", "copy.db"]);
    let mut backup = slow.current_dir(host.file(".")).spawn().unwrap();
    wait_until(|| left().iter().any(|name| name.ends_with(".part")).then_some(()));
    std::thread::sleep(std::time::Duration::from_millis(700));
    let killed = Command::new("kill").args(["-INT", &backup.id().to_string()]).status();
    assert!(killed.unwrap().success());
    assert!(!backup.wait().unwrap().success());
    assert_eq!(left(), Vec::<String>::new());
}

/// A copy of something that is damaged is none.
#[test]
fn a_damaged_database_gives_no_copy() {
    let host = Host::new();
    host.mail_arrives();
    host.comes_to_rest();
    let changes =
        "DROP TRIGGER journal_is_not_changed; UPDATE journal SET reason = 'x' WHERE seq = 2";
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        use sqlx::{Connection as _, Executor as _};
        let url = format!("sqlite://{}", host.file("bot.db").display());
        let mut connection = sqlx::SqliteConnection::connect(&url).await.unwrap();
        connection.execute(changes).await.unwrap();
        connection.close().await.unwrap();
    });
    let mut command = Command::new(env!("CARGO_BIN_EXE_deletion-desk"));
    let output = command.args(["backup", "copy.db"]).current_dir(host.file(".")).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && said.contains("entry 2 was changed"), "{said}");
    let names = fs::read_dir(host.file(".")).unwrap().map(|entry| entry.unwrap().file_name());
    assert_eq!(names.filter(|name| name.to_string_lossy().starts_with("copy")).count(), 0);
}

#[tokio::test]
async fn restored_from_last_nights_copy_the_desk_asks_nobody_twice_whom_the_copy_knows() {
    let (mut desk, jane) = Desk::asked().await;
    // Bob's letter is with a worker while the copy is made, and arrives.
    desk.mail_arrives(&mail(BOB, REQUEST, "please"));
    desk.polls().await;
    let parcels = desk.takes_letters().await.unwrap();
    let copy = desk.folder().join("copy.db");
    desk.store.copy_into(&copy).await.unwrap();
    let held = desk.store.verify_copy(&copy).await.unwrap();
    assert_eq!((held.cases, held.messages, held.letters), (2, 2, 2));
    let mut line = Submitter::Memory(desk.out.clone()).line();
    for parcel in parcels {
        let end = line.submit(&parcel).await;
        desk.ends(parcel.id, end).await;
    }

    let bytes = String::from_utf8_lossy(&fs::read(&copy).unwrap()).into_owned();
    let (link, answers) = (jane.link(), jane.answer_address());
    let tokens = [link.rsplit('/').next().unwrap(), answers.split(['+', '@']).nth(1).unwrap()];
    assert!(tokens.iter().all(|token| token.len() > 20 && !bytes.contains(token)), "{tokens:?}");

    // After it: Jane answers, Cleo asks, and the disk breaks.
    desk.receives(&answer(JANE, &jane, "Yes")).await;
    desk.receives(&mail(CLEO, REQUEST, "please")).await;
    assert_eq!(desk.cases().await.len(), 3);
    let sent = |desk: &Desk| [JANE, BOB, CLEO].map(|to| desk.letters_to(to).len());
    assert_eq!(sent(&desk), [2, 1, 1]);

    let mut desk = desk.restarts_from(&copy).await;
    desk.settles().await;
    desk.hours_pass(3).await;
    assert_eq!(sent(&desk), [3, 2, 2], "{:?}", desk.outcomes().await);
    let subjects = desk.subjects_to(JANE);
    let asked = subjects.iter().filter(|subject| subject.starts_with("Please confirm"));
    assert_eq!(asked.count(), 1, "the copy knows that Jane was asked: {subjects:?}");
    let bobs = desk.letters_to(BOB);
    assert_eq!(bobs[0].raw, bobs[1].raw, "nobody knew whether it had left; it is the same letter");
    let states: Vec<_> = desk.cases().await.iter().map(|found| found.case.state.as_str()).collect();
    assert_eq!(states, ["in-progress", "awaiting-verification", "awaiting-verification"]);
    let outcomes = desk.outcomes().await;
    assert_eq!(outcomes.len(), 4, "{outcomes:?}");
    let cleo = desk.last_letter_to(CLEO).link();
    desk.confirms(&cleo, "own-account").await;
    assert!(desk.store.verify_journal().await.unwrap().problems.is_empty());

    let before = sent(&desk);
    let mut desk = desk.restarts().await;
    desk.settles().await;
    assert_eq!(sent(&desk), before, "a further run changes nothing");
}
