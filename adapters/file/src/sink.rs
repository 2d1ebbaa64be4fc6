//! The sink: one output file per message.

use std::sync::Arc;

use async_trait::async_trait;
use hub_core::{OutgoingMessage, Sent, Sink, SinkError};
use hub_names::Template;

use crate::publish::{NotPublished, Outbox, Published};

/// A configured output folder.
pub(crate) struct FileSink {
    pub(crate) endpoint: String,
    pub(crate) template: Template,
    pub(crate) outbox: Arc<Outbox>,
}

impl FileSink {
    fn failed(&self, error: NotPublished) -> SinkError {
        let endpoint = self.endpoint.clone();
        match error {
            NotPublished::Folder(error) => SinkError::Unavailable {
                endpoint,
                reason: format!("output folder `{}`: {error}", self.outbox.folder.display()),
                retry_after: None,
                // About the folder, never about one message.
                answered: false,
            },
            other => SinkError::Refused {
                endpoint,
                answer: other.to_string(),
            },
        }
    }
}

#[async_trait]
impl Sink for FileSink {
    async fn send(&self, message: &OutgoingMessage) -> Result<Sent, SinkError> {
        let refused = |answer| SinkError::Refused {
            endpoint: self.endpoint.clone(),
            answer,
        };
        let name = self.template.name(message).map_err(refused)?;
        let outbox = self.outbox.clone();
        let (id, content) = (message.message_id.to_string(), message.content.clone());
        let written = tokio::task::spawn_blocking(move || outbox.publish(&name, &id, &content));
        match written.await {
            Ok(Ok(published)) => Ok(Sent::noted(note(&published))),
            Ok(Err(error)) => Err(self.failed(error)),
            Err(error) => Err(self.failed(std::io::Error::other(error).into())),
        }
    }
}

fn note(published: &Published) -> String {
    let (path, remark) = match published {
        Published::New(path) => (path, ""),
        Published::Already(path) => (path, " (was there already)"),
    };
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    format!("{name}{remark}")
}
