//! Answers of staff to our mails: authorized, done once, answered.

use anyhow::Result;
use chrono::{DateTime, Utc};
use serde_json::json;

use super::Bot;
use super::follow::for_staff;
use super::staff::{
    Acted, Brought, Receipt, act_on_case, message_of, open_case, staff_token, write_receipt,
};
use crate::case::authority::{Denied, Member, StaffToken, Way, authorize};
use crate::case::work::StaffRole;
use crate::case::{Act, Authority, Letter, LetterKind, Reason, Reference};
use crate::classify::Classification;
use crate::classify::command::{Command, HELP, parse};
use crate::mail::{EmailAddress, Mail};
use crate::store::Tx;
use crate::store::commit::members_for;
use crate::store::inbox::{Handled, Outcome};
use crate::store::journal::hash;
use crate::store::outbox::LetterRef;

/// The reason of an answer that did nothing.
const REFUSED: &str = "act-refused";

impl Bot {
    /// Does what an answer to a mail for staff says, if its sender may; otherwise says why not.
    pub(super) async fn command(
        &self,
        tx: &mut Tx,
        classification: &Classification,
        mail: &Mail,
        letter: &LetterRef,
        now: DateTime<Utc>,
    ) -> Result<Handled> {
        let token = staff_token(tx, &self.settings, Some(letter)).await?;
        let own = mail.body.own.trim();
        let command = parse(own);
        let about = match (&command, &token) {
            (Ok(Command::Act(Some(reference), _)), _) => Some(reference.to_string()),
            (Ok(Command::Open(id) | Command::Dismiss(id)), _) => Some(format!("m{id}")),
            // Nothing is named: then the mail has to be about one case.
            (_, Some(token)) => the_only_case(token),
            _ => None,
        };
        let way = Way::Mail {
            token: token.as_ref(),
            author: mail.author.address(),
            sender: &classification.sender_auth,
            automatic: false,
            allowed: self.settings.mail_commands,
        };
        // Help needs no case, but the same proof.
        let asked = about.clone().or_else(|| token.as_ref()?.about.first().cloned());
        let authority = authorize(&way, asked.as_deref().unwrap_or_default(), now);
        let authority = match (authority, &token) {
            (Ok(authority), _) => authority,
            // The list of commands does no harm, whatever the mail is about.
            (Err(Denied::OtherMatter), Some(token))
                if command == Ok(Command::Help) && may_hear(Denied::OtherMatter, mail, token) =>
            {
                let receipt = Receipt { member: &token.member, did: "", undo: false, text: HELP };
                write_receipt(tx, &receipt, None, now).await?;
                return Ok(Handled::new(Outcome::Acted, "help"));
            }
            (Err(why), Some(token)) if may_hear(why, mail, token) => {
                // The answer to that is good for nothing: it proved nothing.
                let token = StaffToken { about: Vec::new(), ..token.clone() };
                return self.refuse(tx, &token, own, why.describe(), now).await;
            }
            (Err(why), _) => {
                let handled = for_staff("command-refused", Vec::new(), mail);
                let excerpt = handled.excerpt.map(|text| format!("{} ({text})", why.describe()));
                return Ok(Handled { excerpt, ..handled });
            }
        };
        let Some(token) = token else {
            return Ok(for_staff("command-refused", Vec::new(), mail));
        };
        let command = match (command, about) {
            (Err(why), _) => return self.refuse(tx, &token, own, &why, now).await,
            (Ok(Command::Help), _) => {
                let receipt = Receipt { member: &token.member, did: "", undo: false, text: HELP };
                write_receipt(tx, &receipt, None, now).await?;
                return Ok(Handled::new(Outcome::Acted, "help"));
            }
            (Ok(_), None) => {
                let why = "That mail is about several cases: write the reference, too, as in “done DEL-7K3M-Q2XA”.";
                return self.refuse(tx, &token, own, why, now).await;
            }
            (Ok(command), Some(about)) => (command, about),
        };
        // A mail that somebody sends again says the same: once is all. Blanks and what follows
        // may change on the way without breaking a DKIM signature.
        let line = own.lines().next().unwrap_or_default().to_lowercase();
        let line = line.split_whitespace().collect::<Vec<_>>().join(" ");
        let once = hash(&[&letter.id.to_string(), &command.1, &line]);
        if tx.is_command_known(&once).await? {
            let why = "The same answer to the same mail came before. Answer a newer mail if you mean it again.";
            return self.refuse(tx, &token, own, why, now).await;
        }
        let handled = self.obey(tx, &token, authority, command, own, now).await?;
        // What was refused may be asked for again, when it is possible.
        if handled.reason != REFUSED {
            tx.note_command(&once, now).await?;
        }
        Ok(handled)
    }

    async fn obey(
        &self,
        tx: &mut Tx,
        token: &StaffToken,
        by: Authority,
        (command, about): (Command, String),
        own: &str,
        now: DateTime<Utc>,
    ) -> Result<Handled> {
        match command {
            Command::Act(_, act) => self.obey_act(tx, token, by, act, &about, own, now).await,
            Command::Open(_) => {
                let said = self.open_proposed(tx, &by, &about, None, now).await?;
                self.answer_message(tx, token, said, own, now).await
            }
            Command::Dismiss(id) => {
                let said = match tx
                    .dismiss(id, &format!("{} took {about} off the list", by.who()), now)
                    .await?
                {
                    true => Acted::Done(format!("took {about} off the list")),
                    false => Acted::Refused(format!("{about} is not on the list any more")),
                };
                self.answer_message(tx, token, said, own, now).await
            }
            Command::Help => Ok(Handled::new(Outcome::Acted, "help")),
        }
    }

    #[expect(clippy::too_many_arguments, reason = "each is a different thing")]
    async fn obey_act(
        &self,
        tx: &mut Tx,
        token: &StaffToken,
        by: Authority,
        act: Act,
        about: &str,
        own: &str,
        now: DateTime<Utc>,
    ) -> Result<Handled> {
        let found = match Reference::parse(about) {
            Some(reference) => tx.case_of_reference(&reference).await?,
            None => None,
        };
        let Some(stored) = found else {
            return self.refuse(tx, token, own, "There is no such case.", now).await;
        };
        let name = act.as_str();
        let undo = matches!(act, Act::Complete { .. } | Act::Refuse { .. });
        match act_on_case(tx, &self.settings, &stored, by, act, None, now).await? {
            Acted::Refused(why) => self.refuse(tx, token, own, &why, now).await,
            Acted::Done(did) => {
                let receipt = Receipt { member: &token.member, did: &did, undo, text: "" };
                let case = (stored.id, &stored.case.reference);
                write_receipt(tx, &receipt, Some(case), now).await?;
                Ok(Handled { case: Some(stored.id), ..Handled::new(Outcome::Acted, name) })
            }
        }
    }

    /// Opens cases for what a message proposes: for one of its addresses, or for all.
    pub(super) async fn open_proposed(
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

    async fn answer_message(
        &self,
        tx: &mut Tx,
        token: &StaffToken,
        said: Acted,
        own: &str,
        now: DateTime<Utc>,
    ) -> Result<Handled> {
        match said {
            Acted::Refused(why) => self.refuse(tx, token, own, &why, now).await,
            Acted::Done(did) => {
                let receipt = Receipt { member: &token.member, did: &did, undo: false, text: "" };
                write_receipt(tx, &receipt, None, now).await?;
                Ok(Handled::new(Outcome::Acted, "message"))
            }
        }
    }

    /// Says why nothing was done, to the address that the token was mailed to and to no other.
    /// Who mistyped answers that mail: it is about the same matters.
    async fn refuse(
        &self,
        tx: &mut Tx,
        token: &StaffToken,
        own: &str,
        why: &str,
        now: DateTime<Utc>,
    ) -> Result<Handled> {
        let said: String = own.lines().next().unwrap_or_default().chars().take(120).collect();
        let values = json!({ "why": why, "said": said, "remedy": HELP });
        let letter = Letter::with(LetterKind::ActRefused, values);
        let letter = Letter { about: token.about.clone(), ..letter };
        tx.write_to_staff(&letter, None, &token.member, now).await?;
        Ok(Handled::new(Outcome::Acted, REFUSED))
    }

    /// The officer is away, or the mailbox is gone: the deputy gets that digest, too.
    pub(super) async fn digest_to_deputy(
        &self,
        tx: &mut Tx,
        letter: &LetterRef,
        now: DateTime<Utc>,
    ) -> Result<bool> {
        let Some(token) = staff_token(tx, &self.settings, Some(letter)).await? else {
            return Ok(false);
        };
        // Only the officer's own: deputies who are away would pass it on to each other for ever.
        let is_officer =
            |member: &&Member| member.address == token.member && member.role == StaffRole::Officer;
        if !self.settings.members.iter().any(|member| is_officer(&member)) {
            return Ok(false);
        }
        let deputies = members_for(&self.settings.members, StaffRole::Deputy);
        let digest =
            super::digest::digest_letter(&self.store, &self.settings, &token.name, now).await?;
        let mut told = false;
        for deputy in deputies {
            // Another officer has it anyway.
            let is_away = deputy.address == token.member || deputy.role == StaffRole::Officer;
            if !is_away && tx.note_digest(token.released_at, &deputy.address).await? {
                tx.write_to_staff(&digest, None, &deputy.address, now).await?;
                told = true;
            }
        }
        Ok(told)
    }
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

/// The one case that a mail is about.
fn the_only_case(token: &StaffToken) -> Option<String> {
    match token.about.as_slice() {
        [only] => Some(only.clone()),
        _ => None,
    }
}

/// Whether the person whom the token was mailed to is told why it was refused. Not when
/// another address wrote, and not when it is switched off: then staff see the mail.
fn may_hear(why: Denied, mail: &Mail, token: &StaffToken) -> bool {
    let is_theirs = mail
        .author
        .address()
        .is_some_and(|author| author.as_str().eq_ignore_ascii_case(token.member.as_str()));
    is_theirs && why != Denied::Automatic
}
