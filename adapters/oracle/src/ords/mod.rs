//! REST services of a database: Oracle REST Data Services.
//!
//! Read in Oracle's developer's guide of ORDS: AutoREST takes `POST` (201) and `PUT` (200 or 201) of
//! rows as JSON, `batchload` of CSV, and answers errors as problem documents whose `cause` or
//! `message` has the database's error, `ORA-00001: unique constraint ...`.

mod errors;
mod sink;

pub(crate) use errors::judge;
pub(crate) use sink::OrdsSink;
