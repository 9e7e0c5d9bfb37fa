//! The small HTTPS client against servers that do not do as they should.

use std::net::Ipv4Addr;
use std::time::Duration;

use deletion_desk::https::Https;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use url::Url;

use crate::harness::DESK;
use crate::servers::MailServers;
use crate::token_server::TokenServer;

const LONG: Duration = Duration::from_secs(60);

/// Answers every request with these octets, `repeated` times the second part.
async fn server(head: &'static str, part: &'static str, repeated: usize) -> Url {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let mut request = [0; 4096];
                let _ = stream.read(&mut request).await;
                let _ = stream.write_all(head.as_bytes()).await;
                for _ in 0..repeated {
                    if stream.write_all(part.as_bytes()).await.is_err() {
                        return;
                    }
                }
                let _ = stream.shutdown().await;
            });
        }
    });
    format!("http://127.0.0.1:{port}/secret-path").parse().unwrap()
}

async fn fails(url: &Url, at_most: Duration) -> String {
    let why = Https::new(None).unwrap().get(url, at_most).await.unwrap_err();
    let why = format!("{why:#}");
    assert!(!why.contains("secret-path"), "{why}");
    why
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_has_an_end() {
    let url = server("HTTP/1.1 200 OK\r\n\r\n", "0123456789abcdef", 65_536).await;
    let answer = Https::new(None).unwrap().get(&url, LONG).await.unwrap();
    assert_eq!((answer.status, answer.body.len()), (200, 1024 * 1024));
    let url = server("HTTP/1.1 200 OK\r\n\r\n", "0123456789abcdef", 65_537).await;
    let why = fails(&url, LONG).await;
    assert!(why.contains("length limit exceeded"), "{why}");
    let url = server("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", "short", 1).await;
    assert!(fails(&url, LONG).await.contains("cannot be read"));
    let url = server("", "no http at all\r\n\r\n", 1).await;
    assert!(fails(&url, LONG).await.contains("The connection broke"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_is_an_answer_and_silence_is_none() {
    let url = server("HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n", "", 0).await;
    assert_eq!(Https::new(None).unwrap().get(&url, LONG).await.unwrap().status, 302);
    // Nobody accepts here, and yet the port is open.
    let silent = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = silent.local_addr().unwrap().port();
    let url = format!("http://127.0.0.1:{port}/secret-path").parse().unwrap();
    let why = fails(&url, Duration::from_secs(1)).await;
    assert!(why.contains("127.0.0.1 does not answer within 1 s"), "{why}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_is_not_trusted_ends_it() {
    let tokens = TokenServer::start(DESK).await;
    let servers = MailServers::start(&[DESK]);
    let port = tokens.over_tls(&servers).await;
    let url: Url = format!("https://localhost:{port}/secret-path").parse().unwrap();
    assert!(fails(&url, LONG).await.contains("the TLS handshake failed"));
    let ca = std::fs::read(servers.ca_file()).unwrap();
    let https = Https::new(Some(&ca)).unwrap();
    assert_eq!(https.get(&url, LONG).await.unwrap().status, 404);
    // It is for localhost and 127.0.0.1, not for this name of the same address.
    let other: Url = format!("https://127.0.0.2:{port}/").parse().unwrap();
    assert!(https.get(&other, LONG).await.is_err());
}
