//! The way into an IMAP session: greeting, and login by password or token.

use std::collections::BTreeSet;
use std::io;

use anyhow::{Context as _, Result, anyhow, bail};
use async_imap::imap_proto::{Capability, Response, ResponseCode, Status};
use async_imap::{Authenticator, Client, Session};
use secrecy::{ExposeSecret, SecretString};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::time::timeout;

use super::imap_session::{SILENCE_MAX, Wire, cut, heard, in_words, refused, unharmed, words};
use crate::oauth::{TokenRefused, xoauth2};
use crate::trouble::{Trouble, asks_to_slow_down};

/// What a login is proved by.
pub(super) enum Proof {
    Password(SecretString),
    /// Of a provider (XOAUTH2).
    Token(SecretString),
}

/// SASL in one answer: PLAIN (RFC 4616), since LOGIN cannot carry a password beyond ASCII, or
/// XOAUTH2. Whoever asks further tells of an error there, and wants an empty line.
struct OneAnswer {
    response: Option<String>,
}

impl Authenticator for OneAnswer {
    type Response = String;
    fn process(&mut self, _challenge: &[u8]) -> String {
        self.response.take().unwrap_or_default()
    }
}

/// Greets and logs in. No server may end the desk, whatever it says.
pub(super) async fn enter(
    wire: Box<dyn Wire>,
    username: &str,
    proof: Proof,
) -> Result<Session<Box<dyn Wire>>> {
    let mut client = Client::new(wire);
    let plain = greet(&mut client).await?;
    match proof {
        Proof::Password(password) => unharmed(log_in(client, username, &password, plain)).await?,
        Proof::Token(token) => unharmed(show_token(client, username, &token)).await?,
    }
}

/// What a server offers to whoever is not logged in. Read line by line, since async-imap knows
/// no commands without a login but the login.
pub(super) async fn offers(wire: Box<dyn Wire>) -> Result<BTreeSet<String>> {
    let mut client = Client::new(wire);
    greet(&mut client).await?;
    let mut stream = BufReader::new(client.into_inner());
    let asked = async {
        stream.write_all(b"a CAPABILITY\r\n").await?;
        stream.flush().await?;
        let mut found = BTreeSet::new();
        let mut line = String::new();
        while !line.starts_with("a ") {
            line.clear();
            if stream.read_line(&mut line).await? == 0 {
                break;
            }
            let names = line.strip_prefix("* CAPABILITY ").unwrap_or_default();
            found.extend(names.split_whitespace().map(str::to_ascii_uppercase));
        }
        io::Result::Ok(found)
    };
    Ok(timeout(SILENCE_MAX, asked).await.context("CAPABILITY: the server does not answer")??)
}

/// Reads the greeting; whether it offers AUTH=PLAIN.
async fn greet(client: &mut Client<Box<dyn Wire>>) -> Result<bool> {
    let greeting = timeout(SILENCE_MAX, heard(client.read_response(), "greeting"))
        .await
        .context("The server does not greet")??;
    match greeting.parsed() {
        Response::Data { status: Status::Ok, outcome } => Ok(match &outcome.code {
            Some(ResponseCode::Capabilities(all)) => all.iter().any(
                |one| matches!(one, Capability::Auth(name) if name.eq_ignore_ascii_case("PLAIN")),
            ),
            _ => false,
        }),
        Response::Data { status: Status::PreAuth, .. } => {
            bail!(
                "The server takes us for somebody who is logged in already (PREAUTH); that is no server to trust"
            )
        }
        Response::Data { outcome, .. } => {
            let said = words(&outcome.information);
            Err(refused("greeting", "before the login:", said))
        }
        _ => bail!("The server turns us away before the login"),
    }
}

async fn log_in(
    client: Client<Box<dyn Wire>>,
    username: &str,
    password: &SecretString,
    plain: bool,
) -> Result<Session<Box<dyn Wire>>> {
    let secret = password.expose_secret();
    let attempt = async {
        if plain || !secret.is_ascii() || !username.is_ascii() {
            let response = Some(format!("\0{username}\0{secret}"));
            client.authenticate("PLAIN", OneAnswer { response }).await
        } else {
            client.login(username, secret).await
        }
    };
    let done = timeout(SILENCE_MAX, attempt)
        .await
        .context("The login was not answered within a minute")?;
    done.map_err(|(why, _)| match why {
        async_imap::error::Error::No(text) if asks_to_slow_down(&text) => not_now(&text),
        async_imap::error::Error::No(text) => {
            let why = anyhow!("The server refuses the login ({})", cut(&text));
            why.context(Trouble::PasswordRefused)
        }
        other => in_words(other, "The login failed"),
    })
}

fn not_now(text: &str) -> anyhow::Error {
    anyhow!("The server takes no login now ({})", cut(text)).context(Trouble::Busy)
}

/// XOAUTH2 (developers.google.com/gmail/imap/xoauth2-protocol).
async fn show_token(
    client: Client<Box<dyn Wire>>,
    username: &str,
    token: &SecretString,
) -> Result<Session<Box<dyn Wire>>> {
    let answer = OneAnswer { response: Some(xoauth2(username, token)) };
    let done = timeout(SILENCE_MAX, client.authenticate("XOAUTH2", answer))
        .await
        .context("The login was not answered within a minute")?;
    done.map_err(|(why, _)| match why {
        async_imap::error::Error::No(text) if asks_to_slow_down(&text) => not_now(&text),
        async_imap::error::Error::No(_) => anyhow!(TokenRefused),
        async_imap::error::Error::Bad(_) => {
            anyhow!("The server knows no XOAUTH2; set mailbox.auth = \"password\"")
        }
        other => in_words(other, "The login failed"),
    })
}
