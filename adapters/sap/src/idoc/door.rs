//! The source: SAP's own XML port posts IDocs to the hub.

use async_trait::async_trait;
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use bytes::Bytes;
use hub_core::{DeliveryReport, IncomingMessage};
use hub_web::{Accepted, Handler, PostedBody, Problem, Reply, Taken};
use tracing::warn;

use super::control::Control;
use super::report;

/// How much of a message is read to find its control record. Times `max_in_flight` it bounds the memory
/// of a source. A larger message is not known by its number, but by its content.
const HEAD_BYTES: usize = 64 * 1024;

/// Makes messages of IDocs that are posted.
pub(crate) struct IdocDoor;

#[async_trait]
impl Handler for IdocDoor {
    async fn take(&self, head: &Parts, mut body: PostedBody) -> Result<Taken, Problem> {
        if head.method != Method::POST {
            // SM59's test of a destination.
            return Ok(Taken::Answered(text(
                StatusCode::OK,
                "IDocs are taken by POST",
            )));
        }
        // One byte more than is looked at: whether that is all.
        let start = body.head(HEAD_BYTES + 1).await?;
        let control = control(&start)?;
        let media_type = head.headers.get(header::CONTENT_TYPE);
        let media_type = media_type.and_then(|value| value.to_str().ok());
        let message = IncomingMessage {
            name: name(control.as_ref()),
            media_type: media_type.map(ToOwned::to_owned),
            business_key: control.as_ref().and_then(Control::key),
            reports: reports(&start, &mut body).await?,
            body: body.into_message().await?,
            ..IncomingMessage::default()
        };
        let reply: Reply = Box::new(reply);
        Ok(Taken::Message(Box::new(message), reply))
    }

    fn refusal(&self, _: &Parts, problem: Problem) -> Response {
        refusal(&problem)
    }
}

/// What it tells of IDocs that we sent.
async fn reports(start: &[u8], body: &mut PostedBody) -> Result<Vec<DeliveryReport>, Problem> {
    if !report::may_tell(start) {
        return Ok(Vec::new());
    }
    let whole = body.head(report::LARGEST + 1).await?;
    if whole.len() > report::LARGEST {
        let most = report::LARGEST;
        warn!(
            most,
            "statuses in a larger message than is looked at are not shown on deliveries"
        );
        return Ok(Vec::new());
    }
    Ok(report::reports(&whole))
}

fn control(start: &Bytes) -> Result<Option<Control>, Problem> {
    if start.trim_ascii().is_empty() {
        let detail = "the body is empty; post IDocs as XML, or flat";
        return Err(Problem::new(
            StatusCode::BAD_REQUEST,
            "empty",
            "There is no IDoc",
            detail,
        ));
    }
    let is_whole = start.len() <= HEAD_BYTES;
    Ok(Control::read(
        &start[..start.len().min(HEAD_BYTES)],
        is_whole,
    ))
}

fn name(control: Option<&Control>) -> String {
    match control {
        Some(control) => {
            let Control { mestyp, docnum, .. } = control;
            let plain = |c: &char| c.is_ascii_alphanumeric() || *c == '_';
            let part = |text: &str| text.chars().filter(plain).collect::<String>();
            format!("{}-{}", part(mestyp), part(docnum))
        }
        None => "IDocs".to_owned(),
    }
}

fn reply(outcome: Result<Accepted, Problem>) -> Response {
    match outcome {
        Ok(Accepted {
            message_id,
            duplicate: false,
        }) => text(StatusCode::OK, &format!("accepted as {message_id}")),
        Ok(Accepted {
            message_id,
            duplicate: true,
        }) => text(
            StatusCode::OK,
            &format!("was accepted before, as {message_id}"),
        ),
        Err(problem) => refusal(&problem),
    }
}

/// SAP shows the status and the text with the IDoc (status 02, error passing data to port).
fn refusal(problem: &Problem) -> Response {
    let mut response = text(
        problem.status(),
        &format!("{}: {}", problem.title(), problem.detail()),
    );
    if let Some((name, value)) = problem.header() {
        response.headers_mut().insert(name, value);
    }
    response
}

fn text(status: StatusCode, text: &str) -> Response {
    let mut response = Response::new(text.to_owned().into());
    *response.status_mut() = status;
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, plain);
    response
}
