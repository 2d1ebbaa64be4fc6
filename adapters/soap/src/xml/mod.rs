//! Just enough XML to carry documents: where tags, texts and documents begin and end, which
//! namespaces are in force, and characters as UTF-8. What a document means is others' business.

mod carry;
mod cutter;
mod fault;
mod normal;
mod scope;
mod utf8;

pub(crate) use carry::Carry;
pub(crate) use cutter::{Cutter, Piece, Pieces};
pub(crate) use fault::XmlFault;
pub(crate) use normal::{HeaderBlock, Known, normalised, text_of_child};
pub(crate) use scope::{Name, Scope, attribute};
pub(crate) use utf8::{Utf8, charset_of};

/// Text as it may stand between tags and in attributes.
pub(crate) fn escaped(text: &str) -> std::borrow::Cow<'_, str> {
    quick_xml::escape::escape(text)
}
