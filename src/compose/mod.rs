//! Letter → finished mail. Pure: the same letter, case and instant give the same bytes.

pub mod markdown;
pub mod message;
mod samples;
pub mod shipped;
pub mod templates;
pub mod words;

pub use message::{Outgoing, compose};
pub use templates::{TemplateProblem, Templates};

use chrono::NaiveDate;
use chrono_tz::Tz;

use crate::case::scope::ScopeItem;
use crate::mail::EmailAddress;

/// Who writes: the part of `bot.toml` that letters and pages use.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The organisation's name, as its users know it.
    pub organization: String,
    /// The address that letters come from and answers go to.
    pub address: EmailAddress,
    /// The name beside that address.
    pub name: String,
    /// Where the privacy policy stands.
    pub privacy_policy: String,
    /// The zone whose civil days letters name.
    pub zone: Tz,
    /// Whether `local+tag@domain` reaches the same mailbox.
    pub plus_addressing: bool,
    /// Where the page is, without a slash at the end; none without a web server.
    pub public_url: Option<String>,
    /// Days from confirmation in which a request is fulfilled.
    pub fulfil_days: u32,
    /// Days in which a verification letter can be used.
    pub verification_days: u32,
    /// Days until the last backup is gone that may hold deleted data.
    pub backup_rollover_days: u32,
    /// Minutes in which staff can take completing and refusing back.
    pub undo_minutes: u32,
    /// The language of those whose own we do not know or speak.
    pub language: String,
    /// What a deletion covers: the words for what is kept.
    pub scope: Vec<ScopeItem>,
}

/// A civil day as staff read it, in English: `23 December 2026`.
pub fn day_in_words(day: NaiveDate) -> String {
    day.format("%-d %B %Y").to_string()
}
