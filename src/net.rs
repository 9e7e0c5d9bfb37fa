//! EDGE: connections over TCP.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;

/// For each address of a host: one that swallows what is sent to it (an IPv6 route that leads
/// nowhere) leaves time for the next.
const ADDRESS_TIMEOUT: Duration = Duration::from_secs(5);

/// Connects to the first address of a host that answers. What is written leaves at once:
/// Nagle's algorithm would keep the end of a letter back until the server's delayed
/// acknowledgement, 40 ms.
///
/// # Errors
/// When the host is unknown, or what the last address said.
pub async fn connect(host: &str, port: u16) -> io::Result<TcpStream> {
    let mut failed = io::Error::new(io::ErrorKind::NotFound, "failed to lookup address: none");
    for address in in_turn(lookup_host((host, port)).await?) {
        match timeout(ADDRESS_TIMEOUT, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                stream.set_nodelay(true)?;
                return Ok(stream);
            }
            Ok(Err(why)) => failed = why,
            Err(_) => {
                let words = format!("{address} does not answer within 5 seconds");
                failed = io::Error::new(io::ErrorKind::TimedOut, words);
            }
        }
    }
    Err(failed)
}

/// Both families in turn, beginning with the one that the resolver put first (RFC 8305 §4).
fn in_turn(addresses: impl Iterator<Item = SocketAddr>) -> Vec<SocketAddr> {
    let mut addresses = addresses.peekable();
    let first_is_six = addresses.peek().is_some_and(SocketAddr::is_ipv6);
    let (ones, others): (Vec<_>, Vec<_>) =
        addresses.partition(|address| address.is_ipv6() == first_is_six);
    let mut all: Vec<_> =
        ones.into_iter().enumerate().chain(others.into_iter().enumerate()).collect();
    all.sort_by_key(|(rank, _)| *rank);
    all.into_iter().map(|(_, address)| address).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_family_is_kept_waiting_by_the_other() {
        let address = |text: &str| -> SocketAddr { text.parse().unwrap() };
        let [a, b] = [address("[2001:db8::1]:25"), address("[2001:db8::2]:25")];
        let [c, d] = [address("192.0.2.1:25"), address("192.0.2.2:25")];
        assert_eq!(in_turn([a, b, c, d].into_iter()), [a, c, b, d]);
        assert_eq!(in_turn([c, d, a].into_iter()), [c, a, d]);
    }

    #[tokio::test]
    async fn the_next_address_is_tried_and_a_host_that_is_unknown_is_called_so() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        // `localhost` is ::1, too, where nobody listens.
        let port = listener.local_addr().unwrap().port();
        assert!(connect("localhost", port).await.is_ok());
        let why = connect("no-such-host.invalid", 25).await.unwrap_err();
        assert!(why.to_string().contains("failed to lookup address"), "{why}");
    }
}
