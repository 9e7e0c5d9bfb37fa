//! The world around the process that is killed: the folder that mail arrives in, the submission
//! server, the people before the page, the clock. It starts the process again when it died,
//! and then everybody does once more what was not answered.

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::{BufRead as _, BufReader, ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime};

use chrono::{DateTime, TimeDelta, Utc};
use tempfile::TempDir;

use super::child::CONTROL;
use super::sink::{Refusal, Sink, Taken, kill, lock};
use crate::harness::{Letter, START, crlf, memory_folder, path_of, settings};

/// The steps that were passed, in the world's folder.
const STEPS: &str = "steps";
/// Where the next process dies.
const DIE_AT: &str = "die-at";
/// Longest time for an order on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);
/// Letters that wait longer than this wait for a day of their case.
const HORIZON: TimeDelta = TimeDelta::hours(12);
/// From a death until the process is started again.
const RESTART: TimeDelta = TimeDelta::seconds(30);
/// Starts and settlings until it has to be at rest.
const ROUNDS_MAX: usize = 100;

/// Where a process is killed, counted from the start or from the kill before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kill {
    /// When it passes its k-th step.
    AtStep(usize),
    /// Between the n-th final dot and its answer.
    AtDot(usize),
}

/// What there was when a process died.
#[derive(Debug)]
pub(crate) struct Died {
    /// The last step that it passed, or the dot.
    pub(crate) at: String,
    /// A copy of its database.
    pub(crate) database: PathBuf,
    /// What the server had taken by then.
    pub(crate) taken: usize,
}

/// A world to begin with.
#[derive(Clone, Debug)]
pub(crate) struct Beginning {
    pub(crate) now: DateTime<Utc>,
    /// The files of the desk and the mail that arrived.
    files: Vec<(PathBuf, Vec<u8>, SystemTime)>,
    taken: Vec<Taken>,
    received: usize,
}

pub(crate) struct World {
    pub(crate) folder: TempDir,
    pub(crate) now: DateTime<Utc>,
    pub(crate) sink: Sink,
    /// Kills to come, the next one first.
    kills: Vec<Kill>,
    /// Steps and dots that were counted when the last one was done.
    counted_from: (usize, usize),
    /// Kills that belong to the scenario: at the first passing of these, once each.
    scripted: Vec<&'static str>,
    pub(crate) died: Vec<Died>,
    /// How often somebody had no answer of the page and pressed again.
    pub(crate) pressed_again: usize,
    /// Steps and dots from the last kill until there was rest.
    pub(crate) recovery: (usize, usize),
    listener: TcpListener,
    nursery: Option<Nursery>,
    process: Option<Process>,
    received: usize,
}

/// One that runs, and where its page is.
struct Process {
    control: BufReader<TcpStream>,
    page: u16,
}

/// Where processes come from; it ends when nobody is there to ask for one.
struct Nursery {
    control: BufReader<TcpStream>,
    _process: Child,
}

/// Those that no world uses now.
static NURSERIES: Mutex<Vec<Nursery>> = Mutex::new(Vec::new());

impl Kill {
    /// As it is displayed.
    pub(crate) fn parse(text: &str) -> Option<Kill> {
        match text.split_once(' ')? {
            ("step", number) => Some(Kill::AtStep(number.parse().ok()?)),
            ("dot", number) => Some(Kill::AtDot(number.parse().ok()?)),
            _ => None,
        }
    }
}

impl fmt::Display for Kill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Kill::AtStep(step) => write!(f, "step {step}"),
            Kill::AtDot(dot) => write!(f, "dot {dot}"),
        }
    }
}

impl Beginning {
    /// Nothing was ever started.
    pub(crate) fn empty() -> Beginning {
        let now = START.parse().unwrap();
        Beginning { now, files: Vec::new(), taken: Vec::new(), received: 0 }
    }
}

impl World {
    pub(crate) fn new(beginning: &Beginning, kills: &[Kill]) -> World {
        let folder = memory_folder();
        let sink = Sink::start();
        let smtp =
            format!("kind = \"smtp\"\nhost = \"127.0.0.1\"\nport = {}\ntls = \"none\"", sink.port);
        let config = settings().replace("kind = \"maildir\"\npath = \"out\"", &smtp);
        fs::write(folder.path().join("bot.toml"), config).unwrap();
        for (path, bytes, modified) in &beginning.files {
            write_with_date(&folder.path().join(path), bytes, *modified);
        }
        sink.server().taken.clone_from(&beginning.taken);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let mut world = World {
            folder,
            now: beginning.now,
            sink,
            kills: kills.to_vec(),
            counted_from: (0, 0),
            scripted: Vec::new(),
            died: Vec::new(),
            pressed_again: 0,
            recovery: (0, 0),
            listener,
            nursery: Some(Nursery::free()),
            process: None,
            received: beginning.received,
        };
        world.plans_dot();
        world
    }

    /// Ends politely, as a beginning for others.
    pub(crate) fn becomes_beginning(mut self) -> Beginning {
        self.stops();
        let mut files = Vec::new();
        for name in ["bot.db", "bot.key"] {
            files.push(read_with_date(self.folder.path(), Path::new(name)));
        }
        for entry in fs::read_dir(self.inbox()).unwrap() {
            let name = PathBuf::from("in/new").join(entry.unwrap().file_name());
            files.push(read_with_date(self.folder.path(), &name));
        }
        let taken = self.sink.server().taken.clone();
        Beginning { now: self.now, files, taken, received: self.received }
    }

    /// Everything is read, written and sent that can be, however long it takes.
    pub(crate) fn rests(&mut self) {
        for _ in 0..ROUNDS_MAX {
            match self.orders("settle") {
                None => {}
                Some(next) if next > self.now && next - self.now <= HORIZON => self.now = next,
                Some(_) => {
                    let counted = self.counted();
                    if self.kills.is_empty() && self.recovery == (0, 0) {
                        self.recovery =
                            (counted.0 - self.counted_from.0, counted.1 - self.counted_from.1);
                    }
                    return;
                }
            }
        }
        panic!("no rest after {ROUNDS_MAX} rounds: {:?}", self.died);
    }

    /// A mail arrives, and everything that follows is done.
    pub(crate) fn receives(&mut self, raw: &str) {
        self.mail_arrives(raw);
        self.rests();
    }

    /// A mail arrives; nobody looks yet.
    pub(crate) fn mail_arrives(&mut self, raw: &str) {
        self.received += 1;
        self.mail_lies_there(self.now, raw);
    }

    /// A mail that arrived then.
    pub(crate) fn mail_lies_there(&mut self, at: DateTime<Utc>, raw: &str) {
        let number = fs::read_dir(self.inbox()).map_or(0, Iterator::count) + 1;
        // As on the way of every real mail: no two have the same bytes.
        let raw = crlf(&format!("Received: from mx by mail with ESMTP id {number}\n{raw}"));
        let file = self.inbox().join(format!("{number:03}.mail"));
        write_with_date(&file, raw.as_bytes(), at.into());
    }

    /// Every message is known under another key from now on.
    pub(crate) fn renumbers(&mut self) {
        for entry in fs::read_dir(self.inbox()).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            fs::rename(&path, path.with_file_name(format!("again-{name}"))).unwrap();
        }
        self.rests();
    }

    /// Hours pass, and everything that follows is done.
    pub(crate) fn hours_pass(&mut self, hours: i64) {
        self.now += TimeDelta::hours(hours);
        self.rests();
    }

    /// The clock is at that instant, and everything that follows is done.
    pub(crate) fn passes_to(&mut self, at: &str) {
        self.now = at.parse().unwrap();
        self.rests();
    }

    /// So much time passes in which nobody can read the inbox; a process that is started anew
    /// waits as long.
    pub(crate) fn strikes(&mut self, after: TimeDelta) {
        loop {
            // A process counts from its own start at the earliest.
            if self.process.is_none() && self.starts().is_none() {
                continue;
            }
            self.now += after;
            if self.orders("tick").is_some() {
                return;
            }
        }
    }

    /// A process dies there, whatever else happens.
    pub(crate) fn dies_at(&mut self, step: &'static str) {
        self.scripted.push(step);
    }

    /// The server refuses.
    pub(crate) fn refuses(&mut self, refusal: Refusal) {
        self.sink.server().refusals.push(refusal);
    }

    /// Somebody presses a button, again until the page answers.
    pub(crate) fn presses(&mut self, url: &str, form: &str) {
        loop {
            if self.orders("at").is_none() {
                continue;
            }
            let status = self.posts(path_of(url), form);
            // Who presses again is told that it is so already.
            let again = self.pressed_again > 0;
            match status {
                Some(303) => break,
                Some(422) if again => break,
                Some(status) => panic!("{form}: the page answers {status}"),
                None => {
                    self.pressed_again += 1;
                    self.buries();
                }
            }
        }
        self.rests();
    }

    /// The newest letter to an address whose subject says this.
    pub(crate) fn letter_to(&self, address: &str, subject: &str) -> Option<Letter> {
        let server = self.sink.server();
        let to = server.taken.iter().rev().filter(|taken| taken.to == address);
        to.map(|taken| Letter::of(&taken.return_path, &taken.bytes))
            .find(|letter| letter.subject.contains(subject))
    }

    /// Kills that were planned and not done.
    pub(crate) fn kills_left(&self) -> usize {
        self.kills.len()
    }

    /// Steps that were passed and dots that were sent.
    pub(crate) fn counted(&self) -> (usize, usize) {
        (self.steps().len(), self.sink.server().dots)
    }

    /// The steps that were passed, by name.
    pub(crate) fn steps(&self) -> Vec<String> {
        let text = fs::read_to_string(self.folder.path().join(STEPS)).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    fn inbox(&self) -> PathBuf {
        self.folder.path().join("in/new")
    }

    /// Stops the process politely, if one runs.
    pub(crate) fn stops(&mut self) {
        let Some(mut process) = self.process.take() else { return };
        process.control.get_mut().write_all(b"stop\n").unwrap();
        assert_eq!(self.ends(), "ended 0", "it stops");
    }

    /// The next letter's instant, when the order was obeyed; none when the process died.
    fn orders(&mut self, what: &str) -> Option<DateTime<Utc>> {
        if self.process.is_none() {
            self.starts()?;
        }
        let order = format!("{what} {}", self.now.timestamp_millis());
        let answer = self.process.as_mut().unwrap().asks(&order);
        let Some(next) = answer.as_deref().and_then(|answer| answer.strip_prefix("ok ")) else {
            self.buries();
            return None;
        };
        Some(DateTime::from_timestamp_millis(next.parse().unwrap()).unwrap())
    }

    fn starts(&mut self) -> Option<()> {
        let mut places: Vec<String> = self.scripted.iter().map(|&step| step.to_owned()).collect();
        if let Some(Kill::AtStep(step)) = self.kills.first() {
            places.push((step + self.counted_from.0 - self.counted().0).to_string());
        }
        fs::write(self.folder.path().join(DIE_AT), places.join(",")).unwrap();
        let caller = self.listener.local_addr().unwrap();
        let (folder, now) = (self.folder.path().display(), self.now.timestamp_millis());
        let nursery = self.nursery.as_mut().unwrap();
        let client = nursery.asks(&format!("{folder} {caller} {now}"));
        self.sink.server().client = Some(client.parse().unwrap());
        let stream = self.waits_for_call();
        let mut process = Process { control: BufReader::new(stream), page: 0 };
        let Some(page) = process.says() else {
            self.buries();
            return None;
        };
        process.page = page.strip_prefix("page ").unwrap().parse().unwrap();
        self.process = Some(process);
        Some(())
    }

    fn waits_for_call(&self) -> TcpStream {
        let begun = Instant::now();
        loop {
            match self.listener.accept() {
                Ok((stream, _)) => {
                    stream.set_nonblocking(false).unwrap();
                    stream.set_read_timeout(Some(PATIENCE)).unwrap();
                    stream.set_nodelay(true).unwrap();
                    return stream;
                }
                Err(why) if why.kind() == ErrorKind::WouldBlock => {
                    assert!(begun.elapsed() < PATIENCE, "it does not start");
                    sleep(Duration::from_millis(1));
                }
                Err(why) => panic!("{why}"),
            }
        }
    }

    /// Looks at how the process died, which has to be as planned.
    fn buries(&mut self) {
        self.process = None;
        let end = self.ends();
        let (steps, dots) = self.counted();
        let at = match end.as_str() {
            "killed 6" => self.steps().pop().unwrap_or_default(),
            "killed 9" => "dot".to_owned(),
            _ => panic!("it {end} by itself"),
        };
        let passed = steps - self.counted_from.0;
        let planned = match self.kills.first() {
            Some(Kill::AtStep(step)) => at != "dot" && *step == passed,
            Some(Kill::AtDot(_)) => at == "dot",
            None => false,
        };
        if planned {
            self.kills.remove(0);
            self.counted_from = (steps, dots);
            self.plans_dot();
        } else {
            let scripted = self.scripted.iter().position(|step| *step == at);
            let scripted = scripted.unwrap_or_else(|| panic!("nobody killed it at {at}"));
            self.scripted.remove(scripted);
        }
        let grave = self.folder.path().join(format!("died-{}", self.died.len()));
        fs::create_dir(&grave).unwrap();
        for name in ["bot.db", "bot.db-wal"] {
            // At the very first start there is none yet.
            let _ = fs::copy(self.folder.path().join(name), grave.join(name));
        }
        let taken = self.sink.server().taken.len();
        self.now += RESTART;
        self.died.push(Died { at, database: grave.join("bot.db"), taken });
    }

    fn plans_dot(&mut self) {
        let mut server = self.sink.server();
        server.kill_at = match self.kills.first() {
            Some(Kill::AtDot(dot)) => Some(server.dots + dot),
            _ => None,
        };
    }

    /// The status of the answer; none when there was no answer.
    fn posts(&self, path: &str, form: &str) -> Option<u16> {
        let page = self.process.as_ref().unwrap().page;
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, page)).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{form}",
            form.len()
        );
        stream.write_all(request.as_bytes()).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        answer.split(' ').nth(1)?.parse().ok()
    }

    /// How the process ended.
    fn ends(&mut self) -> String {
        let end = self.nursery.as_mut().unwrap().says();
        self.sink.server().client = None;
        end
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let client = self.sink.server().client;
        if let Some(client) = client {
            kill(client);
            self.ends();
        }
        lock(&NURSERIES).extend(self.nursery.take());
    }
}

impl Nursery {
    /// One that nobody uses, or a new one.
    fn free() -> Nursery {
        if let Some(nursery) = lock(&NURSERIES).pop() {
            return nursery;
        }
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let process = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "killed::child::nursery", "--ignored", "--nocapture"])
            .env(CONTROL, listener.local_addr().unwrap().to_string())
            .env("DELETION_DESK_STEPS", STEPS)
            .env("DELETION_DESK_DIE_AT", format!("@{DIE_AT}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let (control, _) = listener.accept().unwrap();
        Nursery { control: BufReader::new(control), _process: process }
    }

    fn asks(&mut self, order: &str) -> String {
        self.control.get_mut().write_all(format!("{order}\n").as_bytes()).unwrap();
        self.says()
    }

    fn says(&mut self) -> String {
        let mut line = String::new();
        self.control.read_line(&mut line).unwrap();
        line.trim().to_owned()
    }
}

impl Process {
    fn asks(&mut self, order: &str) -> Option<String> {
        let _ = self.control.get_mut().write_all(format!("{order}\n").as_bytes());
        self.says()
    }

    /// What it says next; none when it died.
    fn says(&mut self) -> Option<String> {
        let mut line = String::new();
        match self.control.read_line(&mut line) {
            Ok(0) => None,
            Ok(_) => Some(line.trim().to_owned()),
            Err(why) if why.kind() == ErrorKind::ConnectionReset => None,
            Err(why) => panic!("no answer: {why}"),
        }
    }
}

fn write_with_date(file: &Path, bytes: &[u8], date: SystemTime) {
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    // As a deliverer does it: nobody sees half a mail, or one without its date.
    let begun = file.with_extension("begun");
    let begun = begun.with_file_name(format!(".{}", begun.file_name().unwrap().to_string_lossy()));
    // The key is among them, which nobody else may read.
    let options = OpenOptions::new().create(true).write(true).mode(0o600).clone();
    let mut file_of_ours = options.open(&begun).unwrap();
    file_of_ours.write_all(bytes).unwrap();
    file_of_ours.set_modified(date).unwrap();
    fs::rename(&begun, file).unwrap();
}

fn read_with_date(folder: &Path, name: &Path) -> (PathBuf, Vec<u8>, SystemTime) {
    let file = folder.join(name);
    let modified = fs::metadata(&file).unwrap().modified().unwrap();
    (name.to_owned(), fs::read(&file).unwrap(), modified)
}
