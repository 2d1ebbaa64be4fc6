//! What the hub tells those who run it: `GET /metrics` and `GET /api/v1/endpoints`.
//!
//! Neither tells what is in a message, but both name partners and count what they do. So who asks
//! must show a token ([`token`]) as `Authorization: Bearer ...`, wherever they ask from: behind a
//! proxy of the same machine, everybody comes from this machine.

mod token;

use std::sync::Arc;

use axum::extract::{Query, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router, middleware};
use hub_core::{Clock, Shared};
use hub_model::Instant;
use hub_store::messages::{Backlog, Store, Waiting};
use hub_web::Problem;
use serde::Deserialize;
use serde_json::{Value, json};
use subtle::ConstantTimeEq;

use crate::config::HubConfig;
use crate::engine::vitals::{Gone, Role, Vital, Vitals};
use crate::metrics::{Sampler, recorder};

pub(crate) use token::{TokenError, asked_for, to_show};

/// The text format of Prometheus.
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";
#[derive(Clone)]
struct Operators {
    vitals: Arc<Vitals>,
    sampler: Sampler,
    clock: Arc<dyn Clock>,
    token: Arc<str>,
}

/// The routes for operators. `token` is what they show.
pub(crate) fn router(
    store: &Store,
    hub: &HubConfig,
    shared: &Shared,
    clock: &Arc<dyn Clock>,
    token: String,
) -> Router {
    let operators = Operators {
        vitals: shared.get(),
        sampler: Sampler::new(store.clone(), hub.data_dir.clone()),
        clock: Arc::clone(clock),
        token: token.into(),
    };
    let guard = middleware::from_fn_with_state(operators.clone(), guarded);
    Router::new()
        .route("/metrics", get(metrics))
        .route("/api/v1/endpoints", get(endpoints))
        .route_layer(guard)
        .with_state(operators)
}

async fn guarded(State(operators): State<Operators>, request: Request, next: Next) -> Response {
    if shows(&operators.token, request.headers()) {
        return next.run(request).await;
    }
    let refusal = Problem::new(
        StatusCode::UNAUTHORIZED,
        "unauthorized",
        "The token is missing or wrong",
        "send `Authorization: Bearer TOKEN` with the `metrics_token` of `[hub]`; without one \
         configured, with that in the file `operator.token` of the hub's data folder",
    );
    refusal.response(request.uri().path())
}

/// Whether who asks shows the token. How long the comparison takes does not tell how much of it is
/// right.
fn shows(token: &str, headers: &HeaderMap) -> bool {
    let shown = headers.get(header::AUTHORIZATION);
    let shown = shown.and_then(|value| value.as_bytes().split_first_chunk::<7>());
    shown.is_some_and(|(scheme, shown)| {
        scheme.eq_ignore_ascii_case(b"bearer ") && bool::from(shown.ct_eq(token.as_bytes()))
    })
}

/// Everything that is counted, and what is looked up for it.
async fn metrics(State(operators): State<Operators>) -> Response {
    operators.sampler.sizes().await;
    // What cannot be looked up keeps its value; all else is told.
    if let Ok(backlog) = operators.sampler.backlog().await {
        set_backlog(&operators.vitals.all(), &backlog, operators.clock.now());
    }
    operators.vitals.gone().iter().for_each(set_gone);
    let text = recorder().render();
    ([(header::CONTENT_TYPE, TEXT)], text).into_response()
}

/// What is looked up when asked, of a source: how many messages wait, and since when.
const OF_SOURCE: [&str; 2] = [
    "meterhub_source_backlog_messages",
    "meterhub_source_backlog_seconds",
];
/// Of a sink.
const OF_SINK: [&str; 2] = [
    "meterhub_sink_waiting_deliveries",
    "meterhub_sink_waiting_seconds",
];
const PARKED: &str = "meterhub_sink_parked_deliveries";

fn labels(enterprise: &str, endpoint: &str) -> [(&'static str, String); 2] {
    [
        ("enterprise", enterprise.to_owned()),
        ("endpoint", endpoint.to_owned()),
    ]
}

fn set_backlog(vitals: &[Vital], backlog: &Backlog, now: Instant) {
    for vital in vitals {
        let labels = labels(&vital.enterprise, &vital.name);
        let [count, oldest] = match vital.role {
            Role::Source => OF_SOURCE,
            Role::Sink => OF_SINK,
        };
        let waiting = waiting(vital, backlog);
        ::metrics::gauge!(count, &labels).set(figure(waiting.map_or(0, |w| w.count)));
        ::metrics::gauge!(oldest, &labels).set(waiting.map_or(0.0, |w| age(w, now)));
        if vital.role == Role::Sink {
            let parked = of(vital, &backlog.parked).map_or(0, |parked| parked.count);
            ::metrics::gauge!(PARKED, &labels).set(figure(parked));
        }
    }
}

/// An endpoint that was taken out of the configuration has nothing, or alerts about it would never
/// end. What is counted of attempts under way ends by itself.
fn set_gone(gone: &Gone) {
    let ([count, oldest], more) = match gone.role {
        Role::Source => (OF_SOURCE, ["meterhub_source_connected"].as_slice()),
        Role::Sink => (OF_SINK, ["meterhub_sink_circuit_open", PARKED].as_slice()),
    };
    let labels = labels(&gone.enterprise, &gone.name);
    for name in [count, oldest].into_iter().chain(more.iter().copied()) {
        ::metrics::gauge!(name, &labels).set(0.0);
    }
}

#[expect(clippy::cast_precision_loss, reason = "nobody has that many messages")]
fn figure(count: u64) -> f64 {
    count as f64
}

#[expect(clippy::cast_precision_loss, reason = "an age, to the microsecond")]
fn age(waiting: &Waiting, now: Instant) -> f64 {
    now.micros_since(waiting.oldest).max(0) as f64 / 1e6
}

/// What waits for an endpoint.
fn waiting<'a>(vital: &Vital, backlog: &'a Backlog) -> Option<&'a Waiting> {
    match vital.role {
        Role::Source => of(vital, &backlog.messages),
        Role::Sink => of(vital, &backlog.deliveries),
    }
}

fn of<'a>(vital: &Vital, places: &'a [Waiting]) -> Option<&'a Waiting> {
    let mut places = places.iter();
    places.find(|w| w.place == vital.name && w.enterprise == vital.enterprise)
}

/// Which endpoints are wanted.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    /// Only those of this enterprise.
    enterprise: Option<String>,
}

async fn endpoints(State(operators): State<Operators>, Query(wanted): Query<Wanted>) -> Response {
    // Without it nothing is known to wait; how the endpoints are is known all the same.
    let backlog = operators.sampler.backlog().await.ok();
    let is_wanted = |vital: &Vital| {
        let of = wanted.enterprise.as_ref();
        of.is_none_or(|enterprise| *enterprise == vital.enterprise)
    };
    let mut vitals = operators.vitals.all();
    vitals.retain(is_wanted);
    let rows: Vec<Value> = vitals
        .iter()
        .map(|vital| as_json(vital, backlog.as_deref()))
        .collect();
    let now = operators.clock.now().to_string();
    Json(json!({ "now": now, "endpoints": rows })).into_response()
}

fn as_json(vital: &Vital, backlog: Option<&Backlog>) -> Value {
    let text = |at: Option<Instant>| at.map(|at| at.to_string());
    let waits = backlog.map(|backlog| waiting(vital, backlog));
    let parked = backlog.map(|backlog| of(vital, &backlog.parked).map_or(0, |p| p.count));
    json!({
        "role": vital.role.as_str(),
        "name": vital.name,
        "kind": vital.kind,
        "enterprise": vital.enterprise,
        "health": vital.health.as_str(),
        "since": vital.since.to_string(),
        "reason": vital.reason,
        "last_success": text(vital.last_success),
        "failures": vital.failures,
        "next_attempt": text(vital.next_attempt),
        "waiting": waits.map(|waits| waits.map_or(0, |w| w.count)),
        "oldest_waiting": text(waits.flatten().map(|w| w.oldest)),
        "parked": parked.filter(|_| vital.role == Role::Sink),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_told(headers: &[(&'static str, &str)]) -> bool {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, value.parse().unwrap());
        }
        shows("s3cret", &map)
    }

    #[test]
    fn only_who_shows_the_token_is_told() {
        for right in ["Bearer s3cret", "bearer s3cret"] {
            let shown = [("authorization", right), ("via", "proxy")];
            assert!(is_told(&shown), "{right}");
        }
        for wrong in [
            "Bearer s3cre",
            "Bearer s3cret ",
            "Bearer ",
            "Bearer",
            "Basic s3cret",
            "s3cret",
            "",
        ] {
            assert!(!is_told(&[("authorization", wrong)]), "{wrong}");
        }
        assert!(!is_told(&[]));
    }
}
