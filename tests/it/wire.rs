//! The real binary between a real Dovecot and a real Postfix: whole stories over the wire.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use mail_parser::MessageParser;
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

use crate::harness::{DESK, JANE, OFFICER};
use crate::servers::{MailServers, PASSWORD};

pub(crate) const JOHN: &str = "john@example.org";
/// At a domain that is known, and yet nobody's.
const NOBODY: &str = "nobody@example.org";

/// How long a thing that has to happen may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long the daemon may take to end: it gives itself a little less than five seconds, and the
/// machine may be busy.
const END: Duration = Duration::from_secs(8);

/// The digest comes when it is asked for, and otherwise not while a test runs; nobody waits for
/// the minutes in which a completion can be taken back.
const SETTINGS: &str = r#"
mode = "live"
[identity]
organization = "Flexus"
address = "hello@flexus.example"
name = "Flexus Privacy"
privacy_policy = "https://flexus.example/privacy"
time_zone = "Europe/Berlin"
plus_addressing = true
[database]
path = "bot.db"
key_file = "bot.key"
[web]
listen = "127.0.0.1:@PAGE@"
public_url = "http://127.0.0.1:@PAGE@"
[policy]
law = "gdpr"
undo_minutes = 0
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
"#;

const SERVERS: &str = r#"
[mailbox]
kind = "imap"
host = "localhost"
port = @IMAPS@
username = "hello@flexus.example"
password_file = "password"
ca_file = "@CA@"
poll = "300s"
[smtp]
kind = "smtp"
host = "localhost"
port = @SUBMISSIONS@
tls = "implicit"
username = "hello@flexus.example"
password_file = "password"
ca_file = "@CA@"
"#;

const FOLDERS: &str = r#"
[mailbox]
kind = "maildir"
path = "in"
poll = "1s"
[smtp]
kind = "maildir"
path = "out"
"#;

/// The program as an operator runs it: a folder with a `bot.toml`, and a daemon.
pub(crate) struct LiveDesk {
    daemon: Option<Child>,
    page: u16,
    /// Bound and not listening: nobody else gets the port, and the daemon can take it.
    _reserved: TcpSocket,
    folder: TempDir,
}

impl LiveDesk {
    /// A desk with those servers, which has looked at the inbox once.
    pub(crate) async fn over(servers: &MailServers) -> LiveDesk {
        LiveDesk::with(servers, |settings| settings).await
    }

    /// With other settings.
    pub(crate) async fn with(
        servers: &MailServers,
        change: impl FnOnce(String) -> String,
    ) -> LiveDesk {
        let mut desk = LiveDesk::prepared(servers, change);
        desk.starts().await;
        desk
    }

    /// A desk that reads the Maildir `in` and writes into the Maildir `out`.
    pub(crate) async fn over_folders() -> LiveDesk {
        let mut desk = LiveDesk::new(|settings| settings + FOLDERS);
        desk.starts().await;
        desk
    }

    /// Not started yet.
    pub(crate) fn prepared(
        servers: &MailServers,
        change: impl FnOnce(String) -> String,
    ) -> LiveDesk {
        LiveDesk::new(|settings| {
            let settings = (settings + SERVERS)
                .replace("@IMAPS@", &servers.imaps_port().to_string())
                .replace("@SUBMISSIONS@", &servers.submissions_port().to_string())
                .replace("@CA@", servers.ca_file().to_str().unwrap());
            change(settings)
        })
    }

    pub(crate) fn new(change: impl FnOnce(String) -> String) -> LiveDesk {
        let folder = TempDir::new().unwrap();
        let reserved = TcpSocket::new_v4().unwrap();
        reserved.set_reuseaddr(true).unwrap();
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        reserved.bind(any).unwrap();
        let page = reserved.local_addr().unwrap().port();
        let settings = change(SETTINGS.replace("@PAGE@", &page.to_string()));
        fs::write(folder.path().join("bot.toml"), settings).unwrap();
        let desk = LiveDesk { daemon: None, page, _reserved: reserved, folder };
        desk.password_is(PASSWORD);
        desk
    }

    pub(crate) fn password_is(&self, password: &str) {
        let mut file = OpenOptions::new();
        file.create(true).write(true).truncate(true).mode(0o600);
        let mut file = file.open(self.file("password")).unwrap();
        file.write_all(password.as_bytes()).unwrap();
    }

    /// Starts the daemon and waits until it works; at its first start until it has looked at
    /// the inbox: what lies there before is never answered.
    pub(crate) async fn starts(&mut self) {
        let is_first = !self.file("bot.db").exists();
        let before = self.log().len();
        self.launches();
        let since = |desk: &LiveDesk| desk.log().split_off(before);
        self.until("the desk has started", || {
            let log = since(self);
            let looked = !is_first || log.contains("first look at this inbox");
            (log.contains("started") && looked).then_some(())
        })
        .await;
    }

    /// Starts the daemon; the inbox may be out of reach.
    pub(crate) async fn starts_without_a_look(&mut self) {
        self.launches();
        self.until_log_says("started").await;
    }

    pub(crate) fn launches(&mut self) {
        self.launches_with(&[]);
    }

    /// With more in its environment.
    pub(crate) fn launches_with(&mut self, environment: &[(&str, &Path)]) {
        let mut desk = self.program(&["run"]);
        desk.envs(environment.iter().copied());
        self.launches_as(&mut desk);
    }

    /// On a disk that takes its time for each page of the database.
    pub(crate) fn launches_on_a_slow_disk(&mut self, environment: &[(&str, &Path)]) {
        let mut strace = Command::new("strace");
        // -D: the desk stays the process that was started.
        strace.args(["-D", "-f", "--seccomp-bpf", "-qq", "-e", "trace=pread64"]);
        strace.args(["-e", "inject=pread64:delay_enter=50000", "-o", "/dev/null", "-P"]);
        strace.arg(self.file("bot.db"));
        let desk = self.program(&["run"]);
        strace.arg(desk.get_program()).args(desk.get_args());
        strace.env("NO_COLOR", "1").envs(environment.iter().copied());
        self.launches_as(&mut strace);
    }

    fn launches_as(&mut self, program: &mut Command) {
        let mut log = OpenOptions::new();
        let log = log.create(true).append(true).open(self.file("log")).unwrap();
        let daemon =
            program.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).spawn();
        self.daemon = Some(daemon.unwrap());
    }

    /// Ends the daemon as an operator does.
    pub(crate) async fn stops(&mut self) {
        self.is_sent("TERM");
        let mut daemon = self.daemon.take().expect("a daemon that runs");
        let give_up_at = Instant::now() + END;
        loop {
            if let Some(status) = daemon.try_wait().unwrap() {
                assert!(status.success(), "{status}\n{}", self.log());
                return;
            }
            if Instant::now() > give_up_at {
                daemon.kill().unwrap();
                daemon.wait().unwrap();
                panic!("the desk does not end within {END:?}\n{}", self.log());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Sends the daemon a signal.
    pub(crate) fn is_sent(&self, signal: &str) {
        let daemon = self.daemon.as_ref().expect("a daemon that runs");
        let kill = format!("kill -{signal} {}", daemon.id());
        assert!(Command::new("/bin/sh").args(["-c", &kill]).status().unwrap().success());
    }

    /// Whether the daemon runs, the same one as ever since its start.
    pub(crate) fn runs(&mut self) -> bool {
        let daemon = self.daemon.as_mut().expect("a daemon that was started");
        daemon.try_wait().unwrap().is_none()
    }

    /// KiB of memory that the daemon had at most so far.
    pub(crate) fn memory_peak_kib(&self) -> u64 {
        let daemon = self.daemon.as_ref().expect("a daemon that runs");
        let status = fs::read_to_string(format!("/proc/{}/status", daemon.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        line.unwrap().trim().trim_end_matches(" kB").parse().unwrap()
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.file("log")).unwrap_or_default()
    }

    pub(crate) fn program(&self, arguments: &[&str]) -> Command {
        let mut program = Command::new(env!("CARGO_BIN_EXE_deletion-desk"));
        program.arg("--config").arg(self.file("bot.toml")).args(arguments);
        // Nothing of the environment of whoever runs the tests.
        program.env("NO_COLOR", "1").env_remove("DELETION_DESK_LOG");
        program
    }

    /// Runs a command, and returns whether it succeeded and what it printed.
    pub(crate) fn tries(&self, arguments: &[&str]) -> (bool, String) {
        let output = self.program(arguments).output().unwrap();
        let printed = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8(printed).unwrap())
    }

    /// Runs a command that has to succeed.
    #[track_caller]
    pub(crate) fn command(&self, arguments: &[&str]) -> String {
        let (success, printed) = self.tries(arguments);
        assert!(success, "{arguments:?}: {printed}");
        printed
    }

    /// The one line of `check` about a thing.
    #[track_caller]
    pub(crate) fn check_fails_at(&self, what: &str) -> String {
        let (success, printed) = self.tries(&["check"]);
        assert!(!success, "{printed}");
        let line = printed.lines().find(|line| line.starts_with(&format!("FAIL  {what} ")));
        line.unwrap_or_else(|| panic!("no failure of {what} in\n{printed}")).to_owned()
    }

    /// All cases, closed ones too.
    pub(crate) fn cases(&self) -> Vec<Value> {
        let printed = self.command(&["cases", "list", "--all", "--json"]);
        serde_json::from_str(&printed).unwrap()
    }

    /// The only case there is.
    #[track_caller]
    pub(crate) fn the_case(&self) -> Value {
        let mut cases = self.cases();
        assert_eq!(cases.len(), 1, "{cases:?}");
        cases.remove(0)
    }

    /// How the only case stands.
    #[track_caller]
    pub(crate) fn state(&self) -> String {
        self.the_case()["state"].as_str().unwrap().to_owned()
    }

    /// Waits for what has to come.
    pub(crate) async fn until<T>(&self, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
        let give_up_at = Instant::now() + PATIENCE;
        loop {
            if let Some(found) = look() {
                return found;
            }
            assert!(Instant::now() < give_up_at, "in vain waited until {what}\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    pub(crate) async fn until_log_says(&self, words: &str) {
        self.until(words, || self.log().contains(words).then_some(())).await;
    }

    /// Where the page is.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.page)
    }

    /// Opens a page; returns all of the answer, with its head.
    pub(crate) async fn opens(&self, url: &str) -> String {
        self.asks_page("GET", url, "").await
    }

    /// Sends a form.
    pub(crate) async fn presses(&self, url: &str, form: &str) -> String {
        self.asks_page("POST", url, form).await
    }

    async fn asks_page(&self, method: &str, url: &str, form: &str) -> String {
        let (page, length) = (self.url(""), form.len());
        let path = url.strip_prefix(&page).unwrap_or(url);
        let host = page.strip_prefix("http://").unwrap();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {length}\r\n\r\n{form}"
        );
        let address = (Ipv4Addr::LOCALHOST, self.page);
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    /// Confirms on the page, and returns what it shows then.
    async fn confirms(&self, link: &str) -> String {
        let form = "act=confirm&role=own-account&asked=yes";
        let answer = self.presses(link, form).await;
        assert!(answer.starts_with("HTTP/1.1 303 "), "{answer}");
        let next = answer.lines().find_map(|line| line.strip_prefix("location: "));
        self.opens(next.unwrap()).await
    }
}

impl Drop for LiveDesk {
    fn drop(&mut self) {
        if let Some(daemon) = &mut self.daemon {
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
    }
}

/// A mail as its reader has it.
pub(crate) struct Letter {
    raw: String,
}

impl Letter {
    pub(crate) fn read(raw: &str) -> Letter {
        Letter { raw: raw.to_owned() }
    }

    pub(crate) fn header(&self, name: &'static str) -> String {
        let mail = MessageParser::default().parse(&self.raw).unwrap();
        words(mail.header_raw(name).unwrap_or_default())
    }

    pub(crate) fn subject(&self) -> String {
        self.header("Subject")
    }

    /// Its text part.
    pub(crate) fn text(&self) -> String {
        let mail = MessageParser::default().parse(&self.raw).unwrap();
        mail.body_text(0).unwrap().into_owned()
    }

    fn html(&self) -> String {
        let mail = MessageParser::default().parse(&self.raw).unwrap();
        mail.body_html(0).unwrap().into_owned()
    }

    /// The link to the page.
    #[track_caller]
    pub(crate) fn link(&self) -> String {
        self.link_with("/c/")
    }

    /// The link to the page of staff.
    pub(crate) fn staff_link(&self) -> String {
        self.link_with("/s/")
    }

    fn link_with(&self, path: &str) -> String {
        let text = self.text();
        let mut words = text.split_whitespace();
        let link = words.find(|word| word.starts_with("http://127.0.0.1:") && word.contains(path));
        link.unwrap_or_else(|| panic!("no link in {text}")).to_owned()
    }

    fn reference(&self) -> String {
        let text = self.text();
        let reference = text.split_whitespace().find(|word| word.starts_with("DEL-"));
        reference.unwrap().to_owned()
    }

    /// The plus-address that an answer goes back to.
    fn answer_address(&self) -> String {
        let reply_to = self.header("Reply-To");
        reply_to.split(['<', '>']).nth(1).unwrap().to_owned()
    }
}

/// On one line, however it was broken.
fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn fresh_message_id() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    format!("<{}@mail.example>", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// A request as somebody's mail program writes it.
pub(crate) fn request(from: &str) -> String {
    format!(
        "Date: Mon, 1 Jun 2026 14:00:00 +0200\nFrom: Somebody <{from}>\nTo: {DESK}\n\
         Subject: Data Deletion Request\nMessage-ID: {}\nMIME-Version: 1.0\n\
         Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n\
         Please delete my account. Thank you.\n",
        fresh_message_id()
    )
}

fn answer(from: &str, letter: &Letter, text: &str) -> String {
    let quoted = letter.text().replace('\n', "\n> ");
    format!(
        "Date: Mon, 1 Jun 2026 15:00:00 +0200\nFrom: Somebody <{from}>\nTo: {}\nSubject: Re: {}\n\
         Message-ID: {}\nIn-Reply-To: {id}\nReferences: {id}\nMIME-Version: 1.0\n\
         Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n\
         {text}\n\nOn Mon, 1 Jun 2026, Flexus Privacy wrote:\n> {quoted}\n",
        letter.answer_address(),
        letter.subject(),
        fresh_message_id(),
        id = letter.header("Message-ID"),
    )
}

fn form_notification(entered: &str) -> String {
    format!(
        "Authentication-Results: mx.flexus.example; dmarc=pass header.from=flexus.example\n\
         Date: Mon, 1 Jun 2026 14:00:00 +0200\nFrom: Website <forms@flexus.example>\nTo: {DESK}\n\
         Subject: New Data Deletion Request Form submission\nMessage-ID: {}\n\n\
         Email Address: {entered}\n",
        fresh_message_id()
    )
}

impl LiveDesk {
    /// The letters that an address has, when it has so many.
    async fn letters(&self, servers: &MailServers, address: &str, count: usize) -> Vec<Letter> {
        let mails = servers.wait_for_mail(address, count).await;
        let letters: Vec<Letter> = mails.iter().map(|raw| Letter::read(raw)).collect();
        let subjects: Vec<String> = letters.iter().map(Letter::subject).collect();
        assert_eq!(letters.len(), count, "{subjects:?}\n{}", self.log());
        letters
    }

    /// The newest of them.
    pub(crate) async fn letter(
        &self,
        servers: &MailServers,
        address: &str,
        count: usize,
    ) -> Letter {
        let mut letters = self.letters(servers, address, count).await;
        letters.pop().unwrap()
    }
}

/// What every letter to a requester has, whatever it says.
#[track_caller]
fn is_well_made(letter: &Letter, to: &str) {
    let (raw, header) = (&letter.raw, |name| letter.header(name));
    assert!(header("Content-Type").starts_with("multipart/alternative"), "{raw}");
    assert!(raw.contains("Content-Type: text/plain; charset=utf-8"), "{raw}");
    assert!(raw.contains("Content-Type: text/html; charset=utf-8"), "{raw}");
    assert!(letter.html().contains("<html") && !letter.html().contains("<script"));
    assert_eq!(header("From"), format!("\"Flexus Privacy\" <{DESK}>"));
    assert_eq!(header("To"), to);
    let answer_address = letter.answer_address();
    assert!(answer_address.starts_with("hello+"), "{answer_address}");
    assert!(answer_address.ends_with("@flexus.example"), "{answer_address}");
    let return_path = header("Return-Path");
    assert!(return_path.starts_with("<hello+"), "{return_path}");
    assert_ne!(return_path, format!("<{answer_address}>"), "what comes there is no answer");
    assert!(header("Message-ID").ends_with("@flexus.example>"), "{raw}");
    assert!(header("Auto-Submitted").starts_with("auto-"), "{raw}");
    assert_eq!(header("X-Auto-Response-Suppress"), "All");
    assert!(!header("Date").is_empty() && header("MIME-Version") == "1.0");
    for part in [letter.text(), letter.html()] {
        assert!(part.contains("https://flexus.example/privacy"), "{part}");
        assert!(words(&part).contains("not affiliated with"), "{part}");
    }
}

fn servers() -> MailServers {
    MailServers::start(&[DESK, OFFICER, JANE, JOHN])
}

/// Staff need no terminal and no page: from request to completion by mail alone.
#[tokio::test(flavor = "multi_thread")]
async fn staff_finish_a_case_by_answering_its_mail() {
    const PASSES: &str =
        "Authentication-Results: mx.flexus.example; dmarc=pass header.from=flexus.example\n";
    let servers = servers();
    let mut desk = LiveDesk::over(&servers).await;
    servers.post(JANE, DESK, &request(JANE)).await;
    let verification = desk.letter(&servers, JANE, 1).await;
    servers.post(JANE, DESK, &answer(JANE, &verification, "Yes")).await;
    let news = desk.letter(&servers, OFFICER, 1).await;
    assert!(news.subject().ends_with("confirmed, please delete"), "{}", news.subject());

    servers.post(OFFICER, DESK, &answer(OFFICER, &news, "done")).await;
    let refused = desk.letter(&servers, OFFICER, 2).await;
    assert_eq!(refused.subject(), "Nothing was done");
    assert!(refused.text().contains("no aligned DMARC pass"), "{}", refused.text());
    assert_eq!(desk.state(), "in-progress");

    let commands = "partly: invoices: tax until 2036-12-31";
    let genuine = format!("{PASSES}{}", answer(OFFICER, &news, commands));
    servers.post(OFFICER, DESK, &genuine).await;
    let receipt = desk.letter(&servers, OFFICER, 3).await;
    assert!(receipt.subject().ends_with(": done"), "{}", receipt.subject());
    let completion = desk.letter(&servers, JANE, 3).await;
    is_well_made(&completion, JANE);
    assert!(words(&completion.text()).contains("invoices: tax and accounting law"));
    assert_eq!(desk.the_case()["resolution"], "completed");
    desk.stops().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_by_mail_is_confirmed_by_its_link_and_completed() {
    let servers = servers();
    let mut desk = LiveDesk::over(&servers).await;
    let raw = request(JANE);
    servers.post(JANE, DESK, &raw).await;

    let verification = desk.letter(&servers, JANE, 1).await;
    is_well_made(&verification, JANE);
    assert_eq!(verification.subject(), "Please confirm your data deletion request");
    assert_eq!(verification.header("In-Reply-To"), Letter::read(&raw).header("Message-ID"));
    let page = desk.opens(&verification.link()).await;
    assert!(page.starts_with("HTTP/1.1 200 ") && page.contains("Not confirmed yet"), "{page}");
    assert_eq!(desk.state(), "awaiting-verification");

    let page = desk.confirms(&verification.link()).await;
    assert!(page.contains("Thank you") && page.contains("Your request is confirmed"), "{page}");
    let receipt = desk.letter(&servers, JANE, 2).await;
    is_well_made(&receipt, JANE);
    assert_eq!(receipt.subject(), "Your data deletion request is confirmed");
    let reference = desk.the_case()["reference"].as_str().unwrap().to_owned();
    assert_eq!(receipt.reference(), reference);

    let news = desk.letter(&servers, OFFICER, 1).await;
    assert_eq!(news.subject(), format!("{reference}: confirmed, please delete"));
    desk.command(&["digest", "--send"]);
    let digest = desk.letter(&servers, OFFICER, 2).await;
    assert_eq!(digest.subject(), "Deletion requests: 1 newly confirmed");
    assert!(digest.text().contains(&reference), "{}", digest.text());
    assert!(digest.html().contains(&reference), "{}", digest.html());

    desk.command(&["cases", "complete", &reference, "--by", "Ada"]);
    let completion = desk.letter(&servers, JANE, 3).await;
    is_well_made(&completion, JANE);
    assert_eq!(completion.subject(), "Your data deletion request is complete");
    assert_eq!(desk.the_case()["resolution"], "completed");

    let inbox = servers.mails(DESK).await;
    assert_eq!((inbox.len(), servers.unseen(DESK).await), (1, 1));
    assert!(inbox[0].contains("Please delete my account."));
    desk.command(&["journal", "verify"]);
    desk.stops().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_page_everything_goes_by_answering() {
    let servers = servers();
    let off = |settings: String| {
        let lines = settings.lines();
        let lines = lines.filter(|line| !line.starts_with("public_url"));
        let lines = lines.map(|line| match line.starts_with("listen") {
            true => "listen = \"off\"",
            false => line,
        });
        lines.collect::<Vec<_>>().join("\n")
    };
    let mut desk = LiveDesk::with(&servers, off).await;
    assert!(desk.command(&["check"]).contains("requesters confirm by answering the mail"));
    servers.post(JANE, DESK, request(JANE)).await;

    let verification = desk.letter(&servers, JANE, 1).await;
    is_well_made(&verification, JANE);
    for part in [verification.text(), verification.html()] {
        let part = part.replace("https://flexus.example/privacy", "");
        assert!(!part.contains("http") && !part.contains("/c/"), "{part}");
        assert!(!part.contains("on the page"), "{part}");
    }
    let yes = answer(JANE, &verification, "YES");
    servers.post(JANE, &verification.answer_address(), yes).await;
    let receipt = desk.letter(&servers, JANE, 2).await;
    is_well_made(&receipt, JANE);
    assert_eq!(receipt.subject(), "Your data deletion request is confirmed");
    let case = desk.the_case();
    assert_eq!((&case["state"], &case["confirmed_by"]), (&"in-progress".into(), &"reply".into()));

    let reference = receipt.reference();
    desk.command(&["cases", "complete", &reference, "--by", "Ada"]);
    let completion = desk.letter(&servers, JANE, 3).await;
    assert_eq!(completion.subject(), "Your data deletion request is complete");
    assert_eq!(servers.unseen(DESK).await, 2);
    desk.stops().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_form_and_a_notification_of_the_websites_form_ask_the_address_entered() {
    let servers = servers();
    let desk = LiveDesk::over(&servers).await;
    let answer = desk.presses("/", "email=jane%40example.org").await;
    assert!(answer.starts_with("HTTP/1.1 303 "), "{answer}");
    assert!(answer.contains("location: /sent"), "{answer}");
    let verification = desk.letter(&servers, JANE, 1).await;
    is_well_made(&verification, JANE);
    desk.confirms(&verification.link()).await;
    let receipt = desk.letter(&servers, JANE, 2).await;
    assert_eq!(receipt.subject(), "Your data deletion request is confirmed");

    servers.post("forms@flexus.example", DESK, form_notification(JOHN)).await;
    let verification = desk.letter(&servers, JOHN, 1).await;
    is_well_made(&verification, JOHN);
    assert_eq!(verification.header("In-Reply-To"), "", "John wrote no mail");
    desk.confirms(&verification.link()).await;
    desk.letters(&servers, JOHN, 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mail_leaves_by_starttls() {
    let servers = servers();
    let (submissions, starttls) = (servers.submissions_port(), servers.starttls_port());
    let desk = LiveDesk::with(&servers, |settings| {
        settings
            .replace("tls = \"implicit\"", "tls = \"starttls\"")
            .replace(&format!("port = {submissions}\n"), &format!("port = {starttls}\n"))
    })
    .await;
    desk.command(&["check"]);
    servers.post(JANE, DESK, request(JANE)).await;
    let verification = desk.letter(&servers, JANE, 1).await;
    assert!(verification.raw.contains("ESMTPSA"), "{}", verification.raw);
}

/// A mail server on the same machine that trusts it, as many have on port 25.
#[tokio::test(flavor = "multi_thread")]
async fn mail_leaves_without_a_password_where_none_is_asked_for() {
    let servers = servers();
    let (submissions, mx) = (servers.submissions_port(), servers.mx_port());
    let desk = LiveDesk::with(&servers, |settings| {
        let (mailbox, smtp) = settings.split_once("[smtp]").unwrap();
        let smtp = smtp
            .replace(&format!("port = {submissions}"), &format!("port = {mx}"))
            .replace("tls = \"implicit\"", "tls = \"none\"")
            .replace("username", "# username")
            .replace("password_file", "# password_file")
            .replace("ca_file", "# ca_file");
        format!("{mailbox}[smtp]{smtp}")
    })
    .await;
    desk.command(&["check"]);
    servers.post(JANE, DESK, request(JANE)).await;
    is_well_made(&desk.letter(&servers, JANE, 1).await, JANE);
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_that_cannot_be_trusted_are_told_nothing() {
    let (servers, other) = (servers(), MailServers::start(&[JANE]));
    let ca_line = format!("ca_file = \"{}\"", servers.ca_file().display());
    let wrong = format!("ca_file = \"{}\"", other.ca_file().display());
    for trusted in [wrong.as_str(), ""] {
        let desk = LiveDesk::prepared(&servers, |settings| settings.replace(&ca_line, trusted));
        for what in ["mailbox", "smtp"] {
            let line = desk.check_fails_at(what);
            assert!(line.contains("localhost"), "{line}");
            assert!(line.to_lowercase().contains("certificate"), "{line}");
        }
    }
    // Only the last one, that of smtp: requests come in, and nothing goes out.
    let desk = LiveDesk::with(&servers, |settings| {
        let (before, after) = settings.rsplit_once(&ca_line).unwrap();
        format!("{before}{wrong}{after}")
    })
    .await;
    servers.post(JANE, DESK, request(JANE)).await;
    desk.until_log_says("letter not submitted yet").await;
    assert!(servers.mails(JANE).await.is_empty());
    assert!(!servers.logs().contains("sasl_username"), "{}", servers.logs());
    assert_eq!(desk.state(), "awaiting-verification");
}

/// `wait_for_mail` gives up long before the 300 seconds of the poll.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_tells_of_new_mail_need_not_be_polled() {
    let servers = servers();
    let desk = LiveDesk::over(&servers).await;
    assert!(desk.command(&["check"]).contains("tells of new mail at once"));
    servers.post(JANE, DESK, request(JANE)).await;
    desk.letter(&servers, JANE, 1).await;
}

/// What a server tells in the middle of another answer, before the next IDLE, it does not tell
/// again. Only observed, so that no bounces come between.
#[tokio::test(flavor = "multi_thread")]
async fn mail_that_arrives_while_other_mail_is_fetched_is_not_forgotten() {
    let servers = servers();
    let desk = LiveDesk::with(&servers, |settings| settings.replace("live", "observe")).await;
    let long = format!("{}\n", "long ".repeat(200)).repeat(5_000);
    // Dovecot tells of a mail after half a second; then it is fetched.
    for (round, milliseconds) in (1..).zip([500, 520, 540, 560, 600, 640, 700]) {
        servers.drop_into(DESK, request(JANE) + &long);
        tokio::time::sleep(Duration::from_millis(milliseconds)).await;
        servers.drop_into(DESK, request(JOHN));
        // Another session notices it first, so that the server tells in all of them.
        servers.unseen(DESK).await;
        let both = || (desk.log().matches("mail handled").count() == 2 * round).then_some(());
        desk.until("both mails are handled", both).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_does_not_tell_is_polled() {
    let servers = servers();
    let desk = LiveDesk::with(&servers, |settings| {
        settings.replace("poll = \"300s\"", "poll = \"1s\"\nidle = false")
    })
    .await;
    for (count, address) in [JANE, JOHN].into_iter().enumerate() {
        servers.post(address, DESK, request(address)).await;
        desk.letter(&servers, address, 1).await;
        assert_eq!(desk.cases().len(), count + 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_came_while_the_servers_were_away_is_answered_once() {
    let servers = servers();
    let mut desk = LiveDesk::over(&servers).await;
    servers.stop_imap();
    servers.stop_smtp();
    servers.drop_into(DESK, request(JANE));
    desk.until_log_says("the inbox cannot be read").await;
    servers.start_imap();
    desk.until_log_says("letter not submitted yet").await;
    servers.start_smtp();
    desk.letter(&servers, JANE, 1).await;
    assert!(desk.runs());
    // Later mail shows that nothing is left that would come twice.
    servers.post(JOHN, DESK, request(JOHN)).await;
    desk.letter(&servers, JOHN, 1).await;
    desk.letter(&servers, JANE, 1).await;
    desk.stops().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_desk_that_was_stopped_goes_on_where_it_was() {
    let servers = servers();
    let mut desk = LiveDesk::over(&servers).await;
    servers.stop_smtp();
    servers.drop_into(DESK, request(JANE));
    desk.until_log_says("letter not submitted yet").await;
    desk.stops().await;
    servers.start_smtp();
    desk.starts().await;
    let verification = desk.letter(&servers, JANE, 1).await;

    desk.stops().await;
    servers.post(JOHN, DESK, request(JOHN)).await;
    let yes = answer(JANE, &verification, "Yes");
    servers.post(JANE, &verification.answer_address(), yes).await;
    servers.wait_for_mail(DESK, 3).await;
    desk.starts().await;
    desk.letter(&servers, JOHN, 1).await;
    let receipt = desk.letter(&servers, JANE, 2).await;
    assert_eq!(receipt.subject(), "Your data deletion request is confirmed");
    desk.stops().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_for_a_mailbox_that_does_not_exist_ends_by_its_bounce() {
    let servers = servers();
    let desk = LiveDesk::over(&servers).await;
    desk.presses("/", "email=nobody%40example.org").await;
    let case = desk
        .until("the case is closed", || {
            let case = desk.cases().pop()?;
            (case["state"] == "closed").then_some(case)
        })
        .await;
    assert_eq!(case["resolution"], "undeliverable");
    assert_eq!(case["address"], NOBODY);
    let bounces = servers.mails(DESK).await;
    assert_eq!(bounces.len(), 1, "a bounce is not answered");
    assert!(bounces[0].contains("Action: failed"), "{}", bounces[0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_said_and_waited_out() {
    let servers = servers();
    let mut desk = LiveDesk::prepared(&servers, |settings| settings);
    desk.password_is("wrong");
    for what in ["mailbox", "smtp"] {
        let line = desk.check_fails_at(what);
        assert!(line.contains("refuses the login"), "{line}");
        assert!(line.contains("password refused"), "{line}");
    }
    assert!(!Path::exists(&desk.file("bot.db")), "check makes nothing");
    desk.launches();
    desk.until_log_says("the inbox cannot be read").await;
    assert!(desk.log().contains("refuses the login"), "{}", desk.log());
    assert!(!desk.log().contains("wrong"), "{}", desk.log());
    assert!(desk.runs());
    desk.stops().await;
}
