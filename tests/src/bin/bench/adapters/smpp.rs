//! A bare SMPP 3.4 client: the units that the benchmark needs, written and read by hand. There is no
//! library of it in Rust to set beside the hub, and the hub's own would be no comparison.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::servers::Place;
use crate::Outcome;

/// Octets of a message's text: what one SMS holds.
const TEXT_OCTETS: usize = 140;
/// Octets of a unit's header: length, command, status and sequence number.
const HEADER_OCTETS: usize = 16;

const SUBMIT_SM: u32 = 0x04;
const DELIVER_SM: u32 = 0x05;
const DELIVER_SM_RESP: u32 = 0x8000_0005;
const UNBIND: u32 = 0x06;
const BIND_TRANSCEIVER: u32 = 0x09;
const OK: u32 = 0;

/// A bind with the message centre.
pub(super) struct Smpp {
    stream: TcpStream,
    /// What was read and not taken yet.
    buffer: Vec<u8>,
    sequence: u32,
}

/// What matters of a unit that came.
struct Unit {
    command: u32,
    status: u32,
    sequence: u32,
}

impl Smpp {
    pub(super) async fn bind(place: &Place) -> Outcome<Self> {
        let stream = TcpStream::connect((place.host.as_str(), place.port)).await?;
        stream.set_nodelay(true)?;
        let mut bound = Self {
            stream,
            buffer: Vec::new(),
            sequence: 0,
        };
        let (user, password) = (&place.user, &place.password);
        // No system type, version 3.4, no address range.
        let body = format!("{user}\0{password}\0\0\x34\0\0\0");
        bound.request(BIND_TRANSCEIVER, body.as_bytes()).await?;
        match bound.next().await?.status {
            OK => Ok(bound),
            status => Err(format!("the bind is refused with {status:#x}").into()),
        }
    }

    /// Submits so many texts, with so many unanswered at once.
    pub(super) async fn submit(&mut self, count: u64, window: u64) -> Outcome<()> {
        let (mut sent, mut answered) = (0, 0);
        while answered < count {
            let mut units = Vec::new();
            while sent < count && sent - answered < window {
                self.write(SUBMIT_SM, &short_message(sent), &mut units);
                sent += 1;
            }
            self.stream.write_all(&units).await?;
            // Whatever has come is looked at before more is written.
            loop {
                let answer = self.next().await?;
                if answer.status != OK {
                    return Err(format!("a text is refused with {:#x}", answer.status).into());
                }
                answered += 1;
                if !self.has_whole_unit() {
                    break;
                }
            }
        }
        Ok(())
    }

    /// Takes so many messages and answers each.
    pub(super) async fn take(&mut self, count: u64) -> Outcome<()> {
        let mut taken = 0;
        while taken < count {
            let mut answers = Vec::new();
            loop {
                let unit = self.next().await?;
                if unit.command == DELIVER_SM {
                    // An unused message id.
                    put(DELIVER_SM_RESP, unit.sequence, &[0], &mut answers);
                    taken += 1;
                }
                if !self.has_whole_unit() {
                    break;
                }
            }
            self.stream.write_all(&answers).await?;
        }
        Ok(())
    }

    /// Says good-bye.
    pub(super) async fn unbind(mut self) -> Outcome<()> {
        self.request(UNBIND, &[]).await?;
        self.next().await.map(drop)
    }

    async fn request(&mut self, command: u32, body: &[u8]) -> Outcome<()> {
        let mut unit = Vec::new();
        self.write(command, body, &mut unit);
        Ok(self.stream.write_all(&unit).await?)
    }

    fn write(&mut self, command: u32, body: &[u8], out: &mut Vec<u8>) {
        self.sequence += 1;
        put(command, self.sequence, body, out);
    }

    fn has_whole_unit(&self) -> bool {
        number(&self.buffer, 0).is_some_and(|length| self.buffer.len() >= length as usize)
    }

    async fn next(&mut self) -> Outcome<Unit> {
        while !self.has_whole_unit() {
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err("the message centre closed the connection".into());
            }
        }
        let field = |at| number(&self.buffer, at).ok_or("a unit is shorter than its header");
        let length = field(0)? as usize;
        let unit = Unit {
            command: field(4)?,
            status: field(8)?,
            sequence: field(12)?,
        };
        self.buffer.drain(..length);
        Ok(unit)
    }
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    let octets = bytes.get(at..)?.first_chunk::<4>()?;
    Some(u32::from_be_bytes(*octets))
}

fn put(command: u32, sequence: u32, body: &[u8], out: &mut Vec<u8>) {
    let length = u32::try_from(HEADER_OCTETS + body.len()).unwrap_or(u32::MAX);
    for field in [length, command, OK, sequence] {
        out.extend_from_slice(&field.to_be_bytes());
    }
    out.extend_from_slice(body);
}

/// The body of a `submit_sm`: from a name, to an international number, everything else as usual.
fn short_message(number: u64) -> Vec<u8> {
    let (telephone, text) = (TELEPHONE.trim_start_matches('+'), text(number));
    let mut body = format!("\0\x05\0Nordkraft\0\x01\x01{telephone}\0").into_bytes();
    // esm_class, protocol, priority, schedule, validity, receipt, replace, coding, default message
    body.extend_from_slice(&[0; 9]);
    body.push(u8::try_from(text.len()).unwrap_or(u8::MAX));
    body.extend_from_slice(text.as_bytes());
    body
}

/// A telephone that just works, as the simulator has it.
pub(super) const TELEPHONE: &str = "+37255500001";

/// A text that fills one SMS.
pub(super) fn text(number: u64) -> String {
    format!("{number:09} {:-<width$}", "", width = TEXT_OCTETS - 10)
}
