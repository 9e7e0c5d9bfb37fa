//! What comes back of our letters: reports of mail servers, and whatever machines write to
//! their return paths.

use anyhow::Result;
use chrono::{DateTime, Duration, Utc};

use super::Bot;
use super::follow::about;
use super::shown::for_staff;
use crate::case::{Event, LetterKind};
use crate::classify::{Classification, LeftAlone, Verdict};
use crate::mail::bounce::Report;
use crate::mail::{EmailAddress, Mail};
use crate::store::Tx;
use crate::store::commit::{About, Happening};
use crate::store::inbox::{Handled, Outcome};
use crate::store::tokens::LetterRef;

/// Servers give up after five days (RFC 5321 §4.5.4.1); reports take their time, too.
const REPORTED_WITHIN_DAYS: i64 = 7;

impl Bot {
    /// What follows from a report, or from an answer to a return path; none for all other mail.
    pub(super) async fn came_back(
        &self,
        tx: &mut Tx,
        classification: &Classification,
        mail: &Mail,
        letter: Option<&LetterRef>,
        now: DateTime<Utc>,
    ) -> Result<Option<Handled>> {
        if let Some(report) = &mail.report {
            return self.reported(tx, report, mail, letter, now).await.map(Some);
        }
        // People answer to Reply-To, or to From. Whatever it says, nobody has said it.
        let answers = matches!(classification.verdict, Verdict::Answer(_) | Verdict::Command);
        let Some(letter) = letter.filter(|letter| answers && letter.came_back) else {
            return Ok(None);
        };
        let handled = for_staff("answer-to-return-path", Vec::new(), mail);
        Ok(Some(Handled { case: letter.case, ..handled }))
    }

    async fn reported(
        &self,
        tx: &mut Tx,
        report: &Report,
        mail: &Mail,
        letter: Option<&LetterRef>,
        now: DateTime<Utc>,
    ) -> Result<Handled> {
        let Some(letter) = letter else {
            return self.reported_by_address(tx, report, mail, now).await;
        };
        if report.failed() {
            return self.bounced(tx, letter, now).await;
        }
        let case = letter.case;
        if report.delayed() {
            return Ok(Handled { case, ..Handled::new(Outcome::Delayed, "letter-delayed") });
        }
        if report.recipients.is_empty() && case.is_some() {
            return Ok(Handled { case, ..for_staff("unclear-report", Vec::new(), mail) });
        }
        Ok(Handled::new(Outcome::LeftAlone, LeftAlone::Report.as_str()))
    }

    /// A report that carries no token of ours. Whom we wrote to lately is no secret, and
    /// anybody can write such a report: it ends nothing, staff see it with the case.
    async fn reported_by_address(
        &self,
        tx: &mut Tx,
        report: &Report,
        mail: &Mail,
        now: DateTime<Utc>,
    ) -> Result<Handled> {
        let desk = &self.settings.desk.address;
        let others = |address: &&EmailAddress| !address.same_mailbox(desk);
        let failed: Vec<&EmailAddress> = report.failed_addresses().filter(others).collect();
        let mut case = None;
        if !failed.is_empty() {
            tx.end_batch().await?;
            let since = now - Duration::days(REPORTED_WITHIN_DAYS);
            case = tx.only_case_written_to(&failed, since).await?;
        }
        Ok(match case {
            Some(_) => Handled { case, ..for_staff("possible-bounce", Vec::new(), mail) },
            None => Handled::new(Outcome::LeftAlone, LeftAlone::Report.as_str()),
        })
    }

    async fn bounced(
        &self,
        tx: &mut Tx,
        letter: &LetterRef,
        now: DateTime<Utc>,
    ) -> Result<Handled> {
        tx.mark_bounced(letter.id, now).await?;
        let (Some(case), false) = (letter.case, letter.kind.is_for_staff()) else {
            if letter.kind == LetterKind::Digest {
                self.digest_to_deputy(tx, letter, now).await?;
            }
            return Ok(Handled::new(Outcome::Bounced, "staff-letter-bounced"));
        };
        let event = Event::LetterFailed { letter: letter.kind };
        let happening = Happening::new(event, About::Case(case));
        let decided = tx.happen(&happening, &self.settings.terms(), now).await?;
        Ok(Handled { outcome: Outcome::Bounced, ..about(&decided) })
    }
}
