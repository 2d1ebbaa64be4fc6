//! Each format from a partner's file into the estate, and out of it again to the next hub.

use hub_store::messages::MessageState;
use meterhub_tests::oracle::Fact;
use meterhub_tests::random::Random;
use meterhub_tests::wait::{PATIENCE, until_true};
use meterhub_tests::workload::{CSV_MAPPING, Content, Maker, facts_of_json};

use crate::world::{World, files_in, files_out};

const TWO: &str = "[enterprise.north]\nzone = \"Europe/Helsinki\"\n[enterprise.south]\nzone = \"Europe/Helsinki\"\n";

/// North receives and tells the next hub in the same format; south is the next hub.
async fn there_and_back(format: &str, mapping: Option<&str>, content: Content) {
    let named = mapping.map_or_else(String::new, |_| "\nmapping = \"m\"".to_owned());
    let route = format!("format = \"{format}\"{named}\nunknown_devices = \"create\"");
    let body = format!(
        "{TWO}{}{}{}[outbound.tell]\nenterprise = \"north\"\non = [\"meter_readings.accepted\"]\n\
         format = \"{format}\"{named}\nto = [\"relay\"]\n",
        files_in("north", "in", &route),
        files_in("south", "relay", &route)
            .replace("[source.relay]", "[source.relay-in]")
            .replace("from = \"relay\"", "from = \"relay-in\""),
        files_out("north", "relay"),
    );
    let mappings: Vec<(&str, &str)> = mapping.map(|text| ("m", text)).into_iter().collect();
    let world = World::start(&mappings, &body).await;
    let mut expected = content.facts.clone();
    expected.sort();

    world.drop_file("in", "first.dat", &content.bytes).await;
    world.idle().await;
    let message = world.message("first.dat").await;
    let counts = (message.records, message.applied, message.rejected);
    let good = expected.len() as u64;
    assert_eq!(
        counts,
        (good + content.rejected, good, content.rejected),
        "{format}"
    );
    assert_eq!(world.estate("north").await, expected, "{format}");

    until_true(
        &format!("{format} to reach the next hub"),
        PATIENCE,
        || async { world.estate("south").await.len() == expected.len() },
    )
    .await;
    assert_eq!(world.estate("south").await, expected, "{format}");
    world.hub.stop().await;
}

#[tokio::test]
async fn cim_there_and_back() {
    there_and_back("cim", None, Maker::new("p", Random::new(1)).cim(7, 96)).await;
}

#[tokio::test]
async fn cim_in_many_chunks_there_and_back() {
    let content = Maker::new("p", Random::new(2)).cim(150, 96);
    assert!(content.bytes.len() > 2 << 20, "more than two parts");
    there_and_back("cim", None, content).await;
}

#[tokio::test]
async fn csv_there_and_back() {
    there_and_back(
        "csv",
        Some(CSV_MAPPING),
        Maker::new("p", Random::new(3)).csv(300, 2),
    )
    .await;
}

#[tokio::test]
async fn json_there_and_back() {
    there_and_back(
        "json",
        None,
        Maker::new("p", Random::new(4)).json_readings(300, 5),
    )
    .await;
}

fn fixture(path: &str) -> Vec<u8> {
    let path = format!("{}/../fixtures/{path}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

#[tokio::test]
async fn green_button_becomes_readings_of_a_usage_point() {
    let route = "format = \"espi\"\nunknown_devices = \"create\"";
    let body = format!(
        "{TWO}{}{}[outbound.tell]\nenterprise = \"north\"\non = [\"meter_readings.accepted\"]\nformat = \"json\"\n\
         to = [\"out\"]\n",
        files_in("north", "in", route),
        files_out("north", "out")
    );
    let world = World::start(&[], &body).await;
    world
        .drop_file("in", "household.xml", fixture("espi/household/input.xml"))
        .await;
    world.idle().await;
    let expected = fixture("espi/household/expected.jsonl");
    let lines: Vec<&[u8]> = expected.split(|byte| *byte == b'\n').collect();
    let is_reading = |line: &&&[u8]| line.starts_with(b"{\"record\":\"reading\"");
    let readings: Vec<&[u8]> = lines.iter().filter(is_reading).copied().collect();
    let mut expected = facts_of_json(&readings.join(&b'\n')).unwrap();
    expected.sort();
    assert!(!expected.is_empty());
    assert_eq!(world.estate("north").await, expected);
    let told: Vec<Fact> = world
        .texts("out")
        .iter()
        .flat_map(|text| facts_of_json(text.as_bytes()).unwrap())
        .collect();
    assert_eq!(told.len(), expected.len());
}

#[tokio::test]
async fn work_orders_come_in_a_workbook_and_go_out_as_csv_and_json() {
    let out = "record = \"work_order\"\n[work_order]\nnumber = \"Order\"\nstatus = \"Status\"\n";
    let mapping = String::from_utf8(fixture("xlsx/utility-work-orders/mapping.toml")).unwrap();
    let tell = |name: &str, format: &str| {
        format!(
            "[outbound.{name}]\nenterprise = \"north\"\non = [\"work_order.created\"]\n{format}\nto = [\"{name}\"]\n{}",
            files_out("north", name)
        )
    };
    let body = format!(
        "{TWO}{}{}{}",
        files_in("north", "in", "format = \"xlsx\"\nmapping = \"orders\""),
        tell("as-csv", "format = \"csv\"\nmapping = \"out\""),
        tell("as-json", "format = \"json\"\nbatch = \"record\"")
    );
    let world = World::start(&[("orders", &mapping), ("out", out)], &body).await;
    world
        .drop_file(
            "in",
            "orders.xlsx",
            fixture("xlsx/utility-work-orders/input.xlsx"),
        )
        .await;
    world.idle().await;
    let message = world.message("orders.xlsx").await;
    assert!(
        message.applied > 0 && message.state != MessageState::Invalid,
        "{message:#?}"
    );
    let orders = world.estate("north").await;
    assert_eq!(
        world.files("as-json").len(),
        orders.len(),
        "one document an order"
    );
    let csv = world.texts("as-csv").concat();
    assert_eq!(
        csv.lines().count(),
        1 + orders.len(),
        "one row an order below the header: {csv}"
    );
    for order in &orders {
        let Fact::Order { number, .. } = order else {
            panic!("only orders: {order:?}")
        };
        assert!(csv.contains(number.as_str()), "{number} in {csv}");
    }
}

#[tokio::test]
async fn what_is_opaque_is_passed_on_byte_for_byte() {
    let body = format!(
        "{TWO}{}{}{}",
        files_in(
            "north",
            "in",
            "format = \"opaque\"\nto = [\"out\", \"copy\"]"
        ),
        files_out("north", "out"),
        files_out("north", "copy")
    );
    let world = World::start(&[], &body).await;
    let small = b"\x00\xff not text".to_vec();
    let large: Vec<u8> = (0..1_000_000u32)
        .map(|number| (number * 7 % 251) as u8)
        .collect();
    world.drop_file("in", "small.bin", &small).await;
    world.drop_file("in", "large.bin", &large).await;
    world.idle().await;
    for folder in ["out", "copy"] {
        let mut bodies: Vec<Vec<u8>> = world
            .files(folder)
            .iter()
            .map(|path| std::fs::read(path).unwrap())
            .collect();
        bodies.sort_by_key(Vec::len);
        assert!(bodies == [small.clone(), large.clone()], "{folder}");
    }
    assert_eq!(
        world.message("large.bin").await.state,
        MessageState::Processed
    );
}
