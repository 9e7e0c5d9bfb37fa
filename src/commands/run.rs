//! `run`: looks after the inbox until it is stopped.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, Result, anyhow};
use axum::Router;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tracing::info;

use super::setup::{Setup, lock};
use crate::bot::tasks::{self, Poll, WAKES_WAITING_MAX};
use crate::bot::{Bot, ping};
use crate::classify::rules::RuleSet;
use crate::clock::Clock;
use crate::compose::Templates;
use crate::config::Listen;
use crate::wake::Wake;
use crate::web::{self, Web};

/// Runs until SIGTERM or SIGINT.
///
/// # Errors
/// Before anything is read or sent: whatever is wrong with the configuration. Later: storage.
pub async fn run(config: &Path) -> Result<ExitCode> {
    let setup = Setup::read(config)?;
    // Before a port is opened or a file is made.
    let (rules, templates) = (setup.rules()?, setup.templates()?);
    setup.config.check_files()?;
    let listener = match setup.config.web.listen {
        Listen::Off => None,
        Listen::On(address) => {
            let listener = TcpListener::bind(address).await;
            Some(listener.with_context(|| {
                format!("Cannot listen on {address} (web.listen in {})", config.display())
            })?)
        }
    };
    let stop = stop_signal()?;
    let page = listener.map(|listener| Page { listener, more: Router::new() });
    start(setup, rules, templates, page, stop).await?;
    Ok(ExitCode::SUCCESS)
}

/// Where the page is served, and what is served beside it.
#[derive(Debug)]
pub struct Page {
    /// An open port.
    pub listener: TcpListener,
    /// Further routes.
    pub more: Router,
}

/// Starts everything and waits for its end.
///
/// # Errors
/// As [`run`].
pub async fn start(
    setup: Setup,
    rules: RuleSet,
    templates: Templates,
    page: Option<Page>,
    stop: impl Future<Output = ()> + Send + 'static,
) -> Result<()> {
    let settings = setup.settings()?;
    let database = setup.database();
    let _lock = lock(&database)?;
    let key = setup.key(true)?;
    let mailbox = setup.mailbox()?;
    let (submitter, lines) = setup.submitter()?;
    let ping = setup.ping()?;
    let clock = Clock::System;
    let started_at = clock.now();
    let shared = Arc::new(settings.clone());
    let pages = Arc::new(templates.clone());
    let mode = settings.mode;
    let bot = Bot::open(settings, rules, templates, &database, key, clock.clone()).await?;
    let (wakes, woken) = mpsc::channel(WAKES_WAITING_MAX);
    let poll = Poll {
        every: setup.config.poll(),
        message_bytes_max: setup.config.bounds().message_bytes_max,
    };
    let mut tasks = tasks::start(mailbox, (&submitter, lines), poll, &wakes, &bot.stopping());
    if let Some((https, url)) = ping {
        tasks.spawn(ping::after_polls(https, url, bot.polled()));
    }
    let (stop_page, page_stops) = oneshot::channel::<()>();
    if let Some(page) = page {
        let web = Web {
            store: bot.store().clone(),
            templates: pages,
            settings: shared,
            proxies: setup.config.web.trusted_proxies.clone().into(),
            visits: web::Seen::default(),
            wakes: wakes.clone(),
            clock,
            started_at,
        };
        let ended = async move { drop(page_stops.await) };
        tasks.spawn(async move {
            if let Err(why) =
                web::serve(page.listener, web::router(web).merge(page.more), ended).await
            {
                tracing::error!(why = %format!("{why:#}"), "the page has stopped");
            }
        });
    }
    info!(mode = mode.as_str(), "started");
    tokio::spawn(async move {
        stop.await;
        drop(wakes.send(Wake::Stop).await);
    });
    let ended = tokio::select! {
        ended = bot.run(woken) => ended,
        why = first_panic(&mut tasks) => Err(why),
    };
    drop(stop_page);
    tasks.shutdown().await;
    ended
}

/// Waits for a task that breaks off. A desk that reads no more, or sends no more, must not
/// look as if it did.
async fn first_panic(tasks: &mut JoinSet<()>) -> anyhow::Error {
    loop {
        match tasks.join_next().await {
            Some(Err(why)) if why.is_panic() => return anyhow!("A task broke off: {why}"),
            Some(_) => {}
            None => std::future::pending().await,
        }
    }
}

/// Ends with SIGTERM or SIGINT.
///
/// # Errors
/// When the system gives no signals.
pub fn stop_signal() -> Result<impl Future<Output = ()> + Send + 'static> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        info!("stopping");
    })
}
