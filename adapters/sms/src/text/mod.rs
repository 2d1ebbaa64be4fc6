//! Text in the alphabets of telephones: GSM 03.38 (3GPP TS 23.038) and UCS-2, and in how many
//! parts it goes.

pub mod gsm7;
mod incoming;
mod segment;
mod transliterate;

pub(crate) use incoming::{Text, text_of};
pub use segment::{Alphabet, Segments, TooManySegments, segments};
pub(crate) use transliterate::transliterate;
