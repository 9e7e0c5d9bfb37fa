//! One value for each variable, and each variant that a template may branch on: every template
//! is tried with them before the first one is used.

use minijinja::value::Serde;
use minijinja::{Value, context};
use serde_json::json;

use crate::case::act::{ProofWant, RefusalGround, Sentence};
use crate::case::{LetterKind, Outcome, Role};

/// Pages for requesters, and behind them those for staff.
pub(super) const PAGES: &[&str] = &[
    "confirm",
    "done",
    "form",
    "form-sent",
    "notice",
    "staff-case",
    "staff-message",
    "staff-notice",
    "staff-sure",
];

/// Values for a letter.
pub(super) fn letter(kind: LetterKind) -> Vec<Value> {
    let base = |link: Option<&str>| {
        context! {
            organization => "Example", desk => "hello@example.org", link => link,
            privacy_policy => Value::from_safe_string("https://example.org/privacy".into()),
            reference => "DEL-2345-6789", received_on => "1 June 2026", law_due_on => "1 July 2026",
            confirmed_on => "1 June 2026", due_on => "1 July 2026", closed_on => "2 June 2026",
            expires_on => "8 June 2026", backups_on => "2 July 2026", fulfil_days => 30, verification_days => 7, redirect_days => 7,
            role => if link.is_some() { "own-account" } else { "" }, role_choices => choices(),
            links => context! {}, undo_minutes => 10,
        }
    };
    let bases = [base(None), base(Some("https://example.org/c/x"))];
    let with = |base: Value| {
        extras(kind).into_iter().map(move |extra| context! { ..extra, ..base.clone() })
    };
    bases.into_iter().flat_map(with).collect()
}

fn choices() -> Value {
    let choice = |role: &Role| json!({ "name": role.as_str(), "label": role.describe() });
    Value::from(Serde(Role::ALL.iter().map(choice).collect::<Vec<_>>()))
}

fn extras(kind: LetterKind) -> Vec<Value> {
    match kind {
        LetterKind::Completion => {
            Outcome::ALL.iter().flat_map(|outcome| completion(*outcome)).collect()
        }
        LetterKind::ProofRequest => {
            let wants = ProofWant::ALL.iter().map(|want| want.as_str()).chain([""]);
            wants.map(|want| context! { want, wants => "We could not read it." }).collect()
        }
        LetterKind::Refusal => RefusalGround::ALL
            .iter()
            .map(|ground| context! { ground => ground.as_str(), why => "w", words => "in words" })
            .collect(),
        LetterKind::StaffMessage => {
            Sentence::ALL.iter().map(|one| context! { sentence => one.as_str() }).collect()
        }
        LetterKind::ExtensionNotice => vec![context! { why => "the request is complex" }],
        LetterKind::Digest => vec![digest(false), digest(true)],
        LetterKind::Alarm => vec![context! { subject => "s", what => "w", remedy => "r" }],
        LetterKind::CaseConfirmed | LetterKind::Escalation => {
            let brief = |news: &str| context! { news, case => case_line(), card => card(), commands => true };
            [
                "address-confirmed",
                "proof-asked",
                "proof-received",
                "hold-ended",
                "sent-to-business",
                "escalated-to-lead",
            ]
            .map(brief)
            .to_vec()
        }
        LetterKind::ActDone => [true, false]
            .map(|undo| context! { undo, did => "completed", case => case_line(), text => "help" })
            .to_vec(),
        LetterKind::ActRefused => vec![context! { why => "w", said => "done", remedy => "r" }],
        LetterKind::VerificationRequest
        | LetterKind::VerificationReminder
        | LetterKind::RequestConfirmed
        | LetterKind::NotOurs
        | LetterKind::WithdrawalConfirmed => vec![context! {}],
    }
}

fn completion(outcome: Outcome) -> Vec<Value> {
    let one = vec![context! { what => "invoices", why => "tax law", until => "1 July 2036" }];
    let more = vec![context! { what => "invoices", why => "tax law", until => "" }];
    [one, more, Vec::new()].map(|kept| context! { outcome => outcome.as_str(), kept }).to_vec()
}

fn card() -> Value {
    Value::from(Serde(json!([{ "what": "Address", "text": "j…e@example.org" }])))
}

fn case_line() -> Value {
    context! {
        reference => "DEL-2345-6789", who => "j…e@example.org", card => "says: own account",
        date => "1 July 2026", which => "promised", days => "5 days left", alarm => true, bar => "25/30",
        other => "the law's date is 3 July 2026", next => "delete", note => "n", state => "in progress",
    }
}

fn digest(full: bool) -> Value {
    let line = context! {
        id => "m7", received_on => "1 June 2026", who => "j…e@example.org", excerpt => "…",
        why => "possible-request", note => "n", reference => "DEL-2345-6789", command => "cases show",
    };
    let lines = || if full { vec![line.clone()] } else { Vec::new() };
    let cases = || if full { vec![case_line()] } else { Vec::new() };
    context! {
        subject => "0 due", today => "Monday", mode => "live", overdue => cases(),
        due_soon => cases(), confirmed => cases(), waiting => cases(), in_progress => cases(),
        redirecting => cases(), on_hold => cases(), awaiting_proof => cases(), returned => cases(),
        for_staff => lines(), quarantined => lines(), acts => lines(), letters => lines(),
        budgets => lines(), poll => "now", poll_late => full, slowed => slowed(full), closed => lines(), left_alone => 3,
        chain_head => "abc", more => 0, already_handled => 0, commands => full,
        instead_of => if full { "Ada" } else { "" },
    }
}

fn slowed(full: bool) -> Vec<Value> {
    let line = context! { server => "mail server", at => "now", waiting => "2 letters wait." };
    if full { vec![line] } else { Vec::new() }
}

/// Values for a page.
pub(super) fn page(page: &str) -> Vec<Value> {
    let base = context! {
        organization => "Example", desk => "hello@example.org", title => "t", style => "/style.css",
        privacy_policy => "https://example.org/privacy", fulfil_days => 30, redirect_days => 7,
        verification_days => 7, language => "en", role_choices => choices(),
        languages => vec![context! { code => "en", name => "English" }, context! { code => "de", name => "Deutsch" }],
    };
    let extras = match page {
        "confirm" | "done" => states(),
        "form" => vec![context! { problem => "p", entered => "e" }],
        "notice" | "staff-notice" => vec![context! { heading => "h", text => "t", back => "/s/x" }],
        "staff-case" => staff_case(),
        "staff-message" => vec![staff_message()],
        "staff-sure" => vec![staff_sure()],
        _ => vec![context! {}],
    };
    extras.into_iter().map(|extra| context! { ..extra, ..base.clone() }).collect()
}

fn states() -> Vec<Value> {
    const STATES: [&str; 11] = [
        "awaiting",
        "awaiting-proof",
        "in-progress",
        "on-hold",
        "redirecting",
        "completed",
        "refused",
        "redirected",
        "withdrawn",
        "expired",
        "undeliverable",
    ];
    let value = |state: &'static str| {
        context! {
            state, problem => "p", pressed => "disown", masked => "j…e@example.org", chosen => "",
            role => "own account", reference => "r", received_on => "1 June", confirmed_on => "1 June",
            due_on => "1 July", closed_on => "2 July", action => "/c/x", just_done => true, ticked => false,
        }
    };
    STATES.into_iter().map(value).collect()
}

fn staff_case() -> Vec<Value> {
    let choice = || context! { name => "law", label => "a law" };
    let item = || context! { item => "profile", label => "Profile", ticked => "1 June by Ada", hold => "until 1 July: law" };
    let open = context! { item => "media", label => "Media", ticked => "", hold => "" };
    let value = |can: &'static str| {
        context! {
            case => case_line(), address => "jane@example.org", card => card(), action => "/s/x/y", who => "Ada",
            can => vec![can], items => vec![item(), open.clone()], history => vec![context! { at => "1 June", what => "w" }],
            files => vec![context! { at => "1 June", name => "a.pdf", type => "application/pdf", bytes => 3, sha256 => "ab" }],
            grounds => vec![choice()], hold_grounds => vec![choice()], refusals => vec![choice()], extensions => vec![choice()],
            wants => vec![choice()], sentences => vec![choice()], roles => vec![choice()], role => "own-account",
            tomorrow => "2026-06-02", look_again_on => "2026-07-02", problem => "p", done => "d", state => "in progress",
            undo_until => "14:10", today => "2026-06-01",
        }
    };
    const CAN: [&str; 14] = [
        "verify",
        "set-role",
        "approve",
        "ask-again",
        "hold",
        "release",
        "extend",
        "refuse",
        "complete",
        "tick",
        "note",
        "write",
        "undo",
        "seen",
    ];
    CAN.into_iter().map(value).collect()
}

fn staff_message() -> Value {
    context! {
        action => "/s/m1/y", who => "Ada", why => "may be a request", excerpt => "e", received_on => "1 June",
        addresses => vec!["jane@example.org"], problem => "p", done => "d",
    }
}

fn staff_sure() -> Value {
    context! {
        action => "/s/x/y", reference => "r", who => "Ada", did => "complete it", consequence => "c",
        fields => vec![context! { name => "act", value => "complete" }],
    }
}
