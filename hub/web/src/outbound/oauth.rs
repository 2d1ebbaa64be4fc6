//! OAuth 2 client credentials: one token for all requests, fetched once, renewed before it expires.

use std::sync::Arc;
use std::time::Duration;

use hub_core::Clock;
use hub_model::Instant;
use reqwest::{Client, RequestBuilder};
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::Mutex;

use super::answer::{bounded, plain, reason};
use super::auth::OAuth2ClientCredentials;

/// Lifetime of a token whose answer tells none that is understood, in seconds.
const DEFAULT_LIFETIME: u64 = 300;

/// A token is renewed so long before it expires, in seconds; a short-lived one at half its life.
const MARGIN: u64 = 30;

/// Largest answer of a token endpoint that is read.
const LARGEST_ANSWER: usize = 64 * 1024;

/// Who waited for a failed fetch shares its failure for so long, instead of trying one by one.
const SHARED_FAILURE: Duration = Duration::from_secs(1);

/// Fetches and keeps the token of one endpoint.
pub(super) struct Tokens {
    config: OAuth2ClientCredentials,
    secret: String,
    client: Client,
    timeout: Duration,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    token: Option<Token>,
    failed: Option<(tokio::time::Instant, String)>,
}

struct Token {
    value: Arc<str>,
    renew: Instant,
}

#[derive(Deserialize)]
struct Granted {
    access_token: String,
    /// A number by the standard (RFC 6749, 5.1); some servers send it as a string.
    #[serde(default)]
    expires_in: Value,
}

impl Granted {
    /// How long the token is good for, in seconds. Whatever is said of that, it is a token.
    fn lifetime(&self) -> u64 {
        let text = match &self.expires_in {
            Value::String(text) => text.trim().to_owned(),
            other => other.to_string(),
        };
        // "3599", "3599.0": what comes behind the point is less than a second.
        let whole = text.split_once('.').map_or(&*text, |(whole, _)| whole);
        whole.parse().unwrap_or(DEFAULT_LIFETIME)
    }
}

#[derive(Deserialize)]
struct Denied {
    error: String,
    error_description: Option<String>,
}

impl Tokens {
    pub(super) fn new(
        config: OAuth2ClientCredentials,
        secret: String,
        client: Client,
        timeout: Duration,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            config,
            secret,
            client,
            timeout,
            clock,
            state: Mutex::default(),
        }
    }

    /// A token that is still good. Whoever comes while one is being fetched waits for it.
    ///
    /// # Errors
    /// Why there is none; never holds the secret.
    pub(super) async fn token(&self) -> Result<Arc<str>, String> {
        let asked = tokio::time::Instant::now();
        let mut state = self.state.lock().await;
        if let Some(token) = &state.token
            && self.clock.now() < token.renew
        {
            return Ok(token.value.clone());
        }
        if let Some((at, reason)) = &state.failed
            && asked <= *at
            && at.elapsed() < SHARED_FAILURE
        {
            return Err(reason.clone());
        }
        match self.fetch().await {
            Ok(token) => {
                let value = token.value.clone();
                state.token = Some(token);
                Ok(value)
            }
            Err(reason) => {
                state.failed = Some((tokio::time::Instant::now(), reason.clone()));
                Err(reason)
            }
        }
    }

    /// The server did not take `used`: the next token is a new one.
    pub(super) async fn forget(&self, used: &str) {
        let mut state = self.state.lock().await;
        if state.token.as_ref().is_some_and(|t| &*t.value == used) {
            state.token = None;
        }
    }

    async fn fetch(&self) -> Result<Token, String> {
        let url = &self.config.token_url;
        let asked = self.clock.now();
        let mut answer = self
            .request()
            .send()
            .await
            .map_err(|error| format!("token endpoint `{url}`: {}", reason(error)))?;
        let status = answer.status();
        let body = bounded(&mut answer, LARGEST_ANSWER).await;
        if !status.is_success() {
            return Err(format!(
                "token endpoint `{url}` answered {status}{}",
                denial(&body)
            ));
        }
        let granted: Granted = serde_json::from_slice(&body)
            .map_err(|_| format!("token endpoint `{url}` gave no `access_token`"))?;
        let lifetime = granted.lifetime();
        let good_for = lifetime.saturating_sub(MARGIN.min(lifetime / 2));
        Ok(Token {
            value: granted.access_token.into(),
            renew: asked.plus_seconds(i64::try_from(good_for).unwrap_or(i64::MAX)),
        })
    }

    fn request(&self) -> RequestBuilder {
        let config = &self.config;
        let mut form = vec![("grant_type", "client_credentials")];
        form.extend(config.scope.as_deref().map(|scope| ("scope", scope)));
        form.extend(
            config
                .audience
                .as_deref()
                .map(|audience| ("audience", audience)),
        );
        let request = self.client.post(&config.token_url).timeout(self.timeout);
        match config.secret_in_body {
            true => {
                form.push(("client_id", &config.client_id));
                form.push(("client_secret", &self.secret));
                request.form(&form)
            }
            false => request
                .basic_auth(&config.client_id, Some(&self.secret))
                .form(&form),
        }
    }
}

/// What a token endpoint says of its refusal (RFC 6749, 5.2); other texts may echo the request.
fn denial(body: &[u8]) -> String {
    match serde_json::from_slice::<Denied>(body) {
        Ok(denied) => {
            let more = denied.error_description.unwrap_or_default();
            format!(
                ": {}",
                plain(format!("{} {more}", denied.error).as_bytes(), 200)
            )
        }
        Err(_) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lifetime_is_a_number_or_a_string_and_else_a_guess() {
        for (said, lifetime) in [
            (r#","expires_in":3599"#, 3_599),
            (r#","expires_in":"3599""#, 3_599),
            (r#","expires_in":3599.0"#, 3_599),
            (r#","expires_in":0"#, 0),
            ("", DEFAULT_LIFETIME),
            (r#","expires_in":null"#, DEFAULT_LIFETIME),
            (r#","expires_in":-1"#, DEFAULT_LIFETIME),
            (r#","expires_in":"soon""#, DEFAULT_LIFETIME),
            (r#","expires_in":{}"#, DEFAULT_LIFETIME),
        ] {
            let granted = format!(r#"{{"access_token":"t","token_type":"Bearer"{said}}}"#);
            let granted: Granted = serde_json::from_str(&granted).unwrap();
            assert_eq!(granted.lifetime(), lifetime, "{said}");
        }
    }
}
