//! The process that is killed: the whole bot over a Maildir, a database, a page and a submission
//! server that outlive it, with a clock that whoever started it turns.

use std::env;
use std::future::pending;
use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;

use chrono::{DateTime, Utc};
use deletion_desk::bot::Bot;
use deletion_desk::bot::tasks::{Poll, Suspects, WAKES_WAITING_MAX, poll_once};
use deletion_desk::clock::Clock;
use deletion_desk::commands::setup::{Setup, lock};
use deletion_desk::mailbox::Mailbox;
use deletion_desk::submission::Line;
use deletion_desk::wake::Wake;
use deletion_desk::web::{Web, router, serve};
use sqlx::Connection as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};

/// Where the one who gives orders listens.
pub(super) const CONTROL: &str = "KILLED_CONTROL";
/// The time at the start, Unix milliseconds.
pub(super) const NOW: &str = "KILLED_NOW";

/// The bot, and what a task of it would hold.
struct Desk {
    clock: Clock,
    mailbox: Mailbox,
    suspects: Suspects,
    line: Line,
    wakes: mpsc::Sender<Wake>,
    database: SqliteConnection,
}

/// Says where its page is, then obeys: `at`, `tick` and `settle`, each with the time, and `stop`.
#[tokio::test]
#[ignore = "no test: the process that the tests of this module start and kill"]
async fn desk() {
    let Ok(control) = env::var(CONTROL) else { return };
    let mut control = BufReader::new(TcpStream::connect(control).await.unwrap());
    let clock = Clock::manual(instant(&env::var(NOW).unwrap()));
    let setup = Setup::read(Path::new("bot.toml")).unwrap();
    let settings = setup.settings().unwrap();
    let (rules, templates) = (setup.rules().unwrap(), setup.templates().unwrap());
    let database = setup.database();
    let _lock = lock(&database).unwrap();
    let key = setup.key(true).unwrap();
    let (submitter, _) = setup.submitter().unwrap();
    let pages = templates.clone().into();
    let bot = Bot::open(settings.clone(), rules, templates, &database, key, clock.clone());
    let bot = bot.await.unwrap();
    let (wakes, woken) = mpsc::channel(WAKES_WAITING_MAX);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let page = listener.local_addr().unwrap().port();
    let web = Web {
        store: bot.store().clone(),
        templates: pages,
        settings: settings.into(),
        proxies: setup.config.web.trusted_proxies.clone().into(),
        visits: deletion_desk::web::Seen::default(),
        wakes: wakes.clone(),
        clock: clock.clone(),
        started_at: clock.now(),
    };
    tokio::spawn(serve(listener, router(web), pending()));
    let bot = tokio::spawn(bot.run(woken));
    let options = SqliteConnectOptions::new().filename(&database).read_only(true);
    let mut desk = Desk {
        clock,
        mailbox: setup.mailbox().unwrap(),
        suspects: Suspects::default(),
        line: submitter.line(),
        wakes,
        database: SqliteConnection::connect_with(&options).await.unwrap(),
    };
    control.write_all(format!("page {page}\n").as_bytes()).await.unwrap();
    let mut order = String::new();
    // Whoever gave orders may be killed, too.
    while control.read_line(&mut order).await.unwrap_or(0) > 0 {
        let (what, at) = order.trim().split_once(' ').unwrap_or((order.trim(), "0"));
        match what {
            "at" => desk.clock.set(instant(at)),
            "tick" => desk.ticks(instant(at)).await,
            "settle" => desk.settles(instant(at)).await,
            "stop" => break,
            other => panic!("{other} is no order"),
        }
        let next = desk.next_letter_at().await;
        control.write_all(format!("ok {next}\n").as_bytes()).await.unwrap();
        order.clear();
    }
    desk.line.hang_up().await;
    desk.database.close().await.unwrap();
    desk.wakes.send(Wake::Stop).await.unwrap();
    bot.await.unwrap().unwrap();
}

fn instant(millis: &str) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(millis.parse().unwrap()).unwrap()
}

impl Desk {
    async fn ticks(&mut self, now: DateTime<Utc>) {
        self.clock.set(now);
        self.wakes.send(Wake::Second).await.unwrap();
        self.submits().await;
    }

    /// Polls, ticks and submits until nothing is left to do now.
    async fn settles(&mut self, now: DateTime<Utc>) {
        self.clock.set(now);
        self.polls().await;
        self.ticks(now).await;
    }

    async fn polls(&mut self) {
        let poll = Poll { every: Duration::from_secs(60), message_bytes_max: 1 << 20 };
        poll_once(&mut self.mailbox, &mut self.suspects, poll, &self.wakes).await.unwrap();
        self.wakes.send(Wake::Polled).await.unwrap();
        self.barrier().await;
    }

    /// Works through the outbox as the workers do.
    async fn submits(&mut self) {
        loop {
            let (answer, mut answered) = oneshot::channel();
            self.wakes.send(Wake::Ready(answer)).await.unwrap();
            self.barrier().await;
            self.barrier().await;
            let Ok(parcels) = answered.try_recv() else { return };
            for parcel in parcels {
                let end = self.line.submit(&parcel).await;
                self.wakes.send(Wake::Ended(parcel.id, end)).await.unwrap();
            }
            self.barrier().await;
        }
    }

    /// Returns when the bot has looked at everything so far.
    async fn barrier(&self) {
        let (answer, answered) = oneshot::channel();
        self.wakes.send(Wake::Listed(Vec::new(), answer)).await.unwrap();
        answered.await.unwrap();
    }

    /// When the next letter may leave, if time alone keeps it; Unix milliseconds, or zero.
    async fn next_letter_at(&mut self) -> i64 {
        const SQL: &str = "SELECT coalesce(min(due_at), 0) FROM outbox WHERE status = 'waiting' \
            AND (hold IS NULL OR hold = 'undo') AND due_at > ?";
        let now = self.clock.now().timestamp_millis();
        sqlx::query_scalar(SQL).bind(now).fetch_one(&mut self.database).await.unwrap()
    }
}
