//! Part of `check`: the servers of mailbox and letters, and the folders beside the inbox.

use std::collections::BTreeSet;

use anyhow::Result;

use super::provider::{Server, Service, other_login, remedy, wrong_settings};
use super::{Line, Verdict, line, probe, senders};
use crate::commands::setup::Setup;
use crate::config::{Auth, MailboxSection, SmtpSection, SmtpTls};
use crate::mailbox::{Folder, Mailbox, Special, SpecialUse, Wanted};
use crate::trouble::{Failure, Part, Trouble};

/// Tries the mailbox and the mail server; mails a probe only when it is asked to.
pub(super) async fn try_servers(setup: &Setup, with_probe: bool, lines: &mut Vec<Line>) {
    let (mailbox, smtp) = (mailbox(setup).await, smtp(setup).await);
    let both = [&mailbox, &smtp].iter().all(|line| line.verdict == Verdict::Ok);
    let reads = mailbox.verdict == Verdict::Ok;
    lines.push(mailbox);
    if let MailboxSection::Imap(imap) = &setup.config.mailbox {
        let desk = setup.config.identity.address.as_str();
        let note = other_login(&imap.host, &imap.username, desk);
        lines.extend(note.map(|says| line(Verdict::Note, "mailbox", says)));
    }
    if reads {
        lines.extend(folders(setup).await);
        lines.extend(newest(setup).await);
    }
    lines.push(smtp);
    let sends = matches!(setup.config.smtp, SmtpSection::Smtp(_));
    match (with_probe, both) {
        (true, true) => lines.extend(probe::probe(setup).await),
        (true, false) => {
            let says = "not sent: mailbox and mail server have to work first";
            lines.push(line(Verdict::Note, "probe", says));
        }
        (false, true) if sends => {
            let says = "nothing was sent; `deletion-desk check --probe` mails the desk itself, and tells where that arrives and what mail servers think of it";
            lines.push(line(Verdict::Note, "probe", says));
        }
        (false, _) => {}
    }
}

async fn mailbox(setup: &Setup) -> Line {
    let place = match &setup.config.mailbox {
        MailboxSection::Imap(imap) => format!("{}@{}", imap.username, imap.host),
        MailboxSection::Maildir { path, .. } => path.display().to_string(),
    };
    if let Some(why) = imap_server(setup).as_ref().and_then(wrong_settings) {
        return line(Verdict::Fail, "mailbox", format!("{place}: {why}"));
    }
    let tried = match setup.mailbox() {
        Ok(Mailbox::Imap(mut imap)) => imap.try_login().await.map(|found| {
            let how = if found.has_idle {
                "and tells of new mail at once"
            } else {
                "and has no IDLE: new mail is seen at the next poll (mailbox.poll)"
            };
            format!("{place} is open, holds {} messages {how}", found.messages)
        }),
        Ok(mut other) => {
            other.list().await.map(|keys| format!("{place} holds {} messages", keys.len()))
        }
        Err(why) => Err(why),
    };
    match tried {
        Ok(says) => line(Verdict::Ok, "mailbox", says),
        Err(why) => {
            let advice = refused_mailbox(setup, &why).await;
            line(Verdict::Fail, "mailbox", failure(&place, &why, Part::Inbox, advice))
        }
    }
}

fn imap_server(setup: &Setup) -> Option<Server<'_>> {
    let MailboxSection::Imap(imap) = &setup.config.mailbox else { return None };
    Some(Server {
        service: Service::Imap,
        host: &imap.host,
        port: imap.port,
        starttls: false,
        by_password: imap.auth == Auth::Password,
    })
}

/// The words that log, alarm and `/healthz` use, and what to do: the provider's own remedy where
/// it is known.
fn failure(place: &str, why: &anyhow::Error, part: Part, remedy: Option<String>) -> String {
    let failure = Failure::of(why);
    let remedy = remedy.unwrap_or_else(|| failure.trouble.remedy(part));
    format!("{place}: {failure}\n{remedy}")
}

/// What this provider wants in place of a login that was refused.
async fn refused_mailbox(setup: &Setup, why: &anyhow::Error) -> Option<String> {
    let (server, MailboxSection::Imap(imap)) = (imap_server(setup)?, &setup.config.mailbox) else {
        return None;
    };
    if Trouble::of(why) != Trouble::PasswordRefused {
        return None;
    }
    let offers = match setup.mailbox() {
        Ok(Mailbox::Imap(mailbox)) => mailbox.offers().await.unwrap_or_default(),
        _ => BTreeSet::new(),
    };
    let is_desk = imap.username.eq_ignore_ascii_case(setup.config.identity.address.as_str());
    remedy(&server, &format!("{why:#}"), &offers, is_desk)
}

/// Which folders beside the inbox are read, and an inbox that is none.
async fn folders(setup: &Setup) -> Vec<Line> {
    let Ok(mut beside) = setup.side_folders() else { return Vec::new() };
    let mut lines = Vec::new();
    let found = beside.find().await;
    let listed = beside.listed().to_vec();
    beside.close().await;
    if let MailboxSection::Imap(imap) = &setup.config.mailbox
        && shows_all(&listed, &imap.folder)
    {
        lines.push(line(
            Verdict::Note,
            "folders",
            format!(
                "mailbox.folder is {:?}, which shows sent and archived mail, too: moving mail away hides it \
                 from nobody there; use \"INBOX\" unless a filter skips the inbox",
                imap.folder
            ),
        ));
    }
    lines.extend(match found {
        Err(why) => Some(line(Verdict::Fail, "folders", format!("{why:#}"))),
        Ok(found) => found_folders(setup, &found, &listed),
    });
    lines
}

fn shows_all(listed: &[SpecialUse], folder: &str) -> bool {
    listed.iter().any(|one| one.name == folder && one.special.contains(&Special::All))
}

fn found_folders(setup: &Setup, found: &[Folder], listed: &[SpecialUse]) -> Option<Line> {
    let MailboxSection::Imap(imap) = &setup.config.mailbox else {
        let names: Vec<String> = found.iter().map(in_words).collect();
        let says = format!("{} beside the inbox", names.join(", "));
        return (!names.is_empty()).then(|| line(Verdict::Ok, "folders", says));
    };
    let names: Vec<String> = found.iter().map(in_words).collect();
    let has = |junk: bool| found.iter().any(|folder| matches!(folder, Folder::Junk(_)) == junk);
    let mut missing = Vec::new();
    for (wanted, junk, key) in
        [(&imap.junk_folder, true, "junk_folder"), (&imap.sent_folder, false, "sent_folder")]
    {
        if *wanted == Wanted::Auto && !has(junk) {
            missing.push(format!("mailbox.{key}"));
        }
    }
    let says = match names.is_empty() {
        true => "none is read beside the inbox".to_owned(),
        false => format!("{}: read every few minutes, nothing there is answered", names.join(", ")),
    };
    if missing.is_empty() {
        return Some(line(Verdict::Ok, "folders", says));
    }
    let there: Vec<&str> = listed.iter().map(|one| one.name.as_str()).collect();
    Some(line(
        Verdict::Note,
        "folders",
        format!(
            "{says}; the server marks no other for it: name one with {}, or set \"off\"; there are {}",
            missing.join(" and "),
            there.join(", ")
        ),
    ))
}

fn in_words(folder: &Folder) -> String {
    match folder {
        Folder::Inbox => "the inbox".to_owned(),
        Folder::Junk(name) => format!("Junk is {name:?}"),
        Folder::Sent(name) => format!("Sent is {name:?}"),
    }
}

/// What the newest mails say of their senders, or that a mailbox that opens cannot be read.
async fn newest(setup: &Setup) -> Vec<Line> {
    let said: Result<Vec<String>> = async {
        let mut mailbox = setup.mailbox()?;
        senders::senders(setup, &mut mailbox).await
    }
    .await;
    match said {
        Ok(said) => said.into_iter().map(|says| line(Verdict::Note, "senders", says)).collect(),
        Err(why) => {
            let says = failure("the newest mails", &why, Part::Inbox, None);
            vec![line(Verdict::Fail, "mailbox", says)]
        }
    }
}

async fn smtp(setup: &Setup) -> Line {
    let (place, server) = match &setup.config.smtp {
        SmtpSection::Maildir { path } => (path.display().to_string(), None),
        SmtpSection::Smtp(smtp) => {
            let usual = match smtp.tls {
                SmtpTls::Implicit => 465,
                SmtpTls::Starttls => 587,
                SmtpTls::None => 25,
            };
            let server = Server {
                service: Service::Smtp,
                host: &smtp.host,
                port: smtp.port.unwrap_or(usual),
                starttls: smtp.tls == SmtpTls::Starttls,
                by_password: smtp.auth == Auth::Password,
            };
            (smtp.host.clone(), Some(server))
        }
    };
    if let Some(why) = server.as_ref().and_then(wrong_settings) {
        return line(Verdict::Fail, "smtp", format!("{place}: {why}"));
    }
    let tried = match setup.submitter() {
        Ok((submitter, _)) => submitter.try_login().await,
        Err(why) => Err(why),
    };
    match tried {
        Ok(()) => line(Verdict::Ok, "smtp", format!("{place} takes our mail")),
        Err(why) => {
            let refused = server.filter(|_| Trouble::of(&why) == Trouble::PasswordRefused);
            let advice = refused
                .and_then(|server| remedy(&server, &format!("{why:#}"), &BTreeSet::new(), false));
            line(Verdict::Fail, "smtp", failure(&place, &why, Part::MailServer, advice))
        }
    }
}
