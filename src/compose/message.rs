//! The finished mail: headers, two parts, and marks where tokens will stand.

use chrono::{DateTime, Days, NaiveDate, Utc};
use lettre::message::header::ContentTransferEncoding;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Body, Mailbox, Message, MultiPart, MultiPartKind, SinglePart};
use minijinja::value::Serde;
use minijinja::{Value, context};
use serde::{Deserialize, Serialize};

use super::templates::{ENGLISH, TemplateProblem, Templates};
use super::words::Words;
use super::{Identity, markdown};
use crate::case::deadline::day_of;
use crate::case::verification::{Purpose, Token, TokenKey, mark, staff_mark};
use crate::case::work::Kept;
use crate::case::{Case, Letter, LetterKind, Policy, Role};
use crate::mail::EmailAddress;

/// A letter on its way out of the desk.
#[derive(Clone, Debug)]
pub struct Draft<'a> {
    /// What to say.
    pub letter: &'a Letter,
    /// About which case; letters to staff may be about none.
    pub case: Option<&'a Case>,
    /// To whom.
    pub to: &'a EmailAddress,
    /// What its tokens are made of.
    pub nonce: &'a str,
    /// The Message-ID of the requester's mail that it answers, with angle brackets.
    pub in_reply_to: Option<&'a str>,
    /// The language of the requester.
    pub language: &'a str,
}

/// A composed mail. Its text holds marks in place of tokens, so it may be stored; every
/// attempt fills them in and sends exactly that.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outgoing {
    /// The envelope's reverse-path (RFC 5321), marked.
    pub return_path: String,
    /// The envelope's forward-path.
    pub to: EmailAddress,
    /// The mail, marked; ASCII with CRLF.
    pub message: String,
    /// To staff: the cases and messages that have a mark of their own in it.
    #[serde(default)]
    pub about: Vec<String>,
}

/// Why a letter could not be composed: a defect of templates or configuration.
#[derive(Debug, thiserror::Error)]
pub enum ComposeError {
    /// A template.
    #[error(transparent)]
    Template(#[from] TemplateProblem),
    /// An address or header that cannot be written.
    #[error("The mail could not be built: {0}")]
    Message(String),
}

/// Composes a letter. Pure: the bytes follow from the arguments.
///
/// # Errors
/// [`ComposeError`]; the checks at the start make it a defect of ours.
pub fn compose(
    draft: &Draft<'_>,
    identity: &Identity,
    templates: &Templates,
    now: DateTime<Utc>,
) -> Result<Outgoing, ComposeError> {
    let language = match templates.speaks(draft.language) && !draft.letter.kind.is_for_staff() {
        true => draft.language,
        false => ENGLISH,
    };
    let values = values(draft, identity, templates, language)?;
    let rendered = templates.letter(language, draft.letter.kind, &values)?;
    let reply_mark = mark(Purpose::Reply, draft.nonce);
    let reply_to = match identity.plus_addressing {
        true => identity.address.with_tag(&reply_mark),
        false => identity.address.as_str().to_owned(),
    };
    // Automatic answers are to go out with a null path (RFC 3834 §3.3), lest reports of them go
    // in circles. Ours has to be told that a letter did not arrive, and answers no report: so
    // each letter has a path of its own (VERP), with a token that is good for nothing else.
    let return_path = match identity.plus_addressing {
        true => identity.address.with_tag(&mark(Purpose::ReturnPath, draft.nonce)),
        false => identity.address.as_str().to_owned(),
    };
    let from = mailbox(Some(&identity.name), identity.address.as_str())?;
    let mut builder = Message::builder()
        .from(from)
        .reply_to(mailbox(Some(&identity.name), &reply_to)?)
        .to(mailbox(None, draft.to.as_str())?)
        .subject(rendered.subject)
        .date(now.into())
        .message_id(Some(format!("<{reply_mark}@{}>", identity.address.domain())))
        .raw_header(raw("Auto-Submitted", auto_submitted(draft.letter.kind)))
        .raw_header(raw("X-Auto-Response-Suppress", "All"))
        .raw_header(raw(
            "X-Deletion-Desk",
            draft.case.map_or("staff", |case| case.reference.as_str()),
        ));
    if let Some(id) = draft.in_reply_to {
        builder = builder.in_reply_to(id.to_owned()).references(id.to_owned());
    }
    let parts = MultiPart::builder()
        .kind(MultiPartKind::Alternative)
        .boundary(format!("=_{}", draft.nonce))
        .singlepart(part(ContentType::TEXT_PLAIN, markdown::to_text(&rendered.body))?)
        .singlepart(part(ContentType::TEXT_HTML, markdown::to_html(&rendered.body, language))?);
    let message = builder.multipart(parts).map_err(|why| ComposeError::Message(why.to_string()))?;
    let bytes = message.formatted();
    let message =
        String::from_utf8(bytes).map_err(|_| ComposeError::Message("not ASCII".into()))?;
    let about = draft.letter.about.clone();
    Ok(Outgoing { return_path, to: draft.to.clone(), message, about })
}

impl Outgoing {
    /// Puts the tokens where their marks are: what goes over the wire, and the reverse-path.
    pub fn filled(&self, key: &TokenKey, letter: LetterKind, nonce: &str) -> (String, Vec<u8>) {
        let of_all = Purpose::ALL
            .iter()
            .map(|purpose| (mark(*purpose, nonce), key.token(*purpose, letter, nonce)));
        let of_staff = self
            .about
            .iter()
            .map(|about| (staff_mark(nonce, about), key.staff_token(letter, nonce, about)));
        let tokens: Vec<(String, Token)> = of_all.chain(of_staff).collect();
        let fill = |text: &str| replace_marks(text, nonce, &tokens);
        (fill(&self.return_path), fill(&self.message).into_bytes())
    }
}

/// How quoted-printable breaks a line.
const SOFT_BREAK: &str = "=\r\n";

/// Replaces every mark by its equally long token, also where quoted-printable broke it over two
/// lines (RFC 2045 §6.7 rule 5); the breaks stay where they are.
fn replace_marks(text: &str, nonce: &str, tokens: &[(String, Token)]) -> String {
    let mut out = String::with_capacity(text.len());
    // Each mark begins with the letter's nonce.
    let (Some(first), Some(begun)) = (nonce.chars().next(), nonce.get(..2)) else {
        return text.to_owned();
    };
    let mut rest = text;
    while let Some(at) = rest.find(first) {
        let (before, here) = rest.split_at(at);
        let (letter, after) = here.split_at(first.len_utf8());
        out.push_str(before);
        rest = after;
        // Nearly every text fails here already.
        if !here.starts_with(begun) && !after.starts_with(SOFT_BREAK) {
            out.push_str(letter);
            continue;
        }
        let mut matches =
            tokens.iter().filter_map(|(mark, token)| match_mark(here, mark, token.reveal()));
        match matches.next() {
            Some((written, behind)) => {
                out.push_str(&written);
                rest = behind;
            }
            None => out.push_str(letter),
        }
    }
    out.push_str(rest);
    out
}

/// The token in place of a mark that the text begins with, and what stands behind it.
fn match_mark<'a>(text: &'a str, mark: &str, token: &str) -> Option<(String, &'a str)> {
    let (mut written, mut rest) = (String::with_capacity(mark.len() + SOFT_BREAK.len()), text);
    for (expected, replacement) in mark.chars().zip(token.chars()) {
        if let (false, Some(after)) = (written.is_empty(), rest.strip_prefix(SOFT_BREAK)) {
            written.push_str(SOFT_BREAK);
            rest = after;
        }
        rest = rest.strip_prefix(expected)?;
        written.push(replacement);
    }
    Some((written, rest))
}

/// What every template may use, and what this letter adds.
fn values(
    draft: &Draft<'_>,
    identity: &Identity,
    templates: &Templates,
    language: &str,
) -> Result<Value, TemplateProblem> {
    let words = templates.words_of(language)?;
    let in_words = |day: Option<NaiveDate>| day.map(|day| words.day(day)).unwrap_or_default();
    let on = |at: Option<DateTime<Utc>>| at.map(|at| day_of(at, identity.zone));
    let case = draft.case;
    let link = identity.public_url.as_ref().map(|url| {
        Value::from_safe_string(format!("{url}/c/{}", mark(Purpose::Link, draft.nonce)))
    });
    let closed_on = on(case.and_then(|case| case.closed_at));
    let rollover = Days::new(identity.backup_rollover_days.into());
    let choices: Vec<Value> = words
        .role_choices(&identity.organization)
        .into_iter()
        .map(|(name, label)| context! { name, label })
        .collect();
    Ok(context! {
        ..in_language(draft.letter, words, identity, language),
        ..Value::from(Serde(&draft.letter.values)),
        ..context! {
            organization => identity.organization.as_str(),
            desk => identity.address.as_str(),
            privacy_policy => Value::from_safe_string(identity.privacy_policy.clone()),
            link => link,
            links => staff_links(draft, identity),
            reference => case.map(|case| case.reference.to_string()).unwrap_or_default(),
            received_on => in_words(on(case.map(|case| case.received_at))),
            confirmed_on => in_words(on(case.and_then(|case| case.confirmed_at))),
            due_on => in_words(case.and_then(|case| case.due_on)),
            law_due_on => in_words(case.and_then(|case| case.law_due_on)),
            expires_on => in_words(on(case.and_then(|case| case.expires_at))),
            closed_on => in_words(closed_on),
            backups_on => in_words(closed_on.and_then(|on| on.checked_add_days(rollover))),
            role => case.and_then(|case| case.role).map(Role::as_str).unwrap_or_default(),
            role_choices => choices,
            fulfil_days => identity.fulfil_days,
            verification_days => identity.verification_days,
            redirect_days => Policy::REDIRECT_DAYS,
            undo_minutes => identity.undo_minutes,
        }
    })
}

/// The names in a letter's values, said in its language: grounds, reasons, items of the scope.
fn in_language(letter: &Letter, words: &Words, identity: &Identity, language: &str) -> Value {
    let name =
        |key: &str| letter.values.get(key).and_then(|value| value.as_str()).unwrap_or_default();
    match letter.kind {
        LetterKind::Completion => {
            let kept = letter.values.get("kept").cloned().unwrap_or_default();
            let kept: Vec<Kept> = serde_json::from_value(kept).unwrap_or_default();
            let item = |one: &Kept| {
                let found = identity.scope.iter().find(|item| item.item == one.what);
                context! {
                    what => found.map_or(one.what.as_str(), |item| item.label(language)),
                    why => words.ground(one.ground.as_str()),
                    until => one.until.map(|until| words.day(until)).unwrap_or_default(),
                }
            };
            context! { kept => kept.iter().map(item).collect::<Vec<_>>() }
        }
        LetterKind::ProofRequest => {
            context! { want => name("want"), wants => words.want(name("want")) }
        }
        LetterKind::Refusal => context! { why => words.refusal(name("ground")) },
        LetterKind::ExtensionNotice => context! { why => words.extension(name("why")) },
        LetterKind::StaffMessage => context! { sentence => words.sentence(name("sentence")) },
        _ => context! {},
    }
}

/// For staff: the link of each case and message, as a mark.
fn staff_links(draft: &Draft<'_>, identity: &Identity) -> Value {
    let Some(url) = &identity.public_url else { return context! {} };
    let link = |about: &String| {
        let link = format!("{url}/s/{about}/{}", staff_mark(draft.nonce, about));
        (about.clone(), Value::from_safe_string(link))
    };
    Value::from_pairs(draft.letter.about.iter().map(link))
}

/// RFC 3834 §5: an answer to a mail, or written on our own account.
fn auto_submitted(kind: LetterKind) -> &'static str {
    match kind {
        LetterKind::VerificationRequest
        | LetterKind::RequestConfirmed
        | LetterKind::NotOurs
        | LetterKind::ProofRequest
        | LetterKind::ActDone
        | LetterKind::ActRefused
        | LetterKind::WithdrawalConfirmed => "auto-replied",
        LetterKind::VerificationReminder
        | LetterKind::ExtensionNotice
        | LetterKind::Refusal
        | LetterKind::StaffMessage
        | LetterKind::Completion
        | LetterKind::Digest
        | LetterKind::CaseConfirmed
        | LetterKind::Escalation
        | LetterKind::Alarm => "auto-generated",
    }
}

fn raw(name: &'static str, value: &str) -> HeaderValue {
    HeaderValue::new(HeaderName::new_from_ascii_str(name), value.to_owned())
}

fn mailbox(name: Option<&str>, address: &str) -> Result<Mailbox, ComposeError> {
    let address = address.parse().map_err(|_| ComposeError::Message("an address".into()))?;
    Ok(Mailbox::new(name.map(str::to_owned), address))
}

fn part(kind: ContentType, text: String) -> Result<SinglePart, ComposeError> {
    let text = text.replace('\n', "\r\n");
    let body = Body::new_with_encoding(text, ContentTransferEncoding::QuotedPrintable)
        .map_err(|_| ComposeError::Message("a body".into()))?;
    Ok(SinglePart::builder().header(kind).body(body))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_found_across_soft_line_breaks() {
        let key = TokenKey::new(vec![7; 32]);
        let kind = LetterKind::VerificationRequest;
        let mark = mark(Purpose::Link, "abcdefgh");
        let (head, tail) = mark.split_at(20);
        let outgoing = Outgoing {
            return_path: "x".into(),
            to: EmailAddress::parse("jane@example.org").unwrap(),
            message: format!("{mark} {head}=\r\n{tail} abcdefgh"),
            about: Vec::new(),
        };
        let (_, bytes) = outgoing.filled(&key, kind, "abcdefgh");
        let token = key.token(Purpose::Link, kind, "abcdefgh");
        let (head, tail) = token.reveal().split_at(20);
        let expected = format!("{head}{tail} {head}=\r\n{tail} abcdefgh");
        assert_eq!(String::from_utf8(bytes).unwrap(), expected);
    }
}
