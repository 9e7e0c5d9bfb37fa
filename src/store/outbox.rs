//! Letters committed and not yet submitted: hold, release, claim, settle.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use chrono::{DateTime, Duration, Utc};
use serde_json::json;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::known::KnownLetter;
use super::{CaseId, Tx, millis, random};
use crate::case::state::named;
use crate::case::{Letter, LetterKind, Recipient};
use crate::compose::Outgoing;
use crate::mail::EmailAddress;

named! {
    /// Which daily budget a letter to a first-time recipient counts in. A flood of one class
    /// cannot delay another.
    Class {
        /// Asked by a mail with an aligned DMARC pass.
        Authenticated = "authenticated",
        /// Asked by any other mail.
        Direct = "direct",
        /// Asked through a form of a service; each form has a budget of its own.
        Form = "form",
        /// Asked through our own page; each client network has a budget of its own.
        Page = "page",
    }
}

named! {
    /// What holds a letter on the desk.
    Hold {
        /// The daily budget of its class.
        Budget = "budget",
        /// A person has to approve it.
        Approval = "approval",
        /// The step that wrote it can still be undone.
        Undo = "undo",
    }
}

/// Letters to first-time recipients in 24 hours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Of the whole class.
    pub class_max: u32,
    /// Of one form or network in it; the same as `class_max` where it is not divided.
    pub origin_max: u32,
}

/// To whom letters may leave the desk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// Requesters and staff.
    Everybody,
    /// Staff only: in observe mode, whatever else waits.
    Staff,
}

/// What [`Tx::release_due`] did.
#[derive(Clone, Debug)]
pub struct Released {
    /// Letters that left the desk.
    pub letters: Vec<(LetterKind, Option<CaseId>)>,
    /// The classes they count in, with how many left in each in the last 24 hours.
    pub used: Vec<(Class, u32)>,
    /// Whether anything was written at all.
    pub wrote: bool,
}

/// What is left in each budget that something waits for: by `class origin`, and by class alone
/// for the whole of it.
#[derive(Debug, Default)]
struct Rooms {
    left: BTreeMap<String, u32>,
    used: Vec<(Class, u32)>,
}

/// A letter to be committed.
pub(super) struct NewLetter<'a> {
    pub(super) case: Option<CaseId>,
    pub(super) letter: &'a Letter,
    pub(super) to: &'a Recipient,
    pub(super) class: Option<Class>,
    pub(super) origin: &'a str,
    pub(super) hold: Option<Hold>,
    pub(super) in_reply_to: Option<&'a str>,
    pub(super) not_before: DateTime<Utc>,
}

/// A letter that has left the desk and waits for an attempt.
#[derive(Clone, Debug)]
pub struct Due {
    /// Its row.
    pub id: i64,
    /// Its case.
    pub case: Option<CaseId>,
    /// What it says.
    pub letter: Letter,
    /// To whom.
    pub to: EmailAddress,
    /// What its tokens are made of.
    pub nonce: String,
    /// The mail it answers.
    pub in_reply_to: Option<String>,
    /// Its composed bytes, fixed by the first attempt.
    pub outgoing: Option<Outgoing>,
}

pub(super) fn kind_of(row: &SqliteRow) -> Result<LetterKind> {
    let name: String = row.get("kind");
    LetterKind::parse(&name)
        .with_context(|| format!("The outbox holds a letter of an unknown kind, {name}"))
}

impl Tx {
    /// Commits a letter; it is written with the batch.
    pub(super) fn queue_letter(&mut self, new: &NewLetter<'_>, now: DateTime<Utc>) -> Result<()> {
        let address_key = self.key.address_key(new.to.address());
        self.rows.letters.push(json!([
            new.case.map(|case| case.0),
            new.letter.kind.as_str(),
            serde_json::to_string(&new.letter.values)?,
            new.to.address().as_str(),
            address_key,
            random::nonce()?,
            new.letter.kind.is_for_staff(),
            serde_json::to_string(&new.letter.about)?,
            new.in_reply_to,
            new.class.map(Class::as_str),
            new.origin,
            new.hold.map(Hold::as_str),
            millis(now),
            millis(new.not_before),
        ]));
        let known = KnownLetter {
            kind: new.letter.kind,
            case: new.case,
            to_staff: new.letter.kind.is_for_staff(),
            at: new.not_before,
            has_left: false,
            status: "waiting".to_owned(),
        };
        self.known.add_letter(&address_key, known);
        Ok(())
    }

    pub(super) fn queue_to_staff(
        &mut self,
        letter: &Letter,
        case: Option<CaseId>,
        member: &EmailAddress,
        now: DateTime<Utc>,
    ) -> Result<()> {
        let to = Recipient::staff(member);
        let new = NewLetter {
            case,
            letter,
            to: &to,
            class: None,
            origin: "",
            hold: None,
            in_reply_to: None,
            not_before: now,
        };
        self.queue_letter(&new, now)
    }

    /// Commits a letter to a member of staff; such letters need no approval.
    ///
    /// # Errors
    /// Storage errors.
    pub async fn write_to_staff(
        &mut self,
        letter: &Letter,
        case: Option<CaseId>,
        member: &EmailAddress,
        now: DateTime<Utc>,
    ) -> Result<()> {
        self.queue_to_staff(letter, case, member, now)?;
        self.write_rows().await
    }

    /// Letters that may leave the desk now, oldest first; those over the budget of their
    /// class, or of their origin in it, are held, and taken up again when there is room.
    ///
    /// # Errors
    /// Storage errors.
    pub async fn release_due(
        &mut self,
        budget_of: impl Fn(Class) -> Budget,
        audience: Audience,
        now: DateTime<Utc>,
    ) -> Result<Released> {
        // Budgets without room are left out here, so that their letters, however many, stand
        // before no other.
        const SQL: &str = "SELECT id, kind, case_id, class, origin FROM outbox INDEXED BY outbox_on_desk \
            WHERE status = 'waiting' AND released_at IS NULL AND due_at <= ?1 \
            AND (hold IS NULL OR hold <> 'approval') \
            AND (class IS NULL OR class || ' ' || origin NOT IN (SELECT value FROM json_each(?2))) \
            AND (?3 OR to_staff = 1) ORDER BY written_at, id LIMIT 500";
        let mut rooms = self.rooms(&budget_of, now).await?;
        let full: Vec<&String> =
            rooms.left.iter().filter(|(_, room)| **room == 0).map(|(name, _)| name).collect();
        let is_some_full = !full.is_empty();
        let full = serde_json::to_string(&full)?;
        let held = if is_some_full { self.hold_for_budget(&full, now).await? } else { 0 };
        let query = sqlx::query(SQL).bind(millis(now)).bind(full);
        let rows = query.bind(audience == Audience::Everybody).fetch_all(self.connection()).await?;
        let (mut letters, mut released) = (Vec::new(), Vec::new());
        for row in &rows {
            if let Some(class) = row.get::<Option<String>, _>("class") {
                let origin = row.get::<String, _>("origin");
                if !rooms.take(&class, &origin) {
                    continue;
                }
            }
            released.push(row.get::<i64, _>("id"));
            letters.push((kind_of(row)?, row.get::<Option<i64>, _>("case_id").map(CaseId)));
        }
        if !released.is_empty() {
            const RELEASE: &str = "UPDATE outbox SET hold = NULL, released_at = ?1 \
                WHERE id IN (SELECT value FROM json_each(?2))";
            let query = sqlx::query(RELEASE).bind(millis(now));
            query.bind(serde_json::to_string(&released)?).execute(self.connection()).await?;
        }
        Ok(Released { wrote: held > 0 || !letters.is_empty(), used: rooms.used, letters })
    }

    async fn rooms(
        &mut self,
        budget_of: &impl Fn(Class) -> Budget,
        now: DateTime<Utc>,
    ) -> Result<Rooms> {
        const WAITING: &str = "SELECT DISTINCT class, origin FROM outbox INDEXED BY outbox_on_desk \
            WHERE status = 'waiting' AND class IS NOT NULL AND released_at IS NULL AND due_at <= ?";
        const USED: &str =
            "SELECT count(*) FROM outbox WHERE class = ? AND origin = ? AND released_at > ?";
        const USED_OF_CLASS: &str =
            "SELECT count(*) FROM outbox WHERE class = ? AND released_at > ?";
        let since = millis(now - Duration::hours(24));
        let rows = sqlx::query(WAITING).bind(millis(now)).fetch_all(self.connection()).await?;
        let mut rooms = Rooms::default();
        for row in &rows {
            let (name, origin) = (row.get::<String, _>("class"), row.get::<String, _>("origin"));
            let class = Class::parse(&name).context("The outbox names an unknown class")?;
            let budget = budget_of(class);
            let used_of_class = match rooms.used.iter().find(|(known, _)| *known == class) {
                Some((_, used)) => *used,
                None => {
                    let query = sqlx::query_scalar(USED_OF_CLASS).bind(&name).bind(since);
                    let used = query.fetch_one(self.connection()).await?;
                    rooms.used.push((class, used));
                    used
                }
            };
            let of_class = budget.class_max.saturating_sub(used_of_class);
            let mut of_origin = budget.origin_max;
            // Where the class has no room, no origin has: thousands may wait in it.
            if of_class > 0 {
                let query = sqlx::query_scalar(USED).bind(&name).bind(&origin).bind(since);
                let used: u32 = query.fetch_one(self.connection()).await?;
                of_origin = of_origin.saturating_sub(used);
            }
            rooms.left.insert(format!("{name} {origin}"), of_class.min(of_origin));
            rooms.left.insert(name, of_class);
        }
        Ok(rooms)
    }

    /// Marks what waits for its budget, so that people see why.
    async fn hold_for_budget(&mut self, full: &str, now: DateTime<Utc>) -> Result<u64> {
        const SQL: &str = "UPDATE outbox INDEXED BY outbox_on_desk SET hold = 'budget' \
            WHERE status = 'waiting' AND released_at IS NULL AND hold IS NULL AND due_at <= ? \
            AND class || ' ' || origin IN (SELECT value FROM json_each(?))";
        let query = sqlx::query(SQL).bind(millis(now)).bind(full);
        Ok(query.execute(self.connection()).await?.rows_affected())
    }

    /// Released letters whose next attempt is due. One whose last attempt ended with the process
    /// comes alone: should it be the letter that ends it, no other is in hand then.
    ///
    /// # Errors
    /// Storage errors.
    pub async fn due_letters(
        &mut self,
        count_max: usize,
        audience: Audience,
        now: DateTime<Utc>,
    ) -> Result<Vec<Due>> {
        const SQL: &str = "SELECT id, case_id, kind, \"values\", recipient, nonce, about, in_reply_to, outgoing, uncertain \
            FROM outbox INDEXED BY outbox_to_send WHERE status = 'waiting' AND released_at IS NOT NULL AND due_at <= ? AND (? OR to_staff = 1) \
            ORDER BY due_at, id LIMIT ?";
        let rows = sqlx::query(SQL)
            .bind(millis(now))
            .bind(audience == Audience::Everybody)
            .bind(i64::try_from(count_max)?)
            .fetch_all(self.connection())
            .await?;
        let is_doubtful = |row: &SqliteRow| row.get::<i64, _>("uncertain") > 0;
        let sure = rows.iter().take_while(|row| !is_doubtful(row)).count();
        rows.iter().take(sure.max(1)).map(due).collect()
    }

    /// Notes that a letter came back.
    ///
    /// # Errors
    /// Storage errors.
    pub async fn mark_bounced(&mut self, id: i64, now: DateTime<Utc>) -> Result<()> {
        self.put_away(id, "bounced", "", now).await
    }

    /// Takes a letter up again whose arrival nobody knows, or puts it away for good.
    ///
    /// # Errors
    /// Storage errors.
    pub async fn resolve_uncertain(
        &mut self,
        id: i64,
        again: bool,
        now: DateTime<Utc>,
    ) -> Result<bool> {
        const AGAIN: &str = "UPDATE outbox SET status = 'waiting', uncertain = 0, due_at = ? \
            WHERE id = ? AND status = 'uncertain'";
        const DROP: &str = "UPDATE outbox SET status = 'cancelled', outgoing = NULL, \
            \"values\" = '{}', recipient = '', ended_at = ? WHERE id = ? AND status = 'uncertain'";
        let query = sqlx::query(if again { AGAIN } else { DROP }).bind(millis(now)).bind(id);
        Ok(query.execute(self.connection()).await?.rows_affected() == 1)
    }

    /// Lets letters that wait for approval go; all of them, or the one of that row.
    ///
    /// # Errors
    /// Storage errors.
    pub async fn approve_letters(&mut self, only: Option<i64>) -> Result<u64> {
        const SQL: &str = "UPDATE outbox SET hold = NULL WHERE status = 'waiting' AND hold = 'approval' AND (?1 IS NULL OR id = ?1)";
        Ok(sqlx::query(SQL).bind(only).execute(self.connection()).await?.rows_affected())
    }

    pub(super) async fn cancel_letters(&mut self, case: CaseId, kind: LetterKind) -> Result<()> {
        const SQL: &str = "UPDATE outbox SET status = 'cancelled', outgoing = NULL, \"values\" = '{}', recipient = '' \
            WHERE case_id = ? AND kind = ? AND status = 'waiting'";
        sqlx::query(SQL).bind(case.0).bind(kind.as_str()).execute(self.connection()).await?;
        Ok(())
    }
}

impl Rooms {
    /// Takes one letter's room, in its origin's budget and in the class's; `false` when there is
    /// none.
    fn take(&mut self, class: &str, origin: &str) -> bool {
        let names = [format!("{class} {origin}"), class.to_owned()];
        if names.iter().any(|name| self.left.get(name).copied().unwrap_or(0) == 0) {
            return false;
        }
        for name in names {
            self.left.entry(name).and_modify(|room| *room -= 1);
        }
        for (_, used) in self.used.iter_mut().filter(|(used, _)| used.as_str() == class) {
            *used += 1;
        }
        true
    }
}

fn due(row: &SqliteRow) -> Result<Due> {
    let outgoing: Option<String> = row.get("outgoing");
    let id: i64 = row.get("id");
    let broken = || format!("Letter {id} in the outbox cannot be read");
    Ok(Due {
        id,
        case: row.get::<Option<i64>, _>("case_id").map(CaseId),
        letter: Letter {
            kind: kind_of(row)?,
            values: serde_json::from_str(row.get("values")).with_context(broken)?,
            about: serde_json::from_str(row.get("about")).with_context(broken)?,
        },
        to: EmailAddress::parse(row.get("recipient")).with_context(broken)?,
        nonce: row.get("nonce"),
        in_reply_to: row.get("in_reply_to"),
        outgoing: outgoing
            .map(|text| serde_json::from_str(&text))
            .transpose()
            .with_context(broken)?,
    })
}
