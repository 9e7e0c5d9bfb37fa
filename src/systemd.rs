//! EDGE: tells systemd how the desk is (sd_notify(3)), when it was started by it.

use std::env;
use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::{Arc, Mutex, PoisonError};

use tracing::warn;

/// The service manager, if there is one.
#[derive(Clone, Debug, Default)]
pub struct Systemd(Option<Arc<Socket>>);

#[derive(Debug)]
struct Socket {
    socket: UnixDatagram,
    /// The status that was told last.
    status: Mutex<String>,
}

impl Systemd {
    /// The manager that `NOTIFY_SOCKET` names. One that is not there is no reason not to work.
    pub fn from_env() -> Systemd {
        let Some(name) = env::var_os("NOTIFY_SOCKET") else { return Systemd(None) };
        match connect(&name) {
            Ok(socket) => Systemd(Some(Arc::new(Socket { socket, status: Mutex::default() }))),
            Err(why) => {
                warn!(%why, "NOTIFY_SOCKET names nobody who listens; systemd is told nothing");
                Systemd(None)
            }
        }
    }

    /// Whether anybody listens.
    pub fn listens(&self) -> bool {
        self.0.is_some()
    }

    /// The desk works; after the start, and after a reload.
    pub fn ready(&self) {
        self.tell("READY=1");
    }

    /// It reads rules and templates again; `ready` ends it.
    pub fn reloading(&self) {
        self.tell("RELOADING=1");
    }

    /// It finishes the letters in hand.
    pub fn stopping(&self) {
        self.tell("STOPPING=1\nSTATUS=finishing the letters in hand");
    }

    /// The loop moves; without this for `WatchdogSec`, systemd starts the desk anew.
    pub fn alive(&self) {
        self.tell("WATCHDOG=1");
    }

    /// One line for people, told when it changes.
    pub fn status(&self, status: &str) {
        let Some(told) = self.0.as_ref().map(|manager| &manager.status) else { return };
        let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
        if *told != status {
            status.clone_into(&mut told);
            self.tell(&format!("STATUS={status}"));
        }
    }

    fn tell(&self, words: &str) {
        if let Some(manager) = &self.0 {
            // A manager that does not listen is no reason to wait, or to stop working.
            let _ = manager.socket.send(words.as_bytes());
        }
    }
}

fn connect(name: &OsStr) -> io::Result<UnixDatagram> {
    let address = match name.as_bytes().split_first() {
        Some((b'@', abstract_name)) => SocketAddr::from_abstract_name(abstract_name)?,
        _ => SocketAddr::from_pathname(name)?,
    };
    let socket = UnixDatagram::unbound()?;
    socket.connect_addr(&address)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}
