//! `journal verify`: is the record of what was decided whole?

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;
use clap::Subcommand;
use serde_json::json;

use super::JsonArgs;
use super::cases::check_file;
use super::setup::Setup;

/// What can be done with the journal.
#[derive(Debug, Subcommand)]
pub enum JournalCommand {
    /// Recompute the chain of hashes, and each case out of its entries
    Verify {
        /// Check a file of `cases export` in place of the database; needs no configuration
        #[arg(long, value_name = "FILE")]
        file: Option<PathBuf>,
        /// How to print it
        #[command(flatten)]
        json: JsonArgs,
    },
}

/// Verifies.
///
/// # Errors
/// Configuration and storage errors.
pub async fn journal(config: &Path, command: JournalCommand) -> Result<ExitCode> {
    let JournalCommand::Verify { file, json: args } = command;
    if let Some(file) = file {
        println!("{}", check_file(&file)?);
        return Ok(ExitCode::SUCCESS);
    }
    let store = Setup::read(config)?.open_store().await?;
    let verified = store.verify_journal().await?;
    store.close().await;
    let whole = verified.problems.is_empty();
    if args.json {
        let value = json!({
            "whole": whole, "entries": verified.entries, "head": verified.head, "problems": verified.problems,
        });
        println!("{}", serde_json::to_string_pretty(&value)?);
    } else if whole {
        println!(
            "The journal is whole: {} entries, the newest is {}.",
            verified.entries, verified.head
        );
        println!("Compare its first 32 characters with those in the digests that staff have.");
    } else {
        for problem in &verified.problems {
            println!("{problem}");
        }
        eprintln!("deletion-desk: The journal is not whole: {} problems", verified.problems.len());
    }
    Ok(if whole { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
