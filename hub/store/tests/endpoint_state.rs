//! What endpoints remember is kept by enterprise and space, and over a restart.

use std::path::Path;
use std::sync::Arc;

use hub_core::files::OsFiles;
use hub_core::{StateStore, SystemClock};
use hub_store::EndpointState;
use hub_store::messages::Store;
use hub_store::sqlite::SqliteOptions;

async fn open(folder: &Path) -> Store {
    let options = SqliteOptions::default();
    Store::open(folder, 1, options, Arc::new(OsFiles), Arc::new(SystemClock))
        .await
        .expect("the disk works")
}

fn set(key: &str, value: &str) -> (String, Option<String>) {
    (key.to_owned(), Some(value.to_owned()))
}

#[tokio::test]
async fn it_is_there_after_a_restart_and_nobody_elses() {
    let folder = tempfile::tempdir().unwrap();
    {
        let store = open(folder.path()).await;
        let north = EndpointState::of(store.db(), "north");
        let entries = vec![set("day", "17"), set("cursor/a", "1"), set("cursor/b", "2")];
        north.put("sms", entries).await.unwrap();
        north.put("sms", vec![set("day", "18")]).await.unwrap();
    }
    let store = open(folder.path()).await;
    let north = EndpointState::of(store.db(), "north");
    let south = EndpointState::of(store.db(), "south");
    assert_eq!(
        north.get("sms", "day").await.unwrap().as_deref(),
        Some("18")
    );
    assert_eq!(south.get("sms", "day").await.unwrap(), None);
    assert_eq!(north.get("other", "day").await.unwrap(), None);
    let cursors = north.list("sms", "cursor/", None).await.unwrap();
    assert_eq!(
        cursors,
        [
            ("cursor/a".into(), "1".into()),
            ("cursor/b".into(), "2".into())
        ]
    );
    let rest = north
        .list("sms", "cursor/", Some("cursor/a"))
        .await
        .unwrap();
    assert_eq!(rest.len(), 1);
    north
        .put("sms", vec![("cursor/a".into(), None)])
        .await
        .unwrap();
    assert_eq!(north.get("sms", "cursor/a").await.unwrap(), None);
}
