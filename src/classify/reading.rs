//! From one mail to its verdict: header signs first, then forms, then rules.

use super::form::{self, FormEntry};
use super::rules::{Evidence, Heard, Judgement, Kind, Right, RuleSet, Strength, surest};
use super::words::Words;
use super::{Answer, Desk, ForStaff, LeftAlone, Verdict, language, text};
use crate::case::Role;
use crate::case::letter::LetterKind;
use crate::mail::origin::{self, Answerable, Origin};
use crate::mail::sender_auth::SenderAuth;
use crate::mail::subject::{self, Prefix};
use crate::mail::{EmailAddress, Mail};

/// Lines in which a mail program says what it quotes.
const ATTRIBUTION_LINES_MAX: usize = 4;

/// One mail being read.
pub(super) struct Reading<'a> {
    desk: &'a Desk,
    rules: &'a RuleSet,
    pub(super) evidence: Vec<Evidence>,
    /// Of the rules that decided.
    pub(super) language: Option<String>,
    pub(super) also: Option<Right>,
    pub(super) named: Vec<EmailAddress>,
    pub(super) form: Option<FormEntry>,
}

impl<'a> Reading<'a> {
    pub(super) fn new(desk: &'a Desk, rules: &'a RuleSet) -> Reading<'a> {
        Reading {
            desk,
            rules,
            evidence: Vec::new(),
            language: None,
            also: None,
            named: Vec::new(),
            form: None,
        }
    }

    fn judge(&mut self, kind: Kind, heard: &Heard<'_>) -> Judgement {
        heard.judge(kind, &mut self.evidence)
    }

    pub(super) fn verdict(
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
        // What a person's server marks so is still a person's: not acted on, but not lost.
        let wants_none = matches!(origin, Origin::Automatic(Sign::NoAnswerWanted));
        if wants_none && answers.is_some_and(|letter| !letter.is_for_staff()) {
            return Verdict::Answer(Answer::Unclear);
        }
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
        let judged = heard.judge_each(Kind::DeletionRequest, &mut self.evidence);
        let deletion = surest(judged.iter().cloned());
        if self.desk.staff.iter().any(|member| member.same_mailbox(answerable.address())) {
            let passes_on = is_forwarded(mail) || deletion.strength != Strength::Nothing;
            return match passes_on {
                true => Verdict::ForStaff(ForStaff::ForwardedByStaff),
                false => Verdict::LeftAlone(LeftAlone::NotARequest),
            };
        }
        let other = self.judge(Kind::OtherRequest, &heard);
        let earlier = self.judge(Kind::EarlierRequest, &heard).strength;
        let company = self.judge(Kind::CompanyTalk, &heard).strength;
        // In somebody else's thread the subject is not the writer's own word.
        let by_subject_alone = deletion.strength == Strength::Acts
            && is_reply(mail)
            && self.says_itself(&words) == Strength::Nothing;
        let by_other_right =
            other.right.filter(|_| other.strength > Strength::Nothing).map(ForStaff::by);
        let is_doubtful = by_subject_alone || earlier.max(company) > Strength::Nothing;
        match deletion.strength {
            // Who asks after a request asks for nothing new.
            _ if earlier == Strength::Acts => Verdict::ForStaff(ForStaff::EarlierRequest),
            strength
                if company == Strength::Acts && (strength < Strength::Acts || by_subject_alone) =>
            {
                Verdict::LeftAlone(LeftAlone::CompanyTalk)
            }
            Strength::Acts if !is_doubtful => {
                self.language = Some(language_among(mail, &judged, deletion.language));
                self.sure_request(mail, answerable, &words, &other)
            }
            Strength::Acts => Verdict::ForStaff(ForStaff::PossibleRequest),
            Strength::Nothing if earlier == Strength::Suggests => {
                Verdict::ForStaff(ForStaff::EarlierRequest)
            }
            strength => match (by_other_right, strength) {
                (Some(right), _) => Verdict::ForStaff(right),
                (None, Strength::Nothing) if mail.sealed.is_some() => {
                    Verdict::ForStaff(ForStaff::Sealed)
                }
                (None, Strength::Nothing) => Verdict::LeftAlone(LeftAlone::NotARequest),
                (None, _) => Verdict::ForStaff(ForStaff::PossibleRequest),
            },
        }
    }

    /// A request that rules are sure of: whom it is about, and what else it asks for.
    fn sure_request(
        &mut self,
        mail: &Mail,
        answerable: Answerable,
        words: &Words,
        other: &Judgement,
    ) -> Verdict {
        // It is about another right by its subject, and deletion only follows from that.
        if self.is_headed_by_other_right(words) {
            return Verdict::ForStaff(other.right.map_or(ForStaff::PossibleRequest, ForStaff::by));
        }
        let (about, given) = other_addresses(mail, answerable.address(), self.desk);
        if !about.is_empty() || given.len() > 1 {
            return Verdict::ForStaff(ForStaff::NamesAnotherAddress);
        }
        self.named = given;
        self.also = other.right.filter(|_| other.strength == Strength::Acts);
        Verdict::Request(answerable)
    }

    /// A form's notification that no rule knows is no request of its sender.
    fn unless_of_a_form(&mut self, mail: &Mail, answerable: Answerable) -> Verdict {
        self.form = form::unknown(mail, self.desk, self.rules);
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
        if is_forwarded(mail) {
            return Answer::Unclear;
        }
        let words = Words::of_mail(mail);
        let heard = self.rules.hear(&words);
        let yes = self.judge(Kind::AnswerYes, &heard);
        // What is yes in one language may be thanks in another: Polish "tak", Danish "tak".
        let contrary =
            if words.is_brief() { heard.contrary_in(Kind::AnswerYes) } else { Vec::new() };
        let is_yes = yes.strength == Strength::Acts
            && !heard.name_speaks_against(Kind::AnswerYes)
            && (contrary.is_empty() || is_around(mail, &yes.language, contrary));
        let mut says = |kind| self.judge(kind, &heard).strength == Strength::Acts;
        match (is_yes, says(Kind::AnswerNo), says(Kind::Withdrawal)) {
            (true, false, false) => Answer::Yes,
            (false, true, false) => Answer::No,
            (false, _, true) => Answer::Withdraw,
            _ => Answer::Unclear,
        }
    }
}

/// The language of a request: of those whose rules find one in it, the one that its words are in.
/// A subject in English stands over texts of any language.
fn language_among(mail: &Mail, judged: &[Judgement], surest: String) -> String {
    let found = judged.iter().filter(|judged| judged.strength > Strength::Nothing);
    let found: Vec<String> = found.map(|judged| judged.language.clone()).collect();
    match found.len() {
        0 | 1 => surest,
        _ => language::language_among(&mail.body.own, &found).map_or(surest, str::to_owned),
    }
}

/// Whether somebody passes a mail on with it.
fn is_forwarded(mail: &Mail) -> bool {
    mail.body.forwards || subject::split(&mail.subject).0 == Some(Prefix::Forward)
}

/// Whether what a mail program wrote around somebody's words is in that language rather than in
/// one of some others: "Am … schrieb", "Sent from my …".
fn is_around(mail: &Mail, language: &str, others: Vec<String>) -> bool {
    // Some programs mark their own line as quoted, too.
    let quoted = mail.body.quoted.lines().map(|line| line.trim_start_matches(['>', ' ']));
    let mut lines: Vec<&str> = quoted.take(ATTRIBUTION_LINES_MAX).collect();
    if let Some(end) = lines.iter().position(|line| line.trim_end().ends_with(':')) {
        lines.truncate(end + 1);
    }
    lines.extend(mail.body.signature.lines());
    let around = lines.join("\n");
    let among: Vec<String> = others.into_iter().chain([language.to_owned()]).collect();
    language::language_among(&around, &among) == Some(language)
}

/// Whether it answers another mail, so that its subject is not its own.
fn is_reply(mail: &Mail) -> bool {
    mail.headers.first("in-reply-to").is_some_and(|id| id.contains('@'))
        || subject::split(&mail.subject).0 == Some(Prefix::Reply)
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
