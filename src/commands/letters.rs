//! `letters`: what waits on the desk, and letting it go.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::Subcommand;
use serde_json::json;

use super::JsonArgs;
use super::setup::Setup;
use crate::clock::Clock;
use crate::config::Mode;
use crate::store::Store;

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
    /// Send a letter again of which nobody knows whether it arrived
    Retry {
        /// Number of the letter
        #[arg(value_name = "NUMBER")]
        number: i64,
    },
    /// Put such a letter away: it arrived, or is not needed
    Drop {
        /// Number of the letter
        #[arg(value_name = "NUMBER")]
        number: i64,
    },
}

/// Lists or approves.
///
/// # Errors
/// Configuration and storage errors; a number that no waiting letter has.
pub async fn letters(config: &Path, command: LettersCommand) -> Result<ExitCode> {
    let setup = Setup::read(config)?;
    let store = setup.open_store().await?;
    match command {
        LettersCommand::Retry { number } => resolve(&store, number, true).await?,
        LettersCommand::Drop { number } => resolve(&store, number, false).await?,
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
                    Some("undo") => "can still be taken back",
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
                (_, count) if setup.config.mode == Mode::Observe => {
                    println!(
                        "{count} approved; the desk only observes, so they wait until the mode is changed."
                    );
                }
                (_, count) => {
                    println!("Approved: {count}. The running desk sends what is approved now.")
                }
            }
        }
    }
    store.close().await;
    Ok(ExitCode::SUCCESS)
}

async fn resolve(store: &Store, number: i64, again: bool) -> Result<()> {
    let mut tx = store.begin().await?;
    if !tx.resolve_uncertain(number, again, Clock::System.now()).await? {
        bail!("Letter {number} is none whose arrival is unknown; see `deletion-desk letters list`");
    }
    tx.commit().await?;
    println!("{}", if again { "The running desk sends it again now." } else { "It is put away." });
    Ok(())
}
