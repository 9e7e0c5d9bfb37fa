//! Tokens: proof that somebody holds the mailbox a letter went to.
//!
//! A token is an HMAC-SHA-256 over its purpose, the letter and a nonce. It is computed when a
//! letter is sent and when one comes back, and never stored: the database holds the nonce and
//! a mark where the token will stand, so a copy of it opens nothing.

use std::fmt;

use data_encoding::{BASE32_NOPAD, HEXLOWER};
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretSlice};
use sha2::Sha256;

use super::letter::LetterKind;
use crate::mail::EmailAddress;

/// Base32 characters of the nonce: 40 bits to look the letter up by.
pub const NONCE_CHARS: usize = 8;
/// Base32 characters of the MAC: 130 bits.
const MAC_CHARS: usize = 26;
/// Characters of a whole token.
pub const TOKEN_CHARS: usize = NONCE_CHARS + MAC_CHARS;

/// The secret of this installation.
#[derive(Clone)]
pub struct TokenKey(SecretSlice<u8>);

/// What a token is good for. One made for one purpose opens nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// In the link to the confirm page.
    Link,
    /// In the address and the Message-ID that an answer goes back to.
    Reply,
    /// In the return path, where only mail servers and answering machines write to.
    ReturnPath,
}

impl Purpose {
    /// Every purpose.
    pub const ALL: [Purpose; 3] = [Purpose::Link, Purpose::Reply, Purpose::ReturnPath];

    fn label(self) -> &'static str {
        match self {
            Purpose::Link => "link",
            Purpose::Reply => "reply",
            Purpose::ReturnPath => "return-path",
        }
    }
}

/// A token, ready to be put into a letter. Neither `Debug` nor `Display`.
pub struct Token(String);

impl Token {
    fn of(nonce: &str, mac: &[u8]) -> Token {
        let text = BASE32_NOPAD.encode(mac).to_ascii_lowercase();
        Token(format!("{nonce}{}", text.get(..MAC_CHARS).unwrap_or_default()))
    }

    /// The text; into a letter, never into a log.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<key>")
    }
}

impl TokenKey {
    /// Takes the bytes of the key file.
    pub fn new(bytes: Vec<u8>) -> TokenKey {
        TokenKey(bytes.into())
    }

    fn mac(&self, label: &str, parts: &[&str]) -> Vec<u8> {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.0.expose_secret())
            .expect("HMAC takes a key of any length");
        for part in ["deletion-desk v1", label].iter().chain(parts) {
            // Lengths first, so that no two lists of parts give the same input.
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part.as_bytes());
        }
        mac.finalize().into_bytes().to_vec()
    }

    /// The token that lets one member of staff act on one case or message.
    pub fn staff_token(&self, letter: LetterKind, nonce: &str, about: &str) -> Token {
        let mac = self.mac("staff", &[letter.as_str(), nonce, about]);
        Token::of(nonce, &mac)
    }

    /// Whether `text` is that token.
    pub fn verifies_staff(&self, letter: LetterKind, nonce: &str, about: &str, text: &str) -> bool {
        same(self.staff_token(letter, nonce, about).reveal(), text)
    }

    /// The token of a letter for one purpose.
    pub fn token(&self, purpose: Purpose, letter: LetterKind, nonce: &str) -> Token {
        let mac = self.mac(purpose.label(), &[letter.as_str(), nonce]);
        Token::of(nonce, &mac)
    }

    /// Whether `text` is that token.
    pub fn verifies(&self, purpose: Purpose, letter: LetterKind, nonce: &str, text: &str) -> bool {
        same(self.token(purpose, letter, nonce).reveal(), text)
    }

    /// What a visitor's network is counted under: says nothing without the key.
    pub fn network_key(&self, network: &str) -> String {
        HEXLOWER.encode(self.mac("network", &[network]).get(..8).unwrap_or_default())
    }

    /// What an address is counted and suppressed under: says nothing without the key.
    pub fn address_key(&self, address: &EmailAddress) -> String {
        let mac = self.mac("address", &[&address.canonical()]);
        HEXLOWER.encode(mac.get(..16).unwrap_or_default())
    }

    /// What a mail is known under that somebody sent under that Message-ID (without its angle
    /// brackets): says nothing without the key, and is of no use to anybody else's mail.
    pub fn thread_key(&self, author: &EmailAddress, message_id: &str) -> String {
        let mac = self.mac("thread", &[&author.canonical(), message_id]);
        HEXLOWER.encode(mac.get(..16).unwrap_or_default())
    }
}

/// Whether both are equal; takes the same time whatever differs.
fn same(expected: &str, text: &str) -> bool {
    let (a, b) = (expected.as_bytes(), text.as_bytes());
    a.len() == b.len() && a.iter().zip(b).fold(0, |differs, (x, y)| differs | (x ^ y)) == 0
}

/// The nonce of a text that has the shape of a token.
pub fn nonce_of(text: &str) -> Option<&str> {
    let base32 = |c: char| c.is_ascii_lowercase() || ('2'..='7').contains(&c);
    (text.len() == TOKEN_CHARS && text.chars().all(base32))
        .then(|| text.get(..NONCE_CHARS))
        .flatten()
}

/// A nonce out of five random bytes.
pub fn nonce_from_random(bytes: [u8; 5]) -> String {
    BASE32_NOPAD.encode(&bytes).to_ascii_lowercase()
}

/// What stands in composed bytes in place of a token: as long, harmless in a URL and an
/// address, and with zeros, which no token has.
pub fn mark(purpose: Purpose, nonce: &str) -> String {
    format!("{nonce}0{:0<width$}", purpose.label(), width = MAC_CHARS - 1)
}

/// As [`mark`], in place of the token of staff for one case or message.
pub fn staff_mark(nonce: &str, about: &str) -> String {
    let about: String = about.chars().filter(char::is_ascii_alphanumeric).collect();
    let text = format!("{nonce}0staff-{}-", about.to_ascii_lowercase());
    format!("{text:0<TOKEN_CHARS$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> TokenKey {
        TokenKey::new(vec![7; 32])
    }

    #[test]
    fn a_token_opens_its_own_purpose_letter_and_nonce_only() {
        let letter = LetterKind::VerificationRequest;
        let token = key().token(Purpose::Link, letter, "abcdefgh");
        let text = token.reveal();
        assert_eq!(text.len(), TOKEN_CHARS);
        assert_eq!(nonce_of(text), Some("abcdefgh"));
        assert!(key().verifies(Purpose::Link, letter, "abcdefgh", text));
        assert!(!key().verifies(Purpose::Reply, letter, "abcdefgh", text));
        assert!(!key().verifies(Purpose::Link, LetterKind::Completion, "abcdefgh", text));
        assert!(!key().verifies(Purpose::Link, letter, "abcdefgi", text));
        assert!(!TokenKey::new(vec![8; 32]).verifies(Purpose::Link, letter, "abcdefgh", text));
        let mut changed = text.to_owned();
        changed.pop();
        assert!(!key().verifies(Purpose::Link, letter, "abcdefgh", &changed));
    }

    #[test]
    fn a_mark_is_as_long_as_a_token_and_is_none() {
        let staff = ["DEL-2345-6789", "m1234567"].map(|about| staff_mark("abcdefgh", about));
        for mark in Purpose::ALL.map(|purpose| mark(purpose, "abcdefgh")).into_iter().chain(staff) {
            assert_eq!(mark.len(), TOKEN_CHARS);
            assert_eq!(nonce_of(&mark), None);
        }
    }

    #[test]
    fn spellings_of_one_mailbox_share_a_key() {
        let of = |text| key().address_key(&EmailAddress::parse(text).unwrap());
        assert_eq!(of("jane@example.org"), of("Jane+news@EXAMPLE.org"));
        assert_ne!(of("jane@example.org"), of("jane@example.net"));
    }
}
