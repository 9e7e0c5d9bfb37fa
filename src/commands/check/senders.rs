//! Part of `check`: what the newest mail in the inbox tells of its senders.

use std::collections::BTreeMap;

use anyhow::Result;

use crate::case::authority::MailCommands;
use crate::commands::setup::Setup;
use crate::mail::sender_auth::authserv_id_of;
use crate::mail::{Bounds, EmailAddress, parse};
use crate::mailbox::{Fetched, Mailbox};

/// Mails that are looked at.
const NEWEST: usize = 20;
/// Larger ones are not worth fetching here.
const BYTES_MAX: usize = 200_000;

/// Looks at the newest mails and says what `authentication.authserv_id` and
/// `staff.mail_commands` can be, and whether mail comes through a list of the desk's address.
///
/// # Errors
/// When the mailbox cannot be read.
pub(super) async fn senders(setup: &Setup, mailbox: &mut Mailbox) -> Result<Vec<String>> {
    let keys = mailbox.list().await?;
    let newest = keys.get(keys.len().saturating_sub(NEWEST)..).unwrap_or_default();
    let mut seen = mailbox.describe(newest).await?;
    seen.retain(|seen| seen.size <= BYTES_MAX as u64);
    let fetched = mailbox.fetch(&seen, BYTES_MAX).await?;
    let mut ids: BTreeMap<String, usize> = BTreeMap::new();
    for id in fetched.iter().filter_map(id_of) {
        *ids.entry(id).or_default() += 1;
    }
    let desk = &setup.config.identity.address;
    let listed = fetched.iter().filter(|one| is_of_list(one, desk)).count();
    let group = (listed > 0).then(|| {
        format!(
            "{listed} of the {} newest mails came through a mailing list or Google Group of \
             identity.address: such mail is shown to staff and never answered; make that address a \
             mailbox, or an alias of one",
            fetched.len()
        )
    });
    Ok(advice(setup, fetched.len(), &ids).into_iter().chain(group).collect())
}

/// Whether it passed through a list of that address (RFC 2919: `hello.flexus.team`).
fn is_of_list(fetched: &Fetched, desk: &EmailAddress) -> bool {
    let list = format!("<{}.{}>", desk.local_part(), desk.domain()).to_ascii_lowercase();
    let mail = fetched.raw.as_ref().ok().and_then(|raw| parse(raw, &Bounds::default()).ok());
    let id = mail.as_ref().and_then(|mail| mail.headers.first("list-id"));
    id.is_some_and(|id| id.to_ascii_lowercase().contains(&list))
}

fn id_of(fetched: &Fetched) -> Option<String> {
    let mail = parse(fetched.raw.as_ref().ok()?, &Bounds::default()).ok()?;
    authserv_id_of(&mail.headers)
}

fn advice(setup: &Setup, count: usize, ids: &BTreeMap<String, usize>) -> Option<String> {
    let commands = setup.config.staff.mail_commands;
    let listed: Vec<String> = ids.iter().map(|(id, count)| format!("{id} ({count})")).collect();
    match &setup.config.authentication.authserv_id {
        _ if count == 0 => None,
        None if ids.is_empty() && commands == MailCommands::Authenticated => Some(format!(
            "none of the {count} newest mails carries Authentication-Results: your provider says nothing of \
             senders, so answers of staff cannot act; use the page, or staff.mail_commands = \"token-only\""
        )),
        None if ids.is_empty() => None,
        None => Some(format!(
            "the newest mails carry Authentication-Results of {}; if that is your own mail server, set it \
             as authentication.authserv_id, and answers of staff can act",
            listed.join(", ")
        )),
        Some(id) if !ids.keys().any(|known| known.eq_ignore_ascii_case(id)) => Some(format!(
            "authentication.authserv_id is {id:?}, and none of the {count} newest mails has it on top{}; \
             so no sender counts as authenticated",
            match listed.is_empty() {
                true => String::new(),
                false => format!(" (they have {})", listed.join(", ")),
            }
        )),
        Some(_) => None,
    }
}
