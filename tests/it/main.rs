//! Everything that needs more than one module: one binary, one harness.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::string_slice, reason = "tests")]
mod answers;
mod authority;
mod authority_by_mail;
mod authority_by_page;
mod backup;
mod bounces;
mod browser;
mod browser_story;
mod budgets;
mod cli;
mod dates;
mod decision_table;
mod digest;
mod forgetting;
mod harness;
mod host;
mod journal;
mod killed;
mod letters;
mod looks;
mod looks_scene;
#[path = "../../benches/world/many_cases.rs"]
mod many_cases;
mod outbox;
mod page;
mod policy;
mod properties;
mod requests;
mod restart;
#[expect(dead_code, reason = "the plain port of IMAP is for benchmarks")]
mod servers;
mod settings;
mod starved;
mod starved_clock;
mod starved_files;
mod starved_size;
mod stories;
mod stories_of_events;
mod stories_of_staff;
mod tidy;
mod transcript;
mod watched;
mod watched_live;
mod watched_signals;
mod wire;
