//! Part of `check --probe`: from where the probes arrived to lines with remedies. Pure.

use super::provider::{signing, spf_mechanism};
use super::{Line, Verdict, line};
use crate::config::Config;
use crate::mail::EmailAddress;
use crate::mail::sender_auth::SenderAuth;
use crate::mailbox::Folder;

/// What became of a probe.
#[derive(Clone, Debug)]
pub(super) enum Arrival {
    /// It arrived.
    Came(Seen),
    /// The mail server did not take it.
    Refused { why: String },
    /// It was not seen.
    NotAtAll { seconds: u64 },
}

/// A probe that arrived.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) place: Folder,
    pub(super) seconds: u64,
    /// Whose Authentication-Results stand on top, and what they say.
    pub(super) authserv_id: Option<String>,
    pub(super) sender: SenderAuth,
    /// Whom From names.
    pub(super) from: Option<EmailAddress>,
}

/// What became of both.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) smtp_host: String,
    pub(super) plain: Arrival,
    pub(super) plus: Arrival,
}

/// What there is to know, and to do.
pub(super) fn lines(found: &Found, config: &Config) -> Vec<Line> {
    let mut lines = vec![arrival(&found.plain)];
    lines.extend(plus_addressing(found, config.identity.plus_addressing));
    let seen = [&found.plain, &found.plus].into_iter().find_map(|one| match one {
        Arrival::Came(seen) => Some(seen),
        _ => None,
    });
    if let Some(seen) = seen {
        lines.extend(rewritten(seen, &config.identity.address));
        lines.extend(authserv(seen, config.authentication.authserv_id.as_deref()));
        lines.extend(sender(seen, config.identity.address.domain(), &found.smtp_host));
    }
    lines
}

fn arrival(plain: &Arrival) -> Line {
    let (verdict, says) = match plain {
        Arrival::Came(Seen { place: Folder::Junk(name), .. }) => (
            Verdict::Fail,
            format!(
                "a mail to ourselves arrived in {name}: requesters' providers may think the same of our \
                 letters; see the lines below, and tell your provider that it is no spam"
            ),
        ),
        Arrival::Came(Seen { seconds, .. }) => (
            Verdict::Ok,
            format!(
                "a mail to ourselves arrived in the inbox after {seconds} s; it can be deleted"
            ),
        ),
        Arrival::Refused { why } => (
            Verdict::Fail,
            format!(
                "the mail server refuses mail to identity.address ({why}); is it a mailbox there?"
            ),
        ),
        Arrival::NotAtAll { seconds } => (
            Verdict::Fail,
            format!(
                "a mail to ourselves was not seen within {seconds} s, neither in the inbox nor in Junk: \
                 does mail to identity.address reach mailbox.username at all?"
            ),
        ),
    };
    line(verdict, "probe", says)
}

/// What the tagged probe tells; nothing when the plain one did not come either.
fn plus_addressing(found: &Found, is_on: bool) -> Option<Line> {
    let came = |arrival: &Arrival| matches!(arrival, Arrival::Came(_));
    let (verdict, says) = match (came(&found.plain), came(&found.plus), is_on) {
        (false, false, _) => return None,
        (_, true, true) => {
            (Verdict::Ok, "mail to a plus-address arrives: every letter has one of its own")
        }
        (_, true, false) => (
            Verdict::Note,
            "mail to a plus-address arrives: set identity.plus_addressing = true, and answers and bounces are recognised for certain",
        ),
        (true, false, true) => (
            Verdict::Fail,
            "mail to a plus-address does not arrive, so answers to letters get lost: set identity.plus_addressing = false, or let the mail server accept them (Postfix: recipient_delimiter = +)",
        ),
        (true, false, false) => (
            Verdict::Ok,
            "mail to a plus-address does not arrive; plus_addressing = false is right",
        ),
    };
    Some(line(verdict, "answers", says))
}

/// Some providers (Gmail) write the account's own address over any other.
fn rewritten(seen: &Seen, desk: &EmailAddress) -> Option<Line> {
    let from = seen.from.as_ref().filter(|from| !from.same_mailbox(desk))?;
    let says = format!(
        "the mail server writes {} over the sender: requesters would not know who asks, and answers would go \
         there. Let the account send as identity.address (Gmail: Settings, Accounts, \"Send mail as\", \
         verified), or set identity.address to that one",
        from.as_str()
    );
    Some(line(Verdict::Fail, "sender", says))
}

/// Whose word on senders can be had.
fn authserv(seen: &Seen, configured: Option<&str>) -> Option<Line> {
    let (verdict, says) = match (&seen.authserv_id, configured) {
        (Some(id), Some(set)) if id.eq_ignore_ascii_case(set) => return None,
        (Some(id), None) => (
            Verdict::Note,
            format!(
                "the mailbox's server checks senders as {id:?}: set authentication.authserv_id = {id:?}"
            ),
        ),
        (Some(id), Some(set)) => (
            Verdict::Note,
            format!(
                "authentication.authserv_id is {set:?}, and the probe was checked by {id:?}: if that is \
                 the mailbox's own server, set it to {id:?}"
            ),
        ),
        (None, _) => return None,
    };
    Some(line(verdict, "senders", says))
}

/// What the border found of SPF, DKIM and DMARC, with the record that is missing.
fn sender(seen: &Seen, domain: &str, smtp_host: &str) -> Vec<Line> {
    let SenderAuth::Read { spf, dkim, dmarc, .. } = &seen.sender else {
        return vec![line(
            Verdict::Note,
            "sender",
            "the mailbox's server says nothing of SPF, DKIM and DMARC for mail of its own: send one mail to a mailbox elsewhere, and look at its Authentication-Results there",
        )];
    };
    let word = |value: &Option<String>| value.clone().unwrap_or_else(|| "none".to_owned());
    let (spf, mut dmarc) = (word(spf), word(dmarc));
    if dmarc == "bestguesspass" {
        // Microsoft's word for a domain that would pass, if it had a record.
        dmarc = "none".to_owned();
    }
    let signed = dkim.iter().any(|one| one == "pass");
    let dkim = if signed { "pass".to_owned() } else { word(&dkim.first().cloned()) };
    // One of the two is what large providers ask of every sender.
    let verdict = |passes: bool, other: bool| match (passes, other) {
        (true, _) => Verdict::Ok,
        (false, true) => Verdict::Note,
        (false, false) => Verdict::Fail,
    };
    let mechanism = spf_mechanism(smtp_host);
    let spf_says = match spf.as_str() {
        "pass" => format!("pass: {domain} allows its mail server"),
        "none" => format!(
            "none: {domain} has no SPF record; publish TXT at {domain}: \"v=spf1 {mechanism} ~all\""
        ),
        "temperror" => {
            format!("temperror: the SPF record of {domain} could not be looked up; try again later")
        }
        "permerror" => format!(
            "permerror: the SPF record of {domain} is wrong: two records, a mistyped word, or more \
             than 10 look-ups; it needs {mechanism}"
        ),
        other => format!(
            "{other}: the SPF record of {domain} (TXT, v=spf1) does not allow its mail server; add \
             {mechanism} to it"
        ),
    };
    let dkim_says = match dkim.as_str() {
        "pass" => "pass: mail is signed, and the signature holds".to_owned(),
        "none" => format!("none: mail is not signed; {}", signing(smtp_host)),
        other => format!(
            "{other}: the signature does not hold: the published key is another one, or something \
             changes mail after it was signed; {}",
            signing(smtp_host)
        ),
    };
    let dmarc_says = match dmarc.as_str() {
        "pass" => format!("pass: the sender is who From says, {domain}"),
        "none" => format!(
            "none: {domain} has no DMARC record; publish TXT at _dmarc.{domain}: \"v=DMARC1; p=none\""
        ),
        other => format!(
            "{other}: neither SPF nor DKIM passes for {domain} itself; mend those first (signatures \
             have to be of d={domain})"
        ),
    };
    let dmarc_verdict = match dmarc.as_str() {
        "pass" => Verdict::Ok,
        "none" => Verdict::Note,
        _ => Verdict::Fail,
    };
    vec![
        line(verdict(spf == "pass", signed), "spf", spf_says),
        line(verdict(signed, spf == "pass"), "dkim", dkim_says),
        line(dmarc_verdict, "dmarc", dmarc_says),
    ]
}
