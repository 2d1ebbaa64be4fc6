//! Oracle's REST interfaces: bulk imports of Fusion applications (`oracle_fbdi`, and what became of
//! them: `oracle_fbdi_jobs`), Transactional Event Queues (`oracle_txeventq`), and the REST services of
//! a database (`oracle_ords`).
//!
//! **Not seen by an Oracle system.** No server of Oracle's could be had to test against. What is
//! spoken here is what Oracle's documentation and published clients show; the tests run against a
//! small stand-in that speaks the same. Where the documentation leaves something open, the module
//! concerned says what was assumed.
//!
//! Not here: the SOAP service of the same imports (the soap kinds can call it), REST-enabled SQL, PGP
//! encryption of import files (send a file that is encrypted already), the database's own protocol.

mod config;
mod fbdi;
mod metrics;
mod ords;
mod scan;
mod settle;
mod txeventq;

pub use config::{
    CsvToZip, FbdiJobsSourceConfig, FbdiSinkConfig, Fetch, OrdsMethod, OrdsSinkConfig,
    TxEventQSinkConfig, TxEventQSourceConfig, ValueForm,
};
