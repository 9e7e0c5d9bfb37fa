//! One IMAP connection. Every command goes through one checked loop: async-imap reports
//! success on some NO, BAD and end-of-file. A session that failed is dropped, never reused.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use async_imap::Session;
use async_imap::imap_proto::{Capability, MailboxDatum, RequestId, Response, ResponseCode, Status};
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;

use super::bounded::{Bounded, Overstepped};
use super::imap_login::{Proof, enter};
use crate::trouble::{Trouble, asks_to_slow_down};

/// Longest time in which a server takes a command, logs us in, or ends an IDLE.
pub(super) const SILENCE_MAX: Duration = Duration::from_secs(45);
/// Longest time for a whole answer, whatever the server says in between.
const ANSWER_MAX: Duration = Duration::from_secs(10 * 60);
/// A large message on a slow line takes longer.
const SLOWEST_BYTES_PER_SECOND: u64 = 16 * 1024;
/// Responses in one answer; a client that flags the whole inbox makes some thousands.
const RESPONSES_MAX: usize = 100_000;
/// Messages of one inbox.
const MESSAGES_MAX: usize = 500_000;
/// Characters of the server's own words that are repeated.
const WORDS_MAX: usize = 200;

/// Microsoft's answer to whoever signed in and has no mailbox here.
const NOT_CONNECTED: &str = "Microsoft takes the sign-in, but not for this mailbox (\"User is authenticated but not \
    connected\"). Check that mailbox.username is the address of the mailbox, and that whoever signed in, or the app, \
    has full access to it. If it worked before, too many connections may be open; that ends by itself";

/// What a connection runs over: TLS, or plain text on loopback.
pub(super) trait Wire: AsyncRead + AsyncWrite + Unpin + Send + Debug {
    /// Whether the server may say nothing for as long as it likes.
    fn let_be_silent(&mut self, may_be_silent: bool);
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + Debug> Wire for Bounded<S> {
    fn let_be_silent(&mut self, may_be_silent: bool) {
        Bounded::let_be_silent(self, may_be_silent);
    }
}

/// A command was answered by NO or BAD; the session is as good as before.
#[derive(Debug, Error)]
#[error("{what}: the server says {status} {words}")]
pub(super) struct Refused {
    what: String,
    status: String,
    words: String,
}

/// How an IDLE ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Idled {
    /// There may be news.
    Over,
    /// The server knows no IDLE, whatever it announced.
    Refused,
}

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
    /// Messages in the folder, as the server counts them.
    pub(super) exists: usize,
}

impl ImapSession {
    /// Logs in and opens `folder` with EXAMINE, which cannot change it.
    pub(super) async fn open(
        wire: Box<dyn Wire>,
        username: &str,
        proof: Proof,
        folder: &str,
    ) -> Result<ImapSession> {
        let session = enter(wire, username, proof).await?;
        let mut open = ImapSession {
            session,
            uid_validity: 0,
            has_idle: false,
            has_special_use: false,
            has_news: false,
            exists: 0,
        };
        open.read_capabilities().await?;
        open.examine(folder).await?;
        Ok(open)
    }

    /// Sends a command and hands every untagged response to `take`.
    ///
    /// # Errors
    /// NO, BAD ([`Refused`]), BYE, end of file, silence: whatever is not a tagged OK.
    pub(super) async fn command(
        &mut self,
        command: &str,
        take: impl FnMut(&Response<'_>) -> Result<()>,
    ) -> Result<()> {
        self.long_command(command, 0, take).await
    }

    /// As [`ImapSession::command`], where so many octets are expected.
    pub(super) async fn long_command(
        &mut self,
        command: &str,
        bytes: u64,
        take: impl FnMut(&Response<'_>) -> Result<()>,
    ) -> Result<()> {
        let name = command.split(' ').take(2).collect::<Vec<_>>().join(" ");
        let at_most = ANSWER_MAX + Duration::from_secs(bytes / SLOWEST_BYTES_PER_SECOND);
        timeout(at_most, self.answered(command, &name, take))
            .await
            .with_context(|| format!("{name}: the answer has no end"))?
    }

    async fn answered(
        &mut self,
        command: &str,
        name: &str,
        mut take: impl FnMut(&Response<'_>) -> Result<()>,
    ) -> Result<()> {
        let tag = self.send(command, name).await?;
        for _ in 0..RESPONSES_MAX {
            let done = self.next(name, |response| match response {
                Response::Done { tag: found, status: Status::Ok, .. } if *found == tag => Ok(true),
                Response::Done { tag: found, status, outcome } if *found == tag => {
                    Err(refused(name, &format!("{status:?}"), words(&outcome.information)))
                }
                other => take(other).map(|()| false),
            });
            if done.await?? {
                return Ok(());
            }
        }
        bail!("{name}: the answer has no end")
    }

    async fn send(&mut self, command: &str, name: &str) -> Result<RequestId> {
        let send = timeout(SILENCE_MAX, self.session.run_command(command)).await;
        let sent = send.with_context(|| format!("{name}: the server takes nothing"))?;
        sent.map_err(|why| in_words(why, name))
    }

    /// The next response. BYE, and a change of UIDVALIDITY under our feet, end the session.
    async fn next<T>(&mut self, what: &str, look: impl FnOnce(&Response<'_>) -> T) -> Result<T> {
        let response = heard(self.session.read_response(), what).await?;
        refuse_end(response.parsed(), self.uid_validity, what)?;
        match response.parsed() {
            Response::MailboxData(MailboxDatum::Exists(count)) => {
                self.exists = *count as usize;
                self.has_news = true;
            }
            Response::MailboxData(MailboxDatum::Recent(_)) => self.has_news = true,
            Response::Expunge(_) => self.exists = self.exists.saturating_sub(1),
            _ => {}
        }
        Ok(look(response.parsed()))
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
        let opened = self
            .command(&format!("EXAMINE \"{quoted}\""), |response| {
                if let Response::Data { outcome, .. } = response
                    && let Some(ResponseCode::UidValidity(value)) = outcome.code
                {
                    uid_validity = Some(value);
                }
                Ok(())
            })
            .await;
        if let Err(why) = &opened
            && why.is::<Refused>()
            && why.to_string().contains("authenticated but not connected")
        {
            return Err(anyhow!(NOT_CONNECTED).context(Trouble::SignInRefused));
        }
        opened
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
        let (mut uids, mut answers) = (Vec::new(), 0);
        self.command(&format!("UID SEARCH {criteria}"), |response| {
            if let Response::MailboxData(MailboxDatum::Search(found)) = response {
                uids.extend(found);
                answers += 1;
            }
            if uids.len() > MESSAGES_MAX {
                bail!("There are more than {MESSAGES_MAX} messages; move old ones elsewhere");
            }
            Ok(())
        })
        .await?;
        if answers == 0 && self.exists > 0 {
            bail!("UID SEARCH: the server names none of {} messages", self.exists);
        }
        uids.sort_unstable();
        uids.dedup();
        Ok(uids)
    }

    /// Waits until the server tells of new mail (RFC 2177), or `at_most`.
    pub(super) async fn idle(&mut self, at_most: Duration) -> Result<Idled> {
        let tag = self.send("IDLE", "IDLE").await?;
        let begun = timeout(SILENCE_MAX, self.begins(&tag)).await;
        if !begun.context("IDLE: the server does not begin")?? {
            return Ok(Idled::Refused);
        }
        if !self.has_news {
            self.session.get_mut().let_be_silent(true);
            timeout(at_most, self.news()).await.unwrap_or(Ok(()))?;
            self.session.get_mut().let_be_silent(false);
        }
        let done = timeout(SILENCE_MAX, self.session.run_command_untagged("DONE")).await;
        let done = done.context("DONE: the server takes nothing")?;
        done.map_err(|why| in_words(why, "DONE"))?;
        timeout(SILENCE_MAX, self.ends(tag)).await.context("DONE: the answer has no end")?
    }

    /// Whether the server agrees to tell of new mail.
    async fn begins(&mut self, tag: &RequestId) -> Result<bool> {
        loop {
            let begun = self.next("IDLE", |response| match response {
                Response::Continue { .. } => Some(true),
                Response::Done { tag: found, .. } if found == tag => Some(false),
                _ => None,
            });
            if let Some(begun) = begun.await? {
                return Ok(begun);
            }
        }
    }

    /// The next word of the server that may mean new mail; "still here" does not.
    async fn news(&mut self) -> Result<()> {
        for _ in 0..RESPONSES_MAX {
            self.next("IDLE", |_| ()).await?;
            if self.has_news {
                return Ok(());
            }
        }
        bail!("IDLE: the server talks without end")
    }

    async fn ends(&mut self, tag: RequestId) -> Result<Idled> {
        let is_end = |response: &Response<'_>| matches!(response, Response::Done { tag: found, .. } if *found == tag);
        while !self.next("DONE", is_end).await? {}
        Ok(Idled::Over)
    }

    /// Says goodbye, if the server still listens.
    pub(super) async fn log_out(mut self) {
        let _ = timeout(Duration::from_secs(5), unharmed(self.session.logout())).await;
    }
}

/// The next response, behind a net.
pub(super) async fn heard<R>(
    read: impl Future<Output = io::Result<Option<R>>>,
    what: &str,
) -> Result<R> {
    let read = unharmed(read).await.with_context(|| what.to_owned())?;
    read.map_err(|why| in_words(why.into(), what))?.ok_or_else(|| closed(what))
}

/// Lets no panic through: imap-proto has one on a response code that is followed by a
/// character beyond ASCII, and no server may end the desk.
pub(super) async fn unharmed<T>(act: impl Future<Output = T>) -> Result<T> {
    let mut act = pin!(act);
    std::future::poll_fn(move |cx| match catch_unwind(AssertUnwindSafe(|| act.as_mut().poll(cx))) {
        Ok(polled) => polled.map(Ok),
        Err(_) => Poll::Ready(Err(anyhow!("the server says what cannot be read"))),
    })
    .await
}

/// What failed, in few words. async-imap repeats all of an answer that it cannot read, and that
/// may be somebody's mail.
pub(super) fn in_words(why: async_imap::error::Error, what: &str) -> anyhow::Error {
    use async_imap::error::Error;
    let what = what.to_owned();
    match why {
        Error::Io(why) if why.get_ref().is_some_and(|inner| inner.is::<Overstepped>()) => {
            anyhow!(why).context(what)
        }
        Error::Io(why) if why.kind() == io::ErrorKind::Other => {
            anyhow!("{what}: the server says what cannot be read")
        }
        Error::Io(why) => anyhow!(why).context(format!("{what}: the connection broke")),
        Error::No(text) | Error::Bad(text) => anyhow!("{what}: the server refuses: {}", cut(&text)),
        Error::ConnectionLost => closed(&what),
        _ => anyhow!("{what}: the server says what cannot be read"),
    }
}

fn refuse_end(response: &Response<'_>, uid_validity: u32, what: &str) -> Result<()> {
    let Response::Data { status, outcome } = response else {
        return Ok(());
    };
    if *status == Status::Bye {
        // The session is over, other than after a refusal.
        let words = words(&outcome.information);
        let why = anyhow!("{what}: the server says goodbye {words}");
        return Err(if asks_to_slow_down(&words) { why.context(Trouble::Busy) } else { why });
    }
    match outcome.code {
        Some(ResponseCode::UidValidity(now)) if uid_validity != 0 && now != uid_validity => {
            bail!("{what}: the server renumbered the messages")
        }
        _ => Ok(()),
    }
}

/// What the server does not want; by its words it may only ask to be left alone for a while.
pub(super) fn refused(what: &str, status: &str, words: String) -> anyhow::Error {
    let is_busy = asks_to_slow_down(&words);
    let why = anyhow!(Refused { what: what.to_owned(), status: status.to_owned(), words });
    if is_busy { why.context(Trouble::Busy) } else { why }
}

pub(super) fn words(information: &Option<std::borrow::Cow<'_, str>>) -> String {
    cut(information.as_deref().unwrap_or_default())
}

/// The server's own words out of a refusal, which async-imap wraps in its own.
pub(super) fn cut(text: &str) -> String {
    let inner = text.split_once("info: Some(\"").and_then(|(_, rest)| rest.split_once("\")"));
    inner
        .map_or(text, |(words, _)| words)
        .chars()
        .filter(|c| !c.is_control())
        .take(WORDS_MAX)
        .collect()
}

fn closed(what: &str) -> anyhow::Error {
    anyhow!(io::Error::from(io::ErrorKind::UnexpectedEof))
        .context(format!("{what}: the server closed the connection"))
}
