//! Notifications of form services, through the whole bot: exactly whom the form names is asked,
//! or nobody. The mails stand in `tests/mails/form/`, one for each service and each oddity.

use std::fs;
use std::path::{Path, PathBuf};

use deletion_desk::classify::form;
use deletion_desk::classify::rules::RuleSet;
use deletion_desk::config::Config;
use deletion_desk::mail::sender_auth::sender_auth;
use deletion_desk::mail::{self, Bounds};

use crate::harness::{Desk, JANE, OFFICER, settings};

const VICTIM: &str = "victim@example.net";

/// What is ours, of each service.
const OURS: &str = r#"
[[form]]
rule = "formspree"
site = "flexus.example"
[[form]]
rule = "contact-form-7"
from = "wordpress@flexus.example"
[[form]]
rule = "wpforms"
from = "admin@flexus.example"
[[form]]
rule = "gravityforms"
from = "wordpress@flexus.example"
[[form]]
rule = "formsubmit"
site = "https://flexus.example"
[[form]]
rule = "web3forms"
site = "flexus.example"
[[form]]
rule = "netlify"
site = "flexus.example"
[[form]]
rule = "webflow"
site = "Flexus"
[[form]]
rule = "squarespace"
site = "Flexus"
[[form]]
rule = "wix"
site = "Flexus"
[[form]]
rule = "tally"
form = "Privacy request"
[[form]]
rule = "generic"
from = "web@flexus.example"
subject = "Contact form"
"#;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mails/form")
}

fn fixture(name: &str) -> String {
    let path = folder().join(name).with_extension("eml");
    fs::read_to_string(&path).unwrap_or_else(|why| panic!("{}: {why}", path.display()))
}

/// A desk with these forms, and what became of one mail.
async fn desk_that_received(name: &str, forms: &str) -> Desk {
    let mut desk = Desk::with(|config| config + forms).await;
    desk.receives(&fixture(name)).await;
    desk
}

/// Forms that are for deletion requests and nothing else.
fn for_deletion() -> String {
    OURS.replace("[[form]]", "[[form]]\npurpose = \"deletion\"")
}

/// Entries that ask Jane, and the beginning of the letter's subject where it is not English.
const ASKED: [(&str, &str); 30] = [
    ("contact-form-7", "Please"),
    ("contact-form-7-in-french", "Veuillez"),
    ("contact-form-7-in-german", "Bitte"),
    ("formspree-false-reply-to", "Please"),
    ("formspree-html-only", "Please"),
    ("formspree-label-in-the-message-in-front", "Please"),
    ("formspree-marked-as-a-list", "Please"),
    ("formspree-with-a-subject-of-its-own", "Please"),
    ("formsubmit", "Please"),
    ("formsubmit-text-only", "Please"),
    ("generic", "Please"),
    ("generic-that-asks-for-nothing", "Please"),
    ("gravityforms", "Please"),
    ("netlify", "Please"),
    ("netlify-as-html", "Please"),
    ("netlify-second-email-line", "Please"),
    ("squarespace-email-last", "Please"),
    ("squarespace-every-field-twice", "Please"),
    ("squarespace-unknown-label", "Please"),
    ("tally", "Please"),
    ("web3forms-escaped-html-in-the-name", "Please"),
    ("web3forms-html-in-the-message", "Please"),
    ("web3forms-tagged-sender", "Please"),
    ("webflow", "Por favor"),
    ("webflow-old-subject", "Please"),
    ("wix-text-is-a-stub", "Please"),
    ("wpforms", "Please"),
    ("wpforms-as-plain-text", "Please"),
    ("wpforms-compact", "Please"),
    ("wpforms-label-in-the-message", "Please"),
];

/// Mails that ask nobody, and what becomes of them.
const NOT_ASKED: [(&str, &str); 18] = [
    ("contact-form-7-name-is-an-address", "for-staff: form-without-address"),
    ("contact-form-7-receipt", "for-staff: form-not-ours"),
    ("contact-form-7-unfilled", "for-staff: form-without-address"),
    ("formspree-forged", "for-staff: form-not-authenticated"),
    ("formspree-limit-notice", "for-staff: form-not-ours"),
    ("formspree-of-another-site", "for-staff: form-not-ours"),
    ("formsubmit-activation", "left-alone: not-a-request"),
    ("generic-broken-over-lines", "for-staff: form-without-address"),
    ("generic-link-that-leads-elsewhere", "for-staff: form-without-address"),
    ("generic-message-in-front", "for-staff: form-without-address"),
    ("gravityforms-line-break-in-the-field", "for-staff: form-without-address"),
    ("netlify-line-break-in-the-name", "for-staff: form-without-address"),
    ("netlify-of-another-site", "for-staff: form-not-ours"),
    ("squarespace-of-another-site", "for-staff: form-not-ours"),
    ("squarespace-two-addresses-in-the-field", "for-staff: form-without-address"),
    ("web3forms-hides-the-rest", "for-staff: form-without-address"),
    ("web3forms-html-in-the-name", "for-staff: form-without-address"),
    ("wpforms-without-the-address", "for-staff: form-without-address"),
];

#[tokio::test]
async fn exactly_the_address_that_was_entered_is_asked() {
    let forms = for_deletion();
    for (name, begins) in ASKED {
        let desk = desk_that_received(name, &forms).await;
        assert_eq!(desk.outcomes().await, ["opened: verification-requested"], "{name}");
        assert_eq!((desk.letters_to(JANE).len(), desk.letters_out()), (1, 1), "{name}");
        let letter = desk.last_letter_to(JANE);
        assert!(letter.subject.starts_with(begins), "{name}: {}", letter.subject);
        assert!(!letter.raw.contains("In-Reply-To"), "{name}: the service is not answered");
    }
}

#[tokio::test]
async fn what_a_stranger_writes_into_a_field_changes_nothing_about_who_is_asked() {
    let forms = for_deletion();
    for (name, outcome) in NOT_ASKED {
        let desk = desk_that_received(name, &forms).await;
        assert_eq!(desk.outcomes().await, [outcome], "{name}");
        assert_eq!(desk.letters_out(), 0, "{name}");
    }
}

#[tokio::test]
async fn every_fixture_is_tried() {
    let mut named: Vec<&str> = ASKED.iter().chain(&NOT_ASKED).map(|(name, _)| *name).collect();
    named.sort_unstable();
    let files = fs::read_dir(folder()).unwrap();
    let stem = |file: fs::DirEntry| file.path().file_stem().unwrap().to_string_lossy().into_owned();
    let mut found: Vec<String> = files.map(|file| stem(file.unwrap())).collect();
    found.sort_unstable();
    assert_eq!(named, found);
}

#[tokio::test]
async fn a_form_that_bot_toml_does_not_name_asks_nobody() {
    for (name, _) in ASKED.iter().chain(&NOT_ASKED) {
        let desk = desk_that_received(name, "").await;
        assert_eq!(desk.letters_out(), 0, "{name}: {:?}", desk.outcomes().await);
        assert!(desk.cases().await.is_empty(), "{name}");
    }
}

#[tokio::test]
async fn a_form_of_ours_without_authentication_asks_nobody() {
    let forms = for_deletion();
    for (name, _) in ASKED {
        let mut desk = Desk::with(|config| config + &forms).await;
        desk.receives(&fixture(name).replace("dmarc=pass", "dmarc=fail")).await;
        assert_eq!(desk.outcomes().await, ["for-staff: form-not-authenticated"], "{name}");
        assert_eq!(desk.letters_out(), 0, "{name}");
    }
    // Unless the operator says that no pass is needed.
    let trusting = forms.replace("[[form]]", "[[form]]\nauthenticated = false");
    let desk = desk_that_received("formspree-forged", &trusting).await;
    assert_eq!(desk.letters_to(JANE).len(), 1);
}

#[tokio::test]
async fn an_entry_of_a_contact_form_is_a_request_where_its_message_says_so() {
    let desk = desk_that_received("generic", OURS).await;
    assert_eq!(desk.letters_to(JANE).len(), 1);
    let desk = desk_that_received("generic-that-asks-for-nothing", OURS).await;
    assert_eq!(desk.outcomes().await, ["left-alone: not-a-request"]);
    assert_eq!(desk.letters_out(), 0);
    // What is no request is nobody's work, authenticated or not.
    let mut desk = Desk::with(|config| config + OURS).await;
    let forged = fixture("generic-that-asks-for-nothing").replace("dmarc=pass", "dmarc=fail");
    desk.receives(&forged).await;
    assert_eq!(desk.outcomes().await, ["left-alone: not-a-request"]);
}

#[tokio::test]
async fn staff_read_what_the_visitor_wrote_and_may_open_a_case() {
    let mut desk = desk_that_received("wix-text-is-a-stub", "").await;
    desk.days_pass(1).await;
    let digest = desk.last_letter_to(OFFICER);
    let words = digest.words();
    assert!(words.contains("a form that bot.toml does not name"), "{words}");
    assert!(words.contains("delete my account and all my data"), "{words}");
    assert!(!words.contains("View in browser"), "{words}");
    assert!(words.contains("Open it, or take it off the list"), "{words}");
    assert!(!words.contains(JANE) && !words.contains(VICTIM), "{words}");
}

/// What `explain` says of a mail: of each form, what keeps it from asking.
fn explained(name: &str, forms: &str) -> Vec<String> {
    let rules = RuleSet::shipped().unwrap();
    let config = Config::parse(Path::new("bot.toml"), &(settings() + forms)).unwrap();
    let mail = mail::parse(fixture(name).as_bytes(), &Bounds::default()).unwrap();
    let desk = config.desk();
    let auth = sender_auth(&mail.headers, desk.authserv_id.as_deref());
    let considered = form::explain(&mail, &desk, &rules, &auth);
    considered.iter().map(|one| format!("{}: {}", one.form, one.lacks.join("; "))).collect()
}

#[test]
fn explain_says_which_rule_nearly_fits_and_what_is_missing() {
    for (name, forms, expected) in [
        ("tally", OURS, "tally Privacy request: "),
        ("tally", "", "[[form]] rule = \"tally\", form = \"…\""),
        ("formspree-of-another-site", OURS, "its site is \"other.example/contact\""),
        ("formspree-forged", OURS, "has no aligned DMARC pass"),
        ("generic-message-in-front", OURS, "the address stands behind the message"),
        ("formspree-limit-notice", OURS, "neither subject nor text are those of an entry"),
        ("web3forms-html-in-the-name", OURS, "several fields hold different addresses"),
    ] {
        let said = explained(name, forms);
        assert!(said.iter().any(|one| one.contains(expected)), "{name}: {said:?}");
    }
}

#[tokio::test]
async fn an_operator_names_the_label_that_holds_the_address() {
    let two = fixture("generic").replace("Bericht", "Second email: b@example.net\nBericht");
    let forms = |label: &str| format!("{}address = \"{label}\"\n", for_deletion());
    for (label, asked) in [("E-mailadres", JANE), ("Second email", "b@example.net")] {
        let mut desk = Desk::with(|config| config + &forms(label)).await;
        desk.receives(&two).await;
        assert_eq!((desk.letters_to(asked).len(), desk.letters_out()), (1, 1), "{label}");
    }
    let mut desk = Desk::with(|config| config + &for_deletion()).await;
    desk.receives(&two).await;
    assert_eq!(desk.outcomes().await, ["for-staff: form-without-address"]);
}

#[test]
fn a_form_without_what_its_rule_needs_is_refused_with_the_key() {
    let rules = RuleSet::shipped().unwrap();
    let problem = |form: &str| {
        let text = settings() + "[[form]]\n" + form;
        let config = Config::parse(Path::new("bot.toml"), &text).map_err(|why| format!("{why:#}"));
        let forms = config?.forms;
        let found = forms.iter().find_map(|form| form.problem(&rules));
        Err::<(), String>(found.map(|(key, what)| format!("{key}: {what}")).unwrap_or_default())
    };
    for (form, expected) in [
        ("rule = \"formspree\"", "site: a form of rule \"formspree\" needs your site"),
        ("rule = \"wpforms\"\nsite = \"x.example\"", "from: a form of rule \"wpforms\" needs"),
        ("rule = \"tally\"", "form: a form of rule \"tally\" needs the name of your form"),
        ("rule = \"generic\"\nfrom = \"a@b.example\"", "subject: a form of rule \"generic\""),
        ("rule = \"typeform\"", "rule: there is no rules/forms/typeform.toml; there are contact"),
        ("rule = \"tally\"\nfrom = \"tally.so\"", "not a mail address"),
        ("rule = \"tally\"\npurpose = \"all\"", "unknown variant `all`"),
        ("rule = \"tally\"\nsite_name = \"x\"", "unknown field `site_name`"),
        ("rule = \"tally\"\nsubject = \"Privacy\"", ""),
    ] {
        let said = problem(form).unwrap_err();
        assert!(said.contains(expected) && said.is_empty() == expected.is_empty(), "{said}");
    }
}
