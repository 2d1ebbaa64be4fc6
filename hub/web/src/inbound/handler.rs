//! What an adapter brings to its door: how requests become messages, and settlements answers.

use async_trait::async_trait;
use axum::http::request::Parts;
use axum::response::Response;
use hub_core::{IncomingMessage, MessageId};

use super::body::PostedBody;
use crate::problem::Problem;

/// A message is in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Accepted {
    /// Our id of it.
    pub message_id: MessageId,
    /// We had it already.
    pub duplicate: bool,
}

/// Answers a request once its message is settled: committed, or why not. Refusals are 422 if the
/// message will never be accepted, else 503 (or what was wrong with a body that was still coming).
pub type Reply = Box<dyn FnOnce(Result<Accepted, Problem>) -> Response + Send>;

/// What became of a request.
pub enum Taken {
    /// Answered, without a message: a description that was asked for.
    Answered(Response),
    /// A message. The answer waits until it is settled.
    Message(Box<IncomingMessage>, Reply),
}

/// The adapter's side of a door. Before it is asked, credentials, rate, encoding and length are
/// checked, and there is room for one more message.
#[async_trait]
pub trait Handler: Send + Sync + 'static {
    /// Makes a message of a request. The body may be taken whole, or its head be read and the rest
    /// be left to stream ([`PostedBody`]).
    ///
    /// # Errors
    /// Why not; goes through [`Handler::refusal`].
    async fn take(&self, head: &Parts, body: PostedBody) -> Result<Taken, Problem>;

    /// How a problem is told that comes before there is a [`Reply`].
    fn refusal(&self, head: &Parts, problem: Problem) -> Response {
        problem.response(head.uri.path())
    }

    /// Whether `take` itself finds out who sends, by what the body says: then a request without an
    /// `Authorization` header comes through to it.
    fn knows_senders(&self) -> bool {
        false
    }
}
