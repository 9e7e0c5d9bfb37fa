//! Answers to our letters.

use crate::harness::{Desk, JANE, OFFICER, answer, mail};

#[tokio::test]
async fn yes_confirms() {
    for text in ["Yes", "YES\n\nSent from my iPhone", "Hi,\nyes please.\nThanks,\nJane"] {
        let (mut desk, letter) = Desk::asked().await;
        desk.receives(&answer(JANE, &letter, text)).await;
        assert_eq!(desk.state().await, "in-progress", "{text:?}");
        let case = desk.the_case().await.case;
        assert_eq!(case.due_on.unwrap().to_string(), "2026-07-01");
        assert_eq!(case.law_due_on.unwrap().to_string(), "2026-07-01");
        let receipt = desk.last_letter_to(JANE);
        assert_eq!(receipt.subject, "Your data deletion request is confirmed");
        assert!(receipt.raw.contains("In-Reply-To: <answer@mail.example>"));
        assert!(receipt.words().contains("will be done by 1 July 2026"), "{}", receipt.text);
    }
}

/// A client that keeps no plus-address: In-Reply-To carries the token.
#[tokio::test]
async fn yes_confirms_by_the_message_id_alone() {
    let mut desk =
        Desk::with(|config| config.replace("plus_addressing = true", "plus_addressing = false"))
            .await;
    desk.receives(&mail(JANE, "Data Deletion Request", "please")).await;
    let letter = desk.last_letter_to(JANE);
    assert_eq!(letter.answer_address(), "hello@flexus.example");
    desk.receives(&answer(JANE, &letter, "yes")).await;
    assert_eq!(desk.state().await, "in-progress");
}

#[tokio::test]
async fn what_is_no_plain_yes_confirms_nothing() {
    for text in [
        "Yes, but only my photos",
        "yes please stop mailing me",
        "Who are you?",
        "",
        "Hm.",
        "No idea, yes?",
    ] {
        let (mut desk, letter) = Desk::asked().await;
        desk.receives(&answer(JANE, &letter, text)).await;
        assert_eq!(desk.state().await, "awaiting-verification", "{text:?}");
        assert_eq!(desk.outcomes().await.last().unwrap(), "for-staff: answer-unclear", "{text:?}");
        assert_eq!(desk.letters_out(), 1);
    }
}

/// Promise 16.
#[tokio::test]
async fn an_automatic_answer_that_quotes_our_token_never_confirms() {
    for sign in
        ["Auto-Submitted: auto-replied", "Return-Path: <>", "Precedence: bulk", "X-Autoreply: yes"]
    {
        let (mut desk, letter) = Desk::asked().await;
        desk.receives(&format!("{sign}\n{}", answer(JANE, &letter, "Yes"))).await;
        assert_eq!(desk.state().await, "awaiting-verification", "{sign}");
    }
}

#[tokio::test]
async fn only_quoted_words_say_nothing() {
    let (mut desk, letter) = Desk::asked().await;
    let quoted = answer(JANE, &letter, "").replace("> Hello,", "> YES");
    desk.receives(&quoted).await;
    assert_eq!(desk.state().await, "awaiting-verification");
}

#[tokio::test]
async fn another_addresss_yes_goes_to_staff() {
    let (mut desk, letter) = Desk::asked().await;
    desk.receives(&answer("mallory@example.net", &letter, "Yes")).await;
    assert_eq!(desk.state().await, "awaiting-verification");
    assert_eq!(desk.outcomes().await.last().unwrap(), "for-staff: answer-from-another-address");
}

#[tokio::test]
async fn a_guessed_or_altered_token_is_none() {
    let (mut desk, letter) = Desk::asked().await;
    let token = letter.answer_address().split(['+', '@']).nth(1).unwrap().to_owned();
    let last = if token.ends_with('a') { "b" } else { "a" };
    let altered = format!("{}{last}", &token[..token.len() - 1]);
    desk.receives(&answer(JANE, &letter, "Yes").replace(&token, &altered)).await;
    assert_eq!(desk.state().await, "awaiting-verification");
    assert_eq!(
        desk.outcomes().await.last().unwrap(),
        "for-staff: later-mail",
        "staff see it all the same"
    );
}

#[tokio::test]
async fn a_yes_that_comes_too_late_confirms_nothing() {
    let (mut desk, letter) = Desk::asked().await;
    desk.days_pass(7).await;
    assert_eq!(desk.state().await, "closed (expired)");
    desk.receives(&answer(JANE, &letter, "Yes")).await;
    assert_eq!(desk.state().await, "closed (expired)");
    assert_eq!(desk.outcomes().await.last().unwrap(), "for-staff: answer-too-late");
    desk.receives(&mail(JANE, "Data Deletion Request", "again then")).await;
    assert_eq!(desk.cases().await.len(), 2, "it can be asked again");
    assert_eq!(desk.letters_out(), 3, "asked, reminded once, asked again");
}

#[tokio::test]
async fn the_receipt_is_answered_to_withdraw() {
    let (mut desk, letter) = Desk::asked().await;
    desk.receives(&answer(JANE, &letter, "Yes")).await;
    let receipt = desk.last_letter_to(JANE);
    desk.receives(&answer(JANE, &receipt, "WITHDRAW")).await;
    assert_eq!(desk.state().await, "closed (withdrawn)");
    assert_eq!(desk.last_letter_to(JANE).subject, "Your data deletion request is withdrawn");
    desk.receives(&mail(JANE, "Data Deletion Request", "no, do it after all")).await;
    assert_eq!(desk.cases().await.len(), 2, "a withdrawal suppresses nothing");
}

#[tokio::test]
async fn a_second_yes_changes_nothing_and_a_later_mail_goes_to_staff() {
    let (mut desk, letter) = Desk::asked().await;
    desk.receives(&answer(JANE, &letter, "Yes")).await;
    let letters = desk.letters_out();
    desk.receives(&(answer(JANE, &letter, "Yes") + "again")).await;
    assert_eq!(desk.outcomes().await.last().unwrap(), "joined: already-confirmed");
    desk.receives(&mail(JANE, "my request", "When will it be done?")).await;
    assert_eq!(desk.outcomes().await.last().unwrap(), "for-staff: later-mail");
    assert_eq!(desk.letters_out(), letters);
    desk.days_pass(1).await;
    let digest = desk.last_letter_to(OFFICER);
    assert!(digest.words().contains("When will it be done?"), "{}", digest.text);
}
