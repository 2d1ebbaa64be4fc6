//! Gateways that take texts by HTTP and call back with receipts and answers.

pub(crate) mod answer;
pub(crate) mod callback;
pub(crate) mod charset;
pub(crate) mod request;
pub(crate) mod sink;
pub(crate) mod states;
pub(crate) mod words;

/// What a text is known by to both the answer and its receipts.
pub(crate) fn reference(gateway: &str, id: &str) -> String {
    format!("{gateway}/{id}")
}
