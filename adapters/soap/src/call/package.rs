//! An MTOM package around an envelope and its one binary part (XOP 1.0; "SOAP 1.1 Binding for MTOM 1.0";
//! RFC 2387): the envelope refers to the part, which goes as it is, a third shorter than in base64.

use aws_lc_rs::rand;
use hub_core::MessageId;
use reqwest::header::HeaderValue;

use crate::envelope::Version;
use crate::names::XOP;
use crate::xml::escaped;

/// Random bytes of a boundary: so many that no content holds it.
const BOUNDARY_BYTES: usize = 16;

/// `Content-ID` of the envelope.
const ROOT: &str = "envelope@meterhub";

/// One package.
pub(crate) struct Package {
    boundary: String,
    content_id: String,
    version: Version,
}

impl Package {
    /// A package for a message, with a boundary of its own.
    ///
    /// # Errors
    /// The system gives no random numbers.
    pub(crate) fn new(version: Version, message_id: MessageId) -> Result<Self, String> {
        let mut random = [0; BOUNDARY_BYTES];
        rand::fill(&mut random).map_err(|_| "the system gives no random numbers".to_owned())?;
        let boundary: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Self {
            boundary: format!("meterhub-{boundary}"),
            content_id: format!("{message_id}@meterhub"),
            version,
        })
    }

    /// `Content-Type` of the request.
    pub(crate) fn media_type(&self, action: &str) -> String {
        let boundary = &self.boundary;
        let root = self.root_type();
        let action = match self.version {
            Version::V11 => String::new(),
            Version::V12 => format!("; action=\"{action}\""),
        };
        format!(
            "multipart/related; type=\"application/xop+xml\"; start=\"<{ROOT}>\"; \
             start-info=\"{root}\"; boundary=\"{boundary}\"{action}"
        )
    }

    fn root_type(&self) -> &'static str {
        match self.version {
            Version::V11 => "text/xml",
            Version::V12 => "application/soap+xml",
        }
    }

    /// All before the content: the envelope, of which head and tail stand around the reference, and the
    /// head of the content's part.
    pub(crate) fn opening(&self, head: &str, tail: &str, media_type: &str) -> String {
        let (boundary, root, id) = (&self.boundary, self.root_type(), &self.content_id);
        let media_type = usable(media_type);
        let reference = escaped(id);
        format!(
            "--{boundary}\r\n\
             Content-Type: application/xop+xml; charset=UTF-8; type=\"{root}\"\r\n\
             Content-Transfer-Encoding: 8bit\r\n\
             Content-ID: <{ROOT}>\r\n\r\n\
             {head}<xop:Include xmlns:xop=\"{XOP}\" href=\"cid:{reference}\"/>{tail}\r\n\
             --{boundary}\r\n\
             Content-Type: {media_type}\r\n\
             Content-Transfer-Encoding: binary\r\n\
             Content-ID: <{id}>\r\n\r\n"
        )
    }

    /// All after it.
    pub(crate) fn closing(&self) -> String {
        format!("\r\n--{}--\r\n", self.boundary)
    }
}

/// A media type that can stand in a header: it may have come with a message.
fn usable(media_type: &str) -> &str {
    let is_usable = media_type.contains('/') && media_type.is_ascii();
    match HeaderValue::from_str(media_type) {
        Ok(_) if is_usable => media_type,
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mtom::{Multipart, Related};
    use bytes::Bytes;
    use futures_util::stream;

    #[tokio::test]
    async fn a_package_has_two_parts_and_the_first_refers_to_the_second() {
        let content = b"\r\n--meterhub-\r\n\0\xff";
        for (version, info) in [
            (Version::V11, "text/xml"),
            (Version::V12, "application/soap+xml"),
        ] {
            let package = Package::new(version, MessageId(7)).unwrap();
            let media_type = package.media_type("urn:put");
            assert!(
                media_type.contains(&format!("start-info=\"{info}\"")),
                "{media_type}"
            );
            assert_eq!(
                media_type.contains("action=\"urn:put\""),
                version == Version::V12
            );
            let related = Related::of(&media_type).unwrap().unwrap();
            assert_eq!(related.start.as_deref(), Some(ROOT));
            let opening = package.opening("<a>", "</a>", "text/csv\r\nevil: 1");
            assert!(!opening.contains("evil"), "{opening}");
            let closing = package.closing();
            let whole = [opening.as_bytes(), content, closing.as_bytes()].concat();
            let chunks = stream::iter([Ok(Bytes::from(whole))]);
            let mut parts = Multipart::new(Box::pin(chunks), &related.boundary);
            let mut found = Vec::new();
            while let Some(head) = parts.next_part().await.unwrap() {
                let mut part = Vec::new();
                while let Some(chunk) = parts.chunk().await.unwrap() {
                    part.extend_from_slice(&chunk);
                }
                found.push((head.id, part));
            }
            assert_eq!(found.len(), 2);
            let envelope = String::from_utf8_lossy(&found[0].1);
            assert!(
                envelope.contains(&format!("href=\"cid:{}\"", found[1].0)),
                "{envelope}"
            );
            assert_eq!(found[1].1, content);
        }
    }

    #[test]
    fn boundaries_are_not_used_twice() {
        let boundary = || Package::new(Version::V11, MessageId(7)).unwrap().boundary;
        assert_ne!(boundary(), boundary());
    }
}
