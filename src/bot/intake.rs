//! From a listed message to its one outcome.

use std::collections::VecDeque;
use std::sync::Arc;

use anyhow::Result;
use chrono::{DateTime, Duration, Utc};
use tokio::sync::oneshot;
use tracing::{error, info};

use super::reading::{BeingRead, Read, Reader};
use super::timer::PROGRESS;
use super::{Bot, is_storage_error};
use crate::classify::Verdict;
use crate::config::{Backfill, FIRST_LOOK_DAYS};
use crate::mail::EmailAddress;
use crate::mail::thread::message_id;
use crate::mailbox::{Fetched, Folder, Seen, Unfetched};
use crate::step::step;
use crate::store::inbox::{Attempt, Handled, Outcome, READ_ATTEMPTS_MAX, Traits};

/// When this inbox was looked at for the first time; the mailbox's name follows.
const FIRST_START: &str = "first_start_at";
/// How far the clocks of mail server and desk may differ.
const CLOCKS_DIFFER_MINUTES: i64 = 60;

impl Bot {
    /// Of the keys that the mailbox lists, those without an outcome.
    ///
    /// # Errors
    /// Storage errors.
    pub async fn not_handled(&self, folder: &Folder, keys: &[String]) -> Result<Unhandled> {
        let name = &self.name_of(folder);
        let mut tx = self.store.begin().await?;
        let is_first_look = tx.mark_at(&first_start_of(name)).await?.is_none();
        Ok(Unhandled { keys: tx.unhandled(name, keys).await?, is_first_look })
    }

    /// What to fetch, in batches. At the first start what is there is noted as old, and only
    /// what is young enough is read, to suggest it to staff: clocks may be running.
    ///
    /// # Errors
    /// Storage errors.
    pub async fn plan(&self, folder: &Folder, seen: Vec<Seen>) -> Result<Vec<Vec<Seen>>> {
        step("before-plan");
        let now = self.clock.now();
        let name = &self.name_of(folder);
        let mut tx = self.store.begin().await?;
        let mut seen = tx.distinguish(name, seen).await?;
        for seen in &mut seen {
            // From it the law's days are counted; no message comes from tomorrow.
            seen.received_at = seen.received_at.min(now);
        }
        let mark = first_start_of(name);
        let first_start = tx.mark_at(&mark).await?;
        let is_first = first_start.is_none();
        let old_before = self.old_before(first_start, now);
        let is_old = |seen: &Seen| seen.received_at < old_before;
        let worth_reading = now - Duration::days(FIRST_LOOK_DAYS.into());
        let keys: Vec<String> = seen.iter().map(|seen| seen.key.clone()).collect();
        let begun = tx.attempts(name, &keys).await?;
        let (old, mut wanted): (Vec<Seen>, Vec<Seen>) =
            seen.into_iter().partition(|seen| is_old(seen) && !begun.contains_key(&seen.key));
        // What was sent before is no answer to a case that came later.
        let is_sent = matches!(folder, Folder::Sent(_));
        let (to_suggest, to_note): (Vec<Seen>, Vec<Seen>) = old
            .into_iter()
            .partition(|seen| !is_sent && (seen.received_at >= worth_reading || is_undated(seen)));
        step("before-note-old");
        tx.note_old(name, &to_note, false, now).await?;
        tx.note_old(name, &to_suggest, true, now).await?;
        step("after-note-old");
        if is_first {
            tx.set_mark_at(&mark, now).await?;
            let (old, to_suggest) = (to_note.len(), to_suggest.len());
            match folder {
                Folder::Inbox => info!(old, to_suggest, "first look at this inbox"),
                beside => info!(old, to_suggest, folder = beside.kind(), "first look beside it"),
            }
        }
        tx.commit().await?;
        step("after-plan");
        wanted.extend(to_suggest);
        wanted.sort_by(|a, b| a.received_at.cmp(&b.received_at).then_with(|| a.key.cmp(&b.key)));
        // What was begun before and not finished may have brought the process down: alone.
        let (alone, together): (Vec<Seen>, Vec<Seen>) = wanted
            .into_iter()
            .partition(|seen| begun.get(&seen.key).is_some_and(|attempts| *attempts > 0));
        let mut batches = self.batches(together);
        batches.extend(alone.into_iter().map(|seen| vec![seen]));
        Ok(batches)
    }

    /// What messages of a folder are known under.
    fn name_of(&self, folder: &Folder) -> String {
        folder.name_beside(&self.settings.mailbox_name)
    }

    /// Mail from before this instant is old. At the first start everything that is there is,
    /// however young, except what `backfill` asks for.
    fn old_before(&self, first_start: Option<DateTime<Utc>>, now: DateTime<Utc>) -> DateTime<Utc> {
        let start = match first_start {
            Some(at) => at - Duration::minutes(CLOCKS_DIFFER_MINUTES),
            None => now + Duration::minutes(CLOCKS_DIFFER_MINUTES),
        };
        match self.settings.backfill {
            Backfill::None => start,
            Backfill::Days(days) => {
                start.min(first_start.unwrap_or(now) - Duration::days(days.into()))
            }
        }
    }

    fn batches(&self, wanted: Vec<Seen>) -> Vec<Vec<Seen>> {
        let limits = &self.settings.limits;
        let mut batches: Vec<Vec<Seen>> = Vec::new();
        let mut bytes = 0_usize;
        for seen in wanted {
            let size = usize::try_from(seen.size).unwrap_or(usize::MAX);
            let fits = batches.last().is_some_and(|batch| batch.len() < limits.batch_messages_max)
                && bytes.saturating_add(size) <= limits.batch_bytes_max;
            match batches.last_mut().filter(|_| fits) {
                Some(batch) => batch.push(seen),
                None => {
                    batches.push(vec![seen]);
                    bytes = 0;
                }
            }
            bytes = bytes.saturating_add(size);
        }
        batches
    }

    /// Begins a batch: counts the attempts, and has it read apart. Meanwhile the batch before it
    /// can be decided.
    ///
    /// # Errors
    /// Storage errors.
    pub(super) async fn begin(
        &mut self,
        folder: Folder,
        mut batch: Vec<Fetched>,
        answer: Answer,
    ) -> Result<()> {
        // What was begun before may have ended the process: nothing else is begun beside it, or
        // that would be set aside with it.
        while self.readings.iter().any(Reading::was_begun_before) {
            let read = Reading::next(&mut self.readings).await;
            self.act_on_reading(read).await?;
        }
        step("before-attempt");
        let name = self.name_of(&folder);
        let mut tx = self.store.begin().await?;
        let seen: Vec<Seen> = batch.iter().map(|fetched| fetched.seen.clone()).collect();
        let attempts = tx.begin_messages(&name, &seen).await?;
        for (fetched, attempt) in batch.iter_mut().zip(&attempts) {
            if attempt.attempts > READ_ATTEMPTS_MAX {
                // It ended the process before; it is not read again.
                fetched.raw = Err(Unfetched::EndedTheReader);
            }
        }
        // Of the others nothing follows for the inbox.
        if folder == Folder::Inbox {
            tx.set_mark_at(PROGRESS, self.clock.now()).await?;
        }
        tx.commit().await?;
        step("after-attempt");
        step("before-parse");
        let reader = self.reader();
        let read = self.parser.read(batch, reader)?;
        self.readings.push_back(Reading { folder, attempts, read, answer });
        Ok(())
    }

    /// Handles a batch that was read: decides and commits. One that fails is repeated one by
    /// one, so that a poison mail sets itself aside and not its neighbours.
    ///
    /// # Errors
    /// Storage errors.
    pub(super) async fn take_in(
        &self,
        folder: &Folder,
        messages: &[(Attempt, Read)],
    ) -> Result<()> {
        step("after-parse");
        match self.commit_batch(folder, messages).await {
            Ok(()) => Ok(()),
            Err(why) if is_storage_error(&why) => Err(why),
            Err(why) => {
                error!(%why, "a batch failed; taking its messages one by one");
                self.commit_one_by_one(folder, messages).await
            }
        }
    }

    pub(super) fn reader(&self) -> Reader {
        Reader {
            bounds: self.settings.bounds,
            desk: Arc::clone(&self.settings.desk),
            rules: Arc::clone(&self.rules),
        }
    }

    async fn commit_batch(&self, folder: &Folder, messages: &[(Attempt, Read)]) -> Result<()> {
        let now = self.clock.now();
        let mut tx = self.store.begin().await?;
        let hashes: Vec<&str> =
            messages.iter().filter_map(|(_, read)| read.sha256.as_deref()).collect();
        tx.read_hashes(folder, &hashes).await?;
        let asked: Vec<&EmailAddress> =
            messages.iter().filter_map(|(_, read)| asks(read)).collect();
        tx.begin_batch(&asked).await?;
        for (attempt, read) in messages {
            let handled = self.handle(&mut tx, folder, *attempt, read, now).await?;
            tx.finish_message(attempt.id, traits(read), &handled, now).await?;
            info!(message = attempt.id, outcome = handled.outcome.as_str(), reason = %handled.reason, "mail handled");
        }
        tx.commit().await
    }

    async fn commit_one_by_one(&self, folder: &Folder, messages: &[(Attempt, Read)]) -> Result<()> {
        for message in messages {
            match self.commit_batch(folder, std::slice::from_ref(message)).await {
                Ok(()) => {}
                Err(why) if is_storage_error(&why) => return Err(why),
                Err(why) => {
                    error!(%why, message = message.0.id, "a message cannot be handled; set aside");
                    let now = self.clock.now();
                    let handled = Handled::new(Outcome::Quarantined, "unreadable");
                    let mut tx = self.store.begin().await?;
                    tx.finish_message(message.0.id, traits(&message.1), &handled, now).await?;
                    tx.commit().await?;
                }
            }
        }
        Ok(())
    }
}

/// Of what a mailbox lists.
#[derive(Debug)]
pub struct Unhandled {
    /// The keys without an outcome.
    pub keys: Vec<String>,
    /// It was never looked at before: what is there is to be planned together.
    pub is_first_look: bool,
}

/// A batch that is being read.
#[derive(Debug)]
pub(super) struct Reading {
    /// Where all of it lies.
    folder: Folder,
    attempts: Vec<Attempt>,
    read: BeingRead,
    answer: Answer,
}

/// A batch that was read.
#[derive(Debug)]
pub(super) struct WasRead {
    pub(super) folder: Folder,
    pub(super) messages: Vec<(Attempt, Read)>,
    pub(super) answer: Answer,
}

/// To whoever brought a batch: it is handled.
pub(super) type Answer = oneshot::Sender<()>;

impl Reading {
    fn was_begun_before(&self) -> bool {
        self.attempts.iter().any(|attempt| attempt.attempts > 1)
    }

    /// The oldest of some, once it was read; for ever where there is none.
    ///
    /// # Errors
    /// When it takes too long: the next time its messages are read one by one, and the one it was
    /// is set aside.
    pub(super) async fn next(readings: &mut VecDeque<Reading>) -> Result<WasRead> {
        let Some(oldest) = readings.front_mut() else { return std::future::pending().await };
        let read = oldest.read.done().await;
        let Some(Reading { folder, attempts, answer, .. }) = readings.pop_front() else {
            return std::future::pending().await;
        };
        let messages = attempts.into_iter().zip(read?).collect();
        Ok(WasRead { folder, messages, answer })
    }
}

fn first_start_of(mailbox_name: &str) -> String {
    format!("{FIRST_START} {mailbox_name}")
}

/// By what a message that was read is known again.
fn traits(read: &Read) -> Traits<'_> {
    let thread = read.mail.as_ref().ok().and_then(|mail| {
        let own_id = mail.headers.first("message-id").and_then(message_id)?;
        Some((mail.author.address()?, own_id))
    });
    Traits { sha256: read.sha256.as_deref(), thread }
}

/// Whose case the decision on a message is about: whom it asks for, or who wrote it.
fn asks(read: &Read) -> Option<&EmailAddress> {
    match read.classification.as_ref().map(|judged| &judged.verdict) {
        Some(Verdict::FormEntry(entered)) => Some(entered),
        _ => read.mail.as_ref().ok().and_then(|mail| mail.author.address()),
    }
}

/// The server gave no date, or none that can be read: whether it is old nobody can tell.
fn is_undated(seen: &Seen) -> bool {
    seen.received_at == DateTime::UNIX_EPOCH
}
