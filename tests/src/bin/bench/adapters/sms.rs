//! SMS: the SMPP simulator, and SMPP without a hub. Texts fill one SMS each: there are none of 1 KB.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::compare::{Size, Table, Way};
use super::hub_side::{Accepted, Setup, gives_out, kept, takes_pushed};
use super::servers::{Place, variables};
use super::smpp::{Smpp, TELEPHONE, text};
use crate::Outcome;

/// Texts of a run that telephones send: few, because the simulator does not send again what has waited
/// too long for the hub.
const TEXTS_IN: u64 = 3_000;
/// Texts of a run to telephones.
const TEXTS_OUT: u64 = 10_000;
/// Submitted texts, or taken ones, that may be unanswered at once.
const WINDOW: u64 = 64;
/// Requests to the simulator's control port on their way at once.
const ASKED_TOGETHER: u64 = 64;
/// Longest wait for the hub to be bound.
const PATIENCE: Duration = Duration::from_secs(10);

/// Both rows.
pub(super) async fn run(table: &mut Table<'_>) -> Outcome<()> {
    let [address, user, password, control] = variables([
        "SMPP_ADDR",
        "SMPP_SYSTEM_ID",
        "SMPP_PASSWORD",
        "SMSC_CONTROL_URL",
    ])?;
    let centre = Centre {
        place: Place::parse(&format!("smpp://{user}:{password}@{address}"))?,
        control: Place::parse(&control.replace("://", "://control@"))?,
    };
    centre.reset().await?;
    let measured = ways(table, &centre).await;
    centre.reset().await?;
    measured
}

async fn ways(table: &mut Table<'_>, centre: &Centre) -> Outcome<()> {
    let (disk, count) = (table.disk(), table.messages(TEXTS_IN));
    let way = Way {
        what: "sms in: mobile-originated texts, window 64",
        bare: "bare SMPP",
        size: Size::Messages(count),
    };
    let with_hub = async || {
        centre.reset().await?;
        let push = async |_: &_| {
            centre.is_bound().await?;
            let begun = Instant::now();
            centre.push(count).await?;
            Ok(begun)
        };
        takes_pushed(disk, &centre.source(), count, push).await
    };
    let alone = async || {
        centre.reset().await?;
        let mut client = Smpp::bind(&centre.place).await?;
        let begun = Instant::now();
        let (pushed, taken) = tokio::join!(centre.push(count), client.take(count));
        let took = begun.elapsed();
        pushed.and(taken)?;
        client.unbind().await?;
        Ok(took)
    };
    table.compare(way, with_hub, alone).await?;

    let count = table.messages(TEXTS_OUT);
    let way = Way {
        what: "sms out: texts, window 64",
        bare: "bare SMPP",
        size: Size::Messages(count),
    };
    let with_hub = async || {
        centre.reset().await?;
        let accepted = Accepted::Messages(count, order);
        gives_out(disk, &centre.sink(), accepted).await
    };
    let alone = async || {
        centre.reset().await?;
        let begun = Instant::now();
        let mut client = Smpp::bind(&centre.place).await?;
        client.submit(count, WINDOW).await?;
        let took = begun.elapsed();
        client.unbind().await?;
        Ok(took)
    };
    table.compare(way, with_hub, alone).await
}

/// What the hub is asked to send.
fn order(number: u64, out: &mut Vec<u8>) {
    let text = text(number);
    out.extend_from_slice(format!("{{\"to\":\"{TELEPHONE}\",\"text\":\"{text}\"}}").as_bytes());
}

struct Centre {
    place: Place,
    control: Place,
}

impl Centre {
    fn account(&self) -> String {
        let Place {
            host, port, user, ..
        } = &self.place;
        format!(
            "account = {{ server = \"{host}:{port}\", system_id = \"{user}\", \
             password = \"file:password\", window = {WINDOW} }}\n"
        )
    }

    fn setup(&self, sections: String) -> Setup {
        Setup {
            sections,
            files: vec![("password", self.place.password.clone())],
        }
    }

    fn source(&self) -> Setup {
        self.setup(format!(
            "[source.in]\nenterprise = \"north\"\n[source.in.sms]\n{}window = {WINDOW}\n\n{}",
            self.account(),
            kept("in")
        ))
    }

    fn sink(&self) -> Setup {
        self.setup(format!(
            "[sink.out]\nenterprise = \"north\"\nparallel = {WINDOW}\n[sink.out.sms]\n{}\
             sender = \"Nordkraft\"\nreceipts = false\n",
            self.account()
        ))
    }

    /// Forgets what was before.
    async fn reset(&self) -> Outcome<()> {
        self.ask("DELETE", "/messages").await?;
        let usual = "/control?rate=0&receipt_ms=20&delay_ms=0&fail_binds=0&mute=0";
        self.ask("GET", usual).await.map(drop)
    }

    /// Waits until somebody is bound.
    async fn is_bound(&self) -> Outcome<()> {
        let begun = Instant::now();
        while !self.ask("GET", "/log").await?.contains("bind_transceiver") {
            if begun.elapsed() > PATIENCE {
                return Err("the hub is not bound".into());
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(())
    }

    async fn ask(&self, method: &str, path: &str) -> Outcome<String> {
        let Place { host, port, .. } = &self.control;
        let mut stream = TcpStream::connect((host.as_str(), *port)).await?;
        let request =
            format!("{method} {path} HTTP/1.1\r\nhost: smsc\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok(answer)
    }

    /// Has telephones send so many texts, asked for one by one over one connection.
    async fn push(&self, count: u64) -> Outcome<()> {
        let Place { host, port, .. } = &self.control;
        let mut stream = TcpStream::connect((host.as_str(), *port)).await?;
        stream.set_nodelay(true)?;
        let (mut asked, mut answers) = (0, Vec::with_capacity(64 * 1024));
        while asked < count {
            let together = ASKED_TOGETHER.min(count - asked);
            let mut requests = String::new();
            for number in asked..asked + together {
                let text = text(number).replace(' ', "+");
                requests.push_str(&format!(
                    "GET /mobile-originated?from=37255500002&to=12345&text={text} HTTP/1.1\r\n\
                     host: smsc\r\n\r\n"
                ));
            }
            stream.write_all(requests.as_bytes()).await?;
            answers.clear();
            while memchr::memmem::find_iter(&answers, b"\"sent\":").count() < together as usize {
                if stream.read_buf(&mut answers).await? == 0 {
                    return Err("the simulator closed the control connection".into());
                }
            }
            if memchr::memmem::find(&answers, b"\"sent\":0").is_some() {
                return Err("nobody is bound to take the texts".into());
            }
            asked += together;
        }
        Ok(())
    }
}
