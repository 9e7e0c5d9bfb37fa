//! Where a case is, how it ended, who asks.

use std::fmt;

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use super::decision::Change;
use super::event::{Means, Source};
use super::work::Work;

/// What people see of a case: `DEL-7K3M-Q2XA`. Random, so that it tells nobody how many
/// there are; without the letters and digits that are mistaken for each other.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Reference(String);

/// Characters of a reference: no 0, 1, I, L, O, U.
const REFERENCE_ALPHABET: &[u8; 30] = b"23456789ABCDEFGHJKMNPQRSTVWXYZ";

impl Reference {
    /// Makes one out of eight random bytes.
    pub fn from_random(bytes: [u8; 8]) -> Reference {
        let letter = |byte: u8| {
            let index = usize::from(byte) % REFERENCE_ALPHABET.len();
            REFERENCE_ALPHABET.get(index).map_or('X', |letter| char::from(*letter))
        };
        let letters: Vec<char> = bytes.into_iter().map(letter).collect();
        let (first, second) = letters.split_at(4);
        Reference(format!("DEL-{}-{}", String::from_iter(first), String::from_iter(second)))
    }

    /// Reads one as a person types it: any case, with or without its dashes.
    pub fn parse(text: &str) -> Option<Reference> {
        let letters: String =
            text.to_ascii_uppercase().chars().filter(char::is_ascii_alphanumeric).collect();
        let letters = letters.strip_prefix("DEL")?;
        let known = |c: char| u8::try_from(c).is_ok_and(|b| REFERENCE_ALPHABET.contains(&b));
        if letters.len() != 8 || !letters.chars().all(known) {
            return None;
        }
        let (first, second) = letters.split_at_checked(4)?;
        Some(Reference(format!("DEL-{first}-{second}")))
    }

    /// The text of it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Writes an enum of plain variants with its kebab-case name, its parser and its list.
macro_rules! named {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[derive(serde::Serialize, serde::Deserialize)]
        pub enum $name { $($(#[$doc])* #[serde(rename = $text)] $variant,)* }

        impl $name {
            /// Every one, in the order of the flow.
            pub const ALL: &[$name] = &[$($name::$variant),*];

            /// The name in the database, the journal and on the command line.
            pub fn as_str(self) -> &'static str {
                match self { $($name::$variant => $text),* }
            }

            /// The one of that name.
            pub fn parse(text: &str) -> Option<$name> {
                Self::ALL.iter().copied().find(|known| known.as_str() == text)
            }
        }
    };
}
pub(crate) use named;

/// Where a case is. How it ended is its [`Resolution`], how late it is its
/// [`Standing`](super::deadline::Standing): three things, never one column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Asked, and the mailbox has not answered yet.
    AwaitingVerification,
    /// Confirmed for a business; staff have to see that the requester may act for it.
    AwaitingProof,
    /// Confirmed; people delete the data.
    InProgress,
    /// Confirmed, and nothing is deleted until a day on which staff look again.
    OnHold,
    /// Confirmed as the customer of a business that uses us: sent there, and may still say
    /// that this was wrong.
    Redirecting,
    /// Ended.
    Closed(Resolution),
}

named! {
    /// How a case ended.
    Resolution {
        /// The work is done.
        Completed = "completed",
        /// Staff refused it, with reasons.
        Refused = "refused",
        /// The requester was sent to the business that controls the data.
        Redirected = "redirected",
        /// The requester took it back, or the owner of the mailbox never asked.
        Withdrawn = "withdrawn",
        /// Nobody confirmed in time; can be asked again.
        Expired = "expired",
        /// The verification letter cannot arrive.
        Undeliverable = "undeliverable",
    }
}

impl State {
    /// The name in the database and for people.
    pub fn as_str(self) -> &'static str {
        match self {
            State::AwaitingVerification => "awaiting-verification",
            State::AwaitingProof => "awaiting-proof",
            State::InProgress => "in-progress",
            State::OnHold => "on-hold",
            State::Redirecting => "redirecting",
            State::Closed(_) => "closed",
        }
    }

    /// Puts the two columns of the database together again.
    pub fn from_columns(state: &str, resolution: Option<&str>) -> Option<State> {
        match (state, resolution) {
            ("closed", Some(name)) => Resolution::parse(name).map(State::Closed),
            (_, Some(_)) => None,
            (name, None) => State::OPEN.into_iter().find(|open| open.as_str() == name),
        }
    }

    /// How it ended, if it did.
    pub fn resolution(self) -> Option<Resolution> {
        match self {
            State::Closed(resolution) => Some(resolution),
            State::AwaitingVerification
            | State::AwaitingProof
            | State::InProgress
            | State::OnHold
            | State::Redirecting => None,
        }
    }

    /// Whether staff have something to do with it: confirmed, and neither ended nor sent away.
    pub fn is_work(self) -> bool {
        matches!(self, State::AwaitingProof | State::InProgress | State::OnHold)
    }

    /// The states of an open case, in the order of the flow.
    pub const OPEN: [State; 5] = [
        State::AwaitingVerification,
        State::AwaitingProof,
        State::InProgress,
        State::OnHold,
        State::Redirecting,
    ];

    /// Every state there is, for tables and tests.
    pub fn all() -> Vec<State> {
        let closed = Resolution::ALL.iter().map(|resolution| State::Closed(*resolution));
        State::OPEN.into_iter().chain(closed).collect()
    }
}

named! {
    /// Who is asking, as they say themselves on the page.
    Role {
        /// For their own account.
        OwnAccount = "own-account",
        /// Owner or admin, for the whole workspace.
        Workspace = "workspace",
        /// For a business that connected its accounts.
        Business = "business",
        /// A customer of a business that uses us.
        Customer = "customer",
        /// They do not know.
        NotSure = "not-sure",
    }
}

impl Role {
    /// What it means, in words for staff.
    pub fn describe(self) -> &'static str {
        match self {
            Role::OwnAccount => "own account",
            Role::Workspace => "owner or admin, whole workspace",
            Role::Business => "for a connected business",
            Role::Customer => "customer of a business",
            Role::NotSure => "not sure who they are to us",
        }
    }
}

named! {
    /// What the work came to.
    Outcome {
        /// All data in scope is gone.
        Deleted = "deleted",
        /// All data in scope is gone, or no longer tells about whom it is.
        DeIdentified = "de-identified",
        /// There was none under this address.
        NothingFound = "nothing-found",
        /// Some is kept; what and why stands beside it.
        Partly = "partly",
    }
}

impl Outcome {
    /// In words for staff.
    pub fn describe(self) -> &'static str {
        match self {
            Outcome::Deleted => "everything deleted",
            Outcome::DeIdentified => "everything deleted or de-identified",
            Outcome::NothingFound => "nothing found",
            Outcome::Partly => "deleted, with exceptions",
        }
    }
}

/// One request, as its journal tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    /// What people call it.
    pub reference: Reference,
    /// Where it is.
    pub state: State,
    /// How it came in.
    pub source: Source,
    /// Who asks, once they said so.
    pub role: Option<Role>,
    /// When the request reached us: INTERNALDATE, never the sender's Date.
    pub received_at: DateTime<Utc>,
    /// Until when the newest verification letter can be used; none before it is released.
    pub expires_at: Option<DateTime<Utc>>,
    /// When the mailbox confirmed.
    pub confirmed_at: Option<DateTime<Utc>>,
    /// By which act it confirmed.
    pub confirmed_by: Option<Means>,
    /// The promise: fulfilled by this day.
    pub due_on: Option<NaiveDate>,
    /// The law's day, from receipt.
    pub law_due_on: Option<NaiveDate>,
    /// When a redirected case closes by itself.
    pub redirect_ends_at: Option<DateTime<Utc>>,
    /// When it ended.
    pub closed_at: Option<DateTime<Utc>>,
    /// What people did and owe.
    pub work: Work,
}

/// The case after `change`: folding a case's changes in their order gives the case.
/// `None` for a change of a case that was never opened.
pub fn evolve(case: Option<Case>, change: &Change) -> Option<Case> {
    let mut case = match (case, &change.opened) {
        (None, Some(opened)) => Case {
            reference: opened.reference.clone(),
            state: State::AwaitingVerification,
            source: opened.source,
            role: None,
            received_at: opened.received_at,
            expires_at: None,
            confirmed_at: None,
            confirmed_by: None,
            due_on: None,
            law_due_on: opened.law_due_on,
            redirect_ends_at: None,
            closed_at: None,
            work: Work::default(),
        },
        (case, _) => case?,
    };
    case.state = change.state.unwrap_or(case.state);
    case.role = change.role.or(case.role);
    case.expires_at = change.expires_at.or(case.expires_at);
    if let Some(confirmed) = &change.confirmed {
        case.confirmed_at = Some(confirmed.at);
        case.confirmed_by = Some(confirmed.means);
        case.due_on = Some(confirmed.due_on);
    }
    case.redirect_ends_at = change.redirect_ends_at.or(case.redirect_ends_at);
    case.closed_at = match change.state {
        // Undone: it is open again.
        Some(state) if state.resolution().is_none() => None,
        _ => change.closed_at.or(case.closed_at),
    };
    if let Some(work) = &change.work {
        case.work.clone_from(work);
    }
    if let Some(extended) = change.work.as_ref().and_then(|work| work.extended) {
        case.due_on = extended.due_on.or(case.due_on);
        case.law_due_on = extended.law_due_on.or(case.law_due_on);
    }
    Some(case)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_is_read_as_people_type_it() {
        let reference = Reference::from_random([0, 1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(reference.as_str(), "DEL-2345-6789");
        for typed in ["DEL-2345-6789", "del 2345 6789", "del23456789"] {
            assert_eq!(Reference::parse(typed).as_ref(), Some(&reference), "{typed}");
        }
        for wrong in ["", "DEL-2345-678", "DEL-2345-67890", "DEL-2345-678O", "2345-6789", "DEL-äää"]
        {
            assert_eq!(Reference::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn the_two_columns_give_the_state_back() {
        for state in State::all() {
            let resolution = state.resolution().map(Resolution::as_str);
            assert_eq!(State::from_columns(state.as_str(), resolution), Some(state));
        }
        assert_eq!(State::from_columns("closed", None), None);
    }
}
