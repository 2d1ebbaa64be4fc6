//! Where the bytes of an envelope come from.

use std::io;
use std::pin::Pin;

use bytes::Bytes;
use futures_util::{Stream, StreamExt};

use crate::mtom::Multipart;

/// Bytes as they come. An error means that the rest will not come.
pub(crate) type Chunks = Pin<Box<dyn Stream<Item = io::Result<Bytes>> + Send>>;

/// A body that is an envelope, or the part of a body that is one.
pub(crate) enum Input {
    Whole(Chunks),
    /// The current part of it.
    Part(Box<Multipart>),
}

impl Input {
    /// The next bytes; `None` at the end.
    pub(crate) async fn chunk(&mut self) -> io::Result<Option<Bytes>> {
        match self {
            Self::Whole(chunks) => chunks.next().await.transpose(),
            Self::Part(multipart) => multipart.chunk().await,
        }
    }
}
