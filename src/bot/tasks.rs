//! The tasks around the loop: one reads the inbox, some submit, one counts seconds. Each only
//! wakes the bot and does what it is answered.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};

use super::side;
use crate::mailbox::{Fetched, Folder, Mailbox, Seen, SideFolders, Unfetched};
use crate::store::attempts::End;
use crate::submission::{Line, Submitter};
use crate::trouble::{Failure, Trouble};
use crate::wake::Wake;

/// Wakes that may wait for the bot before those who wake it have to.
pub const WAKES_WAITING_MAX: usize = 256;
/// Rest after the first failed poll; no server is tried more often than that.
const POLL_RETRY_FIRST: Duration = Duration::from_secs(10);
/// Longest rest: the bot is back within a minute of the server.
const POLL_RETRY_LAST: Duration = Duration::from_secs(40);
/// Rest when the server asks to be left alone.
const BUSY_RETRY_FIRST: Duration = Duration::from_secs(60);
/// Longest rest then.
const BUSY_RETRY_LAST: Duration = Duration::from_secs(10 * 60);
/// Longest rest after a refused password.
const REFUSED_RETRY_LAST: Duration = Duration::from_secs(5 * 60);
/// Rest of a worker that cannot connect.
const CONNECT_RETRY_FIRST: Duration = Duration::from_secs(5);
/// Longest rest of a worker.
const CONNECT_RETRY_LAST: Duration = Duration::from_secs(60);
/// An unused connection is closed after this time; servers do it after a few minutes.
const LINE_IDLE_MAX: Duration = Duration::from_secs(30);
/// A message is asked for so often before it is left to a person.
const FETCHES_MAX: u32 = 3;
/// To whom nobody answers.
const STOPPED: &str = "The bot has stopped";
/// Batches that are with the bot while a further one is fetched.
const BATCHES_AHEAD: usize = 2;
/// Keys that are described at a time.
const KEYS_AT_ONCE: usize = 2_000;

/// Starts the tasks; they end when the bot does, or with the set.
pub fn start(
    mailbox: Mailbox,
    beside: SideFolders,
    (submitter, lines): (&Submitter, usize),
    poll: Poll,
    wakes: &mpsc::Sender<Wake>,
    stopping: &watch::Receiver<bool>,
) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    tasks.spawn(read(mailbox, poll, wakes.clone()));
    tasks.spawn(side::read(beside, poll, wakes.clone()));
    for _ in 0..lines {
        tasks.spawn(submit(submitter.line(), wakes.clone(), stopping.clone()));
    }
    tasks.spawn(count_seconds(wakes.clone()));
    tasks
}

/// How the inbox is polled.
#[derive(Clone, Copy, Debug)]
pub struct Poll {
    /// Between two polls, where the server does not tell.
    pub every: Duration,
    /// Octets of the largest message that is fetched.
    pub message_bytes_max: usize,
}

async fn read(mut mailbox: Mailbox, poll: Poll, wakes: mpsc::Sender<Wake>) {
    let mut suspects = Suspects::default();
    let mut rest = POLL_RETRY_FIRST;
    while !wakes.is_closed() {
        let begun = Instant::now();
        let done = match poll_once(&Folder::Inbox, &mut mailbox, &mut suspects, poll, &wakes).await
        {
            Ok(()) => {
                rest = POLL_RETRY_FIRST;
                if wakes.send(Wake::Polled).await.is_err() {
                    return;
                }
                mailbox.wait(poll.every).await
            }
            Err(why) => Err(why),
        };
        if let Err(why) = done {
            if let Mailbox::Imap(imap) = &mut mailbox {
                imap.disconnect();
            }
            let failure = Failure::of(&why);
            let (shortest, longest) = rests(failure.trouble);
            if wakes.send(Wake::PollFailed(failure)).await.is_err() {
                return;
            }
            // A session that lasted is no reason to wait long.
            rest = if begun.elapsed() > POLL_RETRY_LAST { POLL_RETRY_FIRST } else { rest };
            rest = rest.clamp(shortest, longest);
            sleep(with_jitter(rest)).await;
            rest *= 2;
        }
    }
}

/// The shortest and the longest rest after a failed poll. A server that refuses the password soon
/// takes whoever goes on trying for an attacker.
fn rests(trouble: Trouble) -> (Duration, Duration) {
    match trouble {
        Trouble::Busy => (BUSY_RETRY_FIRST, BUSY_RETRY_LAST),
        Trouble::PasswordRefused => (POLL_RETRY_FIRST, REFUSED_RETRY_LAST),
        _ => (POLL_RETRY_FIRST, POLL_RETRY_LAST),
    }
}

/// One poll: list, ask what is new, fetch it in batches. While one is decided the next one is
/// read, and one more is fetched.
///
/// # Errors
/// When the mailbox fails, or the bot has stopped.
pub async fn poll_once(
    folder: &Folder,
    mailbox: &mut Mailbox,
    suspects: &mut Suspects,
    poll: Poll,
    wakes: &mpsc::Sender<Wake>,
) -> Result<()> {
    let keys = mailbox.list().await?;
    let new = ask(wakes, |answer| Wake::Listed(folder.clone(), keys, answer)).await?;
    let mut seen = Vec::new();
    for keys in new.chunks(KEYS_AT_ONCE) {
        seen.extend(mailbox.describe(keys).await?);
    }
    let mut handled: VecDeque<oneshot::Receiver<()>> = VecDeque::new();
    // All of it at once: at the first start what is there together is old together.
    for batch in ask(wakes, |answer| Wake::Described(folder.clone(), seen, answer)).await? {
        for batch in suspects.apart(batch) {
            let fetched = suspects.fetch(mailbox, &batch, poll.message_bytes_max).await?;
            if handled.len() >= BATCHES_AHEAD
                && let Some(oldest) = handled.pop_front()
            {
                oldest.await.context(STOPPED)?;
            }
            let (answer, answered) = oneshot::channel();
            wakes
                .send(Wake::Fetched(folder.clone(), fetched, answer))
                .await
                .ok()
                .context(STOPPED)?;
            handled.push_back(answered);
        }
    }
    for answered in handled {
        answered.await.context(STOPPED)?;
    }
    Ok(())
}

/// Messages that were asked for and did not come, with how often. They are fetched alone, so
/// that one that the server cannot give holds up no other.
#[derive(Debug, Default)]
pub struct Suspects(HashMap<String, u32>);

impl Suspects {
    fn apart(&self, batch: Vec<Seen>) -> Vec<Vec<Seen>> {
        let (alone, together): (Vec<Seen>, Vec<Seen>) =
            batch.into_iter().partition(|seen| self.0.contains_key(&seen.key));
        let mut batches: Vec<Vec<Seen>> = alone.into_iter().map(|seen| vec![seen]).collect();
        if !together.is_empty() {
            batches.insert(0, together);
        }
        batches
    }

    async fn fetch(
        &mut self,
        mailbox: &mut Mailbox,
        batch: &[Seen],
        bytes_max: usize,
    ) -> Result<Vec<Fetched>> {
        let is_lost =
            |seen: &Seen| self.0.get(&seen.key).is_some_and(|times| *times >= FETCHES_MAX);
        let (lost, wanted): (Vec<Seen>, Vec<Seen>) = batch.iter().cloned().partition(is_lost);
        // Counted before the attempt; what came is taken off again.
        for seen in &wanted {
            *self.0.entry(seen.key.clone()).or_default() += 1;
        }
        let mut fetched = mailbox.fetch(&wanted, bytes_max).await?;
        for one in &fetched {
            self.0.remove(&one.seen.key);
        }
        fetched.extend(lost.into_iter().map(|seen| {
            self.0.remove(&seen.key);
            Fetched { seen, raw: Err(Unfetched::NotGiven) }
        }));
        Ok(fetched)
    }
}

async fn ask<T>(
    wakes: &mpsc::Sender<Wake>,
    wake: impl FnOnce(oneshot::Sender<T>) -> Wake,
) -> Result<T> {
    let (answer, answered) = oneshot::channel();
    wakes.send(wake(answer)).await.ok().context(STOPPED)?;
    answered.await.context(STOPPED)
}

async fn submit(mut line: Line, wakes: mpsc::Sender<Wake>, stopping: watch::Receiver<bool>) {
    loop {
        let mut parcels = std::pin::pin!(ask(&wakes, Wake::Ready));
        let parcels = match timeout(LINE_IDLE_MAX, &mut parcels).await {
            Ok(parcels) => parcels,
            Err(_) => {
                line.hang_up().await;
                parcels.await
            }
        };
        let Ok(parcels) = parcels else { break };
        let mut failed: Option<Failure> = None;
        for parcel in parcels {
            let end = if *stopping.borrow() {
                End::NotTried(Failure::new(Trouble::Unexpected, "the desk stops"))
            } else if let Some(failure) = failed.take() {
                End::NotTried(failure)
            } else {
                line.submit(&parcel).await
            };
            if let End::NotTried(failure) | End::Throttled(failure) = &end {
                failed = Some(failure.clone());
            }
            if wakes.send(Wake::Ended(parcel.id, end)).await.is_err() {
                return;
            }
        }
        // How long a busy server is left alone is the bot's to say: it holds the letters back.
        let is_lost = failed.is_some_and(|failure| failure.trouble != Trouble::Busy);
        if is_lost && reconnect(&mut line, &wakes).await.is_err() {
            return;
        }
    }
    line.hang_up().await;
}

/// Tries to connect until it works; letters wait in the outbox meanwhile.
///
/// # Errors
/// When the bot has stopped.
async fn reconnect(line: &mut Line, wakes: &mpsc::Sender<Wake>) -> Result<()> {
    let mut rest = CONNECT_RETRY_FIRST;
    loop {
        sleep(with_jitter(rest)).await;
        let wake = match line.connect().await {
            Ok(()) => Wake::LineWorks,
            Err(failure) => {
                let refused = failure.trouble == Trouble::PasswordRefused;
                let longest = if refused { REFUSED_RETRY_LAST } else { CONNECT_RETRY_LAST };
                rest = (rest * 2).min(longest);
                Wake::LineFailed(failure)
            }
        };
        let works = matches!(wake, Wake::LineWorks);
        wakes.send(wake).await.ok().context("The bot has stopped")?;
        if works {
            return Ok(());
        }
    }
}

async fn count_seconds(wakes: mpsc::Sender<Wake>) {
    let mut seconds = interval(Duration::from_secs(1));
    seconds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        seconds.tick().await;
        if wakes.send(Wake::Second).await.is_err() {
            return;
        }
    }
}

/// Up to a third more, so that many clients of one server do not come back at once.
fn with_jitter(rest: Duration) -> Duration {
    let mut random = [0_u8; 1];
    let third = match getrandom::fill(&mut random) {
        Ok(()) => rest.mul_f64(f64::from(random[0]) / 255.0 / 3.0),
        Err(_) => Duration::ZERO,
    };
    rest + third
}
