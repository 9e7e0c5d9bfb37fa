//! `messages`: mail that a person has to look at.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Result, bail};
use chrono::DateTime;
use clap::Subcommand;
use serde_json::json;

use super::JsonArgs;
use super::setup::Setup;
use crate::clock::Clock;
use crate::digest::why_shown;

/// What can be done with messages.
#[derive(Debug, Subcommand)]
pub enum MessagesCommand {
    /// List mail that was shown to staff and is not taken up yet, with its number
    List(JsonArgs),
    /// Take a message off the list: it is no request
    Dismiss {
        /// Number of the message
        #[arg(value_name = "NUMBER")]
        number: i64,
    },
}

/// Lists or dismisses.
///
/// # Errors
/// Configuration and storage errors; a number that no listed message has.
pub async fn messages(config: &Path, command: MessagesCommand) -> Result<ExitCode> {
    let setup = Setup::read(config)?;
    let store = setup.open_store().await?;
    match command {
        MessagesCommand::List(args) => {
            let policy = setup.config.policy();
            let now = Clock::System.now();
            let lines = store.messages_for_people(DateTime::UNIX_EPOCH, now).await?;
            if args.json {
                let rows = lines.iter().map(|line| {
                    json!({
                        "number": line.id, "received_at": line.received_at, "reason": line.reason,
                        "outcome": line.outcome.map(|outcome| outcome.as_str()),
                        "reference": line.reference, "excerpt": line.excerpt,
                        "proposed": line.proposed.iter().map(|one| one.as_str()).collect::<Vec<_>>(),
                    })
                });
                println!("{}", serde_json::to_string_pretty(&rows.collect::<Vec<_>>())?);
            } else if lines.is_empty() {
                println!("No message waits for a person.");
            }
            for line in lines.iter().filter(|_| !args.json) {
                let day = line.received_at.format("%Y-%m-%d");
                println!("{:>6}  {day}  {}", line.id, why_shown(line, &policy));
                for address in &line.proposed {
                    println!("        proposes a case for {}", address.as_str());
                }
                if let Some(excerpt) = &line.excerpt {
                    println!("        {excerpt}");
                }
            }
        }
        MessagesCommand::Dismiss { number } => {
            let mut tx = store.begin().await?;
            if !tx
                .dismiss(
                    number,
                    "somebody on the host took a mail off the list",
                    Clock::System.now(),
                )
                .await?
            {
                bail!("Message {number} is not on the list; see `deletion-desk messages list`");
            }
            tx.commit().await?;
            println!("Message {number} is off the list.");
        }
    }
    store.close().await;
    Ok(ExitCode::SUCCESS)
}
