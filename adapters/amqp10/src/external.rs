//! SASL EXTERNAL over a connection that we have encrypted ourselves: the library does that only where
//! it encrypts, and then nothing can look at what comes before the library does.

use std::io;

use fe2o3_amqp::Connection as Library;
use fe2o3_amqp::connection::OpenError;
use fe2o3_amqp::sasl_profile::SaslProfile;
use fe2o3_amqp::transport::Transport as Framed;
use fe2o3_amqp::transport::protocol_header::ProtocolHeaderCodec;
use tokio_util::codec::{FramedRead, FramedWrite};

use crate::guard::Transport;

/// Logs in by the certificate that was shown: what remains is to open the connection, without SASL.
///
/// # Errors
/// The broker does not want that, or hung up.
pub(crate) async fn log_in<S: Transport>(host_name: &str, stream: S) -> Result<S, OpenError> {
    let (reader, writer) = tokio::io::split(stream);
    let writer = FramedWrite::new(writer, ProtocolHeaderCodec::new());
    let reader = FramedRead::new(reader, ProtocolHeaderCodec::new());
    let mut framed = Framed::negotiate_sasl_header(writer, reader).await?;
    let profile = SaslProfile::External;
    // Of all it knows, only this is asked for here.
    let mut builder = Library::builder().container_id("").sasl_hostname(host_name);
    builder.negotiate_sasl(&mut framed, profile).await?;
    let (writer, reader) = framed.into_framed_codec();
    if !reader.read_buffer().is_empty() {
        let early = "the broker went on before it was our turn";
        return Err(OpenError::Io(io::Error::other(early)));
    }
    Ok(reader.into_inner().unsplit(writer.into_inner()))
}

/// No server of the tests offers EXTERNAL over AMQP 1.0: a stand-in speaks section 5.3 of the
/// standard.
#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

    use super::*;

    const HEADER: &[u8] = b"AMQP\x03\x01\0\0";

    /// Reads our login, and answers with this code: what it read.
    async fn broker(mut stream: DuplexStream, code: u8) -> (DuplexStream, Vec<u8>) {
        let mut header = [0; 8];
        stream.read_exact(&mut header).await.unwrap();
        assert_eq!(header, HEADER);
        stream.write_all(HEADER).await.unwrap();
        let mechanisms = b"\0\0\0\x18\x02\x01\0\0\0\x53\x40\xc0\x0b\x01\xa3\x08EXTERNAL";
        stream.write_all(mechanisms).await.unwrap();
        let size = stream.read_u32().await.unwrap();
        let mut init = vec![0; size as usize - 4];
        stream.read_exact(&mut init).await.unwrap();
        let outcome = [
            0, 0, 0, 16, 2, 1, 0, 0, 0, 0x53, 0x44, 0xc0, 3, 1, 0x50, code,
        ];
        stream.write_all(&outcome).await.unwrap();
        (stream, init)
    }

    #[tokio::test]
    async fn the_stream_goes_on_after_the_login() {
        let (ours, theirs) = duplex(1_000);
        let (opened, answered) = tokio::join!(log_in("host.example", ours), broker(theirs, 0));
        let (mut ours, (mut theirs, init)) = (opened.unwrap(), answered);
        let holds = |text: &[u8]| init.windows(text.len()).any(|w| w == text);
        assert!(holds(b"EXTERNAL") && holds(b"host.example"), "{init:?}");
        theirs.write_all(b"next").await.unwrap();
        let mut next = [0; 4];
        ours.read_exact(&mut next).await.unwrap();
        assert_eq!(&next, b"next");
    }

    #[tokio::test]
    async fn a_refusal_is_told() {
        let (ours, theirs) = duplex(1_000);
        let (opened, _) = tokio::join!(log_in("host.example", ours), broker(theirs, 1));
        assert!(matches!(opened, Err(OpenError::SaslError { .. })));
    }
}
