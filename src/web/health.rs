//! `/healthz`: which part works, which does not, since when and why; for people and machines.
//! It asks the loop for nothing, so that it answers when that one is stuck.

use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Duration as Span, SecondsFormat, Utc};
use serde_json::{Map, Value, json};
use tokio::time::timeout;

use super::Web;
use crate::bot::timer::{POLLED, PROGRESS, SILENCE_MINUTES};
use crate::bot::watched::Broken;
use crate::trouble::Part;

/// A database that does not answer a small question in this time fails.
const DATABASE_TIMEOUT: Duration = Duration::from_secs(2);
/// The loop moves every second; with a heavy batch after some twenty.
const BEAT_SECONDS_MAX: i64 = 60;

/// How one part is.
struct Line {
    part: &'static str,
    state: PartState,
    /// What is wrong, and since when.
    wrong: Option<(String, DateTime<Utc>)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum PartState {
    Ok,
    /// It is being read from end to end before the first letter leaves.
    Checking,
    /// Not for so long that anybody need be woken.
    Retrying,
    Failing,
}

impl PartState {
    fn as_str(self) -> &'static str {
        match self {
            PartState::Ok => "ok",
            PartState::Checking => "checking",
            PartState::Retrying => "retrying",
            PartState::Failing => "failing",
        }
    }
}

impl Line {
    fn ok(part: &'static str) -> Line {
        Line { part, state: PartState::Ok, wrong: None }
    }

    fn failing(part: &'static str, why: impl Into<String>, since: DateTime<Utc>) -> Line {
        Line { part, state: PartState::Failing, wrong: Some((why.into(), since)) }
    }

    /// The database, which answers.
    fn of_database(looks_since: Option<DateTime<Utc>>, is_late: bool) -> Line {
        let Some(since) = looks_since else { return Line::ok("database") };
        let state = if is_late { PartState::Failing } else { PartState::Checking };
        let why = "letters wait until all of it was read".to_owned();
        Line { part: "database", state, wrong: Some((why, since)) }
    }

    fn of(part: Part, broken: Option<Broken>, is_late: bool) -> Line {
        let state = match (&broken, is_late) {
            (_, true) => PartState::Failing,
            (Some(_), false) => PartState::Retrying,
            (None, false) => PartState::Ok,
        };
        let wrong = broken.map(|broken| (broken.failure.trouble.to_string(), broken.since));
        Line { part: part.as_str(), state, wrong }
    }
}

/// 200 when every part works, 503 otherwise.
pub(super) async fn health(State(web): State<Web>, headers: HeaderMap) -> Response {
    let lines = lines(&web).await;
    let fails = lines.iter().any(|line| line.state == PartState::Failing);
    let status = if fails { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
    if accept.is_some_and(|accept| accept.contains("application/json")) {
        return (status, axum::Json(as_json(&lines))).into_response();
    }
    (status, as_text(&lines)).into_response()
}

async fn lines(web: &Web) -> Vec<Line> {
    let now = web.clock.now();
    let is_late = |since: DateTime<Utc>| now - since >= Span::minutes(SILENCE_MINUTES);
    let beat_at = web.watch.beat_at();
    let bot = match (now - beat_at).num_seconds() > BEAT_SECONDS_MAX {
        true => Line::failing("bot", "the loop does not move", beat_at),
        false => Line::ok("bot"),
    };
    let marks = async {
        let polled_at = web.store.mark_at(POLLED).await?;
        anyhow::Ok(polled_at.max(web.store.mark_at(PROGRESS).await?))
    };
    let broken = web.watch.broken(Part::Inbox);
    let (database, inbox) = match timeout(DATABASE_TIMEOUT, marks).await {
        Ok(Ok(alive_at)) => {
            // A start that is yet to come was told by a clock that was set back since.
            let started_at = Some(web.started_at).filter(|at| *at <= now);
            let alive_at = alive_at.max(started_at).unwrap_or(now);
            let mut inbox = Line::of(Part::Inbox, broken, is_late(alive_at));
            if inbox.state == PartState::Failing {
                let why = inbox.wrong.map_or("not read to its end".to_owned(), |(why, _)| why);
                inbox.wrong = Some((why, alive_at));
            }
            let looks_since = web.watch.looks_since();
            let database = Line::of_database(looks_since, looks_since.is_some_and(is_late));
            (database, inbox)
        }
        _ => {
            let is_late = broken.as_ref().is_some_and(|broken| is_late(broken.since));
            let database = Line::failing("database", "it cannot be read", now);
            (database, Line::of(Part::Inbox, broken, is_late))
        }
    };
    let broken = web.watch.broken(Part::MailServer);
    let is_late = broken.as_ref().is_some_and(|broken| is_late(broken.since));
    vec![bot, database, inbox, Line::of(Part::MailServer, broken, is_late), Line::ok("page")]
}

fn as_text(lines: &[Line]) -> String {
    let line = |line: &Line| {
        let wrong = line.wrong.as_ref().map(|(why, since)| {
            format!(": {why}, since {}", since.to_rfc3339_opts(SecondsFormat::Secs, true))
        });
        format!("{:<8}  {}{}\n", line.state.as_str(), line.part, wrong.unwrap_or_default())
    };
    lines.iter().map(line).collect()
}

fn as_json(lines: &[Line]) -> Value {
    let name = |line: &Line| line.part.replace(' ', "_");
    let mut parts: Map<String, Value> =
        lines.iter().map(|line| (name(line), line.state.as_str().into())).collect();
    let wrong = |line: &Line| {
        let (why, since) = line.wrong.as_ref()?;
        let since = since.to_rfc3339_opts(SecondsFormat::Secs, true);
        Some((name(line), json!({ "why": why, "since": since })))
    };
    let wrong: Map<String, Value> = lines.iter().filter_map(wrong).collect();
    parts.insert("wrong".to_owned(), wrong.into());
    parts.into()
}
