//! Transactional Event Queues behind ORDS: one topic of two partitions, one group. What is fetched
//! counts as consumed.

use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};

use super::Shared;

pub(crate) const TOPIC: &str = "METER_READINGS";
const PARTITIONS: usize = 2;
/// Records that an answer holds at most.
const BATCH: usize = 3;

/// A record.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sent {
    pub(crate) key: String,
    pub(crate) value: Value,
    pub(crate) headers: Value,
}

/// The records by partition, and how far the group is.
#[derive(Default)]
pub(crate) struct Queues {
    pub(crate) records: [Vec<Sent>; PARTITIONS],
    pub(crate) positions: [usize; PARTITIONS],
    /// Partition and offset of every record that was given out.
    pub(crate) given: Vec<(usize, usize)>,
    /// Elements of the next answer, as they are written, before its records.
    pub(crate) odd: Vec<String>,
    /// The next answer breaks off after its records.
    pub(crate) breaks: bool,
    /// How often positions were sought.
    pub(crate) sought: usize,
}

impl Queues {
    pub(crate) fn add(&mut self, partition: usize, key: &str, value: &str) {
        self.records[partition].push(Sent {
            key: key.to_owned(),
            value: value.into(),
            headers: Value::Null,
        });
    }
}

pub(super) fn routes() -> Router<Shared> {
    let base = "/ords/meters/_/db-api/stable/database/txeventq";
    let instance = format!("{base}/consumers/METERHUB/instances/ONE");
    Router::new()
        .route(&format!("{base}/topics"), get(topics))
        .route(&format!("{base}/topics/{{topic}}"), post(produce))
        .route(&format!("{instance}/subscription"), get(subscription))
        .route(&format!("{instance}/records"), get(records))
        .route(&format!("{instance}/positions"), post(positions))
}

fn problem(status: u16, text: &str) -> Response {
    let status = StatusCode::from_u16(status).unwrap();
    (
        status,
        Json(json!({ "code": status.as_str(), "message": text })),
    )
        .into_response()
}

async fn produce(
    State(world): State<Shared>,
    Path(topic): Path<String>,
    Json(body): Json<Value>,
) -> Response {
    let record = &body["records"][0];
    let (Some(key), Some(_)) = (record["key"].as_str(), record["value"].as_str()) else {
        return problem(400, "a record has a key and a value, both texts");
    };
    if topic != TOPIC {
        return problem(404, "ORA-24010: QUEUE does not exist");
    }
    if key.contains("refused") {
        return problem(400, "ORA-20001: not ours");
    }
    let mut world = world.lock().unwrap();
    let partition = key.len() % PARTITIONS;
    let log = &mut world.queues.records[partition];
    log.push(Sent {
        key: key.to_owned(),
        value: record["value"].clone(),
        headers: record["headers"].clone(),
    });
    let offset = log.len() - 1;
    let answer = json!({ "offsets": [{ "partition": partition, "offset": offset }] });
    (StatusCode::CREATED, Json(answer)).into_response()
}

async fn topics() -> Response {
    Json(json!([TOPIC])).into_response()
}

async fn subscription() -> Response {
    Json(json!({ "topics": [TOPIC] })).into_response()
}

async fn records(State(world): State<Shared>) -> Response {
    let mut world = world.lock().unwrap();
    let queues = &mut world.queues;
    let mut given: Vec<String> = std::mem::take(&mut queues.odd);
    let most = given.len() + BATCH;
    for partition in 0..PARTITIONS {
        while given.len() < most && queues.positions[partition] < queues.records[partition].len() {
            let offset = queues.positions[partition];
            queues.positions[partition] += 1;
            queues.given.push((partition, offset));
            let record = &queues.records[partition][offset];
            let record = json!({ "topic": TOPIC, "partition": partition, "offset": offset,
                "key": record.key, "value": record.value, "headers": record.headers });
            given.push(record.to_string());
        }
    }
    let mut list = format!("[{}", given.join(","));
    match std::mem::take(&mut queues.breaks) {
        true => list.push(','),
        false => list.push(']'),
    }
    ([(header::CONTENT_TYPE, "application/json")], list).into_response()
}

async fn positions(State(world): State<Shared>, Json(body): Json<Value>) -> Response {
    let mut world = world.lock().unwrap();
    world.queues.sought += 1;
    for place in body["offsets"].as_array().into_iter().flatten() {
        let number = |name: &str| place[name].as_u64().and_then(|n| usize::try_from(n).ok());
        let (Some(partition), Some(offset)) = (number("partition"), number("offset")) else {
            return problem(400, "a position has a partition and an offset");
        };
        world.queues.positions[partition] = offset;
    }
    StatusCode::CREATED.into_response()
}
