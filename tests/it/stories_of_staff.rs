//! A story for each thing that staff do with a case.

use crate::harness::{DESK, JANE, OFFICER};
use crate::transcript::Story;

const REQUEST: &str = "Data Deletion Request";
const ASKED: &str = "Please confirm";
const CONFIRMED: &str = "please delete";
const DIGEST: &str = "Deletion requests:";

/// Jane asked and confirmed, which other stories tell.
async fn in_work(told: &[&'static str]) -> (Story, String) {
    let mut story = Story::begins(told).await;
    story.writes(JANE, REQUEST, "Please delete my data.").await;
    story.presses(JANE, ASKED, "act=confirm&asked=yes&role=own-account").await;
    let reference = story.reference().await;
    (story, reference)
}

#[tokio::test]
async fn everything_is_held_until_the_day_to_look_again() {
    let (mut story, reference) =
        in_work(&["About your data", "please look again", "Nothing was done"]).await;
    story.staff_answers(OFFICER, CONFIRMED, "hold: litigation until 2026-06-10").await;
    story.staff_presses(OFFICER, &reference, "act=write&sentence=on-hold").await;
    story.staff_answers(OFFICER, CONFIRMED, "done").await;
    story.desk.days_pass(7).await;
    story.days_pass(1).await;
    story.tells_digest_of(OFFICER);
    story.days_pass(1).await;
    insta::assert_snapshot!(story.ends());
}

#[tokio::test]
async fn an_item_is_held_and_the_rest_goes_on() {
    let (mut story, reference) = in_work(&["Nothing was done", ": done", "is complete"]).await;
    let hold = "act=hold&ground=security&item=traces&look-again-on=2026-06-10";
    story.staff_presses(OFFICER, &reference, hold).await;
    story.staff_answers(OFFICER, CONFIRMED, "tick: media, messages").await;
    story.staff_answers(OFFICER, CONFIRMED, "done").await;
    story.staff_answers(OFFICER, CONFIRMED, "release: traces").await;
    story.staff_answers(OFFICER, "done", &format!("{reference} de-identified")).await;
    story.minutes_pass(10).await;
    insta::assert_snapshot!(story.ends());
}

#[tokio::test]
async fn the_dates_are_extended_once() {
    let told = ["takes longer", ": done", "Nothing was done"];
    let (mut story, _) = in_work(&told).await;
    story.desk.days_pass(20).await;
    story.days_pass(1).await;
    story.staff_answers(OFFICER, DIGEST, "extend: complex").await;
    story.staff_answers(OFFICER, DIGEST, "extend: 1 month, many").await;
    story.days_pass(1).await;
    story.tells_digest_of(OFFICER);
    insta::assert_snapshot!(story.ends());
}

#[tokio::test]
async fn a_request_is_refused_with_reasons() {
    let (mut story, reference) = in_work(&["is refused", ": done"]).await;
    let form = "act=refuse&ground=excessive&words=We%20answered%20the%20same%20request%20in%20May.";
    story.staff_presses(OFFICER, &reference, form).await;
    story.minutes_pass(10).await;
    story.days_pass(1).await;
    story.tells_digest_of(OFFICER);
    insta::assert_snapshot!(story.ends());
}

#[tokio::test]
async fn a_request_is_completed_with_exceptions() {
    let (mut story, _) = in_work(&[": done", "is complete"]).await;
    let words = "partly: invoices: tax until 2036-12-31; opt-outs: opt-out; media: no-deletion-api";
    story.staff_answers(OFFICER, CONFIRMED, words).await;
    story.minutes_pass(10).await;
    insta::assert_snapshot!(story.ends());
}

#[tokio::test]
async fn completing_is_undone_in_time_and_not_too_late() {
    let told = [": done", "Nothing was done"];
    let (mut story, reference) = in_work(&told).await;
    story.staff_answers(OFFICER, CONFIRMED, "done").await;
    story.minutes_pass(9).await;
    story.staff_answers(OFFICER, ": done", "undo").await;
    story.minutes_pass(20).await;
    story.staff_presses(OFFICER, &reference, "act=complete&outcome=nothing-found").await;
    story.minutes_pass(10).await;
    story.staff_presses(OFFICER, &reference, "act=undo").await;
    story.staff_answers(OFFICER, ": done", &format!("undo {reference}")).await;
    insta::assert_snapshot!(story.ends());
}

#[tokio::test]
async fn a_requester_is_identified_another_way() {
    let mut story = Story::begins(&[CONFIRMED]).await;
    story.writes(JANE, REQUEST, "Please delete my data.").await;
    story.days_pass(1).await;
    let reference = story.reference().await;
    let form = "act=verify&how=called%20back%20the%20number%20of%20the%20account&role=workspace";
    story.staff_presses(OFFICER, &reference, form).await;
    insta::assert_snapshot!(story.ends());
}

#[tokio::test]
async fn a_request_that_a_colleague_forwards_is_opened_by_one_press() {
    let mut story = Story::begins(&["done"]).await;
    let words = format!(
        "Please see below.\n\n---------- Forwarded message ---------\nFrom: Jane <{JANE}>\n\
         Date: Sun, 31 May 2026\nSubject: my data\nTo: <support@flexus.example>\n\nPlease delete my account."
    );
    let raw = format!(
        "From: Officer <{OFFICER}>\nTo: {DESK}\nSubject: Fwd: my data\nMessage-ID: <f@flexus.example>\n\n{words}\n"
    );
    story.arrives(&format!("{OFFICER} forwards “my data”"), &words, &raw).await;
    story.days_pass(1).await;
    story.tells_digest_of(OFFICER);
    story.staff_presses(OFFICER, "m1", "act=open&address=jane%40example.org").await;
    story.presses(JANE, ASKED, "act=confirm&asked=yes&role=own-account").await;
    story.arrives(&format!("{OFFICER} forwards it once more"), "", &raw).await;
    story.days_pass(1).await;
    story.staff_answers(OFFICER, DIGEST, "open m2").await;
    insta::assert_snapshot!(story.ends());
}

#[tokio::test]
async fn a_mail_that_names_several_addresses_is_opened_one_by_one() {
    let mut story = Story::begins(&["done"]).await;
    let words = "Please delete the data of my children, tim@example.org and tom@example.org.";
    story.writes(JANE, REQUEST, words).await;
    story.days_pass(1).await;
    story.tells_digest_of(OFFICER);
    story.staff_presses(OFFICER, "m1", "act=open&address=tim%40example.org").await;
    story.staff_presses(OFFICER, "m1", "act=open&address=tom%40example.org").await;
    story.staff_presses(OFFICER, "m1", "act=dismiss").await;
    story.days_pass(1).await;
    story.tells_digest_of(OFFICER);
    insta::assert_snapshot!(story.ends());
}

#[tokio::test]
async fn who_mistypes_answers_the_mail_that_says_so() {
    let (mut story, reference) = in_work(&["Nothing was done", "What you can answer"]).await;
    story.days_pass(1).await;
    story.staff_answers(OFFICER, DIGEST, &format!("don {reference}")).await;
    story.staff_answers(OFFICER, "Nothing was done", "done").await;
    story.staff_answers(OFFICER, ": done", "help").await;
    insta::assert_snapshot!(story.ends());
}

/// The shipped languages, each with a request as people write it, a yes, and the first words of
/// the letters they get.
const LANGUAGES: [(&str, &str, &str); 3] = [
    ("de", "Bitte löschen Sie mein Konto und alle meine Daten.", "Ja"),
    ("fr", "Veuillez supprimer mon compte et toutes mes données personnelles.", "Oui"),
    ("es", "Por favor, eliminen mi cuenta y todos mis datos personales.", "Sí"),
];

#[tokio::test]
async fn a_request_is_answered_in_its_own_language() {
    let mut told = 0;
    for (language, words, yes) in LANGUAGES {
        let file = format!("{language}/completion.md");
        if !deletion_desk::compose::shipped::TEMPLATES.iter().any(|(path, _)| *path == file) {
            continue;
        }
        let mut story = Story::begins(&[""]).await;
        story.writes(JANE, REQUEST, words).await;
        let asked = story.desk.last_letter_to(JANE).subject;
        story.answers(JANE, &asked, yes).await;
        let words = "partly: messages: tax until 2036-12-31; opt-outs: opt-out";
        story.staff_answers(OFFICER, CONFIRMED, words).await;
        story.minutes_pass(10).await;
        assert_eq!(story.desk.letters_to(JANE).len(), 3, "{language}: asked, receipt, completion");
        insta::assert_snapshot!(format!("a_request_in_{language}"), story.ends());
        told += 1;
    }
    assert!(told > 0);
}
