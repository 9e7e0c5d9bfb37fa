//! EDGE: the form and the confirm page. GET shows and reads only; POST acts.

mod form;
mod health;
mod pages;
mod protect;
mod staff;
mod visits;

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use anyhow::{Context as _, Result};
use axum::Router;
use axum::extract::{ConnectInfo, Form, FromRequestParts, Path, Query, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::get;
use chrono::{DateTime, Duration as Span, Utc};
use minijinja::Value;
use serde::Deserialize;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tower_http::limit::RequestBodyLimitLayer;
use tower_http::timeout::TimeoutLayer;

use crate::bot::Settings;
use crate::bot::page::{PageAct, PageAnswer, is_for_requester_page};
use crate::bot::watched::Watch;
use crate::case::verification::Purpose;
use crate::case::{Role, State as CaseState};
use crate::classify::language::language_of_browser;
use crate::clock::Clock;
use crate::compose::Templates;
use crate::compose::templates::ENGLISH;
use crate::mail::EmailAddress;
use crate::store::Store;
use crate::store::cases::StoredCase;
use crate::store::fault::Fault;
use crate::wake::Wake;
use visits::Visits;

/// Octets of a form that somebody sends.
const FORM_BYTES_MAX: usize = 16 * 1024;
/// A request that takes longer is given up.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// What the pages need.
#[derive(Clone, Debug)]
pub struct Web {
    /// Read only.
    pub store: Store,
    /// The pages.
    pub templates: PageTemplates,
    /// Whose they are, and by what the bot works.
    pub settings: Arc<Settings>,
    /// Proxies that are believed when they say whom they speak for.
    pub proxies: Arc<[IpAddr]>,
    /// What was seen of links.
    pub visits: Seen,
    /// Whom to wake with what was pressed.
    pub wakes: mpsc::Sender<Wake>,
    /// How the parts of the desk are.
    pub watch: Watch,
    /// For the age of links.
    pub clock: Clock,
    /// Since when the process runs.
    pub started_at: DateTime<Utc>,
}

/// The templates of the pages, which SIGHUP replaces while pages are shown.
#[derive(Clone, Debug)]
pub struct PageTemplates(Arc<RwLock<Arc<Templates>>>);

impl From<Templates> for PageTemplates {
    fn from(templates: Templates) -> PageTemplates {
        PageTemplates(Arc::new(RwLock::new(Arc::new(templates))))
    }
}

impl PageTemplates {
    /// Shows all pages from now on by these.
    pub fn replace(&self, templates: Templates) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(templates);
    }

    fn now(&self) -> Arc<Templates> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What was seen of links: in memory only.
#[derive(Clone, Debug, Default)]
pub struct Seen(Arc<Visits>);

/// The routes.
pub fn router(web: Web) -> Router {
    Router::new()
        .route("/", get(show_form).post(take_form))
        .route("/sent", get(show_sent))
        .route("/c/{token}", get(show_case).post(act_on_case))
        .route("/s/{about}/{token}", get(staff::show).post(staff::act))
        .route("/style.css", get(pages::style))
        .route("/healthz", get(health::health))
        .fallback(not_found)
        .with_state(web.clone())
        .layer(axum::middleware::map_response_with_state(web, tell_of_storage))
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
    axum::serve(listener, router.into_make_service_with_connect_info::<SocketAddr>())
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
        let words = "Something went wrong on our side. Please try again later.";
        let mut response = (StatusCode::INTERNAL_SERVER_ERROR, words).into_response();
        response.extensions_mut().insert(Arc::new(self.0));
        response
    }
}

/// The bot hears of it when the storage failed where it does not look itself.
async fn tell_of_storage(State(web): State<Web>, mut response: Response) -> Response {
    let why = response.extensions_mut().remove::<Arc<anyhow::Error>>().and_then(Arc::into_inner);
    let is_broken =
        |why: &anyhow::Error| matches!(Fault::of(why), Some(Fault::Disk | Fault::Damaged));
    if let Some(why) = why.filter(is_broken) {
        drop(web.wakes.send(Wake::StorageFailed(why)).await);
    }
    response
}

/// Who looks or presses, as far as the connection tells.
struct Visitor {
    network: Option<IpAddr>,
    headers: HeaderMap,
}

impl FromRequestParts<Web> for Visitor {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, web: &Web) -> Result<Visitor, Infallible> {
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|peer| peer.0.ip());
        let headers = parts.headers.clone();
        Ok(Visitor { network: visits::visitor(peer, &headers, &web.proxies), headers })
    }
}

#[derive(Deserialize)]
struct Entry {
    #[serde(default)]
    email: String,
    #[serde(default)]
    lang: String,
}

/// The language that somebody chose by a link.
#[derive(Deserialize)]
struct Chosen {
    lang: Option<String>,
}

async fn show_form(
    State(web): State<Web>,
    Query(chosen): Query<Chosen>,
    visitor: Visitor,
) -> Answer {
    let language = web.language(chosen.lang.as_deref(), &visitor.headers);
    Ok(web.page(&language, "form", pages::form(None, ""))?.into_response())
}

async fn take_form(State(web): State<Web>, visitor: Visitor, Form(entry): Form<Entry>) -> Answer {
    let language = web.language(Some(&entry.lang), &visitor.headers);
    let Ok(address) = EmailAddress::parse(entry.email.trim()) else {
        let templates = web.templates.now();
        let problem = templates.words_of(&language)?.problem("address");
        let form = pages::form(Some(problem), entry.email.trim());
        let page = web.page(&language, "form", form)?;
        return Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response());
    };
    let network = visitor.network.map(visits::network_of).unwrap_or_default();
    let network = web.store.key().network_key(&network);
    let sent = format!("/sent?lang={language}");
    web.press(PageAct::Ask { address, language, network }).await?;
    Ok(Redirect::to(&sent).into_response())
}

async fn show_sent(
    State(web): State<Web>,
    Query(chosen): Query<Chosen>,
    visitor: Visitor,
) -> Answer {
    let language = web.language(chosen.lang.as_deref(), &visitor.headers);
    Ok(web.page(&language, "form-sent", pages::nothing())?.into_response())
}

#[derive(Deserialize)]
struct Look {
    /// Set by our own redirect after a press.
    now: Option<String>,
    lang: Option<String>,
}

async fn show_case(
    State(web): State<Web>,
    Path(token): Path<String>,
    Query(look): Query<Look>,
    visitor: Visitor,
) -> Answer {
    let Some(mut shown) = web.shown(&token).await? else {
        return web.unknown_link(&visitor.headers);
    };
    let chosen_language = web.chosen(&mut shown, look.lang);
    if look.now.is_none() {
        web.visits.0.note(&token, visitor.network, &visitor.headers, web.clock.now());
    }
    let just_done = look.now.is_some();
    let tried = pages::Try { just_done, chosen_language, ..pages::Try::default() };
    Ok(web.show(&shown, &tried)?.into_response())
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
    Query(look): Query<Look>,
    visitor: Visitor,
    Form(press): Form<Press>,
) -> Answer {
    let Some(mut shown) = web.shown(&token).await? else {
        return web.unknown_link(&visitor.headers);
    };
    let chosen_language = web.chosen(&mut shown, look.lang);
    let role = Role::parse(&press.role);
    let (agreed, denied) = (press.asked == "yes", press.asked == "no");
    let act = match (press.act.as_str(), role) {
        ("confirm", Some(role)) if agreed => {
            let seen = web.visits.0.evidence(&token, visitor.network);
            Ok(PageAct::Confirm(token.clone(), role, seen))
        }
        ("confirm" | "correct-role", None) => Err("choose-role"),
        ("confirm", Some(_)) => Err("tick-asked"),
        ("disown", _) if denied => Ok(PageAct::Disown(token.clone())),
        ("disown", _) => Err("tick-denied"),
        ("correct-role", Some(role)) => Ok(PageAct::CorrectRole(token.clone(), role)),
        ("withdraw", _) if agreed => Ok(PageAct::Withdraw(token.clone())),
        ("withdraw", _) => Err("tick-stop"),
        _ => Err("use-button"),
    };
    match act {
        Err(problem) => {
            let tried = pages::Try {
                problem: Some(problem),
                pressed: press.act,
                role,
                ticked: agreed,
                just_done: false,
                chosen_language,
            };
            Ok((StatusCode::UNPROCESSABLE_ENTITY, web.show(&shown, &tried)?).into_response())
        }
        Ok(act) => {
            let answer = web.press(act).await?;
            let now = (answer == PageAnswer::Done { just_now: true }).then(|| "now=1".to_owned());
            let lang = chosen_language.map(|language| format!("lang={language}"));
            let query: Vec<String> = now.into_iter().chain(lang).collect();
            let query =
                if query.is_empty() { String::new() } else { format!("?{}", query.join("&")) };
            Ok(Redirect::to(&format!("/c/{token}{query}")).into_response())
        }
    }
}

async fn not_found(State(web): State<Web>, visitor: Visitor) -> Answer {
    web.notice(&visitor.headers, "nothing-here", "incomplete")
}

/// A case as a link shows it.
struct Shown {
    token: String,
    case: StoredCase,
    /// Whether the link may still confirm.
    can_confirm: bool,
}

impl Web {
    fn page(&self, language: &str, name: &str, values: Value) -> Result<Html<String>> {
        let values = pages::with_identity(values, language, self)?;
        Ok(Html(self.templates.now().page(language, name, &values)?))
    }

    fn staff_template(&self, name: &str, values: Value) -> Result<Html<String>> {
        self.page(ENGLISH, name, values)
    }

    /// The language of a visitor: the one they chose, or their browser's, or the organisation's.
    fn language(&self, chosen: Option<&str>, headers: &HeaderMap) -> String {
        let templates = self.templates.now();
        let spoken: Vec<&str> = templates.languages().map(|(code, _)| code).collect();
        let chosen = chosen.and_then(|chosen| spoken.iter().find(|code| **code == chosen).copied());
        let wanted = headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
        let found = chosen.or_else(|| language_of_browser(wanted?, &spoken));
        found.unwrap_or(&self.settings.identity.language).to_owned()
    }

    /// Wakes the bot and waits until the decision is on disk.
    async fn press(&self, act: PageAct) -> Result<PageAnswer> {
        let (answer, answered) = oneshot::channel();
        self.wakes.send(Wake::Pressed(act, answer)).await.ok().context("The bot is stopping")?;
        answered.await.context("The bot takes nothing now")
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
        let days = Span::days(self.settings.policy.verification_days.into());
        let is_young = letter.released_at.is_some_and(|at| self.clock.now() < at + days);
        let can_confirm = is_young && letter.kind.asks_to_confirm();
        Ok(Some(Shown { token: token.to_owned(), case, can_confirm }))
    }

    /// Shows the case in the language that was chosen by a link, where there is such a one.
    fn chosen(&self, shown: &mut Shown, language: Option<String>) -> Option<String> {
        let language = language.filter(|language| self.templates.now().speaks(language))?;
        shown.case.language.clone_from(&language);
        Some(language)
    }

    fn show(&self, shown: &Shown, tried: &pages::Try) -> Result<Html<String>> {
        let awaiting = shown.case.case.state == CaseState::AwaitingVerification;
        let name = if awaiting && shown.can_confirm { "confirm" } else { "done" };
        let templates = self.templates.now();
        let words = templates.words_of(&shown.case.language)?;
        let zone = self.settings.policy.zone;
        let values = pages::case(&shown.case, &shown.token, tried, words, zone);
        self.page(&shown.case.language, name, values)
    }

    fn unknown_link(&self, headers: &HeaderMap) -> Answer {
        self.notice(headers, "dead-link", "dead-link-why")
    }

    fn notice(&self, headers: &HeaderMap, heading: &str, text: &str) -> Answer {
        let language = self.language(None, headers);
        let templates = self.templates.now();
        let words = templates.words_of(&language)?;
        let notice = pages::notice(words.problem(heading), words.problem(text));
        let page = self.page(&language, "notice", notice)?;
        Ok((StatusCode::NOT_FOUND, page).into_response())
    }
}

/// Whether a browser says that another site sent this form.
fn is_foreign(headers: &HeaderMap) -> bool {
    headers.get("sec-fetch-site").is_some_and(|site| site == "cross-site" || site == "same-site")
}
