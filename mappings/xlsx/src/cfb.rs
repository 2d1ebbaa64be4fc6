//! The compound file (MS-CFB) around an old `.xls`: takes the workbook stream out, and puts a
//! checked one into a new, minimal file, so that the library sees nothing that was not checked.

const SIGNATURE: [u8; 8] = [0xD0, 0xCF, 0x11, 0xE0, 0xA1, 0xB1, 0x1A, 0xE1];
const END_OF_CHAIN: u32 = 0xFFFF_FFFE;
const FREE: u32 = 0xFFFF_FFFF;
const FAT_SECTOR: u32 = 0xFFFF_FFFD;
/// Streams shorter than this stand in the mini stream.
const MINI_LIMIT: usize = 4_096;
const MINI_SECTOR: usize = 64;

struct File<'a> {
    bytes: &'a [u8],
    sector: usize,
    fat: Vec<u32>,
}

struct Entry {
    name: String,
    start: u32,
    length: usize,
}

/// Whether the bytes are a compound file.
pub(crate) fn is_compound(bytes: &[u8]) -> bool {
    bytes.starts_with(&SIGNATURE)
}

/// The stream `Workbook` (or `Book`, before Excel 97).
///
/// # Errors
/// What is wrong, in words.
pub(crate) fn workbook_stream(bytes: &[u8]) -> Result<Vec<u8>, String> {
    let file = File::open(bytes)?;
    let entries = file.directory()?;
    let find = |name: &str| {
        entries
            .iter()
            .find(|entry| entry.name.eq_ignore_ascii_case(name))
    };
    if find("EncryptedPackage").is_some() {
        return Err(crate::book::PROTECTED.to_owned());
    }
    let entry = find("Workbook")
        .or_else(|| find("Book"))
        .ok_or("the compound file holds no workbook, expected an Excel file")?;
    if entry.length >= MINI_LIMIT {
        return file.chain(entry.start, entry.length);
    }
    let root = entries.first().ok_or("the compound file has no root")?;
    let mini_stream = file.chain(root.start, root.length)?;
    let mini_fat = file.chain(u32_at(bytes, 60).unwrap_or(END_OF_CHAIN), usize::MAX)?;
    mini_chain(&mini_stream, &mini_fat, entry)
}

fn mini_chain(stream: &[u8], fat: &[u8], entry: &Entry) -> Result<Vec<u8>, String> {
    let mut out = Vec::new();
    let mut at = entry.start;
    while out.len() < entry.length {
        let from = at as usize * MINI_SECTOR;
        let sector = stream
            .get(from..from + MINI_SECTOR)
            .ok_or("the mini stream ends early")?;
        out.extend_from_slice(sector);
        at = u32_at(fat, at as usize * 4).ok_or("the mini stream's chain is broken")?;
    }
    out.truncate(entry.length);
    Ok(out)
}

impl<'a> File<'a> {
    fn open(bytes: &'a [u8]) -> Result<Self, String> {
        if !is_compound(bytes) || bytes.len() < 512 {
            return Err("the file is not a compound file".to_owned());
        }
        let sector = match u16_at(bytes, 30) {
            Some(9) => 512,
            Some(12) => 4_096,
            _ => return Err("the compound file's sector size is neither 512 nor 4096".to_owned()),
        };
        let mut file = Self {
            bytes,
            sector,
            fat: Vec::new(),
        };
        let mut fat = Vec::new();
        for id in file.fat_sectors()? {
            if let Some(sector) = file.sector(id) {
                fat.extend(
                    sector
                        .chunks_exact(4)
                        .map(|c| u32::from_le_bytes([c[0], c[1], c[2], c[3]])),
                );
            }
        }
        file.fat = fat;
        Ok(file)
    }

    /// The sectors of the allocation table: 109 in the header, the others in a chain of their own.
    fn fat_sectors(&self) -> Result<Vec<u32>, String> {
        let in_use = |id: &u32| *id < FAT_SECTOR - 1;
        let mut ids: Vec<u32> = (0..109)
            .filter_map(|i| u32_at(self.bytes, 76 + 4 * i))
            .filter(in_use)
            .collect();
        let mut next = u32_at(self.bytes, 68).unwrap_or(END_OF_CHAIN);
        let most = self.bytes.len() / self.sector + 1;
        for _ in 0..most {
            let Some(sector) = Some(next).filter(in_use).and_then(|id| self.sector(id)) else {
                return Ok(ids);
            };
            let last = sector.len().saturating_sub(4);
            ids.extend(
                (0..last / 4)
                    .filter_map(|i| u32_at(sector, 4 * i))
                    .filter(in_use),
            );
            if ids.len() > most {
                break;
            }
            next = u32_at(sector, last).unwrap_or(END_OF_CHAIN);
        }
        Err("the compound file's allocation table is circular".to_owned())
    }

    fn sector(&self, id: u32) -> Option<&'a [u8]> {
        let from = (id as usize).checked_add(1)?.checked_mul(self.sector)?;
        let to = self.bytes.len().min(from.checked_add(self.sector)?);
        self.bytes.get(from..to).filter(|sector| !sector.is_empty())
    }

    /// The sectors of a chain, `length` bytes at most.
    fn chain(&self, start: u32, length: usize) -> Result<Vec<u8>, String> {
        let (mut out, mut at) = (Vec::new(), start);
        while at < FAT_SECTOR - 1 && out.len() < length {
            let sector = self
                .sector(at)
                .ok_or("a stream of the compound file points beyond its end")?;
            out.extend_from_slice(sector);
            if out.len() > self.bytes.len() {
                return Err("a stream of the compound file is circular".to_owned());
            }
            at = self.fat.get(at as usize).copied().unwrap_or(END_OF_CHAIN);
        }
        out.truncate(length);
        Ok(out)
    }

    fn directory(&self) -> Result<Vec<Entry>, String> {
        let bytes = self.chain(u32_at(self.bytes, 48).unwrap_or(END_OF_CHAIN), usize::MAX)?;
        Ok(bytes
            .chunks_exact(128)
            .map(|entry| Entry {
                name: name_of(&entry[..64]),
                start: u32_at(entry, 116).unwrap_or(END_OF_CHAIN),
                length: u32_at(entry, 120).unwrap_or(0) as usize,
            })
            .collect())
    }
}

fn name_of(utf16: &[u8]) -> String {
    let units = utf16
        .chunks_exact(2)
        .map(|c| u16::from_le_bytes([c[0], c[1]]))
        .take_while(|unit| *unit != 0);
    char::decode_utf16(units)
        .map(|c| c.unwrap_or('?'))
        .collect()
}

pub(crate) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes
        .get(at..at + 2)
        .map(|c| u16::from_le_bytes([c[0], c[1]]))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes
        .get(at..at.checked_add(4)?)
        .map(|c| u32::from_le_bytes([c[0], c[1], c[2], c[3]]))
}

/// A compound file with one stream, `Workbook`, in sectors of 4,096 bytes.
pub(crate) fn wrap(stream: &[u8]) -> Vec<u8> {
    const SECTOR: usize = 4_096;
    let sectors = stream.len().div_ceil(SECTOR).max(1);
    // Directory and allocation table also have entries in the table.
    let fat_sectors = (sectors + 1).div_ceil(SECTOR / 4 - 1);
    let first_stream = fat_sectors + 1;
    let mut out = header(fat_sectors);
    out.resize(SECTOR, 0);
    let mut fat = vec![FAT_SECTOR; fat_sectors];
    fat.push(END_OF_CHAIN);
    fat.extend((1..sectors).map(|i| u32::try_from(first_stream + i).unwrap_or(END_OF_CHAIN)));
    fat.push(END_OF_CHAIN);
    fat.resize(fat_sectors * SECTOR / 4, FREE);
    out.extend(fat.iter().flat_map(|id| id.to_le_bytes()));
    out.extend(entry("Root Entry", 5, 0, 0));
    // A stream shorter than the limit would be looked for in the mini stream.
    out.extend(entry(
        "Workbook",
        2,
        first_stream,
        stream.len().max(MINI_LIMIT),
    ));
    out.resize((fat_sectors + 2) * SECTOR, 0);
    out.extend_from_slice(stream);
    out.resize((first_stream + sectors + 1) * SECTOR, 0);
    out
}

fn header(fat_sectors: usize) -> Vec<u8> {
    let mut out = vec![0u8; 512];
    let mut put = |at: usize, bytes: &[u8]| out[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, &SIGNATURE);
    put(24, &0x003Eu16.to_le_bytes());
    put(26, &4u16.to_le_bytes());
    put(28, &0xFFFEu16.to_le_bytes());
    put(30, &12u16.to_le_bytes());
    put(32, &6u16.to_le_bytes());
    put(40, &1u32.to_le_bytes());
    put(44, &u32::try_from(fat_sectors).unwrap_or(0).to_le_bytes());
    put(48, &u32::try_from(fat_sectors).unwrap_or(0).to_le_bytes());
    put(56, &4_096u32.to_le_bytes());
    put(60, &END_OF_CHAIN.to_le_bytes());
    put(68, &END_OF_CHAIN.to_le_bytes());
    for i in 0..109 {
        let id = if i < fat_sectors {
            u32::try_from(i).unwrap_or(FREE)
        } else {
            FREE
        };
        put(76 + 4 * i, &id.to_le_bytes());
    }
    out
}

fn entry(name: &str, kind: u8, start: usize, length: usize) -> Vec<u8> {
    let mut out = vec![0u8; 128];
    for (i, unit) in name.encode_utf16().enumerate() {
        out[2 * i..2 * i + 2].copy_from_slice(&unit.to_le_bytes());
    }
    out[64] = u8::try_from(2 * (name.len() + 1)).unwrap_or(0);
    out[66] = kind;
    out[116..120].copy_from_slice(&u32::try_from(start).unwrap_or(0).to_le_bytes());
    out[120..128].copy_from_slice(&(length as u64).to_le_bytes());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrapped_comes_out_again() {
        for length in [0, 1, 4_095, 4_096, 4_097, 5_000_000] {
            let stream: Vec<u8> = (0..length).map(|i| (i % 251) as u8).collect();
            let found = workbook_stream(&wrap(&stream)).unwrap();
            assert_eq!(found[..length], stream[..], "{length}");
            assert!(found[length..].iter().all(|c| *c == 0));
        }
    }

    #[test]
    fn broken_files_are_errors() {
        let good = wrap(&[1; 10_000]);
        for cut in [0, 8, 100, 511, 512, 5_000, 9_000] {
            let _ = workbook_stream(&good[..cut]);
        }
        for at in 0..4_200 {
            let mut bad = good.clone();
            bad[at] ^= 0xFF;
            let _ = workbook_stream(&bad);
        }
    }
}
