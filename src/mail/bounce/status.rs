//! Delivery status notifications: the fields of RFC 3464, wherever they stand.

use super::codes::code_in;
use super::{Action, RecipientStatus};
use crate::mail::EmailAddress;

/// Recipients of one report that are read.
const RECIPIENTS_MAX: usize = 100;

/// The fields of one recipient (RFC 3464 §2.3), as far as they were met.
#[derive(Default)]
struct Group<'a> {
    original: Option<&'a str>,
    last: Option<&'a str>,
    action: Option<&'a str>,
    status: Option<&'a str>,
    diagnostic: Option<&'a str>,
}

/// What `text` says of each recipient. Its groups should be separated by blank lines; where
/// they are not, a field that comes a second time begins the next one. The line may be quoted
/// or indented, as in a report that was put into a text.
pub(super) fn recipients(text: &str) -> Vec<RecipientStatus> {
    let mut found = Vec::new();
    let mut group = Group::default();
    for line in text.lines().map(|line| line.trim_matches(['>', ' ', '\t', '\r'])) {
        if found.len() >= RECIPIENTS_MAX {
            break;
        }
        if line.is_empty() {
            found.extend(std::mem::take(&mut group).end());
            continue;
        }
        let Some((name, value)) = line.split_once(':') else { continue };
        if group.has(name) {
            found.extend(std::mem::take(&mut group).end());
        }
        if let Some(field) = group.field(name) {
            *field = Some(value.trim());
        }
    }
    found.extend(group.end());
    found
}

impl<'a> Group<'a> {
    fn field(&mut self, name: &str) -> Option<&mut Option<&'a str>> {
        Some(match name.trim_end().to_ascii_lowercase().as_str() {
            "original-recipient" => &mut self.original,
            "final-recipient" => &mut self.last,
            "action" => &mut self.action,
            "status" => &mut self.status,
            "diagnostic-code" => &mut self.diagnostic,
            _ => return None,
        })
    }

    fn has(&mut self, name: &str) -> bool {
        self.field(name).is_some_and(|field| field.is_some())
    }

    fn end(self) -> Option<RecipientStatus> {
        let written = self.status.map(leading_code).unwrap_or_default();
        let diagnosed = || self.diagnostic.and_then(code_in);
        let status = Some(written).filter(|code| !code.is_empty()).or_else(diagnosed);
        let action = self.action.and_then(action).or_else(|| by_status(status.as_deref()?))?;
        // The address that the mail was sent to, before anybody forwarded it.
        let address = self.original.and_then(address).or_else(|| self.last.and_then(address));
        Some(RecipientStatus { address, action, status: status.unwrap_or_default() })
    }
}

/// RFC 3464 §2.3.3, possibly with a comment behind it.
fn action(value: &str) -> Option<Action> {
    let word: String = value.chars().take_while(char::is_ascii_alphabetic).collect();
    match word.to_ascii_lowercase().as_str() {
        "failed" | "failure" => Some(Action::Failed),
        "delayed" => Some(Action::Delayed),
        "delivered" | "relayed" | "expanded" => Some(Action::Arrived),
        _ => None,
    }
}

/// By the class of an enhanced code (RFC 3463 §2).
pub(super) fn by_status(code: &str) -> Option<Action> {
    match code.as_bytes().first()? {
        b'5' => Some(Action::Failed),
        b'4' => Some(Action::Delayed),
        b'2' => Some(Action::Arrived),
        _ => None,
    }
}

fn leading_code(value: &str) -> String {
    value.chars().take_while(|c| c.is_ascii_digit() || *c == '.').collect()
}

/// `rfc822; jane@example.org`, also without its type or in angle brackets.
fn address(value: &str) -> Option<EmailAddress> {
    let (_, address) = value.split_once(';').unwrap_or(("", value));
    EmailAddress::parse(address.trim().trim_matches(['<', '>', '"'])).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &[(&str, Action, &str)]) {
        let found = recipients(text);
        let found: Vec<_> = found
            .iter()
            .map(|one| {
                let address = one.address.as_ref().map_or("", EmailAddress::as_str);
                (address, one.action, one.status.as_str())
            })
            .collect();
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn each_group_is_one_recipient() {
        check(
            "Reporting-MTA: dns; mx.example.org\r\n\r\nFinal-Recipient: rfc822; a@example.org\r\n\
             Action: failed\r\nStatus: 5.1.1 (no\r\n such user)\r\n\r\n\
             Final-Recipient: RFC822;<b@example.org>\r\nAction: Delayed\r\nStatus: 4.2.2\r\n",
            &[
                ("a@example.org", Action::Failed, "5.1.1"),
                ("b@example.org", Action::Delayed, "4.2.2"),
            ],
        );
    }

    #[test]
    fn groups_without_blank_lines_and_in_any_order_are_told_apart() {
        check(
            "> Action: failed\n> Final-Recipient: rfc822; a@example.org\n> Action: relayed\n\
             > Original-Recipient: rfc822;b@example.org\n> Final-Recipient: rfc822;c@example.net\n",
            &[("a@example.org", Action::Failed, ""), ("b@example.org", Action::Arrived, "")],
        );
    }

    #[test]
    fn a_code_tells_the_action_that_is_missing() {
        check(
            "Final-Recipient: a@example.org\nStatus: 5.2.2",
            &[("a@example.org", Action::Failed, "5.2.2")],
        );
        check("Status: 4.4.7", &[("", Action::Delayed, "4.4.7")]);
        check("Diagnostic-Code: smtp; 550 no such user", &[("", Action::Failed, "5.0.0")]);
        check("Final-Recipient: a@example.org", &[]);
        // The transfer is over, whatever the last server said.
        check("Action: failed\nStatus: 4.4.7", &[("", Action::Failed, "4.4.7")]);
    }
}
