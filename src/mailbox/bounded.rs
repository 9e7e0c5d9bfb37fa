//! A stream from a server that may lie: lines and literals are bounded before async-imap
//! allocates memory for them (it zeroes whatever a literal announces).

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Octets of one response line. A SEARCH answer names every message of the inbox on one.
const LINE_BYTES_MAX: u64 = 8 * 1024 * 1024;

/// Counts what comes in.
#[derive(Debug)]
pub(super) struct Bounded<S> {
    inner: S,
    literal_bytes_max: u64,
    /// Octets of the current line.
    line: u64,
    /// Octets of the current literal that are still to come.
    literal: u64,
    announced: Announced,
}

/// How far `{123}` has been read at the end of a line (RFC 3501 §4.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Announced {
    Nothing,
    Digits(u64),
    Closed(u64),
}

impl<S> Bounded<S> {
    pub(super) fn new(inner: S, literal_bytes_max: u64) -> Bounded<S> {
        Bounded { inner, literal_bytes_max, line: 0, literal: 0, announced: Announced::Nothing }
    }

    fn check(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while let Some((byte, rest)) = bytes.split_first() {
            if self.literal > 0 {
                let here = self.literal.min(bytes.len() as u64);
                self.literal -= here;
                bytes = usize::try_from(here).ok().and_then(|n| bytes.get(n..)).unwrap_or_default();
                continue;
            }
            self.line += 1;
            if self.line > LINE_BYTES_MAX {
                return Err(io::Error::other("the server sent a line without an end"));
            }
            self.announced = match (*byte, self.announced) {
                (b'{', _) => Announced::Digits(0),
                (digit @ b'0'..=b'9', Announced::Digits(n)) => {
                    Announced::Digits(n.saturating_mul(10).saturating_add(u64::from(digit - b'0')))
                }
                (b'+', Announced::Digits(n)) => Announced::Digits(n),
                (b'}', Announced::Digits(n)) => Announced::Closed(n),
                (b'\r', Announced::Closed(n)) => Announced::Closed(n),
                (b'\n', Announced::Closed(n)) => {
                    self.begin_literal(n)?;
                    Announced::Nothing
                }
                _ => Announced::Nothing,
            };
            if *byte == b'\n' {
                self.line = 0;
            }
            bytes = rest;
        }
        Ok(())
    }

    fn begin_literal(&mut self, bytes: u64) -> io::Result<()> {
        if bytes > self.literal_bytes_max {
            return Err(io::Error::other(format!(
                "the server announced a literal of {bytes} octets"
            )));
        }
        self.literal = bytes;
        Ok(())
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Bounded<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let poll = Pin::new(&mut self.inner).poll_read(cx, buf);
        if let Poll::Ready(Ok(())) = poll {
            let new = buf.filled().get(before..).unwrap_or_default();
            if let Err(why) = self.check(new) {
                return Poll::Ready(Err(why));
            }
        }
        poll
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Bounded<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pieces: &[&[u8]], passes: bool) {
        let mut stream = Bounded::new((), 100);
        let result = pieces.iter().try_for_each(|piece| stream.check(piece));
        assert_eq!(result.is_ok(), passes, "{result:?}");
    }

    #[test]
    fn literals_are_bounded_wherever_the_bytes_are_cut() {
        check(&[b"* 1 FETCH (BODY[] {10}\r\n0123456789)\r\n"], true);
        check(&[b"* 1 FETCH (BODY[] {1", b"00}\r", b"\n", &[b'{'; 100], b")\r\n"], true);
        check(&[b"* 1 FETCH (BODY[] {101}\r\n"], false);
        check(&[b"* 1 FETCH (BODY[] {429496", b"7295}\r\n"], false);
        check(&[b"* 1 FETCH (BODY[] {99999999999999999999999}\r\n"], false);
        // Braces inside a line or a literal announce nothing.
        check(&[b"* OK {5000} is a number\r\n* 1 FETCH {9}\r\n{5000}\r\n \r\n"], true);
    }

    #[test]
    fn lines_are_bounded() {
        let long = vec![b'x'; usize::try_from(LINE_BYTES_MAX).unwrap() + 1];
        check(&[&long], false);
    }
}
