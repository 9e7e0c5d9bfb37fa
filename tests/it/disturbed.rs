//! A real Dovecot, and another client that appends, moves, flags and expunges beside the desk, at
//! random: what stayed for one poll has its outcome, exactly one, and one letter.
//! `DISTURBED_SECONDS=300 DISTURBED_SEED=7 cargo test disturbed` for longer, or again.

use std::collections::BTreeSet;
use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_imap::Session;
use async_imap::imap_proto::{MailboxDatum, Response, Status};
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::harness::{DESK, OFFICER};
use crate::servers::{MailServers, PASSWORD};
use crate::wire::{LiveDesk, request};

/// In `tests/run`.
const SECONDS: u64 = 20;

/// Numbers that come again with the same seed (xorshift).
struct Chance(u64);

impl Chance {
    fn below(&mut self, most: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % most as u64).unwrap()
    }
}

/// Somebody else's mail program.
struct Other {
    session: Session<TlsStream<TcpStream>>,
}

impl Other {
    async fn over(servers: &MailServers) -> Other {
        let ca = fs::read(servers.ca_file()).unwrap();
        let tls =
            TlsConnector::from(Arc::new(deletion_desk::tls::client_config(Some(&ca)).unwrap()));
        let tcp = TcpStream::connect(("127.0.0.1", servers.imaps_port())).await.unwrap();
        let tls = tls.connect(ServerName::try_from("localhost").unwrap(), tcp).await.unwrap();
        let mut client = async_imap::Client::new(tls);
        client.read_response().await.unwrap().unwrap();
        let session = client.login(DESK, PASSWORD).await.map_err(|(why, _)| why).unwrap();
        let mut other = Other { session };
        other.does("CREATE Other").await;
        other.does("SELECT INBOX").await;
        other
    }

    /// A command whose end, good or bad, is awaited; the UIDs that a SEARCH found.
    async fn does(&mut self, command: &str) -> Vec<u32> {
        let tag = self.session.run_command(command).await.unwrap();
        let mut uids = Vec::new();
        loop {
            let response = self.session.read_response().await.unwrap().expect("Dovecot");
            match response.parsed() {
                Response::MailboxData(MailboxDatum::Search(found)) => uids.extend(found),
                Response::Done { tag: found, status, .. } if *found == tag => {
                    assert!(matches!(status, Status::Ok | Status::No), "{command}: {status:?}");
                    return uids;
                }
                _ => {}
            }
        }
    }

    async fn appends(&mut self, raw: &str) {
        let raw = raw.replace('\n', "\r\n");
        self.session.append("INBOX", None, None, raw).await.unwrap();
    }

    /// Does something to a message of the inbox.
    async fn disturbs(&mut self, chance: &mut Chance) {
        let uids = self.does("UID SEARCH ALL").await;
        let Some(uid) = (!uids.is_empty()).then(|| uids[chance.below(uids.len())]) else { return };
        match chance.below(6) {
            0 | 1 => {
                let flag = ["\\Seen", "\\Flagged", "\\Answered", "Later"][chance.below(4)];
                let sign = ["+", "-"][chance.below(2)];
                self.does(&format!("UID STORE {uid} {sign}FLAGS ({flag})")).await;
            }
            2 => {
                self.does(&format!("UID STORE {uid} +FLAGS.SILENT (\\Deleted)")).await;
                self.does("EXPUNGE").await;
            }
            3 => drop(self.does(&format!("UID MOVE {uid} Other")).await),
            // Somebody takes one back: the same bytes under another UID.
            4 => {
                self.does("SELECT Other").await;
                let moved = self.does("UID SEARCH ALL").await;
                if !moved.is_empty() {
                    let uid = moved[chance.below(moved.len())];
                    self.does(&format!("UID MOVE {uid} INBOX")).await;
                }
                self.does("SELECT INBOX").await;
            }
            _ => drop(self.does(&format!("UID COPY {uid} INBOX")).await),
        }
    }
}

/// Who wrote the mails, as far as they are of this test.
fn senders(mails: &[String]) -> BTreeSet<String> {
    let from = |mail: &String| {
        let line = mail.lines().find(|line| line.starts_with("From: ")).unwrap().to_owned();
        line.split(['<', '>']).nth(1).unwrap().to_owned()
    };
    mails.iter().map(from).collect()
}

fn cases(desk: &LiveDesk) -> Vec<String> {
    let address = |case: &serde_json::Value| case["address"].as_str().unwrap().to_owned();
    desk.cases().iter().map(address).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn beside_another_client_every_message_that_stayed_has_one_outcome() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let since_1970 = std::time::UNIX_EPOCH.elapsed().unwrap();
    let seed = number("DISTURBED_SEED").unwrap_or(u64::from(since_1970.subsec_nanos()) | 1);
    let lasts = Duration::from_secs(number("DISTURBED_SECONDS").unwrap_or(SECONDS));
    println!("DISTURBED_SEED={seed}");
    let servers = MailServers::start(&[DESK, OFFICER]);
    let mut desk = LiveDesk::with(&servers, |settings| {
        let (before, _) = settings.split_once("[smtp]").unwrap();
        format!("{before}[smtp]\nkind = \"maildir\"\npath = \"out\"\n[limits]\ndirect_per_day_max = 1000000\n")
    })
    .await;
    let mut other = Other::over(&servers).await;
    let mut chance = Chance(seed);
    let (begun, mut written, mut rounds) = (Instant::now(), 0, 0);
    while begun.elapsed() < lasts {
        for _ in 0..30 + chance.below(60) {
            if chance.below(3) == 0 {
                written += 1;
                let raw = request(&format!("requester{written}@example.org"));
                match chance.below(2) {
                    0 => servers.drop_into(DESK, raw),
                    _ => other.appends(&raw).await,
                }
            } else {
                other.disturbs(&mut chance).await;
            }
        }
        rounds += 1;
        // Nobody does anything now: what is there has stayed.
        let stayed = senders(&servers.mails(DESK).await);
        desk.until(&format!("round {rounds}, seed {seed}: each that stayed has its case"), || {
            let cases: BTreeSet<String> = cases(&desk).into_iter().collect();
            stayed.is_subset(&cases).then_some(())
        })
        .await;
    }
    let nothing_waits =
        || (desk.command(&["letters", "list", "--json"]).trim() == "[]").then_some(());
    desk.until("every letter is written", nothing_waits).await;
    desk.stops().await;
    let all = cases(&desk);
    let once: BTreeSet<String> = all.iter().cloned().collect();
    assert_eq!(all.len(), once.len(), "seed {seed}: an address has two cases");
    let letters = fs::read_dir(desk.file("out/new")).unwrap().count();
    assert_eq!(letters, all.len(), "seed {seed}: one letter for each case");
    // Each row got its outcome once.
    let log = desk.log();
    let handled: Vec<&str> = log
        .lines()
        .filter_map(|line| line.split_once("mail handled ")?.1.split(' ').next())
        .collect();
    let rows: BTreeSet<&str> = handled.iter().copied().collect();
    assert_eq!(rows.len(), handled.len(), "seed {seed}: a message has two outcomes");
    println!(
        "{written} mails written in {rounds} rounds, {} handled, {letters} letters",
        rows.len()
    );
    desk.command(&["journal", "verify"]);
}
