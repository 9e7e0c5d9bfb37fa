//! What a mail is: [`Mail`] and rules → [`Classification`], with every reason. Pure.

pub mod command;
pub mod form;
pub mod language;
pub mod rules;
pub mod shipped;
pub mod text;

use crate::case::Role;
use crate::case::letter::LetterKind;
use crate::mail::origin::{self, Answerable, Origin};
use crate::mail::sender_auth::{SenderAuth, sender_auth};
use crate::mail::{EmailAddress, Mail};
use form::FormSetting;
use rules::{Evidence, Kind, RuleSet, Strength};

/// What the desk knows of itself when it reads mail.
#[derive(Clone, Debug)]
pub struct Desk {
    /// The address people write to.
    pub address: EmailAddress,
    /// The addresses of staff.
    pub staff: Vec<EmailAddress>,
    /// The form services that are ours.
    pub forms: Vec<FormSetting>,
    /// Whose Authentication-Results count.
    pub authserv_id: Option<String>,
}

/// The verdict on one mail, and what led to it.
#[derive(Clone, Debug)]
pub struct Classification {
    /// What it is.
    pub verdict: Verdict,
    /// Which rules fired, on which words.
    pub evidence: Vec<Evidence>,
    /// What the border says of the sender.
    pub sender_auth: SenderAuth,
    /// Of a request: the language it is in, if it tells.
    pub language: Option<&'static str>,
}

/// What a mail is.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// A deletion request of its own author.
    Request(Answerable),
    /// The entry of a form of ours, with the address that was entered.
    FormEntry(EmailAddress),
    /// An answer to a letter of ours.
    Answer(Answer),
    /// An answer to one of our mails to staff.
    Command,
    /// A report that a letter of ours cannot arrive.
    Bounce,
    /// Something that a person has to look at, with the reason.
    ForStaff(ForStaff),
    /// Nothing for us, with the reason.
    LeftAlone(LeftAlone),
}

/// What the writer's own words say in answer to a letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Yes, the request is mine.
    Yes,
    /// No, I never asked.
    No,
    /// I take it back.
    Withdraw,
    /// Who is asking: the number of a choice in the letter.
    Role(Role),
    /// Anything else.
    Unclear,
}

crate::case::state::named! {
    /// Why a person has to look.
    ForStaff {
        /// It looks like a request, not surely enough to act.
        PossibleRequest = "possible-request",
        /// A member of staff passed it on.
        ForwardedByStaff = "forwarded-by-staff",
        /// A request that names another address than its sender's.
        NamesAnotherAddress = "names-another-address",
        /// The sender of a form of ours, not authenticated as the rule wants it.
        FormNotAuthenticated = "form-not-authenticated",
        /// A form of ours without an address in its place.
        FormWithoutAddress = "form-without-address",
        /// A request that a program sent: no answer, but a person looks.
        AutomaticRequest = "automatic-request",
        /// A request whose sender is not one plain address.
        NoSingleAuthor = "no-single-author",
    }
}

crate::case::state::named! {
    /// Why nothing is done.
    LeftAlone {
        /// Nothing in it asks for a deletion.
        NotARequest = "not-a-request",
        /// A delivery report that reports no failure, or of none of our letters.
        Report = "delivery-report",
        /// Our own mail, come back.
        OwnMail = "own-mail",
        /// Automatic: a null return path.
        NullReturnPath = "null-return-path",
        /// Automatic by its own word.
        AutoSubmitted = "auto-submitted",
        /// Bulk mail.
        Precedence = "precedence-bulk",
        /// A mailing list or newsletter.
        List = "mailing-list",
        /// A notice that a mail was read.
        ReadReceipt = "read-receipt",
        /// A feedback report.
        FeedbackReport = "feedback-report",
        /// An answering machine.
        Autoresponder = "autoresponder",
        /// It has been going in circles.
        TooManyHops = "too-many-hops",
        /// Sent by a role that reads no answers.
        RoleSender = "role-sender",
    }
}

/// Reads one mail. `answers` is the letter of ours that it provably answers, if any: its
/// token was checked by the holder of the key.
pub fn classify(
    mail: &Mail,
    answers: Option<LetterKind>,
    desk: &Desk,
    rules: &RuleSet,
) -> Classification {
    let sender_auth = sender_auth(&mail.headers, desk.authserv_id.as_deref());
    let mut evidence = Vec::new();
    let verdict = verdict(mail, answers, desk, rules, &sender_auth, &mut evidence);
    let language = match verdict {
        Verdict::Request(_) | Verdict::FormEntry(_) => language::language_of(mail),
        _ => None,
    };
    Classification { verdict, evidence, sender_auth, language }
}

fn verdict(
    mail: &Mail,
    answers: Option<LetterKind>,
    desk: &Desk,
    rules: &RuleSet,
    sender_auth: &SenderAuth,
    evidence: &mut Vec<Evidence>,
) -> Verdict {
    if let Some(report) = &mail.report {
        let bounced = report.failed() && answers.is_some();
        return if bounced { Verdict::Bounce } else { Verdict::LeftAlone(LeftAlone::Report) };
    }
    if let Some(entry) = form_entry(mail, desk, rules, sender_auth, evidence) {
        return entry;
    }
    let answerable = match origin::answerable(mail, &desk.address) {
        Ok(answerable) => answerable,
        Err(Origin::Automatic(origin::Sign::NoAuthor)) => {
            return match rules.judge(Kind::DeletionRequest, mail, evidence) {
                Strength::Acts | Strength::Suggests => Verdict::ForStaff(ForStaff::NoSingleAuthor),
                Strength::Nothing => Verdict::LeftAlone(LeftAlone::NotARequest),
            };
        }
        Err(origin) => return not_answerable(mail, answers, origin, rules, evidence),
    };
    match answers {
        Some(letter) if letter.is_for_staff() => return Verdict::Command,
        Some(letter) => return Verdict::Answer(answer(mail, letter, rules, evidence)),
        None => {}
    }
    request(mail, answerable, desk, rules, evidence)
}

/// Mail that must not be answered. What surely asks for a deletion all the same, as services
/// do that write for people, is not left to a count: staff see it.
fn not_answerable(
    mail: &Mail,
    answers: Option<LetterKind>,
    origin: Origin,
    rules: &RuleSet,
    evidence: &mut Vec<Evidence>,
) -> Verdict {
    use origin::Sign;
    let may_ask = matches!(
        origin,
        Origin::Automatic(
            Sign::AutoSubmitted
                | Sign::List
                | Sign::Precedence
                | Sign::RoleSender
                | Sign::NoAnswerWanted
                | Sign::TooManyHops
        )
    );
    // The subject of an answering machine is that of the mail it answers.
    let replies = mail
        .headers
        .first("auto-submitted")
        .is_some_and(|value| value.to_ascii_lowercase().starts_with("auto-replied"));
    let in_own_words = answers.is_none() && !is_in_a_thread(mail) && !replies;
    if may_ask
        && in_own_words
        && rules.judge(Kind::DeletionRequest, mail, evidence) == Strength::Acts
    {
        return Verdict::ForStaff(ForStaff::AutomaticRequest);
    }
    Verdict::LeftAlone(left_alone(origin))
}

fn request(
    mail: &Mail,
    answerable: Answerable,
    desk: &Desk,
    rules: &RuleSet,
    evidence: &mut Vec<Evidence>,
) -> Verdict {
    let strength = rules.judge(Kind::DeletionRequest, mail, evidence);
    if desk.staff.iter().any(|member| member.same_mailbox(answerable.address())) {
        let subject = mail.subject.to_lowercase();
        let says_forward =
            ["fw:", "fwd:", "wg:", "tr:", "rv:"].iter().any(|begin| subject.starts_with(begin));
        let passes_on = mail.body.forwards || says_forward || strength != Strength::Nothing;
        return if passes_on {
            Verdict::ForStaff(ForStaff::ForwardedByStaff)
        } else {
            Verdict::LeftAlone(LeftAlone::NotARequest)
        };
    }
    match strength {
        Strength::Nothing => Verdict::LeftAlone(LeftAlone::NotARequest),
        Strength::Suggests => Verdict::ForStaff(ForStaff::PossibleRequest),
        // In somebody else's thread the subject is not the writer's own word.
        Strength::Acts if is_in_a_thread(mail) && says_itself(mail, rules) == Strength::Nothing => {
            Verdict::ForStaff(ForStaff::PossibleRequest)
        }
        Strength::Acts if names_another(mail, answerable.address(), desk) => {
            Verdict::ForStaff(ForStaff::NamesAnotherAddress)
        }
        Strength::Acts => Verdict::Request(answerable),
    }
}

fn is_in_a_thread(mail: &Mail) -> bool {
    mail.headers.first("in-reply-to").is_some_and(|id| id.contains('@'))
}

/// What the body says without its subject.
fn says_itself(mail: &Mail, rules: &RuleSet) -> Strength {
    rules.judge_text(Kind::DeletionRequest, "", &mail.body.own, &mut Vec::new())
}

/// Whether the writer's own words hold an address that is neither theirs nor the desk's.
fn names_another(mail: &Mail, author: &EmailAddress, desk: &Desk) -> bool {
    text::addresses(&mail.body.own)
        .iter()
        .any(|named| !named.same_mailbox(author) && named.domain() != desk.address.domain())
}

fn form_entry(
    mail: &Mail,
    desk: &Desk,
    rules: &RuleSet,
    sender_auth: &SenderAuth,
    evidence: &mut Vec<Evidence>,
) -> Option<Verdict> {
    let author = mail.author.address()?;
    let setting = desk.forms.iter().find(|form| form.from == *author)?;
    let rule = rules.form(&setting.rule)?;
    if !rule.is_notification(&mail.subject) {
        return None;
    }
    evidence.push(Evidence::of_form(rule, &mail.subject));
    if rule.authenticated && !sender_auth.aligned_pass_for(author) {
        return Some(Verdict::ForStaff(ForStaff::FormNotAuthenticated));
    }
    Some(match rule.entered_address(&mail.body.own) {
        Some(entered) => Verdict::FormEntry(entered),
        None => Verdict::ForStaff(ForStaff::FormWithoutAddress),
    })
}

fn answer(
    mail: &Mail,
    letter: LetterKind,
    rules: &RuleSet,
    evidence: &mut Vec<Evidence>,
) -> Answer {
    if let (false, Some(role)) = (letter.asks_to_confirm(), chosen_role(&mail.body.own)) {
        return Answer::Role(role);
    }
    let mut says = |kind| rules.judge(kind, mail, evidence) == Strength::Acts;
    match (says(Kind::AnswerYes), says(Kind::AnswerNo), says(Kind::Withdrawal)) {
        (true, false, false) => Answer::Yes,
        (false, true, false) => Answer::No,
        (false, _, true) => Answer::Withdraw,
        _ => Answer::Unclear,
    }
}

/// The choice that somebody names by its number, alone in the first line.
fn chosen_role(own: &str) -> Option<Role> {
    let line = own.lines().map(str::trim).find(|line| !line.is_empty())?;
    let number: usize = line.trim_end_matches(['.', ')']).parse().ok()?;
    Role::ALL.get(number.checked_sub(1)?).copied()
}

fn left_alone(origin: Origin) -> LeftAlone {
    match origin {
        Origin::Ourselves => LeftAlone::OwnMail,
        Origin::Report => LeftAlone::Report,
        Origin::Person => LeftAlone::NotARequest,
        Origin::Automatic(sign) => match sign {
            origin::Sign::NullReturnPath => LeftAlone::NullReturnPath,
            origin::Sign::AutoSubmitted => LeftAlone::AutoSubmitted,
            origin::Sign::Precedence => LeftAlone::Precedence,
            origin::Sign::List => LeftAlone::List,
            origin::Sign::DispositionNotification => LeftAlone::ReadReceipt,
            origin::Sign::FeedbackReport => LeftAlone::FeedbackReport,
            origin::Sign::Autoresponder | origin::Sign::NoAnswerWanted => LeftAlone::Autoresponder,
            origin::Sign::TooManyHops => LeftAlone::TooManyHops,
            origin::Sign::RoleSender => LeftAlone::RoleSender,
            origin::Sign::NoAuthor => LeftAlone::NotARequest,
        },
    }
}
