//! What bounds a SOAP message, beside the size of the body that the configuration gives.

/// Length of one tag with its attributes, in bytes. Envelopes that declare every namespace of a
/// tool kit reach 4 KiB; without a bound one endless tag would fill the memory.
pub(crate) const MAX_TAG_BYTES: usize = 64 * 1024;

/// Elements inside each other, the envelope's included. The deepest document of IEC 61968 in a SOAP
/// envelope has 16. Too large a number lets a nesting bomb cost memory here and with all who decode
/// what was accepted.
pub(crate) const MAX_DEPTH: usize = 100;

/// Size of the SOAP header, and of the header of an IEC 61968-100 message, each in bytes. A header
/// with a certificate in it has 10 KiB. Both are held in memory, before anybody is known.
pub(crate) const MAX_HEADER_BYTES: usize = 64 * 1024;

/// Namespace declarations in force at one place.
pub(crate) const MAX_NAMESPACES: usize = 256;

/// Length of an entity reference: `&#x10FFFF;` has ten bytes.
pub(crate) const MAX_REFERENCE_BYTES: usize = 16;

/// First bytes of a document in which its encoding is looked for.
pub(crate) const ENCODING_PROBE_BYTES: usize = 256;
