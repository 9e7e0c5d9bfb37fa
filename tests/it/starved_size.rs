//! A desk that has worked for years starts as one that is new: what it reads at the start does
//! not grow with its cases, and nothing leaves before the rest is known to be whole.

use chrono::{DateTime, Utc};
use deletion_desk::case::verification::TokenKey;
use deletion_desk::store::{Access, Care, Store};
use sqlx::Connection as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};

use crate::harness::{Desk, JANE, mail};
use crate::many_cases::add_closed_cases;
use crate::starved::Host;

/// The made-up past is one that the desk could have had.
#[tokio::test(flavor = "multi_thread")]
async fn a_made_up_past_is_whole_and_verifies() {
    let host = Host::new();
    let file = host.file("bot.db");
    add_closed_cases(&file, 300, 300, now()).await.unwrap();
    let store = Store::open(&file, TokenKey::new(vec![7; 32]), Access::Command).await.unwrap();
    store.check_whole(Care::Thorough).await.unwrap();
    let found = store.verify_journal().await.unwrap();
    assert_eq!(found.problems, Vec::<String>::new());
    assert_eq!(store.cases(false).await.unwrap().len(), 300);
    store.close().await;
    host.mail_arrives();
    let mut desk = host.starts();
    crate::starved::wait_until(|| (host.letters().len() == 3).then_some(()));
    assert!(desk.stops().success(), "{}", host.log());
}

fn now() -> DateTime<Utc> {
    deletion_desk::clock::Clock::System.now()
}

/// Other settings reach every case, some at a time.
#[tokio::test]
async fn other_settings_reach_a_thousand_cases_without_holding_up_the_start() {
    let desk = Desk::live().await;
    add_closed_cases(&desk.database(), 1200, 60, desk.clock.now()).await.unwrap();
    let mut desk =
        desk.restarts_with(|settings| settings + "[retention]\nclosed_days = 30\n").await;
    let early = async |desk: &Desk| -> i64 {
        let options = SqliteConnectOptions::new().filename(desk.database());
        let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
        let sql = "SELECT count(*) FROM cases WHERE look_at > closed_at + 86400000 * 31";
        sqlx::query_scalar(sql).fetch_one(&mut connection).await.unwrap()
    };
    assert_eq!(early(&desk).await, 1200);
    desk.receives(&mail(JANE, "Data Deletion Request", "please")).await;
    assert_eq!(desk.letters_to(JANE).len(), 1);
    let left = early(&desk).await;
    assert!(0 < left && left < 1200, "{left}");
    for _ in 0..4 {
        desk.ticks().await;
    }
    assert_eq!(early(&desk).await, 0);
}
