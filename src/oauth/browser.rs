//! EDGE: signing in with a browser, which comes back to a port of this machine (RFC 8252) with
//! a code that only we can use (RFC 7636). A browser on another machine shows an error page
//! instead; its address holds the same code.

use std::net::Ipv4Addr;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use data_encoding::BASE64URL_NOPAD;
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use url::Url;

use super::answer::{self, Grant};
use super::{OAuthError, OAuthSettings};

/// A browser that came says what it wants within this time.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
/// Octets of a browser's request that are read.
const REQUEST_BYTES_MAX: usize = 16 * 1024;
const DONE: &str = "Thank you. You can close this page and go back to the terminal.";

/// A sign-in that waits for its browser.
#[derive(Debug)]
pub struct Visit {
    listener: TcpListener,
    redirect: String,
    state: String,
    verifier: SecretString,
    /// What the person opens.
    pub address: Url,
}

/// What a browser brought back.
enum Brought {
    Code(SecretString),
    Declined,
}

impl Visit {
    /// Opens a port and writes the address for the person.
    ///
    /// # Errors
    /// When the settings name no page to agree on, or there is no port.
    pub async fn prepare(settings: &OAuthSettings) -> Result<Visit> {
        let page = settings.authorize_url.clone();
        let mut address = page.context("oauth2.authorize_url is not set")?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let port = listener.local_addr()?.port();
        let redirect = format!("http://{}:{port}", settings.provider.loopback_name());
        let (state, verifier) = (random()?, random()?);
        let challenge = BASE64URL_NOPAD.encode(&Sha256::digest(verifier.as_bytes()));
        address
            .query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", &settings.client_id)
            .append_pair("redirect_uri", &redirect)
            .append_pair("scope", &settings.scope)
            .append_pair("state", &state)
            .append_pair("code_challenge", &challenge)
            .append_pair("code_challenge_method", "S256");
        if settings.provider == super::Provider::Google {
            // Without these Google gives no refresh token the second time.
            address
                .query_pairs_mut()
                .append_pair("access_type", "offline")
                .append_pair("prompt", "consent");
        }
        Ok(Visit { listener, redirect, state, verifier: verifier.into(), address })
    }

    /// Waits for the browser, or for its address in `pasted`, and trades the code for tokens.
    ///
    /// # Errors
    /// When the person declines, or the provider refuses.
    pub async fn wait(
        &self,
        settings: &OAuthSettings,
        pasted: impl Future<Output = String>,
        not_ours: impl Fn(),
    ) -> Result<Grant, OAuthError> {
        let pasted = async {
            match self.read(&pasted.await) {
                Some(brought) => brought,
                None => {
                    not_ours();
                    std::future::pending().await
                }
            }
        };
        let brought = tokio::select! {
            brought = self.browser() => brought,
            brought = pasted => brought,
        };
        match brought {
            Brought::Declined => Err(OAuthError::Declined),
            Brought::Code(code) => self.trade(settings, &code).await,
        }
    }

    async fn trade(
        &self,
        settings: &OAuthSettings,
        code: &SecretString,
    ) -> Result<Grant, OAuthError> {
        let secret = settings.secret()?;
        let mut fields = vec![
            ("grant_type", "authorization_code"),
            ("code", code.expose_secret()),
            ("redirect_uri", self.redirect.as_str()),
            ("client_id", settings.client_id.as_str()),
            ("code_verifier", self.verifier.expose_secret()),
        ];
        fields.extend(secret.iter().map(|secret| ("client_secret", secret.expose_secret())));
        let said = settings.ask(&settings.token_url, &fields).await?;
        answer::token(said.status, &said.body).granted(settings.provider, settings.flow)
    }

    async fn browser(&self) -> Brought {
        loop {
            let Ok((stream, _)) = self.listener.accept().await else { continue };
            // Browsers also ask for an icon, and open connections that they do not use.
            let visit = timeout(REQUEST_TIMEOUT, self.serve(stream)).await;
            if let Ok(Some(brought)) = visit {
                return brought;
            }
        }
    }

    async fn serve(&self, mut stream: TcpStream) -> Option<Brought> {
        let mut request = Vec::new();
        while !request.windows(4).any(|end| end == b"\r\n\r\n") {
            let read = stream.read_buf(&mut request).await.ok()?;
            if read == 0 || request.len() > REQUEST_BYTES_MAX {
                return None;
            }
        }
        let text = String::from_utf8_lossy(&request);
        let path = text.strip_prefix("GET ")?.split(' ').next()?;
        let brought = self.read(&format!("{}{path}", self.redirect));
        let (status, says) = match &brought {
            Some(_) => ("200 OK", DONE),
            None => ("404 Not Found", "Nothing is here."),
        };
        let answer = format!(
            "HTTP/1.1 {status}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\n\
             Connection: close\r\n\r\n{says}",
            says.len()
        );
        stream.write_all(answer.as_bytes()).await.ok()?;
        let _ = stream.shutdown().await;
        brought
    }

    /// Reads the address that a browser was sent to. Only ours has our state in it.
    fn read(&self, address: &str) -> Option<Brought> {
        let url = Url::parse(address.trim()).ok()?;
        let value = |name: &str| {
            url.query_pairs().find(|(found, _)| found == name).map(|(_, value)| value.into_owned())
        };
        if value("state")? != self.state {
            return None;
        }
        match value("code") {
            Some(code) => Some(Brought::Code(code.into())),
            None => value("error").map(|_| Brought::Declined),
        }
    }
}

/// 256 bits, for what nobody may guess.
fn random() -> Result<String> {
    let mut bytes = [0_u8; 32];
    getrandom::fill(&mut bytes)
        .map_err(|why| anyhow!("The system gives no random bytes: {why}"))?;
    Ok(BASE64URL_NOPAD.encode(&bytes))
}
