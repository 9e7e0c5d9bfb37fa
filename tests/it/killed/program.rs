//! The real program, with the tasks that poll and submit by themselves: killed, started again,
//! and run to rest.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::harness::{JANE, mail};
use crate::settings::SETTINGS;

/// Longest time for a step of a run.
const PATIENCE: Duration = Duration::from_secs(30);

struct Host {
    folder: TempDir,
}

impl Host {
    fn new() -> Host {
        let folder = TempDir::new().unwrap();
        let config = SETTINGS.replace("path = \"in\"", "path = \"in\"\npoll = \"1s\"");
        fs::write(folder.path().join("bot.toml"), config).unwrap();
        Host { folder }
    }

    fn runs(&self, die_at: Option<&str>) -> Child {
        let mut command = Command::new(env!("CARGO_BIN_EXE_deletion-desk"));
        command.arg("run").current_dir(self.folder.path()).stderr(Stdio::null());
        if let Some(step) = die_at {
            command.env("DELETION_DESK_DIE_AT", step);
        }
        command.spawn().unwrap()
    }

    fn says(&self, args: &[&str]) -> serde_json::Value {
        let mut command = Command::new(env!("CARGO_BIN_EXE_deletion-desk"));
        let output = command.args(args).current_dir(self.folder.path()).output().unwrap();
        serde_json::from_slice(&output.stdout).unwrap_or_default()
    }

    fn letters(&self) -> Vec<Vec<u8>> {
        let folder: PathBuf = self.folder.path().join("out/new");
        let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
        entries.map(|entry| fs::read(entry.unwrap().path()).unwrap()).collect()
    }

    /// Nothing waits any more, and a letter is out.
    fn is_at_rest(&self) -> bool {
        let waiting = self.says(&["letters", "list", "--json"]);
        !self.letters().is_empty() && waiting.as_array().is_some_and(Vec::is_empty)
    }
}

fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < PATIENCE, "{what} did not happen");
        sleep(Duration::from_millis(50));
    }
}

fn stop(mut child: Child) {
    Command::new("kill").arg(child.id().to_string()).status().unwrap();
    // A run that was at rest from its start may be stopped before it listens for that.
    child.wait().unwrap();
}

fn killed_at(step: &str) {
    let host = Host::new();
    let first = host.runs(None);
    wait_until("the first look", || {
        let (folder, log) = (host.folder.path(), "in/new");
        folder.join(log).exists() && host.says(&["cases", "list", "--json"]).is_array()
    });
    sleep(Duration::from_millis(1200));
    stop(first);
    let raw = mail(JANE, "Data Deletion Request", "please").replace('\n', "\r\n");
    fs::write(host.folder.path().join("in/new/1.mail"), raw).unwrap();
    let mut second = host.runs(Some(step));
    wait_until("the second run's end or rest", || {
        second.try_wait().unwrap().is_some() || host.is_at_rest()
    });
    // At rest it may still stand before a boundary that comes after everything was written.
    let _ = second.kill();
    second.wait().unwrap();
    let third = host.runs(None);
    wait_until(&format!("rest after {step}"), || host.is_at_rest());
    stop(third);
    let cases = host.says(&["cases", "list", "--json"]);
    assert_eq!(cases.as_array().map(Vec::len), Some(1), "{step}: {cases}");
    assert_eq!(cases[0]["state"], "awaiting-verification", "{step}");
    let letters = host.letters();
    assert!(letters.len() <= 2, "{step}: {} copies", letters.len());
    assert!(letters.iter().all(|letter| *letter == letters[0]), "{step}: copies differ");
    assert_eq!(host.says(&["journal", "verify", "--json"])["whole"], true, "{step}");
    let in_window = step == "before-settle";
    assert!(letters.len() == 1 || in_window, "{step}: a double outside the window");
}

#[test]
fn the_program_itself_takes_up_what_it_left() {
    for step in ["after-attempt", "before-settle", "after-settle"] {
        killed_at(step);
    }
}
