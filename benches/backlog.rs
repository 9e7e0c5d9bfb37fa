//! A backlog of mails in Dovecot: each parsed, decided, its case and letter committed durably, and
//! the letter accepted by a mail server; over TLS, every letter in text and HTML.
//!
//! ```text
//! cargo bench --bench backlog -- [--mails 10000] [--runs 3] [--closed-cases 0] [--beside 'COMMAND']
//! ```
//!
//! COMMAND is another program that does the same job and then ends. It runs beside the desk in
//! every round, over the same mails in the same servers, with IMAP_HOST, IMAP_PORT (plain),
//! IMAP_USER, IMAP_PASS, SMTP_HOST, SMTP_PORT, N (mails) and STATE (an empty folder) in its
//! environment.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a benchmark")]

mod world;

use std::process::{Command, Stdio};
use std::time::Instant;

use world::sink::Sink;
use world::{DESK, Desk, MailServers, PATIENCE, mails, median, option, scratch};

/// What one round showed.
struct Round {
    rate: f64,
    /// Without the start: from the first letter to the last.
    at_work: f64,
    cpu_ms: f64,
    memory: f64,
}

fn main() {
    let (count, runs) = (option("--mails", 10_000), option("--runs", 3));
    let closed = option("--closed-cases", 0);
    let beside_it = std::env::args().skip_while(|word| word != "--beside").nth(1);
    println!("{count} mails, {runs} rounds, {closed} closed cases");
    let (mut ours, mut theirs, mut memory) = (Vec::new(), Vec::new(), 0_f64);
    for n in 1..=runs {
        let round = desk(count, closed);
        memory = memory.max(round.memory);
        ours.push(round.rate);
        let mut line = format!(
            "round {n}: desk {:.0} mails/s ({:.0} without its start), {:.2} ms of CPU a mail, {:.0} MiB",
            round.rate, round.at_work, round.cpu_ms, round.memory
        );
        if let Some(command) = &beside_it {
            let rate = beside(command, count);
            line += &format!("; beside {rate:.0} mails/s, ratio {:.2}", round.rate / rate);
            theirs.push(rate);
        }
        println!("{line}");
    }
    let ratios: Vec<f64> = ours.iter().zip(&theirs).map(|(ours, theirs)| ours / theirs).collect();
    println!("desk, median: {:.0} mails/s; most memory: {memory:.0} MiB", median(ours));
    if !ratios.is_empty() {
        println!(
            "beside, median: {:.0} mails/s; ratio, median: {:.2}",
            median(theirs),
            median(ratios)
        );
    }
}

/// Servers with the backlog in the inbox.
fn servers_with(count: usize) -> MailServers {
    let servers = MailServers::start(&[DESK]);
    fill(&servers, count);
    servers
}

fn fill(servers: &MailServers, count: usize) {
    for n in 0..count {
        servers.drop_into(DESK, mails::mail(n, DESK));
    }
}

/// The desk knows the inbox, was away, and comes back to a backlog.
fn desk(count: usize, closed: usize) -> Round {
    let servers = MailServers::start(&[DESK]);
    let sink = Sink::start();
    let mut desk = Desk::new(&servers, &sink);
    desk.starts();
    desk.until_log_says("first look at this inbox");
    desk.stops();
    if closed > 0 {
        desk.has_closed(closed);
        // What others wrote into its file it reads first, and this measures no such start.
        desk.starts();
        desk.until_log_says("it is whole");
        desk.stops();
    }
    fill(&servers, count);
    let letters = mails::letters_for(count);
    desk.starts();
    let accepted = sink.wait(PATIENCE, |accepted| accepted.len() >= letters);
    let seconds =
        (accepted.last().map_or_else(Instant::now, |last| last.at) - desk.began()).as_secs_f64();
    assert_eq!(accepted.len(), letters, "{}", desk.log());
    let at_work = accepted.first().zip(accepted.last()).map(|(first, last)| last.at - first.at);
    let at_work = count as f64 / at_work.map_or(seconds, |time| time.as_secs_f64());
    let cpu_ms = desk.cpu_seconds() * 1_000.0 / count as f64;
    let memory = desk.peak_memory();
    desk.stops();
    let listed = desk.command(&["cases", "list", "--json"]).output().unwrap();
    let cases: Vec<serde_json::Value> = serde_json::from_slice(&listed.stdout).unwrap();
    assert_eq!(cases.len(), letters);
    Round { rate: count as f64 / seconds, at_work, cpu_ms, memory }
}

/// The other program over the same mails.
fn beside(command: &str, count: usize) -> f64 {
    let servers = servers_with(count);
    let sink = Sink::start();
    let state = scratch();
    let began = Instant::now();
    let status = Command::new("/bin/sh")
        .args(["-c", command])
        .env("IMAP_HOST", "127.0.0.1")
        .env("IMAP_PORT", servers.imap_port().to_string())
        .env("IMAP_USER", DESK)
        .env("IMAP_PASS", world::PASSWORD)
        .env("SMTP_HOST", "127.0.0.1")
        .env("SMTP_PORT", sink.port.to_string())
        .env("N", count.to_string())
        .env("STATE", state.path())
        .stdout(Stdio::null())
        .status()
        .unwrap();
    let seconds = began.elapsed().as_secs_f64();
    assert!(status.success(), "{command}: {status}");
    assert!(sink.count() * 10 >= count * 8, "{command} sent {} letters only", sink.count());
    count as f64 / seconds
}
