//! EDGE: a small HTTPS client: one request, one connection, one bounded answer. It follows no
//! redirect, keeps no cookie and uses no proxy. What goes wrong is told without the address,
//! which may hold a secret.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{ACCEPT, CONNECTION, CONTENT_TYPE, HOST, USER_AGENT};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use url::{Host, Url};

use crate::net::connect;
use crate::tls;

/// Octets of the largest answer that is read.
const ANSWER_BYTES_MAX: usize = 1024 * 1024;
/// How we call ourselves.
const AGENT: &str = concat!("deletion-desk/", env!("CARGO_PKG_VERSION"));

/// The client; cheap to clone.
#[derive(Clone, Debug)]
pub struct Https {
    tls: Arc<ClientConfig>,
}

/// What a server answered.
pub struct Answer {
    /// Status code (RFC 9110 §15).
    pub status: u16,
    /// Body.
    pub body: Vec<u8>,
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "<answer {}, {} octets>", self.status, self.body.len())
    }
}

/// Reads an address that we may ask: https, or plain http on this machine.
///
/// # Errors
/// In words, for the operator.
pub fn address(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|_| "it is no web address (https://…)".to_owned())?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err("no user name or password may stand in it".to_owned());
    }
    match (url.scheme(), url.host()) {
        ("https", Some(_)) => Ok(url),
        ("http", Some(host)) if is_loopback(&host) => Ok(url),
        _ => Err("it has to begin with https:// (plain http goes to this machine only)".to_owned()),
    }
}

fn is_loopback(host: &Host<&str>) -> bool {
    match host {
        Host::Domain(name) => *name == "localhost",
        Host::Ipv4(ip) => ip.is_loopback(),
        Host::Ipv6(ip) => ip.is_loopback(),
    }
}

impl Https {
    /// Takes the certificates to trust: a CA of the operator (PEM) or the system's.
    ///
    /// # Errors
    /// When there are none.
    pub fn new(ca_pem: Option<&[u8]>) -> Result<Https> {
        Ok(Https { tls: Arc::new(tls::client_config(ca_pem)?) })
    }

    /// GET, answered in full within `at_most`.
    ///
    /// # Errors
    /// Whatever is not an answer; a status that says no is one.
    pub async fn get(&self, url: &Url, at_most: Duration) -> Result<Answer> {
        self.ask(Method::GET, url, String::new(), at_most).await
    }

    /// POST of a form, answered in full within `at_most`.
    ///
    /// # Errors
    /// As [`Https::get`].
    pub async fn post_form(
        &self,
        url: &Url,
        fields: &[(&str, &str)],
        at_most: Duration,
    ) -> Result<Answer> {
        let form =
            url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        self.ask(Method::POST, url, form, at_most).await
    }

    async fn ask(
        &self,
        method: Method,
        url: &Url,
        form: String,
        at_most: Duration,
    ) -> Result<Answer> {
        let host = url.host_str().unwrap_or_default();
        let work = async {
            let port = url.port_or_known_default().unwrap_or(443);
            let bare = host.trim_matches(['[', ']']);
            let tcp = connect(bare, port)
                .await
                .with_context(|| format!("Cannot connect to {host}:{port}"))?;
            if url.scheme() == "https" {
                let name = ServerName::try_from(bare.to_owned())?;
                let connector = TlsConnector::from(Arc::clone(&self.tls));
                let stream = connector.connect(name, tcp).await;
                let stream = stream.with_context(|| format!("{host}: the TLS handshake failed"))?;
                exchange(stream, request(method, url, form)?).await
            } else {
                if !tcp.peer_addr()?.ip().is_loopback() {
                    bail!("{host} is not on this machine, and plain text goes nowhere else");
                }
                exchange(tcp, request(method, url, form)?).await
            }
        };
        timeout(at_most, work)
            .await
            .with_context(|| format!("{host} does not answer within {} s", at_most.as_secs()))?
    }
}

fn request(method: Method, url: &Url, form: String) -> Result<Request<Full<Bytes>>> {
    let path = match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_owned(),
    };
    let host = url.host_str().unwrap_or_default();
    let host = url.port().map_or(host.to_owned(), |port| format!("{host}:{port}"));
    let mut request = Request::builder()
        .method(&method)
        .uri(path)
        .header(HOST, host)
        .header(USER_AGENT, AGENT)
        .header(ACCEPT, "application/json")
        .header(CONNECTION, "close");
    if method == Method::POST {
        request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded");
    }
    request.body(Full::new(Bytes::from(form))).context("The request cannot be written")
}

async fn exchange<S>(stream: S, request: Request<Full<Bytes>>) -> Result<Answer>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // Ends with this function, answered or not.
    let mut driver = JoinSet::new();
    driver.spawn(connection);
    let response = sender.send_request(request).await.context("The connection broke")?;
    let status = response.status().as_u16();
    let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await;
    let body = body.map_err(|why| anyhow!("The answer cannot be read: {why}"))?;
    Ok(Answer { status, body: body.to_bytes().to_vec() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_text_goes_to_this_machine_only() {
        for good in
            ["https://a.example/x?y", "http://127.0.0.1:8/x", "http://[::1]/", "http://localhost:1"]
        {
            assert!(address(good).is_ok(), "{good}");
        }
        for bad in [
            "http://a.example/",
            "http://10.0.0.1/",
            "ftp://localhost/",
            "a.example",
            "",
            "https://me:pw@a.example/",
        ] {
            assert!(address(bad).is_err(), "{bad}");
        }
    }
}
