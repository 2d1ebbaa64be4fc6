//! A progress bar for files that take a while: megabytes, rate, time left.

use std::io::{self, IsTerminal};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use indicatif::{ProgressBar, ProgressStyle};

use super::input::Input;
use super::target::Target;

/// Smaller files are done before a bar could be read.
const SMALLEST_BYTES: u64 = 8 * 1024 * 1024;

const TEMPLATE: &str = "{bar:30} {bytes}/{total_bytes}  {bytes_per_sec}  {eta} left";

/// How far the conversion is; draws nothing unless a person watches a large file.
pub(super) struct Progress {
    bar: ProgressBar,
    furthest: Arc<AtomicU64>,
}

impl Progress {
    /// A bar, if standard error is a terminal and nothing else is written to it meanwhile.
    pub(super) fn new(input: &Input, target: &Target, json: bool) -> Self {
        let watched = io::stderr().is_terminal() && !target.is_terminal() && !json;
        let bar = match watched && input.len() >= SMALLEST_BYTES {
            true => ProgressBar::new(input.len()),
            false => ProgressBar::hidden(),
        };
        if let Ok(style) = ProgressStyle::with_template(TEMPLATE) {
            bar.set_style(style);
        }
        Self {
            bar,
            furthest: input.payload.furthest(),
        }
    }

    /// A part is done that ends at this byte. Where parts have no end, the bytes read tell how
    /// far it is; not where they have one, because cutting a file into parts runs ahead.
    pub(super) fn advance(&self, end: Option<u64>) {
        let read = || self.furthest.load(Ordering::Relaxed);
        self.bar.set_position(end.unwrap_or_else(read));
    }

    /// Prints a line on standard error without disturbing the bar.
    pub(super) fn print(&self, line: &str) {
        self.bar.suspend(|| eprintln!("{line}"));
    }

    /// Removes the bar.
    pub(super) fn done(&self) {
        self.bar.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_that_end_somewhere_tell_how_far_it_is() {
        let progress = Progress {
            bar: ProgressBar::hidden(),
            furthest: Arc::new(AtomicU64::new(1_000)),
        };
        progress.bar.set_length(1_000);
        progress.advance(Some(10));
        assert_eq!(progress.bar.position(), 10);
        progress.advance(None);
        assert_eq!(progress.bar.position(), 1_000);
    }
}
