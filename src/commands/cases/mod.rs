//! `cases`: list, show, open, act, complete, export, and what a restore asks for.

mod acts;
mod export;
mod list;
mod restored;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use chrono::NaiveDate;
use clap::{Subcommand, ValueEnum};

use super::JsonArgs;
use super::setup::Setup;
use crate::case::{Outcome, Reference, Role};
use crate::classify::command::HELP;
use crate::clock::Clock;
use crate::config::Mode;
use crate::digest::history::reason_in_words;
pub use acts::{Request, Work, act, complete, open};
pub use export::{check_file, export};

/// What can be done with cases.
#[derive(Debug, Subcommand)]
pub enum CasesCommand {
    /// List open cases, the nearest date first
    List {
        /// Closed ones, too
        #[arg(long)]
        all: bool,
        /// Print JSON for machines
        #[arg(long)]
        json: bool,
    },
    /// Show a case: who asks, what is open, and its whole history
    Show {
        /// As in DEL-7K3M-Q2XA
        reference: String,
        /// How to print it
        #[command(flatten)]
        json: JsonArgs,
    },
    /// Open a case for a request that came another way, or that the bot only suggested; the
    /// address is then asked to confirm like any other
    Open {
        /// The address that the request is about
        #[arg(required_unless_present = "from_message")]
        address: Option<String>,
        /// Take addresses and date from a suggestion in the digest
        #[arg(long, value_name = "NUMBER", conflicts_with_all = ["address", "received_on"])]
        from_message: Option<i64>,
        /// The day the request reached you, from which the law counts (YYYY-MM-DD)
        #[arg(long, value_name = "DATE", required_unless_present = "from_message")]
        received_on: Option<NaiveDate>,
        /// Who opens it
        #[arg(long, value_name = "NAME")]
        by: String,
    },
    /// Confirm a request whose requester you identified another way
    Verify {
        /// As in DEL-7K3M-Q2XA
        reference: String,
        /// How, as in "called back on the number of the contract"
        #[arg(long, value_name = "TEXT")]
        how: String,
        /// Who is asking
        #[arg(long, value_enum)]
        role: Option<RoleArg>,
        /// Who identified them
        #[arg(long, value_name = "NAME")]
        by: String,
    },
    /// Do something with a case, in the words that also work by mail
    #[command(after_help = HELP)]
    Act {
        /// As in DEL-7K3M-Q2XA
        reference: String,
        /// What, as in "hold: litigation until 2027-01-31"
        #[arg(required = true)]
        words: Vec<String>,
        /// Who does it
        #[arg(long, value_name = "NAME")]
        by: String,
    },
    /// Close a case whose data is deleted, and tell the requester in 10 minutes
    Complete {
        /// As in DEL-7K3M-Q2XA
        reference: String,
        /// Who did the work
        #[arg(long, value_name = "NAME")]
        by: String,
        /// What it came to; "partly" needs --kept
        #[arg(long, value_enum, default_value_t = OutcomeArg::Deleted)]
        outcome: OutcomeArg,
        /// What is kept, on which ground (law, tax, security, litigation, opt-out,
        /// no-deletion-api) and perhaps until when: --kept "invoices: tax until 2036-12-31"; may
        /// be given several times. What is not named here counts as deleted
        #[arg(long, value_name = "WHAT: GROUND")]
        kept: Vec<String>,
    },
    /// Write everything about a case into one file that can be checked without the database
    Export {
        /// As in DEL-7K3M-Q2XA
        reference: String,
        /// The file; the screen without it
        #[arg(long, value_name = "FILE")]
        to: Option<PathBuf>,
    },
    /// After a restore of your systems: which of these addresses were deleted since the backup,
    /// and have to be deleted again
    Restored {
        /// The day of the backup (YYYY-MM-DD)
        #[arg(long, value_name = "DATE")]
        since: NaiveDate,
        /// Addresses that your restored systems hold; read line by line from the standard input
        /// without any
        addresses: Vec<String>,
    },
}

/// [`Outcome`] on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum OutcomeArg {
    /// All data in scope is deleted
    Deleted,
    /// All data in scope is deleted or de-identified
    DeIdentified,
    /// There was none
    NothingFound,
    /// Some is kept
    Partly,
}

impl From<OutcomeArg> for Outcome {
    fn from(outcome: OutcomeArg) -> Outcome {
        match outcome {
            OutcomeArg::Deleted => Outcome::Deleted,
            OutcomeArg::DeIdentified => Outcome::DeIdentified,
            OutcomeArg::NothingFound => Outcome::NothingFound,
            OutcomeArg::Partly => Outcome::Partly,
        }
    }
}

/// [`Role`] on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum RoleArg {
    /// For their own account
    OwnAccount,
    /// Owner or admin, for the whole workspace
    Workspace,
    /// For a connected business
    Business,
    /// A customer of a business
    Customer,
    /// They do not know
    NotSure,
}

impl From<RoleArg> for Role {
    fn from(role: RoleArg) -> Role {
        match role {
            RoleArg::OwnAccount => Role::OwnAccount,
            RoleArg::Workspace => Role::Workspace,
            RoleArg::Business => Role::Business,
            RoleArg::Customer => Role::Customer,
            RoleArg::NotSure => Role::NotSure,
        }
    }
}

/// Lists, shows, opens, acts, completes, exports.
///
/// # Errors
/// Configuration and storage errors; what the case does not allow.
pub async fn cases(config: &Path, command: CasesCommand) -> Result<ExitCode> {
    let setup = Setup::read(config)?;
    let store = setup.open_store().await?;
    let settings = setup.settings()?;
    let now = Clock::System.now();
    match command {
        CasesCommand::List { all, json } => list::list(&store, &settings, all, json, now).await?,
        CasesCommand::Show { reference, json } => {
            list::show(&store, &settings, &reference, json.json).await?;
        }
        CasesCommand::Open { address, from_message, received_on, by } => {
            let request = match (from_message, address, received_on) {
                (Some(number), _, _) => Request::OfMessage(number),
                (None, Some(address), Some(day)) => Request::OfAddress(address, day),
                _ => bail!("Give an address with --received-on, or --from-message"),
            };
            for (reference, reason) in open(&store, &settings, &request, &by, now).await? {
                println!("{reference}: {}", reason_in_words(reason.as_str()));
            }
        }
        CasesCommand::Verify { reference, how, role, by } => {
            let done = acts::verify(&store, &settings, &reference, &by, &how, role, now).await?;
            println!("{done}");
        }
        CasesCommand::Act { reference, words, by } => {
            let done = act(&store, &settings, &reference, &by, &words.join(" "), now).await?;
            println!("{done}; {}.", what_now(settings.mode));
        }
        CasesCommand::Complete { reference, by, outcome, kept } => {
            let work = Work { by: &by, outcome, kept: &kept };
            let reference = complete(&store, &settings, &reference, &work, now).await?;
            println!("{reference} is complete; {}.", what_now(settings.mode));
            println!(
                "To take it back within 10 minutes: deletion-desk cases act {reference} undo --by NAME"
            );
        }
        CasesCommand::Export { reference, to } => {
            export(&store, &settings, &reference, to.as_deref(), now).await?;
        }
        CasesCommand::Restored { since, addresses } => {
            restored::restored(&store, &settings, since, addresses).await?;
        }
    }
    store.close().await;
    Ok(ExitCode::SUCCESS)
}

fn reference(text: &str) -> Result<Reference> {
    Reference::parse(text)
        .with_context(|| format!("{text:?} is no reference; one looks like DEL-7K3M-Q2XA"))
}

/// What becomes of the letter that was just written.
fn what_now(mode: Mode) -> &'static str {
    match mode {
        Mode::Live => "the running desk tells whoever has to know",
        Mode::Approve => {
            "a letter to the requester waits for `deletion-desk letters approve --all`"
        }
        Mode::Observe => "the desk only observes, so its letters wait until the mode is changed",
    }
}
