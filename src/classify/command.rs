//! What a member of staff writes in answer to one of our mails: the first own line → an act.

use std::sync::LazyLock;

use chrono::NaiveDate;
use regex::Regex;

use crate::case::act::{Act, Deleted, ExtensionReason, ProofWant, RefusalGround};
use crate::case::work::{Ground, Kept};
use crate::case::{Outcome, Reference, Role};

/// What was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// An act on a case; without a reference, on the one the mail is about.
    Act(Option<Reference>, Act),
    /// Open cases for what a message proposes.
    Open(i64),
    /// Take a message off the list.
    Dismiss(i64),
    /// Which commands there are.
    Help,
}

/// The commands, for people.
pub const HELP: &str = "\
done · nothing found · de-identified
partly: WHAT: GROUND until 2027-01-31; WHAT: GROUND
hold: GROUND until 2027-01-31 · hold: ITEM, ITEM: GROUND until 2027-01-31
release · release: ITEM, ITEM
extend: complex · extend: 1 month, many
refuse: no-proof (or not-identified, not-ours, unfounded, excessive, must-keep), then your words
approve · ask again: unreadable (or business-not-named, person-not-named, not-from-business, out-of-date)
role: own-account (or workspace, business, customer, not-sure)
tick: ITEM, ITEM · untick: ITEM
note: TEXT · seen · undo · help
open m17 · dismiss m17
Grounds: law, tax, security, litigation, opt-out, no-deletion-api.
Where the mail is about several cases, write the reference, too: done DEL-7K3M-Q2XA";

fn regex(pattern: &'static str) -> Regex {
    Regex::new(pattern).expect("a fixed pattern compiles")
}

static REFERENCE: LazyLock<Regex> =
    LazyLock::new(|| regex(r"(?i)\bDEL-?[0-9A-Z]{4}-?[0-9A-Z]{4}\b"));
static MESSAGE: LazyLock<Regex> = LazyLock::new(|| regex(r"(?i)^(open|dismiss)\s+m(\d{1,12})$"));
static UNTIL: LazyLock<Regex> = LazyLock::new(|| regex(r"(?i)[\s,]*\buntil\s+(\S+)\s*$"));
static MONTHS: LazyLock<Regex> = LazyLock::new(|| regex(r"(?i)\b(\d)\s*months?\b"));

/// Reads the first line of somebody's own words.
///
/// # Errors
/// What is wrong with it, in words.
pub fn parse(own: &str) -> Result<Command, String> {
    let line = own.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    // What stands behind the colon of a note is its text, whatever it names.
    let (head, text) = match line.split_once(':') {
        Some((head, text)) if has_free_text(head) => (head, format!(":{text}")),
        _ => (line, String::new()),
    };
    let mut references: Vec<Reference> = Vec::new();
    for found in REFERENCE.find_iter(head).map(|found| found.as_str()) {
        match Reference::parse(found) {
            Some(reference) => references.push(reference),
            // Mistyped: it must not act on the case that the mail happens to be about.
            None if found.contains('-') => {
                return Err(format!("“{found}” is no reference; please look at it again."));
            }
            None => {}
        }
    }
    if references.len() > 1 {
        return Err("It names two cases; please answer once for each.".to_owned());
    }
    let is_reference = |found: &regex::Captures<'_>| {
        let found = found.get(0).map_or("", |found| found.as_str());
        if Reference::parse(found).is_some() { " ".to_owned() } else { found.to_owned() }
    };
    let line = format!("{}{text}", REFERENCE.replace_all(head, is_reference));
    let line = line.split_whitespace().collect::<Vec<_>>().join(" ");
    let (verb, rest) = line.split_once(':').unwrap_or((&line, ""));
    let verb = verb.trim().trim_end_matches(['.', '!', ',']).to_lowercase();
    if verb == "help" {
        return Ok(Command::Help);
    }
    if let Some(found) = MESSAGE.captures(&verb) {
        let number = found.get(2).and_then(|number| number.as_str().parse().ok()).unwrap_or(0);
        let open = found.get(1).is_some_and(|word| word.as_str() == "open");
        return Ok(if open { Command::Open(number) } else { Command::Dismiss(number) });
    }
    let act = act(&verb, rest.trim())?;
    Ok(Command::Act(references.into_iter().next(), act))
}

/// Whether what stands behind the colon is free text.
fn has_free_text(head: &str) -> bool {
    let head = head.to_lowercase();
    head.split_whitespace().any(|word| word == "note" || word == "refuse")
}

fn act(verb: &str, rest: &str) -> Result<Act, String> {
    let complete = |outcome, kept| Act::Complete { outcome, deleted: Deleted::All, kept };
    let none = |act: Act| match rest.is_empty() {
        true => Ok(act),
        false => Err(format!("“{verb}” takes nothing behind it, and there is “{rest}”.")),
    };
    match verb {
        "done" | "deleted" => none(complete(Outcome::Deleted, Vec::new())),
        "de-identified" => none(complete(Outcome::DeIdentified, Vec::new())),
        "nothing found" | "nothing-found" => none(complete(Outcome::NothingFound, Vec::new())),
        "partly" => Ok(complete(Outcome::Partly, kept_list(rest)?)),
        "hold" => hold(rest),
        "release" => Ok(Act::Release { items: list(rest) }),
        "extend" => extend(rest),
        "refuse" => refuse(rest),
        "approve" => none(Act::ApproveProof),
        "ask again" => named(rest, ProofWant::parse, ProofWant::ALL.iter().map(|one| one.as_str()))
            .map(Act::AskProofAgain),
        "role" => {
            named(rest, Role::parse, Role::ALL.iter().map(|one| one.as_str())).map(Act::SetRole)
        }
        "tick" => Ok(Act::Tick { items: list(rest), done: true }),
        "untick" => Ok(Act::Tick { items: list(rest), done: false }),
        "note" if rest.is_empty() => Err("A note needs its text: “note: …”.".to_owned()),
        "note" => Ok(Act::Note(rest.to_owned())),
        "seen" => none(Act::Seen),
        "undo" => none(Act::Undo),
        "" => Err("There is no word of your own above the quoted mail.".to_owned()),
        _ => Err(format!("“{verb}” is no command.")),
    }
}

/// One name of a fixed list.
fn named<T>(
    text: &str,
    parse: impl Fn(&str) -> Option<T>,
    all: impl Iterator<Item = &'static str>,
) -> Result<T, String> {
    parse(&text.to_lowercase().replace(' ', "-"))
        .ok_or_else(|| format!("“{text}” is none of: {}.", all.collect::<Vec<_>>().join(", ")))
}

fn list(text: &str) -> Vec<String> {
    text.split(',').map(|item| item.trim().to_owned()).filter(|item| !item.is_empty()).collect()
}

fn ground(text: &str) -> Result<Ground, String> {
    let names: Vec<&str> = Ground::ALL.iter().map(|ground| ground.as_str()).collect();
    Ground::read(text)
        .ok_or_else(|| format!("“{}” is no ground; grounds are {}.", text.trim(), names.join(", ")))
}

/// Takes `until 2027-01-31` off the end.
fn until(text: &str) -> Result<(String, Option<NaiveDate>), String> {
    let Some(found) = UNTIL.captures(text) else { return Ok((text.to_owned(), None)) };
    let day = found.get(1).map_or("", |day| day.as_str());
    let on = day
        .parse::<NaiveDate>()
        .map_err(|_| format!("“{day}” is no day; write it as 2027-01-31."))?;
    Ok((UNTIL.replace(text, "").into_owned(), Some(on)))
}

/// `WHAT: GROUND until DATE; WHAT: GROUND`.
///
/// # Errors
/// What is wrong with it, in words.
pub fn kept_list(text: &str) -> Result<Vec<Kept>, String> {
    let parts = text.split(';').map(str::trim).filter(|part| !part.is_empty());
    let kept: Result<Vec<Kept>, String> = parts.map(kept_one).collect();
    let kept = kept?;
    if kept.is_empty() {
        return Err(
            "Say what is kept and why: “partly: invoices: tax until 2036-12-31”.".to_owned()
        );
    }
    Ok(kept)
}

/// `WHAT: GROUND until DATE`.
///
/// # Errors
/// What is wrong with it, in words.
pub fn kept_one(text: &str) -> Result<Kept, String> {
    let (text, until) = until(text)?;
    let (what, why) = text
        .rsplit_once(':')
        .filter(|(what, _)| !what.trim().is_empty())
        .ok_or_else(|| format!("“{}”: say what and why, with a colon between.", text.trim()))?;
    Ok(Kept { what: what.trim().to_owned(), ground: ground(why)?, until })
}

fn hold(rest: &str) -> Result<Act, String> {
    let (text, on) = until(rest)?;
    let look_again_on = on.ok_or("Say when to look again: “hold: litigation until 2027-01-31”.")?;
    let (items, why) = text.rsplit_once(':').unwrap_or(("", &text));
    Ok(Act::Hold { items: list(items), ground: ground(why)?, look_again_on })
}

fn extend(rest: &str) -> Result<Act, String> {
    let months = MONTHS.captures(rest).and_then(|found| found.get(1)?.as_str().parse().ok());
    let why = MONTHS.replace(rest, "");
    let why = why.trim_matches([' ', ',']).to_owned();
    let all = ExtensionReason::ALL.iter().map(|one| one.as_str());
    let reason = named(&why, ExtensionReason::parse, all)?;
    Ok(Act::Extend { months: months.unwrap_or(2), reason })
}

fn refuse(rest: &str) -> Result<Act, String> {
    let (first, words) = rest.split_once([' ', ',']).unwrap_or((rest, ""));
    let all = RefusalGround::ALL.iter().map(|one| one.as_str());
    let ground = named(first, RefusalGround::parse, all)?;
    let words = words.trim_matches([' ', ',', '-', '–']).to_owned();
    Ok(Act::Refuse { ground, words })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(own: &str, expected: &str) {
        let said = match parse(own) {
            Ok(Command::Act(reference, act)) => {
                let name = act.as_str();
                let which = reference.map(|one| format!("{one} ")).unwrap_or_default();
                format!("{which}{name}: {}", act.describe())
            }
            Ok(other) => format!("{other:?}"),
            Err(why) => format!("? {why}"),
        };
        assert_eq!(said, expected, "{own:?}");
    }

    #[test]
    fn a_first_line_is_read_as_people_write_it() {
        check("done", "completed: completed: everything deleted");
        check("\n  Done.\n\nBest, Ada", "completed: completed: everything deleted");
        check("DONE del-2345-6789", "DEL-2345-6789 completed: completed: everything deleted");
        check("DEL-2345-6789 nothing found", "DEL-2345-6789 completed: completed: nothing found");
        check(
            "partly: invoices: tax until 2036-12-31; messages: litigation",
            "completed: completed: deleted, with exceptions; kept invoices: tax and accounting until 2036-12-31; \
             kept messages: litigation or investigation",
        );
        check(
            "hold: fraud until 2027-01-31",
            "held: put everything on hold until 2027-01-31: security, against fraud and abuse",
        );
        check(
            "hold: media, ai: law, until 2027-01-31",
            "held: put media, ai on hold until 2027-01-31: a law obliges us to keep it",
        );
        check("release", "released: released everything");
        check(
            "extend: complex",
            "extended: extended the dates by 2 months: the request is complex",
        );
        check(
            "extend: 1 month, many",
            "extended: extended the dates by 1 month: there are many requests",
        );
        check(
            "refuse: no-proof – we asked twice",
            "refused: refused: no authorization was shown (we asked twice)",
        );
        check("Approve!", "proof-approved: approved the proof of authorization");
        check(
            "ask again: out of date",
            "proof-asked-again: asked for proof again: it is out of date",
        );
        check("note: called them, 10:30", "noted: noted: called them, 10:30");
        check("undo", "undone: took the last step back");
        check("help", "Help");
        check("open m17", "Open(17)");
        check("dismiss M3", "Dismiss(3)");
    }

    #[test]
    fn what_is_no_command_is_said_in_words() {
        check("done DEL-7K3M-Q2X0", "? “DEL-7K3M-Q2X0” is no reference; please look at it again.");
        check(
            "note: undeliverable, see DEL-3456-7892",
            "noted: noted: undeliverable, see DEL-3456-7892",
        );
        check("", "? There is no word of your own above the quoted mail.");
        check("thanks", "? “thanks” is no command.");
        check("done but check the backups", "? “done but check the backups” is no command.");
        check("hold: litigation", "? Say when to look again: “hold: litigation until 2027-01-31”.");
        check("hold: law until friday", "? “friday” is no day; write it as 2027-01-31.");
        check("partly", "? Say what is kept and why: “partly: invoices: tax until 2036-12-31”.");
        check("partly: invoices", "? “invoices”: say what and why, with a colon between.");
        check(
            "refuse: because",
            "? “because” is none of: no-proof, not-identified, not-ours, unfounded, excessive, must-keep.",
        );
        check("done: all", "? “done” takes nothing behind it, and there is “all”.");
        check(
            "done DEL-2345-6789 DEL-3456-7892",
            "? It names two cases; please answer once for each.",
        );
    }
}
