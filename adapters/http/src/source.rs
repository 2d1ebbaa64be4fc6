//! `POST /api/v1/messages/{source}`: what a posted message is, and how its sender is answered.

use async_trait::async_trait;
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;
use hub_core::IncomingMessage;
use hub_web::{Accepted, Handler, PostedBody, Problem, Taken};

use crate::request::{business_key, kept, media_type, name};

/// What a source takes.
pub(crate) struct Messages {
    /// What stands before the message id in a status URL.
    pub(crate) status_prefix: String,
    pub(crate) media_types: Vec<String>,
    pub(crate) keep: Vec<HeaderName>,
    pub(crate) require_key: bool,
}

#[async_trait]
impl Handler for Messages {
    async fn take(&self, head: &Parts, body: PostedBody) -> Result<Taken, Problem> {
        let headers = &head.headers;
        let media_type = media_type(headers, &self.media_types)?;
        let business_key = business_key(headers, self.require_key)?;
        let message = IncomingMessage {
            name: name(headers),
            headers: kept(headers, &self.keep),
            media_type,
            business_key,
            reports: Vec::new(),
            body: body.into_message().await?,
        };
        let path = head.uri.path().to_owned();
        let prefix = self.status_prefix.clone();
        let reply = move |outcome: Result<Accepted, Problem>| match outcome {
            Ok(accepted) => yes(&prefix, accepted),
            Err(problem) => problem.response(&path),
        };
        Ok(Taken::Message(Box::new(message), Box::new(reply)))
    }
}

fn yes(status_prefix: &str, accepted: Accepted) -> Response {
    let Accepted {
        message_id: id,
        duplicate,
    } = accepted;
    let url = format!("{status_prefix}{id}");
    // Every part is free of what JSON would escape: ids are base 32, the prefix is a URL path.
    let json = format!(r#"{{"message_id":"{id}","duplicate":{duplicate},"status_url":"{url}"}}"#);
    let mut response = Response::new(json.into());
    *response.status_mut() = StatusCode::ACCEPTED;
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    if let Ok(url) = HeaderValue::try_from(url) {
        headers.insert(header::LOCATION, url);
    }
    response
}
