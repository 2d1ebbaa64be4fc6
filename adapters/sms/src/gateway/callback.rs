//! What a gateway calls back with: receipts, and what telephones wrote.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use axum::body::Body as AnswerBody;
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use encoding_rs::Encoding;
use hub_core::{Body, Clock, DeliveryReport, IncomingMessage};
use hub_web::{Handler, PostedBody, Problem, Reply, Taken};
use serde_json::Value;

use super::answer::text;
use super::charset::pairs;
use super::reference;
use super::states::{State, state};
use crate::incoming::{Identity, Incoming, Tells};
use crate::receipt::Receipt;
use crate::unsettled::Unsettled;
use crate::wishes::Wishes;

/// Largest body of a call that is read.
const LARGEST_BODY: usize = 64 * 1024;

/// Longest value that is taken of an id, a state or a number.
const LONGEST_VALUE: usize = 200;

/// Where a receipt's facts are.
pub(crate) struct ReceiptFields {
    pub(crate) id: String,
    pub(crate) state: String,
    pub(crate) error: Option<String>,
    pub(crate) from: Option<String>,
    pub(crate) to: Option<String>,
    pub(crate) states: BTreeMap<String, State>,
}

/// Where the facts of a text are that a telephone wrote.
pub(crate) struct TextFields {
    pub(crate) from: String,
    pub(crate) to: Option<String>,
    pub(crate) text: String,
    pub(crate) id: Option<String>,
}

/// Takes the calls of a gateway.
pub(crate) struct Callbacks {
    pub(crate) gateway: String,
    pub(crate) receipt: Option<ReceiptFields>,
    pub(crate) text: Option<TextFields>,
    pub(crate) charset: &'static Encoding,
    pub(crate) answer: String,
    pub(crate) wishes: Wishes,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) unsettled: Arc<Mutex<Unsettled>>,
}

/// The fields of a call.
struct Fields {
    pairs: Vec<(String, String)>,
    json: Value,
}

impl Fields {
    fn read(head: &Parts, body: &[u8], charset: &'static Encoding) -> Result<Self, Problem> {
        let query = head.uri.query().unwrap_or_default();
        let mut all = pairs(query.as_bytes(), charset);
        let kind = head.headers.get(header::CONTENT_TYPE);
        let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        if !kind.contains("json") {
            all.extend(pairs(body, charset));
            return Ok(Self {
                pairs: all,
                json: Value::Null,
            });
        }
        let json = serde_json::from_slice(body);
        // Only where: what it says is personal data.
        let json = json.map_err(|error: serde_json::Error| {
            let (line, column) = (error.line(), error.column());
            bad(format!(
                "the body is no JSON at line {line} column {column}"
            ))
        })?;
        Ok(Self { pairs: all, json })
    }

    /// By a parameter's name, or a JSON pointer.
    fn get(&self, name: &str) -> Option<String> {
        let by_pointer = || self.json.pointer(name).and_then(text);
        let by_key = || self.json.get(name).and_then(text);
        let pair = self.pairs.iter().find(|(known, _)| known == name);
        let pair = pair.map(|(_, value)| value.clone());
        pair.or_else(by_key).or_else(by_pointer)
    }

    fn short(&self, name: &str) -> Option<String> {
        let value = self.get(name).filter(|value| !value.is_empty())?;
        Some(value.chars().take(LONGEST_VALUE).collect())
    }

    fn optional(&self, name: Option<&String>) -> Option<String> {
        self.short(name?)
    }
}

fn bad(detail: impl Into<String>) -> Problem {
    Problem::new(
        StatusCode::BAD_REQUEST,
        "no-callback",
        "This is neither a receipt nor a text",
        detail,
    )
}

#[async_trait]
impl Handler for Callbacks {
    async fn take(&self, head: &Parts, body: PostedBody) -> Result<Taken, Problem> {
        let body = body.whole(LARGEST_BODY).await?;
        let fields = Fields::read(head, &body, self.charset)?;
        let incoming = self.incoming(&fields)?;
        self.keep_wish(&incoming).await?;
        let reports = self.reports(&incoming.tells);
        let (business_key, fingerprint) = self.key(incoming.identity);
        let message = IncomingMessage {
            name: incoming.name,
            media_type: Some("application/json".to_owned()),
            business_key: Some(business_key),
            body: Body::Bytes(incoming.body.into()),
            reports,
            ..IncomingMessage::default()
        };
        let reply = self.reply(head.uri.path().to_owned(), fingerprint);
        Ok(Taken::Message(Box::new(message), reply))
    }
}

fn lock(unsettled: &Mutex<Unsettled>) -> std::sync::MutexGuard<'_, Unsettled> {
    unsettled.lock().unwrap_or_else(PoisonError::into_inner)
}

fn yes(answer: String) -> Response {
    let mut response = Response::new(AnswerBody::from(answer));
    let kind = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

impl Callbacks {
    fn reports(&self, tells: &Tells) -> Vec<DeliveryReport> {
        let Tells::Receipt(receipt) = tells else {
            return Vec::new();
        };
        let id = receipt.message_id.as_deref().unwrap_or_default();
        vec![receipt.report(reference(&self.gateway, id))]
    }

    /// The key of a message, and what is to be forgotten once it is accepted.
    fn key(&self, identity: Identity) -> (String, Option<String>) {
        match identity {
            Identity::Key(key) => (key, None),
            Identity::Fingerprint(fingerprint) => {
                let key = lock(&self.unsettled).key(&fingerprint, self.clock.now());
                (key, Some(fingerprint))
            }
        }
    }

    fn reply(&self, path: String, fingerprint: Option<String>) -> Reply {
        let (answer, unsettled) = (self.answer.clone(), self.unsettled.clone());
        Box::new(move |outcome| match outcome {
            Ok(_) => {
                if let Some(fingerprint) = fingerprint {
                    lock(&unsettled).settled(&fingerprint);
                }
                yes(answer)
            }
            Err(problem) => problem.response(&path),
        })
    }

    /// A receipt if it has a state, a text if it has one.
    fn incoming(&self, fields: &Fields) -> Result<Incoming, Problem> {
        if let Some(names) = &self.receipt
            && let (Some(id), Some(word)) = (fields.short(&names.id), fields.short(&names.state))
        {
            let error = fields.optional(names.error.as_ref());
            let receipt = Receipt::told(id, state(&word, &names.states), error);
            let number = |name: &Option<String>| fields.optional(name.as_ref()).unwrap_or_default();
            return Ok(Incoming::receipt(
                receipt,
                number(&names.from),
                number(&names.to),
            ));
        }
        if let Some(names) = &self.text
            && let (Some(from), Some(text)) = (fields.short(&names.from), fields.get(&names.text))
        {
            let to = fields.optional(names.to.as_ref()).unwrap_or_default();
            let id = fields.optional(names.id.as_ref());
            return Ok(Incoming::text(from, to, text, id.as_deref()));
        }
        Err(bad(format!("it lacks {}", self.wanted())))
    }

    fn wanted(&self) -> String {
        let receipt = self.receipt.as_ref();
        let receipt = receipt.map(|names| format!("`{}` and `{}`", names.id, names.state));
        let text = self.text.as_ref();
        let text = text.map(|names| format!("`{}` and `{}`", names.from, names.text));
        let wanted: Vec<String> = receipt.into_iter().chain(text).collect();
        wanted.join(", or ")
    }

    /// Before the text is accepted: if it is not, it comes again, and wants the same.
    async fn keep_wish(&self, incoming: &Incoming) -> Result<(), Problem> {
        let Tells::Text { from, to, text } = &incoming.tells else {
            return Ok(());
        };
        let Some(wish) = self.wishes.heard(from, to, text) else {
            return Ok(());
        };
        self.wishes.keep(&wish).await.map_err(|problem| {
            Problem::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "not-now",
                "The hub cannot take the text now",
                problem,
            )
        })
    }
}
