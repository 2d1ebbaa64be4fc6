//! `check --connect` of what posts to a system: the request by which a token is fetched, which posts
//! nothing.

use hub_core::AdapterContext;
use hub_web::{Answer, ClientOptions, NoAnswer, Probe, WebServer};
use reqwest::Method;
use reqwest::header::{ACCEPT, HeaderValue};

use crate::session::TOKEN;
use crate::verdict::{is_about_the_client, said};

/// Asks at `path`, with a wish for a token; gives the answer.
///
/// # Errors
/// The system is not there, does not know us, or has no such client; or a token is wanted, and none
/// is given.
pub(crate) async fn check(
    server: &WebServer,
    path: &str,
    wants_token: bool,
    context: &AdapterContext,
) -> Result<Answer, NoAnswer> {
    let trouble = |reason| NoAnswer {
        endpoint: context.name.clone(),
        reason,
    };
    let probe = Probe::new(Method::GET, path)
        .header(TOKEN, HeaderValue::from_static("Fetch"))
        .header(
            ACCEPT,
            HeaderValue::from_static("application/json, */*;q=0.1"),
        )
        .read_by(said);
    let options = ClientOptions::default();
    let answer = server.check(options, Some(&probe), context).await?;
    let answer = answer.ok_or_else(|| trouble("it was not asked".to_owned()))?;
    let (status, words) = (answer.status, said(&answer));
    if is_about_the_client(status, &words) {
        let reason = format!("`{path}` was answered {status} ({words}); check `client`");
        return Err(trouble(reason));
    }
    if wants_token && !answer.headers.contains_key(&TOKEN) {
        let reason = format!("`{path}` gave no CSRF token, but {status} {words}");
        return Err(trouble(reason.trim_end().to_owned()));
    }
    Ok(answer)
}
