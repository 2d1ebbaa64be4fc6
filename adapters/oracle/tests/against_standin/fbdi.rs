//! Imports into a Fusion application.

use std::io::{Cursor, Read};

use adapter_oracle::FbdiSinkConfig;
use hub_core::{Content, Piece, SinkConfig};
use meterhub_tests::conformance::{self, Taken, message};
use zip::ZipArchive;

use crate::rig::{Rig, kind, stand_in_receiver};
use crate::standin::World;
use crate::standin::fusion::Break;

const OPTIONS: &str = "document_account = 'fin$/payables$/import$'\n\
     job_name = '/oracle/apps/ess/x,JOB'\nparameters = ['', 'a,b', '{subject}']\n\
     csv = { file_name = 'Import.csv', manifest = 'import.properties' }\n";

struct Receiver {
    rig: Rig,
}

stand_in_receiver!(FbdiSinkConfig, OPTIONS, |world: &mut World| {
    let uploads = world.fusion.uploads.iter_mut();
    // Numbers of jobs go on: what was seen is emptied, not removed.
    let new = uploads.filter(|upload| !upload.file.is_empty());
    let taken = new.map(|upload| {
        let name = upload.fields["FileName"].as_str().unwrap();
        Taken {
            id: name.trim_end_matches(".zip").to_owned(),
            body: entry(&std::mem::take(&mut upload.file), "Import.csv"),
        }
    });
    taken.collect()
});

fn entry(zip: &[u8], name: &str) -> Vec<u8> {
    let mut archive = ZipArchive::new(Cursor::new(zip)).unwrap();
    let mut bytes = Vec::new();
    archive
        .by_name(name)
        .unwrap()
        .read_to_end(&mut bytes)
        .unwrap();
    bytes
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sink_conforms() {
    let rig = Rig::start().await;
    conformance::sink(&mut Receiver { rig }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_says_what_is_to_be_done_and_is_remembered() {
    let rig = Rig::start().await;
    let options = format!(
        "{OPTIONS}callback_url = 'http://localhost/api/v1/callbacks/jobs'\n\
         callback_token = 'file:token'\njob_options = 'ImportOption=Y'\n"
    );
    let sink = rig.sink::<FbdiSinkConfig>(&options).await;
    let message = message(1, "meter:1");
    let sent = sink.send(&message).await.unwrap();
    assert_eq!(sent.references, ["oracle-fbdi/2749017"]);
    assert!(sent.note.starts_with("job 2749017"), "{}", sent.note);
    {
        let world = rig.oracle.world();
        let upload = &world.fusion.uploads[0];
        let fields = &upload.fields;
        assert_eq!(fields["JobName"], "/oracle/apps/ess/x,JOB");
        assert_eq!(fields["DocumentAccount"], "fin$/payables$/import$");
        assert_eq!(fields["ParameterList"], "#NULL,\"a,b\",meter:1");
        assert_eq!(fields["JobOptions"], "ImportOption=Y");
        assert_eq!(
            fields["CallbackURL"],
            "http://localhost/api/v1/callbacks/jobs?token=c4llb4ck"
        );
        assert_eq!(fields["FileName"], format!("{}.zip", message.message_id));
        let manifest = String::from_utf8(entry(&upload.file, "import.properties")).unwrap();
        let expected = format!(
            "/oracle/apps/ess/x,JOB,{},#NULL,\"a,b\",meter:1",
            message.message_id
        );
        assert_eq!(manifest, expected);
    }
    let kept = rig.context.state.get("oracle-fbdi", "job:2749017").await;
    assert!(
        kept.unwrap()
            .unwrap()
            .contains(&message.message_id.to_string())
    );
}

/// The answer repeats the document, so what is read of it has no bound but the scan's.
#[tokio::test(flavor = "multi_thread")]
async fn a_large_zip_goes_as_it_is_from_its_pieces() {
    let rig = Rig::start().await;
    let sink = rig.sink::<FbdiSinkConfig>(OPTIONS).await;
    let zip = stored_zip(20_000_000);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rest");
    let (head, rest) = zip.split_at(1_000);
    std::fs::write(&path, rest).unwrap();
    let mut message = message(1, "meter:1");
    let file = Piece::File {
        path,
        len: rest.len() as u64,
    };
    message.content = Content(vec![Piece::Bytes(head.to_vec().into()), file]);
    sink.send(&message).await.unwrap();
    assert!(rig.oracle.world().fusion.uploads[0].file == zip);
}

/// A ZIP of one file that does not get smaller.
fn stored_zip(length: u32) -> Vec<u8> {
    let bytes: Vec<u8> = (0..length).map(|i| (i % 251) as u8).collect();
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let stored =
        zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    zip.start_file("A.csv", stored).unwrap();
    std::io::Write::write_all(&mut zip, &bytes).unwrap();
    zip.finish().unwrap().into_inner()
}

/// Fusion has said yes: to send the file again could import it twice.
#[tokio::test(flavor = "multi_thread")]
async fn a_yes_that_breaks_off_is_parked_unless_the_job_is_known() {
    let rig = Rig::start().await;
    let sink = rig.sink::<FbdiSinkConfig>(OPTIONS).await;
    rig.oracle.world().fusion.breaks = Some(Break::BeforeNumber);
    let message = message(1, "meter:1");
    let error = sink.send(&message).await.unwrap_err();
    assert_eq!(kind(&error), "refused");
    let said = error.to_string();
    let file = format!("look for the file {}.zip", message.message_id);
    for part in ["201 Created", "broke off", "it may be imported", &file] {
        assert!(said.contains(part), "{part} in {said}");
    }
    rig.oracle.world().fusion.breaks = Some(Break::AfterNumber);
    let sent = sink.send(&message).await.unwrap();
    assert_eq!(sent.references, ["oracle-fbdi/2749018"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_imported_is_refused_and_starts_no_job() {
    let rig = Rig::start().await;
    let without_csv = "document_account = 'a'\njob_name = '/x,JOB'\n";
    let sink = rig.sink::<FbdiSinkConfig>(without_csv).await;
    let error = sink.send(&message(1, "meter:1")).await.unwrap_err();
    assert_eq!(kind(&error), "refused");
    assert!(error.to_string().contains("no ZIP"), "{error}");
    let sink = rig.sink::<FbdiSinkConfig>(OPTIONS).await;
    let error = sink.send(&message(1, "refused")).await.unwrap_err();
    assert_eq!(kind(&error), "refused");
    assert!(error.to_string().contains("-1"), "{error}");
    assert!(rig.oracle.world().fusion.uploads.is_empty());
}
