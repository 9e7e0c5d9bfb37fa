//! The journal: what was decided can be proved later.

use deletion_desk::case::verification::TokenKey;
use deletion_desk::store::{Access, Store};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool};

use crate::harness::{Desk, JANE, answer, mail};

async fn desk_with_history() -> Desk {
    let mut desk = Desk::live().await;
    desk.receives(&mail(JANE, "Data Deletion Request", "please")).await;
    let letter = desk.last_letter_to(JANE);
    desk.receives(&answer(JANE, &letter, "Yes")).await;
    desk
}

async fn tampered_with(sql: &'static str) -> Vec<String> {
    let desk = desk_with_history().await;
    let pool = SqlitePool::connect_with(SqliteConnectOptions::new().filename(desk.database()))
        .await
        .unwrap();
    sqlx::query("DROP TRIGGER journal_is_not_changed").execute(&pool).await.unwrap();
    sqlx::query("DROP TRIGGER journal_is_not_shortened").execute(&pool).await.unwrap();
    sqlx::query(sql).execute(&pool).await.unwrap();
    pool.close().await;
    desk.store.verify_journal().await.unwrap().problems
}

/// Promise 7.
#[tokio::test]
async fn an_untouched_journal_verifies_and_folds_into_its_cases() {
    let desk = desk_with_history().await;
    let verified = desk.store.verify_journal().await.unwrap();
    assert_eq!(verified.problems, Vec::<String>::new());
    assert_eq!(verified.entries, 3);
}

#[tokio::test]
async fn a_journal_that_was_touched_does_not_verify() {
    for (sql, said) in [
        ("UPDATE journal SET reason = 'x' WHERE seq = 2", "entry 2 was changed"),
        ("UPDATE journal SET at = at + 1 WHERE seq = 1", "entry 1 was changed"),
        ("DELETE FROM journal WHERE seq = 2", "entry 2 is missing"),
        ("UPDATE journal SET hash = content WHERE seq = 2", "entry 2 does not follow"),
        ("UPDATE cases SET state = 'awaiting-verification'", "is not what its journal says"),
        ("DELETE FROM journal WHERE seq = 3", "is not what its journal says"),
    ] {
        let problems = tampered_with(sql).await;
        assert!(problems.iter().any(|problem| problem.contains(said)), "{sql}: {problems:?}");
    }
}

#[tokio::test]
async fn the_journal_can_be_neither_changed_nor_shortened() {
    let desk = desk_with_history().await;
    let pool = SqlitePool::connect_with(SqliteConnectOptions::new().filename(desk.database()))
        .await
        .unwrap();
    for sql in ["UPDATE journal SET reason = 'x'", "DELETE FROM journal"] {
        let refused = sqlx::query(sql).execute(&pool).await.unwrap_err().to_string();
        assert!(refused.contains("append-only"), "{refused}");
    }
}

/// Invariant 12, and no personal data in what cannot be deleted.
#[tokio::test]
async fn the_journal_holds_no_personal_data() {
    let desk = desk_with_history().await;
    let case = desk.the_case().await;
    let entries = desk.store.journal_of(&case.case.reference).await.unwrap();
    assert!(!entries.is_empty());
    for entry in entries {
        let text =
            format!("{} {} {} {}", entry.reference, entry.event, entry.reason, entry.decided);
        assert!(!text.contains("jane") && !text.contains("example.org"), "{text}");
    }
}

#[tokio::test]
async fn a_database_of_another_version_is_refused_by_commands() {
    let desk = desk_with_history().await;
    let pool = SqlitePool::connect_with(SqliteConnectOptions::new().filename(desk.database()))
        .await
        .unwrap();
    sqlx::query("UPDATE _sqlx_migrations SET version = version + 900")
        .execute(&pool)
        .await
        .unwrap();
    pool.close().await;
    let refused = Store::open(&desk.database(), TokenKey::new(vec![7; 32]), Access::Command)
        .await
        .unwrap_err();
    assert!(format!("{refused:#}").contains("Its schema has version 9"), "{refused:#}");
}
