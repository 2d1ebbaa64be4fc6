//! What the figures were measured on. Without dates: a table changes only when the figures do.

use std::path::Path;

use crate::Outcome;
use crate::limits;

/// Cores, processor, memory and how fast the disk syncs.
///
/// # Errors
/// The disk refuses.
pub(crate) fn describe(folder: &Path) -> Outcome<String> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let processor = field("/proc/cpuinfo", "model name").unwrap_or_else(|| "unknown".to_owned());
    let memory = field("/proc/meminfo", "MemTotal").unwrap_or_default();
    let kib: u64 = memory
        .split_whitespace()
        .next()
        .and_then(|kib| kib.parse().ok())
        .unwrap_or(0);
    let syncs = limits::synced_appends(folder)?;
    let disk = limits::disk_bytes(folder)?;
    Ok(format!(
        "Machine: {cores} cores, {processor}, {} GiB of memory; its disk does {syncs:.0} synced \
         4 KiB writes and {:.0} MB of synced bulk writes a second.",
        kib.div_ceil(1_048_576),
        disk / 1e6,
    ))
}

/// The value of a `name : value` line of a file of the kernel.
pub(crate) fn field(file: &str, name: &str) -> Option<String> {
    let text = std::fs::read_to_string(file).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}
