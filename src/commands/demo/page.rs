//! A plain local page with the sent mails as a reader sees them, and the buttons of the demo.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use axum::Router;
use axum::extract::{Form, Path as UrlPath, State};
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use maildir::Maildir;
use minijinja::{Environment, context};
use serde::Deserialize;

use crate::bot::digest::write_digest;
use crate::case::State as CaseState;
use crate::clock::Clock;
use crate::commands::cases::{OutcomeArg, Work, complete};
use crate::commands::setup::Setup;
use crate::mail::parse::html_part;
use crate::mail::{self, Bounds};
use crate::web::Failure;

const PAGE: &str = include_str!("demo.html");

/// A mail that left the desk.
pub(super) struct Sent {
    pub(super) to: String,
    pub(super) subject: String,
    pub(super) link: Option<String>,
    html: String,
}

#[derive(Clone)]
struct Demo {
    config: PathBuf,
    out: PathBuf,
}

/// The routes below `/demo`.
pub(super) fn router(config: &Path, folder: &Path) -> Router {
    let demo = Demo { config: config.to_owned(), out: folder.join("out") };
    Router::new()
        .route("/demo", get(show))
        .route("/demo/mail/{number}", get(show_mail))
        .route("/demo/digest", post(make_digest))
        .route("/demo/complete", post(make_complete))
        .with_state(demo)
}

/// What is in the Maildir, oldest first.
pub(super) fn sent(out: &Path) -> Vec<Sent> {
    let maildir = Maildir::from(out.to_owned());
    let mut files: Vec<(std::time::SystemTime, PathBuf)> = maildir
        .list_new()
        .flatten()
        .filter_map(|entry| {
            Some((fs::metadata(entry.path()).ok()?.modified().ok()?, entry.path().clone()))
        })
        .collect();
    files.sort();
    files.iter().filter_map(|(_, path)| read(&fs::read(path).ok()?)).collect()
}

fn read(raw: &[u8]) -> Option<Sent> {
    let mail = mail::parse(raw, &Bounds::default()).ok()?;
    let text = format!("{}{}", mail.body.own, mail.body.quoted);
    let link = text
        .split_whitespace()
        .find(|word| word.starts_with("http://127.0.0.1") && word.contains("/c/"));
    Some(Sent {
        to: mail.recipients.first()?.as_str().to_owned(),
        subject: mail.subject.clone(),
        link: link.map(str::to_owned),
        html: html_part(raw).unwrap_or_default(),
    })
}

/// Makes the digest come now.
pub(super) async fn digest_now(config: &Path) -> Result<()> {
    let setup = Setup::read(config)?;
    let store = setup.open_store().await?;
    let now = Clock::System.now();
    write_digest(&store, &setup.settings()?, now, now).await?;
    store.close().await;
    Ok(())
}

/// Completes the first case that is in progress.
pub(super) async fn complete_first(config: &Path) -> Result<()> {
    let store = Setup::read(config)?.open_store().await?;
    let cases = store.cases(true).await?;
    store.close().await;
    let open = cases.iter().find(|stored| stored.case.state == CaseState::InProgress);
    let reference = open.context("No case is confirmed")?.case.reference.to_string();
    complete_case(config, &reference).await
}

async fn complete_case(config: &Path, reference: &str) -> Result<()> {
    let setup = Setup::read(config)?;
    let store = setup.open_store().await?;
    let work = Work { by: "the demo", outcome: OutcomeArg::Deleted, kept: &[] };
    complete(&store, &setup.settings()?, reference, &work, Clock::System.now()).await?;
    store.close().await;
    Ok(())
}

async fn show(State(demo): State<Demo>) -> Result<Html<String>, Failure> {
    let store = Setup::read(&demo.config)?.open_store().await?;
    let cases = store.cases(true).await?;
    store.close().await;
    let references: Vec<String> = cases
        .iter()
        .filter(|stored| stored.case.state == CaseState::InProgress)
        .map(|stored| stored.case.reference.to_string())
        .collect();
    let letters: Vec<_> = sent(&demo.out)
        .into_iter()
        .enumerate()
        .map(|(number, letter)| context! { number, to => letter.to, subject => letter.subject })
        .rev()
        .collect();
    let mut environment = Environment::new();
    environment.add_template("demo.html", PAGE)?;
    Ok(Html(environment.get_template("demo.html")?.render(context! { letters, references })?))
}

/// The HTML part alone; its links open in the whole window.
async fn show_mail(State(demo): State<Demo>, UrlPath(number): UrlPath<usize>) -> Response {
    match sent(&demo.out).into_iter().nth(number) {
        Some(letter) => {
            let html = letter.html.replacen("<head>", "<head><base target=\"_top\">", 1);
            ([(header::CACHE_CONTROL, "no-store")], Html(html)).into_response()
        }
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn make_digest(State(demo): State<Demo>) -> Result<Redirect, Failure> {
    digest_now(&demo.config).await?;
    look_again().await
}

#[derive(Deserialize)]
struct Chosen {
    reference: String,
}

async fn make_complete(
    State(demo): State<Demo>,
    Form(chosen): Form<Chosen>,
) -> Result<Redirect, Failure> {
    complete_case(&demo.config, &chosen.reference).await?;
    look_again().await
}

/// The desk needs a second to send what was written.
async fn look_again() -> Result<Redirect, Failure> {
    tokio::time::sleep(std::time::Duration::from_millis(1500)).await;
    Ok(Redirect::to("/demo"))
}
