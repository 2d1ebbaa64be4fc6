//! The import file: a ZIP, looked at, or a CSV that is zipped.

use std::fs::File;
use std::io::{self, Cursor, Read, Seek, Write};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use hub_core::{Content, Piece};
use tempfile::{NamedTempFile, TempPath};
use tokio::io::AsyncReadExt;
use tokio_util::io::SyncIoBridge;
use zip::write::SimpleFileOptions;
use zip::{ZipArchive, ZipWriter};

use crate::config::CsvToZip;

/// Most files in a ZIP. Imports have a handful; attachments come in hundreds.
const MOST_ENTRIES: usize = 2_000;
/// Largest size of all files in it, unpacked.
const LARGEST_UNPACKED: u64 = 8 * 1024 * 1024 * 1024;
/// Highest ratio of an entry. CSV reaches 50; a bomb 1,000.
const HIGHEST_RATIO: u64 = 500;
/// What is so small when unpacked is no bomb, at any ratio.
const FREE_BYTES: u64 = 1024 * 1024;

/// What every ZIP with files begins with.
const ZIP_MAGIC: &[u8] = b"PK\x03\x04";

/// How messages become import files.
pub(crate) struct Packing {
    pub(crate) csv: Option<CsvToZip>,
    pub(crate) max_bytes: u64,
    /// Where files are made. On a disk: the system's own folder is often memory.
    pub(crate) folder: PathBuf,
}

/// An import file.
pub(crate) struct Document {
    /// Its bytes.
    pub(crate) content: Content,
    /// Removed when the document goes.
    _file: Option<TempPath>,
}

/// Why there is no import file.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PackError {
    /// The message is none, and never will be.
    #[error("{0}")]
    NotImportable(String),
    /// The disk has trouble.
    #[error("the import file cannot be made: {0}")]
    Io(#[from] io::Error),
}

fn no(reason: impl Into<String>) -> PackError {
    PackError::NotImportable(reason.into())
}

impl Packing {
    /// The import file of a message. `manifest` is what stands in one, if one is configured.
    pub(crate) async fn pack(
        &self,
        content: &Content,
        manifest: &str,
    ) -> Result<Document, PackError> {
        let mut head = Vec::new();
        let magic = ZIP_MAGIC.len() as u64;
        content.reader().take(magic).read_to_end(&mut head).await?;
        let document = if head == ZIP_MAGIC {
            as_it_is(content.clone(), self.folder.clone()).await?
        } else if let Some(csv) = self.csv.clone() {
            let folder = self.folder.clone();
            zipped(content.clone(), csv, manifest.to_owned(), folder).await?
        } else {
            return Err(no(
                "is no ZIP, expected one of CSV files; `csv` would zip a CSV",
            ));
        };
        match document.content.len() {
            length if length > self.max_bytes => Err(no(format!(
                "the import file has {length} bytes, at most {} are allowed",
                self.max_bytes
            ))),
            _ => Ok(document),
        }
    }
}

/// A ZIP, once its entries were looked at.
async fn as_it_is(content: Content, folder: PathBuf) -> Result<Document, PackError> {
    blocking(move || {
        let document = in_one_piece(content, &folder)?;
        match document.content.0.as_slice() {
            [Piece::File { path, .. }] => look_at(File::open(path)?)?,
            [Piece::Bytes(bytes)] => look_at(Cursor::new(bytes.clone()))?,
            _ => look_at(Cursor::new(Bytes::new()))?,
        }
        Ok(document)
    })
    .await
}

/// A ZIP's directory is at its end, so it must be possible to go there.
fn in_one_piece(content: Content, folder: &Path) -> io::Result<Document> {
    if content.0.len() <= 1 {
        return Ok(Document {
            content,
            _file: None,
        });
    }
    let mut file = NamedTempFile::new_in(folder)?;
    io::copy(&mut SyncIoBridge::new(content.reader()), &mut file)?;
    kept(file)
}

fn kept(mut file: NamedTempFile) -> io::Result<Document> {
    file.flush()?;
    let len = file.as_file().metadata()?.len();
    let path = file.into_temp_path();
    let piece = Piece::File {
        path: path.to_path_buf(),
        len,
    };
    Ok(Document {
        content: Content(vec![piece]),
        _file: Some(path),
    })
}

/// Looks at the entries, as the directory tells of them; nothing is unpacked.
fn look_at(zip: impl Read + Seek) -> Result<(), PackError> {
    let broken = |problem| no(format!("the ZIP cannot be read: {problem}"));
    let mut archive = ZipArchive::new(zip).map_err(broken)?;
    if archive.is_empty() || archive.len() > MOST_ENTRIES {
        let count = archive.len();
        return Err(no(format!(
            "the ZIP has {count} entries, expected 1 to {MOST_ENTRIES}"
        )));
    }
    let mut unpacked = 0_u64;
    for index in 0..archive.len() {
        let entry = archive.by_index_raw(index).map_err(broken)?;
        let number = index + 1;
        if entry.enclosed_name().is_none() {
            return Err(no(format!(
                "entry {number} of the ZIP has a name that leads out of it"
            )));
        }
        let ratio_limit = FREE_BYTES.max(entry.compressed_size().saturating_mul(HIGHEST_RATIO));
        unpacked = unpacked.saturating_add(entry.size());
        if entry.size() > ratio_limit || unpacked > LARGEST_UNPACKED {
            return Err(no(format!(
                "entry {number} of the ZIP expands beyond measure"
            )));
        }
    }
    Ok(())
}

async fn zipped(
    content: Content,
    csv: CsvToZip,
    manifest: String,
    folder: PathBuf,
) -> Result<Document, PackError> {
    blocking(move || {
        let mut zip = ZipWriter::new(NamedTempFile::new_in(folder)?);
        // Without times: the same at every attempt.
        let options = SimpleFileOptions::default().large_file(content.len() > u32::MAX.into());
        zip.start_file(&*csv.file_name, options)
            .map_err(io::Error::other)?;
        io::copy(&mut SyncIoBridge::new(content.reader()), &mut zip)?;
        if let Some(name) = &csv.manifest {
            zip.start_file(name.as_str(), options)
                .map_err(io::Error::other)?;
            zip.write_all(manifest.as_bytes())?;
        }
        Ok(kept(zip.finish().map_err(io::Error::other)?)?)
    })
    .await
}

/// Work on files, kept off the threads of the others.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, PackError> + Send + 'static,
) -> Result<T, PackError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(io::Error::other)?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zip_of(entries: &[(&str, &[u8])]) -> Vec<u8> {
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        for (name, bytes) in entries {
            zip.start_file(*name, SimpleFileOptions::default()).unwrap();
            zip.write_all(bytes).unwrap();
        }
        zip.finish().unwrap().into_inner()
    }

    fn packing(csv: Option<CsvToZip>) -> Packing {
        Packing {
            csv,
            max_bytes: 100_000,
            folder: std::env::temp_dir(),
        }
    }

    async fn bytes_of(document: &Document) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut reader = document.content.reader();
        reader.read_to_end(&mut bytes).await.unwrap();
        bytes
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_zip_goes_as_it_is_also_in_pieces() {
        let zip = zip_of(&[("A.csv", b"1,2\n"), ("sub/B.csv", b"3\n")]);
        let (a, b) = zip.split_at(7);
        let pieces = [a, b].map(|p| Piece::Bytes(Bytes::copy_from_slice(p)));
        for content in [Content::bytes(zip.clone()), Content(pieces.into())] {
            let document = packing(None).pack(&content, "").await.unwrap();
            assert_eq!(bytes_of(&document).await, zip);
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_csv_is_zipped_the_same_each_time_and_the_file_goes_away() {
        let csv = CsvToZip {
            file_name: "Import.csv".into(),
            manifest: Some("import.properties".into()),
        };
        let packing = packing(Some(csv));
        let content = Content::bytes("1,2\n".repeat(1_000));
        let document = packing.pack(&content, "/p,JOB,x").await.unwrap();
        let zip = bytes_of(&document).await;
        let again = packing.pack(&content, "/p,JOB,x").await.unwrap();
        assert_eq!(bytes_of(&again).await, zip);
        let mut archive = ZipArchive::new(Cursor::new(zip)).unwrap();
        let mut read = |name: &str| {
            let mut text = String::new();
            let mut entry = archive.by_name(name).unwrap();
            entry.read_to_string(&mut text).unwrap();
            text
        };
        assert_eq!(read("Import.csv"), "1,2\n".repeat(1_000));
        assert_eq!(read("import.properties"), "/p,JOB,x");
        let Some(Piece::File { path, .. }) = document.content.0.first().cloned() else {
            panic!("not in a file");
        };
        drop(document);
        assert!(!path.exists());
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_is_no_import_file_is_refused() {
        let bomb = zip_of(&[("a.csv", &vec![0; 40_000_000])]);
        let cases: [(Vec<u8>, &str); 6] = [
            (b"a;b\n".to_vec(), "is no ZIP"),
            (Vec::new(), "is no ZIP"),
            (b"PK\x03\x04 and no more".to_vec(), "cannot be read"),
            (zip_of(&[("../evil.csv", b"1")]), "leads out"),
            (bomb, "beyond measure"),
            (zip_of(&[("a.csv", &noise(200_000))]), "at most 100000"),
        ];
        for (bytes, hint) in cases {
            let packed = packing(None).pack(&Content::bytes(bytes), "").await;
            let error = packed.err().unwrap().to_string();
            assert!(error.contains(hint), "{hint}: {error}");
        }
    }

    fn noise(length: u32) -> Vec<u8> {
        let mixed = (0..length).map(|i| i.wrapping_mul(2_654_435_761).rotate_left(i % 32));
        mixed.map(|i| (i >> 24) as u8 ^ i as u8).collect()
    }
}
