//! How the parts of the desk are: said once in the log, after some minutes to staff, and at any
//! time to `/healthz` and systemd.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Result;
use chrono::{DateTime, Duration, Utc};
use tracing::{error, info, warn};

use super::Bot;
use super::timer::SILENCE_MINUTES;
use crate::case::Letter;
use crate::store::attempts::End;
use crate::trouble::{Failure, Part, Trouble};

/// Since when the log says that letters cannot be submitted; staff hear of it when it is over.
const SUBMISSION_ALARM: &str = "submission_alarm_at";
/// When the server of the inbox last asked us to slow down.
pub const SLOWED_INBOX: &str = "slowed_inbox_at";
/// When the one that takes our letters did.
pub const SLOWED_MAIL_SERVER: &str = "slowed_mail_server_at";
/// Seconds between two counts of the open cases for systemd.
const STATUS_SECONDS: i64 = 60;

/// What the loop knows of the parts. Clones share it, so that the page can tell even when the
/// loop does not move.
#[derive(Clone, Debug)]
pub struct Watch(Arc<Mutex<Known>>);

#[derive(Debug)]
struct Known {
    /// When the loop moved last.
    beat_at: DateTime<Utc>,
    /// Since when all of the database is being read; no letter leaves before that is done.
    looks_since: Option<DateTime<Utc>>,
    inbox: Option<Broken>,
    mail_server: Option<Broken>,
}

/// A part that does not work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// Since when.
    pub since: DateTime<Utc>,
    /// The last failure.
    pub failure: Failure,
}

impl Watch {
    pub(super) fn new(now: DateTime<Utc>, is_whole: bool) -> Watch {
        let looks_since = (!is_whole).then_some(now);
        let known = Known { beat_at: now, looks_since, inbox: None, mail_server: None };
        Watch(Arc::new(Mutex::new(known)))
    }

    pub(super) fn beat(&self, now: DateTime<Utc>) {
        self.known().beat_at = now;
    }

    /// When the loop moved last.
    pub fn beat_at(&self) -> DateTime<Utc> {
        self.known().beat_at
    }

    /// The database was read, and is whole.
    pub(super) fn found_whole(&self) {
        self.known().looks_since = None;
    }

    /// Since when all of the database is being read before the first letter, if it is.
    pub fn looks_since(&self) -> Option<DateTime<Utc>> {
        self.known().looks_since
    }

    /// Whether the database was found to be whole, by this run or the last; no letter leaves
    /// before.
    pub fn is_whole(&self) -> bool {
        self.looks_since().is_none()
    }

    /// What is wrong with a part, if anything is.
    pub fn broken(&self, part: Part) -> Option<Broken> {
        self.known().slot(part).clone()
    }

    /// Notes a failure; whether there is something new to say.
    fn fails(&self, part: Part, failure: Failure, now: DateTime<Utc>) -> bool {
        let mut known = self.known();
        let slot = known.slot(part);
        let is_news = slot.as_ref().is_none_or(|known| failure.is_news_after(&known.failure));
        let since = slot.as_ref().map_or(now, |known| known.since.min(now));
        *slot = Some(Broken { since, failure });
        is_news
    }

    /// Notes that a part works; what is over by that.
    fn works(&self, part: Part) -> Option<Broken> {
        self.known().slot(part).take()
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn slot(&mut self, part: Part) -> &mut Option<Broken> {
        match part {
            Part::Inbox => &mut self.inbox,
            Part::MailServer => &mut self.mail_server,
        }
    }
}

impl Bot {
    /// How the parts are, for the page.
    pub fn watch(&self) -> &Watch {
        &self.watch
    }

    /// The inbox could not be read: once in the log, however often it is tried.
    ///
    /// # Errors
    /// Storage errors.
    pub(super) async fn poll_failed(&self, failure: Failure) -> Result<()> {
        let now = self.clock.now();
        if !self.watch.fails(Part::Inbox, failure.clone(), now) {
            return Ok(());
        }
        warn!(why = %failure, "the inbox cannot be read; trying again");
        self.note_if_busy(&failure, SLOWED_INBOX, now).await
    }

    /// Remembers for the digest that a server asked us to slow down.
    async fn note_if_busy(&self, failure: &Failure, mark: &str, now: DateTime<Utc>) -> Result<()> {
        if failure.trouble != Trouble::Busy {
            return Ok(());
        }
        let mut tx = self.store.begin().await?;
        tx.set_mark_at(mark, now).await?;
        tx.commit().await
    }

    /// The end of that in the log.
    pub(super) fn inbox_works(&self) {
        if let Some(Broken { since, failure }) = self.watch.works(Part::Inbox) {
            info!(%since, was = %failure.trouble, "the inbox is read again");
        }
    }

    /// What ends of attempts tell of the mail server.
    ///
    /// # Errors
    /// Storage errors.
    pub(super) async fn learn_from(&mut self, ends: &[(i64, End)]) -> Result<()> {
        for (_, end) in ends {
            match end {
                // They stood behind one that was not taken, which tells whatever there is to tell.
                End::NotTried(failure) if failure.trouble == Trouble::TakesNoLetters => {}
                End::NotTried(failure) | End::NotTaken(failure) => {
                    self.submission_failed(failure.clone());
                }
                End::Throttled(failure) => {
                    let now = self.clock.now();
                    if !self.throttle.rests(now) {
                        self.note_if_busy(failure, SLOWED_MAIL_SERVER, now).await?;
                    }
                    self.throttle.slow_down(now);
                    self.submission_failed(failure.clone());
                }
                End::Submitted => self.submission_works().await?,
                // One letter that is refused, put off or in doubt tells nothing of the others.
                End::Permanent(_) | End::Temporary(_) | End::Uncertain(_) => {}
            }
        }
        Ok(())
    }

    /// No letter could be submitted: once in the log.
    pub(super) fn submission_failed(&self, failure: Failure) {
        let why = failure.why.clone();
        if self.watch.fails(Part::MailServer, failure, self.clock.now()) {
            warn!(%why, "letter not submitted yet: the mail server cannot be used; trying again");
        }
    }

    /// A line could connect. Whether letters are taken over it, the first one shows.
    ///
    /// # Errors
    /// Storage errors.
    pub(super) async fn line_works(&mut self) -> Result<()> {
        match self.submission_trouble() {
            Some(Trouble::TakesNoLetters) => Ok(()),
            _ => self.submission_works().await,
        }
    }

    fn submission_trouble(&self) -> Option<Trouble> {
        self.watch.broken(Part::MailServer).map(|broken| broken.failure.trouble)
    }

    /// Letters leave again: staff, who could not be mailed, hear now that they did not.
    ///
    /// # Errors
    /// Storage errors.
    pub(super) async fn submission_works(&mut self) -> Result<()> {
        self.throttle.end();
        let is_alarm = std::mem::take(&mut self.submission_alarm);
        let Some(Broken { since, failure }) = self.watch.works(Part::MailServer) else {
            if !is_alarm {
                return Ok(());
            }
            // The alarm of an earlier run.
            return self.tell_that_letters_leave("").await;
        };
        info!(%since, was = %failure.trouble, "letters are submitted again");
        match is_alarm {
            true => self.tell_that_letters_leave(failure.trouble.as_str()).await,
            false => Ok(()),
        }
    }

    async fn tell_that_letters_leave(&self, trouble: &str) -> Result<()> {
        let zone = self.settings.policy.zone;
        let mut tx = self.store.begin().await?;
        let Some(since) = tx.mark_at(SUBMISSION_ALARM).await? else { return Ok(()) };
        tx.set_mark(SUBMISSION_ALARM, "").await?;
        let because = if trouble.is_empty() { String::new() } else { format!(" ({trouble})") };
        let letter = Letter::alarm(
            "letters are submitted again",
            &format!(
                "Since {} the desk could submit no letter{because}, this one included. What waited is being sent now; \
                 none is lost.",
                since.with_timezone(&zone).format("%d %B %Y, %H:%M")
            ),
            "Nothing; it is over. Requesters got their mails later than usual.",
        );
        self.write_to_all_staff(&mut tx, &letter).await?;
        tx.commit().await
    }

    /// Whether an earlier run ended while letters could not be submitted.
    ///
    /// # Errors
    /// Storage errors.
    pub(super) async fn remember_alarm(&mut self) -> Result<()> {
        self.submission_alarm = self.store.mark_at(SUBMISSION_ALARM).await?.is_some();
        Ok(())
    }

    /// Staff cannot be mailed that nobody can be mailed: the log says it, and `/healthz`.
    ///
    /// # Errors
    /// Storage errors.
    pub(super) async fn alarm_on_submission(&mut self, now: DateTime<Utc>) -> Result<()> {
        if self.submission_trouble() == Some(Trouble::TakesNoLetters)
            && self.in_hand == 0
            && !self.store.letters_wait().await?
        {
            // Nobody can tell how it is until there is one again.
            self.watch.works(Part::MailServer);
        }
        let is_busy = self.submission_trouble() == Some(Trouble::Busy);
        if is_busy && self.in_hand == 0 && self.throttle.is_calm(now) {
            return self.submission_works().await;
        }
        let Some(Broken { since, failure }) = self.watch.broken(Part::MailServer) else {
            return Ok(());
        };
        if self.submission_alarm || now - since < Duration::minutes(SILENCE_MINUTES) {
            return Ok(());
        }
        self.submission_alarm = true;
        let mut tx = self.store.begin().await?;
        tx.set_mark_at(SUBMISSION_ALARM, since).await?;
        tx.commit().await?;
        let remedy = failure.remedy(Part::MailServer);
        error!(why = %failure, %since, remedy, "no letter could be submitted for {SILENCE_MINUTES} minutes");
        Ok(())
    }

    /// Tells systemd that the loop moves, and how the desk is.
    ///
    /// # Errors
    /// Storage errors.
    pub(super) async fn report(&mut self, now: DateTime<Utc>) -> Result<()> {
        if !self.systemd.listens() {
            return Ok(());
        }
        self.systemd.alive();
        let is_old = |at: DateTime<Utc>| (now - at).num_seconds().abs() >= STATUS_SECONDS;
        if self.open_cases.is_none_or(|(at, _)| is_old(at)) {
            self.open_cases = Some((now, self.store.count_open().await?));
        }
        let cases = match self.open_cases.map_or(0, |(_, count)| count) {
            1 => "1 open case".to_owned(),
            count => format!("{count} open cases"),
        };
        let broken = |part| self.watch.broken(part).map(|broken| broken.failure.trouble);
        let reads = match broken(Part::Inbox) {
            None => "reading the inbox".to_owned(),
            Some(trouble) => format!("the inbox cannot be read ({trouble})"),
        };
        let sends = match broken(Part::MailServer) {
            _ if !self.watch.is_whole() => ", letters wait (the database is checked)".to_owned(),
            None => String::new(),
            Some(trouble) => format!(", letters wait ({trouble})"),
        };
        self.systemd.status(&format!("{reads}{sends}, {cases}"));
        Ok(())
    }
}

/// The words of the alarm that the inbox is not read.
pub(super) fn inbox_alarm(broken: Option<&Broken>) -> Letter {
    let (reason, remedy) = match broken.map(|broken| &broken.failure) {
        Some(failure) => (format!(": {}", failure.trouble), failure.remedy(Part::Inbox)),
        None => {
            (", though the mail server answers".to_owned(), Trouble::Unexpected.remedy(Part::Inbox))
        }
    };
    let what = format!(
        "The desk could not read the inbox for {SILENCE_MINUTES} minutes{reason}. Requests that arrive now wait; none is lost."
    );
    let remedy = format!("{remedy} `deletion-desk check` on the host tries it.");
    Letter::alarm("the inbox cannot be read", &what, &remedy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_news_once_and_another_reason_is_news_again() {
        let now = DateTime::UNIX_EPOCH;
        let watch = Watch::new(now, true);
        let fails = |trouble, minutes| {
            let at = now + Duration::minutes(minutes);
            watch.fails(Part::Inbox, Failure::new(trouble, minutes), at)
        };
        assert!(fails(Trouble::NoConnection, 0));
        assert!(!fails(Trouble::NoConnection, 1));
        assert!(fails(Trouble::CertificateExpired, 2));
        assert!(!fails(Trouble::CertificateExpired, 3));
        assert_eq!(watch.broken(Part::MailServer), None);
        let over = watch.works(Part::Inbox).unwrap();
        assert_eq!((over.since, over.failure.why.as_str()), (now, "certificate expired: 3"));
        assert_eq!(watch.works(Part::Inbox), None, "over once");
        assert!(fails(Trouble::CertificateExpired, 4));
    }
}
