//! The fields of a form of staff → an act.

use chrono::NaiveDate;

use crate::case::act::{Act, Deleted, ExtensionReason, ProofWant, RefusalGround, Sentence};
use crate::case::work::{Ground, Kept};
use crate::case::{Outcome, Role};

/// Characters of a free text that staff write.
const TEXT_CHARS_MAX: usize = 2_000;

/// The first value of that name; empty without one.
pub(super) fn first<'a>(fields: &'a [(String, String)], name: &str) -> &'a str {
    fields.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value.trim())
}

fn all(fields: &[(String, String)], name: &str) -> Vec<String> {
    fields.iter().filter(|(known, _)| known == name).map(|(_, value)| value.clone()).collect()
}

fn text(fields: &[(String, String)], name: &str) -> String {
    first(fields, name).chars().take(TEXT_CHARS_MAX).collect()
}

/// The act, and how somebody was identified, where it is that.
///
/// # Errors
/// What is missing, in words.
pub(super) fn act(fields: &[(String, String)]) -> Result<(Act, Option<String>), String> {
    let chosen = |name: &str, what: &str| {
        let value = first(fields, name);
        if value.is_empty() { Err(format!("Please choose {what}.")) } else { Ok(value) }
    };
    let unknown = || "Please use the choices on this page.".to_owned();
    let act = match first(fields, "act") {
        "approve" => Act::ApproveProof,
        "ask-again" => {
            let want = chosen("want", "what is missing")?;
            Act::AskProofAgain(ProofWant::parse(want).ok_or_else(unknown)?)
        }
        "tick" => Act::Tick { items: all(fields, "item"), done: true },
        "untick" => Act::Tick { items: all(fields, "item"), done: false },
        "complete" => complete(fields)?,
        "hold" => Act::Hold {
            items: all(fields, "item"),
            ground: Ground::parse(chosen("ground", "why")?).ok_or_else(unknown)?,
            look_again_on: day(first(fields, "look-again-on"))?
                .ok_or("Please say when to look again.")?,
        },
        "release" => Act::Release { items: all(fields, "item") },
        "extend" => Act::Extend {
            months: first(fields, "months").parse().map_err(|_| unknown())?,
            reason: ExtensionReason::parse(chosen("reason", "why")?).ok_or_else(unknown)?,
        },
        "refuse" => Act::Refuse {
            ground: RefusalGround::parse(chosen("ground", "why")?).ok_or_else(unknown)?,
            words: text(fields, "words"),
        },
        "set-role" => {
            Act::SetRole(Role::parse(chosen("role", "who is asking")?).ok_or_else(unknown)?)
        }
        "verify" => {
            let how = text(fields, "how");
            if how.is_empty() {
                return Err("Please say how you identified them.".to_owned());
            }
            return Ok((Act::Verify { role: Role::parse(first(fields, "role")) }, Some(how)));
        }
        "write" => {
            let sentence = chosen("sentence", "what to write")?;
            Act::Write(Sentence::parse(sentence).ok_or_else(unknown)?)
        }
        "note" if first(fields, "note").is_empty() => {
            return Err("Please write something down first.".to_owned());
        }
        "note" => Act::Note(text(fields, "note")),
        "seen" => Act::Seen,
        "undo" => Act::Undo,
        _ => return Err("Please use one of the buttons on this page.".to_owned()),
    };
    Ok((act, None))
}

fn day(value: &str) -> Result<Option<NaiveDate>, String> {
    match value {
        "" => Ok(None),
        text => text.parse().map(Some).map_err(|_| format!("“{text}” is no day.")),
    }
}

/// Each open item says that it is deleted, or on which ground it is kept and until when.
fn complete(fields: &[(String, String)]) -> Result<Act, String> {
    let outcome =
        Outcome::parse(first(fields, "outcome")).ok_or("Please choose what the work came to.")?;
    let (mut deleted, mut kept) = (Vec::new(), Vec::new());
    for (name, value) in fields {
        let Some(item) = name.strip_prefix("item-") else { continue };
        let until = day(first(fields, &format!("until-{item}")))?;
        match (value.as_str(), Ground::parse(value)) {
            ("deleted", _) => deleted.push(item.to_owned()),
            (_, Some(ground)) => kept.push(Kept { what: item.to_owned(), ground, until }),
            _ => {}
        }
    }
    let until = day(first(fields, "until"))?;
    let (what, why) = (text(fields, "kept-what"), Ground::parse(first(fields, "kept-ground")));
    match (what.is_empty(), why) {
        (false, Some(ground)) => kept.push(Kept { what, ground, until }),
        (false, None) => return Err(format!("Please say why “{what}” is kept.")),
        (true, Some(_)) => return Err("Please say what else is kept.".to_owned()),
        (true, None) => {}
    }
    Ok(Act::Complete { outcome, deleted: Deleted::Only(deleted), kept })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_thing_that_is_kept_has_its_own_day() {
        let fields = [
            ("act", "complete"),
            ("outcome", "partly"),
            ("item-profile", "deleted"),
            ("until-profile", "2030-01-01"),
            ("item-media", "litigation"),
            ("until-media", "2027-06-30"),
            ("item-opt-outs", "opt-out"),
            ("until-opt-outs", ""),
            ("kept-what", "Invoices"),
            ("kept-ground", "tax"),
            ("until", "2036-12-31"),
        ];
        let fields = fields.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let Ok((Act::Complete { deleted, kept, .. }, None)) = act(&fields) else { panic!() };
        assert_eq!(deleted, Deleted::Only(vec!["profile".to_owned()]));
        let kept: Vec<_> = kept
            .iter()
            .map(|one| (one.what.as_str(), one.until.map(|until| until.to_string())))
            .collect();
        let expected = [
            ("media", Some("2027-06-30".to_owned())),
            ("opt-outs", None),
            ("Invoices", Some("2036-12-31".to_owned())),
        ];
        assert_eq!(kept, expected);
    }
}
