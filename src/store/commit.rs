//! The one way to change a case: facts, decision, journal, case and letters, all in one
//! transaction. Mail, page, clock and command line come through here alike.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result};
use chrono::{DateTime, Duration, Utc};
use serde_json::json;

use super::cases::StoredCase;
use super::journal::NewEntry;
use super::outbox::{Class, Hold, NewLetter};
use super::{CaseId, Tx, random};
use crate::case::authority::Member;
use crate::case::identity::{Deed, Evidence};
use crate::case::state::evolve;
use crate::case::work::StaffRole;
use crate::case::{
    Case, Change, Decision, Event, Facts, Letter, LetterKind, Policy, Recipient, Source, State,
    decide,
};
use crate::step::step;

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

/// The decision, and the case after it when anything follows from it.
fn decided(
    case: Option<&Case>,
    event: &Event,
    facts: &Facts,
    policy: &Policy,
    now: DateTime<Utc>,
) -> (Decision, Option<Case>) {
    step("before-decide");
    let decision = decide(case, event, facts, policy, now);
    step("after-decide");
    let after = evolve(case.cloned(), &decision.change);
    let changes =
        decision.change != Change::default() || !decision.letters.is_empty() || decision.suppress;
    (decision, after.filter(|_| changes))
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
        self.forget_outside_batch();
        let policy = terms.policy;
        let before = match happening.about {
            About::Case(id) => self.known_case(id).await?,
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
        let (decision, after) = decided(case, &happening.event, &facts, policy, now);
        let Some(after) = after else {
            let case = before.map(|stored| (stored.id, stored.case));
            return Ok(Decided { case, decision });
        };
        let id = match (id, &recipient) {
            (Some(id), _) => {
                self.update_case(id, &after, policy)?;
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
            self.note_evidence(id, deed, evidence, now)?;
        }
        let left_verification = case.is_some_and(|case| case.state == State::AwaitingVerification)
            && after.state != State::AwaitingVerification;
        self.cancel(&decision, id, left_verification).await?;
        self.write_letters(happening, &decision, id, recipient.as_ref(), terms, now).await?;
        self.tell_staff(&decision, id, &after, terms, now)?;
        self.suppress_or_lift(&decision, recipient.as_ref(), now).await?;
        if let Some(what) = decision.forget {
            self.write_rows().await?;
            self.forget_case(id, &after.reference, what).await?;
        }
        if let (true, Some(recipient)) = (self.in_batch, &recipient) {
            let language = before.map_or(happening.language.to_owned(), |one| one.language);
            let subject = Some(recipient.address().clone());
            self.remember(StoredCase { id, case: after.clone(), subject, language });
        } else {
            self.write_rows().await?;
        }
        Ok(Decided { case: Some((id, after)), decision })
    }

    /// Takes letters back that wait: those of the decision, and what asked for the
    /// verification that is over.
    async fn cancel(&mut self, decision: &Decision, id: CaseId, verified: bool) -> Result<()> {
        let asks: &[LetterKind] = match verified {
            true => &[LetterKind::VerificationRequest, LetterKind::VerificationReminder],
            false => &[],
        };
        for kind in decision.cancel.iter().chain(asks) {
            self.write_rows().await?;
            self.cancel_letters(id, *kind).await?;
            self.known.forget();
        }
        Ok(())
    }

    async fn suppress_or_lift(
        &mut self,
        decision: &Decision,
        recipient: Option<&Recipient>,
        now: DateTime<Utc>,
    ) -> Result<()> {
        let Some(recipient) = recipient else { return Ok(()) };
        if !decision.suppress && !decision.lift {
            return Ok(());
        }
        let key = self.key.address_key(recipient.address());
        self.write_rows().await?;
        if decision.suppress {
            self.suppress(&key, now).await?;
        }
        if decision.lift {
            self.lift_suppression(&key).await?;
        }
        self.known.forget();
        Ok(())
    }

    /// Letters about the case to those of the staff whom the decision names.
    fn tell_staff(
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
                self.queue_to_staff(&letter, Some(id), &member.address, now)?;
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
            self.queue_letter(&new, now)?;
        }
        Ok(())
    }

    async fn was_written_to(&mut self, to: &Recipient) -> Result<bool> {
        let known = self.known_address(to.address()).await?;
        Ok(known.letters.iter().any(|letter| letter.status == "submitted"))
    }

    async fn facts(
        &mut self,
        case: Option<CaseId>,
        recipient: Option<&Recipient>,
        now: DateTime<Utc>,
    ) -> Result<Facts> {
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
        let known = self.known_address(recipient.address()).await?;
        facts.suppressed = known.suppressed;
        let a_week_ago = now - Duration::days(7);
        for letter in known.letters.iter().filter(|letter| !letter.to_staff) {
            let of_case = case.is_some() && letter.case == case;
            if letter.at <= a_week_ago && !of_case {
                continue;
            }
            if of_case {
                facts.written.insert(letter.kind);
                let waits = ["waiting", "claimed", "uncertain"].contains(&letter.status.as_str());
                // A verification is on its way until the server has it; a letter that can be
                // undone, only until it was released.
                if waits && (letter.kind.asks_to_confirm() || !letter.has_left) {
                    facts.on_desk.insert(letter.kind);
                }
            }
            if letter.kind.asks_to_confirm() {
                facts.verifications_at.push(letter.at);
            }
            facts.automatic_at.push(letter.at);
        }
        Ok(facts)
    }
}
