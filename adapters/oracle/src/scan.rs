//! The short values of a JSON object whose other values may be of any length.

use std::collections::HashMap;

use serde_json::Value;

/// Longest key or value that is kept, in bytes; longer ones are passed over.
const LONGEST: usize = 8 * 1024;
/// Most values that are kept.
const MOST: usize = 64;

/// Takes a JSON text piece by piece, and keeps the short values of its outermost object that are no
/// objects or lists. What is no JSON gives nothing.
#[derive(Default)]
pub(crate) struct TopLevel {
    values: HashMap<String, Value>,
    key: Option<String>,
    /// The key or value that is being read, as it is written.
    text: Vec<u8>,
    is_passed_over: bool,
    depth: usize,
    in_string: bool,
    escaped: bool,
}

impl TopLevel {
    /// The next piece.
    pub(crate) fn push(&mut self, piece: &[u8]) {
        for byte in piece {
            match self.in_string {
                true => self.string_byte(*byte),
                false => self.plain_byte(*byte),
            }
        }
    }

    /// What was found.
    pub(crate) fn finish(self) -> HashMap<String, Value> {
        self.values
    }

    fn string_byte(&mut self, byte: u8) {
        self.keep(byte);
        match byte {
            _ if self.escaped => self.escaped = false,
            b'\\' => self.escaped = true,
            b'"' => self.in_string = false,
            _ => {}
        }
    }

    fn plain_byte(&mut self, byte: u8) {
        match byte {
            b'"' => {
                self.in_string = true;
                self.keep(byte);
            }
            b'{' | b'[' => {
                self.is_passed_over |= self.depth == 1;
                self.depth += 1;
            }
            b'}' | b']' => {
                if self.depth == 1 {
                    self.end_value();
                }
                self.depth = self.depth.saturating_sub(1);
            }
            b':' if self.depth == 1 => {
                self.key = serde_json::from_slice(&self.text).ok();
                self.text.clear();
                self.is_passed_over = false;
            }
            b',' if self.depth == 1 => self.end_value(),
            b' ' | b'\t' | b'\r' | b'\n' => {}
            _ => self.keep(byte),
        }
    }

    fn keep(&mut self, byte: u8) {
        if self.depth != 1 {
            return;
        }
        self.is_passed_over |= self.text.len() >= LONGEST;
        if !self.is_passed_over {
            self.text.push(byte);
        }
    }

    fn end_value(&mut self) {
        if let Some(key) = self.key.take()
            && !self.is_passed_over
            && self.values.len() < MOST
            && let Ok(value) = serde_json::from_slice(&self.text)
        {
            self.values.insert(key, value);
        }
        self.text.clear();
        self.is_passed_over = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scanned(json: &str, step: usize) -> HashMap<String, Value> {
        let mut scan = TopLevel::default();
        for piece in json.as_bytes().chunks(step) {
            scan.push(piece);
        }
        scan.finish()
    }

    #[test]
    fn short_values_are_found_whatever_the_cuts() {
        let long = "UEsDB".repeat(5_000);
        let json = format!(
            r#"{{ "OperationName" : "importBulkData", "DocumentContent":"{long}",
                "links":[{{"ReqstId":"5","x":"}}]"}}], "a\"b": "c\\", "none": null,
                "ReqstId":"2749017" ,"n": 12 }}"#
        );
        for step in [1, 7, 1_000, usize::MAX] {
            let found = scanned(&json, step);
            assert_eq!(found["ReqstId"], "2749017");
            assert_eq!(found["OperationName"], "importBulkData");
            assert_eq!(found["a\"b"], "c\\");
            assert_eq!(found["n"], 12);
            assert_eq!(found["none"], Value::Null);
            assert!(!found.contains_key("DocumentContent") && !found.contains_key("links"));
        }
    }

    #[test]
    fn what_is_no_object_gives_nothing() {
        for text in [
            "",
            "[1,2]",
            "<html>{no}</html>",
            "{{{{",
            "}}}}",
            "{\"a\":",
            "\"",
            "{\"a\" 1}",
        ] {
            assert!(scanned(text, 1).is_empty(), "{text}");
        }
    }
}
