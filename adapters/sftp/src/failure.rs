//! Why something on the server did not succeed, and what that means for the session.

use std::path::{Path, PathBuf};

/// A failed call.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Failure {
    /// No connection, or none any more: the session is of no use, another may be.
    #[error("{0}")]
    Connection(String),
    /// The host key or the login was refused: trying again soon would only get us banned.
    #[error("{0}")]
    Refused(String),
    /// The server answered, about one file.
    #[error("`{}`: {status}", .path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// The answer.
        status: Status,
    },
    /// Given up by whoever asked for it.
    #[error("given up")]
    Cancelled,
}

/// What an SFTP server says about a file (draft-ietf-secsh-filexfer-02, 7).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Status {
    /// `SSH_FX_NO_SUCH_FILE`.
    #[error("does not exist")]
    NotFound,
    /// `SSH_FX_PERMISSION_DENIED`.
    #[error("permission denied")]
    Denied,
    /// It exists already.
    #[error("exists already")]
    Exists,
    /// Anything else, mostly `SSH_FX_FAILURE`, which tells no more.
    #[error("{0}")]
    Other(String),
}

impl Failure {
    /// About one file.
    pub(crate) fn file(path: &Path, status: Status) -> Self {
        Self::File {
            path: path.to_owned(),
            status,
        }
    }

    /// Whether the file is not there.
    pub(crate) fn is_not_found(&self) -> bool {
        self.has_status(&Status::NotFound)
    }

    /// Whether the name is taken.
    pub(crate) fn is_taken(&self) -> bool {
        self.has_status(&Status::Exists)
    }

    /// Whether the server answered, about a file.
    pub(crate) fn is_answer(&self) -> bool {
        matches!(self, Self::File { .. })
    }

    fn has_status(&self, wanted: &Status) -> bool {
        matches!(self, Self::File { status, .. } if status == wanted)
    }
}
