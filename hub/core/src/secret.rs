//! Secrets by reference: the configuration names where a secret is, never the secret itself.

use std::env::VarError;
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
    /// The variable holds something else.
    #[error("environment variable `{0}` is not text")]
    NotText(String),
    /// The file cannot be read.
    #[error("secret file `{path}` cannot be read")]
    NoFile {
        /// Its path.
        path: String,
        /// Why.
        #[source]
        cause: std::io::Error,
    },
    /// There is nothing in it, which would let in whoever shows nothing.
    #[error(
        "the secret `{0}` is empty: expected a text of at least one character that is no space"
    )]
    Empty(String),
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

    /// Fetches the secret, which is never empty. A file's trailing line end is not part of it.
    ///
    /// # Errors
    /// The variable or file is not there, or there is nothing in it.
    pub fn resolve(&self, base_dir: &Path) -> Result<String, SecretError> {
        let secret = match self.0.split_once(':') {
            Some(("env", name)) => variable(name)?,
            Some((_, path)) => file(base_dir, path)?,
            // Nothing without a colon is a reference.
            None => String::new(),
        };
        match secret.trim().is_empty() {
            true => Err(SecretError::Empty(self.0.clone())),
            false => Ok(secret),
        }
    }
}

fn variable(name: &str) -> Result<String, SecretError> {
    std::env::var(name).map_err(|error| match error {
        VarError::NotPresent => SecretError::NoVariable(name.to_owned()),
        VarError::NotUnicode(_) => SecretError::NotText(name.to_owned()),
    })
}

fn file(base_dir: &Path, path: &str) -> Result<String, SecretError> {
    match std::fs::read_to_string(base_dir.join(path)) {
        Ok(text) => Ok(text.trim_end_matches(['\r', '\n']).to_owned()),
        Err(cause) => Err(SecretError::NoFile {
            path: path.to_owned(),
            cause,
        }),
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

    #[test]
    fn nothing_is_no_secret() {
        let folder = tempfile::tempdir().unwrap();
        let secret = Secret::reference("file:token").unwrap();
        for nothing in ["", "\n", " \r\n"] {
            std::fs::write(folder.path().join("token"), nothing).unwrap();
            let error = secret.resolve(folder.path()).unwrap_err().to_string();
            assert!(error.contains("`file:token` is empty"), "{error}");
        }
        std::fs::write(folder.path().join("token"), " hunter2\r\n").unwrap();
        assert_eq!(secret.resolve(folder.path()).unwrap(), " hunter2");
    }

    #[test]
    fn what_is_not_there_is_named() {
        let folder = tempfile::tempdir().unwrap();
        for (reference, named) in [
            (
                "env:METERHUB_TEST_NOT_SET",
                "variable `METERHUB_TEST_NOT_SET` is not set",
            ),
            ("file:a:b", "secret file `a:b` cannot be read"),
        ] {
            let secret = Secret::reference(reference).unwrap();
            let error = secret.resolve(folder.path()).unwrap_err().to_string();
            assert!(error.contains(named), "{error}");
        }
    }
}
