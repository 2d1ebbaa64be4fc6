//! Any text as a mapping file: refused with a place, or compiled; never a panic.

#![no_main]

use libfuzzer_sys::fuzz_target;
use mapping_tabular::Mapping;

fuzz_target!(|text: &str| {
    if let Err(error) = Mapping::load(text) {
        assert!(error.line >= 1 && error.column >= 1 && !error.reason.is_empty());
    }
});
