//! What a report quotes: the ids and addresses in it that may be ours.

use std::collections::BTreeSet;

use mail_parser::{Encoding, Message, PartType};

/// Octets of a report that are searched, of the whole and of each encoded part.
const SEARCHED_BYTES_MAX: usize = 256 * 1024;
/// Our ids are made of a token; what is shorter is an address of a person.
const LOCAL_CHARS_MIN: usize = 24;
/// RFC 5321 §4.5.3.1.1, and what signed return paths add.
const LOCAL_CHARS_MAX: usize = 128;
/// Ids of one report that are kept.
const IDS_MAX: usize = 100;

/// Every `local@domain` with a long local part, in lower case, wherever it stands: in the
/// returned header, in a quotation of it, in the transcript, in an encoded part. Reports are
/// too various to say where to look, and nobody can make up an id of ours: its local part is
/// a token.
pub(super) fn quoted_ids(message: &Message<'_>, raw: &[u8]) -> Vec<String> {
    let mut found = BTreeSet::new();
    search(raw, &mut found);
    let mut inside = vec![message];
    while let Some(message) = inside.pop() {
        for part in &message.parts {
            if part.encoding != Encoding::None {
                search(part.contents(), &mut found);
            }
            if let PartType::Message(nested) = &part.body {
                inside.push(nested);
            }
        }
    }
    found.into_iter().collect()
}

fn search(bytes: &[u8], found: &mut BTreeSet<String>) {
    let bytes = bytes.get(..SEARCHED_BYTES_MAX).unwrap_or(bytes);
    for at in memchr::memchr_iter(b'@', bytes) {
        let (before, after) = bytes.split_at(at);
        let local = before.iter().rev().take_while(|byte| is_local(**byte)).count();
        if !(LOCAL_CHARS_MIN..=LOCAL_CHARS_MAX).contains(&local) || found.len() >= IDS_MAX {
            continue;
        }
        let after = after.get(1..).unwrap_or_default();
        let domain = after.iter().take_while(|byte| is_domain(**byte)).count();
        let id = bytes.get(at - local..at + 1 + domain).unwrap_or_default();
        found.insert(String::from_utf8_lossy(id).to_ascii_lowercase());
    }
}

fn is_local(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"+-_.=".contains(&byte)
}

fn is_domain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-.".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(text: &str) -> Vec<String> {
        let mut found = BTreeSet::new();
        search(text.as_bytes(), &mut found);
        found.into_iter().collect()
    }

    #[test]
    fn an_id_is_found_wherever_it_stands() {
        const ID: &str = "abcdefgh234567abcdefgh234567abcdef@flexus.example";
        for text in [
            &format!("> Message-ID:\n>  <{ID}>"),
            &format!("MAIL FROM:<{ID}> SIZE=10"),
            &format!("{{\"value\":\"<{}>\"}}", ID.to_uppercase()),
        ] {
            assert_eq!(ids(text), [ID], "{text}");
        }
        let path = format!("prvs=0123456789=hello+{ID}");
        assert_eq!(ids(&format!("To: {path}, jane.doe@example.org")), [path]);
        assert_eq!(ids(&format!("{}@flexus.example", "a".repeat(200))), Vec::<String>::new());
    }
}
