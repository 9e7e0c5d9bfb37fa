//! Answers of staff to our mails: authorized, done once, answered.

use anyhow::Result;
use chrono::{DateTime, Utc};
use serde_json::json;

use super::Bot;
use super::shown::for_staff;
use super::staff::{Acted, Receipt, Step, staff_token, write_receipt};
use crate::case::authority::{Denied, StaffToken, Way, authorize};
use crate::case::work::StaffRole;
use crate::case::{Authority, Letter, LetterKind};
use crate::classify::Classification;
use crate::classify::command::{Command, HELP, parse};
use crate::mail::Mail;
use crate::store::Tx;
use crate::store::commit::members_for;
use crate::store::inbox::{Handled, Outcome};
use crate::store::journal::hash;
use crate::store::tokens::LetterRef;

/// The reason of an answer that did nothing.
const REFUSED: &str = "act-refused";

/// A command that was read: what, about which case or message.
struct Meant {
    step: Step,
    about: String,
}

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
        let Some(token) = staff_token(tx, &self.settings, Some(letter)).await? else {
            return Ok(not_staff(Denied::NoToken, mail));
        };
        let own = mail.body.own.trim();
        let command = parse(own);
        let about = about_what(&command, &token);
        let way = Way::Mail {
            token: Some(&token),
            author: mail.author.address(),
            sender: &classification.sender_auth,
            automatic: false,
            allowed: self.settings.mail_commands,
        };
        // What names no case needs the same proof.
        let asked = about.as_ref().or_else(|| token.about.first());
        let authority = authorize(&way, asked.map_or("", String::as_str), now);
        let may_hear = mail.author.address().is_some_and(|author| token.is_from(author));
        let by = match authority {
            Ok(by) => by,
            // The list of commands does no harm, whatever the mail is about.
            Err(Denied::OtherMatter) if may_hear && command == Ok(Command::Help) => {
                return help(tx, &token, now).await;
            }
            Err(why) if may_hear => {
                // The answer to that is good for nothing: it proved nothing.
                let token = StaffToken { about: Vec::new(), ..token };
                return self.refuse(tx, &token, own, why.describe(), now).await;
            }
            Err(why) => return Ok(not_staff(why, mail)),
        };
        let step = match command {
            Err(why) => return self.refuse(tx, &token, own, &why, now).await,
            Ok(Command::Help) => return help(tx, &token, now).await,
            Ok(Command::Act(_, act)) => Step::Act(act, None),
            Ok(Command::Open(_)) => Step::Open(None),
            Ok(Command::Dismiss(_)) => Step::Dismiss,
        };
        let Some(about) = about else {
            let why = "That mail is about several cases: write the reference, too, as in “done DEL-7K3M-Q2XA”.";
            return self.refuse(tx, &token, own, why, now).await;
        };
        self.obey_once(tx, letter, (&token, by), Meant { step, about }, own, now).await
    }

    /// A mail that somebody sends again says the same: once is all. Blanks and what follows may
    /// change on the way without breaking a DKIM signature. What was refused may be asked for
    /// again, when it is possible.
    async fn obey_once(
        &self,
        tx: &mut Tx,
        letter: &LetterRef,
        (token, by): (&StaffToken, Authority),
        Meant { step, about }: Meant,
        own: &str,
        now: DateTime<Utc>,
    ) -> Result<Handled> {
        let line = own.lines().next().unwrap_or_default().to_lowercase();
        let line = line.split_whitespace().collect::<Vec<_>>().join(" ");
        let once = hash(&[&letter.id.to_string(), &about, &line]);
        if tx.is_command_known(&once).await? {
            let why = "The same answer to the same mail came before. Answer a newer mail if you mean it again.";
            return self.refuse(tx, token, own, why, now).await;
        }
        let name = match &step {
            Step::Act(act, _) => act.as_str(),
            Step::Open(_) | Step::Dismiss => "message",
        };
        match self.perform(tx, (token, by), &about, step, now).await? {
            (Acted::Refused(why), _) => self.refuse(tx, token, own, &why, now).await,
            (Acted::Done(_), case) => {
                tx.note_command(&once, now).await?;
                Ok(Handled { case, ..Handled::new(Outcome::Acted, name) })
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
        let members = &self.settings.members;
        let mut officers = members.iter().filter(|member| member.role == StaffRole::Officer);
        if !officers.any(|officer| officer.address == token.member) {
            return Ok(false);
        }
        let digest =
            super::digest::digest_letter(&self.store, &self.settings, &token.name, now).await?;
        let mut told = false;
        for deputy in members_for(members, StaffRole::Deputy) {
            // Another officer has it anyway.
            let is_new = deputy.role != StaffRole::Officer
                && tx.note_digest(token.released_at, &deputy.address).await?;
            if is_new {
                tx.write_to_staff(&digest, None, &deputy.address, now).await?;
                told = true;
            }
        }
        Ok(told)
    }
}

/// Sends the list of commands.
async fn help(tx: &mut Tx, token: &StaffToken, now: DateTime<Utc>) -> Result<Handled> {
    let receipt = Receipt { member: &token.member, did: "", undo: false, text: HELP };
    write_receipt(tx, &receipt, None, now).await?;
    Ok(Handled::new(Outcome::Acted, "help"))
}

/// Whoever is not known to be the one we wrote to hears nothing; staff see the mail.
fn not_staff(why: Denied, mail: &Mail) -> Handled {
    let handled = for_staff("command-refused", Vec::new(), mail);
    let excerpt = handled.excerpt.map(|text| format!("{} ({text})", why.describe()));
    Handled { excerpt, ..handled }
}

/// The case or message that a command is about: the one it names, or the only one of its mail.
fn about_what(command: &Result<Command, String>, token: &StaffToken) -> Option<String> {
    match (command, token.about.as_slice()) {
        (Ok(Command::Act(Some(reference), _)), _) => Some(reference.to_string()),
        (Ok(Command::Open(id) | Command::Dismiss(id)), _) => Some(format!("m{id}")),
        (_, [only]) => Some(only.clone()),
        _ => None,
    }
}
