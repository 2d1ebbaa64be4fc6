//! A hub between a folder and a Fusion application: a CSV is imported, the import fails, and the hub
//! shows it on the delivery, though it was killed meanwhile.
//!
//! The application is a stand-in that speaks what Oracle's documentation shows.

#[path = "../../adapters/oracle/tests/standin/mod.rs"]
mod standin;

use std::time::Duration;

use hub_core::Reported;
use hub_store::messages::{ReportView, Said};
use meterhub_tests::config_folder::ConfigFolder;
use meterhub_tests::files_load::files_of;
use meterhub_tests::hub_process::HubProcess;
use meterhub_tests::observe;
use meterhub_tests::wait::{until, until_true};
use standin::StandIn;

const PATIENCE: Duration = Duration::from_secs(60);

fn configuration(fusion: &StandIn) -> String {
    let server = fusion.server("fusion-password");
    format!(
        r#"
[enterprise.north]
zone = "Europe/Tallinn"
[source.invoices]
enterprise = "north"
file = {{ path = "../invoices", complete = "rename", poll_milliseconds = 20 }}
[inbound.invoices]
from = "invoices"
format = "opaque"
to = ["fusion"]
[sink.fusion]
enterprise = "north"
retry = {{ initial_milliseconds = 50, max_seconds = 1, attempts = 1000 }}
[sink.fusion.oracle_fbdi]
{server}
document_account = "fin$/payables$/import$"
job_name = "/oracle/apps/ess/financials/payables/invoices/transactions,APXIIMPT"
csv = {{ file_name = "ApInvoicesInterface.csv" }}
[source.jobs]
enterprise = "north"
[source.jobs.oracle_fbdi_jobs]
{server}
first_poll_seconds = 1
[inbound.jobs]
from = "jobs"
format = "opaque"
to = ["told"]
[sink.told]
enterprise = "north"
file = {{ path = "../told", create_folder = true }}
"#
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_that_fails_is_shown_on_its_delivery_though_the_hub_is_killed() {
    let fusion = StandIn::start().await;
    let config = ConfigFolder::new().expect("the disk works");
    std::fs::write(config.dir().join("fusion-password"), "right").expect("the disk works");
    config
        .write(&configuration(&fusion))
        .expect("the disk works");
    let folder = config.partner("invoices").expect("the disk works");
    std::fs::write(folder.join(".1.tmp"), "1,2,3\n").expect("the disk works");
    std::fs::rename(folder.join(".1.tmp"), folder.join("1.csv")).expect("the disk works");

    let hub = HubProcess::start(&config).await;
    let told = config.root().join("told");
    let is_told = || async { files_of(&told).is_ok_and(|files| !files.is_empty()) };
    until_true("it to be told that the job runs", PATIENCE, is_told).await;
    hub.kill().await;
    let job = {
        let mut world = fusion.world();
        let job = world.fusion.uploads[0].job.clone();
        world.fusion.states.insert(job.clone(), "ERROR".to_owned());
        job
    };
    let hub = HubProcess::start(&config).await;
    let said = reported(&config).await;
    // That it runs, and its outcome, are messages of their own, which are passed on.
    let is_told = || async { files_of(&told).expect("can be read").len() >= 2 };
    until_true("the outcome to be told", PATIENCE, is_told).await;
    hub.stop().await;

    assert_eq!(said.endpoint, "fusion");
    assert_eq!(said.reference, format!("oracle-fbdi/{job}"));
    let said = said.said.expect("it was waited for");
    assert_eq!(said.outcome, Reported::Failed);
    assert_eq!(said.note, format!("job {job}: ERROR"));
    assert_eq!(fusion.world().fusion.uploads.len(), 1, "imported once");
    let told = files_of(&told).expect("can be read");
    assert_eq!(told.len(), 2, "that it runs, and how it ended, once each");
}

/// The report on the import, once there is one.
async fn reported(config: &ConfigFolder) -> ReportView {
    let store = observe::open(&config.dir().join("data")).await;
    let store = store.expect("the store can be opened");
    until("the outcome to be reported", PATIENCE, || async {
        let kept = observe::messages(&store).await.expect("can be read");
        let import = kept.iter().find(|message| message.source == "invoices")?;
        let id = import.id.parse().expect("is an id");
        let reports = store.reports_of(id, 10).await.expect("can be read");
        let is_final = |said: &Said| said.outcome != Reported::UnderWay;
        reports
            .into_iter()
            .find(|report| report.said.as_ref().is_some_and(is_final))
    })
    .await
}
