//! `erpintegrations` of a Fusion application.

use std::collections::HashMap;

use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use super::Shared;

const FIRST_JOB: usize = 2_749_017;

/// The jobs of the application.
#[derive(Default)]
pub(crate) struct Fusion {
    pub(crate) uploads: Vec<Upload>,
    /// State by job; `RUNNING` without.
    pub(crate) states: HashMap<String, String>,
    /// What `ESSExecutionDetailsRF` tells, by job.
    pub(crate) details: HashMap<String, Value>,
    /// Jobs about whose state it answers with this status.
    pub(crate) troubles: HashMap<String, u16>,
    /// Answer to imports with 201 and a body that breaks off: before the number of the job, or after it.
    pub(crate) breaks: Option<Break>,
    /// How often a state was asked for.
    pub(crate) asked: usize,
}

/// Where the answer to an import breaks off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Break {
    BeforeNumber,
    AfterNumber,
}

/// An import that was taken.
pub(crate) struct Upload {
    pub(crate) job: String,
    pub(crate) fields: Value,
    pub(crate) file: Vec<u8>,
}

pub(super) fn routes() -> Router<Shared> {
    let path = "/fscmRestApi/resources/11.13.18.05/erpintegrations";
    Router::new()
        .route(path, get(finder).post(import))
        .route(&format!("{path}/describe"), get(describe))
}

/// What every resource says of itself.
async fn describe() -> Json<Value> {
    Json(json!({ "Resources": { "erpintegrations": { "discrColumnType": false } } }))
}

async fn import(State(world): State<Shared>, body: Body) -> Response {
    let Ok(body) = axum::body::to_bytes(body, usize::MAX).await else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let Ok(mut fields) = serde_json::from_slice::<Value>(&body) else {
        return (StatusCode::BAD_REQUEST, "no JSON").into_response();
    };
    let content = fields["DocumentContent"].as_str().unwrap_or_default();
    let Ok(file) = BASE64_STANDARD.decode(content) else {
        return (StatusCode::BAD_REQUEST, "no base 64").into_response();
    };
    if fields["OperationName"] != "importBulkData" || fields["ContentType"] != "zip" {
        return (StatusCode::BAD_REQUEST, "unknown operation").into_response();
    }
    let mut answer = fields.clone();
    answer["links"] = json!([{ "rel": "self", "ReqstId": "no" }]);
    if fields["ParameterList"]
        .as_str()
        .unwrap_or_default()
        .contains("refused")
    {
        answer["ReqstId"] = "-1".into();
        return (StatusCode::CREATED, Json(answer)).into_response();
    }
    let mut world = world.lock().unwrap();
    let job = (FIRST_JOB + world.fusion.uploads.len()).to_string();
    // As the real one does, the answer repeats the document.
    answer["ReqstId"] = job.as_str().into();
    fields["DocumentContent"] = Value::Null;
    let number = json!(job).to_string();
    world.fusion.uploads.push(Upload { job, fields, file });
    if let Some(place) = world.fusion.breaks {
        return broken(place, &number);
    }
    (StatusCode::CREATED, Json(answer)).into_response()
}

fn broken(place: Break, number: &str) -> Response {
    let begin = match place {
        Break::BeforeNumber => {
            r#"{"OperationName":"importBulkData","DocumentContent":""#.to_owned()
        }
        Break::AfterNumber => format!(r#"{{"ReqstId":{number},"DocumentContent":""#),
    };
    // So much that it is sent before the break is seen.
    let begin = begin + &"UEsD".repeat(150_000);
    let gone = Err(std::io::Error::other("the line is cut"));
    let pieces = futures_util::stream::iter([Ok(begin), gone]);
    (StatusCode::CREATED, Body::from_stream(pieces)).into_response()
}

async fn finder(State(world): State<Shared>, RawQuery(query): RawQuery) -> Response {
    let query = query.unwrap_or_default();
    let finder = query
        .split('&')
        .find_map(|pair| pair.strip_prefix("finder="));
    let (name, values) = finder
        .unwrap_or_default()
        .split_once(';')
        .unwrap_or_default();
    let value = |wanted: &str| {
        let mut pairs = values.split(',').filter_map(|pair| pair.split_once('='));
        pairs
            .find(|(name, _)| *name == wanted)
            .map(|(_, value)| value)
    };
    let job = value("requestId").unwrap_or_default().to_owned();
    let mut world = world.lock().unwrap();
    let fusion = &mut world.fusion;
    if !fusion.uploads.iter().any(|upload| upload.job == job) {
        return Json(json!({ "items": [], "count": 0 })).into_response();
    }
    if let Some(status) = fusion.troubles.get(&job) {
        let status = StatusCode::from_u16(*status).unwrap();
        return (status, "as asked for").into_response();
    }
    let item = match name {
        "ESSJobStatusRF" => {
            fusion.asked += 1;
            let state = fusion.states.get(&job);
            json!({ "RequestStatus": state.map_or("RUNNING", String::as_str) })
        }
        "ESSExecutionDetailsRF" => match fusion.details.get(&job) {
            Some(details) => json!({ "RequestStatus": details.to_string() }),
            None => json!({ "RequestStatus": null }),
        },
        "ESSJobExecutionDetailsRF" => json!({
            "DocumentName": format!("ESS_{}_{job}.zip", value("fileType").unwrap_or_default()),
            "DocumentId": "77",
            "DocumentContent": BASE64_STANDARD.encode("the log"),
        }),
        _ => return StatusCode::BAD_REQUEST.into_response(),
    };
    Json(json!({ "items": [item], "count": 1 })).into_response()
}
