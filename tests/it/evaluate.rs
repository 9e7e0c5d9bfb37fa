//! `evaluate`: the rules tried on a folder of mails, beside what they are.

use std::fs;

use serde_json::Value;

use crate::cli::Host;
use crate::settings::SETTINGS;

const LABELS: &str = "path\tclass\tlang\trest\n\
    asks.eml\tdeletion_request\ten\t\n\
    in/asks-in-vain.eml\tdeletion_request\ten\t\n\
    in/news.eml\tlist_mail\t\t\n\
    in/reads-like-one.eml\tother\t\t\n";

fn host() -> Host {
    let host = Host::new(SETTINGS);
    let mail = |name: &str, head: &str, text: &str| {
        let raw = format!("From: jane@example.org\r\n{head}\r\n\r\n{text}\r\n");
        fs::create_dir_all(host.path("mails/in")).unwrap();
        fs::write(host.path("mails").join(name), raw).unwrap();
    };
    mail("asks.eml", "Subject: x", "Please delete my account and all my data.");
    mail("in/asks-in-vain.eml", "Subject: x", "Make it as if I had never been here.");
    mail("in/news.eml", "Subject: x\r\nList-Id: <n.example.org>", "Please delete my data.");
    mail("in/reads-like-one.eml", "Subject: Data Deletion Request", "Please delete my data.");
    fs::write(host.path("labels.tsv"), LABELS).unwrap();
    host
}

#[test]
fn the_table_tells_what_was_read_as_what_and_why() {
    let host = host();
    let (ok, out, err) = host.types(&["evaluate", "mails", "--labels", "labels.tsv"]);
    assert!(ok, "{err}");
    let line = |begin: &str| {
        let line = out.lines().find(|line| line.starts_with(begin));
        line.unwrap_or_else(|| panic!("{begin}: {out}")).split_whitespace().collect::<Vec<_>>()
    };
    assert_eq!(
        line("requests found"),
        [
            "requests", "found", "(a", "case,", "or", "shown", "to", "staff)", "1", "of", "2",
            "50.00", "%"
        ]
    );
    assert_eq!(line("cases that are requests")[5..], ["1", "of", "2", "50.00", "%"]);
    assert!(
        out.contains("deletion_request en → unrelated: not-a-request  in/asks-in-vain.eml"),
        "{out}"
    );
    assert!(out.contains("other  → case: asks-for-deletion  in/reads-like-one.eml"), "{out}");
    assert!(out.contains("deletion-request/en/subject-data-deletion-request (+5)"), "{out}");
    assert!(out.contains("4 mails, "), "{out}");
    assert!(!host.path("bot.db").exists(), "it has no effects");
}

#[test]
fn machines_get_json_with_each_mail() {
    let host = host();
    let (ok, out, err) = host.types(&["evaluate", "mails", "--labels", "labels.tsv", "--json"]);
    assert!(ok, "{err}");
    let report: Value = serde_json::from_str(&out).unwrap();
    let mails = report["mails"].as_array().unwrap();
    let read_as = |path: &str| {
        let mail = mails.iter().find(|mail| mail["path"] == path).unwrap();
        (mail["read_as"].as_str().unwrap(), mail["right"].as_bool().unwrap())
    };
    assert_eq!(read_as("asks.eml"), ("case", true));
    assert_eq!(read_as("in/asks-in-vain.eml"), ("unrelated", false));
    assert!(!read_as("in/news.eml").1, "staff are shown a list that asks for deletion");
    assert_eq!(report["wrong"], 3);
}

#[test]
fn an_operator_tries_the_rules_on_the_mailbox_without_labels() {
    let host = host();
    fs::create_dir_all(host.path("in/new")).unwrap();
    fs::create_dir_all(host.path("in/cur")).unwrap();
    fs::copy(host.path("mails/asks.eml"), host.path("in/new/1.mail")).unwrap();
    let (ok, out, err) = host.types(&["evaluate", "--mailbox"]);
    assert!(ok, "{err}");
    assert!(out.contains("case: asks-for-deletion  1.mail"), "{out}");
    assert!(host.path("in/new/1.mail").exists(), "it stays unread");
}

#[test]
fn what_is_wrong_is_said() {
    let host = host();
    let (ok, _, err) = host.types(&["evaluate"]);
    assert!(!ok && err.contains("DIR"), "{err}");
    fs::write(host.path("labels.tsv"), "path\tclass\nasks.eml\tnonsense\n").unwrap();
    let (ok, _, err) = host.types(&["evaluate", "mails", "--labels", "labels.tsv"]);
    assert!(!ok && err.contains("labels.tsv, line 2"), "{err}");
    fs::write(host.path("labels.tsv"), "path\tclass\nnone.eml\tother\n").unwrap();
    let (ok, _, err) = host.types(&["evaluate", "mails", "--labels", "labels.tsv"]);
    assert!(!ok && err.contains("Cannot read mails/none.eml"), "{err}");
}
