//! The session that a post needs: a token against cross-site request forgery, and the cookies it was
//! given with.
//!
//! SAP ties the token to the session that fetched it, so both are kept as one: a cookie jar would let a
//! post carry the cookies of a newer session with an older token when many send at once.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use hub_core::{Meter, SinkError};
use hub_web::{Answer, NoAnswer, WebClient};
use reqwest::header::{COOKIE, HeaderMap, HeaderName, HeaderValue, SET_COOKIE};
use reqwest::{Method, RequestBuilder, StatusCode};
use tokio::sync::Mutex;
use tokio::time::Instant;

/// Most of an answer that is read, in bytes: pages of errors are long, and what matters comes late.
pub(crate) const LARGEST_ANSWER: usize = 64 * 1024;

/// Who waited for a failed fetch shares its failure for so long, instead of trying one by one.
const SHARED_FAILURE: Duration = Duration::from_secs(1);

/// Most cookies of a session, and longest text of all: a server must not make our requests endless.
const MOST_COOKIES: usize = 50;
const LONGEST_COOKIES: usize = 8 * 1024;

/// The header of the token.
pub(crate) const TOKEN: HeaderName = HeaderName::from_static("x-csrf-token");

/// A token and its cookies.
#[derive(Debug, Default)]
struct Session {
    token: Option<HeaderValue>,
    cookies: Option<HeaderValue>,
}

#[derive(Default)]
struct State {
    session: Option<Arc<Session>>,
    failed: Option<(Instant, NoAnswer)>,
}

/// Sends requests that change something to one server.
pub(crate) struct Caller {
    pub(crate) client: WebClient,
    /// Where tokens are fetched; without it, none are needed.
    token_path: Option<String>,
    state: Mutex<State>,
    meter: Meter,
}

impl Caller {
    pub(crate) fn new(client: WebClient, token_path: Option<String>, meter: Meter) -> Self {
        Self {
            client,
            token_path,
            state: Mutex::default(),
            meter,
        }
    }

    /// Sends a request with a token, once more with a new one if it is not taken.
    ///
    /// # Errors
    /// No answer came. Any status is an answer.
    pub(crate) async fn send(
        &self,
        make: impl Fn() -> RequestBuilder + Send + Sync,
    ) -> Result<Answer, SinkError> {
        let session = self.session().await?;
        let answer = self.attempt(&make, &session).await?;
        if self.token_path.is_none() || !requires_token(&answer) {
            return Ok(answer);
        }
        self.forget(&session).await;
        let session = self.session().await?;
        self.attempt(&make, &session).await
    }

    async fn attempt(
        &self,
        make: &(impl Fn() -> RequestBuilder + Send + Sync),
        session: &Session,
    ) -> Result<Answer, SinkError> {
        let with_session = || {
            let mut request = make();
            if let Some(token) = &session.token {
                request = request.header(TOKEN, token.clone());
            }
            if let Some(cookies) = &session.cookies {
                request = request.header(COOKIE, cookies.clone());
            }
            request
        };
        let response = self.client.send(with_session).await?;
        Ok(self.client.read(response, LARGEST_ANSWER).await)
    }

    /// The session, fetched if there is none. Whoever comes while it is being fetched waits for it.
    async fn session(&self) -> Result<Arc<Session>, NoAnswer> {
        let Some(path) = &self.token_path else {
            return Ok(Arc::default());
        };
        let asked = Instant::now();
        let mut state = self.state.lock().await;
        if let Some(session) = &state.session {
            return Ok(session.clone());
        }
        if let Some((at, failure)) = &state.failed
            && asked <= *at
            && at.elapsed() < SHARED_FAILURE
        {
            return Err(failure.clone());
        }
        match self.open(path).await {
            Ok(session) => {
                let session = Arc::new(session);
                state.session = Some(session.clone());
                Ok(session)
            }
            Err(failure) => {
                state.failed = Some((Instant::now(), failure.clone()));
                Err(failure)
            }
        }
    }

    /// A token is given with any status, also where the method itself is not possible.
    async fn open(&self, path: &str) -> Result<Session, NoAnswer> {
        self.meter.count(crate::metrics::TOKENS, 1);
        let mut answer = self.fetch(Method::HEAD, path).await?;
        if !answer.headers.contains_key(&TOKEN) && answer.status != StatusCode::UNAUTHORIZED {
            answer = self.fetch(Method::GET, path).await?;
        }
        let Some(token) = answer.headers.get(&TOKEN) else {
            let (status, said) = (answer.status, crate::verdict::said(&answer));
            let reason = format!("it gave no CSRF token, but {status} {said}");
            return Err(self.client.no_answer(reason.trim_end().to_owned()));
        };
        Ok(Session {
            token: Some(token.clone()),
            cookies: cookies(&answer.headers),
        })
    }

    async fn fetch(&self, method: Method, path: &str) -> Result<Answer, NoAnswer> {
        let make = || {
            let request = self.client.request(method.clone(), path);
            request
                .header(TOKEN, "Fetch")
                .header("accept", "application/json, */*;q=0.1")
        };
        let response = self.client.send(make).await?;
        Ok(self.client.read(response, LARGEST_ANSWER).await)
    }

    async fn forget(&self, used: &Arc<Session>) {
        let mut state = self.state.lock().await;
        if state
            .session
            .as_ref()
            .is_some_and(|session| Arc::ptr_eq(session, used))
        {
            state.session = None;
        }
    }
}

/// 403 with `x-csrf-token: Required`: the token is not, or no longer, known.
fn requires_token(answer: &Answer) -> bool {
    let header = answer.headers.get(&TOKEN);
    answer.status == StatusCode::FORBIDDEN
        && header.is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"required"))
}

/// The `Cookie` header for the cookies that an answer sets; of one name, the last.
fn cookies(headers: &HeaderMap) -> Option<HeaderValue> {
    let mut found: BTreeMap<&str, &str> = BTreeMap::new();
    for cookie in headers
        .get_all(SET_COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
    {
        let pair = cookie.split(';').next().unwrap_or_default();
        if let Some((name, value)) = pair.split_once('=')
            && found.len() < MOST_COOKIES
        {
            found.insert(name.trim(), value.trim());
        }
    }
    let pairs: Vec<String> = found
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let text = pairs.join("; ");
    let mut header = HeaderValue::try_from(&text).ok()?;
    header.set_sensitive(true);
    (!text.is_empty() && text.len() <= LONGEST_COOKIES).then_some(header)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookies_go_back_without_their_attributes() {
        let mut headers = HeaderMap::new();
        for cookie in [
            "SAP_SESSIONID_S4D_100=abc%3d; path=/; secure; HttpOnly",
            "sap-usercontext=sap-client=100; path=/",
            "SAP_SESSIONID_S4D_100=def; path=/",
            "nonsense",
        ] {
            headers.append(SET_COOKIE, cookie.parse().unwrap());
        }
        assert_eq!(
            cookies(&headers).unwrap(),
            "SAP_SESSIONID_S4D_100=def; sap-usercontext=sap-client=100"
        );
        assert_eq!(cookies(&HeaderMap::new()), None);
    }
}
