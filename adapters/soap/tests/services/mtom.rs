//! Binary parts beside the envelope, put in place again by spyne and validated by its schema.

use hub_core::{Content, Piece};

use crate::rig::{Services, TNS, document, taken};

fn config(services: &Services, path: &str, version: &str) -> String {
    format!(
        "version = '{version}'\nattachments = 'mtom'\naddressing = true\n\
         base64_element = '{{{TNS}}}PutDocument/content'\nserver = {{ url = '{}{path}' }}",
        services.spyne
    )
}

/// All bytes, line ends and what looks like a boundary among them.
fn hostile() -> Vec<u8> {
    let all: Vec<u8> = (0..=255).collect();
    [b"\r\n--meterhub-\r\n\r\n".as_slice(), &all, b"\n--\r\n--\r"].concat()
}

#[tokio::test]
async fn every_byte_arrives_as_it_was() {
    let Some(services) = Services::find().await else {
        return;
    };
    for (path, version) in [("/soap11", "1.1"), ("/soap12", "1.2")] {
        let sink = services.sink(&config(&services, path, version)).await;
        for content in [hostile(), b"a;b\n".to_vec()] {
            let message = document(content.clone());
            sink.send(&message).await.unwrap();
            let id = message.message_id.to_string();
            assert_eq!(taken(&services.spyne).await, [(id, content)], "{version}");
        }
    }
}

#[tokio::test]
async fn a_large_file_is_streamed_and_not_made_larger() {
    let Some(services) = Services::find().await else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("large.bin");
    let bytes: Vec<u8> = (0..6_000_000_u32)
        .map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    std::fs::write(&path, &bytes).unwrap();
    let mut message = document("");
    message.content = Content(vec![Piece::File {
        path,
        len: bytes.len() as u64,
    }]);
    let sink = services.sink(&config(&services, "/soap11", "1.1")).await;
    sink.send(&message).await.unwrap();
    let taken = taken(&services.spyne).await;
    assert!(taken[0].1 == bytes, "{} bytes came", taken[0].1.len());
}
