//! What mail programs put before a subject: `Re:`, `AW:`, `[list] Fwd:`, `回复：`.

/// What a mail does to another one, by its subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prefix {
    /// Answers it.
    Reply,
    /// Passes it on.
    Forward,
}

/// Of an answer, in lower case.
const REPLY: [&str; 31] = [
    "re", "aw", "antw", "antwort", "sv", "vs", "odp", "r", "rif", "ref", "res", "réf", "rép",
    "ynt", "yan", "va", "vá", "απ", "σχετ", "отн", "отв", "на", "відп", "odg", "回复", "回覆",
    "答复", "答覆", "返信", "re-", "回信",
];
/// Of a mail that is passed on.
const FORWARD: [&str; 27] = [
    "fw",
    "fwd",
    "wg",
    "tr",
    "rv",
    "i",
    "enc",
    "pd",
    "vb",
    "vl",
    "doorst",
    "fs",
    "i̇lt",
    "ilt",
    "πρθ",
    "προθ",
    "転送",
    "转发",
    "轉寄",
    "пересл",
    "пер",
    "továbbítás",
    "tovább",
    "előre",
    "vidarebef",
    "videresendt",
    "prosl",
];
/// Octets of a prefix at most.
const PREFIX_OCTETS_MAX: usize = 24;

/// The first prefix of a subject, and the subject without all of them and without tags.
pub fn split(subject: &str) -> (Option<Prefix>, &str) {
    let (mut first, mut rest) = (None, subject.trim_start());
    loop {
        if let Some((tag, behind)) = rest.strip_prefix('[').and_then(|tag| tag.split_once(']'))
            && tag.chars().count() <= 60
        {
            rest = behind.trim_start();
            continue;
        }
        let Some((prefix, behind)) = prefix(rest) else { return (first, rest) };
        first = first.or(Some(prefix));
        rest = behind.trim_start();
    }
}

fn prefix(subject: &str) -> Option<(Prefix, &str)> {
    let (word, behind) = subject.split_once([':', '：'])?;
    // "Re[2]:", "Re(3):", "Re^4:".
    let word = word.split(['[', '(', '^']).next().unwrap_or_default().trim();
    if word.len() > PREFIX_OCTETS_MAX {
        return None;
    }
    let word = word.to_lowercase();
    if REPLY.contains(&word.as_str()) {
        return Some((Prefix::Reply, behind));
    }
    FORWARD.contains(&word.as_str()).then_some((Prefix::Forward, behind))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_of_many_programs_are_known() {
        let check = |subject: &str, prefix: Option<Prefix>, rest: &str| {
            assert_eq!(split(subject), (prefix, rest), "{subject}");
        };
        check("Data", None, "Data");
        check("RE: Fwd: [EXT] [ticket #3] Re[2]: Data", Some(Prefix::Reply), "Data");
        check("[list] WG: Daten", Some(Prefix::Forward), "Daten");
        check("回复：删除", Some(Prefix::Reply), "删除");
        check("Request: delete", None, "Request: delete");
        check("[only a tag]", None, "");
        check("", None, "");
    }
}
