//! What is left of a case, and for how long; and what can still be proved.

use std::fs;

use chrono::TimeDelta;
use deletion_desk::commands::cases::{OutcomeArg, Work, act, check_file, complete};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool};

use crate::harness::{Desk, JANE, answer, mail};

const REQUEST: &str = "Data Deletion Request";

/// Jane's request, confirmed, worked on and completed.
async fn completed() -> (Desk, String) {
    let (mut desk, letter) = Desk::asked().await;
    desk.receives(&answer(JANE, &letter, "Yes")).await;
    let reference = desk.the_case().await.case.reference.to_string();
    let now = desk.clock.now();
    act(&desk.store, &desk.settings, &reference, "Ada", "note: called Jane Doe", now)
        .await
        .unwrap();
    let kept = ["Invoices of Jane Doe: tax until 2036-12-31".to_owned()];
    let work = Work { by: "Ada", outcome: OutcomeArg::Partly, kept: &kept };
    complete(&desk.store, &desk.settings, &reference, &work, now).await.unwrap();
    desk.hours_pass(1).await;
    (desk, reference)
}

/// Every text that the database holds, in all columns of all tables.
async fn everything(desk: &Desk) -> String {
    let options = SqliteConnectOptions::new().filename(desk.database()).read_only(true);
    let pool = SqlitePool::connect_with(options).await.unwrap();
    let tables: Vec<String> = sqlx::query_scalar(
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name <> '_sqlx_migrations'",
    )
    .fetch_all(&pool)
    .await
    .unwrap();
    let mut all = String::new();
    for table in tables {
        let columns: Vec<String> =
            sqlx::query_scalar("SELECT '\"' || name || '\"' FROM pragma_table_info(?)")
                .bind(&table)
                .fetch_all(&pool)
                .await
                .unwrap();
        let sql = format!(
            "SELECT coalesce({}, '') FROM \"{table}\"",
            columns.join(", '') || '|' || coalesce(")
        );
        let rows: Vec<String> =
            sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).fetch_all(&pool).await.unwrap();
        all.push_str(&rows.join("\n"));
    }
    pool.close().await;
    all
}

/// What lies in the files themselves, deleted rows and the log included.
fn in_files(desk: &Desk, words: &str) -> bool {
    let database = desk.database();
    let log = format!("{}-wal", database.display());
    [database.display().to_string(), log].iter().any(|file| {
        let bytes = fs::read(file).unwrap_or_default();
        bytes.windows(words.len()).any(|window| window == words.as_bytes())
    })
}

/// Promise 28.
#[tokio::test]
async fn a_closed_case_is_reduced_after_ninety_days_and_the_journal_still_verifies() {
    let (mut desk, reference) = completed().await;
    let before = everything(&desk).await;
    assert!(before.contains(JANE) && before.contains("Jane Doe") && before.contains("Ada"));
    desk.days_pass(89).await;
    assert!(everything(&desk).await.contains(JANE), "not a day earlier");
    desk.days_pass(2).await;
    let after = everything(&desk).await;
    for gone in [JANE, "Jane Doe", "Ada", "Invoices", "mail.example"] {
        assert!(!after.contains(gone), "{gone} is still there");
    }
    for words in [JANE, "Jane Doe", "called"] {
        assert!(!in_files(&desk, words), "{words} lies in the file");
    }
    let stored = desk.the_case().await;
    let case = &stored.case;
    assert_eq!(case.reference.as_str(), reference);
    assert!(stored.subject.is_none());
    assert_eq!(case.state.resolution().unwrap().as_str(), "completed");
    assert_eq!(case.work.outcome.unwrap().as_str(), "partly");
    assert_eq!(case.work.grounds.len(), 1, "outcome and grounds stay");
    assert!(case.confirmed_at.is_some() && case.closed_at.is_some(), "the dates stay");
    assert_eq!(desk.store.verify_journal().await.unwrap().problems, Vec::<String>::new());
}

/// Other settings count for cases that closed before, too.
#[tokio::test]
async fn a_shorter_retention_reaches_cases_that_closed_before() {
    let (desk, _) = completed().await;
    let mut desk = desk.restarts_with(|config| config + "[retention]\nclosed_days = 10\n").await;
    desk.days_pass(11).await;
    assert!(!everything(&desk).await.contains(JANE));
}

#[tokio::test]
async fn a_case_of_every_end_is_reduced() {
    for words in ["No, that was not me", "Yes"] {
        let (mut desk, letter) = Desk::asked().await;
        desk.receives(&answer(JANE, &letter, words)).await;
        if words == "Yes" {
            let receipt = desk.last_letter_to(JANE);
            desk.receives(&answer(JANE, &receipt, "withdraw")).await;
        }
        desk.days_pass(91).await;
        assert!(!everything(&desk).await.contains(JANE), "{words}");
    }
    let (mut desk, _) = Desk::asked().await;
    desk.days_pass(99).await;
    assert!(!everything(&desk).await.contains(JANE), "never confirmed");
}

/// An open case is never forgotten, however old it is.
#[tokio::test]
async fn an_open_case_is_kept_whole() {
    let (mut desk, letter) = Desk::asked().await;
    desk.receives(&answer(JANE, &letter, "Yes")).await;
    desk.days_pass(120).await;
    assert_eq!(desk.state().await, "in-progress");
    assert!(desk.the_case().await.subject.is_some());
}

/// The keyed hash lives until the last backup is gone that may hold deleted data.
#[tokio::test]
async fn after_a_restore_the_desk_names_what_to_delete_again() {
    let mut desk = Desk::with(|config| {
        config.replace("law = \"gdpr\"", "law = \"gdpr\"\nbackup_rollover_days = 120")
    })
    .await;
    desk.receives(&mail(JANE, REQUEST, "please")).await;
    let letter = desk.last_letter_to(JANE);
    desk.receives(&answer(JANE, &letter, "Yes")).await;
    let reference = desk.the_case().await.case.reference.to_string();
    let work = Work { by: "Ada", outcome: OutcomeArg::Deleted, kept: &[] };
    let start = desk.clock.now();
    complete(&desk.store, &desk.settings, &reference, &work, start).await.unwrap();
    let key = desk.store.key().address_key(&JANE.parse_address());
    let known = async |desk: &Desk, since| {
        let found = desk.store.completed_since(since).await.unwrap();
        found.into_iter().any(|(found, _, _)| found == key)
    };
    desk.days_pass(100).await;
    assert!(!everything(&desk).await.contains(JANE), "reduced");
    assert!(known(&desk, start - TimeDelta::days(1)).await, "and still recognised");
    assert!(!known(&desk, start + TimeDelta::days(1)).await, "not before that backup");
    desk.days_pass(21).await;
    assert!(!known(&desk, start - TimeDelta::days(1)).await, "the backups have rolled over");
    assert_eq!(desk.store.verify_journal().await.unwrap().problems, Vec::<String>::new());
}

trait ParseAddress {
    fn parse_address(&self) -> deletion_desk::mail::EmailAddress;
}

impl ParseAddress for &str {
    fn parse_address(&self) -> deletion_desk::mail::EmailAddress {
        deletion_desk::mail::EmailAddress::parse(self).unwrap()
    }
}

/// Excerpts of mail that belongs to no case go, too.
#[tokio::test]
async fn words_of_strangers_go_after_ninety_days() {
    let mut desk = Desk::live().await;
    desk.receives(&mail("ana@example.org", "account", "How do I delete my account?")).await;
    assert!(everything(&desk).await.contains("How do I delete"));
    desk.days_pass(92).await;
    let after = everything(&desk).await;
    assert!(!after.contains("How do I delete") && !after.contains("ana@example.org"));
}

/// One file proves what was decided, without the database.
#[tokio::test]
async fn an_exported_case_is_checked_offline() {
    let (desk, reference) = completed().await;
    let file = desk.folder().join("case.json");
    deletion_desk::commands::cases::export(
        &desk.store,
        &desk.settings,
        &reference,
        Some(&file),
        desk.clock.now(),
    )
    .await
    .unwrap();
    let said = check_file(&file).unwrap();
    assert!(said.contains("entries verify; the case is closed (completed)"), "{said}");
    assert!(said.contains(&desk.store.journal_head().await.unwrap()), "{said}");
    let whole = fs::read_to_string(&file).unwrap();
    let forged = |from: &str, to: &str| {
        assert!(whole.contains(from), "{from}");
        fs::write(&file, whole.replacen(from, to, 1)).unwrap();
        check_file(&file).unwrap_err().to_string()
    };
    assert!(forged("request-completed", "request-refused").contains("was changed"));
    assert!(forged("Ada noted", "Eve noted").contains("The detail of entry"));
    assert!(forged("\"content\": \"", "\"content\": \"0").contains("The chain is broken"));
    fs::write(&file, "{}").unwrap();
    assert!(check_file(&file).unwrap_err().to_string().contains("is no file of `cases export`"));
}

#[tokio::test]
async fn statistics_count_by_month_kind_role_and_outcome() {
    use deletion_desk::commands::stats::Stats;
    let (mut desk, _) = completed().await;
    desk.receives(&mail("omar@example.net", REQUEST, "please")).await;
    let link = desk.last_letter_to("omar@example.net").link();
    desk.confirms(&link, "workspace").await;
    desk.days_pass(35).await;
    desk.presses("/", "email=zoe%40example.org").await;
    let late = desk.store.cases(true).await.unwrap().remove(0).case.reference.to_string();
    let work = Work { by: "Ada", outcome: OutcomeArg::NothingFound, kept: &[] };
    complete(&desk.store, &desk.settings, &late, &work, desk.clock.now()).await.unwrap();
    let cases = desk.cases().await;
    let all = cases.iter().map(|stored| &stored.case);
    let stats = Stats::of(all.clone(), &desk.settings.policy, None);
    assert_eq!(stats.requests, 3);
    let count = |counts: &std::collections::BTreeMap<String, u32>| {
        counts.iter().map(|(name, count)| format!("{name} {count}")).collect::<Vec<_>>().join(", ")
    };
    assert_eq!(count(&stats.months), "2026-06 2, 2026-07 1");
    assert_eq!(count(&stats.kinds), "mail 2, page 1");
    assert_eq!(count(&stats.roles), "not-told 2, workspace 1");
    assert_eq!(count(&stats.outcomes), "awaiting-verification 1, nothing-found 1, partly 1");
    assert_eq!((stats.days.as_slice(), stats.on_time, stats.late), (&[0, 35][..], 1, 1));
    let since = Some("2026-07-01".parse().unwrap());
    assert_eq!(Stats::of(all, &desk.settings.policy, since).requests, 1);
}
