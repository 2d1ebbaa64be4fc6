//! Bulk imports of Fusion applications: the REST resource `erpintegrations`.
//!
//! Read in Oracle's "REST API for Financials" (ERP Integrations): `POST` with `OperationName`
//! `importBulkData` answers `ReqstId`, the number of the job, or `-1`; `GET ?finder=ESSJobStatusRF`
//! answers its `RequestStatus`; `ESSExecutionDetailsRF` the jobs below it; `ESSJobExecutionDetailsRF`
//! log and output. The answer to the `POST` repeats the whole document, which is why it is scanned
//! ([`crate::scan`]) and not read.

mod callback;
mod details;
mod document;
mod envelope;
mod follow;
mod jobs;
mod sink;
mod source;
mod status;

pub(crate) use callback::{Callbacks, Nudges};
pub(crate) use document::Packing;
pub(crate) use envelope::Import;
pub(crate) use follow::FollowedJobs;
pub(crate) use sink::FbdiSink;
pub(crate) use source::{JobsSource, Pace};
