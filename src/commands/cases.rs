//! `cases`: list, show, open, complete.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use chrono::{DateTime, NaiveDate, NaiveTime, TimeZone as _, Utc};
use clap::{Subcommand, ValueEnum};
use serde_json::{Value, json};

use super::JsonArgs;
use super::setup::Setup;
use crate::bot::Settings;
use crate::case::authority::Authority;
use crate::case::deadline::{Standing, day_of, nearest_date, standing};
use crate::case::letter::Kept;
use crate::case::{Event, Means, Outcome, Reason, Recipient, Reference, Role, Source};
use crate::clock::Clock;
use crate::config::Mode;
use crate::mail::EmailAddress;
use crate::store::Store;
use crate::store::cases::StoredCase;
use crate::store::commit::{About, Happening};
use crate::store::outbox::Class;

/// What can be done with cases.
#[derive(Debug, Subcommand)]
pub enum CasesCommand {
    /// List open cases, the nearest date first
    List {
        /// Closed ones, too
        #[arg(long)]
        all: bool,
        /// Print JSON for machines
        #[arg(long)]
        json: bool,
    },
    /// Show a case with its whole history
    Show {
        /// As in DEL-7K3M-Q2XA
        reference: String,
        /// How to print it
        #[command(flatten)]
        json: JsonArgs,
    },
    /// Open a case for a request that came another way, or that the bot only suggested; the
    /// address is then asked to confirm like any other
    Open {
        /// The address that the request is about
        #[arg(required_unless_present = "from_message")]
        address: Option<String>,
        /// Take address and date from a suggestion in the digest
        #[arg(long, value_name = "NUMBER", conflicts_with_all = ["address", "received_on"])]
        from_message: Option<i64>,
        /// The day the request reached you, from which the law counts (YYYY-MM-DD)
        #[arg(long, value_name = "DATE", required_unless_present = "from_message")]
        received_on: Option<NaiveDate>,
        /// Who opens it
        #[arg(long, value_name = "NAME")]
        by: String,
    },
    /// Close a case whose data is deleted, and tell the requester
    Complete {
        /// As in DEL-7K3M-Q2XA
        reference: String,
        /// Who did the work
        #[arg(long, value_name = "NAME")]
        by: String,
        /// What it came to; "partly" needs --kept
        #[arg(long, value_enum, default_value_t = OutcomeArg::Deleted)]
        outcome: OutcomeArg,
        /// What is kept and why, in words for the requester: --kept "invoices: tax law asks
        /// for ten years"; may be given several times
        #[arg(long, value_name = "WHAT: WHY")]
        kept: Vec<String>,
    },
}

/// [`Outcome`] on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum OutcomeArg {
    /// All data in scope is deleted or de-identified
    Deleted,
    /// There was none
    NothingFound,
    /// Some is kept
    Partly,
}

/// Lists, shows, opens or completes.
///
/// # Errors
/// Configuration and storage errors; what the case does not allow.
pub async fn cases(config: &Path, command: CasesCommand) -> Result<ExitCode> {
    let setup = Setup::read(config)?;
    let store = setup.open_store().await?;
    let settings = setup.settings();
    let now = Clock::System.now();
    match command {
        CasesCommand::List { all, json } => list(&store, &settings, all, json, now).await?,
        CasesCommand::Show { reference, json } => {
            show(&store, &settings, &reference, json.json).await?
        }
        CasesCommand::Open { address, from_message, received_on, by } => {
            let request = match (from_message, address, received_on) {
                (Some(number), _, _) => Request::OfMessage(number),
                (None, Some(address), Some(day)) => Request::OfAddress(address, day),
                _ => bail!("Give an address with --received-on, or --from-message"),
            };
            let (reference, reason) = open(&store, &settings, &request, &by, now).await?;
            println!("{reference}: {}", reason_in_words(reason.as_str()));
        }
        CasesCommand::Complete { reference, by, outcome, kept } => {
            let work = Work { by: &by, outcome, kept: &kept };
            let reference = complete(&store, &settings, &reference, &work, now).await?;
            println!("{reference} is complete; {}.", what_now(settings.mode));
        }
    }
    store.close().await;
    Ok(ExitCode::SUCCESS)
}

async fn list(
    store: &Store,
    settings: &Settings,
    all: bool,
    as_json: bool,
    now: DateTime<Utc>,
) -> Result<()> {
    let mut cases = store.cases(!all).await?;
    cases.sort_by_key(|stored| (nearest_date(&stored.case).is_none(), nearest_date(&stored.case)));
    if as_json {
        let rows: Vec<Value> = cases.iter().map(case_json).collect();
        println!("{}", serde_json::to_string_pretty(&rows)?);
        return Ok(());
    }
    if cases.is_empty() {
        println!(
            "No case is open.{}",
            if all { "" } else { " `cases list --all` shows closed ones, too." }
        );
        return Ok(());
    }
    let today = day_of(now, settings.policy.zone);
    println!("{:<14}  {:<28}  {:<24}  {:<28}  who", "case", "state", "nearest date", "asks as");
    for stored in &cases {
        let case = &stored.case;
        let date = nearest_date(case).map_or("-".to_owned(), |date| {
            let which = if date.by_law { "law" } else { "promised" };
            let late = match standing(case, today, settings.policy.nearing_days) {
                Standing::Overdue => ", OVERDUE",
                Standing::DueSoon => ", soon",
                Standing::OnTime | Standing::Done => "",
            };
            format!("{} {which}{late}", date.on)
        });
        println!(
            "{:<14}  {:<28}  {date:<24}  {:<28}  {}",
            case.reference.as_str(),
            state_in_words(stored),
            case.role.map_or("-", Role::as_str),
            stored.subject.as_ref().map_or("(forgotten)", |subject| subject.as_str()),
        );
    }
    Ok(())
}

fn state_in_words(stored: &StoredCase) -> String {
    match stored.case.state.resolution() {
        Some(resolution) => format!("closed ({})", resolution.as_str()),
        None => stored.case.state.as_str().replace('-', " "),
    }
}

fn case_json(stored: &StoredCase) -> Value {
    let case = &stored.case;
    json!({
        "reference": case.reference.as_str(), "state": case.state.as_str(),
        "resolution": case.state.resolution().map(|resolution| resolution.as_str()),
        "role": case.role.map(Role::as_str), "source": case.source.as_str(),
        "address": stored.subject.as_ref().map(|subject| subject.as_str()),
        "received_at": case.received_at, "confirmed_at": case.confirmed_at,
        "confirmed_by": case.confirmed_by.map(Means::as_str),
        "due_on": case.due_on, "law_due_on": case.law_due_on, "closed_at": case.closed_at,
    })
}

fn reference(text: &str) -> Result<Reference> {
    Reference::parse(text)
        .with_context(|| format!("{text:?} is no reference; one looks like DEL-7K3M-Q2XA"))
}

async fn show(store: &Store, settings: &Settings, text: &str, as_json: bool) -> Result<()> {
    let reference = reference(text)?;
    let found = store.case_of_reference(&reference).await?;
    let stored = found.with_context(|| format!("There is no case {reference}"))?;
    let entries = store.journal_of(&reference).await?;
    let messages = store.messages_of(stored.id).await?;
    let letters = store.letters_of(stored.id).await?;
    if as_json {
        let value = json!({
            "case": case_json(&stored),
            "history": entries.iter().map(|entry| json!({
                "at": entry.at, "event": entry.event, "reason": entry.reason, "detail": entry.detail,
            })).collect::<Vec<_>>(),
            "messages": messages.iter().map(|line| json!({
                "received_at": line.received_at, "reason": line.reason,
                "outcome": line.outcome.map(|outcome| outcome.as_str()),
            })).collect::<Vec<_>>(),
            "letters": letters.iter().map(|line| json!({
                "kind": line.kind, "status": line.status, "hold": line.hold,
                "submitted_at": line.submitted_at,
            })).collect::<Vec<_>>(),
        });
        println!("{}", serde_json::to_string_pretty(&value)?);
        return Ok(());
    }
    print_head(&stored);
    let zone = settings.policy.zone;
    let moment = |at: DateTime<Utc>| at.with_timezone(&zone).format("%Y-%m-%d %H:%M").to_string();
    let mut lines: Vec<(DateTime<Utc>, String)> = Vec::new();
    for entry in &entries {
        let detail = entry.detail.as_ref().map(|detail| format!(" ({detail})")).unwrap_or_default();
        lines.push((entry.at, format!("{}{detail}", reason_in_words(&entry.reason))));
    }
    for line in &messages {
        let outcome = line.outcome.map_or("not handled", |outcome| outcome.as_str());
        lines.push((line.received_at, format!("mail in: {outcome}, {}", line.reason)));
    }
    for line in &letters {
        let (at, words) = match line.submitted_at {
            Some(at) => (at, "submitted".to_owned()),
            None => (
                line.written_at,
                line.hold.as_ref().map_or(line.status.clone(), |hold| format!("waits for {hold}")),
            ),
        };
        lines.push((at, format!("letter out: {}, {words}", line.kind)));
    }
    lines.sort_by_key(|(at, _)| *at);
    println!("\nHistory ({zone})");
    for (at, words) in lines {
        println!("  {}  {words}", moment(at));
    }
    Ok(())
}

fn print_head(stored: &StoredCase) {
    let case = &stored.case;
    let day = |day: Option<NaiveDate>| day.map_or("-".to_owned(), |day| day.to_string());
    println!("{}  {}", case.reference, state_in_words(stored));
    println!(
        "  Address       {}",
        stored.subject.as_ref().map_or("(forgotten)", |subject| subject.as_str())
    );
    println!("  Asks as       {}", case.role.map_or("not told", Role::describe));
    println!("  Promised by   {}", day(case.due_on));
    println!("  Law's date    {}", day(case.law_due_on));
    if let Some(means) = case.confirmed_by {
        let how = match means {
            Means::Page => "on the page behind the link",
            Means::Reply => "by answering the verification mail",
        };
        println!(
            "  Confirmed     {how}. This proves control of the mailbox at that time, and nothing more."
        );
    }
}

/// What a reason of the journal means.
pub fn reason_in_words(reason: &str) -> String {
    let words = match Reason::parse(reason) {
        Some(Reason::VerificationRequested) => "request received; the address is asked to confirm",
        Some(Reason::VerificationDeferred) => {
            "request received; the address is asked once its limits allow"
        }
        Some(Reason::VerificationRepeated) => "asked again",
        Some(Reason::AlreadyAsked) => "already asked; no further mail now",
        Some(Reason::VerificationReleased) => {
            "verification mail left the desk; its days run from here"
        }
        Some(Reason::AddressConfirmed) => "confirmed",
        Some(Reason::SentToBusiness) => {
            "confirmed as the customer of a business; sent to that business"
        }
        Some(Reason::RoleCorrected) => "who is asking was corrected",
        Some(Reason::NotRequested) => "the owner of the mailbox did not ask for this",
        Some(Reason::RequestWithdrawn) => "withdrawn by the requester",
        Some(Reason::VerificationUndeliverable) => "the verification mail cannot be delivered",
        Some(Reason::LetterUndeliverable) => "a letter cannot be delivered",
        Some(Reason::VerificationExpired) => "lapsed: not confirmed in time",
        Some(Reason::ConfirmedTooLate) => "confirmed too late",
        Some(Reason::RedirectUnanswered) => "closed: nobody objected to being sent to the business",
        Some(Reason::RequestCompleted) => "completed",
        Some(Reason::AddressSuppressed) => {
            "the address said before that it never asks; no case is opened"
        }
        Some(Reason::RepeatNoted) => "a confirmed case is open already",
        _ => reason,
    };
    words.to_owned()
}

/// What becomes of the letter that was just written.
fn what_now(mode: Mode) -> &'static str {
    match mode {
        Mode::Live => "the running desk tells the requester now",
        Mode::Approve => "the letter to the requester waits for `deletion-desk letters approve`",
        Mode::Observe => "the desk only observes, so its letter waits until the mode is changed",
    }
}

/// A request that staff bring.
#[derive(Debug)]
pub enum Request {
    /// A suggestion, by its number.
    OfMessage(i64),
    /// An address, and the day the request came.
    OfAddress(String, NaiveDate),
}

/// Opens a case for a request that staff bring.
///
/// # Errors
/// When the address or number is wrong, or the address said that it never asks.
pub async fn open(
    store: &Store,
    settings: &Settings,
    request: &Request,
    by: &str,
    now: DateTime<Utc>,
) -> Result<(Reference, Reason)> {
    let mut tx = store.begin().await?;
    let (address, received_at) = match request {
        Request::OfMessage(number) => {
            let found = tx.proposal(*number).await?;
            found.with_context(|| {
                format!("Message {number} proposes no address, or it was taken up before")
            })?
        }
        Request::OfAddress(address, day) => {
            let address = EmailAddress::parse(address)
                .with_context(|| format!("{address:?} is no mail address"))?;
            let noon = day.and_time(NaiveTime::from_hms_opt(12, 0, 0).unwrap_or_default());
            let at = settings
                .policy
                .zone
                .from_local_datetime(&noon)
                .earliest()
                .context("No such day")?
                .to_utc();
            if at > now + chrono::Duration::days(1) {
                bail!("{day} has not come yet");
            }
            (address, at)
        }
    };
    let recipient = Recipient::of_case(&address);
    let event = Event::RequestReceived { source: Source::Staff, received_at, authenticated: false };
    let authority = Authority::command_line(by);
    let happening = Happening {
        class: Some(Class::Authenticated),
        detail: Some(authority.who()),
        ..Happening::new(event, About::Address(&recipient))
    };
    let decided = tx.happen(&happening, &settings.policy, settings.release(), now).await?;
    let Some((id, case)) = decided.case else {
        bail!("{}", reason_in_words(decided.decision.reason.as_str()));
    };
    if let Request::OfMessage(number) = request {
        tx.take_up_proposal(*number, id).await?;
    }
    tx.commit().await?;
    Ok((case.reference, decided.decision.reason))
}

/// What staff did.
#[derive(Debug)]
pub struct Work<'a> {
    /// Who.
    pub by: &'a str,
    /// What it came to.
    pub outcome: OutcomeArg,
    /// `what: why` of each thing that is kept.
    pub kept: &'a [String],
}

/// Completes a case.
///
/// # Errors
/// When there is none, or it is not confirmed, or it is closed; nothing is changed then.
pub async fn complete(
    store: &Store,
    settings: &Settings,
    text: &str,
    work: &Work<'_>,
    now: DateTime<Utc>,
) -> Result<Reference> {
    let reference = reference(text)?;
    let kept = kept(work)?;
    let outcome = match work.outcome {
        OutcomeArg::Deleted => Outcome::Deleted,
        OutcomeArg::NothingFound => Outcome::NothingFound,
        OutcomeArg::Partly => Outcome::Partly,
    };
    let mut tx = store.begin().await?;
    let found = tx.case_of_reference(&reference).await?;
    let id = found.with_context(|| format!("There is no case {reference}"))?.id;
    let by = Authority::command_line(work.by);
    let mut detail = format!("{}: {}", by.who(), outcome.as_str());
    for item in &kept {
        detail.push_str(&format!("; kept {}: {}", item.what, item.why));
    }
    let event = Event::Completed { by, outcome, kept };
    let happening = Happening { detail: Some(&detail), ..Happening::new(event, About::Case(id)) };
    let decided = tx.happen(&happening, &settings.policy, settings.release(), now).await?;
    match decided.decision.reason {
        Reason::RequestCompleted => tx.commit().await.map(|()| reference),
        Reason::NotConfirmedYet => {
            bail!("{reference} is not confirmed: nobody has proved yet that the request is theirs")
        }
        Reason::AlreadyClosed => bail!("{reference} is closed already"),
        other => bail!("{reference}: {}", other.as_str()),
    }
}

fn kept(work: &Work<'_>) -> Result<Vec<Kept>> {
    let mut kept = Vec::new();
    for text in work.kept {
        let (what, why) = text
            .split_once(':')
            .filter(|(what, why)| !what.trim().is_empty() && !why.trim().is_empty())
            .with_context(|| format!("--kept {text:?}: say what and why, with a colon between"))?;
        kept.push(Kept { what: what.trim().to_owned(), why: why.trim().to_owned() });
    }
    match (work.outcome, kept.is_empty()) {
        (OutcomeArg::Partly, true) => {
            bail!("--outcome partly needs at least one --kept \"what: why\"")
        }
        (OutcomeArg::NothingFound, false) => {
            bail!("Nothing was found, so nothing can be kept: leave --kept away")
        }
        (OutcomeArg::Deleted, false) => bail!("Something is kept: say --outcome partly"),
        _ => Ok(kept),
    }
}
