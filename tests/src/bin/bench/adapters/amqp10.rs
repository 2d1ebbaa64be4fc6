//! AMQP 1.0: RabbitMQ's plugin with a durable quorum queue, and fe2o3-amqp without a hub.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use fe2o3_amqp::connection::ConnectionHandle;
use fe2o3_amqp::link::receiver::CreditMode;
use fe2o3_amqp::sasl_profile::SaslProfile;
use fe2o3_amqp::session::SessionHandle;
use fe2o3_amqp::types::messaging::{Body, Data, Header, Message};
use fe2o3_amqp::types::primitives::{Binary, LazyValue};
use fe2o3_amqp::{Connection, Delivery, Receiver, Sender, Session};
use tokio::net::TcpStream;

use super::amqp;
use super::compare::{Size, Table, Way};
use super::hub_side::{Accepted, LAST_ANSWERS, Setup, gives_out, kept, takes_in};
use super::servers::{Place, message, message_bytes, unique, variables};
use crate::Outcome;

/// Messages of a run.
const MESSAGES: u64 = 10_000;
/// Messages under way: the adapter's default.
const WINDOW: usize = 256;
/// Messages that the broker may send ahead: as the adapter grants.
const CREDIT: u32 = 512;
/// Messages that the bare client settles with one frame.
const SETTLED_TOGETHER: usize = 64;
/// Frames under way in a session, as the adapter has it.
const SESSION_WINDOW: u32 = 2_048;

/// Both rows.
pub(super) async fn run(table: &mut Table<'_>) -> Outcome<()> {
    let [url, queues] = variables(["AMQP10_URL", "AMQP_URL"])?;
    // Queues are made, filled and counted over the older protocol.
    let (broker, queues) = (Broker(Place::parse(&url)?), amqp::Broker::at(queues)?);
    let (disk, count) = (table.disk(), table.messages(MESSAGES));
    let way = Way {
        what: "amqp10 in: quorum queue, 1 KB, window 256",
        bare: "fe2o3-amqp alone",
        size: Size::Messages(count),
    };
    let with_hub = async || {
        let queue = queues.filled(count).await?;
        let took = takes_in(disk, &broker.source(&queue.name), count).await?;
        queue.ends_with(0).await?;
        Ok(took)
    };
    let alone = async || {
        let queue = queues.filled(count).await?;
        let took = broker.take(&queue.name, count).await?;
        queue.ends_with(0).await?;
        Ok(took)
    };
    table.compare(way, with_hub, alone).await?;

    let way = Way {
        what: "amqp10 out: quorum queue, 1 KB, 256 in flight",
        bare: "fe2o3-amqp alone",
        size: Size::Messages(count),
    };
    let with_hub = async || {
        let queue = queues.queue().await?;
        let accepted = Accepted::Messages(count, message);
        let took = gives_out(disk, &broker.sink(&queue.name), accepted).await?;
        queue.ends_with(count).await?;
        Ok(took)
    };
    let alone = async || {
        let queue = queues.queue().await?;
        let took = broker.send(&queue.name, count).await?;
        queue.ends_with(count).await?;
        Ok(took)
    };
    table.compare(way, with_hub, alone).await
}

struct Broker(Place);

/// A connection with its one session.
struct Link {
    session: SessionHandle<()>,
    connection: ConnectionHandle<()>,
}

impl Link {
    /// Ends all. The sender or receiver is not closed before its session: RabbitMQ 3 answers that with
    /// a detach that does not close, for which the library attaches again, which the broker does not
    /// answer in a way that it stands ("Illegal local state").
    async fn close<L>(mut self, link: L) -> Outcome<()> {
        self.session.end().await?;
        // Dropped after its session, the library writes nothing more on it.
        drop(link);
        Ok(self.connection.close().await?)
    }
}

/// As RabbitMQ 3 names a queue.
fn address(queue: &str) -> String {
    format!("/amq/queue/{queue}")
}

impl Broker {
    fn setup(&self, head: &str, adapter: &str) -> Setup {
        let Place {
            host, port, user, ..
        } = &self.0;
        Setup {
            sections: format!(
                "{head}\nbroker = {{ url = \"amqp://{host}:{port}\", \
                 auth = {{ password = {{ user = \"{user}\", password = \"file:password\" }} }} }}\n{adapter}"
            ),
            files: vec![("password", self.0.password.clone())],
        }
    }

    fn source(&self, queue: &str) -> Setup {
        let (address, route) = (address(queue), kept("in"));
        self.setup(
            "[source.in]\nenterprise = \"north\"\n[source.in.amqp10]",
            &format!("address = \"{address}\"\nwindow = {WINDOW}\n\n{route}"),
        )
    }

    fn sink(&self, queue: &str) -> Setup {
        let address = address(queue);
        self.setup(
            &format!("[sink.out]\nenterprise = \"north\"\nparallel = {WINDOW}\n[sink.out.amqp10]"),
            &format!("address = \"{address}\"\nmax_in_flight = {WINDOW}\n"),
        )
    }

    async fn connect(&self) -> Outcome<Link> {
        let stream = TcpStream::connect((self.0.host.as_str(), self.0.port)).await?;
        stream.set_nodelay(true)?;
        let login = SaslProfile::from((self.0.user.as_str(), self.0.password.as_str()));
        let opening = Connection::builder()
            .container_id(unique("client"))
            .hostname(self.0.host.as_str())
            .scheme("amqp")
            .sasl_profile(login)
            .open_with_stream(stream);
        let mut connection = opening.await?;
        let session = Session::builder()
            .incoming_window(SESSION_WINDOW)
            .outgoing_window(SESSION_WINDOW)
            .begin(&mut connection);
        Ok(Link {
            session: session.await?,
            connection,
        })
    }

    /// The bare client: takes so many messages and accepts them, several with one frame.
    async fn take(&self, queue: &str, count: u64) -> Outcome<Duration> {
        let begun = Instant::now();
        let mut link = self.connect().await?;
        let attaching = Receiver::builder()
            .name(unique("receiver"))
            .source(address(queue))
            .credit_mode(CreditMode::Auto(CREDIT))
            .attach(&mut link.session);
        let mut receiver = attaching.await?;
        let mut unsettled = Vec::with_capacity(SETTLED_TOGETHER);
        for number in 1..=count {
            let delivery: Delivery<Body<LazyValue>> = receiver.recv().await?;
            unsettled.push(delivery);
            if unsettled.len() == SETTLED_TOGETHER || number == count {
                receiver.accept_all(unsettled.iter()).await?;
                unsettled.clear();
            }
        }
        let took = begun.elapsed();
        // As the hub is given: what is answered as the session ends may not reach the queue.
        tokio::time::sleep(LAST_ANSWERS).await;
        link.close(receiver).await?;
        Ok(took)
    }

    /// The bare client: sends durable messages, so many in flight, and waits for each outcome.
    async fn send(&self, queue: &str, count: u64) -> Outcome<Duration> {
        let begun = Instant::now();
        let mut link = self.connect().await?;
        let attaching = Sender::attach(&mut link.session, unique("sender"), address(queue));
        let mut sender = attaching.await?;
        let mut in_flight = VecDeque::with_capacity(WINDOW);
        for number in 0..count {
            if in_flight.len() == WINDOW
                && let Some(oldest) = in_flight.pop_front()
            {
                accepted(oldest).await?;
            }
            let message = Message::builder()
                .header(Header {
                    durable: true,
                    ..Header::default()
                })
                .data(Data(Binary::from(message_bytes(number))))
                .build();
            in_flight.push_back(sender.send_batchable(message).await?);
        }
        for outcome in in_flight {
            accepted(outcome).await?;
        }
        let took = begun.elapsed();
        link.close(sender).await?;
        Ok(took)
    }
}

type OnItsWay = fe2o3_amqp::link::delivery::DeliveryFut<
    Result<fe2o3_amqp::types::messaging::Outcome, fe2o3_amqp::link::SendError>,
>;

async fn accepted(on_its_way: OnItsWay) -> Outcome<()> {
    let outcome = on_its_way.await?;
    match outcome.is_accepted() {
        true => Ok(()),
        false => Err(format!("a message was not taken: {outcome:?}").into()),
    }
}
