//! Bodies of outgoing messages: brokers' protocols have no streams, so each is in memory as a whole.

use std::io;

use bytes::Bytes;
use hub_core::Content;
use tokio::io::AsyncReadExt;
use tokio::sync::{Semaphore, SemaphorePermit};

/// Bodies of one sink in memory at once, all messages together, in KiB. A single larger one goes alone.
const MEMORY_KIB: u32 = 256 * 1024;

/// The room that a sink has for bodies.
#[derive(Debug)]
pub struct Bodies(Semaphore);

impl Default for Bodies {
    fn default() -> Self {
        Self(Semaphore::new(MEMORY_KIB as usize))
    }
}

impl Bodies {
    /// Waits until there is room for a body of so many bytes; it is taken for as long as the permit is
    /// held.
    ///
    /// # Panics
    /// Never: nobody closes the semaphore.
    pub async fn room(&self, bytes: u64) -> SemaphorePermit<'_> {
        let kib = u32::try_from(bytes.div_ceil(1_024)).unwrap_or(u32::MAX);
        let permit = self.0.acquire_many(kib.clamp(1, MEMORY_KIB)).await;
        permit.expect("nobody closes it")
    }
}

/// The whole body.
///
/// # Errors
/// It cannot be read.
pub async fn read(content: &Content) -> io::Result<Bytes> {
    if let Some(bytes) = content.as_bytes() {
        return Ok(bytes);
    }
    let mut body = Vec::with_capacity(usize::try_from(content.len()).unwrap_or_default());
    content.reader().read_to_end(&mut body).await?;
    Ok(body.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tokio::time::timeout;

    const A_WHILE: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn bodies_wait_for_room_and_the_largest_goes_alone() {
        let bodies = Bodies::default();
        let small = bodies.room(1).await;
        let largest = timeout(A_WHILE, bodies.room(u64::MAX)).await;
        assert!(largest.is_err(), "another is there");
        drop(small);
        let _largest = bodies.room(u64::MAX).await;
        assert!(timeout(A_WHILE, bodies.room(0)).await.is_err());
    }

    #[tokio::test]
    async fn a_body_is_read_as_it_is() {
        let body = read(&Content::bytes(b"12.5".as_slice())).await.unwrap();
        assert_eq!(body, "12.5");
    }
}
