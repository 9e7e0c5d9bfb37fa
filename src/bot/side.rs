//! Junk and Sent: a task that reads them beside the inbox, and what follows from mail there: a
//! look by a person, or a note on a case; never a letter.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::Result;
use tokio::sync::mpsc;
use tokio::time::sleep;
use tracing::{info, warn};

use super::Bot;
use super::reading::Read;
use super::shown::for_staff;
use super::tasks::{Poll, Suspects, poll_once};
use crate::case::verification::Purpose;
use crate::classify::{Classification, LeftAlone, Verdict};
use crate::mail::origin::{Sign, automatic};
use crate::mail::thread::{own_id_candidate, token_candidates};
use crate::mail::{EmailAddress, Mail};
use crate::mailbox::{Folder, SideFolders};
use crate::store::inbox::{Handled, Outcome};
use crate::store::tokens::LetterRef;
use crate::store::{CaseId, Tx};
use crate::wake::Wake;

/// Polls of the inbox between two looks into the folders beside it.
const POLLS_BETWEEN: u32 = 5;
/// Longest time between two looks.
const EVERY_MAX: Duration = Duration::from_secs(5 * 60);

/// A deletion request, or an answer, that the provider took for spam.
pub(super) const FOUND_IN_JUNK: &str = "found-in-junk";
/// Somebody answered a requester by hand.
const WRITTEN_BY_HAND: &str = "written-by-hand";

/// Looks into the folders every few minutes. What goes wrong there is said once, and is no
/// failure of the inbox.
pub(super) async fn read(mut folders: SideFolders, poll: Poll, wakes: mpsc::Sender<Wake>) {
    let every = poll.every.saturating_mul(POLLS_BETWEEN).min(EVERY_MAX);
    let mut suspects = BTreeMap::new();
    let mut failing = BTreeSet::new();
    while !wakes.is_closed() {
        match folders.find().await {
            Err(why) if !wakes.is_closed() => say(&mut failing, "", Err(why)),
            Err(_) => {}
            Ok(found) => {
                say(&mut failing, "", Ok(()));
                for folder in found {
                    let suspects = suspects.entry(folder.clone()).or_default();
                    let done = look_into(&mut folders, &folder, suspects, poll, &wakes).await;
                    if done.is_err() {
                        folders.drop_connection();
                    }
                    if !wakes.is_closed() {
                        say(&mut failing, folder.kind(), done);
                    }
                }
            }
        }
        folders.close().await;
        sleep(every).await;
    }
}

async fn look_into(
    folders: &mut SideFolders,
    folder: &Folder,
    suspects: &mut Suspects,
    poll: Poll,
    wakes: &mpsc::Sender<Wake>,
) -> Result<()> {
    let mailbox = folders.open(folder).await?;
    poll_once(folder, mailbox, suspects, poll, wakes).await?;
    folders.was_read(folder);
    Ok(())
}

/// Tells once that a folder cannot be read, and once that it can again.
fn say(failing: &mut BTreeSet<&'static str>, folder: &'static str, done: Result<()>) {
    match done {
        Ok(()) if failing.remove(folder) => {
            info!(folder, "what is beside the inbox is read again");
        }
        Err(why) if failing.insert(folder) => {
            let why = format!("{why:#}");
            warn!(folder, why, "cannot look beside the inbox; the inbox itself is read");
        }
        _ => {}
    }
}

impl Bot {
    /// What the provider took for spam: whatever may be meant for the desk goes to a person,
    /// and nothing is answered, since a stranger chose most of what lies there.
    pub(super) async fn found_in_junk(
        &self,
        tx: &mut Tx,
        classification: &Classification,
        mail: &Mail,
        letter: Option<LetterRef>,
    ) -> Result<Handled> {
        let known = match letter.and_then(|letter| letter.case) {
            Some(case) => Some(case),
            None => self.open_case_of(tx, mail).await?,
        };
        let proposed = match &classification.verdict {
            Verdict::Request(answerable) => vec![answerable.address().clone()],
            Verdict::FormEntry(entered) => vec![entered.clone()],
            Verdict::ForStaff(why) => self.proposed(*why, mail, classification.form.as_ref()),
            Verdict::Answer(_) | Verdict::Command | Verdict::Bounce => Vec::new(),
            // The later mail of a requester.
            Verdict::LeftAlone(LeftAlone::NotARequest) if known.is_some() => Vec::new(),
            Verdict::LeftAlone(why) => return Ok(Handled::new(Outcome::LeftAlone, why.as_str())),
        };
        Ok(Handled { case: known, ..for_staff(FOUND_IN_JUNK, proposed, mail) })
    }

    /// What was sent from the mailbox: a mail of a person to the requester of an open case is
    /// noted on the case. It changes no state.
    pub(super) async fn found_in_sent(&self, tx: &mut Tx, read: &Read) -> Result<Handled> {
        let left_alone = |reason: &str| Ok(Handled::new(Outcome::LeftAlone, reason));
        let mail = match &read.mail {
            Ok(mail) => mail,
            Err(reason) => return left_alone(reason),
        };
        // Which letters there are is read, not only what the batch decides.
        tx.end_batch().await?;
        // A provider may file the desk's letters there, too, and may renumber their Message-IDs.
        let own_id = own_id_candidate(mail, &self.settings.desk.address);
        let is_ours = mail.headers.first("x-deletion-desk").is_some()
            || tx.letter_of_token(Purpose::Reply, &own_id).await?.is_some();
        if is_ours {
            return left_alone("own-letter");
        }
        match automatic(mail) {
            // The address that it is sent from may be called anything.
            None | Some(Sign::RoleSender) => {}
            Some(sign) => return left_alone(sign.as_str()),
        }
        match self.case_written_to(tx, mail, read).await? {
            Some(case) => Ok(Handled {
                case: Some(case),
                ..Handled::new(Outcome::WrittenByHand, WRITTEN_BY_HAND)
            }),
            None => left_alone("sent-mail"),
        }
    }

    /// The open case of somebody whom the mail was sent to, after the case came; the one whose
    /// mail it answers, if there are several.
    async fn case_written_to(
        &self,
        tx: &mut Tx,
        mail: &Mail,
        read: &Read,
    ) -> Result<Option<CaseId>> {
        let desk = &self.settings.desk.address;
        let candidates = token_candidates(mail, desk);
        let answered = tx.letter_of_token(Purpose::Reply, &candidates).await?;
        let answered = answered.and_then(|letter| letter.case);
        let mut found = None;
        let others = |to: &&EmailAddress| !to.same_mailbox(desk);
        for address in mail.recipients.iter().filter(others).take(RECIPIENTS_MAX) {
            let Some(stored) = tx.open_case_for(address).await? else { continue };
            if stored.case.received_at > read.seen.received_at {
                continue;
            }
            if Some(stored.id) == answered {
                return Ok(answered);
            }
            found = found.or(Some(stored.id));
        }
        Ok(found)
    }
}

/// Recipients of one mail that are looked up.
const RECIPIENTS_MAX: usize = 20;
