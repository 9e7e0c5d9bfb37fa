//! Pages of staff: each is about one case or message and belongs to one person. GET shows, POST
//! acts, and each act on a case is asked for once more.

use axum::extract::{Form, Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use chrono::{DateTime, Days, NaiveDate, Utc};
use minijinja::value::Serde;
use minijinja::{Value, context};
use serde::Deserialize;

use super::{Answer, Web, form};
use crate::bot::digest::brief;
use crate::bot::page::{PageAct, PageAnswer};
use crate::bot::staff::{Acted, Step, message_of, revoked_mark, token_of};
use crate::case::act::{ExtensionReason, ProofWant, RefusalGround, Sentence};
use crate::case::authority::{StaffToken, still_good};
use crate::case::deadline::day_of;
use crate::case::identity::{Show, card};
use crate::case::scope::scope_of;
use crate::case::work::Ground;
use crate::case::{LetterKind, Reference, Role, State as CaseState};
use crate::compose::day_in_words;
use crate::digest::brief::{Brief, state_in_words};
use crate::digest::history::history;
use crate::digest::why_shown;
use crate::mail::EmailAddress;
use crate::store::cases::StoredCase;

/// Days to look again that the page proposes.
const HOLD_DAYS: u64 = 30;

#[derive(Deserialize)]
pub(super) struct Shown {
    /// Set by our own redirect after an act that was done.
    done: Option<String>,
}

/// A page that said nothing but what is on it.
#[derive(Default)]
struct Said<'a> {
    done: &'a str,
    problem: &'a str,
}

pub(super) async fn show(
    State(web): State<Web>,
    Path((about, token)): Path<(String, String)>,
    Query(shown): Query<Shown>,
) -> Answer {
    let Some(staff) = web.staff(&about, &token).await? else { return web.dead_staff_link() };
    let done = if shown.done.is_some() { "Done." } else { "" };
    web.staff_page(&about, &token, &staff, &Said { done, problem: "" }).await
}

pub(super) async fn act(
    State(web): State<Web>,
    Path((about, token)): Path<(String, String)>,
    Form(fields): Form<Vec<(String, String)>>,
) -> Answer {
    let Some(staff) = web.staff(&about, &token).await? else { return web.dead_staff_link() };
    let step = match read(&fields, &about) {
        Ok(step) => step,
        Err(problem) => {
            let said = Said { done: "", problem: &problem };
            let page = web.staff_page(&about, &token, &staff, &said).await?;
            return Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response());
        }
    };
    let sure = form::first(&fields, "sure") == "yes";
    if let (Step::Act(act, _), false) = (&step, sure) {
        let values = context! {
            action => action(&about, &token), reference => about, who => staff.name,
            did => act.describe(), consequence => consequence(&fields, web.settings.policy.undo_minutes),
            fields => fields.iter().map(|(name, value)| context! { name, value }).collect::<Vec<_>>(),
        };
        return Ok(web.staff_template("staff-sure", values)?.into_response());
    }
    let pressed = PageAct::Staff { about: about.clone(), token: token.clone(), step };
    match web.press(pressed).await? {
        PageAnswer::Staff(Acted::Done(_)) => {
            Ok(Redirect::to(&format!("/s/{about}/{token}?done=1")).into_response())
        }
        PageAnswer::Staff(Acted::Refused(why)) => {
            let problem = format!("Nothing was done: {why}.");
            let said = Said { done: "", problem: &problem };
            let page = web.staff_page(&about, &token, &staff, &said).await?;
            Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response())
        }
        _ => web.dead_staff_link(),
    }
}

fn action(about: &str, token: &str) -> Value {
    Value::from_safe_string(format!("/s/{about}/{token}"))
}

/// What a form of the page asks for.
fn read(fields: &[(String, String)], about: &str) -> Result<Step, String> {
    if message_of(about).is_none() {
        let (act, how) = form::act(fields)?;
        return Ok(Step::Act(act, how));
    }
    match form::first(fields, "act") {
        "open" => EmailAddress::parse(form::first(fields, "address"))
            .map(|address| Step::Open(Some(address)))
            .map_err(|why| format!("That is no address: {why}.")),
        "dismiss" => Ok(Step::Dismiss),
        _ => Err("Please use one of the buttons on this page.".to_owned()),
    }
}

fn consequence(fields: &[(String, String)], undo_minutes: u32) -> String {
    match (form::first(fields, "act"), undo_minutes) {
        ("extend" | "write" | "ask-again" | "approve", _) | ("complete" | "refuse", 0) => {
            "The requester gets a mail at once.".to_owned()
        }
        ("complete" | "refuse", minutes) => {
            format!("The requester is told in {minutes} minutes; until then you can take it back.")
        }
        _ => String::new(),
    }
}

impl Web {
    /// Whose page it is, if the link is good.
    async fn staff(&self, about: &str, token: &str) -> anyhow::Result<Option<StaffToken>> {
        let letter = self.store.letter_of_staff_token(about, token).await?;
        let key = self.store.key();
        let Some(found) = letter.and_then(|letter| token_of(&letter, &self.settings, key, None))
        else {
            return Ok(None);
        };
        let revoked_at = self.store.mark_at(&revoked_mark(key, &found.member)).await?;
        let found = StaffToken { revoked_at, ..found };
        let good = still_good(&found, self.clock.now()).is_ok();
        let is_about = found.about.iter().any(|known| known == about);
        Ok((good && is_about).then_some(found))
    }

    fn dead_staff_link(&self) -> Answer {
        let values = context! {
            heading => "This link does not work", back => "",
            text => "Links for staff work for 7 days, and only for the person they were mailed to. Please use a newer mail.",
        };
        let page = self.staff_template("staff-notice", values)?;
        Ok((StatusCode::NOT_FOUND, page).into_response())
    }

    async fn staff_page(
        &self,
        about: &str,
        token: &str,
        staff: &StaffToken,
        said: &Said<'_>,
    ) -> Answer {
        if let Some(id) = message_of(about) {
            return self.message_page(about, id, token, staff, said).await;
        }
        let stored = match Reference::parse(about) {
            Some(reference) => self.store.case_of_reference(&reference).await?,
            None => None,
        };
        let Some(stored) = stored else { return self.dead_staff_link() };
        let page = self.case_page(stored, token, staff, said).await?;
        Ok(page.into_response())
    }

    async fn message_page(
        &self,
        about: &str,
        id: i64,
        token: &str,
        staff: &StaffToken,
        said: &Said<'_>,
    ) -> Answer {
        let Some(line) = self.store.message_for_people(id).await? else {
            let values = context! {
                heading => "That mail is taken care of", back => "",
                text => "Somebody took it up, or took it off the list.",
            };
            return Ok(self.staff_template("staff-notice", values)?.into_response());
        };
        let zone = self.settings.policy.zone;
        let values = context! {
            action => action(about, token), who => staff.name.clone(), why => why_shown(&line, &self.settings.policy),
            excerpt => line.excerpt.clone().unwrap_or_default(),
            received_on => day_in_words(day_of(line.received_at, zone)),
            addresses => line.proposed.iter().map(|one| one.as_str().to_owned()).collect::<Vec<_>>(),
            problem => said.problem, done => said.done,
        };
        Ok(self.staff_template("staff-message", values)?.into_response())
    }

    async fn case_page(
        &self,
        stored: StoredCase,
        token: &str,
        staff: &StaffToken,
        said: &Said<'_>,
    ) -> anyhow::Result<Response> {
        let (policy, now) = (&self.settings.policy, self.clock.now());
        let entries = self.store.journal_of(&stored.case.reference).await?;
        let messages = self.store.messages_of(stored.id).await?;
        let letters = self.store.letters_of(stored.id).await?;
        let files = self.store.attachments_of(stored.id).await?;
        let ends = letters.iter().find(|line| {
            let kind = LetterKind::parse(&line.kind);
            line.status == "waiting"
                && line.hold.is_some()
                && kind.is_some_and(LetterKind::can_be_undone)
        });
        let moment = |at: DateTime<Utc>| {
            at.with_timezone(&policy.zone).format("%-d %B %Y, %H:%M").to_string()
        };
        let brief = brief(&self.store, &self.settings, stored).await?;
        let case = &brief.stored.case;
        let address = brief.stored.subject.as_ref().map_or("forgotten", |one| one.as_str());
        let today = day_of(now, policy.zone);
        let mut can = possible(&brief);
        if ends.is_some() {
            can.push("undo");
        }
        let who_ticked = |item: &str| who_ticked(&entries, item);
        let values = context! {
            case => Value::from(Serde(brief.lines(policy, today))),
            address, card => lines_of(card(case, address, &brief.seen, &brief.finding, policy.zone, Show::Whole)),
            action => action(case.reference.as_str(), token), who => staff.name.clone(), can,
            items => items(&brief, self, &who_ticked),
            history => history(&entries, &messages, &letters).into_iter()
                .map(|(at, what)| context! { at => moment(at), what }).collect::<Vec<_>>(),
            files => files.iter().map(|file| context! {
                at => moment(file.at), name => file.attachment.name.clone(),
                type => file.attachment.content_type.clone(), bytes => file.attachment.bytes,
                sha256 => file.attachment.sha256.clone(),
            }).collect::<Vec<_>>(),
            undo_until => ends.map(|line| line.due_at.with_timezone(&policy.zone).format("%H:%M").to_string()).unwrap_or_default(),
            role => case.role.map(Role::as_str).unwrap_or_default(),
            state => state_in_words(case.state),
            problem => said.problem, done => said.done,
        };
        let values = context! { ..values, ..choices(today) };
        Ok(self.staff_template("staff-case", values)?.into_response())
    }
}

fn lines_of(lines: Vec<(&'static str, String)>) -> Vec<Value> {
    lines.into_iter().map(|(what, text)| context! { what, text }).collect()
}

/// What can be done in the state the case is in.
fn possible(brief: &Brief) -> Vec<&'static str> {
    let case = &brief.stored.case;
    let mut can = vec!["note"];
    can.extend(case.work.returned.is_some().then_some("seen"));
    match case.state {
        CaseState::AwaitingVerification => can.push("verify"),
        CaseState::AwaitingProof => {
            can.extend(["approve", "ask-again", "tick", "hold", "refuse", "set-role", "write"]);
        }
        CaseState::InProgress => {
            can.extend(["tick", "complete", "hold", "refuse", "set-role", "write"]);
        }
        CaseState::OnHold => can.extend(["tick", "hold", "refuse", "set-role", "write"]),
        CaseState::Redirecting => can.extend(["complete", "refuse", "set-role", "write"]),
        CaseState::Closed(_) => {}
    }
    can.extend((!case.work.holds.is_empty() && case.state.is_work()).then_some("release"));
    let may_extend = case.state.is_work() && case.work.extended.is_none();
    can.extend(may_extend.then_some("extend"));
    can
}

/// The checklist: who ticked, and since when.
fn items(brief: &Brief, web: &Web, who_ticked: &dyn Fn(&str) -> String) -> Vec<Value> {
    let case = &brief.stored.case;
    let item = |item: &crate::case::scope::ScopeItem| {
        let ticked = case.work.ticked.get(&item.item).map(|at| {
            let day = day_in_words(day_of(*at, web.settings.policy.zone));
            format!("{day}{}", who_ticked(&item.item))
        });
        let hold = case.work.hold_on(&item.item).map(|hold| {
            format!("until {}: {}", day_in_words(hold.look_again_on), hold.ground.describe())
        });
        context! {
            item => item.item.clone(), label => item.label("en"), ticked => ticked.unwrap_or_default(),
            hold => hold.unwrap_or_default(),
        }
    };
    scope_of(case, &web.settings.policy).map(item).collect()
}

/// ` by Ada`, from the journal, while names are kept.
fn who_ticked(entries: &[crate::store::journal::Entry], item: &str) -> String {
    let ticks = |entry: &&crate::store::journal::Entry| {
        let change: Option<crate::case::Change> = serde_json::from_str(&entry.decided).ok();
        let work = change.and_then(|change| change.work);
        work.is_some_and(|work| work.ticked.get(item) == Some(&entry.at))
    };
    let name = entries.iter().find(ticks).and_then(|entry| entry.detail.as_ref());
    let who = name.and_then(|detail| {
        detail.split_once(" ticked").or_else(|| detail.split_once(" completed"))
    });
    who.map(|(who, _)| format!(" by {who}")).unwrap_or_default()
}

/// What the forms offer.
fn choices(today: NaiveDate) -> Value {
    let choice = |name: &'static str, label: &'static str| context! { name, label };
    let grounds = |only_holds: bool| {
        let all = Ground::ALL.iter().filter(move |ground| !only_holds || ground.may_hold());
        all.map(|ground| choice(ground.as_str(), ground.describe())).collect::<Vec<_>>()
    };
    let in_days = |days: u64| today.checked_add_days(Days::new(days)).unwrap_or(today).to_string();
    context! {
        grounds => grounds(false), hold_grounds => grounds(true),
        refusals => RefusalGround::ALL.iter().map(|one| choice(one.as_str(), one.describe())).collect::<Vec<_>>(),
        extensions => ExtensionReason::ALL.iter().map(|one| choice(one.as_str(), one.describe())).collect::<Vec<_>>(),
        wants => ProofWant::ALL.iter().map(|one| choice(one.as_str(), one.describe())).collect::<Vec<_>>(),
        sentences => Sentence::ALL.iter().map(|one| choice(one.as_str(), one.describe())).collect::<Vec<_>>(),
        roles => Role::ALL.iter().map(|one| choice(one.as_str(), one.describe())).collect::<Vec<_>>(),
        today => today.to_string(), tomorrow => in_days(1), look_again_on => in_days(HOLD_DAYS),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_consequence_names_the_time_that_is_left() {
        let said = |act: &str, minutes| consequence(&[("act".into(), act.into())], minutes);
        assert!(said("complete", 10).starts_with("The requester is told in 10 minutes;"));
        assert_eq!(said("refuse", 0), "The requester gets a mail at once.");
        assert_eq!(said("extend", 10), "The requester gets a mail at once.");
        assert_eq!(said("tick", 10), "");
    }
}
