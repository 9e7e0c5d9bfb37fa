//! One IMAP connection. Every command goes through one checked loop: async-imap reports
//! success on some NO, BAD and end-of-file. A session that failed is dropped, never reused.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::io;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use async_imap::imap_proto::{Capability, MailboxDatum, Response, ResponseCode, Status};
use async_imap::{Authenticator, Client, Session};
use secrecy::{ExposeSecret, SecretString};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::time::timeout;

use crate::oauth::{TokenRefused, xoauth2};
use crate::trouble::{Trouble, asks_to_slow_down};

/// Longest silence of the server inside one answer.
pub(super) const SILENCE_MAX: Duration = Duration::from_secs(60);

/// What a connection runs over: TLS, or plain text on loopback.
pub(super) trait Wire: AsyncRead + AsyncWrite + Unpin + Send + Debug {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send + Debug> Wire for T {}

/// A logged-in session with a folder open for reading.
#[derive(Debug)]
pub(super) struct ImapSession {
    session: Session<Box<dyn Wire>>,
    /// RFC 3501 §2.3.1.1: another value means that all UIDs are new.
    pub(super) uid_validity: u32,
    /// RFC 2177.
    pub(super) has_idle: bool,
    /// RFC 6154, and RFC 5258 to ask for it.
    pub(super) has_special_use: bool,
    /// The server told of new mail since the last search began.
    pub(super) has_news: bool,
}

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

impl ImapSession {
    /// Logs in and opens `folder` with EXAMINE, which cannot change it.
    pub(super) async fn open(
        wire: Box<dyn Wire>,
        username: &str,
        proof: Proof,
        folder: &str,
    ) -> Result<ImapSession> {
        let mut client = Client::new(wire);
        let plain = greet(&mut client).await?;
        let session = match proof {
            Proof::Password(password) => log_in(client, username, &password, plain).await?,
            Proof::Token(token) => show_token(client, username, &token).await?,
        };
        let mut open = ImapSession {
            session,
            uid_validity: 0,
            has_idle: false,
            has_special_use: false,
            has_news: false,
        };
        open.read_capabilities().await?;
        open.examine(folder).await?;
        Ok(open)
    }

    /// Sends a command and hands every untagged response to `take`.
    ///
    /// # Errors
    /// NO, BAD, BYE, end of file, silence: whatever is not a tagged OK.
    pub(super) async fn command(
        &mut self,
        command: &str,
        take: impl FnMut(&Response<'_>) -> Result<()>,
    ) -> Result<()> {
        self.long_command(command, SILENCE_MAX, take).await
    }

    /// As [`ImapSession::command`], where one response may take `patience` to arrive.
    pub(super) async fn long_command(
        &mut self,
        command: &str,
        patience: Duration,
        mut take: impl FnMut(&Response<'_>) -> Result<()>,
    ) -> Result<()> {
        let name = command.split(' ').take(2).collect::<Vec<_>>().join(" ");
        let send = self.session.run_command(command);
        let tag = timeout(SILENCE_MAX, send)
            .await
            .with_context(|| format!("{name}: the server takes nothing"))??;
        loop {
            let done = self.read_within(patience, &name, |response| match response {
                Response::Done { tag: found, status: Status::Ok, .. } if *found == tag => Ok(true),
                Response::Done { tag: found, status, outcome } if *found == tag => {
                    Err(refused(&name, &format!("{status:?}"), words(&outcome.information)))
                }
                other => take(other).map(|()| false),
            });
            if done.await? {
                return Ok(());
            }
        }
    }

    async fn read<T>(
        &mut self,
        what: &str,
        look: impl FnOnce(&Response<'_>) -> Result<T>,
    ) -> Result<T> {
        self.read_within(SILENCE_MAX, what, look).await
    }

    /// The next response. BYE, and a change of UIDVALIDITY under our feet, end the session.
    async fn read_within<T>(
        &mut self,
        patience: Duration,
        what: &str,
        look: impl FnOnce(&Response<'_>) -> Result<T>,
    ) -> Result<T> {
        let read = timeout(patience, self.session.read_response()).await;
        let response = read.with_context(|| format!("{what}: the server does not answer"))?;
        let response = response.with_context(|| format!("{what}: the connection broke"))?;
        let response = response.ok_or_else(|| closed(what))?;
        refuse_end(response.parsed(), self.uid_validity, what)?;
        self.has_news |= is_news(response.parsed());
        look(response.parsed())
    }

    async fn read_capabilities(&mut self) -> Result<()> {
        let mut found = BTreeSet::new();
        self.command("CAPABILITY", |response| {
            if let Response::Capabilities(all) = response {
                let atoms = all.iter().filter_map(|one| match one {
                    Capability::Atom(name) => Some(name.to_ascii_uppercase()),
                    _ => None,
                });
                found.extend(atoms);
            }
            Ok(())
        })
        .await?;
        self.has_idle = found.contains("IDLE");
        self.has_special_use = found.contains("SPECIAL-USE") && found.contains("LIST-EXTENDED");
        Ok(())
    }

    async fn examine(&mut self, folder: &str) -> Result<()> {
        let quoted = folder.replace('\\', "\\\\").replace('"', "\\\"");
        let mut uid_validity = None;
        self.command(&format!("EXAMINE \"{quoted}\""), |response| {
            if let Response::Data { outcome, .. } = response
                && let Some(ResponseCode::UidValidity(value)) = outcome.code
            {
                uid_validity = Some(value);
            }
            Ok(())
        })
        .await
        .map_err(|why| match Trouble::of(&why) {
            // The server's NO; a lost connection or a busy server is what it is.
            Trouble::Unexpected => why.context(Trouble::NoFolder),
            _ => why,
        })
        .with_context(|| format!("Cannot open the folder {folder}"))?;
        self.uid_validity = uid_validity
            .context("The server gives no UIDVALIDITY; its messages cannot be told apart")?;
        Ok(())
    }

    /// Opens another folder in place of the one that is open.
    pub(super) async fn open_folder(&mut self, folder: &str) -> Result<()> {
        // Its own UIDVALIDITY is no renumbering of the last one.
        self.uid_validity = 0;
        self.has_news = false;
        self.examine(folder).await
    }

    /// The UIDs that match a search.
    pub(super) async fn search(&mut self, criteria: &str) -> Result<Vec<u32>> {
        self.has_news = false;
        let mut uids = Vec::new();
        self.command(&format!("UID SEARCH {criteria}"), |response| {
            if let Response::MailboxData(MailboxDatum::Search(found)) = response {
                uids.extend(found);
            }
            Ok(())
        })
        .await?;
        uids.sort_unstable();
        uids.dedup();
        Ok(uids)
    }

    /// Waits until the server tells of new mail (RFC 2177), or `at_most`.
    pub(super) async fn idle(&mut self, at_most: Duration) -> Result<()> {
        let send = self.session.run_command("IDLE");
        let tag = timeout(SILENCE_MAX, send).await.context("IDLE: the server takes nothing")??;
        let mut begun = false;
        while !begun {
            let look = self.read("IDLE", |response| match response {
                Response::Continue { .. } => Ok(true),
                Response::Done { outcome, .. } => {
                    Err(refused("IDLE", "no", words(&outcome.information)))
                }
                _ => Ok(false),
            });
            begun = look.await?;
        }
        if !self.has_news {
            timeout(at_most, self.news()).await.unwrap_or(Ok(()))?;
        }
        let done = self.session.run_command_untagged("DONE");
        timeout(SILENCE_MAX, done).await.context("DONE: the server takes nothing")??;
        let mut ended = false;
        while !ended {
            let is_end = |response: &Response<'_>| {
                Ok(matches!(response, Response::Done { tag: found, .. } if *found == tag))
            };
            ended = self.read("DONE", is_end).await?;
        }
        Ok(())
    }

    /// The next word of the server that may mean new mail; "still here" does not.
    async fn news(&mut self) -> Result<()> {
        loop {
            let response =
                self.session.read_response().await.context("IDLE: the connection broke")?;
            let response = response.ok_or_else(|| closed("IDLE"))?;
            refuse_end(response.parsed(), self.uid_validity, "IDLE")?;
            if is_news(response.parsed()) {
                return Ok(());
            }
        }
    }

    /// Says goodbye, if the server still listens.
    pub(super) async fn log_out(mut self) {
        let _ = timeout(Duration::from_secs(5), self.session.logout()).await;
    }
}

fn is_news(response: &Response<'_>) -> bool {
    matches!(response, Response::MailboxData(MailboxDatum::Exists(_) | MailboxDatum::Recent(_)))
}

fn refuse_end(response: &Response<'_>, uid_validity: u32, what: &str) -> Result<()> {
    let Response::Data { status, outcome } = response else {
        return Ok(());
    };
    if *status == Status::Bye {
        return Err(refused(what, "goodbye", words(&outcome.information)));
    }
    match outcome.code {
        Some(ResponseCode::UidValidity(now)) if uid_validity != 0 && now != uid_validity => {
            bail!("{what}: the server renumbered the messages")
        }
        _ => Ok(()),
    }
}

/// What the server does not want; by its words it may only ask to be left alone for a while.
fn refused(what: &str, verdict: &str, said: &str) -> anyhow::Error {
    let why = anyhow!("{what}: the server says {verdict}: {said}");
    if asks_to_slow_down(said) { why.context(Trouble::Busy) } else { why }
}

fn words<'a>(information: &'a Option<std::borrow::Cow<'_, str>>) -> &'a str {
    information.as_deref().unwrap_or_default()
}

fn closed(what: &str) -> anyhow::Error {
    anyhow!(io::Error::from(io::ErrorKind::UnexpectedEof))
        .context(format!("{what}: the server closed the connection"))
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
    let greeting = timeout(SILENCE_MAX, client.read_response())
        .await
        .context("The server does not greet")??;
    let greeting = greeting.ok_or_else(|| closed("greeting"))?;
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
            Err(refused("greeting", "it turns us away before the login", said))
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
        async_imap::error::Error::No(text) if asks_to_slow_down(&text) => {
            anyhow!("The server takes no login now ({text})").context(Trouble::Busy)
        }
        async_imap::error::Error::No(text) => {
            anyhow!("The server refuses the login ({text})").context(Trouble::PasswordRefused)
        }
        other => anyhow!(other).context("The login failed"),
    })
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
        async_imap::error::Error::No(_) => anyhow!(TokenRefused),
        async_imap::error::Error::Bad(_) => {
            anyhow!("The server knows no XOAUTH2; set mailbox.auth = \"password\"")
        }
        other => anyhow!(other).context("The login failed"),
    })
}
