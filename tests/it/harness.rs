//! The whole bot in memory, with a clock in the hand. Tests read as what people do.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::ConnectInfo;
use axum::http::{Request, StatusCode};
use chrono::{DateTime, TimeDelta, Utc};
use deletion_desk::bot::tasks::{Poll, Suspects, WAKES_WAITING_MAX, poll_once};
use deletion_desk::bot::{Bot, Settings};
use deletion_desk::case::verification::TokenKey;
use deletion_desk::classify::rules::RuleSet;
use deletion_desk::clock::Clock;
use deletion_desk::compose::Templates;
use deletion_desk::compose::shipped::TEMPLATES;
use deletion_desk::config::Config;
use deletion_desk::mail::{self, Bounds};
use deletion_desk::mailbox::{Folder, Mailbox, MemoryMailbox};
use deletion_desk::store::Store;
use deletion_desk::store::attempts::End;
use deletion_desk::store::cases::StoredCase;
use deletion_desk::store::lists::MessageLine;
use deletion_desk::submission::{MemorySubmitter, Parcel, Submitter};
use deletion_desk::trouble::Failure;
use deletion_desk::wake::Wake;
use deletion_desk::web::{Web, router, serve};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tower::ServiceExt as _;

use crate::settings::SETTINGS;

/// Monday, early afternoon in Berlin.
pub(crate) const START: &str = "2026-06-01T12:00:00Z";
pub(crate) const JANE: &str = "jane@example.org";
pub(crate) const OFFICER: &str = "officer@flexus.example";
pub(crate) const DESK: &str = "hello@flexus.example";
pub(crate) const PUBLIC_URL: &str = "https://privacy.flexus.example";

/// With a page, plus-addressing, a border that authenticates, and a form of the website.
pub(crate) fn settings() -> String {
    let page = "listen = \"127.0.0.1:1\"\npublic_url = \"https://privacy.flexus.example\"";
    let zone = "time_zone = \"Europe/Berlin\"";
    let settings = SETTINGS.replace("listen = \"off\"", page);
    settings.replace(zone, &format!("{zone}\nplus_addressing = true"))
        + "[authentication]\nauthserv_id = \"mx.flexus.example\"\n\
           [[form]]\nrule = \"flexus\"\nfrom = \"forms@flexus.example\"\n"
}

/// Compiling the patterns takes longer than most tests.
static SHIPPED_RULES: LazyLock<RuleSet> = LazyLock::new(|| RuleSet::shipped().unwrap());

/// A desk that works.
pub(crate) struct Desk {
    pub(crate) inbox: MemoryMailbox,
    /// Beside the inbox, once [`Desk::has_folders`] was said.
    pub(crate) junk: MemoryMailbox,
    pub(crate) sent: MemoryMailbox,
    has_folders: bool,
    pub(crate) out: MemorySubmitter,
    pub(crate) clock: Clock,
    pub(crate) store: Store,
    pub(crate) settings: Settings,
    pages: Router,
    wakes: mpsc::Sender<Wake>,
    bot: JoinHandle<anyhow::Result<()>>,
    folder: TempDir,
    config: String,
    received: usize,
}

/// A letter as its reader sees it.
#[derive(Clone, Debug)]
pub(crate) struct Letter {
    pub(crate) subject: String,
    pub(crate) text: String,
    pub(crate) message_id: String,
    pub(crate) reply_to: String,
    pub(crate) return_path: String,
    pub(crate) raw: String,
}

/// What a page answered.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) status: StatusCode,
    pub(crate) headers: axum::http::HeaderMap,
    pub(crate) body: String,
}

impl Desk {
    /// In live mode.
    pub(crate) async fn live() -> Desk {
        Desk::with(|config| config).await
    }

    /// Jane asked by mail, and has the verification letter.
    pub(crate) async fn asked() -> (Desk, Letter) {
        let mut desk = Desk::live().await;
        desk.receives(&mail(JANE, "Data Deletion Request", "please")).await;
        let letter = desk.last_letter_to(JANE);
        (desk, letter)
    }

    /// With other settings.
    pub(crate) async fn with(change: impl FnOnce(String) -> String) -> Desk {
        let folder = memory_folder();
        let config = change(settings());
        let clock = Clock::manual(START.parse().unwrap());
        let mut desk = Desk::start(
            folder,
            config,
            clock,
            MemoryMailbox::default(),
            MemorySubmitter::default(),
        )
        .await;
        // The first look at an empty inbox, so that what comes from now on is new.
        desk.settles().await;
        desk.hours_pass(2).await;
        desk
    }

    /// With mail that lies there before the first start.
    pub(crate) async fn beside(old: &[(i64, &str)], change: impl FnOnce(String) -> String) -> Desk {
        let folder = memory_folder();
        let clock = Clock::manual(START.parse().unwrap());
        let inbox = MemoryMailbox::default();
        for (index, (days_ago, raw)) in old.iter().enumerate() {
            let at = clock.now() - TimeDelta::days(*days_ago);
            inbox.put(&format!("1:{}", 5000 + index), at, crlf(raw).as_bytes());
        }
        let config = change(settings());
        let mut desk = Desk::start(folder, config, clock, inbox, MemorySubmitter::default()).await;
        desk.settles().await;
        desk
    }

    async fn start(
        folder: TempDir,
        config: String,
        clock: Clock,
        inbox: MemoryMailbox,
        out: MemorySubmitter,
    ) -> Desk {
        let parsed = Config::parse(&folder.path().join("bot.toml"), &config).unwrap();
        let settings = Settings::of(&parsed).unwrap();
        let rules = SHIPPED_RULES.clone();
        let templates = Templates::load(TEMPLATES.iter().copied()).unwrap();
        let key = TokenKey::new(vec![7; 32]);
        let database = folder.path().join("bot.db");
        let bot =
            Bot::open(settings.clone(), rules, templates.clone(), &database, key, clock.clone())
                .await
                .unwrap();
        let store = bot.store().clone();
        let (wakes, woken) = mpsc::channel(WAKES_WAITING_MAX);
        let pages = router(Web {
            store: store.clone(),
            templates: templates.into(),
            settings: settings.clone().into(),
            proxies: parsed.web.trusted_proxies.clone().into(),
            visits: deletion_desk::web::Seen::default(),
            wakes: wakes.clone(),
            watch: bot.watch().clone(),
            clock: clock.clone(),
            started_at: clock.now(),
        });
        let watch = bot.watch().clone();
        let bot = tokio::spawn(bot.run(woken));
        // What comes before is kept for later, and tests want it done.
        while !watch.is_whole() && !bot.is_finished() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        Desk {
            inbox,
            junk: MemoryMailbox::default(),
            sent: MemoryMailbox::default(),
            has_folders: false,
            out,
            clock,
            store,
            settings,
            pages,
            wakes,
            bot,
            folder,
            config,
            received: 0,
        }
    }

    /// Stops and starts again over the same database, inbox and clock.
    pub(crate) async fn restarts(self) -> Desk {
        self.wakes.send(Wake::Stop).await.unwrap();
        self.bot.await.unwrap().unwrap();
        let (received, has_folders) = (self.received, self.has_folders);
        let (junk, sent) = (self.junk, self.sent);
        let desk = Desk::start(self.folder, self.config, self.clock, self.inbox, self.out).await;
        Desk { received, has_folders, junk, sent, ..desk }
    }

    /// The same with other settings.
    pub(crate) async fn restarts_with(mut self, change: impl FnOnce(String) -> String) -> Desk {
        self.config = change(self.config);
        self.restarts().await
    }

    /// Stops; a copy takes the place of the database, and the desk starts again.
    pub(crate) async fn restarts_from(self, copy: &Path) -> Desk {
        self.wakes.send(Wake::Stop).await.unwrap();
        self.bot.await.unwrap().unwrap();
        std::fs::copy(copy, self.folder.path().join("bot.db")).unwrap();
        let received = self.received;
        let mut desk =
            Desk::start(self.folder, self.config, self.clock, self.inbox, self.out).await;
        desk.received = received;
        desk
    }

    /// Ends as by `kill -9`: nothing is finished.
    pub(crate) async fn dies(self) -> Desk {
        self.bot.abort();
        let _ = self.bot.await;
        let (received, has_folders) = (self.received, self.has_folders);
        let (junk, sent) = (self.junk, self.sent);
        let desk = Desk::start(self.folder, self.config, self.clock, self.inbox, self.out).await;
        Desk { received, has_folders, junk, sent, ..desk }
    }

    /// The clock strikes and the desk is stopped, in one breath; whether it left a sealed database.
    pub(crate) async fn ticks_and_stops(self) -> bool {
        self.wakes.send(Wake::Second).await.unwrap();
        self.wakes.send(Wake::Stop).await.unwrap();
        self.bot.await.unwrap().unwrap();
        self.folder.path().join("bot.db.seal").exists()
    }

    /// Waits until it ends by itself; why, and what it noted beside the database.
    pub(crate) async fn breaks_off(self) -> (String, String) {
        let give_up_at = Instant::now() + Duration::from_secs(30);
        while self.wakes.send(Wake::Second).await.is_ok() {
            assert!(Instant::now() < give_up_at, "it goes on");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let why = format!("{:#}", self.bot.await.unwrap().unwrap_err());
        let noted = std::fs::read_to_string(self.folder.path().join("bot.db.seal"));
        (why, noted.unwrap_or_default())
    }

    /// From now on there are Junk and Sent, both empty at the first look.
    pub(crate) async fn has_folders(&mut self) {
        self.has_folders = true;
        self.settles().await;
        self.hours_pass(2).await;
    }

    /// A mail arrives in one of them, and everything that follows is done.
    pub(crate) async fn files(&mut self, folder: &MemoryMailbox, raw: &str) {
        self.received += 1;
        folder.put(&format!("1:{}", self.received), self.clock.now(), crlf(raw).as_bytes());
        self.settles().await;
    }

    /// A mail arrives, and everything that follows is done.
    pub(crate) async fn receives(&mut self, raw: &str) {
        self.mail_arrives(raw);
        self.settles().await;
    }

    /// A mail arrives; nobody looks yet.
    pub(crate) fn mail_arrives(&mut self, raw: &str) {
        self.received += 1;
        // As on the way of every real mail: no two have the same bytes.
        let raw = format!("Received: from mx by mail with ESMTP id {}\n{raw}", self.received);
        let key = format!("1:{}", self.received);
        self.inbox.put(&key, self.clock.now(), crlf(&raw).as_bytes());
    }

    /// Polls, ticks and submits until nothing is left to do.
    pub(crate) async fn settles(&mut self) {
        self.polls().await;
        self.wakes.send(Wake::Second).await.unwrap();
        self.submits().await;
        self.polls().await;
    }

    pub(crate) async fn polls(&self) {
        self.looks_into(Folder::Inbox, &self.inbox).await;
        if self.has_folders {
            self.looks_into(Folder::Junk("Junk".into()), &self.junk).await;
            self.looks_into(Folder::Sent("Sent".into()), &self.sent).await;
        }
        self.wakes.send(Wake::Polled).await.unwrap();
        self.barrier().await;
    }

    /// Junk is read, and the inbox is not.
    pub(crate) async fn looks_into_junk(&self) {
        self.looks_into(Folder::Junk("Junk".into()), &self.junk).await;
    }

    async fn looks_into(&self, folder: Folder, mailbox: &MemoryMailbox) {
        let poll = Poll { every: Duration::from_secs(60), message_bytes_max: 1 << 20 };
        let mut mailbox = Mailbox::Memory(mailbox.clone());
        let mut suspects = Suspects::default();
        poll_once(&folder, &mut mailbox, &mut suspects, poll, &self.wakes).await.unwrap();
    }

    /// A poll fails.
    pub(crate) async fn poll_fails(&self, failure: Failure) {
        self.wakes.send(Wake::PollFailed(failure)).await.unwrap();
        self.barrier().await;
    }

    /// The clock strikes, and nobody polls.
    pub(crate) async fn ticks(&self) {
        self.wakes.send(Wake::Second).await.unwrap();
        self.barrier().await;
    }

    /// Works through the outbox as the workers do.
    pub(crate) async fn submits(&self) {
        let mut line = Submitter::Memory(self.out.clone()).line();
        while let Some(parcels) = self.takes_letters().await {
            for parcel in parcels {
                let end = line.submit(&parcel).await;
                self.wakes.send(Wake::Ended(parcel.id, end)).await.unwrap();
            }
            self.barrier().await;
        }
    }

    /// A worker takes letters once, and makes one attempt with each; how many it got.
    pub(crate) async fn tries_one_letter(&self) -> usize {
        let mut line = Submitter::Memory(self.out.clone()).line();
        let parcels = self.takes_letters().await.unwrap_or_default();
        for parcel in &parcels {
            let end = line.submit(parcel).await;
            self.ends(parcel.id, end).await;
        }
        self.barrier().await;
        parcels.len()
    }

    /// Where the tasks around the bot wake it.
    pub(crate) fn wakes(&self) -> mpsc::Sender<Wake> {
        self.wakes.clone()
    }

    /// A worker takes letters and does nothing with them yet.
    pub(crate) async fn takes_letters(&self) -> Option<Vec<Parcel>> {
        let (answer, mut answered) = oneshot::channel();
        self.wakes.send(Wake::Ready(answer)).await.unwrap();
        self.barrier().await;
        self.barrier().await;
        answered.try_recv().ok()
    }

    /// The attempt of a worker ended so.
    pub(crate) async fn ends(&self, letter: i64, end: End) {
        self.wakes.send(Wake::Ended(letter, end)).await.unwrap();
        self.barrier().await;
    }

    /// Returns when the bot has looked at everything so far.
    async fn barrier(&self) {
        let (answer, answered) = oneshot::channel();
        self.wakes.send(Wake::Listed(Folder::Inbox, Vec::new(), answer)).await.unwrap();
        answered.await.unwrap();
    }

    /// Time passes, with a look at the clock every hour.
    pub(crate) async fn hours_pass(&mut self, hours: i64) {
        for _ in 0..hours {
            self.clock.set(self.clock.now() + TimeDelta::hours(1));
            self.settles().await;
        }
    }

    /// Days pass.
    pub(crate) async fn days_pass(&mut self, days: i64) {
        self.hours_pass(days * 24).await;
    }

    /// The clock jumps, and nobody looks in between.
    pub(crate) fn sleeps_for(&self, time: TimeDelta) {
        self.clock.set(self.clock.now() + time);
    }

    /// What arrived at an address, oldest first.
    pub(crate) fn letters_to(&self, address: &str) -> Vec<Letter> {
        let taken = self.out.taken();
        taken.iter().filter(|parcel| parcel.to.as_str() == address).map(Letter::read).collect()
    }

    /// The newest one.
    #[track_caller]
    pub(crate) fn last_letter_to(&self, address: &str) -> Letter {
        self.letters_to(address).pop().unwrap_or_else(|| panic!("no letter to {address}"))
    }

    /// Subjects of what arrived at an address.
    pub(crate) fn subjects_to(&self, address: &str) -> Vec<String> {
        self.letters_to(address).into_iter().map(|letter| letter.subject).collect()
    }

    /// Letters to anybody but staff.
    pub(crate) fn letters_out(&self) -> usize {
        self.out.taken().iter().filter(|parcel| parcel.to.as_str() != OFFICER).count()
    }

    pub(crate) async fn cases(&self) -> Vec<StoredCase> {
        self.store.cases(false).await.unwrap()
    }

    /// The only case there is.
    #[track_caller]
    pub(crate) fn the_case(&self) -> impl Future<Output = StoredCase> {
        let store = self.store.clone();
        async move {
            let mut cases = store.cases(false).await.unwrap();
            assert_eq!(cases.len(), 1, "cases: {cases:?}");
            cases.remove(0)
        }
    }

    /// How the only case stands, as `state (resolution)`.
    pub(crate) async fn state(&self) -> String {
        let case = self.the_case().await.case;
        match case.state.resolution() {
            Some(resolution) => format!("closed ({})", resolution.as_str()),
            None => case.state.as_str().to_owned(),
        }
    }

    /// `outcome: reason` of every message, oldest first.
    pub(crate) async fn outcomes(&self) -> Vec<String> {
        let describe = |line: &MessageLine| {
            format!("{}: {}", line.outcome.map_or("none", |outcome| outcome.as_str()), line.reason)
        };
        self.messages().await.iter().map(describe).collect()
    }

    /// All messages that were handled, in their order.
    pub(crate) async fn messages(&self) -> Vec<MessageLine> {
        let mut lines = self.store.messages_handled_since(DateTime::UNIX_EPOCH).await.unwrap();
        lines.sort_by_key(|line| line.id);
        lines
    }

    /// Opens a page.
    pub(crate) async fn opens(&self, url: &str) -> Page {
        self.asks_page(Request::get(path_of(url)).body(Body::empty()).unwrap()).await
    }

    /// Sends a form.
    pub(crate) async fn presses(&self, url: &str, form: &str) -> Page {
        let request =
            Request::post(path_of(url)).header("content-type", "application/x-www-form-urlencoded");
        self.asks_page(request.body(Body::from(form.to_owned())).unwrap()).await
    }

    /// Sends a form from a network address, through the proxy before the page.
    pub(crate) async fn presses_from(&self, address: &str, url: &str, form: &str) -> Page {
        let proxy = ConnectInfo(SocketAddr::from(([127, 0, 0, 1], 9)));
        let request = Request::post(path_of(url))
            .header("content-type", "application/x-www-form-urlencoded")
            .header("x-forwarded-for", address)
            .extension(proxy);
        self.asks_page(request.body(Body::from(form.to_owned())).unwrap()).await
    }

    pub(crate) async fn asks_page(&self, request: Request<Body>) -> Page {
        let response = self.pages.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, 1 << 20).await.unwrap();
        Page {
            status: parts.status,
            headers: parts.headers,
            body: String::from_utf8(body.to_vec()).unwrap(),
        }
    }

    /// Confirms on the page, as a role, and lets what follows happen.
    pub(crate) async fn confirms(&mut self, link: &str, role: &str) {
        let page = self.presses(link, &format!("act=confirm&asked=yes&role={role}")).await;
        assert_eq!(page.status, StatusCode::SEE_OTHER, "{}", page.body);
        self.settles().await;
    }

    /// Serves the pages on loopback as long as the test runs, and returns their address, which
    /// stands in for [`PUBLIC_URL`].
    pub(crate) async fn serves(&self) -> String {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(serve(listener, self.pages.clone(), std::future::pending()));
        url
    }

    pub(crate) fn database(&self) -> std::path::PathBuf {
        self.store.path().to_owned()
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }
}

impl Letter {
    fn read(parcel: &Parcel) -> Letter {
        Letter::of(parcel.return_path.as_str(), &parcel.bytes)
    }

    /// As it arrived.
    pub(crate) fn of(return_path: &str, bytes: &[u8]) -> Letter {
        let mail = mail::parse(bytes, &Bounds::default()).unwrap();
        let header = |name: &str| mail.headers.first(name).unwrap_or_default().to_owned();
        let (own, quoted) = (mail.body.own.clone(), mail.body.quoted.clone());
        Letter {
            subject: mail.subject.clone(),
            text: format!("{own}{quoted}"),
            message_id: header("message-id"),
            reply_to: header("reply-to"),
            return_path: return_path.to_owned(),
            raw: String::from_utf8(bytes.to_vec()).unwrap(),
        }
    }

    /// The text as one line, however it was broken.
    pub(crate) fn words(&self) -> String {
        self.text.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// The link to the page.
    #[track_caller]
    pub(crate) fn link(&self) -> String {
        let at = self
            .text
            .find("https://privacy.flexus.example/c/")
            .unwrap_or_else(|| panic!("no link in {}", self.text));
        self.text[at..].split_whitespace().next().unwrap().to_owned()
    }

    /// The link to the page of staff about a case or message.
    #[track_caller]
    pub(crate) fn staff_link(&self, about: &str) -> String {
        let at = self
            .text
            .find(&format!("https://privacy.flexus.example/s/{about}/"))
            .unwrap_or_else(|| panic!("no link to {about} in {}", self.text));
        self.text[at..].split_whitespace().next().unwrap().to_owned()
    }

    /// The plus-address that an answer goes back to.
    pub(crate) fn answer_address(&self) -> String {
        self.reply_to.split(['<', '>']).nth(1).unwrap().to_owned()
    }
}

pub(crate) fn path_of(url: &str) -> &str {
    url.strip_prefix(PUBLIC_URL).unwrap_or(url)
}

pub(crate) fn crlf(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\n', "\r\n")
}

/// A folder in memory where there is one: most tests are about what is written, not about the
/// disk, and commit thousands of times.
pub(crate) fn memory_folder() -> TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { TempDir::new_in(memory).unwrap() } else { TempDir::new().unwrap() }
}

/// A mail of a person.
pub(crate) fn mail(from: &str, subject: &str, text: &str) -> String {
    format!(
        "From: {from}\nTo: {DESK}\nSubject: {subject}\nMessage-ID: <{:x}@mail.example>\n\n{text}\n",
        subject.len() * 1000 + text.len()
    )
}

/// An answer to a letter, as a mail program writes it.
pub(crate) fn answer(from: &str, letter: &Letter, text: &str) -> String {
    let quoted: String = letter.text.lines().map(|line| format!("> {line}\n")).collect();
    format!(
        "From: {from}\nTo: {}\nSubject: Re: {}\nIn-Reply-To: {}\nMessage-ID: <answer@mail.example>\n\n\
         {text}\n\nOn Mon, 1 Jun 2026, Flexus Privacy wrote:\n{quoted}",
        letter.answer_address(),
        letter.subject,
        letter.message_id
    )
}

/// The notification of the website's form.
pub(crate) fn form(entered: &str) -> String {
    format!(
        "Authentication-Results: mx.flexus.example; dmarc=pass header.from=flexus.example\n\
         From: Website <forms@flexus.example>\nTo: {DESK}\nSubject: New Data Deletion Request Form submission\n\
         List-Unsubscribe: <mailto:x@flexus.example>\n\nEmail Address: {entered}\n"
    )
}

pub(crate) fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}
