//! Records to documents.

use std::io;

use hub_model::mapping::{Encode, Envelope, Inexpressible};
use hub_model::{Record, RecordKind};
use minijinja::Error;
use minijinja::value::Serde;
use serde_json::{Map, Value, json};

use crate::file::{DOCUMENT, TemplateFile, words};

/// Writes one document a record by a template.
#[derive(Debug, Clone)]
pub struct TemplateEncoder {
    file: TemplateFile,
}

impl TemplateEncoder {
    /// An encoder by a mapping file.
    #[must_use]
    pub const fn new(file: TemplateFile) -> Self {
        Self { file }
    }

    fn render(&self, context: Value, out: &mut Vec<u8>) -> Result<(), Error> {
        let template = self.file.environment.get_template(DOCUMENT)?;
        let mut bounded = Bounded {
            out,
            left: TemplateFile::LARGEST_DOCUMENT,
        };
        let context = minijinja::Value::from(Serde(context));
        template.render_captured_to(context, &mut bounded).map(drop)
    }
}

impl Encode for TemplateEncoder {
    fn media_type(&self) -> &str {
        &self.file.media_type
    }

    fn extension(&self) -> &str {
        &self.file.extension
    }

    fn writes(&self) -> &'static [RecordKind] {
        match self.file.record {
            RecordKind::Readings => &[RecordKind::Readings],
            RecordKind::WorkOrder => &[RecordKind::WorkOrder],
            RecordKind::EndDevice => &[RecordKind::EndDevice],
            RecordKind::UsagePoint => &[RecordKind::UsagePoint],
            RecordKind::EndDeviceEvent => &[RecordKind::EndDeviceEvent],
        }
    }

    fn head(&self, _: &Envelope, _: &mut Vec<u8>) {}

    fn record(
        &self,
        envelope: &Envelope,
        record: &Record,
        out: &mut Vec<u8>,
    ) -> Result<(), Inexpressible> {
        let before = out.len();
        let context = context(envelope, record)?;
        self.render(context, out).map_err(|error| {
            out.truncate(before);
            let line = error.line().unwrap_or(1);
            Inexpressible {
                field: DOCUMENT,
                reason: format!("line {line} of the template: {}", words(&error)),
            }
        })
    }

    fn tail(&self, _: &Envelope, _: &mut Vec<u8>) {}
}

/// What a template may speak of.
fn context(envelope: &Envelope, record: &Record) -> Result<Value, Inexpressible> {
    let mut values = mapping_json::values(record)?;
    let mut fields = match record {
        Record::Readings(_) => Map::from_iter([("readings".to_owned(), Value::Array(values))]),
        _ => match values.pop() {
            Some(Value::Object(fields)) => fields,
            _ => Map::new(),
        },
    };
    let envelope = json!({
        "message_id": envelope.message_id,
        "created": envelope.created.to_string(),
    });
    fields.insert("envelope".to_owned(), envelope);
    Ok(Value::Object(fields))
}

/// Takes no more than so many bytes.
struct Bounded<'o> {
    out: &'o mut Vec<u8>,
    left: usize,
}

impl io::Write for Bounded<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.len() > self.left {
            return Err(io::Error::other("the document is too large"));
        }
        self.left -= bytes.len();
        self.out.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use hub_model::{Instant, WorkOrder, Zone};

    use super::*;

    fn file(escape: &str, document: &str) -> TemplateEncoder {
        let text = format!(
            "record = 'work_order'\nmedia_type = 'text/x'\nextension = 'x'\nescape = '{escape}'\n\
             document = '''\n{document}'''\n"
        );
        TemplateEncoder::new(TemplateFile::load(&text, &Zone::utc()).unwrap())
    }

    fn written(encoder: &TemplateEncoder, order: WorkOrder) -> Result<String, Inexpressible> {
        let envelope = Envelope {
            message_id: "M1".into(),
            created: Instant::EPOCH,
            zone: Zone::utc(),
        };
        let mut out = b"before ".to_vec();
        let written = encoder.record(&envelope, &Record::WorkOrder(Box::new(order)), &mut out);
        let text = String::from_utf8(out).unwrap();
        written
            .map(|()| text.trim_start_matches("before ").to_owned())
            .inspect_err(|_| assert_eq!(text, "before ", "nothing is written"))
    }

    fn order() -> WorkOrder {
        WorkOrder {
            customer_phone: Some("+372\"5".into()),
            comment: Some("<b>".into()),
            ..WorkOrder::new("4711")
        }
    }

    #[test]
    fn what_is_printed_is_escaped_as_the_file_says() {
        let json = file(
            "json",
            "{\"to\": {{ customer_phone }}, \"text\": {{ \"Order \" ~ number }}}",
        );
        assert_eq!(
            written(&json, order()).unwrap(),
            "{\"to\": \"+372\\\"5\", \"text\": \"Order 4711\"}"
        );
        let html = file("html", "<p>{{ comment }}</p>");
        assert_eq!(written(&html, order()).unwrap(), "<p>&lt;b&gt;</p>");
        let plain = file("none", "{{ comment }} {{ envelope.message_id }}");
        assert_eq!(written(&plain, order()).unwrap(), "<b> M1");
    }

    #[test]
    fn what_a_record_does_not_say_is_named_unless_the_template_says_what_then() {
        let strict = file("none", "one\n{{ deviation }}");
        let error = written(&strict, order()).unwrap_err();
        assert!(error.reason.contains("line 2"), "{error}");
        let kind = file(
            "none",
            "{% if deviation %}x{% endif %}{{ deviation | default('-') }}",
        );
        assert_eq!(written(&kind, order()).unwrap(), "-");
    }

    #[test]
    fn a_template_without_end_ends() {
        let endless = file(
            "none",
            "{% for a in range(9999) %}{% for b in range(9999) %}{{ b }}{% endfor %}{% endfor %}",
        );
        assert!(written(&endless, order()).is_err());
    }
}
