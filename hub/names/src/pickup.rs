//! Words that the configurations of file-like adapters share.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How to tell that a file is complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Complete {
    /// Two listings see the same size and modification time.
    #[default]
    Unchanged,
    /// A done-file stands beside it.
    DoneFile,
    /// It has its final name: whoever writes it uses a temporary one (`temp_prefixes`,
    /// `temp_suffixes`, or a leading dot) and renames it in the end.
    Rename,
}

/// Which of the complete files comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Order {
    /// By path, byte by byte.
    #[default]
    Name,
    /// By modification time, the oldest first; equal ones by path.
    Modified,
}

/// What to do if a name exists with other content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OnExisting {
    /// Park the message: someone must look.
    #[default]
    Refuse,
    /// Add a number: `report.csv`, `report-1.csv`, `report-2.csv` ... Unless the name holds
    /// `{message_id}`, also if the file that has it is the same byte for byte.
    Suffix,
}
