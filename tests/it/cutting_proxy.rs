//! A proxy before a server that cuts one connection where it is told to.

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy, sink};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

/// Which way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    ToServer,
    ToClient,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    /// Both sides see an end of file.
    End,
    /// Both sides see a reset.
    Reset,
    /// Nothing comes through any more, and both sides stay open.
    Stall,
}

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    Octets,
    /// TLS records (RFC 8446 §5.1).
    Records,
}

/// So many pieces get through that way, and no more.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cut {
    pub(crate) way: Way,
    pub(crate) after: usize,
    pub(crate) how: How,
}

#[derive(Clone, Debug)]
pub(crate) struct CuttingProxy {
    state: Arc<Mutex<State>>,
    port: u16,
}

#[derive(Debug, Default)]
struct State {
    plan: Option<Cut>,
    /// Pieces of the newest connection, to the server and to the client.
    passed: [usize; 2],
    connections: usize,
}

impl CuttingProxy {
    pub(crate) async fn start(server: u16, unit: Unit) -> CuttingProxy {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let proxy = CuttingProxy { state: Arc::default(), port };
        let accepting = proxy.clone();
        tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                let server = TcpStream::connect((Ipv4Addr::LOCALHOST, server)).await.unwrap();
                client.set_nodelay(true).unwrap();
                server.set_nodelay(true).unwrap();
                let cut = {
                    let mut state = accepting.state.lock().unwrap();
                    state.passed = [0; 2];
                    state.connections += 1;
                    state.plan.take()
                };
                tokio::spawn(accepting.clone().passes(client, server, cut, unit));
            }
        });
        proxy
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// The next connection is cut.
    pub(crate) fn cuts(&self, cut: Cut) {
        self.state.lock().unwrap().plan = Some(cut);
    }

    /// Pieces that got through on the newest connection.
    pub(crate) fn passed(&self, way: Way) -> usize {
        self.state.lock().unwrap().passed[way as usize]
    }

    pub(crate) fn connections(&self) -> usize {
        self.state.lock().unwrap().connections
    }

    async fn passes(
        self,
        mut client: TcpStream,
        mut server: TcpStream,
        cut: Option<Cut>,
        unit: Unit,
    ) {
        let mut waiting = [Vec::new(), Vec::new()];
        let mut passed = [0_usize; 2];
        let (mut from_client, mut from_server) = ([0_u8; 4096], [0_u8; 4096]);
        loop {
            let (way, read) = tokio::select! {
                read = client.read(&mut from_client) => (Way::ToServer, read),
                read = server.read(&mut from_server) => (Way::ToClient, read),
            };
            let bytes = match (way, read) {
                (_, Err(_) | Ok(0)) => break,
                (Way::ToServer, Ok(count)) => &from_client[..count],
                (Way::ToClient, Ok(count)) => &from_server[..count],
            };
            let index = way as usize;
            waiting[index].extend_from_slice(bytes);
            while let Some(length) = piece(&waiting[index], unit) {
                if let Some(cut) = cut
                    && cut.way == way
                    && cut.after == passed[index]
                {
                    return end(client, server, cut.how).await;
                }
                let piece: Vec<u8> = waiting[index].drain(..length).collect();
                passed[index] += 1;
                self.state.lock().unwrap().passed[index] = passed[index];
                let to = if way == Way::ToServer { &mut server } else { &mut client };
                if to.write_all(&piece).await.is_err() {
                    return;
                }
            }
        }
        end(client, server, How::End).await;
    }
}

/// Octets of the first piece, when all of it is there.
fn piece(bytes: &[u8], unit: Unit) -> Option<usize> {
    let length = match (unit, bytes) {
        (Unit::Octets, _) => 1,
        (Unit::Records, [_, _, _, high, low, ..]) => {
            5 + usize::from(*high) * 256 + usize::from(*low)
        }
        (Unit::Records, _) => return None,
    };
    (bytes.len() >= length).then_some(length)
}

async fn end(mut client: TcpStream, mut server: TcpStream, how: How) {
    match how {
        How::Reset => {
            client.set_zero_linger().unwrap();
            server.set_zero_linger().unwrap();
        }
        How::End => {
            let _ = client.shutdown().await;
            let _ = server.shutdown().await;
            // With octets unread, closing would be a reset.
            let (mut one, mut other) = (sink(), sink());
            let rest =
                async { tokio::join!(copy(&mut client, &mut one), copy(&mut server, &mut other)) };
            let _ = timeout(Duration::from_secs(5), rest).await;
        }
        How::Stall => {
            let _ = copy(&mut client, &mut sink()).await;
        }
    }
}
