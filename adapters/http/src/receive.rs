//! `POST /api/v1/messages/{source}`: from a request to an arrival and from its settlement to the
//! answer.

use std::sync::{Arc, PoisonError};

use axum::Router;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use axum::routing::post;
use hub_core::{Arrival, IncomingMessage, MessageId, Settlement, Shared};
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::body::{Progress, intake};
use crate::inbox::{Door, HttpInbox};
use crate::problem::Problem;
use crate::request::{business_key, content_length, is_gzip, kept, media_type, name};
use crate::source::HttpReceipt;

/// Pause that a sender is asked for when the hub cannot take a message now, in seconds.
const PAUSE_SECONDS: u64 = 2;

/// The path of the messages of all sources.
pub(crate) const MESSAGES: &str = "/api/v1/messages/";

/// What the hub's listener mounts: `POST /api/v1/messages/{source}`.
///
/// Takes the [`HttpInbox`] of `shared`, so sources must connect with the same `shared`.
pub fn router(shared: &Shared) -> Router {
    Router::new()
        .route(
            "/api/v1/messages/{source}",
            post(receive).fallback(wrong_method),
        )
        .with_state(shared.get::<HttpInbox>())
}

async fn receive(
    State(inbox): State<Arc<HttpInbox>>,
    Path(source): Path<String>,
    request: Request,
) -> Response {
    let result = match inbox.door(&source) {
        Some(door) => door.receive(request).await,
        None => Err(inbox.absent(&source)),
    };
    result.unwrap_or_else(|problem| problem.response(&format!("{MESSAGES}{source}")))
}

/// The answer to a name that is configured, but not connected at the moment.
pub(crate) fn not_connected() -> Problem {
    let detail = "nothing was accepted; the hub is starting, or takes over a changed configuration";
    unavailable("not-connected", "The source is not connected yet", detail)
}

/// The answer to a name that nobody configured.
pub(crate) fn unknown_source() -> Problem {
    Problem::new(
        StatusCode::NOT_FOUND,
        "unknown-source",
        "There is no such source",
        "no HTTP source of this name is connected; ask the operator for the right URL",
    )
}

async fn wrong_method(method: Method, Path(source): Path<String>) -> Response {
    Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method",
        "Messages are posted",
        format!("{method} is not possible here; send a POST"),
    )
    .with(header::ALLOW, HeaderValue::from_static("POST"))
    .response(&format!("{MESSAGES}{source}"))
}

fn unavailable(kind: &'static str, title: &'static str, detail: &str) -> Problem {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, kind, title, detail).retry_after(PAUSE_SECONDS)
}

fn stopping() -> Problem {
    unavailable(
        "stopping",
        "The source is being stopped",
        "nothing was accepted; send it again, with the same `Idempotency-Key` if any",
    )
}

impl Door {
    async fn receive(&self, request: Request) -> Result<Response, Problem> {
        let (parts, body) = request.into_parts();
        let headers = &parts.headers;
        self.admit(headers)?;
        let media_type = media_type(headers, &self.media_types)?;
        let gzip = is_gzip(headers)?;
        let business_key = business_key(headers, self.require_key)?;
        if content_length(headers).is_some_and(|length| length > self.bounds.limit) {
            let limit = self.bounds.limit;
            return Err(crate::body::Trouble::TooLarge { limit }.problem());
        }
        let Ok(permit) = self.in_flight.clone().try_acquire_owned() else {
            let detail = "as many messages as this source may have are under way; send it again";
            return Err(unavailable("busy", "The source is busy", detail));
        };
        let taken = intake(body.into_data_stream(), gzip, self.bounds).await;
        let (body, progress) = taken.map_err(|trouble| trouble.problem())?;
        let message = IncomingMessage {
            name: name(headers),
            headers: kept(headers, &self.keep),
            media_type,
            business_key,
            reports: Vec::new(),
            body,
        };
        let (answer, settled) = oneshot::channel();
        let arrival = Arrival::new(message, Box::new(HttpReceipt::new(answer, permit)));
        // There is room for as many as there are permits; an error means that nobody receives.
        self.arrivals.try_send(arrival).map_err(|_| stopping())?;
        self.settled(settled, progress.as_deref()).await
    }

    pub(crate) fn check_credentials(&self, headers: &axum::http::HeaderMap) -> Result<(), Problem> {
        if self.credentials.allow(headers) {
            return Ok(());
        }
        let challenge = HeaderValue::from_static(self.credentials.challenge());
        Err(Problem::new(
            StatusCode::UNAUTHORIZED,
            "unauthorized",
            "Credentials are missing or wrong",
            "send an `Authorization` header with this source's credentials",
        )
        .with(header::WWW_AUTHENTICATE, challenge))
    }

    fn admit(&self, headers: &axum::http::HeaderMap) -> Result<(), Problem> {
        self.check_credentials(headers)?;
        let Some(rate) = &self.rate else {
            return Ok(());
        };
        let now = self.clock.now();
        let mut bucket = rate.lock().unwrap_or_else(PoisonError::into_inner);
        bucket.take(now).map_err(|next| {
            let seconds = next
                .micros_since(now)
                .max(0)
                .cast_unsigned()
                .div_ceil(1_000_000);
            Problem::new(
                StatusCode::TOO_MANY_REQUESTS,
                "rate",
                "Too many messages",
                "this source has a rate limit; wait as long as `Retry-After` says",
            )
            .retry_after(seconds)
        })
    }

    /// Waits for the settlement, as long as it takes while the body is coming.
    async fn settled(
        &self,
        mut settled: oneshot::Receiver<Settlement>,
        progress: Option<&Progress>,
    ) -> Result<Response, Problem> {
        let mut seen = 0;
        let settlement = loop {
            match timeout(self.request_timeout, &mut settled).await {
                Ok(settlement) => break settlement,
                Err(_) if progress.is_some_and(|p| p.bytes() > seen) => {
                    seen = progress.map_or(0, Progress::bytes);
                }
                Err(_) => {
                    return Err(unavailable(
                        "slow",
                        "The hub is too slow",
                        "the message may or may not have been accepted; send it again, \
                         a resend is recognised",
                    ));
                }
            }
        };
        match settlement {
            Ok(Settlement::Accepted {
                message_id,
                duplicate,
            }) => Ok(self.accepted(message_id, duplicate)),
            Ok(Settlement::Reject { reason }) => Err(Problem::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "rejected",
                "The message will never be accepted",
                reason,
            )),
            other => Err(not_now(progress, other.ok())),
        }
    }

    fn accepted(&self, id: MessageId, duplicate: bool) -> Response {
        let url = format!("{}{id}", self.status_prefix);
        // Every part is free of what JSON would escape: ids are base 32, the prefix is a URL path.
        let json =
            format!(r#"{{"message_id":"{id}","duplicate":{duplicate},"status_url":"{url}"}}"#);
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
}

/// What is told for a message that was put off, or whose arrival was dropped.
fn not_now(progress: Option<&Progress>, settlement: Option<Settlement>) -> Problem {
    if let Some(trouble) = progress.and_then(Progress::trouble) {
        return trouble.problem();
    }
    match settlement {
        Some(Settlement::Retry { after }) => unavailable(
            "not-now",
            "The hub cannot take the message now",
            "nothing was accepted; send it again after the pause",
        )
        .retry_after(
            after
                .as_millis()
                .div_ceil(1_000)
                .try_into()
                .unwrap_or(u64::MAX),
        ),
        _ => stopping(),
    }
}
