//! Junk and Sent beside the inbox: what lies there is shown or noted, and never answered.

use std::fs;

use chrono::TimeDelta;
use serde_json::Value;

use crate::harness::{DESK, Desk, JANE, OFFICER, answer, form, mail};
use crate::servers::MailServers;
use crate::wire::{LiveDesk, request};

const REQUEST: &str = "Data Deletion Request";

async fn desk_with_folders() -> Desk {
    let mut desk = Desk::live().await;
    desk.has_folders().await;
    desk
}

/// What of the messages waits for a person: reason, and the addresses that are proposed.
async fn suggestions(desk: &Desk) -> Vec<(String, Vec<String>)> {
    let lines = desk.store.suggestions().await.unwrap();
    let address = |line: &deletion_desk::store::lists::MessageLine| {
        line.proposed.iter().map(|one| one.as_str().to_owned()).collect()
    };
    lines.iter().map(|line| (line.reason.clone(), address(line))).collect()
}

/// What a person writes in a mail program, answering by hand.
fn by_hand(to: &str, extra: &str) -> String {
    format!(
        "From: Flexus <{DESK}>\nTo: {to}\n{extra}Subject: Your request\nMessage-ID: <h{}@mail.example>\n\n\
         We are on it.\n",
        extra.len()
    )
}

#[tokio::test]
async fn a_request_in_junk_is_suggested_and_never_answered() {
    let mut desk = desk_with_folders().await;
    let junk = desk.junk.clone();
    desk.files(&junk, &mail(JANE, REQUEST, "please delete my data")).await;
    desk.files(&junk, &form("john@example.org")).await;
    assert_eq!(desk.outcomes().await, ["for-staff: found-in-junk"; 2]);
    let proposed = |who: &str| ("found-in-junk".to_owned(), vec![who.to_owned()]);
    assert_eq!(suggestions(&desk).await, [proposed(JANE), proposed("john@example.org")]);
    assert_eq!((desk.cases().await.len(), desk.letters_out()), (0, 0));
    desk.days_pass(1).await;
    let digest = desk.last_letter_to(OFFICER).words();
    assert!(digest.contains("found in the Junk folder and not answered"), "{digest}");
    assert_eq!(desk.letters_out(), 0);
}

#[tokio::test]
async fn spam_in_junk_is_left_alone_whatever_shape_it_has() {
    let mut desk = desk_with_folders().await;
    let junk = desk.junk.clone();
    desk.files(&junk, &mail("spam@example.net", "You have won", "click here")).await;
    desk.files(&junk, "").await;
    desk.files(&junk, &format!("From: x@example.net\n{}\n\nx\n", "X: y\n".repeat(30_000))).await;
    let outcomes = desk.outcomes().await;
    assert!(outcomes.iter().all(|one| one.starts_with("left-alone: ")), "{outcomes:?}");
    assert_eq!(outcomes.len(), 3);
    desk.days_pass(1).await;
    let digest = desk.last_letter_to(OFFICER).words();
    assert!(digest.contains("0 other mails were left alone"), "Junk is not counted: {digest}");
}

#[tokio::test]
async fn an_answer_that_the_provider_took_for_spam_confirms_nothing() {
    let (mut desk, letter) = Desk::asked().await;
    desk.has_folders().await;
    let junk = desk.junk.clone();
    desk.files(&junk, &answer(JANE, &letter, "Yes, it is me.")).await;
    assert_eq!(desk.state().await, "awaiting-verification");
    assert_eq!(desk.outcomes().await.last().unwrap(), "for-staff: found-in-junk");
    let case = desk.the_case().await.id;
    let reasons = desk.store.messages_of(case).await.unwrap();
    assert_eq!(reasons.last().unwrap().reason, "found-in-junk", "it is listed on its case");
    let bounce = "From: MAILER-DAEMON@example.org\nTo: hello@flexus.example\nSubject: failed\n\
         Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n--b\n\
         Content-Type: message/delivery-status\n\nReporting-MTA: dns; mx\n\n\
         Final-Recipient: rfc822; jane@example.org\nAction: failed\nStatus: 5.1.1\n\n--b\n\
         Content-Type: text/rfc822-headers\n\nMessage-ID: @ID@\n\n--b--\n"
        .replace("@ID@", &letter.message_id);
    desk.files(&junk, &bounce).await;
    assert_eq!(desk.state().await, "awaiting-verification", "a bounce there ends no case");
    assert_eq!(desk.outcomes().await.last().unwrap(), "for-staff: found-in-junk");
}

#[tokio::test]
async fn a_mail_that_somebody_moves_from_junk_to_the_inbox_is_handled_as_any_other() {
    let mut desk = desk_with_folders().await;
    let (junk, inbox) = (desk.junk.clone(), desk.inbox.clone());
    let raw = mail(JANE, REQUEST, "please delete my data");
    desk.files(&junk, &raw).await;
    assert_eq!(suggestions(&desk).await.len(), 1);
    junk.empty();
    desk.files(&inbox, &raw).await;
    assert_eq!(desk.state().await, "awaiting-verification");
    assert_eq!(desk.subjects_to(JANE).len(), 1);
    assert_eq!(suggestions(&desk).await, [], "the suggestion is off the list");
    // And back again: it stays handled.
    inbox.empty();
    desk.files(&junk, &raw).await;
    assert_eq!(desk.outcomes().await.last().unwrap(), "known: same-bytes");
    desk.files(&inbox, &raw).await;
    assert_eq!(desk.outcomes().await.last().unwrap(), "known: same-bytes");
    assert_eq!(desk.subjects_to(JANE).len(), 1);
}

#[tokio::test]
async fn a_suggestion_that_staff_took_up_is_no_second_case_when_the_mail_is_moved() {
    let mut desk = desk_with_folders().await;
    let (junk, inbox) = (desk.junk.clone(), desk.inbox.clone());
    let raw = mail(JANE, REQUEST, "please delete my data");
    desk.files(&junk, &raw).await;
    // Somebody else's request for the same address, in the meantime.
    desk.receives(&mail(JANE, REQUEST, "I ask again")).await;
    desk.files(&inbox, &raw).await;
    assert_eq!(desk.cases().await.len(), 1);
    assert_eq!(desk.subjects_to(JANE).len(), 1);
}

#[tokio::test]
async fn old_mail_is_old_in_each_folder_by_its_own_first_look() {
    let mut desk = Desk::live().await;
    desk.days_pass(3).await;
    let days_ago = |days: i64| desk.clock.now() - TimeDelta::days(days);
    let junk = mail(JANE, REQUEST, "please");
    desk.junk.put("1:1", days_ago(2), junk.as_bytes());
    desk.junk.put("1:2", days_ago(90), mail("old@example.org", REQUEST, "please").as_bytes());
    desk.sent.put("1:1", days_ago(1), by_hand(JANE, "").as_bytes());
    desk.has_folders().await;
    let mut outcomes = desk.outcomes().await;
    outcomes.sort();
    // Of Junk the last 60 days are read, for suggestions; of Sent nothing.
    let old = "old: before-first-start";
    assert_eq!(outcomes, ["for-staff: found-in-junk", old, old]);
    assert_eq!(desk.letters_out(), 0);
}

#[tokio::test]
async fn what_a_person_wrote_to_the_requester_is_noted_on_the_case() {
    let (mut desk, letter) = Desk::asked().await;
    desk.confirms(&letter.link(), "own-account").await;
    desk.has_folders().await;
    let (sent, before) = (desk.sent.clone(), desk.state().await);
    let journal = desk.store.journal_head().await.unwrap();
    let letters = desk.letters_out();
    desk.files(&sent, &by_hand(&format!("Jane <{}>", JANE.to_uppercase()), "")).await;
    assert_eq!(desk.outcomes().await.last().unwrap(), "written-by-hand: written-by-hand");
    assert_eq!(desk.state().await, before);
    assert_eq!(desk.store.journal_head().await.unwrap(), journal, "it decides nothing");
    assert_eq!(desk.letters_out(), letters);
    let words = "omebody wrote to the requester from the mailbox";
    desk.days_pass(1).await;
    let digest = desk.last_letter_to(OFFICER);
    // On the card of the case, and among what was done.
    assert_eq!(digest.words().matches(words).count(), 2, "{}", digest.text);
    let page = desk.opens(&digest.staff_link(desk.the_case().await.case.reference.as_str())).await;
    assert!(page.body.contains(words), "{}", page.body);
}

#[tokio::test]
async fn what_the_desk_sends_or_concerns_no_case_is_not_noted() {
    let mut desk = desk_with_folders().await;
    let before = desk.clock.now() - TimeDelta::minutes(30);
    desk.receives(&mail(JANE, REQUEST, "please")).await;
    let (sent, letter) = (desk.sent.clone(), desk.last_letter_to(JANE));
    // The desk's own letter, filed by the provider; once with its marks, once with its id alone.
    desk.files(&sent, &letter.raw).await;
    let bare: Vec<&str> = letter
        .raw
        .lines()
        .filter(|line| !line.starts_with("X-") && !line.starts_with("Auto-"))
        .collect();
    desk.files(&sent, &bare.join("\n")).await;
    // An answering machine of the mailbox, somebody else, and a mail from before the case.
    desk.files(&sent, &by_hand(JANE, "Auto-Submitted: auto-replied\n")).await;
    desk.files(&sent, &by_hand("bob@example.net", "")).await;
    sent.put("1:900", before, by_hand(JANE, "X-Early: yes\n").as_bytes());
    desk.settles().await;
    let outcomes = desk.outcomes().await;
    let expected = ["own-letter", "own-letter", "auto-submitted", "sent-mail", "sent-mail"];
    let expected = expected.map(|reason| format!("left-alone: {reason}"));
    assert_eq!(outcomes[1..], expected);
    let excerpts = desk.store.messages_handled_since(chrono::DateTime::UNIX_EPOCH).await.unwrap();
    assert!(excerpts.iter().all(|line| line.excerpt.is_none()), "hash and reason only");
}

#[tokio::test]
async fn of_several_recipients_the_one_whose_mail_is_answered_is_noted() {
    let (mut desk, letter) = Desk::asked().await;
    desk.receives(&mail("john@example.org", REQUEST, "please")).await;
    desk.has_folders().await;
    let sent = desk.sent.clone();
    let thread = format!("Cc: {JANE}\nReferences: {}\n", letter.message_id);
    desk.files(&sent, &by_hand("john@example.org", &thread)).await;
    let cases = desk.cases().await;
    let jane =
        cases.iter().find(|case| case.subject.as_ref().is_some_and(|one| one.as_str() == JANE));
    let messages = desk.store.messages_of(jane.unwrap().id).await.unwrap();
    assert_eq!(messages.last().unwrap().reason, "written-by-hand");
}

/// The same bytes in Sent and in the inbox are two matters.
#[tokio::test]
async fn bytes_that_were_sent_are_not_known_for_the_inbox() {
    let mut desk = desk_with_folders().await;
    let (sent, inbox) = (desk.sent.clone(), desk.inbox.clone());
    let raw = mail(JANE, REQUEST, "please delete my data");
    desk.files(&sent, &raw).await;
    desk.files(&inbox, &raw).await;
    assert_eq!(desk.state().await, "awaiting-verification");
    desk.files(&sent, &raw).await;
    assert_eq!(desk.outcomes().await.last().unwrap(), "known: same-bytes");
}

fn quick(settings: String) -> String {
    settings.replace("poll = \"300s\"", "poll = \"1s\"")
}

/// The messages of the only case, as outcomes.
fn noted(desk: &LiveDesk) -> Vec<String> {
    let reference = desk.the_case()["reference"].as_str().unwrap().to_owned();
    let shown: Value =
        serde_json::from_str(&desk.command(&["cases", "show", &reference, "--json"])).unwrap();
    let messages = shown["messages"].as_array().unwrap().iter();
    messages.map(|one| one["outcome"].as_str().unwrap().to_owned()).collect()
}

/// Over a real Dovecot that marks both folders (RFC 6154).
#[tokio::test(flavor = "multi_thread")]
async fn junk_and_sent_of_a_real_server_are_read_by_their_use() {
    let servers = MailServers::start(&[DESK, JANE, OFFICER]);
    let mut desk = LiveDesk::with(&servers, quick).await;
    for folder in ["junk", "sent"] {
        desk.until_log_says(&format!(
            "first look beside it old=0 to_suggest=0 folder=\"{folder}\""
        ))
        .await;
    }
    servers.drop_into_folder(DESK, "Spam", request("john@example.org"));
    let listed = desk
        .until("the request in Junk is listed", || {
            let listed = desk.command(&["messages", "list", "--json"]);
            listed.contains("found-in-junk").then_some(listed)
        })
        .await;
    assert!(listed.contains("john@example.org"), "{listed}");
    servers.post(JANE, DESK, request(JANE)).await;
    servers.wait_for_mail(JANE, 1).await;
    servers.drop_into_folder(DESK, "Sent", by_hand(JANE, ""));
    desk.until("the answer is noted", || {
        noted(&desk).contains(&"written-by-hand".to_owned()).then_some(())
    })
    .await;
    assert_eq!(desk.state(), "awaiting-verification");
    let reference = desk.the_case()["reference"].as_str().unwrap().to_owned();
    let shown = desk.command(&["cases", "show", &reference]);
    assert!(shown.contains("somebody wrote to the requester from the mailbox"), "{shown}");
    assert!(servers.mails(JANE).await.len() == 1);
    // Somebody moves the mail to the inbox: the same bytes under another key.
    let spam = servers.maildir(DESK).join(".Spam/new");
    let moved = fs::read_dir(&spam).unwrap().next().unwrap().unwrap().path();
    fs::rename(&moved, servers.maildir(DESK).join("new").join(moved.file_name().unwrap())).unwrap();
    desk.until("the moved request opens a case", || (desk.cases().len() == 2).then_some(())).await;
    assert!(!desk.command(&["messages", "list", "--json"]).contains("found-in-junk"));
    assert!(!desk.log().contains("cannot look beside"), "{}", desk.log());
    desk.stops().await;
}

/// A folder beside the inbox that is not there is said once, and the inbox is read.
#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_cannot_be_read_does_not_stop_the_inbox() {
    let servers = MailServers::start(&[DESK, JANE, OFFICER]);
    let mut desk = LiveDesk::with(&servers, |settings| {
        quick(settings).replace("[smtp]", "junk_folder = \"Bulk\"\n[smtp]")
    })
    .await;
    desk.until_log_says("there is no folder Bulk; there are ").await;
    servers.post(JANE, DESK, request(JANE)).await;
    servers.wait_for_mail(JANE, 1).await;
    // Some more looks of the task go by.
    tokio::time::sleep(std::time::Duration::from_secs(12)).await;
    assert_eq!(desk.log().matches("there is no folder Bulk").count(), 1, "{}", desk.log());
    assert!(!desk.log().contains("the inbox cannot be read"), "{}", desk.log());
    desk.stops().await;
}

/// Maildir++: `.Junk` below the Maildir.
#[tokio::test(flavor = "multi_thread")]
async fn junk_below_a_maildir_is_read() {
    let desk = LiveDesk::over_folders().await;
    for part in ["cur", "new", "tmp"] {
        fs::create_dir_all(desk.file("in/.Junk").join(part)).unwrap();
    }
    desk.until_log_says("folder=\"junk\"").await;
    fs::write(desk.file("in/.Junk/new/1.a.test"), request(JANE)).unwrap();
    desk.until("the request in Junk is listed", || {
        desk.command(&["messages", "list", "--json"]).contains("found-in-junk").then_some(())
    })
    .await;
    assert!(desk.cases().is_empty());
}
