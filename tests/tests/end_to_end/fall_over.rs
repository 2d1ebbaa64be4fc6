//! What a sink does not take goes to another.

use hub_store::messages::Step;
use meterhub_tests::hub_process::run;
use meterhub_tests::receiver::{Behaviour, Receiver};
use meterhub_tests::wait::{PATIENCE, until_true};

use crate::world::{World, files_out, http_in, http_out, order, with_north};

const TELL: &str = "[outbound.tell]\nenterprise = \"north\"\non = [\"work_order.created\"]\n\
                    format = \"json\"\nbatch = \"record\"\nto = [\"sms\"]\n";

fn body(url: &str, fall_over: &str) -> String {
    let sms = http_out("north", "sms", url, fall_over);
    let parts = [
        http_in("north", "in", "format = \"json\""),
        sms,
        files_out("north", "letters"),
        TELL.to_owned(),
    ];
    parts.concat()
}

#[tokio::test]
async fn what_is_refused_goes_to_the_other_sink_under_its_own_id() {
    let sms = Receiver::start().await;
    sms.behave(|received| match received.text().contains("\"A\"") {
        true => Behaviour::Refuse(422),
        false => Behaviour::Take,
    });
    let fall_over = "fall_over = { to = \"letters\" }";
    let mut world = World::of_north(&body(&sms.url("/"), fall_over)).await;
    for number in ["A", "B"] {
        world.post("in", Some(number), order(number, 1)).await;
    }
    world.idle().await;
    let letters = world.texts("letters");
    assert_eq!(letters.len(), 1, "{letters:?}");
    assert!(letters[0].contains("\"A\""));
    let message = world.messages().await.remove(0);
    let delivery = world.deliveries(message.id).await.remove(0);
    assert_eq!(
        (delivery.endpoint.as_str(), delivery.state.as_str()),
        ("letters", "delivered")
    );
    let trace = world.trace(message.id).await;
    let fell = trace.iter().find(|row| row.step == Step::FellOver).unwrap();
    assert!(fell.note.as_ref().unwrap().contains("422"), "{fell:?}");
    let first = sms.received().into_iter().find(|received| !received.taken);
    assert_eq!(first.unwrap().id(), delivery.id.to_string());
}

#[tokio::test]
async fn what_waits_for_a_dead_sink_goes_elsewhere_in_time() {
    let dead = Receiver::start().await;
    dead.behave(|_| Behaviour::Refuse(500));
    let fall_over = "circuit = { failures = 2, probe_seconds = 60 }\nfall_over = { to = \"letters\", after_seconds = 2 }";
    let mut world = World::of_north(&body(&dead.url("/"), fall_over)).await;
    for number in ["A", "B", "C", "D"] {
        world.post("in", Some(number), order(number, 1)).await;
    }
    until_true("all letters to be written", PATIENCE, || async {
        world.texts("letters").len() == 4
    })
    .await;
    world.idle().await;
}

/// Quiet hours, a daily limit, `Retry-After`: the endpoint is there, and has its reasons.
#[tokio::test]
async fn what_its_sink_asked_to_wait_with_goes_nowhere_else() {
    let sms = Receiver::start().await;
    sms.behave(|received| match received.number {
        0 => Behaviour::Busy(429, 3),
        _ => Behaviour::Take,
    });
    let fall_over = "fall_over = { to = \"letters\", after_seconds = 1 }";
    let mut world = World::of_north(&body(&sms.url("/"), fall_over)).await;
    for number in ["A", "B"] {
        world.post("in", Some(number), order(number, 1)).await;
    }
    world.idle().await;
    assert_eq!(sms.taken(), 2);
    assert_eq!(world.texts("letters"), Vec::<String>::new());
}

#[tokio::test]
async fn what_waits_for_a_sink_that_cannot_be_set_up_goes_elsewhere_in_time() {
    let sms = Receiver::start().await;
    let more = "fall_over = { to = \"letters\", after_seconds = 1 }\ncircuit = { failures = 1, probe_seconds = 60 }";
    let missing = format!(
        "http = {{ url = \"{}\", auth = {{ bearer = \"file:missing.token\" }} }}",
        sms.url("/")
    );
    let body = body("x", more).replace("http = { url = \"x\" }", &missing);
    let mut world = World::of_north(&body).await;
    world.post("in", Some("A"), order("A", 1)).await;
    world.idle().await;
    assert_eq!(world.texts("letters").len(), 1);
    let message = world.messages().await.remove(0);
    let trace = world.trace(message.id).await;
    let fell = trace.iter().find(|row| row.step == Step::FellOver).unwrap();
    let note = fell.note.as_ref().unwrap();
    assert!(note.contains("missing.token"), "{note}");
    assert!(sms.received().is_empty());
}

#[tokio::test]
async fn a_circle_and_another_enterprise_are_refused() {
    for (more, reason) in [
        ("fall_over = { to = \"sms\" }", "goes in a circle over sms"),
        (
            "fall_over = { to = \"theirs\" }",
            "data never goes from one enterprise to another",
        ),
        ("fall_over = { to = \"lettres\" }", "unknown sink `lettres`"),
    ] {
        let config = meterhub_tests::config_folder::ConfigFolder::new().unwrap();
        let south =
            "[enterprise.south]\nzone = \"UTC\"\n".to_owned() + &files_out("south", "theirs");
        let text = with_north(&(body("http://127.0.0.1:9/", more) + &south));
        config.write(&text).unwrap();
        let checked = run(&config, &["check"]);
        let said = String::from_utf8_lossy(&checked.stderr).into_owned()
            + &String::from_utf8_lossy(&checked.stdout);
        let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(!checked.status.success() && said.contains(reason), "{said}");
    }
}
