//! What the hub tells those who run it: `GET /metrics` and `GET /api/v1/endpoints`.
//!
//! Neither tells what is in a message, but both name partners and count what they do. So who asks
//! must show the configured `metrics_token` (`Authorization: Bearer ...`). Without one, only who is
//! on this machine is answered: from a loopback address, and not through a proxy, whose requests
//! come from such an address too.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{ConnectInfo, Query, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Json, Router, middleware};
use hub_core::{Clock, Shared};
use hub_model::Instant;
use hub_store::messages::{Backlog, Store, Waiting};
use hub_web::Problem;
use serde::Deserialize;
use serde_json::{Value, json};
use subtle::ConstantTimeEq;

use crate::config::HubConfig;
use crate::engine::vitals::{Role, Vital, Vitals};
use crate::metrics::{Sampler, recorder};

/// The text format of Prometheus.
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";
/// What proxies add: who sends one of these is not on this machine, or cannot be told to be.
const OF_PROXIES: [&str; 4] = ["forwarded", "x-forwarded-for", "x-real-ip", "via"];

#[derive(Clone)]
struct Operators {
    vitals: Arc<Vitals>,
    sampler: Sampler,
    clock: Arc<dyn Clock>,
    token: Option<Arc<str>>,
}

/// The routes for operators. `token` is what they show, if one is configured.
pub(crate) fn router(
    store: &Store,
    hub: &HubConfig,
    shared: &Shared,
    clock: &Arc<dyn Clock>,
    token: Option<String>,
) -> Router {
    let operators = Operators {
        vitals: shared.get(),
        sampler: Sampler::new(store.clone(), hub.data_dir.clone()),
        clock: Arc::clone(clock),
        token: token.map(Into::into),
    };
    let guard = middleware::from_fn_with_state(operators.clone(), guarded);
    Router::new()
        .route("/metrics", get(metrics))
        .route("/api/v1/endpoints", get(endpoints))
        .route_layer(guard)
        .with_state(operators)
}

async fn guarded(
    State(operators): State<Operators>,
    from: Option<Extension<ConnectInfo<SocketAddr>>>,
    request: Request,
    next: Next,
) -> Response {
    let from = from.map(|Extension(ConnectInfo(address))| address);
    match admit(operators.token.as_deref(), from, request.headers()) {
        Ok(()) => next.run(request).await,
        Err(refusal) => refusal.response(request.uri().path()),
    }
}

/// Whether who asks may know.
fn admit(
    token: Option<&str>,
    from: Option<SocketAddr>,
    headers: &HeaderMap,
) -> Result<(), Problem> {
    let Some(token) = token else {
        let is_near = from.is_some_and(|from| from.ip().to_canonical().is_loopback());
        let by_proxy = OF_PROXIES.iter().any(|name| headers.contains_key(*name));
        return match is_near && !by_proxy {
            true => Ok(()),
            false => Err(Problem::new(
                StatusCode::FORBIDDEN,
                "operators-only",
                "This is told on this machine only",
                "configure `metrics_token` in `[hub]` and send it as `Authorization: Bearer TOKEN`",
            )),
        };
    };
    let shown = headers.get(header::AUTHORIZATION);
    let shown = shown.and_then(|value| value.as_bytes().split_first_chunk::<7>());
    let is_known = shown.is_some_and(|(scheme, shown)| {
        scheme.eq_ignore_ascii_case(b"bearer ") && bool::from(shown.ct_eq(token.as_bytes()))
    });
    match is_known {
        true => Ok(()),
        false => Err(Problem::new(
            StatusCode::UNAUTHORIZED,
            "unauthorized",
            "The token is missing or wrong",
            "send the hub's `metrics_token` as `Authorization: Bearer TOKEN`",
        )),
    }
}

/// Everything that is counted, and what is looked up for it.
async fn metrics(State(operators): State<Operators>) -> Response {
    operators.sampler.sizes().await;
    // What cannot be looked up keeps its value; all else is told.
    if let Ok(backlog) = operators.sampler.backlog().await {
        set_backlog(&operators.vitals.all(), &backlog, operators.clock.now());
    }
    let text = recorder().render();
    ([(header::CONTENT_TYPE, TEXT)], text).into_response()
}

fn set_backlog(vitals: &[Vital], backlog: &Backlog, now: Instant) {
    for vital in vitals {
        let labels = [
            ("enterprise", vital.enterprise.clone()),
            ("endpoint", vital.name.clone()),
        ];
        let (count, oldest) = match vital.role {
            Role::Source => (
                "meterhub_source_backlog_messages",
                "meterhub_source_backlog_seconds",
            ),
            Role::Sink => (
                "meterhub_sink_waiting_deliveries",
                "meterhub_sink_waiting_seconds",
            ),
        };
        let waiting = waiting(vital, backlog);
        ::metrics::gauge!(count, &labels).set(figure(waiting.map_or(0, |w| w.count)));
        ::metrics::gauge!(oldest, &labels).set(waiting.map_or(0.0, |w| age(w, now)));
        if vital.role == Role::Sink {
            let parked = of(vital, &backlog.parked).map_or(0, |parked| parked.count);
            ::metrics::gauge!("meterhub_sink_parked_deliveries", &labels).set(figure(parked));
        }
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

    fn asks(token: Option<&str>, from: &str, headers: &[(&'static str, &str)]) -> bool {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, value.parse().unwrap());
        }
        admit(token, Some(from.parse().unwrap()), &map).is_ok()
    }

    #[test]
    fn without_a_token_only_this_machine_is_told() {
        assert!(asks(None, "127.0.0.1:4000", &[]));
        assert!(asks(None, "[::1]:4000", &[]));
        assert!(asks(None, "[::ffff:127.0.0.1]:4000", &[]));
        assert!(!asks(None, "10.0.0.7:4000", &[]));
        assert!(!asks(None, "[2001:db8::1]:4000", &[]));
        for proxy in OF_PROXIES {
            assert!(
                !asks(None, "127.0.0.1:4000", &[(proxy, "10.0.0.7")]),
                "{proxy}"
            );
        }
        assert!(admit(None, None, &HeaderMap::new()).is_err());
    }

    #[test]
    fn with_a_token_only_who_shows_it_is_told() {
        let near = "127.0.0.1:4000";
        for right in ["Bearer s3cret", "bearer s3cret"] {
            let shown = [("authorization", right), ("via", "proxy")];
            assert!(asks(Some("s3cret"), "10.0.0.7:4000", &shown), "{right}");
        }
        for wrong in [
            "Bearer s3cre",
            "Bearer s3cret ",
            "Bearer",
            "Basic s3cret",
            "s3cret",
            "",
        ] {
            assert!(
                !asks(Some("s3cret"), near, &[("authorization", wrong)]),
                "{wrong}"
            );
        }
        assert!(!asks(Some("s3cret"), near, &[]));
    }
}
