//! Acts of staff: by whom, on what, with which answer. Page, mail and command line come here.

use anyhow::{Context as _, Result};
use chrono::{DateTime, Utc};
use serde_json::json;
use tracing::info;

use super::{Bot, Settings};
use crate::case::acts::still_open;
use crate::case::authority::StaffToken;
use crate::case::identity::{Deed, Evidence};
use crate::case::verification::TokenKey;
use crate::case::{
    Act, Authority, Event, Letter, LetterKind, Policy, Reason, Recipient, Reference, Source,
};
use crate::mail::EmailAddress;
use crate::store::cases::StoredCase;
use crate::store::commit::{About, Decided, Happening};
use crate::store::outbox::Class;
use crate::store::tokens::LetterRef;
use crate::store::{CaseId, Tx};

/// What came of an act.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Acted {
    /// It is done; in words, what.
    Done(String),
    /// Nothing changed; in words, why, and what to do.
    Refused(String),
}

/// The mark that says since when a person's tokens are void.
pub fn revoked_mark(key: &TokenKey, member: &EmailAddress) -> String {
    format!("staff_revoked_at {}", key.address_key(member))
}

/// What a letter to staff lets its reader do, if the reader is still listed.
pub fn token_of(
    letter: &LetterRef,
    settings: &Settings,
    key: &TokenKey,
    revoked_at: Option<DateTime<Utc>>,
) -> Option<StaffToken> {
    let staff = letter.staff.as_ref()?;
    let is_theirs = |address: &EmailAddress| key.address_key(address) == staff.member_key;
    let member = settings.members.iter().find(|member| is_theirs(&member.address))?;
    Some(StaffToken {
        member: member.address.clone(),
        name: member.name.clone(),
        released_at: letter.released_at?,
        revoked_at,
        about: staff.about.clone(),
    })
}

/// The same, read in a transaction.
///
/// # Errors
/// Storage errors.
pub async fn staff_token(
    tx: &mut Tx,
    settings: &Settings,
    letter: Option<&LetterRef>,
) -> Result<Option<StaffToken>> {
    let Some(letter) = letter else { return Ok(None) };
    let key = tx.key().clone();
    let Some(token) = token_of(letter, settings, &key, None) else { return Ok(None) };
    let revoked_at = tx.mark_at(&revoked_mark(&key, &token.member)).await?;
    Ok(Some(StaffToken { revoked_at, ..token }))
}

/// Does something with a case, in the name of somebody who may.
///
/// # Errors
/// Storage errors.
pub async fn act_on_case(
    tx: &mut Tx,
    settings: &Settings,
    stored: &StoredCase,
    by: Authority,
    act: Act,
    how: Option<&str>,
    now: DateTime<Utc>,
) -> Result<Acted> {
    let evidence = Evidence { how: how.map(str::to_owned), ..Evidence::default() };
    let did = act.describe();
    let channel = by.by();
    let event = Event::Acted { by, act: act.clone() };
    let happening = Happening {
        evidence: how.map(|_| (Deed::Confirmed, &evidence)),
        ..Happening::new(event, About::Case(stored.id))
    };
    let decided = tx.happen(&happening, &settings.terms(), now).await?;
    let reason = decided.decision.reason;
    if let Some(why) = why_not(reason, stored, &act, &settings.policy) {
        return Ok(Acted::Refused(why));
    }
    info!(case = %stored.case.reference, act = act.as_str(), by = channel.as_str(), "staff acted");
    Ok(Acted::Done(did))
}

/// Why an act changed nothing, in words; `None` when it changed something.
fn why_not(reason: Reason, stored: &StoredCase, act: &Act, policy: &Policy) -> Option<String> {
    let reference = &stored.case.reference;
    let items =
        || policy.scope.iter().map(|item| item.item.as_str()).collect::<Vec<_>>().join(", ");
    Some(match reason {
        Reason::NotConfirmedYet => format!(
            "{reference} is not confirmed: nobody has proved yet that the request is theirs"
        ),
        Reason::AlreadyClosed => format!("{reference} is closed already"),
        Reason::AlreadyConfirmed => format!("{reference} is so already"),
        Reason::NoProofWanted => format!("{reference} does not wait for an authorization"),
        Reason::ProofMissing => format!(
            "{reference} waits for an authorization; approve it first, or refuse the request"
        ),
        Reason::NotInWork => {
            format!("{reference} was sent to the business; first correct who is asking")
        }
        Reason::CaseOnHold => format!("{reference} is on hold; release it first"),
        Reason::NothingHeld => format!("nothing of {reference} is on hold"),
        Reason::NoGroundToHold => {
            "only law, tax, security and litigation are grounds to hold something".to_owned()
        }
        Reason::DayNotAhead => "the day to look again has to be after today".to_owned(),
        Reason::UnknownItem => format!("name items of the scope: {}", items()),
        Reason::AlreadyExtended => {
            format!("the dates of {reference} were extended before; once is all")
        }
        Reason::DatePassed => format!("a date of {reference} has passed; it is too late to extend"),
        Reason::TooLong => {
            "one or two months can be had (45 days under the CCPA: say 1 month)".to_owned()
        }
        Reason::ItemsOpen => open_in_words(stored, act, policy),
        Reason::KeptMissing => "say what is kept, and on which ground".to_owned(),
        Reason::KeptContradicts => "something is kept: say that it was completed partly".to_owned(),
        Reason::NothingToUndo => {
            format!("there is nothing to take back on {reference}, or its letter has left")
        }
        Reason::NothingToSee => format!("no letter of {reference} came back"),
        Reason::NoCase => "there is no such case".to_owned(),
        _ => return None,
    })
}

fn open_in_words(stored: &StoredCase, act: &Act, policy: &Policy) -> String {
    let Act::Complete { outcome, deleted, kept } = act else { return String::new() };
    let (_, open) = still_open(&stored.case, *outcome, deleted, kept, policy);
    format!(
        "these items are neither deleted nor kept on a ground: {}. Name a ground for each, or release what is held",
        open.join(", ")
    )
}

/// Who is told at once that an act was done.
pub struct Receipt<'a> {
    /// The person.
    pub member: &'a EmailAddress,
    /// What was done.
    pub did: &'a str,
    /// Whether it can still be taken back.
    pub undo: bool,
    /// More to say, such as the list of commands.
    pub text: &'a str,
}

/// Tells who acted what came of it; the answer to that letter can undo it.
///
/// # Errors
/// Storage errors.
pub async fn write_receipt(
    tx: &mut Tx,
    receipt: &Receipt<'_>,
    case: Option<(CaseId, &Reference)>,
    now: DateTime<Utc>,
) -> Result<()> {
    let values = json!({ "did": receipt.did, "undo": receipt.undo, "text": receipt.text });
    let letter = match case {
        Some((_, reference)) => Letter::about_case(LetterKind::ActDone, reference, values),
        None => Letter::with(LetterKind::ActDone, values),
    };
    tx.write_to_staff(&letter, case.map(|(id, _)| id), receipt.member, now).await
}

/// What staff ask for, on their page or by mail.
#[derive(Debug)]
pub enum Step {
    /// An act on the case; when it was identified another way, how.
    Act(Act, Option<String>),
    /// Open cases for what the message proposes: for this address, or for all.
    Open(Option<EmailAddress>),
    /// The message is no request.
    Dismiss,
}

impl Bot {
    /// Does a step on a case or message, and tells who asked for it when it is done.
    ///
    /// # Errors
    /// Storage errors.
    pub(super) async fn perform(
        &self,
        tx: &mut Tx,
        (token, by): (&StaffToken, Authority),
        about: &str,
        step: Step,
        now: DateTime<Utc>,
    ) -> Result<(Acted, Option<CaseId>)> {
        let undo = matches!(step, Step::Act(Act::Complete { .. } | Act::Refuse { .. }, _));
        let (acted, case) = match step {
            Step::Open(only) => {
                (self.open_proposed(tx, &by, about, only.as_ref(), now).await?, None)
            }
            Step::Dismiss => (dismiss(tx, &by, about, now).await?, None),
            Step::Act(act, how) => {
                let found = match Reference::parse(about) {
                    Some(reference) => tx.case_of_reference(&reference).await?,
                    None => None,
                };
                let Some(stored) = found else {
                    return Ok((Acted::Refused("There is no such case.".to_owned()), None));
                };
                let how = how.as_deref();
                let acted = act_on_case(tx, &self.settings, &stored, by, act, how, now).await?;
                (acted, Some((stored.id, stored.case.reference)))
            }
        };
        if let Acted::Done(did) = &acted {
            let receipt = Receipt { member: &token.member, did, undo, text: "" };
            let case = case.as_ref().map(|(id, reference)| (*id, reference));
            write_receipt(tx, &receipt, case, now).await?;
        }
        Ok((acted, case.map(|(id, _)| id)))
    }

    /// Opens cases for what a message proposes: for one of its addresses, or for all.
    async fn open_proposed(
        &self,
        tx: &mut Tx,
        by: &Authority,
        about: &str,
        only: Option<&EmailAddress>,
        now: DateTime<Utc>,
    ) -> Result<Acted> {
        let id = message_of(about).unwrap_or(0);
        let proposed = tx.proposals(id).await?;
        let gone =
            || Acted::Refused(format!("{about} proposes no address, or was taken up before"));
        let Some((addresses, received_at)) = proposed else { return Ok(gone()) };
        let wanted = addresses.iter().filter(|one| only.is_none_or(|only| only == *one));
        let mut opened = Vec::new();
        for address in wanted {
            let brought = Brought { address, received_at, message: Some(id) };
            let decided = open_case(tx, &self.settings, &brought, by, now).await?;
            if let Some((_, case)) = &decided.case {
                opened.push(came_of_opening(decided.decision.reason, &case.reference, address));
            }
        }
        Ok(match opened.is_empty() {
            true => gone(),
            false => Acted::Done(opened.join("; ")),
        })
    }
}

async fn dismiss(tx: &mut Tx, by: &Authority, about: &str, now: DateTime<Utc>) -> Result<Acted> {
    let did = format!("took {about} off the list");
    let how = format!("{} {did}", by.who());
    Ok(match tx.dismiss(message_of(about).unwrap_or(0), &how, now).await? {
        true => Acted::Done(did),
        false => Acted::Refused(format!("{about} is not on the list any more")),
    })
}

/// What came of opening a case for an address, which may have had one.
fn came_of_opening(reason: Reason, case: &Reference, address: &EmailAddress) -> String {
    let who = address.masked();
    match reason {
        Reason::AlreadyAsked => format!("found {case} for {who}, who was asked already"),
        Reason::VerificationRepeated => format!("found {case} for {who}, who is asked once more"),
        Reason::RepeatNoted => format!("found {case} for {who}, which is confirmed already"),
        Reason::VerificationDeferred => {
            format!("opened {case} for {who}, who is asked once the limits of that address allow")
        }
        _ => format!("opened {case} for {who}, who is asked to confirm"),
    }
}

/// A request that staff bring: for this address, at that time, perhaps out of a message.
#[derive(Clone, Debug)]
pub struct Brought<'a> {
    /// Whom it is about.
    pub address: &'a EmailAddress,
    /// When it reached the organisation.
    pub received_at: DateTime<Utc>,
    /// The message that proposed it.
    pub message: Option<i64>,
}

/// Opens a case for a request that staff bring; the address is then asked like any other.
///
/// # Errors
/// Storage errors; when no case could be opened.
pub async fn open_case(
    tx: &mut Tx,
    settings: &Settings,
    brought: &Brought<'_>,
    by: &Authority,
    now: DateTime<Utc>,
) -> Result<Decided> {
    let recipient = Recipient::of_case(brought.address);
    let event = Event::RequestReceived {
        source: Source::Staff,
        received_at: brought.received_at,
        authenticated: false,
    };
    let evidence = Evidence { how: Some(format!("opened by {}", by.who())), ..Evidence::default() };
    let happening = Happening {
        class: Some(Class::Authenticated),
        language: &settings.identity.language,
        evidence: Some((Deed::Asked, &evidence)),
        ..Happening::new(event, About::Address(&recipient))
    };
    let decided = tx.happen(&happening, &settings.terms(), now).await?;
    let (id, _) = decided.case.as_ref().context("No case was opened")?;
    if let Some(message) = brought.message {
        tx.take_up_proposal(message, brought.address, *id).await?;
    }
    Ok(decided)
}

/// The message that a name such as `m17` stands for.
pub fn message_of(about: &str) -> Option<i64> {
    about.strip_prefix('m').and_then(|number| number.parse().ok())
}
