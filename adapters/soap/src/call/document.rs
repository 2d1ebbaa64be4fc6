//! The document of a message on its way into an envelope: checked, as UTF-8, without what may stand
//! before its root; as base64; or as it is, beside the envelope.

use std::io;
use std::pin::Pin;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::{Bytes, BytesMut};
use hub_core::Content;
use tokio::io::{AsyncRead, AsyncReadExt};

use crate::xml::{Cutter, Piece, Pieces, Utf8, XmlFault};

/// Bytes read at a time: a multiple of three, so that base64 needs no rest but at the end.
const STEP: usize = 96 * 1024;

/// How a document is put in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Xml,
    Base64,
    /// In a part of its own (MTOM).
    Part,
}

/// A document as it comes.
pub(crate) struct Document {
    reader: Pin<Box<dyn AsyncRead + Send>>,
    form: Form,
    utf8: Utf8,
    cutter: Cutter,
    inner: Inner,
    ended: bool,
}

/// Why a document cannot be put in.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unfit {
    /// It cannot be read now.
    #[error("the message cannot be read: {0}")]
    Read(#[from] io::Error),
    /// It is not what can stand in an envelope.
    #[error("the message cannot stand in an envelope: {0}")]
    Xml(#[from] XmlFault),
}

impl Document {
    pub(crate) fn new(content: &Content, form: Form) -> Self {
        Self {
            reader: Box::pin(content.reader()),
            form,
            utf8: Utf8::new(None),
            cutter: Cutter::new(),
            inner: Inner::default(),
            ended: false,
        }
    }

    /// The next bytes.
    ///
    /// # Errors
    /// The document cannot be read, or put in.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, Unfit> {
        while !self.ended {
            let bytes = self.read().await?;
            self.ended = bytes.len() < STEP;
            let ready = match self.form {
                Form::Base64 => BASE64_STANDARD.encode(&bytes).into(),
                Form::Part => bytes,
                Form::Xml => self.carried(bytes)?,
            };
            if !ready.is_empty() {
                return Ok(Some(ready));
            }
        }
        Ok(None)
    }

    /// Fills a step, unless the end comes before.
    async fn read(&mut self) -> io::Result<Bytes> {
        let mut bytes = BytesMut::with_capacity(STEP);
        while bytes.len() < STEP {
            let room = (STEP - bytes.len()) as u64;
            if (&mut self.reader).take(room).read_buf(&mut bytes).await? == 0 {
                break;
            }
        }
        Ok(bytes.freeze())
    }

    fn carried(&mut self, bytes: Bytes) -> Result<Bytes, XmlFault> {
        let text = self.utf8.push(bytes)?;
        self.cutter.push(&text, &mut self.inner)?;
        if self.ended {
            let rest = self.utf8.finish()?;
            self.cutter.push(&rest, &mut self.inner)?;
            self.cutter.finish()?;
        }
        Ok(std::mem::take(&mut self.inner.bytes).into())
    }

    /// Reads to the end; gives the length of what would be put in.
    ///
    /// # Errors
    /// The document cannot be read, or put in.
    pub(crate) async fn measure(mut self) -> Result<u64, Unfit> {
        let mut length = 0;
        while let Some(bytes) = self.next().await? {
            length += bytes.len() as u64;
        }
        Ok(length)
    }
}

/// The root element and what follows it. A declaration in the middle of an envelope is not XML.
#[derive(Default)]
struct Inner {
    bytes: Vec<u8>,
    began: bool,
}

impl Pieces for Inner {
    type Fault = XmlFault;

    fn piece(&mut self, piece: Piece<'_>) -> Result<(), XmlFault> {
        self.began |= matches!(piece, Piece::Open { .. });
        if self.began {
            self.bytes.extend_from_slice(piece.raw());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn put_in(content: &[u8], form: Form) -> Result<String, Unfit> {
        let content = Content::bytes(content.to_vec());
        let mut document = Document::new(&content, form);
        let mut all = Vec::new();
        while let Some(bytes) = document.next().await? {
            all.extend_from_slice(&bytes);
        }
        let measured = Document::new(&content, form).measure().await?;
        assert_eq!(measured, all.len() as u64);
        Ok(String::from_utf8(all).unwrap())
    }

    #[tokio::test]
    async fn what_stands_before_the_root_stays_out() {
        let latin1 = b"<?xml version='1.0' encoding='ISO-8859-1'?>\n<!-- c --><a>\xf6</a>\n";
        assert_eq!(put_in(latin1, Form::Xml).await.unwrap(), "<a>ö</a>\n");
        let large = format!("\u{feff}<a>{}</a>", "<b/>".repeat(STEP));
        let found = put_in(large.as_bytes(), Form::Xml).await.unwrap();
        assert_eq!(found, large.trim_start_matches('\u{feff}'));
    }

    #[tokio::test]
    async fn what_would_break_the_envelope_is_refused() {
        for bad in [
            &b"a;b;c\n"[..],
            b"<a>",
            b"<a/></soap:Body>",
            b"<!DOCTYPE a><a/>",
            b"",
        ] {
            assert!(
                matches!(put_in(bad, Form::Xml).await, Err(Unfit::Xml(_))),
                "{bad:?}"
            );
        }
    }

    #[tokio::test]
    async fn base64_is_one_text_whatever_the_length() {
        for length in [0, 1, STEP - 1, STEP, STEP + 1, 3 * STEP + 2] {
            let bytes: Vec<u8> = (0..length).map(|i| (i % 251) as u8).collect();
            let text = put_in(&bytes, Form::Base64).await.unwrap();
            assert!(BASE64_STANDARD.decode(text).unwrap() == bytes, "{length}");
        }
    }
}
