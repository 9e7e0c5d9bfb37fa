//! deletion-desk
pub mod case;
pub mod classify;
pub mod clock;
pub mod compose;
pub mod config;
pub mod mail;
pub mod mailbox;
pub mod schedule;
pub mod step;
pub mod store;
