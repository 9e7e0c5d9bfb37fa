//! Everything that needs more than one module: one binary, one harness.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::disallowed_methods,
    reason = "tests"
)]
mod answers;
mod bounces;
mod decision_table;
mod harness;
mod outbox;
mod page;
mod requests;
