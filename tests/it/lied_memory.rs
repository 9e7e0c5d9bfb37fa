//! The real daemon and servers that want its memory, or its life.

use deletion_desk::clock::Clock;

use crate::lying_imap::{At, Fault, LyingImap};
use crate::wire::{LiveDesk, request};

/// The promise.
const MEMORY_KIB_MAX: u64 = 128 * 1024;

const SETTINGS: &str = r#"
[mailbox]
kind = "imap"
host = "127.0.0.1"
port = @IMAP@
tls = "none"
username = "hello@flexus.example"
password_file = "password"
[smtp]
kind = "maildir"
path = "out"
"#;

async fn desk_over(server: &LyingImap) -> LiveDesk {
    let settings = SETTINGS.replace("@IMAP@", &server.port().to_string());
    let mut desk = LiveDesk::new(|general| general + &settings);
    desk.starts().await;
    desk
}

fn big_message(number: usize, octets: usize) -> Vec<u8> {
    let mut raw = request(&format!("big{number}@example.org")).replace('\n', "\r\n").into_bytes();
    while raw.len() < octets {
        raw.extend(b"0123456789012345678901234567890123456789012345678901234567890123456\r\n");
    }
    raw
}

/// One line of a SEARCH answer.
fn uids(from: u32) -> Vec<u8> {
    let mut line = b"* SEARCH".to_vec();
    (from..from + 20_000).for_each(|uid| line.extend(format!(" {uid}").bytes()));
    line.extend(b"\r\n");
    line
}

/// A SEARCH answer of a million messages.
fn million_uids() -> Vec<u8> {
    (0..50).flat_map(|line| uids(1_000_000 + line * 20_000)).collect()
}

/// One daemon lives through all of them, and then reads on.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_sends_without_end_takes_neither_memory_nor_life() {
    let server = LyingImap::start(None).await;
    let mut desk = desk_over(&server).await;
    println!("at rest: {} KiB", desk.memory_peak_kib());
    let says = |words: Vec<u8>| Fault::SaysInstead(words);
    let nested = format!("* 1 FETCH (BODYSTRUCTURE {}\r\n", "(".repeat(60_000));
    let literal =
        [b"* 1 FETCH (UID 1 BODY[] {26000000}\r\n", &vec![b'x'; 26_000_000][..], b") not IMAP\r\n"];
    let lies: Vec<(&str, At, Fault)> = vec![
        ("4 GiB", At::Bodies, says(b"* 1 FETCH (UID 1 BODY[] {4294967295}\r\n".to_vec())),
        ("25 MiB and nonsense", At::Search, says(literal.concat())),
        ("a line", At::Search, Fault::SaysWithoutEnd(vec![b'x'; 1 << 16])),
        ("a text", At::Search, Fault::SaysWithoutEnd(b"* OK and so on ".repeat(4096))),
        ("OKs", At::Search, Fault::SaysWithoutEnd(b"* OK still here\r\n".repeat(1000))),
        (
            "flags",
            At::Sizes,
            Fault::SaysWithoutEnd(b"* 1 FETCH (UID 1 FLAGS (\\Seen))\r\n".repeat(1000)),
        ),
        ("news", At::Search, Fault::SaysWithoutEnd(b"* 5 EXISTS\r\n".repeat(1000))),
        ("UIDs", At::Search, Fault::SaysWithoutEnd(uids(1))),
        ("a million UIDs", At::Search, says(million_uids())),
        ("lists", At::Search, says(nested.into_bytes())),
        ("a panic", At::Search, says("* OK [X]\u{2013}\r\n".as_bytes().to_vec())),
    ];
    for (number, (what, at, fault)) in lies.into_iter().enumerate() {
        let failures = |desk: &LiveDesk| desk.log().matches("the inbox cannot be read").count();
        let before = failures(&desk);
        server.lies(at, fault, 1);
        server.receives(Clock::System.now(), &big_message(number, 0));
        let told = || (server.lies_left() == 0 && failures(&desk) > before).then_some(());
        desk.until(what, told).await;
        let peak = desk.memory_peak_kib();
        println!("{what}: {peak} KiB");
        assert!(peak < MEMORY_KIB_MAX, "{what}: {peak} KiB");
        assert!(desk.runs(), "{what}\n{}", desk.log());
        let handled = || (desk.log().matches("mail handled").count() == number + 1).then_some(());
        desk.until(&format!("{what}: the desk reads on"), handled).await;
    }
    desk.stops().await;
}

/// Messages that are announced as small ones: as much as one may be long comes at once, and no
/// more.
#[tokio::test(flavor = "multi_thread")]
async fn messages_larger_than_they_were_said_to_be_do_not_fill_the_memory() {
    let server = LyingImap::start(None).await;
    let mut desk = desk_over(&server).await;
    server.lies(At::Sizes, Fault::Sizes(1000), 1_000_000);
    for number in 0..8 {
        server.receives(Clock::System.now(), &big_message(number, 4_000_000));
    }
    let handled = || (desk.log().matches("mail handled").count() == 8).then_some(());
    desk.until("all are handled", handled).await;
    let peak = desk.memory_peak_kib();
    println!("large messages: {peak} KiB");
    desk.until_log_says("sends more octets than it announced").await;
    assert!(peak < MEMORY_KIB_MAX, "{peak} KiB");
    desk.stops().await;
}

/// Whatever a server leaves unanswered: the digest goes out, and the daemon ends when it is told.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_does_not_answer_stops_neither_the_digest_nor_the_end() {
    for at in [At::Greeting, At::Login, At::Search, At::Bodies, At::Idle] {
        for fault in [Fault::Stalls, Fault::HalfOpen] {
            let server = LyingImap::start(None).await;
            let mut desk = desk_over(&server).await;
            desk.stops().await;
            server.lies(at, fault.clone(), 1);
            server.receives(Clock::System.now(), &big_message(1, 0));
            desk.starts().await;
            let met = || (server.lies_left() == 0).then_some(());
            desk.until(&format!("{fault:?} at {at:?}"), met).await;
            desk.command(&["digest", "--send"]);
            desk.until_log_says("letter submitted letter=1").await;
            desk.stops().await;
        }
    }
}
