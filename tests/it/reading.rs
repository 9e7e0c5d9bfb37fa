//! What a mail is, where it is no plain request: more than one wish, another right, an earlier
//! request, a company's talk. What is doubtful is a person's to decide, and nobody is mailed.

use crate::harness::{Desk, JANE, OFFICER, answer, mail};

async fn desk_with(raw: &str) -> Desk {
    let mut desk = Desk::live().await;
    desk.receives(raw).await;
    desk
}

#[tokio::test]
async fn who_asks_for_access_too_gets_a_case_and_staff_see_the_rest() {
    let text = "Please delete my account. Before that, send me a copy of all my personal data.";
    let mut desk = desk_with(&mail(JANE, "my data", text)).await;
    assert_eq!(desk.outcomes().await, ["opened: verification-requested"]);
    let link = desk.last_letter_to(JANE).link();
    desk.confirms(&link, "own-account").await;
    let told = desk.last_letter_to(OFFICER);
    let says = "the mail asks what is held about them, or for a copy of it, too";
    assert!(told.words().contains(says), "{}", told.text);
}

#[tokio::test]
async fn another_right_goes_to_staff_by_its_name_with_the_laws_day() {
    for (text, reason, words) in [
        (
            "Please send me a copy of all the data you hold about me under Article 15 GDPR.",
            "access-request",
            "asks what is held about them",
        ),
        (
            "My surname is misspelled; please correct my name in your records (Art. 16 GDPR).",
            "rectification-request",
            "asks for something to be corrected",
        ),
        (
            "I object to the processing of my personal data for profiling, Article 21 GDPR.",
            "objection",
            "objects to what is done with their data",
        ),
        ("Do not sell my personal information. I opt out of it.", "opt-out", "wants no more mail"),
    ] {
        let mut desk = desk_with(&mail(JANE, "hello", text)).await;
        assert_eq!(desk.outcomes().await, [format!("for-staff: {reason}")], "{text}");
        assert_eq!(desk.letters_out(), 0, "{text}");
        desk.days_pass(1).await;
        let digest = desk.last_letter_to(OFFICER).words();
        assert!(
            digest.contains(words) && digest.contains("the law wants an answer by"),
            "{digest}"
        );
    }
}

#[tokio::test]
async fn who_asks_after_a_request_opens_no_second_case_and_is_shown_with_the_first() {
    let (mut desk, letter) = Desk::asked().await;
    let text = "I sent you a request to delete my data two weeks ago and have not heard back.";
    desk.receives(&mail(JANE, "Reminder: data deletion request", text)).await;
    assert_eq!(desk.outcomes().await.last().unwrap(), "for-staff: earlier-request");
    assert_eq!((desk.cases().await.len(), desk.letters_out()), (1, 1));
    // In answer to our letter its token says which case it is.
    desk.receives(&answer(JANE, &letter, text)).await;
    assert_eq!(desk.outcomes().await.last().unwrap(), "for-staff: answer-unclear");
    desk.days_pass(1).await;
    let reference = desk.the_case().await.case.reference.to_string();
    let digest = desk.last_letter_to(OFFICER).words();
    assert!(digest.matches(&reference).count() >= 2, "{digest}");
}

#[tokio::test]
async fn who_answers_their_own_request_asks_after_its_case_though_it_is_closed() {
    let request = mail(JANE, "Data Deletion Request", "Please delete all my personal data.");
    let mut desk = desk_with(&request).await;
    let letter = desk.last_letter_to(JANE);
    desk.receives(&answer(JANE, &letter, "No, that was not me.")).await;
    let closed = desk.the_case().await.case;
    assert!(closed.state.resolution().is_some(), "{closed:?}");
    let (_, id) = request.split_once("Message-ID: ").unwrap();
    let id = id.lines().next().unwrap();
    let text = "I sent you a request to delete my data two weeks ago and have not heard back.";
    let reference = closed.reference.to_string();
    for (from, id, outcome, case) in [
        (JANE, id, "for-staff: later-mail", Some(reference)),
        // Neither another id nor another author says which.
        (JANE, "<another@mail.example>", "for-staff: possible-request", None),
        ("mallory@example.net", id, "for-staff: possible-request", None),
    ] {
        let asks = mail(from, "Re: Data Deletion Request", text);
        desk.receives(&format!("In-Reply-To: {id}\n{asks}")).await;
        assert_eq!(desk.outcomes().await.last().unwrap(), outcome, "{from} {id}");
        assert_eq!(desk.messages().await.last().unwrap().reference, case, "{from} {id}");
    }
}

#[tokio::test]
async fn a_mail_is_read_as_what_it_says() {
    for (subject, text, outcome) in [
        ("my data", "Please delete my data but keep my account.", "for-staff: possible-request"),
        (
            "account",
            "Please do not delete my account, I want to keep it.",
            "left-alone: not-a-request",
        ),
        (
            "Not a deletion request",
            "This is not a deletion request. How do I change my password?",
            "left-alone: not-a-request",
        ),
        ("question", "How do I delete my account?", "for-staff: possible-request"),
        (
            "Your account",
            "Your account will be deleted in 3 days. Click here to keep your data.",
            "left-alone: company-talk",
        ),
        (
            "Re: Data Deletion Request",
            "Thank you for contacting us. Your request has been received, and our team will reply.",
            "left-alone: company-talk",
        ),
        (
            "Data Deletion Request",
            "Please delete my data. If I do not hear from you within a month I will complain.",
            "opened: verification-requested",
        ),
    ] {
        let desk = desk_with(&mail(JANE, subject, text)).await;
        assert_eq!(desk.outcomes().await, [outcome], "{subject}: {text}");
    }
}

#[tokio::test]
async fn a_suggestion_is_opened_by_one_press_and_stands_in_the_digest_as_a_question() {
    let mut desk = desk_with(&mail(JANE, "hm", "Please delete my data but keep my account.")).await;
    desk.days_pass(1).await;
    let digest = desk.last_letter_to(OFFICER).words();
    assert!(digest.contains("looks like a deletion request; open a case?"), "{digest}");
    assert_eq!(desk.letters_to(JANE).len(), 0);
}

#[tokio::test]
async fn who_gives_a_second_address_of_theirs_is_asked_and_staff_see_it() {
    let text = "Please delete my account.\n\nMy details:\nE-mail: jane.old@example.net\nJane";
    let mut desk = desk_with(&mail(JANE, "Data Deletion Request", text)).await;
    assert_eq!(desk.subjects_to(JANE).len(), 1);
    assert_eq!(desk.letters_out(), 1, "nobody is asked at the other one");
    let link = desk.last_letter_to(JANE).link();
    desk.confirms(&link, "own-account").await;
    let told = desk.last_letter_to(OFFICER).words();
    assert!(told.contains("the mail gives j…d@example.net, too: nobody was asked there"), "{told}");
}
