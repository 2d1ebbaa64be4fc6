//! The body of an outgoing message: pieces in memory or in files, read as one stream.

mod chunks;

use std::path::PathBuf;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::Stream;
use tokio::io::{AsyncRead, ReadBuf};

/// One piece of a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// In memory.
    Bytes(Bytes),
    /// A file of the content store.
    File {
        /// Where it is.
        path: PathBuf,
        /// Its length in bytes.
        len: u64,
    },
}

/// A body: its pieces in order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Content(pub Vec<Piece>);

impl Content {
    /// A body that is in memory.
    #[must_use]
    pub fn bytes(bytes: impl Into<Bytes>) -> Self {
        Self(vec![Piece::Bytes(bytes.into())])
    }

    /// Length in bytes.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.0
            .iter()
            .map(|piece| match piece {
                Piece::Bytes(b) => b.len() as u64,
                Piece::File { len, .. } => *len,
            })
            .sum()
    }

    /// Whether it has no bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The whole body, if it is one piece in memory.
    #[must_use]
    pub fn as_bytes(&self) -> Option<Bytes> {
        match self.0.as_slice() {
            [] => Some(Bytes::new()),
            [Piece::Bytes(bytes)] => Some(bytes.clone()),
            _ => None,
        }
    }

    /// The body in chunks of at most 256 KiB of a file: the next is read while one is being sent.
    /// Within a tokio runtime.
    pub fn chunks(&self) -> impl Stream<Item = std::io::Result<Bytes>> + Send + use<> {
        chunks::of(self)
    }

    /// Reads the body from its beginning.
    #[must_use]
    pub fn reader(&self) -> ContentReader {
        ContentReader {
            rest: self.0.clone().into(),
            state: State::Idle,
        }
    }
}

/// Reads a [`Content`] as one stream, opening one file at a time.
pub struct ContentReader {
    rest: std::collections::VecDeque<Piece>,
    state: State,
}

type Opening = Pin<Box<dyn Future<Output = std::io::Result<tokio::fs::File>> + Send>>;

enum State {
    Idle,
    Bytes(Bytes),
    Opening(Opening),
    File(tokio::fs::File),
}

impl AsyncRead for ContentReader {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        loop {
            match &mut self.state {
                State::Idle => match self.rest.pop_front() {
                    None => return Poll::Ready(Ok(())),
                    Some(Piece::Bytes(bytes)) => self.state = State::Bytes(bytes),
                    Some(Piece::File { path, .. }) => {
                        self.state = State::Opening(Box::pin(tokio::fs::File::open(path)));
                    }
                },
                State::Bytes(bytes) if bytes.is_empty() => self.state = State::Idle,
                State::Bytes(bytes) => {
                    let part = bytes.split_to(bytes.len().min(buf.remaining()));
                    buf.put_slice(&part);
                    return Poll::Ready(Ok(()));
                }
                State::Opening(opening) => match opening.as_mut().poll(cx) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(file) => self.state = State::File(file?),
                },
                State::File(file) => {
                    let before = buf.filled().len();
                    match Pin::new(file).poll_read(cx, buf) {
                        Poll::Ready(Ok(()))
                            if buf.filled().len() == before && buf.remaining() > 0 =>
                        {
                            self.state = State::Idle
                        }
                        other => return other,
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncReadExt;

    #[tokio::test]
    async fn pieces_are_read_as_one_stream() {
        let path = std::env::temp_dir().join(format!("meterhub-content-{}", std::process::id()));
        std::fs::write(&path, "file").unwrap();
        let content = Content(vec![
            Piece::Bytes(Bytes::from_static(b"head ")),
            Piece::File {
                path: path.clone(),
                len: 4,
            },
            Piece::Bytes(Bytes::from_static(b" tail")),
        ]);
        let mut text = String::new();
        content.reader().read_to_string(&mut text).await.unwrap();
        std::fs::remove_file(path).unwrap();
        assert_eq!(text, "head file tail");
        assert_eq!(content.len(), text.len() as u64);
    }
}
