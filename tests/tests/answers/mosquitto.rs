//! A requester at Mosquitto: it names a response topic, and correlation data that are no text.

use async_trait::async_trait;
use meterhub_tests::config_folder::ConfigFolder;
use meterhub_tests::services::service;
use meterhub_tests::wait::PATIENCE;
use rumqttc::{
    AsyncClient, Event, EventLoop, MqttOptions, Packet, PubAckReason, Publish, PublishOptions,
    PublishProperties, PublishResult, QoS,
};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::{Answer, Request, Requester, each_gets_its_own};

struct AtMosquitto {
    address: String,
    user: String,
    password: String,
    root: String,
    client: AsyncClient,
    /// All below its root that is not for the hub.
    received: mpsc::UnboundedReceiver<Publish>,
}

impl AtMosquitto {
    /// `None`, said aloud, if there is no broker.
    async fn find() -> Option<Self> {
        let url = service("MQTT_URL")?;
        let rest = url.strip_prefix("mqtt://").expect("an MQTT URL");
        let (login, address) = rest.split_once('@').expect("user:password@address");
        let (user, password) = login.split_once(':').expect("user:password");
        let (host, port) = address.split_once(':').expect("host:port");
        let root = format!("answers-{}", std::process::id());
        let broker = (host.to_owned(), port.parse::<u16>().expect("a port"));
        let mut options = MqttOptions::new(format!("{root}-requester"), broker);
        options.set_credentials(user, password.to_owned());
        let (client, events) = AsyncClient::builder(options).build();
        let (to, received) = mpsc::unbounded_channel();
        tokio::spawn(drive(events, to));
        let subscribed = client.subscribe_tracked(format!("{root}/to/#"), QoS::AtLeastOnce);
        let subscribed = subscribed.await.expect("the connection is driven");
        subscribed.wait_async().await.expect("the broker is there");
        Some(Self {
            address: address.to_owned(),
            user: user.to_owned(),
            password: password.to_owned(),
            root,
            client,
            received,
        })
    }
}

async fn drive(mut events: EventLoop, to: mpsc::UnboundedSender<Publish>) {
    while let Ok(event) = events.poll().await {
        if let Event::Incoming(Packet::Publish(publish)) = event
            && to.send(publish).is_err()
        {
            return;
        }
    }
}

#[async_trait]
impl Requester for AtMosquitto {
    fn endpoints(&self) -> String {
        let Self {
            address,
            user,
            root,
            ..
        } = self;
        let broker = format!(
            "broker = {{ url = \"mqtt://{address}\", \
             auth = {{ password = {{ user = \"{user}\", password = \"file:mqtt-password\" }} }} }}"
        );
        format!(
            r#"
[source.hes.mqtt]
{broker}
client_id = "{root}-source"
topics = ["{root}/from/+"]
[sink.replies.mqtt]
{broker}
topic = "{{reply_to}}"
reply_to_targets = ["{root}/to/+/answers"]
"#
        )
    }

    fn secrets(&self, config: &ConfigFolder) {
        let path = config.dir().join("mqtt-password");
        std::fs::write(path, &self.password).expect("the disk works");
    }

    fn here(&self) -> String {
        format!("{}/to/gateway-7/answers", self.root)
    }

    fn elsewhere(&self) -> String {
        format!("{}/to/gateway-7/orders", self.root)
    }

    /// Again until the hub has subscribed.
    async fn ask(&mut self, request: Request) {
        let properties = PublishProperties {
            response_topic: Some(request.reply_to),
            correlation_data: request.correlation.map(|data| data.to_vec().into()),
            user_properties: vec![("message-id".to_owned(), request.id.to_owned())],
            content_type: Some("application/xml".to_owned()),
            ..PublishProperties::default()
        };
        let topic = format!("{}/from/gateway-7", self.root);
        loop {
            let options = PublishOptions::at_least_once().properties(properties.clone());
            let body = request.body.clone();
            let published = self.client.publish_tracked(topic.as_str(), body, options);
            let published = published.await.expect("the connection is driven");
            match published.wait_async().await.expect("the broker is there") {
                PublishResult::Qos1(told) if told.reason == PubAckReason::Success => return,
                _ => tokio::time::sleep(std::time::Duration::from_millis(20)).await,
            }
        }
    }

    async fn answer(&mut self) -> Answer {
        let next = timeout(PATIENCE, self.received.recv()).await;
        let answer = next.expect("an answer comes").expect("more come");
        assert_eq!(answer.topic.as_ref(), self.here().as_bytes());
        let properties = answer.properties.expect("it says to what");
        Answer {
            correlation: properties
                .correlation_data
                .expect("it says to what")
                .to_vec(),
            body: answer.payload.to_vec(),
        }
    }

    async fn nothing_went_elsewhere(&mut self) -> bool {
        self.received.try_recv().is_err()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_comes_to_the_response_topic() {
    if let Some(mut requester) = AtMosquitto::find().await {
        each_gets_its_own(&mut requester, &[0, 0xff, b'7']).await;
    }
}
