//! Zip packages, checked before anything in them is believed.

use std::io::{Cursor, Read};

use memchr::memchr_iter;
use zip::ZipArchive;

use crate::limits::{
    MAX_ENTRIES, MAX_MARKUP_BYTES, MAX_PLAN_BYTES, MAX_RATIO, MAX_STRINGS_BYTES, MAX_UNPACKED_BYTES,
};

/// What kind of workbook a zip is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Package {
    Xlsx,
    Xlsb,
    Ods,
}

/// Checks all entries that a reader may open, by unpacking them: what an entry says of its own
/// size proves nothing.
///
/// # Errors
/// What is wrong, in words.
pub(crate) fn check(bytes: &[u8]) -> Result<Package, String> {
    let mut zip = ZipArchive::new(Cursor::new(bytes))
        .map_err(|error| format!("the zip cannot be read: {error}"))?;
    if zip.len() > MAX_ENTRIES {
        return Err(format!(
            "the zip has {} entries, expected at most {MAX_ENTRIES}",
            zip.len()
        ));
    }
    let names: Vec<String> = zip
        .file_names_raw()
        .map(|name| {
            String::from_utf8_lossy(name)
                .to_lowercase()
                .replace('\\', "/")
        })
        .collect();
    let kind = kind_of(&names)?;
    let mut unpacked = 0;
    for (at, name) in names.iter().enumerate() {
        if is_read(name, kind) {
            unpacked += check_entry(&mut zip, at, name, MAX_UNPACKED_BYTES - unpacked)?;
        }
    }
    Ok(kind)
}

fn kind_of(names: &[String]) -> Result<Package, String> {
    let has = |wanted: &str| {
        names
            .iter()
            .any(|name| name.trim_start_matches('/') == wanted)
    };
    if has("encryptedpackage") {
        return Err(crate::book::PROTECTED.to_owned());
    }
    if has("content.xml") && has("mimetype") {
        return Ok(Package::Ods);
    }
    if names.iter().any(|name| name.ends_with("workbook.bin")) {
        return Ok(Package::Xlsb);
    }
    if names.iter().any(|name| name.ends_with(".xml")) {
        return Ok(Package::Xlsx);
    }
    Err("the zip is not a workbook, expected xlsx, xlsm, xlsb or ods".to_owned())
}

/// Pictures and the like are never unpacked.
fn is_read(name: &str, kind: Package) -> bool {
    match kind {
        Package::Ods => matches!(name, "content.xml" | "mimetype"),
        Package::Xlsx | Package::Xlsb => {
            name.ends_with(".xml") || name.ends_with(".rels") || name.ends_with(".bin")
        }
    }
}

/// Unpacks an entry and gives its size.
fn check_entry(
    zip: &mut ZipArchive<Cursor<&[u8]>>,
    at: usize,
    name: &str,
    left: u64,
) -> Result<u64, String> {
    let mut entry = zip.by_index(at).map_err(|error| {
        format!(
            "entry `{}` of the zip cannot be read: {error}",
            name.escape_debug()
        )
    })?;
    let packed = entry.compressed_size();
    let own = own_limit(name).min(left);
    let is_markup = !name.ends_with(".bin");
    let mut buffer = vec![0u8; 1 << 16];
    let (mut size, mut run) = (0u64, 0usize);
    loop {
        let read = entry.read(&mut buffer).map_err(|error| {
            format!(
                "entry `{}` of the zip is damaged: {error}",
                name.escape_debug()
            )
        })?;
        if read == 0 {
            return Ok(size);
        }
        size += read as u64;
        if size > own {
            return Err(format!(
                "entry `{}` of the zip unpacks to more than {own} bytes",
                name.escape_debug()
            ));
        }
        if size > 1 << 20 && size > packed.saturating_mul(MAX_RATIO) {
            return Err(format!(
                "entry `{}` of the zip is more than {MAX_RATIO} times larger unpacked than packed",
                name.escape_debug()
            ));
        }
        if is_markup && longest_run(&buffer[..read], &mut run) > MAX_MARKUP_BYTES {
            return Err(format!(
                "entry `{}` of the zip has a single text of more than {MAX_MARKUP_BYTES} bytes",
                name.escape_debug()
            ));
        }
    }
}

fn own_limit(name: &str) -> u64 {
    if name.contains("/worksheets/") || name == "content.xml" {
        MAX_UNPACKED_BYTES
    } else if ["styles", "workbook", ".rels", "content_types"]
        .iter()
        .any(|part| name.contains(part))
    {
        MAX_PLAN_BYTES
    } else {
        // The shared strings, whatever they are called.
        MAX_STRINGS_BYTES
    }
}

/// The longest stretch without `<`, carried over from buffer to buffer.
fn longest_run(buffer: &[u8], run: &mut usize) -> usize {
    let mut longest = 0;
    let mut last = None;
    for at in memchr_iter(b'<', buffer) {
        longest = longest.max(at - last.unwrap_or(0) + if last.is_none() { *run } else { 0 });
        last = Some(at);
    }
    *run = last.map_or(*run + buffer.len(), |last| buffer.len() - last);
    longest.max(*run)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_counted_over_buffers() {
        let mut run = 0;
        assert_eq!(longest_run(b"<ab<c", &mut run), 3);
        assert_eq!(longest_run(b"dddd", &mut run), 6);
        assert_eq!(longest_run(b"d<", &mut run), 7);
        assert_eq!(run, 1);
    }
}
