//! A story for each further thing that a requester or time brings.

use crate::harness::{JANE, OFFICER, mail};
use crate::transcript::Story;

const REQUEST: &str = "Data Deletion Request";
const ASKED: &str = "Please confirm";
const RECEIPT: &str = "is confirmed";

async fn asks(story: &mut Story) {
    story.writes(JANE, REQUEST, "Please delete my data.").await;
}

#[tokio::test]
async fn who_does_not_answer_is_reminded_once() {
    let mut story = Story::begins(&["Reminder"]).await;
    asks(&mut story).await;
    story.days_pass(1).await;
    story.days_pass(5).await;
    story.days_pass(1).await;
    insta::assert_snapshot!(story.ends());
}

#[tokio::test]
async fn who_confirms_by_mail_tells_who_they_are_by_a_number() {
    let mut story = Story::begins(&[RECEIPT, "please ask the business"]).await;
    asks(&mut story).await;
    story.answers(JANE, ASKED, "Yes").await;
    story.answers(JANE, RECEIPT, "4").await;
    story.answers(JANE, "please ask the business", "1.").await;
    insta::assert_snapshot!(story.ends());
}

#[tokio::test]
async fn who_did_not_ask_is_left_in_peace_until_they_ask_themselves() {
    let mut story = Story::begins(&[]).await;
    asks(&mut story).await;
    story.answers(JANE, ASKED, "No, I never asked for this.").await;
    asks(&mut story).await;
    story.days_pass(1).await;
    story.tells_digest_of(OFFICER);
    let raw = mail(JANE, REQUEST, "This time it is me.");
    let pass = "Authentication-Results: mx.flexus.example; dmarc=pass header.from=example.org";
    let what = format!("{JANE} writes “{REQUEST}” with an aligned DMARC pass");
    story.arrives(&what, "This time it is me.", &format!("{pass}\n{raw}")).await;
    insta::assert_snapshot!(story.ends());
}

#[tokio::test]
async fn a_request_is_withdrawn_late() {
    let mut story = Story::begins(&["is withdrawn", "Nothing was done"]).await;
    asks(&mut story).await;
    story.presses(JANE, ASKED, "act=confirm&asked=yes&role=own-account").await;
    story.days_pass(29).await;
    story.answers(JANE, RECEIPT, "WITHDRAW").await;
    story.staff_answers(OFFICER, "Deletion requests:", "done").await;
    story.days_pass(1).await;
    story.tells_digest_of(OFFICER);
    insta::assert_snapshot!(story.ends());
}

/// Whichever letter they have at hand.
#[tokio::test]
async fn a_request_is_withdrawn_by_an_answer_to_any_letter_before_the_last() {
    for (letter, act) in [
        ("takes longer", "act=extend&months=2&reason=many"),
        ("About your data", "act=write&sentence=still-working"),
    ] {
        let mut story = Story::begins(&[]).await;
        asks(&mut story).await;
        story.presses(JANE, ASKED, "act=confirm&asked=yes&role=own-account").await;
        let reference = story.reference().await;
        story.staff_presses(OFFICER, &reference, act).await;
        story.answers(JANE, letter, "Withdraw").await;
        assert_eq!(story.desk.state().await, "closed (withdrawn)", "{letter}");
        assert_eq!(
            story.desk.last_letter_to(JANE).subject,
            "Your data deletion request is withdrawn"
        );
    }
}

/// The report of a mail server that a letter cannot arrive.
fn bounce(story: &Story, subject: &str) -> String {
    let letter = story.letter(JANE, subject);
    format!(
        "Return-Path: <>\nFrom: MAILER-DAEMON@mx.example.org\nTo: {}\nSubject: Undelivered Mail\n\
         Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n\
         --b\n\nSorry.\n\n--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mx.example.org\n\n\
         Final-Recipient: rfc822; {JANE}\nAction: failed\nStatus: 5.1.1\n\n--b\nContent-Type: message/rfc822\n\n\
         {}\n\n--b--\n",
        letter.return_path,
        letter.raw.replace("\r\n", "\n")
    )
}

#[tokio::test]
async fn a_completion_that_came_back_is_shown_until_somebody_has_seen_it() {
    let mut story = Story::begins(&[": done"]).await;
    asks(&mut story).await;
    story.presses(JANE, ASKED, "act=confirm&asked=yes&role=own-account").await;
    story.staff_answers(OFFICER, "please delete", "nothing found").await;
    story.minutes_pass(10).await;
    let raw = bounce(&story, "is complete");
    story.arrives("the mail server of example.org returns “is complete”", "", &raw).await;
    story.days_pass(2).await;
    story.tells_digest_of(OFFICER);
    let reference = story.reference().await;
    story.staff_answers(OFFICER, "Deletion requests:", &format!("seen {reference}")).await;
    story.days_pass(1).await;
    story.tells_digest_of(OFFICER);
    insta::assert_snapshot!(story.ends());
}

const OTHERS: &str = "[[staff.members]]\naddress = \"deputy@flexus.example\"\nname = \"Deputy\"\nrole = \"deputy\"\n\
    [[staff.members]]\naddress = \"lead@flexus.example\"\nname = \"Lead\"\nrole = \"lead\"\n[authentication]";

fn three_of_staff(config: String) -> String {
    config.replace("[authentication]", OTHERS)
}

#[tokio::test]
async fn where_nobody_acts_the_deputy_hears_and_then_the_lead() {
    let mut story = Story::with(&["and nobody acts"], three_of_staff).await;
    asks(&mut story).await;
    story.presses(JANE, ASKED, "act=confirm&asked=yes&role=own-account").await;
    story.days_pass(22).await;
    story.days_pass(1).await;
    story.days_pass(2).await;
    story
        .staff_answers("lead@flexus.example", "and nobody acts", "note: Ada is ill, I do it")
        .await;
    story.days_pass(6).await;
    story.tells_digest_of(OFFICER);
    insta::assert_snapshot!(story.ends());
}

#[tokio::test]
async fn while_the_officer_is_away_the_deputy_gets_the_digest() {
    let mut story = Story::with(&["Deletion requests:"], three_of_staff).await;
    asks(&mut story).await;
    story.presses(JANE, ASKED, "act=confirm&asked=yes&role=own-account").await;
    story.answers(JANE, ASKED, "When will you be done?").await;
    story.desk.days_pass(1).await;
    let digest = story.letter(OFFICER, "Deletion requests:");
    let away = |kind: &str| {
        format!(
            "Auto-Submitted: {kind}\nFrom: {OFFICER}\nTo: {}\nSubject: Away\nIn-Reply-To: {}\n\nBack on Monday.\n",
            digest.return_path, digest.message_id
        )
    };
    let (first, second) = (away("auto-replied"), away("auto-replied (vacation)"));
    story
        .arrives("the officer's mailbox answers the digest: away", "Back on Monday.", &first)
        .await;
    story.arrives("and answers it once more", "Back on Monday.", &second).await;
    insta::assert_snapshot!(story.ends());
}

/// A receipt says that the officer is there.
#[tokio::test]
async fn a_read_receipt_of_the_digest_is_no_absence() {
    let mut story = Story::with(&[], three_of_staff).await;
    story.desk.days_pass(1).await;
    let digest = story.letter(OFFICER, "Deletion requests:");
    let receipt = format!(
        "Return-Path: <>\nFrom: {OFFICER}\nTo: {}\nSubject: Read: digest\nIn-Reply-To: {}\n\
         Content-Type: multipart/report; report-type=disposition-notification; boundary=b\n\n--b\n\nRead.\n\
         --b\nContent-Type: message/disposition-notification\n\nDisposition: manual-action/MDN-sent-manually; displayed\n\n--b--\n",
        digest.return_path, digest.message_id
    );
    story.desk.receives(&receipt).await;
    assert_eq!(story.desk.letters_to("deputy@flexus.example").len(), 0);
    let outcomes = story.desk.outcomes().await;
    assert!(!outcomes.last().unwrap().contains("officer-away"), "{outcomes:?}");
}
