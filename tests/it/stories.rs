//! A story for each kind of requester, from the first word to the last.

use std::fs;

use tempfile::TempDir;

use crate::harness::{JANE, OFFICER, answer};
use crate::transcript::Story;

const REQUEST: &str = "Data Deletion Request";
const ASKED: &str = "Please confirm";
const RECEIPT: &str = "is confirmed";
const CONFIRMED: &str = "confirmed, please delete";
const DONE: &str = "is complete";

async fn asks_and_confirms_as(story: &mut Story, role: &str) {
    story.writes(JANE, REQUEST, "Please delete my data.").await;
    story.presses(JANE, ASKED, &format!("act=confirm&asked=yes&role={role}")).await;
}

#[tokio::test]
async fn somebody_asks_for_their_own_account() {
    let told = [ASKED, RECEIPT, CONFIRMED, ": done", DONE];
    let mut story = Story::begins(&told).await.with_footers();
    asks_and_confirms_as(&mut story, "own-account").await;
    story.staff_answers(OFFICER, CONFIRMED, "done\n\nBest, Ada").await;
    story.minutes_pass(10).await;
    insta::assert_snapshot!(story.ends());
}

/// What the requester reads, and the transcript.
async fn workspace(told: &[&'static str], accounts: &str) -> (Vec<String>, String) {
    let folder = TempDir::new().unwrap();
    let csv = folder.path().join("accounts.csv");
    fs::write(&csv, accounts).unwrap();
    let add = |config| format!("{config}[accounts]\ncsv = \"{}\"\n", csv.display());
    let mut story = Story::with(told, add).await;
    asks_and_confirms_as(&mut story, "workspace").await;
    story.desk.days_pass(1).await;
    story.tells_digest_of(OFFICER);
    let letters = story.desk.letters_to(JANE);
    let read = letters.iter().map(|letter| letter.words().replace(&letter.link(), "{link}"));
    let reference = story.reference().await;
    (read.map(|words| words.replace(&reference, "{reference}")).collect(), story.ends())
}

/// The words for requesters are the same whatever was found; only staff see it.
#[tokio::test]
async fn the_owner_of_a_workspace_is_looked_up_in_the_list_of_accounts() {
    let told = [RECEIPT, CONFIRMED];
    let head = "email,role,workspace\n";
    let (found, story) = workspace(&told, &format!("{head}{JANE},owner,North\n")).await;
    insta::assert_snapshot!("the_owner_of_a_workspace_is_found", story);
    let told = &told[1..];
    let (not_found, story) = workspace(told, &format!("{head}eve@example.org,owner,North\n")).await;
    insta::assert_snapshot!("the_owner_of_a_workspace_is_not_found", story);
    let (no_admin, story) = workspace(told, &format!("{head}{JANE},member,North\n")).await;
    insta::assert_snapshot!("the_owner_of_a_workspace_is_no_admin", story);
    assert_eq!(found.len(), 2);
    assert_eq!(found, not_found);
    assert_eq!(found, no_admin);
}

/// The answer of a mail program with a file attached.
fn with_file(story: &Story, words: &str) -> String {
    let letter = story.letter(JANE, "show that you may act");
    let (head, body) = answer(JANE, &letter, words)
        .split_once("\n\n")
        .map(|(head, body)| (head.to_owned(), body.to_owned()))
        .unwrap();
    format!(
        "{head}\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/plain\n\n\
         {body}\n--b\nContent-Type: application/pdf; name=\"letter.pdf\"\nContent-Disposition: attachment; filename=\"letter.pdf\"\n\n\
         %PDF-1.4 {words}\n--b--\n"
    )
}

async fn sends_proof(story: &mut Story, words: &str) {
    let raw = with_file(story, words);
    let what = format!("{JANE} answers with letter.pdf attached");
    story.arrives(&what, words, &raw).await;
}

#[tokio::test]
async fn the_representative_of_a_business_shows_an_authorization() {
    let told = ["show that you may act", "authorization", RECEIPT, ": done"];
    let mut story = Story::begins(&told).await;
    asks_and_confirms_as(&mut story, "business").await;
    let reference = story.reference().await;
    sends_proof(&mut story, "Here is our letter.").await;
    story.staff_presses(OFFICER, &reference, "act=ask-again&want=business-not-named").await;
    sends_proof(&mut story, "Here it is with our name.").await;
    story.staff_answers(OFFICER, "an authorization came", "approve").await;
    insta::assert_snapshot!(story.ends());
}

#[tokio::test]
async fn the_representative_of_a_business_is_refused() {
    let mut story = Story::begins(&["is refused", ": done", "Nothing was done"]).await;
    asks_and_confirms_as(&mut story, "business").await;
    sends_proof(&mut story, "Trust me.").await;
    story.staff_answers(OFFICER, "an authorization came", "done").await;
    story
        .staff_answers(
            OFFICER,
            "an authorization came",
            "refuse: no-proof – the letter is signed by nobody of the business",
        )
        .await;
    story.minutes_pass(10).await;
    insta::assert_snapshot!(story.ends());
}

#[tokio::test]
async fn a_customer_of_a_business_is_sent_there() {
    let told = ["please ask the business", "customer of a business"];
    let mut story = Story::begins(&told).await;
    asks_and_confirms_as(&mut story, "customer").await;
    story.days_pass(1).await;
    story.tells_digest_of(OFFICER);
    story.days_pass(6).await;
    story.days_pass(1).await;
    story.tells_digest_of(OFFICER);
    insta::assert_snapshot!(story.ends());
}

#[tokio::test]
async fn who_is_not_sure_is_asked_and_corrected_by_staff() {
    let told = ["About your data", CONFIRMED, ": done"];
    let mut story = Story::begins(&told).await;
    asks_and_confirms_as(&mut story, "not-sure").await;
    let reference = story.reference().await;
    story.staff_presses(OFFICER, &reference, "act=write&sentence=which-workspace").await;
    story.answers(JANE, "About your data", "It is the workspace North, I am its admin.").await;
    story.days_pass(1).await;
    story.tells_digest_of(OFFICER);
    story.staff_answers(OFFICER, CONFIRMED, "role: workspace").await;
    insta::assert_snapshot!(story.ends());
}
