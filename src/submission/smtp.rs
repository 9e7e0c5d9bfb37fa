//! SMTP submission by lettre's connection, one command at a time, so that it is known which
//! side of the final dot a failure was on. Its pool is not used: a send that is cancelled
//! there leaves an answer behind that the next one takes for its own.

use std::fmt::Display;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use lettre::Address;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{
    AsyncSmtpConnection, AsyncTokioStream, Certificate, CertificateStore, TlsParameters,
};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::{ClientId, Extension, MailParameter};
use lettre::transport::smtp::response::Response;
use secrecy::{ExposeSecret, SecretString};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::Parcel;
use crate::mail::EmailAddress;
use crate::step::step;
use crate::store::attempts::End;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
/// RFC 5321 §4.5.3.2 wants five minutes for most commands.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(5 * 60);
/// RFC 5321 §4.5.3.2.6: ten minutes for the answer to the final dot. Giving up sooner is how
/// doubles are made.
const DOT_TIMEOUT: Duration = Duration::from_secs(10 * 60);

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
    /// Login name and password; none for a server that trusts this machine.
    pub login: Option<(String, SecretString)>,
    /// A CA to trust in place of the system's, PEM.
    pub ca_pem: Option<Vec<u8>>,
    /// The name we greet with.
    pub hello: String,
}

/// An open connection that is logged in.
pub(super) struct Connection(AsyncSmtpConnection);

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("<smtp connection>")
    }
}

impl SmtpSettings {
    /// Connects and logs in.
    pub(super) async fn connect(&self) -> Result<Connection> {
        let place = format!("{}:{}", self.host, self.port);
        let hello = ClientId::Domain(self.hello.clone());
        let tls = self.tls_parameters()?;
        if self.tls == Tls::None {
            self.refuse_remote().await?;
        }
        let wire = timeout(CONNECT_TIMEOUT, self.wire())
            .await
            .with_context(|| format!("{place} does not answer within 30 seconds"))?
            .with_context(|| format!("Cannot connect to {place}"))?;
        // lettre's own timeout covers TCP only; a server may also not greet.
        let greet = AsyncSmtpConnection::connect_with_transport(wire, &hello);
        let mut connection = timeout(CONNECT_TIMEOUT, greet)
            .await
            .with_context(|| format!("{place} does not greet within 30 seconds"))?
            .map_err(|why| anyhow!("Cannot connect to {place}: {}", in_words(&why)))?;
        if let (Tls::Starttls, Some(tls)) = (self.tls, tls) {
            if !connection.can_starttls() {
                bail!("{place} offers no STARTTLS; nothing was sent");
            }
            timeout(CONNECT_TIMEOUT, connection.starttls(tls, &hello))
                .await
                .with_context(|| format!("{place}: STARTTLS was not answered"))?
                .map_err(|why| anyhow!("{place}: STARTTLS failed: {}", in_words(&why)))?;
        }
        if let Some((username, password)) = &self.login {
            let credentials =
                Credentials::new(username.clone(), password.expose_secret().to_owned());
            let mechanisms = [Mechanism::Plain, Mechanism::Login];
            timeout(CONNECT_TIMEOUT, connection.auth(&mechanisms, &credentials))
                .await
                .with_context(|| format!("{place}: the login was not answered"))?
                .map_err(|why| {
                    anyhow!(
                        "{place} refuses the login: {}. Check username and password",
                        in_words(&why)
                    )
                })?;
        }
        Ok(Connection(connection))
    }

    /// A connection that sends each write at once: lettre writes the final dot apart, and Nagle's
    /// algorithm would keep that back until the server's delayed acknowledgement, 40 ms a letter.
    async fn wire(&self) -> Result<Box<dyn AsyncTokioStream>> {
        let tcp = TcpStream::connect((self.host.as_str(), self.port)).await?;
        tcp.set_nodelay(true)?;
        Ok(Box::new(tcp))
    }

    fn tls_parameters(&self) -> Result<Option<TlsParameters>> {
        if self.tls == Tls::None {
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
        let connection = &mut self.0;
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
        if let Err(end) = before_dot(connection, Mail::new(Some(from), parameters)).await {
            return not_for_good(end);
        }
        if let Err(end) = before_dot(connection, Rcpt::new(to, Vec::new())).await {
            return end;
        }
        step("before-data");
        if let Err(end) = before_dot(connection, Data).await {
            return not_for_good(end);
        }
        step("after-data");
        step("before-dot");
        let sent = timeout(DOT_TIMEOUT, connection.message(&parcel.bytes)).await;
        step("after-dot");
        match sent {
            Ok(Ok(_)) => End::Submitted,
            Ok(Err(why)) if why.is_permanent() => End::Permanent(in_words(&why)),
            Ok(Err(why)) if why.is_transient() => End::Temporary(in_words(&why)),
            Ok(Err(why)) => End::Uncertain(in_words(&why)),
            Err(_) => End::Uncertain("no answer to the final dot".to_owned()),
        }
    }

    pub(super) async fn quit(mut self) {
        let _ = timeout(Duration::from_secs(5), self.0.quit()).await;
    }
}

/// A command before the final dot: whatever goes wrong, nothing was taken.
async fn before_dot<C: Display>(
    connection: &mut AsyncSmtpConnection,
    command: C,
) -> Result<Response, End> {
    match timeout(COMMAND_TIMEOUT, connection.command(command)).await {
        Ok(Ok(response)) => Ok(response),
        Ok(Err(why)) if why.is_permanent() => Err(End::Permanent(in_words(&why))),
        Ok(Err(why)) if why.is_transient() => Err(End::Temporary(in_words(&why))),
        // A parked connection that the server closed meanwhile ends here, too.
        Ok(Err(why)) => Err(End::NotTried(in_words(&why))),
        Err(_) => Err(End::Temporary("no answer within five minutes".to_owned())),
    }
}

/// A refusal of the sender or of all mail says nothing about this recipient: the account may
/// be over its quota, and be right tomorrow.
fn not_for_good(end: End) -> End {
    match end {
        End::Permanent(why) => End::Temporary(why),
        end => end,
    }
}

fn lettre_address(address: &EmailAddress) -> Option<Address> {
    Address::new(address.local_part(), address.domain()).ok()
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
                .find(|word| !word.starts_with('.') && !word.ends_with('.'));
            format!("{code} {}", enhanced.unwrap_or_default()).trim_end().to_owned()
        }
        None if why.is_timeout() => "time-out".to_owned(),
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
