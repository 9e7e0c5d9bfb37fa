//! The one way to change a case: facts, decision, journal, case and letters, all in one
//! transaction. Mail, page, clock and command line come through here alike.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result};
use chrono::{DateTime, Duration, Utc};
use sqlx::Row;

use super::journal::NewEntry;
use super::outbox::{Class, NewLetter};
use super::{CaseId, Tx, instant, millis, random};
use crate::case::state::evolve;
use crate::case::{
    Case, Change, Decision, Event, Facts, LetterKind, Policy, Recipient, State, decide,
};

/// Which case an event is about.
#[derive(Clone, Copy, Debug)]
pub enum About<'a> {
    /// This one.
    Case(CaseId),
    /// The open one for this address, or a new one.
    Address(&'a Recipient),
}

/// An event on its way to a decision.
#[derive(Clone, Debug)]
pub struct Happening<'a> {
    /// What happened.
    pub event: Event,
    /// To which case.
    pub about: About<'a>,
    /// The Message-ID of the mail that brought it, fit to be echoed.
    pub in_reply_to: Option<&'a str>,
    /// The budget that a first letter counts in.
    pub class: Option<Class>,
    /// Who acted and what they wrote, when it was staff; kept beside the journal, deletable.
    pub detail: Option<&'a str>,
}

impl<'a> Happening<'a> {
    /// An event that no mail and no person of staff brought.
    pub fn new(event: Event, about: About<'a>) -> Happening<'a> {
        Happening { event, about, in_reply_to: None, class: None, detail: None }
    }
}

/// What was decided and is now part of the transaction.
#[derive(Clone, Debug)]
pub struct Decided {
    /// The case afterwards, if there is one.
    pub case: Option<(CaseId, Case)>,
    /// The decision.
    pub decision: Decision,
}

/// How letters to requesters leave the desk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Release {
    /// By themselves.
    Freely,
    /// Each waits until a person approves it.
    OnApproval,
}

impl Tx {
    /// Decides on an event and writes all that follows from it.
    ///
    /// # Errors
    /// Storage errors; nothing is written then once the transaction is dropped.
    pub async fn happen(
        &mut self,
        happening: &Happening<'_>,
        policy: &Policy,
        release: Release,
        now: DateTime<Utc>,
    ) -> Result<Decided> {
        let before = match happening.about {
            About::Case(id) => self.case(id).await?,
            About::Address(recipient) => self.open_case_for(recipient.address()).await?,
        };
        let subject =
            before.as_ref().and_then(|stored| stored.subject.as_ref()).map(Recipient::of_case);
        let recipient = match (happening.about, subject) {
            (About::Address(recipient), None) => Some(recipient.clone()),
            (_, subject) => subject,
        };
        let id = before.as_ref().map(|stored| stored.id);
        let case = before.as_ref().map(|stored| &stored.case);
        let facts = self.facts(id, recipient.as_ref(), now).await?;
        let decision = decide(case, &happening.event, &facts, policy, now);
        let after = evolve(case.cloned(), &decision.change);
        let changes = decision.change != Change::default()
            || !decision.letters.is_empty()
            || decision.suppress;
        let Some(after) = after.filter(|_| changes) else {
            let case = before.map(|stored| (stored.id, stored.case));
            return Ok(Decided { case, decision });
        };
        let id = match (id, &recipient) {
            (Some(id), _) => {
                self.update_case(id, &after).await?;
                id
            }
            (None, Some(recipient)) => self.insert_case(&after, recipient.address(), "en").await?,
            (None, None) => anyhow::bail!("A case was opened for nobody"),
        };
        self.append_journal(&NewEntry {
            reference: &after.reference,
            at: now,
            event: happening.event.as_str(),
            reason: decision.reason.as_str(),
            decided: &decision.change,
            detail: happening.detail,
        })
        .await?;
        self.write_letters(happening, &decision, id, recipient.as_ref(), release, now).await?;
        if let (true, Some(recipient)) = (decision.suppress, &recipient) {
            let key = self.key.address_key(recipient.address());
            self.suppress(&key, now).await?;
        }
        if let (true, Some(recipient)) = (decision.lift, &recipient) {
            let key = self.key.address_key(recipient.address());
            self.lift_suppression(&key).await?;
        }
        let left_verification = case.is_some_and(|case| case.state == State::AwaitingVerification)
            && after.state != State::AwaitingVerification;
        if left_verification {
            self.cancel_verifications(id).await?;
        }
        Ok(Decided { case: Some((id, after)), decision })
    }

    async fn write_letters(
        &mut self,
        happening: &Happening<'_>,
        decision: &Decision,
        case: CaseId,
        recipient: Option<&Recipient>,
        release: Release,
        now: DateTime<Utc>,
    ) -> Result<()> {
        for (letter, not_before) in &decision.letters {
            let to = recipient.context("A letter to somebody whose address is forgotten")?;
            let first_time =
                letter.kind == LetterKind::VerificationRequest && !self.was_written_to(to).await?;
            let new = NewLetter {
                case: Some(case),
                letter,
                to,
                class: happening.class.filter(|_| first_time),
                needs_approval: release == Release::OnApproval,
                in_reply_to: happening.in_reply_to,
                not_before: *not_before,
            };
            self.write_letter(&new, now).await?;
        }
        Ok(())
    }

    async fn was_written_to(&mut self, to: &Recipient) -> Result<bool> {
        let key = self.key.address_key(to.address());
        let query = sqlx::query(
            "SELECT 1 FROM outbox WHERE address_key = ? AND status = 'submitted' LIMIT 1",
        );
        Ok(query.bind(key).fetch_optional(self.connection()).await?.is_some())
    }

    async fn facts(
        &mut self,
        case: Option<CaseId>,
        recipient: Option<&Recipient>,
        now: DateTime<Utc>,
    ) -> Result<Facts> {
        const LETTERS: &str = "SELECT kind, coalesce(released_at, due_at) AS at, status, case_id FROM outbox \
            WHERE address_key = ?1 AND (coalesce(released_at, due_at) > ?2 OR case_id = ?3)";
        let mut facts = Facts {
            suppressed: false,
            verifications_at: Vec::new(),
            automatic_at: Vec::new(),
            verification_waits: false,
            written: BTreeSet::new(),
            fresh_reference: random::reference()?,
        };
        let Some(recipient) = recipient else {
            return Ok(facts);
        };
        let key = self.key.address_key(recipient.address());
        facts.suppressed = self.is_suppressed(&key).await?;
        let rows = sqlx::query(LETTERS)
            .bind(&key)
            .bind(millis(now - Duration::days(7)))
            .bind(case.map(|case| case.0))
            .fetch_all(self.connection())
            .await?;
        for row in &rows {
            let Some(kind) = LetterKind::parse(row.get("kind")) else {
                continue;
            };
            let (at, status): (i64, String) = (row.get("at"), row.get("status"));
            if status == "cancelled" || kind.is_for_staff() {
                continue;
            }
            let of_this_case = case.is_some_and(|case| Some(case.0) == row.get("case_id"));
            let waits = status == "waiting" || status == "claimed";
            facts.verification_waits |=
                of_this_case && waits && kind == LetterKind::VerificationRequest;
            if of_this_case {
                facts.written.insert(kind);
            }
            if kind == LetterKind::VerificationRequest {
                facts.verifications_at.push(instant(at));
            }
            facts.automatic_at.push(instant(at));
        }
        Ok(facts)
    }
}
