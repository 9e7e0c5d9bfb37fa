//! EDGE: signing in on another device (RFC 8628).

use std::time::Duration;

use secrecy::ExposeSecret as _;
use tokio::time::{Instant, sleep};

use super::answer::{self, DeviceCode, Grant, Refusal, Said};
use super::{OAuthError, OAuthSettings};

/// RFC 8628 §3.5: what `slow_down` adds, and what a provider that cannot be reached gets.
const SLOWER: Duration = Duration::from_secs(5);

/// Asks for a code that a person enters.
///
/// # Errors
/// What the provider says instead.
pub async fn code(settings: &OAuthSettings) -> Result<DeviceCode, OAuthError> {
    let name = settings.provider.name();
    let missing = || OAuthError::NoToken { provider: name, code: "no device_url".to_owned() };
    let url = settings.device_url.as_ref().ok_or_else(missing)?;
    let fields = [("client_id", settings.client_id.as_str()), ("scope", settings.scope.as_str())];
    let said = settings.ask(url, &fields).await?;
    answer::device_code(said.status, &said.body).map_err(|said| {
        let refused = said.granted(settings.provider, settings.flow).err();
        refused.unwrap_or(OAuthError::NoToken { provider: name, code: "no code".to_owned() })
    })
}

/// Waits until the person has entered it.
///
/// # Errors
/// When they decline, or do not come in time.
pub async fn wait(settings: &OAuthSettings, code: &DeviceCode) -> Result<Grant, OAuthError> {
    let ends_at = Instant::now() + code.lives;
    let mut interval = code.interval;
    let secret = settings.secret()?;
    let mut fields = vec![
        ("grant_type", "urn:ietf:params:oauth:grant-type:device_code"),
        ("device_code", code.device.expose_secret()),
        ("client_id", settings.client_id.as_str()),
    ];
    fields.extend(secret.iter().map(|secret| ("client_secret", secret.expose_secret())));
    loop {
        sleep(interval).await;
        if Instant::now() >= ends_at {
            return Err(OAuthError::TooLate);
        }
        let Ok(said) = settings.ask(&settings.token_url, &fields).await else {
            interval += SLOWER;
            continue;
        };
        match answer::token(said.status, &said.body) {
            Said::Refused(Refusal { error, .. }) if error == "authorization_pending" => {}
            Said::Refused(Refusal { error, .. }) if error == "slow_down" => interval += SLOWER,
            Said::NotNow(_) => interval += SLOWER,
            said => return said.granted(settings.provider, settings.flow),
        }
    }
}
