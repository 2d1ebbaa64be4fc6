//! What a mapping file says of the IDocs that are written.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;

/// How records become IDocs.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct WriteTable {
    /// Fields of the control record with fixed values: `SNDPRN`, `RCVPRN` and the other partner data.
    /// `{message_id}` in a value stands for the constant id of the outgoing message. `TABNAM`,
    /// `DIRECT` (2), `MESTYP`, `IDOCTYP`, `CREDAT` and `CRETIM` are filled if they are not given.
    #[schemars(with = "BTreeMap<String, String>")]
    pub control: BTreeMap<String, Spanned<String>>,
    /// What stands in `DOCNUM`.
    pub docnum: DocumentNumber,
    /// Fields with fixed values, by path. Fields of qualifiers (`[PARVW=AG]`) need none.
    #[schemars(with = "BTreeMap<String, String>")]
    pub constants: BTreeMap<String, Spanned<String>>,
    /// The segments in the order in which they are written, as the paths name them; without it the
    /// order in which they are defined.
    #[schemars(with = "Vec<String>")]
    pub segments: Vec<Spanned<String>>,
}

/// What stands in `DOCNUM` of an IDoc that is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DocumentNumber {
    /// Nothing: the receiving system gives the number.
    #[default]
    Empty,
    /// Sixteen digits made from the message's constant id and the IDoc's content, so that a resend
    /// has the same number.
    Made,
}
