//! Puts the body of a message where it is safe, before the message is claimed.

use std::io;
use std::pin::Pin;

use hub_core::Body;
use hub_store::content::{ContentStore, MAX_INLINE_BYTES, Staged};
use hub_store::messages::Store;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::task::spawn_blocking;

/// Bytes of a stream handed to the disk at a time. Two such pieces are in memory: one that is hashed
/// and written while the next is read.
const PIECE_BYTES: usize = 256 * 1024;

/// Puts a body where it is safe.
pub(super) async fn stage(store: &Store, body: Body) -> io::Result<Staged> {
    let (content, unique) = match body {
        Body::Bytes(bytes) if bytes.len() <= MAX_INLINE_BYTES => return Ok(Staged::inline(bytes)),
        _ => (store.content().clone(), store.next_id().to_string()),
    };
    match body {
        Body::Bytes(bytes) => {
            let staged = blocking(move || {
                let mut staging = content.begin(&unique)?;
                staging.write(&bytes)?;
                staging.finish()
            });
            staged.await
        }
        Body::File(path) => blocking(move || content.stage_file(&path, &unique)).await,
        Body::Stream(stream) => stage_stream(content, stream, unique).await,
    }
}

/// Spools a stream to disk. An error of the stream leaves nothing behind.
async fn stage_stream(
    content: ContentStore,
    mut stream: Pin<Box<dyn AsyncRead + Send>>,
    unique: String,
) -> io::Result<Staged> {
    let mut writing = spawn_blocking(move || content.begin(&unique));
    loop {
        let mut piece = Vec::with_capacity(PIECE_BYTES);
        let mut limited = (&mut stream).take(PIECE_BYTES as u64);
        let read = limited.read_to_end(&mut piece).await;
        let mut staging = writing.await.map_err(io::Error::other)??;
        if read? == 0 {
            return blocking(move || staging.finish()).await;
        }
        writing = spawn_blocking(move || staging.write(&piece).map(|()| staging));
    }
}

/// Runs blocking file work off the async threads.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    spawn_blocking(work).await.map_err(io::Error::other)?
}
