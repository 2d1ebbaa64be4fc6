//! What a sender is told of its message: an IEC 61968-100 `ResponseMessage`.

use hub_model::Severity;
use hub_model::mapping::{Answer, Envelope, Outcome, Told, Verdict};

use crate::encode::{CimNamespace, Writer};

/// Code of a success (IEC 61968-100, annex on error codes).
const SUCCESS: &str = "0.0";

/// Writes answers as IEC 61968-100 `ResponseMessage`: verb `reply`, `CorrelationID` the
/// `MessageID` that the sender gave, and a `Reply`.
///
/// - `Result`: `OK` if all was applied, `PARTIAL` if some was, `FAILED` if none was, or the message is invalid.
/// - `Error`: code `0.0` for a success; else one for each of the first findings, with our code for
///   it as `code`, `level` (`WARNING` for what was taken all the same, `FATAL` for what was not) and
///   the place and reason as `reason`.
#[derive(Debug, Clone)]
pub struct CimAnswer {
    namespace: CimNamespace,
}

impl CimAnswer {
    /// Answers in the envelope that goes with a namespace.
    #[must_use]
    pub const fn new(namespace: CimNamespace) -> Self {
        Self { namespace }
    }
}

impl Answer for CimAnswer {
    fn media_type(&self) -> &'static str {
        "application/xml"
    }

    fn extension(&self) -> &'static str {
        "xml"
    }

    fn answer(&self, envelope: &Envelope, outcome: &Outcome, out: &mut Vec<u8>) {
        let mut w = Writer::new(out);
        w.raw("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
        w.open_in("ResponseMessage", self.namespace.message_uri());
        w.open("Header");
        w.text("Verb", "reply");
        w.text("Noun", "MeterReadings");
        w.instant("Timestamp", envelope.created);
        w.text("Source", "meterhub");
        w.text("MessageID", &envelope.message_id);
        w.optional("CorrelationID", outcome.business_key.as_deref());
        w.close("Header");
        w.open("Reply");
        w.text(
            "Result",
            match outcome.verdict {
                Verdict::Applied => "OK",
                Verdict::AppliedInPart => "PARTIAL",
                Verdict::Refused => "FAILED",
            },
        );
        if outcome.told.is_empty() && outcome.verdict == Verdict::Applied {
            w.open("Error");
            w.text("code", SUCCESS);
            w.close("Error");
        }
        outcome.told.iter().for_each(|told| error(told, &mut w));
        w.close("Reply");
        w.close("ResponseMessage");
        w.raw("\n");
    }
}

fn error(told: &Told, w: &mut Writer<'_>) {
    let reason = match told.place.is_known() {
        true => format!("{}: {}", told.place, told.reason),
        false => told.reason.clone(),
    };
    w.open("Error");
    w.text("code", &told.code);
    w.text(
        "level",
        match told.severity {
            Severity::Warning => "WARNING",
            Severity::Error | Severity::Fatal => "FATAL",
        },
    );
    w.text("reason", &reason);
    w.optional("xpath", told.field.as_deref());
    w.close("Error");
}

#[cfg(test)]
mod tests {
    use hub_model::{Instant, Place, Zone};

    use super::*;

    fn answer(verdict: Verdict, told: Vec<Told>) -> String {
        let outcome = Outcome {
            message_id: "M1".into(),
            business_key: Some("3c<1".into()),
            name: "a.xml".into(),
            verdict,
            applied: 1,
            rejected: told.len() as u64,
            findings: told.len() as u64,
            told,
        };
        let envelope = Envelope {
            message_id: "A1".into(),
            created: Instant::from_seconds(0),
            zone: Zone::utc(),
        };
        let mut out = Vec::new();
        CimAnswer::new(CimNamespace::Year2011).answer(&envelope, &outcome, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_success_has_the_code_of_the_standard() {
        assert_eq!(
            answer(Verdict::Applied, Vec::new()),
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
             <ResponseMessage xmlns=\"http://iec.ch/TC57/2011/schema/message\"><Header><Verb>reply</Verb>\
             <Noun>MeterReadings</Noun><Timestamp>1970-01-01T00:00:00Z</Timestamp><Source>meterhub</Source>\
             <MessageID>A1</MessageID><CorrelationID>3c&lt;1</CorrelationID></Header><Reply><Result>OK</Result>\
             <Error><code>0.0</code></Error></Reply></ResponseMessage>\n"
        );
    }

    #[test]
    fn each_finding_is_an_error_with_its_place() {
        let told = Told {
            severity: Severity::Error,
            code: "unknown_device".into(),
            place: Place::at(120, 7),
            field: Some("Meter/mRID".into()),
            reason: "no device `4711`".into(),
        };
        let text = answer(Verdict::AppliedInPart, vec![told]);
        assert!(text.contains(
            "<Result>PARTIAL</Result><Error><code>unknown_device</code><level>FATAL</level>\
             <reason>line 7: no device `4711`</reason><xpath>Meter/mRID</xpath></Error>"
        ));
        assert!(
            answer(Verdict::Refused, Vec::new()).contains("<Reply><Result>FAILED</Result></Reply>")
        );
    }
}
