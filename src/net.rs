//! EDGE: connections over TCP.

use std::io;
use std::time::Duration;

use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;

/// For each address of a host: one that swallows what is sent to it (an IPv6 route that leads
/// nowhere) leaves time for the next.
const ADDRESS_TIMEOUT: Duration = Duration::from_secs(10);

/// Connects to the first address of a host that answers. What is written leaves at once:
/// Nagle's algorithm would keep the end of a letter back until the server's delayed
/// acknowledgement, 40 ms.
///
/// # Errors
/// When the host is unknown, or what the last address said.
pub async fn connect(host: &str, port: u16) -> io::Result<TcpStream> {
    let mut failed = io::Error::new(io::ErrorKind::NotFound, "failed to lookup address: none");
    for address in lookup_host((host, port)).await? {
        match timeout(ADDRESS_TIMEOUT, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                stream.set_nodelay(true)?;
                return Ok(stream);
            }
            Ok(Err(why)) => failed = why,
            Err(_) => {
                let words = format!("{address} does not answer within 10 seconds");
                failed = io::Error::new(io::ErrorKind::TimedOut, words);
            }
        }
    }
    Err(failed)
}
