//! One message as an operator sees it: findings, deliveries, what partners said of them, the thread
//! of its orders over all messages, and the trace.

use hub_core::MessageId;
use hub_store::StoreError;
use hub_store::messages::{
    DeliveryView, FindingView, MessageView, ReportView, Store, Thread, TraceView,
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
    deliveries: Shown<DeliveryView>,
    /// What partners call its deliveries, and said of them.
    reports: Shown<ReportView>,
    /// What it says of deliveries itself.
    says: Shown<ReportView>,
    thread: Thread,
    trace: Shown<TraceView>,
}

/// The rows that are shown, and whether there are more.
struct Shown<T> {
    rows: Vec<T>,
    more: bool,
}

impl<T> Shown<T> {
    /// Of one row more than are shown, if there are so many.
    fn of(mut rows: Vec<T>) -> Self {
        let more = rows.len() > MAX_SHOWN;
        rows.truncate(MAX_SHOWN);
        Self { rows, more }
    }

    fn json(&self, of: impl Fn(&T) -> Value) -> Value {
        self.rows.iter().map(of).collect()
    }

    /// Says that there are more.
    fn end(&self) {
        if self.more {
            say(&format!("  … and more than these {MAX_SHOWN}"));
        }
    }
}

impl Whole {
    async fn read(store: &Store, id: MessageId) -> Result<Option<Self>, StoreError> {
        let Some(message) = store.message(id).await? else {
            return Ok(None);
        };
        Ok(Some(Self {
            message,
            findings: store.findings(id, MAX_SHOWN).await?,
            deliveries: Shown::of(store.deliveries_of(id, MAX_SHOWN + 1).await?),
            reports: Shown::of(store.reports_of(id, MAX_SHOWN + 1).await?),
            says: Shown::of(store.reports_by(id, MAX_SHOWN + 1).await?),
            thread: store.thread(id, MAX_SHOWN).await?,
            trace: Shown::of(store.trace(id, MAX_SHOWN + 1).await?),
        }))
    }

    fn json(&self) -> Value {
        let mut all = message_json(&self.message);
        all["findings_list"] = self.findings.iter().map(finding_json).collect();
        all["deliveries"] = self.deliveries.json(delivery_json);
        all["reports"] = self.reports.json(report_json);
        all["reports_on"] = self.says.json(report_json);
        all["thread"] = self.thread.steps.iter().map(thread_json).collect();
        all["thread_orders"] = self.thread.orders.into();
        all["thread_orders_followed"] = self.thread.followed.into();
        all["trace"] = self.trace.json(trace_json);
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
        if self.deliveries.rows.is_empty() {
            return;
        }
        title("Deliveries");
        let rows: Vec<_> = self.deliveries.rows.iter().map(delivery_row).collect();
        let head = ["DELIVERY", "SINK", "STATE", "ATTEMPTS", "SUBJECT", "NOTE"];
        say(&fitting_table(&head, &rows, line_width()));
        self.deliveries.end();
    }

    fn say_reports(&self) {
        let said = |report: &ReportView| {
            let said = report.said.as_ref()?;
            let start = format!("  {}  ", milliseconds(said.at));
            let (outcome, delivery) = (said.outcome.as_str(), report.delivery);
            let text = format!("{delivery} {outcome}: {} (message {})", said.note, said.by);
            Some(hanging(&start, &text, line_width()))
        };
        let lines: Vec<String> = self.reports.rows.iter().filter_map(said).collect();
        if !lines.is_empty() {
            title("Reported by partners");
            lines.iter().for_each(|line| say(line));
            self.reports.end();
        }
        if !self.says.rows.is_empty() {
            title("Reports on");
        }
        for report in &self.says.rows {
            let (delivery, message, sink) = (report.delivery, report.message, &report.endpoint);
            let outcome = report
                .said
                .as_ref()
                .map_or("", |said| said.outcome.as_str());
            let text =
                format!("delivery {delivery} of message {message} to sink `{sink}`: {outcome}");
            say(&hanging("  ", &text, line_width()));
        }
        self.says.end();
    }

    /// Only where there is more to it than this message shows by itself.
    fn say_thread(&self) {
        let own = self.message.id;
        let Thread {
            steps,
            more,
            orders,
            followed,
        } = &self.thread;
        let is_all = orders == followed;
        if is_all && steps.iter().all(|view| view.message == own) {
            return;
        }
        match is_all {
            true => title("Thread"),
            false => title(&format!(
                "Thread of {followed} of its {} work orders, the first by number",
                thousands(*orders)
            )),
        }
        for view in steps {
            let start = format!("  {}  ", milliseconds(view.at));
            let who = match view.message == own {
                true => "this message".to_owned(),
                false => format!("message {}", view.message),
            };
            let text = format!("{} {} ({who})", view.subject, view.what);
            say(&hanging(&start, &text, line_width()));
        }
        if *more {
            say(&format!("  … and more than these {MAX_SHOWN}"));
        }
    }

    fn say_trace(&self) {
        title("Trace");
        for row in &self.trace.rows {
            let delivery = row.delivery.map(|id| format!(" {id}")).unwrap_or_default();
            let note = row.note.as_deref();
            let note = note.map(|note| format!(": {note}")).unwrap_or_default();
            let start = format!("  {}  ", milliseconds(row.at));
            let text = format!("{}{delivery}{note}", row.step.as_str());
            say(&hanging(&start, &text, line_width()));
        }
        self.trace.end();
    }
}

fn delivery_row(delivery: &DeliveryView) -> Vec<String> {
    let state = delivery.state.as_str();
    let state = match delivery.reported {
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
