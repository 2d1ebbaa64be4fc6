//! The body of an outgoing message, read by a thread that may block.

use std::collections::VecDeque;
use std::io::{self, Read};

use bytes::Bytes;
use hub_core::files::Files;
use hub_core::{Content, Piece};

/// Reads the pieces of a content as one stream. A file that is shorter than it should be is an
/// error.
pub(crate) struct Pieces<'a> {
    files: &'a dyn Files,
    rest: VecDeque<Piece>,
    current: Current,
}

enum Current {
    None,
    Bytes(Bytes),
    /// And how many bytes it still has to have.
    File(Box<dyn Read + Send>, u64),
}

impl<'a> Pieces<'a> {
    pub(crate) fn new(content: &Content, files: &'a dyn Files) -> Self {
        Self {
            files,
            rest: content.0.clone().into(),
            current: Current::None,
        }
    }

    fn open(&self, piece: Piece) -> io::Result<Current> {
        Ok(match piece {
            Piece::Bytes(bytes) => Current::Bytes(bytes),
            Piece::File { path, len } => Current::File(self.files.open(&path)?, len),
        })
    }
}

impl Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            match &mut self.current {
                Current::Bytes(bytes) if !bytes.is_empty() => {
                    let part = bytes.split_to(bytes.len().min(buffer.len()));
                    buffer[..part.len()].copy_from_slice(&part);
                    return Ok(part.len());
                }
                Current::File(file, left) if *left > 0 => {
                    let count = file.take(*left).read(buffer)?;
                    *left -= count as u64;
                    return match count {
                        0 => Err(io::Error::new(
                            io::ErrorKind::UnexpectedEof,
                            format!("{left} bytes are missing at the end of a file"),
                        )),
                        count => Ok(count),
                    };
                }
                _ => match self.rest.pop_front() {
                    Some(piece) => self.current = self.open(piece)?,
                    None => return Ok(0),
                },
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hub_core::files::OsFiles;

    #[test]
    fn pieces_are_one_stream_and_a_short_file_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("piece");
        std::fs::write(&path, "file").unwrap();
        let file = |len| Piece::File {
            path: path.clone(),
            len,
        };
        let head = Piece::Bytes(Bytes::from_static(b"head "));
        let read = |content: &Content| io::read_to_string(Pieces::new(content, &OsFiles));
        let content = Content(vec![head.clone(), file(4), head.clone(), file(2)]);
        assert_eq!(read(&content).unwrap(), "head filehead fi");
        let short = read(&Content(vec![file(5), head])).unwrap_err();
        assert!(short.to_string().contains("1 bytes are missing"), "{short}");
        assert_eq!(read(&Content::default()).unwrap(), "");
    }
}
