//! The disk under the database fails, fills up, or may not be written: the desk stops sending,
//! ends with words, and goes on where it was once the fault has gone (promise 6).
//!
//! The faults are real: strace makes single system calls of the running program fail, and a
//! small file system is filled. A sample is tried, another one each time; `STARVED_ALL=1` tries
//! each write and each sync.

use std::fs::{self, File};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use deletion_desk::case::verification::TokenKey;
use deletion_desk::store::{Access, Care, Store};
use tempfile::TempDir;

use crate::settings::SETTINGS;

/// Longest time for a step of a run.
const PATIENCE: Duration = Duration::from_secs(90);
/// Requesters who write at once; enough that letters still wait when a fault comes.
pub(crate) const PEOPLE: [&str; 3] = ["ada@example.org", "bob@example.org", "cleo@example.org"];
/// Faults in a sample.
const SAMPLE: usize = 4;

/// A folder with a desk in it.
pub(crate) struct Host {
    folder: TempDir,
    config: PathBuf,
}

impl Host {
    /// A desk that has looked at its empty inbox once, and was stopped.
    pub(crate) fn new() -> Host {
        Host::with(|_, settings| settings)
    }

    pub(crate) fn with(change: impl FnOnce(&Path, String) -> String) -> Host {
        let folder = TempDir::new().unwrap();
        let config = folder.path().join("bot.toml");
        let settings = SETTINGS.replace("path = \"in\"", "path = \"in\"\npoll = \"1s\"");
        fs::write(&config, change(folder.path(), settings)).unwrap();
        let host = Host { folder, config };
        let first = host.runs(Command::new(env!("CARGO_BIN_EXE_deletion-desk")));
        host.until(first, "first look at this inbox");
        host
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The same desk at another place.
    fn copied(&self) -> Host {
        let folder = TempDir::new().unwrap();
        let copied = Command::new("cp").arg("-a").arg(self.file(".")).arg(folder.path()).status();
        assert!(copied.unwrap().success());
        let config = folder.path().join("bot.toml");
        Host { folder, config }
    }

    pub(crate) fn mail_arrives(&self) {
        for (number, person) in PEOPLE.iter().enumerate() {
            let raw = format!(
                "From: {person}\r\nTo: hello@flexus.example\r\nSubject: Data Deletion Request\r\n\
                 Message-ID: <{number}@mail.example>\r\n\r\nPlease delete my data.\r\n"
            );
            fs::write(self.file(&format!("in/new/{number}.mail")), raw).unwrap();
        }
    }

    /// Starts the program, perhaps through another one; its words go into the file `log`.
    pub(crate) fn runs(&self, mut program: Command) -> Running {
        let log = File::create(self.file("log")).unwrap();
        let program = program.arg("--config").arg(&self.config).arg("run");
        program.current_dir(self.folder.path()).env("NO_COLOR", "1").process_group(0);
        program.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        Running(program.spawn().unwrap())
    }

    pub(crate) fn starts(&self) -> Running {
        self.runs(Command::new(env!("CARGO_BIN_EXE_deletion-desk")))
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.file("log")).unwrap_or_default()
    }

    pub(crate) fn letters(&self) -> Vec<Vec<u8>> {
        let Ok(entries) = fs::read_dir(self.file("out/new")) else { return Vec::new() };
        entries.map(|entry| fs::read(entry.unwrap().path()).unwrap()).collect()
    }

    /// Waits until the log has these words, and stops the desk.
    pub(crate) fn until(&self, mut desk: Running, words: &str) {
        wait_until(|| {
            let ended = desk.ended();
            assert!(ended.is_none(), "it ended before {words:?}: {ended:?}\n{}", self.log());
            self.log().contains(words).then_some(())
        });
        assert!(desk.stops().success(), "{}", self.log());
    }

    /// Runs to rest: every letter has left.
    pub(crate) fn comes_to_rest(&self) {
        let mut desk = self.starts();
        wait_until(|| {
            let ended = desk.ended();
            assert!(ended.is_none(), "it ended: {ended:?}\n{}", self.log());
            // Before it has started, a stop is no stop but a death.
            (self.log().contains("started") && self.is_done()).then_some(())
        });
        assert!(desk.stops().success(), "{}", self.log());
    }

    fn is_done(&self) -> bool {
        if self.letters().len() < PEOPLE.len() {
            return false;
        }
        self.reads(async |store| {
            let cases = store.cases(false).await.unwrap().len();
            cases == PEOPLE.len() && store.letters_not_done().await.unwrap().is_empty()
        })
        .unwrap_or(false)
    }

    /// Looks into the database beside the desk; none while it cannot be opened.
    fn reads<T: Send>(&self, look: impl AsyncFnOnce(&Store) -> T + Send) -> Option<T> {
        let database = self.database();
        let key = TokenKey::new(vec![7; 32]);
        let read = || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async {
                let store = Store::open(&database, key, Access::Command).await.ok()?;
                let seen = look(&store).await;
                store.close().await;
                Some(seen)
            })
        };
        // On a thread of its own, since some tests are asynchronous themselves.
        std::thread::scope(|threads| threads.spawn(read).join().unwrap())
    }

    fn database(&self) -> PathBuf {
        let settings = fs::read_to_string(&self.config).unwrap();
        let name = settings.lines().skip_while(|line| *line != "[database]").nth(1).unwrap();
        self.folder.path().join(name.split('"').nth(1).unwrap())
    }

    /// Promise 6, in the end: one outcome for each mail, one case for each person, the same
    /// letter once, or twice where the process died before it could note that it had left.
    #[track_caller]
    pub(crate) fn has_lost_and_doubled_nothing(&self, letters_before: usize, what: &str) {
        let seen = self.reads(async |store| {
            store.check_whole(Care::Thorough).await.unwrap();
            let journal = store.verify_journal().await.unwrap();
            assert_eq!(journal.problems, Vec::<String>::new(), "{what}");
            let messages = store.messages_handled_since(chrono::DateTime::UNIX_EPOCH).await;
            let outcomes: Vec<_> = messages.unwrap().iter().map(|line| line.outcome).collect();
            (store.cases(false).await.unwrap().len(), outcomes)
        });
        let (cases, outcomes) = seen.unwrap();
        assert_eq!((cases, outcomes.len()), (PEOPLE.len(), PEOPLE.len()), "{what}: {outcomes:?}");
        let letters = self.letters();
        let mut doubles = 0;
        for person in PEOPLE {
            let to = format!("To: {person}");
            let is_theirs = |raw: &&Vec<u8>| String::from_utf8_lossy(raw).contains(&to);
            let theirs: Vec<_> = letters.iter().filter(is_theirs).collect();
            assert!((1..=2).contains(&theirs.len()), "{what}: {} to {person}", theirs.len());
            assert!(theirs.iter().all(|letter| *letter == theirs[0]), "{what}: copies differ");
            doubles += theirs.len() - 1;
        }
        // Only what had left before it could be noted may come twice.
        assert!(doubles <= letters_before, "{what}: {doubles} doubles");
    }
}

#[track_caller]
pub(crate) fn wait_until<T>(mut look: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begun.elapsed() < PATIENCE, "it does not happen");
        sleep(Duration::from_millis(100));
    }
}

/// A desk that runs, and ends with its test.
pub(crate) struct Running(Child);

impl Running {
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.0.try_wait().unwrap()
    }

    /// As an operator stops it; the whole group, since strace may stand between.
    pub(crate) fn stops(&mut self) -> ExitStatus {
        self.is_told("-TERM");
        self.0.wait().unwrap()
    }

    /// As by a power cut.
    pub(crate) fn is_killed(&mut self) {
        self.is_told("-KILL");
        self.0.wait().unwrap();
    }

    fn is_told(&self, signal: &str) {
        let group = format!("-{}", self.0.id());
        let _ = Command::new("kill").args([signal, "--", &group]).stderr(Stdio::null()).status();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.0.try_wait().is_ok_and(|ended| ended.is_none()) {
            self.is_killed();
        }
    }
}

/// A system call that fails, once.
#[derive(Clone, Debug)]
struct Failing {
    call: &'static str,
    error: &'static str,
    nth: usize,
}

impl Failing {
    /// The desk, with that call on these files failing.
    fn program(&self, host: &Host, files: &[&str]) -> Command {
        let mut strace = Command::new("strace");
        strace.args(["-f", "--seccomp-bpf", "-qq", "-e", &format!("trace={}", self.call)]);
        strace
            .args(["-e", &format!("inject={}:error={}:when={}", self.call, self.error, self.nth)]);
        strace.arg("-o").arg(host.file("trace"));
        for file in files {
            strace.arg("-P").arg(host.file(file));
        }
        strace.arg(env!("CARGO_BIN_EXE_deletion-desk"));
        strace
    }
}

/// Runs the desk with that fault, and then without; `false` when there was no such call.
fn survives(prepared: &Host, failing: &Failing, files: &[&str], must_end: bool) -> bool {
    let host = prepared.copied();
    let what = format!("{failing:?} on {files:?}");
    let mut desk = host.runs(failing.program(&host, files));
    let injected = || fs::read_to_string(host.file("trace")).unwrap().contains("(INJECTED)");
    let mut ended = wait_until(|| match desk.ended() {
        Some(status) => Some(Some(status)),
        None => host.is_done().then_some(None),
    });
    if ended.is_none() && must_end && injected() {
        // The last letter had left before.
        ended = Some(wait_until(|| desk.ended()));
    }
    match ended {
        Some(status) => {
            assert!(!status.success() && injected(), "{what}: {status}\n{}", host.log());
            let log = host.log();
            let last = log.lines().last().unwrap();
            assert!(last.starts_with("deletion-desk: The database "), "{what}: {log}");
            let remedies = ["The disk gives errors.", "No room is left on its disk."];
            assert!(remedies.iter().any(|words| last.contains(words)), "{what}: {last}");
        }
        // What fails while the log is folded into the file is tried again later.
        None => {
            desk.stops();
        }
    }
    let letters_before = host.letters().len();
    if ended.is_some() {
        host.comes_to_rest();
    }
    host.has_lost_and_doubled_nothing(letters_before, &what);
    injected()
}

/// Every one, or a few of them that differ from time to time.
fn tries(failing: impl Fn(usize) -> Failing, files: &[&str], must_end: bool) -> usize {
    let prepared = Host::new();
    prepared.mail_arrives();
    if std::env::var_os("STARVED_ALL").is_some() {
        let count = (1..).find(|nth| !survives(&prepared, &failing(*nth), files, must_end));
        println!("{:?}: {} places", failing(0), count.unwrap() - 1);
        return count.unwrap() - 1;
    }
    let random = usize::try_from(std::process::id()).unwrap();
    let places = (0..SAMPLE).map(|round| 1 + (random + round * 7) % 24);
    places.filter(|nth| survives(&prepared, &failing(*nth), files, must_end)).count()
}

const LOG: [&str; 1] = ["bot.db-wal"];
const FILE: [&str; 2] = ["bot.db", "bot.db-shm"];

#[test]
fn a_write_to_the_log_that_fails_ends_the_desk_and_loses_nothing() {
    for error in ["EIO", "ENOSPC"] {
        let failing = |nth| Failing { call: "pwrite64", error, nth };
        assert!(tries(failing, &LOG, true) > 0);
    }
}

#[test]
fn a_sync_that_fails_ends_the_desk_and_loses_nothing() {
    for error in ["EIO", "ENOSPC"] {
        let failing = |nth: usize| Failing { call: "fsync", error, nth: 1 + nth % 3 };
        if std::env::var_os("STARVED_ALL").is_some() {
            tries(|nth| Failing { call: "fsync", error, nth }, &LOG, true);
        } else {
            assert!(tries(failing, &LOG, true) > 0);
        }
    }
}

#[test]
fn a_write_or_sync_of_the_file_itself_that_fails_loses_nothing() {
    for call in ["pwrite64", "fsync", "ftruncate"] {
        let failing = |nth| Failing { call, error: "EIO", nth };
        tries(failing, &FILE, false);
    }
}
