//! What a mail is: [`Mail`] and rules → [`Classification`], with every reason. Pure.

pub mod command;
pub mod form;
pub mod language;
pub mod rules;
pub mod shipped;
pub mod text;
pub mod words;

use crate::case::Role;
use crate::case::letter::LetterKind;
use crate::mail::origin::{self, Answerable, Origin};
use crate::mail::sender_auth::{SenderAuth, sender_auth};
use crate::mail::{EmailAddress, Mail};
use form::{FormEntry, FormSetting};
use rules::{Evidence, Heard, Judgement, Kind, Right, RuleSet, Strength};
use words::Words;

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
    let mut reading = Reading {
        desk,
        rules,
        evidence: Vec::new(),
        language: None,
        also: None,
        named: Vec::new(),
        form: None,
    };
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

/// One mail being read.
struct Reading<'a> {
    desk: &'a Desk,
    rules: &'a RuleSet,
    evidence: Vec<Evidence>,
    /// Of the rules that decided.
    language: Option<String>,
    also: Option<Right>,
    named: Vec<EmailAddress>,
    form: Option<FormEntry>,
}

impl Reading<'_> {
    fn judge(&mut self, kind: Kind, heard: &Heard<'_>) -> Judgement {
        heard.judge(kind, &mut self.evidence)
    }

    fn verdict(
        &mut self,
        mail: &Mail,
        answers: Option<LetterKind>,
        sender_auth: &SenderAuth,
    ) -> Verdict {
        if let Some(report) = &mail.report {
            let bounced = report.failed() && answers.is_some();
            return if bounced { Verdict::Bounce } else { Verdict::LeftAlone(LeftAlone::Report) };
        }
        let of_form = form::verdict(mail, self.desk, self.rules, sender_auth, &mut self.evidence);
        if let Some((verdict, entry)) = of_form {
            self.form = Some(entry);
            return verdict;
        }
        let answerable = match origin::answerable(mail, &self.desk.address) {
            Ok(answerable) => answerable,
            Err(Origin::Automatic(origin::Sign::NoAuthor)) => {
                let words = Words::of_mail(mail);
                let judged = self.judge(Kind::DeletionRequest, &self.rules.hear(&words));
                return match judged.strength {
                    Strength::Acts | Strength::Suggests => {
                        Verdict::ForStaff(ForStaff::NoSingleAuthor)
                    }
                    Strength::Nothing => Verdict::LeftAlone(LeftAlone::NotARequest),
                };
            }
            Err(origin) => return self.not_answerable(mail, answers, origin),
        };
        match answers {
            Some(letter) if letter.is_for_staff() => Verdict::Command,
            Some(letter) => Verdict::Answer(self.answer(mail, letter)),
            None => match self.request(mail, answerable) {
                Verdict::Request(answerable) => self.unless_of_a_form(mail, answerable),
                other => other,
            },
        }
    }

    /// Mail that must not be answered. What surely asks for a deletion all the same, as services
    /// do that write for people, is not left to a count: staff see it.
    fn not_answerable(
        &mut self,
        mail: &Mail,
        answers: Option<LetterKind>,
        origin: Origin,
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
        if may_ask && answers.is_none() && !is_reply(mail) && !replies {
            let words = Words::of_mail(mail);
            let heard = self.rules.hear(&words);
            if self.judge(Kind::DeletionRequest, &heard).strength == Strength::Acts
                && self.judge(Kind::CompanyTalk, &heard).strength == Strength::Nothing
            {
                return Verdict::ForStaff(ForStaff::AutomaticRequest);
            }
        }
        Verdict::LeftAlone(left_alone(origin))
    }

    fn request(&mut self, mail: &Mail, answerable: Answerable) -> Verdict {
        let words = Words::of_mail(mail);
        let heard = self.rules.hear(&words);
        let deletion = self.judge(Kind::DeletionRequest, &heard);
        if self.desk.staff.iter().any(|member| member.same_mailbox(answerable.address())) {
            let passes_on = mail.body.forwards
                || text::is_forward(&mail.subject)
                || deletion.strength != Strength::Nothing;
            return match passes_on {
                true => Verdict::ForStaff(ForStaff::ForwardedByStaff),
                false => Verdict::LeftAlone(LeftAlone::NotARequest),
            };
        }
        let other = self.judge(Kind::OtherRequest, &heard);
        let earlier = self.judge(Kind::EarlierRequest, &heard).strength;
        let company = self.judge(Kind::CompanyTalk, &heard).strength;
        let by_other_right =
            other.right.map(ForStaff::by).filter(|_| other.strength > Strength::Nothing);
        // Who asks after a request asks for nothing new.
        if earlier == Strength::Acts {
            return Verdict::ForStaff(ForStaff::EarlierRequest);
        }
        // In somebody else's thread the subject is not the writer's own word.
        let by_subject_alone = deletion.strength == Strength::Acts
            && is_reply(mail)
            && self.says_itself(&words) == Strength::Nothing;
        if company == Strength::Acts && (deletion.strength < Strength::Acts || by_subject_alone) {
            return Verdict::LeftAlone(LeftAlone::CompanyTalk);
        }
        match deletion.strength {
            Strength::Nothing if earlier == Strength::Suggests => {
                Verdict::ForStaff(ForStaff::EarlierRequest)
            }
            Strength::Nothing | Strength::Suggests if by_other_right.is_some() => {
                by_other_right.map_or(Verdict::LeftAlone(LeftAlone::NotARequest), Verdict::ForStaff)
            }
            Strength::Nothing => Verdict::LeftAlone(LeftAlone::NotARequest),
            Strength::Suggests => Verdict::ForStaff(ForStaff::PossibleRequest),
            Strength::Acts if earlier > Strength::Nothing || company > Strength::Nothing => {
                Verdict::ForStaff(ForStaff::PossibleRequest)
            }
            Strength::Acts if by_subject_alone => Verdict::ForStaff(ForStaff::PossibleRequest),
            // It is about another right by its subject, and deletion only follows from that.
            Strength::Acts if self.is_headed_by_other_right(&words) => by_other_right
                .map_or(Verdict::ForStaff(ForStaff::PossibleRequest), Verdict::ForStaff),
            Strength::Acts => {
                let (about, given) = other_addresses(mail, answerable.address(), self.desk);
                if !about.is_empty() {
                    return Verdict::ForStaff(ForStaff::NamesAnotherAddress);
                }
                self.named = given;
                self.language = Some(deletion.language);
                self.also = other.right.filter(|_| other.strength == Strength::Acts);
                Verdict::Request(answerable)
            }
        }
    }

    /// A form's notification that no rule knows is no request of its sender.
    fn unless_of_a_form(&mut self, mail: &Mail, answerable: Answerable) -> Verdict {
        self.form = form::unknown(mail, self.rules);
        match self.form {
            Some(_) => Verdict::ForStaff(ForStaff::FormNotOurs),
            None => Verdict::Request(answerable),
        }
    }

    /// What the body says without its subject.
    fn says_itself(&self, words: &Words) -> Strength {
        let own = words.without_subject();
        self.rules.hear(&own).judge(Kind::DeletionRequest, &mut Vec::new()).strength
    }

    /// Whether the subject, where it names a right at all, names another than that to deletion.
    fn is_headed_by_other_right(&self, words: &Words) -> bool {
        let subject = words.subject_alone();
        let heard = self.rules.hear(&subject);
        let judge = |kind| heard.judge(kind, &mut Vec::new()).strength;
        judge(Kind::OtherRequest) > Strength::Nothing
            && judge(Kind::DeletionRequest) == Strength::Nothing
    }

    fn answer(&mut self, mail: &Mail, letter: LetterKind) -> Answer {
        if let (false, Some(role)) = (letter.asks_to_confirm(), chosen_role(&mail.body.own)) {
            return Answer::Role(role);
        }
        // Whoever passes our letter on, or a report about it, answers somebody else.
        if mail.body.forwards {
            return Answer::Unclear;
        }
        let words = Words::of_mail(mail);
        let heard = self.rules.hear(&words);
        let mut says = |kind| self.judge(kind, &heard).strength == Strength::Acts;
        // What is yes in one language may be thanks in another: Polish "tak", Danish "tak".
        let means_else = words.is_brief() && heard.speaks_against(Kind::AnswerYes);
        match (says(Kind::AnswerYes) && !means_else, says(Kind::AnswerNo), says(Kind::Withdrawal)) {
            (true, false, false) => Answer::Yes,
            (false, true, false) => Answer::No,
            (false, _, true) => Answer::Withdraw,
            _ => Answer::Unclear,
        }
    }
}

/// Whether it answers another mail, so that its subject is not its own.
fn is_reply(mail: &Mail) -> bool {
    mail.headers.first("in-reply-to").is_some_and(|id| id.contains('@'))
        || text::is_reply(&mail.subject)
}

/// Words before an address that say whose data is meant: "the account of …".
const WHOSE: [&str; 29] = [
    "of",
    "for",
    "about",
    "to",
    "concerning",
    "regarding",
    "user",
    "von",
    "für",
    "über",
    "des",
    "de",
    "pour",
    "du",
    "sur",
    "concernant",
    "para",
    "sobre",
    "di",
    "per",
    "del",
    "da",
    "do",
    "dos",
    "van",
    "voor",
    "over",
    "betreffend",
    "bezüglich",
];

/// Addresses in the writer's own words that are neither theirs nor the desk's: those that it is
/// about by the word before them, and those that are given as people give their own.
fn other_addresses(
    mail: &Mail,
    author: &EmailAddress,
    desk: &Desk,
) -> (Vec<EmailAddress>, Vec<EmailAddress>) {
    let is_other = |named: &EmailAddress| {
        !named.same_mailbox(author) && named.domain() != desk.address.domain()
    };
    let (mut about, mut given) = (Vec::new(), Vec::new());
    for line in mail.body.own.lines() {
        for address in text::addresses(line).into_iter().filter(is_other) {
            let before = line.split(address.local_part()).next().unwrap_or_default();
            let word = before.trim_end_matches(|c: char| !c.is_alphabetic() && c != ':');
            let word = word.rsplit(|c: char| !c.is_alphabetic()).next().unwrap_or_default();
            match WHOSE.contains(&word.to_lowercase().as_str()) {
                true => about.push(address),
                false => given.push(address),
            }
        }
    }
    (about, given)
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
