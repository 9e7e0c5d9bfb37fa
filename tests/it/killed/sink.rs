//! A submission server that outlives the process that is killed. It takes letters over the real
//! dialogue, refuses what it is told to, and can have its client killed between the final dot
//! and the answer.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::Command;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

/// A mail that the server took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Taken {
    pub(crate) return_path: String,
    pub(crate) to: String,
    pub(crate) bytes: Vec<u8>,
}

/// Where in the dialogue a recipient is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum At {
    Recipient,
    Dot,
}

/// So many refusals of a recipient, with these words.
#[derive(Clone, Debug)]
pub(crate) struct Refusal {
    pub(crate) to: &'static str,
    pub(crate) at: At,
    pub(crate) words: &'static str,
    pub(crate) times: usize,
}

#[derive(Debug, Default)]
pub(crate) struct Server {
    pub(crate) taken: Vec<Taken>,
    pub(crate) refusals: Vec<Refusal>,
    /// Final dots so far.
    pub(crate) dots: usize,
    /// At this dot the client is killed: the letter is taken, and nobody hears of it.
    pub(crate) kill_at: Option<usize>,
    /// The client's number.
    pub(crate) client: Option<u32>,
    is_over: bool,
}

pub(crate) struct Sink {
    pub(crate) port: u16,
    server: Arc<Mutex<Server>>,
}

impl Sink {
    pub(crate) fn start() -> Sink {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = Arc::new(Mutex::new(Server::default()));
        let shared = Arc::clone(&server);
        thread::spawn(move || {
            for stream in listener.incoming() {
                if lock(&shared).is_over {
                    return;
                }
                let (stream, shared) = (stream.unwrap(), Arc::clone(&shared));
                // A client that was killed just ends the dialogue.
                thread::spawn(move || drop(talk(&stream, &shared)));
            }
        });
        Sink { port, server }
    }

    pub(crate) fn server(&self) -> MutexGuard<'_, Server> {
        lock(&self.server)
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.server().is_over = true;
        // Wakes who waits for a client.
        drop(TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)));
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn talk(stream: &TcpStream, server: &Mutex<Server>) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let (mut reader, mut writer) = (BufReader::new(stream), stream);
    let (mut from, mut to) = (String::new(), String::new());
    let mut line = String::new();
    writer.write_all(b"220 sink.example ESMTP\r\n")?;
    loop {
        line.clear();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let path = || line.split(['<', '>']).nth(1).unwrap_or_default().to_owned();
        let reply = match line.get(..4).unwrap_or_default().to_ascii_uppercase().as_str() {
            "EHLO" => {
                "250-sink.example\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 SMTPUTF8".to_owned()
            }
            "MAIL" => {
                from = path();
                "250 2.1.0 ok".to_owned()
            }
            "RCPT" => {
                to = path();
                refused(server, &to, At::Recipient).unwrap_or("250 2.1.5 ok").to_owned()
            }
            "DATA" => {
                writer.write_all(b"354 go on\r\n")?;
                let bytes = read_message(&mut reader)?;
                let mail = Taken { return_path: from.clone(), to: to.clone(), bytes };
                match took(server, mail) {
                    Some(reply) => reply.to_owned(),
                    None => return Ok(()),
                }
            }
            "QUIT" => "221 2.0.0 bye".to_owned(),
            _ => "250 2.0.0 ok".to_owned(),
        };
        writer.write_all(format!("{reply}\r\n").as_bytes())?;
    }
}

/// Everything up to the final dot, without the dots that the dialogue needs.
fn read_message(reader: &mut BufReader<&TcpStream>) -> std::io::Result<Vec<u8>> {
    let (mut bytes, mut line) = (Vec::new(), Vec::new());
    loop {
        line.clear();
        if reader.read_until(b'\n', &mut line)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        match line.as_slice() {
            b".\r\n" => return Ok(bytes),
            [b'.', rest @ ..] => bytes.extend_from_slice(rest),
            whole => bytes.extend_from_slice(whole),
        }
    }
}

fn refused(server: &Mutex<Server>, to: &str, at: At) -> Option<&'static str> {
    let mut server = lock(server);
    let mut refusals = server.refusals.iter_mut();
    let refusal = refusals.find(|one| one.times > 0 && one.to == to)?;
    if refusal.at != at {
        return None;
    }
    refusal.times -= 1;
    Some(refusal.words)
}

/// Kills a process, and returns when it was told.
pub(crate) fn kill(process: u32) {
    let status = Command::new("kill").args(["-9", &process.to_string()]).status().unwrap();
    assert!(status.success(), "{process} cannot be killed");
}

/// The answer to the final dot; none when the client does not live to hear it.
fn took(server: &Mutex<Server>, mail: Taken) -> Option<&'static str> {
    let refused = refused(server, &mail.to, At::Dot);
    let mut server = lock(server);
    server.dots += 1;
    if refused.is_none() {
        server.taken.push(mail);
    }
    if server.kill_at == Some(server.dots) {
        server.kill_at = None;
        kill(server.client.unwrap());
        return None;
    }
    Some(refused.unwrap_or("250 2.0.0 taken"))
}
