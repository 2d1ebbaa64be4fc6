//! The sink: one request per message.

use std::io;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream;
use hub_core::{AdapterContext, Clock, OutgoingMessage, Sent, Sink, SinkError};
use hub_web::{WebClient, WebServer};
use reqwest::header::{self, HeaderValue};
use reqwest::{Body, Method, Url};

use super::document::{Document, Form, Unfit};
use super::envelope::{DECLARATION, Wrapping, header_of};
use super::judge::{Judge, LARGEST_ANSWER};
use super::package::Package;
use crate::config::{Attachments, SoapSinkConfig, SoapVersion};
use crate::envelope::Version;
use crate::security::OwnToken;

/// A configured service of a partner's.
pub(crate) struct SoapSink {
    endpoint: String,
    client: WebClient,
    /// Clients of the origins that answers may go to.
    replies: Vec<(String, WebClient)>,
    wrapping: Wrapping,
    form: Form,
    judge: Judge,
    clock: Arc<dyn Clock>,
}

/// A body that was checked: what stands around the document, and how long all of it is.
struct Prepared {
    media_type: String,
    head: Bytes,
    tail: Bytes,
    length: u64,
}

impl SoapSink {
    /// Fetches the secrets.
    ///
    /// # Errors
    /// One is missing, or an address is none.
    pub(crate) fn new(config: &SoapSinkConfig, context: &AdapterContext) -> Result<Self, String> {
        let token = match &config.ws_security {
            None => None,
            Some(user) => Some(OwnToken {
                user: user.user.clone(),
                password: user
                    .password
                    .resolve(&context.base_dir)
                    .map_err(|error| error.to_string())?,
                digest: !user.insecure_password_text,
            }),
        };
        let mut replies = Vec::new();
        for origin in &config.reply_to_origins {
            let server = WebServer {
                url: origin.clone(),
                ..config.server.clone()
            };
            let client = server.client(context)?;
            replies.push((client.url().origin().ascii_serialization(), client));
        }
        let wrapping = Wrapping {
            version: match config.version {
                SoapVersion::V11 => Version::V11,
                SoapVersion::V12 => Version::V12,
            },
            action: config.action.clone(),
            token,
            addressing: config.addressing,
            iec: config.iec.clone(),
            base64_element: config.base64_element.clone(),
        };
        Ok(Self {
            endpoint: context.name.clone(),
            client: config.server.client(context)?,
            replies,
            form: match (&wrapping.base64_element, config.attachments) {
                (None, _) => Form::Xml,
                (Some(_), Attachments::Inline) => Form::Base64,
                (Some(_), Attachments::Mtom) => Form::Part,
            },
            judge: Judge {
                iec: wrapping.iec.is_some(),
                accept_partial: config.accept_partial,
                retry_codes: config.retry_codes.clone(),
            },
            wrapping,
            clock: Arc::clone(&context.clock),
        })
    }

    /// Whom a message goes to. An address that came with a message never leads where the
    /// configuration does not.
    fn target(&self, message: &OutgoingMessage) -> Result<(&WebClient, String), SinkError> {
        let configured = || (&self.client, self.client.url().to_string());
        let Some(address) = header_of(message, "reply-to").filter(|_| !self.replies.is_empty())
        else {
            return Ok(configured());
        };
        let origin = Url::parse(address).map(|url| url.origin().ascii_serialization());
        let known = |origin: &String| self.replies.iter().find(|(known, _)| known == origin);
        match origin.as_ref().ok().and_then(known) {
            Some((_, client)) => Ok((client, address.to_owned())),
            None => {
                let origin = origin.unwrap_or_else(|_| "an address that is none".to_owned());
                Err(self.refused(format!(
                    "the answer is wanted at {origin}, which is not among `reply_to_origins`"
                )))
            }
        }
    }

    fn refused(&self, answer: String) -> SinkError {
        SinkError::Refused {
            endpoint: self.endpoint.clone(),
            answer,
        }
    }

    /// What the request is, and what stands before and after the content: the envelope, or the package
    /// that it is a part of.
    fn packed(
        &self,
        message: &OutgoingMessage,
        (head, tail): (String, String),
    ) -> Result<(String, String, String), String> {
        let Wrapping {
            version, action, ..
        } = &self.wrapping;
        if self.form == Form::Part {
            let package = Package::new(*version, message.message_id)?;
            let opening = package.opening(&head, &tail, &message.media_type);
            return Ok((package.media_type(action), opening, package.closing()));
        }
        let media_type = match version {
            Version::V11 => version.media_type().to_owned(),
            Version::V12 => format!("{}; action=\"{action}\"", version.media_type()),
        };
        Ok((media_type, format!("{DECLARATION}{head}"), tail))
    }

    /// Checks the document, before anything of it is sent.
    async fn prepared(&self, message: &OutgoingMessage, to: &str) -> Result<Prepared, SinkError> {
        let around = self.wrapping.around(message, to, self.clock.now());
        let around = around.and_then(|around| self.packed(message, around));
        let (media_type, head, tail) = around.map_err(|reason| self.client.no_answer(reason))?;
        let measured = Document::new(&message.content, self.form).measure().await;
        let length = measured.map_err(|unfit| match unfit {
            Unfit::Read(_) => self.client.no_answer(unfit.to_string()).into(),
            Unfit::Xml(_) => self.refused(unfit.to_string()),
        })?;
        Ok(Prepared {
            media_type,
            length: length + (head.len() + tail.len()) as u64,
            head: head.into(),
            tail: tail.into(),
        })
    }
}

/// Head, document and tail, as they are sent.
fn body(prepared: &Prepared, message: &OutgoingMessage, form: Form) -> Body {
    enum Next {
        Head(Bytes, Bytes, Document),
        Document(Bytes, Document),
        End,
    }
    let document = Document::new(&message.content, form);
    let begin = Next::Head(prepared.head.clone(), prepared.tail.clone(), document);
    Body::wrap_stream(stream::try_unfold(begin, |next| async move {
        match next {
            Next::Head(head, tail, document) => Ok(Some((head, Next::Document(tail, document)))),
            Next::Document(tail, mut document) => match document.next().await {
                Ok(Some(bytes)) => Ok(Some((bytes, Next::Document(tail, document)))),
                Ok(None) => Ok(Some((tail, Next::End))),
                Err(unfit) => Err(io::Error::other(unfit)),
            },
            Next::End => Ok(None),
        }
    }))
}

#[async_trait]
impl Sink for SoapSink {
    async fn send(&self, message: &OutgoingMessage) -> Result<Sent, SinkError> {
        let (client, to) = self.target(message)?;
        let prepared = self.prepared(message, &to).await?;
        let patience = client.patience(prepared.length);
        let make = || {
            let request = client
                .request(Method::POST, &to)
                .timeout(patience)
                .header(header::CONTENT_TYPE, prepared.media_type.as_str())
                .header(header::CONTENT_LENGTH, prepared.length)
                .header(
                    header::ACCEPT,
                    "text/xml, application/soap+xml, multipart/related",
                );
            let request = match self.wrapping.version {
                Version::V11 => request.header("soapaction", soap_action(&self.wrapping.action)),
                Version::V12 => request,
            };
            request.body(body(&prepared, message, self.form))
        };
        let response = client.send(make).await?;
        let answer = client.read(response, LARGEST_ANSWER).await;
        self.judge.judge(&answer).await
    }
}

/// `SOAPAction` is quoted.
fn soap_action(action: &str) -> HeaderValue {
    HeaderValue::try_from(format!("\"{action}\"")).unwrap_or(HeaderValue::from_static("\"\""))
}
