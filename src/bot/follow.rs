//! What follows from one message: its decision, or a look by a person.

use anyhow::Result;
use chrono::{DateTime, Duration, Utc};

use super::Bot;
use super::reading::Read;
use super::shown::{excerpt, for_staff, old, proposal};
use crate::case::identity::{Deed, Evidence};
use crate::case::{Event, LetterKind, Means, Reason, Recipient, Source};
use crate::classify::form::FormEntry;
use crate::classify::{Answer, Classification, ForStaff, LeftAlone, Verdict};
use crate::config::Mode;
use crate::mail::origin::Answerable;
use crate::mail::sender_auth::SenderAuth;
use crate::mail::thread::{answered_ids, echoable_message_id};
use crate::mail::{EmailAddress, Mail};
use crate::mailbox::Folder;
use crate::store::commit::{About, Decided, Happening};
use crate::store::inbox::{Attempt, Handled, KnownBytes, Outcome};
use crate::store::outbox::Class;
use crate::store::tokens::LetterRef;
use crate::store::{CaseId, Tx};

/// How a suggestion out of Junk is taken off the list.
const MOVED_TO_INBOX: &str = "a mail found in Junk was moved to the inbox and is handled there";

impl Bot {
    pub(super) async fn handle(
        &self,
        tx: &mut Tx,
        folder: &Folder,
        attempt: Attempt,
        read: &Read,
        now: DateTime<Utc>,
    ) -> Result<Handled> {
        if let Some(sha256) = &read.sha256 {
            match tx.known_bytes(folder, sha256).await? {
                KnownBytes::Handled => return Ok(Handled::new(Outcome::Known, "same-bytes")),
                // Whoever moved it to the inbox says that it is no spam: it counts as any other.
                KnownBytes::InJunkOnly(row) => {
                    tx.end_batch().await?;
                    tx.dismiss(row, MOVED_TO_INBOX, now).await?;
                }
                KnownBytes::No => {}
            }
        }
        if let Folder::Sent(_) = folder {
            return self.found_in_sent(tx, read).await;
        }
        let mail = match &read.mail {
            Ok(mail) => mail,
            // Spam is malformed for reasons of its own.
            Err(reason) if matches!(folder, Folder::Junk(_)) => {
                return Ok(Handled::new(Outcome::LeftAlone, reason));
            }
            Err(reason) => return Ok(Handled::new(Outcome::Quarantined, reason)),
        };
        let (letter, judged) = match &read.classification {
            Some(judged) => (None, Some(judged.clone())),
            None => {
                // What answers a letter of ours is about more than its own address.
                tx.end_batch().await?;
                let letter = tx.letter_of_mail(&read.candidates).await?;
                let judged = self.reader().judge(mail, letter.as_ref().map(|letter| letter.kind));
                (letter, judged)
            }
        };
        let Some(judged) = judged else {
            return Ok(Handled::new(Outcome::Quarantined, "unreadable"));
        };
        // Staff read what the visitor of a form wrote, not what the service says around it.
        let entered = judged.form.as_ref().map(|entry| entry.shown_in(mail));
        let mail = entered.as_ref().unwrap_or(mail);
        if let Folder::Junk(_) = folder {
            return self.found_in_junk(tx, &judged, mail, letter).await;
        }
        if attempt.is_old {
            return Ok(old(&judged, mail));
        }
        if let Some(handled) = self.came_back(tx, &judged, mail, letter.as_ref(), now).await? {
            return Ok(handled);
        }
        self.follow(tx, &judged, mail, letter, read.seen.received_at, now).await
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
                let asked = self.asked_by_mail(classification, mail, answerable);
                self.ask(tx, &asked, Some(mail), received_at, now).await
            }
            (Verdict::FormEntry(entered), _) => {
                let asked = self.asked_by_form(classification, mail, entered);
                self.ask(tx, &asked, Some(mail), received_at, now).await
            }
            (Verdict::Answer(answer), Some(letter)) => {
                let seen = match mail.author.address() {
                    Some(author) => evidence(mail, &classification.sender_auth, author),
                    None => Evidence::default(),
                };
                self.answer(tx, *answer, mail, &letter, &seen, now).await
            }
            (Verdict::Command, Some(letter)) => {
                self.command(tx, classification, mail, &letter, now).await
            }
            // The officer is away: somebody else has to see the digest.
            (Verdict::LeftAlone(why), Some(letter))
                if letter.kind == LetterKind::Digest && answers_for_somebody_away(*why) =>
            {
                let told = self.digest_to_deputy(tx, &letter, now).await?;
                let reason = if told { "officer-away" } else { why.as_str() };
                Ok(Handled::new(Outcome::LeftAlone, reason))
            }
            (Verdict::ForStaff(why), _) => {
                self.show_to_staff(tx, *why, classification.form.as_ref(), mail).await
            }
            // A mail from a requester's address without a token: listed for staff, decides nothing.
            (Verdict::LeftAlone(why), _) => match self.open_case_of(tx, mail).await? {
                Some(case) if *why == LeftAlone::NotARequest => {
                    Ok(Handled { case: Some(case), ..for_staff("later-mail", Vec::new(), mail) })
                }
                _ => Ok(Handled::new(Outcome::LeftAlone, why.as_str())),
            },
            // Without its letter an answer is nothing that we know.
            (Verdict::Answer(_) | Verdict::Command, None) | (Verdict::Bounce, _) => {
                Ok(for_staff("answer-unclear", Vec::new(), mail))
            }
        }
    }

    fn asked_by_mail(
        &self,
        classification: &Classification,
        mail: &Mail,
        answerable: &Answerable,
    ) -> Asked {
        let passes = classification.sender_auth.aligned_pass_for(answerable.address());
        let named = classification.named.iter().map(|named| named.as_str().to_owned());
        Asked {
            recipient: Recipient::author(answerable),
            source: Source::Mail,
            class: if passes { Class::Authenticated } else { Class::Direct },
            origin: String::new(),
            language: self.answered_in(classification.language.as_deref()),
            evidence: Evidence {
                also: classification.also.map(|right| right.asked_for().to_owned()),
                named: named.collect(),
                ..evidence(mail, &classification.sender_auth, answerable.address())
            },
        }
    }

    fn asked_by_form(
        &self,
        classification: &Classification,
        mail: &Mail,
        entered: &EmailAddress,
    ) -> Asked {
        Asked {
            recipient: Recipient::form_entry(entered),
            source: Source::Form,
            class: Class::Form,
            origin: form_of(classification),
            language: self.answered_in(classification.language.as_deref()),
            evidence: Evidence {
                // A form of ours: that it wrote is no news.
                sent_by: None,
                ..evidence(mail, &classification.sender_auth, entered)
            },
        }
    }

    pub(super) async fn open_case_of(&self, tx: &mut Tx, mail: &Mail) -> Result<Option<CaseId>> {
        match mail.author.address() {
            Some(author) => Ok(tx.open_case_for(author).await?.map(|stored| stored.id)),
            None => Ok(None),
        }
    }

    /// A mail for a person to read, at the case that it is about.
    async fn show_to_staff(
        &self,
        tx: &mut Tx,
        why: ForStaff,
        form: Option<&FormEntry>,
        mail: &Mail,
    ) -> Result<Handled> {
        if !matches!(why, ForStaff::PossibleRequest | ForStaff::EarlierRequest) {
            return Ok(for_staff(why.as_str(), self.proposed(why, mail, form), mail));
        }
        let open = self.open_case_of(tx, mail).await?;
        let case = self.case_of_thread(tx, mail).await?.or(open);
        let reason = match why {
            ForStaff::PossibleRequest if case.is_some() => "later-mail",
            why => why.as_str(),
        };
        let proposed = if open.is_some() { Vec::new() } else { self.proposed(why, mail, form) };
        Ok(Handled { case, ..for_staff(reason, proposed, mail) })
    }

    /// The case, closed perhaps, of an earlier mail of the same author that this one answers.
    async fn case_of_thread(&self, tx: &mut Tx, mail: &Mail) -> Result<Option<CaseId>> {
        let ids = answered_ids(mail);
        match mail.author.address() {
            Some(author) if !ids.is_empty() => {
                tx.end_batch().await?;
                tx.case_of_thread(author, &ids).await
            }
            _ => Ok(None),
        }
    }

    /// Whom a mail proposes to ask: never the desk itself, nor staff.
    pub(super) fn proposed(
        &self,
        why: ForStaff,
        mail: &Mail,
        form: Option<&FormEntry>,
    ) -> Vec<EmailAddress> {
        let desk = &self.settings.desk;
        let is_ours = |address: &EmailAddress| {
            desk.address.same_mailbox(address)
                || desk.staff.iter().any(|member| member.same_mailbox(address))
        };
        let mut found = proposal(why, mail, form);
        found.retain(|address| !is_ours(address));
        if why == ForStaff::ForwardedByStaff {
            found.truncate(1);
        }
        found
    }

    /// The language that a request in that language is answered in.
    fn answered_in(&self, language: Option<&str>) -> String {
        let found = language.filter(|language| self.templates.speaks(language));
        found.unwrap_or(&self.settings.identity.language).to_owned()
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
            proposed: vec![address.clone()],
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
                    origin: &asked.origin,
                    language: &asked.language,
                    evidence: Some((Deed::Asked, &asked.evidence)),
                    ..Happening::new(
                        Event::RequestReceived {
                            source: asked.source,
                            received_at,
                            authenticated: asked.class == Class::Authenticated,
                        },
                        About::Address(&asked.recipient),
                    )
                },
                &self.settings.terms(),
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
        seen: &Evidence,
        now: DateTime<Utc>,
    ) -> Result<Handled> {
        let case = match letter.case {
            Some(id) => tx.case(id).await?,
            None => None,
        };
        let Some(case) = case else {
            return Ok(for_staff("later-mail", Vec::new(), mail));
        };
        let to_staff =
            |reason| Handled { case: Some(case.id), ..for_staff(reason, Vec::new(), mail) };
        let asked = case.subject.as_ref().zip(mail.author.address());
        if !asked.is_some_and(|(subject, author)| subject.same_mailbox(author)) {
            return Ok(to_staff("answer-from-another-address"));
        }
        let event = match meaning(letter.kind, answer) {
            Ok(event) => event,
            Err(reason) => return Ok(to_staff(reason)),
        };
        let days = Duration::days(self.settings.policy.verification_days.into());
        let needs_young = letter.kind.asks_to_confirm();
        if needs_young && letter.released_at.is_none_or(|at| now >= at + days) {
            return Ok(to_staff("answer-too-late"));
        }
        let in_reply_to = echoable_message_id(mail);
        let deed = match event {
            Event::Confirmed { .. } => Some(Deed::Confirmed),
            Event::ProofReceived => Some(Deed::Proved),
            _ => None,
        };
        let happening = Happening {
            in_reply_to: in_reply_to.as_deref(),
            evidence: deed.map(|deed| (deed, seen)),
            ..Happening::new(event, About::Case(case.id))
        };
        let decided = tx.happen(&happening, &self.settings.terms(), now).await?;
        let outcome = match decided.decision.reason {
            Reason::AddressConfirmed => Outcome::Confirmed,
            Reason::NotRequested | Reason::RequestWithdrawn => Outcome::Ended,
            Reason::RoleCorrected | Reason::SentToBusiness => Outcome::Told,
            Reason::ProofReceived => {
                tx.note_attachments(case.id, &mail.attachments, now).await?;
                Outcome::Told
            }
            Reason::AlreadyConfirmed => Outcome::Joined,
            _ => return Ok(to_staff("later-mail")),
        };
        let excerpt = (outcome == Outcome::Told).then(|| excerpt(mail));
        Ok(Handled { outcome, excerpt, ..about(&decided) })
    }
}

/// Whether a machine answered in somebody's place. A receipt or a report of a delay says that
/// the digest was read, or is on its way.
fn answers_for_somebody_away(why: LeftAlone) -> bool {
    match why {
        LeftAlone::NullReturnPath
        | LeftAlone::AutoSubmitted
        | LeftAlone::Precedence
        | LeftAlone::Autoresponder => true,
        LeftAlone::NotARequest
        | LeftAlone::CompanyTalk
        | LeftAlone::Report
        | LeftAlone::OwnMail
        | LeftAlone::List
        | LeftAlone::ReadReceipt
        | LeftAlone::FeedbackReport
        | LeftAlone::TooManyHops
        | LeftAlone::RoleSender => false,
    }
}

/// Which form of ours sent a notification: its budget.
fn form_of(classification: &Classification) -> String {
    let form = classification.form.as_ref().and_then(|entry| entry.form.clone());
    form.unwrap_or_default()
}

/// A request on its way to a case.
pub(super) struct Asked {
    pub(super) recipient: Recipient,
    pub(super) source: Source,
    pub(super) class: Class,
    /// Of a form entry: whose budget it counts in.
    pub(super) origin: String,
    pub(super) language: String,
    pub(super) evidence: Evidence,
}

/// What an answer to a letter means for its case; or the reason why a person has to look.
fn meaning(letter: LetterKind, answer: Answer) -> Result<Event, &'static str> {
    let means = Means::Reply;
    if letter.asks_to_confirm() {
        return match answer {
            Answer::Yes => Ok(Event::Confirmed { means, role: None }),
            Answer::No => Ok(Event::Disowned { means }),
            Answer::Withdraw => Ok(Event::Withdrawn { means }),
            Answer::Unclear | Answer::Role(_) => Err("answer-unclear"),
        };
    }
    match (letter, answer) {
        (
            LetterKind::RequestConfirmed
            | LetterKind::NotOurs
            | LetterKind::ProofRequest
            | LetterKind::ExtensionNotice
            | LetterKind::StaffMessage,
            Answer::Withdraw,
        ) => Ok(Event::Withdrawn { means }),
        (
            LetterKind::RequestConfirmed | LetterKind::NotOurs | LetterKind::ProofRequest,
            Answer::Role(role),
        ) => Ok(Event::RoleChanged { role }),
        (LetterKind::NotOurs, Answer::Yes | Answer::No | Answer::Unclear) => {
            Ok(Event::RedirectAnswered)
        }
        (LetterKind::ProofRequest, Answer::Yes | Answer::No | Answer::Unclear) => {
            Ok(Event::ProofReceived)
        }
        _ => Err("later-mail"),
    }
}

/// What a mail shows of who wrote it, seen from the address it is about.
fn evidence(mail: &Mail, sender: &SenderAuth, subject: &EmailAddress) -> Evidence {
    let other = |address: &&EmailAddress| !address.same_mailbox(subject);
    let author = mail.author.address();
    Evidence {
        sender: Some(sender.summary()),
        sent_by: author.filter(other).map(|author| author.as_str().to_owned()),
        reply_to: mail
            .reply_to
            .as_ref()
            .filter(|to| Some(*to) != author)
            .filter(other)
            .map(|to| to.as_str().to_owned()),
        ..Evidence::default()
    }
}

pub(super) fn about(decided: &Decided) -> Handled {
    let case = decided.case.as_ref().map(|(id, _)| *id);
    Handled { case, ..Handled::new(Outcome::LeftAlone, decided.decision.reason.as_str()) }
}

/// Whether somebody answered with it, by header or subject.
fn is_answer(mail: &Mail) -> bool {
    mail.headers.first("in-reply-to").is_some() || mail.subject.to_lowercase().starts_with("re:")
}
