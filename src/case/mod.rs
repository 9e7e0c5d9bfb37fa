//! One request, its state, and the one function that changes it. Pure.

pub mod act;
pub mod acts;
pub mod authority;
pub mod deadline;
pub mod decide;
pub mod decision;
pub mod due;
pub mod event;
pub mod identity;
pub mod letter;
pub mod limits;
pub mod scope;
pub mod state;
pub mod verification;
pub mod work;

pub use act::Act;
pub use authority::Authority;
pub use decide::decide;
pub use decision::{Change, Decision, Reason};
pub use event::{Event, Facts, Means, Source};
pub use letter::{Letter, LetterKind, Recipient};
pub use state::{Case, Outcome, Reference, Resolution, Role, State};

use chrono_tz::Tz;
use deadline::Law;
use limits::Limits;
use scope::ScopeItem;

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
    /// What a deletion covers.
    pub scope: Vec<ScopeItem>,
    /// Days after which a closed case is reduced.
    pub retention_days: u32,
    /// Days after which the last backup that may hold deleted data is gone.
    pub backup_rollover_days: u32,
    /// Minutes in which completing and refusing can be taken back.
    pub undo_minutes: u32,
}

impl Policy {
    /// Days that somebody sent to another business has to say that this was wrong.
    pub const REDIRECT_DAYS: u32 = 7;
    /// Hours after which an unanswered verification letter is followed by a reminder.
    pub const REMINDER_HOURS: i64 = 24;
}
