//! Letters on their way: at least once, recognisably.

use chrono::TimeDelta;
use deletion_desk::store::attempts::End;
use deletion_desk::trouble::{Failure, Trouble};

use crate::harness::{Desk, JANE, OFFICER, mail};

const REQUEST: &str = "Data Deletion Request";

/// Promise 9.
#[tokio::test]
async fn a_retry_sends_the_same_bytes() {
    let mut desk = Desk::live().await;
    desk.out.plan(End::Uncertain("lost".into()));
    desk.receives(&mail(JANE, REQUEST, "please")).await;
    assert_eq!(desk.letters_to(JANE).len(), 1);
    desk.sleeps_for(TimeDelta::minutes(10));
    desk.settles().await;
    assert_eq!(desk.letters_to(JANE).len(), 1, "the server may still be at it");
    desk.sleeps_for(TimeDelta::minutes(6));
    desk.settles().await;
    let letters = desk.letters_to(JANE);
    assert_eq!(letters.len(), 2);
    assert_eq!(letters[0].raw, letters[1].raw);
}

/// Promise 10.
#[tokio::test]
async fn after_a_second_uncertain_end_a_person_looks() {
    let mut desk = Desk::live().await;
    desk.out.plan(End::Uncertain("lost".into()));
    desk.out.plan(End::Uncertain("lost again".into()));
    desk.receives(&mail(JANE, REQUEST, "please")).await;
    desk.days_pass(3).await;
    assert_eq!(desk.letters_to(JANE).len(), 2);
    assert!(desk.last_letter_to(OFFICER).words().contains("may or may not have arrived, twice"));
}

/// For a provider that throttles.
#[tokio::test]
async fn no_more_letters_leave_in_a_minute_than_the_provider_takes() {
    let smtp = "kind = \"smtp\"\nhost = \"127.0.0.1\"\ntls = \"none\"\nper_minute = 3";
    let mut desk =
        Desk::with(|config| config.replace("kind = \"maildir\"\npath = \"out\"", smtp)).await;
    desk.sleeps_for(TimeDelta::minutes(1));
    for n in 0..8 {
        desk.mail_arrives(&mail(&format!("someone{n}@example.net"), REQUEST, "please"));
    }
    desk.polls().await;
    for sent in [3, 6, 8, 8] {
        desk.submits().await;
        desk.submits().await;
        assert_eq!(desk.letters_out(), sent);
        desk.sleeps_for(TimeDelta::minutes(1));
    }
}

#[tokio::test]
async fn a_temporary_refusal_waits_longer_each_time() {
    let mut desk = Desk::live().await;
    for _ in 0..4 {
        desk.out.plan(End::Temporary("451".into()));
    }
    desk.receives(&mail(JANE, REQUEST, "please")).await;
    for (minutes, arrives) in [(1, false), (2, false), (4, false), (8, true)] {
        desk.sleeps_for(TimeDelta::minutes(minutes) - TimeDelta::seconds(5));
        desk.settles().await;
        assert_eq!(desk.letters_out(), 0, "before its time");
        desk.sleeps_for(TimeDelta::seconds(5));
        desk.settles().await;
        assert_eq!(desk.letters_out() == 1, arrives, "after {minutes} minutes");
    }
}

#[tokio::test]
async fn a_permanent_refusal_becomes_an_event_of_the_case() {
    let mut desk = Desk::live().await;
    desk.out.plan(End::Permanent("550 5.1.1".into()));
    desk.receives(&mail(JANE, REQUEST, "please")).await;
    assert_eq!(desk.state().await, "closed (undeliverable)");
    desk.days_pass(1).await;
    assert_eq!(desk.letters_out(), 0);
    assert!(
        desk.last_letter_to(OFFICER)
            .words()
            .contains("verification-request was refused by the mail server (550 5.1.1)")
    );
}

#[tokio::test]
async fn attempts_end() {
    let mut desk = Desk::with(|config| config + "[limits]\nattempts_max = 3\n").await;
    for _ in 0..3 {
        desk.out.plan(End::Temporary("451".into()));
    }
    desk.receives(&mail(JANE, REQUEST, "please")).await;
    desk.hours_pass(3).await;
    assert_eq!(desk.state().await, "closed (undeliverable)");
    assert_eq!(desk.letters_out(), 0);
}

/// Ten silent days because a password expired: no letter runs out of attempts meanwhile.
#[tokio::test]
async fn no_connection_uses_up_no_attempt() {
    let mut desk = Desk::with(|config| config + "[limits]\nattempts_max = 3\n").await;
    for _ in 0..20 {
        desk.out.plan(End::NotTried(Failure::new(Trouble::PasswordRefused, "535")));
    }
    desk.receives(&mail(JANE, REQUEST, "please")).await;
    desk.hours_pass(4).await;
    assert_eq!(desk.letters_out(), 1);
}

#[tokio::test]
async fn a_letter_in_hand_when_the_process_dies_is_sent_once_more_with_the_same_bytes() {
    let mut desk = Desk::live().await;
    desk.mail_arrives(&mail(JANE, REQUEST, "please"));
    desk.polls().await;
    let in_hand = desk.takes_letters().await.unwrap();
    assert_eq!(in_hand.len(), 1);
    let mut desk = desk.dies().await;
    desk.sleeps_for(TimeDelta::days(1));
    desk.settles().await;
    let letter = desk.last_letter_to(JANE);
    assert_eq!(letter.raw.as_bytes(), in_hand[0].bytes, "though a day has passed");
    let in_hand_again = desk.takes_letters().await;
    assert!(in_hand_again.is_none());
}

#[tokio::test]
async fn letters_committed_survive_a_restart() {
    let mut desk = Desk::live().await;
    desk.mail_arrives(&mail(JANE, REQUEST, "please"));
    desk.polls().await;
    let mut desk = desk.dies().await;
    desk.settles().await;
    assert_eq!(desk.letters_out(), 1);
    let mut desk = desk.restarts().await;
    desk.settles().await;
    assert_eq!(desk.letters_out(), 1);
    assert_eq!(desk.outcomes().await, ["opened: verification-requested"]);
}

/// Promise 17: tokens are not stored. Invariant: forgetting.
#[tokio::test]
async fn the_database_holds_no_token_and_forgets_letters_that_left() {
    let mut desk = Desk::live().await;
    desk.out.plan(End::Temporary("451".into()));
    desk.receives(&mail(JANE, REQUEST, "please")).await;
    let waiting = files(&desk);
    desk.sleeps_for(TimeDelta::minutes(2));
    desk.settles().await;
    let letter = desk.last_letter_to(JANE);
    let link = letter.link();
    let reply = letter.answer_address();
    desk.confirms(&link, "own-account").await;
    let tokens = [link.rsplit('/').next().unwrap(), reply.split(['+', '@']).nth(1).unwrap()];
    for token in tokens {
        let secret = &token[8..];
        for bytes in [&waiting, &files(&desk)] {
            assert!(!bytes.windows(secret.len()).any(|window| window == secret.as_bytes()));
        }
    }
}

fn files(desk: &Desk) -> Vec<u8> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(desk.folder()).unwrap() {
        all.extend(std::fs::read(entry.unwrap().path()).unwrap());
    }
    all
}
