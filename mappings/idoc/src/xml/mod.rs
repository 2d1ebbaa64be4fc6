//! IDocs in XML: `<ORDERS05><IDOC BEGIN="1"><EDI_DC40 SEGMENT="1">...`.

mod cut;
mod encoding;
mod markup;
mod read;

pub(crate) use cut::XmlCutter;
pub(crate) use encoding::{Characters, as_utf8, open};
pub(crate) use read::{full_finding, read};
