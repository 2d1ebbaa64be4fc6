//! Codes of findings. Those of single values (`bad_value`, `missing_value`) are of `mapping-tabular`.

/// Neither an IDoc in XML nor one in a flat file.
pub const NO_IDOC: &str = "no_idoc";
/// The file ends in the middle of an IDoc.
pub const TRUNCATED: &str = "truncated";
/// An IDoc, or what stands around it, is not well-formed XML.
pub const NOT_WELL_FORMED: &str = "not_well_formed";
/// A document type definition.
pub const DTD_REFUSED: &str = "dtd_refused";
/// An IDoc, or a tag outside of one, is longer than its limit.
pub const TOO_LONG: &str = "too_long";
/// Segments or elements are nested deeper than their limit, or are too many.
pub const TOO_DEEP: &str = "too_deep";
/// Bytes that are not in the file's encoding.
pub const BAD_ENCODING: &str = "bad_encoding";
/// Data without an `EDI_DC40` before it.
pub const NO_CONTROL_RECORD: &str = "no_control_record";
/// A flat record ends before its fixed part does.
pub const TRUNCATED_RECORD: &str = "truncated_record";
/// A flat record goes on after its last field.
pub const LONG_RECORD: &str = "long_record";
/// A flat record that is neither control nor data.
pub const BAD_RECORD: &str = "bad_record";
/// `PSGNUM` names a segment that is not above this one.
pub const BAD_HIERARCHY: &str = "bad_hierarchy";
/// A data record belongs to another IDoc than the control record before it.
pub const OTHER_DOCNUM: &str = "other_docnum";
/// A flat segment whose fields have no known offsets.
pub const NO_LAYOUT: &str = "no_layout";
/// The mapping file has no entry for this message type.
pub const UNKNOWN_MESSAGE: &str = "unknown_message";
/// The IDoc has none of the segments that records come from.
pub const NOTHING_MAPPED: &str = "nothing_mapped";
