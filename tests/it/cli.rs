//! The command line, as a person types it.

use std::fs;
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use tempfile::TempDir;

use crate::settings::SETTINGS;

/// A folder with a `bot.toml` that works without servers.
/// A folder with a `bot.toml`, where commands are typed.
pub(crate) struct Host {
    folder: TempDir,
}

impl Host {
    pub(crate) fn new(config: &str) -> Host {
        let folder = TempDir::new().unwrap();
        fs::write(folder.path().join("bot.toml"), config).unwrap();
        Host { folder }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs a command in that folder: exit status, stdout, stderr.
    pub(crate) fn types(&self, args: &[&str]) -> (bool, String, String) {
        run(self.folder.path(), args, &[])
    }

    /// The same with these variables.
    pub(crate) fn types_with(
        &self,
        args: &[&str],
        variables: &[(&str, &str)],
    ) -> (bool, String, String) {
        run(self.folder.path(), args, variables)
    }

    /// What is said when the start is refused.
    #[track_caller]
    fn is_refused(&self, args: &[&str]) -> String {
        let (ok, out, err) = self.types(args);
        assert!(!ok, "{args:?} went well: {out}");
        format!("{out}{err}")
    }
}

fn run(folder: &Path, args: &[&str], variables: &[(&str, &str)]) -> (bool, String, String) {
    let output = Command::cargo_bin("deletion-desk")
        .unwrap()
        .current_dir(folder)
        .args(args)
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.success(), text(output.stdout), text(output.stderr))
}

#[test]
fn the_demo_plays_one_case_to_its_end() {
    let (ok, out, err) = run(Path::new("/"), &["demo", "--once"], &[]);
    assert!(ok, "{out}\n{err}");
    for words in [
        "the address is asked to confirm",
        "confirmed (address-confirmed)",
        "Your data deletion request is complete",
        "The case is closed.",
    ] {
        assert!(out.contains(words), "{words} is missing in {out}");
    }
}

#[test]
fn help_tells_a_newcomer_where_to_begin() {
    let (ok, out, _) = run(Path::new("/"), &["--help"], &[]);
    assert!(ok);
    insta::assert_snapshot!(out);
    for command in [
        "demo", "run", "check", "explain", "cases", "letters", "messages", "digest", "journal",
        "stats", "staff", "backup",
    ] {
        let (ok, out, _) = run(Path::new("/"), &[command, "--help"], &[]);
        assert!(ok && out.contains("Usage:"), "{command}");
    }
}

fn with_scope(item: &str) -> String {
    format!("{SETTINGS}[[scope]]\n{item}\n")
}

/// Bad input: one clear message with file, key or line, and nothing is made.
#[test]
fn a_wrong_configuration_is_refused_before_anything_happens() {
    let replaced = |from: &str, to: &str| SETTINGS.replace(from, to);
    for (config, said) in [
        (
            replaced("law = \"gdpr\"", "law = \"gdpr\"\nfulfill_days = 3"),
            "unknown field `fulfill_days`",
        ),
        (replaced("law = \"gdpr\"", "law = \"gpdr\""), "unknown variant `gpdr`"),
        (
            replaced("law = \"gdpr\"", "law = \"gdpr\"\nfulfil_days = \"x\""),
            "invalid type: string \"x\"",
        ),
        (replaced("Europe/Berlin", "Europe/Berln"), "\"Europe/Berln\" is no time zone"),
        (replaced("0 8 * * *", "0 8 * *"), "a cron expression has five fields"),
        (replaced("0 8 * * *", "0 8 31 2 *"), "names a day that never comes"),
        (replaced("officer@flexus.example", "officer"), "not a mail address"),
        (replaced("listen = \"off\"", "listen = \"127.0.0.1:0\""), "web.public_url"),
        (replaced("[policy]", "[plicy]"), "unknown field `plicy`"),
        (
            replaced("law = \"gdpr\"", "law = \"gdpr\"\nfulfil_days = 0"),
            "policy.fulfil_days: 0 is not between",
        ),
        (
            replaced("mode = \"live\"", "mode = \"live\"\nrules = \"no-such-folder\""),
            "Cannot read the folder",
        ),
        (
            replaced("[policy]", "[[form]]\nrule = \"nope\"\nfrom = \"a@b.example\"\n[policy]"),
            "there is no rules/forms/nope.toml; there are contact-form-7, flexus",
        ),
        (SETTINGS.to_owned() + "[limits]\nx = 1\n", "unknown field `x`"),
        (
            replaced("name = \"Officer\"", "name = \"Officer\"\nrole = \"chef\""),
            "unknown variant `chef`",
        ),
        (
            replaced("name = \"Officer\"", "name = \"Officer\"\nrole = \"lead\""),
            "somebody has to be the officer",
        ),
        (
            replaced("digest = ", "mail_commands = \"always\"\ndigest = "),
            "unknown variant `always`",
        ),
        (
            replaced("time_zone", "language = \"it\"\ntime_zone"),
            "there are no letters in \"it\"; there are de, en, es, fr",
        ),
        (
            SETTINGS.to_owned() + "[accounts]\ncsv = \"none.csv\"\n",
            "Cannot read the list of accounts",
        ),
        (with_scope("item = \"Moon\"\nfor = [\"account\"]\nen = \"x\""), "is no name: lower-case"),
        (with_scope("item = \"moon\"\nfor = [\"account\"]\nde = \"x\""), "needs words for people"),
        (with_scope("item = \"moon\"\nfor = []\nen = \"x\""), "belongs to no request"),
        (
            with_scope("item = \"moon\"\nfor = [\"account\"]\nen = \"x\"\nnote = \"y\""),
            "unknown field `note`",
        ),
        (SETTINGS.to_owned() + "[retention]\nclosed_days = 0\n", "retention.closed_days: 0 is not"),
    ] {
        let host = Host::new(&config);
        for command in ["run", "check"] {
            let words = host.is_refused(&[command]);
            assert!(words.contains(said), "{said} is missing in {words}");
            assert!(words.contains("bot.toml") || words.contains("rules"), "{words}");
        }
        assert!(!host.path("bot.db").exists() && !host.path("bot.key").exists(), "{said}");
    }
    let (ok, _, err) = run(Path::new("/"), &["--config", "/nowhere/bot.toml", "run"], &[]);
    assert!(!ok && err.contains("/nowhere/bot.toml") && err.contains("--config"), "{err}");
}

#[test]
fn a_wrong_line_is_named() {
    let host = Host::new(&SETTINGS.replace("Europe/Berlin", "Mars/Base"));
    let words = host.is_refused(&["check"]);
    assert!(words.contains("line 8") && words.contains("time_zone"), "{words}");
    let host = Host::new(&SETTINGS.replace("listen = \"off\"", "listen = \"127.0.0.1:0\""));
    assert!(
        host.is_refused(&["check"]).contains("line 18: web.public_url"),
        "{}",
        host.is_refused(&["check"])
    );
}

#[test]
fn a_password_that_cannot_be_read_is_named() {
    let imap = "[mailbox]\nkind = \"imap\"\nhost = \"127.0.0.1\"\nusername = \"x\"\npassword_file = \"secret\"";
    let config = SETTINGS.replace("[mailbox]\nkind = \"maildir\"\npath = \"in\"", imap);
    let host = Host::new(&config);
    let words = host.is_refused(&["run"]);
    assert!(
        words.contains("mailbox.password_file: cannot read") && words.contains("secret"),
        "{words}"
    );
    fs::write(host.path("secret"), "").unwrap();
    assert!(host.is_refused(&["run"]).contains("the password is empty"));
    let env = Host::new(
        &config.replace("password_file = \"secret\"", "password_env = \"NO_SUCH_VARIABLE\""),
    );
    assert!(
        env.is_refused(&["run"]).contains("the environment variable NO_SUCH_VARIABLE is not set")
    );
    let plain = Host::new(
        &config.replace("host = \"127.0.0.1\"", "host = \"mail.example.org\"\ntls = \"none\""),
    );
    assert!(plain.is_refused(&["run"]).contains("plain text goes to a loopback address only"));
}

#[test]
fn a_wrong_rule_or_template_stops_the_start() {
    let host = Host::new(&SETTINGS.replace(
        "mode = \"live\"",
        "mode = \"live\"\nrules = \"rules\"\ntemplates = \"templates\"",
    ));
    copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("rules"), &host.path("rules"));
    copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("templates"), &host.path("templates"));
    let (ok, out, err) = host.types(&["check"]);
    assert!(ok, "{out}{err}");
    let letter = host.path("templates/en/completion.md");
    let shipped = fs::read_to_string(&letter).unwrap();
    fs::write(&letter, shipped.clone() + "{{ refrence }}").unwrap();
    assert!(host.is_refused(&["run"]).contains("templates/en/completion.md, line"));
    fs::write(&letter, shipped).unwrap();
    let rule = host.path("rules/answer-yes/en.toml");
    let shipped = fs::read_to_string(&rule).unwrap();
    fs::write(&rule, shipped.replace("weight = 5", "weight = 1")).unwrap();
    assert!(host.is_refused(&["run"]).contains("rules/answer-yes/en.toml: acts_on lists"));
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target)
        } else {
            fs::copy(entry.path(), target).map(|_| ()).unwrap()
        }
    }
}

#[test]
fn check_says_what_works_and_what_to_know() {
    let host = Host::new(&SETTINGS.replace("\"live\"", "\"observe\""));
    let (ok, out, err) = host.types(&["check"]);
    assert!(ok, "{out}{err}");
    for words in [
        "ok    settings",
        "ok    rules",
        "ok    templates",
        "ok    database",
        "ok    mailbox",
        "ok    smtp",
        "note  mode",
        "note  page      off: requesters confirm by answering",
    ] {
        assert!(out.contains(words), "{words} is missing in\n{out}");
    }
    let (_, json, _) = host.types(&["check", "--json"]);
    let lines: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert!(lines.as_array().unwrap().len() > 5);
}

#[test]
fn explain_has_no_effect_and_says_why() {
    let host = Host::new(SETTINGS);
    fs::write(
        host.path("a.eml"),
        "From: jane@example.org\nSubject: Data Deletion Request\n\nPlease delete my data.\n",
    )
    .unwrap();
    fs::write(
        host.path("b.eml"),
        "From: news@example.org\nList-Id: <x>\nSubject: Delete my data\n\nx\n",
    )
    .unwrap();
    fs::write(host.path("c.eml"), "").unwrap();
    let (ok, out, err) = host.types(&["explain", "a.eml", "b.eml", "c.eml"]);
    assert!(ok, "{err}");
    insta::assert_snapshot!(out);
    let (_, json, _) = host.types(&["explain", "--json", "a.eml"]);
    let value: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(value[0]["verdict"], "deletion-request");
    assert!(!host.path("bot.db").exists() && !host.path("out").exists());
    assert!(host.is_refused(&["explain", "none.eml"]).contains("Cannot read none.eml"));
}

#[test]
fn commands_say_what_is_missing() {
    let host = Host::new(SETTINGS);
    for args in [
        &["cases", "list"][..],
        &["digest", "--print"],
        &["journal", "verify"],
        &["letters", "list"],
        &["cases", "show", "DEL-2345-6789"],
    ] {
        assert!(host.is_refused(args).contains("There is no database"), "{args:?}");
    }
}

/// Promise 8, and a stop that ends cleanly within seconds.
#[test]
fn a_second_daemon_is_refused() {
    let host = Host::new(SETTINGS);
    let mut first = std::process::Command::new(env!("CARGO_BIN_EXE_deletion-desk"))
        .arg("run")
        .current_dir(host.folder.path())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    while !host.types(&["journal", "verify"]).0 {
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    assert!(host.is_refused(&["run"]).contains("Another deletion-desk runs with the database"));
    assert!(host.types(&["digest", "--print"]).1.contains("Deletion requests: 0 due, all well"));
    assert!(host.types(&["cases", "list"]).1.contains("No case is open."));
    assert!(
        host.is_refused(&["cases", "show", "DEL-2345-6789"])
            .contains("There is no case DEL-2345-6789")
    );
    assert!(host.is_refused(&["cases", "show", "7"]).contains("one looks like DEL-7K3M-Q2XA"));
    assert!(
        host.is_refused(&["letters", "approve", "7"]).contains("No letter 7 waits for approval")
    );
    let mode = std::os::unix::fs::PermissionsExt::mode(
        &fs::metadata(host.path("bot.key")).unwrap().permissions(),
    );
    assert_eq!(mode & 0o777, 0o600);
    std::process::Command::new("kill").arg(first.id().to_string()).status().unwrap();
    assert!(first.wait().unwrap().success());
    fs::remove_file(host.path("bot.key")).unwrap();
    assert!(host.is_refused(&["run"]).contains("bot.key is missing"), "a lost key is not replaced");
}
