//! Commands that look into the store of a hub, which may be running.

use std::sync::Arc;

use hub_core::SystemClock;
use hub_core::files::OsFiles;
use hub_store::messages::Store;
use hub_store::sqlite::SqliteOptions;

use crate::{code, meterhub, stderr, stdout};

#[test]
fn operators_commands_need_a_store_and_say_when_there_is_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().to_str().unwrap();
    assert_eq!(code(&meterhub(&["init", dir], "")), 0);
    let data = folder.path().join("data");
    for command in [
        &["message", "list"][..],
        &["parked", "list"],
        &["readings", "show", "M-1"],
    ] {
        let output = meterhub(&[command, &["--config", dir]].concat(), "");
        let said = format!(
            "error: no hub has run here yet: `{}` has no store\n",
            data.display()
        );
        assert_eq!((code(&output), stderr(&output)), (3, said));
        assert!(!data.exists(), "looking makes nothing");
    }

    // What a hub that has run leaves behind.
    let (files, clock) = (Arc::new(OsFiles), Arc::new(SystemClock));
    let open = Store::open(&data, 1, SqliteOptions::default(), files, clock);
    drop(
        tokio::runtime::Runtime::new()
            .unwrap()
            .block_on(open)
            .unwrap(),
    );
    for (command, expected, text) in [
        (&["message", "list"][..], 0, "no messages\n"),
        (
            &["message", "list", "--source", "north-erp"],
            0,
            "no messages\n",
        ),
        (&["parked", "list"], 0, "nothing is parked\n"),
        (
            &["message", "list", "--source", "erp"],
            2,
            "error: unknown source `erp`, expected one of `contractor-reports`, `north-erp`, `north-head-end`\n",
        ),
        (
            &["message", "list", "--enterprise", "south"],
            2,
            "error: unknown enterprise `south`, expected `north`\n",
        ),
        (
            &["parked", "list", "--sink", "x"],
            2,
            "error: unknown sink `x`, expected `contractor`\n",
        ),
    ] {
        let output = meterhub(&[command, &["--config", dir]].concat(), "");
        let said = [stdout(&output), stderr(&output)].concat();
        assert_eq!((code(&output), said.as_str()), (expected, text));
    }
}

/// The hub may be running: its database is its own to bring up to date.
#[test]
fn an_operators_newer_program_leaves_the_hubs_database_alone() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().to_str().unwrap();
    assert_eq!(code(&meterhub(&["init", dir], "")), 0);
    let data = folder.path().join("data");
    std::fs::create_dir(&data).unwrap();
    let database = Store::database(&data);
    let hub = rusqlite::Connection::open(&database).unwrap();
    hub.pragma_update(None, "user_version", 2).unwrap();
    for command in [
        &["message", "list"][..],
        &["message", "replay", "01J8Q2X5ZK7VM", "--reason", "x"],
        &["parked", "list"],
        &["readings", "show", "M-1"],
    ] {
        let output = meterhub(&[command, &["--config", dir]].concat(), "");
        assert_eq!(code(&output), 3);
        let said = stderr(&output);
        let expected = "error: the hub's database is of version 2, this program expects ";
        assert!(said.starts_with(expected), "{said}");
        assert!(said.contains("`meterhub run`"), "{said}");
    }
    let version: i64 = hub
        .pragma_query_value(None, "user_version", |row| row.get(0))
        .unwrap();
    assert_eq!(version, 2);
}
