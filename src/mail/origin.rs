//! Who made this mail: a person, or a program that must not be answered (RFC 3834).

use super::languages::{begins_with_any, folded};
use super::{EmailAddress, Mail};

/// RFC 5321 §6.3 speaks of "a large number of Received fields"; more than this is a loop.
pub const RECEIVED_MAX: usize = 50;

/// Where a mail comes from, with the sign that gave it away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nothing says that it is not a person.
    Person,
    /// A delivery report (RFC 3464) or anything else with a null return path.
    Report,
    /// One of the signs of automatic mail.
    Automatic(Sign),
    /// Our own mail, come back.
    Ourselves,
}

/// What gave a program away. The name is the reason in the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    /// `Return-Path: <>` (RFC 3834 §2).
    NullReturnPath,
    /// `Auto-Submitted` with any value but `no` (RFC 3834 §5).
    AutoSubmitted,
    /// `Precedence: bulk`, `junk` or `list`.
    Precedence,
    /// Any `List-*` field (RFC 2369, RFC 2919).
    List,
    /// A notice that a mail was read (RFC 8098).
    DispositionNotification,
    /// A complaint in the form of RFC 5965.
    FeedbackReport,
    /// The marks that answering machines set beside the standard.
    Autoresponder,
    /// A field that asks for no automatic answer, or the mark of a ticket system: seldom a
    /// person, but possibly.
    NoAnswerWanted,
    /// More than [`RECEIVED_MAX`] Received fields.
    TooManyHops,
    /// Sent by `mailer-daemon`, `postmaster`, `noreply` or the like.
    RoleSender,
    /// Not exactly one author with an address.
    NoAuthor,
}

impl Sign {
    /// The reason, as the journal and `explain` show it.
    pub fn as_str(self) -> &'static str {
        match self {
            Sign::NullReturnPath => "null-return-path",
            Sign::AutoSubmitted => "auto-submitted",
            Sign::Precedence => "precedence-bulk",
            Sign::List => "mailing-list",
            Sign::DispositionNotification => "read-receipt",
            Sign::FeedbackReport => "feedback-report",
            Sign::Autoresponder => "autoresponder",
            Sign::NoAnswerWanted => "no-answer-wanted",
            Sign::TooManyHops => "too-many-hops",
            Sign::RoleSender => "role-sender",
            Sign::NoAuthor => "no-single-author",
        }
    }
}

/// Permission to answer a mail by itself. Only [`answerable`] makes one, so a letter to a
/// robot cannot be written.
#[derive(Clone, Debug)]
pub struct Answerable(EmailAddress);

impl Answerable {
    /// The address that may be written to.
    pub fn address(&self) -> &EmailAddress {
        &self.0
    }
}

/// The permission to answer `mail`, or the origin that forbids it.
///
/// # Errors
/// The [`Origin`] that is not a person.
pub fn answerable(mail: &Mail, desk: &EmailAddress) -> Result<Answerable, Origin> {
    match (origin(mail, desk), mail.author.address()) {
        (Origin::Person, Some(author)) => Ok(Answerable(author.clone())),
        (Origin::Person, None) => Err(Origin::Automatic(Sign::NoAuthor)),
        (other, _) => Err(other),
    }
}

/// Where `mail` comes from, seen from the desk's own address.
pub fn origin(mail: &Mail, desk: &EmailAddress) -> Origin {
    let ours = mail.author.address().is_some_and(|author| author.same_mailbox(desk));
    if ours || mail.headers.first("x-deletion-desk").is_some() {
        return Origin::Ourselves;
    }
    let is_report = || {
        let content_type = mail.headers.first("content-type").unwrap_or_default();
        content_type.get(..16).is_some_and(|kind| kind.eq_ignore_ascii_case("multipart/report"))
    };
    match automatic(mail) {
        _ if mail.report.is_some() => Origin::Report,
        Some(sign @ (Sign::DispositionNotification | Sign::FeedbackReport)) => {
            Origin::Automatic(sign)
        }
        // RFC 6522: of TLS, of DMARC, of whatever is reported next.
        _ if is_report() => Origin::Report,
        sign => sign.map_or(Origin::Person, Origin::Automatic),
    }
}

/// The sign that a program wrote `mail`, whoever it is from.
pub fn automatic(mail: &Mail) -> Option<Sign> {
    let headers = &mail.headers;
    let value = |name: &str| headers.first(name).unwrap_or_default().to_ascii_lowercase();
    let content_type = value("content-type");
    let carries = |kind: &str| {
        mail.attachments.iter().any(|file| file.content_type.eq_ignore_ascii_case(kind))
    };
    if content_type.contains("report-type=disposition-notification")
        || content_type.contains("report-type=\"disposition-notification")
        || carries("message/disposition-notification")
    {
        return Some(Sign::DispositionNotification);
    }
    // Microsoft's reports have a subject of their own and no form.
    let complains = mail.subject.starts_with("complaint about message from ");
    if content_type.contains("feedback-report") || carries("message/feedback-report") || complains {
        return Some(Sign::FeedbackReport);
    }
    // Receipts have one too (RFC 8098 §3), and tell more by what they are.
    if headers.all("return-path").any(is_null_path) {
        return Some(Sign::NullReturnPath);
    }
    let submitted = headers.all("auto-submitted").chain(headers.all("x-auto-submitted"));
    if submitted.into_iter().any(|value| !is_no(value)) {
        return Some(Sign::AutoSubmitted);
    }
    if headers.names().any(|name| name.starts_with("list-")) {
        return Some(Sign::List);
    }
    if ["bulk", "junk", "list", "auto_reply", "auto-reply"].contains(&value("precedence").as_str())
    {
        return Some(Sign::Precedence);
    }
    if is_autoresponder(mail) {
        return Some(Sign::Autoresponder);
    }
    if headers.names().any(wants_no_answer) {
        return Some(Sign::NoAnswerWanted);
    }
    if headers.all("received").count() > RECEIVED_MAX {
        return Some(Sign::TooManyHops);
    }
    // What WordPress and its plug-ins send by.
    if value("x-mailer").starts_with("phpmailer") {
        return Some(Sign::RoleSender);
    }
    let author = mail.author.address()?;
    is_role(author.local_part()).then_some(Sign::RoleSender)
}

/// `no`, possibly with a comment or parameter behind it (RFC 3834 §5.1).
fn is_no(value: &str) -> bool {
    let keyword = value.split([';', ' ', '(']).next().unwrap_or_default();
    keyword.eq_ignore_ascii_case("no")
}

/// `<>`, or what some hosts write in its place.
fn is_null_path(path: &str) -> bool {
    let path = path.trim();
    let inner = path.trim_matches(|c: char| matches!(c, '<' | '>') || c.is_whitespace());
    (path.starts_with('<') && inner.is_empty())
        || inner.get(..14).is_some_and(|begin| begin.eq_ignore_ascii_case("mailer-daemon@"))
}

fn is_autoresponder(mail: &Mail) -> bool {
    const NAMES: [&str; 17] = [
        "x-autoreply",
        "x-auto-reply",
        "x-autoreply-from",
        "x-autorespond",
        "x-autoresponder",
        "x-autoresponse",
        "x-auto-response-from",
        "x-mail-autoreply",
        "x-mailer-autoreply",
        "x-vacation",
        "x-fc-machinegenerated",
        "x-post-messageclass",
        "x-rt-loop-prevention",
        "x-ms-exchange-inbox-rules-loop",
        "x-ms-exchange-generated-message-source",
        "x-autogenerated",
        "x-ooo-reply",
    ];
    let headers = &mail.headers;
    let vacation =
        headers.first("delivered-to").is_some_and(|to| to.eq_ignore_ascii_case("autoresponder"));
    says_away(&mail.subject) || vacation || headers.names().any(|name| NAMES.contains(&name))
}

/// The subject of an answering machine, behind the tags that borders put in front.
fn says_away(subject: &str) -> bool {
    let folded = folded(subject);
    let mut rest = folded.trim_start();
    while let Some((_, after)) = rest.strip_prefix('[').and_then(|tag| tag.split_once(']')) {
        rest = after.trim_start();
    }
    // Lotus Notes: "Jane Doe/Example is out of the office".
    begins_with_any(rest, |language| language.away) || folded.contains(" is out of the office")
}

/// Fields that only programs and ticket systems set.
fn wants_no_answer(name: &str) -> bool {
    const BEGIN: [&str; 20] = [
        "x-zendesk",
        "x-freshdesk",
        "x-otrs",
        "x-zammad",
        "x-hubspot",
        "x-hs-",
        "x-jira",
        "x-helpscout",
        "x-intercom",
        "x-servicenow",
        "x-gorgias",
        "x-kayako",
        "x-sfdc-",
        "x-deskpro",
        "x-osticket",
        "x-redmine",
        "x-github-",
        "x-gitlab-",
        "x-bugzilla",
        "rt-ticket",
    ];
    name == "x-auto-response-suppress" || BEGIN.iter().any(|begin| name.starts_with(begin))
}

fn is_role(local_part: &str) -> bool {
    /// In any place, as whole words: "noreply-dmarc-support", "company.no-reply".
    const INSIDE: [&str; 19] = [
        "noreply",
        "noreplies",
        "donotreply",
        "dontreply",
        "mailerdaemon",
        "noresponder",
        "noresponda",
        "naoresponder",
        "naoresponda",
        "nepasrepondre",
        "nichtantworten",
        "keineantwort",
        "nonrispondere",
        "nietbeantwoorden",
        "nieodpowiadaj",
        "neodpovidat",
        "svaraej",
        "svarikke",
        "autoreply",
    ];
    const WHOLE: [&str; 13] = [
        "postmaster",
        "bounce",
        "bounces",
        "daemon",
        "root",
        "listserv",
        "majordomo",
        "newsletter",
        "notification",
        "notifications",
        "autoresponder",
        "autoresponse",
        "wordpress",
    ];
    let local = local_part.to_ascii_lowercase();
    let words: Vec<&str> =
        local.split(|c: char| !c.is_ascii_alphabetic()).filter(|word| !word.is_empty()).collect();
    // "do-not-reply" is three words, "noreply" one.
    let joined = |count: usize| words.windows(count).map(|words| words.concat());
    (1..=3).flat_map(joined).any(|word| INSIDE.contains(&word.as_str()))
        || WHOLE.contains(&words.concat().as_str())
        || ["bounce-", "bounces-", "bounce+", "bounces+"]
            .iter()
            .any(|begin| local.starts_with(begin))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::{Bounds, parse};

    #[track_caller]
    fn check(header: &str, expected: Result<(), Origin>) {
        let author = if header.contains("From:") { "" } else { "From: jane@example.org\r\n" };
        let raw = format!("{author}{header}\r\nTo: hello@flexus.team\r\n\r\nplease\r\n");
        let mail = parse(raw.as_bytes(), &Bounds::default()).unwrap();
        let desk = EmailAddress::parse("hello@flexus.team").unwrap();
        assert_eq!(answerable(&mail, &desk).map(|_| ()), expected, "{header}");
    }

    #[test]
    fn a_person_may_be_answered() {
        check("Subject: hi", Ok(()));
        check("Auto-Submitted: no", Ok(()));
        check("Auto-Submitted: No (a person)", Ok(()));
        check("Return-Path: <jane@example.org>", Ok(()));
        check("Precedence: first-class", Ok(()));
    }

    #[test]
    fn a_program_may_not() {
        let automatic = |sign| Err(Origin::Automatic(sign));
        check("Return-Path: <>", automatic(Sign::NullReturnPath));
        check("Auto-Submitted: auto-replied", automatic(Sign::AutoSubmitted));
        check("Auto-Submitted: auto-generated; owner=x", automatic(Sign::AutoSubmitted));
        check("Auto-Submitted: not-a-keyword", automatic(Sign::AutoSubmitted));
        check("List-Id: <a.example.org>", automatic(Sign::List));
        check("List-Unsubscribe: <mailto:a@example.org>", automatic(Sign::List));
        check("Precedence: Bulk", automatic(Sign::Precedence));
        check("X-Autoreply: yes", automatic(Sign::Autoresponder));
        check("Subject: Automatic reply: your mail", automatic(Sign::Autoresponder));
        check("From: MAILER-DAEMON@example.org", automatic(Sign::RoleSender));
        check("From: no-reply@example.org", automatic(Sign::RoleSender));
        check("From: a@example.org, b@example.org", automatic(Sign::NoAuthor));
        check("From: wordpress@example.org", automatic(Sign::RoleSender));
        check("X-Mailer: PHPMailer 6.9.3", automatic(Sign::RoleSender));
        check("X: y\r\nFrom:", automatic(Sign::NoAuthor));
        check(&"Received: by mx\r\n".repeat(51), automatic(Sign::TooManyHops));
        check("From: Hello+tag@flexus.team", Err(Origin::Ourselves));
        check("X-Deletion-Desk: 1", Err(Origin::Ourselves));
        check(
            "Content-Type: multipart/report; report-type=disposition-notification; boundary=x",
            automatic(Sign::DispositionNotification),
        );
    }
}
