//! IDocs in flat files: records of `EDI_DC40` (524 characters) and `EDI_DD40` (63 characters of
//! header and up to 1,000 of data), each on a line or one after the other.

mod cut;
mod read;
mod record;

pub(crate) use cut::FlatCutter;
pub(crate) use read::read;
pub(crate) use record::FlatForm;
