//! Small typed parts of a message, written anew with prefixes and namespaces that we know.
//!
//! Partners write the same header with any prefix, in the namespace of any year, and `Header` of
//! IEC 61968-100 even in that of the message around it. yaserde wants exact names; after this it
//! finds them. Attributes keep their local names only, and comments are gone.

use quick_xml::events::{BytesStart, Event};
use quick_xml::name::ResolveResult;
use quick_xml::{NsReader, XmlVersion};

use super::{Name, XmlFault, escaped};

/// What a namespace is to us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Known {
    /// SOAP, either version.
    Envelope,
    /// WS-Security.
    Security,
    /// WS-Security's utilities.
    Utility,
    /// WS-Addressing, either version in use.
    Addressing,
    /// IEC 61968-100, any year.
    Message,
    /// None at all: what SOAP 1.1 writes a fault in.
    Nothing,
    /// Any other.
    Foreign,
}

impl Known {
    const ALL: [Self; 7] = [
        Self::Envelope,
        Self::Security,
        Self::Utility,
        Self::Addressing,
        Self::Message,
        Self::Nothing,
        Self::Foreign,
    ];

    /// Our prefix, and the namespace that the typed parts of [`crate::wire`] are declared in.
    const fn ours(self) -> (&'static str, &'static str) {
        match self {
            Self::Envelope => ("env", "urn:meterhub:env"),
            Self::Security => ("wsse", crate::names::WSSE),
            Self::Utility => ("wsu", crate::names::WSU),
            Self::Addressing => ("wsa", crate::names::WSA),
            Self::Message => ("m", crate::names::MESSAGE),
            Self::Nothing => ("n", "urn:meterhub:none"),
            Self::Foreign => ("o", "urn:meterhub:other"),
        }
    }

    fn of(namespace: &str) -> Self {
        use crate::names::{SOAP11, SOAP12, WSA, WSA_2004, WSSE, WSU};
        match namespace {
            SOAP11 | SOAP12 => Self::Envelope,
            WSSE => Self::Security,
            WSU => Self::Utility,
            WSA | WSA_2004 => Self::Addressing,
            "" => Self::Nothing,
            other if crate::names::is_iec(other) => Self::Message,
            _ => Self::Foreign,
        }
    }
}

/// An entry of a SOAP header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HeaderBlock {
    pub(crate) name: Name,
    pub(crate) must_understand: bool,
    /// `actor` or `role`: whom it is for; empty: the last receiver.
    pub(crate) role: String,
}

/// Writes an element anew. `inside` makes every element one of that namespace. Tells also the
/// children of the root, as entries of a header.
///
/// # Errors
/// It is not well-formed.
pub(crate) fn normalised(
    xml: &[u8],
    inside: Option<Known>,
) -> Result<(String, Vec<HeaderBlock>), XmlFault> {
    let text = std::str::from_utf8(xml).map_err(|_| XmlFault::Characters { encoding: "UTF-8" })?;
    let mut reader = NsReader::from_str(text);
    let mut out = String::with_capacity(text.len() + 512);
    let mut names: Vec<String> = Vec::new();
    let mut blocks = Vec::new();
    loop {
        let (namespace, event) = reader.read_resolved_event().map_err(ill)?;
        let namespace = match namespace {
            ResolveResult::Bound(namespace) => namespace.0.to_owned(),
            ResolveResult::Unbound => String::new(),
            ResolveResult::Unknown(prefix) => {
                return Err(ill(format!("the prefix `{prefix}` is not declared")));
            }
        };
        match event {
            Event::Start(tag) => {
                note(&mut blocks, names.len(), &namespace, &tag, &reader)?;
                names.push(open(&mut out, names.is_empty(), inside, &namespace, &tag)?);
                out.push('>');
            }
            Event::Empty(tag) => {
                note(&mut blocks, names.len(), &namespace, &tag, &reader)?;
                open(&mut out, names.is_empty(), inside, &namespace, &tag)?;
                out.push_str("/>");
            }
            Event::End(_) => {
                let name = names.pop().unwrap_or_default();
                out.push_str(&format!("</{name}>"));
            }
            Event::Text(text) => {
                out.push_str(&escaped(&text.xml_content(XmlVersion::Implicit1_0)));
            }
            Event::CData(text) => out.push_str(&escaped(&text)),
            Event::GeneralRef(reference) => out.push_str(&format!("&{};", &*reference)),
            Event::Eof => return Ok((out, blocks)),
            Event::DocType(_) => return Err(XmlFault::Dtd { at: 0 }),
            Event::Comment(_) | Event::PI(_) | Event::Decl(_) => {}
        }
    }
}

/// Writes a start tag without its end; gives its name.
fn open(
    out: &mut String,
    is_root: bool,
    inside: Option<Known>,
    namespace: &str,
    tag: &BytesStart<'_>,
) -> Result<String, XmlFault> {
    let known = inside.unwrap_or_else(|| Known::of(namespace));
    let name = format!("{}:{}", known.ours().0, tag.local_name().as_ref());
    out.push('<');
    out.push_str(&name);
    if is_root {
        for known in Known::ALL {
            let (prefix, uri) = known.ours();
            out.push_str(&format!(" xmlns:{prefix}=\"{uri}\""));
        }
    }
    let mut seen: Vec<String> = Vec::new();
    for attribute in tag.attributes() {
        let attribute = attribute.map_err(ill)?;
        let key = attribute.key.0;
        let local = key.rsplit(':').next().unwrap_or_default().to_owned();
        if key == "xmlns" || key.starts_with("xmlns:") || seen.contains(&local) {
            continue;
        }
        let value = attribute
            .normalized_value(XmlVersion::Implicit1_0)
            .map_err(ill)?;
        out.push_str(&format!(" {local}=\"{}\"", escaped(&value)));
        seen.push(local);
    }
    Ok(name)
}

fn note(
    blocks: &mut Vec<HeaderBlock>,
    depth: usize,
    namespace: &str,
    tag: &BytesStart<'_>,
    reader: &NsReader<&[u8]>,
) -> Result<(), XmlFault> {
    if depth != 1 {
        return Ok(());
    }
    let mut block = HeaderBlock {
        name: Name {
            namespace: namespace.to_owned(),
            local: tag.local_name().as_ref().to_owned(),
        },
        must_understand: false,
        role: String::new(),
    };
    for attribute in tag.attributes() {
        let attribute = attribute.map_err(ill)?;
        let (of, local) = reader.resolver().resolve_attribute(attribute.key);
        let is_ours = matches!(of, ResolveResult::Bound(of) if Known::of(of.0) == Known::Envelope);
        if !is_ours {
            continue;
        }
        let value = attribute
            .normalized_value(XmlVersion::Implicit1_0)
            .map_err(ill)?
            .trim()
            .to_owned();
        match local.as_ref() {
            "mustUnderstand" => block.must_understand = matches!(value.as_str(), "1" | "true"),
            "actor" | "role" => block.role = value,
            _ => {}
        }
    }
    blocks.push(block);
    Ok(())
}

/// The text of the first child of that name; `None` if there is none.
///
/// # Errors
/// The element is not well-formed.
pub(crate) fn text_of_child(xml: &[u8], name: &Name) -> Result<Option<String>, XmlFault> {
    let text = std::str::from_utf8(xml).map_err(|_| XmlFault::Characters { encoding: "UTF-8" })?;
    let mut reader = NsReader::from_str(text);
    let (mut depth, mut found, mut inside) = (0usize, String::new(), false);
    loop {
        let (namespace, event) = reader.read_resolved_event().map_err(ill)?;
        match event {
            Event::Start(tag) => {
                let is_bound = matches!(namespace, ResolveResult::Bound(n) if n.0 == name.namespace)
                    || (name.namespace.is_empty() && namespace == ResolveResult::Unbound);
                inside |= depth == 1 && is_bound && tag.local_name().as_ref() == name.local;
                depth += 1;
            }
            Event::End(_) => {
                depth = depth.saturating_sub(1);
                if inside && depth == 1 {
                    return Ok(Some(found));
                }
            }
            Event::Text(text) if inside => {
                found.push_str(&text.xml_content(XmlVersion::Implicit1_0));
            }
            Event::CData(text) if inside => found.push_str(&text),
            Event::GeneralRef(reference) if inside => {
                match reference.resolve_char_ref().map_err(ill)? {
                    Some(character) => found.push(character),
                    None => found.push_str(
                        quick_xml::escape::resolve_predefined_entity(&reference)
                            .unwrap_or_default(),
                    ),
                }
            }
            Event::Eof => return Ok(None),
            _ => {}
        }
    }
}

fn ill(what: impl ToString) -> XmlFault {
    let what = what.to_string();
    XmlFault::IllFormed { what, at: 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_prefix_becomes_ours_and_blocks_are_told() {
        let xml = "<S:Header xmlns:S='http://schemas.xmlsoap.org/soap/envelope/' \
            xmlns:a='http://www.w3.org/2005/08/addressing'><a:MessageID S:mustUnderstand='1' \
            S:actor='urn:x'><!-- c -->i&amp;d<![CDATA[<]]></a:MessageID><x y='1'/></S:Header>";
        let (text, blocks) = normalised(xml.as_bytes(), None).unwrap();
        assert!(text.starts_with("<env:Header xmlns:env="), "{text}");
        assert!(
            text.ends_with(
                "<wsa:MessageID mustUnderstand=\"1\" actor=\"urn:x\">i&amp;d&lt;</wsa:MessageID>\
                 <n:x y=\"1\"/></env:Header>"
            ),
            "{text}"
        );
        assert_eq!(blocks.len(), 2);
        assert!(blocks[0].must_understand && blocks[0].role == "urn:x");
        assert!(blocks[1].name.is("", "x") && !blocks[1].must_understand);
    }

    #[test]
    fn a_message_header_may_be_in_any_namespace() {
        let xml = b"<Header xmlns='urn:whatever'><b:Verb xmlns:b='urn:b'>created</b:Verb></Header>";
        let (text, _) = normalised(xml, Some(Known::Message)).unwrap();
        assert!(
            text.ends_with("><m:Verb>created</m:Verb></m:Header>"),
            "{text}"
        );
    }
}
