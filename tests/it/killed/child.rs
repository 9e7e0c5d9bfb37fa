//! The process that is killed: the whole bot over a Maildir, a database, a page and a submission
//! server that outlive it, with a clock that whoever started it turns.

use std::env;
use std::future::pending;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::Ipv4Addr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::exit;
use std::time::Duration;

use chrono::{DateTime, Utc};
use deletion_desk::bot::Bot;
use deletion_desk::bot::tasks::{Poll, Suspects, WAKES_WAITING_MAX, poll_once};
use deletion_desk::case::LetterKind;
use deletion_desk::classify::classify;
use deletion_desk::classify::rules::RuleSet;
use deletion_desk::clock::Clock;
use deletion_desk::commands::setup::{Setup, lock};
use deletion_desk::compose::Templates;
use deletion_desk::compose::shipped::TEMPLATES;
use deletion_desk::config::Config;
use deletion_desk::mail::parse;
use deletion_desk::mailbox::{Folder, Mailbox};
use deletion_desk::store::attempts::End;
use deletion_desk::submission::Line;
use deletion_desk::wake::Wake;
use deletion_desk::web::{Web, router, serve};
use fork::{Fork, WEXITSTATUS, WIFSIGNALED, WTERMSIG, fork, waitpid};
use sqlx::Connection as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};

use crate::harness::{JANE, form, mail, settings};

/// Where the one who gives orders listens.
pub(super) const CONTROL: &str = "KILLED_CONTROL";

/// The bot, and what a task of it would hold.
struct Desk {
    clock: Clock,
    mailbox: Mailbox,
    suspects: Suspects,
    line: Line,
    wakes: mpsc::Sender<Wake>,
    database: SqliteConnection,
}

/// What the processes are forked from: rules and templates are compiled once, not each time.
/// A line says in which folder one lives, whom it calls, and at which time; answered are its
/// number, and how it ended.
#[test]
#[ignore = "no test: the processes that the tests of this module kill come from it"]
fn nursery() {
    let Ok(control) = env::var(CONTROL) else { return };
    let mut control = BufReader::new(std::net::TcpStream::connect(control).unwrap());
    let rules = RuleSet::shipped().unwrap();
    let templates = Templates::load(TEMPLATES.iter().copied()).unwrap();
    warm_up(&rules);
    let mut line = String::new();
    while control.read_line(&mut line).unwrap_or(0) > 0 {
        let [folder, caller, now] = line.split_whitespace().collect::<Vec<_>>()[..] else { break };
        match fork().unwrap() {
            Fork::Child => {
                env::set_current_dir(folder).unwrap();
                // Copies: to free what was compiled takes longer than to end.
                let (rules, templates) = (rules.clone(), templates.clone());
                let lives = AssertUnwindSafe(|| live(caller, instant(now), rules, templates));
                exit(catch_unwind(lives).map_or(101, |()| 0));
            }
            Fork::Parent(child) => {
                let answer = |control: &mut BufReader<std::net::TcpStream>, what: String| {
                    control.get_mut().write_all(what.as_bytes()).unwrap();
                };
                answer(&mut control, format!("{child}\n"));
                let status = waitpid(child).unwrap();
                answer(
                    &mut control,
                    match WIFSIGNALED(status) {
                        true => format!("killed {}\n", WTERMSIG(status)),
                        false => format!("ended {}\n", WEXITSTATUS(status)),
                    },
                );
            }
        }
        line.clear();
    }
}

/// Patterns that are compiled when they are needed for the first time are so for all.
fn warm_up(rules: &RuleSet) {
    let config = Config::parse(Path::new("bot.toml"), &settings()).unwrap();
    for raw in
        [mail(JANE, "Data Deletion Request", "please"), form(JANE), mail(JANE, "Re: x", "Yes")]
    {
        let mail = parse(raw.as_bytes(), &config.bounds()).unwrap();
        for kind in [None, Some(LetterKind::VerificationRequest), Some(LetterKind::Digest)] {
            drop(classify(&mail, kind, &config.desk(), rules));
        }
    }
}

/// Says where its page is, then obeys: `at`, `tick` and `settle`, each with the time, and `stop`.
#[tokio::main(flavor = "current_thread")]
async fn live(caller: &str, now: DateTime<Utc>, rules: RuleSet, templates: Templates) {
    let mut control = tokio::io::BufReader::new(TcpStream::connect(caller).await.unwrap());
    let clock = Clock::manual(now);
    let setup = Setup::read(Path::new("bot.toml")).unwrap();
    let settings = setup.settings().unwrap();
    let database = setup.database();
    let _lock = lock(&database).unwrap();
    let key = setup.key(true).unwrap();
    let (submitter, _) = setup.submitter().unwrap();
    let pages = templates.clone().into();
    let bot = Bot::open(settings.clone(), rules, templates, &database, key, clock.clone());
    let bot = bot.await.unwrap();
    let watch = bot.watch().clone();
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
        watch: bot.watch().clone(),
        clock: clock.clone(),
        started_at: now,
    };
    tokio::spawn(serve(listener, router(web), pending()));
    let bot = tokio::spawn(bot.run(woken));
    // What comes before is kept for later, and orders are to be obeyed at once.
    while !watch.is_whole() && !bot.is_finished() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
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
    desk.obeys(control).await;
    desk.line.hang_up().await;
    desk.database.close().await.unwrap();
    desk.wakes.send(Wake::Stop).await.unwrap();
    bot.await.unwrap().unwrap();
}

fn instant(millis: &str) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(millis.parse().unwrap()).unwrap()
}

impl Desk {
    async fn obeys(&mut self, mut control: tokio::io::BufReader<TcpStream>) {
        let mut order = String::new();
        // Whoever gives orders may end, too.
        while control.read_line(&mut order).await.unwrap_or(0) > 0 {
            let (what, at) = order.trim().split_once(' ').unwrap_or((order.trim(), "0"));
            match what {
                "at" => self.clock.set(instant(at)),
                "tick" => self.ticks(instant(at)).await,
                "settle" => self.settles(instant(at)).await,
                "stop" => return,
                other => panic!("{other} is no order"),
            }
            let next = self.next_letter_at().await;
            control.write_all(format!("ok {next}\n").as_bytes()).await.unwrap();
            order.clear();
        }
    }

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
        poll_once(&Folder::Inbox, &mut self.mailbox, &mut self.suspects, poll, &self.wakes)
            .await
            .unwrap();
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
                // The server ends with whoever gives orders, and nobody waits for this process then.
                assert!(!matches!(end, End::NotTried(_)), "{end:?}");
                self.wakes.send(Wake::Ended(parcel.id, end)).await.unwrap();
            }
            self.barrier().await;
        }
    }

    /// Returns when the bot has looked at everything so far.
    async fn barrier(&self) {
        let (answer, answered) = oneshot::channel();
        self.wakes.send(Wake::Listed(Folder::Inbox, Vec::new(), answer)).await.unwrap();
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
