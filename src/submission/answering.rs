//! A stream from a server that may answer without end (lettre keeps all of a line until it ends),
//! or, before TLS begins, more than it was asked for.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use lettre::transport::smtp::client::AsyncTokioStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Octets of one answer, TLS included; RFC 5321 §4.5.3.1.5 knows lines of 512.
const ANSWER_BYTES_MAX: usize = 32 * 1024;

/// What the first octet under TLS is, of a handshake (RFC 8446 §5.1).
const HANDSHAKE: u8 = 22;

/// Counts what comes in since we last said something.
#[derive(Debug)]
pub(super) struct Answering<S> {
    stream: S,
    peer: SocketAddr,
    octets: usize,
    /// What came since we last said something, until TLS begins where it is to begin.
    before_tls: Option<Vec<u8>>,
}

impl<S> Answering<S> {
    /// With STARTTLS to come, or without.
    pub(super) fn new(stream: S, peer: SocketAddr, starts_tls: bool) -> Answering<S> {
        Answering { stream, peer, octets: 0, before_tls: starts_tls.then(Vec::new) }
    }

    /// Whoever stands between could put answers behind one in plain text, which lettre would keep
    /// and take for the server's under TLS (CVE-2011-0411).
    fn check(&mut self, new: &[u8]) -> io::Result<()> {
        let Some(answer) = &mut self.before_tls else { return Ok(()) };
        answer.extend_from_slice(new);
        let mut lines = answer.split_inclusive(|octet| *octet == b'\n');
        let is_last = |line: &[u8]| line.ends_with(b"\n") && line.get(3) != Some(&b'-');
        match lines.by_ref().any(is_last) && lines.next().is_some() {
            true => Err(io::Error::other("more than an answer came before TLS began")),
            false => Ok(()),
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Answering<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let poll = Pin::new(&mut self.stream).poll_read(cx, buf);
        self.octets += buf.filled().len() - before;
        if self.octets > ANSWER_BYTES_MAX {
            return Poll::Ready(Err(io::Error::other("the answer has no end")));
        }
        let new = buf.filled().get(before..).unwrap_or_default();
        self.check(new)?;
        poll
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Answering<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.octets = 0;
        match &mut self.before_tls {
            Some(_) if buf.first() == Some(&HANDSHAKE) => self.before_tls = None,
            Some(answer) => answer.clear(),
            None => {}
        }
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl<S: AsyncRead + AsyncWrite + Send + Sync + Unpin + std::fmt::Debug> AsyncTokioStream
    for Answering<S>
{
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.peer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_may_stand_behind_an_answer_before_tls_begins() {
        let passes = |pieces: &[&str]| {
            let mut stream = Answering::new((), SocketAddr::from(([127, 0, 0, 1], 587)), true);
            pieces.iter().try_for_each(|piece| stream.check(piece.as_bytes())).is_ok()
        };
        assert!(passes(&["220 go on\r\n"]));
        assert!(passes(&["220-go\r\n22", "0 on\r", "\n"]));
        assert!(!passes(&["220 go on\r\n250 forged\r\n"]));
        assert!(!passes(&["220-go\r\n220 on\r\n", "2"]));
    }
}
