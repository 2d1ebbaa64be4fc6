//! The request that starts an import: a JSON object around the file, which is streamed in base 64.

use std::io;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use futures_util::stream::{self, Stream, StreamExt};
use hub_core::{Content, OutgoingMessage};
use hub_names::MessageTemplate;
use reqwest::RequestBuilder;
use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE};
use serde_json::json;
use tokio::io::AsyncReadExt;

/// Bytes encoded at a time; a multiple of three, so that no padding comes before the end.
const STEP: usize = 48 * 1024;

/// What an import is to do, as configured.
pub(crate) struct Import {
    pub(crate) document_account: String,
    pub(crate) job_name: String,
    pub(crate) parameters: Vec<MessageTemplate>,
    pub(crate) job_options: Option<String>,
    pub(crate) notification_code: String,
    pub(crate) callback_url: Option<String>,
    pub(crate) file_name: MessageTemplate,
}

/// The JSON before and after the file.
pub(crate) struct Envelope {
    head: Bytes,
}

/// What comes after the file.
const TAIL: &[u8] = b"\"}";

impl Import {
    /// Name of the file at Fusion, the same at every attempt.
    pub(crate) fn file_name(&self, message: &OutgoingMessage) -> String {
        self.file_name.fill(message, in_file_name)
    }

    /// The parameters of the job, in their order.
    pub(crate) fn parameter_list(&self, message: &OutgoingMessage) -> String {
        let parameter = |template: &MessageTemplate| quoted(&template.fill(message, str::to_owned));
        let parameters: Vec<String> = self.parameters.iter().map(parameter).collect();
        parameters.join(",")
    }

    /// The manifest that may lie in the ZIP: package, job, prefix of the file's name, parameters.
    pub(crate) fn manifest(&self, message: &OutgoingMessage) -> String {
        let name = self.file_name(message);
        let prefix = name
            .rsplit_once('.')
            .map_or(name.as_str(), |(stem, _)| stem);
        let job = self.job_name.replace(';', ",");
        let parameters = self.parameter_list(message);
        let parts = [job.as_str(), prefix, parameters.as_str()];
        parts
            .into_iter()
            .filter(|p| !p.is_empty())
            .collect::<Vec<_>>()
            .join(",")
    }

    /// The request for a message.
    pub(crate) fn envelope(&self, message: &OutgoingMessage) -> Envelope {
        let mut fields = json!({
            "OperationName": "importBulkData",
            "ContentType": "zip",
            "FileName": self.file_name(message),
            "DocumentAccount": self.document_account,
            "JobName": self.job_name,
            "ParameterList": self.parameter_list(message),
            "CallbackURL": self.callback_url.as_deref().unwrap_or("#NULL"),
            "NotificationCode": self.notification_code,
        });
        if let Some(options) = &self.job_options {
            fields["JobOptions"] = options.as_str().into();
        }
        let mut head = fields.to_string();
        // The file is the last field, so that all others are known when it begins.
        head.pop();
        head.push_str(",\"DocumentContent\":\"");
        Envelope { head: head.into() }
    }
}

/// A value that can stand in a file's name.
fn in_file_name(value: &str) -> String {
    let fit = |c: char| match c {
        'A'..='Z' | 'a'..='z' | '0'..='9' | '-' | '_' | '.' => c,
        _ => '_',
    };
    value.chars().map(fit).collect()
}

/// A parameter as the list has it.
fn quoted(parameter: &str) -> String {
    match parameter {
        "" => "#NULL".to_owned(),
        parameter if parameter.contains(',') => format!("\"{parameter}\""),
        parameter => parameter.to_owned(),
    }
}

impl Envelope {
    /// The length of the whole, with a file of so many bytes.
    pub(crate) fn length(&self, file_bytes: u64) -> u64 {
        (self.head.len() + TAIL.len()) as u64 + file_bytes.div_ceil(3) * 4
    }

    /// A request with this file in it.
    pub(crate) fn around(&self, request: RequestBuilder, file: &Content) -> RequestBuilder {
        let head = stream::iter([Ok(self.head.clone())]);
        let tail = stream::iter([Ok(Bytes::from_static(TAIL))]);
        let body = head.chain(encoded(file)).chain(tail);
        request
            .header(CONTENT_TYPE, "application/json")
            .header(CONTENT_LENGTH, self.length(file.len()))
            .body(reqwest::Body::wrap_stream(body))
    }
}

/// A file in base 64, a piece at a time.
fn encoded(file: &Content) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
    stream::try_unfold(file.reader(), |mut reader| async move {
        let mut step = Vec::with_capacity(STEP);
        (&mut reader)
            .take(STEP as u64)
            .read_to_end(&mut step)
            .await?;
        match step.is_empty() {
            true => Ok(None),
            false => Ok(Some((BASE64_STANDARD.encode(&step).into(), reader))),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::TryStreamExt;
    use meterhub_tests::conformance::message;

    fn import(parameters: &[&str]) -> Import {
        let parse = |text: &&str| MessageTemplate::parse(text).unwrap();
        Import {
            document_account: "fin$/payables$/import$".into(),
            job_name: "/oracle/apps/ess/x,JOB".into(),
            parameters: parameters.iter().map(parse).collect(),
            job_options: None,
            notification_code: "10".into(),
            callback_url: None,
            file_name: parse(&"{message_id}-{subject}.zip"),
        }
    }

    #[test]
    fn parameters_keep_their_places() {
        let import = import(&["", "a", "{subject}", "1,2"]);
        let message = message(1, "meter:1");
        assert_eq!(import.parameter_list(&message), "#NULL,a,meter:1,\"1,2\"");
        assert_eq!(
            import.manifest(&message),
            "/oracle/apps/ess/x,JOB,0000000000001-meter_1,#NULL,a,meter:1,\"1,2\""
        );
    }

    #[tokio::test]
    async fn the_file_is_encoded_whatever_its_length() {
        for length in [0, 1, 2, 3, STEP - 1, STEP, STEP + 1, 3 * STEP + 2] {
            let bytes: Vec<u8> = (0..length).map(|i| (i % 251) as u8).collect();
            // In pieces that end anywhere.
            let (a, b) = bytes.split_at(length / 2);
            let pieces = [a, b].map(|p| hub_core::Piece::Bytes(Bytes::copy_from_slice(p)));
            let file = Content(pieces.into());
            let parts: Vec<Bytes> = encoded(&file).try_collect().await.unwrap();
            let text = parts.concat();
            assert_eq!(BASE64_STANDARD.decode(&text).unwrap(), bytes, "{length}");
            let envelope = import(&[]).envelope(&message(1, ""));
            let whole = [&envelope.head[..], &text, TAIL].concat();
            assert_eq!(envelope.length(length as u64), whole.len() as u64);
            let json: serde_json::Value = serde_json::from_slice(&whole).unwrap();
            assert_eq!(json["CallbackURL"], "#NULL");
        }
    }
}
