//! The servers of `deploy/test-services`: where they are, and how to crash, freeze and restart one.

use std::path::PathBuf;
use std::process::{Command, Stdio};

/// What a variable of `deploy/test-services env` says: where a server is, or a certificate.
///
/// `None`, said aloud, if it is not set: the test then has nothing to test against and must return.
///
/// # Panics
/// It is not set although `METERHUB_REQUIRE_SERVICES` is: nothing may be skipped then.
#[must_use]
pub fn service(variable: &str) -> Option<String> {
    if let Ok(value) = std::env::var(variable) {
        return Some(value);
    }
    let hint = "start the servers: eval \"$(deploy/test-services env)\"";
    skip(&format!("{variable} is not set; {hint}"));
    None
}

/// Says aloud that a test, or a part of it, has nothing to test against.
///
/// # Panics
/// `METERHUB_REQUIRE_SERVICES` is set: nothing may be skipped then.
pub fn skip(why: &str) {
    let required = std::env::var_os("METERHUB_REQUIRE_SERVICES").is_some();
    assert!(!required, "{why}");
    eprintln!("SKIPPED: {why}");
}

/// Crashes a service: SIGKILL.
pub async fn kill(service: &str) {
    control("kill", service).await;
}

/// Starts a service that was crashed, with its data, and waits until it is healthy.
pub async fn start(service: &str) {
    control("start", service).await;
}

/// Freezes a service: connections stay open, nothing answers.
pub async fn pause(service: &str) {
    control("pause", service).await;
}

/// Ends a pause.
pub async fn resume(service: &str) {
    control("resume", service).await;
}

async fn control(verb: &'static str, service: &str) {
    let service = service.to_owned();
    let run = move || {
        let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../deploy/test-services");
        let status = Command::new(script)
            .args([verb, &service])
            .stdin(Stdio::null())
            .status()
            .expect("the script can be run");
        assert!(status.success(), "`test-services {verb} {service}` failed");
    };
    let done = tokio::task::spawn_blocking(run).await;
    done.expect("the script does what it is asked");
}

/// Resumes a paused service, whatever becomes of the test.
pub struct ResumeAtEnd(pub &'static str);

impl Drop for ResumeAtEnd {
    fn drop(&mut self) {
        let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../deploy/test-services");
        let mut resume = Command::new(script);
        resume.args(["resume", self.0]).stderr(Stdio::null());
        // A service that was not paused, or is gone, is none of our business here.
        let _ = resume.status();
    }
}
