//! A port that can be shut and opened again; connections end when it is shut.

use std::net::SocketAddr;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

pub(super) struct Gate {
    address: SocketAddr,
    behind: SocketAddr,
    running: Option<JoinHandle<()>>,
}

impl Gate {
    pub(super) async fn open(behind: SocketAddr) -> Self {
        let mut gate = Self {
            address: "127.0.0.1:0".parse().unwrap(),
            behind,
            running: None,
        };
        gate.reopen().await;
        gate
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) async fn shut(&mut self) {
        if let Some(running) = self.running.take() {
            running.abort();
            // Its end is what was asked for.
            let _ = running.await;
        }
    }

    pub(super) async fn reopen(&mut self) {
        let listener = TcpListener::bind(self.address).await.unwrap();
        self.address = listener.local_addr().unwrap();
        let behind = self.behind;
        self.running = Some(tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((mut client, _)) = listener.accept().await {
                connections.spawn(async move {
                    let mut server = TcpStream::connect(behind).await?;
                    copy_bidirectional(&mut client, &mut server).await
                });
            }
        }));
    }
}
