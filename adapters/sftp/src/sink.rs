//! The sink: one file on the server per message.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use hub_core::{OutgoingMessage, Sent, Sink, SinkError};
use hub_names::Template;

use crate::failure::{Failure, Status};
use crate::pool::Pool;
use crate::upload::{NotPut, Outbox, Put, Upload};

/// When to try again after the host key or the login was refused: someone must act first, and
/// servers ban those who insist.
const REFUSED_PAUSE: Duration = Duration::from_secs(60);

/// A configured folder on a server.
pub(crate) struct SftpSink {
    pub(crate) endpoint: String,
    pub(crate) template: Template,
    pub(crate) pool: Pool,
    pub(crate) outbox: Arc<Outbox>,
}

#[async_trait]
impl Sink for SftpSink {
    async fn send(&self, message: &OutgoingMessage) -> Result<Sent, SinkError> {
        let refused = |answer| SinkError::Refused {
            endpoint: self.endpoint.clone(),
            answer,
        };
        let upload = Upload {
            name: self.template.name(message).map_err(refused)?,
            id: message.message_id.to_string(),
            content: message.content.clone(),
            is_retry: message.attempt > 1,
        };
        let outbox = self.outbox.clone();
        let put = self
            .pool
            .run(move |session, wanted| Ok(outbox.put(session, wanted, &upload)));
        match put.await {
            Ok(Ok(put)) => Ok(Sent::noted(note(&put))),
            Ok(Err(NotPut::Server(failure))) | Err(failure) => {
                Err(unavailable(&self.endpoint, &failure))
            }
            Ok(Err(NotPut::StillRunning)) => Err(SinkError::Unavailable {
                endpoint: self.endpoint.clone(),
                reason: NotPut::StillRunning.to_string(),
                retry_after: None,
                answered: false,
            }),
            Ok(Err(problem)) => Err(refused(problem.to_string())),
        }
    }
}

fn note(put: &Put) -> String {
    let (path, remark) = match put {
        Put::New(path) => (path, ""),
        Put::Already(path) => (path, " (was there already)"),
    };
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    format!("{name}{remark}")
}

/// What a failure means for the message: nothing that a server says is final, but what it says
/// about one file counts towards parking that message.
pub(crate) fn unavailable(endpoint: &str, failure: &Failure) -> SinkError {
    SinkError::Unavailable {
        endpoint: endpoint.to_owned(),
        reason: failure.to_string(),
        retry_after: matches!(failure, Failure::Refused(_)).then_some(REFUSED_PAUSE),
        answered: matches!(
            failure,
            Failure::File {
                status: Status::Other(_),
                ..
            }
        ),
    }
}
