//! EDGE: where every connection takes its token from. One is asked for at a time, for the
//! mailbox and all lines together; it lives in memory only.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::Mutex;
use tokio::time::Instant;
use tracing::error;

use super::answer::{self, Grant};
use super::{Flow, Kept, OAuthError, OAuthSettings, TokenRefused, assertion};
use crate::clock::Clock;

/// A token is renewed so long before its end, so that none ends in the middle of a login.
const EARLY_MAX: Duration = Duration::from_secs(5 * 60);
/// Or, when it lives shortly, by this part of its life.
const EARLY_PART: u32 = 5;
/// A token that is refused is replaced when it is older than this: a fresh one would fare no
/// better, and the provider is not to be asked at every login.
const REFUSED_AGE_MIN: Duration = Duration::from_secs(15);
/// After a lasting refusal the provider is asked again with the same sign-in after this time;
/// with another one at once.
const REFUSAL_REST: Duration = Duration::from_secs(5 * 60);

/// Where tokens come from; cheap to clone, and one for all.
#[derive(Clone)]
pub struct TokenSource(Arc<Shared>);

struct Shared {
    settings: OAuthSettings,
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    access: Option<Access>,
    refusal: Option<Refused>,
    /// A sign-in that is newer than the file, which could not be written.
    unkept: Option<Kept>,
}

struct Access {
    token: SecretString,
    since: Instant,
    renew_at: Instant,
    ends_at: Instant,
}

/// What the provider refused, and how.
struct Refused {
    credentials: Vec<SecretString>,
    at: Instant,
    why: OAuthError,
}

impl std::fmt::Debug for TokenSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "<tokens of {}>", self.0.settings.provider.as_str())
    }
}

impl TokenSource {
    /// Takes the settings; asks nobody yet.
    pub fn new(settings: OAuthSettings) -> TokenSource {
        TokenSource(Arc::new(Shared { settings, held: Mutex::default() }))
    }

    /// What is known of the provider.
    pub fn settings(&self) -> &OAuthSettings {
        &self.0.settings
    }

    /// A token that is good for a while.
    ///
    /// # Errors
    /// Why there is none, and what to do.
    pub async fn token(&self) -> Result<SecretString, OAuthError> {
        let mut held = self.0.held.lock().await;
        let now = Instant::now();
        let present = held.access.as_ref().filter(|access| now < access.ends_at);
        let present = present.map(|access| (access.token.clone(), now < access.renew_at));
        match present {
            Some((token, true)) => Ok(token),
            Some((token, false)) => match self.renew(&mut held).await {
                // It is good for a few minutes more; the provider may be back by then.
                Err(why) if !why.is_lasting() => Ok(token),
                renewed => renewed,
            },
            None => self.renew(&mut held).await,
        }
    }

    /// Logs in at `server` with a token, and once more with another when it refuses that one.
    /// `attempt` says so by [`TokenRefused`].
    ///
    /// # Errors
    /// Those of the attempt, and why there is no token.
    pub async fn log_in<T, Attempt: Future<Output = Result<T>>>(
        &self,
        server: &str,
        attempt: impl Fn(SecretString) -> Attempt,
    ) -> Result<T> {
        let is_refused =
            |tried: &Result<T>| tried.as_ref().is_err_and(|why| why.is::<TokenRefused>());
        let token = self.token().await?;
        let mut tried = attempt(token.clone()).await;
        if is_refused(&tried)
            && let Some(token) = self.replacement(&token).await?
        {
            tried = attempt(token).await;
        }
        if is_refused(&tried) {
            let settings = self.settings();
            return Err(OAuthError::NotForThisMailbox {
                server: server.to_owned(),
                provider: settings.provider.name(),
                remedy: settings.provider.mailbox_remedy(settings.flow),
            }
            .into());
        }
        tried
    }

    /// Another token in the place of one that a server refused; none when that one is as fresh
    /// as they come.
    async fn replacement(
        &self,
        refused: &SecretString,
    ) -> Result<Option<SecretString>, OAuthError> {
        let mut held = self.0.held.lock().await;
        if let Some(access) = &held.access {
            if access.token.expose_secret() != refused.expose_secret() {
                return Ok(Some(access.token.clone()));
            }
            if access.since.elapsed() < REFUSED_AGE_MIN {
                return Ok(None);
            }
        }
        held.access = None;
        self.renew(&mut held).await.map(Some)
    }

    /// Makes sure that the sign-in works, by asking the provider: what `check` tries.
    ///
    /// # Errors
    /// As [`TokenSource::token`].
    pub async fn try_renewal(&self) -> Result<(), OAuthError> {
        let mut held = self.0.held.lock().await;
        self.renew(&mut held).await.map(|_| ())
    }

    /// Keeps what a person's sign-in gave, in the place of what was there.
    ///
    /// # Errors
    /// When there is nothing to stay signed in with, or it cannot be written.
    pub async fn signed_in(&self, grant: Grant) -> Result<(), OAuthError> {
        let settings = self.settings();
        let Some(refresh) = grant.refresh.clone() else {
            let code = "no refresh token".to_owned();
            return Err(OAuthError::NoToken { provider: settings.provider.name(), code });
        };
        let kept = Kept {
            provider: settings.provider.as_str().to_owned(),
            client_id: settings.client_id.clone(),
            signed_in_at: Clock::System.now(),
            refresh,
        };
        let mut held = self.0.held.lock().await;
        let lock = settings.token_file.lock().await?;
        let place = settings.token_file.make_place(&lock)?;
        settings.token_file.keep(place, &kept)?;
        held.unkept = None;
        held.hold(grant);
        Ok(())
    }

    async fn renew(&self, held: &mut Held) -> Result<SecretString, OAuthError> {
        let grant = match self.settings().flow {
            Flow::ClientCredentials => self.ask_alone(held).await?,
            Flow::Device | Flow::Browser => self.ask_for_person(held).await?,
        };
        held.refusal = None;
        Ok(held.hold(grant))
    }

    /// The app itself asks (RFC 6749 §4.4, RFC 7523 §2.1).
    async fn ask_alone(&self, held: &mut Held) -> Result<Grant, OAuthError> {
        let settings = self.settings();
        if let Some(key_file) = &settings.service_account {
            let now = Clock::System.now();
            let (audience, scope) = (settings.token_url.as_str(), settings.scope.as_str());
            let key = assertion::KeyFile::read(key_file)?;
            let word = key.statement(audience, scope, &settings.mailbox, now)?;
            let kind = "urn:ietf:params:oauth:grant-type:jwt-bearer";
            let fields = [("grant_type", kind), ("assertion", word.expose_secret())];
            return self.ask(held, &fields, vec![key.private_key]).await;
        }
        let secret = settings.secret()?.ok_or(OAuthError::NoClientSecret)?;
        let fields = [
            ("grant_type", "client_credentials"),
            ("client_id", settings.client_id.as_str()),
            ("client_secret", secret.expose_secret()),
            ("scope", settings.scope.as_str()),
        ];
        self.ask(held, &fields, vec![secret.clone()]).await
    }

    /// On the strength of a person's sign-in (RFC 6749 §6). Between the answer and the file
    /// nothing waits, so that nothing can be cancelled there.
    async fn ask_for_person(&self, held: &mut Held) -> Result<Grant, OAuthError> {
        let settings = self.settings();
        let file = &settings.token_file;
        let lock = file.lock().await?;
        let on_disk = match file.take_up(&lock) {
            Err(why @ OAuthError::CannotKeep { .. }) => return Err(why),
            on_disk => on_disk,
        };
        // Whoever signed in meanwhile goes before what could not be written.
        held.unkept.take_if(|unkept| {
            on_disk.as_ref().is_ok_and(|kept| kept.signed_in_at > unkept.signed_in_at)
        });
        let mut kept = match &held.unkept {
            Some(unkept) => unkept.clone(),
            None => on_disk?,
        };
        if !kept.is_of(settings.provider, &settings.client_id) {
            return Err(OAuthError::OfAnother { file: file.name() });
        }
        let secret = settings.secret()?;
        let place = file.make_place(&lock)?;
        let mut fields = vec![
            ("grant_type", "refresh_token"),
            ("refresh_token", kept.refresh.expose_secret()),
            ("client_id", settings.client_id.as_str()),
        ];
        fields.extend(secret.iter().map(|secret| ("client_secret", secret.expose_secret())));
        let credentials = [kept.refresh.clone()].into_iter().chain(secret.clone()).collect();
        let grant = match self.ask(held, &fields, credentials).await {
            Ok(grant) => grant,
            Err(why) => {
                file.leave(place);
                return Err(why);
            }
        };
        let next = grant.refresh.clone().unwrap_or_else(|| kept.refresh.clone());
        if held.unkept.is_none() && next.expose_secret() == kept.refresh.expose_secret() {
            file.leave(place);
            return Ok(grant);
        }
        kept.refresh = next;
        held.unkept = match file.keep(place, &kept) {
            Ok(()) => None,
            Err(why) => {
                error!(%why, "the new sign-in is in memory only, and lost with this process");
                Some(kept)
            }
        };
        Ok(grant)
    }

    async fn ask(
        &self,
        held: &mut Held,
        fields: &[(&str, &str)],
        credentials: Vec<SecretString>,
    ) -> Result<Grant, OAuthError> {
        let settings = self.settings();
        if let Some(refused) = &held.refusal
            && refused.at.elapsed() < REFUSAL_REST
            && refused.is_about(&credentials)
        {
            return Err(refused.why.clone());
        }
        let said = settings.ask(&settings.token_url, fields).await?;
        let granted =
            answer::token(said.status, &said.body).granted(settings.provider, settings.flow);
        if let Err(why) = &granted
            && why.is_lasting()
        {
            held.refusal = Some(Refused { credentials, at: Instant::now(), why: why.clone() });
        }
        granted
    }
}

impl Held {
    fn hold(&mut self, grant: Grant) -> SecretString {
        let since = Instant::now();
        let early = (grant.lives / EARLY_PART).min(EARLY_MAX);
        let ends_at = since + grant.lives;
        let token = grant.access.clone();
        let renew_at = ends_at - early;
        self.access = Some(Access { token: grant.access, since, renew_at, ends_at });
        token
    }
}

impl Refused {
    fn is_about(&self, credentials: &[SecretString]) -> bool {
        self.credentials.len() == credentials.len()
            && self
                .credentials
                .iter()
                .zip(credentials)
                .all(|(one, other)| one.expose_secret() == other.expose_secret())
    }
}
