//! A provider for one test: device codes, a page to agree on, tokens that expire and rotate,
//! revocation, and introspection for Dovecot. Over plain HTTP on loopback, and over TLS.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use data_encoding::BASE64URL_NOPAD;
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::servers::MailServers;

pub(crate) const CLIENT: &str = "desk-app";
/// RFC 8628 §3.2, in seconds.
const INTERVAL: u64 = 1;

/// What was asked: the path, and the form.
type Asked = (String, BTreeMap<String, String>);

/// The provider. Clones are the same one.
#[derive(Clone)]
pub(crate) struct TokenServer {
    state: Arc<Mutex<State>>,
    port: u16,
}

struct State {
    /// The mailbox that tokens open.
    mailbox: String,
    /// Seconds that access tokens live.
    lives: u64,
    /// Each renewal gives another refresh token; the old one ends when the new one is used, or
    /// at once.
    rotation: Rotation,
    /// What happens between a renewal and its answer.
    meanwhile: Option<Box<dyn Fn() + Send>>,
    /// What renewals and apps are refused with: error, description.
    refuses: Option<(String, String)>,
    client_secret: Option<String>,
    /// The public key of a service account, PKCS #1 DER.
    account_key: Option<Vec<u8>>,
    device: Option<Device>,
    /// Authorization code, and the challenge it was given for.
    code: Option<(String, String)>,
    access: BTreeMap<String, Instant>,
    refresh: BTreeSet<String>,
    issued: u64,
    all_tokens: Vec<String>,
    asked: Vec<Asked>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rotation {
    None,
    WithGrace,
    Strict,
}

struct Device {
    agreed: Option<bool>,
    polls: u64,
    last_poll: Instant,
    interval: Duration,
}

impl TokenServer {
    /// Starts it for the one mailbox.
    pub(crate) async fn start(mailbox: &str) -> TokenServer {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = State {
            mailbox: mailbox.to_owned(),
            lives: 3600,
            rotation: Rotation::None,
            meanwhile: None,
            refuses: None,
            client_secret: None,
            account_key: None,
            device: None,
            code: None,
            access: BTreeMap::new(),
            refresh: BTreeSet::new(),
            issued: 0,
            all_tokens: Vec::new(),
            asked: Vec::new(),
        };
        let server = TokenServer { state: Arc::new(Mutex::new(state)), port };
        let serving = server.clone();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(serving.clone().serve(stream));
            }
        });
        server
    }

    /// Serves the same over TLS; returns the port.
    pub(crate) async fn over_tls(&self, servers: &MailServers) -> u16 {
        let (certificate, key) = servers.certificate();
        let chain = CertificateDer::pem_file_iter(certificate).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                chain.map(Result::unwrap).collect(),
                PrivateKeyDer::from_pem_file(key).unwrap(),
            );
        let acceptor = TlsAcceptor::from(Arc::new(config.unwrap()));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let serving = self.clone();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (acceptor, serving) = (acceptor.clone(), serving.clone());
                tokio::spawn(async move {
                    if let Ok(stream) = acceptor.accept(stream).await {
                        serving.serve(stream).await;
                    }
                });
            }
        });
        port
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn tokens_live(&self, seconds: u64) {
        self.state().lives = seconds;
    }

    pub(crate) fn rotates(&self, rotation: Rotation) {
        self.state().rotation = rotation;
    }

    pub(crate) fn refuses(&self, error: &str, description: &str) {
        self.state().refuses = Some((error.to_owned(), description.to_owned()));
    }

    pub(crate) fn refuses_no_more(&self) {
        self.state().refuses = None;
    }

    /// Does something before the next renewals are answered.
    pub(crate) fn meanwhile(&self, happens: impl Fn() + Send + 'static) {
        self.state().meanwhile = Some(Box::new(happens));
    }

    pub(crate) fn client_secret_is(&self, secret: &str) {
        self.state().client_secret = Some(secret.to_owned());
    }

    pub(crate) fn account_key_is(&self, public_key: &Path) {
        self.state().account_key = Some(std::fs::read(public_key).unwrap());
    }

    /// The person enters the code and agrees, or not.
    pub(crate) fn person_agrees(&self, agrees: bool) {
        self.state().device.as_mut().expect("a device that asked").agreed = Some(agrees);
    }

    /// How often the device has asked.
    pub(crate) fn polls(&self) -> u64 {
        self.state().device.as_ref().map_or(0, |device| device.polls)
    }

    /// Mail servers take none of the tokens that are out.
    pub(crate) fn access_tokens_end(&self) {
        self.state().access.clear();
    }

    /// The person takes back what they agreed to, at the provider.
    pub(crate) fn is_revoked(&self) {
        let mut state = self.state();
        state.access.clear();
        state.refresh.clear();
    }

    /// The refresh tokens that are good.
    pub(crate) fn refresh_tokens(&self) -> Vec<String> {
        self.state().refresh.iter().cloned().collect()
    }

    /// A refresh token as if somebody had signed in.
    pub(crate) fn signs_in(&self) -> String {
        let mut state = self.state();
        let token = state.fresh("REFRESH");
        state.refresh.insert(token.clone());
        token
    }

    /// All tokens there ever were; none of them may be found anywhere.
    pub(crate) fn all_tokens(&self) -> Vec<String> {
        self.state().all_tokens.clone()
    }

    /// How often a grant was asked for.
    pub(crate) fn asked_for(&self, grant: &str) -> usize {
        let is_it = |(_, form): &&Asked| form.get("grant_type").is_some_and(|g| g == grant);
        self.state().asked.iter().filter(is_it).count()
    }

    /// The last form that asked for a grant.
    pub(crate) fn last_form(&self, grant: &str) -> BTreeMap<String, String> {
        let state = self.state();
        let mut forms = state.asked.iter().rev().map(|(_, form)| form);
        forms.find(|form| form.get("grant_type").is_some_and(|g| g == grant)).unwrap().clone()
    }

    async fn serve(self, mut stream: impl AsyncRead + AsyncWrite + Unpin) {
        let mut request = Vec::new();
        let (head, body_at, length) = loop {
            if stream.read_buf(&mut request).await.unwrap_or(0) == 0 {
                return;
            }
            let Some(end) = request.windows(4).position(|four| four == b"\r\n\r\n") else {
                continue;
            };
            let head = String::from_utf8_lossy(&request[..end]).into_owned();
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().unwrap())
            });
            break (head, end + 4, length.unwrap_or(0));
        };
        while request.len() < body_at + length {
            if stream.read_buf(&mut request).await.unwrap_or(0) == 0 {
                return;
            }
        }
        let target = head.split(' ').nth(1).unwrap_or_default().to_owned();
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        let form = [query.as_bytes(), &request[body_at..]].concat();
        let form = url::form_urlencoded::parse(&form).into_owned().collect();
        let answer = self.state().answer(path, form);
        let text = match answer {
            Answer::Json(status, value) => {
                let body = value.to_string();
                format!(
                    "HTTP/1.1 {status}\r\nContent-Type: application/json\r\n\
                     Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
                    body.len()
                )
            }
            Answer::Sent(to) => format!(
                "HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            ),
        };
        let _ = stream.write_all(text.as_bytes()).await;
        let _ = stream.shutdown().await;
    }
}

enum Answer {
    Json(&'static str, Value),
    /// To another address.
    Sent(String),
}

fn refused(error: &str, description: &str) -> Answer {
    Answer::Json("400 Bad Request", json!({"error": error, "error_description": description}))
}

impl State {
    fn answer(&mut self, path: &str, form: BTreeMap<String, String>) -> Answer {
        self.asked.push((path.to_owned(), form.clone()));
        let field = |name: &str| form.get(name).cloned().unwrap_or_default();
        match path {
            "/device" => {
                assert_eq!(
                    (field("client_id").as_str(), field("scope").as_str()),
                    (CLIENT, "mail")
                );
                self.device = Some(Device {
                    agreed: None,
                    polls: 0,
                    last_poll: Instant::now(),
                    interval: Duration::from_secs(INTERVAL),
                });
                Answer::Json(
                    "200 OK",
                    json!({"device_code": "DEVICE-1", "user_code": "BDWP-HQPK", "expires_in": 300,
                        "verification_uri": "https://login.example/device", "interval": INTERVAL}),
                )
            }
            "/authorize" => {
                assert_eq!(field("code_challenge_method"), "S256");
                let code = self.fresh("CODE");
                self.code = Some((code.clone(), field("code_challenge")));
                Answer::Sent(format!(
                    "{}/?state={}&code={code}",
                    field("redirect_uri"),
                    field("state")
                ))
            }
            "/introspect" => {
                let good =
                    self.access.get(&field("token")).is_some_and(|end| Instant::now() < *end);
                Answer::Json("200 OK", json!({"active": good, "username": self.mailbox}))
            }
            "/token" => self.token(&form),
            _ => Answer::Json("404 Not Found", json!({})),
        }
    }

    fn token(&mut self, form: &BTreeMap<String, String>) -> Answer {
        let field = |name: &str| form.get(name).cloned().unwrap_or_default();
        if let Some((error, description)) = &self.refuses {
            return refused(error, description);
        }
        match field("grant_type").as_str() {
            "urn:ietf:params:oauth:grant-type:device_code" => self.poll(&field("device_code")),
            "refresh_token" => {
                let token = field("refresh_token");
                if !self.refresh.contains(&token) {
                    return refused("invalid_grant", "Token has been expired or revoked.");
                }
                // Whoever uses the new one has it; the old one ends.
                if self.rotation != Rotation::None {
                    self.refresh.retain(|other| *other == token);
                }
                if self.rotation == Rotation::Strict {
                    self.refresh.clear();
                }
                if let Some(happens) = self.meanwhile.take() {
                    happens();
                }
                self.grant(self.rotation != Rotation::None)
            }
            "authorization_code" => {
                let challenge = BASE64URL_NOPAD.encode(&Sha256::digest(field("code_verifier")));
                match self.code.take() {
                    Some(given) if given == (field("code"), challenge) => self.grant(true),
                    _ => refused("invalid_grant", "Bad code or verifier."),
                }
            }
            "client_credentials" => {
                let known = self.client_secret.as_deref() == Some(&field("client_secret"));
                match known && field("client_id") == CLIENT {
                    true => self.grant(false),
                    false => refused("invalid_client", "AADSTS7000215: Invalid client secret."),
                }
            }
            "urn:ietf:params:oauth:grant-type:jwt-bearer" => self.account(&field("assertion")),
            _ => refused("unsupported_grant_type", ""),
        }
    }

    /// First not yet, then too fast, then whatever the person says.
    fn poll(&mut self, code: &str) -> Answer {
        let device = self.device.as_mut().expect("a device that asked");
        assert_eq!(code, "DEVICE-1");
        device.polls += 1;
        assert!(
            device.last_poll.elapsed() >= device.interval,
            "poll {} came before {:?} had passed",
            device.polls,
            device.interval
        );
        device.last_poll = Instant::now();
        if device.polls == 2 {
            device.interval += Duration::from_secs(5);
            return refused("slow_down", "");
        }
        match device.agreed {
            Some(true) if device.polls > 2 => self.grant(true),
            Some(false) => refused("access_denied", ""),
            _ => refused("authorization_pending", ""),
        }
    }

    fn account(&mut self, assertion: &str) -> Answer {
        let (signed, signature) = assertion.rsplit_once('.').unwrap();
        let key = self.account_key.clone().unwrap();
        let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key);
        let signature = BASE64URL_NOPAD.decode(signature.as_bytes()).unwrap();
        if key.verify(signed.as_bytes(), &signature).is_err() {
            return refused("invalid_grant", "Invalid JWT Signature.");
        }
        let claims = signed.split('.').nth(1).unwrap();
        let claims = BASE64URL_NOPAD.decode(claims.as_bytes()).unwrap();
        let claims: Value = serde_json::from_slice(&claims).unwrap();
        let lives = claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap();
        let is_right = claims["iss"] == "desk@project.iam.example"
            && claims["sub"] == self.mailbox.as_str()
            && claims["scope"] == "https://mail.google.com/"
            && claims["aud"].as_str().is_some_and(|aud| aud.ends_with("/token"))
            && (1..=3600).contains(&lives);
        match is_right {
            true => self.grant(false),
            false => refused("invalid_grant", &claims.to_string()),
        }
    }

    fn grant(&mut self, with_refresh: bool) -> Answer {
        let access = self.fresh("ACCESS");
        let end = Instant::now() + Duration::from_secs(self.lives);
        self.access.insert(access.clone(), end);
        let mut answer =
            json!({"access_token": access, "token_type": "Bearer", "expires_in": self.lives});
        if with_refresh {
            let refresh = self.fresh("REFRESH");
            self.refresh.insert(refresh.clone());
            answer["refresh_token"] = refresh.into();
        }
        Answer::Json("200 OK", answer)
    }

    fn fresh(&mut self, kind: &str) -> String {
        self.issued += 1;
        let token = format!("{kind}-{}-0f8fad5bd9cb469fa165708", self.issued);
        self.all_tokens.push(token.clone());
        token
    }
}
