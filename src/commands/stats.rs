//! `stats`: how many requests, of which kind, and how long they took.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use chrono::NaiveDate;
use clap::Args;
use serde_json::{Value, json};

use super::setup::Setup;
use crate::case::deadline::day_of;
use crate::case::{Case, Policy, Resolution, Role};

/// Arguments of `stats`.
#[derive(Clone, Copy, Debug, Args)]
pub struct StatsArgs {
    /// Count requests received on this day or later (YYYY-MM-DD)
    #[arg(long, value_name = "DATE")]
    since: Option<NaiveDate>,
    /// Print JSON for machines
    #[arg(long)]
    json: bool,
}

/// Counts by a name.
type Counts = BTreeMap<String, u32>;

/// What a set of cases comes to.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// All of them.
    pub requests: u32,
    /// By month of receipt.
    pub months: Counts,
    /// By the way they came.
    pub kinds: Counts,
    /// By who asked.
    pub roles: Counts,
    /// By state, or by how they ended.
    pub outcomes: Counts,
    /// Days from confirmation to completion or refusal, sorted.
    pub days: Vec<i64>,
    /// Finished by both of their dates.
    pub on_time: u32,
    /// Finished after one of them.
    pub late: u32,
}

impl Stats {
    /// Counts cases received on `since` or later.
    pub fn of<'a>(
        cases: impl Iterator<Item = &'a Case>,
        policy: &Policy,
        since: Option<NaiveDate>,
    ) -> Stats {
        let mut stats = Stats::default();
        for case in cases {
            let received_on = day_of(case.received_at, policy.zone);
            if since.is_some_and(|since| received_on < since) {
                continue;
            }
            let mut count = |counts: fn(&mut Stats) -> &mut Counts, name: &str| {
                *counts(&mut stats).entry(name.to_owned()).or_default() += 1;
            };
            count(|stats| &mut stats.months, &received_on.format("%Y-%m").to_string());
            count(|stats| &mut stats.kinds, case.source.as_str());
            count(|stats| &mut stats.roles, case.role.map_or("not-told", Role::as_str));
            count(|stats| &mut stats.outcomes, outcome_of(case));
            stats.requests += 1;
            stats.take_time(case, policy);
        }
        stats.days.sort_unstable();
        stats
    }

    fn take_time(&mut self, case: &Case, policy: &Policy) {
        let finished =
            matches!(case.state.resolution(), Some(Resolution::Completed | Resolution::Refused));
        let (Some(confirmed_at), Some(closed_at), true) =
            (case.confirmed_at, case.closed_at, finished)
        else {
            return;
        };
        let closed_on = day_of(closed_at, policy.zone);
        self.days.push((closed_on - day_of(confirmed_at, policy.zone)).num_days());
        let late = case.due_on.into_iter().chain(case.law_due_on).any(|due| closed_on > due);
        if late { self.late += 1 } else { self.on_time += 1 }
    }

    fn median_days(&self) -> Option<i64> {
        self.days.get(self.days.len() / 2).copied()
    }

    fn json(&self) -> Value {
        json!({
            "requests": self.requests, "by_month": self.months, "by_kind": self.kinds,
            "by_role": self.roles, "by_outcome": self.outcomes,
            "median_days": self.median_days(), "longest_days": self.days.last(),
            "on_time": self.on_time, "late": self.late,
        })
    }
}

fn outcome_of(case: &Case) -> &'static str {
    match (case.state.resolution(), case.work.outcome) {
        (Some(Resolution::Completed), Some(outcome)) => outcome.as_str(),
        (Some(resolution), _) => resolution.as_str(),
        (None, _) => case.state.as_str(),
    }
}

/// Counts and prints.
///
/// # Errors
/// Configuration and storage errors.
pub async fn stats(config: &Path, args: &StatsArgs) -> Result<ExitCode> {
    let setup = Setup::read(config)?;
    let store = setup.open_store().await?;
    let cases = store.cases(false).await?;
    store.close().await;
    let cases = cases.iter().map(|stored| &stored.case);
    let stats = Stats::of(cases, &setup.config.policy(), args.since);
    if args.json {
        println!("{}", serde_json::to_string_pretty(&stats.json())?);
        return Ok(ExitCode::SUCCESS);
    }
    println!("Requests          {}", stats.requests);
    for (title, counts) in [
        ("By month", &stats.months),
        ("By kind", &stats.kinds),
        ("By role", &stats.roles),
        ("By outcome", &stats.outcomes),
    ] {
        println!("\n{title}");
        for (name, count) in counts {
            println!("  {name:<22}{count:>6}");
        }
    }
    let days = |days: Option<i64>| days.map_or("-".to_owned(), |days| days.to_string());
    println!("\nFrom confirmation to the end, in days");
    println!("  {:<22}{:>6}", "median", days(stats.median_days()));
    println!("  {:<22}{:>6}", "longest", days(stats.days.last().copied()));
    println!("  {:<22}{:>6}", "on time", stats.on_time);
    println!("  {:<22}{:>6}", "late", stats.late);
    Ok(ExitCode::SUCCESS)
}
