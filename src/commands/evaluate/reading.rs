//! What the desk makes of one mail, in the words of the table.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::classify::rules::RuleSet;
use crate::classify::{Classification, Desk, ForStaff, LeftAlone, Verdict, classify};
use crate::mail::thread::token_candidates;
use crate::mail::{self, Bounds};

/// A column of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Reading {
    /// A case opens by itself.
    Case,
    /// A notification of a form of ours.
    FormEntry,
    /// Shown to staff as what may be a deletion request.
    Suggested,
    /// Shown to staff as a request by another right.
    OtherRequest,
    /// Shown to staff as asking after an earlier request.
    EarlierRequest,
    /// Shown to staff for another reason.
    ForStaff,
    /// Seems to answer a letter of ours; only the running desk can tell.
    Answer,
    /// A delivery report.
    Bounce,
    /// From a program.
    Automatic,
    /// A company's talk about deletion.
    CompanyTalk,
    /// Nothing for us.
    Unrelated,
    /// Set aside.
    Unreadable,
}

impl Reading {
    pub(super) const ALL: [Reading; 12] = [
        Reading::Case,
        Reading::FormEntry,
        Reading::Suggested,
        Reading::OtherRequest,
        Reading::EarlierRequest,
        Reading::ForStaff,
        Reading::Answer,
        Reading::Bounce,
        Reading::Automatic,
        Reading::CompanyTalk,
        Reading::Unrelated,
        Reading::Unreadable,
    ];

    /// As the table and JSON name it.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Reading::Case => "case",
            Reading::FormEntry => "form",
            Reading::Suggested => "suggested",
            Reading::OtherRequest => "other-right",
            Reading::EarlierRequest => "earlier",
            Reading::ForStaff => "staff",
            Reading::Answer => "answer",
            Reading::Bounce => "bounce",
            Reading::Automatic => "automatic",
            Reading::CompanyTalk => "company",
            Reading::Unrelated => "unrelated",
            Reading::Unreadable => "unreadable",
        }
    }

    /// Whether somebody would be mailed by itself.
    pub(super) fn acts(self) -> bool {
        matches!(self, Reading::Case | Reading::FormEntry)
    }

    /// Whether staff get to see it at least.
    pub(super) fn is_seen(self) -> bool {
        self.acts()
            || matches!(
                self,
                Reading::Suggested
                    | Reading::OtherRequest
                    | Reading::EarlierRequest
                    | Reading::ForStaff
                    | Reading::Unreadable
            )
    }
}

/// One mail, read.
#[derive(Clone, Debug)]
pub(super) struct Read {
    pub(super) reading: Reading,
    /// The reason, as `explain` has it.
    pub(super) reason: String,
    /// The rules that fired.
    pub(super) rules: Vec<String>,
    /// Of a form entry: whose address was entered.
    pub(super) entered: Option<String>,
}

impl Read {
    /// Of a mail that cannot be read.
    pub(super) fn set_aside(why: &str) -> Read {
        let reason = why.to_owned();
        Read { reading: Reading::Unreadable, reason, rules: Vec::new(), entered: None }
    }
}

/// By what mails are read.
pub(super) struct Reader {
    pub(super) bounds: Bounds,
    pub(super) desk: Desk,
    pub(super) rules: RuleSet,
}

impl Reader {
    /// Reads one mail as `run` does; what breaks the reader is set aside there as here.
    pub(super) fn read(&self, raw: &[u8]) -> Read {
        let read = catch_unwind(AssertUnwindSafe(|| {
            let mail = mail::parse(raw, &self.bounds)?;
            let classified = classify(&mail, None, &self.desk, &self.rules);
            let answers = !token_candidates(&mail, &self.desk.address).is_empty();
            Ok::<_, mail::Unreadable>((classified, answers))
        }));
        match read {
            Ok(Ok((classified, answers))) => of(&classified, answers),
            Ok(Err(why)) => Read::set_aside(&why.to_string()),
            Err(_) => Read::set_aside("unreadable"),
        }
    }
}

fn of(classified: &Classification, answers: bool) -> Read {
    let rules = classified.evidence.iter().map(|one| format!("{} ({:+})", one.rule, one.weight));
    let (reading, reason) = match &classified.verdict {
        Verdict::Request(_) => (Reading::Case, "asks-for-deletion"),
        Verdict::FormEntry(_) => (Reading::FormEntry, "form-entry"),
        Verdict::Answer(_) | Verdict::Command => (Reading::Answer, "answer"),
        Verdict::Bounce => (Reading::Bounce, "bounce"),
        Verdict::ForStaff(why) => (shown(*why), why.as_str()),
        Verdict::LeftAlone(why) if answers && *why == LeftAlone::NotARequest => {
            (Reading::Answer, why.as_str())
        }
        Verdict::LeftAlone(why) => (left(*why), why.as_str()),
    };
    let entered = match &classified.verdict {
        Verdict::FormEntry(address) => Some(address.as_str().to_owned()),
        _ => None,
    };
    Read { reading, reason: reason.to_owned(), rules: rules.collect(), entered }
}

fn shown(why: ForStaff) -> Reading {
    match why {
        ForStaff::PossibleRequest
        | ForStaff::ForwardedByStaff
        | ForStaff::NamesAnotherAddress
        | ForStaff::AutomaticRequest
        | ForStaff::PossibleFormRequest
        | ForStaff::FormNotOurs
        | ForStaff::NoSingleAuthor => Reading::Suggested,
        ForStaff::AccessRequest
        | ForStaff::RectificationRequest
        | ForStaff::Objection
        | ForStaff::OptOut => Reading::OtherRequest,
        ForStaff::EarlierRequest => Reading::EarlierRequest,
        ForStaff::FormNotAuthenticated | ForStaff::FormWithoutAddress | ForStaff::Sealed => {
            Reading::ForStaff
        }
    }
}

fn left(why: LeftAlone) -> Reading {
    match why {
        LeftAlone::NotARequest => Reading::Unrelated,
        LeftAlone::CompanyTalk => Reading::CompanyTalk,
        LeftAlone::Report => Reading::Bounce,
        LeftAlone::OwnMail
        | LeftAlone::NullReturnPath
        | LeftAlone::AutoSubmitted
        | LeftAlone::Precedence
        | LeftAlone::List
        | LeftAlone::ReadReceipt
        | LeftAlone::FeedbackReport
        | LeftAlone::Autoresponder
        | LeftAlone::TooManyHops
        | LeftAlone::RoleSender => Reading::Automatic,
    }
}
