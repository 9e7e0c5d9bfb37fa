//! What people do on a case, as the case remembers it: holds, ticks, proof, and what they owe.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use super::letter::LetterKind;
use super::state::{Outcome, State, named};

named! {
    /// Why something is kept, for a time or for good. The words for requesters stand in
    /// `templates/<language>/words.toml`.
    Ground {
        /// A law obliges us to keep it.
        Law = "law",
        /// Tax and accounting.
        Tax = "tax",
        /// Security, and against fraud and abuse.
        Security = "security",
        /// A lawsuit or an investigation is open.
        Litigation = "litigation",
        /// The least that is needed to honour an opt-out.
        OptOut = "opt-out",
        /// The provider that holds it gives no way to delete it.
        NoDeletionApi = "no-deletion-api",
    }
}

impl Ground {
    /// Whether a case or an item of it may be put on hold for it.
    pub fn may_hold(self) -> bool {
        match self {
            Ground::Law | Ground::Tax | Ground::Security | Ground::Litigation => true,
            Ground::OptOut | Ground::NoDeletionApi => false,
        }
    }

    /// Reads the name, or what people write in its place.
    pub fn read(text: &str) -> Option<Ground> {
        let folded = text.trim().to_lowercase().replace([' ', '_'], "-");
        Ground::parse(&folded).or(match folded.as_str() {
            "legal" | "legal-obligation" => Some(Ground::Law),
            "accounting" | "audit" | "tax-and-accounting" => Some(Ground::Tax),
            "fraud" | "abuse" | "fraud-prevention" => Some(Ground::Security),
            "investigation" | "lawsuit" => Some(Ground::Litigation),
            "optout" | "suppression" | "unsubscribe" => Some(Ground::OptOut),
            "no-api" | "provider" => Some(Ground::NoDeletionApi),
            _ => None,
        })
    }

    /// In words for staff.
    pub fn describe(self) -> &'static str {
        match self {
            Ground::Law => "a law obliges us to keep it",
            Ground::Tax => "tax and accounting",
            Ground::Security => "security, against fraud and abuse",
            Ground::Litigation => "litigation or investigation",
            Ground::OptOut => "needed to honour an opt-out",
            Ground::NoDeletionApi => "the provider gives no deletion API",
        }
    }
}

/// One thing that is kept, with its ground.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// An item of the scope, or what it is in words for the requester.
    pub what: String,
    /// Why it may be kept.
    pub ground: Ground,
    /// Until when, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<NaiveDate>,
}

/// What was not deleted yet, on a ground, until a day to look again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// An item of the scope; the whole case without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub item: Option<String>,
    /// Why.
    pub ground: Ground,
    /// On this day it comes back by itself.
    pub look_again_on: NaiveDate,
}

named! {
    /// How far the proof of a business's representative is.
    Proof {
        /// Asked for.
        Asked = "asked",
        /// Something came; staff look at it.
        Received = "received",
        /// Staff were satisfied.
        Approved = "approved",
    }
}

named! {
    /// Who of the staff answers for what.
    StaffRole {
        /// Does the work; gets the digest.
        Officer = "officer",
        /// Stands in: hears 7 days before a date on which nobody acted.
        Deputy = "deputy",
        /// Answers for both: hears 5 days before.
        Lead = "lead",
    }
}

#[expect(clippy::derivable_impls, reason = "the macro derives the same for all")]
impl Default for StaffRole {
    fn default() -> StaffRole {
        StaffRole::Officer
    }
}

named! {
    /// How much of a closed case is gone.
    Forgotten {
        /// The address in plain, names, texts and letters.
        Reduced = "reduced",
        /// Also the keyed hash of the address.
        Erased = "erased",
    }
}

/// That the dates were extended, once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extended {
    /// When.
    pub at: DateTime<Utc>,
    /// The promised day from then on.
    pub due_on: Option<NaiveDate>,
    /// The law's day from then on.
    pub law_due_on: Option<NaiveDate>,
}

/// Everything about a case that follows from people's work. Dates, names of a fixed list and
/// items of the scope: no personal data, since the journal keeps it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Work {
    /// When the one reminder of the verification letter is due.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remind_at: Option<DateTime<Utc>>,
    /// What waits, and why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub holds: Vec<Hold>,
    /// Items of the scope that are done, and since when.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub ticked: BTreeMap<String, DateTime<Utc>>,
    /// The proof of authorization.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proof: Option<Proof>,
    /// That the dates were extended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extended: Option<Extended>,
    /// When staff last did something on it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acted_at: Option<DateTime<Utc>>,
    /// Who was told last that nobody acts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub escalated: Option<StaffRole>,
    /// What it came to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// On which grounds something is kept.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub grounds: Vec<Ground>,
    /// Where it was before it was closed: undo goes back there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub closed_from: Option<State>,
    /// A letter that cannot arrive and that no person has seen yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub returned: Option<LetterKind>,
    /// How much of it is forgotten.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub forgotten: Option<Forgotten>,
}

impl Work {
    /// The hold on the whole case.
    pub fn whole_hold(&self) -> Option<&Hold> {
        self.holds.iter().find(|hold| hold.item.is_none())
    }

    /// Whether an authorization is asked for and not approved yet.
    pub fn wants_proof(&self) -> bool {
        matches!(self.proof, Some(Proof::Asked | Proof::Received))
    }

    /// The hold on one item.
    pub fn hold_on(&self, item: &str) -> Option<&Hold> {
        self.holds.iter().find(|hold| hold.item.as_deref() == Some(item))
    }
}
