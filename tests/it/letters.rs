//! Whole mails, as they go over the wire.

use deletion_desk::case::LetterKind;
use deletion_desk::commands::cases::{OutcomeArg, Work, complete};

use crate::harness::{Desk, JANE, Letter, answer, mail};

/// Random parts are named by their role.
fn settled(letter: &Letter, reference: &str) -> String {
    let mut text =
        letter.raw.replace("=\r\n", "").replace("\r\n", "\n").replace(reference, "DEL-XXXX-XXXX");
    let nonce = letter.message_id.trim_start_matches('<').get(..8).unwrap().to_owned();
    let reply = letter.message_id.trim_start_matches('<').split('@').next().unwrap().to_owned();
    text = text.replace(&reply, "{reply-token}");
    if letter.text.contains("/c/") {
        text = text.replace(letter.link().rsplit('/').next().unwrap(), "{link-token}");
    }
    text.replace(&nonce, "{nonce}")
}

async fn confirmed(role: &str) -> (Desk, String) {
    let mut desk = Desk::live().await;
    desk.receives(&mail(JANE, "Data Deletion Request", "please")).await;
    let link = desk.last_letter_to(JANE).link();
    desk.confirms(&link, role).await;
    let reference = desk.the_case().await.case.reference.to_string();
    (desk, reference)
}

async fn completed(outcome: OutcomeArg, kept: &[&str]) -> String {
    let (mut desk, reference) = confirmed("own-account").await;
    let kept: Vec<String> = kept.iter().map(|text| (*text).to_owned()).collect();
    let work = Work { by: "Ada", outcome, kept: &kept };
    complete(&desk.store, &desk.settings, &reference, &work, desk.clock.now()).await.unwrap();
    desk.settles().await;
    assert_eq!(desk.letters_to(JANE).len(), 2, "ten minutes to take it back");
    desk.sleeps_for(chrono::TimeDelta::minutes(10));
    desk.settles().await;
    assert_eq!(desk.state().await, "closed (completed)");
    settled(&desk.last_letter_to(JANE), &reference)
}

/// Plain part only: what most snapshots are read for.
fn plain(mail: &str) -> String {
    let body = mail.split("\n\n").skip(2).collect::<Vec<_>>().join("\n\n");
    body.split("\n--=_").next().unwrap().to_owned()
}

#[tokio::test]
async fn the_verification_letter_whole() {
    let (desk, reference) = confirmed("own-account").await;
    insta::assert_snapshot!(settled(&desk.letters_to(JANE)[0], &reference));
}

#[tokio::test]
async fn the_other_letters_as_text() {
    let (desk, reference) = confirmed("own-account").await;
    insta::assert_snapshot!(
        "request-confirmed",
        plain(&settled(&desk.letters_to(JANE)[1], &reference))
    );
    let (desk, reference) = confirmed("customer").await;
    insta::assert_snapshot!("not-ours", plain(&settled(&desk.letters_to(JANE)[1], &reference)));
    let (mut desk, reference) = confirmed("own-account").await;
    let receipt = desk.last_letter_to(JANE);
    desk.receives(&answer(JANE, &receipt, "withdraw")).await;
    insta::assert_snapshot!(
        "withdrawal-confirmed",
        plain(&settled(&desk.last_letter_to(JANE), &reference))
    );
    insta::assert_snapshot!(
        "completion-deleted",
        plain(&completed(OutcomeArg::Deleted, &[]).await)
    );
    insta::assert_snapshot!(
        "completion-nothing-found",
        plain(&completed(OutcomeArg::NothingFound, &[]).await)
    );
    let kept = ["Invoices: tax until 2036-12-31", "opt-outs: opt-out"];
    insta::assert_snapshot!(
        "completion-partly",
        plain(&completed(OutcomeArg::Partly, &kept).await)
    );
}

#[tokio::test]
async fn without_a_page_no_letter_has_a_link() {
    let mut desk = Desk::with(|config| config.replace("127.0.0.1:1", "off")).await;
    desk.receives(&mail(JANE, "Data Deletion Request", "please")).await;
    let letter = desk.last_letter_to(JANE);
    assert!(!letter.raw.contains("/c/"), "{}", letter.text);
    assert!(letter.words().contains("If it was you, answer this mail with YES."));
    desk.receives(&answer(JANE, &letter, "YES")).await;
    assert_eq!(desk.state().await, "in-progress");
    assert!(!desk.last_letter_to(JANE).raw.contains("/c/"));
}

#[tokio::test]
async fn what_is_not_confirmed_or_closed_cannot_be_completed() {
    let mut desk = Desk::live().await;
    desk.receives(&mail(JANE, "Data Deletion Request", "please")).await;
    let reference = desk.the_case().await.case.reference.to_string();
    let try_it = async |desk: &Desk, outcome, kept: &[String]| {
        let work = Work { by: "Ada", outcome, kept };
        complete(&desk.store, &desk.settings, &reference, &work, desk.clock.now())
            .await
            .unwrap_err()
            .to_string()
    };
    assert!(try_it(&desk, OutcomeArg::Deleted, &[]).await.contains("is not confirmed"));
    assert!(try_it(&desk, OutcomeArg::Partly, &["a: tax".into()]).await.contains("not confirmed"));
    let letter = desk.last_letter_to(JANE);
    desk.receives(&answer(JANE, &letter, "No")).await;
    assert!(try_it(&desk, OutcomeArg::Deleted, &[]).await.contains("is closed already"));
    assert!(
        try_it(&desk, OutcomeArg::Partly, &["invoices".into()])
            .await
            .contains("with a colon between")
    );
    assert_eq!(desk.letters_out(), 1);
}

#[test]
fn each_kind_of_letter_has_its_template_and_each_template_its_kind() {
    let shipped: Vec<&str> =
        deletion_desk::compose::shipped::TEMPLATES.iter().map(|(path, _)| *path).collect();
    let letters =
        shipped.iter().filter(|path| path.ends_with(".md") && !path.ends_with("footer.md"));
    let mut named = Vec::new();
    for language in ["de", "en", "es", "fr"] {
        // Staff read English.
        let kinds = LetterKind::ALL.iter().filter(|kind| language == "en" || !kind.is_for_staff());
        named.extend(kinds.map(|kind| format!("{language}/{}.md", kind.as_str())));
    }
    named.sort();
    assert_eq!(letters.copied().collect::<Vec<_>>(), named);
}
