//! Our letters that come back.

use crate::harness::{Desk, JANE, Letter};

pub(crate) fn bounce(letter: &Letter, action: &str, to: &str) -> String {
    format!(
        "Return-Path: <>\nFrom: MAILER-DAEMON@mx.example.org\nTo: {to}\nSubject: Undelivered Mail\n\
         Auto-Submitted: auto-replied\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\n\n\
         --b\n\nI am sorry. Yes.\n\n--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mx.example.org\n\n\
         Final-Recipient: rfc822; jane@example.org\nAction: {action}\nStatus: 5.1.1\n\n--b\nContent-Type: message/rfc822\n\n\
         {}\n\n--b--\n",
        letter.raw.replace("\r\n", "\n")
    )
}

#[tokio::test]
async fn a_bounced_verification_closes_its_case() {
    let (mut desk, letter) = Desk::asked().await;
    desk.receives(&bounce(&letter, "failed", &letter.return_path)).await;
    assert_eq!(desk.state().await, "closed (undeliverable)");
    assert_eq!(desk.outcomes().await.last().unwrap(), "bounced: verification-undeliverable");
    assert_eq!(desk.letters_out(), 1, "a bounce is never answered");
}

#[tokio::test]
async fn a_bounce_is_tied_by_the_returned_message_id_alone() {
    let (mut desk, letter) = Desk::asked().await;
    desk.receives(&bounce(&letter, "failed", "hello@flexus.example")).await;
    assert_eq!(desk.state().await, "closed (undeliverable)");
}

#[tokio::test]
async fn a_delay_and_a_strangers_bounce_change_nothing() {
    let (mut desk, letter) = Desk::asked().await;
    desk.receives(&bounce(&letter, "delayed", &letter.return_path)).await;
    let foreign = Letter { raw: "Message-ID: <x@other.example>\n\nx".into(), ..letter };
    desk.receives(&bounce(&foreign, "failed", "hello@flexus.example")).await;
    assert_eq!(desk.state().await, "awaiting-verification");
    assert_eq!(
        desk.outcomes().await[1..],
        ["delayed: letter-delayed", "left-alone: delivery-report"]
    );
}

#[tokio::test]
async fn a_bounced_receipt_is_shown_to_staff_and_the_work_goes_on() {
    let (mut desk, letter) = Desk::asked().await;
    desk.confirms(&letter.link(), "own-account").await;
    let receipt = desk.last_letter_to(JANE);
    desk.receives(&bounce(&receipt, "failed", &receipt.return_path)).await;
    assert_eq!(desk.state().await, "in-progress");
    desk.days_pass(1).await;
    let digest = desk.last_letter_to(crate::harness::OFFICER);
    assert!(
        digest.words().contains("request-confirmed came back as undeliverable"),
        "{}",
        digest.text
    );
}
