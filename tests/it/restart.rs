//! Nothing lost, nothing twice: messages that come again, and messages that break the reader.

use chrono::TimeDelta;
use deletion_desk::mailbox::Seen;

use crate::harness::{Desk, JANE, OFFICER, mail};

const REQUEST: &str = "Data Deletion Request";

#[tokio::test]
async fn a_change_of_uidvalidity_answers_nobody_twice() {
    let mut desk = Desk::live().await;
    desk.receives(&mail(JANE, REQUEST, "please")).await;
    desk.receives(&mail("sam@example.com", "Invoice", "attached")).await;
    desk.inbox.renumber("2");
    desk.settles().await;
    assert_eq!(desk.letters_out(), 1);
    assert_eq!(desk.cases().await.len(), 1);
    assert_eq!(desk.outcomes().await[2..], ["known: same-bytes", "known: same-bytes"]);
    desk.days_pass(1).await;
    assert!(
        desk.last_letter_to(OFFICER)
            .words()
            .contains("2 mails were copies of some that the desk knew already")
    );
}

#[tokio::test]
async fn after_a_change_of_uidvalidity_old_mail_stays_old() {
    let request = mail(JANE, REQUEST, "please");
    let mut desk =
        Desk::beside(&[(90, &request), (10, &request.replace(JANE, "bob@example.net"))], |c| c)
            .await;
    desk.days_pass(3).await;
    desk.inbox.renumber("2");
    desk.settles().await;
    assert_eq!(desk.letters_out(), 0);
    assert!(desk.cases().await.is_empty());
}

#[tokio::test]
async fn a_mail_that_arrives_between_first_start_and_first_poll_of_the_next_run_is_answered() {
    let mut desk = Desk::live().await;
    desk.mail_arrives(&mail(JANE, REQUEST, "please"));
    let mut desk = {
        desk.sleeps_for(TimeDelta::days(3));
        desk.restarts().await
    };
    desk.settles().await;
    assert_eq!(desk.letters_out(), 1);
}

/// Promise 1, invariant 14: a message that ends the process is given up after two attempts.
#[tokio::test]
async fn a_message_that_ends_the_reader_is_set_aside_and_its_neighbours_are_not() {
    let mut desk = Desk::live().await;
    desk.mail_arrives(&mail("poison@example.net", REQUEST, "please"));
    for _ in 0..2 {
        let mut tx = desk.store.begin().await.unwrap();
        let poison = Seen { key: "1:1".into(), size: 100, received_at: desk.clock.now() };
        tx.begin_messages(&desk.settings.mailbox_name, &[poison]).await.unwrap();
        tx.commit().await.unwrap();
        desk = desk.dies().await;
    }
    desk.receives(&mail(JANE, REQUEST, "please")).await;
    let mut outcomes = desk.outcomes().await;
    outcomes.sort();
    assert_eq!(outcomes, ["opened: verification-requested", "quarantined: ended-the-reader"]);
    assert_eq!(desk.letters_to(JANE).len(), 1);
    desk.days_pass(1).await;
    assert!(desk.last_letter_to(OFFICER).words().contains("Mail that could not be read"));
}

#[tokio::test]
async fn what_cannot_be_read_goes_to_a_person() {
    let mut desk = Desk::live().await;
    let nested = "Content-Type: message/rfc822\n\n".repeat(500);
    desk.receives(&format!("From: {JANE}\nSubject: {REQUEST}\n{nested}")).await;
    desk.receives(&format!("X-Filler: {}\nFrom: {JANE}\n\nx", "x".repeat(200_000))).await;
    desk.receives(&"x".repeat(2 << 20)).await;
    desk.receives(&mail(JANE, REQUEST, "please")).await;
    assert_eq!(
        desk.outcomes().await,
        [
            "quarantined: too-deeply-nested",
            "quarantined: header-too-large",
            "quarantined: message-too-large",
            "opened: verification-requested",
        ]
    );
}

#[tokio::test]
async fn a_further_run_changes_nothing() {
    let mut desk = Desk::live().await;
    desk.receives(&mail(JANE, REQUEST, "please")).await;
    let before =
        (desk.outcomes().await, desk.store.journal_head().await.unwrap(), desk.letters_out());
    for _ in 0..3 {
        desk = desk.restarts().await;
        desk.settles().await;
    }
    assert_eq!(
        (desk.outcomes().await, desk.store.journal_head().await.unwrap(), desk.letters_out()),
        before
    );
}
