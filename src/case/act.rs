//! What staff can do with a case, from page, mail and command line alike.

use chrono::NaiveDate;

use super::state::{Outcome, Role, named};
use super::work::{Ground, Kept};

/// One act of staff. It becomes an event together with the authority for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// The requester was identified another way (GDPR Art. 12(6)).
    Verify {
        /// Who they are.
        role: Option<Role>,
    },
    /// Correct who is asking.
    SetRole(Role),
    /// The proof of authorization is good.
    ApproveProof,
    /// It is not; ask once more.
    AskProofAgain(ProofWant),
    /// Do not delete for now.
    Hold {
        /// Items of the scope; the whole case without any.
        items: Vec<String>,
        /// Why.
        ground: Ground,
        /// The day it comes back by itself.
        look_again_on: NaiveDate,
    },
    /// Go on; without items, with everything that is held.
    Release {
        /// Items of the scope.
        items: Vec<String>,
    },
    /// Extend both dates, once (GDPR Art. 12(3)).
    Extend {
        /// Calendar months, one or two.
        months: u32,
        /// Why.
        reason: ExtensionReason,
    },
    /// Refuse (GDPR Art. 12(4)).
    Refuse {
        /// Why.
        ground: RefusalGround,
        /// The reasons in staff's own words, for the requester.
        words: String,
    },
    /// The work is done.
    Complete {
        /// What it came to.
        outcome: Outcome,
        /// What of the open items is deleted.
        deleted: Deleted,
        /// What is kept, and why.
        kept: Vec<Kept>,
    },
    /// Tick items of the scope, or take the ticks off.
    Tick {
        /// Which.
        items: Vec<String>,
        /// On or off.
        done: bool,
    },
    /// Write something down for the colleagues.
    Note(String),
    /// Write one of the fixed sentences to the requester.
    Write(Sentence),
    /// Take completing or refusing back, before its letter leaves.
    Undo,
    /// A letter came back, and a person knows.
    Seen,
}

/// Which of the open items of the scope are deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deleted {
    /// All that are not held.
    All,
    /// These, beside what was ticked.
    Only(Vec<String>),
}

impl Act {
    /// The name in the journal, in the past tense as for every event.
    pub fn as_str(&self) -> &'static str {
        match self {
            Act::Verify { .. } => "verified-by-staff",
            Act::SetRole(_) => "role-set-by-staff",
            Act::ApproveProof => "proof-approved",
            Act::AskProofAgain(_) => "proof-asked-again",
            Act::Hold { .. } => "held",
            Act::Release { .. } => "released",
            Act::Extend { .. } => "extended",
            Act::Refuse { .. } => "refused",
            Act::Complete { .. } => "completed",
            Act::Tick { done: true, .. } => "ticked",
            Act::Tick { done: false, .. } => "unticked",
            Act::Note(_) => "noted",
            Act::Write(_) => "message-written",
            Act::Undo => "undone",
            Act::Seen => "seen",
        }
    }

    /// Every name that [`Act::as_str`] gives.
    pub const NAMES: &[&str] = &[
        "verified-by-staff",
        "role-set-by-staff",
        "proof-approved",
        "proof-asked-again",
        "held",
        "released",
        "extended",
        "refused",
        "completed",
        "ticked",
        "unticked",
        "noted",
        "message-written",
        "undone",
        "seen",
    ];

    /// What was done, in words for staff.
    pub fn describe(&self) -> String {
        let listed = |items: &[String]| match items.is_empty() {
            true => "everything".to_owned(),
            false => items.join(", "),
        };
        match self {
            Act::Verify { .. } => "identified the requester another way".to_owned(),
            Act::SetRole(role) => format!("set who is asking: {}", role.describe()),
            Act::ApproveProof => "approved the proof of authorization".to_owned(),
            Act::AskProofAgain(want) => format!("asked for proof again: {}", want.describe()),
            Act::Hold { items, ground, look_again_on } => {
                format!(
                    "put {} on hold until {look_again_on}: {}",
                    listed(items),
                    ground.describe()
                )
            }
            Act::Release { items } => format!("released {}", listed(items)),
            Act::Extend { months, reason } => format!(
                "extended the dates by {months} month{}: {}",
                if *months == 1 { "" } else { "s" },
                reason.describe()
            ),
            Act::Refuse { ground, words } if words.is_empty() => {
                format!("refused: {}", ground.describe())
            }
            Act::Refuse { ground, words } => format!("refused: {} ({words})", ground.describe()),
            Act::Complete { outcome, kept, .. } => {
                let mut text = format!("completed: {}", outcome.describe());
                for one in kept {
                    text.push_str(&format!("; kept {}: {}", one.what, one.ground.describe()));
                    text.extend(one.until.map(|until| format!(" until {until}")));
                }
                text
            }
            Act::Tick { items, done: true } => format!("ticked {}", listed(items)),
            Act::Tick { items, done: false } => format!("took the tick off {}", listed(items)),
            Act::Note(text) => format!("noted: {text}"),
            Act::Write(sentence) => format!("wrote to the requester: {}", sentence.describe()),
            Act::Undo => "took the last step back".to_owned(),
            Act::Seen => "saw that a letter came back".to_owned(),
        }
    }
}

named! {
    /// Why the dates are extended (GDPR Art. 12(3)).
    ExtensionReason {
        /// The request is complex.
        Complex = "complex",
        /// There are many requests.
        Many = "many",
    }
}

impl ExtensionReason {
    /// In words for staff.
    pub fn describe(self) -> &'static str {
        match self {
            ExtensionReason::Complex => "the request is complex",
            ExtensionReason::Many => "there are many requests",
        }
    }
}

named! {
    /// Why a request is refused.
    RefusalGround {
        /// No authorization to act for the business was shown.
        NoProof = "no-proof",
        /// The requester could not be identified (GDPR Art. 11(2), 12(2)).
        NotIdentified = "not-identified",
        /// A business decides about the data, not us (GDPR Art. 28).
        NotOurs = "not-ours",
        /// Manifestly unfounded (GDPR Art. 12(5)).
        Unfounded = "unfounded",
        /// Excessive, above all repeated (GDPR Art. 12(5)).
        Excessive = "excessive",
        /// The law asks us to keep all of it (GDPR Art. 17(3)).
        MustKeep = "must-keep",
    }
}

impl RefusalGround {
    /// In words for staff.
    pub fn describe(self) -> &'static str {
        match self {
            RefusalGround::NoProof => "no authorization was shown",
            RefusalGround::NotIdentified => "the requester could not be identified",
            RefusalGround::NotOurs => "a business decides about the data",
            RefusalGround::Unfounded => "manifestly unfounded",
            RefusalGround::Excessive => "excessive",
            RefusalGround::MustKeep => "everything has to be kept by law",
        }
    }
}

named! {
    /// What is missing in a proof of authorization.
    ProofWant {
        /// It cannot be read.
        Unreadable = "unreadable",
        /// It does not name the business.
        BusinessNotNamed = "business-not-named",
        /// It does not name the requester.
        PersonNotNamed = "person-not-named",
        /// Nobody who may act for the business signed or sent it.
        NotFromBusiness = "not-from-business",
        /// It is out of date.
        OutOfDate = "out-of-date",
    }
}

impl ProofWant {
    /// In words for staff.
    pub fn describe(self) -> &'static str {
        match self {
            ProofWant::Unreadable => "it cannot be read",
            ProofWant::BusinessNotNamed => "it does not name the business",
            ProofWant::PersonNotNamed => "it does not name the requester",
            ProofWant::NotFromBusiness => "nobody of the business signed or sent it",
            ProofWant::OutOfDate => "it is out of date",
        }
    }
}

named! {
    /// What staff may write to a requester: one of these, in the requester's language.
    Sentence {
        /// Which workspace is it about?
        WhichWorkspace = "which-workspace",
        /// Which business did you deal with?
        WhichBusiness = "which-business",
        /// We are at it, and the date holds.
        StillWorking = "still-working",
        /// Something has to be kept for now; the last mail will say what and why.
        OnHold = "on-hold",
    }
}

impl Sentence {
    /// In words for staff.
    pub fn describe(self) -> &'static str {
        match self {
            Sentence::WhichWorkspace => "a question, which workspace it is about",
            Sentence::WhichBusiness => "a question, which business it is about",
            Sentence::StillWorking => "we are working on it, and the date holds",
            Sentence::OnHold => "something has to be kept for now",
        }
    }
}
