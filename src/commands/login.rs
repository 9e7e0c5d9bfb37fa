//! `login`: signs in at the provider of the mailbox, once, and keeps that for `run`.

use std::path::Path;
use std::process::ExitCode;
use std::thread;

use anyhow::{Result, bail};
use tokio::sync::oneshot;

use super::setup::Setup;
use crate::config::MailboxSection;
use crate::mailbox::Mailbox;
use crate::oauth::browser::Visit;
use crate::oauth::{Flow, OAuthSettings, TokenSource, device};

/// Signs in and tries the mailbox and the mail server with it.
///
/// # Errors
/// Configuration, what the provider says, and servers that do not take the token.
pub async fn login(config: &Path) -> Result<ExitCode> {
    let setup = Setup::read(config)?;
    if !setup.config.uses_oauth2() {
        bail!(
            "{}: neither mailbox.auth nor smtp.auth is \"oauth2\": there is nothing to sign in to",
            config.display()
        );
    }
    setup.config.check_files()?;
    let tokens = setup.tokens()?;
    let settings = tokens.settings();
    match settings.flow {
        Flow::Device => by_device(&tokens).await?,
        Flow::Browser => by_browser(&tokens).await?,
        Flow::ClientCredentials => {
            tokens.token().await?;
            println!("{} gives a token; nobody has to sign in.", settings.provider.name());
        }
    }
    if settings.flow != Flow::ClientCredentials {
        println!(
            "Signed in. {} keeps that, readable by this user only.",
            settings.token_file.name()
        );
    }
    try_servers(&setup).await
}

async fn by_device(tokens: &TokenSource) -> Result<()> {
    let settings = tokens.settings();
    let code = device::code(settings).await?;
    println!(
        "Open this address in a browser, on any device:\n\n    {}\n\nand enter this code within {} \
         minutes:\n\n    {}\n\n{}\nWaiting…",
        code.address,
        code.lives.as_secs() / 60,
        code.user,
        whom(settings)
    );
    let grant = device::wait(settings, &code).await?;
    Ok(tokens.signed_in(grant).await?)
}

async fn by_browser(tokens: &TokenSource) -> Result<()> {
    let settings = tokens.settings();
    let visit = Visit::prepare(settings).await?;
    println!(
        "Open this address in a browser:\n\n{}\n\n{}\nIf the browser runs on another machine, it \
         ends at a page that cannot be opened:\nthen copy the address of that page, paste it here \
         and press Enter.\nWaiting…",
        visit.address,
        whom(settings)
    );
    let not_ours = || println!("That address is not of this sign-in; waiting for the browser…");
    let grant = visit.wait(settings, pasted_line(), not_ours).await?;
    Ok(tokens.signed_in(grant).await?)
}

fn whom(settings: &OAuthSettings) -> String {
    format!(
        "Sign in as {}, or as somebody who has full access to that mailbox, and agree.",
        settings.mailbox
    )
}

/// The next line that is typed. On a thread of its own, which need not end with us.
async fn pasted_line() -> String {
    let (typed, line) = oneshot::channel();
    thread::spawn(move || {
        let mut text = String::new();
        // Without a terminal there is nothing, and the browser is waited for.
        if std::io::stdin().read_line(&mut text).is_ok_and(|read| read > 0) {
            let _ = typed.send(text);
        }
    });
    match line.await {
        Ok(text) => text,
        Err(_) => std::future::pending().await,
    }
}

async fn try_servers(setup: &Setup) -> Result<ExitCode> {
    let mut works = true;
    let mut tell = |what: &str, tried: Result<()>| match tried {
        Ok(()) => println!("{what} takes the sign-in."),
        Err(why) => {
            works = false;
            println!("{what}: {why:#}");
        }
    };
    if let MailboxSection::Imap(_) = &setup.config.mailbox {
        let tried = match setup.mailbox()? {
            Mailbox::Imap(mut imap) => imap.try_login().await.map(|_| ()),
            _ => Ok(()),
        };
        tell("The mailbox", tried);
    }
    let (submitter, _) = setup.submitter()?;
    tell("The mail server", submitter.try_login().await);
    if works {
        println!("`deletion-desk run` can start; one that runs already goes on by itself.");
    }
    Ok(if works { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
