//! Host keys and logins against OpenSSH.

mod support;

use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use hub_core::{SinkError, SourceError};
use meterhub_tests::conformance::message;
use meterhub_tests::proxy::Proxy;
use meterhub_tests::services::service;
use meterhub_tests::wait;
use tokio::time::{Instant, timeout};

use support::Site;

/// What a clear error may take.
const QUICKLY: Duration = Duration::from_secs(5);

async fn refusal(site: &Site, server: &str) -> String {
    let tried = timeout(QUICKLY, site.try_source(server, "")).await;
    match tried.expect("the error comes within seconds") {
        Ok(_) => panic!("was let in"),
        Err(SourceError::Disconnected { reason, .. }) => reason,
    }
}

#[tokio::test]
async fn an_unknown_host_key_is_refused_until_its_line_is_added() {
    let Some(site) = Site::new() else { return };
    let known_hosts = site.base.path().join("known_hosts");
    fs::remove_file(&known_hosts).unwrap();
    let server = site.server(site.address);
    let reason = refusal(&site, &server).await;
    assert!(
        reason.contains("is unknown: ssh-ed25519 SHA256:"),
        "{reason}"
    );
    assert!(reason.contains("known_hosts`"), "{reason}");
    // Doing as it says.
    let (_, line) = reason.rsplit_once("known_hosts`: ").unwrap();
    fs::write(known_hosts, line).unwrap();
    site.try_source(&server, "").await.unwrap();
}

#[tokio::test]
async fn a_changed_host_key_is_refused() {
    let Some(site) = Site::new() else { return };
    let key = fs::read_to_string(service("SFTP_OTHER_KEY").unwrap() + ".pub").unwrap();
    let name = format!("[{}]:{}", site.address.ip(), site.address.port());
    fs::write(
        site.base.path().join("known_hosts"),
        format!("{name} {key}"),
    )
    .unwrap();
    let reason = refusal(&site, &site.server(site.address)).await;
    assert!(
        reason.contains("is not the one in") && reason.contains("SHA256:"),
        "{reason}"
    );
}

#[tokio::test]
async fn a_revoked_host_key_is_refused() {
    let Some(site) = Site::new() else { return };
    let path = site.base.path().join("known_hosts");
    let known = fs::read_to_string(&path).unwrap();
    let revoked: String = known
        .lines()
        .map(|line| format!("@revoked {line}\n"))
        .collect();
    fs::write(path, format!("{known}\n{revoked}")).unwrap();
    let reason = refusal(&site, &site.server(site.address)).await;
    assert!(reason.contains("is revoked"), "{reason}");
}

/// The server has several keys, and shows the one that is known.
#[tokio::test]
async fn any_one_of_the_host_keys_will_do() {
    let Some(site) = Site::new() else { return };
    let path = site.base.path().join("known_hosts");
    let known = fs::read_to_string(&path).unwrap();
    assert!(known.lines().count() > 1, "{known}");
    for line in known.lines() {
        fs::write(&path, line).unwrap();
        let server = site.server(site.address);
        site.try_source(&server, "").await.unwrap();
    }
}

#[tokio::test]
async fn a_wrong_key_is_told_clearly() {
    let Some(site) = Site::new() else { return };
    let key = service("SFTP_OTHER_KEY").unwrap();
    let server = site.server_with(site.address, &format!("private_key = 'file:{key}'"));
    let reason = refusal(&site, &server).await;
    assert!(
        reason.contains(&format!("`{}` was not let in", site.user)),
        "{reason}"
    );
    assert!(reason.contains("the server offers publickey"), "{reason}");
    assert!(reason.contains("tried private key"), "{reason}");
    fs::write(site.base.path().join("no-key"), "not a key\n").unwrap();
    let server = site.server_with(site.address, "private_key = 'file:no-key'");
    let reason = refusal(&site, &server).await;
    assert!(
        reason.contains("tried private key") && !reason.contains("not a key"),
        "{reason}"
    );
    let server = site.server_with(site.address, "private_key = 'file:none'");
    let reason = refusal(&site, &server).await;
    assert!(
        reason.contains("secret file `none` cannot be read"),
        "{reason}"
    );
}

#[tokio::test]
async fn a_password_lets_in_and_a_wrong_one_does_not() {
    let Some(site) = Site::new() else { return };
    let Some(url) = service("SFTP_PASSWORD_URL") else {
        return;
    };
    let login = url
        .strip_prefix("sftp://")
        .unwrap()
        .split_once('@')
        .unwrap()
        .0;
    let (user, password) = login.split_once(':').unwrap();
    fs::write(site.base.path().join("password"), password).unwrap();
    fs::write(site.base.path().join("wrong"), "wrong-password").unwrap();
    let server =
        |secret| support::server(site.address, user, &format!("password = 'file:{secret}'"));
    site.try_source(&server("password"), "").await.unwrap();
    let reason = refusal(&site, &server("wrong")).await;
    assert!(reason.contains("tried password"), "{reason}");
    assert!(!reason.contains("wrong-password"), "{reason}");
}

/// However many messages wait, a server that refuses us is not asked again and again.
#[tokio::test]
async fn a_refused_login_is_not_repeated_in_a_storm() {
    let Some(site) = Site::new() else { return };
    let proxy = Proxy::start(site.address).await.unwrap();
    site.knows(proxy.address());
    let key = service("SFTP_OTHER_KEY").unwrap();
    let server = site.server_with(proxy.address(), &format!("private_key = 'file:{key}'"));
    let sink = site.try_sink(&server, "").await.unwrap();
    let begun = Instant::now();
    for number in 0..50 {
        let error = sink.send(&message(number, "meter:1")).await.unwrap_err();
        let SinkError::Unavailable {
            retry_after,
            answered,
            ..
        } = error
        else {
            panic!("{error}");
        };
        assert!(retry_after.is_some() && !answered);
    }
    assert!(begun.elapsed() < QUICKLY);
    assert!(
        proxy.connections() <= 2,
        "{} connections",
        proxy.connections()
    );
}

/// An agent of the test's own; ended when dropped.
struct Agent(Child);

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn an_agent_signs_for_us() {
    let Some(site) = Site::new() else { return };
    let socket = site.base.path().join("agent");
    let agent = Command::new("ssh-agent")
        .arg("-D")
        .arg("-a")
        .arg(&socket)
        .stdout(Stdio::null())
        .spawn();
    let _agent = Agent(agent.unwrap());
    wait::until_true("the agent's socket", wait::PATIENCE, || async {
        socket.exists()
    })
    .await;
    let server = site.server_with(site.address, "agent_socket = 'agent'");
    let reason = refusal(&site, &server).await;
    assert!(reason.contains("the agent has no key"), "{reason}");
    let added = Command::new("ssh-add")
        .arg("-q")
        .arg(site.key.trim_start_matches("file:"))
        .env("SSH_AUTH_SOCK", &socket)
        .stderr(Stdio::null())
        .status();
    assert!(added.unwrap().success());
    site.try_source(&server, "").await.unwrap();
}

/// Keys of all kinds, in both formats, with and without a passphrase, are read.
#[tokio::test]
async fn a_key_of_any_kind_is_offered() {
    let Some(site) = Site::new() else { return };
    fs::write(site.base.path().join("passphrase"), "open sesame").unwrap();
    for (kind, more) in [
        ("rsa", "-N"),
        ("ecdsa", "-N"),
        ("ed25519", "-N"),
        ("rsa", "-mPEM"),
        ("ed25519", "open sesame"),
        ("rsa", "open sesame"),
    ] {
        let path = site.base.path().join("stranger");
        let _ = fs::remove_file(&path);
        let passphrase = match more.starts_with('-') {
            true => "",
            false => more,
        };
        let mut keygen = Command::new("ssh-keygen");
        keygen
            .args(["-q", "-t", kind, "-N", passphrase, "-f"])
            .arg(&path);
        if more == "-mPEM" {
            keygen.arg(more);
        }
        assert!(keygen.status().unwrap().success());
        let login = match passphrase {
            "" => "private_key = 'file:stranger'",
            _ => "private_key = 'file:stranger'\npassphrase = 'file:passphrase'",
        };
        let reason = refusal(&site, &site.server_with(site.address, login)).await;
        // The server has seen it, and does not know it: more than a key that cannot be read.
        let seen = reason.contains("Username/PublicKey combination invalid");
        assert!(seen, "{kind} {more}: {reason}");
    }
}
