//! From a listed message to its one outcome.

use anyhow::Result;
use chrono::{DateTime, Duration, Utc};
use tracing::{error, info};

use super::Bot;
use super::reading::{Read, read};
use crate::case::verification::Purpose;
use crate::case::{Event, LetterKind, Means, Reason, Recipient, Source};
use crate::classify::{Answer, Classification, ForStaff, LeftAlone, Verdict, classify, text};
use crate::config::{Backfill, FIRST_LOOK_DAYS, Mode};
use crate::mail::thread::{echoable_message_id, token_candidates};
use crate::mail::{EmailAddress, Mail};
use crate::mailbox::{Fetched, Seen};
use crate::step::step;
use crate::store::Tx;
use crate::store::commit::{About, Decided, Happening};
use crate::store::inbox::{Attempt, Handled, OLD, Outcome, READ_ATTEMPTS_MAX};
use crate::store::outbox::{Class, LetterRef};

/// Characters of a stranger's text that staff are shown.
const EXCERPT_CHARS_MAX: usize = 280;
/// When the inbox was looked at for the first time.
const FIRST_START: &str = "first_start_at";
/// How far the clocks of mail server and desk may differ.
const CLOCKS_DIFFER_MINUTES: i64 = 60;

impl Bot {
    /// Of the keys that the mailbox lists, those without an outcome.
    ///
    /// # Errors
    /// Storage errors.
    pub async fn not_handled(&self, keys: &[String]) -> Result<Vec<String>> {
        let mut tx = self.store.begin().await?;
        tx.unhandled(&self.settings.mailbox_name, keys).await
    }

    /// What to fetch, in batches. At the first start what is there is noted as old, and only
    /// what is young enough is read, to suggest it to staff: clocks may be running.
    ///
    /// # Errors
    /// Storage errors.
    pub async fn plan(&self, seen: Vec<Seen>) -> Result<Vec<Vec<Seen>>> {
        let now = self.clock.now();
        let name = &self.settings.mailbox_name;
        let mut tx = self.store.begin().await?;
        let first_start = tx.mark_at(FIRST_START).await?;
        let is_first = first_start.is_none();
        let old_before = self.old_before(first_start, now);
        let is_old = |seen: &Seen| seen.received_at < old_before;
        let worth_reading = now - Duration::days(FIRST_LOOK_DAYS.into());
        let keys: Vec<String> = seen.iter().map(|seen| seen.key.clone()).collect();
        let begun = tx.attempts(name, &keys).await?;
        let (old, mut wanted): (Vec<Seen>, Vec<Seen>) = seen
            .into_iter()
            .partition(|seen| is_old(seen) && !begun.contains_key(&seen.key));
        let (to_suggest, to_note): (Vec<Seen>, Vec<Seen>) = old
            .into_iter()
            .partition(|seen| seen.received_at >= worth_reading);
        tx.note_old(name, &to_note, false, now).await?;
        tx.note_old(name, &to_suggest, true, now).await?;
        if is_first {
            tx.set_mark_at(FIRST_START, now).await?;
            info!(
                old = to_note.len(),
                to_suggest = to_suggest.len(),
                "first look at this inbox"
            );
        }
        tx.commit().await?;
        wanted.extend(to_suggest);
        wanted.sort_by(|a, b| {
            a.received_at
                .cmp(&b.received_at)
                .then_with(|| a.key.cmp(&b.key))
        });
        // What was begun before and not finished may have brought the process down: alone.
        let (alone, together): (Vec<Seen>, Vec<Seen>) = wanted
            .into_iter()
            .partition(|seen| begun.get(&seen.key).is_some_and(|attempts| *attempts > 0));
        let mut batches = self.batches(together);
        batches.extend(alone.into_iter().map(|seen| vec![seen]));
        Ok(batches)
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
        let mut bytes = 0;
        for seen in wanted {
            let size = usize::try_from(seen.size).unwrap_or(usize::MAX);
            let fits = batches
                .last()
                .is_some_and(|batch| batch.len() < limits.batch_messages_max)
                && bytes + size <= limits.batch_bytes_max;
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

    /// Handles a batch: counts the attempts, reads, decides, commits. A batch that fails is
    /// repeated one by one, so that a poison mail sets itself aside and not its neighbours.
    ///
    /// # Errors
    /// Storage errors.
    pub async fn take_in(&self, batch: Vec<Fetched>) -> Result<()> {
        step("after-fetch");
        let mut tx = self.store.begin().await?;
        let mut attempts = Vec::new();
        for fetched in &batch {
            attempts.push(
                tx.begin_message(&self.settings.mailbox_name, &fetched.seen)
                    .await?,
            );
        }
        tx.commit().await?;
        step("before-parse");
        let read = read(batch, self.settings.bounds).await?;
        step("after-parse");
        let messages: Vec<(Attempt, Read)> = attempts.into_iter().zip(read).collect();
        match self.commit_batch(&messages).await {
            Ok(()) => Ok(()),
            Err(why) if is_storage_error(&why) => Err(why),
            Err(why) => {
                error!(%why, "a batch failed; taking its messages one by one");
                self.commit_one_by_one(&messages).await
            }
        }
    }

    async fn commit_batch(&self, messages: &[(Attempt, Read)]) -> Result<()> {
        let now = self.clock.now();
        let mut tx = self.store.begin().await?;
        for (attempt, read) in messages {
            let handled = self.handle(&mut tx, *attempt, read, now).await?;
            tx.finish_message(attempt.id, read.sha256.as_deref(), &handled, now)
                .await?;
            info!(message = attempt.id, outcome = handled.outcome.as_str(), reason = %handled.reason, "mail handled");
        }
        tx.commit().await
    }

    async fn commit_one_by_one(&self, messages: &[(Attempt, Read)]) -> Result<()> {
        for message in messages {
            match self.commit_batch(std::slice::from_ref(message)).await {
                Ok(()) => {}
                Err(why) if is_storage_error(&why) => return Err(why),
                Err(why) => {
                    error!(%why, message = message.0.id, "a message cannot be handled; set aside");
                    let now = self.clock.now();
                    let handled = Handled::new(Outcome::Quarantined, "unreadable");
                    let mut tx = self.store.begin().await?;
                    tx.finish_message(message.0.id, message.1.sha256.as_deref(), &handled, now)
                        .await?;
                    tx.commit().await?;
                }
            }
        }
        Ok(())
    }

    async fn handle(
        &self,
        tx: &mut Tx,
        attempt: Attempt,
        read: &Read,
        now: DateTime<Utc>,
    ) -> Result<Handled> {
        if attempt.attempts > READ_ATTEMPTS_MAX {
            return Ok(Handled::new(Outcome::Quarantined, "ended-the-reader"));
        }
        if let Some(sha256) = &read.sha256
            && tx.is_known(sha256).await?
        {
            return Ok(Handled::new(Outcome::Known, "same-bytes"));
        }
        let mail = match &read.mail {
            Ok(mail) => mail,
            Err(reason) => return Ok(Handled::new(Outcome::Quarantined, reason)),
        };
        let candidates = token_candidates(mail, &self.settings.desk.address);
        let letter = tx.letter_of_token(Purpose::Reply, &candidates).await?;
        let kind = letter.as_ref().map(|letter| letter.kind);
        let verdict = classify(mail, kind, &self.settings.desk, &self.rules);
        step("before-decide");
        if attempt.is_old {
            return Ok(old(&verdict, mail));
        }
        self.follow(tx, &verdict, mail, letter, read.seen.received_at, now)
            .await
    }

    async fn follow(
        &self,
        tx: &mut Tx,
        classification: &Classification,
        mail: &Mail,
        letter: Option<LetterRef>,
        received_at: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Result<Handled> {
        match (&classification.verdict, letter) {
            (Verdict::Request(answerable), _) => {
                let passes = classification
                    .sender_auth
                    .aligned_pass_for(answerable.address());
                let class = if passes {
                    Class::Authenticated
                } else {
                    Class::Direct
                };
                let asked = Asked {
                    recipient: Recipient::author(answerable),
                    source: Source::Mail,
                    class,
                };
                self.ask(tx, &asked, Some(mail), received_at, now).await
            }
            (Verdict::FormEntry(entered), _) => {
                let asked = Asked {
                    recipient: Recipient::form_entry(entered),
                    source: Source::Form,
                    class: Class::Form,
                };
                self.ask(tx, &asked, Some(mail), received_at, now).await
            }
            (Verdict::Answer(answer), Some(letter)) => {
                self.answer(tx, *answer, mail, &letter, now).await
            }
            (Verdict::Bounce, Some(letter)) => self.bounce(tx, &letter, now).await,
            (Verdict::ForStaff(why), _) => {
                let known =
                    *why == ForStaff::PossibleRequest && self.has_open_case(tx, mail).await?;
                Ok(match known {
                    true => for_staff("later-mail", None, mail),
                    false => for_staff(why.as_str(), proposal(*why, mail), mail),
                })
            }
            // A mail of a requester without a token: a hint for staff, never into the case.
            (Verdict::LeftAlone(LeftAlone::NotARequest), _)
                if self.has_open_case(tx, mail).await? =>
            {
                Ok(for_staff("later-mail", None, mail))
            }
            (Verdict::LeftAlone(why), _) => Ok(Handled::new(Outcome::LeftAlone, why.as_str())),
            // Without its letter an answer or a bounce is nothing that we know.
            (Verdict::Answer(_) | Verdict::Bounce, None) => {
                Ok(for_staff("answer-unclear", None, mail))
            }
        }
    }

    async fn has_open_case(&self, tx: &mut Tx, mail: &Mail) -> Result<bool> {
        match mail.author.address() {
            Some(author) => Ok(tx.open_case_for(author).await?.is_some()),
            None => Ok(false),
        }
    }

    /// A request for an address: opens a case, joins one, or goes to staff.
    pub(super) async fn ask(
        &self,
        tx: &mut Tx,
        asked: &Asked,
        mail: Option<&Mail>,
        received_at: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Result<Handled> {
        let address = asked.recipient.address();
        let proposed = Handled {
            proposed: Some(address.clone()),
            excerpt: mail.map(excerpt),
            ..Handled::new(Outcome::WouldAsk, "would-ask")
        };
        if self.settings.mode == Mode::Observe {
            return Ok(proposed);
        }
        let in_reply_to = mail
            .and_then(echoable_message_id)
            .filter(|_| asked.source == Source::Mail);
        let decided = tx
            .happen(
                &Happening {
                    in_reply_to: in_reply_to.as_deref(),
                    class: Some(asked.class),
                    ..Happening::new(
                        Event::RequestReceived {
                            source: asked.source,
                            received_at,
                        },
                        About::Address(&asked.recipient),
                    )
                },
                &self.settings.policy,
                self.settings.release(),
                now,
            )
            .await?;
        let outcome = match decided.decision.reason {
            Reason::VerificationRequested | Reason::VerificationDeferred => Outcome::Opened,
            // Perhaps an answer whose client dropped the token: then it must not go unseen.
            Reason::AlreadyAsked if mail.is_some_and(is_answer) => Outcome::ForStaff,
            Reason::VerificationRepeated | Reason::AlreadyAsked => Outcome::Joined,
            Reason::RepeatNoted => Outcome::Noted,
            _ => Outcome::ForStaff,
        };
        let handled = Handled {
            outcome,
            ..about(&decided)
        };
        Ok(match outcome {
            Outcome::ForStaff if decided.decision.reason == Reason::AlreadyAsked => Handled {
                reason: "later-mail".to_owned(),
                excerpt: proposed.excerpt,
                ..handled
            },
            Outcome::ForStaff => Handled {
                proposed: proposed.proposed,
                excerpt: proposed.excerpt,
                ..handled
            },
            _ => handled,
        })
    }

    /// An answer counts from the address that the letter went to, and only while its token is
    /// young.
    async fn answer(
        &self,
        tx: &mut Tx,
        answer: Answer,
        mail: &Mail,
        letter: &LetterRef,
        now: DateTime<Utc>,
    ) -> Result<Handled> {
        let case = match letter.case {
            Some(id) => tx.case(id).await?,
            None => None,
        };
        let Some(case) = case else {
            return Ok(for_staff("later-mail", None, mail));
        };
        let to_staff = |reason| Handled {
            case: Some(case.id),
            ..for_staff(reason, None, mail)
        };
        let asked = case.subject.as_ref().zip(mail.author.address());
        if !asked.is_some_and(|(subject, author)| subject.same_mailbox(author)) {
            return Ok(to_staff("answer-from-another-address"));
        }
        let means = Means::Reply;
        let event = match (letter.kind, answer) {
            (LetterKind::VerificationRequest, Answer::Yes) => {
                Event::Confirmed { means, role: None }
            }
            (LetterKind::VerificationRequest, Answer::No) => Event::Disowned { means },
            (
                LetterKind::VerificationRequest
                | LetterKind::RequestConfirmed
                | LetterKind::NotOurs,
                Answer::Withdraw,
            ) => Event::Withdrawn { means },
            (LetterKind::VerificationRequest, Answer::Unclear) => {
                return Ok(to_staff("answer-unclear"));
            }
            _ => return Ok(to_staff("later-mail")),
        };
        let days = Duration::days(self.settings.policy.verification_days.into());
        let is_verification = letter.kind == LetterKind::VerificationRequest;
        if is_verification && letter.released_at.is_none_or(|at| now >= at + days) {
            return Ok(to_staff("answer-too-late"));
        }
        let in_reply_to = echoable_message_id(mail);
        let happening = Happening {
            in_reply_to: in_reply_to.as_deref(),
            ..Happening::new(event, About::Case(case.id))
        };
        let decided = tx
            .happen(
                &happening,
                &self.settings.policy,
                self.settings.release(),
                now,
            )
            .await?;
        let outcome = match decided.decision.reason {
            Reason::AddressConfirmed => Outcome::Confirmed,
            Reason::NotRequested | Reason::RequestWithdrawn => Outcome::Ended,
            Reason::AlreadyConfirmed => Outcome::Joined,
            _ => return Ok(to_staff("later-mail")),
        };
        Ok(Handled {
            outcome,
            ..about(&decided)
        })
    }

    async fn bounce(&self, tx: &mut Tx, letter: &LetterRef, now: DateTime<Utc>) -> Result<Handled> {
        tx.mark_bounced(letter.id).await?;
        let Some(case) = letter.case else {
            return Ok(Handled::new(Outcome::Bounced, "staff-letter-bounced"));
        };
        let event = Event::LetterFailed {
            letter: letter.kind,
        };
        let happening = Happening::new(event, About::Case(case));
        let decided = tx
            .happen(
                &happening,
                &self.settings.policy,
                self.settings.release(),
                now,
            )
            .await?;
        Ok(Handled {
            outcome: Outcome::Bounced,
            ..about(&decided)
        })
    }
}

/// A request on its way to a case.
pub(super) struct Asked {
    pub(super) recipient: Recipient,
    pub(super) source: Source,
    pub(super) class: Class,
}

fn about(decided: &Decided) -> Handled {
    let case = decided.case.as_ref().map(|(id, _)| *id);
    Handled {
        case,
        ..Handled::new(Outcome::LeftAlone, decided.decision.reason.as_str())
    }
}

fn for_staff(reason: &str, proposed: Option<EmailAddress>, mail: &Mail) -> Handled {
    Handled {
        proposed,
        excerpt: Some(excerpt(mail)),
        ..Handled::new(Outcome::ForStaff, reason)
    }
}

/// Old mail is never answered; what looks like a request is shown to staff.
fn old(classification: &Classification, mail: &Mail) -> Handled {
    let proposed = match &classification.verdict {
        Verdict::Request(answerable) => Some(answerable.address().clone()),
        Verdict::FormEntry(entered) => Some(entered.clone()),
        Verdict::ForStaff(why) => proposal(*why, mail),
        Verdict::Answer(_) | Verdict::Bounce | Verdict::LeftAlone(_) => {
            return Handled::new(Outcome::Old, OLD);
        }
    };
    for_staff(OLD, proposed, mail)
}

/// Whom staff may open a case for: a suggestion, whatever it is.
fn proposal(why: ForStaff, mail: &Mail) -> Option<EmailAddress> {
    match why {
        ForStaff::PossibleRequest | ForStaff::NamesAnotherAddress => mail.author.address().cloned(),
        ForStaff::ForwardedByStaff => text::addresses(&mail.body.quoted).into_iter().next(),
        ForStaff::FormNotAuthenticated => text::addresses(&mail.body.own).into_iter().next(),
        ForStaff::FormWithoutAddress | ForStaff::NoSingleAuthor => None,
    }
}

/// Whether somebody answered with it, by header or subject.
fn is_answer(mail: &Mail) -> bool {
    mail.headers.first("in-reply-to").is_some() || mail.subject.to_lowercase().starts_with("re:")
}

/// The subject and the beginning of what a mail says, on one line.
fn excerpt(mail: &Mail) -> String {
    let own = if mail.body.own.trim().is_empty() {
        &mail.body.quoted
    } else {
        &mail.body.own
    };
    let text = format!("{}: {own}", mail.subject);
    let words: Vec<&str> = text.split_whitespace().collect();
    let line = words.join(" ");
    let short: String = line.chars().take(EXCERPT_CHARS_MAX).collect();
    if short.len() < line.len() {
        format!("{short}…")
    } else {
        short
    }
}

fn is_storage_error(why: &anyhow::Error) -> bool {
    why.chain().any(|cause| cause.is::<sqlx::Error>())
}
