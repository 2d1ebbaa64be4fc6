//! A REST service of a database: rows are taken, `fail/<code>` fails as the database would, with this
//! `ORA-` code.

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde_json::json;

use super::Shared;

/// What was taken.
#[derive(Default)]
pub(crate) struct Rest {
    pub(crate) rows: Vec<Row>,
}

/// A request that was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) id: String,
    pub(crate) media_type: String,
    pub(crate) body: Vec<u8>,
}

pub(super) fn routes() -> Router<Shared> {
    let row = post(take).put(take);
    Router::new()
        .route("/ords/meters/rows/{row}", row)
        .route("/ords/meters/fail/{status}/{code}", post(fail))
        .route("/ords/meters/readings/batchload", post(batchload))
}

async fn take(
    State(world): State<Shared>,
    method: Method,
    Path(path): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if path == "refused" {
        return error(
            400,
            "ORA-01400: cannot insert NULL into (\"METERS\".\"ROWS\".\"ID\")",
        );
    }
    let text = |name: &str| {
        let value = headers.get(name).and_then(|value| value.to_str().ok());
        value.unwrap_or_default().to_owned()
    };
    world.lock().unwrap().rest.rows.push(Row {
        method: method.to_string(),
        path: path.clone(),
        id: text("x-message-id"),
        media_type: text("content-type"),
        body: body.to_vec(),
    });
    let url = format!("/ords/meters/rows/{path}");
    (StatusCode::CREATED, [(header::LOCATION, url)], "{}").into_response()
}

async fn fail(Path((status, code)): Path<(u16, String)>) -> Response {
    error(
        status,
        &format!("ORA-{code}: as asked for\nORA-06512: at line 1"),
    )
}

async fn batchload(body: Bytes) -> Response {
    let rejected = body
        .split(|b| *b == b'\n')
        .filter(|line| *line == b"bad")
        .count();
    format!("#INFO Number of rows processed: 2\n#INFO Number of rows in error: {rejected}\n")
        .into_response()
}

/// A problem document as ORDS makes them.
fn error(status: u16, cause: &str) -> Response {
    let body = json!({
        "code": "BadRequest", "title": "Bad Request", "cause": cause,
        "type": "tag:oracle.com,2020:error/BadRequest", "status": status,
    });
    let status = StatusCode::from_u16(status).unwrap();
    let media_type = [(header::CONTENT_TYPE, "application/problem+json")];
    (status, media_type, body.to_string()).into_response()
}
