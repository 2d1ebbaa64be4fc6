//! A REST service of a database.

use adapter_oracle::OrdsSinkConfig;
use hub_core::{Content, SinkConfig};
use meterhub_tests::conformance::{self, Taken, message};

use crate::rig::{Rig, kind, stand_in_receiver};
use crate::standin::World;

struct Receiver {
    rig: Rig,
}

stand_in_receiver!(
    OrdsSinkConfig,
    "path = 'rows/{subject}'\n",
    |world: &mut World| {
        let rows = world.rest.rows.drain(..);
        let taken = rows.map(|row| Taken {
            id: row.id,
            body: row.body,
        });
        taken.collect()
    }
);

#[tokio::test(flavor = "multi_thread")]
async fn the_sink_conforms() {
    let rig = Rig::start().await;
    conformance::sink(&mut Receiver { rig }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_is_put_where_the_template_says() {
    let rig = Rig::start().await;
    let sink = rig
        .sink::<OrdsSinkConfig>("path = 'rows/{message_id}'\nmethod = 'PUT'")
        .await;
    let message = message(7, "meter:1");
    let sent = sink.send(&message).await.unwrap();
    let path = message.message_id.to_string();
    assert_eq!(sent.note, format!("201 Created, /ords/meters/rows/{path}"));
    let rows = &rig.oracle.world().rest.rows;
    let row = (
        rows[0].method.as_str(),
        rows[0].path.as_str(),
        rows[0].media_type.as_str(),
    );
    assert_eq!(row, ("PUT", path.as_str(), "text/plain"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_databases_error_counts_and_not_the_status() {
    let rig = Rig::start().await;
    for (status, code, expected) in [
        (400, "00001", "refused"),
        (555, "01400", "refused"),
        (500, "20001", "refused"),
        (400, "00060", "again"),
        (503, "12541", "again"),
        (404, "01034", "again"),
        (400, "01017", "endpoint"),
    ] {
        let path = format!("path = 'fail/{status}/{code}'");
        let sink = rig.sink::<OrdsSinkConfig>(&path).await;
        let error = sink.send(&message(1, "meter:1")).await.unwrap_err();
        assert_eq!(kind(&error), expected, "{status} ORA-{code}: {error}");
        assert!(
            error.to_string().contains(&format!("ORA-{code}")),
            "{error}"
        );
    }
    let options = "path = 'fail/400/00001'\nduplicate_is_there = true";
    let sink = rig.sink::<OrdsSinkConfig>(options).await;
    let sent = sink.send(&message(1, "meter:1")).await.unwrap();
    assert_eq!(sent.note, "it was there already");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_with_rejected_rows_is_refused_though_it_is_answered_with_200() {
    let rig = Rig::start().await;
    let sink = rig
        .sink::<OrdsSinkConfig>("path = 'readings/batchload'")
        .await;
    let mut message = message(1, "meter:1");
    message.content = Content::bytes("good\ngood\n");
    sink.send(&message).await.unwrap();
    message.content = Content::bytes("good\nbad\n");
    let error = sink.send(&message).await.unwrap_err();
    assert_eq!(kind(&error), "refused");
}
