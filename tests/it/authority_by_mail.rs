//! Acts of staff by mail: each command, genuine and forged in every way we know of.

use chrono::{DateTime, TimeDelta};
use deletion_desk::bot::staff::revoked_mark;
use deletion_desk::mail::EmailAddress;

use crate::harness::{Desk, JANE, Letter, OFFICER, answer, mail};

const BOB: &str = "bob@example.net";
const SECOND: &str = "second@flexus.example";
const PASS: &str = "mx.flexus.example; dmarc=pass header.from=flexus.example";

/// What has to be there before a command means anything.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Before {
    Confirmed,
    ProofAsked,
    Completed,
    Held,
    Proposed,
}

const COMMANDS: [(&str, Before); 15] = [
    ("done", Before::Confirmed),
    ("nothing found", Before::Confirmed),
    ("partly: media: tax until 2036-12-31", Before::Confirmed),
    ("hold: litigation until 2026-06-20", Before::Confirmed),
    ("extend: complex", Before::Confirmed),
    ("refuse: excessive, the fifth time", Before::Confirmed),
    ("approve", Before::ProofAsked),
    ("ask again: unreadable", Before::ProofAsked),
    ("note: called them", Before::Confirmed),
    ("undo", Before::Completed),
    ("role: workspace", Before::Confirmed),
    ("tick: media", Before::Confirmed),
    ("release", Before::Held),
    ("open", Before::Proposed),
    ("dismiss", Before::Proposed),
];

/// Fields in which a reader that is not careful sees a pass of our own border.
const LOOKALIKES: [&str; 12] = [
    "mx.flexus.example; dmarc=fail (dmarc=pass header.from=flexus.example) header.from=flexus.example",
    "mx.flexus.example;\n dmarc=fail header.from=flexus.example;\n dmarc=pass header.from=flexus.example",
    "mx.flexus.example; dmarc=pass header.from=flexus.example; dmarc=fail header.from=flexus.example",
    "mx.flexus.example; spf=pass smtp.mailfrom=\"x; dmarc=pass header.from=flexus.example\"",
    "mx.flexus.example; dmarc=fail header.from=flexus.example\nAuthentication-Results: mx.flexus.example; dmarc=pass header.from=flexus.example",
    "mx.flexus.example; spf=pass (\\) ; dmarc=pass header.from=flexus.example",
    "mx.flexus.example.evil.example; dmarc=pass header.from=flexus.example",
    "evil.example (mx.flexus.example; dmarc=pass header.from=flexus.example)",
    "evil.example; x=\"\n mx.flexus.example; dmarc=pass header.from=flexus.example\"",
    "mx.flexus.example; dmarc=pass header.from=flexus.example.evil.example",
    "mx.flexus.example; dmarc=pass; spf=pass header.from=flexus.example",
    "mx.flexus.example; xdmarc=pass header.from=flexus.example",
];

/// A desk with two officers, Jane's case, Bob's case, and what one command is about.
struct Scene {
    desk: Desk,
    /// The whole first line.
    line: String,
    /// The mail about Jane's case, to the officer and to the second one.
    letter: Letter,
    seconds: Letter,
    /// The officer's mail about Bob's case.
    others: Letter,
    message: i64,
}

async fn two_officers() -> Desk {
    let member = format!(
        "[[staff.members]]\naddress = \"{SECOND}\"\nname = \"Second\"\n[[staff.members]]\naddress = \"officer"
    );
    Desk::with(|config| config.replace("[[staff.members]]\naddress = \"officer", &member)).await
}

async fn confirmed_as(desk: &mut Desk, who: &str, role: &str) -> String {
    desk.receives(&mail(who, "Data Deletion Request", "please")).await;
    desk.confirms(&desk.last_letter_to(who).link(), role).await;
    desk.cases().await.last().unwrap().case.reference.to_string()
}

#[track_caller]
fn letter_about(desk: &Desk, to: &str, subject: &str) -> Letter {
    let letters = desk.letters_to(to);
    let found = letters.into_iter().find(|letter| letter.subject.contains(subject));
    found.unwrap_or_else(|| panic!("{to} got no letter about {subject}"))
}

async fn scene(words: &str, before: Before) -> Scene {
    let mut desk = two_officers().await;
    let role = if before == Before::ProofAsked { "business" } else { "own-account" };
    let this = confirmed_as(&mut desk, JANE, role).await;
    let bobs = confirmed_as(&mut desk, BOB, "own-account").await;
    let letter = letter_about(&desk, OFFICER, &this);
    match before {
        Before::Confirmed | Before::ProofAsked => {}
        Before::Completed => desk.receives(&genuine(&letter, "done")).await,
        Before::Held => {
            desk.receives(&genuine(&letter, "hold: litigation until 2026-06-20")).await;
        }
        Before::Proposed => {
            let text = "please delete the data of eve@example.org";
            desk.receives(&mail("carl@example.org", "Data Deletion Request", text)).await;
            desk.days_pass(1).await;
        }
    }
    let people = desk.store.messages_for_people(DateTime::UNIX_EPOCH, desk.clock.now()).await;
    let message = people.unwrap().first().map_or(0, |line| line.id);
    let (line, about) = match before {
        Before::Proposed => (format!("{words} m{message}"), "Deletion requests:".to_owned()),
        _ => (format!("{this} {words}"), this),
    };
    Scene {
        line,
        letter: letter_about(&desk, OFFICER, &about),
        seconds: letter_about(&desk, SECOND, &about),
        others: letter_about(&desk, OFFICER, &bobs),
        message,
        desk,
    }
}

fn authenticated(field: &str, raw: &str) -> String {
    format!("Authentication-Results: {field}\n{raw}")
}

fn genuine(letter: &Letter, line: &str) -> String {
    authenticated(PASS, &answer(OFFICER, letter, line))
}

impl Scene {
    /// All that an act could change.
    async fn stand(&self) -> String {
        let head = self.desk.store.journal_head().await.unwrap();
        let message = self.desk.store.message_for_people(self.message).await.unwrap();
        let proposed = message.map(|line| line.proposed.len());
        format!("{:?} {head} {proposed:?}", self.desk.cases().await)
    }

    async fn changes_nothing(&mut self, what: &str, raw: &str) {
        let before = self.stand().await;
        self.desk.receives(raw).await;
        assert_eq!(self.stand().await, before, "{:?} {what}", self.line);
    }

    async fn revokes(&self, at: DateTime<chrono::Utc>) {
        let mut tx = self.desk.store.begin().await.unwrap();
        let member = EmailAddress::parse(OFFICER).unwrap();
        let mark = revoked_mark(tx.key(), &member);
        tx.set_mark_at(&mark, at).await.unwrap();
        tx.commit().await.unwrap();
    }

    /// What became of the last mail.
    async fn outcome(&self) -> String {
        self.desk.outcomes().await.pop().unwrap()
    }
}

/// Every command, every forgery, and last the genuine one, which shows that only the forgery
/// was in its way.
async fn resists_forgery(words: &str, before: Before) {
    let mut scene = scene(words, before).await;
    let (line, letter) = (scene.line.clone(), scene.letter.clone());

    let theirs = authenticated(
        "mx.flexus.example; dmarc=pass header.from=example.org",
        &answer("mallory@example.org", &letter, &line),
    );
    scene.changes_nothing("from another address", &theirs).await;
    assert_eq!(scene.outcome().await, "for-staff: command-refused");
    let colleague = authenticated(PASS, &answer(SECOND, &letter, &line));
    scene.changes_nothing("from a colleague", &colleague).await;
    let tagged = authenticated(PASS, &answer("officer+x@flexus.example", &letter, &line));
    scene.changes_nothing("from a plus-tagged address", &tagged).await;

    let plain = authenticated(PASS, &mail(OFFICER, "Re: a case", &line));
    scene.changes_nothing("without a token", &plain).await;
    let altered = genuine(&letter, &line).replace("+", "+x");
    let altered = altered.replace("In-Reply-To: <", "In-Reply-To: <x");
    scene.changes_nothing("with an altered token", &altered).await;

    let others = genuine(&scene.others, &line);
    scene.changes_nothing("with the token of another case's mail", &others).await;
    assert_eq!(scene.outcome().await, "acted: act-refused");
    let seconds = genuine(&scene.seconds, &line);
    scene.changes_nothing("with the token of another member", &seconds).await;
    assert_eq!(scene.outcome().await, "for-staff: command-refused");

    let bare = answer(OFFICER, &letter, &line);
    scene.changes_nothing("without Authentication-Results", &bare).await;
    let foreign = authenticated("mx.evil.example; dmarc=pass header.from=flexus.example", &bare);
    scene.changes_nothing("with those of a stranger", &foreign).await;
    for lookalike in LOOKALIKES {
        scene.changes_nothing(lookalike, &authenticated(lookalike, &bare)).await;
        let why = scene.desk.last_letter_to(OFFICER).words();
        assert!(why.contains("no aligned DMARC pass"), "{lookalike}: {why}");
    }

    let automatic = format!("Auto-Submitted: auto-replied\n{}", genuine(&letter, &line));
    scene.changes_nothing("by a program", &automatic).await;
    scene.revokes(scene.desk.clock.now()).await;
    scene.changes_nothing("with a revoked token", &genuine(&letter, &line)).await;
    assert!(scene.desk.last_letter_to(OFFICER).words().contains("that mail was revoked"));
    scene.revokes(DateTime::UNIX_EPOCH).await;

    let untouched = scene.stand().await;
    scene.desk.receives(&genuine(&letter, &line)).await;
    let acted = scene.stand().await;
    assert_ne!(acted, untouched, "{line:?} by the officer: {}", scene.outcome().await);

    for (what, raw) in replays(&letter, &line) {
        scene.changes_nothing(what, &raw).await;
        assert_eq!(scene.outcome().await, "acted: act-refused", "{what}");
    }
}

/// The same words again: the server trace, the Message-ID and what else DMARC lets change.
fn replays(letter: &Letter, line: &str) -> Vec<(&'static str, String)> {
    let again = genuine(letter, line);
    let renamed = again.replace("<answer@mail.example>", "<other@mail.example>");
    vec![
        ("sent again", again.clone()),
        ("with another Message-ID", renamed.clone()),
        ("by another way", format!("Received: from elsewhere by mx with ESMTP id 7\n{renamed}")),
        ("in capitals", genuine(letter, &line.to_uppercase())),
        // A DKIM signature with relaxed bodies stands all the same (RFC 6376 §3.4.4).
        ("with other blanks", genuine(letter, &format!("\n{}\t", line.replace(' ', "  ")))),
        ("without the quoted mail", again.split("\n\nOn Mon").next().unwrap().to_owned()),
    ]
}

async fn all_resist(commands: &[(&str, Before)]) {
    assert_eq!(commands.len(), 5);
    for (words, before) in commands {
        resists_forgery(words, *before).await;
    }
}

#[tokio::test]
async fn a_forged_answer_ends_or_moves_no_case() {
    all_resist(&COMMANDS[..5]).await;
}

#[tokio::test]
async fn a_forged_answer_refuses_approves_or_undoes_nothing() {
    all_resist(&COMMANDS[5..10]).await;
}

#[tokio::test]
async fn a_forged_answer_corrects_releases_and_opens_nothing() {
    all_resist(&COMMANDS[10..]).await;
}

#[tokio::test]
async fn a_mail_older_than_seven_days_is_no_key_any_more() {
    for (words, before) in COMMANDS {
        let mut scene = scene(words, before).await;
        scene.desk.sleeps_for(TimeDelta::days(7));
        scene.desk.settles().await;
        let raw = genuine(&scene.letter, &scene.line);
        scene.changes_nothing("after seven days", &raw).await;
        assert_eq!(scene.outcome().await, "acted: act-refused", "{words}");
        let letters = scene.desk.letters_to(OFFICER);
        let refused = letters.iter().rfind(|letter| letter.subject == "Nothing was done").unwrap();
        assert!(refused.words().contains("older than 7 days"), "{words}: {}", refused.text);
    }
}

#[tokio::test]
async fn a_mail_is_a_key_until_the_last_second() {
    let mut scene = scene("note: still open", Before::Confirmed).await;
    scene.desk.sleeps_for(TimeDelta::days(7) - TimeDelta::seconds(1));
    scene.desk.settles().await;
    let before = scene.stand().await;
    scene.desk.receives(&genuine(&scene.letter, &scene.line)).await;
    assert_ne!(scene.stand().await, before, "{}", scene.outcome().await);
}

#[tokio::test]
async fn what_was_switched_off_or_loosened_in_the_settings_holds() {
    for (setting, acts, acts_without_results) in
        [("off", false, false), ("authenticated", true, false), ("token-only", true, true)]
    {
        let line = format!("[staff]\nmail_commands = \"{setting}\"");
        let mut desk = Desk::with(|config| config.replace("[staff]", &line)).await;
        confirmed_as(&mut desk, JANE, "own-account").await;
        let letter = desk.last_letter_to(OFFICER);
        let bare = answer(OFFICER, &letter, "note: one");
        for (raw, acts) in [(bare, acts_without_results), (genuine(&letter, "note: two"), acts)] {
            let before = desk.store.journal_head().await.unwrap();
            desk.receives(&raw).await;
            let acted = desk.store.journal_head().await.unwrap() != before;
            assert_eq!(acted, acts, "{setting}: {}", desk.outcomes().await.last().unwrap());
        }
    }
}

/// What was refused for want of proof is no new key.
#[tokio::test]
async fn the_answer_to_a_forgery_opens_nothing() {
    let mut scene = scene("done", Before::Confirmed).await;
    scene.desk.receives(&answer(OFFICER, &scene.letter, &scene.line)).await;
    let refusal = scene.desk.last_letter_to(OFFICER);
    assert_eq!(refusal.subject, "Nothing was done");
    let raw = genuine(&refusal, &scene.line);
    scene.changes_nothing("in answer to a refusal", &raw).await;
}

/// A refusal of the authority goes to the listed address alone, whoever wrote.
#[tokio::test]
async fn a_forger_is_told_nothing() {
    let mut scene = scene("done", Before::Confirmed).await;
    let out = scene.desk.letters_out();
    let raw = answer("mallory@example.org", &scene.letter, &scene.line);
    scene.desk.receives(&authenticated(PASS, &raw)).await;
    assert_eq!(scene.desk.letters_out(), out);
    assert_eq!(scene.desk.letters_to("mallory@example.org").len(), 0);
}
