//! The one way to change a case: facts, decision, journal, case and letters, all in one
//! transaction. Mail, page, clock and command line come through here alike.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result};
use chrono::{DateTime, Duration, Utc};
use serde_json::json;
use sqlx::Row;

use super::journal::NewEntry;
use super::outbox::{Class, Hold, NewLetter};
use super::{CaseId, Tx, instant, millis, random};
use crate::case::authority::Member;
use crate::case::identity::{Deed, Evidence};
use crate::case::state::evolve;
use crate::case::work::StaffRole;
use crate::case::{
    Case, Change, Decision, Event, Facts, Letter, LetterKind, Policy, Recipient, Source, State,
    decide,
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
    /// Where a form entry came from: its budget.
    pub origin: &'a str,
    /// The language that a new case is answered in.
    pub language: &'a str,
    /// What was seen when it happened.
    pub evidence: Option<(Deed, &'a Evidence)>,
}

impl<'a> Happening<'a> {
    /// An event that no mail and no person of staff brought.
    pub fn new(event: Event, about: About<'a>) -> Happening<'a> {
        Happening {
            event,
            about,
            in_reply_to: None,
            class: None,
            origin: "",
            language: "en",
            evidence: None,
        }
    }
}

/// By what events are decided: the configuration's part in it.
#[derive(Clone, Copy, Debug)]
pub struct Terms<'a> {
    /// What is promised and obeyed.
    pub policy: &'a Policy,
    /// How letters to requesters leave.
    pub release: Release,
    /// Who gets the letters to staff.
    pub members: &'a [Member],
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

/// Who of the staff did it, and what: told apart from the journal, deletable.
fn in_whose_name(happening: &Happening<'_>) -> Option<String> {
    match &happening.event {
        Event::Acted { by, act } => Some(format!("{} {}", by.who(), act.describe())),
        Event::RequestReceived { source: Source::Staff, .. } => {
            happening.evidence.and_then(|(_, seen)| seen.how.clone())
        }
        _ => None,
    }
}

/// Those of a role; without any, whoever stands in: the lead, the deputy, and else the officers.
pub fn members_for(members: &[Member], role: StaffRole) -> Vec<&Member> {
    let order = match role {
        StaffRole::Officer => [StaffRole::Officer, StaffRole::Deputy, StaffRole::Lead],
        StaffRole::Deputy => [StaffRole::Deputy, StaffRole::Lead, StaffRole::Officer],
        StaffRole::Lead => [StaffRole::Lead, StaffRole::Deputy, StaffRole::Officer],
    };
    let of = |role| members.iter().filter(|member| member.role == role).collect::<Vec<_>>();
    order.into_iter().map(of).find(|found| !found.is_empty()).unwrap_or_default()
}

impl Tx {
    /// Decides on an event and writes all that follows from it.
    ///
    /// # Errors
    /// Storage errors; nothing is written then once the transaction is dropped.
    pub async fn happen(
        &mut self,
        happening: &Happening<'_>,
        terms: &Terms<'_>,
        now: DateTime<Utc>,
    ) -> Result<Decided> {
        let policy = terms.policy;
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
                self.update_case(id, &after, policy).await?;
                id
            }
            (None, Some(recipient)) => {
                let address = recipient.address();
                self.insert_case(&after, address, happening.language, policy).await?
            }
            (None, None) => anyhow::bail!("A case was opened for nobody"),
        };
        let detail = in_whose_name(happening);
        self.append_journal(&NewEntry {
            reference: &after.reference,
            at: now,
            event: happening.event.as_str(),
            reason: decision.reason.as_str(),
            decided: &decision.change,
            detail: detail.as_deref(),
        })
        .await?;
        if let Some((deed, evidence)) = happening.evidence {
            self.note_evidence(id, deed, evidence, now).await?;
        }
        for kind in &decision.cancel {
            self.cancel_letters(id, *kind).await?;
        }
        self.write_letters(happening, &decision, id, recipient.as_ref(), terms, now).await?;
        self.tell_staff(&decision, id, &after, terms, now).await?;
        self.suppress_or_lift(&decision, recipient.as_ref(), now).await?;
        let left_verification = case.is_some_and(|case| case.state == State::AwaitingVerification)
            && after.state != State::AwaitingVerification;
        if left_verification {
            self.cancel_letters(id, LetterKind::VerificationRequest).await?;
            self.cancel_letters(id, LetterKind::VerificationReminder).await?;
        }
        if let Some(what) = decision.forget {
            self.forget_case(id, &after.reference, what).await?;
        }
        Ok(Decided { case: Some((id, after)), decision })
    }

    async fn suppress_or_lift(
        &mut self,
        decision: &Decision,
        recipient: Option<&Recipient>,
        now: DateTime<Utc>,
    ) -> Result<()> {
        let Some(recipient) = recipient else { return Ok(()) };
        let key = self.key.address_key(recipient.address());
        if decision.suppress {
            self.suppress(&key, now).await?;
        }
        if decision.lift {
            self.lift_suppression(&key).await?;
        }
        Ok(())
    }

    /// Letters about the case to those of the staff whom the decision names.
    async fn tell_staff(
        &mut self,
        decision: &Decision,
        id: CaseId,
        case: &Case,
        terms: &Terms<'_>,
        now: DateTime<Utc>,
    ) -> Result<()> {
        for (kind, role) in &decision.staff {
            let values = json!({ "news": decision.reason.as_str() });
            let letter = Letter::about_case(*kind, &case.reference, values);
            for member in members_for(terms.members, *role) {
                self.write_to_staff(&letter, Some(id), &member.address, now).await?;
            }
        }
        Ok(())
    }

    async fn write_letters(
        &mut self,
        happening: &Happening<'_>,
        decision: &Decision,
        case: CaseId,
        recipient: Option<&Recipient>,
        terms: &Terms<'_>,
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
                origin: happening.origin,
                hold: match (terms.release, letter.kind.can_be_undone()) {
                    (Release::OnApproval, _) => Some(Hold::Approval),
                    (Release::Freely, true) => Some(Hold::Undo),
                    (Release::Freely, false) => None,
                },
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
        const LETTERS: &str = "SELECT kind, coalesce(released_at, due_at) AS at, status, case_id, released_at FROM outbox \
            WHERE address_key = ?1 AND to_staff = 0 AND (coalesce(released_at, due_at) > ?2 OR case_id = ?3)";
        let mut facts = Facts {
            suppressed: false,
            verifications_at: Vec::new(),
            automatic_at: Vec::new(),
            written: BTreeSet::new(),
            on_desk: BTreeSet::new(),
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
            if status == "cancelled" {
                continue;
            }
            if case.is_some_and(|case| Some(case.0) == row.get("case_id")) {
                facts.written.insert(kind);
                let waits = ["waiting", "claimed", "uncertain"].contains(&status.as_str());
                let left = row.get::<Option<i64>, _>("released_at").is_some();
                // A verification is on its way until the server has it; a letter that can be
                // undone, only until it was released.
                if waits && (kind.asks_to_confirm() || !left) {
                    facts.on_desk.insert(kind);
                }
            }
            if kind.asks_to_confirm() {
                facts.verifications_at.push(instant(at));
            }
            facts.automatic_at.push(instant(at));
        }
        Ok(facts)
    }
}
