//! A document's bytes as UTF-8, whatever they are written in.

use bytes::Bytes;
use encoding_rs::{Decoder, DecoderResult, Encoding, UTF_8, UTF_16BE, UTF_16LE};

use super::XmlFault;
use crate::limits::ENCODING_PROBE_BYTES;

/// Turns a document into UTF-8, piece by piece. A byte order mark goes before what the transport
/// says (RFC 7303), that before the document's own declaration; without any it is UTF-8.
pub(crate) struct Utf8 {
    state: State,
    /// What the transport says.
    charset: Option<String>,
}

enum State {
    /// The first bytes, until it is known.
    Probing(Vec<u8>),
    /// As it is.
    Plain,
    Decoding(Decoder),
}

impl Utf8 {
    /// With the `charset` of the media type, if it has one.
    pub(crate) fn new(charset: Option<String>) -> Self {
        let state = State::Probing(Vec::new());
        Self { state, charset }
    }

    /// The next bytes.
    ///
    /// # Errors
    /// The encoding is not known, or the bytes are not of it.
    pub(crate) fn push(&mut self, bytes: Bytes) -> Result<Bytes, XmlFault> {
        match &mut self.state {
            State::Plain => Ok(bytes),
            State::Decoding(decoder) => decoded(decoder, &bytes, false),
            State::Probing(held) => {
                held.extend_from_slice(&bytes);
                let more_wanted = match held.as_slice() {
                    held if held.len() < 4 => true,
                    [b'<', b'?', ..] => !held.contains(&b'>') && held.len() < ENCODING_PROBE_BYTES,
                    _ => false,
                };
                match more_wanted {
                    true => Ok(Bytes::new()),
                    false => self.begin(false),
                }
            }
        }
    }

    /// What is left at the end.
    ///
    /// # Errors
    /// The bytes end within a character.
    pub(crate) fn finish(&mut self) -> Result<Bytes, XmlFault> {
        match &mut self.state {
            State::Plain => Ok(Bytes::new()),
            State::Decoding(decoder) => decoded(decoder, &[], true),
            State::Probing(_) => self.begin(true),
        }
    }

    fn begin(&mut self, last: bool) -> Result<Bytes, XmlFault> {
        let State::Probing(held) = std::mem::replace(&mut self.state, State::Plain) else {
            return Ok(Bytes::new());
        };
        let (encoding, mark) = detected(&held, self.charset.as_deref())?;
        if encoding == UTF_8 {
            return Ok(Bytes::from(held).slice(mark..));
        }
        let mut decoder = encoding.new_decoder_without_bom_handling();
        let text = decoded(&mut decoder, &held[mark..], last)?;
        self.state = State::Decoding(decoder);
        Ok(text)
    }
}

/// The encoding, and the length of the byte order mark.
fn detected(head: &[u8], charset: Option<&str>) -> Result<(&'static Encoding, usize), XmlFault> {
    if let Some(found) = Encoding::for_bom(head) {
        return Ok(found);
    }
    let told = match (charset, head) {
        (Some(charset), _) => Some(charset.to_owned()),
        (None, [b'<', 0, ..]) => return Ok((UTF_16LE, 0)),
        (None, [0, b'<', ..]) => return Ok((UTF_16BE, 0)),
        (None, _) => declared(head),
    };
    let Some(label) = told else {
        return Ok((UTF_8, 0));
    };
    match Encoding::for_label_no_replacement(label.as_bytes()) {
        // Who declares UTF-16 in bytes like `<?xml` has written a string to a UTF-8 file.
        Some(encoding) if !encoding.is_ascii_compatible() && head.starts_with(b"<?xml") => {
            Ok((UTF_8, 0))
        }
        Some(encoding) => Ok((encoding, 0)),
        None if label.eq_ignore_ascii_case("us-ascii") => Ok((UTF_8, 0)),
        None => Err(XmlFault::Encoding(label)),
    }
}

/// The `encoding` of the XML declaration.
fn declared(head: &[u8]) -> Option<String> {
    let end = head.iter().position(|b| *b == b'>')?;
    let text = std::str::from_utf8(&head[..end]).ok()?;
    let declaration = text.strip_prefix("<?xml")?;
    let (_, value) = declaration.split_once("encoding")?;
    let value = value.trim_start().strip_prefix('=')?.trim_start();
    let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    value[1..]
        .split_once(quote)
        .map(|(label, _)| label.to_owned())
}

fn decoded(decoder: &mut Decoder, bytes: &[u8], last: bool) -> Result<Bytes, XmlFault> {
    let encoding = decoder.encoding().name();
    let room = decoder.max_utf8_buffer_length_without_replacement(bytes.len());
    let mut text = vec![0; room.unwrap_or(bytes.len().saturating_mul(4) + 16)];
    match decoder.decode_to_utf8_without_replacement(bytes, &mut text, last) {
        (DecoderResult::InputEmpty, _, written) => {
            text.truncate(written);
            Ok(text.into())
        }
        _ => Err(XmlFault::Characters { encoding }),
    }
}

/// The `charset` of a media type.
pub(crate) fn charset_of(media_type: &str) -> Option<String> {
    let parameters = media_type.split(';').skip(1);
    let pairs = parameters.filter_map(|p| p.split_once('='));
    let charset = pairs
        .filter(|(key, _)| key.trim().eq_ignore_ascii_case("charset"))
        .map(|(_, value)| value.trim().trim_matches('"').to_owned());
    charset.into_iter().find(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8], charset: Option<&str>, step: usize) -> Result<String, XmlFault> {
        let mut utf8 = Utf8::new(charset.map(ToOwned::to_owned));
        let mut all = Vec::new();
        for chunk in bytes.chunks(step) {
            all.extend(utf8.push(Bytes::copy_from_slice(chunk))?);
        }
        all.extend(utf8.finish()?);
        Ok(String::from_utf8(all).unwrap())
    }

    #[test]
    fn every_way_to_tell_the_encoding_is_heard() {
        let utf16: Vec<u8> = "<a>ö€</a>"
            .encode_utf16()
            .flat_map(u16::to_le_bytes)
            .collect();
        let marked: Vec<u8> = [b"\xff\xfe".as_slice(), &utf16].concat();
        let latin1 = b"<?xml version='1.0' encoding='ISO-8859-1'?><a>\xf6</a>";
        for step in [1, 2, 5, 100] {
            assert_eq!(read("<a>ö</a>".as_bytes(), None, step).unwrap(), "<a>ö</a>");
            assert_eq!(
                read(b"\xef\xbb\xbf<a/>", Some("latin1"), step).unwrap(),
                "<a/>"
            );
            assert_eq!(read(&utf16, None, step).unwrap(), "<a>ö€</a>");
            assert_eq!(read(&marked, Some("utf-8"), step).unwrap(), "<a>ö€</a>");
            assert!(read(latin1, None, step).unwrap().ends_with("<a>ö</a>"));
            assert_eq!(
                read(b"<a>\xf6</a>", Some("latin1"), step).unwrap(),
                "<a>ö</a>"
            );
            assert_eq!(read(b"<a", None, step).unwrap(), "<a");
        }
        assert!(matches!(
            read(b"<a>..", Some("klingon"), 9),
            Err(XmlFault::Encoding(_))
        ));
        let odd = &utf16[..utf16.len() - 1];
        assert!(matches!(
            read(odd, None, 9),
            Err(XmlFault::Characters { .. })
        ));
    }

    #[test]
    fn a_charset_is_a_parameter_of_the_media_type() {
        let found = charset_of("text/xml; action=\"x\"; Charset=\"UTF-8\"");
        assert_eq!(found.as_deref(), Some("UTF-8"));
        assert_eq!(charset_of("text/xml"), None);
    }
}
