//! SAP: IDocs over HTTP, out and in, and OData services of version 2 and 4, called and polled.
//!
//! | kind | what it does |
//! | --- | --- |
//! | sink `sap_idoc` | posts IDocs to the port for IDocs over HTTP (`/sap/bc/idoc_xml`) |
//! | source `sap_idoc` | takes IDocs that a system posts from its XML HTTP port |
//! | sink `sap_odata` | creates and changes entities, with CSRF token, ETag and repeatable requests |
//! | source `sap_odata` | polls an entity set: by a field, by change tracking, or as a whole |
//!
//! IDocs by *file port* need nothing of this crate: they are files, for the kinds `sftp` and `file`. The
//! enterprise services of MDUS are SOAP, for the kind `soap`. RFC (tRFC, BAPIs) is not supported: SAP's
//! library for it is not free. OData batches (`$batch`) are not supported. What an IDoc or an entity
//! says is a mapping's business.
//!
//! No SAP system was at hand: the tests talk to `mock-sap`, an imitation made by others, and for what it
//! does not imitate (sessions, pages) to a stand-in of ours.
#![warn(missing_docs)]

mod check;
mod config;
mod idoc;
mod metrics;
mod odata;
mod readable;
mod session;
mod verdict;

pub use config::{
    FollowedField, IdocContentType, ODataMethod, PortAnswer, SapIdocSinkConfig,
    SapIdocSourceConfig, SapODataSinkConfig, SapODataSourceConfig,
};
pub use idoc::Means;
pub use odata::{MarkKind, Matching, Version};
