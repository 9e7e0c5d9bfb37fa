//! Parsing apart: on a thread with a big stack, each message behind a net.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

use anyhow::{Context as _, Result};
use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};
use tokio::sync::oneshot;

use crate::mail::{self, Bounds, Mail, Unreadable};
use crate::mailbox::{Fetched, Seen};

/// mail-parser recurses into nested messages; the bounds keep it far below this.
const STACK_BYTES: usize = 64 * 1024 * 1024;

/// A message as far as it could be read.
#[derive(Debug)]
pub(super) struct Read {
    pub(super) seen: Seen,
    /// Of the raw bytes; none when they were too many to fetch.
    pub(super) sha256: Option<String>,
    /// The mail, or the reason why it is set aside.
    pub(super) mail: Result<Mail, &'static str>,
}

/// Reads a batch.
///
/// # Errors
/// When no thread can be had.
pub(super) async fn read(batch: Vec<Fetched>, bounds: Bounds) -> Result<Vec<Read>> {
    let (done, result) = oneshot::channel();
    thread::Builder::new()
        .name("parse".to_owned())
        .stack_size(STACK_BYTES)
        .spawn(move || {
            drop(done.send(batch.into_iter().map(|one| read_one(one, &bounds)).collect()))
        })
        .context("Cannot start a thread")?;
    result.await.context("The parser's thread ended")
}

fn read_one(fetched: Fetched, bounds: &Bounds) -> Read {
    let Fetched { seen, raw } = fetched;
    let raw = match raw {
        Ok(raw) => raw,
        Err(why) => return Read { seen, sha256: None, mail: Err(why.as_str()) },
    };
    let sha256 = Some(HEXLOWER.encode(&Sha256::digest(&raw)));
    let parsed = catch_unwind(AssertUnwindSafe(|| mail::parse(&raw, bounds)));
    let mail = match parsed {
        Ok(Ok(mail)) => Ok(mail),
        Ok(Err(Unreadable::TooLarge)) => Err("message-too-large"),
        Ok(Err(Unreadable::HeaderTooLarge)) => Err("header-too-large"),
        Ok(Err(Unreadable::TooNested)) => Err("too-deeply-nested"),
        Ok(Err(Unreadable::NoMessage)) => Err("not-a-message"),
        Err(_) => Err("unreadable"),
    };
    Read { seen, sha256, mail }
}
