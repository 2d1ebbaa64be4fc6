//! Families of paths: which kind of partner comes to which.

use axum::http::Method;

/// A family of doors: `{prefix}{source}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Family {
    /// What stands before the source's name.
    pub prefix: &'static str,
    /// The methods that are taken.
    pub methods: &'static [Method],
}

/// Messages that are posted as they are: `POST /api/v1/messages/{source}`.
pub const MESSAGES: Family = Family {
    prefix: "/api/v1/messages/",
    methods: &[Method::POST],
};

/// Web services: `POST /api/v1/soap/{source}`, and `GET` for what describes them.
pub const SOAP: Family = Family {
    prefix: "/api/v1/soap/",
    methods: &[Method::POST, Method::GET],
};

/// What partners call back with, in forms of their own: `GET` or `POST /api/v1/callbacks/{source}`.
pub const CALLBACKS: Family = Family {
    prefix: "/api/v1/callbacks/",
    methods: &[Method::GET, Method::POST],
};

impl Family {
    /// All that the hub serves.
    pub(super) const ALL: [Self; 3] = [MESSAGES, SOAP, CALLBACKS];

    /// The methods for people and for `Allow`: `GET, POST`.
    pub(super) fn allowed(&self) -> String {
        let names: Vec<&str> = self.methods.iter().map(Method::as_str).collect();
        names.join(", ")
    }
}
