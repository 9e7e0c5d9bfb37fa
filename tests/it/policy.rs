//! The published policy, sentence by sentence: each that the desk can keep has a test that quotes
//! it.

use chrono::TimeDelta;
use deletion_desk::case::scope::scope_of;
use deletion_desk::commands::cases::{OutcomeArg, Work, act, complete};
use deletion_desk::config::Config;

use crate::harness::{DESK, Desk, JANE, Letter, OFFICER, answer, mail};

const REQUEST: &str = "Data Deletion Request";

/// A request confirmed on the page, as that role.
async fn confirmed(role: &str) -> (Desk, String) {
    let (mut desk, letter) = Desk::asked().await;
    desk.confirms(&letter.link(), role).await;
    let reference = desk.the_case().await.case.reference.to_string();
    (desk, reference)
}

/// The completion letter of that work.
async fn completion(role: &str, outcome: OutcomeArg, kept: &[&str]) -> Letter {
    let (mut desk, reference) = confirmed(role).await;
    if role == "business" {
        let now = desk.clock.now();
        act(&desk.store, &desk.settings, &reference, "Ada", "approve", now).await.unwrap();
    }
    let kept: Vec<String> = kept.iter().map(|text| (*text).to_owned()).collect();
    let work = Work { by: "Ada", outcome, kept: &kept };
    complete(&desk.store, &desk.settings, &reference, &work, desk.clock.now()).await.unwrap();
    desk.hours_pass(1).await;
    desk.last_letter_to(JANE)
}

/// "Your profile, login credentials, and personal settings will be deleted or de-identified from
/// active systems, subject to the retention exceptions below."
#[tokio::test]
async fn what_is_deleted_or_de_identified_is_said_so() {
    let words = completion("own-account", OutcomeArg::DeIdentified, &[]).await.words();
    assert!(words.contains("de-identified so that nobody can be recognised in it"), "{words}");
}

/// "When you request deletion, the following messaging-related data will be removed: …" and "Our
/// deletion process covers: …"
#[tokio::test]
async fn every_item_of_the_published_scope_is_on_the_checklist_of_a_workspace() {
    let (desk, _) = confirmed("workspace").await;
    let labels: Vec<String> =
        desk.settings.policy.scope.iter().map(|item| item.label("en").to_lowercase()).collect();
    let all = labels.join("\n");
    for item in [
        "profile",
        "login credentials",
        "personal settings",
        "app preferences",
        "usage history",
        "message content and conversation history",
        "media references",
        "files",
        "crm thread links",
        "conversation metadata",
        "workspace settings",
        "ai-generated content",
        "derived insights",
        "response history",
        "consent records",
        "opt-out and suppression records",
        "integration tokens",
        "messaging api credentials",
        "connected account metadata",
        "meta and whatsapp integration",
        "debug traces and logs",
        "uploaded to providers",
    ] {
        assert!(all.contains(item), "{item} is missing in\n{all}");
    }
    let case = desk.the_case().await.case;
    let listed = scope_of(&case, &desk.settings.policy).count();
    assert_eq!(listed, labels.len(), "a workspace's deletion covers all of them");
}

/// "Opt-out and suppression records, except where minimal retention is needed to honor
/// unsubscribe or stop requests and prevent future unwanted contact", "Media references and
/// uploaded files (where deletion APIs support it)", "We may retain certain data where required
/// by: Security and fraud prevention measures; Legal obligations and regulatory requirements;
/// Active litigation or investigation holds".
#[tokio::test]
async fn what_is_kept_is_told_with_its_ground() {
    let kept = [
        "opt-outs: opt-out",
        "media: no-deletion-api",
        "traces: security until 2026-12-31",
        "transaction invoices: tax until 2036-12-31",
        "profile: law",
        "messages: litigation",
    ];
    let words = completion("workspace", OutcomeArg::Partly, &kept).await.words();
    for told in [
        "to honour your opt-out, so that nobody writes to you again",
        "Media references and uploaded or shared files: the provider that stores it gives us no way",
        "for security and to prevent fraud and abuse (until 31 December 2026)",
        "transaction invoices: tax and accounting law obliges us to keep it (until 31 December 2036)",
        "a law obliges us to keep it",
        "a legal dispute or an investigation is open",
    ] {
        assert!(words.contains(told), "{told} is missing in {words}");
    }
}

/// "Backup copies may exist for a limited period as part of standard backup rollover procedures."
#[tokio::test]
async fn the_last_mail_names_the_day_the_backups_are_gone() {
    let words = completion("own-account", OutcomeArg::Deleted, &[]).await.words();
    assert!(words.contains("by 1 July 2026 at the latest"), "closed on 1 June, 30 days: {words}");
}

/// "Data deletion requests are processed manually by our team. Your request will be fulfilled
/// within 30 days of your confirmation."
#[tokio::test]
async fn thirty_days_from_confirmation_are_promised_and_watched() {
    let (mut desk, letter) = Desk::asked().await;
    assert!(letter.words().contains("deletes the data by hand within 30 days"));
    desk.days_pass(3).await;
    let link = letter.link();
    desk.confirms(&link, "own-account").await;
    let case = desk.the_case().await.case;
    assert_eq!(case.due_on.unwrap().to_string(), "2026-07-04");
    assert!(desk.last_letter_to(JANE).words().contains("will be done by 4 July 2026"));
    assert_eq!(desk.state().await, "in-progress", "people do the work; the desk deletes nothing");
}

/// "Check Your Inbox: We will send a verification link to that email address to confirm your
/// identity and prevent unauthorized deletions. Confirm: Click the link in the verification
/// email."
#[tokio::test]
async fn the_form_sends_a_verification_link_to_the_address_entered() {
    let mut desk = Desk::live().await;
    let page = desk.opens("/").await.body;
    assert!(page.contains("Submit Deletion Request"));
    let sent = desk.presses("/", "email=jane%40example.org").await;
    let next = sent.headers["location"].to_str().unwrap().to_owned();
    assert!(desk.opens(&next).await.body.contains("Check your inbox"));
    desk.settles().await;
    let letter = desk.last_letter_to(JANE);
    assert_eq!(desk.state().await, "awaiting-verification");
    desk.confirms(&letter.link(), "own-account").await;
    assert_eq!(desk.state().await, "in-progress");
}

/// "You can also email your request directly to our privacy officer at hello@flexus.team with
/// the subject line “Data Deletion Request”."
#[tokio::test]
async fn a_mail_with_that_subject_is_a_request() {
    let mut desk = Desk::live().await;
    desk.receives(&mail(JANE, REQUEST, "")).await;
    assert_eq!(desk.letters_to(JANE).len(), 1);
    for page in ["/", "/sent"] {
        let body = desk.opens(page).await.body;
        assert!(body.contains(&format!("mailto:{DESK}?subject=Data%20Deletion%20Request")));
    }
}

/// "Workspace Admins: Must submit the request from the email address associated with the
/// workspace owner or admin account": staff see it, the requester is told nothing of it.
#[tokio::test]
async fn staff_see_whether_the_address_is_the_owners_and_the_requester_does_not() {
    let mut outward = Vec::new();
    for (who, found) in [
        ("owner@example.org", "owner or admin of North"),
        ("member@example.org", "has an account, but is neither owner nor admin"),
        ("nobody@example.org", "not found in the list of accounts"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let csv = folder.path().join("accounts.csv");
        let accounts = "email,role,workspace\nowner@example.org,owner,North\nmember@example.org,member,North\n";
        std::fs::write(&csv, accounts).unwrap();
        let section = format!("[accounts]\ncsv = \"{}\"\n", csv.display());
        let mut desk = Desk::with(|config| config + &section).await;
        desk.receives(&mail(who, REQUEST, "please")).await;
        let link = desk.last_letter_to(who).link();
        desk.confirms(&link, "workspace").await;
        let to_staff = desk.last_letter_to(OFFICER).words();
        assert!(to_staff.contains(found), "{to_staff}");
        // The receipt, without what is random in it and the name before the @.
        let letter = desk.last_letter_to(who);
        let case = desk.the_case().await.case;
        let own = letter.link().rsplit('/').next().unwrap().to_owned();
        let said = letter.words().replace(case.reference.as_str(), "").replace(&own, "");
        let page = desk.opens(&link).await.body;
        assert!(!page.contains("North") && !page.contains("list of accounts"));
        outward.push(said);
    }
    outward.dedup();
    assert_eq!(outward.len(), 1, "the same words whatever was found");
}

/// "Connected Business Representatives: Must provide proof of authorization to act on behalf of
/// the business".
#[tokio::test]
async fn nothing_of_a_business_is_deleted_without_proof() {
    let (desk, reference) = confirmed("business").await;
    assert_eq!(desk.state().await, "awaiting-proof");
    let words = desk.last_letter_to(JANE).words();
    assert!(words.contains("for example") && words.contains("need not send a power of attorney"));
    let work = Work { by: "Ada", outcome: OutcomeArg::Deleted, kept: &[] };
    let now = desk.clock.now();
    let early = complete(&desk.store, &desk.settings, &reference, &work, now).await.unwrap_err();
    assert!(early.to_string().contains("waits for an authorization"), "{early}");
}

/// "End Customers: If you are an end customer of a business using Flexus, please contact that
/// business directly. Flexus processes data on behalf of our business customers, who are the data
/// controllers for end customer data".
#[tokio::test]
async fn end_customers_are_sent_to_the_business_and_it_is_not_named() {
    let mut desk = Desk::live().await;
    desk.receives(&mail(JANE, REQUEST, "I bought shoes at Shoes & Sons, delete my data")).await;
    let link = desk.last_letter_to(JANE).link();
    desk.confirms(&link, "customer").await;
    let letter = desk.last_letter_to(JANE);
    let words = letter.words();
    assert!(
        words.contains("Please ask the business directly") && words.contains("data controller")
    );
    assert!(!letter.raw.contains("Shoes"), "nothing that the requester wrote");
}

/// "We aim to complete deletion requests within 30 days of verification. You will receive a
/// confirmation email once the deletion is complete."
#[tokio::test]
async fn the_requester_hears_when_it_is_done() {
    let letter = completion("own-account", OutcomeArg::Deleted, &[]).await;
    assert_eq!(letter.subject, "Your data deletion request is complete");
}

/// "Data deletion requests submitted to Flexus apply only to data stored in Flexus systems and do
/// not affect data held by Meta, WhatsApp, Instagram, Telegram, or other third-party services."
/// "Flexus is an independent service and is not affiliated with, endorsed by, or sponsored by
/// Meta Platforms, Inc., WhatsApp LLC, or Instagram, LLC."
#[tokio::test]
async fn every_letter_in_every_language_says_whose_data_it_is_about() {
    let templates = deletion_desk::compose::shipped::TEMPLATES;
    let footers = templates.iter().filter(|(path, _)| path.ends_with("/footer.md"));
    let mut count = 0;
    for (path, text) in footers {
        for name in ["Meta", "WhatsApp", "Instagram", "Telegram", "organization", "privacy_policy"]
        {
            assert!(text.contains(name), "{path} does not name {name}");
        }
        count += 1;
    }
    assert_eq!(count, 4);
    for (path, text) in templates.iter().filter(|(path, _)| path.ends_with(".md")) {
        let for_staff = ["act-", "alarm", "case-confirmed", "digest", "escalation", "footer"];
        if !for_staff.iter().any(|name| path.contains(name)) {
            assert!(text.contains("/footer.md\""), "{path} has no footer");
        }
    }
}

/// "We only retain data that we are legally required to keep … in strict compliance with GDPR and
/// CCPA regulations": nothing is kept without one of the grounds that the policy names.
#[tokio::test]
async fn nothing_can_be_kept_without_a_ground_of_the_policy() {
    let (desk, reference) = confirmed("own-account").await;
    for words in
        ["partly: messages: because we like them", "hold: opt-out until 2026-09-01", "partly"]
    {
        let now = desk.clock.now();
        let refused = act(&desk.store, &desk.settings, &reference, "Ada", words, now).await;
        assert!(refused.is_err(), "{words}");
    }
    assert_eq!(desk.state().await, "in-progress");
}

/// The default of every number in the policy is the policy's.
#[test]
fn the_shipped_settings_are_those_of_the_policy() {
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("bot.toml");
    let config = Config::read(&file).unwrap();
    assert_eq!(config.policy().fulfil_days, 30);
    assert_eq!(config.identity.address.as_str(), "hello@flexus.team");
}

/// "To protect your privacy and prevent unauthorized deletions, we verify the identity of all
/// deletion requesters": who confirms by answering is asked who they are, and may correct it.
#[tokio::test]
async fn who_is_asking_can_be_corrected_until_the_end() {
    let (mut desk, letter) = Desk::asked().await;
    desk.receives(&answer(JANE, &letter, "Yes")).await;
    let receipt = desk.last_letter_to(JANE);
    assert!(receipt.words().contains("who is asking? Please answer this mail with one number"));
    desk.sleeps_for(TimeDelta::days(10));
    desk.receives(&answer(JANE, &receipt, "2")).await;
    assert_eq!(desk.the_case().await.case.role.unwrap().as_str(), "workspace");
}
