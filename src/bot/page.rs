//! Buttons on the page: each is an event like any other.

use anyhow::Result;
use chrono::{DateTime, Duration, Utc};

use super::Bot;
use super::follow::Asked;
use crate::case::verification::Purpose;
use crate::case::{Event, LetterKind, Means, Reason, Recipient, Role, Source};
use crate::mail::EmailAddress;
use crate::mailbox::Seen;
use crate::store::commit::{About, Happening};
use crate::store::outbox::Class;

/// What somebody pressed. Each but the first carries the token of its link.
#[derive(Debug)]
pub enum PageAct {
    /// The form: please delete the data under this address.
    Ask(EmailAddress),
    /// Confirm, as this role.
    Confirm(String, Role),
    /// I did not ask for this.
    Disown(String),
    /// Correct who is asking.
    CorrectRole(String, Role),
    /// Withdraw.
    Withdraw(String),
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PageAnswer {
    /// The form was taken; the same for every address.
    Taken,
    /// The case changed, or had changed before.
    Done {
        /// This very press changed it.
        just_now: bool,
    },
    /// The link is not, or no longer, good for that.
    NotPossible,
}

/// The name under which entries of our own form are kept beside the mailbox's messages.
const PAGE: &str = "page";

impl Bot {
    /// Decides on a press and commits it.
    ///
    /// # Errors
    /// Storage errors.
    pub async fn press(&self, act: PageAct) -> Result<PageAnswer> {
        let now = self.clock.now();
        let means = Means::Page;
        match act {
            PageAct::Ask(address) => self.ask_by_form(&address, now).await,
            PageAct::Confirm(token, role) => {
                self.press_with_token(&token, Event::Confirmed { means, role: Some(role) }, now)
                    .await
            }
            PageAct::Disown(token) => {
                self.press_with_token(&token, Event::Disowned { means }, now).await
            }
            PageAct::CorrectRole(token, role) => {
                self.press_with_token(&token, Event::RoleChanged { role }, now).await
            }
            PageAct::Withdraw(token) => {
                self.press_with_token(&token, Event::Withdrawn { means }, now).await
            }
        }
    }

    async fn ask_by_form(&self, address: &EmailAddress, now: DateTime<Utc>) -> Result<PageAnswer> {
        let asked = Asked {
            recipient: Recipient::form_entry(address),
            source: Source::Page,
            class: Class::Form,
        };
        let mut tx = self.store.begin().await?;
        let seen = Seen { key: tx.fresh_key()?, size: 0, received_at: now };
        let attempt = tx.begin_message(PAGE, &seen).await?;
        let handled = self.ask(&mut tx, &asked, None, now, now).await?;
        tx.finish_message(attempt.id, None, &handled, now).await?;
        tx.commit().await?;
        Ok(PageAnswer::Taken)
    }

    async fn press_with_token(
        &self,
        token: &str,
        event: Event,
        now: DateTime<Utc>,
    ) -> Result<PageAnswer> {
        let mut tx = self.store.begin().await?;
        let Some(letter) = tx.letter_of_token(Purpose::Link, &[token.to_owned()]).await? else {
            return Ok(PageAnswer::NotPossible);
        };
        let (Some(case), true) = (letter.case, is_for_requester_page(letter.kind)) else {
            return Ok(PageAnswer::NotPossible);
        };
        let days = Duration::days(self.settings.policy.verification_days.into());
        let is_young = letter.released_at.is_some_and(|at| now < at + days);
        // A verification's link confirms and declines only while it is young. Withdrawing and
        // correcting stay possible: they can only lessen what happens.
        let needs_young = matches!(event, Event::Confirmed { .. } | Event::Disowned { .. });
        if needs_young && (!is_young || letter.kind != LetterKind::VerificationRequest) {
            return Ok(PageAnswer::NotPossible);
        }
        let happening = Happening::new(event, About::Case(case));
        let decided =
            tx.happen(&happening, &self.settings.policy, self.settings.release(), now).await?;
        tx.commit().await?;
        let just_now = match decided.decision.reason {
            Reason::AlreadyConfirmed | Reason::AlreadyClosed | Reason::NotConfirmedYet => false,
            Reason::ConfirmedTooLate => return Ok(PageAnswer::NotPossible),
            _ => true,
        };
        Ok(PageAnswer::Done { just_now })
    }
}

/// Which letters link to the page of their case.
pub fn is_for_requester_page(kind: LetterKind) -> bool {
    match kind {
        LetterKind::VerificationRequest | LetterKind::RequestConfirmed | LetterKind::NotOurs => {
            true
        }
        LetterKind::Completion
        | LetterKind::WithdrawalConfirmed
        | LetterKind::Digest
        | LetterKind::Alarm => false,
    }
}
