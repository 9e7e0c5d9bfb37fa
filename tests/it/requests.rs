//! What opens a case, what goes to staff, what is left alone.

use crate::harness::{DESK, Desk, JANE, OFFICER, answer, form, mail};
use chrono::TimeDelta;
use deletion_desk::submission::Parcel;

const REQUEST: &str = "Data Deletion Request";

async fn desk_with(raw: &str) -> Desk {
    let mut desk = Desk::live().await;
    desk.receives(raw).await;
    desk
}

#[tokio::test]
async fn a_request_by_subject_is_asked_to_confirm() {
    for subject in [REQUEST, "[EXT] data deletion request", "Fwd: DATA DELETION REQUEST"] {
        let desk = desk_with(&mail(JANE, subject, "see subject")).await;
        assert_eq!(desk.state().await, "awaiting-verification", "{subject}");
        assert_eq!(desk.subjects_to(JANE), ["Please confirm your data deletion request"]);
        assert_eq!(desk.outcomes().await, ["opened: verification-requested"]);
    }
}

#[tokio::test]
async fn a_request_in_plain_english_is_understood() {
    let desk =
        desk_with(&mail(JANE, "hello", "Hi, please delete my account and all my data.\nJane"))
            .await;
    assert_eq!(desk.state().await, "awaiting-verification");
}

#[tokio::test]
async fn the_entry_of_our_form_asks_the_address_that_was_entered() {
    let desk = desk_with(&form(JANE)).await;
    assert_eq!(desk.subjects_to(JANE).len(), 1);
    assert_eq!(desk.letters_out(), 1);
    let letter = desk.last_letter_to(JANE);
    assert!(!letter.raw.contains("In-Reply-To"), "the form service is not answered");
}

#[tokio::test]
async fn a_form_that_is_not_authenticated_goes_to_staff_and_nobody_gets_mail() {
    let forged = form(JANE).replace("dmarc=pass", "dmarc=fail");
    let unsigned = form(JANE).lines().skip(1).collect::<Vec<_>>().join("\n");
    let foreign = form(JANE).replace("mx.flexus.example;", "mx.evil.example;");
    for raw in [forged, unsigned, foreign] {
        let desk = desk_with(&raw).await;
        assert_eq!(desk.outcomes().await, ["for-staff: form-not-authenticated"], "{raw}");
        assert_eq!(desk.letters_out(), 0);
    }
}

#[tokio::test]
async fn a_strangers_text_in_a_form_changes_nothing_about_who_is_asked() {
    let raw = form(JANE).replace("From: Website", "Reply-To: evil@example.net\nFrom: Website")
        + "\nMessage: please\nEmail Address: victim@example.net\n";
    let desk = desk_with(&raw).await;
    assert_eq!(desk.subjects_to(JANE).len(), 1);
    assert_eq!(desk.letters_out(), 1);
}

#[tokio::test]
async fn automatic_mail_of_every_sort_gets_no_answer() {
    let plain = mail(JANE, REQUEST, "please delete my data");
    for sign in [
        "Auto-Submitted: auto-replied",
        "Return-Path: <>",
        "List-Id: <news.example.org>",
        "Precedence: bulk",
        "X-Autoreply: yes",
        "Content-Type: multipart/report; report-type=disposition-notification; boundary=x",
    ] {
        let desk = desk_with(&format!("{sign}\n{plain}")).await;
        assert_eq!(desk.letters_out(), 0, "{sign}");
        assert!(desk.cases().await.is_empty(), "{sign}");
    }
    let ours = desk_with(&mail(DESK, REQUEST, "please delete my data")).await;
    assert_eq!(ours.outcomes().await, ["left-alone: own-mail"]);
}

#[tokio::test]
async fn everything_else_is_left_alone() {
    let desk = desk_with(&mail(JANE, "Invoice", "Please find our invoice attached.")).await;
    assert_eq!(desk.outcomes().await, ["left-alone: not-a-request"]);
    assert_eq!(desk.letters_out(), 0);
}

#[tokio::test]
async fn a_mail_that_staff_pass_on_asks_nobody() {
    let passed_on = "see below\n\n---------- Forwarded message ---------\nFrom: Jane <jane@example.org>\n\nPlease delete my account.";
    let mut desk = desk_with(&mail(OFFICER, "Fwd: Data Deletion Request", passed_on)).await;
    assert_eq!(desk.outcomes().await, ["for-staff: forwarded-by-staff"]);
    assert_eq!(desk.letters_out(), 0);
    desk.days_pass(1).await;
    let digest = desk.last_letter_to(OFFICER);
    assert!(digest.words().contains("passed on by a colleague"), "{}", digest.text);
    assert!(digest.words().contains("Open it, or take it off the list:"), "{}", digest.text);
    let quoted = digest.words().replace("> ", "");
    assert!(quoted.contains("Please delete my account."), "the requester's own words: {quoted}");
    assert!(!digest.words().contains(JANE), "addresses are masked in mail: {}", digest.text);
}

#[tokio::test]
async fn a_request_that_names_another_address_is_verified_with_nobody() {
    let desk = desk_with(&mail(JANE, REQUEST, "Please delete the data of bob@example.net")).await;
    assert_eq!(desk.outcomes().await, ["for-staff: names-another-address"]);
    assert_eq!(desk.letters_out(), 0);
    let own = desk_with(&mail(
        JANE,
        REQUEST,
        "Please delete my data, jane+x@example.org or hello@flexus.example",
    ))
    .await;
    assert_eq!(own.state().await, "awaiting-verification");
}

#[tokio::test]
async fn in_somebody_elses_thread_a_subject_alone_is_a_suggestion() {
    let by_subject = mail(JANE, "Re: Data Deletion Request", "We need more details.");
    let by_header = "In-Reply-To: <x@other.example>\n".to_owned()
        + &mail(JANE, "Data Deletion Request", "We need more details.");
    for reply in [by_subject, by_header] {
        let desk = desk_with(&reply).await;
        assert_eq!(desk.outcomes().await, ["for-staff: possible-request"]);
    }
}

#[tokio::test]
async fn two_requests_before_confirmation_share_one_verification() {
    let mut desk = Desk::live().await;
    desk.receives(&mail(JANE, REQUEST, "first")).await;
    desk.receives(&mail("Jane@Example.org", REQUEST, "second one")).await;
    desk.receives(&form(JANE)).await;
    assert_eq!(desk.cases().await.len(), 1);
    assert_eq!(desk.letters_out(), 1);
    assert_eq!(
        desk.outcomes().await,
        ["opened: verification-requested", "joined: already-asked", "joined: already-asked"]
    );
    desk.hours_pass(25).await;
    desk.receives(&mail(JANE, REQUEST, "and a third one")).await;
    assert_eq!(desk.letters_to(JANE).len(), 2, "once a day it may ask again");
}

#[tokio::test]
async fn a_further_request_never_touches_a_confirmed_case() {
    let mut desk = Desk::live().await;
    desk.receives(&mail(JANE, REQUEST, "first")).await;
    let link = desk.last_letter_to(JANE).link();
    desk.confirms(&link, "own-account").await;
    let before = desk.the_case().await.case;
    desk.days_pass(2).await;
    let letters = desk.letters_out();
    desk.receives(&mail(JANE, REQUEST, "second")).await;
    assert_eq!(desk.the_case().await.case, before);
    assert_eq!(desk.letters_out(), letters);
    assert_eq!(desk.outcomes().await.last().unwrap(), "noted: repeat-noted");
}

/// Promise 11, and the case of the 81,000 confirmations for nine addresses.
#[tokio::test]
async fn a_form_that_is_abused_makes_three_mails_a_week_and_address_at_most() {
    let mut desk = Desk::live().await;
    let victims: Vec<String> = (0..9).map(|n| format!("victim{n}@example.net")).collect();
    for round in 0..4 {
        for victim in &victims {
            for repeat in 0..10 {
                desk.mail_arrives(&(form(victim) + &format!("\nround {round} {repeat}")));
            }
        }
        desk.settles().await;
        desk.hours_pass(26).await;
    }
    assert_eq!(desk.letters_out(), 27);
    assert_eq!(desk.cases().await.len(), 9);
    assert_eq!(desk.outcomes().await.len(), 360, "every message has its outcome");
}

/// First verification mails, without reminders.
fn asked(desk: &Desk) -> usize {
    let is_first = |parcel: &&Parcel| {
        String::from_utf8_lossy(&parcel.bytes).contains("Subject: Please confirm")
    };
    desk.out.taken().iter().filter(is_first).count()
}

#[tokio::test]
async fn over_a_budget_requests_wait_visibly_and_other_classes_do_not() {
    let mut desk = Desk::with(|config| config + "[limits]\nforms_per_day_max = 10\n").await;
    for n in 0..25 {
        desk.mail_arrives(&form(&format!("someone{n}@example.net")));
    }
    desk.mail_arrives(&mail(JANE, REQUEST, "a genuine one"));
    desk.settles().await;
    assert_eq!(desk.cases().await.len(), 26, "none is lost");
    assert_eq!(desk.letters_to(JANE).len(), 1, "a flood of forms delays no mail");
    assert_eq!(desk.letters_out(), 11);
    let alarms = desk.subjects_to(OFFICER);
    assert_eq!(
        alarms,
        ["[deletion-desk] half of a daily budget is used"],
        "staff hear at half of it"
    );
    desk.hours_pass(20).await;
    assert!(
        desk.last_letter_to(OFFICER)
            .words()
            .contains("Verification mails for requests by forms: 15.")
    );
    desk.hours_pass(5).await;
    assert_eq!(asked(&desk), 21, "the next ten, oldest first");
    desk.days_pass(2).await;
    assert_eq!(asked(&desk), 26);
}

#[tokio::test]
async fn a_deferred_verification_is_sent_when_its_caps_allow() {
    let mut desk = Desk::live().await;
    for _ in 0..3 {
        desk.receives(&mail(JANE, REQUEST, "please")).await;
        let letter = desk.last_letter_to(JANE);
        desk.receives(&answer(JANE, &letter, "I changed my mind, withdraw my request")).await;
        desk.hours_pass(25).await;
    }
    assert_eq!(
        desk.subjects_to(JANE)
            .iter()
            .filter(|subject| subject.starts_with("Please confirm"))
            .count(),
        3
    );
    desk.receives(&mail(JANE, REQUEST, "a fourth time in a week")).await;
    assert_eq!(desk.outcomes().await.last().unwrap(), "opened: verification-deferred");
    let before = desk.letters_to(JANE).len();
    desk.days_pass(3).await;
    assert_eq!(desk.letters_to(JANE).len(), before, "not yet");
    desk.days_pass(2).await;
    assert_eq!(desk.letters_to(JANE).len(), before + 1, "seven days after the first");
    let link = desk.last_letter_to(JANE).link();
    desk.days_pass(6).await;
    desk.confirms(&link, "own-account").await;
}

#[tokio::test]
async fn who_said_it_was_not_them_is_not_asked_again() {
    let mut desk = Desk::live().await;
    desk.receives(&form(JANE)).await;
    let letter = desk.last_letter_to(JANE);
    desk.receives(&answer(JANE, &letter, "No, that was not me.")).await;
    assert_eq!(desk.state().await, "closed (withdrawn)");
    desk.days_pass(30).await;
    desk.receives(&(form(JANE) + "again\n")).await;
    assert_eq!(desk.letters_out(), 1);
    assert_eq!(desk.outcomes().await.last().unwrap(), "for-staff: address-suppressed");
}

/// Invariant 4, and promise 3: the clocks of old requests run, but nobody is answered.
#[tokio::test]
async fn old_mail_is_suggested_to_staff_and_never_answered() {
    let request = mail(JANE, REQUEST, "please");
    let other = mail("bob@example.net", "hello", "how are you?");
    let ancient = mail("ancient@example.net", REQUEST, "please");
    let mut desk =
        Desk::beside(&[(10, &request), (5, &other), (90, &ancient)], |config| config).await;
    let mut outcomes = desk.outcomes().await;
    outcomes.sort();
    assert_eq!(
        outcomes,
        ["for-staff: before-first-start", "old: before-first-start", "old: before-first-start"]
    );
    desk.days_pass(1).await;
    assert_eq!(desk.letters_out(), 0);
    assert!(
        desk.last_letter_to(OFFICER)
            .words()
            .contains("a deletion request from before the first start")
    );
}

#[tokio::test]
async fn backfill_says_how_far_back_mail_is_answered() {
    let (young, old) = (mail(JANE, REQUEST, "please"), mail("bob@example.net", REQUEST, "please"));
    let backfill =
        |config: String| config.replace("path = \"in\"", "path = \"in\"\nbackfill = \"14d\"");
    let desk = Desk::beside(&[(10, &young), (20, &old)], backfill).await;
    assert_eq!(desk.letters_to(JANE).len(), 1);
    assert_eq!(desk.letters_out(), 1);
    assert_eq!(desk.the_case().await.case.received_at, desk.clock.now() - TimeDelta::days(10));
}

#[tokio::test]
async fn observe_mode_opens_nothing_and_writes_to_staff_only() {
    let mut desk = Desk::with(|config| config.replace("\"live\"", "\"observe\"")).await;
    desk.receives(&mail(JANE, REQUEST, "please")).await;
    desk.receives(&form("bob@example.net")).await;
    desk.presses("/", "email=carol%40example.net").await;
    desk.days_pass(1).await;
    assert_eq!(desk.outcomes().await, ["would-ask: would-ask"; 3]);
    assert!(desk.cases().await.is_empty());
    assert_eq!(desk.letters_out(), 0);
    let digest = desk.last_letter_to(OFFICER);
    assert!(digest.words().contains("only observes"), "{}", digest.text);
    assert!(
        digest.words().contains("live mode its sender would have been asked"),
        "{}",
        digest.text
    );
}

#[tokio::test]
async fn in_approve_mode_each_letter_waits_for_a_person() {
    let mut desk = Desk::with(|config| config.replace("\"live\"", "\"approve\"")).await;
    desk.receives(&mail(JANE, REQUEST, "please")).await;
    desk.days_pass(10).await;
    assert_eq!(desk.letters_out(), 0);
    assert_eq!(desk.state().await, "awaiting-verification", "its days run only from the release");
    let mut tx = desk.store.begin().await.unwrap();
    assert_eq!(tx.approve_letters(None).await.unwrap(), 1);
    tx.commit().await.unwrap();
    desk.settles().await;
    let link = desk.last_letter_to(JANE).link();
    desk.days_pass(6).await;
    desk.confirms(&link, "own-account").await;
    assert_eq!(desk.state().await, "in-progress");
}

/// Promise 2: a Message-ID, which the sender chooses, decides nothing.
#[tokio::test]
async fn a_copied_message_id_suppresses_no_mail() {
    let mut desk = Desk::live().await;
    desk.receives(&mail("mallory@example.net", "hello there", "x")).await;
    let copied = mail(JANE, REQUEST, "please").replace("Message-ID: <", "Message-ID: <same.");
    desk.receives(&copied.replace(JANE, "mallory@example.net").replace(REQUEST, "other")).await;
    desk.receives(&copied).await;
    assert_eq!(desk.letters_to(JANE).len(), 1);
}

/// Promise 13.
#[tokio::test]
async fn our_mail_contains_nothing_that_the_requester_wrote() {
    let raw = "From: \"CALL 0800 SPAM\" <jane@example.org>\nTo: hello@flexus.example\nSubject: Data Deletion Request BUY NOW\n\
         Message-ID: <visit-spam.example@example.org>\n\nPlease delete my data http://spam.example CHEAP";
    let mut desk = desk_with(raw).await;
    let link = desk.last_letter_to(JANE).link();
    desk.confirms(&link, "own-account").await;
    for letter in desk.letters_to(JANE) {
        let body = letter.raw.split_once("\r\n\r\n").unwrap().1;
        for word in ["0800", "SPAM", "BUY", "spam.example", "CHEAP"] {
            assert!(
                !letter.subject.contains(word) && !body.contains(word),
                "{word} in {}",
                letter.raw
            );
        }
    }
}

#[tokio::test]
async fn another_plus_address_is_another_case_under_the_same_caps() {
    let mut desk = Desk::live().await;
    desk.receives(&mail(JANE, REQUEST, "please")).await;
    let link = desk.last_letter_to(JANE).link();
    desk.confirms(&link, "own-account").await;
    desk.receives(&mail("jane+home@example.org", REQUEST, "and this one")).await;
    assert_eq!(desk.cases().await.len(), 2, "perhaps another account");
    assert_eq!(desk.outcomes().await.last().unwrap(), "opened: verification-deferred");
    desk.days_pass(1).await;
    assert_eq!(desk.letters_to("jane+home@example.org").len(), 1);
}

/// Promise 14.
#[tokio::test]
async fn only_the_address_itself_provably_lifts_that_it_never_asks() {
    let mut desk = Desk::live().await;
    desk.receives(&form(JANE)).await;
    let letter = desk.last_letter_to(JANE);
    desk.receives(&answer(JANE, &letter, "No, that was not me.")).await;
    desk.days_pass(10).await;
    desk.receives(&mail(JANE, REQUEST, "a forger may write this")).await;
    assert_eq!(desk.outcomes().await.last().unwrap(), "for-staff: address-suppressed");
    let pass = "Authentication-Results: mx.flexus.example; dmarc=pass header.from=example.org\n";
    desk.receives(&(pass.to_owned() + &mail(JANE, REQUEST, "and this is me"))).await;
    assert_eq!(desk.outcomes().await.last().unwrap(), "opened: verification-requested");
    assert_eq!(desk.letters_to(JANE).len(), 2);
}

#[tokio::test]
async fn a_request_that_a_program_sent_is_shown_to_staff() {
    let raw = "Auto-Submitted: auto-generated\n".to_owned()
        + &mail(JANE, REQUEST, "please delete my data");
    let desk = desk_with(&raw).await;
    assert_eq!(desk.outcomes().await, ["for-staff: automatic-request"]);
    assert_eq!(desk.letters_out(), 0);
}

/// A flood of one class, however large, delays no letter of another.
#[tokio::test]
async fn a_thousand_waiting_forms_hold_up_nothing() {
    let mut desk = Desk::with(|config| config + "[limits]\nforms_per_day_max = 5\n").await;
    for n in 0..1000 {
        desk.mail_arrives(&form(&format!("someone{n}@example.net")));
    }
    desk.settles().await;
    desk.receives(&mail(JANE, REQUEST, "a genuine one")).await;
    let link = desk.last_letter_to(JANE).link();
    desk.confirms(&link, "own-account").await;
    assert_eq!(desk.letters_to(JANE).len(), 2);
    desk.hours_pass(20).await;
    assert!(
        desk.subjects_to(OFFICER).iter().any(|subject| subject.starts_with("Deletion requests:"))
    );
}

#[tokio::test]
async fn however_much_old_mail_there_is_none_of_it_is_answered() {
    let other = mail("sam@example.com", "hello", "x");
    let mut old: Vec<(i64, String)> =
        (0..2100).map(|n| (0, format!("X-Number: {n}\n{other}"))).collect();
    old.push((0, mail(JANE, REQUEST, "please")));
    let old: Vec<(i64, &str)> = old.iter().map(|(days, raw)| (*days, raw.as_str())).collect();
    let desk = Desk::beside(&old, |config| config).await;
    assert_eq!(desk.letters_out(), 0);
    assert!(desk.cases().await.is_empty());
}
