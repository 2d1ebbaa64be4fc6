//! What becomes of imports.

use std::sync::Arc;
use std::time::Duration;

use adapter_oracle::{FbdiJobsSourceConfig, FbdiSinkConfig};
use hub_core::{AdapterContext, Arrival, ManualClock, Reported, Settlement, Source, SourceConfig};
use hub_web::router;
use meterhub_tests::conformance::{self, accepted, message, receive};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::time::timeout;

use crate::rig::Rig;

const SINK: &str = "document_account = 'a'\njob_name = '/x,JOB'\n\
                    csv = { file_name = 'Import.csv' }\n";
const JOB: &str = "2749017";

/// Long enough for a source to have asked, if it would.
const A_WHILE: Duration = Duration::from_millis(300);

/// A rig with one job that runs.
async fn started() -> Rig {
    let rig = Rig::start().await;
    let sink = rig.sink::<FbdiSinkConfig>(SINK).await;
    sink.send(&message(1, "meter:1")).await.unwrap();
    rig
}

async fn source(rig: &Rig, options: &str) -> Box<dyn Source> {
    source_in(rig, options, &rig.context).await
}

/// Tells of a running job only if the options say so.
async fn source_in(rig: &Rig, options: &str, context: &AdapterContext) -> Box<dyn Source> {
    let options = match options.contains("report_running") {
        true => options.to_owned(),
        false => format!("report_running = false\n{options}"),
    };
    let config: FbdiJobsSourceConfig = rig.config("right", &options);
    config.check(context).await.unwrap();
    config.connect(context).await.unwrap()
}

fn ends(rig: &Rig, state: &str) {
    let states = &mut rig.oracle.world().fusion.states;
    states.insert(JOB.to_owned(), state.to_owned());
}

/// The outcome, and what the message says.
async fn outcome(arrival: Arrival) -> (Reported, String, Value) {
    let (message, receipt) = arrival.into_parts();
    receipt.settle(accepted()).await;
    let [report] = <[_; 1]>::try_from(message.reports).unwrap();
    assert_eq!(report.reference, format!("oracle-fbdi/{JOB}"));
    let body = conformance::read(message.body).await.unwrap();
    let body = serde_json::from_slice(&body).unwrap();
    (report.outcome, report.note, body)
}

async fn is_remembered(rig: &Rig) -> bool {
    let key = format!("job:{JOB}");
    let kept = rig.context.state.get("oracle-fbdi", &key).await;
    kept.unwrap().is_some()
}

async fn is_quiet(source: &mut dyn Source) -> bool {
    timeout(A_WHILE, source.receive()).await.is_err()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_is_followed_to_its_outcome_and_forgotten_only_then() {
    let rig = started().await;
    let mut jobs = source(&rig, "first_poll_seconds = 1\nfetch = 'log'").await;
    assert!(is_quiet(jobs.as_mut()).await, "it runs");
    ends(&rig, "SUCCEEDED");
    drop(receive(jobs.as_mut()).await);
    assert!(is_remembered(&rig).await, "nobody has taken the outcome");
    let (_, receipt) = receive(jobs.as_mut()).await.into_parts();
    let after = Duration::from_millis(1);
    receipt.settle(Settlement::Retry { after }).await;
    assert!(is_remembered(&rig).await, "not now is not yes");

    // Another process goes on.
    drop(jobs);
    let mut jobs = source(&rig, "fetch = 'log'").await;
    let (said, note, body) = outcome(receive(jobs.as_mut()).await).await;
    assert_eq!(
        (said, note.as_str()),
        (Reported::Arrived, "job 2749017: SUCCEEDED")
    );
    assert_eq!(body["message_id"], message(1, "").message_id.to_string());
    assert_eq!(body["document"]["name"], "ESS_LOG_2749017.zip");
    assert_eq!(body["document"]["content"], "dGhlIGxvZw==");
    assert!(!is_remembered(&rig).await);
    assert!(is_quiet(jobs.as_mut()).await, "told once");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_end_is_an_arrival_or_a_failure() {
    for (state, options, expected) in [
        ("ERROR", "", Reported::Failed),
        ("CANCELLED", "", Reported::Failed),
        ("EXPIRED", "", Reported::Failed),
        ("WARNING", "", Reported::Arrived),
        ("WARNING", "warning_is_failure = true", Reported::Failed),
    ] {
        let rig = started().await;
        ends(&rig, state);
        let mut jobs = source(&rig, options).await;
        let (said, note, _) = outcome(receive(jobs.as_mut()).await).await;
        assert_eq!(said, expected, "{state} {options}");
        assert!(note.contains(state), "{note}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_one_of_whose_jobs_failed_has_failed() {
    let rig = started().await;
    ends(&rig, "SUCCEEDED");
    let details = json!({ "JOBS": [
        { "JOBNAME": "Load Interface File", "REQUESTID": "2749018", "STATUS": "SUCCEEDED" },
        { "JOBNAME": "Import Invoices", "REQUESTID": "2749019", "STATUS": "ERROR" },
    ] });
    rig.oracle
        .world()
        .fusion
        .details
        .insert(JOB.to_owned(), details);
    let mut jobs = source(&rig, "").await;
    let (said, note, body) = outcome(receive(jobs.as_mut()).await).await;
    assert_eq!(said, Reported::Failed);
    assert!(note.ends_with("but failed: Import Invoices"), "{note}");
    assert_eq!(body["jobs"].as_array().unwrap().len(), 2);
}

/// What the jobs below the job are said to be.
fn below(rig: &Rig, states: &[(&str, &str)]) {
    let job = |(name, state): &(&str, &str)| json!({ "JOBNAME": name, "STATUS": state });
    let details = json!({ "JOBS": states.iter().map(job).collect::<Vec<_>>() });
    let known = &mut rig.oracle.world().fusion.details;
    known.insert(JOB.to_owned(), details);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_one_of_whose_jobs_runs_is_under_way() {
    let rig = started().await;
    ends(&rig, "SUCCEEDED");
    below(&rig, &[("Load", "ERROR"), ("Import", "RUNNING")]);
    let mut jobs = source(&rig, "first_poll_seconds = 1").await;
    assert!(is_quiet(jobs.as_mut()).await, "the import runs");
    assert!(is_remembered(&rig).await);
    below(&rig, &[("Load", "SUCCEEDED"), ("Import", "HAS_NEW_WORDS")]);
    let (said, note, _) = outcome(receive(jobs.as_mut()).await).await;
    assert_eq!(said, Reported::Arrived);
    let expected = "job 2749017: SUCCEEDED, state not understood: Import (HAS_NEW_WORDS)";
    assert_eq!(note, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn that_a_job_runs_is_told_once_also_after_a_restart() {
    let rig = started().await;
    let options = "first_poll_seconds = 1\nreport_running = true";
    let mut jobs = source(&rig, options).await;
    let arrival = receive(jobs.as_mut()).await;
    let name = arrival.message.name.clone();
    let key = arrival.message.business_key.clone();
    let (said, note, body) = outcome(arrival).await;
    assert_eq!(name, format!("job-{JOB}-running.json"));
    assert_eq!(key, Some(format!("oracle-fbdi/{JOB}/running")));
    assert_eq!(
        (said, note.as_str()),
        (Reported::UnderWay, "job 2749017: RUNNING")
    );
    assert_eq!(body["outcome"], "under way");
    assert!(is_remembered(&rig).await, "it has no outcome");
    assert!(timeout(A_WHILE * 5, jobs.receive()).await.is_err(), "once");
    drop(jobs);
    let mut jobs = source(&rig, options).await;
    assert!(is_quiet(jobs.as_mut()).await, "once for all processes");
    ends(&rig, "SUCCEEDED");
    let arrival = receive(jobs.as_mut()).await;
    let key = arrival.message.business_key.clone();
    assert_eq!(key, Some(format!("oracle-fbdi/{JOB}")));
    assert_eq!(outcome(arrival).await.0, Reported::Arrived);
}

/// An answer of 5xx about one job is that job's trouble, until it is given up.
#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_fusion_cannot_tell_of_holds_up_no_other() {
    let rig = started().await;
    let sink = rig.sink::<FbdiSinkConfig>(SINK).await;
    sink.send(&message(2, "meter:2")).await.unwrap();
    let other = rig.oracle.world().fusion.uploads[1].job.clone();
    let clock = Arc::new(ManualClock::at(rig.context.clock.now()));
    let context = AdapterContext {
        clock: Arc::clone(&clock) as Arc<dyn hub_core::Clock>,
        ..rig.context.clone()
    };
    {
        let fusion = &mut rig.oracle.world().fusion;
        fusion.troubles.insert(JOB.to_owned(), 500);
    }
    let options = "give_up_hours = 2\nfirst_poll_seconds = 1\nmax_poll_seconds = 1";
    let mut jobs = source_in(&rig, options, &context).await;
    assert!(is_quiet(jobs.as_mut()).await, "one is in trouble, one runs");
    {
        let states = &mut rig.oracle.world().fusion.states;
        states.insert(other.clone(), "SUCCEEDED".to_owned());
    }
    let (message, receipt) = receive(jobs.as_mut()).await.into_parts();
    assert_eq!(message.name, format!("job-{other}.json"));
    receipt.settle(accepted()).await;
    clock.advance_seconds(2 * 3_600);
    let (said, note, _) = outcome(receive(jobs.as_mut()).await).await;
    assert_eq!(said, Reported::Failed);
    assert!(
        note.contains("within 2 hours, last it answered 500"),
        "{note}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_without_an_outcome_is_given_up() {
    let rig = started().await;
    let clock = Arc::new(ManualClock::at(rig.context.clock.now()));
    let context = AdapterContext {
        clock: Arc::clone(&clock) as Arc<dyn hub_core::Clock>,
        ..rig.context.clone()
    };
    let options = "give_up_hours = 2\nfirst_poll_seconds = 1";
    let mut jobs = source_in(&rig, options, &context).await;
    assert!(is_quiet(jobs.as_mut()).await);
    clock.advance_seconds(2 * 3_600);
    let (said, note, _) = outcome(receive(jobs.as_mut()).await).await;
    assert_eq!(said, Reported::Failed);
    assert!(note.contains("within 2 hours, last RUNNING"), "{note}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_makes_the_hub_ask_and_is_not_believed() {
    let rig = started().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let hub = listener.local_addr().unwrap();
    let app = router(&rig.context.shared);
    tokio::spawn(async move { axum::serve(listener, app).await });
    let options = "first_poll_seconds = 3600\nmax_poll_seconds = 3600\n\
                   callbacks = { query_tokens = ['file:token'] }";
    let mut jobs = source(&rig, options).await;
    assert!(is_quiet(jobs.as_mut()).await, "it runs");
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let call = async |token: &str, job: &str| {
        let url = format!("http://{hub}/api/v1/callbacks/oracle?token={token}");
        let body = json!({ "JOBS": [{ "REQUESTID": job, "STATUS": "SUCCEEDED" }] }).to_string();
        client
            .post(url)
            .body(body)
            .send()
            .await
            .unwrap()
            .status()
            .as_u16()
    };
    assert_eq!(call("wrong", JOB).await, 401);
    assert_eq!(call("c4llb4ck", "99").await, 200);
    assert!(is_quiet(jobs.as_mut()).await, "it is not ours");
    assert_eq!(call("c4llb4ck", JOB).await, 200);
    assert!(is_quiet(jobs.as_mut()).await, "Fusion says that it runs");
    ends(&rig, "ERROR");
    assert_eq!(call("c4llb4ck", JOB).await, 200);
    let (said, ..) = outcome(receive(jobs.as_mut()).await).await;
    assert_eq!(said, Reported::Failed);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fusion_that_does_not_answer_is_said_so() {
    let mut rig = started().await;
    let mut jobs = source(&rig, "").await;
    rig.oracle.kill().await;
    assert!(jobs.receive().await.is_err());
    rig.oracle.restart().await;
    let config: FbdiJobsSourceConfig = rig.config("wrong", "");
    let mut stranger = config.connect(&rig.context).await.unwrap();
    let Err(error) = stranger.receive().await else {
        panic!("a stranger was answered");
    };
    assert!(error.to_string().contains("401"), "{error}");
}
