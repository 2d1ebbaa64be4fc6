//! Who we are to a partner's server, in the configuration.

use hub_core::{ConfigProblem, Secret};
use reqwest::header::HeaderName;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::inbound::BasicCredential;

/// Who we are to the other side.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Auth {
    /// `Authorization: Bearer <token>`.
    Bearer(Secret),
    /// `Authorization: Basic`.
    Basic(BasicCredential),
    /// A secret in a header of another name.
    Header(HeaderSecret),
    /// A token from an OAuth 2 server, by client credentials.
    Oauth2(OAuth2ClientCredentials),
}

/// A header that carries a secret.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HeaderSecret {
    /// Name of the header, `X-Api-Key` say.
    pub name: String,
    /// Its value.
    pub value: Secret,
}

/// OAuth 2 client credentials (RFC 6749, 4.4). The token is kept and renewed before it expires;
/// after a 401 it is renewed once.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OAuth2ClientCredentials {
    /// Where tokens are had.
    pub token_url: String,
    /// Our id there.
    pub client_id: String,
    /// Our secret there.
    pub client_secret: Secret,
    /// Scopes to ask for, separated by spaces.
    #[serde(default)]
    pub scope: Option<String>,
    /// Audience to ask for, where the server wants one.
    #[serde(default)]
    pub audience: Option<String>,
    /// Send id and secret in the form instead of a Basic header.
    #[serde(default)]
    pub secret_in_body: bool,
}

impl Auth {
    /// What is wrong in it but the token URL, under the key of the table it stands in.
    pub(super) fn validate(&self, key: impl Fn(&str) -> String, found: &mut Vec<ConfigProblem>) {
        let mut error = |name, reason: String| found.push(ConfigProblem::error(&key(name), reason));
        match self {
            Self::Oauth2(oauth) if oauth.client_id.is_empty() => {
                error("auth.oauth2.client_id", "is empty".to_owned());
            }
            Self::Basic(basic) if !basic.is_expressible() => {
                error(
                    "auth.basic.user",
                    BasicCredential::NOT_EXPRESSIBLE.to_owned(),
                );
            }
            Self::Header(header) if HeaderName::try_from(header.name.as_str()).is_err() => {
                error(
                    "auth.header.name",
                    format!("`{}` is no header name", header.name),
                );
            }
            _ => {}
        }
    }
}
