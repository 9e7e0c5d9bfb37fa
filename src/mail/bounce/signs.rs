//! What the header alone tells: whether it is worth looking for a report at all.

use mail_parser::{Message, MimeHeaders as _};

use crate::mail::EmailAddress;
use crate::mail::headers::Headers;

/// Addresses of one X-Failed-Recipients field that are read.
const FAILED_RECIPIENTS_MAX: usize = 100;

/// Names, in letters only, that no person has.
const DAEMONS: [&str; 8] = [
    "mailerdaemon",
    "maildaemon",
    "emaildaemon",
    "mdaemon",
    "maildeliver",
    "deliverysubsystem",
    "deliverysystem",
    "microsoftexchange",
];
/// Names that servers share with the people who look after them, and with others.
const ROLES: [&str; 12] = [
    "postmaster",
    "poostmaster",
    "deliverynotification",
    "deliverystatus",
    "mailadministrator",
    "mailrouter",
    "mailsystem",
    "mailservice",
    "systemadministrator",
    "interscan",
    "mailgateway",
    "emailsecurity",
];
/// Mailboxes that read no answers. A longer name may be that of a person.
const UNREAD: [&str; 6] =
    ["noreply", "donotreply", "bounce", "bounces", "notification", "notifications"];

/// How far a mail looks like the word of a mail server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Trust {
    /// Nothing of a mail server in it.
    None,
    /// A mailbox that reads no answers, as newsletters have it: only a mail that has the form of
    /// a report is looked at further.
    Unread,
    /// A null return path, as automatic answers have it too, or the name of a role.
    Weak,
    /// Both, or a name that only mail servers give themselves, or none at all.
    Server,
    /// It is called a report, or carries a field that only bounces have.
    Report,
}

/// The signs in one header.
#[derive(Clone, Debug)]
pub(super) struct Signs {
    pub(super) trust: Trust,
    /// X-Failed-Recipients (Exim, Gmail), when it is there.
    pub(super) failed_recipients: Option<Vec<EmailAddress>>,
}

impl Signs {
    pub(super) fn of(message: &Message<'_>, headers: &Headers) -> Signs {
        let failed_recipients = headers.first("x-failed-recipients").map(addresses);
        let is_null_path = headers.all("return-path").any(is_null);
        let is_named = |names: &[&str]| headers.all("from").any(|from| has_name(from, names));
        let reads_nothing = headers.all("from").any(is_unread);
        let is_nobody = headers.all("from").all(|from| from.trim().ends_with("<>"));
        let trust = if failed_recipients.is_some() || is_report_by_type(message) {
            Trust::Report
        } else {
            match (is_null_path, is_named(&ROLES), reads_nothing) {
                _ if is_named(&DAEMONS)
                    || headers.all("return-path").any(is_daemon)
                    || headers.all("auto-submitted").any(reports) =>
                {
                    Trust::Server
                }
                (true, true, _) => Trust::Server,
                (true, false, _) if is_nobody => Trust::Server,
                (true, false, _) | (false, true, _) => Trust::Weak,
                (false, false, true) => Trust::Unread,
                (false, false, false) => Trust::None,
            }
        };
        Signs { trust, failed_recipients }
    }
}

/// `multipart/report` (RFC 6522) of deliveries, or nothing but the fields of RFC 3464.
fn is_report_by_type(message: &Message<'_>) -> bool {
    let Some(found) = message.content_type() else { return false };
    let subtype = found.subtype().unwrap_or_default();
    let about = found.attribute("report-type").unwrap_or("delivery-status");
    match found.ctype().to_ascii_lowercase().as_str() {
        "multipart" => {
            subtype.eq_ignore_ascii_case("report")
                && about.to_ascii_lowercase().ends_with("delivery-status")
        }
        "message" => subtype.to_ascii_lowercase().ends_with("delivery-status"),
        _ => false,
    }
}

/// The comments that Sendmail puts into Auto-Submitted.
fn reports(value: &str) -> bool {
    let value = value.to_ascii_lowercase();
    value.starts_with("auto-generated")
        && ["(failure", "(warning", "(postmaster-"].iter().any(|sign| value.contains(sign))
}

/// The null path as it is written, and as some delivery agents put it into words.
fn is_null(path: &str) -> bool {
    let path = path.trim().trim_matches(['<', '>']);
    path.is_empty() || path.eq_ignore_ascii_case("null") || is_daemon(path)
}

fn is_daemon(path: &str) -> bool {
    path.to_ascii_lowercase().contains("mailer-daemon")
}

/// Whether the local part of a From field begins with one of `names`, or its name has it.
fn has_name(from: &str, names: &[&str]) -> bool {
    let (local, name) = local_part_and_name(from);
    names.iter().any(|one| local.starts_with(one) || name.contains(one))
}

fn is_unread(from: &str) -> bool {
    let (local, _) = local_part_and_name(from);
    UNREAD.contains(&local.as_str())
}

/// The letters of the local part, and those of the name beside the address.
fn local_part_and_name(from: &str) -> (String, String) {
    let letters = |text: &str| -> String {
        text.chars().filter(char::is_ascii_alphabetic).map(|c| c.to_ascii_lowercase()).collect()
    };
    let words = from.split(|c: char| c.is_whitespace() || "<>\"".contains(c));
    let address = words.clone().find(|word| word.contains('@'));
    // `MAILER-DAEMON (Mail Delivery System)`, of a server without a domain.
    let address = address.or_else(|| words.clone().next()).unwrap_or_default();
    let local = address.split('@').next().unwrap_or_default();
    (letters(local), letters(&from.replacen(address, "", 1)))
}

fn addresses(value: &str) -> Vec<EmailAddress> {
    let found = value.split(',').filter_map(|one| EmailAddress::parse(one.trim()).ok());
    found.take(FAILED_RECIPIENTS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use mail_parser::MessageParser;

    #[track_caller]
    fn check(header: &str, expected: Trust) {
        let raw = format!("{header}\r\n\r\nx");
        let message = MessageParser::default().parse(raw.as_bytes()).unwrap();
        let fields = header.split("\r\n").filter_map(|line| line.split_once(':'));
        let headers = Headers::new(fields.map(|(n, v)| (n.to_owned(), v.to_owned())));
        assert_eq!(Signs::of(&message, &headers).trust, expected, "{header}");
    }

    #[test]
    fn the_header_tells_how_far_to_look() {
        check("From: jane@example.org", Trust::None);
        check("From: jane@example.org\r\nReturn-Path: <jane@example.org>", Trust::None);
        check(
            "From: jane@example.org\r\nSubject: Undelivered Mail Returned to Sender",
            Trust::None,
        );
        check("From: jane@example.org\r\nReturn-Path: <>", Trust::Weak);
        check("From: jane@example.org\r\nReturn-Path: <null>", Trust::Weak);
        check("From: no-reply@example.org", Trust::Unread);
        check("Return-Path: <>\r\nTo: hello@flexus.example", Trust::Server);
        check("Return-Path: <>\r\nFrom: <>", Trust::Server);
        check("From: MAILER-DAEMON (Mail Delivery System)", Trust::Server);
        check("From: Post_Master@example.org", Trust::Weak);
        check("From: Mail Delivery Subsystem <x@example.org>", Trust::Server);
        check("From: <Mailer-Daemon@example.org> (Mail Delivery System)", Trust::Server);
        check("From: no-bounces@example.org\r\nReturn-Path: <>", Trust::Weak);
        check("From: bounces@example.org\r\nReturn-Path: <>", Trust::Weak);
        check("From: Jane Bounce <jane.noreply.doe@example.org>", Trust::None);
        check("From: postmaster@example.org\r\nReturn-Path: <>", Trust::Server);
        check("From: x@example.org\r\nReturn-Path: <MAILER-DAEMON@example.org>", Trust::Server);
        check("From: x@example.org\r\nX-Failed-Recipients: jane@example.org", Trust::Report);
        check("From: x@example.org\r\nAuto-Submitted: auto-generated (failure)", Trust::Server);
        check("From: x@example.org\r\nAuto-Submitted: auto-replied (vacation)", Trust::None);
        check(
            "From: x@example.org\r\nContent-Type: multipart/report; report-type=delivery-status; boundary=b",
            Trust::Report,
        );
        check(
            "From: x@example.org\r\nContent-Type: multipart/report; report-type=disposition-notification; boundary=b",
            Trust::None,
        );
    }
}
