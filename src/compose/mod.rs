//! Letter → finished mail. Pure: the same letter, case and instant give the same bytes.

pub mod markdown;
pub mod message;
pub mod shipped;
pub mod templates;

pub use message::{Outgoing, compose};
pub use templates::{TemplateProblem, Templates};

use chrono::NaiveDate;
use chrono_tz::Tz;

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
}

/// A civil day as English writes it: `23 December 2026`.
pub fn day_in_words(day: NaiveDate) -> String {
    day.format("%-d %B %Y").to_string()
}
