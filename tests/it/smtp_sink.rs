//! A small SMTP server of the tests: honest, until it is told what to answer. It takes several
//! commands at once (RFC 2920), or one at a time.

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;

/// Where in the dialogue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Greeting,
    Ehlo,
    Auth,
    Mail,
    Rcpt,
    Data,
    Dot,
}

/// What it does there instead of what is right.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    Says(Vec<u8>),
    SaysWithoutEnd(Vec<u8>),
    HangsUp,
    Stalls,
    Late(Duration),
}

#[derive(Debug, Default)]
struct State {
    taken: Vec<Vec<u8>>,
    replies: Vec<(Step, Reply)>,
    refused: Option<String>,
    mails_per_connection: Option<usize>,
    connections: usize,
    got_several: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct SmtpSink {
    state: Arc<Mutex<State>>,
    takes: Takes,
    port: u16,
}

/// How many commands it says that it takes together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Takes {
    Several,
    OneByOne,
}

impl SmtpSink {
    pub(crate) async fn start(takes: Takes) -> SmtpSink {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let sink = SmtpSink { state: Arc::default(), takes, port };
        let accepting = sink.clone();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                // Several answers in a row would wait for each other, in a time that is not theirs.
                stream.set_nodelay(true).unwrap();
                accepting.locked().connections += 1;
                let serving = accepting.clone();
                tokio::spawn(async move { serving.serve(BufReader::new(stream)).await });
            }
        });
        sink
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Answers like this at the next such step.
    pub(crate) fn replies(&self, step: Step, reply: Reply) {
        self.locked().replies.push((step, reply));
    }

    /// Refuses this recipient for ever.
    pub(crate) fn refuses(&self, recipient: &str) {
        self.locked().refused = Some(recipient.to_owned());
    }

    /// Says 421 after so many mails, and hangs up.
    pub(crate) fn takes_per_connection(&self, mails: usize) {
        self.locked().mails_per_connection = Some(mails);
    }

    pub(crate) fn connections(&self) -> usize {
        self.locked().connections
    }

    /// Whether more commands than one ever came together.
    pub(crate) fn got_several(&self) -> bool {
        self.locked().got_several
    }

    /// Every mail that it took, as it came.
    pub(crate) fn taken(&self) -> Vec<Vec<u8>> {
        self.locked().taken.clone()
    }

    /// Every mail that has these words.
    pub(crate) fn taken_with(&self, words: &str) -> Vec<Vec<u8>> {
        let has = |mail: &Vec<u8>| String::from_utf8_lossy(mail).contains(words);
        self.taken().into_iter().filter(has).collect()
    }

    fn locked(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Answers a step; `None` when the connection is to end.
    async fn answers(
        &self,
        stream: &mut BufReader<TcpStream>,
        step: Step,
        right: &str,
    ) -> Option<()> {
        let planned = {
            let replies = &mut self.locked().replies;
            let at = replies.iter().position(|(planned, _)| *planned == step);
            at.map(|at| replies.remove(at).1)
        };
        match planned {
            None => stream.write_all(right.as_bytes()).await.ok(),
            Some(Reply::Says(words)) => {
                stream.write_all(&words).await.ok()?;
                if words.starts_with(b"421") {
                    stream.shutdown().await.ok()?;
                    return None;
                }
                Some(())
            }
            Some(Reply::SaysWithoutEnd(words)) => {
                while stream.write_all(&words).await.is_ok() {}
                None
            }
            Some(Reply::HangsUp) => None,
            Some(Reply::Stalls) => {
                let _ = tokio::io::copy(stream, &mut tokio::io::sink()).await;
                None
            }
            Some(Reply::Late(wait)) => {
                sleep(wait).await;
                stream.write_all(right.as_bytes()).await.ok()
            }
        }
    }

    async fn serve(self, mut stream: BufReader<TcpStream>) -> Option<()> {
        self.answers(&mut stream, Step::Greeting, "220 sink\r\n").await?;
        let mut mails = 0;
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line).await.ok()? == 0 {
                return None;
            }
            self.locked().got_several |= !stream.buffer().is_empty();
            let verb = line.get(..4).unwrap_or_default().to_ascii_uppercase();
            match verb.as_str() {
                "EHLO" => {
                    let more = match self.takes {
                        Takes::Several => "250-PIPELINING\r\n",
                        Takes::OneByOne => "",
                    };
                    let right = format!("250-sink\r\n{more}250 AUTH PLAIN LOGIN\r\n");
                    self.answers(&mut stream, Step::Ehlo, &right).await?;
                }
                "AUTH" => self.answers(&mut stream, Step::Auth, "235 2.7.0 welcome\r\n").await?,
                "MAIL" => {
                    let most = self.locked().mails_per_connection;
                    if most.is_some_and(|most| mails >= most) {
                        stream.write_all(b"421 4.4.1 too many mails\r\n").await.ok()?;
                        return None;
                    }
                    self.answers(&mut stream, Step::Mail, "250 2.1.0 ok\r\n").await?;
                }
                "RCPT" => {
                    let refused = self.locked().refused.clone();
                    let right = match refused {
                        Some(refused) if line.contains(&refused) => "550 5.1.1 nobody\r\n",
                        _ => "250 2.1.5 ok\r\n",
                    };
                    self.answers(&mut stream, Step::Rcpt, right).await?;
                }
                "DATA" => {
                    self.answers(&mut stream, Step::Data, "354 go on\r\n").await?;
                    self.takes(&mut stream).await?;
                    mails += 1;
                }
                "QUIT" => {
                    stream.write_all(b"221 bye\r\n").await.ok()?;
                    stream.shutdown().await.ok()?;
                    return None;
                }
                _ => stream.write_all(b"500 5.5.2 what\r\n").await.ok()?,
            }
        }
    }

    /// Reads up to the final dot. Unless it then says why not, the mail is taken, whether that
    /// answer arrives or not.
    async fn takes(&self, stream: &mut BufReader<TcpStream>) -> Option<()> {
        let mut mail = Vec::new();
        loop {
            let begun = mail.len();
            if stream.read_until(b'\n', &mut mail).await.ok()? == 0 {
                return None;
            }
            if &mail[begun..] == b".\r\n" {
                mail.truncate(begun);
                break;
            }
        }
        let refuses = self.locked().replies.iter().any(|(step, reply)| {
            let is_no =
                matches!(reply, Reply::Says(words) if matches!(words.first(), Some(b'4' | b'5')));
            *step == Step::Dot && is_no
        });
        if !refuses {
            self.locked().taken.push(mail);
        }
        self.answers(stream, Step::Dot, "250 2.0.0 taken\r\n").await
    }
}
