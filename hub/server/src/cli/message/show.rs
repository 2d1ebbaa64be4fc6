//! One message as an operator sees it: findings, deliveries, what partners said of them, the thread
//! of its orders over all messages, and the trace.

use hub_core::MessageId;
use hub_store::StoreError;
use hub_store::messages::{
    DeliveryView, FindingView, MessageView, ReportView, Store, ThreadView, TraceView, reported,
};
use serde_json::Value;

use super::super::output::{
    Paint, fitting_table, hanging, line_width, milliseconds, paint, say, thousands,
};
use super::super::{Common, Exit};
use super::{finding_line, name, not_found};
use crate::operate::{
    delivery_json, finding_json, message_json, report_json, thread_json, trace_json,
};

/// Rows of each kind shown of one message; more would scroll away.
const MAX_SHOWN: usize = 200;

/// All that is shown of a message.
struct Whole {
    message: MessageView,
    findings: Vec<FindingView>,
    deliveries: Vec<DeliveryView>,
    /// What partners call its deliveries, and said of them.
    reports: Vec<ReportView>,
    /// What it says of deliveries itself.
    says: Vec<ReportView>,
    thread: Vec<ThreadView>,
    trace: Vec<TraceView>,
}

impl Whole {
    async fn read(store: &Store, id: MessageId) -> Result<Option<Self>, StoreError> {
        let Some(message) = store.message(id).await? else {
            return Ok(None);
        };
        Ok(Some(Self {
            message,
            findings: store.findings(id, MAX_SHOWN).await?,
            deliveries: store.deliveries_of(id, MAX_SHOWN).await?,
            reports: store.reports_of(id, MAX_SHOWN).await?,
            says: store.reports_by(id, MAX_SHOWN).await?,
            thread: store.thread(id, MAX_SHOWN).await?,
            trace: store.trace(id, MAX_SHOWN).await?,
        }))
    }

    fn json(&self) -> Value {
        let mut all = message_json(&self.message);
        all["findings_list"] = self.findings.iter().map(finding_json).collect();
        all["deliveries"] = self.deliveries.iter().map(delivery_json).collect();
        all["reports"] = self.reports.iter().map(report_json).collect();
        all["reports_on"] = self.says.iter().map(report_json).collect();
        all["thread"] = self.thread.iter().map(thread_json).collect();
        all["trace"] = self.trace.iter().map(trace_json).collect();
        all
    }

    fn say(&self) {
        describe(&self.message);
        self.say_findings();
        self.say_deliveries();
        self.say_reports();
        self.say_thread();
        self.say_trace();
    }

    fn say_findings(&self) {
        if self.findings.is_empty() {
            return;
        }
        title("Findings");
        for finding in &self.findings {
            say(&format!("  {}", finding_line(&finding_json(finding))));
        }
        let shown = self.findings.len() as u64;
        if self.message.findings > shown {
            let more = thousands(self.message.findings - shown);
            say(&format!("  … and {more} more"));
        }
    }

    fn say_deliveries(&self) {
        if self.deliveries.is_empty() {
            return;
        }
        title("Deliveries");
        let rows: Vec<_> = self
            .deliveries
            .iter()
            .map(|d| self.delivery_row(d))
            .collect();
        let head = ["DELIVERY", "SINK", "STATE", "ATTEMPTS", "SUBJECT", "NOTE"];
        say(&fitting_table(&head, &rows, line_width()));
    }

    fn delivery_row(&self, delivery: &DeliveryView) -> Vec<String> {
        let state = delivery.state.as_str();
        let state = match reported(&self.reports, delivery.id) {
            Some(outcome) => format!("{state}, {}", outcome.as_str()),
            None => state.to_owned(),
        };
        vec![
            delivery.id.to_string(),
            delivery.endpoint.clone(),
            state,
            delivery.attempts.to_string(),
            delivery.subject.clone(),
            delivery.note.clone().unwrap_or_default(),
        ]
    }

    fn say_reports(&self) {
        let said = |report: &ReportView| {
            let said = report.said.as_ref()?;
            let start = format!("  {}  ", milliseconds(said.at));
            let (outcome, delivery) = (said.outcome.as_str(), report.delivery);
            let text = format!("{delivery} {outcome}: {} (message {})", said.note, said.by);
            Some(hanging(&start, &text, line_width()))
        };
        let lines: Vec<String> = self.reports.iter().filter_map(said).collect();
        if !lines.is_empty() {
            title("Reported by partners");
            lines.iter().for_each(|line| say(line));
        }
        if !self.says.is_empty() {
            title("Reports on");
        }
        for report in &self.says {
            let (delivery, message, sink) = (report.delivery, report.message, &report.endpoint);
            let outcome = report
                .said
                .as_ref()
                .map_or("", |said| said.outcome.as_str());
            let text =
                format!("delivery {delivery} of message {message} to sink `{sink}`: {outcome}");
            say(&hanging("  ", &text, line_width()));
        }
    }

    /// Only where there is more to it than this message shows by itself.
    fn say_thread(&self) {
        let own = self.message.id;
        if self.thread.iter().all(|view| view.message == own) {
            return;
        }
        title("Thread");
        for view in &self.thread {
            let start = format!("  {}  ", milliseconds(view.at));
            let who = match view.message == own {
                true => "this message".to_owned(),
                false => format!("message {}", view.message),
            };
            let text = format!("{} {} ({who})", view.subject, view.what);
            say(&hanging(&start, &text, line_width()));
        }
    }

    fn say_trace(&self) {
        title("Trace");
        for row in &self.trace {
            let delivery = row.delivery.map(|id| format!(" {id}")).unwrap_or_default();
            let note = row.note.as_deref();
            let note = note.map(|note| format!(": {note}")).unwrap_or_default();
            let start = format!("  {}  ", milliseconds(row.at));
            let text = format!("{}{delivery}{note}", row.step.as_str());
            say(&hanging(&start, &text, line_width()));
        }
    }
}

fn title(text: &str) {
    say(&format!("\n{}", paint(text, Paint::Bold)));
}

/// Shows a message with all that became of it.
pub(super) async fn show(
    common: &Common,
    store: &Store,
    id: MessageId,
) -> Result<Exit, StoreError> {
    let Some(whole) = Whole::read(store, id).await? else {
        return Ok(not_found(common, id));
    };
    match common.json {
        true => say(&whole.json().to_string()),
        false => whole.say(),
    }
    Ok(Exit::Done)
}

fn describe(message: &MessageView) {
    let mut lines = vec![
        ("Message", message.id.to_string()),
        ("State", message.state.as_str().to_owned()),
        ("Name", name(message).to_owned()),
        (
            "From",
            format!(
                "source `{}` of enterprise `{}`",
                message.source, message.enterprise
            ),
        ),
        ("Received", message.received.to_string()),
        (
            "Content",
            format!(
                "{} bytes, SHA-256 {}",
                thousands(message.size),
                message.content_sha256
            ),
        ),
    ];
    if let Some(key) = &message.business_key {
        lines.push(("Partner's id", key.clone()));
    }
    let records = format!(
        "{} applied, {} rejected",
        thousands(message.applied),
        thousands(message.rejected)
    );
    lines.push((
        "Records",
        format!("{}: {records}", thousands(message.records)),
    ));
    if message.run > 1 {
        lines.push(("Run", message.run.to_string()));
    }
    for (title, text) in lines {
        say(&format!(
            "{} {text}",
            paint(&format!("{title:<13}"), Paint::Bold)
        ));
    }
}
