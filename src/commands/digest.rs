//! `digest`: today's digest, on the screen or to staff.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use minijinja::value::Serde;
use minijinja::{Value, context};

use super::setup::Setup;
use crate::bot::digest::{digest_letter, write_digest};
use crate::case::work::StaffRole;
use crate::clock::Clock;
use crate::compose::markdown;
use crate::store::commit::members_for;

/// Arguments of `digest`.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct DigestArgs {
    /// Print it
    #[arg(long)]
    print: bool,
    /// Mail it to staff now; the running desk sends it
    #[arg(long)]
    send: bool,
}

/// Prints or sends.
///
/// # Errors
/// Configuration and storage errors.
pub async fn digest(config: &Path, args: &DigestArgs) -> Result<ExitCode> {
    let setup = Setup::read(config)?;
    let store = setup.open_store().await?;
    let settings = setup.settings()?;
    let now = Clock::System.now();
    if args.send {
        write_digest(&store, &settings, now, now).await?;
        println!(
            "The digest goes to {} now, if the desk is running.",
            people(members_for(&settings.members, StaffRole::Officer).len())
        );
    } else {
        let letter = digest_letter(&store, &settings, "", now).await?;
        let values =
            context! { ..Value::from(Serde(&letter.values)), ..context! { links => context! {} } };
        let rendered = setup.templates()?.letter("en", letter.kind, &values)?;
        println!("{}\n\n{}", rendered.subject, markdown::to_text(&rendered.body));
    }
    store.close().await;
    Ok(ExitCode::SUCCESS)
}

fn people(count: usize) -> String {
    if count == 1 { "1 member of staff".to_owned() } else { format!("{count} members of staff") }
}
