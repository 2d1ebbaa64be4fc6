//! What operators show: the `metrics_token` of `[hub]`, or one that the hub makes itself and keeps
//! in its data folder, where who may read the hub's data finds it: the command line, Prometheus.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use hub_core::SecretError;
use tracing::warn;

use crate::config::Config;

/// The file of the hub's own token, in its data folder.
const FILE: &str = "operator.token";
/// Bytes drawn for a token: nobody guesses 256 bits.
const RANDOM_BYTES: usize = 32;
/// Of a file's mode: what others than its owner and group may do.
const OTHERS: u32 = 0o007;

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The configured one is not there.
    #[error("`metrics_token` in `[hub]` cannot be had")]
    Configured(#[from] SecretError),
    /// The hub's own cannot be read.
    #[error("`{path}`, which holds the operators' token, cannot be read")]
    NotRead {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        cause: io::Error,
    },
    /// The hub's own cannot be made.
    #[error("`{path}`, which is to hold the operators' token, cannot be written")]
    NotMade {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        cause: io::Error,
    },
}

/// The token that a hub asks for, made if there is none yet. The data folder is the hub's own.
///
/// # Errors
/// The configured one is not there, or the file cannot be read or written.
pub(crate) fn asked_for(config: &Config) -> Result<String, TokenError> {
    if let Some(token) = to_show(config)? {
        return Ok(token);
    }
    let path = file(config);
    make(&path).map_err(|cause| TokenError::NotMade { path, cause })
}

/// The token that the hub of this configuration asks for; `None` if it has not made one yet.
///
/// # Errors
/// The configured one is not there, or the file cannot be read.
pub(crate) fn to_show(config: &Config) -> Result<Option<String>, TokenError> {
    if let Some(token) = config.metrics_token()? {
        return Ok(Some(token));
    }
    let path = file(config);
    kept(&path).map_err(|cause| TokenError::NotRead { path, cause })
}

fn file(config: &Config) -> PathBuf {
    config.hub.data_dir.join(FILE)
}

/// What the file holds. One that was emptied holds no token: that is a way to get another.
fn kept(path: &Path) -> io::Result<Option<String>> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mode = std::fs::metadata(path)?.permissions().mode();
    if mode & OTHERS != 0 {
        warn!(path = %path.display(), "everybody on this machine may read the operators' token: take that from them (chmod o=)");
    }
    let token = text.trim();
    Ok((!token.is_empty()).then(|| token.to_owned()))
}

/// Draws a token, and puts it on disk where only the hub's own user may read it.
fn make(path: &Path) -> io::Result<String> {
    let mut random = [0; RANDOM_BYTES];
    getrandom::fill(&mut random).map_err(io::Error::other)?;
    let mut token = String::with_capacity(2 * RANDOM_BYTES);
    for byte in random {
        // Writing to a string cannot fail.
        let _ = write!(token, "{byte:02x}");
    }
    let folder = path.parent().unwrap_or(Path::new("."));
    // Of mode 0600; it has its name once it is whole.
    let mut partial = tempfile::NamedTempFile::new_in(folder)?;
    partial.write_all(token.as_bytes())?;
    partial.as_file().sync_all()?;
    partial.persist(path)?;
    Ok(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        std::fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_token_is_drawn_once_and_kept_from_others() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        assert_eq!(kept(&path).unwrap(), None);
        let token = make(&path).unwrap();
        assert_eq!(token.len(), 2 * RANDOM_BYTES);
        assert_eq!(mode(&path), 0o600);
        assert_eq!(kept(&path).unwrap(), Some(token.clone()));
        assert_ne!(make(&path).unwrap(), token, "another draw is another token");
        let files = std::fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(files, 1, "nothing half written is left");
    }

    #[test]
    fn an_emptied_file_holds_no_token() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        std::fs::write(&path, " \n").unwrap();
        assert_eq!(kept(&path).unwrap(), None);
        std::fs::write(&path, "by-hand\n").unwrap();
        assert_eq!(kept(&path).unwrap().as_deref(), Some("by-hand"));
    }

    #[test]
    fn a_folder_that_is_not_there_is_an_error_and_no_token() {
        let folder = tempfile::tempdir().unwrap();
        assert!(make(&folder.path().join("none").join(FILE)).is_err());
    }
}
