//! One request, its state, and the one function that changes it. Pure.

pub mod authority;
pub mod deadline;
pub mod decide;
pub mod decision;
pub mod event;
pub mod letter;
pub mod limits;
pub mod state;
pub mod verification;

pub use decide::decide;
pub use decision::{Change, Decision, Reason};
pub use event::{Event, Facts, Means, Source};
pub use letter::{Letter, LetterKind, Recipient};
pub use state::{Case, Outcome, Reference, Resolution, Role, State};

use chrono_tz::Tz;
use deadline::Law;
use limits::Limits;

/// What the organisation promises and obeys: the part of `bot.toml` that decisions use.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Civil days from confirmation within which a request is fulfilled.
    pub fulfil_days: u32,
    /// Civil days before a date from which the case counts as due soon.
    pub nearing_days: u32,
    /// Whose deadline runs from receipt.
    pub law: Law,
    /// The organisation's zone; civil days are days there.
    pub zone: Tz,
    /// Days from its release for which a verification letter can be used.
    pub verification_days: u32,
    /// Letters per address and day.
    pub limits: Limits,
}

impl Policy {
    /// Days that somebody sent to another business has to say that this was wrong.
    pub const REDIRECT_DAYS: u32 = 7;
}
