//! Letters leave the desk: released within their budgets, composed once, claimed, settled.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::thread;

use anyhow::Result;
use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use tracing::{error, info, warn};

use super::digest::brief;
use super::{Bot, is_storage_error};
use crate::case::deadline::day_of;
use crate::case::identity::{Show, card};
use crate::case::{Event, Letter, LetterKind};
use crate::compose::message::{ComposeError, Draft};
use crate::compose::{Outgoing, compose};
use crate::config::{MailCommands, Mode};
use crate::mail::EmailAddress;
use crate::step::step;
use crate::store::attempts::{End, Settled};
use crate::store::cases::StoredCase;
use crate::store::commit::{About, Happening};
use crate::store::outbox::{Audience, Budget, Class, Due};
use crate::store::{CaseId, Tx};
use crate::submission::Parcel;
use crate::trouble::{Failure, Trouble};

/// Letters that one worker takes at a time. Whatever is claimed when the process dies counts as
/// perhaps sent, and is tried once more, alone.
const LETTERS_AT_ONCE: usize = 50;
/// Letters from which on a second thread helps to compose them.
const WORTH_A_THREAD: usize = 8;

impl Bot {
    /// Lets letters go that may go, and starts the days of verifications. `true` when it
    /// wrote anything.
    pub(super) async fn release(&self, tx: &mut Tx) -> Result<bool> {
        let now = self.clock.now();
        let limits = &self.settings.limits;
        let whole = |max| Budget { class_max: max, origin_max: max };
        let budget_of = |class| match class {
            Class::Authenticated => whole(limits.authenticated_per_day_max),
            Class::Direct => whole(limits.direct_per_day_max),
            // As many forms as there are, each with its own.
            Class::Form => Budget { class_max: u32::MAX, origin_max: limits.forms_per_day_max },
            Class::Page => Budget {
                class_max: limits.page_per_day_max,
                origin_max: limits.page_per_network_per_day_max,
            },
        };
        let released = tx.release_due(budget_of, self.audience(), now).await?;
        let asked = released.letters.iter();
        let asked = asked.filter(|(kind, _)| *kind == LetterKind::VerificationRequest);
        let asked: Vec<CaseId> = asked.filter_map(|(_, case)| *case).collect();
        if !asked.is_empty() {
            tx.begin_batch_about(&asked).await?;
            for case in &asked {
                let happening = Happening::new(Event::VerificationReleased, About::Case(*case));
                tx.happen(&happening, &self.settings.terms(), now).await?;
            }
            tx.end_batch().await?;
        }
        for (class, used) in released.used.iter().filter(|_| !released.letters.is_empty()) {
            let budget = budget_of(*class);
            let max = budget.class_max.min(match class {
                Class::Form => budget.origin_max,
                _ => budget.class_max,
            });
            self.warn_of_budget(tx, *class, *used, max).await?;
        }
        Ok(released.wrote)
    }

    fn audience(&self) -> Audience {
        match self.settings.mode {
            Mode::Observe => Audience::Staff,
            Mode::Approve | Mode::Live => Audience::Everybody,
        }
    }

    /// Staff hear once a day when half of a class's budget is used.
    async fn warn_of_budget(
        &self,
        tx: &mut Tx,
        class: Class,
        used: u32,
        budget: u32,
    ) -> Result<()> {
        if budget == 0 || used * 2 < budget {
            return Ok(());
        }
        let now = self.clock.now();
        let mark = format!("budget_warned_{}", class.as_str());
        let warned_at = tx.mark_at(&mark).await?;
        let recently = warned_at.is_some_and(|at| now - at < chrono::Duration::hours(24));
        if recently {
            return Ok(());
        }
        tx.set_mark_at(&mark, now).await?;
        let what = format!(
            "{used} of {budget} first verification mails of the class \"{}\" were sent in the last 24 hours. \
             Over the budget, requests wait; none is lost.",
            class.as_str()
        );
        let remedy = "Look at what came in with `deletion-desk cases list`. If the requests are real, raise the budget \
                      under [limits] in bot.toml; if a robot fills in the form, stop it there.";
        let letter = Letter::alarm("half of a daily budget is used", &what, remedy);
        self.write_to_all_staff(tx, &letter).await
    }

    pub(super) async fn write_to_all_staff(&self, tx: &mut Tx, letter: &Letter) -> Result<()> {
        for member in &self.settings.members {
            tx.write_to_staff(letter, None, &member.address, self.clock.now()).await?;
        }
        Ok(())
    }

    /// Gives due letters to workers that wait for some.
    pub(super) async fn hand_out_letters(&mut self) -> Result<()> {
        self.idle.retain(|worker| !worker.is_closed());
        while self.watch.is_whole()
            && !*self.stopping.borrow()
            && let Some(worker) = self.idle.pop()
        {
            let parcels = match self.room().min(LETTERS_AT_ONCE) {
                0 => Vec::new(),
                room => match self.claim_letters(room).await {
                    Ok(parcels) => parcels,
                    Err(why) => {
                        self.idle.push(worker);
                        if is_storage_error(&why) {
                            return Err(why);
                        }
                        self.submission_failed(Failure::of(&why));
                        return Ok(());
                    }
                },
            };
            if parcels.is_empty() {
                self.idle.push(worker);
                break;
            }
            self.in_hand += parcels.len();
            self.handed_out_at.extend(parcels.iter().map(|_| self.clock.now()));
            if let Err(parcels) = worker.send(parcels) {
                self.in_hand -= parcels.len();
                let gone = Failure::new(Trouble::Unexpected, "the worker has gone");
                let not_tried = End::NotTried(gone);
                let ends: Vec<_> =
                    parcels.iter().map(|parcel| (parcel.id, not_tried.clone())).collect();
                self.settle(&ends).await?;
            }
        }
        Ok(())
    }

    /// How many letters the provider's measure has room for (`smtp.per_minute`).
    fn room(&mut self) -> usize {
        if self.throttle.rests(self.clock.now()) {
            return 0;
        }
        let Some(per_minute) = self.settings.per_minute else {
            self.handed_out_at.clear();
            return usize::MAX;
        };
        let now = self.clock.now();
        self.handed_out_at.retain(|at| (now - *at).abs() < chrono::Duration::minutes(1));
        (per_minute.get() as usize).saturating_sub(self.handed_out_at.len())
    }

    /// Releases what may go, and counts an attempt for each letter it returns.
    ///
    /// # Errors
    /// Storage errors.
    pub async fn claim_letters(&self, count_max: usize) -> Result<Vec<Parcel>> {
        let now = self.clock.now();
        let mut tx = self.store.begin().await?;
        let released = self.release(&mut tx).await?;
        let due = tx.due_letters(count_max, self.audience(), now).await?;
        if due.is_empty() {
            if released {
                tx.commit().await?;
            }
            return Ok(Vec::new());
        }
        let cases: Vec<CaseId> = due.iter().filter_map(|letter| letter.case).collect();
        let cases = tx.cases_of(&cases).await?;
        let mut to_write = Vec::with_capacity(due.len());
        for mut letter in due {
            let stored = letter.case.and_then(|id| cases.get(&id));
            if let Some(stored) = stored.filter(|_| letter.letter.kind.is_for_staff())
                && letter.outgoing.is_none()
            {
                letter.letter = self.briefed(&letter.letter, stored.clone()).await?;
            }
            to_write.push((letter, stored));
        }
        let written = in_halves(&to_write, |(letter, stored)| {
            // One that cannot be composed stops no other.
            let composed = catch_unwind(AssertUnwindSafe(|| self.composed(letter, *stored, now)));
            composed
                .unwrap_or_else(|_| Err(ComposeError::Message("it broke off".to_owned())))
                .map(|outgoing| (self.parcel(letter, &outgoing), (letter.id, outgoing)))
        });
        let (mut parcels, mut claimed) = (Vec::new(), Vec::new());
        for ((letter, _), written) in to_write.iter().zip(written) {
            match written {
                Ok((parcel, outgoing)) => {
                    parcels.extend(parcel);
                    claimed.push(outgoing);
                }
                Err(why) => {
                    error!(letter = letter.id, %why, "a letter cannot be composed");
                    tx.refuse(letter.id, &why.to_string(), now).await?;
                    self.letter_failed(&mut tx, letter.letter.kind, letter.case).await?;
                }
            }
        }
        tx.claim(&claimed).await?;
        step("before-claim");
        tx.commit().await?;
        step("after-claim");
        Ok(parcels)
    }

    /// The bytes that were fixed before, or those of now.
    fn composed(
        &self,
        due: &Due,
        stored: Option<&StoredCase>,
        now: DateTime<Utc>,
    ) -> Result<Outgoing, ComposeError> {
        if let Some(outgoing) = &due.outgoing {
            return Ok(outgoing.clone());
        }
        let language = &self.settings.identity.language;
        let draft = Draft {
            letter: &due.letter,
            case: stored.map(|stored| &stored.case),
            to: &due.to,
            nonce: &due.nonce,
            in_reply_to: due.in_reply_to.as_deref(),
            language: stored.map_or(language, |stored| &stored.language),
        };
        compose(&draft, &self.settings.identity, &self.templates, now)
    }

    /// A letter to staff about a case, with what there is to know of it now.
    async fn briefed(&self, letter: &Letter, stored: StoredCase) -> Result<Letter> {
        let (policy, now) = (&self.settings.policy, self.clock.now());
        let brief = brief(&self.store, &self.settings, stored).await?;
        let case = &brief.stored.case;
        let masked = brief.stored.subject.as_ref().map(EmailAddress::masked).unwrap_or_default();
        let card: Vec<Value> =
            card(case, &masked, &brief.seen, &brief.finding, policy.zone, Show::Masked)
                .into_iter()
                .map(|(what, text)| json!({ "what": what, "text": text }))
                .collect();
        let mut letter = letter.clone();
        if let Some(values) = letter.values.as_object_mut() {
            let commands = self.settings.mail_commands != MailCommands::Off;
            values.insert("case".to_owned(), brief.lines(policy, day_of(now, policy.zone)));
            values.insert("card".to_owned(), card.into());
            values.insert("commands".to_owned(), commands.into());
        }
        Ok(letter)
    }

    fn parcel(&self, due: &Due, outgoing: &Outgoing) -> Option<Parcel> {
        let (return_path, bytes) = outgoing.filled(self.store.key(), due.letter.kind, &due.nonce);
        let return_path = EmailAddress::parse(&return_path).ok()?;
        Some(Parcel { id: due.id, return_path, to: outgoing.to.clone(), bytes })
    }

    /// Records how attempts ended; what can never arrive becomes an event of its case.
    ///
    /// # Errors
    /// Storage errors.
    pub async fn settle(&self, ends: &[(i64, End)]) -> Result<()> {
        step("before-settle");
        let now = self.clock.now();
        let mut tx = self.store.begin().await?;
        let submitted: Vec<i64> =
            ends.iter().filter(|(_, end)| *end == End::Submitted).map(|(id, _)| *id).collect();
        tx.settle_submitted(&submitted, now).await?;
        for (id, end) in ends {
            if *end == End::Submitted {
                info!(letter = id, "letter submitted");
                continue;
            }
            let settled = tx.settle(*id, end, self.settings.limits.attempts_max, now).await?;
            match (&settled, end) {
                // Said once for all letters, by `learn_from`.
                (Settled::Later, End::NotTried(_) | End::NotTaken(_) | End::Throttled(_)) => {}
                (Settled::Later, End::Temporary(why) | End::Uncertain(why)) => {
                    warn!(letter = id, %why, "letter not submitted yet; it will be tried again");
                }
                _ => warn!(letter = id, ?settled, "letter not submitted"),
            }
            if let Settled::Failed(letter, case) = settled {
                self.letter_failed(&mut tx, letter, case).await?;
            }
        }
        tx.commit().await?;
        step("after-settle");
        Ok(())
    }

    async fn letter_failed(
        &self,
        tx: &mut Tx,
        letter: LetterKind,
        case: Option<CaseId>,
    ) -> Result<()> {
        let Some(case) = case.filter(|_| !letter.is_for_staff()) else { return Ok(()) };
        let happening = Happening::new(Event::LetterFailed { letter }, About::Case(case));
        tx.happen(&happening, &self.settings.terms(), self.clock.now()).await?;
        Ok(())
    }
}

/// Does the same with each, on two threads when they are many.
fn in_halves<T: Sync, R: Send>(all: &[T], each: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let (others, mine) = all.split_at(if all.len() < WORTH_A_THREAD { 0 } else { all.len() / 2 });
    thread::scope(|scope| {
        let begun = (!others.is_empty())
            .then(|| scope.spawn(|| others.iter().map(&each).collect::<Vec<R>>()));
        let mine: Vec<R> = mine.iter().map(&each).collect();
        let mut done = match begun.map(|begun| begun.join()) {
            Some(Ok(done)) => done,
            Some(Err(panic)) => resume_unwind(panic),
            None => Vec::new(),
        };
        done.extend(mine);
        done
    })
}
