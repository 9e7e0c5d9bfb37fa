//! `letters`: what waits on the desk, and letting it go.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::Subcommand;
use serde_json::json;

use super::JsonArgs;
use super::setup::Setup;

/// What can be done with letters.
#[derive(Debug, Subcommand)]
pub enum LettersCommand {
    /// List letters that are not submitted yet
    List(JsonArgs),
    /// Let a letter go that waits for approval, by its number in the list, or all of them
    Approve {
        /// Number of the letter
        #[arg(value_name = "NUMBER", required_unless_present = "all")]
        number: Option<i64>,
        /// All letters that wait
        #[arg(long, conflicts_with = "number")]
        all: bool,
    },
}

/// Lists or approves.
///
/// # Errors
/// Configuration and storage errors; a number that no waiting letter has.
pub async fn letters(config: &Path, command: LettersCommand) -> Result<ExitCode> {
    let store = Setup::read(config)?.open_store().await?;
    match command {
        LettersCommand::List(args) => {
            let lines = store.letters_not_done().await?;
            if args.json {
                let rows: Vec<_> = lines.iter().map(|line| json!({
                    "number": line.id, "kind": line.kind, "reference": line.reference, "status": line.status,
                    "hold": line.hold, "attempts": line.attempts, "note": line.note,
                })).collect();
                println!("{}", serde_json::to_string_pretty(&rows)?);
            } else if lines.is_empty() {
                println!("No letter waits.");
            }
            for line in lines.iter().filter(|_| !args.json) {
                let hold = match line.hold.as_deref() {
                    Some("approval") => "waits for approval",
                    Some("budget") => "waits for the daily budget",
                    _ => line.status.as_str(),
                };
                let to =
                    line.recipient.as_ref().map(|to| to.as_str().to_owned()).unwrap_or_default();
                println!(
                    "{:>6}  {:<14}  {:<22}  {hold}  {to}",
                    line.id,
                    line.reference.as_deref().unwrap_or("staff"),
                    line.kind
                );
            }
        }
        LettersCommand::Approve { number, .. } => {
            let mut tx = store.begin().await?;
            let approved = tx.approve_letters(number).await?;
            tx.commit().await?;
            match (number, approved) {
                (Some(number), 0) => {
                    bail!("No letter {number} waits for approval; see `deletion-desk letters list`")
                }
                (_, 0) => println!("No letter waits for approval."),
                (_, count) => println!("{count} approved; the running desk sends them now."),
            }
        }
    }
    store.close().await;
    Ok(ExitCode::SUCCESS)
}
