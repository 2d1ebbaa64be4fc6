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

    /// A part is done.
    pub(super) fn advance(&self) {
        self.bar.set_position(self.furthest.load(Ordering::Relaxed));
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
