//! Which letter of ours a token belongs to. Tokens are computed, never stored.

use anyhow::Result;
use chrono::{DateTime, Utc};
use sqlx::{Row, SqliteConnection};

use super::outbox::kind_of;
use super::{CaseId, Store, Tx, instant, millis};
use crate::case::LetterKind;
use crate::case::verification::{Purpose, TokenKey, nonce_of};
use crate::mail::EmailAddress;

/// A letter of ours that somebody holds a token of.
#[derive(Clone, Debug)]
pub struct LetterRef {
    /// Its row.
    pub id: i64,
    /// What it says.
    pub kind: LetterKind,
    /// Its case.
    pub case: Option<CaseId>,
    /// When it left the desk: its token's days run from then.
    pub released_at: Option<DateTime<Utc>>,
    /// To staff: keyed hash of the address it was mailed to, and what it is about.
    pub staff: Option<StaffLetter>,
    /// Whether the token is that of its return path: no person wrote there.
    pub came_back: bool,
}

/// What of a letter to staff is remembered: to whom it went, and what it lets them act on.
#[derive(Clone, Debug)]
pub struct StaffLetter {
    /// Keyed hash of the address.
    pub member_key: String,
    /// Cases and messages.
    pub about: Vec<String>,
}

impl Tx {
    /// The letter that one of `candidates` is a token of, if any is, for that purpose.
    ///
    /// # Errors
    /// Storage errors.
    pub async fn letter_of_token(
        &mut self,
        purpose: Purpose,
        candidates: &[String],
    ) -> Result<Option<LetterRef>> {
        let key = self.key.clone();
        letter_of_token(self.connection(), &key, purpose, candidates).await
    }

    /// The letter that a mail is about, by the tokens in it: that of the return path first, for
    /// it tells most.
    ///
    /// # Errors
    /// Storage errors.
    pub async fn letter_of_mail(&mut self, candidates: &[String]) -> Result<Option<LetterRef>> {
        match self.letter_of_token(Purpose::ReturnPath, candidates).await? {
            Some(letter) => Ok(Some(LetterRef { came_back: true, ..letter })),
            None => self.letter_of_token(Purpose::Reply, candidates).await,
        }
    }

    /// The one case that letters were submitted about to these addresses since then; none when
    /// there are several, or none.
    ///
    /// # Errors
    /// Storage errors.
    pub async fn only_case_written_to(
        &mut self,
        addresses: &[&EmailAddress],
        since: DateTime<Utc>,
    ) -> Result<Option<CaseId>> {
        const SQL: &str = "SELECT DISTINCT case_id FROM outbox \
            WHERE address_key IN (SELECT value FROM json_each(?)) AND written_at >= ? \
            AND submitted_at IS NOT NULL AND to_staff = 0 AND case_id IS NOT NULL LIMIT 2";
        let keys: Vec<String> =
            addresses.iter().map(|address| self.key.address_key(address)).collect();
        let query = sqlx::query_scalar(SQL).bind(serde_json::to_string(&keys)?).bind(millis(since));
        let cases: Vec<i64> = query.fetch_all(self.connection()).await?;
        match cases.as_slice() {
            [one] => Ok(Some(CaseId(*one))),
            _ => Ok(None),
        }
    }

    /// The letter that `text` is staff's token of, for that case or message.
    ///
    /// # Errors
    /// Storage errors.
    pub async fn letter_of_staff_token(
        &mut self,
        about: &str,
        text: &str,
    ) -> Result<Option<LetterRef>> {
        let key = self.key.clone();
        letter_of_staff_token(self.connection(), &key, about, text).await
    }
}

async fn letter_of_token(
    connection: &mut SqliteConnection,
    key: &TokenKey,
    purpose: Purpose,
    candidates: &[String],
) -> Result<Option<LetterRef>> {
    for text in candidates {
        let Some(nonce) = nonce_of(text) else {
            continue;
        };
        let Some(letter) = letter_of_nonce(&mut *connection, nonce).await? else {
            continue;
        };
        if key.verifies(purpose, letter.kind, nonce, text) {
            return Ok(Some(letter));
        }
    }
    Ok(None)
}

async fn letter_of_nonce(
    connection: &mut SqliteConnection,
    nonce: &str,
) -> Result<Option<LetterRef>> {
    const SQL: &str =
        "SELECT id, kind, case_id, released_at, address_key, about FROM outbox WHERE nonce = ?";
    let Some(row) = sqlx::query(SQL).bind(nonce).fetch_optional(connection).await? else {
        return Ok(None);
    };
    let kind = kind_of(&row)?;
    let staff = match kind.is_for_staff() {
        true => Some(StaffLetter {
            member_key: row.get("address_key"),
            about: serde_json::from_str(row.get("about"))?,
        }),
        false => None,
    };
    Ok(Some(LetterRef {
        id: row.get("id"),
        kind,
        case: row.get::<Option<i64>, _>("case_id").map(CaseId),
        released_at: row.get::<Option<i64>, _>("released_at").map(instant),
        staff,
        came_back: false,
    }))
}

/// The letter that `text` is staff's token of, for that case or message.
async fn letter_of_staff_token(
    connection: &mut SqliteConnection,
    key: &TokenKey,
    about: &str,
    text: &str,
) -> Result<Option<LetterRef>> {
    let Some(nonce) = nonce_of(text) else { return Ok(None) };
    let letter = letter_of_nonce(connection, nonce).await?;
    Ok(letter.filter(|letter| key.verifies_staff(letter.kind, nonce, about, text)))
}

impl Store {
    /// The letter that `text` is a token of, for that purpose; reads only.
    ///
    /// # Errors
    /// Storage errors.
    pub async fn letter_of_token(&self, purpose: Purpose, text: &str) -> Result<Option<LetterRef>> {
        let mut connection = self.readers().acquire().await?;
        letter_of_token(&mut connection, self.key(), purpose, &[text.to_owned()]).await
    }

    /// The letter that `text` is staff's token of, for that case or message; reads only.
    ///
    /// # Errors
    /// Storage errors.
    pub async fn letter_of_staff_token(
        &self,
        about: &str,
        text: &str,
    ) -> Result<Option<LetterRef>> {
        let mut connection = self.readers().acquire().await?;
        letter_of_staff_token(&mut connection, self.key(), about, text).await
    }
}
