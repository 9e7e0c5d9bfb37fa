//! deletion-desk looks after a privacy inbox.
//!
//! # The flow, in the order of the modules
//!
//! ```text
//! mailbox ─▶ mail ─▶ classify ─▶ case ─▶ compose ─▶ store ─▶ submission
//!  IMAP      bytes    rules/     decide   templates/  one       SMTP
//!  Maildir   → Mail                                   transaction
//!               web page, clock, command line ─▶ (the same) case ─▶ …
//! ```
//!
//! `oauth` gives mailbox and submission their tokens where a provider takes no passwords; `https`,
//! `tls` and `net` are what it and they stand on.
//!
//! [`bot`] is the loop that goes through it; read that first. [`wake`] lists all that can make
//! it act. [`commands`] is the command line.
//!
//! # What holds, and what is absent
//!
//! - `mail`, `classify`, `case`, `compose`, `digest` and `schedule` name no file, socket, SQL or
//!   clock, and nothing in them is `async` (`tests/it/tidy.rs`).
//! - All that happens to a case happens through [`case::decide()`], and is written by one
//!   function, `store::commit`, in one transaction with its journal entry and its letters.
//! - A message is handled when a committed row says so; no flag, UID or Message-ID does.
//! - A letter needs a [`case::Recipient`], and an answer to a mail an
//!   [`mail::origin::Answerable`]: no letter to a robot can be written.
//! - GET shows. Only POST, and only with a choice and a ticked box, changes anything.
//! - No token is stored, and no address is printed: [`mail::EmailAddress`] has no `Display`.
//! - Only [`clock`] reads the time; everything else takes it as an argument.

pub mod accounts;
pub mod bot;
pub mod case;
pub mod classify;
pub mod clock;
pub mod commands;
pub mod compose;
pub mod config;
pub mod digest;
pub mod https;
pub mod mail;
pub mod mailbox;
pub mod net;
pub mod oauth;
pub mod schedule;
pub mod step;
pub mod store;
pub mod submission;
pub mod systemd;
pub mod tls;
pub mod trouble;
pub mod wake;
pub mod web;
