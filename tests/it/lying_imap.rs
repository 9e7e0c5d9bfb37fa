//! An IMAP server of the tests that is honest until it is told where to lie, and how.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::io::{
    AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader,
};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};
use tokio_rustls::TlsAcceptor;

/// Where in the dialogue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum At {
    Greeting,
    Login,
    Capability,
    Examine,
    Search,
    /// `UID FETCH … (UID RFC822.SIZE INTERNALDATE)`
    Sizes,
    /// `UID FETCH … (UID BODY.PEEK[])`
    Bodies,
    Noop,
    Idle,
    Done,
}

impl At {
    fn of(command: &str) -> Option<At> {
        let command = command.to_ascii_uppercase();
        let begins = |words: &str| command.starts_with(words);
        Some(match () {
            () if begins("LOGIN ") || begins("AUTHENTICATE ") => At::Login,
            () if begins("CAPABILITY") => At::Capability,
            () if begins("EXAMINE ") => At::Examine,
            () if begins("UID SEARCH ") => At::Search,
            () if begins("UID FETCH ") && command.contains("BODY.PEEK[") => At::Bodies,
            () if begins("UID FETCH ") => At::Sizes,
            () if begins("NOOP") => At::Noop,
            () if begins("IDLE") => At::Idle,
            () => return None,
        })
    }
}

/// How it lies.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    No,
    Bad,
    /// Says goodbye and hangs up.
    Bye,
    /// Hangs up in order.
    End,
    /// Hangs up with a reset.
    Reset,
    /// Sends the first octets of the honest answer, then hangs up.
    CutAfter(usize),
    /// Reads on and answers nothing any more.
    Stalls,
    /// Does not even read any more; the socket stays open.
    HalfOpen,
    /// Says this before the honest answer.
    SaysFirst(Vec<u8>),
    /// Says this instead of the answer; `TAG` stands for the tag.
    SaysInstead(Vec<u8>),
    /// Says this again and again instead of the answer, as long as anybody listens.
    SaysWithoutEnd(Vec<u8>),
    /// Answers, and says OK under another tag only.
    WrongTag,
    /// Says OK and leaves the rest out.
    Nothing,
    /// Leaves the last message out.
    OneFewer,
    /// Every message twice, the second time with other bytes.
    Twice,
    /// Of the first message, flags alone come before what was asked for.
    FlagsBefore,
    /// Names UIDs that are no messages.
    Phantoms,
    /// Every body is that of the next message, under its UID.
    OtherUids,
    /// Announces literals longer by this than they are, or shorter.
    LiteralOff(i64),
    /// No INTERNALDATE, or this one.
    Dates(Option<&'static str>),
    /// RFC822.SIZE is always this.
    Sizes(u32),
    /// All messages are renumbered under another UIDVALIDITY, and it says so before it answers.
    Renumbers,
    /// Somebody expunges the newest message just before the answer.
    Expunges,
    /// Takes IDLE and DONE, and never tells of new mail.
    Sleeps,
    /// Answers, after a while.
    Late(Duration),
}

/// A message of the inbox.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    pub(crate) uid: u32,
    pub(crate) date: String,
    pub(crate) raw: Vec<u8>,
}

/// The inbox behind it; tests change it as other people's clients do.
#[derive(Debug)]
pub(crate) struct Inbox {
    pub(crate) uid_validity: u32,
    pub(crate) uid_next: u32,
    pub(crate) messages: Vec<Stored>,
    /// What it does whenever the bytes of this UID are asked for.
    pub(crate) poison: Option<(u32, Fault)>,
}

#[derive(Debug)]
struct Lie {
    at: At,
    fault: Fault,
    times: u32,
}

#[derive(Debug)]
struct State {
    inbox: Inbox,
    lies: Vec<Lie>,
    connections: Vec<Instant>,
    logins: usize,
    commands: Vec<String>,
    lied_at: Option<Instant>,
}

/// The server. Clones share it.
#[derive(Clone)]
pub(crate) struct LyingImap {
    state: Arc<Mutex<State>>,
    news: watch::Sender<()>,
    port: u16,
}

enum Flow {
    GoOn,
    HangUp,
}

impl LyingImap {
    /// Listens on a free port of loopback; over TLS with that certificate.
    pub(crate) async fn start(tls: Option<TlsAcceptor>) -> LyingImap {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let inbox = Inbox { uid_validity: 7, uid_next: 1, messages: Vec::new(), poison: None };
        let state = State {
            inbox,
            lies: Vec::new(),
            connections: Vec::new(),
            logins: 0,
            commands: Vec::new(),
            lied_at: None,
        };
        let server = LyingImap {
            state: Arc::new(Mutex::new(state)),
            news: watch::Sender::new(()),
            port: listener.local_addr().unwrap().port(),
        };
        let serving = server.clone();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                stream.set_nodelay(true).unwrap();
                serving.locked().connections.push(Instant::now());
                let (serving, tls) = (serving.clone(), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => serving.serve(stream).await,
                        Some(tls) => match tls.accept(stream).await {
                            Ok(stream) => serving.serve(stream).await,
                            Err(why) => drop(why),
                        },
                    }
                });
            }
        });
        server
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// From now on it lies there, so many times.
    pub(crate) fn lies(&self, at: At, fault: Fault, times: u32) {
        self.locked().lies.push(Lie { at, fault, times });
    }

    /// Lies that it has not told yet.
    pub(crate) fn lies_left(&self) -> u32 {
        self.locked().lies.iter().map(|lie| lie.times).sum()
    }

    /// When it lied for the last time.
    pub(crate) fn lied_at(&self) -> Option<Instant> {
        self.locked().lied_at
    }

    /// It tells the truth from now on.
    pub(crate) fn repents(&self) {
        self.locked().lies.clear();
    }

    /// Puts a message in, as a delivery does.
    pub(crate) fn receives(&self, received_at: DateTime<Utc>, raw: &[u8]) -> u32 {
        let date = received_at.format("%d-%b-%Y %H:%M:%S +0000").to_string();
        let uid = self.with_inbox(|inbox| {
            let uid = inbox.uid_next;
            inbox.messages.push(Stored { uid, date, raw: raw.to_vec() });
            inbox.uid_next += 1;
            uid
        });
        self.news.send_replace(());
        uid
    }

    /// Changes the inbox, and tells nobody.
    pub(crate) fn with_inbox<T>(&self, change: impl FnOnce(&mut Inbox) -> T) -> T {
        change(&mut self.locked().inbox)
    }

    /// When connections were made.
    pub(crate) fn connections(&self) -> Vec<Instant> {
        self.locked().connections.clone()
    }

    /// How often somebody told it a password.
    pub(crate) fn logins(&self) -> usize {
        self.locked().logins
    }

    /// Commands without their tags.
    pub(crate) fn commands(&self) -> Vec<String> {
        self.locked().commands.clone()
    }

    fn locked(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lie_at(&self, at: At) -> Option<Fault> {
        let mut state = self.locked();
        let lie = state.lies.iter_mut().find(|lie| lie.at == at && lie.times > 0)?;
        lie.times -= 1;
        let fault = lie.fault.clone();
        state.lied_at = Some(Instant::now());
        Some(fault)
    }

    fn poisoned(&self, command: &str, at: Option<At>) -> Option<Fault> {
        let (poisoned, fault) = self.with_inbox(|inbox| inbox.poison.clone())?;
        let asked =
            at == Some(At::Bodies) && uids_in(command.split(' ').nth(2)?).contains(&poisoned);
        asked.then_some(fault)
    }

    async fn serve(&self, stream: impl AsyncRead + AsyncWrite + Unpin + Linger) {
        let mut stream = BufReader::new(stream);
        let greeting = b"* OK [CAPABILITY IMAP4rev1 IDLE] here\r\n".to_vec();
        let fault = self.lie_at(At::Greeting);
        if let Flow::HangUp = self.answers(&mut stream, "*", greeting, fault).await {
            return;
        }
        let mut line = String::new();
        // How many messages this connection knows of.
        let mut told = 0;
        loop {
            line.clear();
            if !matches!(stream.read_line(&mut line).await, Ok(1..)) {
                return;
            }
            let (tag, command) = line.trim_end().split_once(' ').unwrap_or((line.trim_end(), ""));
            let (tag, command) = (tag.to_owned(), command.to_owned());
            let at = At::of(&command);
            let shown = if at == Some(At::Login) { "LOGIN" } else { &command };
            self.locked().commands.push(shown.to_owned());
            if at == Some(At::Login) {
                self.locked().logins += 1;
                if command.starts_with("AUTHENTICATE") {
                    let mut secret = String::new();
                    let asked = stream.write_all(b"+ \r\n").await.is_ok();
                    if !asked || stream.read_line(&mut secret).await.is_err() {
                        return;
                    }
                }
            }
            let fault = at.and_then(|at| self.lie_at(at));
            let fault = fault.or_else(|| self.poisoned(&command, at));
            let flow = match (at, &fault) {
                (Some(At::Idle), None | Some(Fault::Sleeps)) => {
                    self.idles(&mut stream, &tag, fault.is_some(), &mut told).await
                }
                _ => {
                    if matches!(at, Some(At::Examine | At::Noop)) {
                        told = self.with_inbox(|inbox| inbox.messages.len());
                    }
                    let honest = self.honest(&tag, &command, at, fault.as_ref());
                    self.answers(&mut stream, &tag, honest, fault).await
                }
            };
            if let Flow::HangUp = flow {
                return;
            }
        }
    }

    async fn idles<S: AsyncRead + AsyncWrite + Unpin + Linger>(
        &self,
        stream: &mut BufReader<S>,
        tag: &str,
        sleeps: bool,
        told: &mut usize,
    ) -> Flow {
        let mut news = self.news.subscribe();
        if stream.write_all(b"+ idling\r\n").await.is_err() {
            return Flow::HangUp;
        }
        let mut line = String::new();
        loop {
            let exists = self.with_inbox(|inbox| inbox.messages.len());
            if exists != std::mem::replace(told, exists) && !sleeps {
                let exists = format!("* {exists} EXISTS\r\n");
                if stream.write_all(exists.as_bytes()).await.is_err() {
                    return Flow::HangUp;
                }
            }
            tokio::select! {
                read = stream.read_line(&mut line) => match read {
                    Ok(1..) => break,
                    _ => return Flow::HangUp,
                },
                changed = news.changed() => changed.unwrap(),
            }
        }
        let done = format!("{tag} OK no longer idle\r\n").into_bytes();
        let fault = self.lie_at(At::Done);
        self.answers(stream, tag, done, fault).await
    }

    /// What an honest server answers; a fault that is about messages changes it.
    fn honest(&self, tag: &str, command: &str, at: Option<At>, fault: Option<&Fault>) -> Vec<u8> {
        let mut state = self.locked();
        let inbox = &mut state.inbox;
        let mut answer = Vec::new();
        match fault {
            Some(Fault::Renumbers) => {
                inbox.renumber();
                answer = format!("* OK [UIDVALIDITY {}] new\r\n", inbox.uid_validity).into_bytes();
            }
            Some(Fault::Expunges) => drop(inbox.messages.pop()),
            _ => {}
        }
        let exists = inbox.messages.len();
        let body = match at {
            Some(At::Capability) => b"* CAPABILITY IMAP4rev1 IDLE\r\n".to_vec(),
            Some(At::Examine) => format!(
                "* FLAGS (\\Seen)\r\n* {exists} EXISTS\r\n* 0 RECENT\r\n\
                 * OK [UIDVALIDITY {}] valid\r\n* OK [UIDNEXT {}] next\r\n",
                inbox.uid_validity, inbox.uid_next
            )
            .into_bytes(),
            Some(At::Noop) => format!("* {exists} EXISTS\r\n").into_bytes(),
            Some(At::Search) => inbox.search(command, fault),
            Some(At::Sizes | At::Bodies) => inbox.fetch(command, at == Some(At::Bodies), fault),
            _ if command.starts_with("LOGOUT") => b"* BYE until then\r\n".to_vec(),
            _ => Vec::new(),
        };
        if !matches!(fault, Some(Fault::Nothing)) {
            answer.extend(body);
        }
        let tag = if matches!(fault, Some(Fault::WrongTag)) { "Z9999" } else { tag };
        answer.extend(format!("{tag} OK done\r\n").into_bytes());
        answer
    }

    async fn answers<S: AsyncRead + AsyncWrite + Unpin + Linger>(
        &self,
        stream: &mut BufReader<S>,
        tag: &str,
        honest: Vec<u8>,
        fault: Option<Fault>,
    ) -> Flow {
        let tagged = |words: &str| format!("{tag} {words}\r\n").into_bytes();
        let with_tag = |words: &[u8]| {
            let words = String::from_utf8_lossy(words).replace("TAG", tag);
            if words.contains('\u{fffd}') { None } else { Some(words.into_bytes()) }
        };
        let (bytes, flow) = match fault {
            Some(Fault::No) => (tagged("NO not now"), Flow::GoOn),
            Some(Fault::Bad) => (tagged("BAD what"), Flow::GoOn),
            Some(Fault::Bye) => (b"* BYE shutting down\r\n".to_vec(), Flow::HangUp),
            Some(Fault::End) => (Vec::new(), Flow::HangUp),
            Some(Fault::CutAfter(octets)) => {
                (honest.get(..octets).unwrap_or(&honest).to_vec(), Flow::HangUp)
            }
            Some(Fault::Reset) => {
                stream.get_ref().reset_when_dropped();
                return Flow::HangUp;
            }
            Some(Fault::Stalls) => {
                let _ = tokio::io::copy(stream, &mut tokio::io::sink()).await;
                return Flow::HangUp;
            }
            Some(Fault::HalfOpen) => std::future::pending().await,
            Some(Fault::SaysFirst(mut words)) => {
                words.extend(honest);
                (words, Flow::GoOn)
            }
            Some(Fault::SaysInstead(words)) => (with_tag(&words).unwrap_or(words), Flow::GoOn),
            Some(Fault::SaysWithoutEnd(words)) => {
                while stream.write_all(&words).await.is_ok() {}
                return Flow::HangUp;
            }
            Some(Fault::Late(wait)) => {
                sleep(wait).await;
                (honest, Flow::GoOn)
            }
            _ => (honest, Flow::GoOn),
        };
        let written = stream.write_all(&bytes).await.is_ok() && stream.flush().await.is_ok();
        match (flow, written) {
            (Flow::GoOn, true) => Flow::GoOn,
            _ => {
                let _ = stream.shutdown().await;
                // Until the other side has seen it: closing with unread octets is a reset.
                let _ = stream.read_to_end(&mut Vec::new()).await;
                Flow::HangUp
            }
        }
    }
}

impl Inbox {
    fn renumber(&mut self) {
        self.uid_validity += 1;
        self.uid_next += 100;
        for message in &mut self.messages {
            message.uid += 50;
        }
    }

    fn search(&self, command: &str, fault: Option<&Fault>) -> Vec<u8> {
        let from = command.split_once("UID SEARCH UID ").map(|(_, set)| set.trim_end_matches(":*"));
        let from: u32 = from.map_or(1, |from| from.parse().unwrap());
        let last = self.messages.last().map(|message| message.uid);
        // RFC 3501 §6.4.8: `n:*` always has the last message in it.
        let named = |uid: &u32| *uid >= from || Some(*uid) == last;
        let mut uids: Vec<u32> =
            self.messages.iter().map(|message| message.uid).filter(named).collect();
        match fault {
            Some(Fault::OneFewer) => drop(uids.pop()),
            Some(Fault::Phantoms) => uids.extend([self.uid_next + 5, self.uid_next + 9]),
            Some(Fault::Twice) => uids.extend(uids.clone()),
            _ => {}
        }
        let uids: String = uids.iter().map(|uid| format!(" {uid}")).collect();
        format!("* SEARCH{uids}\r\n").into_bytes()
    }

    fn fetch(&self, command: &str, bodies: bool, fault: Option<&Fault>) -> Vec<u8> {
        let set = command.split(' ').nth(2).unwrap();
        let wanted = uids_in(set);
        let mut found: Vec<(usize, &Stored)> =
            (1..).zip(&self.messages).filter(|(_, one)| wanted.contains(&one.uid)).collect();
        if matches!(fault, Some(Fault::OneFewer)) {
            found.pop();
        }
        let mut answer = Vec::new();
        for (number, message) in found {
            let uid = match fault {
                Some(Fault::OtherUids) => message.uid + 1,
                _ => message.uid,
            };
            if matches!(fault, Some(Fault::FlagsBefore)) {
                answer.extend(format!("* {number} FETCH (UID {uid} FLAGS (\\Seen))\r\n").bytes());
            }
            let line = if bodies {
                message.body(number, uid, fault)
            } else {
                message.size(number, uid, fault)
            };
            answer.extend(line);
            if matches!(fault, Some(Fault::Twice)) {
                let other = Stored {
                    raw: [b"X-Other: yes\r\n", &message.raw[..]].concat(),
                    ..message.clone()
                };
                answer.extend(if bodies {
                    other.body(number, uid, None)
                } else {
                    other.size(number, uid, None)
                });
            }
        }
        answer
    }
}

impl Stored {
    fn size(&self, number: usize, uid: u32, fault: Option<&Fault>) -> Vec<u8> {
        let size = match fault {
            Some(Fault::Sizes(size)) => *size,
            _ => u32::try_from(self.raw.len()).unwrap(),
        };
        let date = match fault {
            Some(Fault::Dates(None)) => String::new(),
            Some(Fault::Dates(Some(date))) => format!(" INTERNALDATE \"{date}\""),
            _ => format!(" INTERNALDATE \"{}\"", self.date),
        };
        format!("* {number} FETCH (UID {uid} RFC822.SIZE {size}{date})\r\n").into_bytes()
    }

    fn body(&self, number: usize, uid: u32, fault: Option<&Fault>) -> Vec<u8> {
        let mut octets = i64::try_from(self.raw.len()).unwrap();
        if let Some(Fault::LiteralOff(by)) = fault {
            octets += by;
        }
        let mut line = format!("* {number} FETCH (UID {uid} BODY[] {{{octets}}}\r\n").into_bytes();
        line.extend(&self.raw);
        line.extend(b")\r\n");
        line
    }
}

/// `1:3,7` (RFC 3501 `sequence-set`).
fn uids_in(set: &str) -> BTreeSet<u32> {
    let mut uids = BTreeSet::new();
    for part in set.split(',') {
        let (first, last) = part.split_once(':').unwrap_or((part, part));
        uids.extend(first.parse::<u32>().unwrap()..=last.parse::<u32>().unwrap());
    }
    uids
}

/// A socket that can be told to end with a reset.
pub(crate) trait Linger {
    fn reset_when_dropped(&self);
}

impl Linger for TcpStream {
    fn reset_when_dropped(&self) {
        self.set_zero_linger().unwrap();
    }
}

impl Linger for tokio_rustls::server::TlsStream<TcpStream> {
    fn reset_when_dropped(&self) {
        self.get_ref().0.reset_when_dropped();
    }
}
