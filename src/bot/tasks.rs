//! The tasks around the loop: one reads the inbox, some submit, one counts seconds. Each only
//! wakes the bot and does what it is answered.

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Duration;

use anyhow::{Context as _, Result};
use chrono::DateTime;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};

use super::intake::Unhandled;
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
/// Rest of a worker that cannot connect, or whose server takes nothing.
const CONNECT_RETRY_FIRST: Duration = Duration::from_secs(10);
/// Longest rest of a worker whose password is refused: whoever goes on trying is soon taken for an
/// attacker.
const REFUSED_RETRY_LAST: Duration = Duration::from_secs(5 * 60);
/// Longest rest of a worker.
const CONNECT_RETRY_LAST: Duration = Duration::from_secs(60);
/// An unused connection is closed after this time; servers do it after a few minutes.
const LINE_IDLE_MAX: Duration = Duration::from_secs(30);
/// A message is asked for so often, of a server that gives others, before it is left to a
/// person.
const FETCHES_MAX: u32 = 3;
/// A message that is asked for in vain is left to a person after a day, others or not.
const FETCHED_IN_VAIN_MAX: Duration = Duration::from_secs(24 * 3600);
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

/// Reads the inbox until the bot stops, and through whatever fails.
pub async fn read(mut mailbox: Mailbox, poll: Poll, wakes: mpsc::Sender<Wake>) {
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
            let is_busy = failure.trouble == Trouble::Busy;
            if wakes.send(Wake::PollFailed(failure)).await.is_err() {
                return;
            }
            rest = rest.clamp(shortest, longest);
            // From connection to connection: what lasted is no reason to wait long, but for a
            // server that asks for a rest.
            let lasted = if is_busy { Duration::ZERO } else { begun.elapsed() };
            sleep(with_jitter(rest).saturating_sub(lasted)).await;
            rest *= 2;
        }
    }
}

/// The shortest and the longest rest after a failed poll.
fn rests(trouble: Trouble) -> (Duration, Duration) {
    match trouble {
        Trouble::Busy => (BUSY_RETRY_FIRST, BUSY_RETRY_LAST),
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
    let asked = ask(wakes, |answer| Wake::Listed(folder.clone(), keys, answer)).await?;
    let Unhandled { keys: new, is_first_look } = asked;
    // What is there together at the first start is old together.
    let at_once = if is_first_look { new.len() } else { KEYS_AT_ONCE };
    let mut parts: Vec<&[String]> = new.chunks(at_once.max(1)).collect();
    let last = parts.pop().unwrap_or_default();
    let mut ahead = Ahead::default();
    let mut alone = Vec::new();
    for (keys, is_last) in parts.into_iter().map(|part| (part, false)).chain([(last, true)]) {
        let mut seen = mailbox.describe(keys).await?;
        let lost = suspects.not_described(keys, &seen);
        if !lost.is_empty() {
            ahead.hand_over(folder, lost, wakes).await?;
        }
        if is_last {
            seen.extend(mailbox.describe_known(&new).await?);
        }
        let batches = ask(wakes, |answer| Wake::Described(folder.clone(), seen, answer)).await?;
        for batch in suspects.apart(batches, &mut alone) {
            let fetched = suspects.fetch(mailbox, &batch, poll.message_bytes_max).await?;
            ahead.hand_over(folder, fetched, wakes).await?;
        }
    }
    for one in suspects.least_asked_first(alone) {
        let fetched = suspects.fetch(mailbox, &[one], poll.message_bytes_max).await?;
        ahead.hand_over(folder, fetched, wakes).await?;
    }
    ahead.is_handled(0).await
}

/// Batches that were handed over and are not handled yet, the oldest first.
#[derive(Debug, Default)]
struct Ahead(VecDeque<oneshot::Receiver<()>>);

impl Ahead {
    async fn hand_over(
        &mut self,
        folder: &Folder,
        fetched: Vec<Fetched>,
        wakes: &mpsc::Sender<Wake>,
    ) -> Result<()> {
        self.is_handled(BATCHES_AHEAD - 1).await?;
        let (answer, answered) = oneshot::channel();
        let fetched = Wake::Fetched(folder.clone(), fetched, answer);
        wakes.send(fetched).await.ok().context(STOPPED)?;
        self.0.push_back(answered);
        Ok(())
    }

    /// Waits until all but so many are.
    async fn is_handled(&mut self, but: usize) -> Result<()> {
        while self.0.len() > but
            && let Some(oldest) = self.0.pop_front()
        {
            oldest.await.context(STOPPED)?;
        }
        Ok(())
    }
}

/// Messages that were asked for and did not come. They are fetched after all others, and alone,
/// so that one that the server cannot give holds up no other. That it fails at all of them is
/// no fault of theirs.
#[derive(Debug, Default)]
pub struct Suspects(HashMap<String, Suspect>);

#[derive(Debug)]
struct Suspect {
    since: Instant,
    asked: u32,
    /// How often the server gave others, or said that all was well, and it did not come.
    in_vain: u32,
    /// The server failed when it was asked for; whether at it alone is not known yet.
    is_in_doubt: bool,
}

impl Suspects {
    /// Batches without suspects, which are put apart.
    fn apart(&self, batches: Vec<Vec<Seen>>, alone: &mut Vec<Seen>) -> Vec<Vec<Seen>> {
        let is_suspect = |seen: &Seen| self.0.contains_key(&seen.key);
        let without = batches.into_iter().map(|batch| {
            let (suspects, together): (Vec<Seen>, Vec<Seen>) =
                batch.into_iter().partition(is_suspect);
            alone.extend(suspects);
            together
        });
        without.filter(|batch| !batch.is_empty()).collect()
    }

    /// Whoever was asked for least comes first: the next time one fails, it stops no other.
    fn least_asked_first(&self, mut alone: Vec<Seen>) -> Vec<Seen> {
        alone.sort_by_key(|seen| self.0.get(&seen.key).map(|suspect| suspect.asked));
        alone
    }

    async fn fetch(
        &mut self,
        mailbox: &mut Mailbox,
        batch: &[Seen],
        bytes_max: usize,
    ) -> Result<Vec<Fetched>> {
        let (lost, wanted): (Vec<Seen>, Vec<Seen>) =
            batch.iter().cloned().partition(|seen| self.is_lost(&seen.key));
        // Noted before the attempt; what came is taken off again.
        for seen in &wanted {
            let suspect = self.suspect(&seen.key);
            suspect.asked += 1;
            suspect.is_in_doubt = true;
        }
        let mut fetched = mailbox.fetch(&wanted, bytes_max).await?;
        for one in &fetched {
            self.0.remove(&one.seen.key);
        }
        let gives = fetched.iter().any(|one| one.raw.is_ok());
        for (key, suspect) in &mut self.0 {
            let is_left_out = wanted.iter().any(|seen| seen.key == *key);
            if suspect.is_in_doubt && (gives || is_left_out) {
                suspect.is_in_doubt = false;
                suspect.in_vain += 1;
            }
        }
        fetched.extend(lost.into_iter().map(|seen| self.give_up(seen)));
        Ok(fetched)
    }

    /// Takes note of messages that are listed and have no size, and gives up what had none too
    /// often.
    fn not_described(&mut self, listed: &[String], seen: &[Seen]) -> Vec<Fetched> {
        self.0.retain(|_, suspect| suspect.since.elapsed() < 2 * FETCHED_IN_VAIN_MAX);
        let described: HashSet<&String> = seen.iter().map(|seen| &seen.key).collect();
        let mut lost = Vec::new();
        for key in listed.iter().filter(|key| !described.contains(key)) {
            self.suspect(key).in_vain += 1;
            if self.is_lost(key) {
                let received_at = DateTime::UNIX_EPOCH;
                lost.push(self.give_up(Seen { key: key.clone(), size: 0, received_at }));
            }
        }
        lost
    }

    fn suspect(&mut self, key: &str) -> &mut Suspect {
        let new = || Suspect { since: Instant::now(), asked: 0, in_vain: 0, is_in_doubt: false };
        self.0.entry(key.to_owned()).or_insert_with(new)
    }

    fn is_lost(&self, key: &str) -> bool {
        self.0.get(key).is_some_and(|suspect| {
            suspect.in_vain >= FETCHES_MAX || suspect.since.elapsed() >= FETCHED_IN_VAIN_MAX
        })
    }

    fn give_up(&mut self, seen: Seen) -> Fetched {
        self.0.remove(&seen.key);
        Fetched { seen, raw: Err(Unfetched::NotGiven) }
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
            if let End::NotTried(failure) | End::NotTaken(failure) | End::Throttled(failure) = &end
            {
                failed = Some(failure.clone());
            }
            if wakes.send(Wake::Ended(parcel.id, end)).await.is_err() {
                return;
            }
        }
        match failed.map(|failure| failure.trouble) {
            // How long a busy server is left alone is the bot's to say: it holds the letters back.
            None | Some(Trouble::Busy) => {}
            // A connection would tell nothing; the next letter does.
            Some(Trouble::TakesNoLetters) => sleep(with_jitter(CONNECT_RETRY_FIRST)).await,
            Some(_) if reconnect(&mut line, &wakes).await.is_err() => return,
            Some(_) => {}
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
