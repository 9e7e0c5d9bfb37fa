//! Parsing and classifying apart: on a thread with a big stack, each message behind a net.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result};
use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

use crate::case::LetterKind;
use crate::classify::rules::RuleSet;
use crate::classify::{Classification, Desk, classify};
use crate::mail::thread::token_candidates;
use crate::mail::{self, Bounds, Mail, Unreadable};
use crate::mailbox::{Fetched, Seen};

/// mail-parser recurses into nested messages; the bounds keep it far below this.
const STACK_BYTES: usize = 64 * 1024 * 1024;

/// A batch is read in milliseconds; what takes this long is no mail of a person.
const READ_PATIENCE: Duration = Duration::from_secs(20);

/// A message as far as it could be read.
#[derive(Debug)]
pub(super) struct Read {
    pub(super) seen: Seen,
    /// Of the raw bytes; none when they were too many to fetch.
    pub(super) sha256: Option<String>,
    /// The mail, or the reason why it is set aside.
    pub(super) mail: Result<Mail, &'static str>,
    /// Texts in it that may be tokens of ours.
    pub(super) candidates: Vec<String>,
    /// What it is, when it can answer no letter of ours; none without a verdict.
    pub(super) classification: Option<Classification>,
}

/// By what mails are judged.
#[derive(Clone, Debug)]
pub(super) struct Reader {
    pub(super) bounds: Bounds,
    pub(super) desk: Arc<Desk>,
    pub(super) rules: Arc<RuleSet>,
}

/// A batch in the hands of the parser's thread.
#[derive(Debug)]
pub(super) struct BeingRead {
    result: oneshot::Receiver<Vec<Read>>,
    give_up_at: Instant,
}

impl BeingRead {
    /// What was read; may be asked again when nobody waited for the answer.
    ///
    /// # Errors
    /// When it takes too long.
    pub(super) async fn done(&mut self) -> Result<Vec<Read>> {
        let read = timeout_at(self.give_up_at, &mut self.result).await;
        read.context("Reading a batch took too long")?.context("The parser's thread ended")
    }
}

/// The thread on which mail is read; it begins with the first batch. One for all of them, since
/// patterns keep what they learn of texts for each thread.
#[derive(Debug, Default)]
pub(super) struct Parser(Option<mpsc::Sender<Job>>);

#[derive(Debug)]
struct Job {
    batch: Vec<Fetched>,
    reader: Reader,
    done: oneshot::Sender<Vec<Read>>,
}

impl Parser {
    /// Begins to read a batch.
    ///
    /// # Errors
    /// When no thread can be had.
    pub(super) fn read(&mut self, batch: Vec<Fetched>, reader: Reader) -> Result<BeingRead> {
        let (done, result) = oneshot::channel();
        let give_up_at = Instant::now() + READ_PATIENCE;
        let mut job = Job { batch, reader, done };
        if let Some(jobs) = &self.0 {
            match jobs.send(job) {
                Ok(()) => return Ok(BeingRead { result, give_up_at }),
                Err(mpsc::SendError(back)) => job = back,
            }
        }
        let (jobs, waiting) = mpsc::channel::<Job>();
        thread::Builder::new()
            .name("parse".to_owned())
            .stack_size(STACK_BYTES)
            .spawn(move || waiting.into_iter().for_each(Job::work))
            .context("Cannot start a thread")?;
        // It has just begun to wait.
        drop(jobs.send(job));
        self.0 = Some(jobs);
        Ok(BeingRead { result, give_up_at })
    }

    /// Leaves the thread to what it does not get done; the next batch begins another one.
    pub(super) fn give_up(&mut self) {
        self.0 = None;
    }
}

impl Job {
    fn work(self) {
        let Job { batch, reader, done } = self;
        drop(done.send(batch.into_iter().map(|one| reader.read_one(one)).collect()));
    }
}

impl Reader {
    fn read_one(&self, fetched: Fetched) -> Read {
        let Fetched { seen, raw } = fetched;
        let (sha256, mail) = match raw {
            Ok(raw) => (Some(HEXLOWER.encode(&Sha256::digest(&raw))), self.parse(&raw)),
            Err(why) => (None, Err(why.as_str())),
        };
        let mut read = Read { seen, sha256, mail, candidates: Vec::new(), classification: None };
        if let Ok(mail) = &mut read.mail {
            read.candidates = token_candidates(mail, &self.desk.address);
            if read.candidates.is_empty() {
                read.classification = self.judge(mail, None);
                // Only who judges needs them, and a whole batch is kept until it is decided.
                mail.text = mail::Text::default();
                mail.html = mail::html::Html::default();
            }
        }
        read
    }

    fn parse(&self, raw: &[u8]) -> Result<Mail, &'static str> {
        match catch_unwind(AssertUnwindSafe(|| mail::parse(raw, &self.bounds))) {
            Ok(Ok(mail)) => Ok(mail),
            Ok(Err(Unreadable::TooLarge)) => Err("message-too-large"),
            Ok(Err(Unreadable::HeaderTooLarge)) => Err("header-too-large"),
            Ok(Err(Unreadable::TooNested)) => Err("too-deeply-nested"),
            Ok(Err(Unreadable::NoMessage)) => Err("not-a-message"),
            Err(_) => Err("unreadable"),
        }
    }

    /// What a mail is that answers that letter of ours, or none. No mail may end the desk,
    /// whatever the rules make of it: then there is no verdict.
    pub(super) fn judge(&self, mail: &Mail, answers: Option<LetterKind>) -> Option<Classification> {
        catch_unwind(AssertUnwindSafe(|| classify(mail, answers, &self.desk, &self.rules))).ok()
    }
}
