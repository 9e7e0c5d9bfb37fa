//! deletion-desk
pub mod bot;
pub mod case;
pub mod classify;
pub mod clock;
pub mod commands;
pub mod compose;
pub mod config;
pub mod digest;
pub mod mail;
pub mod mailbox;
pub mod schedule;
pub mod step;
pub mod store;
pub mod submission;
pub mod wake;
pub mod web;
