//! Content as it comes, as the body of a message.

use std::io;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use futures_util::stream;
use hub_core::Body;
use tokio_util::io::StreamReader;

use super::inflate::Inflate;
use super::inline::Inline;
use crate::envelope::{Envelope, Output, Trouble};
use crate::mtom::Multipart;

/// Largest content that is taken into memory. With `max_in_flight` it bounds the memory of a source:
/// 512 of them make 32 MiB.
const LARGEST_IN_MEMORY: usize = 64 * 1024;

/// What is wrong with content that was still coming, for the answer to its sender.
pub(crate) type Broken = Arc<OnceLock<String>>;

/// The content of a message.
pub(crate) enum Content {
    /// As it stands in the envelope.
    Plain(Box<Envelope>),
    /// Packed in the envelope.
    Compressed(Box<Envelope>, Box<Inflate>, bool),
    /// With parts to put in place.
    Inline(Box<Inline>),
    /// A part itself.
    Attachment(Box<Multipart>, bool),
}

impl Content {
    /// The content of an envelope without parts.
    pub(crate) fn of(envelope: Envelope, limit: u64) -> Self {
        let envelope = Box::new(envelope);
        match envelope.outline.compressed {
            true => Self::Compressed(envelope, Box::new(Inflate::new(limit)), false),
            false => Self::Plain(envelope),
        }
    }

    /// The next bytes; `None` only after all that surrounds the content was seen to be whole.
    async fn next(&mut self) -> Result<Option<Bytes>, Trouble> {
        match self {
            Self::Plain(envelope) => match envelope.next().await? {
                Some(Output::Bytes(bytes)) => Ok(Some(bytes.into())),
                Some(Output::Include(_)) => Err(Trouble::structure("a part without a multipart")),
                None => Ok(None),
            },
            Self::Compressed(envelope, inflate, ended) => {
                while !*ended {
                    let bytes = match envelope.next().await? {
                        Some(Output::Bytes(text)) => inflate.push(&text)?,
                        Some(Output::Include(_)) => continue,
                        None => {
                            *ended = true;
                            inflate.finish()?
                        }
                    };
                    if !bytes.is_empty() {
                        return Ok(Some(bytes));
                    }
                }
                Ok(None)
            }
            Self::Inline(inline) => inline.next().await,
            Self::Attachment(parts, ended) => {
                if *ended {
                    return Ok(None);
                }
                let chunk = parts.chunk().await?;
                if chunk.is_none() {
                    *ended = true;
                    parts.finish().await?;
                }
                Ok(chunk)
            }
        }
    }
}

/// Content as the body of a message: small content in memory, so that what is wrong with it is known
/// at once; large content as a stream, whose error goes to `broken` too.
///
/// # Errors
/// The content is small and not whole.
pub(crate) async fn as_body(mut content: Content, broken: Broken) -> Result<Body, Trouble> {
    let mut head: Vec<Bytes> = Vec::new();
    let mut size = 0;
    while size <= LARGEST_IN_MEMORY {
        match content.next().await? {
            Some(bytes) => {
                size += bytes.len();
                head.push(bytes);
            }
            None => return Ok(Body::Bytes(head.concat().into())),
        }
    }
    let begin = stream::iter(head.into_iter().map(io::Result::Ok));
    let rest = stream::try_unfold((content, broken), |(mut content, broken)| async move {
        match content.next().await {
            Ok(Some(bytes)) => Ok(Some((bytes, (content, broken)))),
            Ok(None) => Ok(None),
            Err(trouble) => {
                if trouble.is_of_sender() {
                    let _ = broken.set(trouble.to_string());
                }
                Err(io::Error::from(trouble))
            }
        }
    });
    let all = futures_util::StreamExt::chain(begin, rest);
    Ok(Body::Stream(Box::pin(StreamReader::new(Box::pin(all)))))
}
