//! SMTP submission by lettre's connection, command by command, so that it is known which side of
//! the final dot a failure was on. Its pool is not used: a send that is cancelled there leaves
//! an answer behind that the next one takes for its own.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use lettre::Address;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{
    AsyncSmtpConnection, AsyncTokioStream, Certificate, CertificateStore, TlsParameters,
};
use lettre::transport::smtp::commands::{Data, Ehlo, Mail, Rcpt};
use lettre::transport::smtp::extension::{ClientId, Extension, MailParameter};
use lettre::transport::smtp::response::{Response, Severity};
use rustls::pki_types::ServerName;
use secrecy::{ExposeSecret, SecretString};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::Parcel;
use super::answering::Answering;
use super::refusal::{Meaning, Refused, meaning};
use crate::mail::EmailAddress;
use crate::net::connect;
use crate::oauth::{SignIn, TokenRefused, xoauth2_base64};
use crate::step::step;
use crate::store::attempts::End;
use crate::trouble::{Failure, Trouble};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
/// RFC 5321 §4.5.3.2 wants five minutes for most commands.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(5 * 60);
/// RFC 5321 §4.5.3.2.6: ten minutes for the answer to the final dot. Giving up sooner is how
/// doubles are made.
const DOT_TIMEOUT: Duration = Duration::from_secs(10 * 60);

/// 2yz (RFC 5321 §4.2.1).
const TAKEN: Severity = Severity::PositiveCompletion;
/// 3yz.
const GO_ON: Severity = Severity::PositiveIntermediate;

/// How the connection is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tls {
    /// From the first byte.
    Implicit,
    /// STARTTLS, before anything else is said.
    Starttls,
    /// Not; loopback only.
    None,
}

/// Where the submission server is and how to log in.
#[derive(Clone, Debug)]
pub struct SmtpSettings {
    /// Name of the server; its certificate must be for it.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Protection.
    pub tls: Tls,
    /// Login name, and password or token; none for a server that trusts this machine.
    pub login: Option<(String, SignIn)>,
    /// A CA to trust in place of the system's, PEM.
    pub ca_pem: Option<Vec<u8>>,
    /// The name we greet with.
    pub hello: String,
}

/// An open connection that is logged in.
pub(super) struct Connection {
    smtp: AsyncSmtpConnection,
    /// The server takes several commands at once (RFC 2920).
    is_pipelining: bool,
    /// It has taken a letter already.
    is_used: bool,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("<smtp connection>")
    }
}

impl SmtpSettings {
    /// Connects and logs in.
    pub(super) async fn connect(&self) -> Result<Connection> {
        let mut smtp = match &self.login {
            None => self.open().await?,
            Some((username, SignIn::Password(password))) => {
                self.show_password(username, password).await?
            }
            Some((username, SignIn::OAuth2(tokens))) => {
                let attempt = |token| self.show_token(username, token);
                tokens.log_in(&self.host, attempt).await?
            }
        };
        let is_pipelining = self.offers_pipelining(&mut smtp).await?;
        Ok(Connection { smtp, is_pipelining, is_used: false })
    }

    /// Asks once more what the server can do: lettre keeps only what it uses itself.
    async fn offers_pipelining(&self, smtp: &mut AsyncSmtpConnection) -> Result<bool> {
        let place = format!("{}:{}", self.host, self.port);
        let ehlo = Ehlo::new(ClientId::Domain(self.hello.clone()));
        match timeout(CONNECT_TIMEOUT, smtp.command(ehlo)).await {
            Ok(Ok(answer)) => {
                Ok(answer.message().any(|line| line.eq_ignore_ascii_case("PIPELINING")))
            }
            Ok(Err(why)) if why.is_permanent() => Ok(false),
            Ok(Err(why)) => Err(because(&why, format!("{place} hangs up: {}", in_words(&why)))),
            Err(_) => bail!("{place} does not answer within 30 seconds"),
        }
    }

    /// Connects, and greets.
    async fn open(&self) -> Result<AsyncSmtpConnection> {
        let place = format!("{}:{}", self.host, self.port);
        let hello = ClientId::Domain(self.hello.clone());
        let tls = self.tls_parameters()?;
        if self.tls == Tls::None {
            self.refuse_remote().await?;
        }
        let stream = timeout(CONNECT_TIMEOUT, self.stream())
            .await
            .with_context(|| format!("{place} does not answer within 30 seconds"))?
            .with_context(|| format!("Cannot connect to {place}"))?;
        let connect = AsyncSmtpConnection::connect_with_transport(stream, &hello);
        let mut connection = timeout(CONNECT_TIMEOUT, connect)
            .await
            .with_context(|| format!("{place} does not greet within 30 seconds"))?
            .map_err(|why| {
                because(&why, format!("Cannot connect to {place}: {}", in_words(&why)))
            })?;
        if let Some(tls) = tls {
            if !connection.can_starttls() {
                bail!("{place} offers no STARTTLS; nothing was sent");
            }
            timeout(CONNECT_TIMEOUT, connection.starttls(tls, &hello))
                .await
                .with_context(|| format!("{place}: STARTTLS was not answered"))?
                .map_err(|why| {
                    because(&why, format!("{place}: STARTTLS failed: {}", in_words(&why)))
                })?;
        }
        Ok(connection)
    }

    async fn show_password(
        &self,
        username: &str,
        password: &SecretString,
    ) -> Result<AsyncSmtpConnection> {
        let mut connection = self.open().await?;
        let place = format!("{}:{}", self.host, self.port);
        let credentials =
            Credentials::new(username.to_owned(), password.expose_secret().to_owned());
        let mechanisms = [Mechanism::Plain, Mechanism::Login];
        timeout(CONNECT_TIMEOUT, connection.auth(&mechanisms, &credentials))
            .await
            .with_context(|| format!("{place}: the login was not answered"))?
            .map_err(|why| login_failed(&why, &place))?;
        Ok(connection)
    }

    /// XOAUTH2, step by step: lettre takes the server's explanation (334) for an end, and leaves
    /// the refusal itself unread.
    async fn show_token(&self, username: &str, token: SecretString) -> Result<AsyncSmtpConnection> {
        let mut connection = self.open().await?;
        let place = format!("{}:{}", self.host, self.port);
        if !connection.server_info().supports_auth_mechanism(Mechanism::Xoauth2) {
            bail!("{place} offers no XOAUTH2; set smtp.auth = \"password\"");
        }
        let login = async {
            let words = xoauth2_base64(username, &token);
            let answer = connection.command(format!("AUTH XOAUTH2 {words}\r\n")).await?;
            if answer.has_code(334) { connection.command("\r\n").await } else { Ok(answer) }
        };
        let answered = timeout(CONNECT_TIMEOUT, login)
            .await
            .with_context(|| format!("{place}: the login was not answered"))?;
        match answered {
            Ok(answer) if answer.has_code(235) => Ok(connection),
            Ok(answer) => bail!("{place} answers the login with {}", answer.code()),
            Err(why) if why.is_permanent() => Err(anyhow!(TokenRefused)),
            Err(why) => {
                let words = format!("{place} does not take the login now: {}", in_words(&why));
                Err(because(&why, words))
            }
        }
    }

    /// A connection that sends each write at once: Nagle's algorithm would keep the end of a letter
    /// back until the server's delayed acknowledgement, 40 ms.
    async fn stream(&self) -> Result<Box<dyn AsyncTokioStream>> {
        let tcp = connect(&self.host, self.port).await?;
        let peer = tcp.peer_addr()?;
        if self.tls != Tls::Implicit {
            return Ok(Box::new(Answering::new(tcp, peer, self.tls == Tls::Starttls)));
        }
        let config = crate::tls::client_config(self.ca_pem.as_deref())?;
        let name = ServerName::try_from(self.host.clone())
            .with_context(|| format!("{} is no host name", self.host))?;
        let tls = TlsConnector::from(Arc::new(config)).connect(name, tcp).await;
        let tls = tls.context("The TLS handshake failed")?;
        Ok(Box::new(Answering::new(tls, peer, false)))
    }

    /// For STARTTLS, which lettre does.
    fn tls_parameters(&self) -> Result<Option<TlsParameters>> {
        if self.tls != Tls::Starttls {
            return Ok(None);
        }
        let mut builder = TlsParameters::builder(self.host.clone());
        if let Some(pem) = &self.ca_pem {
            let certificate = Certificate::from_pem(pem).context("The CA file is no PEM")?;
            builder =
                builder.certificate_store(CertificateStore::None).add_root_certificate(certificate);
        }
        Ok(Some(builder.build_rustls().context("TLS cannot be set up")?))
    }

    async fn refuse_remote(&self) -> Result<()> {
        let mut addresses = tokio::net::lookup_host((self.host.as_str(), self.port)).await?;
        if !addresses.all(|address| address.ip().is_loopback()) {
            bail!("{} is not on this machine, and plain text goes nowhere else", self.host);
        }
        Ok(())
    }
}

impl Connection {
    /// One envelope, one mail.
    pub(super) async fn submit(&mut self, parcel: &Parcel) -> End {
        let connection = &mut self.smtp;
        let (Some(from), Some(to)) =
            (lettre_address(&parcel.return_path), lettre_address(&parcel.to))
        else {
            return End::Permanent("the address cannot be written in SMTP".to_owned());
        };
        let mut parameters = Vec::new();
        if !parcel.to.as_str().is_ascii() || !parcel.return_path.as_str().is_ascii() {
            if !connection.server_info().supports_feature(Extension::SmtpUtfEight) {
                return End::Permanent(
                    "the server takes no addresses beyond ASCII (SMTPUTF8)".to_owned(),
                );
            }
            parameters.push(MailParameter::SmtpUtfEight);
        }
        let mut mail = Mail::new(Some(from), parameters).to_string();
        let mut recipient = Rcpt::new(to, Vec::new()).to_string();
        let mut data = Data.to_string();
        if self.is_pipelining {
            // All at once; after the first answer nothing is left to say but to hear the others.
            mail = mail + &std::mem::take(&mut recipient) + &std::mem::take(&mut data);
        }
        step("before-data");
        let steps = [
            (mail, TAKEN, Refused::Sender),
            (recipient, TAKEN, Refused::Recipient),
            (data, GO_ON, Refused::Sender),
        ];
        for (command, expected, refused) in steps {
            if let Err(end) = before_dot(connection, &command, expected, refused).await {
                return self.perhaps_tired(end);
            }
        }
        step("after-data");
        step("before-dot");
        let sent = timeout(DOT_TIMEOUT, connection.command(with_dot(&parcel.bytes))).await;
        step("after-dot");
        match sent {
            Ok(Ok(answer)) if answer.code().severity == TAKEN => {
                self.is_used = true;
                End::Submitted
            }
            Ok(Ok(answer)) => End::Uncertain(format!("{} to the final dot", answer.code())),
            Ok(Err(why)) => {
                refusal(&why, Refused::Content).unwrap_or_else(|| End::Uncertain(in_words(&why)))
            }
            Err(_) => End::Uncertain("no answer to the final dot".to_owned()),
        }
    }

    /// Of a connection that has served its time the server may only be tired: a new one tells
    /// whether it is.
    fn perhaps_tired(&self, end: End) -> End {
        match end {
            End::Throttled(tired) | End::NotTaken(tired) if self.is_used => End::NotTried(tired),
            end => end,
        }
    }

    pub(super) async fn quit(mut self) {
        let _ = timeout(Duration::from_secs(5), self.smtp.quit()).await;
    }
}

/// A command before the final dot: whatever goes wrong, nothing was taken.
async fn before_dot(
    connection: &mut AsyncSmtpConnection,
    command: &str,
    expected: Severity,
    refused: Refused,
) -> Result<Response, End> {
    match timeout(COMMAND_TIMEOUT, connection.command(command)).await {
        Ok(Ok(response)) if response.code().severity == expected => Ok(response),
        // The answer to something else: from here on all of them would be.
        Ok(Ok(response)) => {
            let words = format!("{} out of turn", response.code());
            Err(End::NotTried(Failure::new(Trouble::Unexpected, words)))
        }
        // A parked connection that the server closed meanwhile ends as not tried.
        Ok(Err(why)) => Err(refusal(&why, refused)
            .unwrap_or_else(|| End::NotTried(Failure::new(trouble_of(&why), in_words(&why))))),
        Err(_) => {
            let words = "no answer within five minutes";
            Err(End::NotTaken(Failure::new(Trouble::TakesNoLetters, words)))
        }
    }
}

/// A mail as it goes over the wire, in one piece: its dots doubled (RFC 5321 §4.5.2), and the
/// final one.
fn with_dot(mail: &[u8]) -> String {
    // A mail begins with a header, not with a dot.
    let mut lines = String::from_utf8_lossy(mail).replace("\r\n.", "\r\n..");
    lines.push_str(if lines.ends_with("\r\n") { ".\r\n" } else { "\r\n.\r\n" });
    lines
}

/// What a refusal means; none when there was no whole answer.
fn refusal(why: &lettre::transport::smtp::Error, refused: Refused) -> Option<End> {
    why.status()?;
    let words = in_words(why);
    let (code, enhanced) = words.split_once(' ').unwrap_or((&words, ""));
    let enhanced = Some(enhanced).filter(|enhanced| !enhanced.is_empty());
    Some(match meaning(code, enhanced, &why.to_string(), refused) {
        Meaning::SlowDown => End::Throttled(Failure::new(Trouble::Busy, words)),
        Meaning::TakesNone => End::NotTaken(Failure::new(Trouble::TakesNoLetters, words)),
        Meaning::Later => End::Temporary(words),
        Meaning::Never => End::Permanent(words),
    })
}

fn lettre_address(address: &EmailAddress) -> Option<Address> {
    Address::new(address.local_part(), address.domain()).ok()
}

/// An error with these words, marked with what is behind it.
fn because(why: &lettre::transport::smtp::Error, words: String) -> anyhow::Error {
    anyhow!(words).context(trouble_of(why))
}

fn trouble_of(why: &lettre::transport::smtp::Error) -> Trouble {
    if why.is_transient() {
        return Trouble::Busy;
    }
    // lettre says this of a server that hangs up before its answer is whole.
    let is_cut = why.is_response() && why.to_string().contains("incomplete");
    let cut = is_cut.then_some(Trouble::NoConnection);
    cut.or_else(|| Trouble::of_chain(why)).unwrap_or(Trouble::Unexpected)
}

/// RFC 4954 §6: 5yz is about the password, 4yz about the server.
fn login_failed(why: &lettre::transport::smtp::Error, place: &str) -> anyhow::Error {
    let words = in_words(why);
    if why.is_permanent() {
        return anyhow!("{place} refuses the login: {words}").context(Trouble::PasswordRefused);
    }
    because(why, format!("{place}: the login failed: {words}"))
}

/// The codes of a refusal, or the kind of failure: servers write addresses into their texts,
/// and this goes into the log.
fn in_words(why: &lettre::transport::smtp::Error) -> String {
    let text = why.to_string();
    match why.status() {
        Some(code) => {
            let enhanced = text.split(|c: char| !(c.is_ascii_digit() || c == '.'));
            let enhanced = enhanced
                .filter(|word| word.split('.').count() == 3 && !word.contains(".."))
                // Of the same class as the code; addresses have numbers, too.
                .find(|word| {
                    word.get(..2) == Some(&format!("{}.", code.severity)) && !word.ends_with('.')
                });
            format!("{code} {}", enhanced.unwrap_or_default()).trim_end().to_owned()
        }
        None if why.is_timeout() => "time-out".to_owned(),
        // lettre repeats what it cannot read.
        None if why.is_response() => "the server answers what cannot be read".to_owned(),
        None => {
            let mut words = text;
            let mut source = std::error::Error::source(why);
            while let Some(inner) = source {
                let inner_words = inner.to_string();
                if !words.contains(&inner_words) {
                    words = format!("{words}: {inner_words}");
                }
                source = inner.source();
            }
            words
        }
    }
}
