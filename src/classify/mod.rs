//! What a mail is: [`Mail`] and rules → [`Classification`], with every reason. Pure.

pub mod command;
pub mod form;
pub mod language;
mod reading;
pub mod rules;
pub mod shipped;
pub mod text;
pub mod words;

use crate::case::Role;
use crate::case::letter::LetterKind;
use crate::mail::origin::Answerable;
use crate::mail::sender_auth::{SenderAuth, sender_auth};
use crate::mail::{EmailAddress, Mail};
use form::{FormEntry, FormSetting};
use reading::Reading;
use rules::{Evidence, Right, RuleSet};

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
    pub language: Option<String>,
    /// Of a request: by which other right it asks for more.
    pub also: Option<Right>,
    /// Of a request: other addresses that its writer gives as theirs. Nobody is asked there.
    pub named: Vec<EmailAddress>,
    /// Of a form's notification: what was entered.
    pub form: Option<FormEntry>,
}

impl Classification {
    /// Whether the verdict is beyond doubt as far as rules can tell. What is not goes to staff,
    /// and never to an automatic mail.
    pub fn is_sure(&self) -> bool {
        !matches!(self.verdict, Verdict::ForStaff(why) if why.is_doubtful())
    }
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
        /// A contact form of ours: it looks like a request, not surely enough to act.
        PossibleFormRequest = "possible-form-request",
        /// A request in the notification of a form that bot.toml does not name.
        FormNotOurs = "form-not-ours",
        /// A request that a program sent: no answer, but a person looks.
        AutomaticRequest = "automatic-request",
        /// A request whose sender is not one plain address.
        NoSingleAuthor = "no-single-author",
        /// Wants to know what is held, or a copy of it.
        AccessRequest = "access-request",
        /// Wants something corrected.
        RectificationRequest = "rectification-request",
        /// Objects to what is done with personal data.
        Objection = "objection",
        /// Wants no more mail, or no sale of data.
        OptOut = "opt-out",
        /// Asks after an earlier request, or complains about it.
        EarlierRequest = "earlier-request",
        /// Encrypted, or in a form that only one program reads.
        Sealed = "sealed",
    }
}

impl ForStaff {
    /// The reason for a request by another right than that to deletion.
    pub fn by(right: Right) -> ForStaff {
        match right {
            Right::Access => ForStaff::AccessRequest,
            Right::Rectification => ForStaff::RectificationRequest,
            Right::Objection => ForStaff::Objection,
            Right::OptOut => ForStaff::OptOut,
        }
    }

    /// Whether it is shown because the rules are not sure what it is.
    fn is_doubtful(self) -> bool {
        matches!(self, ForStaff::PossibleRequest | ForStaff::PossibleFormRequest)
    }
}

crate::case::state::named! {
    /// Why nothing is done.
    LeftAlone {
        /// Nothing in it asks for a deletion.
        NotARequest = "not-a-request",
        /// A company's own talk about deletion.
        CompanyTalk = "company-talk",
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
    let mut reading = Reading::new(desk, rules);
    let verdict = reading.verdict(mail, answers, &sender_auth);
    let Reading { evidence, language, also, named, form, .. } = reading;
    let language = match (&verdict, &form) {
        (Verdict::Request(_), _) => language.or_else(|| language::language_of(mail)),
        (Verdict::FormEntry(_), Some(entry)) => {
            language::language_of_text(&entry.message).map(str::to_owned)
        }
        _ => None,
    };
    Classification { verdict, evidence, sender_auth, language, also, named, form }
}
