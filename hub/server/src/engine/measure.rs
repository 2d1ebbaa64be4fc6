//! What the engine measures of every endpoint, whatever its kind: counts for `/metrics`
//! ([`crate::metrics`]) and how it is ([`super::vitals`]). The adapters know nothing of it.
//!
//! Handles are made once per endpoint: a count is an atomic addition, without a look-up or a label.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time;

use async_trait::async_trait;
use hub_core::{Circuit, CircuitState, Clock, OutgoingMessage, Sent, Settlement, Sink, SinkError};
use hub_model::Instant;
use hub_store::messages::{AppliedChunk, DeliveryOutcome, MessageState};
use metrics::{Counter, Gauge, Histogram, Label, SharedString, counter, gauge, histogram};

use super::send::EndpointHealth;
use super::steady::later;
use super::vitals::{Health, Pulse, Role, Vitals};
use crate::config::Config;

/// What is measured of the endpoints of one configuration.
#[derive(Default)]
pub(super) struct Measures {
    sources: BTreeMap<String, Arc<SourceMeasure>>,
    sinks: BTreeMap<String, Arc<SinkMeasure>>,
}

impl Measures {
    /// For the endpoints that this configuration runs.
    pub(super) fn begin(config: &Config, vitals: &Vitals, clock: &Arc<dyn Clock>) -> Self {
        let is_run = |name: &str| config.inbound_of(name).is_some();
        let sources = config.sources.values();
        let sources: Vec<_> = sources.filter(|source| is_run(&source.name)).collect();
        let in_use = sources
            .iter()
            .map(|s| (Role::Source, &*s.name, &*s.kind, &*s.enterprise));
        let sinks = config.sinks.values();
        let in_use = in_use.chain(sinks.map(|s| (Role::Sink, &*s.name, &*s.kind, &*s.enterprise)));
        let pulses = vitals.begin(in_use, clock.now());
        let mut measures = Self {
            sources: BTreeMap::new(),
            sinks: BTreeMap::new(),
        };
        for ((role, name), pulse) in pulses {
            match (role, config.sources.get(&name), config.sinks.get(&name)) {
                (Role::Source, Some(source), _) => {
                    let series = Series::of(&source.enterprise, &name);
                    let measure = SourceMeasure::new(&series, pulse, Arc::clone(clock));
                    measures.sources.insert(name, Arc::new(measure));
                }
                (Role::Sink, _, Some(sink)) => {
                    let series = Series::of(&sink.enterprise, &name);
                    let measure = SinkMeasure::new(&series, pulse);
                    measures.sinks.insert(name, Arc::new(measure));
                }
                _ => {}
            }
        }
        measures
    }

    /// What is measured of a source that is run.
    pub(super) fn source(&self, name: &str) -> Arc<SourceMeasure> {
        let measure = self.sources.get(name).cloned();
        measure.expect("every source that is run was there when the engine began")
    }

    /// What is measured of a sink.
    pub(super) fn sink(&self, name: &str) -> Arc<SinkMeasure> {
        let measure = self.sinks.get(name).cloned();
        measure.expect("every sink was there when the engine began")
    }

    /// A chunk of a source's message was applied.
    pub(super) fn applied(&self, source: &str, chunk: &AppliedChunk) {
        if let Some(measure) = self.sources.get(source) {
            measure.applied(chunk);
        }
    }
}

/// The labels of an endpoint's series.
struct Series(Vec<Label>);

impl Series {
    fn of(enterprise: &str, endpoint: &str) -> Self {
        let label = |key, value: &str| Label::new(key, SharedString::from(value.to_owned()));
        Self(vec![
            label("enterprise", enterprise),
            label("endpoint", endpoint),
        ])
    }

    fn counter(&self, name: &'static str) -> Counter {
        counter!(name, self.0.iter())
    }

    fn counter_by(&self, name: &'static str, key: &'static str, value: &'static str) -> Counter {
        let own = Label::from_static_parts(key, value);
        let labels: Vec<_> = self.0.iter().cloned().chain([own]).collect();
        counter!(name, labels)
    }

    fn gauge(&self, name: &'static str) -> Gauge {
        gauge!(name, self.0.iter())
    }

    fn histogram(&self, name: &'static str) -> Histogram {
        histogram!(name, self.0.iter())
    }
}

/// What is measured of a source.
pub(super) struct SourceMeasure {
    pulse: Arc<Pulse>,
    clock: Arc<dyn Clock>,
    connected: Gauge,
    connects: Counter,
    connect_failures: Counter,
    disconnects: Counter,
    accepted: Counter,
    duplicate: Counter,
    rejected: Counter,
    put_off: Counter,
    bytes: Counter,
    accept_seconds: Histogram,
    unsettled: Gauge,
    finished: [(MessageState, Counter); 3],
    records_applied: Counter,
    records_rejected: Counter,
    findings: Counter,
}

impl SourceMeasure {
    fn new(series: &Series, pulse: Arc<Pulse>, clock: Arc<dyn Clock>) -> Self {
        let messages =
            |outcome| series.counter_by("meterhub_source_messages_total", "outcome", outcome);
        let records =
            |outcome| series.counter_by("meterhub_source_records_total", "outcome", outcome);
        let finished = |state: MessageState| {
            let name = "meterhub_source_finished_total";
            (state, series.counter_by(name, "state", state.as_str()))
        };
        let measure = Self {
            pulse,
            clock,
            connected: series.gauge("meterhub_source_connected"),
            connects: series.counter("meterhub_source_connects_total"),
            connect_failures: series.counter("meterhub_source_connect_failures_total"),
            disconnects: series.counter("meterhub_source_disconnects_total"),
            accepted: messages("accepted"),
            duplicate: messages("duplicate"),
            rejected: messages("rejected"),
            put_off: messages("put_off"),
            bytes: series.counter("meterhub_source_bytes_total"),
            accept_seconds: series.histogram("meterhub_source_accept_seconds"),
            unsettled: series.gauge("meterhub_source_unsettled"),
            finished: [
                MessageState::Processed,
                MessageState::ProcessedWithFindings,
                MessageState::Invalid,
            ]
            .map(finished),
            records_applied: records("applied"),
            records_rejected: records("rejected"),
            findings: series.counter("meterhub_source_findings_total"),
        };
        measure.connected.set(0.0);
        measure
    }

    /// It connected.
    pub(super) fn connected(&self) {
        self.connects.increment(1);
        self.connected.set(1.0);
        self.pulse.works(self.clock.now());
    }

    /// It did not connect, and is tried again after a pause.
    pub(super) fn not_connected(&self, reason: &str, pause: time::Duration) {
        self.connects.increment(1);
        self.connect_failures.increment(1);
        self.retries(reason, pause);
    }

    /// It lost its connection, and is connected again after a pause.
    pub(super) fn lost(&self, reason: &str, pause: time::Duration) {
        self.disconnects.increment(1);
        self.retries(reason, pause);
    }

    fn retries(&self, reason: &str, pause: time::Duration) {
        self.connected.set(0.0);
        let now = self.clock.now();
        let next = Some(later(now, pause));
        self.pulse.fails(Health::Retrying, reason, next, now);
    }

    /// The engine stops.
    pub(super) fn stopped(&self) {
        self.connected.set(0.0);
    }

    /// A message arrived; it is unsettled until what this returns is dropped.
    pub(super) fn arrived(self: &Arc<Self>) -> Unsettled {
        self.unsettled.increment(1.0);
        Unsettled {
            source: Arc::clone(self),
            since: time::Instant::now(),
        }
    }

    /// A message was done when it was accepted.
    pub(super) fn done_at_once(&self) {
        self.finished(MessageState::Processed);
    }

    fn applied(&self, chunk: &AppliedChunk) {
        self.records_applied.increment(chunk.applied);
        self.records_rejected.increment(chunk.rejected);
        self.findings.increment(chunk.findings);
        if let Some(state) = chunk.state {
            self.finished(state);
        }
    }

    fn finished(&self, state: MessageState) {
        let ended = |(of, _): &&(MessageState, Counter)| state == *of;
        if let Some((_, counter)) = self.finished.iter().find(ended) {
            counter.increment(1);
        }
    }
}

/// A message whose sender has no answer yet.
pub(super) struct Unsettled {
    source: Arc<SourceMeasure>,
    since: time::Instant,
}

impl Unsettled {
    /// What its sender is told, and how large it is.
    pub(super) fn settled(&self, settlement: &Settlement, bytes: u64) {
        let source = &self.source;
        match settlement {
            Settlement::Accepted {
                duplicate: false, ..
            } => {
                source.accepted.increment(1);
                source.bytes.increment(bytes);
                source.accept_seconds.record(self.since.elapsed());
                source.pulse.succeeded(source.clock.now());
            }
            Settlement::Accepted { .. } => {
                source.duplicate.increment(1);
                source.pulse.succeeded(source.clock.now());
            }
            Settlement::Reject { .. } => source.rejected.increment(1),
            Settlement::Retry { after } => {
                source.put_off.increment(1);
                let now = source.clock.now();
                let (reason, next) = ("the hub cannot store what comes", later(now, *after));
                source.pulse.fails(Health::Busy, reason, Some(next), now);
            }
        }
    }
}

impl Drop for Unsettled {
    fn drop(&mut self) {
        self.source.unsettled.decrement(1.0);
    }
}

/// What is measured of a sink.
pub(super) struct SinkMeasure {
    pulse: Arc<Pulse>,
    sent: Counter,
    refused: Counter,
    unavailable: Counter,
    busy: Counter,
    given_up: Counter,
    parked: Counter,
    fell_over: Counter,
    bytes: Counter,
    attempt_seconds: Histogram,
    in_flight: Gauge,
    circuit_open: Gauge,
}

impl SinkMeasure {
    fn new(series: &Series, pulse: Arc<Pulse>) -> Self {
        let attempts =
            |outcome| series.counter_by("meterhub_sink_attempts_total", "outcome", outcome);
        let measure = Self {
            pulse,
            sent: attempts("sent"),
            refused: attempts("refused"),
            unavailable: attempts("unavailable"),
            busy: attempts("busy"),
            given_up: attempts("given_up"),
            parked: series.counter("meterhub_sink_parked_total"),
            fell_over: series.counter("meterhub_sink_fell_over_total"),
            bytes: series.counter("meterhub_sink_bytes_total"),
            attempt_seconds: series.histogram("meterhub_sink_attempt_seconds"),
            in_flight: series.gauge("meterhub_sink_in_flight"),
            circuit_open: series.gauge("meterhub_sink_circuit_open"),
        };
        measure.circuit_open.set(0.0);
        measure
    }

    /// A sink whose attempts are counted.
    pub(super) fn around(self: &Arc<Self>, sink: Box<dyn Sink>) -> Arc<dyn Sink> {
        Arc::new(MeasuredSink {
            sink,
            measure: Arc::clone(self),
        })
    }

    /// It cannot be set up, and is tried again after a pause.
    pub(super) fn not_set_up(&self, reason: &str, pause: time::Duration, now: Instant) {
        let next = Some(later(now, pause));
        self.pulse.fails(Health::Retrying, reason, next, now);
    }

    /// What came of a delivery is on disk.
    pub(super) fn ended(&self, outcome: &DeliveryOutcome) {
        match outcome {
            DeliveryOutcome::Parked { .. } => self.parked.increment(1),
            DeliveryOutcome::FellOver { .. } => self.fell_over.increment(1),
            DeliveryOutcome::Delivered { .. } | DeliveryOutcome::Failed { .. } => {}
        }
    }

    /// What an attempt meant for a delivery and for the endpoint; the circuit knows already.
    pub(super) fn judged(
        &self,
        health: &EndpointHealth,
        outcome: &DeliveryOutcome,
        circuit: &Circuit,
        now: Instant,
    ) {
        self.circuit_open
            .set(if circuit.is_open() { 1.0 } else { 0.0 });
        let Some(note) = outcome.trouble() else {
            return self.pulse.succeeded(now);
        };
        let due = match outcome {
            DeliveryOutcome::Failed { due, .. } => Some(*due),
            _ => None,
        };
        let next = match circuit.state(now) {
            CircuitState::OpenUntil(until) => Some(until),
            CircuitState::Closed | CircuitState::Probing => due,
        };
        match health {
            EndpointHealth::Answered => self.pulse.works(now),
            EndpointHealth::Busy { .. } => self.pulse.fails(Health::Busy, note, next, now),
            EndpointHealth::Silent { .. } if circuit.is_open() => {
                self.pulse.fails(Health::CircuitOpen, note, next, now);
            }
            EndpointHealth::Silent { .. } => self.pulse.fails(Health::Retrying, note, next, now),
            // It was not asked.
            EndpointHealth::Unknown => {}
        }
    }
}

/// A sink whose attempts are counted and timed.
struct MeasuredSink {
    sink: Box<dyn Sink>,
    measure: Arc<SinkMeasure>,
}

#[async_trait]
impl Sink for MeasuredSink {
    async fn send(&self, message: &OutgoingMessage) -> Result<Sent, SinkError> {
        let mut attempt = Attempt::begin(&self.measure);
        let outcome = self.sink.send(message).await;
        let measure = &self.measure;
        attempt.outcome = match &outcome {
            Ok(_) => {
                measure.bytes.increment(message.content.len());
                &measure.sent
            }
            Err(SinkError::Refused { .. }) => &measure.refused,
            Err(SinkError::Busy { .. }) => &measure.busy,
            Err(SinkError::Unavailable { .. }) => &measure.unavailable,
        };
        outcome
    }
}

/// An attempt under way. One that is dropped without an outcome was given up, or panicked.
struct Attempt<'a> {
    measure: &'a SinkMeasure,
    begun: time::Instant,
    outcome: &'a Counter,
}

impl<'a> Attempt<'a> {
    fn begin(measure: &'a SinkMeasure) -> Self {
        measure.in_flight.increment(1.0);
        Self {
            measure,
            begun: time::Instant::now(),
            outcome: &measure.given_up,
        }
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        self.outcome.increment(1);
        self.measure.attempt_seconds.record(self.begun.elapsed());
        self.measure.in_flight.decrement(1.0);
    }
}
