//! Which namespaces are in force at a place of a document.

use quick_xml::XmlVersion;
use quick_xml::events::BytesStart;

use super::XmlFault;
use super::cutter::name_of;
use crate::limits::MAX_NAMESPACES;

/// A name with its namespace: none if it is empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Name {
    pub(crate) namespace: String,
    pub(crate) local: String,
}

impl Name {
    pub(crate) fn is(&self, namespace: &str, local: &str) -> bool {
        self.namespace == namespace && self.local == local
    }
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.namespace.is_empty() {
            true => write!(f, "`{}` in no namespace", self.local),
            false => write!(f, "`{}` in namespace `{}`", self.local, self.namespace),
        }
    }
}

/// One `xmlns` attribute.
#[derive(Debug, Clone)]
struct Declaration {
    depth: usize,
    /// Empty for the default namespace.
    prefix: String,
    uri: String,
}

/// The declarations in force, innermost last.
#[derive(Debug, Clone, Default)]
pub(crate) struct Scope(Vec<Declaration>);

impl Scope {
    /// Enters an element, whose start tag this is; `depth` counts from 1. Gives its name.
    ///
    /// # Errors
    /// The tag is not well-formed, or there are too many declarations.
    pub(crate) fn enter(&mut self, raw: &[u8], depth: usize) -> Result<Name, XmlFault> {
        let tag = tag(raw)?;
        for attribute in tag.attributes() {
            let attribute = attribute.map_err(|error| ill(error.to_string()))?;
            let key = attribute.key.0;
            let prefix = match key.strip_prefix("xmlns:") {
                Some(prefix) => prefix,
                None if key == "xmlns" => "",
                None => continue,
            };
            let uri = attribute
                .normalized_value(XmlVersion::Implicit1_0)
                .map_err(|e| ill(e.to_string()))?;
            self.0.push(Declaration {
                depth,
                prefix: prefix.to_owned(),
                uri: uri.trim().to_owned(),
            });
            if self.0.len() > MAX_NAMESPACES {
                return Err(XmlFault::Namespaces);
            }
        }
        self.name(tag.name().0)
    }

    /// Leaves the elements at this depth and below.
    pub(crate) fn leave(&mut self, depth: usize) {
        while self.0.last().is_some_and(|d| d.depth >= depth) {
            self.0.pop();
        }
    }

    fn name(&self, qualified: &str) -> Result<Name, XmlFault> {
        let (prefix, local) = qualified.split_once(':').unwrap_or(("", qualified));
        let declared = self.0.iter().rev().find(|d| d.prefix == prefix);
        let namespace = match declared {
            Some(declaration) => declaration.uri.clone(),
            None if prefix.is_empty() => String::new(),
            None if prefix == "xml" => "http://www.w3.org/XML/1998/namespace".to_owned(),
            None => return Err(ill(format!("the prefix `{prefix}` is not declared"))),
        };
        let local = local.to_owned();
        Ok(Name { namespace, local })
    }

    /// The declarations that an element at `depth` takes over from those around it, as attributes,
    /// each with a space before it: what it declares itself is not among them.
    pub(crate) fn inherited(&self, depth: usize) -> String {
        let mut attributes = String::new();
        for (index, declaration) in self.0.iter().enumerate() {
            let hidden = self.0[index + 1..]
                .iter()
                .any(|d| d.prefix == declaration.prefix);
            // An undeclared default namespace is what a document of its own begins with.
            if hidden || declaration.depth >= depth || declaration.uri.is_empty() {
                continue;
            }
            let uri = super::escaped(&declaration.uri);
            match declaration.prefix.as_str() {
                "" => attributes.push_str(&format!(" xmlns=\"{uri}\"")),
                prefix => attributes.push_str(&format!(" xmlns:{prefix}=\"{uri}\"")),
            }
        }
        attributes
    }
}

/// Reads a start tag.
pub(crate) fn tag(raw: &[u8]) -> Result<BytesStart<'_>, XmlFault> {
    let text = std::str::from_utf8(raw).map_err(|_| XmlFault::Characters { encoding: "UTF-8" })?;
    let inner = text.strip_prefix('<').unwrap_or(text);
    let inner = inner.strip_suffix('>').unwrap_or(inner);
    let inner = inner.strip_suffix('/').unwrap_or(inner);
    Ok(BytesStart::from_content(inner, name_of(raw).len()))
}

/// The value of an attribute without a prefix.
///
/// # Errors
/// The tag is not well-formed.
pub(crate) fn attribute(raw: &[u8], name: &str) -> Result<Option<String>, XmlFault> {
    let tag = tag(raw)?;
    let found = tag.try_get_attribute(name);
    match found.map_err(|error| ill(error.to_string()))? {
        Some(attribute) => match attribute.normalized_value(XmlVersion::Implicit1_0) {
            Ok(value) => Ok(Some(value.into_owned())),
            Err(error) => Err(ill(error.to_string())),
        },
        None => Ok(None),
    }
}

fn ill(what: String) -> XmlFault {
    XmlFault::IllFormed { what, at: 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_resolved_and_declarations_inherited() {
        let mut scope = Scope::default();
        let envelope = scope.enter(b"<s:E xmlns:s='urn:s' xmlns='urn:d' xmlns:x='a&amp;b'>", 1);
        assert!(envelope.unwrap().is("urn:s", "E"));
        let body = scope.enter(b"<s:B xmlns:x=\"urn:inner\">", 2).unwrap();
        assert_eq!(body.to_string(), "`B` in namespace `urn:s`");
        assert!(scope.enter(b"<m xmlns=''/>", 3).unwrap().is("", "m"));
        assert_eq!(
            scope.inherited(3),
            " xmlns:s=\"urn:s\" xmlns:x=\"urn:inner\""
        );
        scope.leave(3);
        assert!(scope.enter(b"<m/>", 3).unwrap().is("urn:d", "m"));
        assert!(scope.inherited(3).contains(" xmlns=\"urn:d\""));
        scope.leave(2);
        assert!(scope.inherited(2).contains("xmlns:x=\"a&amp;b\""));
        assert!(scope.enter(b"<nobody:m/>", 2).is_err());
    }
}
