//! `explain`: what the bot would do with a mail, and why. No effect at all.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::Args;
use serde_json::{Value, json};

use super::setup::Setup;
use crate::classify::form::{self, Considered};
use crate::classify::rules::{ACTS_FROM, Evidence, Right, RuleSet, SUGGESTS_FROM};
use crate::classify::{Classification, Verdict, classify};
use crate::config::Mode;
use crate::mail::thread::token_candidates;
use crate::mail::{self, Author, EmailAddress, Mail};

/// Arguments of `explain`.
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// Mails as files, whole and with their header (.eml)
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Print JSON for machines
    #[arg(long)]
    json: bool,
}

/// Prints an explanation for each file.
///
/// # Errors
/// When the configuration is wrong or a file cannot be read.
pub fn explain(config: &Path, args: &ExplainArgs) -> Result<ExitCode> {
    let setup = Setup::read(config)?;
    let rules = setup.rules()?;
    let mut all = Vec::new();
    for file in &args.files {
        let raw = fs::read(file).with_context(|| format!("Cannot read {}", file.display()))?;
        let explained = explain_one(&setup, &rules, file, &raw);
        if args.json {
            all.push(explained);
        } else {
            print_one(&explained);
        }
    }
    if args.json {
        println!("{}", serde_json::to_string_pretty(&all)?);
    }
    Ok(ExitCode::SUCCESS)
}

fn explain_one(setup: &Setup, rules: &RuleSet, file: &Path, raw: &[u8]) -> Value {
    let desk = setup.config.desk();
    let mail = match mail::parse(raw, &setup.config.bounds()) {
        Ok(mail) => mail,
        Err(why) => {
            return json!({
                "file": file.display().to_string(), "verdict": "quarantined", "reason": why.to_string(),
                "does": "It would be left in the inbox and shown to staff.",
            });
        }
    };
    let answers_us = !token_candidates(&mail, &desk.address).is_empty();
    let classified = classify(&mail, None, &desk, rules);
    let (verdict, reason) = name(&classified.verdict);
    json!({
        "file": file.display().to_string(),
        "from": match &mail.author {
            Author::One(address) => address.as_str(),
            Author::Nobody => "(nobody)",
            Author::Several => "(several)",
        },
        "subject": mail.subject,
        "verdict": verdict,
        "reason": reason,
        "sure": classified.is_sure(),
        "language": classified.language,
        "asks_for_more": classified.also.map(Right::asked_for),
        "does": does(setup.config.mode, &classified, &mail, answers_us),
        "sender": classified.sender_auth.summary(),
        "report": mail.report.as_ref().map(|report| json!({
            "recognised_by": report.form.as_str(),
            "returned_message_id": report.returned_message_id,
            "recipients": report.recipients.iter().map(|one| json!({
                "address": one.address.as_ref().map(EmailAddress::as_str),
                "action": one.action.as_str(),
                "status": one.status,
            })).collect::<Vec<_>>(),
        })),
        "rules": classified.evidence.iter().map(|one| json!({
            "rule": one.rule, "weight": one.weight, "saw": one.saw,
        })).collect::<Vec<_>>(),
        "sums": sums(&classified.evidence),
        "forms": form::explain(&mail, &desk, rules, &classified.sender_auth)
            .iter()
            .map(told)
            .collect::<Vec<_>>(),
    })
}

fn told(considered: &Considered) -> Value {
    json!({
        "form": considered.form,
        "lacks": considered.lacks,
        "fields": considered.fields.iter().map(|(label, kind, value)| json!({
            "label": label, "kind": kind, "value": value,
        })).collect::<Vec<_>>(),
    })
}

/// The sum of each rule file, in the order in which they fired.
fn sums(evidence: &[Evidence]) -> Vec<(&str, i32)> {
    let mut sums: Vec<(&str, i32)> = Vec::new();
    for one in evidence {
        let file = one.rule.rsplit_once('/').map_or(one.rule.as_str(), |(file, _)| file);
        match sums.iter_mut().find(|(known, _)| *known == file) {
            Some((_, sum)) => *sum += one.weight,
            None => sums.push((file, one.weight)),
        }
    }
    sums
}

fn name(verdict: &Verdict) -> (&'static str, &'static str) {
    match verdict {
        Verdict::Request(_) => ("deletion-request", "asks for deletion"),
        Verdict::FormEntry(_) => ("form-notification", "an entry of a form of ours"),
        Verdict::Answer(_) => ("answer", "answers a letter of ours"),
        Verdict::Command => ("command", "answers a mail of ours to staff"),
        Verdict::Bounce => ("bounce", "a letter of ours cannot arrive"),
        Verdict::ForStaff(why) => ("for-staff", why.as_str()),
        Verdict::LeftAlone(why) => ("left-alone", why.as_str()),
    }
}

fn does(mode: Mode, classified: &Classification, mail: &Mail, answers_us: bool) -> String {
    let quiet = mode == Mode::Observe;
    let asks = |who: &str| match quiet {
        true => format!(
            "In observe mode it would be shown to staff; live, a case would open and {who} would be asked to confirm."
        ),
        false => format!("A case would open, and {who} would be asked to confirm."),
    };
    match &classified.verdict {
        Verdict::Request(answerable) => asks(answerable.address().as_str()),
        Verdict::FormEntry(entered) => asks(entered.as_str()),
        Verdict::ForStaff(_) => "It would be shown to staff; nobody would be answered.".to_owned(),
        Verdict::LeftAlone(_) if answers_us => {
            let does = if mail.report.is_some() { "report on" } else { "answer" };
            format!(
                "It seems to {does} a letter of ours; whether it does, only the running desk can tell."
            )
        }
        Verdict::LeftAlone(_) | Verdict::Answer(_) | Verdict::Command | Verdict::Bounce => {
            "It would be left alone.".to_owned()
        }
    }
}

fn print_one(explained: &Value) {
    let text = |key: &str| explained.get(key).and_then(Value::as_str).unwrap_or_default();
    println!("{}", text("file"));
    let is_doubtful = explained.get("sure").and_then(Value::as_bool) == Some(false);
    let doubt = if is_doubtful { " (in doubt: a person decides)" } else { "" };
    println!("  {}: {}{doubt}", text("verdict"), text("reason"));
    println!("  {}", text("does"));
    if explained.get("from").is_some() {
        println!("  From: {}   Subject: {}", text("from"), text("subject"));
        println!("  Sender's authentication: {}", text("sender"));
    }
    if !text("asks_for_more").is_empty() {
        println!("  It {}, too; staff would see that at the case.", text("asks_for_more"));
    }
    if let Some(report) = explained.get("report").filter(|report| report.is_object()) {
        print_report(report);
    }
    let rules = explained.get("rules").and_then(Value::as_array).cloned().unwrap_or_default();
    for rule in &rules {
        let part = |key: &str| rule.get(key).cloned().unwrap_or_default();
        let saw = part("saw");
        println!(
            "  {:>+4}  {}  saw \"{}\"",
            part("weight").as_i64().unwrap_or_default(),
            part("rule").as_str().unwrap_or_default(),
            saw.as_str().unwrap_or_default()
        );
    }
    let sums = explained.get("sums").and_then(Value::as_array).cloned().unwrap_or_default();
    for sum in sums.iter().filter(|_| rules.len() > 1) {
        let part = |at: usize| sum.get(at).cloned().unwrap_or_default();
        println!(
            "  {:>+4}  {} in all ({ACTS_FROM} and more: sure; {SUGGESTS_FROM} and more: in doubt)",
            part(1).as_i64().unwrap_or_default(),
            part(0).as_str().unwrap_or_default(),
        );
    }
    for form in explained.get("forms").and_then(Value::as_array).into_iter().flatten() {
        print_form(form);
    }
    println!();
}

fn print_report(report: &Value) {
    let of = |value: &Value, key: &str| {
        value.get(key).and_then(Value::as_str).unwrap_or("unknown").to_owned()
    };
    println!(
        "  A report, recognised by {}; the returned Message-ID is {}",
        of(report, "recognised_by"),
        of(report, "returned_message_id")
    );
    for one in report.get("recipients").and_then(Value::as_array).into_iter().flatten() {
        println!("    {} {}: {}", of(one, "action"), of(one, "status"), of(one, "address"));
    }
}

/// Characters of what was entered that are shown of one field.
const VALUE_CHARS_MAX: usize = 60;

fn print_form(form: &Value) {
    let text = |value: &Value, key: &str| {
        value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    println!("  Form {}", text(form, "form"));
    for field in form.get("fields").and_then(Value::as_array).into_iter().flatten() {
        let value = text(field, "value").replace('\n', " ⏎ ");
        let short: String = value.chars().take(VALUE_CHARS_MAX).collect();
        let more = if short.len() < value.len() { "…" } else { "" };
        println!("    {} ({}) = \"{short}{more}\"", text(field, "label"), text(field, "kind"));
    }
    for lack in form.get("lacks").and_then(Value::as_array).into_iter().flatten() {
        println!("    not taken: {}", lack.as_str().unwrap_or_default());
    }
}
