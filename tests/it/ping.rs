//! The dead man's switch (`watch.ping_url`).

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::harness::{DESK, OFFICER};
use crate::servers::MailServers;
use crate::wire::LiveDesk;

/// Counts the calls, and answers the first `failing` of them with an error.
async fn switch(failing: usize) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let url = format!("http://{}/ping/my-secret-number", listener.local_addr().unwrap());
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = vec![0; 4096];
            let read = stream.read(&mut request).await.unwrap();
            let request = String::from_utf8_lossy(&request[..read]);
            assert!(request.starts_with("GET /ping/my-secret-number HTTP/1.1\r\n"), "{request}");
            let call = counted.fetch_add(1, Ordering::SeqCst);
            let status = if call < failing { "500 No" } else { "200 OK" };
            let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n");
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    (url, calls)
}

fn with_ping(settings: String, url: &str) -> String {
    format!("{settings}\n[watch]\nping_url = \"{url}\"\n").replace("\"300s\"", "\"1s\"")
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_called_after_good_polls_once_a_minute_and_a_failure_is_told_once() {
    let servers = MailServers::start(&[DESK, OFFICER]);
    let (url, calls) = switch(1).await;
    let called = || calls.load(Ordering::SeqCst);
    let mut desk =
        LiveDesk::with(&servers, |s| with_ping(s, &url).replace("poll =", "idle = false\npoll ="))
            .await;
    desk.until_log_says("watch.ping_url does not answer").await;
    assert!(desk.log().contains("status 500"), "{}", desk.log());
    // A poll each second, and no further call.
    tokio::time::sleep(Duration::from_secs(20)).await;
    assert_eq!(called(), 1);
    tokio::time::sleep(Duration::from_secs(20)).await;
    desk.until_log_says("watch.ping_url answers again").await;
    assert_eq!(called(), 2);
    assert_eq!(desk.log().matches("watch.ping_url").count(), 2, "{}", desk.log());
    assert!(!desk.log().contains("my-secret-number"), "{}", desk.log());
    desk.stops().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_good_poll_no_call() {
    let servers = MailServers::start(&[DESK, OFFICER]);
    let (url, calls) = switch(0).await;
    servers.stop_imap();
    let mut desk = LiveDesk::prepared(&servers, |settings| with_ping(settings, &url));
    desk.starts_without_a_look().await;
    desk.until_log_says("the inbox cannot be read").await;
    assert_eq!(calls.load(Ordering::SeqCst), 0);
    servers.start_imap();
    desk.until("the first call", || (calls.load(Ordering::SeqCst) > 0).then_some(())).await;
    desk.stops().await;
}

/// One that takes the call and never answers holds up neither mail nor the end.
#[tokio::test(flavor = "multi_thread")]
async fn a_switch_that_hangs_holds_up_nothing() {
    let silent = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let url = format!("http://{}/", silent.local_addr().unwrap());
    let servers = MailServers::start(&[DESK, OFFICER, crate::harness::JANE]);
    let mut desk = LiveDesk::with(&servers, |settings| with_ping(settings, &url)).await;
    servers.post(crate::harness::JANE, DESK, &crate::wire::request(crate::harness::JANE)).await;
    desk.letter(&servers, crate::harness::JANE, 1).await;
    desk.stops().await;
}
