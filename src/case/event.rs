//! What may happen to a case, and what has to be known to decide on it.

use std::collections::BTreeSet;

use chrono::{DateTime, Duration, Utc};

use super::act::Act;
use super::authority::Authority;
use super::letter::LetterKind;
use super::state::{Reference, Role, named};

named! {
    /// How a request came in.
    Source {
        /// A mail of the requester.
        Mail = "mail",
        /// The notification of a form service.
        Form = "form",
        /// Our own form.
        Page = "page",
        /// A person on the host, for a request that came another way.
        Staff = "staff",
    }
}

named! {
    /// By which act something was said.
    Means {
        /// A button on the page behind the link.
        Page = "page",
        /// An answer by mail.
        Reply = "reply",
        /// Staff, who identified the requester another way.
        Staff = "staff",
    }
}

/// Something that happened. All that changes a case is one of these, whether it came by
/// mail, page, clock or command line.
#[derive(Clone, Debug)]
pub enum Event {
    /// Somebody asked for the deletion of the data under an address.
    RequestReceived {
        /// How it came in.
        source: Source,
        /// When it reached us.
        received_at: DateTime<Utc>,
        /// The address itself wrote, with an aligned DMARC pass.
        authenticated: bool,
    },
    /// The verification letter left the desk: its days run from now.
    VerificationReleased,
    /// The holder of the mailbox said that the request is theirs.
    Confirmed {
        /// By which act.
        means: Means,
        /// Who they say they are; an answer by mail does not tell.
        role: Option<Role>,
    },
    /// They corrected who they are.
    RoleChanged {
        /// Who they say they are now.
        role: Role,
    },
    /// "I did not ask for this."
    Disowned {
        /// By which act.
        means: Means,
    },
    /// The requester took the request back.
    Withdrawn {
        /// By which act.
        means: Means,
    },
    /// One of our letters cannot arrive: bounced, refused for good, or given up.
    LetterFailed {
        /// Which.
        letter: LetterKind,
    },
    /// Time passed; dates may have come.
    TimePassed,
    /// Somebody who was sent to a business answered, in words that a person has to read.
    RedirectAnswered,
    /// A mail came in answer to the letter that asks for authorization.
    ProofReceived,
    /// Staff did something.
    Acted {
        /// Who may, and did.
        by: Authority,
        /// What.
        act: Act,
    },
}

impl Event {
    /// The name in the journal.
    pub fn as_str(&self) -> &'static str {
        match self {
            Event::RequestReceived { .. } => "request-received",
            Event::VerificationReleased => "verification-released",
            Event::Confirmed { .. } => "confirmed",
            Event::RoleChanged { .. } => "role-changed",
            Event::Disowned { .. } => "disowned",
            Event::Withdrawn { .. } => "withdrawn",
            Event::LetterFailed { .. } => "letter-failed",
            Event::TimePassed => "time-passed",
            Event::RedirectAnswered => "redirect-answered",
            Event::ProofReceived => "proof-received",
            Event::Acted { act, .. } => act.as_str(),
        }
    }
}

/// What is true in the moment of deciding, read in the transaction that writes the decision.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The address said before that it never asked.
    pub suppressed: bool,
    /// When verification letters to this address were written in the last 7 days.
    pub verifications_at: Vec<DateTime<Utc>>,
    /// When letters to this address, while unconfirmed, were written in the last 24 hours.
    pub automatic_at: Vec<DateTime<Utc>>,
    /// Kinds of letters this case already has.
    pub written: BTreeSet<LetterKind>,
    /// Kinds of letters of this case that have not left the desk.
    pub on_desk: BTreeSet<LetterKind>,
    /// A reference nobody has yet.
    pub fresh_reference: Reference,
}

impl Facts {
    /// Automatic letters to this address in the last 24 hours.
    pub fn automatic_in_a_day(&self, now: DateTime<Utc>) -> usize {
        self.automatic_at.iter().filter(|at| now - **at < Duration::hours(24)).count()
    }

    /// Whether a letter that asks for confirmation is still on the desk.
    pub fn verification_waits(&self) -> bool {
        self.on_desk.iter().any(|kind| kind.asks_to_confirm())
    }
}
