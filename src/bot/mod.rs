//! The loop: wake, take in, decide, commit. Read this first.
//!
//! One task runs [`Bot::run`] and is the only one that decides. The mailbox, the submission
//! workers and the page are tasks of their own that wake it and wait for its answer.

mod blame;
mod bounce;
mod command;
pub mod digest;
mod follow;
pub mod intake;
pub mod outbound;
pub mod page;
pub mod ping;
mod reading;
mod shown;
mod side;
pub mod staff;
pub mod tasks;
mod throttle;
pub mod timer;
pub mod watched;

use std::collections::VecDeque;
use std::num::NonZeroU32;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use chrono::{DateTime, Utc};
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tracing::{error, info, warn};

use crate::accounts::Accounts;
use crate::case::Policy;
use crate::case::verification::TokenKey;
use crate::classify::Desk;
use crate::classify::rules::RuleSet;
use crate::clock::Clock;
use crate::compose::{Identity, Templates};
use crate::config::{Backfill, Config, LimitsSection, MailCommands, Member, Mode};
use crate::mail::Bounds;
use crate::schedule::Cron;
use crate::step::step;
use crate::store::commit::{Release, Terms};
use crate::store::fault::Fault;
use crate::store::{Access, Store};
use crate::submission::Parcel;
use crate::systemd::Systemd;
use crate::wake::Wake;
use blame::Blame;
use intake::{Reading, WasRead};
use reading::Parser;
use throttle::Throttle;
use timer::{CLOCK, LOOK_AFTER_START, LOOK_EVERY};
use watched::Watch;

/// What the log says after each look at all of the database.
const WHOLE: &str = "all of the database was read; it is whole";
/// How long letters in hand may take after a stop.
const STOP_PATIENCE: Duration = Duration::from_secs(4);
/// Wakes that are looked at together, so that ends of attempts share a transaction.
const WAKES_AT_ONCE: usize = 256;

/// What of the configuration the bot works by.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How much it may do by itself.
    pub mode: Mode,
    /// Who writes.
    pub identity: Identity,
    /// What is promised and obeyed.
    pub policy: Policy,
    /// What it knows of itself when it reads mail.
    pub desk: Arc<Desk>,
    /// How much of a message is read.
    pub bounds: Bounds,
    /// Budgets, batches, attempts.
    pub limits: LimitsSection,
    /// Who of the staff gets what.
    pub members: Vec<Member>,
    /// Whether they can act by mail.
    pub mail_commands: MailCommands,
    /// The accounts of the product, if there is a list.
    pub accounts: Accounts,
    /// Days after which excerpts and letters to staff go.
    pub messages_days: u32,
    /// When.
    pub digest: Cron,
    /// Letters that may be submitted in a minute.
    pub per_minute: Option<NonZeroU32>,
    /// What messages of the mailbox are known under.
    pub mailbox_name: String,
    /// How far back old mail is answered.
    pub backfill: Backfill,
}

/// The bot.
#[derive(Debug)]
pub struct Bot {
    store: Store,
    settings: Settings,
    rules: Arc<RuleSet>,
    templates: Arc<Templates>,
    clock: Clock,
    /// Since when this process runs; before the first poll, silence is counted from here.
    started_at: DateTime<Utc>,
    parser: Parser,
    /// Batches that are being read, the oldest first.
    readings: VecDeque<Reading>,
    /// When all of it was read last; after a start that did not, a time so long ago that it soon
    /// will be.
    looked_at: DateTime<Utc>,
    /// Reading it again, beside the work.
    looks: JoinSet<Result<()>>,
    /// Workers that wait for a letter.
    idle: Vec<oneshot::Sender<Vec<Parcel>>>,
    /// How the parts are.
    watch: Watch,
    /// Whether the log and `/healthz` say that no letter can be submitted.
    submission_alarm: bool,
    /// Which letters are not taken for their own sake.
    blame: Blame,
    /// Whether the mail server asked us to slow down.
    throttle: Throttle,
    systemd: Systemd,
    /// For systemd: how many cases were open, and when they were counted.
    open_cases: Option<(DateTime<Utc>, i64)>,
    /// Letters that are with a worker.
    in_hand: usize,
    /// When letters were handed to workers, in the last minute.
    handed_out_at: Vec<DateTime<Utc>>,
    /// Told after each good poll.
    polled: Arc<Notify>,
    stopping: watch::Sender<bool>,
}

impl Settings {
    /// Takes them out of the configuration.
    ///
    /// # Errors
    /// When the list of accounts that it names cannot be read.
    pub fn of(config: &Config) -> Result<Settings> {
        let csv = config.accounts.csv.as_ref().map(|csv| config.resolve(csv));
        Ok(Settings {
            mode: config.mode,
            identity: config.identity(),
            policy: config.policy(),
            desk: config.desk().into(),
            bounds: config.bounds(),
            limits: config.limits.clone(),
            members: config.staff.members.clone(),
            mail_commands: config.staff.mail_commands,
            accounts: Accounts::open(csv.as_deref())
                .with_context(|| format!("{}: accounts.csv", config.file.display()))?,
            messages_days: config.retention.messages_days,
            digest: config.staff.digest.clone(),
            per_minute: config.per_minute(),
            mailbox_name: config.mailbox_name(),
            backfill: config.backfill(),
        })
    }

    /// By what events are decided.
    pub fn terms(&self) -> Terms<'_> {
        let release = match self.mode {
            Mode::Live => Release::Freely,
            Mode::Approve | Mode::Observe => Release::OnApproval,
        };
        Terms { policy: &self.policy, release, members: &self.members }
    }
}

impl Bot {
    /// Opens the database; nothing is written yet.
    ///
    /// # Errors
    /// When the database cannot be used.
    pub async fn open(
        settings: Settings,
        rules: RuleSet,
        templates: Templates,
        database: &Path,
        key: TokenKey,
        clock: Clock,
    ) -> Result<Bot> {
        step("before-open");
        let store = Store::open(database, key, Access::Daemon).await?;
        step("after-open");
        if let Some(noted) = store.mark(CLOCK).await? {
            clock.resume(&noted);
        }
        let now = clock.now();
        let left_whole = store.was_left_whole();
        let mut bot = Bot {
            store,
            settings,
            rules: Arc::new(rules),
            templates: Arc::new(templates),
            clock,
            started_at: now,
            parser: Parser::default(),
            readings: VecDeque::new(),
            looked_at: match left_whole {
                true => now - LOOK_EVERY + LOOK_AFTER_START,
                false => now,
            },
            looks: JoinSet::new(),
            idle: Vec::new(),
            watch: Watch::new(now, left_whole),
            submission_alarm: false,
            blame: Blame::default(),
            throttle: Throttle::default(),
            systemd: Systemd::default(),
            open_cases: None,
            in_hand: 0,
            handed_out_at: Vec::new(),
            polled: Arc::default(),
            stopping: watch::Sender::new(false),
        };
        bot.remember_alarm().await?;
        Ok(bot)
    }

    /// With a service manager that is told how the desk is.
    pub fn reporting_to(self, systemd: Systemd) -> Bot {
        Bot { systemd, ..self }
    }

    /// The database, for reading.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// What is told after each good poll.
    pub fn polled(&self) -> Arc<Notify> {
        Arc::clone(&self.polled)
    }

    /// Tells workers that no further letter should be begun.
    pub fn stopping(&self) -> watch::Receiver<bool> {
        self.stopping.subscribe()
    }

    /// Works until it is told to stop. Before any letter leaves it looks whether the database is
    /// whole, unless the last run left it so; mail is taken in and the page shows what there is
    /// meanwhile, and what is pressed waits.
    ///
    /// # Errors
    /// Storage errors: then nothing more is read or sent, and the process should end.
    pub async fn run(mut self, mut wakes: mpsc::Receiver<Wake>) -> Result<()> {
        let kept = match self.watch.is_whole() {
            true => Vec::new(),
            false => self.look_whether_whole(&mut wakes).await?,
        };
        if !*self.stopping.borrow() {
            self.take_up_claimed().await?;
            self.watch.found_whole();
            self.act(kept).await?;
        }
        let mut batch = Vec::new();
        while !*self.stopping.borrow() {
            tokio::select! {
                count = wakes.recv_many(&mut batch, WAKES_AT_ONCE) => {
                    if count == 0 {
                        break;
                    }
                    self.watch.beat(self.clock.now());
                    self.act(std::mem::take(&mut batch)).await?;
                }
                read = Reading::next(&mut self.readings) => self.act_on_reading(read).await?,
                Some(looked) = self.looks.join_next() => {
                    looked??;
                    info!("{WHOLE}");
                }
            }
        }
        let finish = self.finish_what_is_in_hand(&mut wakes);
        match tokio::time::timeout(STOP_PATIENCE, finish).await {
            Ok(done) => done?,
            Err(_) => warn!("something is still in hand; it is tried again at the next start"),
        }
        // A look that was not finished found nothing.
        let is_whole = self.watch.is_whole() && self.looks.is_empty();
        self.looks.shutdown().await;
        match is_whole {
            true => self.store.close_whole().await,
            false => self.store.close().await,
        }
        info!("stopped");
        Ok(())
    }

    /// Decides on a batch that was read.
    async fn act_on_reading(&mut self, read: Result<WasRead>) -> Result<()> {
        self.watch.beat(self.clock.now());
        let done = match read {
            Ok(WasRead { folder, messages, answer }) => {
                let done = self.take_in(&folder, &messages).await;
                if done.is_ok() {
                    let _ = answer.send(());
                }
                done
            }
            Err(why) => {
                self.parser.give_up();
                Err(why)
            }
        };
        self.unless_storage(done)?;
        self.hand_out_letters().await
    }

    /// Whoever asked gets no answer and comes again; the others are served. With a database that
    /// fails nobody is.
    fn unless_storage(&self, done: Result<()>) -> Result<()> {
        match done {
            Err(why) if is_storage_error(&why) => Err(why),
            Err(why) => {
                error!(why = %format!("{why:#}"), "a wake cannot be acted on");
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }

    /// Reads all of the database while mail is taken in: should it be damaged, that mail still
    /// lies in the inbox for the copy that takes its place. What is pressed cannot be done again,
    /// so it is kept and returned, with whatever is about letters. That may take minutes, in
    /// which systemd has to see that the loop moves, and people how the inbox is.
    async fn look_whether_whole(&mut self, wakes: &mut mpsc::Receiver<Wake>) -> Result<Vec<Wake>> {
        let store = self.store.clone();
        let mut check = std::pin::pin!(store.check_whole(store.care_at_start()));
        let mut kept = Vec::new();
        loop {
            tokio::select! {
                whole = &mut check => {
                    whole?;
                    info!("{WHOLE}");
                    return Ok(kept);
                }
                read = Reading::next(&mut self.readings) => self.act_on_reading(read).await?,
                wake = wakes.recv() => match wake {
                    Some(Wake::Second) => {
                        let now = self.clock.now();
                        self.watch.beat(now);
                        self.report(now).await?;
                    }
                    None | Some(Wake::Stop) => {
                        self.stopping.send_replace(true);
                        return Ok(Vec::new());
                    }
                    Some(
                        now @ (Wake::Listed(..)
                        | Wake::Described(..)
                        | Wake::Fetched(..)
                        | Wake::Polled
                        | Wake::PollFailed(_)
                        | Wake::StorageFailed(_)
                        | Wake::Reloaded(..)),
                    ) => self.act(vec![now]).await?,
                    // Whoever presses then is told to try again.
                    Some(Wake::Pressed(..)) if kept.len() >= WAKES_AT_ONCE => {}
                    Some(other) => kept.push(other),
                }
            }
        }
    }

    /// Takes up letters that were in hand when the last run ended.
    async fn take_up_claimed(&self) -> Result<()> {
        step("before-recovery");
        let mut tx = self.store.begin().await?;
        let uncertain = tx.recover_claimed(self.clock.now()).await?;
        if uncertain > 0 {
            tx.commit().await?;
            warn!(
                letters = uncertain,
                "the last run ended while submitting; they are tried once more"
            );
        }
        step("after-recovery");
        Ok(())
    }

    /// Acts on what came together: ends of attempts first, since others may wait for their
    /// workers.
    pub(crate) async fn act(&mut self, wakes: Vec<Wake>) -> Result<()> {
        let (mut ends, mut others) = (Vec::new(), Vec::new());
        for wake in wakes {
            match wake {
                Wake::Ended(id, end) => ends.push(self.blame.judge((id, end))),
                other => others.push(other),
            }
        }
        if !ends.is_empty() {
            self.in_hand = self.in_hand.saturating_sub(ends.len());
            self.settle(&ends).await?;
            self.learn_from(&ends).await?;
        }
        for wake in others {
            let done = self.act_on(wake).await;
            self.unless_storage(done)?;
        }
        self.hand_out_letters().await
    }

    async fn act_on(&mut self, wake: Wake) -> Result<()> {
        // Nobody listens any more when an answer cannot be given; the work is done all the same.
        match wake {
            Wake::Listed(folder, keys, answer) => {
                drop(answer.send(self.not_handled(&folder, &keys).await?))
            }
            Wake::Described(folder, seen, answer) => {
                drop(answer.send(self.plan(&folder, seen).await?))
            }
            Wake::Fetched(folder, batch, answer) => self.begin(folder, batch, answer).await?,
            Wake::Polled => {
                self.poll_went_well().await?;
                self.polled.notify_one();
            }
            Wake::PollFailed(failure) => self.poll_failed(failure).await?,
            Wake::LineFailed(failure) => self.submission_failed(failure),
            Wake::LineWorks => self.line_works().await?,
            Wake::Pressed(act, answer) => drop(answer.send(self.press(act).await?)),
            Wake::Ready(answer) => self.idle.push(answer),
            Wake::Ended(id, end) => self.settle(&[(id, end)]).await?,
            Wake::Second => self.tick().await?,
            Wake::StorageFailed(why) => return Err(why),
            Wake::Reloaded(rules, templates) => {
                (self.rules, self.templates) = (rules, templates);
                info!("rules and templates were read again");
            }
            Wake::Stop => drop(self.stopping.send_replace(true)),
        }
        Ok(())
    }

    /// Waits for the letters that are with workers and for the mail that is being read, and takes
    /// nothing else up. Mail that was begun and left would be suspected of having ended the
    /// process.
    async fn finish_what_is_in_hand(&mut self, wakes: &mut mpsc::Receiver<Wake>) -> Result<()> {
        self.idle.clear();
        while self.in_hand > 0 || !self.readings.is_empty() {
            tokio::select! {
                wake = wakes.recv() => match wake {
                    Some(Wake::Ended(id, end)) => {
                        self.in_hand -= 1;
                        self.settle(&[(id, end)]).await?;
                    }
                    Some(_) => {}
                    None => break,
                },
                read = Reading::next(&mut self.readings) => self.act_on_reading(read).await?,
            }
        }
        Ok(())
    }
}

/// Whether the database failed: then nothing more may be read or sent. Anything else is the
/// fault of one message or letter.
fn is_storage_error(why: &anyhow::Error) -> bool {
    Fault::of(why).is_some()
}
