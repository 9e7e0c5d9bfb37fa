//! Our letters that come back: `tests/mails/bounce/`, one mail for each way that servers have
//! of saying it. A place-holder stands for what the report knows of our letter.

use std::fs;
use std::path::PathBuf;

use data_encoding::BASE64;
use deletion_desk::mail::bounce::Action;
use deletion_desk::mail::{Bounds, EmailAddress, parse};
use deletion_desk::store::cases::StoredCase;

use crate::harness::{Desk, JANE, Letter, OFFICER, answer, crlf, mail};

pub(crate) fn bounce(letter: &Letter, action: &str, to: &str) -> String {
    format!(
        "Return-Path: <>\nFrom: MAILER-DAEMON@mx.example.org\nTo: {to}\nSubject: Undelivered Mail\n\
         Auto-Submitted: auto-replied\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\n\n\
         --b\n\nI am sorry. Yes.\n\n--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mx.example.org\n\n\
         Final-Recipient: rfc822; jane@example.org\nAction: {action}\nStatus: 5.1.1\n\n--b\nContent-Type: message/rfc822\n\n\
         {}\n\n--b--\n",
        letter.raw.replace("\r\n", "\n")
    )
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/mails/bounce")
}

/// The names of all fixtures, in order.
fn fixtures() -> Vec<String> {
    let files = fs::read_dir(folder()).unwrap();
    let name = |path: PathBuf| path.file_stem().unwrap().to_string_lossy().into_owned();
    let mut names: Vec<String> = files.map(|file| name(file.unwrap().path())).collect();
    names.sort();
    names
}

/// A fixture about a letter to Jane.
fn fixture(name: &str, letter: &Letter) -> String {
    fixture_about(name, JANE, letter)
}

/// A fixture about a letter to that address.
fn fixture_about(name: &str, address: &str, letter: &Letter) -> String {
    let raw = fs::read_to_string(folder().join(format!("{name}.eml"))).unwrap();
    let whole = letter.raw.replace("\r\n", "\n");
    let (header, _) = whole.split_once("\n\n").unwrap();
    let filled = raw
        .replace(JANE, address)
        .replace("{{return-path}}", &letter.return_path)
        .replace("{{message-id}}", &letter.message_id)
        .replace("{{MESSAGE-ID}}", &letter.message_id.to_uppercase())
        .replace("{{header}}", header)
        .replace("{{letter}}", &whole);
    let filled = encode(&filled, "{{base64\n", |text| {
        let encoded = BASE64.encode(text.as_bytes());
        encoded.as_bytes().chunks(76).map(|line| format!("{}\n", line.escape_ascii())).collect()
    });
    let filled = encode(&filled, "{{quoted-printable\n", |text| {
        let line = |line: &str| {
            let chars: Vec<char> = line.chars().collect();
            let pieces: Vec<String> =
                chars.chunks(30).map(|part| String::from_iter(part).replace('=', "=3D")).collect();
            format!("{}\n", pieces.join("=\n"))
        };
        text.lines().map(line).collect()
    });
    assert!(!filled.contains("{{"), "{name}: {filled}");
    filled
}

/// Replaces what stands between `begin` and a line of two braces by its encoded form.
fn encode(text: &str, begin: &str, encoded: impl Fn(&str) -> String) -> String {
    let mut parts = text.split(begin);
    let mut out = parts.next().unwrap().to_owned();
    for part in parts {
        let (inside, rest) = part.split_once("\n}}\n").unwrap();
        out.push_str(&encoded(inside));
        out.push_str(rest);
    }
    out
}

const AWAITING: &str = "awaiting-verification";

/// What a fixture says by its name: the state of the case after it, and its outcome.
fn expected(name: &str) -> (&'static str, &'static str) {
    match name {
        "no-bounce-but-relayed" => (AWAITING, "left-alone: delivery-report"),
        "no-bounce-but-a-holiday" => (AWAITING, "left-alone: null-return-path"),
        "no-bounce-but-a-complaint" => (AWAITING, "left-alone: feedback-report"),
        "no-bounce-but-a-receipt" => (AWAITING, "left-alone: read-receipt"),
        "no-bounce-but-passed-on-by-a-person" => (AWAITING, "for-staff: later-mail"),
        "no-bounce-but-bait" => (AWAITING, "left-alone: company-talk"),
        "no-bounce-but-a-newsletter" => (AWAITING, "left-alone: mailing-list"),
        "unclear-report" => (AWAITING, "for-staff: unclear-report"),
        _ if name.starts_with("unproven-") => (AWAITING, "for-staff: possible-bounce"),
        _ if name.starts_with("delayed-") => (AWAITING, "delayed: letter-delayed"),
        _ => ("closed (undeliverable)", "bounced: verification-undeliverable"),
    }
}

/// A letter that nobody sent.
fn some_letter() -> Letter {
    const ID: &str = "<abcdefgh234567abcdefgh234567abcdef@flexus.example>";
    Letter {
        subject: "Please confirm".into(),
        text: String::new(),
        message_id: ID.into(),
        reply_to: String::new(),
        return_path: "hello+ijklmnop234567abcdefgh234567abcdef@flexus.example".into(),
        raw: format!("From: hello@flexus.example\nTo: {JANE}\nMessage-ID:\n {ID}\n\nPress.\n"),
    }
}

#[test]
fn a_report_says_how_it_was_recognised_and_what_it_says_of_whom() {
    let letter = some_letter();
    let read = |name: &str| {
        let raw = crlf(&fixture(name, &letter));
        parse(raw.as_bytes(), &Bounds::default()).unwrap().report.unwrap()
    };
    let ours = letter.message_id.trim_matches(['<', '>']);
    for (name, form, status, returns) in [
        ("rfc3464-whole-mail", "delivery-status", "5.1.1", true),
        ("rfc3464-parts-in-base64", "delivery-status", "5.1.1", true),
        ("rfc3464-action-missing", "delivery-status", "5.2.1", true),
        ("rfc3464-fields-as-text", "delivery-status-in-text", "5.1.1", true),
        ("rfc3464-boundary-missing", "delivery-status-in-text", "5.1.1", true),
        ("exim", "x-failed-recipients", "", true),
        ("gmail-without-report", "x-failed-recipients", "5.1.1", true),
        ("amazon-notification", "notification", "5.1.1", false),
        ("qmail", "words-of-a-mail-server", "5.0.0", true),
        ("japanese-in-base64", "words-of-a-mail-server", "5.4.1", true),
        ("mobile-carrier-that-returns-nothing", "words-of-a-mail-server", "", false),
    ] {
        let report = read(name);
        assert_eq!(report.form.as_str(), form, "{name}");
        let [one] = report.recipients.as_slice() else { panic!("{name}: {report:?}") };
        let address = one.address.as_ref().map(EmailAddress::as_str);
        assert_eq!(
            (address, one.action, one.status.as_str()),
            (Some(JANE), Action::Failed, status),
            "{name}"
        );
        assert_eq!(report.returned_message_id.as_deref() == Some(ours), returns, "{name}");
        assert!(!format!("{report:?}").contains("jane"), "{report:?}");
    }
}

/// Somebody of that name asks, and gets a letter.
async fn asks(desk: &mut Desk, name: &str) -> (String, Letter) {
    let address = format!("{name}@example.org");
    desk.receives(&mail(&address, "Data Deletion Request", "please")).await;
    let letter = desk.last_letter_to(&address);
    (address, letter)
}

/// How the case of an address stands, as `state (resolution)`.
async fn state_of(desk: &Desk, address: &str) -> String {
    let cases = desk.cases().await;
    let is_theirs = |case: &&StoredCase| {
        case.subject.as_ref().is_some_and(|subject| subject.as_str() == address)
    };
    let state = cases.iter().find(is_theirs).unwrap().case.state;
    match state.resolution() {
        Some(resolution) => format!("closed ({})", resolution.as_str()),
        None => state.as_str().to_owned(),
    }
}

#[tokio::test]
async fn every_way_of_saying_it_is_understood() {
    let mut desk = Desk::live().await;
    let mut bounces = 0;
    for name in fixtures() {
        let (address, letter) = asks(&mut desk, &name).await;
        desk.receives(&fixture_about(&name, &address, &letter)).await;
        let found = (state_of(&desk, &address).await, desk.outcomes().await.pop().unwrap());
        let (state, outcome) = expected(&name);
        assert_eq!(found, (state.to_owned(), outcome.to_owned()), "{name}");
        assert_eq!(desk.letters_to(&address).len(), 1, "{name} is not answered");
        bounces += usize::from(outcome.starts_with("bounced"));
    }
    assert!(bounces > 30);
}

/// Without plus-addressing there is one return path for all: then the returned Message-ID has
/// to do, and where nothing is returned, staff see whom it is about.
#[tokio::test]
async fn without_plus_addressing_a_bounce_is_tied_by_what_it_returns() {
    let plain =
        |config: String| config.replace("plus_addressing = true", "plus_addressing = false");
    let mut desk = Desk::with(plain).await;
    let mut tied = 0;
    for name in fixtures() {
        let (address, letter) = asks(&mut desk, &name).await;
        assert_eq!(letter.return_path, "hello@flexus.example");
        desk.receives(&fixture_about(&name, &address, &letter)).await;
        let (state, outcome) =
            (state_of(&desk, &address).await, desk.outcomes().await.pop().unwrap());
        if !expected(&name).1.starts_with("bounced") {
            assert_eq!(state, AWAITING, "{name}");
        } else if outcome.starts_with("bounced") {
            assert_eq!(state, "closed (undeliverable)", "{name}");
            tied += 1;
        } else {
            assert_eq!(
                (state.as_str(), outcome.as_str()),
                (AWAITING, "for-staff: possible-bounce"),
                "{name}"
            );
        }
    }
    assert!(tied > 25);
}

/// Each of them, also that which a person passes on, made to quote everything that a yes could be tied by, and to say yes.
#[tokio::test]
async fn a_bounce_that_quotes_a_live_token_and_says_yes_confirms_nothing() {
    let mut desk = Desk::live().await;
    for name in fixtures() {
        let (address, letter) = asks(&mut desk, &name).await;
        let raw = fixture_about(&name, &address, &letter);
        let (header, body) = raw.split_once("\n\n").unwrap();
        let header: Vec<&str> = header.lines().filter(|line| !line.starts_with("To:")).collect();
        let body = body.replacen("\n\n", "\n\nYes\n\n", 1);
        let yes = format!(
            "{}\nTo: {}\nReferences: {}\n\nYes\n\n{body}",
            header.join("\n"),
            letter.answer_address(),
            letter.message_id
        );
        desk.receives(&yes).await;
        let state = state_of(&desk, &address).await;
        assert!([AWAITING, "closed (undeliverable)"].contains(&state.as_str()), "{name}: {state}");
    }
}

/// Whatever it calls itself: a person answers to Reply-To.
#[tokio::test]
async fn what_comes_to_the_return_path_is_no_answer() {
    let (mut desk, letter) = Desk::asked().await;
    assert_ne!(letter.return_path, letter.answer_address());
    let answer = answer(JANE, &letter, "Yes");
    desk.receives(&answer.replace(&letter.answer_address(), &letter.return_path)).await;
    assert_eq!(desk.state().await, AWAITING);
    assert_eq!(desk.outcomes().await.last().unwrap(), "for-staff: answer-to-return-path");
    desk.receives(&answer).await;
    assert_eq!(desk.state().await, "in-progress");
}

#[tokio::test]
async fn each_letter_has_a_return_path_of_its_own() {
    let mut desk = Desk::live().await;
    for person in ["jane@example.org", "john@example.org"] {
        desk.receives(&mail(person, "Data Deletion Request", "please")).await;
    }
    let paths =
        ["jane@example.org", "john@example.org"].map(|to| desk.last_letter_to(to).return_path);
    assert_ne!(paths[0], paths[1]);
    for path in paths {
        let (local, domain) = path.split_once('@').unwrap();
        assert_eq!(domain, "flexus.example");
        assert_eq!(local.strip_prefix("hello+").unwrap().len(), 34, "{path}");
    }
}

/// Anybody can write such a mail: it ends nothing, and staff see the case.
#[tokio::test]
async fn a_forged_bounce_ends_no_case_but_staff_see_it() {
    let (mut desk, letter) = Desk::asked().await;
    let reference = desk.the_case().await.case.reference.to_string();
    desk.receives(&fixture("unproven-exim", &letter)).await;
    assert_eq!(desk.state().await, AWAITING);
    desk.days_pass(1).await;
    let digest = desk.last_letter_to(OFFICER).words();
    assert!(digest.contains("cannot arrive; nothing in it proves that"), "{digest}");
    assert!(digest.contains(&reference), "{digest}");
    // Nor when the letter is long gone, or it fits two cases.
    desk.days_pass(8).await;
    desk.receives(&fixture("unproven-exim", &letter)).await;
    assert_eq!(desk.outcomes().await.last().unwrap(), "left-alone: delivery-report");
}

#[tokio::test]
async fn a_bounce_that_fits_two_cases_is_tied_to_none() {
    let mut desk = Desk::live().await;
    for person in ["jane@example.org", "john@example.org"] {
        desk.receives(&mail(person, "Data Deletion Request", "please")).await;
    }
    let letter = desk.last_letter_to(JANE);
    let both = fixture("unproven-exim", &letter)
        .replace("X-Failed-Recipients: ", "X-Failed-Recipients: john@example.org, ");
    desk.receives(&both).await;
    assert_eq!(desk.outcomes().await.last().unwrap(), "left-alone: delivery-report");
}

#[tokio::test]
async fn a_delay_is_noted_on_its_case_and_changes_nothing() {
    let (mut desk, letter) = Desk::asked().await;
    desk.receives(&bounce(&letter, "delayed", &letter.return_path)).await;
    assert_eq!(desk.state().await, AWAITING);
    desk.days_pass(1).await;
    let reference = desk.the_case().await.case.reference.to_string();
    let digest = desk.last_letter_to(OFFICER);
    let page = desk.opens(&digest.staff_link(&reference)).await.body;
    assert!(page.contains("a letter has not arrived yet; it is still being tried"), "{page}");
}

#[tokio::test]
async fn a_bounced_receipt_is_shown_to_staff_and_the_work_goes_on() {
    let (mut desk, letter) = Desk::asked().await;
    desk.confirms(&letter.link(), "own-account").await;
    let receipt = desk.last_letter_to(JANE);
    desk.receives(&bounce(&receipt, "failed", &receipt.return_path)).await;
    assert_eq!(desk.state().await, "in-progress");
    desk.days_pass(1).await;
    let digest = desk.last_letter_to(OFFICER);
    assert!(
        digest.words().contains("request-confirmed came back as undeliverable"),
        "{}",
        digest.text
    );
}

/// Nobody is asked again: neither by the reminder nor by a second letter.
#[tokio::test]
async fn after_a_bounce_nobody_is_mailed_again() {
    let (mut desk, letter) = Desk::asked().await;
    desk.receives(&bounce(&letter, "failed", &letter.return_path)).await;
    assert_eq!(desk.state().await, "closed (undeliverable)");
    desk.days_pass(10).await;
    assert_eq!(desk.letters_out(), 1);
    let told =
        desk.letters_to(OFFICER).iter().any(|digest| digest.words().contains("undeliverable"));
    assert!(told, "staff see it");
}
