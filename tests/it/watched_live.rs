//! The real program before servers that fail for a while: nothing ends it, each trouble is said
//! once, and so is its end.

use std::process::Command;

use crate::harness::{DESK, JANE, OFFICER};
use crate::servers::{MailServers, PASSWORD, program};
use crate::watched_signals::{Mood, Sink};
use crate::wire::{JOHN, LiveDesk, request};

const INBOX_FAILS: &str = "the inbox cannot be read; trying again";
const INBOX_WORKS: &str = "the inbox is read again";
const LETTERS_FAIL: &str = "the mail server cannot be used; trying again";
const LETTERS_WORK: &str = "letters are submitted again";

/// Lines of the log with these words and this reason.
fn said(desk: &LiveDesk, words: &str, reason: &str) -> usize {
    let log = desk.log();
    log.lines().filter(|line| line.contains(words) && line.contains(reason)).count()
}

impl LiveDesk {
    async fn says(&self, words: &str, reason: &str) {
        self.until(words, || (said(self, words, reason) > 0).then_some(())).await;
    }
}

/// The lines that `openssl ca` wants.
const AUTHORITY: &str = "
[ca]
default_ca = tests
[tests]
database = index.txt
new_certs_dir = .
default_md = sha256
rand_serial = yes
policy = any
[any]
commonName = supplied
[server]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectAltName = DNS:localhost, IP:127.0.0.1
authorityKeyIdentifier = keyid
";

/// Gives both servers a certificate that is valid until then, and starts them anew.
fn certify_until(servers: &MailServers, end: &str) {
    let root = servers.ca_file().parent().unwrap();
    std::fs::write(root.join("authority.conf"), AUTHORITY).unwrap();
    std::fs::write(root.join("index.txt"), "").unwrap();
    let openssl = |arguments: &str| {
        let mut command = Command::new(program("openssl"));
        command.current_dir(root).args(arguments.split_whitespace());
        let output = command.output().unwrap();
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "openssl {arguments}: {complaint}");
    };
    openssl("req -config openssl.conf -new -key key.pem -subj /CN=localhost -out request.pem");
    openssl(&format!(
        "ca -config authority.conf -batch -notext -extensions server \
         -cert ca.pem -keyfile ca-key.pem -in request.pem -out cert.pem \
         -startdate 20200101000000Z -enddate {end}"
    ));
    servers.stop_imap();
    servers.stop_smtp();
    servers.start_imap();
    servers.start_smtp();
}

fn servers() -> MailServers {
    MailServers::start(&[DESK, OFFICER, JANE, JOHN])
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_certificate_is_said_once_and_waited_out() {
    let servers = servers();
    let mut desk = LiveDesk::over(&servers).await;
    certify_until(&servers, "20200201000000Z");
    desk.is_asked_by(JANE).await;
    desk.says(INBOX_FAILS, "certificate expired: ").await;
    desk.says(LETTERS_FAIL, "certificate expired: ").await;
    let health = desk.opens("/healthz").await;
    assert!(health.starts_with("HTTP/1.1 200 "), "{health}");
    for part in ["inbox", "mail server"] {
        assert!(
            health.contains(&format!("retrying  {part}: certificate expired, since ")),
            "{health}"
        );
    }
    for (what, remedy) in [("mailbox", "has to renew"), ("smtp", "has to renew")] {
        let line = desk.check_fails_at(what);
        assert!(line.contains("certificate expired: "), "{line}");
        assert!(desk.tries(&["check"]).1.contains(remedy));
    }
    certify_until(&servers, "20990101000000Z");
    desk.letter(&servers, JANE, 1).await;
    desk.says(INBOX_WORKS, "certificate expired").await;
    desk.says(LETTERS_WORK, "certificate expired").await;
    for words in [INBOX_FAILS, LETTERS_FAIL] {
        assert_eq!(said(&desk, words, "certificate expired"), 1, "{}", desk.log());
    }
    servers.post(JOHN, DESK, request(JOHN)).await;
    desk.letter(&servers, JOHN, 1).await;
    let health = desk.opens("/healthz").await;
    assert!(health.contains("ok        inbox\nok        mail server\n"), "{health}");
    assert!(desk.runs());
    desk.stops().await;
}

/// The servers learn the right password again: as when an account was locked for an hour.
#[tokio::test(flavor = "multi_thread")]
async fn a_refused_password_is_said_once_and_waited_out() {
    let servers = servers();
    let users = servers.ca_file().parent().unwrap().join("users");
    let passwords = |from: &str, to: &str| {
        let text = std::fs::read_to_string(&users).unwrap();
        let changed = text.replace(&format!("{{PLAIN}}{from}"), &format!("{{PLAIN}}{to}"));
        assert_ne!(text, changed);
        std::fs::write(&users, changed).unwrap();
    };
    let mut desk = LiveDesk::prepared(&servers, |settings| settings);
    // Of another length: Dovecot notices changes of a file by size and second.
    passwords(PASSWORD, "locked-out");
    desk.launches();
    desk.says(INBOX_FAILS, "password refused: ").await;
    desk.is_asked_by(JANE).await;
    desk.says(LETTERS_FAIL, "password refused: ").await;
    assert!(!desk.log().contains(PASSWORD), "{}", desk.log());
    let checked = desk.tries(&["check"]).1;
    assert!(checked.contains("Check username and password_file under [mailbox]"), "{checked}");
    assert!(checked.contains("Check username and password_file under [smtp]"), "{checked}");
    passwords("locked-out", PASSWORD);
    desk.letter(&servers, JANE, 1).await;
    desk.says(INBOX_WORKS, "password refused").await;
    for words in [INBOX_FAILS, LETTERS_FAIL] {
        assert_eq!(said(&desk, words, ""), 1, "{}", desk.log());
    }
    assert!(desk.runs());
    desk.stops().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_mail_server_is_said_once_however_often_it_is_tried() {
    let sink = Sink::start(Mood::Dead).await;
    let mut desk = sink.desk(|settings| settings);
    desk.starts().await;
    for address in [JANE, JOHN, "ada@example.org"] {
        desk.is_asked_by(address).await;
    }
    desk.says(LETTERS_FAIL, "no connection").await;
    // Each of the two lines has tried again.
    desk.until("it is tried again", || (sink.connections() >= 5).then_some(())).await;
    assert_eq!(desk.log().matches("letter not submitted").count(), 1, "{}", desk.log());
    sink.is(Mood::Takes);
    for address in [JANE, JOHN, "ada@example.org"] {
        desk.until(address, || (sink.letters_to(address).len() == 1).then_some(())).await;
    }
    desk.says(LETTERS_WORK, "no connection").await;
    assert_eq!(desk.log().matches(LETTERS_WORK).count(), 1);
    desk.stops().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_is_unknown_is_called_so() {
    let sink = Sink::start(Mood::Takes).await;
    let desk = sink.desk(|settings| {
        settings
            .replace("host = \"localhost\"", "host = \"mail.nowhere.invalid\"")
            .replace("tls = \"none\"", "tls = \"implicit\"")
    });
    let line = desk.check_fails_at("smtp");
    assert!(line.contains("host unknown: "), "{line}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_throttles_is_called_busy_and_no_letter_is_at_fault() {
    let sink = Sink::start(Mood::Throttles).await;
    let mut desk =
        sink.desk(|settings| settings.replace("[policy]", "[limits]\nattempts_max = 1\n[policy]"));
    desk.starts().await;
    desk.is_asked_by(JANE).await;
    desk.says(LETTERS_FAIL, "server busy: ").await;
    let health = desk.opens("/healthz").await;
    assert!(health.contains("retrying  mail server: server busy, since "), "{health}");
    assert_eq!(desk.log().matches("letter not submitted").count(), 1, "{}", desk.log());
    desk.stops().await;
    sink.is(Mood::Takes);
    desk.starts().await;
    // It waits its minute, and others do not wait for it.
    desk.is_asked_by(JOHN).await;
    desk.until(JOHN, || (sink.letters_to(JOHN).len() == 1).then_some(())).await;
    let waiting = desk.command(&["letters", "list"]);
    assert!(!waiting.contains("given-up"), "{waiting}");
    desk.stops().await;
}
