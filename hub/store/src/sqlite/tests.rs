//! Group commit: all or nothing per job, and on disk before the answer.

use super::*;
use crate::db::{Db, first};

fn open(folder: &Path) -> Db {
    Db::new(Sqlite::open(&folder.join("hub.db"), SqliteOptions::default()).unwrap())
}

async fn put(db: &Db, name: String) -> Result<(), StoreError> {
    db.write(move |tx| {
        tx.execute(
            "INSERT INTO fact (name, value) VALUES (?1, '')",
            &[name.as_str().into()],
        )?;
        if name.ends_with("bad") {
            Err(StoreError::Damaged("on purpose".into()))
        } else {
            Ok(())
        }
    })
    .await
}

async fn count(db: &Db) -> i64 {
    db.read(|tx| first(tx, "SELECT COUNT(*) FROM fact", &[], |row| row.int(0)))
        .await
        .unwrap()
        .unwrap()
}

#[tokio::test]
async fn a_failing_job_takes_nothing_of_its_neighbours_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let db = open(folder.path());
    let jobs: Vec<_> = (0..200)
        .map(|i| {
            let db = db.clone();
            tokio::spawn(async move {
                put(
                    &db,
                    format!("{i}-{}", if i % 3 == 0 { "bad" } else { "good" }),
                )
                .await
            })
        })
        .collect();
    let mut stored = 0;
    for job in jobs {
        stored += i64::from(job.await.unwrap().is_ok());
    }
    assert_eq!(stored, 133);
    assert_eq!(count(&db).await, stored);
}

#[tokio::test]
async fn a_full_disk_refuses_and_keeps_what_was_answered() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hub.db");
    let db = Db::new(
        Sqlite::open(
            &path,
            SqliteOptions {
                max_pages: Some(60),
            },
        )
        .unwrap(),
    );
    let mut stored = 0;
    let refused = loop {
        match put(&db, format!("{stored:0200}-good")).await {
            Ok(()) => stored += 1,
            Err(error) => break error,
        }
        assert!(stored < 100_000, "60 pages never filled");
    };
    assert!(matches!(refused, StoreError::Database(_)), "{refused}");
    drop(db);
    assert_eq!(count(&open(folder.path())).await, stored);
}

#[tokio::test]
async fn a_panicking_job_does_not_stop_the_writer() {
    let folder = tempfile::tempdir().unwrap();
    let db = open(folder.path());
    let outcome: Result<(), _> = db.write(|_| panic!("on purpose")).await;
    assert!(outcome.is_err());
    put(&db, "good".into()).await.unwrap();
    assert_eq!(count(&db).await, 1);
}

/// An operator's newer program must not change the database under a hub that runs.
#[test]
fn a_database_of_another_version_is_left_alone_beside_its_hub() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hub.db");
    let none = Sqlite::open_beside(&path).err();
    assert!(matches!(none, Some(StoreError::Database(_))), "{none:?}");
    assert!(!path.exists(), "looking makes nothing");
    drop(Sqlite::open(&path, SqliteOptions::default()).unwrap());
    let version = || -> i64 {
        let connection = rusqlite::Connection::open(&path).unwrap();
        connection
            .pragma_query_value(None, "user_version", |row| row.get(0))
            .unwrap()
    };
    let set_version = |version: i64| {
        let connection = rusqlite::Connection::open(&path).unwrap();
        connection
            .pragma_update(None, "user_version", version)
            .unwrap();
    };
    let newest = version();
    Sqlite::open_beside(&path).unwrap();
    set_version(newest - 1);
    let old = Sqlite::open_beside(&path).err();
    let (found, known) = (newest - 1, newest);
    assert!(
        matches!(old, Some(StoreError::TooOld { found: f, known: k }) if (f, k) == (found, known)),
        "{old:?}"
    );
    assert_eq!(version(), newest - 1, "it is as it was");
    set_version(newest + 1);
    let new = Sqlite::open_beside(&path).err();
    assert!(matches!(new, Some(StoreError::TooNew { .. })), "{new:?}");
}
