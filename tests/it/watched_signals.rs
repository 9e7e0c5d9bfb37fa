//! The real program under signals and under systemd, before servers of which it is known to the
//! octet what they got.

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

use crate::harness::JANE;
use crate::wire::{JOHN, Letter, LiveDesk, request};

/// What the submission server does with a mail after its final dot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mood {
    /// Hangs up on whoever connects.
    Dead,
    /// Takes it.
    Takes,
    /// Takes it, and says so after two seconds.
    Dawdles,
    /// Takes it, and never says so.
    Silent,
    /// Turns whoever connects away, as a provider that throttles.
    Throttles,
}

/// A submission server in plain text.
#[derive(Clone)]
pub(crate) struct Sink {
    port: u16,
    mood: Arc<Mutex<Mood>>,
    taken: Arc<Mutex<Vec<String>>>,
    connections: Arc<Mutex<usize>>,
}

impl Sink {
    pub(crate) async fn start(mood: Mood) -> Sink {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (taken, connections) = <(Arc<Mutex<Vec<String>>>, Arc<Mutex<usize>>)>::default();
        let sink = Sink { port, mood: Arc::new(Mutex::new(mood)), taken, connections };
        let served = sink.clone();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                *served.connections.lock().unwrap() += 1;
                // Whoever hangs up in the middle is no concern of the server.
                let served = served.clone();
                tokio::spawn(async move { drop(served.serve(stream).await) });
            }
        });
        sink
    }

    pub(crate) fn is(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    pub(crate) fn mood(&self) -> Mood {
        *self.mood.lock().unwrap()
    }

    pub(crate) fn connections(&self) -> usize {
        *self.connections.lock().unwrap()
    }

    pub(crate) fn letters_to(&self, address: &str) -> Vec<Letter> {
        let taken = self.taken.lock().unwrap();
        let letters = taken.iter().map(|raw| Letter::read(raw));
        letters.filter(|letter| letter.header("To") == address).collect()
    }

    async fn serve(&self, stream: TcpStream) -> std::io::Result<()> {
        let mut stream = BufReader::new(stream);
        match self.mood() {
            Mood::Dead => return Ok(()),
            Mood::Throttles => return stream.write_all(b"421 4.7.0 Try again later\r\n").await,
            _ => stream.write_all(b"220 sink\r\n").await?,
        }
        let mut line = String::new();
        while stream.read_line(&mut line).await? > 0 {
            let verb = line.split_whitespace().next().unwrap_or_default().to_uppercase();
            let reply = match verb.as_str() {
                "DATA" => {
                    stream.write_all(b"354 go on\r\n").await?;
                    let mut mail = String::new();
                    while !mail.ends_with("\r\n.\r\n") {
                        stream.read_line(&mut mail).await?;
                    }
                    self.taken.lock().unwrap().push(mail);
                    match self.mood() {
                        Mood::Dawdles => tokio::time::sleep(Duration::from_secs(2)).await,
                        Mood::Silent => std::future::pending().await,
                        Mood::Dead | Mood::Takes | Mood::Throttles => {}
                    }
                    "250 2.0.0 taken\r\n"
                }
                "QUIT" => "221 bye\r\n",
                _ => "250 fine\r\n",
            };
            stream.write_all(reply.as_bytes()).await?;
            line.clear();
        }
        Ok(())
    }

    fn section(&self) -> String {
        format!(
            "[smtp]\nkind = \"smtp\"\nhost = \"localhost\"\nport = {}\ntls = \"none\"\n",
            self.port
        )
    }

    /// A desk that reads the Maildir `in` and submits here.
    pub(crate) fn desk(&self, change: impl FnOnce(String) -> String) -> LiveDesk {
        LiveDesk::new(|settings| {
            let inbox = "[mailbox]\nkind = \"maildir\"\npath = \"in\"\npoll = \"1s\"\n";
            change(format!("{settings}{inbox}{}", self.section()))
        })
    }
}

impl LiveDesk {
    pub(crate) async fn is_asked_by(&self, address: &str) {
        let form = format!("email={}", address.replace('@', "%40"));
        assert!(self.presses("/", &form).await.starts_with("HTTP/1.1 303 "));
    }

    fn gets(&self, name: &str, raw: &str) {
        let maildir = self.file("in");
        fs::write(maildir.join("tmp").join(name), raw).unwrap();
        fs::rename(maildir.join("tmp").join(name), maildir.join("new").join(name)).unwrap();
    }

    async fn has_sent(&self, sink: &Sink, address: &str, count: usize) -> Vec<Letter> {
        let enough = || {
            let letters = sink.letters_to(address);
            (letters.len() >= count).then_some(letters)
        };
        self.until(&format!("{address} has {count} letters"), enough).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_finishes_the_letter_in_hand() {
    let sink = Sink::start(Mood::Dawdles).await;
    let mut desk = sink.desk(|settings| settings);
    desk.starts().await;
    desk.is_asked_by(JANE).await;
    desk.has_sent(&sink, JANE, 1).await;
    desk.stops().await;
    assert!(desk.log().contains("letter submitted"), "{}", desk.log());
    sink.is(Mood::Takes);
    desk.starts().await;
    assert!(!desk.log().contains("the last run ended while submitting"), "{}", desk.log());
    desk.is_asked_by(JOHN).await;
    desk.has_sent(&sink, JOHN, 1).await;
    assert_eq!(sink.letters_to(JANE).len(), 1);
    desk.stops().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_waits_for_no_server_that_never_answers() {
    let sink = Sink::start(Mood::Silent).await;
    let mut desk = sink.desk(|settings| settings);
    desk.starts().await;
    desk.is_asked_by(JANE).await;
    desk.has_sent(&sink, JANE, 1).await;
    desk.stops().await;
    sink.is(Mood::Takes);
    desk.starts().await;
    let both = desk.has_sent(&sink, JANE, 2).await;
    assert_eq!(both[0].header("Message-ID"), both[1].header("Message-ID"));
    desk.is_asked_by(JOHN).await;
    desk.has_sent(&sink, JOHN, 1).await;
    assert_eq!(sink.letters_to(JANE).len(), 2, "at most one copy more");
    desk.stops().await;
}

/// Logs in, and then says nothing at the command that a test names.
async fn stalls_at(command: &'static str) -> (u16, Arc<Mutex<bool>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let stalled = Arc::new(Mutex::new(false));
    let told = Arc::clone(&stalled);
    tokio::spawn(async move {
        // The desk asks for the folders on a line apart.
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answers_until(command, stream, Arc::clone(&told)));
        }
    });
    (port, stalled)
}

async fn answers_until(command: &str, stream: TcpStream, told: Arc<Mutex<bool>>) {
    let mut stream = BufReader::new(stream);
    stream.write_all(b"* OK here\r\n").await.unwrap();
    let mut line = String::new();
    while stream.read_line(&mut line).await.unwrap() > 0 {
        let (tag, rest) = line.split_once(' ').unwrap();
        if rest.starts_with(command) {
            *told.lock().unwrap() = true;
            std::future::pending::<()>().await;
        }
        let answer = match rest.split_whitespace().next().unwrap() {
            "CAPABILITY" => "* CAPABILITY IMAP4rev1\r\n",
            "EXAMINE" => "* OK [UIDVALIDITY 7] here\r\n",
            _ => "",
        };
        let answer = format!("{answer}{tag} OK done\r\n");
        stream.write_all(answer.as_bytes()).await.unwrap();
        line.clear();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_waits_for_no_inbox_that_stalls() {
    for command in ["LOGIN", "EXAMINE", "UID SEARCH"] {
        let (port, stalled) = stalls_at(command).await;
        let sink = Sink::start(Mood::Takes).await;
        let mut desk = LiveDesk::new(|settings| {
            settings
                + &format!(
                    "[mailbox]\nkind = \"imap\"\nhost = \"localhost\"\nport = {port}\ntls = \"none\"\n\
                     username = \"hello\"\npassword_file = \"password\"\n{}",
                    sink.section()
                )
        });
        desk.launches();
        desk.until(command, || stalled.lock().unwrap().then_some(())).await;
        desk.stops().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_in_the_middle_of_a_backlog_loses_nothing_and_doubles_nothing() {
    const MAILS: usize = 300;
    let sink = Sink::start(Mood::Takes).await;
    let mut desk = sink.desk(|settings| settings);
    desk.starts().await;
    for number in 0..MAILS {
        desk.gets(&format!("{number}.q.test"), &request(&format!("user{number}@example.org")));
    }
    for round in 0..3 {
        let handled = || (desk.log().matches("mail handled").count() > round * 50).then_some(());
        desk.until("some mail is handled", handled).await;
        desk.stops().await;
        desk.starts().await;
    }
    let all = || (desk.cases().len() >= MAILS).then_some(());
    desk.until("all mail is handled", all).await;
    desk.is_asked_by(JOHN).await;
    desk.has_sent(&sink, JOHN, 1).await;
    assert_eq!(desk.cases().len(), MAILS + 1);
    for number in 0..MAILS {
        let copies = sink.letters_to(&format!("user{number}@example.org")).len();
        assert!(copies <= 1, "user{number} has {copies} letters");
    }
    desk.stops().await;
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else {
            fs::copy(&path, &target).unwrap();
        }
    }
}

fn change(file: PathBuf, from: &str, to: &str) {
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.contains(from), "{from} in {text}");
    fs::write(file, text.replace(from, to)).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn hanging_up_reads_rules_and_templates_again_and_keeps_good_ones() {
    const OLD: &str = "Please confirm your data deletion request";
    let sink = Sink::start(Mood::Dead).await;
    let mut desk =
        sink.desk(|settings| format!("rules = \"rules\"\ntemplates = \"templates\"\n{settings}"));
    let source = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    for folder in ["rules", "templates"] {
        copy(&source.join(folder), &desk.file(folder));
    }
    let letter = desk.file("templates/en/verification-request.md");
    desk.starts().await;
    desk.is_asked_by(JANE).await;
    desk.until_log_says("letter not submitted yet").await;

    // Good ones are taken up: letters that were composed keep their words.
    change(letter.clone(), OLD, "Is it you?");
    change(desk.file("templates/en/pages/form.html"), "<h1>", "<h1>Anew: ");
    let rules = desk.file("rules/deletion-request/en.toml");
    change(rules.clone(), "stems = [", "stems = [\"grandmother\", ");
    change(rules.clone(), "beside = [", "beside = [\"request\", ");
    change(
        rules.clone(),
        "any = ['\\b(?:{data}|",
        "any = ['^grandmother request$', '\\b(?:{data}|",
    );
    desk.is_sent("HUP");
    desk.until_log_says("rules and templates were read again").await;
    desk.until_log_says("the settings are those of the start").await;
    assert!(desk.opens("/").await.contains("<h1>Anew: "));
    sink.is(Mood::Takes);
    assert_eq!(desk.has_sent(&sink, JANE, 1).await[0].subject(), OLD);
    desk.is_asked_by(JOHN).await;
    assert_eq!(desk.has_sent(&sink, JOHN, 1).await[0].subject(), "Is it you?");
    let asked = request("eve@example.org");
    desk.gets("1.q.test", &asked.replace("Data Deletion Request", "Grandmother request"));
    desk.has_sent(&sink, "eve@example.org", 1).await;

    // Wrong ones are not, and the log says where.
    change(letter.clone(), "Is it you?", "Is it {{ nobody }}?");
    desk.is_sent("HUP");
    desk.until_log_says("the old rules and templates stay in use").await;
    assert!(desk.log().contains("templates/en/verification-request.md, line "), "{}", desk.log());
    desk.is_asked_by("ada@example.org").await;
    let sent = desk.has_sent(&sink, "ada@example.org", 1).await;
    assert_eq!(sent[0].subject(), "Is it you?");

    change(letter, "Is it {{ nobody }}?", "Is it you?");
    change(rules, "\"Deletion of old branches\"", "\"Grandmother request\"");
    desk.is_sent("HUP");
    desk.until_log_says("rules/deletion-request/en.toml, rule ").await;
    change(desk.file("bot.toml"), "\"Flexus Privacy\"", "\"Others\"");
    desk.is_sent("HUP");
    desk.until_log_says("restart the desk to take that up").await;
    change(desk.file("bot.toml"), "mode", "mood");
    desk.is_sent("HUP");
    desk.until_log_says("with this the desk would not start again").await;
    assert!(desk.runs());
    assert!(desk.opens("/").await.contains("<h1>Anew: "));
    desk.stops().await;
}

/// What the manager hears, in order, without the beats.
pub(crate) fn heard(manager: &UnixDatagram, beats: &mut usize) -> Vec<String> {
    let mut heard = Vec::new();
    let mut buffer = [0; 4096];
    while let Ok(length) = manager.recv(&mut buffer) {
        match String::from_utf8(buffer[..length].to_vec()).unwrap() {
            beat if beat == "WATCHDOG=1" => *beats += 1,
            other => heard.push(other),
        }
    }
    heard
}

#[tokio::test(flavor = "multi_thread")]
async fn systemd_hears_how_the_desk_is() {
    let sink = Sink::start(Mood::Dead).await;
    let mut desk = sink.desk(|settings| settings);
    let socket = desk.file("notify");
    let manager = UnixDatagram::bind(&socket).unwrap();
    manager.set_nonblocking(true).unwrap();
    desk.launches_with(&[("NOTIFY_SOCKET", &socket)]);
    let (mut all, mut beats) = (Vec::new(), 0);
    let mut hears = async |desk: &LiveDesk, words: &str, all: &mut Vec<String>| {
        desk.until(words, || {
            all.extend(heard(&manager, &mut beats));
            all.iter().any(|one| one == words).then_some(())
        })
        .await;
    };
    hears(&desk, "STATUS=reading the inbox, 0 open cases", &mut all).await;
    assert_eq!(all[0], "READY=1", "{all:?}");
    desk.is_asked_by(JANE).await;
    // The cases are counted once in a minute.
    hears(&desk, "STATUS=reading the inbox, letters wait (no connection), 0 open cases", &mut all)
        .await;
    all.clear();
    desk.is_sent("HUP");
    hears(&desk, "READY=1", &mut all).await;
    assert_eq!(all, ["RELOADING=1", "READY=1"]);
    all.clear();
    sink.is(Mood::Takes);
    hears(&desk, "STATUS=reading the inbox, 0 open cases", &mut all).await;
    desk.stops().await;
    hears(&desk, "STOPPING=1\nSTATUS=finishing the letters in hand", &mut all).await;
    assert!(beats > 3, "{beats}");
}

#[test]
fn the_unit_of_systemd_asks_for_what_the_program_serves() {
    let unit = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("packaging/deletion-desk.service");
    let text = fs::read_to_string(unit).unwrap();
    let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    for wanted in [
        "Type=notify",
        "WatchdogSec=2min",
        "Restart=on-failure",
        "ExecReload=/bin/kill -HUP $MAINPID",
        "NoNewPrivileges=yes",
        "ProtectSystem=strict",
        "CapabilityBoundingSet=",
        "LoadCredential=mailbox.password:/etc/deletion-desk/mailbox.password",
    ] {
        assert!(lines.contains(&wanted), "{wanted}");
    }
}
