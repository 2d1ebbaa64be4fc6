//! The session's task: writes what is queued, reads what comes, watches the link and says good-bye.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use tokio_util::codec::{FramedRead, LengthDelimitedCodec};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::inbound::respond;
use super::{Inbound, NoAnswer, Wire};
use crate::link::Stream;
use crate::pdu::{Body, LONGEST_PDU, Malformed, Pdu, status};

/// Units that are written at once if so many wait: a call of the system, and a packet, each would
/// cost more than the units.
const WRITTEN_TOGETHER: usize = 64;

/// How long an `unbind` may take, ours or theirs.
const GOODBYE: Duration = Duration::from_secs(2);

/// Runs the session until it ends, for whatever reason comes first.
pub(super) async fn run(
    wire: Arc<Wire>,
    stream: Box<dyn Stream>,
    to_write: mpsc::Receiver<Vec<u8>>,
    arrived: mpsc::Sender<Inbound>,
    enquire_link: Duration,
    stop: CancellationToken,
) {
    let _over = wire.over.clone().drop_guard();
    let (read, write) = tokio::io::split(stream);
    let reason = tokio::select! {
        reason = read_all(&wire, read, &arrived) => reason,
        reason = write_all(write, to_write, wire.answer_timeout) => reason,
        reason = watch(&wire, enquire_link) => reason,
        reason = leave(&wire, &stop) => reason,
    };
    info!(%reason, "the session with the message centre ended");
    wire.end(&reason);
}

/// Writes what is queued.
async fn write_all(
    mut write: impl AsyncWrite + Unpin,
    mut units: mpsc::Receiver<Vec<u8>>,
    patience: Duration,
) -> String {
    let mut waiting = Vec::new();
    while units.recv_many(&mut waiting, WRITTEN_TOGETHER).await > 0 {
        let octets = waiting.concat();
        waiting.clear();
        let written = async {
            write.write_all(&octets).await?;
            write.flush().await
        };
        match timeout(patience, written).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return error.to_string(),
            Err(_) => return format!("it took nothing for {patience:?}"),
        }
    }
    "it is not used any more".to_owned()
}

/// Asks whether the other side is there.
async fn watch(wire: &Wire, pause: Duration) -> String {
    loop {
        sleep(pause).await;
        if let Err(NoAnswer::TimedOut(patience)) =
            wire.request(Body::EnquireLink, wire.answer_timeout).await
        {
            return format!("it did not answer enquire_link within {patience:?}");
        }
    }
}

/// Says good-bye once nobody uses the session any more.
async fn leave(wire: &Wire, stop: &CancellationToken) -> String {
    stop.cancelled().await;
    // It ends here, whatever the message centre says.
    let _ = wire.request(Body::Unbind, GOODBYE).await;
    "it is not used any more".to_owned()
}

/// Reads what comes.
async fn read_all(
    wire: &Arc<Wire>,
    read: impl AsyncRead + Unpin,
    arrived: &mpsc::Sender<Inbound>,
) -> String {
    let codec = LengthDelimitedCodec::builder()
        .num_skip(0)
        .max_frame_length(LONGEST_PDU)
        .new_codec();
    let mut units = FramedRead::new(read, codec);
    while let Some(unit) = units.next().await {
        let unit = match unit {
            Ok(unit) => unit,
            Err(error) => return error.to_string(),
        };
        match Pdu::decode(&unit) {
            Ok(pdu) if pdu.body == Body::Unbind => {
                let reason = "the message centre ended the session (unbind)";
                wire.end(reason);
                wire.write(respond(pdu.sequence, status::OK, Body::UnbindResp))
                    .await;
                // Until it is written and the other side hangs up.
                let _ = timeout(GOODBYE, units.next()).await;
                return reason.to_owned();
            }
            Ok(pdu) => take(wire, pdu, arrived).await,
            Err(error) if error.sequence == 0 => return "what it sent is not SMPP".to_owned(),
            Err(error) => decline(wire, &error).await,
        }
    }
    "the message centre closed the connection".to_owned()
}

async fn take(wire: &Arc<Wire>, pdu: Pdu, arrived: &mpsc::Sender<Inbound>) {
    let sequence = pdu.sequence;
    match pdu.body {
        Body::EnquireLink => {
            wire.write(respond(sequence, status::OK, Body::EnquireLinkResp))
                .await
        }
        Body::DeliverSm(message) => {
            let inbound = Inbound::new(*message, sequence, wire.clone());
            // No room, or no session: dropped, it is declined.
            drop(arrived.try_send(inbound));
        }
        Body::BindResp { .. }
        | Body::SubmitSmResp { .. }
        | Body::DeliverSmResp
        | Body::EnquireLinkResp
        | Body::UnbindResp
        | Body::GenericNack => wire.answered(pdu),
        // A response to what we never asked.
        Body::Other(command) if command >= 0x8000_0000 => {}
        Body::Other(_) | Body::Bind(_) | Body::SubmitSm(_) | Body::Unbind => {
            let unit = respond(sequence, status::INVALID_COMMAND, Body::GenericNack);
            wire.write(unit).await;
        }
    }
}

/// Answers what cannot be read.
async fn decline(wire: &Wire, error: &Malformed) {
    warn!(%error, "the message centre sent what cannot be read");
    if error.is_delivery() {
        let never = status::PERMANENT_APPLICATION_ERROR;
        wire.write(respond(error.sequence, never, Body::DeliverSmResp))
            .await;
    } else if error.is_request() {
        let unit = respond(error.sequence, status::INVALID_COMMAND, Body::GenericNack);
        wire.write(unit).await;
    }
}
