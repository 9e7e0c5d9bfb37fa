//! What ties a mail to one of our letters: the tokens in the addresses it was sent to, and
//! the Message-IDs it answers.

use super::{EmailAddress, Mail};

/// Longest Message-ID of somebody else that we echo in In-Reply-To (octets).
const ECHOED_ID_OCTETS_MAX: usize = 200;

/// Texts in `mail` that may be tokens of ours: plus-tags of the desk's address and local
/// parts of Message-IDs at its domain. Whether they are is for the holder of the key.
pub fn token_candidates(mail: &Mail, desk: &EmailAddress) -> Vec<String> {
    let tags = mail.recipients.iter().filter_map(|address| address.tag_of(desk)).map(str::to_owned);
    // A report quotes our Message-ID or our return path, `hello+tag`.
    let quoted = mail.report.iter().flat_map(|report| report.quoted_ids.iter().cloned());
    let ids = answered_ids(mail).into_iter().chain(quoted);
    let ours = ids.filter_map(|id| {
        let (local, domain) = id.rsplit_once('@')?;
        let token = local.rsplit('+').next().unwrap_or(local);
        domain.eq_ignore_ascii_case(desk.domain()).then(|| token.to_owned())
    });
    let mut found: Vec<String> = tags.chain(ours).map(|text| text.to_ascii_lowercase()).collect();
    found.dedup();
    found.truncate(20);
    found
}

/// The text in the mail's own Message-ID that is a token of ours if the desk sent it; none or
/// one.
pub fn own_id_candidate(mail: &Mail, desk: &EmailAddress) -> Vec<String> {
    let id = mail.headers.first("message-id").unwrap_or_default().trim();
    let parts = id.trim_matches(['<', '>']).rsplit_once('@');
    let ours = parts.filter(|(_, domain)| domain.eq_ignore_ascii_case(desk.domain()));
    ours.map(|(local, _)| local.to_ascii_lowercase()).into_iter().collect()
}

/// The Message-IDs of In-Reply-To and References, without angle brackets.
pub fn answered_ids(mail: &Mail) -> Vec<String> {
    let fields = mail.headers.all("in-reply-to").chain(mail.headers.all("references"));
    fields.flat_map(message_ids).map(str::to_owned).take(100).collect()
}

/// The first Message-ID in a field's value, without angle brackets.
pub fn message_id(value: &str) -> Option<&str> {
    message_ids(value).next()
}

fn message_ids(value: &str) -> impl Iterator<Item = &str> {
    let begun = value.split('<').skip(1);
    begun.filter_map(|rest| rest.split_once('>')).map(|(id, _)| id.trim())
}

/// The mail's own Message-ID with its brackets, when it is fit to be echoed: plain printable
/// ASCII and short. Anything else would put a stranger's words into our header.
pub fn echoable_message_id(mail: &Mail) -> Option<String> {
    let id = mail.headers.first("message-id")?;
    let inner = id.strip_prefix('<')?.strip_suffix('>')?;
    let plain = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~.@:".contains(c);
    let fits = id.len() <= ECHOED_ID_OCTETS_MAX && inner.contains('@') && inner.chars().all(plain);
    fits.then(|| id.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::{Bounds, parse};

    fn mail(header: &str) -> Mail {
        let raw = format!("From: jane@example.org\r\n{header}\r\n\r\nx\r\n");
        parse(raw.as_bytes(), &Bounds::default()).unwrap()
    }

    #[test]
    fn candidates_stand_in_our_addresses_and_our_ids_only() {
        let desk = EmailAddress::parse("hello@flexus.team").unwrap();
        let check = |header: &str, expected: &[&str]| {
            assert_eq!(token_candidates(&mail(header), &desk), expected, "{header}");
        };
        check("To: hello+abc@flexus.team", &["abc"]);
        check("Delivered-To: Hello+ABC@flexus.team", &["abc"]);
        check("In-Reply-To: <abc@flexus.team>", &["abc"]);
        check("References: <x@example.org>\r\n <abc@flexus.team>", &["abc"]);
        check("To: other+abc@flexus.team\r\nIn-Reply-To: <abc@example.org>", &[]);
        check("Subject: hello+abc@flexus.team", &[]);
    }

    #[test]
    fn only_a_plain_message_id_is_echoed() {
        let echoed = |id: &str| echoable_message_id(&mail(&format!("Message-ID: {id}")));
        assert_eq!(echoed("<a.b-c@example.org>").as_deref(), Some("<a.b-c@example.org>"));
        assert_eq!(echoed("<visit http://x@example.org>"), None);
        assert_eq!(echoed("a@example.org"), None);
        assert_eq!(echoed(&format!("<{}@example.org>", "a".repeat(300))), None);
        assert_eq!(echoed("<ä@example.org>"), None);
    }
}
