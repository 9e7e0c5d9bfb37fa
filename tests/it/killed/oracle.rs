//! What has to hold when there is rest after a kill: the invariants, in words.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use deletion_desk::commands::setup::Setup;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteRow};
use sqlx::{Connection as _, Row as _};

use super::sink::Taken;
use super::world::World;
use crate::harness::Letter;

/// What is left when there is rest, without times, random names and the words of letters: one
/// line for each thing, sorted.
pub(crate) type Picture = Vec<String>;

/// What a run came to.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    pub(crate) picture: Picture,
    /// What is wrong.
    pub(crate) faults: Vec<String>,
    /// Letters that left twice, all of them in the window of invariant 11.
    pub(crate) doubles: usize,
    /// Letters and messages that were in hand at two kills: a person has to look.
    pub(crate) for_person: BTreeSet<String>,
}

/// A letter of the outbox.
#[derive(Debug)]
struct Row {
    nonce: String,
    kind: String,
    status: String,
    case: Option<String>,
    written_at: i64,
    waits: bool,
}

/// What is recorded, and what arrived.
struct Found {
    database: SqliteConnection,
    rows: Vec<Row>,
    /// By the letter's nonce.
    copies: BTreeMap<String, Vec<Taken>>,
    faults: Vec<String>,
}

/// A letter, and the decision that writes it.
const WRITTEN_BY: [(&str, &str); 9] = [
    ("verification-request", "verification-requested"),
    ("verification-reminder", "verification-reminded"),
    ("request-confirmed", "address-confirmed"),
    ("case-confirmed", "address-confirmed"),
    ("completion", "request-completed"),
    ("withdrawal-confirmed", "request-withdrawn"),
    ("refusal", "request-refused"),
    ("extension-notice", "dates-extended"),
    ("proof-request", "proof-asked"),
];

/// An outcome of a message, and the event that it is.
const EVENT_OF: [(&str, &str); 5] = [
    ("opened", "request-received"),
    ("noted", "request-received"),
    ("confirmed", "confirmed"),
    ("ended", "disowned"),
    ("bounced", "letter-failed"),
];

/// Looks at a world that is at rest, and whether a further run changes anything in it.
/// `undisturbed` is what the same scenario comes to when nobody is killed.
pub(crate) fn judge(world: &mut World, undisturbed: Option<&Verdict>) -> Verdict {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    world.stops();
    let mut verdict = runtime.block_on(look(world));
    world.rests();
    world.stops();
    let again = runtime.block_on(look(world));
    if again.picture != verdict.picture {
        let difference = difference(&verdict.picture, &again.picture);
        verdict.faults.push(format!("a further run changes something: {difference}"));
    }
    let as_undisturbed = undisturbed.filter(|whole| whole.for_person == verdict.for_person);
    if let Some(undisturbed) = as_undisturbed {
        let found = without_repeats(world, &verdict.picture);
        if undisturbed.picture != found {
            let difference = difference(&undisturbed.picture, &found);
            verdict.faults.push(format!("it ends otherwise than undisturbed: {difference}"));
        }
    }
    verdict
}

async fn look(world: &World) -> Verdict {
    let path = world.folder.path().join("bot.db");
    let taken = world.sink.server().taken.clone();
    let mut found = Found::read(&path, taken).await;
    found.the_file_is_whole().await;
    found.cases_are_what_their_journal_says(world.folder.path()).await;
    found.every_message_has_one_outcome(world).await;
    let doubles = found.no_letter_left_twice_outside_the_window(world).await;
    found.no_letter_is_lost_or_invented(world);
    found.no_letter_without_its_event_and_no_event_without_its_letter().await;
    found.no_mail_without_its_event_and_no_event_without_its_mail().await;
    let for_person = found.whoever_was_hit_twice_waits_for_a_person(world).await;
    let picture = found.picture().await;
    Verdict { picture, faults: found.faults, doubles, for_person }
}

impl Found {
    async fn read(path: &Path, taken: Vec<Taken>) -> Found {
        const SQL: &str = "SELECT nonce, kind, status, written_at, reference, hold IS NULL OR hold = 'undo' AS waits \
            FROM outbox LEFT JOIN cases ON cases.id = case_id ORDER BY outbox.id";
        let options = SqliteConnectOptions::new().filename(path);
        let mut database = SqliteConnection::connect_with(&options).await.unwrap();
        let rows = sqlx::query(SQL).fetch_all(&mut database).await.unwrap();
        let row = |row: &SqliteRow| Row {
            nonce: row.get("nonce"),
            kind: row.get("kind"),
            status: row.get("status"),
            case: row.get("reference"),
            written_at: row.get("written_at"),
            waits: row.get("waits"),
        };
        let mut copies: BTreeMap<String, Vec<Taken>> = BTreeMap::new();
        for mail in taken {
            copies.entry(nonce_of(&mail)).or_default().push(mail);
        }
        let rows = rows.iter().map(row).collect();
        Found { database, rows, copies, faults: Vec::new() }
    }

    fn expect(&mut self, holds: bool, otherwise: impl FnOnce() -> String) {
        if !holds {
            self.faults.push(otherwise());
        }
    }

    async fn rows(&mut self, sql: &'static str) -> Vec<SqliteRow> {
        sqlx::query(sql).fetch_all(&mut self.database).await.unwrap()
    }

    /// Lines of text that a statement yields, its columns joined.
    async fn lines(&mut self, sql: &'static str) -> Vec<String> {
        let rows = self.rows(sql).await;
        rows.iter().map(|row| row.get::<Option<String>, _>(0).unwrap_or_default()).collect()
    }

    async fn the_file_is_whole(&mut self) {
        let said = self.lines("PRAGMA integrity_check").await;
        self.expect(said == ["ok"], || format!("integrity_check says {said:?}"));
        let said = self.rows("PRAGMA foreign_key_check").await.len();
        self.expect(said == 0, || format!("{said} rows belong to nothing"));
    }

    /// The journal, folded through `evolve`, is every case.
    async fn cases_are_what_their_journal_says(&mut self, folder: &Path) {
        let store = Setup::read(&folder.join("bot.toml")).unwrap().open_store().await.unwrap();
        let verified = store.verify_journal().await.unwrap();
        store.close().await;
        self.expect(verified.problems.is_empty(), || format!("{:?}", verified.problems));
    }

    /// Every message that lies in the inbox has one row, and that an outcome; the same bytes
    /// were handled once.
    async fn every_message_has_one_outcome(&mut self, world: &World) {
        let lies = fs::read_dir(world.folder.path().join("in/new")).unwrap();
        let mut lies: Vec<String> =
            lies.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
        lies.sort();
        let known = "SELECT key FROM inbox WHERE mailbox <> 'page' ORDER BY key";
        let known: BTreeSet<String> = self.lines(known).await.into_iter().collect();
        for key in &lies {
            self.expect(known.contains(key), || format!("{key} was never seen"));
        }
        let without = self.lines("SELECT key FROM inbox WHERE outcome IS NULL").await;
        self.expect(without.is_empty(), || format!("without an outcome: {without:?}"));
        let twice = "SELECT sha256 FROM inbox WHERE sha256 IS NOT NULL AND outcome <> 'known' \
            GROUP BY sha256 HAVING count(*) > 1";
        let twice = self.lines(twice).await.len();
        self.expect(twice == 0, || format!("{twice} messages were handled twice"));
    }

    /// Copies of a letter are the same bytes in the same envelope, two at most, and two only when
    /// the process died between the final dot and the record of its answer.
    async fn no_letter_left_twice_outside_the_window(&mut self, world: &World) -> usize {
        let mut doubles = 0;
        for (nonce, copies) in self.copies.clone() {
            self.expect(copies.iter().all(|copy| *copy == copies[0]), || {
                format!("copies of {nonce} differ")
            });
            let count = copies.len();
            self.expect(count <= 2, || format!("{nonce} left {count} times"));
            if count < 2 {
                continue;
            }
            let mut in_window = false;
            for died in &world.died {
                let taken_by_then = world.sink.server().taken[..died.taken].to_vec();
                in_window |= taken_by_then.iter().any(|mail| nonce_of(mail) == nonce)
                    && claimed_in(&died.database).await.contains(&nonce);
            }
            self.expect(in_window, || format!("{nonce} left twice outside the window"));
            doubles += 1;
        }
        doubles
    }

    /// What is recorded as submitted arrived, what arrived is recorded, and nothing waits.
    fn no_letter_is_lost_or_invented(&mut self, world: &World) {
        let now = world.now;
        let mut faults = Vec::new();
        for row in &self.rows {
            let (kind, status, nonce) = (&row.kind, row.status.as_str(), &row.nonce);
            let arrived = self.copies.contains_key(nonce);
            match status {
                "submitted" | "bounced" if !arrived => {
                    faults.push(format!("{kind} {nonce} is {status} and never left"));
                }
                "refused" | "given-up" if arrived => {
                    faults.push(format!("{kind} {nonce} is {status} and left"));
                }
                "claimed" => faults.push(format!("{kind} {nonce} is still claimed")),
                "waiting" if row.waits => {
                    faults.push(format!("{kind} {nonce} still waits at {now}"));
                }
                _ => {}
            }
        }
        let known: BTreeSet<&String> = self.rows.iter().map(|row| &row.nonce).collect();
        let invented = self.copies.keys().filter(|nonce| !known.contains(nonce));
        faults.extend(invented.map(|nonce| format!("nobody wrote {nonce}")));
        self.faults.extend(faults);
    }

    /// At the instant of each decision that writes a letter there is that letter, and each
    /// letter about a case has a decision of its instant.
    async fn no_letter_without_its_event_and_no_event_without_its_letter(&mut self) {
        const SQL: &str = "SELECT reference, reason, at FROM journal";
        let journal = self.rows(SQL).await;
        let journal: BTreeSet<(String, String, i64)> =
            journal.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect();
        let mut faults = Vec::new();
        for (reference, reason, at) in &journal {
            for (letter, _) in WRITTEN_BY.iter().filter(|(_, by)| by == reason) {
                let written = self.rows.iter().filter(|row| {
                    row.kind == *letter
                        && row.case.as_ref() == Some(reference)
                        && row.written_at == *at
                });
                let count = written.count();
                if count != 1 {
                    faults.push(format!("{reason} of {reference} wrote {count} of {letter}"));
                }
            }
        }
        for row in &self.rows {
            let Some(case) = &row.case else { continue };
            let decided = journal.iter().any(|(reference, reason, at)| {
                let by = WRITTEN_BY.iter().find(|(letter, _)| *letter == row.kind);
                reference == case && *at == row.written_at && by.is_none_or(|(_, by)| by == reason)
            });
            if !decided {
                faults.push(format!("nothing decided {} {}", row.kind, row.nonce));
            }
        }
        self.faults.extend(faults);
    }

    /// A message's outcome and its event are of the same instant and case; and each event of a
    /// case that a message brings has such a message.
    async fn no_mail_without_its_event_and_no_event_without_its_mail(&mut self) {
        const MAILS: &str =
            "SELECT outcome, reference, handled_at FROM inbox JOIN cases ON cases.id = case_id";
        const EVENTS: &str = "SELECT event, reference, at FROM journal";
        let read = |row: &SqliteRow| (row.get(0), row.get(1), row.get(2));
        let mails: Vec<(String, String, i64)> = self.rows(MAILS).await.iter().map(read).collect();
        let events: Vec<(String, String, i64)> = self.rows(EVENTS).await.iter().map(read).collect();
        for (outcome, case, at) in &mails {
            let Some((_, event)) = EVENT_OF.iter().find(|(name, _)| name == outcome) else {
                continue;
            };
            let has = events.contains(&((*event).to_owned(), case.clone(), *at));
            self.expect(has, || format!("{outcome} of {case} is no event"));
        }
        for (event, case, at) in events.iter().filter(|(event, ..)| event == "request-received") {
            let came = mails.iter().filter(|(_, of, when)| of == case && when == at).count();
            self.expect(came > 0, || format!("no message brought {event} of {case}"));
        }
    }

    /// Nobody but who was in hand at two kills may be left to a person.
    async fn whoever_was_hit_twice_waits_for_a_person(
        &mut self,
        world: &World,
    ) -> BTreeSet<String> {
        let uncertain = "SELECT nonce FROM outbox WHERE status = 'uncertain'";
        let unread = "SELECT key FROM inbox WHERE reason = 'ended-the-reader'";
        let (uncertain, unread) = (self.lines(uncertain).await, self.lines(unread).await);
        let mut hits: BTreeMap<String, usize> = BTreeMap::new();
        for died in &world.died {
            for name in claimed_in(&died.database).await {
                *hits.entry(name).or_default() += 1;
            }
            for name in begun_in(&died.database).await {
                *hits.entry(name).or_default() += 1;
            }
        }
        for name in uncertain.iter().chain(&unread) {
            let hits = hits.get(name).copied().unwrap_or(0);
            self.expect(hits >= 2, || format!("{name} was given up after {hits} kills"));
        }
        uncertain.into_iter().chain(unread).collect()
    }

    async fn picture(&mut self) -> Picture {
        const CASES: &str = "SELECT reference, coalesce(address, 'somebody'), address_key FROM cases \
            LEFT JOIN subjects ON case_id = id ORDER BY id";
        const PARTS: [&str; 8] = [
            "SELECT concat_ws(' ', 'message', CASE mailbox WHEN 'page' THEN 'page' ELSE key END, outcome, reason, \
                reference, proposed, dismissed) FROM inbox LEFT JOIN cases ON cases.id = case_id",
            "SELECT concat_ws(' ', 'case', reference, state, resolution, role, source, confirmed_by, due_on, law_due_on, \
                confirmed_at IS NOT NULL, look_at IS NOT NULL, language) FROM cases LEFT JOIN subjects ON case_id = id",
            "SELECT concat_ws(' ', 'journal', reference, group_concat(event || '=' || reason ORDER BY seq)) FROM journal GROUP BY reference",
            "SELECT concat_ws(' ', 'letter', kind, reference, iif(to_staff, 'staff', outbox.address_key), status, class, hold) FROM outbox \
                LEFT JOIN cases ON cases.id = case_id",
            "SELECT concat_ws(' ', 'suppressed', address_key) FROM suppressions",
            "SELECT concat_ws(' ', 'digest', fired_at) FROM digests",
            "SELECT concat_ws(' ', 'evidence', reference, deed) FROM evidence JOIN cases ON cases.id = case_id",
            "SELECT concat_ws(' ', 'mark', name) FROM marks",
        ];
        let mut names = BTreeMap::new();
        let mut count: BTreeMap<String, usize> = BTreeMap::new();
        for row in self.rows(CASES).await {
            let (reference, whose, key): (String, String, String) =
                (row.get(0), row.get(1), row.get(2));
            let nth = count.entry(whose.clone()).or_default();
            *nth += 1;
            names.insert(reference, format!("{whose}#{nth}"));
            names.insert(key, whose);
        }
        let mut picture = Vec::new();
        for sql in PARTS {
            picture.extend(self.lines(sql).await);
        }
        let copies: Vec<Letter> = self
            .copies
            .values()
            .map(|copies| Letter::of(&copies[0].return_path, &copies[0].bytes))
            .collect();
        for (letter, copies) in copies.iter().zip(self.copies.values()) {
            picture.push(format!("arrived {} {}", copies[0].to, letter.subject));
        }
        for line in &mut picture {
            for (random, name) in &names {
                *line = line.replace(random, name);
            }
        }
        picture.sort();
        picture
    }
}

/// Who had no answer of the page pressed again, and a second entry for an address that was
/// asked just now joins the first.
fn without_repeats(world: &World, picture: &Picture) -> Picture {
    let mut left = world.pressed_again;
    let is_repeat = |line: &String| line.starts_with("message page joined already-asked");
    let mut kept = picture.clone();
    kept.retain(|line| {
        let drops = left > 0 && is_repeat(line);
        left -= usize::from(drops);
        !drops
    });
    kept
}

fn difference(expected: &Picture, found: &Picture) -> String {
    let lacks = |from: &Picture, in_: &Picture, sign: char| {
        let mut rest = in_.clone();
        let mut lines = Vec::new();
        for line in from {
            match rest.iter().position(|other| other == line) {
                Some(at) => drop(rest.remove(at)),
                None => lines.push(format!("\n  {sign} {line}")),
            }
        }
        lines.concat()
    };
    lacks(expected, found, '-') + &lacks(found, expected, '+')
}

/// The first characters of our Message-ID are the letter's nonce.
fn nonce_of(mail: &Taken) -> String {
    let id = Letter::of(&mail.return_path, &mail.bytes).message_id;
    id.trim_start_matches('<').chars().take(8).collect()
}

async fn claimed_in(database: &Path) -> Vec<String> {
    names_in(database, "SELECT nonce FROM outbox WHERE status = 'claimed'").await
}

async fn begun_in(database: &Path) -> Vec<String> {
    names_in(database, "SELECT key FROM inbox WHERE outcome IS NULL AND attempts > 0").await
}

async fn names_in(database: &Path, sql: &'static str) -> Vec<String> {
    let options = SqliteConnectOptions::new().filename(database);
    let Ok(mut database) = SqliteConnection::connect_with(&options).await else {
        return Vec::new();
    };
    // Before the very first start was over there are no tables.
    sqlx::query_scalar(sql).fetch_all(&mut database).await.unwrap_or_default()
}
