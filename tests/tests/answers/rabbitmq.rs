//! A requester at RabbitMQ: it reads its answers from a queue that only it may read, and that ends
//! with its connection.

use async_trait::async_trait;
use futures_util::StreamExt;
use lapin::options::{BasicConsumeOptions, BasicPublishOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, Connection, Consumer};
use meterhub_tests::config_folder::ConfigFolder;
use meterhub_tests::rabbit::Queues;
use meterhub_tests::wait::PATIENCE;
use tokio::time::timeout;

use crate::{Answer, Request, Requester, each_gets_its_own};

struct AtRabbit {
    queues: Queues,
    _connection: Connection,
    channel: Channel,
    queue: String,
    answers: Consumer,
}

impl AtRabbit {
    /// `None`, said aloud, if there is no broker.
    async fn find() -> Option<Self> {
        let queues = Queues::declare().await?;
        let (connection, channel) = queues.channel().await.expect("the broker is there");
        let own = QueueDeclareOptions {
            exclusive: true,
            ..QueueDeclareOptions::default()
        };
        let declared = channel.queue_declare("".into(), own, FieldTable::default());
        let queue = declared.await.expect("a queue can be made");
        let queue = queue.name().to_string();
        let options = BasicConsumeOptions {
            no_ack: true,
            ..BasicConsumeOptions::default()
        };
        let name = queue.as_str().into();
        let answers = channel.basic_consume(name, "".into(), options, FieldTable::default());
        Some(Self {
            answers: answers.await.expect("it may be read"),
            queues,
            _connection: connection,
            channel,
            queue,
        })
    }
}

#[async_trait]
impl Requester for AtRabbit {
    fn endpoints(&self) -> String {
        let broker = self.queues.broker(self.queues.address());
        let inbound = &self.queues.inbound;
        format!(
            r#"
[source.hes.amqp]
{broker}
queue = "{inbound}"
dead_letter_exchange = ""
dead_letter_routing_key = "{inbound}.dead"
[sink.replies.amqp]
{broker}
routing_key = "{{reply_to}}"
reply_to_targets = ["amq.gen-*"]
"#
        )
    }

    fn secrets(&self, config: &ConfigFolder) {
        self.queues.write_password(config);
    }

    fn here(&self) -> String {
        self.queue.clone()
    }

    fn elsewhere(&self) -> String {
        self.queues.outbound.clone()
    }

    async fn ask(&mut self, request: Request) {
        let mut properties = BasicProperties::default()
            .with_message_id(request.id.into())
            .with_reply_to(request.reply_to.into())
            .with_content_type("application/xml".into());
        if let Some(correlation) = request.correlation {
            let text = String::from_utf8(correlation.to_vec()).expect("is text here");
            properties = properties.with_correlation_id(text.into());
        }
        let queue = self.queues.inbound.as_str().into();
        let options = BasicPublishOptions::default();
        let published =
            self.channel
                .basic_publish("".into(), queue, options, &request.body, properties);
        let confirmed = published.await.expect("the broker is there").await;
        assert!(confirmed.expect("the broker is there").is_ack());
    }

    async fn answer(&mut self) -> Answer {
        let next = timeout(PATIENCE, self.answers.next()).await;
        let next = next.expect("an answer comes").expect("more come");
        let answer = next.expect("the broker is there");
        let correlation = answer.properties.correlation_id().as_ref();
        let correlation = correlation.expect("it says to what").as_str();
        Answer {
            correlation: correlation.as_bytes().to_vec(),
            body: answer.data,
        }
    }

    async fn nothing_went_elsewhere(&mut self) -> bool {
        self.queues.take().await.is_none()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_comes_to_the_requesters_own_queue() {
    if let Some(mut requester) = AtRabbit::find().await {
        each_gets_its_own(&mut requester, b"of-mine/1").await;
    }
}
