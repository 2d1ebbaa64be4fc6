//! Configuration of the kinds of this adapter.

mod idoc_sink;
mod idoc_source;
mod odata_sink;
mod odata_source;
mod system;

pub use idoc_sink::{IdocContentType, PortAnswer, SapIdocSinkConfig};
pub use idoc_source::SapIdocSourceConfig;
pub use odata_sink::{ODataMethod, SapODataSinkConfig};
pub use odata_source::{FollowedField, SapODataSourceConfig};
