//! `demo`: the main job with nothing to set up. A Maildir in, a Maildir out, a database in a
//! temporary folder, the page on a free port of this machine; nothing leaves it.

mod mails;
mod page;
mod press;
mod teller;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use clap::Args;
use data_encoding::HEXLOWER;
use maildir::Maildir;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

use super::run::{Page, start, stop_signal};
use super::setup::Setup;
use crate::bot::timer::POLLED;
use crate::store::Store;
use teller::Teller;

/// Arguments of `demo`.
#[derive(Clone, Copy, Debug, Args)]
pub struct DemoArgs {
    /// Play one case to its end by itself, and exit
    #[arg(long)]
    once: bool,
}

/// Between two made-up mails.
const MAIL_EVERY: Duration = Duration::from_millis(700);
/// Longest time that one step of `--once` may take.
const STEP_MAX: Duration = Duration::from_secs(30);

/// Shows the whole job.
///
/// # Errors
/// When no temporary folder or port can be had, or a step of `--once` does not happen.
pub async fn demo(args: DemoArgs) -> Result<ExitCode> {
    let folder = Folder::make()?;
    let listener =
        TcpListener::bind("127.0.0.1:0").await.context("No free port on this machine")?;
    let url = format!("http://{}", listener.local_addr()?);
    let config = folder.0.join("bot.toml");
    fs::write(&config, settings(&url))?;
    let setup = Setup::read(&config)?;
    let (stop, stopped) = oneshot::channel::<()>();
    let page = Page { listener, more: page::router(&config, &folder.0) };
    let (rules, templates) = (setup.rules()?, setup.templates()?);
    let stopped = async { drop(stopped.await) };
    let desk = tokio::spawn(start(setup, rules, templates, Some(page), None, stopped));
    let story = async {
        let store = first_look(&config).await?;
        introduce(&url, &folder.0, args.once);
        let mut teller = Teller::new(store, folder.0.join("out"));
        if args.once {
            play(&config, &mut teller, &folder.0).await
        } else {
            keep_telling(&mut teller, &folder.0).await
        }
    };
    let told = tokio::select! {
        told = story => told,
        () = stop_signal()? => {
            println!("\nThe demo is over; its folder is removed.");
            Ok(())
        }
    };
    drop(stop);
    let ended = desk.await.context("The desk broke off")?;
    told.and(ended)?;
    Ok(ExitCode::SUCCESS)
}

/// A folder that goes when the demo goes.
struct Folder(PathBuf);

impl Folder {
    fn make() -> Result<Folder> {
        let mut random = [0; 6];
        getrandom::fill(&mut random)
            .map_err(|why| anyhow!("The system gives no random bytes: {why}"))?;
        let path =
            std::env::temp_dir().join(format!("deletion-desk-demo-{}", HEXLOWER.encode(&random)));
        fs::create_dir(&path)
            .with_context(|| format!("Cannot make the folder {}", path.display()))?;
        Ok(Folder(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn settings(url: &str) -> String {
    let listen = url.trim_start_matches("http://");
    format!(
        r#"mode = "live"
[identity]
organization = "Flexus"
address = "hello@flexus.example"
name = "Flexus Privacy"
privacy_policy = "https://flexus.example/privacy"
time_zone = "Europe/Berlin"
plus_addressing = true
[mailbox]
kind = "maildir"
path = "in"
poll = "1s"
[smtp]
kind = "maildir"
path = "out"
[database]
path = "demo.db"
key_file = "demo.key"
[web]
listen = "{listen}"
public_url = "{url}"
[policy]
law = "gdpr"
undo_minutes = 0
[staff]
digest = "0 8 * * *"
[[staff.members]]
address = "officer@flexus.example"
name = "Privacy officer"
[authentication]
authserv_id = "mx.flexus.example"
[[form]]
rule = "flexus"
from = "forms@flexus.example"
"#
    )
}

/// Waits until the desk has read the (empty) inbox once: what comes later is new.
async fn first_look(config: &Path) -> Result<Store> {
    let ready = async {
        loop {
            if let Ok(store) = Setup::read(config)?.open_store().await {
                if store.mark_at(POLLED).await?.is_some() {
                    return Ok(store);
                }
                store.close().await;
            }
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(STEP_MAX, ready).await.context("The desk does not start")?
}

fn introduce(url: &str, folder: &Path, once: bool) {
    println!(
        "deletion-desk demo: a privacy inbox with made-up mails. Nothing leaves this machine.\n"
    );
    println!("  Sent mails, the digest and buttons:  {url}/demo");
    println!("  The form on your website:            {url}/");
    println!("  All files, removed at the end:       {}", folder.display());
    println!("{}\n", if once { "" } else { "\nPress Ctrl-C to end." });
}

fn drop_in(folder: &Path, raw: &str) -> Result<String> {
    let raw = raw.replace('\n', "\r\n");
    Ok(Maildir::from(folder.join("in")).store_new(raw.as_bytes())?)
}

async fn keep_telling(teller: &mut Teller, folder: &Path) -> Result<()> {
    for mail in mails::MAILS {
        teller.came(drop_in(folder, mail.raw)?, mail.what);
        teller.tell_for(MAIL_EVERY).await?;
    }
    teller.tell_for(Duration::from_secs(2)).await?;
    println!("Now it is your turn: open a link above, choose who is asking, and confirm.\n");
    loop {
        teller.tell_for(Duration::from_secs(60)).await?;
    }
}

/// One case from its request to its end.
async fn play(config: &Path, teller: &mut Teller, folder: &Path) -> Result<()> {
    let request = mails::MAILS.first().context("The demo has no mails")?;
    teller.came(drop_in(folder, request.raw)?, request.what);
    let link = step(teller, "verification mail", |teller| teller.last_link()).await?;
    println!(
        "       (the demo opens the link, chooses \"my own account\", ticks the box and confirms)\n"
    );
    press::confirm(&link).await?;
    step(teller, "receipt", |teller| {
        teller.has_letter("Your data deletion request is confirmed").then_some(())
    })
    .await?;
    println!("       (the demo makes the digest come now)\n");
    page::digest_now(config).await?;
    step(teller, "digest", |teller| teller.has_letter("Deletion requests:").then_some(())).await?;
    println!("       (the demo completes the case, as `deletion-desk cases complete` does)\n");
    page::complete_first(config).await?;
    step(teller, "completion mail", |teller| {
        teller.has_letter("Your data deletion request is complete").then_some(())
    })
    .await?;
    println!("The case is closed. One request, from the inbox to its end.");
    Ok(())
}

/// Tells what happens until `done` finds what it waits for.
async fn step<T>(
    teller: &mut Teller,
    what: &str,
    done: impl Fn(&Teller) -> Option<T>,
) -> Result<T> {
    for _ in 0..STEP_MAX.as_millis() / 100 {
        teller.tell_for(Duration::from_millis(100)).await?;
        if let Some(found) = done(teller) {
            return Ok(found);
        }
    }
    bail!("The {what} did not come within {} seconds", STEP_MAX.as_secs())
}
