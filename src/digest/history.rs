//! What happened to a case, in the order of time, for people.

use chrono::{DateTime, Utc};

use crate::case::Reason;
use crate::store::inbox::Outcome;
use crate::store::journal::Entry;
use crate::store::lists::{LetterLine, MessageLine};

/// What somebody reads who is about to write the same.
pub const WRITTEN_BY_HAND: &str = "somebody wrote to the requester from the mailbox";

/// A case's history out of its journal, its mail and its letters.
pub fn history(
    entries: &[Entry],
    messages: &[MessageLine],
    letters: &[LetterLine],
) -> Vec<(DateTime<Utc>, String)> {
    let mut lines: Vec<(DateTime<Utc>, String)> = Vec::new();
    for entry in entries {
        let detail = entry.detail.as_ref().map(|detail| format!(": {detail}")).unwrap_or_default();
        lines.push((entry.at, format!("{}{detail}", reason_in_words(&entry.reason))));
    }
    for line in messages {
        if line.outcome == Some(Outcome::WrittenByHand) {
            lines.push((line.received_at, WRITTEN_BY_HAND.to_owned()));
            continue;
        }
        let excerpt = line.excerpt.as_ref().map(|text| format!(": {text}")).unwrap_or_default();
        lines.push((
            line.received_at,
            format!("mail in, {}{excerpt}", outcome_in_words(line.outcome)),
        ));
    }
    for line in letters {
        let (at, words) = match line.submitted_at {
            Some(at) => (at, "sent".to_owned()),
            None => (
                line.written_at,
                line.hold.as_ref().map_or(line.status.clone(), |hold| format!("waits for {hold}")),
            ),
        };
        lines.push((at, format!("letter out, {words}: {}", line.kind.replace('-', " "))));
    }
    lines.sort_by_key(|(at, _)| *at);
    lines
}

/// What a mail did to its case.
fn outcome_in_words(outcome: Option<Outcome>) -> &'static str {
    match outcome {
        Some(Outcome::Opened) => "a request: opened the case",
        Some(Outcome::Joined) => "asked again",
        Some(Outcome::Noted) => "asked again, not verified",
        Some(Outcome::Confirmed) => "confirmed",
        Some(Outcome::Ended) => "ended the case",
        Some(Outcome::Told) => "told more",
        Some(Outcome::Acted) => "an act of staff",
        Some(Outcome::Bounced) => "a letter came back",
        Some(Outcome::Delayed) => "a letter has not arrived yet; it is still being tried",
        Some(Outcome::ForStaff) => "for staff to read",
        Some(outcome) => outcome.as_str(),
        None => "not handled yet",
    }
}

/// What a reason of the journal means.
pub fn reason_in_words(reason: &str) -> String {
    let words = match Reason::parse(reason) {
        Some(Reason::VerificationRequested) => "request received; the address is asked to confirm",
        Some(Reason::VerificationDeferred) => {
            "request received; the address is asked once its limits allow"
        }
        Some(Reason::VerificationReminded) => "no answer for a day; reminded, once",
        Some(Reason::ReminderSkipped) => "no reminder: the address had its share of mails",
        Some(Reason::VerificationRepeated) => "asked again",
        Some(Reason::AlreadyAsked) => "already asked; no further mail now",
        Some(Reason::VerificationReleased) => {
            "verification mail left the desk; its days run from here"
        }
        Some(Reason::AddressConfirmed) => "confirmed",
        Some(Reason::SentToBusiness) => {
            "confirmed as the customer of a business; sent to that business"
        }
        Some(Reason::RoleCorrected) => "who is asking was corrected",
        Some(Reason::NotRequested) => "the owner of the mailbox did not ask for this",
        Some(Reason::RequestWithdrawn) => "withdrawn by the requester",
        Some(Reason::VerificationUndeliverable) => "the verification mail cannot be delivered",
        Some(Reason::LetterUndeliverable) => "a letter cannot be delivered",
        Some(Reason::VerificationExpired) => "lapsed: not confirmed in time",
        Some(Reason::ConfirmedTooLate) => "confirmed too late",
        Some(Reason::RedirectPutOff) => "they answered; staff read it before it closes",
        Some(Reason::RedirectUnanswered) => "closed: nobody objected to being sent to the business",
        Some(Reason::ProofAsked) => "confirmed for a business; authorization is asked for",
        Some(Reason::ProofReceived) => "something came in answer to that",
        Some(Reason::ProofApproved) => "the authorization is approved",
        Some(Reason::ProofAskedAgain) => "authorization is asked for again",
        Some(Reason::VerifiedByStaff) => "identified by staff another way",
        Some(Reason::PutOnHold) => "put on hold",
        Some(Reason::HoldReleased) => "released",
        Some(Reason::HoldEnded) => "the day to look again has come; in work again",
        Some(Reason::DatesExtended) => "both dates were extended; the requester is told why",
        Some(Reason::RequestRefused) => "refused, with reasons",
        Some(Reason::ItemsTicked) => "items of the scope were ticked",
        Some(Reason::NoteWritten) => "a note",
        Some(Reason::MessageWritten) => "staff wrote to the requester",
        Some(Reason::StepUndone) => "taken back; the case is open again",
        Some(Reason::ReturnSeen) => "a person has seen that a letter came back",
        Some(Reason::EscalatedToDeputy) => "nobody acts: the deputy is told",
        Some(Reason::EscalatedToLead) => "nobody acts: the lead is told",
        Some(Reason::CaseReduced) => {
            "the retention time is over; reduced to dates, kind and outcome"
        }
        Some(Reason::AddressErased) => "the backups have rolled over; the keyed address is erased",
        Some(Reason::RequestCompleted) => "completed",
        Some(Reason::AddressSuppressed) => {
            "the address said before that it never asks; no case is opened"
        }
        Some(Reason::RepeatNoted) => "a confirmed case is open already",
        _ => reason,
    };
    words.to_owned()
}
