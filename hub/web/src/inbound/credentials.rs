//! Who may come to a source.

use std::path::Path;

use axum::http::{HeaderMap, Uri, header};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hub_core::Secret;
use schemars::JsonSchema;
use serde::Deserialize;
use subtle::{Choice, ConstantTimeEq};

use super::certificate::{self, ClientCertificate, KnownCertificate};
use super::config::DoorConfig;
use crate::problem::Problem;

/// A user and where the password is.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BasicCredential {
    /// User name, without a colon.
    pub user: String,
    /// The password.
    pub password: Secret,
}

impl BasicCredential {
    /// What is wrong with a user name that is not expressible.
    pub(crate) const NOT_EXPRESSIBLE: &str =
        "is empty or holds a colon, which HTTP Basic cannot express";

    /// Whether HTTP Basic can carry the user's name.
    pub(crate) fn is_expressible(&self) -> bool {
        !self.user.is_empty() && !self.user.contains(':')
    }
}

/// The credentials of a source, resolved.
pub(super) struct Credentials {
    anonymous: bool,
    bearer: Vec<Vec<u8>>,
    /// `user:password` in base 64, as the header has it.
    basic: Vec<Vec<u8>>,
    /// Values of `?token=`.
    query: Vec<Vec<u8>>,
    certificates: Vec<KnownCertificate>,
}

impl Credentials {
    /// Fetches the secrets.
    ///
    /// # Errors
    /// One is missing or empty; never names its value.
    pub(super) fn resolve(config: &DoorConfig, base_dir: &Path) -> Result<Self, String> {
        let resolve = |secret: &Secret| match secret.resolve(base_dir) {
            Ok(text) if text.is_empty() => Err(format!("secret `{secret:?}` is empty")),
            Ok(text) => Ok(text),
            Err(error) => Err(error.to_string()),
        };
        let bytes = |secret: &Secret| resolve(secret).map(String::into_bytes);
        let basic = config.basic.iter().map(|credential| {
            let password = resolve(&credential.password)?;
            let pair = format!("{}:{password}", credential.user);
            Ok(BASE64_STANDARD.encode(pair).into_bytes())
        });
        let certificates = config.client_certificates.iter().map(|rule| rule.read());
        Ok(Self {
            certificates: certificates.collect::<Result<_, String>>()?,
            anonymous: config.insecure_allow_anonymous,
            bearer: config
                .bearer
                .iter()
                .map(bytes)
                .collect::<Result<_, String>>()?,
            basic: basic.collect::<Result<_, String>>()?,
            query: config
                .query_tokens
                .iter()
                .map(bytes)
                .collect::<Result<_, String>>()?,
        })
    }

    /// Whether the connection is one that requests may come by.
    ///
    /// # Errors
    /// The certificate is missing or not one of the source's.
    pub(super) fn check_certificate(
        &self,
        shown: Option<&ClientCertificate>,
    ) -> Result<(), Problem> {
        certificate::check(shown, &self.certificates)
    }

    /// Whether the certificate says all there is to say about who sends.
    pub(super) fn is_certificate_enough(&self) -> bool {
        let lists = [&self.bearer, &self.basic, &self.query];
        !self.certificates.is_empty() && lists.iter().all(|list| list.is_empty())
    }

    /// Whether the request may post. Takes as long for a wrong token as for the right one.
    pub(super) fn allow(&self, headers: &HeaderMap, uri: &Uri) -> bool {
        if self.anonymous || self.allow_query(uri) {
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

    fn allow_query(&self, uri: &Uri) -> bool {
        let token = |pair: &str| pair.strip_prefix("token=").map(decoded);
        let mut tokens = uri.query().unwrap_or_default().split('&').filter_map(token);
        !self.query.is_empty() && tokens.any(|token| is_one_of(&token, &self.query))
    }

    /// The challenge for who may not.
    pub(super) fn challenge(&self) -> &'static str {
        match (self.bearer.is_empty(), self.basic.is_empty()) {
            (true, false) => "Basic realm=\"meterhub\"",
            (false, false) => "Bearer realm=\"meterhub\", Basic realm=\"meterhub\"",
            _ => "Bearer realm=\"meterhub\"",
        }
    }
}

/// A value of a query without its percent-encoding.
fn decoded(value: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(value.len());
    let mut rest = value.as_bytes();
    while let [first, after @ ..] = rest {
        let hex = after.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        let byte = hex.and_then(|hex| u8::from_str_radix(hex, 16).ok());
        (rest, _) = match (first, byte) {
            (b'%', Some(byte)) => (&after[2..], out.push(byte)),
            (b'+', _) => (after, out.push(b' ')),
            _ => (after, out.push(*first)),
        };
    }
    out
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
            query: vec![b"in the url".to_vec()],
            certificates: Vec::new(),
        }
    }

    fn allows(value: &str) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, value.parse().unwrap());
        credentials().allow(&headers, &Uri::from_static("/in"))
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
    }

    #[test]
    fn a_token_may_stand_in_the_query() {
        let allows = |uri| credentials().allow(&HeaderMap::new(), &Uri::from_static(uri));
        assert!(allows("/in?token=in%20the%20url") && allows("/in?id=1&token=in+the+url"));
        for wrong in [
            "/in",
            "/in?token=",
            "/in?token=old",
            "/in?tokens=in+the+url",
            "/in?token=%",
        ] {
            assert!(!allows(wrong), "{wrong}");
        }
    }
}
