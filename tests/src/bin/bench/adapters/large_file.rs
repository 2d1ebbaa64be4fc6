//! The large file: made once, read and dropped by all.

use std::fs::File;
use std::io::{BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use crate::Outcome;
use crate::report::progress;

/// Bytes read or written at a time.
pub(super) const PIECE_BYTES: usize = 1024 * 1024;

/// A file of so many bytes that cannot be compressed, in a folder; made if it is not there. Synced,
/// so that nobody's time pays for its way to the disk.
///
/// # Errors
/// The disk refuses.
pub(super) fn made(folder: &Path, bytes: u64) -> Outcome<PathBuf> {
    let path = folder.join(format!("large-{bytes}.bin"));
    if std::fs::metadata(&path).is_ok_and(|about| about.len() == bytes) {
        return Ok(path);
    }
    progress(&format!("making {}", path.display()));
    let mut out = BufWriter::with_capacity(PIECE_BYTES, File::create(&path)?);
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    for _ in 0..bytes / 8 {
        // xorshift64
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        out.write_all(&state.to_le_bytes())?;
    }
    out.into_inner()?.sync_all()?;
    Ok(path)
}

/// Puts a file into a watched folder at once, as a link: whoever watches it gets a file that is
/// complete and on the disk.
///
/// # Errors
/// The disk refuses, or the folder is on another one.
pub(super) fn drop_into(path: &Path, folder: &Path) -> Outcome<()> {
    std::fs::hard_link(path, folder.join("large.bin"))?;
    Ok(())
}

/// Copies all that a reader has into a new file, so many bytes at a time, and syncs it.
///
/// # Errors
/// The disk refuses, or the reader fails.
pub(super) fn write_synced(from: &mut dyn Read, path: &Path, piece_bytes: usize) -> Outcome<()> {
    let mut file = File::create(path)?;
    let mut piece = vec![0; piece_bytes];
    loop {
        let count = from.read(&mut piece)?;
        if count == 0 {
            break;
        }
        file.write_all(&piece[..count])?;
    }
    Ok(file.sync_all()?)
}
