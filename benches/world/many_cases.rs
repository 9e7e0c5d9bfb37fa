//! A database of a desk that has worked for years: closed cases by the hundred thousand, each
//! with its journal, mails and letters, as the desk itself would have left them. Benchmarks and
//! tests include this file.

use std::path::Path;

use anyhow::Result;
use chrono::{DateTime, Duration, SecondsFormat, Utc};
use data_encoding::HEXLOWER;
use deletion_desk::case::Reference;
use deletion_desk::case::verification::nonce_from_random;
use deletion_desk::store::journal::{GENESIS, hash};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{Connection as _, SqliteConnection};

/// The tables that are filled, in an order that their references allow.
const TABLES: [(&str, &str); 7] = [
    (
        "cases",
        "id, reference, address_key, state, resolution, role, source, received_at, expires_at, confirmed_at, confirmed_by, due_on, law_due_on, closed_at, work, look_at",
    ),
    ("subjects", "case_id, address, language"),
    ("evidence", "case_id, at, deed, facts"),
    (
        "inbox",
        "mailbox, key, sha256, size, received_at, attempts, outcome, reason, case_id, dismissed, handled_at",
    ),
    ("journal", "seq, reference, at, event, reason, decided, detail_hash, content, hash"),
    ("details", "seq, salt, text"),
    (
        "outbox",
        "case_id, kind, \"values\", recipient, address_key, nonce, to_staff, about, class, written_at, due_at, released_at, attempts, status, note, submitted_at, ended_at",
    ),
];
/// Cases that are written by one statement for each table.
const AT_ONCE: u32 = 2_000;
/// Days after which the desk reduces a closed case, by default.
const CLOSED_DAYS: i64 = 90;
const SALT: &str = "175e8b6a24c694902ce0664d832f93cb";
const DETAIL: &str = "Officer completed: everything deleted";

/// Puts `count` completed cases into a database that a daemon has made and that holds no case
/// yet. They were closed one after the other in the `days` before `now`; those of more than 90
/// days ago are reduced, as the desk does it. The journal verifies.
///
/// # Errors
/// Storage errors.
pub(crate) async fn add_closed_cases(
    database: &Path,
    count: u32,
    days: u32,
    now: DateTime<Utc>,
) -> Result<()> {
    let options = SqliteConnectOptions::new()
        .filename(database)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Off);
    let mut connection = SqliteConnection::connect_with(&options).await?;
    let mut chain = Chain { seq: 0, head: GENESIS.to_owned() };
    let between = Duration::days(days.into()) / i32::try_from(count.max(1))?;
    for first in (0..count).step_by(AT_ONCE as usize) {
        let mut rows: [Vec<Value>; TABLES.len()] = Default::default();
        for number in first..count.min(first + AT_ONCE) {
            let closed_at = now - between * i32::try_from(count - number)?;
            add_case(&mut rows, &mut chain, number, closed_at, now);
        }
        let mut tx = connection.begin().await?;
        for ((table, columns), rows) in TABLES.into_iter().zip(rows) {
            let values: Vec<String> =
                (0..columns.split(',').count()).map(|at| format!("value ->> {at}")).collect();
            let values = values.join(", ");
            let sql = format!("INSERT INTO {table} ({columns}) SELECT {values} FROM json_each(?)");
            let query = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(serde_json::to_string(&rows)?);
            query.execute(&mut *tx).await?;
        }
        tx.commit().await?;
    }
    sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(&mut connection).await?;
    connection.close().await?;
    Ok(())
}

struct Chain {
    seq: i64,
    head: String,
}

impl Chain {
    fn entry(
        &mut self,
        reference: &str,
        at: DateTime<Utc>,
        what: [&str; 2],
        decided: &Value,
        detail: &str,
    ) -> Value {
        self.seq += 1;
        let (seq, millis) = (self.seq.to_string(), at.timestamp_millis().to_string());
        let [event, reason] = what;
        let decided = decided.to_string();
        let content = hash(&[&seq, reference, &millis, event, reason, &decided, detail]);
        self.head = hash(&[&self.head, &content]);
        json!([
            self.seq,
            reference,
            at.timestamp_millis(),
            event,
            reason,
            decided,
            detail,
            content,
            self.head
        ])
    }
}

/// A number that looks like none; each has its own.
fn scrambled(number: u32) -> u32 {
    number.wrapping_mul(2_654_435_761)
}

#[expect(clippy::too_many_lines, reason = "each table once")]
fn add_case(
    rows: &mut [Vec<Value>; 7],
    chain: &mut Chain,
    number: u32,
    closed_at: DateTime<Utc>,
    now: DateTime<Utc>,
) {
    let [cases, subjects, evidence, inbox, journal, details, outbox] = rows;
    let digits = format!("{:08x}", scrambled(number));
    let nibbles =
        digits.chars().map(|digit| u8::try_from(digit.to_digit(16).unwrap_or(0)).unwrap_or(0));
    let reference =
        Reference::from_random(nibbles.collect::<Vec<u8>>().try_into().unwrap_or([0; 8]));
    let reference = reference.as_str();
    let id = i64::from(number) + 1;
    let received_at = closed_at - Duration::days(9);
    let confirmed_at = received_at + Duration::hours(7);
    let text = |at: DateTime<Utc>| at.to_rfc3339_opts(SecondsFormat::AutoSi, true);
    let due_on = (confirmed_at + Duration::days(30)).date_naive().to_string();
    let law_due_on = (received_at + Duration::days(30)).date_naive().to_string();
    let expires_at = received_at + Duration::days(7);
    let is_old = now - closed_at > Duration::days(CLOSED_DAYS);
    let ticked: Value = ["ai", "content", "media", "messages", "opt-outs", "profile", "traces"]
        .map(|item| (item.to_owned(), json!(text(closed_at))))
        .into_iter()
        .collect::<serde_json::Map<_, _>>()
        .into();
    let mut work = json!({ "ticked": ticked, "acted_at": text(closed_at), "outcome": "deleted", "closed_from": "in-progress" });
    let detail_hash = hash(&[SALT, DETAIL]);

    let opened = json!({ "opened": { "reference": reference, "source": "mail", "received_at": text(received_at), "law_due_on": law_due_on } });
    let released = json!({ "expires_at": text(expires_at), "work": { "remind_at": text(received_at + Duration::days(1)) } });
    let confirmed = json!({ "state": "in-progress", "role": "own-account",
        "confirmed": { "at": text(confirmed_at), "means": "page", "due_on": due_on }, "work": {} });
    let closed =
        json!({ "state": { "closed": "completed" }, "closed_at": text(closed_at), "work": work });
    journal.push(chain.entry(
        reference,
        received_at,
        ["request-received", "verification-requested"],
        &opened,
        "",
    ));
    journal.push(chain.entry(reference, received_at, ["verification-released"; 2], &released, ""));
    journal.push(chain.entry(
        reference,
        confirmed_at,
        ["confirmed", "address-confirmed"],
        &confirmed,
        "",
    ));
    journal.push(chain.entry(
        reference,
        closed_at,
        ["completed", "request-completed"],
        &closed,
        &detail_hash,
    ));
    let address_key = HEXLOWER.encode(&Sha256::digest(number.to_be_bytes())[..16]);
    if is_old {
        let reduced_at = closed_at + Duration::days(CLOSED_DAYS);
        for (forgotten, reason) in [("reduced", "case-reduced"), ("erased", "address-erased")] {
            work["forgotten"] = json!(forgotten);
            let change = json!({ "work": work });
            journal.push(chain.entry(reference, reduced_at, ["time-passed", reason], &change, ""));
        }
    } else {
        details.push(json!([chain.seq, SALT, DETAIL]));
        subjects.push(json!([id, format!("requester.{number}@example.org"), "en"]));
        evidence.push(json!([
            id,
            received_at.timestamp_millis(),
            "asked",
            "{\"sender\":\"aligned\"}"
        ]));
        evidence.push(json!([id, confirmed_at.timestamp_millis(), "confirmed", "{}"]));
        let letters = [
            ("verification-request", Some("direct"), received_at, false),
            ("request-confirmed", None, confirmed_at, false),
            ("case-confirmed", None, confirmed_at, true),
            ("completion", None, closed_at, false),
        ];
        for (nth, (kind, class, at, to_staff)) in (0_u8..).zip(letters) {
            let [a, b, c, d] = scrambled(number).to_be_bytes();
            let about = if to_staff { json!([reference]).to_string() } else { "[]".to_owned() };
            let at = at.timestamp_millis();
            outbox.push(json!([
                id,
                kind,
                "{}",
                "",
                address_key,
                nonce_from_random([a, b, c, d, nth]),
                u8::from(to_staff),
                about,
                class,
                at,
                at,
                at,
                1,
                "submitted",
                "",
                at,
                at
            ]));
        }
    }
    cases.push(json!([
        id,
        reference,
        if is_old { "" } else { address_key.as_str() },
        "closed",
        "completed",
        "own-account",
        "mail",
        received_at.timestamp_millis(),
        expires_at.timestamp_millis(),
        confirmed_at.timestamp_millis(),
        "page",
        due_on,
        law_due_on,
        closed_at.timestamp_millis(),
        work.to_string(),
        (!is_old).then(|| (closed_at + Duration::days(CLOSED_DAYS)).timestamp_millis())
    ]));
    for (mail, (outcome, reason, at)) in (0_u32..).zip([
        ("opened", "verification-requested", received_at),
        ("left-alone", "no-request", closed_at),
    ]) {
        let key = format!("1:{}", number * 2 + mail + 1);
        let sha256 = HEXLOWER.encode(&Sha256::digest(&key));
        let case = (mail == 0).then_some(id);
        inbox.push(json!([
            "many",
            key,
            sha256,
            2048,
            at.timestamp_millis(),
            1,
            outcome,
            reason,
            case,
            u8::from(is_old),
            at.timestamp_millis()
        ]));
    }
}
