//! `staff`: who may act by page and mail, and making their tokens void.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::Subcommand;

use super::setup::Setup;
use crate::bot::staff::revoked_mark;
use crate::clock::Clock;

/// What can be done with the tokens of staff.
#[derive(Debug, Subcommand)]
pub enum StaffCommand {
    /// List members of staff, and since when their older links are void
    List,
    /// Make all links and answers void that were mailed to a person until now, for example when
    /// a mailbox was open to others
    Revoke {
        /// The person's address, as bot.toml has it
        address: String,
    },
}

/// Lists or revokes.
///
/// # Errors
/// Configuration and storage errors; an address that nobody of the staff has.
pub async fn staff(config: &Path, command: StaffCommand) -> Result<ExitCode> {
    let setup = Setup::read(config)?;
    let store = setup.open_store().await?;
    let members = &setup.config.staff.members;
    match command {
        StaffCommand::List => {
            for member in members {
                let revoked = store.mark_at(&revoked_mark(store.key(), &member.address)).await?;
                let since = revoked.map_or(String::new(), |at| {
                    format!("  links before {} UTC are void", at.format("%Y-%m-%d %H:%M"))
                });
                println!(
                    "{:<8}  {:<24}  {}{since}",
                    member.role.as_str(),
                    member.name,
                    member.address.as_str()
                );
            }
        }
        StaffCommand::Revoke { address } => {
            let member = members
                .iter()
                .find(|member| member.address.as_str().eq_ignore_ascii_case(address.trim()))
                .with_context(|| format!("{address:?} is no member of staff; see `staff list`"))?;
            let mut tx = store.begin().await?;
            let now = Clock::System.now();
            tx.set_mark_at(&revoked_mark(store.key(), &member.address), now).await?;
            tx.commit().await?;
            println!(
                "All links and answers mailed to {} until now are void. New mails bring new ones.",
                member.name
            );
        }
    }
    store.close().await;
    Ok(ExitCode::SUCCESS)
}
