//! Part of `check`: whether the sign-in at the provider works.

use anyhow::Result;

use crate::commands::setup::Setup;
use crate::oauth::Flow;

/// Asks the provider for a token, and says on whose word it was given.
///
/// # Errors
/// Why there is none, and what to do.
pub(super) async fn says(setup: &Setup) -> Result<String> {
    let tokens = setup.tokens()?;
    let settings = tokens.settings();
    let provider = settings.provider.name();
    tokens.try_renewal().await?;
    if settings.flow == Flow::ClientCredentials {
        return Ok(format!("{provider} gives the desk a token; nobody has to sign in"));
    }
    // Read after the renewal: it may have been replaced by it.
    let kept = settings.token_file.read()?;
    let day = kept.signed_in_at.with_timezone(&setup.config.identity.time_zone).date_naive();
    let file = settings.token_file.name();
    Ok(format!(
        "{provider} renews the token of {}; somebody signed in on {day}, kept in {file}, readable by this user only",
        settings.mailbox
    ))
}
