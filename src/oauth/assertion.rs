//! A service account's word for itself: a signed statement in place of a sign-in (RFC 7523,
//! as Google's "domain-wide delegation" wants it).

use std::fs;
use std::path::Path;

use chrono::{DateTime, Utc};
use data_encoding::BASE64URL_NOPAD;
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject as _;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::json;

use super::OAuthError;

/// Google allows an hour; the statement is used at once.
const LIFE_SECONDS: i64 = 10 * 60;

/// The key file as Google's console hands it out.
#[derive(Deserialize)]
pub(super) struct KeyFile {
    client_email: String,
    private_key_id: String,
    pub(super) private_key: SecretString,
}

impl KeyFile {
    pub(super) fn read(file: &Path) -> Result<KeyFile, OAuthError> {
        let text = fs::read(file)
            .map_err(|why| bad(&format!("{} cannot be read: {why}", file.display())))?;
        serde_json::from_slice(&text)
            .map_err(|_| bad("it is not the JSON file that the console hands out"))
    }

    /// A statement that the account acts for `mailbox`, signed with its key.
    pub(super) fn statement(
        &self,
        audience: &str,
        scope: &str,
        mailbox: &str,
        now: DateTime<Utc>,
    ) -> Result<SecretString, OAuthError> {
        let der = PrivatePkcs8KeyDer::from_pem_slice(self.private_key.expose_secret().as_bytes())
            .map_err(|_| bad("private_key is no PEM"))?;
        let pair = RsaKeyPair::from_pkcs8(der.secret_pkcs8_der())
            .map_err(|_| bad("private_key is no RSA key"))?;
        let head = json!({ "alg": "RS256", "typ": "JWT", "kid": self.private_key_id });
        let claims = json!({
            "iss": self.client_email,
            "sub": mailbox,
            "scope": scope,
            "aud": audience,
            "iat": now.timestamp(),
            "exp": now.timestamp() + LIFE_SECONDS,
        });
        let encode = |text: String| BASE64URL_NOPAD.encode(text.as_bytes());
        let statement = format!("{}.{}", encode(head.to_string()), encode(claims.to_string()));
        let mut signature = vec![0; pair.public().modulus_len()];
        pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), statement.as_bytes(), &mut signature)
            .map_err(|_| bad("it does not sign"))?;
        Ok(format!("{statement}.{}", BASE64URL_NOPAD.encode(&signature)).into())
    }
}

fn bad(why: &str) -> OAuthError {
    OAuthError::BadServiceAccount { why: why.to_owned() }
}
