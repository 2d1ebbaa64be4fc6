//! The codes of the findings this mapping makes. They are stable: programs may depend on them.

/// The bytes are not XML, or break its rules.
pub const NOT_WELL_FORMED: &str = "not_well_formed";
/// The document ends before its root element does.
pub const TRUNCATED: &str = "truncated";
/// A tag, comment or text is longer than the hub accepts.
pub const TOO_LONG: &str = "too_long";
/// Elements are nested more deeply, or more namespaces declared, than the hub accepts.
pub const TOO_DEEP: &str = "too_deep";
/// A document type definition, which may hide entity bombs and external entities.
pub const DTD_REFUSED: &str = "dtd_refused";
/// The bytes are not in the encoding the document declares.
pub const BAD_ENCODING: &str = "bad_encoding";
/// Another kind of document.
pub const WRONG_ROOT: &str = "wrong_root";
/// An envelope without readings or events.
pub const NO_PAYLOAD: &str = "no_payload";
/// The value is no decimal number.
pub const BAD_VALUE: &str = "bad_value";
/// No value, and no quality that says it is known to be missing.
pub const MISSING_VALUE: &str = "missing_value";
/// A date and time cannot be read.
pub const BAD_TIME: &str = "bad_time";
/// No time stamp.
pub const MISSING_TIME: &str = "missing_time";
/// A quality cannot be read.
pub const BAD_QUALITY: &str = "bad_quality";
/// The reading type cannot be read.
pub const BAD_READING_TYPE: &str = "bad_reading_type";
/// No reading type.
pub const MISSING_READING_TYPE: &str = "missing_reading_type";
/// Neither meter nor usage point.
pub const MISSING_SUBJECT: &str = "missing_subject";
/// A text that cannot be kept: too long, or with an entity nobody declared.
pub const BAD_TEXT: &str = "bad_text";
/// More names than the hub keeps.
pub const TOO_MANY_NAMES: &str = "too_many_names";
/// An event without a type.
pub const MISSING_EVENT_TYPE: &str = "missing_event_type";
/// An event without a device.
pub const MISSING_DEVICE: &str = "missing_device";
