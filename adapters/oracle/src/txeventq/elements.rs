//! Cuts an answer into the elements of its list while it comes in: an answer of any length costs no more
//! memory than one element, and what is wrong with one is not the others' trouble.

use std::collections::HashMap;

use serde_json::Value;

use crate::scan::TopLevel;

/// Names under which an object holds the list.
const LISTS: [&[u8]; 2] = [b"records", b"items"];
/// Longest such name that is looked at, and most of an answer that is shown.
const LONGEST_KEY: usize = 16;
const LONGEST_SHOWN: usize = 200;

/// An element of the list.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Element {
    /// As it is written.
    Whole(Vec<u8>),
    /// Larger than the limit: its length, and its own short values.
    Large(u64, HashMap<String, Value>),
}

/// Takes an answer piece by piece: a list, or an object that holds it.
pub(crate) struct Elements {
    /// Most bytes of an element that are kept.
    limit: usize,
    /// Objects and lists that are open.
    depth: usize,
    in_string: bool,
    escaped: bool,
    /// The depth inside the list, while it is open.
    list: Option<usize>,
    is_closed: bool,
    /// The last text in an object around the list.
    key: Vec<u8>,
    current: Option<Current>,
    /// The beginning of the answer.
    head: Vec<u8>,
}

/// The element that is coming in.
#[derive(Default)]
struct Current {
    bytes: Vec<u8>,
    length: u64,
    /// It is too large: what is kept of it.
    large: Option<TopLevel>,
}

impl Current {
    fn push(&mut self, byte: u8, limit: usize) {
        self.length += 1;
        match &mut self.large {
            Some(scan) => scan.push(&[byte]),
            None if self.bytes.len() < limit => self.bytes.push(byte),
            None => {
                let mut scan = TopLevel::default();
                scan.push(&std::mem::take(&mut self.bytes));
                scan.push(&[byte]);
                self.large = Some(scan);
            }
        }
    }

    fn element(self) -> Element {
        match self.large {
            Some(scan) => Element::Large(self.length, scan.finish()),
            None => Element::Whole(self.bytes),
        }
    }
}

impl Elements {
    /// Keeps elements of at most so many bytes.
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            limit,
            depth: 0,
            in_string: false,
            escaped: false,
            list: None,
            is_closed: false,
            key: Vec::new(),
            current: None,
            head: Vec::new(),
        }
    }

    /// The next piece; gives the elements that end in it.
    pub(crate) fn push(&mut self, piece: &[u8]) -> Vec<Element> {
        let room = LONGEST_SHOWN.saturating_sub(self.head.len());
        self.head.extend(piece.iter().take(room));
        let mut ended = Vec::new();
        for byte in piece {
            match self.in_string {
                true => self.string_byte(*byte),
                false => ended.extend(self.plain_byte(*byte)),
            }
        }
        ended
    }

    /// The end of the answer; one of nothing at all is an empty list.
    ///
    /// # Errors
    /// There is no list in it, or no end of it.
    pub(crate) fn end(self) -> Result<(), String> {
        if self.is_closed || self.head.iter().all(u8::is_ascii_whitespace) {
            return Ok(());
        }
        match self.list {
            Some(_) => Err("its answer ends within the list of records".to_owned()),
            None => {
                let shown = hub_web::plain(&self.head, LONGEST_SHOWN);
                Err(format!("its answer holds no list of records: {shown}"))
            }
        }
    }

    fn string_byte(&mut self, byte: u8) {
        match byte {
            _ if self.escaped => self.escaped = false,
            b'\\' => self.escaped = true,
            b'"' => self.in_string = false,
            _ => {}
        }
        if self.in_string && self.depth == 1 && self.list.is_none() {
            // One more than would fit: a longer one is none of the names.
            if self.key.len() <= LONGEST_KEY {
                self.key.push(byte);
            }
        }
        self.keep(byte);
    }

    fn plain_byte(&mut self, byte: u8) -> Option<Element> {
        match byte {
            b'[' if self.is_the_list() => {
                self.depth += 1;
                self.list = Some(self.depth);
            }
            b'"' => {
                self.begin();
                self.in_string = true;
                self.key.clear();
                self.keep(byte);
            }
            b'{' | b'[' => {
                self.begin();
                self.keep(byte);
                self.depth += 1;
            }
            b'}' | b']' if self.is_in_list() => {
                self.list = None;
                self.is_closed = true;
                self.depth -= 1;
                return self.current.take().map(Current::element);
            }
            b'}' | b']' => {
                self.depth = self.depth.saturating_sub(1);
                self.keep(byte);
                if self.is_in_list() {
                    return self.current.take().map(Current::element);
                }
            }
            b',' if self.is_in_list() => return self.current.take().map(Current::element),
            b' ' | b'\t' | b'\r' | b'\n' => self.keep(byte),
            _ => {
                self.begin();
                self.keep(byte);
            }
        }
        None
    }

    /// Whether a `[` here opens the list.
    fn is_the_list(&self) -> bool {
        let is_named = self.depth == 1 && LISTS.contains(&self.key.as_slice());
        self.list.is_none() && !self.is_closed && (self.depth == 0 || is_named)
    }

    /// Whether what comes is an element, and no part of one.
    fn is_in_list(&self) -> bool {
        self.list == Some(self.depth)
    }

    fn begin(&mut self) {
        if self.is_in_list() && self.current.is_none() {
            self.current = Some(Current::default());
        }
    }

    fn keep(&mut self, byte: u8) {
        if let Some(current) = &mut self.current {
            current.push(byte, self.limit);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(answer: &str, limit: usize, step: usize) -> (Vec<String>, Result<(), String>) {
        let mut elements = Elements::new(limit);
        let mut found = Vec::new();
        for piece in answer.as_bytes().chunks(step) {
            found.extend(
                elements
                    .push(piece)
                    .into_iter()
                    .map(|element| match element {
                        Element::Whole(bytes) => String::from_utf8(bytes).unwrap(),
                        Element::Large(length, _) => format!("{length} bytes"),
                    }),
            );
        }
        (found, elements.end())
    }

    #[test]
    fn elements_are_cut_whatever_the_pieces() {
        for (answer, expected) in [
            ("", &[][..]),
            (" \n", &[]),
            ("[]", &[]),
            (
                r#"[{"a":1},{"b":[1,{"c":"]}"}]}]"#,
                &[r#"{"a":1}"#, r#"{"b":[1,{"c":"]}"}]}"#],
            ),
            (
                r#"{"links":[{"rel":"x"}],"records": [ {"a":"\"]"} , 5,"x" ,null]}"#,
                &[r#"{"a":"\"]"}"#, "5", "\"x\" ", "null"],
            ),
            (r#"{"count":1,"items":[[1,2]],"records":[9]}"#, &["[1,2]"]),
        ] {
            for step in [1, 3, 1_000] {
                let (found, end) = cut(answer, 100, step);
                let found: Vec<&str> = found.iter().map(|found| found.trim_end()).collect();
                let expected: Vec<&str> = expected.iter().map(|e| e.trim_end()).collect();
                assert_eq!(found, expected, "{answer}");
                assert_eq!(end, Ok(()), "{answer}");
            }
        }
    }

    #[test]
    fn what_is_no_list_or_has_no_end_is_told() {
        for (answer, hint) in [
            ("<html>no", "no list of records: <html>no"),
            ("{}", "no list"),
            (r#"{"recordss":[1]}"#, "no list"),
            (r#"{"a":{"records":[1]}}"#, "no list"),
            (r#"[{"a":1}"#, "ends within"),
            (r#"[{"a":1},{"b""#, "ends within"),
            ("]]]}}", "no list"),
        ] {
            let (_, end) = cut(answer, 100, 4);
            assert!(end.unwrap_err().contains(hint), "{answer}");
        }
    }

    #[test]
    fn a_large_element_keeps_its_short_values() {
        let answer = format!(
            r#"[{{"topic":"T","value":"{}","partition":1,"offset":7}},{{"a":1}}]"#,
            "x".repeat(10_000)
        );
        let mut elements = Elements::new(100);
        let found = elements.push(answer.as_bytes());
        let Element::Large(length, short) = &found[0] else {
            panic!("{found:?}")
        };
        assert!(*length > 10_000);
        assert_eq!(
            (&short["topic"], &short["offset"]),
            (&"T".into(), &7.into())
        );
        assert_eq!(found[1], Element::Whole(br#"{"a":1}"#.to_vec()));
        assert_eq!(elements.end(), Ok(()));
    }
}
