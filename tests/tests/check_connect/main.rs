//! `meterhub check --connect` against real servers: every kind of endpoint that is right is `ok`, and
//! each that is wrong gets a line that says what is wrong, within seconds, also if a server hangs.

mod endpoints;
mod front;
#[path = "../../../adapters/oracle/tests/standin/mod.rs"]
mod standin;
mod web;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use endpoints::{Endpoint, Servers};
use meterhub_tests::config_folder::{ConfigFolder, free_address};
use meterhub_tests::{hub_process, services};
use serde_json::Value;
use web::Web;

/// The check gives up an endpoint after 15 s; the rest is for a busy machine to start, to make some
/// hundred clients with their trusted certificates, and to end.
const LIMIT: Duration = Duration::from_secs(30);
/// Servers that are frozen.
const FROZEN: [&str; 8] = [
    "rabbitmq",
    "mosquitto",
    "exim",
    "dovecot",
    "smsc",
    "sshd",
    "mock-sap",
    "soap",
];

/// What is said of an endpoint; `None` if all is well.
type Said = BTreeMap<(String, String), Option<String>>;

fn configure(endpoints: &[Endpoint], host_key: &str) -> ConfigFolder {
    let config = ConfigFolder::new().expect("the disk works");
    for (name, content) in [
        ("right", "hubpw"),
        ("wrong", "not-it"),
        ("oracle", "right"),
        ("client.pem", &certificate()),
        ("no_hosts", ""),
        ("changed_hosts", host_key),
    ] {
        std::fs::write(config.dir().join(name), content).expect("the disk works");
    }
    config.partner("partner").expect("the disk works");
    let mut body = "[enterprise.north]\nzone = \"Europe/Helsinki\"\n".to_owned();
    for Endpoint {
        role,
        name,
        adapter,
        ..
    } in endpoints
    {
        body.push_str(&format!(
            "[{role}.{name}]\nenterprise = \"north\"\n{adapter}"
        ));
        if *role == "source" {
            body.push_str(&format!(
                "[inbound.{name}]\nfrom = \"{name}\"\nformat = \"opaque\"\nto = []\n"
            ));
        }
    }
    config.write(&body).expect("the disk works");
    config
}

/// Our certificate and its key.
fn certificate() -> String {
    let read = |variable: &str| {
        let path = std::env::var(variable).expect("was there a moment ago");
        std::fs::read_to_string(path).expect("can be read")
    };
    read("TLS_CLIENT_CERT") + &read("TLS_CLIENT_KEY")
}

/// A line of `known_hosts` with a key that the server does not have.
fn another_key(known: &str) -> String {
    let line = known.lines().find(|line| line.contains("ssh-ed25519"));
    let line = line.expect("the server has an Ed25519 key");
    let (names, _) = line.split_once(' ').expect("names and a key");
    // Of nobody: the base point of the curve.
    format!(
        "{names} ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFhmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZm\n"
    )
}

fn check(config: &ConfigFolder) -> (Said, Duration) {
    let begun = Instant::now();
    let json = hub_process::run_json(config, &["check", "--connect"]);
    let took = begun.elapsed();
    let all = json[0]["endpoints"].as_array();
    let all = all.unwrap_or_else(|| panic!("{}", json[0]));
    let said = |one: &Value| {
        let title = one["name"].as_str().expect("a name");
        let (role, name) = title.split_once(' ').expect("role and name");
        let problem = one["problem"].as_str().map(str::to_owned);
        ((role.to_owned(), name.replace('`', "")), problem)
    };
    (all.iter().map(said).collect(), took)
}

/// A configuration, and what is to be said of it.
struct Set {
    config: ConfigFolder,
    endpoints: Vec<Endpoint>,
}

#[tokio::test(flavor = "multi_thread")]
async fn each_endpoint_gets_a_clear_line_within_seconds() {
    let closed = free_address().expect("a port is free").port();
    let (Some(servers), Some(web)) = (Servers::find(closed), Web::find(closed).await) else {
        return;
    };
    let known = std::env::var("SFTP_KNOWN_HOSTS").expect("was there a moment ago");
    let known = std::fs::read_to_string(known).expect("can be read");
    let changed = another_key(&known);
    let sets = [servers.endpoints(), web.endpoints()].map(|endpoints| Set {
        config: configure(&endpoints, &changed),
        endpoints,
    });
    // Builds the binary, which is none of the check's time.
    let _ = hub_process::binary();
    for set in &sets {
        assert_said(set);
    }
    let _resumed = FROZEN.map(services::ResumeAtEnd);
    for server in FROZEN {
        services::pause(server).await;
    }
    web.standin.freeze();
    for set in &sets {
        assert_frozen(set);
    }
}

fn assert_said(Set { config, endpoints }: &Set) {
    let (said, took) = check(config);
    let mut wrong = Vec::new();
    for endpoint in endpoints {
        let line = &said[&(endpoint.role.to_owned(), endpoint.name.clone())];
        println!(
            "{} {}: {}",
            endpoint.role,
            endpoint.name,
            line.as_deref().unwrap_or("ok")
        );
        let is_right = match line {
            None => endpoint.says.is_empty(),
            Some(line) => {
                !endpoint.says.is_empty() && endpoint.says.iter().all(|word| line.contains(word))
            }
        };
        if !is_right {
            wrong.push(format!(
                "{} {}: {line:?}, expected {:?}",
                endpoint.role, endpoint.name, endpoint.says
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(took < LIMIT, "{took:?}");
}

/// Connections are taken, and nothing answers.
fn assert_frozen(Set { config, endpoints }: &Set) {
    let (said, took) = check(config);
    let silent = endpoints
        .iter()
        .filter(|one| one.asks && one.says.is_empty());
    for Endpoint { role, name, .. } in silent {
        let line = &said[&((*role).to_owned(), name.clone())];
        println!("frozen: {role} {name}: {}", line.as_deref().unwrap_or("ok"));
        let line = line
            .as_deref()
            .unwrap_or_else(|| panic!("{role} {name} is said to be ok"));
        let tells = ["in time", "within", "timed out", "no answer"];
        assert!(
            tells.iter().any(|words| line.contains(words)),
            "{role} {name}: {line}"
        );
    }
    assert!(took < LIMIT, "{took:?}");
}
