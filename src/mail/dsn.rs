//! Delivery status notifications: RFC 3464 inside RFC 3462's `multipart/report`.

use mail_parser::{Message, MessagePart, MimeHeaders, PartType};

use super::headers::Headers;

/// A report of what became of a mail of ours, or of somebody else's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// What it says of each recipient.
    pub recipients: Vec<RecipientStatus>,
    /// The Message-ID of the mail it is about, without angle brackets, when it returns the
    /// mail or its header.
    pub returned_message_id: Option<String>,
}

/// One group of per-recipient fields (RFC 3464 §2.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecipientStatus {
    /// `Action`.
    pub action: Action,
    /// `Status`, an enhanced code such as `5.1.1` (RFC 3463).
    pub status: String,
}

/// RFC 3464 §2.3.3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// It will not arrive: a bounce.
    Failed,
    /// It has not arrived yet and is still being tried.
    Delayed,
    /// Delivered, relayed or expanded: nothing is wrong.
    Arrived,
}

impl Report {
    /// Whether it says that the mail will not arrive.
    pub fn failed(&self) -> bool {
        self.recipients.iter().any(|recipient| recipient.action == Action::Failed)
    }
}

/// The report inside a message, if it carries one.
pub fn report(message: &Message<'_>) -> Option<Report> {
    let status = message.parts.iter().find(|part| is_type(part, "message", "delivery-status"))?;
    let text = String::from_utf8_lossy(status.contents());
    Some(Report {
        recipients: recipient_groups(&text),
        returned_message_id: message.parts.iter().find_map(returned_message_id),
    })
}

fn is_type(part: &MessagePart<'_>, kind: &str, subtype: &str) -> bool {
    part.content_type().is_some_and(|found| {
        found.ctype().eq_ignore_ascii_case(kind)
            && found.subtype().is_some_and(|found| found.eq_ignore_ascii_case(subtype))
    })
}

/// Groups of fields are separated by blank lines; the first is about the message.
fn recipient_groups(text: &str) -> Vec<RecipientStatus> {
    let text = text.replace("\r\n", "\n");
    text.split("\n\n").filter_map(|group| recipient_status(&fields(group))).take(100).collect()
}

fn recipient_status(fields: &Headers) -> Option<RecipientStatus> {
    let action = fields.first("action")?.to_ascii_lowercase();
    let action = match action.as_str() {
        "failed" => Action::Failed,
        "delayed" => Action::Delayed,
        _ => Action::Arrived,
    };
    let status = fields.first("status").unwrap_or_default();
    let code: String = status.chars().take_while(|c| c.is_ascii_digit() || *c == '.').collect();
    Some(RecipientStatus { action, status: code })
}

/// `Name: value` lines with folded continuations.
fn fields(text: &str) -> Headers {
    let mut found: Vec<(String, String)> = Vec::new();
    for line in text.lines() {
        match (line.starts_with([' ', '\t']), line.split_once(':'), found.last_mut()) {
            (true, _, Some((_, value))) => {
                value.push(' ');
                value.push_str(line.trim());
            }
            (false, Some((name, value)), _) => {
                found.push((name.trim().to_owned(), value.trim().to_owned()));
            }
            _ => {}
        }
    }
    Headers::new(found)
}

/// From the returned message (`message/rfc822`) or its header alone (`text/rfc822-headers`).
fn returned_message_id(part: &MessagePart<'_>) -> Option<String> {
    match &part.body {
        PartType::Message(returned) => returned.message_id().map(str::to_owned),
        PartType::Text(text) if is_type(part, "text", "rfc822-headers") => {
            let header = fields(text);
            let id = header.first("message-id")?;
            Some(id.trim_matches(|c| c == '<' || c == '>').to_owned())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::{Bounds, parse};

    fn bounce(action: &str, returned: &str) -> Report {
        let raw = format!(
            "From: MAILER-DAEMON@example.org\r\nContent-Type: multipart/report; \
             report-type=delivery-status; boundary=b\r\n\r\n--b\r\n\r\nsorry\r\n--b\r\n\
             Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.example.org\r\n\r\n\
             Final-Recipient: rfc822; jane@example.org\r\nAction: {action}\r\nStatus: 5.1.1 (no\r\n \
             such user)\r\n\r\n--b\r\nContent-Type: {returned}\r\n\r\nMessage-ID:\r\n \
             <abc@flexus.team>\r\nSubject: x\r\n\r\n--b--\r\n"
        );
        parse(raw.as_bytes(), &Bounds::default()).unwrap().report.unwrap()
    }

    #[test]
    fn a_bounce_names_its_mail_by_header_or_whole() {
        for returned in ["message/rfc822", "text/rfc822-headers"] {
            let report = bounce("failed", returned);
            assert!(report.failed());
            assert_eq!(
                report.returned_message_id.as_deref(),
                Some("abc@flexus.team"),
                "{returned}"
            );
            assert_eq!(report.recipients[0].status, "5.1.1");
        }
    }

    #[test]
    fn a_delay_is_no_bounce() {
        assert!(!bounce("Delayed", "message/rfc822").failed());
        assert!(!bounce("relayed", "message/rfc822").failed());
    }
}
