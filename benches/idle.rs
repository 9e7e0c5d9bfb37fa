//! A mail that arrives while the desk waits: the time from the server's EXISTS to the moment at
//! which the mail server has accepted the verification mail.
//!
//! ```text
//! cargo bench --bench idle -- [--mails 21]
//! ```
//!
//! The comparison in the same run is what a client without IDLE would have: half of its poll.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a benchmark")]

mod world;

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::thread::sleep;
use std::time::{Duration, Instant};

use world::sink::Sink;
use world::{DESK, Desk, MailServers, PASSWORD, PATIENCE, mails, median, option};

/// What a poll every minute costs on average, in milliseconds.
const HALF_A_POLL_MS: f64 = 30_000.0;

fn main() {
    let count = option("--mails", 21);
    let servers = MailServers::start(&[DESK]);
    let sink = Sink::start();
    let mut desk = Desk::new(&servers, &sink);
    desk.starts();
    desk.until_log_says("first look at this inbox");
    let mut watcher = Watcher::of(servers.imap_port());
    let mut after = Vec::new();
    for n in 0..count {
        // Dovecot tells of new mail at most every half second, and looks so often.
        sleep(Duration::from_millis(1_500));
        sink.forget();
        servers.drop_into(DESK, mails::mail(n * 20, DESK));
        let told = watcher.next_exists();
        let accepted = sink.wait(PATIENCE, |accepted| !accepted.is_empty());
        let at = accepted.first().map_or_else(Instant::now, |letter| letter.at);
        after.push(at.saturating_duration_since(told).as_secs_f64() * 1_000.0);
    }
    let most = after.iter().copied().fold(0.0, f64::max);
    println!(
        "{count} mails under IDLE: accepted {:.0} ms after EXISTS at the median, {most:.0} ms at most; \
         without IDLE, with a poll every minute: {HALF_A_POLL_MS:.0} ms on average",
        median(after)
    );
    desk.stops();
}

/// Another client of the same inbox, that hears of new mail when the desk does.
struct Watcher {
    lines: BufReader<TcpStream>,
}

impl Watcher {
    fn of(port: u16) -> Watcher {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
        let mut lines = BufReader::new(stream.try_clone().unwrap());
        let mut stream = stream;
        let mut line = String::new();
        lines.read_line(&mut line).unwrap();
        for (tag, command) in
            [("a", format!("LOGIN {DESK} {PASSWORD}")), ("b", "EXAMINE INBOX".to_owned())]
        {
            stream.write_all(format!("{tag} {command}\r\n").as_bytes()).unwrap();
            while !line.starts_with(&format!("{tag} OK")) {
                line.clear();
                assert!(lines.read_line(&mut line).unwrap() > 0, "Dovecot hung up");
            }
        }
        stream.write_all(b"c IDLE\r\n").unwrap();
        Watcher { lines }
    }

    fn next_exists(&mut self) -> Instant {
        let mut line = String::new();
        while !line.contains("EXISTS") {
            line.clear();
            assert!(self.lines.read_line(&mut line).unwrap() > 0, "Dovecot hung up");
        }
        Instant::now()
    }
}
