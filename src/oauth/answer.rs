//! PURE: what an answer of a token server means (RFC 6749 §5, RFC 8628 §3).

use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::Value;

use super::{Flow, OAuthError, Provider};

/// Life of an access token whose server does not tell.
const LIFE_UNTOLD: Duration = Duration::from_secs(10 * 60);
/// No access token is believed to live longer.
const LIFE_MAX: Duration = Duration::from_secs(24 * 60 * 60);
/// Life of a device's code whose server does not tell; RFC 8628 says that all do.
const CODE_LIFE_UNTOLD: u64 = 15 * 60;
/// RFC 8628 §3.2.
const INTERVAL_UNTOLD: u64 = 5;
/// Characters of an error code that are shown.
const CODE_CHARS_MAX: usize = 40;

/// A token, and perhaps the means to get the next.
#[derive(Clone, Debug)]
pub struct Grant {
    /// What mail servers take.
    pub access: SecretString,
    /// How long, from now.
    pub lives: Duration,
    /// What the next one is got with. Another one than before takes its place.
    pub refresh: Option<SecretString>,
}

/// A device's code, for a person to enter somewhere else.
#[derive(Clone, Debug)]
pub struct DeviceCode {
    /// What we ask with.
    pub device: SecretString,
    /// What the person enters.
    pub user: String,
    /// Where.
    pub address: String,
    /// How long, from now.
    pub lives: Duration,
    /// Time between two questions.
    pub interval: Duration,
}

/// Why there is no token: an error code of RFC 6749 §5.2 or RFC 8628 §3.5, and Microsoft's own
/// number (AADSTS…). The description is left out: people's addresses stand in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The error code.
    pub error: String,
    /// Microsoft's number.
    pub number: Option<String>,
}

/// What a token server said.
#[derive(Debug)]
pub enum Said {
    /// Here it is.
    Granted(Grant),
    /// No.
    Refused(Refusal),
    /// Not now: status 429 or 5xx.
    NotNow(u16),
    /// Nothing we understand.
    Nonsense(u16),
}

#[derive(Deserialize)]
struct TokenAnswer {
    access_token: SecretString,
    token_type: String,
    expires_in: Option<Value>,
    refresh_token: Option<SecretString>,
}

#[derive(Deserialize)]
struct CodeAnswer {
    device_code: SecretString,
    user_code: String,
    // Google calls it so.
    #[serde(alias = "verification_url")]
    verification_uri: String,
    expires_in: Option<u64>,
    interval: Option<u64>,
}

#[derive(Deserialize)]
struct ErrorAnswer {
    error: String,
    #[serde(default)]
    error_description: String,
}

/// Reads an answer to a request for a token.
pub fn token(status: u16, body: &[u8]) -> Said {
    let Ok(answer) = serde_json::from_slice::<TokenAnswer>(body) else {
        return refusal(status, body);
    };
    let is_plain = |token: &SecretString| {
        let text = token.expose_secret();
        !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())
    };
    if status != 200
        || !answer.token_type.eq_ignore_ascii_case("bearer")
        || !is_plain(&answer.access_token)
    {
        return Said::Nonsense(status);
    }
    // Some servers write the number as a text.
    let seconds = answer.expires_in.and_then(|value| match value {
        Value::Number(number) => number.as_f64().map(|seconds| seconds.clamp(0.0, 1e9) as u64),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    });
    let lives = seconds.map_or(LIFE_UNTOLD, Duration::from_secs).min(LIFE_MAX);
    let refresh = answer.refresh_token.filter(is_plain);
    Said::Granted(Grant { access: answer.access_token, lives, refresh })
}

/// Reads an answer to a request for a device's code.
///
/// # Errors
/// What was said instead.
pub fn device_code(status: u16, body: &[u8]) -> Result<DeviceCode, Said> {
    let Ok(answer) = serde_json::from_slice::<CodeAnswer>(body) else {
        return Err(refusal(status, body));
    };
    let lives = answer.expires_in.unwrap_or(CODE_LIFE_UNTOLD).clamp(1, 3600);
    let interval = answer.interval.unwrap_or(INTERVAL_UNTOLD).clamp(1, 60);
    Ok(DeviceCode {
        device: answer.device_code,
        user: printable(&answer.user_code),
        address: printable(&answer.verification_uri),
        lives: Duration::from_secs(lives),
        interval: Duration::from_secs(interval),
    })
}

fn refusal(status: u16, body: &[u8]) -> Said {
    if status == 429 || status >= 500 {
        return Said::NotNow(status);
    }
    let Ok(answer) = serde_json::from_slice::<ErrorAnswer>(body) else {
        return Said::Nonsense(status);
    };
    let error: String = answer
        .error
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || "_-.".contains(*c))
        .take(CODE_CHARS_MAX)
        .collect();
    Said::Refused(Refusal { error, number: aadsts(&answer.error_description) })
}

/// Microsoft's number out of a description, such as AADSTS7000222.
fn aadsts(description: &str) -> Option<String> {
    let (_, rest) = description.split_once("AADSTS")?;
    let digits: String = rest.chars().take_while(char::is_ascii_digit).take(10).collect();
    (!digits.is_empty()).then(|| format!("AADSTS{digits}"))
}

/// For a terminal, which control characters could steer.
fn printable(text: &str) -> String {
    text.chars().filter(|c| c.is_ascii_graphic() || *c == ' ').take(200).collect()
}

impl Said {
    /// The grant, or what to tell people.
    ///
    /// # Errors
    /// Whatever is no grant.
    pub fn granted(self, provider: Provider, flow: Flow) -> Result<Grant, OAuthError> {
        let name = provider.name();
        match self {
            Said::Granted(grant) => Ok(grant),
            Said::NotNow(status) => {
                Err(OAuthError::Busy { provider: name, code: status.to_string() })
            }
            Said::Nonsense(status) => {
                Err(OAuthError::NoToken { provider: name, code: format!("status {status}") })
            }
            Said::Refused(refusal) => Err(refusal.meaning(provider, flow)),
        }
    }
}

impl Refusal {
    /// What to tell people. Microsoft's numbers make it more exact where they are known; what
    /// happens hangs on the RFC's codes.
    pub fn meaning(&self, provider: Provider, flow: Flow) -> OAuthError {
        let name = provider.name();
        let code = match &self.number {
            Some(number) => format!("{}, {number}", self.error),
            None => self.error.clone(),
        };
        let alone = flow == Flow::ClientCredentials;
        match (self.error.as_str(), self.number.as_deref()) {
            ("invalid_client" | "unauthorized_client", Some("AADSTS7000222")) => {
                OAuthError::SecretExpired { code }
            }
            (_, Some("AADSTS65001")) | ("consent_required", _) => {
                OAuthError::ConsentMissing { provider: name, code }
            }
            ("invalid_grant", _) if alone => OAuthError::AssertionRefused { provider: name, code },
            ("invalid_grant" | "interaction_required" | "login_required", _) => {
                OAuthError::SignInEnded { provider: name, code }
            }
            // AADSTS7000218: no public client, and no secret came with the question.
            ("unauthorized_client", None)
            | ("invalid_client", Some("AADSTS7000218"))
            | ("unsupported_grant_type" | "invalid_scope", _) => {
                let remedy = flow_remedy(provider, flow);
                OAuthError::FlowRefused { provider: name, code, remedy }
            }
            ("invalid_client" | "unauthorized_client", _) => {
                OAuthError::ClientRefused { provider: name, code }
            }
            ("access_denied", _) if !alone => OAuthError::Declined,
            ("expired_token", _) => OAuthError::TooLate,
            ("temporarily_unavailable" | "server_error", _) => {
                OAuthError::Busy { provider: name, code }
            }
            _ => OAuthError::Refused { provider: name, code },
        }
    }
}

fn flow_remedy(provider: Provider, flow: Flow) -> &'static str {
    match (provider, flow) {
        (Provider::Google, Flow::ClientCredentials) => {
            "In the Admin console, under Security, API controls, Domain-wide delegation, add the service account's client ID with the scope https://mail.google.com/"
        }
        (Provider::Microsoft, Flow::Device | Flow::Browser) => {
            "In the app's registration, under Authentication, allow public client flows"
        }
        (Provider::Microsoft, Flow::ClientCredentials) => {
            "In the app's registration, under API permissions, add IMAP.AccessAsApp and SMTP.SendAsApp of Office 365 Exchange Online and grant admin consent"
        }
        _ => "Check flow and scope in [oauth2] of bot.toml against the app's registration",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn granted(body: &str) -> Grant {
        match token(200, body.as_bytes()) {
            Said::Granted(grant) => grant,
            other => panic!("{other:?}"),
        }
    }

    fn meaning(body: &str, provider: Provider, flow: Flow) -> String {
        token(400, body.as_bytes()).granted(provider, flow).unwrap_err().to_string()
    }

    #[test]
    fn a_token_lives_as_long_as_it_says() {
        let with = |expires: &str| {
            granted(&format!(
                r#"{{"access_token":"a","token_type":"bearer"{expires},"refresh_token":"r"}}"#
            ))
        };
        assert_eq!(with(r#","expires_in":3599"#).lives, Duration::from_secs(3599));
        assert_eq!(with(r#","expires_in":"3599""#).lives, Duration::from_secs(3599));
        assert_eq!(with("").lives, LIFE_UNTOLD);
        assert_eq!(with(r#","expires_in":1e300"#).lives, LIFE_MAX);
        assert_eq!(with(r#","expires_in":-5"#).lives, Duration::ZERO);
        assert_eq!(with("").refresh.unwrap().expose_secret(), "r");
    }

    #[test]
    fn what_is_no_bearer_token_is_none() {
        for body in [
            r#"{"access_token":"a","token_type":"mac"}"#,
            r#"{"access_token":"","token_type":"Bearer"}"#,
            r#"{"access_token":"a\u0001b","token_type":"Bearer"}"#,
            "<html>",
            "",
        ] {
            assert!(matches!(token(200, body.as_bytes()), Said::Nonsense(200)), "{body}");
        }
        assert!(matches!(token(503, b"<html>"), Said::NotNow(503)));
    }

    #[test]
    fn refusals_are_told_with_the_remedy_and_without_what_the_provider_wrote() {
        let ended = r#"{"error":"invalid_grant","error_description":"AADSTS700082: The refresh token of jane@example.org has expired"}"#;
        let told = meaning(ended, Provider::Microsoft, Flow::Device);
        assert!(told.contains("(invalid_grant, AADSTS700082)"), "{told}");
        assert!(told.contains("Run `deletion-desk login` on the host"), "{told}");
        assert!(!told.contains("jane"), "{told}");
        let secret = r#"{"error":"invalid_client","error_description":"AADSTS7000222: The provided client secret keys for app are expired."}"#;
        let told = meaning(secret, Provider::Microsoft, Flow::ClientCredentials);
        assert!(told.starts_with("The client secret has expired"), "{told}");
        let consent = r#"{"error":"invalid_grant","error_description":"AADSTS65001: consent"}"#;
        let told = meaning(consent, Provider::Microsoft, Flow::Device);
        assert!(told.contains("nobody has agreed"), "{told}");
        let delegation =
            r#"{"error":"unauthorized_client","error_description":"Client is unauthorized"}"#;
        let told = meaning(delegation, Provider::Google, Flow::ClientCredentials);
        assert!(told.contains("Domain-wide delegation"), "{told}");
        let google =
            r#"{"error":"invalid_grant","error_description":"Token has been expired or revoked."}"#;
        let told = meaning(google, Provider::Google, Flow::Browser);
        assert!(told.starts_with("Google no longer accepts the sign-in (invalid_grant)"), "{told}");
        let strange = r#"{"error":"\u001b[31mred\nINFO fake"}"#;
        let told = meaning(strange, Provider::Custom, Flow::Device);
        assert!(told.contains("(31mredINFOfake)"), "{told}");
    }

    #[test]
    fn a_code_is_read_as_both_providers_write_it() {
        let google = br#"{"device_code":"d","user_code":"AB-CD","verification_url":"https://www.google.com/device","expires_in":1800,"interval":5}"#;
        let code = device_code(200, google).unwrap();
        assert_eq!(code.address, "https://www.google.com/device");
        let microsoft = br#"{"device_code":"d","user_code":"AB\u001bCD","verification_uri":"https://microsoft.com/devicelogin","expires_in":900,"message":"x"}"#;
        let code = device_code(200, microsoft).unwrap();
        assert_eq!((code.user.as_str(), code.interval), ("ABCD", Duration::from_secs(5)));
        assert!(device_code(400, br#"{"error":"invalid_client"}"#).is_err());
    }
}
