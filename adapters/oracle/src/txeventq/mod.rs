//! Transactional Event Queues through the REST API of Oracle REST Data Services.
//!
//! Read in Oracle's reference of the ORDS database API ("Transactional Event Queues") and in Oracle's
//! published samples: `POST topics/{topic}` takes `{"records": [{"key", "value"}]}`; `GET
//! consumers/{group}/instances/{instance}/records` fetches; `GET .../subscription` lists the topics;
//! `POST .../positions` seeks. The reference shows no bodies for the last, and no headers of records:
//! both are taken to be as in the REST API of Kafka, which this one follows.

mod consumer;
mod cursor;
mod elements;
mod records;
mod sink;
mod source;

pub(crate) use consumer::Consumer;
pub(crate) use sink::TxEventQSink;
pub(crate) use source::TxEventQSource;
