//! A service: requests become messages, settlements answers.

use std::io;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use hub_core::{AdapterContext, IncomingMessage, Meter};
use hub_names::MessageTemplate;
use hub_web::{BehindTls, Handler, PostedBody, Problem, Taken};
use tokio_util::io::ReaderStream;

use crate::answer::{Answers, Asked};
use crate::config::{Mtom, SoapSourceConfig, Style, qualified};
use crate::content::{Broken, Content, Inline, as_body};
use crate::envelope::{Chunks, Envelope, Input, Plan, Trouble, Version};
use crate::fault::{Code, Fault};
use crate::letterhead::{Keys, Letterhead};
use crate::mtom::{Multipart, Related};
use crate::names::{WSA, WSA_2004, WSSE};
use crate::security::{Gate, Nonces};
use crate::wire::{SoapHeader, iec_header, soap_header};
use crate::wsdl::Description;
use crate::xml::{HeaderBlock, Name, charset_of};

/// Bytes looked at before anything is done, so that a small body that does not come is told as such.
const FIRST_BYTES: usize = 64 * 1024;

/// Bytes read from a body at a time.
const READ_BUFFER: usize = 64 * 1024;

/// Largest answer document, in bytes.
const LARGEST_TEMPLATE: u64 = 1024 * 1024;

/// A configured service.
pub(crate) struct Service {
    plan: Plan,
    mtom: Mtom,
    limit: u64,
    gate: Option<Gate>,
    keys: Keys,
    operations: Vec<Called>,
    answers: Arc<Answers>,
    description: Description,
    reply_in: Option<String>,
    meter: Meter,
}

/// Something that may be called.
struct Called {
    element: Name,
    answer: Option<Name>,
}

/// A request that is not taken: the fault, and the version it is told in.
type Refused = (Fault, Version);

impl Service {
    /// Fetches secrets, nonces and files.
    ///
    /// # Errors
    /// One is missing; says which.
    pub(crate) async fn new(
        config: &SoapSourceConfig,
        context: &AdapterContext,
    ) -> Result<Self, String> {
        let template = match &config.answer_document {
            Some(path) => Some(MessageTemplate::parse(&read_file(&context.path(path))?)?),
            None => None,
        };
        let name = |text: &String| {
            qualified(text).map(|(namespace, local)| Name {
                namespace: namespace.to_owned(),
                local: local.to_owned(),
            })
        };
        let operations = config.operations.iter().filter_map(|operation| {
            Some(Called {
                element: name(&operation.element)?,
                answer: operation.answer_element.as_ref().and_then(name),
            })
        });
        let is_iec = config.style == Style::Iec;
        Ok(Self {
            plan: Plan {
                iec: is_iec,
                payload: config.content == crate::config::ContentOf::Payload,
                xop: false,
            },
            mtom: config.mtom,
            limit: config.door.max_body_bytes,
            gate: gate(config, context).await?,
            keys: Keys {
                kind: config.business_key,
                element: config.key_element.as_ref().and_then(name),
            },
            operations: operations.collect(),
            answers: Arc::new(Answers {
                kind: config.answer(),
                template,
                message_namespace: config.message_namespace.clone(),
                enterprise: context.enterprise.clone(),
                clock: context.clock.clone(),
            }),
            description: Description::new(config, context)?,
            reply_in: is_iec.then(|| config.message_namespace.clone()),
            meter: context.meter.clone(),
        })
    }

    fn describe(&self, head: &Parts) -> Result<Taken, Problem> {
        let query = head.uri.query().unwrap_or_default();
        if !query
            .split('&')
            .any(|part| part.eq_ignore_ascii_case("wsdl"))
        {
            let detail = "post a SOAP envelope, or ask for the description with `?wsdl`";
            let problem = Problem::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "method",
                "Messages are posted here",
                detail,
            );
            return Err(problem.with(header::ALLOW, HeaderValue::from_static("POST")));
        }
        let host = text_of(&head.headers, header::HOST);
        let scheme = match head.extensions.get::<BehindTls>() {
            Some(_) => "https",
            None => "http",
        };
        let description = self.description.written(scheme, host, head.uri.path());
        let mut response = Response::new(description.into());
        let media_type = HeaderValue::from_static("text/xml; charset=utf-8");
        response
            .headers_mut()
            .insert(header::CONTENT_TYPE, media_type);
        Ok(Taken::Answered(response))
    }

    /// Finds the envelope in a body.
    async fn open(&self, media_type: &str, body: PostedBody) -> Result<Envelope, Refused> {
        let version = Version::of_media_type(media_type);
        let refused = |trouble: &Trouble| (Fault::of_trouble(trouble), version);
        let reader = ReaderStream::with_capacity(body.into_reader(), READ_BUFFER);
        let chunks: Chunks = Box::pin(reader);
        let (input, charset, plan) = match Related::of(media_type) {
            None => (Input::Whole(chunks), charset_of(media_type), self.plan),
            Some(Err(what)) => return Err((Fault::new(Code::Sender, what), version)),
            Some(Ok(related)) => {
                let (input, charset) = root(chunks, related).await.map_err(|t| refused(&t))?;
                let plan = Plan {
                    xop: true,
                    ..self.plan
                };
                (input, charset, plan)
            }
        };
        let opened = Envelope::open(input, charset, plan).await;
        opened.map_err(|(trouble, found)| (Fault::of_trouble(&trouble), found.unwrap_or(version)))
    }

    /// Reads a request up to its content, and decides.
    async fn message(
        &self,
        head: &Parts,
        media_type: &str,
        body: PostedBody,
    ) -> Result<(IncomingMessage, Asked, Broken), Refused> {
        let is_multipart = Related::of(media_type).is_some();
        let envelope = self.open(media_type, body).await?;
        let version = envelope.outline.version.unwrap_or(Version::V11);
        let refuse = |fault: Fault| (fault, version);
        let trouble = |trouble: Trouble| (Fault::of_trouble(&trouble), version);
        let (header, blocks) = match &envelope.outline.header {
            Some(xml) => soap_header(xml).map_err(trouble)?,
            None => (SoapHeader::default(), Vec::new()),
        };
        self.understands(&blocks).map_err(refuse)?;
        let sender = self.sender(head, &header).await.map_err(refuse)?;
        let operation = envelope.outline.message.clone().unwrap_or_default();
        let called = self.called(&operation).map_err(refuse)?;
        let message_header = match &envelope.outline.message_header {
            Some(xml) => Some(iec_header(xml).map_err(trouble)?),
            None => None,
        };
        let letterhead = Letterhead {
            soap: &header,
            soap_xml: envelope.outline.header.as_deref().unwrap_or_default(),
            iec: message_header.as_ref(),
            operation: &operation.local,
            sender: sender.as_deref(),
        };
        let read = letterhead.read(&self.keys).map_err(trouble)?;
        let mut message = IncomingMessage {
            name: read.name,
            headers: read.headers,
            media_type: Some("application/xml".to_owned()),
            business_key: read.key,
            ..IncomingMessage::default()
        };
        let asked = Asked {
            version,
            message_id: read.message_id,
            addressing_id: header.message_id.clone(),
            operation: operation.local.clone(),
            noun: message_header.and_then(|header| header.noun),
            element: called.and_then(|called| called.answer.clone()),
        };
        let content = match (is_multipart, self.mtom) {
            (false, Mtom::Attachment) => {
                let what =
                    "the message has no binary part (MTOM), which is what this service takes";
                return Err((Fault::new(Code::Sender, what), version));
            }
            (false, Mtom::Inline) => Content::of(envelope, self.limit),
            (true, Mtom::Inline) => {
                if envelope.outline.compressed {
                    let what = "`Compressed` in a message with binary parts is not taken";
                    return Err((Fault::new(Code::Sender, what), version));
                }
                Content::Inline(Box::new(
                    Inline::new(envelope, self.limit).await.map_err(trouble)?,
                ))
            }
            (true, Mtom::Attachment) => {
                let inline = Inline::new(envelope, self.limit).await.map_err(trouble)?;
                let (part, parts) = inline.into_attachment().await.map_err(trouble)?;
                message.media_type = part.media_type;
                if !part.name.is_empty() {
                    message.name = part.name;
                }
                Content::Attachment(parts, false)
            }
        };
        let broken: Broken = Arc::new(OnceLock::new());
        message.body = as_body(content, Arc::clone(&broken))
            .await
            .map_err(trouble)?;
        Ok((message, asked, broken))
    }

    /// Whether every header that must be understood is.
    fn understands(&self, blocks: &[HeaderBlock]) -> Result<(), Fault> {
        const ULTIMATE: &str = "http://www.w3.org/2003/05/soap-envelope/role/ultimateReceiver";
        const NEXT: [&str; 2] = [
            "http://schemas.xmlsoap.org/soap/actor/next",
            "http://www.w3.org/2003/05/soap-envelope/role/next",
        ];
        let is_for_us = |role: &str| role.is_empty() || role == ULTIMATE || NEXT.contains(&role);
        let is_known = |name: &Name| match name.namespace.as_str() {
            WSA | WSA_2004 => true,
            WSSE => self.gate.is_some() && name.local == "Security",
            _ => self.keys.element.as_ref() == Some(name),
        };
        let unknown = blocks
            .iter()
            .find(|b| b.must_understand && is_for_us(&b.role) && !is_known(&b.name));
        match unknown {
            None => Ok(()),
            Some(block) => Err(Fault::new(
                Code::MustUnderstand,
                format!("the header {} is not understood here", block.name),
            )),
        }
    }

    /// Who sends, if tokens say it. A request with an `Authorization` header was checked at the door.
    async fn sender(&self, head: &Parts, header: &SoapHeader) -> Result<Option<String>, Fault> {
        let Some(gate) = &self.gate else {
            return Ok(None);
        };
        let is_known = head.headers.contains_key(header::AUTHORIZATION);
        if is_known && header.security.iter().all(|s| s.tokens.is_empty()) {
            return Ok(None);
        }
        match gate.check(header).await {
            Ok(user) => Ok(Some(user)),
            Err(denied) => {
                self.meter.count(denied.counter(), 1);
                tracing::debug!(?denied, "a SOAP request was not let in");
                Err(Fault::of_denial(&denied))
            }
        }
    }

    fn called(&self, operation: &Name) -> Result<Option<&Called>, Fault> {
        let found = self.operations.iter().find(|c| c.element == *operation);
        if found.is_some() || self.operations.is_empty() {
            return Ok(found);
        }
        let known: Vec<String> = self
            .operations
            .iter()
            .map(|c| c.element.to_string())
            .collect();
        Err(Fault::new(
            Code::Sender,
            format!(
                "{operation} cannot be called here, expected {}",
                known.join(" or ")
            ),
        ))
    }

    fn with_reply(&self, mut fault: Fault) -> Fault {
        fault.reply_in = self.reply_in.clone();
        fault
    }
}

#[async_trait]
impl Handler for Service {
    async fn take(&self, head: &Parts, mut body: PostedBody) -> Result<Taken, Problem> {
        if head.method == Method::GET {
            return self.describe(head);
        }
        let media_type = text_of(&head.headers, header::CONTENT_TYPE).unwrap_or_default();
        check_media_type(media_type)?;
        body.head(FIRST_BYTES).await?;
        match self.message(head, media_type, body).await {
            Err((fault, version)) => {
                let fault = self.with_reply(fault);
                Ok(Taken::Answered(fault.response(version)))
            }
            Ok((message, asked, broken)) => {
                let answers = Arc::clone(&self.answers);
                let reply_in = self.reply_in.clone();
                let reply = move |outcome: Result<_, Problem>| match (outcome, broken.get()) {
                    (Ok(accepted), _) => answers.response(&asked, accepted),
                    (Err(_), Some(what)) => {
                        let mut fault = Fault::new(Code::Sender, what.clone());
                        fault.reply_in = reply_in;
                        fault.response(asked.version)
                    }
                    (Err(problem), None) => {
                        let mut fault = Fault::of_problem(&problem);
                        fault.reply_in = reply_in;
                        fault.response(asked.version)
                    }
                };
                Ok(Taken::Message(Box::new(message), Box::new(reply)))
            }
        }
    }

    fn refusal(&self, head: &Parts, problem: Problem) -> Response {
        if head.method == Method::GET {
            return problem.response(head.uri.path());
        }
        let media_type = text_of(&head.headers, header::CONTENT_TYPE).unwrap_or_default();
        Fault::of_transport(&problem).response(Version::of_media_type(media_type))
    }

    fn knows_senders(&self) -> bool {
        self.gate.is_some()
    }
}

/// Goes to the part with the envelope, which must be the first: what comes before it would have to be
/// held.
async fn root(chunks: Chunks, related: Related) -> Result<(Input, Option<String>), Trouble> {
    let mut parts = Multipart::new(chunks, &related.boundary);
    let Some(head) = parts.next_part().await? else {
        return Err(Trouble::structure("the multipart body has no part"));
    };
    if related.start.is_some_and(|start| start != head.id) {
        let what = "the part with the envelope (`start`) is not the first, as it must be here";
        return Err(Trouble::structure(what));
    }
    let charset = head.media_type.as_deref().and_then(charset_of);
    Ok((Input::Part(Box::new(parts)), charset))
}

fn check_media_type(media_type: &str) -> Result<(), Problem> {
    const KNOWN: [&str; 4] = [
        "text/xml",
        "application/soap+xml",
        "application/xml",
        "multipart/related",
    ];
    let essence = media_type.split(';').next().unwrap_or_default().trim();
    if KNOWN
        .iter()
        .any(|known| known.eq_ignore_ascii_case(essence))
    {
        return Ok(());
    }
    Err(Problem::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "media-type",
        "The media type is not taken here",
        format!("send a `Content-Type` of: {}", KNOWN.join(", ")),
    ))
}

fn text_of(headers: &HeaderMap, name: header::HeaderName) -> Option<&str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

async fn gate(config: &SoapSourceConfig, context: &AdapterContext) -> Result<Option<Gate>, String> {
    let Some(security) = &config.ws_security else {
        return Ok(None);
    };
    let users = security
        .users
        .iter()
        .map(|user| match user.password.resolve(&context.base_dir) {
            Ok(password) if password.is_empty() => {
                Err(format!("the password of `{}` is empty", user.user))
            }
            Ok(password) => Ok((user.user.clone(), password)),
            Err(error) => Err(error.to_string()),
        });
    let state = Arc::clone(&context.state);
    let nonces = Nonces::load(state, &context.name, security.max_nonces).await;
    Ok(Some(Gate {
        users: users.collect::<Result<_, _>>()?,
        kind: security.password,
        window_seconds: security.window_seconds.into(),
        skew_seconds: security.clock_skew_seconds.into(),
        nonces: nonces.map_err(|error| error.to_string())?,
        clock: Arc::clone(&context.clock),
    }))
}

/// A small file of the configuration.
///
/// # Errors
/// It cannot be read, or is no text.
pub(crate) fn read_file(path: &Path) -> Result<String, String> {
    let told = |error: io::Error| format!("`{}`: {error}", path.display());
    let length = std::fs::metadata(path).map_err(told)?.len();
    if length > LARGEST_TEMPLATE {
        return Err(format!(
            "`{}` has more than {LARGEST_TEMPLATE} bytes",
            path.display()
        ));
    }
    std::fs::read_to_string(path).map_err(told)
}
