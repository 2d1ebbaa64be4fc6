//! `meterhub endpoints`: how the endpoints of the running hub are.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use hub_model::Instant;
use serde::Deserialize;
use serde_json::Value;

use super::output::{self, Paint, count, hanging, line_width, paint, say, table};
use super::store::unknown;
use super::{Common, Exit};
use crate::config::Config;
use crate::operators::to_show;
use crate::service;

/// How long the hub may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// Where a reason begins, below its endpoint.
const INDENT: &str = "    ";

/// Show how the endpoints of the running hub are.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only those of this enterprise.
    #[arg(long)]
    enterprise: Option<String>,
}

/// What the hub tells.
#[derive(Debug, Deserialize)]
struct Answer {
    now: String,
    endpoints: Vec<Endpoint>,
}

/// How an endpoint is; the hub tells more, which `--json` shows.
#[derive(Debug, Deserialize)]
struct Endpoint {
    role: String,
    name: String,
    kind: String,
    health: String,
    since: String,
    reason: Option<String>,
    last_success: Option<String>,
    failures: u32,
    next_attempt: Option<String>,
    waiting: Option<u64>,
    parked: Option<u64>,
}

impl Endpoint {
    fn is_down(&self) -> bool {
        ["retrying", "circuit_open"].contains(&self.health.as_str())
    }
}

/// Shows them.
pub(crate) fn run(args: &Args, common: &Common) -> Exit {
    let config = match service::load(&common.config) {
        Ok(config) => config,
        Err(errors) => return output::invalid(common, &errors, Exit::Failed),
    };
    let asked = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime.block_on(ask(&config, args.enterprise.as_deref())),
        Err(error) => Err(error.to_string()),
    };
    let shown = asked.and_then(|json| match Answer::deserialize(&json) {
        Ok(answer) => Ok((json, answer)),
        Err(error) => Err(format!("the hub's answer is not understood: {error}")),
    });
    let (json, answer) = match shown {
        Ok(shown) => shown,
        Err(problem) => return output::fail(common, Exit::Failed, &problem),
    };
    let none = unknown(
        "enterprise",
        args.enterprise.as_ref(),
        config.enterprises.keys(),
    );
    if let Some(problem) = none.filter(|_| answer.endpoints.is_empty()) {
        return output::fail(common, Exit::Usage, &problem);
    }
    match common.json {
        true => say(&json.to_string()),
        false => show(&answer, line_width()),
    }
    match answer.endpoints.iter().any(Endpoint::is_down) {
        true => Exit::Findings,
        false => Exit::Done,
    }
}

/// Asks the hub that this configuration is of.
async fn ask(config: &Config, enterprise: Option<&str>) -> Result<Value, String> {
    let address = reachable(config.hub.listen);
    let token = to_show(config).map_err(|error| output::chain(&error))?;
    let client = reqwest::Client::builder()
        .no_proxy()
        .timeout(PATIENCE)
        .build();
    let client = client.map_err(|error| output::chain(&error))?;
    let url = format!("http://{address}/api/v1/endpoints");
    let mut url = reqwest::Url::parse(&url).map_err(|error| error.to_string())?;
    if let Some(enterprise) = enterprise {
        url.query_pairs_mut().append_pair("enterprise", enterprise);
    }
    let mut request = client.get(url);
    // Without one no hub has run on this data folder: what answers, if anything, says what it wants.
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    let answer = request.send().await.map_err(|error| match error {
        error if error.is_timeout() => {
            format!("the hub at {address} does not answer within {} s", PATIENCE.as_secs())
        }
        error if error.is_connect() => format!(
            "no hub is running at {address}, the `listen` address of this configuration; `meterhub run` starts it"
        ),
        error => output::chain(&error),
    })?;
    let status = answer.status();
    let body = answer.json::<Value>().await;
    match body {
        Ok(body) if status.is_success() => Ok(body),
        body => Err(refusal(address, status, body.ok().as_ref())),
    }
}

/// Why the hub, or what else is there, did not tell.
fn refusal(address: SocketAddr, status: reqwest::StatusCode, problem: Option<&Value>) -> String {
    let part = |key: &str| problem.and_then(|problem| problem[key].as_str());
    match (part("title"), part("detail")) {
        (Some(title), Some(detail)) if status != reqwest::StatusCode::NOT_FOUND => {
            format!("the hub at {address} does not tell: {title}; {detail}")
        }
        _ => format!(
            "what answers at {address} is no Meterhub that tells of its endpoints ({status})"
        ),
    }
}

/// Where to reach what listens everywhere: on this machine.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let mut address = listen;
    if listen.ip().is_unspecified() {
        address.set_ip(match listen {
            SocketAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    address
}

fn show(answer: &Answer, width: usize) {
    if answer.endpoints.is_empty() {
        return say("this hub has no endpoints");
    }
    let now: Option<Instant> = answer.now.parse().ok();
    let rows: Vec<_> = answer.endpoints.iter().map(|one| row(one, now)).collect();
    let head = [
        "ENDPOINT",
        "KIND",
        "STATE",
        "LAST MESSAGE",
        "WAITING",
        "PARKED",
    ];
    let table = table(&head, &rows);
    let mut lines = table.lines();
    lines.next().into_iter().for_each(say);
    for (line, endpoint) in lines.zip(&answer.endpoints) {
        say(line);
        if let Some(why) = why(endpoint, now) {
            let line = hanging(INDENT, &why, width);
            say(&painted(&endpoint.health, &line));
        }
    }
    let down = answer.endpoints.iter().filter(|one| one.is_down()).count() as u64;
    let all = count(answer.endpoints.len() as u64, "endpoint");
    say(&match down {
        0 => paint(&format!("{all}, none is down"), Paint::Green),
        down => paint(&format!("{all}, {down} down"), Paint::Red),
    });
}

fn painted(health: &str, text: &str) -> String {
    match health {
        "retrying" | "circuit_open" => paint(text, Paint::Red),
        "busy" => paint(text, Paint::Yellow),
        _ => text.to_owned(),
    }
}

fn row(endpoint: &Endpoint, now: Option<Instant>) -> Vec<String> {
    let number = |number: Option<u64>| number.map(output::thousands).unwrap_or_default();
    let state = endpoint.health.replace('_', " ");
    let state = match ago(Some(&endpoint.since), now) {
        Some(long) if endpoint.health != "waiting" => format!("{state} for {long}"),
        _ => state,
    };
    let last = ago(endpoint.last_success.as_deref(), now);
    vec![
        format!("{} {}", endpoint.role, endpoint.name),
        endpoint.kind.clone(),
        state,
        last.map_or_else(|| "none yet".to_owned(), |long| format!("{long} ago")),
        number(endpoint.waiting),
        number(endpoint.parked),
    ]
}

/// Why an endpoint does not work, and when it is tried next.
fn why(endpoint: &Endpoint, now: Option<Instant>) -> Option<String> {
    let reason = endpoint.reason.as_deref()?;
    let mut notes = Vec::new();
    if endpoint.failures > 0 {
        notes.push(count(endpoint.failures.into(), "failure"));
    }
    let next = endpoint
        .next_attempt
        .as_deref()
        .and_then(|at| at.parse().ok());
    if let (Some(next), Some(now)) = (next, now) {
        notes.push(match long(next, now) {
            Some(long) => format!("next attempt in {long}"),
            None => "next attempt now".to_owned(),
        });
    }
    Some(match notes.is_empty() {
        true => reason.to_owned(),
        false => format!("{reason} ({})", notes.join(", ")),
    })
}

/// How long ago a time was; "a moment" if less than a second.
fn ago(at: Option<&str>, now: Option<Instant>) -> Option<String> {
    let at: Instant = at?.parse().ok()?;
    Some(long(now?, at).unwrap_or_else(|| "a moment".to_owned()))
}

/// How long it is from `earlier` to `later`, in one unit; `None` for less than a second.
fn long(later: Instant, earlier: Instant) -> Option<String> {
    let seconds = later.micros_since(earlier) / 1_000_000;
    match seconds {
        ..=0 => None,
        1..=119 => Some(format!("{seconds} s")),
        120..=7_199 => Some(format!("{} min", seconds / 60)),
        7_200..=172_799 => Some(format!("{} h", seconds / 3_600)),
        _ => Some(format!("{} days", seconds / 86_400)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: &str = "2026-03-29T01:00:00Z";

    fn endpoint(health: &str) -> Endpoint {
        Endpoint {
            role: "sink".to_owned(),
            name: "north-erp".to_owned(),
            kind: "http".to_owned(),
            health: health.to_owned(),
            since: "2026-03-29T00:57:00Z".to_owned(),
            reason: None,
            last_success: None,
            failures: 0,
            next_attempt: None,
            waiting: Some(1_204),
            parked: Some(0),
        }
    }

    fn now() -> Option<Instant> {
        NOW.parse().ok()
    }

    #[test]
    fn a_row_fits_into_eighty_columns() {
        let row = row(&endpoint("circuit_open"), now());
        let expected = [
            "sink north-erp",
            "http",
            "circuit open for 3 min",
            "none yet",
            "1,204",
            "0",
        ];
        assert_eq!(row, expected);
        let head = [
            "ENDPOINT",
            "KIND",
            "STATE",
            "LAST MESSAGE",
            "WAITING",
            "PARKED",
        ];
        let width = |line: &str| line.chars().count();
        assert!(table(&head, &[row]).lines().all(|line| width(line) <= 80));
    }

    #[test]
    fn what_is_down_says_why_and_when_it_is_tried_again() {
        let down = Endpoint {
            reason: Some("erp.example:443 is not answering: connection refused".to_owned()),
            failures: 12,
            next_attempt: Some("2026-03-29T01:00:08Z".to_owned()),
            ..endpoint("circuit_open")
        };
        assert!(down.is_down());
        assert_eq!(
            why(&down, now()).unwrap(),
            "erp.example:443 is not answering: connection refused (12 failures, next attempt in 8 s)"
        );
        assert_eq!(why(&endpoint("ok"), now()), None);
        assert!(!endpoint("busy").is_down() && !endpoint("waiting").is_down());
    }

    #[test]
    fn times_are_told_in_one_unit() {
        let now = Instant::from_seconds(1_000_000);
        for (seconds, text) in [
            (0, None),
            (-5, None),
            (119, Some("119 s")),
            (120, Some("2 min")),
            (7_200, Some("2 h")),
            (172_800, Some("2 days")),
        ] {
            assert_eq!(long(now.plus_seconds(seconds), now).as_deref(), text);
        }
    }

    #[test]
    fn what_listens_everywhere_is_asked_on_this_machine() {
        for (listen, asked) in [
            ("0.0.0.0:80", "127.0.0.1:80"),
            ("[::]:80", "[::1]:80"),
            ("10.0.0.7:80", "10.0.0.7:80"),
        ] {
            assert_eq!(reachable(listen.parse().unwrap()), asked.parse().unwrap());
        }
    }

    #[test]
    fn what_is_no_hub_is_told_apart_from_one_that_refuses() {
        let address: SocketAddr = "127.0.0.1:8080".parse().unwrap();
        let problem =
            serde_json::json!({ "title": "The token is missing or wrong", "detail": "send it" });
        let refused = refusal(address, reqwest::StatusCode::UNAUTHORIZED, Some(&problem));
        assert!(refused.contains("does not tell: The token is missing or wrong; send it"));
        let stranger = refusal(address, reqwest::StatusCode::NOT_FOUND, None);
        assert!(stranger.contains("is no Meterhub"), "{stranger}");
    }
}
