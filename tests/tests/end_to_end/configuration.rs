//! Configurations that change under a running hub, and hubs that stand in each other's way.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use meterhub_tests::http_load::{Connection, Message, send};
use meterhub_tests::hub_process::HubProcess;
use meterhub_tests::wait::{PATIENCE, until_true};

use crate::world::{World, files_out, http_in, order, with_north};

/// Posts orders, one after the other, until told to stop. Returns how many.
async fn keep_posting(address: std::net::SocketAddr, stop: Arc<AtomicBool>) -> usize {
    let mut connection = Connection::new(address);
    let mut count = 0;
    while !stop.load(Ordering::Relaxed) {
        let (key, body) = (format!("k{count}"), order(&format!("N{count}"), 1));
        let message = Message {
            path: "/api/v1/messages/in",
            key: Some(&key),
            content_type: "application/json",
            token: None,
            body: body.as_bytes(),
        };
        send(&mut connection, message, PATIENCE).await;
        count += 1;
    }
    count
}

fn tell(folder: &str) -> String {
    format!(
        "[outbound.{folder}]\nenterprise = \"north\"\non = [\"work_order.created\"]\nformat = \"json\"\n\
         batch = \"record\"\nto = [\"{folder}\"]\n{}",
        files_out("north", folder)
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_configuration_is_taken_over_without_dropping_a_message() {
    let before = with_north(&[http_in("north", "in", "format = \"json\""), tell("old")].concat());
    let world = World::start(&[], &before).await;
    let stop = Arc::new(AtomicBool::new(false));
    let posting = tokio::spawn(keep_posting(world.hub.address(), stop.clone()));

    world.config.write(&[before, tell("new")].concat()).unwrap();
    until_true("the new route to tell", PATIENCE, || async {
        !world.files("new").is_empty()
    })
    .await;
    stop.store(true, Ordering::Relaxed);
    let posted = posting.await.unwrap();
    world.idle().await;
    assert_eq!(world.messages().await.len(), posted);
    assert_eq!(world.estate("north").await.len(), posted);
    assert_eq!(
        world.files("old").len(),
        posted,
        "the old route never stopped telling"
    );
    world.hub.stop().await;
}

#[tokio::test]
async fn a_bad_configuration_is_refused_and_the_hub_goes_on_with_the_old_one() {
    let good = with_north(&[http_in("north", "in", "format = \"json\""), tell("out")].concat());
    let mut world = World::start(&[], &good).await;
    world
        .config
        .write(&good.replace("format = \"json\"", "format = \"jsno\""))
        .unwrap();
    until_true("the refusal", PATIENCE, || async {
        world.hub.log().contains("did you mean `json`?")
    })
    .await;
    assert_eq!(world.post("in", Some("k"), order("1", 1)).await.status, 202);
    world.idle().await;
    assert_eq!(world.files("out").len(), 1, "everything works as before");
    world.hub.stop().await;
}

#[tokio::test]
async fn a_second_hub_on_one_data_folder_is_refused() {
    let world = World::of_north(&http_in("north", "in", "format = \"json\"")).await;
    let second = HubProcess::spawn(&world.config).unwrap();
    assert!(!second.ended().await);
    assert!(
        world.hub.log().contains("another hub is running"),
        "{}",
        world.hub.log()
    );
    world.hub.stop().await;
}

#[tokio::test]
async fn a_hub_with_a_bad_configuration_does_not_start_and_says_why() {
    let config = meterhub_tests::config_folder::ConfigFolder::new().unwrap();
    config
        .write(&with_north(&http_in("nroth", "in", "format = \"json\"")))
        .unwrap();
    let hub = HubProcess::spawn(&config).unwrap();
    assert!(!hub.ended().await);
    let log = std::fs::read_to_string(config.root().join("hub.log")).unwrap();
    assert!(
        log.contains("hub.toml") && log.contains("did you mean `north`?"),
        "{log}"
    );
}

#[tokio::test]
async fn what_was_accepted_before_a_stop_is_done_after_the_next_start() {
    let body = with_north(&[http_in("north", "in", "format = \"json\""), tell("out")].concat());
    let mut world = World::start(&[], &body).await;
    for number in 0..50 {
        let text = order(&number.to_string(), 1);
        assert_eq!(
            world
                .post("in", Some(&format!("k{number}")), text)
                .await
                .status,
            202
        );
    }
    world.hub.stop().await;
    let world = World::on(world.config).await;
    world.idle().await;
    assert_eq!(world.estate("north").await.len(), 50);
    assert_eq!(world.files("out").len(), 50);
}
