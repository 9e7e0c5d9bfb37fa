//! What staff know of who asks: the identity card of a case.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use super::event::Means;
use super::state::{Case, Role, named};
use super::work::Proof;
use crate::mail::EmailAddress;

/// What was seen when somebody asked or confirmed. Personal: kept beside the case, and gone
/// when it is reduced.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Evidence {
    /// What our border said of the sender of a mail (RFC 8601).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sender: Option<String>,
    /// The Reply-To address, where it is not the author's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<String>,
    /// The author of the mail that brought the request, where it is not whom it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sent_by: Option<String>,
    /// The network address that a press came from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network: Option<String>,
    /// How often the link had been opened before.
    #[serde(skip_serializing_if = "is_zero")]
    pub looks: u32,
    /// How many of these look like a program's, such as a link scanner's.
    #[serde(skip_serializing_if = "is_zero")]
    pub scans: u32,
    /// What staff say they saw.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub how: Option<String>,
    /// Other addresses that its writer gave. Nobody was asked there.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub named: Vec<String>,
    /// What the request asks for beside deletion.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub also: Option<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

named! {
    /// What somebody did when it was seen.
    Deed {
        /// Asked for the deletion.
        Asked = "asked",
        /// Confirmed.
        Confirmed = "confirmed",
        /// Sent proof.
        Proved = "proved",
    }
}

/// Evidence with its moment.
#[derive(Clone, Debug)]
pub struct Seen {
    /// When.
    pub at: DateTime<Utc>,
    /// What was done.
    pub deed: Deed,
    /// What was seen.
    pub evidence: Evidence,
}

/// What the list of accounts says about an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// There is no list; staff check by hand.
    NoList,
    /// The address is not on it.
    NotFound,
    /// It is, as neither owner nor admin.
    NotAdmin,
    /// It is the owner's or an admin's, of these workspaces.
    Admin(Vec<String>),
}

impl Finding {
    /// In words for staff; requesters never see it.
    pub fn describe(&self) -> String {
        match self {
            Finding::NoList => "no list of accounts is set: please check by hand".to_owned(),
            Finding::NotFound => "not found in the list of accounts".to_owned(),
            Finding::NotAdmin => "has an account, but is neither owner nor admin".to_owned(),
            Finding::Admin(workspaces) => format!("owner or admin of {}", workspaces.join(", ")),
        }
    }
}

/// A line of the card: what, and what is known of it.
pub type Line = (&'static str, String);

/// The card, line by line.
pub fn card(
    case: &Case,
    address: &str,
    seen: &[Seen],
    finding: &Finding,
    zone: Tz,
    show: Show,
) -> Vec<Line> {
    let moment = |at: DateTime<Utc>| at.with_timezone(&zone).format("%-d %B %Y, %H:%M").to_string();
    let mut lines = vec![
        ("Address", address.to_owned()),
        (
            "Says",
            case.role.map_or("not told who they are".to_owned(), |role| role.describe().into()),
        ),
    ];
    match case.role {
        Some(Role::Workspace) => lines.push(("Account", finding.describe())),
        Some(Role::OwnAccount | Role::NotSure) | None if *finding != Finding::NoList => {
            lines.push(("Account", finding.describe()));
        }
        _ => {}
    }
    if case.role == Some(Role::Business) {
        let proof = match case.work.proof {
            None | Some(Proof::Asked) => "asked for, nothing came yet",
            Some(Proof::Received) => "something came: please look at it",
            Some(Proof::Approved) => "approved by staff",
        };
        lines.push(("Authorization", proof.to_owned()));
    }
    for one in seen {
        let what = match one.deed {
            Deed::Asked => "Asked",
            Deed::Confirmed => "Confirmed",
            Deed::Proved => "Sent proof",
        };
        let act = match (one.deed, case.confirmed_by) {
            (Deed::Confirmed, Some(means)) => by_which_act(means),
            _ => "",
        };
        let facts = facts(&one.evidence, show);
        let parts = [moment(one.at), act.to_owned(), facts];
        let parts: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        lines.push((what, parts.join(", ")));
    }
    match case.confirmed_by {
        Some(Means::Page | Means::Reply) => lines.push(("Note", PROVES.to_owned())),
        Some(Means::Staff) => lines.push(("Means", VOUCHED.to_owned())),
        None => {}
    }
    lines
}

/// What a confirmation is worth.
pub const PROVES: &str =
    "A confirmation proves control of the mailbox at that time, and nothing more.";

/// What the word of staff is worth.
pub const VOUCHED: &str =
    "Staff vouch for who this is; that they control the mailbox was not shown.";

/// By which act somebody confirmed, in words for staff.
pub fn by_which_act(means: Means) -> &'static str {
    match means {
        Means::Page => "on the page behind the link",
        Means::Reply => "by answering the mail",
        Means::Staff => "identified by staff another way",
    }
}

/// How addresses stand on the card.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Show {
    /// Whole: on the page and on the host.
    Whole,
    /// Masked: in mail.
    Masked,
}

fn facts(evidence: &Evidence, show: Show) -> String {
    let shown = |address: &String| match show {
        Show::Whole => address.clone(),
        Show::Masked => EmailAddress::parse(address)
            .map_or_else(|_| "an address".to_owned(), |address| address.masked()),
    };
    let mut facts = Vec::new();
    facts.extend(evidence.sender.as_ref().map(|sender| format!("sender: {sender}")));
    facts.extend(evidence.sent_by.as_ref().map(|by| format!("the mail came from {}", shown(by))));
    facts.extend(evidence.reply_to.as_ref().map(|to| format!("answers would go to {}", shown(to))));
    facts.extend(evidence.network.as_ref().map(|network| format!("from {network}")));
    if evidence.looks > 0 {
        let scans = match evidence.scans {
            0 => String::new(),
            scans => format!(", {scans} of them as a link scanner does"),
        };
        let times =
            if evidence.looks == 1 { "once".into() } else { format!("{} times", evidence.looks) };
        facts.push(format!("the link had been opened {times} before{scans}"));
    }
    facts.extend(
        evidence
            .named
            .iter()
            .map(|named| format!("the mail gives {}, too: nobody was asked there", shown(named))),
    );
    facts
        .extend(evidence.also.as_ref().map(|also| format!("the mail {also}, too: please read it")));
    facts.extend(evidence.how.as_ref().map(|how| format!("how: {how}")));
    facts.join("; ")
}

/// The card in one line, for the digest.
pub fn in_a_line(case: &Case, seen: &[Seen], finding: &Finding) -> String {
    let mut parts = vec![
        case.role.map_or("role not told".to_owned(), |role| format!("says: {}", role.describe())),
    ];
    match (case.role, finding) {
        (Some(Role::Workspace), finding) => parts.push(finding.describe()),
        (Some(Role::OwnAccount), Finding::NotFound) => parts.push(finding.describe()),
        _ => {}
    }
    match (case.role, case.work.proof) {
        (Some(Role::Business), Some(Proof::Received)) => {
            parts.push("authorization came, please look at it".to_owned());
        }
        (Some(Role::Business), Some(Proof::Approved)) => {
            parts.push("authorization approved".to_owned());
        }
        (Some(Role::Business), _) => parts.push("authorization is asked for".to_owned()),
        _ => {}
    }
    parts.extend(case.confirmed_by.map(|means| format!("confirmed {}", by_which_act(means))));
    let asked = seen.iter().find(|one| one.deed == Deed::Asked);
    if let Some(by) =
        asked.and_then(|one| one.evidence.sent_by.as_ref().or(one.evidence.reply_to.as_ref()))
    {
        parts.push(format!(
            "note another address: {}",
            crate::mail::EmailAddress::parse(by)
                .map_or_else(|_| "unreadable".to_owned(), |by| by.masked())
        ));
    }
    if seen.iter().any(|one| one.evidence.scans > 0) {
        parts.push("a link scanner opened the link, too".to_owned());
    }
    parts.join("; ")
}
