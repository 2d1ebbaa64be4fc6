//! A tap on the wire: the simulator does not tell what we answered to what it sent, so this listens.

use std::sync::{Arc, Mutex};

use adapter_sms::pdu::{Body, HEADER_BYTES, Pdu};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// `deliver_sm` and the status it was answered with, if it was.
#[derive(Debug, Clone)]
pub(crate) struct Delivered {
    pub(crate) text: String,
    pub(crate) status: Option<u32>,
    connection: u32,
    sequence: u32,
}

type Log = Arc<Mutex<Vec<Delivered>>>;

/// Listens between hub and message centre.
pub(crate) struct Tap {
    pub(crate) address: String,
    log: Log,
    listening: tokio::task::JoinHandle<()>,
}

impl Drop for Tap {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

impl Tap {
    pub(crate) async fn on(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let log = Log::default();
        let listening = tokio::spawn(listen(listener, server.to_owned(), log.clone()));
        Self {
            address,
            log,
            listening,
        }
    }

    /// The last message whose text begins so.
    pub(crate) fn last(&self, beginning: &str) -> Option<Delivered> {
        let log = self.log.lock().unwrap();
        log.iter().rfind(|d| d.text.starts_with(beginning)).cloned()
    }
}

async fn listen(listener: TcpListener, server: String, log: Log) {
    for connection in 0.. {
        let (hub, _) = listener.accept().await.unwrap();
        // A server that is gone: the hub's connection ends.
        if let Ok(server) = TcpStream::connect(&server).await {
            tokio::spawn(forward(hub, server, connection, log.clone()));
        }
    }
}

async fn forward(hub: TcpStream, server: TcpStream, connection: u32, log: Log) {
    let (hub_reads, hub_writes) = hub.into_split();
    let (server_reads, server_writes) = server.into_split();
    // Whichever side ends, both do.
    tokio::select! {
        _ = copy(hub_reads, server_writes, |pdu| answered(&log, connection, pdu)) => {}
        _ = copy(server_reads, hub_writes, |pdu| delivered(&log, connection, pdu)) => {}
    }
}

async fn copy(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    see: impl Fn(Pdu),
) -> std::io::Result<()> {
    loop {
        let length = from.read_u32().await?;
        let rest = (length as usize).clamp(HEADER_BYTES, 100_000) - 4;
        let mut unit = length.to_be_bytes().to_vec();
        unit.resize(rest + 4, 0);
        from.read_exact(&mut unit[4..]).await?;
        if let Ok(pdu) = Pdu::decode(&unit) {
            see(pdu);
        }
        to.write_all(&unit).await?;
    }
}

fn delivered(log: &Log, connection: u32, pdu: Pdu) {
    if let Body::DeliverSm(message) = pdu.body {
        log.lock().unwrap().push(Delivered {
            text: String::from_utf8_lossy(&message.short_message).into_owned(),
            status: None,
            connection,
            sequence: pdu.sequence,
        });
    }
}

fn answered(log: &Log, connection: u32, pdu: Pdu) {
    if pdu.body != Body::DeliverSmResp {
        return;
    }
    let mut log = log.lock().unwrap();
    let asked = |d: &&mut Delivered| (d.connection, d.sequence) == (connection, pdu.sequence);
    let delivered = log.iter_mut().find(asked).expect("answers what was sent");
    let before = delivered.status.replace(pdu.status);
    assert_eq!(before, None, "answered once");
}
