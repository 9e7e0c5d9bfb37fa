//! Whom a header names.

use mail_parser::{Addr, Address, HeaderName, HeaderValue, Message};

use crate::mail::headers::Headers;
use crate::mail::{Author, EmailAddress};

/// The one author, if the header names exactly one.
pub(super) fn author(message: &Message<'_>, headers: &Headers) -> Author {
    // mail-parser's `from()` is the last of several fields; the first proves nothing either.
    let mut fields = message.header_values(HeaderName::From);
    let (Some(field), None) = (fields.next(), fields.next()) else {
        let any = headers.first("from").is_some();
        return if any { Author::Several } else { Author::Nobody };
    };
    let HeaderValue::Address(Address::List(list)) = field else {
        let is_group = matches!(field, HeaderValue::Address(_));
        return if is_group { Author::Several } else { Author::Nobody };
    };
    let Some(mailbox) = only_mailbox(list) else { return Author::Several };
    let written = headers.first("from").unwrap_or_default();
    // "Mailsploit": an address that only appears after RFC 2047 decoding is not what the
    // servers on the way checked.
    let stands_there = |text: &&str| written.contains(*text);
    match mailbox.address().map(bare).filter(stands_there).map(EmailAddress::parse) {
        Some(Ok(address)) => Author::One(address),
        _ => Author::Nobody,
    }
}

/// The one mailbox of a list. mail-parser makes two of `Doe, Jane <jane@example.org>`, whose
/// comma should stand in quotation marks: words without an `@` beside one address are its name.
fn only_mailbox<'a>(list: &'a [Addr<'a>]) -> Option<&'a Addr<'a>> {
    let is_name = |one: &&Addr<'_>| {
        one.address.is_none() && one.name.as_ref().is_none_or(|name| !name.contains('@'))
    };
    match list {
        [one] => Some(one),
        _ => {
            let mut mailboxes = list.iter().filter(|one| !is_name(one));
            mailboxes.next().filter(|_| mailboxes.next().is_none())
        }
    }
}

/// Without what careless programs leave around an address.
fn bare(address: &str) -> &str {
    let address =
        address.trim_matches(|c: char| c.is_whitespace() || matches!(c, '<' | '>' | ',' | ';'));
    address.strip_prefix("mailto:").unwrap_or(address)
}

/// The display name that the sender gives.
pub(super) fn name<'a>(message: &'a Message<'_>) -> &'a str {
    let first = message.from().and_then(Address::first);
    first.and_then(Addr::name).unwrap_or_default()
}

/// The address of a field that names exactly one.
pub(super) fn one_address(field: Option<&Address<'_>>) -> Option<EmailAddress> {
    let mut mailboxes = field?.iter();
    match (mailboxes.next(), mailboxes.next()) {
        (Some(one), None) => EmailAddress::parse(bare(one.address()?)).ok(),
        _ => None,
    }
}
