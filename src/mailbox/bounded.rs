//! A stream from a server that may lie: lines and literals are bounded before async-imap
//! allocates memory for them (it zeroes whatever a literal announces), and so is silence.

use std::io;
use std::pin::Pin;
use std::sync::LazyLock;
use std::task::{Context, Poll};
use std::time::Duration;

use regex::bytes::Regex;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// Longest silence of the server while it is to answer. With it a server that stalled is done
/// with early enough that the desk is back within a minute.
const SILENCE_MAX: Duration = Duration::from_secs(45);
/// Octets of one response line without its literals. Each time more of a line comes, async-imap
/// reads it from its beginning.
const LINE_BYTES_MAX: u64 = 64 * 1024;
/// The same where all messages of the inbox are named on one line.
const SEARCH_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// How such a line begins.
const SEARCH: &[u8] = b"* SEARCH ";
/// Octets that tell what a response is.
const RESPONSE_BEGINS: usize = "* LIST".len();
/// Lists inside lists. What is asked for has two; imap-proto recurses, and ends the process on
/// some hundreds.
const NESTING_MAX: u32 = 32;

/// After a literal of this size the rest of the response is looked at first: async-imap writes
/// out many times over what it cannot read to its end.
const LARGE_LITERAL_BYTES: u64 = 1024 * 1024;
/// Octets of that rest.
const REST_BYTES_MAX: usize = 1024;

/// What may stand after a large literal: the end of a FETCH, and items that servers add to it.
#[expect(clippy::unwrap_used, reason = "a fixed pattern, which a test reads")]
static REST: LazyLock<Regex> = LazyLock::new(|| {
    let flag = r"[\\$]?[A-Za-z0-9_.-]+";
    let items = r" UID [0-9]{1,9}| RFC822\.SIZE [0-9]{1,9}| MODSEQ \([0-9]{1,18}\)";
    Regex::new(&format!(r"^(?:{items}| FLAGS \((?:{flag}(?: {flag})*)?\))*\)\r\n$")).unwrap()
});

/// What a server may not do.
#[derive(Debug, Error)]
pub(super) enum Overstepped {
    #[error("the server sent a line without an end")]
    Line,
    #[error("the server announced a literal of {0} octets")]
    Literal(u64),
    #[error("the server announced a literal where there is none")]
    OutOfPlace,
    #[error("the server sent lists inside lists without an end")]
    Nesting,
    #[error("the server ended a large message with what cannot be read")]
    Rest,
    #[error("the server does not answer")]
    Silence,
}

/// Counts what comes in, and how long nothing does.
#[derive(Debug)]
pub(super) struct Bounded<S> {
    inner: S,
    /// Ends the patience with a silence that has begun.
    patience: Option<Pin<Box<Sleep>>>,
    /// Nothing is expected: it is for the server to begin.
    may_be_silent: bool,
    literal_bytes_max: u64,
    /// Lists that are open.
    nesting: u32,
    /// Octets of the current line.
    line: u64,
    /// So far it begins as a SEARCH answer does.
    is_search: bool,
    /// How the response begins, of which the line may be a part.
    begins: Vec<u8>,
    /// Octets of the current literal that are still to come.
    literal: u64,
    /// Octets of all literals of the current response.
    literals: u64,
    /// What stands after a large literal.
    rest: Option<Vec<u8>>,
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
        Bounded {
            inner,
            patience: None,
            may_be_silent: false,
            literal_bytes_max,
            nesting: 0,
            line: 0,
            is_search: true,
            begins: Vec::new(),
            literal: 0,
            literals: 0,
            rest: None,
            announced: Announced::Nothing,
        }
    }

    /// Whether the server may say nothing for as long as it likes.
    pub(super) fn let_be_silent(&mut self, may_be_silent: bool) {
        self.may_be_silent = may_be_silent;
        self.patience = None;
    }

    fn check(&mut self, mut bytes: &[u8]) -> Result<(), Overstepped> {
        while let Some((byte, rest)) = bytes.split_first() {
            if self.literal > 0 {
                let here = self.literal.min(bytes.len() as u64);
                self.literal -= here;
                bytes = usize::try_from(here).ok().and_then(|n| bytes.get(n..)).unwrap_or_default();
                continue;
            }
            if let Some(rest) = &mut self.rest {
                rest.push(*byte);
                if rest.len() > REST_BYTES_MAX || (*byte == b'\n' && !REST.is_match(rest)) {
                    return Err(Overstepped::Rest);
                }
            }
            if self.begins.len() < RESPONSE_BEGINS {
                self.begins.push(*byte);
            }
            let begins = usize::try_from(self.line).ok().and_then(|at| SEARCH.get(at));
            self.is_search &= begins.is_none_or(|expected| expected == byte);
            self.line += 1;
            if self.line > if self.is_search { SEARCH_BYTES_MAX } else { LINE_BYTES_MAX } {
                return Err(Overstepped::Line);
            }
            match byte {
                b'(' => self.nesting += 1,
                b')' => self.nesting = self.nesting.saturating_sub(1),
                _ => {}
            }
            if self.nesting > NESTING_MAX {
                return Err(Overstepped::Nesting);
            }
            let announced = self.announced;
            self.announced = match (*byte, announced) {
                (b'{', _) => Announced::Digits(0),
                (digit @ b'0'..=b'9', Announced::Digits(n)) => {
                    Announced::Digits(n.saturating_mul(10).saturating_add(u64::from(digit - b'0')))
                }
                (b'+', Announced::Digits(n)) => Announced::Digits(n),
                (b'}', Announced::Digits(n)) => Announced::Closed(n),
                (b'\r', Announced::Closed(n)) => Announced::Closed(n),
                _ => Announced::Nothing,
            };
            if *byte == b'\n' {
                self.line = 0;
                self.is_search = true;
                match announced {
                    Announced::Closed(n) if self.may_have_literals() => self.begin_literal(n)?,
                    Announced::Closed(_) => return Err(Overstepped::OutOfPlace),
                    _ => self.end_response(),
                }
            }
            bytes = rest;
        }
        Ok(())
    }

    /// Of what is asked for, a message and the name of a folder may come as a literal. Elsewhere
    /// the same octets may announce one or not (`* OK see {5000}` does not), and whoever counts
    /// otherwise than imap-proto counts nothing.
    fn may_have_literals(&self) -> bool {
        match self.begins.strip_prefix(b"* ") {
            Some([b'0'..=b'9', ..]) => true,
            Some(name) => name.eq_ignore_ascii_case(b"LIST"),
            None => false,
        }
    }

    fn end_response(&mut self) {
        (self.nesting, self.literals, self.rest) = (0, 0, None);
        self.begins.clear();
    }

    fn begin_literal(&mut self, bytes: u64) -> Result<(), Overstepped> {
        self.literals = self.literals.saturating_add(bytes);
        if self.literals > self.literal_bytes_max {
            return Err(Overstepped::Literal(bytes));
        }
        self.literal = bytes;
        self.rest = (self.literals >= LARGE_LITERAL_BYTES).then(Vec::new);
        Ok(())
    }

    /// Ready when a silence has lasted too long; the first call begins it.
    fn poll_silence(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.may_be_silent {
            return Poll::Pending;
        }
        let patience = self.patience.get_or_insert_with(|| Box::pin(sleep(SILENCE_MAX)));
        patience.as_mut().poll(cx)
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
        match poll {
            Poll::Ready(Ok(())) => {
                self.patience = None;
                let new = buf.filled().get(before..).unwrap_or_default();
                Poll::Ready(self.check(new).map_err(io::Error::other))
            }
            Poll::Ready(Err(why)) => Poll::Ready(Err(why)),
            Poll::Pending => {
                self.poll_silence(cx).map(|()| Err(io::Error::other(Overstepped::Silence)))
            }
        }
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
        check(&[b"* LIST () \"/\" {101}\r\n"], false);
        // Braces inside a line, a text or a literal announce nothing.
        for elsewhere in ["* OK see {9}", "+ {9}", "A1 OK {9}", "* STATUS {9}", "* LSUB () {9}"] {
            check(&[elsewhere.as_bytes(), b"\r\n"], false);
        }
        check(&[b"* OK {5000} is a number\r\n* 1 FETCH {9}\r\n{5000}\r\n \r\n"], true);
    }

    #[test]
    fn literals_of_one_response_are_bounded_together() {
        let half = |end: &str| [b"BODY[] {60}\r\n", &[b'x'; 60][..], end.as_bytes()].concat();
        check(&[b"* 1 FETCH (", &half(")\r\n"), b"* 2 FETCH (", &half(")\r\n")], true);
        check(&[b"* 1 FETCH (", &half(" "), &half(")\r\n")], false);
    }

    #[test]
    fn after_a_large_literal_a_response_ends_as_it_should() {
        let ends_with = |rest: &str| {
            let mut stream = Bounded::new((), 4 * LARGE_LITERAL_BYTES);
            let begin = format!("* 1 FETCH (BODY[] {{{LARGE_LITERAL_BYTES}}}\r\n");
            let literal = vec![b'x'; usize::try_from(LARGE_LITERAL_BYTES).unwrap()];
            let pieces = [begin.as_bytes(), &literal, rest.as_bytes()];
            pieces.iter().try_for_each(|piece| stream.check(piece)).is_ok()
        };
        for good in [")\r\n", " UID 7)\r\n", " FLAGS () UID 7)\r\n", " FLAGS (\\Seen $Junk))\r\n"] {
            assert!(ends_with(good), "{good}");
        }
        for bad in ["\r\n", ") x\r\n", " UID x)\r\n", " BODY[1] {9}\r\n", " FLAGS (\\ ))\r\n"] {
            assert!(!ends_with(bad), "{bad}");
        }
    }

    #[test]
    fn lists_inside_lists_are_bounded() {
        let nested = |count: u32| {
            let lists = "(".repeat(count.try_into().unwrap());
            format!("* 1 FETCH {lists}{}\r\n", lists.replace('(', ")")).into_bytes()
        };
        check(&[&nested(NESTING_MAX), &nested(NESTING_MAX)], true);
        check(&[&nested(NESTING_MAX + 1)], false);
        // A literal ends no list, and holds none; nor does an empty one.
        let empty = b"({0}\r\n".repeat(NESTING_MAX as usize);
        check(&[b"* 1 FETCH (", &empty], false);
        check(&[b"* 1 FETCH ((", b"BODY[] {40}\r\n", &[b'('; 40], &[b'('; 31]], false);
        check(&[b"* 1 FETCH (BODY[] {40}\r\n", &[b'('; 40], b")\r\n"], true);
    }

    #[test]
    fn lines_are_bounded() {
        let long = |begin: &str, octets: u64| {
            let mut line = begin.as_bytes().to_vec();
            line.resize(usize::try_from(octets).unwrap(), b'1');
            line
        };
        check(&[&long("* OK ", LINE_BYTES_MAX)], true);
        check(&[&long("* OK ", LINE_BYTES_MAX + 1)], false);
        check(&[b"* SEA", &long("RCH ", LINE_BYTES_MAX + 1)], true);
        check(&[&long("* SEARCH ", SEARCH_BYTES_MAX + 1)], false);
    }
}
