//! A TCP proxy on loopback that is a bad wire: it cuts, truncates, delays, throttles, stalls and
//! heals, by hand or by a plan that a seed makes.
//!
//! A plan counts bytes, not time, so that a fault strikes at the same place of a transfer on a
//! slow machine as on a fast one.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::random::Random;

/// Bytes forwarded at a time: small, so that a fault strikes close to its byte.
const PIECE_BYTES: usize = 16 * 1024;

/// What can go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// All connections are reset.
    Cut,
    /// All connections end in good order, in the middle of what was being said.
    Truncate,
    /// Connections stay open and nothing comes through, for so long; new ones get no answer
    /// either.
    Stall(Duration),
    /// Every piece comes so much later, from now on.
    Delay(Duration),
    /// No more than so many bytes per second in each direction, from now on.
    Throttle(u64),
    /// Delay and throttle end.
    Heal,
}

/// A fault, and after how many bytes it strikes, counted in both directions since the last one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// Bytes forwarded before it.
    pub after_bytes: u64,
    /// What happens.
    pub fault: Fault,
}

/// Makes a plan: `count` faults, each up to `most_bytes` after the one before. The same for one
/// seed. It heals in the end.
#[must_use]
pub fn plan(seed: u64, count: usize, most_bytes: u64) -> Vec<Step> {
    let mut random = Random::new(seed);
    let mut step = || Step {
        after_bytes: random.within(1..most_bytes.max(2)),
        fault: match random.within(0..6) {
            0 | 1 => Fault::Cut,
            2 => Fault::Truncate,
            3 => Fault::Stall(Duration::from_millis(random.within(50..1_500))),
            4 => Fault::Delay(Duration::from_millis(random.within(1..20))),
            _ => Fault::Throttle(random.within(1_000_000..10_000_000)),
        },
    };
    let mut steps: Vec<Step> = (0..count).map(|_| step()).collect();
    steps.push(Step {
        after_bytes: 1,
        fault: Fault::Heal,
    });
    steps
}

/// A proxy. Its connections are cut and its port is free again when it is dropped.
pub struct Proxy {
    address: SocketAddr,
    wire: Arc<Wire>,
    listening: JoinHandle<()>,
}

/// How the wire is at the moment.
#[derive(Debug, Clone, Copy, Default)]
struct Weather {
    /// Counts cuts and truncations: a connection that began before is ended.
    ends: u64,
    /// Whether the last end was in good order.
    orderly: bool,
    stalled: bool,
    delay: Duration,
    bytes_per_second: Option<u64>,
}

struct Wire {
    target: SocketAddr,
    weather: watch::Sender<Weather>,
    plan: Mutex<Plan>,
    forwarded: AtomicU64,
    connections: AtomicU64,
}

#[derive(Default)]
struct Plan {
    steps: VecDeque<Step>,
    /// Bytes since the last step.
    bytes: u64,
    struck: Vec<Fault>,
}

impl Proxy {
    /// A proxy before a server, on a port of its own, that does no harm yet.
    ///
    /// # Errors
    /// The machine has no port.
    pub async fn start(target: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let wire = Arc::new(Wire {
            target,
            weather: watch::Sender::new(Weather::default()),
            plan: Mutex::default(),
            forwarded: AtomicU64::new(0),
            connections: AtomicU64::new(0),
        });
        let listening = tokio::spawn(listen(listener, wire.clone()));
        Ok(Self {
            address,
            wire,
            listening,
        })
    }

    /// Where to connect to.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Makes a fault happen now. A stall by hand lasts until [`Self::heal`].
    pub fn strike(&self, fault: Fault) {
        match fault {
            Fault::Stall(_) => self.stall(),
            other => self.wire.strike(other),
        }
    }

    /// Resets all connections.
    pub fn cut(&self) {
        self.wire.strike(Fault::Cut);
    }

    /// Lets nothing through until [`Self::heal`]; connections stay open.
    pub fn stall(&self) {
        self.wire.weather.send_modify(|w| w.stalled = true);
    }

    /// A good wire again. Connections that were ended stay so.
    pub fn heal(&self) {
        self.wire.heal();
    }

    /// Follows a plan from now on, in the place of what is left of an earlier one.
    pub fn follow(&self, steps: impl IntoIterator<Item = Step>) {
        let mut plan = self.wire.plan();
        plan.steps = steps.into_iter().collect();
        plan.bytes = 0;
    }

    /// Faults of plans that have struck, in their order.
    #[must_use]
    pub fn struck(&self) -> Vec<Fault> {
        self.wire.plan().struck.clone()
    }

    /// Faults of the plan that are still to come.
    #[must_use]
    pub fn to_come(&self) -> usize {
        self.wire.plan().steps.len()
    }

    /// Bytes forwarded so far, in both directions.
    #[must_use]
    pub fn forwarded(&self) -> u64 {
        self.wire.forwarded.load(Ordering::Relaxed)
    }

    /// Connections accepted so far.
    #[must_use]
    pub fn connections(&self) -> u64 {
        self.wire.connections.load(Ordering::Relaxed)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.listening.abort();
        self.wire.strike(Fault::Cut);
    }
}

impl Wire {
    fn plan(&self) -> MutexGuard<'_, Plan> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn strike(&self, fault: Fault) {
        self.weather.send_modify(|weather| match fault {
            Fault::Cut | Fault::Truncate => {
                weather.ends += 1;
                weather.orderly = fault == Fault::Truncate;
            }
            Fault::Stall(_) => weather.stalled = true,
            Fault::Delay(delay) => weather.delay = delay,
            Fault::Throttle(rate) => weather.bytes_per_second = Some(rate.max(1)),
            Fault::Heal => heal(weather),
        });
    }

    fn heal(&self) {
        self.weather.send_modify(heal);
    }

    /// Counts bytes towards the plan's next fault. Returns how many of them come before it, and
    /// the fault, if it is so close.
    fn count(&self, bytes: usize) -> (usize, Option<Fault>) {
        let mut plan = self.plan();
        let room = plan.steps.front().map(|step| step.after_bytes);
        let left = room.map(|after| after.saturating_sub(plan.bytes));
        let counted = match left {
            Some(left) if left <= bytes as u64 => {
                let step = plan.steps.pop_front().expect("there is one, seen above");
                plan.bytes = 0;
                plan.struck.push(step.fault);
                (usize::try_from(left).unwrap_or(bytes), Some(step.fault))
            }
            _ => {
                plan.bytes += bytes as u64;
                (bytes, None)
            }
        };
        self.forwarded
            .fetch_add(counted.0 as u64, Ordering::Relaxed);
        counted
    }

    /// Makes a fault of a plan happen. Does not return if it ends connections: this one, too.
    async fn strike_as_planned(self: &Arc<Self>, fault: Fault) {
        self.strike(fault);
        match fault {
            Fault::Cut | Fault::Truncate => std::future::pending().await,
            Fault::Stall(pause) => {
                let wire = self.clone();
                tokio::spawn(async move {
                    sleep(pause).await;
                    wire.weather.send_modify(|w| w.stalled = false);
                });
            }
            Fault::Delay(_) | Fault::Throttle(_) | Fault::Heal => {}
        }
    }
}

fn heal(weather: &mut Weather) {
    weather.stalled = false;
    weather.delay = Duration::ZERO;
    weather.bytes_per_second = None;
}

async fn listen(listener: TcpListener, wire: Arc<Wire>) {
    while let Ok((client, _)) = listener.accept().await {
        wire.connections.fetch_add(1, Ordering::Relaxed);
        tokio::spawn(connection(client, wire.clone()));
    }
}

/// Serves one connection until one side ends it, or a fault does.
async fn connection(client: TcpStream, wire: Arc<Wire>) {
    let born = wire.weather.borrow().ends;
    let Ok(server) = TcpStream::connect(wire.target).await else {
        // As if the target had refused it.
        return reset(&client);
    };
    // A piece is not worth waiting for the next.
    let _ = client.set_nodelay(true);
    let _ = server.set_nodelay(true);
    let (client_in, client_out) = client.into_split();
    let (server_in, server_out) = server.into_split();
    // One side may still listen after the other has said all.
    tokio::join!(
        pump(client_in, server_out, &wire, born),
        pump(server_in, client_out, &wire, born)
    );
}

/// Forwards one direction until its end, or until the connection is ended.
async fn pump(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, wire: &Arc<Wire>, born: u64) {
    let (mut weather, mut ends) = (wire.weather.subscribe(), wire.weather.subscribe());
    let orderly = tokio::select! {
        _ = forward(&mut from, &mut to, wire, &mut weather) => true,
        end = ends.wait_for(|w| w.ends != born) => end.is_ok_and(|w| w.orderly),
    };
    if !orderly {
        reset(from.as_ref());
        reset(to.as_ref());
        // Dropped, it would say goodbye first.
        to.forget();
    }
}

async fn forward(
    from: &mut OwnedReadHalf,
    to: &mut OwnedWriteHalf,
    wire: &Arc<Wire>,
    weather: &mut watch::Receiver<Weather>,
) -> io::Result<()> {
    let mut buffer = vec![0; PIECE_BYTES];
    loop {
        let count = from.read(&mut buffer).await?;
        if count == 0 {
            return to.shutdown().await;
        }
        let mut rest = &buffer[..count];
        while !rest.is_empty() {
            let now = calm(weather).await;
            sleep_some(now.delay).await;
            let (before, fault) = wire.count(rest.len());
            to.write_all(&rest[..before]).await?;
            rest = &rest[before..];
            if let Some(fault) = fault {
                wire.strike_as_planned(fault).await;
            }
            if let Some(rate) = now.bytes_per_second {
                sleep_some(Duration::from_secs_f64(before as f64 / rate as f64)).await;
            }
        }
    }
}

/// Waits until nothing is stalled.
async fn calm(weather: &mut watch::Receiver<Weather>) -> Weather {
    let calm = weather.wait_for(|w| !w.stalled).await.map(|w| *w);
    match calm {
        Ok(now) => now,
        // The proxy is gone, and ends us.
        Err(_) => std::future::pending().await,
    }
}

async fn sleep_some(pause: Duration) {
    if !pause.is_zero() {
        sleep(pause).await;
    }
}

/// The next close of this socket tells the peer that the connection broke.
fn reset(stream: &TcpStream) {
    // The runtime's own call is deprecated for the waiting that it does with other values.
    let _ = rustix::net::sockopt::set_socket_linger(stream, Some(Duration::ZERO));
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::{Instant, timeout};

    /// A server that sends back what it gets.
    async fn echo() -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (mut from, mut to) = stream.into_split();
                tokio::spawn(async move { tokio::io::copy(&mut from, &mut to).await });
            }
        });
        address
    }

    async fn proxy() -> Proxy {
        Proxy::start(echo().await).await.unwrap()
    }

    async fn says(stream: &mut TcpStream, word: &[u8]) -> io::Result<()> {
        stream.write_all(word).await?;
        let mut back = vec![0; word.len()];
        stream.read_exact(&mut back).await?;
        assert_eq!(back, word);
        Ok(())
    }

    #[tokio::test]
    async fn a_good_wire_lets_all_through_and_tells_the_end() {
        let proxy = proxy().await;
        let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
        says(&mut stream, &vec![7; 300_000]).await.unwrap();
        stream.shutdown().await.unwrap();
        assert_eq!(stream.read(&mut [0; 9]).await.unwrap(), 0);
        assert_eq!((proxy.connections(), proxy.forwarded()), (1, 600_000));
    }

    #[tokio::test]
    async fn a_cut_is_a_reset_and_new_connections_work() {
        let proxy = proxy().await;
        let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
        says(&mut stream, b"hello").await.unwrap();
        proxy.cut();
        let error = stream.read(&mut [0; 9]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
        let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
        says(&mut stream, b"again").await.unwrap();
    }

    #[tokio::test]
    async fn a_plan_truncates_at_its_very_byte() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = Proxy::start(listener.local_addr().unwrap()).await.unwrap();
        proxy.follow([Step {
            after_bytes: 40_001,
            fault: Fault::Truncate,
        }]);
        let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
        let (mut server, _) = listener.accept().await.unwrap();
        server.write_all(&vec![7; 100_000]).await.unwrap();
        let mut got = Vec::new();
        // An end in good order, whatever is missing.
        stream.read_to_end(&mut got).await.unwrap();
        assert_eq!((got.len(), proxy.forwarded()), (40_001, 40_001));
        assert_eq!(proxy.struck(), [Fault::Truncate]);
    }

    #[tokio::test]
    async fn a_stall_holds_everything_until_it_heals() {
        let proxy = proxy().await;
        let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
        says(&mut stream, b"hello").await.unwrap();
        proxy.stall();
        stream.write_all(b"wait").await.unwrap();
        let mut back = [0; 4];
        let waited = timeout(Duration::from_millis(200), stream.read(&mut back));
        assert!(waited.await.is_err(), "something came through");
        let mut late = TcpStream::connect(proxy.address()).await.unwrap();
        proxy.heal();
        stream.read_exact(&mut back).await.unwrap();
        assert_eq!(&back, b"wait");
        says(&mut late, b"late").await.unwrap();
    }

    #[tokio::test]
    async fn a_planned_stall_ends_by_itself() {
        let proxy = proxy().await;
        proxy.follow([Step {
            after_bytes: 3,
            fault: Fault::Stall(Duration::from_millis(300)),
        }]);
        let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
        let begun = Instant::now();
        says(&mut stream, b"hello").await.unwrap();
        assert!(begun.elapsed() >= Duration::from_millis(250));
        assert_eq!(proxy.to_come(), 0);
    }

    #[tokio::test]
    async fn a_slow_wire_is_slow_until_it_heals() {
        let proxy = proxy().await;
        let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
        proxy.strike(Fault::Delay(Duration::from_millis(100)));
        let begun = Instant::now();
        says(&mut stream, b"hello").await.unwrap();
        assert!(begun.elapsed() >= Duration::from_millis(200), "both ways");
        proxy.heal();
        proxy.strike(Fault::Throttle(100_000));
        let begun = Instant::now();
        says(&mut stream, &vec![7; 50_000]).await.unwrap();
        assert!(begun.elapsed() >= Duration::from_millis(300));
        proxy.heal();
    }

    #[tokio::test]
    async fn a_target_that_is_down_is_a_refused_connection() {
        let gone = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target = gone.local_addr().unwrap();
        drop(gone);
        let proxy = Proxy::start(target).await.unwrap();
        let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
        let end = stream.read(&mut [0; 1]).await;
        assert!(end.is_err() || end.is_ok_and(|count| count == 0));
    }

    #[test]
    fn one_seed_makes_one_plan() {
        assert_eq!(plan(7, 20, 1_000), plan(7, 20, 1_000));
        assert_ne!(plan(7, 20, 1_000), plan(8, 20, 1_000));
        let plan = plan(7, 20, 1_000);
        assert_eq!(plan.len(), 21);
        assert!(plan.iter().all(|s| (1..1_000).contains(&s.after_bytes)));
        assert_eq!(plan[20].fault, Fault::Heal);
    }
}
