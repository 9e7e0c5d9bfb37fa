//! Everything that needs more than one module: one binary, one harness.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::string_slice, reason = "tests")]
mod answers;
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
mod journal;
mod killed;
mod letters;
mod looks;
mod looks_scene;
mod outbox;
mod page;
mod policy;
mod properties;
mod requests;
mod restart;
mod servers;
mod settings;
mod tidy;
mod wire;
