//! One mailbox address, checked once. It has no `Display` and its `Debug` is masked, so that
//! no log line can carry one by accident.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// RFC 5321 §4.5.3.1: octets of a path without its angle brackets.
const ADDRESS_OCTETS_MAX: usize = 254;
/// RFC 5321 §4.5.3.1.1.
pub const LOCAL_PART_OCTETS_MAX: usize = 64;

/// An address as it was written, its domain in lower-case ASCII (IDNA).
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EmailAddress {
    text: String,
    at: usize,
}

/// Why a text is no address we would write to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct AddressError(&'static str);

impl EmailAddress {
    /// Reads `local@domain`. Refused are: display names, quoted local parts, control
    /// characters, white space, RFC 2047 encoded words, address literals, bare host names.
    ///
    /// # Errors
    /// The reason in words, without the text itself.
    pub fn parse(text: &str) -> Result<EmailAddress, AddressError> {
        let (local, domain) = text.rsplit_once('@').ok_or(AddressError("there is no @ in it"))?;
        check_local_part(local)?;
        let domain = idna::domain_to_ascii_strict(domain.trim_end_matches('.'))
            .map_err(|_| AddressError("the part behind the @ is no domain name"))?
            .to_ascii_lowercase();
        let labels: Vec<&str> = domain.split('.').collect();
        if labels.len() < 2 || labels.iter().any(|label| label.is_empty() || label.len() > 63) {
            return Err(AddressError("the part behind the @ is no full domain name"));
        }
        if labels.last().is_some_and(|top| top.chars().all(|c| c.is_ascii_digit())) {
            return Err(AddressError("the part behind the @ is a number, not a domain name"));
        }
        let text = format!("{local}@{domain}");
        if text.len() > ADDRESS_OCTETS_MAX {
            return Err(AddressError("it is longer than 254 octets"));
        }
        Ok(EmailAddress { at: local.len(), text })
    }

    /// The address itself, for the envelope, the database and people; never for a log.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What stands before the `@`.
    pub fn local_part(&self) -> &str {
        self.text.get(..self.at).unwrap_or_default()
    }

    /// What stands behind the `@`, in lower-case ASCII.
    pub fn domain(&self) -> &str {
        self.text.get(self.at + 1..).unwrap_or_default()
    }

    /// One spelling for all that reach the same mailbox as far as anybody can tell from
    /// outside: lower case, no plus-tag. For limits and look-ups only, never to write to.
    pub fn canonical(&self) -> String {
        let local = self.local_part().to_lowercase();
        let base = local.split('+').next().filter(|base| !base.is_empty()).unwrap_or(&local);
        format!("{base}@{}", self.domain())
    }

    /// Whether both reach the same mailbox, as [`EmailAddress::canonical`] sees it.
    pub fn same_mailbox(&self, other: &EmailAddress) -> bool {
        self.canonical() == other.canonical()
    }

    /// This address with `tag` behind a plus sign (RFC 5233 subaddress).
    pub fn with_tag(&self, tag: &str) -> String {
        format!("{}+{tag}@{}", self.local_part(), self.domain())
    }

    /// The tag of a subaddress of `base`, if this is one.
    pub fn tag_of(&self, base: &EmailAddress) -> Option<&str> {
        let (local, tag) = self.local_part().split_once('+')?;
        let ours = local.eq_ignore_ascii_case(base.local_part()) && self.domain() == base.domain();
        ours.then_some(tag)
    }

    /// Enough for staff to tell two apart, too little to write to: `j…e@example.org`.
    pub fn masked(&self) -> String {
        let mut letters = self.local_part().chars();
        let first = letters.next().map(String::from).unwrap_or_default();
        let last = letters.next_back().filter(|_| self.local_part().chars().count() > 3);
        format!("{first}…{}@{}", last.map(String::from).unwrap_or_default(), self.domain())
    }
}

fn check_local_part(local: &str) -> Result<(), AddressError> {
    if local.is_empty() {
        return Err(AddressError("nothing stands before the @"));
    }
    if local.len() > LOCAL_PART_OCTETS_MAX {
        return Err(AddressError("the part before the @ is longer than 64 octets"));
    }
    if local.starts_with('.') || local.ends_with('.') || local.contains("..") {
        return Err(AddressError("a dot stands where none may stand"));
    }
    // RFC 5322 `atext`, and RFC 6531 beyond ASCII.
    let atext = |c: char| {
        c.is_ascii_alphanumeric()
            || ".!#$%&'*+-/=?^_`{|}~".contains(c)
            || (!c.is_ascii() && !c.is_control() && !c.is_whitespace())
    };
    if !local.chars().all(atext) || local.contains("=?") {
        return Err(AddressError("a character stands before the @ that may not stand there"));
    }
    Ok(())
}

impl fmt::Debug for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<address>")
    }
}

impl<'de> Deserialize<'de> for EmailAddress {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        EmailAddress::parse(&text)
            .map_err(|why| serde::de::Error::custom(format!("not a mail address: {why}")))
    }
}

impl Serialize for EmailAddress {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<&str>) {
        let parsed = EmailAddress::parse(text).ok();
        assert_eq!(parsed.as_ref().map(EmailAddress::as_str), expected, "{text:?}");
    }

    #[test]
    fn only_a_plain_address_is_taken() {
        check("jane@example.org", Some("jane@example.org"));
        check("Jane.Doe+x@EXAMPLE.org", Some("Jane.Doe+x@example.org"));
        check("jane@bücher.example", Some("jane@xn--bcher-kva.example"));
        check("jürgen@example.org", Some("jürgen@example.org"));
        for refused in [
            "",
            "jane",
            "@example.org",
            "jane@",
            "jane@localhost",
            "jane@127.0.0.1",
            "jane@[::1]",
            "jane doe@example.org",
            "jane\r\nBcc:x@example.org",
            "jane\0@example.org",
            "\"jane\"@example.org",
            ".jane@example.org",
            "jane..doe@example.org",
            "<jane@example.org>",
            "=?utf-8?q?jane?=@example.org",
            "a@b@",
            "jane@example..org",
        ] {
            check(refused, None);
        }
        check(&format!("{}@example.org", "a".repeat(65)), None);
    }

    #[test]
    fn debug_and_mask_do_not_tell_the_address() {
        let jane = EmailAddress::parse("jane.doe@example.org").unwrap();
        assert_eq!(format!("{jane:?}"), "<address>");
        assert_eq!(jane.masked(), "j…e@example.org");
        assert_eq!(EmailAddress::parse("jo@example.org").unwrap().masked(), "j…@example.org");
    }

    #[test]
    fn a_tag_belongs_to_its_base_only() {
        let desk = EmailAddress::parse("hello@flexus.team").unwrap();
        let tagged = EmailAddress::parse("Hello+abc@flexus.team").unwrap();
        assert_eq!(tagged.tag_of(&desk), Some("abc"));
        assert!(tagged.same_mailbox(&desk));
        let foreign = EmailAddress::parse("hello+abc@example.org").unwrap();
        assert_eq!(foreign.tag_of(&desk), None);
    }
}
