//! What a benchmark runs between: Dovecot with TLS, a mail server that takes everything, and the
//! real daemon of the release build, started as an operator starts it.
#![allow(dead_code, reason = "no benchmark uses all of it")]

pub(crate) mod mails;
mod many_cases;
pub(crate) mod sink;

#[expect(dead_code, reason = "the tests use all of it")]
#[path = "../../tests/it/servers.rs"]
mod servers;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use deletion_desk::clock::Clock;
pub(crate) use servers::{MailServers, PASSWORD};
use sink::Sink;
use tempfile::TempDir;

/// The desk's address.
pub(crate) const DESK: &str = "hello@flexus.example";
/// Longest wait for anything.
pub(crate) const PATIENCE: Duration = Duration::from_secs(900);

const SETTINGS: &str = r#"
mode = "live"
[identity]
organization = "Flexus"
address = "hello@flexus.example"
name = "Flexus Privacy"
privacy_policy = "https://flexus.example/privacy"
time_zone = "Europe/Berlin"
plus_addressing = true
[mailbox]
kind = "imap"
host = "localhost"
port = @IMAPS@
username = "hello@flexus.example"
password_file = "password"
ca_file = "@CA@"
[smtp]
kind = "smtp"
host = "127.0.0.1"
port = @SMTP@
tls = "none"
[database]
path = "bot.db"
key_file = "bot.key"
[web]
listen = "off"
public_url = "https://privacy.flexus.example"
[policy]
law = "gdpr"
[staff]
digest = "0 8 29 2 *"
[[staff.members]]
address = "officer@flexus.example"
name = "Officer"
[authentication]
authserv_id = "mx.flexus.example"
[[form]]
rule = "flexus"
from = "forms@flexus.example"
# No budgets: they are there for floods, and this is one.
[limits]
direct_per_day_max = 10000000
authenticated_per_day_max = 10000000
forms_per_day_max = 10000000
"#;

/// The daemon in a folder of its own.
pub(crate) struct Desk {
    pub(crate) folder: TempDir,
    daemon: Option<Child>,
    began: Instant,
}

impl Desk {
    /// Writes its settings. The folder is in memory where that can be had: disks differ tenfold
    /// from minute to minute, and this one is the same for all.
    pub(crate) fn new(servers: &MailServers, sink: &Sink) -> Desk {
        let folder = scratch();
        let settings = SETTINGS
            .replace("@IMAPS@", &servers.imaps_port().to_string())
            .replace("@SMTP@", &sink.port.to_string())
            .replace("@CA@", servers.ca_file().to_str().expect("a UTF-8 path"));
        fs::write(folder.path().join("bot.toml"), settings).expect("bot.toml");
        let password = folder.path().join("password");
        fs::write(&password, PASSWORD).expect("the password");
        Desk { folder, daemon: None, began: Instant::now() }
    }

    /// A past of so many closed cases in the last thousand days; the daemon was started once.
    pub(crate) fn has_closed(&self, cases: usize) {
        let count = u32::try_from(cases).expect("not so many cases");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let (database, now) = (self.file("bot.db"), Clock::System.now());
        let filled = many_cases::add_closed_cases(&database, count, 1_000, now);
        runtime.expect("a runtime").block_on(filled).expect("closed cases");
    }

    /// Starts the daemon.
    pub(crate) fn starts(&mut self) {
        let log = fs::File::create(self.file("log")).expect("a log");
        self.began = Instant::now();
        let daemon = self.command(&["run"]).stdout(Stdio::null()).stderr(log).spawn();
        self.daemon = Some(daemon.expect("the daemon starts"));
    }

    /// A command of the program in that folder.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_deletion-desk"));
        command.args(arguments).current_dir(self.folder.path()).stdin(Stdio::null());
        command
    }

    /// When it was started.
    pub(crate) fn began(&self) -> Instant {
        self.began
    }

    /// Ends it as an operator does.
    pub(crate) fn stops(&mut self) {
        let Some(mut daemon) = self.daemon.take() else { return };
        let _ = Command::new("kill").arg(daemon.id().to_string()).status();
        let status = daemon.wait().expect("the daemon ends");
        assert!(status.success(), "{status}\n{}", self.log());
    }

    /// Waits for words in the log.
    pub(crate) fn until_log_says(&self, words: &str) {
        let give_up_at = Instant::now() + PATIENCE;
        while !self.log().contains(words) {
            assert!(Instant::now() < give_up_at, "in vain waited for {words}\n{}", self.log());
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits until so many messages have their outcome.
    pub(crate) fn until_handled(&self, count: usize) {
        let give_up_at = Instant::now() + PATIENCE;
        let handled = || self.log().matches("mail handled").count();
        while handled() < count {
            assert!(Instant::now() < give_up_at, "{} of {count} are handled", handled());
            thread::sleep(Duration::from_millis(200));
        }
    }

    /// Seconds of CPU that it used so far.
    pub(crate) fn cpu_seconds(&self) -> f64 {
        let id = self.daemon.as_ref().expect("a daemon that runs").id();
        let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
        let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
        let ticks = |field: usize| fields.get(field).and_then(|text| text.parse().ok());
        // In ticks, of which Linux has a hundred a second whatever the kernel's own are.
        (ticks(11).unwrap_or(0.0) + ticks(12).unwrap_or(0.0)) / 100.0
    }

    /// What it wrote to stderr.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.file("log")).unwrap_or_default()
    }

    /// A file of its folder.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The most memory it ever held, in MiB.
    pub(crate) fn peak_memory(&self) -> f64 {
        let id = self.daemon.as_ref().expect("a daemon that runs").id();
        let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or("0");
        let kib: f64 = line.trim().trim_end_matches(" kB").trim().parse().unwrap_or(0.0);
        kib / 1024.0
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        if let Some(daemon) = &mut self.daemon {
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
    }
}

/// A folder in memory where there is one.
pub(crate) fn scratch() -> TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { TempDir::new_in(memory) } else { TempDir::new() }.expect("a folder")
}

/// A number from the command line, or what it is without.
pub(crate) fn option(name: &str, default: usize) -> usize {
    let mut words = std::env::args().skip_while(|word| word != name).skip(1);
    words.next().map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name} N")))
}

/// The middle of some figures.
pub(crate) fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}
