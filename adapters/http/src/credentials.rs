//! Who may post to a source.

use std::path::Path;

use axum::http::{HeaderMap, header};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use subtle::{Choice, ConstantTimeEq};

use crate::config::HttpSourceConfig;

/// The credentials of a source, resolved.
pub(crate) struct Credentials {
    anonymous: bool,
    bearer: Vec<Vec<u8>>,
    /// `user:password` in base 64, as the header has it.
    basic: Vec<Vec<u8>>,
}

impl Credentials {
    /// Fetches the secrets.
    ///
    /// # Errors
    /// One is missing or empty; never names its value.
    pub(crate) fn resolve(config: &HttpSourceConfig, base_dir: &Path) -> Result<Self, String> {
        let resolve = |secret: &hub_core::Secret| match secret.resolve(base_dir) {
            Ok(text) if text.is_empty() => Err(format!("secret `{secret:?}` is empty")),
            Ok(text) => Ok(text),
            Err(error) => Err(error.to_string()),
        };
        let bearer = config.bearer.iter().map(|s| Ok(resolve(s)?.into_bytes()));
        let basic = config.basic.iter().map(|credential| {
            let password = resolve(&credential.password)?;
            let pair = format!("{}:{password}", credential.user);
            Ok(BASE64_STANDARD.encode(pair).into_bytes())
        });
        Ok(Self {
            anonymous: config.insecure_allow_anonymous,
            bearer: bearer.collect::<Result<_, String>>()?,
            basic: basic.collect::<Result<_, String>>()?,
        })
    }

    /// Whether the request may post. Takes as long for a wrong token as for the right one.
    pub(crate) fn allow(&self, headers: &HeaderMap) -> bool {
        if self.anonymous {
            return true;
        }
        let Some((scheme, token)) = headers
            .get(header::AUTHORIZATION)
            .and_then(|value| split_scheme(value.as_bytes()))
        else {
            return false;
        };
        match scheme {
            scheme if scheme.eq_ignore_ascii_case(b"bearer") => is_one_of(token, &self.bearer),
            scheme if scheme.eq_ignore_ascii_case(b"basic") => is_one_of(token, &self.basic),
            _ => false,
        }
    }

    /// The challenge for who may not.
    pub(crate) fn challenge(&self) -> &'static str {
        match (self.bearer.is_empty(), self.basic.is_empty()) {
            (true, false) => "Basic realm=\"meterhub\"",
            (false, false) => "Bearer realm=\"meterhub\", Basic realm=\"meterhub\"",
            _ => "Bearer realm=\"meterhub\"",
        }
    }
}

fn split_scheme(value: &[u8]) -> Option<(&[u8], &[u8])> {
    let space = value.iter().position(|b| *b == b' ')?;
    Some((&value[..space], value[space + 1..].trim_ascii()))
}

/// Looks at every candidate, so that time tells nothing but lengths.
fn is_one_of(token: &[u8], valid: &[Vec<u8>]) -> bool {
    let found = valid.iter().fold(Choice::from(0), |found, v| {
        found | v.as_slice().ct_eq(token)
    });
    found.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credentials() -> Credentials {
        Credentials {
            anonymous: false,
            bearer: vec![b"old".to_vec(), b"new".to_vec()],
            basic: vec![BASE64_STANDARD.encode("hes:pass:word").into_bytes()],
        }
    }

    fn allows(value: &str) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, value.parse().unwrap());
        credentials().allow(&headers)
    }

    #[test]
    fn any_of_the_tokens_or_passwords_will_do() {
        let basic = format!("Basic {}", BASE64_STANDARD.encode("hes:pass:word"));
        for right in ["Bearer old", "bearer new", "BEARER  new ", &basic] {
            assert!(allows(right), "{right}");
        }
    }

    #[test]
    fn nothing_else_does() {
        let basic = format!("Basic {}", BASE64_STANDARD.encode("hes:password"));
        for wrong in [
            "",
            "old",
            "Bearer",
            "Bearer ",
            "Bearer olda",
            "Basic old",
            "Digest old",
            &basic,
        ] {
            assert!(!allows(wrong), "{wrong}");
        }
        assert!(!credentials().allow(&HeaderMap::new()));
    }
}
