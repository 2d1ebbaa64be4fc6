//! A body in chunks, read ahead off the async threads.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read};

use bytes::Bytes;
use futures_util::{Stream, stream};
use tokio::task::{JoinHandle, spawn_blocking};

use super::{Content, Piece};

/// Bytes of a file read at a time. Two such chunks are in memory: one that is sent, and the next.
const CHUNK_BYTES: u64 = 256 * 1024;

/// What is left to read.
struct Rest {
    pieces: VecDeque<Piece>,
    file: Option<File>,
}

type Ahead = JoinHandle<io::Result<Option<(Bytes, Rest)>>>;

pub(super) fn of(content: &Content) -> impl Stream<Item = io::Result<Bytes>> + Send + use<> {
    let rest = Rest {
        pieces: content.0.clone().into(),
        file: None,
    };
    stream::try_unfold(read_ahead(rest), |ahead| async {
        let next = ahead.await.map_err(io::Error::other)??;
        Ok(next.map(|(chunk, rest)| (chunk, read_ahead(rest))))
    })
}

fn read_ahead(rest: Rest) -> Ahead {
    spawn_blocking(|| rest.next())
}

impl Rest {
    fn next(mut self) -> io::Result<Option<(Bytes, Self)>> {
        loop {
            if let Some(file) = &mut self.file {
                let mut chunk = Vec::with_capacity(CHUNK_BYTES as usize);
                file.take(CHUNK_BYTES).read_to_end(&mut chunk)?;
                if !chunk.is_empty() {
                    return Ok(Some((chunk.into(), self)));
                }
                self.file = None;
            }
            match self.pieces.pop_front() {
                None => return Ok(None),
                Some(Piece::Bytes(bytes)) if bytes.is_empty() => {}
                Some(Piece::Bytes(bytes)) => return Ok(Some((bytes, self))),
                Some(Piece::File { path, .. }) => self.file = Some(File::open(path)?),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::TryStreamExt;

    #[tokio::test]
    async fn a_body_is_the_same_in_chunks() {
        let folder = std::env::temp_dir().join(format!("meterhub-chunks-{}", std::process::id()));
        let long: Vec<u8> = (0..600_000_u32).map(|n| n as u8).collect();
        std::fs::write(&folder, &long).unwrap();
        let piece = Piece::File {
            path: folder.clone(),
            len: long.len() as u64,
        };
        let content = Content(vec![
            Piece::Bytes(Bytes::from_static(b"head")),
            piece.clone(),
            Piece::Bytes(Bytes::new()),
            piece,
        ]);
        let chunks: Vec<Bytes> = content.chunks().try_collect().await.unwrap();
        std::fs::remove_file(&folder).unwrap();
        assert_eq!(chunks.len(), 7);
        assert_eq!(chunks.concat(), [b"head", &*long, &long].concat());
        let gone: Result<Vec<Bytes>, _> = content.chunks().try_collect().await;
        assert_eq!(gone.unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
