//! Prometheus asks: its text, and what it costs to ask often.

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use meterhub_tests::random::{Random, seed_of_run};
use meterhub_tests::workload::Maker;

use crate::rig::Rig;

/// A look into the store is kept at least so long.
const KEPT: Duration = Duration::from_secs(2);

/// Prometheus' own judgement.
#[tokio::test(flavor = "multi_thread")]
async fn promtool_has_nothing_to_complain_about() {
    let mut rig = Rig::start(None).await;
    let mut maker = Maker::new("hes", Random::new(seed_of_run()));
    assert_eq!(rig.post("first", &maker.json_readings(2, 1)).await, 202);
    rig.idle().await;
    let text = rig.get("/metrics").await;
    rig.hub.stop().await;
    let promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut promtool) = promtool else {
        eprintln!("SKIPPED: there is no `promtool` here; it comes with Debian's `prometheus`");
        return;
    };
    let mut input = promtool.stdin.take().expect("is piped");
    let written = tokio::task::spawn_blocking(move || input.write_all(text.as_bytes()));
    written
        .await
        .expect("does not panic")
        .expect("promtool reads");
    let output = promtool.wait_with_output().expect("promtool ends");
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(output.status.success() && said.trim().is_empty(), "{said}");
}

/// Looking often costs little: a look into the store is kept for a while.
#[tokio::test(flavor = "multi_thread")]
async fn who_asks_often_is_told_what_was_counted_a_moment_ago() {
    let rig = Rig::start(None).await;
    let counts = || async {
        let seen = rig.scrape().await;
        seen.value("meterhub_store_backlog_counts_total")
    };
    let (begun, before) = (Instant::now(), counts().await);
    assert_eq!(before, 1.0, "the first look is one");
    for _ in 0..50 {
        rig.scrape().await;
    }
    let looks = counts().await - before;
    // As many as fit into the time that it took.
    let most = begun.elapsed().as_secs_f64() / KEPT.as_secs_f64();
    assert!(looks <= most, "{looks} looks in {:?}", begun.elapsed());
    rig.hub.stop().await;
}
