//! Credentials of ours, with their secrets resolved.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hub_core::{Clock, Secret};
use reqwest::Client;
use reqwest::header::{AUTHORIZATION, HeaderName, HeaderValue};

use super::auth::Auth;
use super::oauth::Tokens;
use crate::inbound::BasicCredential;

/// How requests are made known.
pub(super) enum Access {
    Open,
    Header(HeaderName, HeaderValue),
    OAuth2(Box<Tokens>),
}

impl Access {
    /// Fetches the secrets; tokens are fetched when they are first needed.
    ///
    /// # Errors
    /// A secret is missing, or no header can carry it.
    pub(super) fn resolve(
        auth: Option<&Auth>,
        base_dir: &Path,
        client: &Client,
        timeout: Duration,
        clock: &Arc<dyn Clock>,
    ) -> Result<Self, String> {
        let resolve = |secret: &Secret| secret.resolve(base_dir).map_err(|e| e.to_string());
        let authorization = |text: &str| Ok(Self::Header(AUTHORIZATION, sensitive(text)?));
        match auth {
            None => Ok(Self::Open),
            Some(Auth::Bearer(secret)) => authorization(&format!("Bearer {}", resolve(secret)?)),
            Some(Auth::Basic(credential)) => {
                Ok(Self::Header(AUTHORIZATION, basic(credential, base_dir)?))
            }
            Some(Auth::Header(header)) => {
                let name = HeaderName::try_from(header.name.as_str())
                    .map_err(|_| format!("`{}` is no header name", header.name))?;
                Ok(Self::Header(name, sensitive(&resolve(&header.value)?)?))
            }
            Some(Auth::Oauth2(oauth)) => Ok(Self::OAuth2(Box::new(Tokens::new(
                oauth.clone(),
                resolve(&oauth.client_secret)?,
                client.clone(),
                timeout,
                Arc::clone(clock),
            )))),
        }
    }
}

/// Who we are by HTTP Basic (RFC 7617), as a header has it.
///
/// # Errors
/// The password cannot be had.
pub(super) fn basic(credential: &BasicCredential, base_dir: &Path) -> Result<HeaderValue, String> {
    let password = credential.password.resolve(base_dir);
    let password = password.map_err(|error| error.to_string())?;
    let pair = format!("{}:{password}", credential.user);
    sensitive(&format!("Basic {}", BASE64_STANDARD.encode(pair)))
}

fn sensitive(text: &str) -> Result<HeaderValue, String> {
    let mut value = HeaderValue::try_from(text)
        .map_err(|_| "the secret holds characters that no header can carry".to_owned())?;
    value.set_sensitive(true);
    Ok(value)
}
