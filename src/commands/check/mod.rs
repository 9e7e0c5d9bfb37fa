//! `check`: tries everything that `run` needs, one line each, with what to do.

mod probe;
mod provider;
mod senders;
mod servers;
mod sign_in;
mod verdicts;

use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use serde::Serialize;

use super::setup::Setup;
use crate::case::work::StaffRole;
use crate::classify::form::{FormSetting, Purpose};
use crate::classify::rules::RuleSet;
use crate::config::{Config, Listen, Mode};
use crate::store::fault::explained;
use crate::store::{Access, Care, Store};

/// How one thing stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    /// It works.
    Ok,
    /// It works, and there is something to know.
    Note,
    /// It does not.
    Fail,
}

/// What is tried.
#[derive(Clone, Copy, Debug, Args)]
pub struct CheckArgs {
    /// Mail the desk itself, and look where that arrives and what mail servers say of it
    #[arg(long)]
    pub probe: bool,
    /// Print JSON for machines
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Serialize)]
struct Line {
    verdict: Verdict,
    what: &'static str,
    says: String,
}

/// Prints the lines; the exit status says whether all is well.
///
/// # Errors
/// Never for what is wrong: that is in the lines.
pub async fn check(file: &Path, args: CheckArgs) -> Result<ExitCode> {
    let mut lines = Vec::new();
    match Setup::read(file) {
        Err(why) => lines.push(line(Verdict::Fail, "settings", format!("{why:#}"))),
        Ok(setup) => try_all(&setup, args.probe, &mut lines).await,
    }
    if args.json {
        println!("{}", serde_json::to_string_pretty(&lines)?);
    } else {
        for line in &lines {
            let verdict = match line.verdict {
                Verdict::Ok => "ok  ",
                Verdict::Note => "note",
                Verdict::Fail => "FAIL",
            };
            println!(
                "{verdict}  {:<9} {}",
                line.what,
                line.says.replace('\n', "\n                ")
            );
        }
    }
    let fails = lines.iter().any(|line| line.verdict == Verdict::Fail);
    Ok(if fails { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn line(verdict: Verdict, what: &'static str, says: impl Into<String>) -> Line {
    Line { verdict, what, says: says.into() }
}

async fn try_all(setup: &Setup, with_probe: bool, lines: &mut Vec<Line>) {
    let config = &setup.config;
    lines.push(line(
        Verdict::Ok,
        "settings",
        format!("{} is read, the mode is {}", config.file.display(), config.mode.as_str()),
    ));
    match setup.rules() {
        Ok(rules) => {
            let says = format!("{} rules keep their own examples", rules.len());
            lines.push(line(Verdict::Ok, "rules", says));
            lines.extend(forms(config, &rules));
        }
        Err(why) => lines.push(line(Verdict::Fail, "rules", format!("{why:#}"))),
    }
    lines.push(match setup.templates() {
        Ok(_) => {
            let says = "every letter and page was tried with every variable";
            line(Verdict::Ok, "templates", says)
        }
        Err(why) => line(Verdict::Fail, "templates", format!("{why:#}")),
    });
    lines.push(database(setup).await);
    lines.push(match setup.settings() {
        Ok(settings) => match settings.accounts.count() {
            Some(count) => line(Verdict::Ok, "accounts", format!("the list holds {count} addresses")),
            None => line(
                Verdict::Note,
                "accounts",
                "no list is set (accounts.csv): staff check by hand whether somebody owns a workspace",
            ),
        },
        Err(why) => line(Verdict::Fail, "accounts", format!("{why:#}")),
    });
    lines.extend(notes(config));
    match config.check_files() {
        Err(why) => lines.push(line(Verdict::Fail, "settings", format!("{why:#}"))),
        Ok(()) => {
            lines.extend(sign_in(setup).await);
            servers::try_servers(setup, with_probe, lines).await;
        }
    }
}

/// Which forms are read, and what an entry of each is taken for.
fn forms(config: &Config, rules: &RuleSet) -> Option<Line> {
    let told = |form: &FormSetting| {
        let rule = rules.form(&form.rule)?;
        let means = match form.purpose.unwrap_or(rule.purpose) {
            Purpose::Deletion => "each entry is a deletion request",
            Purpose::Contact => "an entry counts where its message asks for deletion",
        };
        let from = form.from.as_ref().map(|from| format!(" from {}", from.as_str()));
        Some(format!("{}{}: {means}", form.title(), from.unwrap_or_default()))
    };
    let all: Vec<String> = config.forms.iter().filter_map(told).collect();
    (!all.is_empty()).then(|| line(Verdict::Ok, "forms", all.join("\n")))
}

async fn database(setup: &Setup) -> Line {
    let path = setup.database();
    if !path.exists() {
        let folder =
            path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        return if folder.is_dir() {
            line(
                Verdict::Ok,
                "database",
                format!("{} is not there yet; `run` makes it and its key", path.display()),
            )
        } else {
            line(
                Verdict::Fail,
                "database",
                format!(
                    "the folder {} is missing; make it, readable by the desk only",
                    folder.display()
                ),
            )
        };
    }
    let opened = match setup.key(false) {
        Ok(key) => Store::open(&path, key, Access::Command).await,
        Err(why) => Err(why),
    };
    match opened {
        Ok(store) => {
            let whole = store.check_whole(Care::Thorough).await;
            let open = match whole {
                Ok(()) => store.cases(true).await.map(|cases| cases.len()),
                Err(why) => Err(why),
            };
            store.close().await;
            match open {
                Ok(open) => line(
                    Verdict::Ok,
                    "database",
                    format!("{} is whole and holds {open} open cases", path.display()),
                ),
                Err(why) => line(Verdict::Fail, "database", format!("{:#}", explained(why, &path))),
            }
        }
        Err(why) => line(Verdict::Fail, "database", format!("{:#}", explained(why, &path))),
    }
}

/// What works otherwise than somebody might expect.
fn notes(config: &Config) -> Vec<Line> {
    let mut notes = Vec::new();
    let mut note = |what, says: &str| notes.push(line(Verdict::Note, what, says));
    match config.mode {
        Mode::Observe => note(
            "mode",
            "observe: requests are recorded and shown to staff, nobody is answered; set mode = \"approve\" or \"live\" when you trust it",
        ),
        Mode::Approve => {
            note("mode", "approve: each letter waits for `deletion-desk letters approve --all`")
        }
        Mode::Live => {}
    }
    match (config.web.listen, &config.web.public_url) {
        (Listen::Off, _) => note(
            "page",
            "off: requesters confirm by answering the mail; letters have no link, and there is no form",
        ),
        (Listen::On(_), Some(url))
            if url.starts_with("http://")
                && !url.contains("127.0.0.1")
                && !url.contains("localhost") =>
        {
            note(
                "page",
                "public_url has no https: the links in letters can be read on the way; put a TLS proxy before the page",
            );
        }
        (Listen::On(_), Some(url))
            if provider::is_other_site(url, config.identity.address.domain()) =>
        {
            note(
                "page",
                "public_url is on another domain than identity.address: people distrust such a link, and spam filters do; give the page a name below the address's domain",
            )
        }
        (Listen::On(_), _) => {}
    }
    if !config.identity.plus_addressing {
        note(
            "answers",
            "plus_addressing is off: an answer is recognised by the mail it answers (In-Reply-To); a bounce, by the copy it returns",
        );
    }
    if config.authentication.authserv_id.is_none() {
        note(
            "senders",
            "authentication.authserv_id is not set: no sender counts as authenticated, and form notifications that need it go to staff",
        );
    }
    if !config.staff.members.iter().any(|member| member.role == StaffRole::Deputy) {
        note(
            "staff",
            "there is no deputy: nobody else hears when the officer is away; add a [[staff.members]] with role = \"deputy\"",
        );
    }
    if config.forms.is_empty() {
        note("forms", "no [[form]] is set: notifications of forms ask nobody");
    }
    notes
}

/// How signing in at the provider stands, where that is done.
async fn sign_in(setup: &Setup) -> Option<Line> {
    if !setup.config.uses_oauth2() {
        return None;
    }
    Some(match sign_in::says(setup).await {
        Ok(says) => line(Verdict::Ok, "sign-in", says),
        Err(why) => line(Verdict::Fail, "sign-in", format!("{why:#}")),
    })
}
