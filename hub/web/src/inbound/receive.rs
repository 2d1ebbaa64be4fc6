//! From a request to an arrival, and from its settlement to the answer.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use axum::routing::any;
use hub_core::{Arrival, Settlement, Shared};
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::body::{PostedBody, Progress, Trouble, is_gzip};
use super::door::Door;
use super::doors::Doors;
use super::family::Family;
use super::handler::{Accepted, Taken};
use super::room::DoorReceipt;
use crate::problem::Problem;

/// Pause that a sender is asked for when the hub cannot take a message now, in seconds.
const PAUSE_SECONDS: u64 = 2;

/// What the hub's listener mounts: the doors of all families.
///
/// Takes the [`Doors`] of `shared`, so sources must connect with the same `shared`.
pub fn router(shared: &Shared) -> Router {
    let mut router = Router::new();
    for family in Family::ALL {
        let path = format!("{}{{source}}", family.prefix);
        let receive = move |doors, source, request| receive(family, doors, source, request);
        router = router.route(&path, any(receive));
    }
    router.with_state(shared.get::<Doors>())
}

async fn receive(
    family: Family,
    State(doors): State<Arc<Doors>>,
    Path(source): Path<String>,
    request: Request,
) -> Response {
    let (head, body) = request.into_parts();
    if !family.methods.contains(&head.method) {
        return wrong_method(family, &head.method).response(head.uri.path());
    }
    let Some(door) = doors.door(&source).filter(|door| door.family == family) else {
        return doors.absent(&source).response(head.uri.path());
    };
    match door.receive(&head, body).await {
        Ok(response) => response,
        Err(problem) => door.handler.refusal(&head, problem),
    }
}

/// The answer to a name that is configured, but not connected at the moment.
pub(super) fn not_connected() -> Problem {
    let detail = "nothing was accepted; the hub is starting, or takes over a changed configuration";
    unavailable("not-connected", "The source is not connected yet", detail)
}

/// The answer to a name that nobody configured.
pub(super) fn unknown_source() -> Problem {
    Problem::new(
        StatusCode::NOT_FOUND,
        "unknown-source",
        "There is no such source",
        "no HTTP source of this name is connected; ask the operator for the right URL",
    )
}

fn wrong_method(family: Family, method: &Method) -> Problem {
    let allowed = family.allowed();
    let problem = Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method",
        "This method is not taken here",
        format!("{method} is not possible here; send: {allowed}"),
    );
    match HeaderValue::try_from(allowed) {
        Ok(allowed) => problem.with(header::ALLOW, allowed),
        Err(_) => problem,
    }
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
    async fn receive(&self, head: &Parts, body: axum::body::Body) -> Result<Response, Problem> {
        let is_known = self.admit(head)?;
        let gzip = is_gzip(&head.headers)?;
        if content_length(&head.headers).is_some_and(|length| length > self.bounds.limit) {
            let limit = self.bounds.limit;
            return Err(Trouble::TooLarge { limit }.problem());
        }
        let Ok(permit) = self.in_flight.clone().try_acquire_owned() else {
            let detail = "as many messages as this source may have are under way; send it again";
            return Err(unavailable("busy", "The source is busy", detail));
        };
        let body = PostedBody::new(body.into_data_stream(), gzip, self.bounds);
        let progress = body.progress();
        let (message, reply) = match self.handler.take(head, body).await? {
            Taken::Answered(response) => return Ok(response),
            Taken::Message(message, reply) => (message, reply),
        };
        if !is_known && let Err(problem) = self.draw() {
            return Ok(reply(Err(problem)));
        }
        let (answer, settled) = oneshot::channel();
        let arrival = Arrival::new(*message, Box::new(DoorReceipt::new(answer, permit)));
        // There is room for as many as there are permits; an error means that nobody receives.
        let outcome = match self.arrivals.try_send(arrival) {
            Ok(()) => self.settled(settled, &progress).await,
            Err(_) => Err(stopping()),
        };
        Ok(reply(outcome))
    }

    /// Waits for the settlement, as long as it takes while the body is coming.
    async fn settled(
        &self,
        mut settled: oneshot::Receiver<Settlement>,
        progress: &Progress,
    ) -> Result<Accepted, Problem> {
        let mut seen = match progress.is_complete() {
            true => progress.bytes(),
            false => 0,
        };
        let settlement = loop {
            match timeout(self.request_timeout, &mut settled).await {
                Ok(settlement) => break settlement,
                Err(_) if progress.bytes() > seen => seen = progress.bytes(),
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
            }) => Ok(Accepted {
                message_id,
                duplicate,
            }),
            Ok(Settlement::Reject { reason }) => Err(Problem::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "rejected",
                "The message will never be accepted",
                reason,
            )),
            other => Err(not_now(progress, other.ok())),
        }
    }
}

/// `Content-Length`, if told.
fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers
        .get(header::CONTENT_LENGTH)?
        .to_str()
        .ok()?
        .parse()
        .ok()
}

/// What is told for a message that was put off, or whose arrival was dropped.
fn not_now(progress: &Progress, settlement: Option<Settlement>) -> Problem {
    if let Some(trouble) = progress.trouble() {
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
