//! What must not be guessed: references, nonces, salts.

use anyhow::{Result, anyhow};
use data_encoding::HEXLOWER;

use crate::case::Reference;
use crate::case::verification::nonce_from_random;

fn bytes<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)
        .map_err(|why| anyhow!("The system gives no random bytes: {why}"))?;
    Ok(bytes)
}

/// A reference that hardly anybody has.
pub(super) fn reference() -> Result<Reference> {
    Ok(Reference::from_random(bytes()?))
}

/// A nonce for a letter.
pub(super) fn nonce() -> Result<String> {
    Ok(nonce_from_random(bytes()?))
}

/// A salt for a detail of the journal.
pub(super) fn salt() -> Result<String> {
    Ok(HEXLOWER.encode(&bytes::<16>()?))
}
