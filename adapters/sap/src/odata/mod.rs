//! OData V2 and V4: entities sent to a service, entity sets polled.

mod error;
mod etag;
mod link;
mod mark;
mod messages;
mod page;
mod place;
mod reader;
mod repeat;
mod sink;
mod source;

pub(crate) use error::ODataError;
pub(crate) use link::with_options;
pub use mark::MarkKind;
pub(crate) use place::{Following, Place, hash};
pub(crate) use reader::Reader;
pub use sink::Matching;
pub(crate) use sink::ODataSink;
pub(crate) use source::{ODataSource, Shared as SourceShared};

use schemars::JsonSchema;
use serde::Deserialize;

/// The version of the protocol that a service speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Version {
    /// OData 2.0: addresses with `/sap/opu/odata/`.
    V2,
    /// OData 4.0: addresses with `/sap/opu/odata4/`.
    V4,
}
