//! A stream from a server that may answer without end: lettre keeps all of a line until it ends.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use lettre::transport::smtp::client::AsyncTokioStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Octets of one answer, TLS included; RFC 5321 §4.5.3.1.5 knows lines of 512.
const ANSWER_BYTES_MAX: usize = 32 * 1024;

/// Counts what comes in since we last said something.
#[derive(Debug)]
pub(super) struct Answering<S> {
    stream: S,
    peer: SocketAddr,
    octets: usize,
}

impl<S> Answering<S> {
    pub(super) fn new(stream: S, peer: SocketAddr) -> Answering<S> {
        Answering { stream, peer, octets: 0 }
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
