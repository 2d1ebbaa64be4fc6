//! Messages a second of durable messages of 1 KiB: through our sink and source, and through the bare
//! library, at the same queue, in turns.
//!
//! ```text
//! eval "$(deploy/test-services env)"
//! cargo run --release -p adapter-amqp10 --example amqp10_rate -- 10000 3     # messages, rounds
//! cargo run --release -p adapter-amqp10 --example amqp10_rate -- 10000 3 proton
//! ```

use std::collections::VecDeque;
use std::error::Error;
use std::sync::Arc;
use std::time::Instant;

use adapter_amqp10::{Amqp10SinkConfig, Amqp10SourceConfig};
use fe2o3_amqp::sasl_profile::SaslProfile;
use fe2o3_amqp::types::definitions::SenderSettleMode;
use fe2o3_amqp::types::messaging::{Body, Data, Header, Message};
use fe2o3_amqp::types::primitives::{Binary, LazyValue};
use fe2o3_amqp::{Connection, Receiver, Sender, Session};
use hub_core::{AdapterContext, Content, Sink, SinkConfig, SourceConfig};
use meterhub_tests::conformance::{accepted, message};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

const BODY: [u8; 1_024] = [7; 1_024];
const IN_FLIGHT: usize = 256;

type Failure = Box<dyn Error + Send + Sync>;

struct Bench {
    context: AdapterContext,
    _base: tempfile::TempDir,
    authority: String,
    login: Option<(String, String)>,
    address: String,
    messages: usize,
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let argument = |n: usize, default| std::env::args().nth(n).map_or(Ok(default), |a| a.parse());
    let (messages, rounds) = (argument(1, 10_000)?, argument(2, 3)?);
    let at_proton = std::env::args()
        .nth(3)
        .is_some_and(|broker| broker == "proton");
    let bench = Bench::new(messages, at_proton).await?;
    println!("{messages} messages of 1 KiB, durable, {IN_FLIGHT} in flight; messages/s");
    for _ in 0..rounds {
        let ours = (bench.sink().await?, bench.library_reads().await?);
        let theirs = (bench.library_sends().await?, bench.source().await?);
        let line = |what, ours: f64, library: f64| {
            let share = ours / library * 100.0;
            println!("{what}: {ours:.0}, library {library:.0} ({share:.0} %)");
        };
        line("send", ours.0, theirs.0);
        line("receive", theirs.1, ours.1);
    }
    Ok(())
}

impl Bench {
    async fn new(messages: usize, at_proton: bool) -> Result<Self, Failure> {
        let variable = if at_proton {
            "AMQP10_PROTON_URL"
        } else {
            "AMQP10_URL"
        };
        let url = std::env::var(variable)?;
        let rest = url.trim_start_matches("amqp://");
        let (login, authority) = match rest.split_once('@') {
            None => (None, rest),
            Some((login, authority)) => (login.split_once(':'), authority),
        };
        let queue = format!("rate.{}", std::process::id());
        let base = tempfile::tempdir()?;
        if let Some((_, password)) = login {
            std::fs::write(base.path().join("password"), password)?;
            quorum_queue(&queue).await?;
        }
        Ok(Self {
            context: AdapterContext::alone("rate", "north", base.path()),
            _base: base,
            authority: authority.to_owned(),
            login: login.map(|(user, password)| (user.to_owned(), password.to_owned())),
            address: match at_proton {
                true => queue,
                false => format!("/amq/queue/{queue}"),
            },
            messages,
        })
    }

    fn table(&self) -> String {
        let auth = match &self.login {
            None => "'insecure_anonymous'".to_owned(),
            Some((user, _)) => {
                format!("{{ password = {{ user = '{user}', password = 'file:password' }} }}")
            }
        };
        format!(
            "broker = {{ url = 'amqp://{}', auth = {auth} }}\naddress = '{}'\n",
            self.authority, self.address
        )
    }

    fn rate(&self, begun: Instant) -> f64 {
        self.messages as f64 / begun.elapsed().as_secs_f64()
    }

    async fn sink(&self) -> Result<f64, Failure> {
        let config = format!("{}max_in_flight = {IN_FLIGHT}", self.table());
        let config: Amqp10SinkConfig = toml::from_str(&config)?;
        let sink: Arc<dyn Sink> = config.connect(&self.context).await?.into();
        let mut first = message(0, "meter:1");
        first.content = Content::bytes(BODY.to_vec());
        let begun = Instant::now();
        let mut sends = JoinSet::new();
        for number in 0..self.messages {
            let (sink, mut message) = (sink.clone(), first.clone());
            message.message_id.0 += i64::try_from(number)?;
            sends.spawn(async move { sink.send(&message).await });
            if sends.len() >= IN_FLIGHT
                && let Some(sent) = sends.join_next().await
            {
                sent??;
            }
        }
        while let Some(sent) = sends.join_next().await {
            sent??;
        }
        Ok(self.rate(begun))
    }

    async fn source(&self) -> Result<f64, Failure> {
        let config = format!("{}window = {IN_FLIGHT}", self.table());
        let config: Amqp10SourceConfig = toml::from_str(&config)?;
        let mut source = config.connect(&self.context).await?;
        let begun = Instant::now();
        let mut settling = JoinSet::new();
        for _ in 0..self.messages {
            let (_, receipt) = source.receive().await?.into_parts();
            settling.spawn(receipt.settle(accepted()));
            while settling.len() >= source.window() {
                settling.join_next().await;
            }
        }
        while settling.join_next().await.is_some() {}
        Ok(self.rate(begun))
    }

    async fn connection(&self) -> Result<fe2o3_amqp::connection::ConnectionHandle<()>, Failure> {
        let login = match &self.login {
            None => SaslProfile::Anonymous,
            Some((user, password)) => SaslProfile::from((user.as_str(), password.as_str())),
        };
        let stream = TcpStream::connect(&self.authority).await?;
        stream.set_nodelay(true)?;
        let builder = Connection::builder()
            .container_id("rate")
            .sasl_profile(login);
        Ok(builder.open_with_stream(stream).await?)
    }

    /// One link, as many messages waiting for their outcomes.
    async fn library_sends(&self) -> Result<f64, Failure> {
        let mut connection = self.connection().await?;
        let mut session = Session::begin(&mut connection).await?;
        let attaching = Sender::builder()
            .name("rate")
            .target(self.address.as_str())
            .sender_settle_mode(SenderSettleMode::Unsettled)
            .attach(&mut session);
        let mut sender = attaching.await?;
        let begun = Instant::now();
        let mut waiting = VecDeque::new();
        for _ in 0..self.messages {
            let message = Message::builder()
                .header(Header::builder().durable(true).build())
                .body(Data(Binary::from(BODY.to_vec())))
                .build();
            waiting.push_back(sender.send_batchable(message).await?);
            if waiting.len() >= IN_FLIGHT
                && let Some(oldest) = waiting.pop_front()
            {
                oldest.await?;
            }
        }
        for outcome in waiting {
            outcome.await?;
        }
        let rate = self.rate(begun);
        session.end().await?;
        connection.close().await?;
        Ok(rate)
    }

    /// Each message is accepted when it comes.
    async fn library_reads(&self) -> Result<f64, Failure> {
        let mut connection = self.connection().await?;
        let mut session = Session::begin(&mut connection).await?;
        let attaching = Receiver::builder()
            .name("rate")
            .source(self.address.as_str())
            .credit_mode(fe2o3_amqp::link::receiver::CreditMode::Auto(
                2 * IN_FLIGHT as u32,
            ))
            .attach(&mut session);
        let mut receiver = attaching.await?;
        let begun = Instant::now();
        for _ in 0..self.messages {
            let delivery = receiver.recv::<Body<LazyValue>>().await?;
            receiver.accept(&delivery).await?;
        }
        let rate = self.rate(begun);
        session.end().await?;
        connection.close().await?;
        Ok(rate)
    }
}

async fn quorum_queue(queue: &str) -> Result<(), Failure> {
    use lapin::options::QueueDeclareOptions;
    use lapin::types::{AMQPValue, FieldTable};
    let url = std::env::var("AMQP_URL")?;
    let connection = lapin::Connection::connect(&url, Default::default()).await?;
    let channel = connection.create_channel().await?;
    let mut arguments = FieldTable::default();
    arguments.insert(
        "x-queue-type".into(),
        AMQPValue::LongString("quorum".into()),
    );
    let options = QueueDeclareOptions {
        durable: true,
        ..QueueDeclareOptions::default()
    };
    channel
        .queue_declare(queue.into(), options, arguments)
        .await?;
    Ok(())
}
