//! Values for the page templates.

use anyhow::Result;
use axum::http::header;
use axum::response::IntoResponse;
use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use minijinja::{Value, context};

use super::Web;
use crate::case::deadline::day_of;
use crate::case::{Role, State};
use crate::compose::words::Words;
use crate::store::cases::StoredCase;

const STYLE: &str = include_str!("../../templates/en/pages/style.css");

/// What somebody tried on the page, to show it again.
#[derive(Default)]
pub(super) struct Try {
    /// Name of what to say about it.
    pub(super) problem: Option<&'static str>,
    /// The button.
    pub(super) pressed: String,
    pub(super) role: Option<Role>,
    pub(super) ticked: bool,
    pub(super) just_done: bool,
    /// The language that was chosen by a link, rather than the case's own.
    pub(super) chosen_language: Option<String>,
}

pub(super) async fn style() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], STYLE)
}

pub(super) fn with_identity(values: Value, language: &str, web: &Web) -> Result<Value> {
    let identity = &web.settings.identity;
    let templates = web.templates.now();
    let words = templates.words_of(language)?;
    let choices = words.role_choices(&identity.organization).into_iter();
    let languages = templates.languages().map(|(code, name)| context! { code, name });
    Ok(context! {
        ..values,
        ..context! {
            organization => identity.organization.as_str(),
            desk => identity.address.as_str(),
            privacy_policy => Value::from_safe_string(identity.privacy_policy.clone()),
            style => Value::from_safe_string("/style.css".to_owned()),
            language, languages => languages.collect::<Vec<_>>(),
            role_choices => choices.map(|(name, label)| context! { name, label }).collect::<Vec<_>>(),
            fulfil_days => identity.fulfil_days,
            verification_days => identity.verification_days,
            redirect_days => crate::case::Policy::REDIRECT_DAYS,
        }
    })
}

pub(super) fn nothing() -> Value {
    context! {}
}

pub(super) fn form(problem: Option<&str>, entered: &str) -> Value {
    context! { problem, entered }
}

pub(super) fn notice(heading: &str, text: &str) -> Value {
    context! { heading, text }
}

pub(super) fn case(
    stored: &StoredCase,
    token: &str,
    tried: &Try,
    words: &Words,
    zone: Tz,
) -> Value {
    let case = &stored.case;
    let day =
        |at: Option<DateTime<Utc>>| at.map(|at| words.day(day_of(at, zone))).unwrap_or_default();
    // A link that came too late finds the case waiting; for the reader it has lapsed.
    let state = match case.state {
        State::AwaitingVerification => "expired",
        State::AwaitingProof | State::InProgress | State::OnHold | State::Redirecting => {
            case.state.as_str()
        }
        State::Closed(resolution) => resolution.as_str(),
    };
    let query = tried.chosen_language.as_ref().map(|language| format!("?lang={language}"));
    let query = query.unwrap_or_default();
    context! {
        state,
        problem => tried.problem.map(|name| words.problem(name)),
        pressed => tried.pressed.as_str(),
        masked => stored.subject.as_ref().map(|subject| subject.masked()).unwrap_or_default(),
        chosen => tried.role.or(case.role).map(Role::as_str).unwrap_or_default(),
        role => case.role.map(|role| words.said(role)).unwrap_or_default(),
        reference => case.reference.as_str(),
        received_on => day(Some(case.received_at)),
        confirmed_on => day(case.confirmed_at),
        due_on => case.due_on.map(|on| words.day(on)).unwrap_or_default(),
        closed_on => day(case.closed_at),
        // A page that has to say something is shown where it says it.
        action => Value::from_safe_string(format!("/c/{token}{query}#problem")),
        just_done => tried.just_done,
        ticked => tried.ticked,
    }
}
