//! A stream that hands on nothing that is nested too deeply for the library's stack: a message that is
//! comes through spoilt, and is known as such; anything else ends it.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::frames::Frames;
use crate::nesting::Fault;
use crate::spoilt::Spoilt;

/// What a connection can run over.
pub(crate) trait Transport:
    AsyncRead + AsyncWrite + fmt::Debug + Send + Unpin + 'static
{
}

impl<S: AsyncRead + AsyncWrite + fmt::Debug + Send + Unpin + 'static> Transport for S {}

/// A connection's stream, in the clear. What comes is looked at before it is handed on; what goes is
/// ours.
#[derive(Debug)]
pub(crate) struct Guard<S> {
    stream: S,
    frames: Frames,
    /// Why nothing more is handed on.
    fault: Option<Fault>,
}

impl<S> Guard<S> {
    /// Of a connection that begins, on which messages of at most so many bytes come.
    pub(crate) fn new(stream: S, largest: u64, spoilt: Spoilt) -> Self {
        Self {
            stream,
            frames: Frames::new(largest, spoilt),
            fault: None,
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Guard<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if let Some(fault) = this.fault {
            return Poll::Ready(Err(error(fault)));
        }
        let before = buffer.filled().len();
        ready!(Pin::new(&mut this.stream).poll_read(context, buffer))?;
        let new = buffer.filled_mut().get_mut(before..).unwrap_or_default();
        if let Err(fault) = this.frames.read(new) {
            buffer.set_filled(before);
            this.fault = Some(fault);
            return Poll::Ready(Err(error(fault)));
        }
        Poll::Ready(Ok(()))
    }
}

fn error(fault: Fault) -> io::Error {
    let told = format!("the broker sent what cannot be read safely, outside of a message: {fault}");
    io::Error::new(io::ErrorKind::InvalidData, told)
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Guard<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;

    use super::*;

    /// A frame with what would be a list in a list, and so on.
    fn nested(levels: usize) -> Vec<u8> {
        let mut body = vec![0x00, 0x53, 0x10];
        for level in (0..levels).rev() {
            let inner = u32::try_from(level * 9).unwrap();
            body.push(0xd0);
            body.extend((inner + 5).to_be_bytes());
            body.extend(1_u32.to_be_bytes());
        }
        body.push(0x40);
        let size = u32::try_from(body.len() + 8).unwrap();
        let mut frame = size.to_be_bytes().to_vec();
        frame.extend([2, 0, 0, 0]);
        frame.extend(body);
        frame
    }

    fn guarded(bytes: &[u8]) -> Guard<&[u8]> {
        Guard::new(bytes, 1_000, Spoilt::default())
    }

    #[tokio::test]
    async fn what_is_nested_too_deeply_is_not_handed_on_and_ends_it() {
        let good = nested(63);
        let mut guard = guarded(&good);
        let mut read = Vec::new();
        guard.read_to_end(&mut read).await.unwrap();
        assert_eq!(read, good);
        let bad = nested(64);
        let mut guard = guarded(&bad);
        let mut read = [0; 2_048];
        let error = guard.read(&mut read).await.unwrap_err();
        assert!(
            error
                .to_string()
                .contains("nested more than 64 levels deep")
        );
        let again = guard.read(&mut [0; 16]).await.unwrap_err();
        assert_eq!(again.kind(), io::ErrorKind::InvalidData);
    }
}
