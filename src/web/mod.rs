//! EDGE: the form and the confirm page. GET shows and reads only; POST acts.

mod pages;
mod protect;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use axum::Router;
use axum::extract::{Form, Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::get;
use chrono::{DateTime, Duration as Span, Utc};
use serde::Deserialize;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tower_http::limit::RequestBodyLimitLayer;
use tower_http::timeout::TimeoutLayer;

use crate::bot::page::{PageAct, PageAnswer, is_for_requester_page};
use crate::bot::timer::{POLLED, PROGRESS};
use crate::case::verification::Purpose;
use crate::case::{LetterKind, Role, State as CaseState};
use crate::clock::Clock;
use crate::compose::{Identity, Templates};
use crate::mail::EmailAddress;
use crate::store::Store;
use crate::store::cases::StoredCase;
use crate::wake::Wake;

/// Octets of a form that somebody sends.
const FORM_BYTES_MAX: usize = 16 * 1024;
/// A request that takes longer is given up.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// Minutes without a good poll after which `/healthz` fails.
const POLL_AGE_MINUTES_MAX: i64 = 15;

/// What the pages need.
#[derive(Clone, Debug)]
pub struct Web {
    /// Read only.
    pub store: Store,
    /// The pages.
    pub templates: Arc<Templates>,
    /// Whose they are.
    pub identity: Arc<Identity>,
    /// Whom to wake with what was pressed.
    pub wakes: mpsc::Sender<Wake>,
    /// For the age of links.
    pub clock: Clock,
    /// Since when the process runs.
    pub started_at: DateTime<Utc>,
}

/// The routes.
pub fn router(web: Web) -> Router {
    Router::new()
        .route("/", get(show_form).post(take_form))
        .route("/sent", get(show_sent))
        .route("/c/{token}", get(show_case).post(act_on_case))
        .route("/style.css", get(pages::style))
        .route("/healthz", get(health))
        .fallback(not_found)
        .with_state(web)
        .layer(axum::middleware::map_response(protect::headers))
        .layer(axum::middleware::from_fn(protect::refuse_foreign_posts))
        .layer(RequestBodyLimitLayer::new(FORM_BYTES_MAX))
        .layer(TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, REQUEST_TIMEOUT))
}

/// Serves until `stop` ends.
///
/// # Errors
/// When the listener fails.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    stop: impl Future<Output = ()> + Send + 'static,
) -> Result<()> {
    axum::serve(listener, router)
        .with_graceful_shutdown(stop)
        .await
        .context("The page cannot be served")
}

/// An answer, or a page that says that something went wrong here.
type Answer = Result<Response, Failure>;

/// What went wrong on our side: in the log, and in plain words on the page.
pub(crate) struct Failure(anyhow::Error);

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(why: E) -> Failure {
        Failure(why.into())
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        tracing::error!(why = %format!("{:#}", self.0), "a page failed");
        (
            StatusCode::INTERNAL_SERVER_ERROR,
            "Something went wrong on our side. Please try again later.",
        )
            .into_response()
    }
}

#[derive(Deserialize)]
struct Entry {
    #[serde(default)]
    email: String,
}

async fn show_form(State(web): State<Web>) -> Answer {
    Ok(web.page("form", pages::form(None, ""))?.into_response())
}

async fn take_form(State(web): State<Web>, Form(entry): Form<Entry>) -> Answer {
    let Ok(address) = EmailAddress::parse(entry.email.trim()) else {
        let problem = "Please enter a whole email address, such as name@example.org.";
        let page = web.page("form", pages::form(Some(problem), entry.email.trim()))?;
        return Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response());
    };
    web.press(PageAct::Ask(address)).await?;
    Ok(Redirect::to("/sent").into_response())
}

async fn show_sent(State(web): State<Web>) -> Answer {
    Ok(web.page("form-sent", pages::nothing())?.into_response())
}

#[derive(Deserialize)]
struct Seen {
    /// Set by our own redirect after a press.
    now: Option<String>,
}

async fn show_case(
    State(web): State<Web>,
    Path(token): Path<String>,
    Query(seen): Query<Seen>,
) -> Answer {
    let Some(shown) = web.shown(&token).await? else {
        return web.unknown_link();
    };
    Ok(web
        .show(&shown, &pages::Try { just_done: seen.now.is_some(), ..pages::Try::default() })?
        .into_response())
}

#[derive(Deserialize)]
struct Press {
    #[serde(default)]
    act: String,
    #[serde(default)]
    role: String,
    #[serde(default)]
    asked: String,
}

async fn act_on_case(
    State(web): State<Web>,
    Path(token): Path<String>,
    Form(press): Form<Press>,
) -> Answer {
    let Some(shown) = web.shown(&token).await? else {
        return web.unknown_link();
    };
    let role = Role::parse(&press.role);
    let (agreed, denied) = (press.asked == "yes", press.asked == "no");
    let act = match (press.act.as_str(), role) {
        ("confirm", Some(role)) if agreed => Ok(PageAct::Confirm(token.clone(), role)),
        ("confirm", None) => Err("Please choose who is asking."),
        ("confirm", Some(_)) => Err("Please tick the box that says that you asked for this."),
        ("disown", _) if denied => Ok(PageAct::Disown(token.clone())),
        ("disown", _) => Err("Please tick the box that says that it was not you."),
        ("correct-role", Some(role)) => Ok(PageAct::CorrectRole(token.clone(), role)),
        ("correct-role", None) => Err("Please choose who is asking."),
        ("withdraw", _) if agreed => Ok(PageAct::Withdraw(token.clone())),
        ("withdraw", _) => Err("Please tick the box that says that you want to keep the data."),
        _ => Err("Please use one of the buttons on this page."),
    };
    match act {
        Err(problem) => {
            let tried = pages::Try {
                problem: Some(problem),
                pressed: press.act,
                role,
                ticked: agreed,
                just_done: false,
            };
            Ok((StatusCode::UNPROCESSABLE_ENTITY, web.show(&shown, &tried)?).into_response())
        }
        Ok(act) => {
            let answer = web.press(act).await?;
            let now = if answer == (PageAnswer::Done { just_now: true }) { "?now=1" } else { "" };
            Ok(Redirect::to(&format!("/c/{token}{now}")).into_response())
        }
    }
}

async fn health(State(web): State<Web>) -> Response {
    let now = web.clock.now();
    let polled_at = web.store.mark_at(POLLED).await;
    let progress_at = web.store.mark_at(PROGRESS).await.unwrap_or_default();
    let (database, inbox) = match polled_at {
        Err(_) => ("failing", "unknown"),
        Ok(polled_at) => {
            let since = polled_at.max(progress_at).unwrap_or(web.started_at).max(web.started_at);
            let fresh = now - since < Span::minutes(POLL_AGE_MINUTES_MAX);
            ("ok", if fresh { "ok" } else { "failing" })
        }
    };
    let status = if database == "ok" && inbox == "ok" {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, axum::Json(serde_json::json!({ "database": database, "inbox": inbox })))
        .into_response()
}

async fn not_found(State(web): State<Web>) -> Answer {
    let page = web
        .page("notice", pages::notice("There is nothing here", "The address may be incomplete."))?;
    Ok((StatusCode::NOT_FOUND, page).into_response())
}

/// A case as a link shows it.
struct Shown {
    token: String,
    case: StoredCase,
    /// Whether the link may still confirm.
    can_confirm: bool,
}

impl Web {
    fn page(&self, name: &str, values: minijinja::Value) -> Result<Html<String>> {
        let values = pages::with_identity(values, &self.identity);
        Ok(Html(self.templates.page("en", name, &values)?))
    }

    /// Wakes the bot and waits until the decision is on disk.
    async fn press(&self, act: PageAct) -> Result<PageAnswer> {
        let (answer, answered) = oneshot::channel();
        self.wakes.send(Wake::Pressed(act, answer)).await.ok().context("The bot is stopping")?;
        answered.await.context("The bot is stopping")
    }

    async fn shown(&self, token: &str) -> Result<Option<Shown>> {
        let Some(letter) = self.store.letter_of_token(Purpose::Link, token).await? else {
            return Ok(None);
        };
        let (Some(id), true) = (letter.case, is_for_requester_page(letter.kind)) else {
            return Ok(None);
        };
        let Some(case) = self.store.case(id).await? else {
            return Ok(None);
        };
        let days = Span::days(self.identity.verification_days.into());
        let is_young = letter.released_at.is_some_and(|at| self.clock.now() < at + days);
        let can_confirm = is_young && letter.kind == LetterKind::VerificationRequest;
        Ok(Some(Shown { token: token.to_owned(), case, can_confirm }))
    }

    fn show(&self, shown: &Shown, tried: &pages::Try) -> Result<Html<String>> {
        let awaiting = shown.case.case.state == CaseState::AwaitingVerification;
        let name = if awaiting && shown.can_confirm { "confirm" } else { "done" };
        self.page(name, pages::case(&shown.case, &shown.token, tried, &self.identity))
    }

    fn unknown_link(&self) -> Answer {
        let text = "It may be incomplete: please copy the whole link from the mail. If the mail is old, ask again.";
        let page = self.page("notice", pages::notice("This link does not work", text))?;
        Ok((StatusCode::NOT_FOUND, page).into_response())
    }
}

/// Whether a browser says that another site sent this form.
fn is_foreign(headers: &HeaderMap) -> bool {
    headers.get("sec-fetch-site").is_some_and(|site| site == "cross-site" || site == "same-site")
}
