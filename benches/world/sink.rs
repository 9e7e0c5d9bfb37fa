//! A mail server that takes everything, and remembers when.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// A letter that was accepted.
#[derive(Clone, Debug)]
pub(crate) struct Accepted {
    /// When the answer to the final dot was sent.
    pub(crate) at: Instant,
    /// RCPT TO, as it was written.
    pub(crate) to: String,
    /// Octets of the letter.
    pub(crate) bytes: usize,
}

/// Plain SMTP on a loopback port.
pub(crate) struct Sink {
    /// The port.
    pub(crate) port: u16,
    taken: Arc<(Mutex<Vec<Accepted>>, Condvar)>,
}

impl Sink {
    /// Opens the port.
    pub(crate) fn start() -> Sink {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port for the sink");
        let port = listener.local_addr().expect("its address").port();
        let taken: Arc<(Mutex<Vec<Accepted>>, Condvar)> = Arc::default();
        let shared = Arc::clone(&taken);
        thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let taken = Arc::clone(&shared);
                thread::spawn(move || converse(connection, &taken));
            }
        });
        Sink { port, taken }
    }

    /// How many letters were accepted so far.
    pub(crate) fn count(&self) -> usize {
        self.taken.0.lock().expect("the sink lives").len()
    }

    /// Forgets what was accepted so far.
    pub(crate) fn forget(&self) {
        self.taken.0.lock().expect("the sink lives").clear();
    }

    /// Waits until `done` is content with what was accepted.
    pub(crate) fn wait(
        &self,
        at_most: Duration,
        done: impl Fn(&[Accepted]) -> bool,
    ) -> Vec<Accepted> {
        let (taken, news) = &*self.taken;
        let taken = taken.lock().expect("the sink lives");
        let (taken, _) =
            news.wait_timeout_while(taken, at_most, |taken| !done(taken)).expect("the sink lives");
        taken.clone()
    }
}

fn converse(stream: TcpStream, taken: &(Mutex<Vec<Accepted>>, Condvar)) {
    let _ = stream.set_nodelay(true);
    let Ok(mut answers) = stream.try_clone() else { return };
    let mut lines = BufReader::with_capacity(64 * 1024, stream);
    let (mut line, mut to) = (Vec::new(), String::new());
    if answers.write_all(b"220 sink ESMTP\r\n").is_err() {
        return;
    }
    loop {
        line.clear();
        if !matches!(lines.read_until(b'\n', &mut line), Ok(1..)) {
            return;
        }
        let verb = line.get(..4).unwrap_or_default().to_ascii_uppercase();
        let answer: &[u8] = match verb.as_slice() {
            b"EHLO" => b"250-sink\r\n250-8BITMIME\r\n250-PIPELINING\r\n250 SMTPUTF8\r\n",
            b"RCPT" => {
                to = String::from_utf8_lossy(&line).trim().to_owned();
                b"250 ok\r\n"
            }
            b"DATA" => {
                if answers.write_all(b"354 go\r\n").is_err() {
                    return;
                }
                let mut bytes = 0;
                loop {
                    line.clear();
                    if !matches!(lines.read_until(b'\n', &mut line), Ok(1..)) {
                        return;
                    }
                    if line == b".\r\n" {
                        break;
                    }
                    bytes += line.len();
                }
                if answers.write_all(b"250 ok\r\n").is_err() {
                    return;
                }
                let accepted = Accepted { at: Instant::now(), to: to.clone(), bytes };
                taken.0.lock().expect("the sink lives").push(accepted);
                taken.1.notify_all();
                continue;
            }
            b"QUIT" => {
                let _ = answers.write_all(b"221 bye\r\n");
                return;
            }
            _ => b"250 ok\r\n",
        };
        if answers.write_all(answer).is_err() {
            return;
        }
    }
}
