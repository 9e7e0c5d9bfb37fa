//! The command line: one file per command.

pub mod backup;
pub mod cases;
pub mod check;
pub mod demo;
pub mod digest;
pub mod evaluate;
pub mod explain;
pub mod journal;
pub mod letters;
pub mod login;
pub mod messages;
pub mod reload;
pub mod run;
pub mod setup;
pub mod staff;
pub mod stats;

use std::path::{Path, PathBuf};

use clap::{Args, Parser, Subcommand};

use crate::store::fault;
use setup::Setup;

/// Looks after a privacy inbox: recognises data deletion requests, proves who asks, keeps a
/// case for each, reminds staff every day, and tells the requester when it is done.
#[derive(Debug, Parser)]
#[command(
    name = "deletion-desk",
    version,
    after_help = "\
Begin here:
  deletion-desk demo         the whole job with nothing to set up
  deletion-desk check        tries bot.toml, the mailbox and the mail server, and says what to do
  deletion-desk run          looks after the inbox until it is stopped
A new bot.toml says mode = \"observe\": it answers nobody until you say so."
)]
pub struct CommandLine {
    /// The configuration file
    #[arg(long, global = true, default_value = "bot.toml", value_name = "FILE")]
    pub config: PathBuf,
    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

/// What the program can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show the whole job with made-up mails in a temporary folder; nothing leaves this machine
    Demo(demo::DemoArgs),
    /// Look after the inbox until stopped (Ctrl-C or SIGTERM)
    Run,
    /// Sign in at Google, Microsoft or another provider, where auth = "oauth2"; once, by hand
    Login,
    /// Try configuration, rules, templates, database, mailbox and mail server; one line each
    Check(check::CheckArgs),
    /// Say what the bot would do with mails in files, and why; changes and sends nothing
    Explain(explain::ExplainArgs),
    /// Try the rules on a folder of mails, or on the mailbox, beside what they are; no effects
    Evaluate(evaluate::EvaluateArgs),
    /// List, show, open, work on, complete and export cases
    #[command(subcommand)]
    Cases(cases::CasesCommand),
    /// List letters that wait, approve them (mode = "approve"), settle doubtful ones
    #[command(subcommand)]
    Letters(letters::LettersCommand),
    /// List mail that a person has to look at, and take it off the list
    #[command(subcommand)]
    Messages(messages::MessagesCommand),
    /// Print today's digest, or send it to staff now
    Digest(digest::DigestArgs),
    /// Check the journal, or a file of `cases export`
    #[command(subcommand)]
    Journal(journal::JournalCommand),
    /// Write a verified copy of the database into a file, while the desk runs
    Backup(backup::BackupArgs),
    /// Count requests by month, kind, role and outcome, and how long they took
    Stats(stats::StatsArgs),
    /// List staff, and make links and answers of a person void
    #[command(subcommand)]
    Staff(staff::StaffCommand),
}

/// For commands whose output a machine may read.
#[derive(Clone, Copy, Debug, Args)]
pub struct JsonArgs {
    /// Print JSON for machines
    #[arg(long)]
    pub json: bool,
}

/// The error of a command, with what to do about it where the database failed.
pub fn explained(why: anyhow::Error, config: &Path) -> anyhow::Error {
    match Setup::read(config) {
        Ok(setup) => fault::explained(why, &setup.database()),
        Err(_) => why,
    }
}
