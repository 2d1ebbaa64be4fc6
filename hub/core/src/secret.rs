//! Secrets by reference: the configuration names where a secret is, never the secret itself.

use std::fmt;
use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};

/// A reference to a secret: `env:NAME` or `file:PATH`.
#[derive(Clone, PartialEq, Eq, JsonSchema)]
#[schemars(with = "String")]
pub struct Secret(String);

/// Why a secret cannot be had. Never contains the secret.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The variable is not set.
    #[error("environment variable `{0}` is not set")]
    NoVariable(String),
    /// The file cannot be read.
    #[error("secret file `{path}` cannot be read")]
    NoFile {
        /// Its path.
        path: String,
        /// Why.
        #[source]
        cause: std::io::Error,
    },
}

impl Secret {
    /// From a reference.
    ///
    /// # Errors
    /// Neither `env:` nor `file:`; says so without repeating the text, which may be the secret.
    pub fn reference(text: &str) -> Result<Self, &'static str> {
        match text.split_once(':') {
            Some(("env" | "file", rest)) if !rest.is_empty() => Ok(Self(text.to_owned())),
            _ => Err("a secret is given by reference: `env:NAME` or `file:PATH`, never as a value"),
        }
    }

    /// Fetches the secret. A file's trailing line end is not part of it.
    ///
    /// # Errors
    /// The variable or file is not there.
    pub fn resolve(&self, base_dir: &Path) -> Result<String, SecretError> {
        match self.0.split_once(':') {
            Some(("env", name)) => {
                std::env::var(name).map_err(|_| SecretError::NoVariable(name.to_owned()))
            }
            _ => {
                let path = self.0.trim_start_matches("file:");
                std::fs::read_to_string(base_dir.join(path))
                    .map(|text| text.trim_end_matches(['\r', '\n']).to_owned())
                    .map_err(|cause| SecretError::NoFile {
                        path: path.to_owned(),
                        cause,
                    })
            }
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::reference(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_refused_without_being_repeated() {
        let error = Secret::reference("hunter2").unwrap_err();
        assert!(error.contains("env:NAME") && !error.contains("hunter2"));
        assert!(Secret::reference("env:TOKEN").is_ok());
    }
}
