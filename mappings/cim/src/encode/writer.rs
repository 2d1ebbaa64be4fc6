//! Writes elements with escaped text.

use hub_model::{Decimal, Instant};

/// Appends XML to a buffer.
pub(crate) struct Writer<'o> {
    out: &'o mut Vec<u8>,
}

impl<'o> Writer<'o> {
    pub(crate) const fn new(out: &'o mut Vec<u8>) -> Self {
        Self { out }
    }

    /// Writes markup as it is.
    pub(crate) fn raw(&mut self, markup: &str) {
        self.out.extend_from_slice(markup.as_bytes());
    }

    pub(crate) fn open(&mut self, name: &str) {
        self.raw("<");
        self.raw(name);
        self.raw(">");
    }

    /// Opens an element and makes `namespace` the default from there on.
    pub(crate) fn open_in(&mut self, name: &str, namespace: &str) {
        self.raw("<");
        self.raw(name);
        self.raw(" xmlns=\"");
        self.escaped(namespace);
        self.raw("\">");
    }

    pub(crate) fn close(&mut self, name: &str) {
        self.raw("</");
        self.raw(name);
        self.raw(">");
    }

    /// An empty element with a `ref`, which needs no escaping.
    pub(crate) fn reference(&mut self, name: &str, target: &dyn std::fmt::Display) {
        use std::io::Write as _;
        // Writing to memory does not fail.
        let _ = write!(self.out, "<{name} ref=\"{target}\"/>");
    }

    pub(crate) fn text(&mut self, name: &str, text: &str) {
        self.open(name);
        self.escaped(text);
        self.close(name);
    }

    pub(crate) fn optional(&mut self, name: &str, text: Option<&str>) {
        if let Some(text) = text {
            self.text(name, text);
        }
    }

    pub(crate) fn instant(&mut self, name: &str, instant: Instant) {
        self.open(name);
        instant.write(self.out);
        self.close(name);
    }

    pub(crate) fn optional_instant(&mut self, name: &str, instant: Option<Instant>) {
        if let Some(instant) = instant {
            self.instant(name, instant);
        }
    }

    pub(crate) fn decimal(&mut self, name: &str, value: Decimal) {
        self.open(name);
        value.write(self.out, b'.');
        self.close(name);
    }

    /// Carriage returns, tabs and line feeds survive normalisation only as numbers.
    fn escaped(&mut self, text: &str) {
        for c in text.chars() {
            match c {
                '<' => self.raw("&lt;"),
                '>' => self.raw("&gt;"),
                '&' => self.raw("&amp;"),
                '"' => self.raw("&quot;"),
                '\r' => self.raw("&#13;"),
                '\n' => self.raw("&#10;"),
                '\t' => self.raw("&#9;"),
                // NEL and LINE SEPARATOR are line ends in XML 1.1.
                '\u{85}' => self.raw("&#133;"),
                '\u{2028}' => self.raw("&#8232;"),
                // XML 1.0 has no way to say these.
                '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => self.raw("\u{fffd}"),
                _ => self.raw(c.encode_utf8(&mut [0; 4])),
            }
        }
    }
}
