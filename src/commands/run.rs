//! `run`: looks after the inbox until it is stopped.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use axum::Router;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tracing::{error, info, warn};

use super::reload::Reload;
use super::setup::{Setup, lock};
use crate::bot::tasks::{self, Poll, WAKES_WAITING_MAX};
use crate::bot::{Bot, ping};
use crate::classify::rules::RuleSet;
use crate::clock::Clock;
use crate::compose::Templates;
use crate::config::Listen;
use crate::systemd::Systemd;
use crate::wake::Wake;
use crate::web::{self, PageTemplates, Web};

/// Whatever is still going on so long after a stop is left to the next start, which takes it up
/// as after a power cut.
const STOP_MAX: Duration = Duration::from_millis(4_700);
/// The same for tasks that are told to leave.
const TASKS_STOP_MAX: Duration = Duration::from_millis(200);

/// Runs until SIGTERM or SIGINT.
///
/// # Errors
/// Before anything is read or sent: whatever is wrong with the configuration. Later: storage.
pub async fn run(config: &Path) -> Result<ExitCode> {
    let setup = Setup::read(config)?;
    let reload = Reload::new(&setup)?;
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
    start(setup, rules, templates, page, Some(reload), stop).await?;
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
    reload: Option<Reload>,
    stop: impl Future<Output = ()> + Send + 'static,
) -> Result<()> {
    let settings = setup.settings()?;
    let database = setup.database();
    let _lock = lock(&database)?;
    let key = setup.key(true)?;
    let mailbox = setup.mailbox()?;
    let beside = setup.side_folders()?;
    let (submitter, lines) = setup.submitter()?;
    let ping = setup.ping()?;
    let clock = Clock::System;
    let started_at = clock.now();
    let shared = Arc::new(settings.clone());
    let pages = PageTemplates::from(templates.clone());
    let mode = settings.mode;
    let systemd = Systemd::from_env();
    let mut stop = Box::pin(stop);
    let opened = Bot::open(settings, rules, templates, &database, key, clock.clone());
    let bot = tokio::select! {
        bot = opened => bot?.reporting_to(systemd.clone()),
        // Another process may hold the database for long.
        () = &mut stop => {
            info!("stopped before it had started");
            return Ok(());
        }
    };
    let (wakes, woken) = mpsc::channel(WAKES_WAITING_MAX);
    let poll = Poll {
        every: setup.config.poll(),
        message_bytes_max: setup.config.bounds().message_bytes_max,
    };
    let mut tasks =
        tasks::start(mailbox, beside, (&submitter, lines), poll, &wakes, &bot.stopping());
    if let Some((https, url)) = ping {
        tasks.spawn(ping::after_polls(https, url, bot.polled()));
    }
    let (stop_page, page_stops) = oneshot::channel::<()>();
    if let Some(page) = page {
        let web = Web {
            store: bot.store().clone(),
            templates: pages.clone(),
            settings: shared,
            proxies: setup.config.web.trusted_proxies.clone().into(),
            visits: web::Seen::default(),
            wakes: wakes.clone(),
            watch: bot.watch().clone(),
            clock,
            started_at,
        };
        tasks.spawn(serve(page, web, page_stops));
    }
    if let Some(reload) = reload {
        tasks.spawn(reload.serve(pages, wakes.clone(), systemd.clone()));
    }
    info!(mode = mode.as_str(), "started");
    systemd.ready();
    let (told, stops) = oneshot::channel();
    tokio::spawn(async move {
        stop.await;
        systemd.stopping();
        let _ = told.send(());
        drop(wakes.send(Wake::Stop).await);
    });
    let ended = works(bot.run(woken), &mut tasks, stops).await;
    drop(stop_page);
    // A folder on a disk that is away would hold them up.
    let _ = tokio::time::timeout(TASKS_STOP_MAX, tasks.shutdown()).await;
    ended
}

/// Ends with the loop, with the first task that breaks off, or when a stop has taken too long.
async fn works(
    run: impl Future<Output = Result<()>> + Send + 'static,
    tasks: &mut JoinSet<()>,
    stops: oneshot::Receiver<()>,
) -> Result<()> {
    // Apart, so that whatever breaks off in it ends with words.
    let mut bot = tokio::spawn(run);
    let ended = tokio::select! {
        ended = &mut bot => ended.unwrap_or_else(|_| Err(anyhow!("The desk broke off"))),
        why = first_panic(tasks) => Err(why),
        () = overdue(stops) => {
            warn!("something is still going on; the next start takes it up");
            Ok(())
        }
    };
    bot.abort();
    ended
}

async fn serve(page: Page, web: Web, stops: oneshot::Receiver<()>) {
    let ended = async move { drop(stops.await) };
    let served = web::serve(page.listener, web::router(web).merge(page.more), ended);
    if let Err(why) = served.await {
        error!(why = %format!("{why:#}"), "the page has stopped");
    }
}

/// Ends when a stop has taken too long.
async fn overdue(stops: oneshot::Receiver<()>) {
    match stops.await {
        Ok(()) => tokio::time::sleep(STOP_MAX).await,
        Err(_) => std::future::pending().await,
    }
}

/// Waits for a task that breaks off. A desk that reads no more, or sends no more, must not
/// look as if it did.
async fn first_panic(tasks: &mut JoinSet<()>) -> anyhow::Error {
    loop {
        match tasks.join_next().await {
            Some(Err(why)) if why.is_panic() => return anyhow!("A task broke off"),
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
