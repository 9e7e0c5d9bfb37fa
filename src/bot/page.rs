//! Buttons on the page: each is an event like any other.

use anyhow::Result;
use chrono::{DateTime, Duration, Utc};

use super::Bot;
use super::follow::Asked;
use super::staff::{Acted, Step, staff_token};
use crate::case::authority::{Way, authorize};
use crate::case::identity::{Deed, Evidence};
use crate::case::verification::Purpose;
use crate::case::{Event, LetterKind, Means, Reason, Recipient, Role, Source};
use crate::mail::EmailAddress;
use crate::mailbox::Seen;
use crate::store::commit::{About, Happening};
use crate::store::inbox::Traits;
use crate::store::outbox::Class;

/// What somebody pressed. Each but the first carries the token of its link.
#[derive(Debug)]
pub enum PageAct {
    /// The form: please delete the data under this address.
    Ask {
        /// The address.
        address: EmailAddress,
        /// The language of the page it was entered on.
        language: String,
        /// Keyed hash of the visitor's network: the budget it counts in.
        network: String,
    },
    /// Confirm, as this role.
    Confirm(String, Role, Evidence),
    /// I did not ask for this.
    Disown(String),
    /// Correct who is asking.
    CorrectRole(String, Role),
    /// Withdraw.
    Withdraw(String),
    /// Staff, on their page of a case or message.
    Staff {
        /// The case or message.
        about: String,
        /// The token of the link.
        token: String,
        /// What they pressed.
        step: Step,
    },
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
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
    /// To staff: what came of it.
    Staff(Acted),
}

/// The name under which entries of our own form are kept beside the mailbox's messages.
const PAGE: &str = "page";

impl Bot {
    /// Decides on a press and commits it.
    ///
    /// # Errors
    /// Storage errors.
    pub async fn press(&self, act: PageAct) -> Result<PageAnswer> {
        crate::step::step("before-press");
        let answer = self.decide_on_press(act).await;
        crate::step::step("after-press");
        answer
    }

    async fn decide_on_press(&self, act: PageAct) -> Result<PageAnswer> {
        let now = self.clock.now();
        let means = Means::Page;
        match act {
            PageAct::Ask { address, language, network } => {
                self.ask_by_form(&address, language, network, now).await
            }
            PageAct::Confirm(token, role, seen) => {
                let event = Event::Confirmed { means, role: Some(role) };
                self.press_with_token(&token, event, Some(&seen), now).await
            }
            PageAct::Disown(token) => {
                self.press_with_token(&token, Event::Disowned { means }, None, now).await
            }
            PageAct::CorrectRole(token, role) => {
                self.press_with_token(&token, Event::RoleChanged { role }, None, now).await
            }
            PageAct::Withdraw(token) => {
                self.press_with_token(&token, Event::Withdrawn { means }, None, now).await
            }
            PageAct::Staff { about, token, step } => {
                self.press_of_staff(&about, &token, step, now).await
            }
        }
    }

    async fn ask_by_form(
        &self,
        address: &EmailAddress,
        language: String,
        network: String,
        now: DateTime<Utc>,
    ) -> Result<PageAnswer> {
        let asked = Asked {
            recipient: Recipient::form_entry(address),
            source: Source::Page,
            class: Class::Page,
            origin: network,
            language,
            evidence: Evidence::default(),
        };
        let mut tx = self.store.begin().await?;
        let seen = Seen { key: tx.fresh_key()?, size: 0, received_at: now };
        let attempts = tx.begin_messages(PAGE, &[seen]).await?;
        let handled = self.ask(&mut tx, &asked, None, now, now).await?;
        for attempt in attempts {
            tx.finish_message(attempt.id, Traits::default(), &handled, now).await?;
        }
        tx.commit().await?;
        Ok(PageAnswer::Taken)
    }

    async fn press_with_token(
        &self,
        token: &str,
        event: Event,
        seen: Option<&Evidence>,
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
        // correcting stay possible until the case ends.
        let needs_young = matches!(event, Event::Confirmed { .. } | Event::Disowned { .. });
        if needs_young && (!is_young || !letter.kind.asks_to_confirm()) {
            return Ok(PageAnswer::NotPossible);
        }
        let happening = Happening {
            evidence: seen.map(|seen| (Deed::Confirmed, seen)),
            ..Happening::new(event, About::Case(case))
        };
        let decided = tx.happen(&happening, &self.settings.terms(), now).await?;
        tx.commit().await?;
        let just_now = match decided.decision.reason {
            Reason::AlreadyConfirmed | Reason::AlreadyClosed | Reason::NotConfirmedYet => false,
            Reason::ConfirmedTooLate => return Ok(PageAnswer::NotPossible),
            _ => true,
        };
        Ok(PageAnswer::Done { just_now })
    }

    async fn press_of_staff(
        &self,
        about: &str,
        token: &str,
        step: Step,
        now: DateTime<Utc>,
    ) -> Result<PageAnswer> {
        let mut tx = self.store.begin().await?;
        let letter = tx.letter_of_staff_token(about, token).await?;
        let found = staff_token(&mut tx, &self.settings, letter.as_ref()).await?;
        let way = Way::Page { token: found.as_ref(), posted: true };
        let (Ok(by), Some(found)) = (authorize(&way, about, now), found) else {
            return Ok(PageAnswer::NotPossible);
        };
        let (acted, _) = self.perform(&mut tx, (&found, by), about, step, now).await?;
        tx.commit().await?;
        Ok(PageAnswer::Staff(acted))
    }
}

/// Which letters link to the page of their case.
pub fn is_for_requester_page(kind: LetterKind) -> bool {
    match kind {
        LetterKind::VerificationRequest
        | LetterKind::VerificationReminder
        | LetterKind::RequestConfirmed
        | LetterKind::ProofRequest
        | LetterKind::NotOurs => true,
        LetterKind::ExtensionNotice
        | LetterKind::Refusal
        | LetterKind::StaffMessage
        | LetterKind::Completion
        | LetterKind::WithdrawalConfirmed
        | LetterKind::Digest
        | LetterKind::CaseConfirmed
        | LetterKind::Escalation
        | LetterKind::ActDone
        | LetterKind::ActRefused
        | LetterKind::Alarm => false,
    }
}
