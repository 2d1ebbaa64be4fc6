//! One connected source, seen from the listener: who may come in, how fast, how many at once.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use hub_core::{Arrival, Clock, TokenBucket};
use tokio::sync::{Semaphore, mpsc};

use super::body::Bounds;
use super::certificate::ClientCertificate;
use super::credentials::Credentials;
use super::family::Family;
use super::handler::Handler;
use crate::problem::Problem;

/// What is common to all doors, and the handler that makes the difference.
pub(super) struct Door {
    pub(super) name: String,
    pub(super) family: Family,
    pub(super) handler: Arc<dyn Handler>,
    pub(super) credentials: Credentials,
    pub(super) bounds: Bounds,
    pub(super) request_timeout: Duration,
    pub(super) rate: Option<Mutex<TokenBucket>>,
    pub(super) clock: Arc<dyn Clock>,
    /// One permit per unsettled message.
    pub(super) in_flight: Arc<Semaphore>,
    pub(super) arrivals: mpsc::Sender<Arrival>,
}

impl Door {
    /// Whether who asks has the source's certificate and credentials.
    pub(super) fn check_credentials(
        &self,
        headers: &HeaderMap,
        uri: &Uri,
        certificate: Option<&ClientCertificate>,
    ) -> Result<(), Problem> {
        self.credentials.check_certificate(certificate)?;
        // Where the handler wants to know more, no `Authorization` header lets anybody past it.
        let is_known = self.credentials.is_certificate_enough() && !self.handler.knows_senders();
        if is_known || self.credentials.allow(headers, uri) {
            return Ok(());
        }
        let challenge = HeaderValue::from_static(self.credentials.challenge());
        Err(Problem::new(
            StatusCode::UNAUTHORIZED,
            "unauthorized",
            "Credentials are missing or wrong",
            "send an `Authorization` header with this source's credentials",
        )
        .with(header::WWW_AUTHENTICATE, challenge))
    }

    /// Whether a message may come in, now. Returns whether its sender is known: if not, the handler knows
    /// it by what is in the message, and only then may the message cost of the sender's rate.
    pub(super) fn admit(&self, head: &Parts) -> Result<bool, Problem> {
        let certificate = head.extensions.get::<ClientCertificate>();
        let is_left_to_handler =
            self.handler.knows_senders() && !head.headers.contains_key(header::AUTHORIZATION);
        match is_left_to_handler {
            true => self.credentials.check_certificate(certificate)?,
            false => {
                self.check_credentials(&head.headers, &head.uri, certificate)?;
                self.draw()?;
            }
        }
        Ok(!is_left_to_handler)
    }

    /// Takes one message from the source's rate.
    pub(super) fn draw(&self) -> Result<(), Problem> {
        let Some(rate) = &self.rate else {
            return Ok(());
        };
        let now = self.clock.now();
        let mut bucket = rate.lock().unwrap_or_else(PoisonError::into_inner);
        bucket.take(now).map_err(|next| {
            let seconds = next
                .micros_since(now)
                .max(0)
                .cast_unsigned()
                .div_ceil(1_000_000);
            Problem::new(
                StatusCode::TOO_MANY_REQUESTS,
                "rate",
                "Too many messages",
                "this source has a rate limit; wait as long as `Retry-After` says",
            )
            .retry_after(seconds)
        })
    }
}
