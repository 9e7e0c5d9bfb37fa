//! What follows from one message: its decision, or a look by a person.

use std::panic::{AssertUnwindSafe, catch_unwind};

use anyhow::Result;
use chrono::{DateTime, Duration, Utc};

use super::Bot;
use super::reading::Read;
use crate::case::verification::Purpose;
use crate::case::{Event, LetterKind, Means, Reason, Recipient, Source};
use crate::classify::{Answer, Classification, ForStaff, LeftAlone, Verdict, classify, text};
use crate::config::Mode;
use crate::mail::thread::{echoable_message_id, token_candidates};
use crate::mail::{EmailAddress, Mail};
use crate::step::step;
use crate::store::Tx;
use crate::store::commit::{About, Decided, Happening};
use crate::store::inbox::{Attempt, Handled, OLD, Outcome};
use crate::store::outbox::{Class, LetterRef};

/// Characters of a stranger's text that staff are shown.
const EXCERPT_CHARS_MAX: usize = 280;

impl Bot {
    pub(super) async fn handle(
        &self,
        tx: &mut Tx,
        attempt: Attempt,
        read: &Read,
        now: DateTime<Utc>,
    ) -> Result<Handled> {
        if let Some(sha256) = &read.sha256
            && tx.is_known(sha256).await?
        {
            return Ok(Handled::new(Outcome::Known, "same-bytes"));
        }
        let mail = match &read.mail {
            Ok(mail) => mail,
            Err(reason) => return Ok(Handled::new(Outcome::Quarantined, reason)),
        };
        let candidates = token_candidates(mail, &self.settings.desk.address);
        let letter = tx.letter_of_token(Purpose::Reply, &candidates).await?;
        let kind = letter.as_ref().map(|letter| letter.kind);
        // No mail may end the desk, whatever the rules make of it.
        let judged = catch_unwind(AssertUnwindSafe(|| {
            classify(mail, kind, &self.settings.desk, &self.rules)
        }));
        let Ok(verdict) = judged else {
            return Ok(Handled::new(Outcome::Quarantined, "unreadable"));
        };
        step("before-decide");
        if attempt.is_old {
            return Ok(old(&verdict, mail));
        }
        self.follow(tx, &verdict, mail, letter, read.seen.received_at, now).await
    }

    async fn follow(
        &self,
        tx: &mut Tx,
        classification: &Classification,
        mail: &Mail,
        letter: Option<LetterRef>,
        received_at: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Result<Handled> {
        match (&classification.verdict, letter) {
            (Verdict::Request(answerable), _) => {
                let passes = classification.sender_auth.aligned_pass_for(answerable.address());
                let class = if passes { Class::Authenticated } else { Class::Direct };
                let asked =
                    Asked { recipient: Recipient::author(answerable), source: Source::Mail, class };
                self.ask(tx, &asked, Some(mail), received_at, now).await
            }
            (Verdict::FormEntry(entered), _) => {
                let asked = Asked {
                    recipient: Recipient::form_entry(entered),
                    source: Source::Form,
                    class: Class::Form,
                };
                self.ask(tx, &asked, Some(mail), received_at, now).await
            }
            (Verdict::Answer(answer), Some(letter)) => {
                self.answer(tx, *answer, mail, &letter, now).await
            }
            (Verdict::Bounce, Some(letter)) => self.bounce(tx, &letter, now).await,
            (Verdict::ForStaff(why), _) => {
                let known =
                    *why == ForStaff::PossibleRequest && self.has_open_case(tx, mail).await?;
                Ok(match known {
                    true => for_staff("later-mail", None, mail),
                    false => for_staff(why.as_str(), proposal(*why, mail), mail),
                })
            }
            // A mail of a requester without a token: a hint for staff, never into the case.
            (Verdict::LeftAlone(LeftAlone::NotARequest), _)
                if self.has_open_case(tx, mail).await? =>
            {
                Ok(for_staff("later-mail", None, mail))
            }
            (Verdict::LeftAlone(why), _) => Ok(Handled::new(Outcome::LeftAlone, why.as_str())),
            // Without its letter an answer or a bounce is nothing that we know.
            (Verdict::Answer(_) | Verdict::Bounce, None) => {
                Ok(for_staff("answer-unclear", None, mail))
            }
        }
    }

    async fn has_open_case(&self, tx: &mut Tx, mail: &Mail) -> Result<bool> {
        match mail.author.address() {
            Some(author) => Ok(tx.open_case_for(author).await?.is_some()),
            None => Ok(false),
        }
    }

    /// A request for an address: opens a case, joins one, or goes to staff.
    pub(super) async fn ask(
        &self,
        tx: &mut Tx,
        asked: &Asked,
        mail: Option<&Mail>,
        received_at: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Result<Handled> {
        let address = asked.recipient.address();
        let proposed = Handled {
            proposed: Some(address.clone()),
            excerpt: mail.map(excerpt),
            ..Handled::new(Outcome::WouldAsk, "would-ask")
        };
        if self.settings.mode == Mode::Observe {
            return Ok(proposed);
        }
        let in_reply_to =
            mail.and_then(echoable_message_id).filter(|_| asked.source == Source::Mail);
        let decided = tx
            .happen(
                &Happening {
                    in_reply_to: in_reply_to.as_deref(),
                    class: Some(asked.class),
                    ..Happening::new(
                        Event::RequestReceived {
                            source: asked.source,
                            received_at,
                            authenticated: asked.class == Class::Authenticated,
                        },
                        About::Address(&asked.recipient),
                    )
                },
                &self.settings.policy,
                self.settings.release(),
                now,
            )
            .await?;
        let outcome = match decided.decision.reason {
            Reason::VerificationRequested | Reason::VerificationDeferred => Outcome::Opened,
            // Perhaps an answer whose client dropped the token: then it must not go unseen.
            Reason::AlreadyAsked if mail.is_some_and(is_answer) => Outcome::ForStaff,
            Reason::VerificationRepeated | Reason::AlreadyAsked => Outcome::Joined,
            Reason::RepeatNoted => Outcome::Noted,
            _ => Outcome::ForStaff,
        };
        let handled = Handled { outcome, ..about(&decided) };
        Ok(match outcome {
            Outcome::ForStaff if decided.decision.reason == Reason::AlreadyAsked => {
                Handled { reason: "later-mail".to_owned(), excerpt: proposed.excerpt, ..handled }
            }
            Outcome::ForStaff => {
                Handled { proposed: proposed.proposed, excerpt: proposed.excerpt, ..handled }
            }
            _ => handled,
        })
    }

    /// An answer counts from the address that the letter went to, and only while its token is
    /// young.
    async fn answer(
        &self,
        tx: &mut Tx,
        answer: Answer,
        mail: &Mail,
        letter: &LetterRef,
        now: DateTime<Utc>,
    ) -> Result<Handled> {
        let case = match letter.case {
            Some(id) => tx.case(id).await?,
            None => None,
        };
        let Some(case) = case else {
            return Ok(for_staff("later-mail", None, mail));
        };
        let to_staff = |reason| Handled { case: Some(case.id), ..for_staff(reason, None, mail) };
        let asked = case.subject.as_ref().zip(mail.author.address());
        if !asked.is_some_and(|(subject, author)| subject.same_mailbox(author)) {
            return Ok(to_staff("answer-from-another-address"));
        }
        let means = Means::Reply;
        let event = match (letter.kind, answer) {
            (LetterKind::VerificationRequest, Answer::Yes) => {
                Event::Confirmed { means, role: None }
            }
            (LetterKind::VerificationRequest, Answer::No) => Event::Disowned { means },
            (
                LetterKind::VerificationRequest
                | LetterKind::RequestConfirmed
                | LetterKind::NotOurs,
                Answer::Withdraw,
            ) => Event::Withdrawn { means },
            (LetterKind::VerificationRequest, Answer::Unclear) => {
                return Ok(to_staff("answer-unclear"));
            }
            _ => return Ok(to_staff("later-mail")),
        };
        let days = Duration::days(self.settings.policy.verification_days.into());
        let is_verification = letter.kind == LetterKind::VerificationRequest;
        if is_verification && letter.released_at.is_none_or(|at| now >= at + days) {
            return Ok(to_staff("answer-too-late"));
        }
        let in_reply_to = echoable_message_id(mail);
        let happening = Happening {
            in_reply_to: in_reply_to.as_deref(),
            ..Happening::new(event, About::Case(case.id))
        };
        let decided =
            tx.happen(&happening, &self.settings.policy, self.settings.release(), now).await?;
        let outcome = match decided.decision.reason {
            Reason::AddressConfirmed => Outcome::Confirmed,
            Reason::NotRequested | Reason::RequestWithdrawn => Outcome::Ended,
            Reason::AlreadyConfirmed => Outcome::Joined,
            _ => return Ok(to_staff("later-mail")),
        };
        Ok(Handled { outcome, ..about(&decided) })
    }

    async fn bounce(&self, tx: &mut Tx, letter: &LetterRef, now: DateTime<Utc>) -> Result<Handled> {
        tx.mark_bounced(letter.id, now).await?;
        let Some(case) = letter.case else {
            return Ok(Handled::new(Outcome::Bounced, "staff-letter-bounced"));
        };
        let event = Event::LetterFailed { letter: letter.kind };
        let happening = Happening::new(event, About::Case(case));
        let decided =
            tx.happen(&happening, &self.settings.policy, self.settings.release(), now).await?;
        Ok(Handled { outcome: Outcome::Bounced, ..about(&decided) })
    }
}

/// A request on its way to a case.
pub(super) struct Asked {
    pub(super) recipient: Recipient,
    pub(super) source: Source,
    pub(super) class: Class,
}

fn about(decided: &Decided) -> Handled {
    let case = decided.case.as_ref().map(|(id, _)| *id);
    Handled { case, ..Handled::new(Outcome::LeftAlone, decided.decision.reason.as_str()) }
}

fn for_staff(reason: &str, proposed: Option<EmailAddress>, mail: &Mail) -> Handled {
    Handled { proposed, excerpt: Some(excerpt(mail)), ..Handled::new(Outcome::ForStaff, reason) }
}

/// Old mail is never answered; what looks like a request is shown to staff.
fn old(classification: &Classification, mail: &Mail) -> Handled {
    let proposed = match &classification.verdict {
        Verdict::Request(answerable) => Some(answerable.address().clone()),
        Verdict::FormEntry(entered) => Some(entered.clone()),
        Verdict::ForStaff(why) => proposal(*why, mail),
        Verdict::Answer(_) | Verdict::Bounce | Verdict::LeftAlone(_) => {
            return Handled::new(Outcome::Old, OLD);
        }
    };
    for_staff(OLD, proposed, mail)
}

/// Whom staff may open a case for: a suggestion, whatever it is.
fn proposal(why: ForStaff, mail: &Mail) -> Option<EmailAddress> {
    match why {
        ForStaff::PossibleRequest | ForStaff::AutomaticRequest | ForStaff::NamesAnotherAddress => {
            mail.author.address().cloned()
        }
        ForStaff::ForwardedByStaff => text::addresses(&mail.body.quoted).into_iter().next(),
        ForStaff::FormNotAuthenticated => text::addresses(&mail.body.own).into_iter().next(),
        ForStaff::FormWithoutAddress | ForStaff::NoSingleAuthor => None,
    }
}

/// Whether somebody answered with it, by header or subject.
fn is_answer(mail: &Mail) -> bool {
    mail.headers.first("in-reply-to").is_some() || mail.subject.to_lowercase().starts_with("re:")
}

/// The subject and the beginning of what a mail says, on one line.
fn excerpt(mail: &Mail) -> String {
    let own = if mail.body.own.trim().is_empty() { &mail.body.quoted } else { &mail.body.own };
    let from = mail.author.address().map(EmailAddress::masked);
    let text =
        format!("{} wrote \"{}\": {own}", from.as_deref().unwrap_or("somebody"), mail.subject);
    let words: Vec<&str> = text.split_whitespace().collect();
    let line = words.join(" ");
    let short: String = line.chars().take(EXCERPT_CHARS_MAX).collect();
    if short.len() < line.len() { format!("{short}…") } else { short }
}
