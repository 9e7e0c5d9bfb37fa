//! What a report quotes: the ids and addresses in it that may be ours.

use std::collections::BTreeSet;

use mail_parser::{Encoding, Message, PartType};

/// Octets of a report that are searched, of the whole and of each encoded part.
const SEARCHED_BYTES_MAX: usize = 256 * 1024;
/// Our ids are made of a token; what is shorter is an address of a person.
const LOCAL_CHARS_MIN: usize = 24;
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
        if local < LOCAL_CHARS_MIN || found.len() >= IDS_MAX {
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
