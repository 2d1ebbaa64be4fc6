//! A gigabyte in bounded memory.

use std::time::Instant;

use bytes::Bytes;
use futures_util::stream;
use hub_core::Body;
use meterhub_tests::conformance::{accepted, receive};
use tokio::io::AsyncReadExt;

use crate::rig::{Hub, SOAP11, envelope, iec};

const GIGABYTE: usize = 1 << 30;

/// Peak of the process's memory in KiB.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmHWM:"))
        .unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Run alone: `cargo test -p adapter-soap --test source -- --ignored --nocapture`.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes a minute"]
async fn a_gigabyte_costs_what_a_megabyte_does() {
    let door = "door = { bearer = ['file:token'], max_body_bytes = 2000000000 }";
    let hub = Hub::new(&format!(
        "style = 'iec61968-100'\ncontent = 'payload'\n{door}"
    ))
    .await;
    let mut source = hub.source().await;
    let piece = Bytes::from("<r:value q='a'>0.125</r:value>".repeat(10_000));
    let count = GIGABYTE / piece.len() + 1;
    let whole = envelope(SOAP11, "", &iec("large", "<r:D xmlns:r='urn:r'>@</r:D>"));
    let (head, tail) = whole.split_once('@').unwrap();
    let (head, tail) = (Bytes::from(head.to_owned()), Bytes::from(tail.to_owned()));
    let pieces = std::iter::once(head)
        .chain(std::iter::repeat_n(piece.clone(), count))
        .chain(std::iter::once(tail));
    let body = reqwest::Body::wrap_stream(stream::iter(pieces.map(Ok::<_, std::io::Error>)));
    let begun = (Instant::now(), peak());
    let answer = hub.go(hub.post("").body(body));
    let (message, receipt) = receive(source.as_mut()).await.into_parts();
    let Body::Stream(mut stream) = message.body else {
        panic!("a gigabyte is a stream");
    };
    let (mut block, mut read) = (vec![0; 1 << 16], 0);
    loop {
        match stream.read(&mut block).await.unwrap() {
            0 => break,
            count => read += count,
        }
    }
    receipt.settle(accepted()).await;
    assert_eq!(answer.await.unwrap().status(), 200);
    assert!(read > count * piece.len());
    let more = peak() - begun.1;
    let seconds = begun.0.elapsed().as_secs_f64();
    eprintln!(
        "{read} bytes in {seconds:.1} s, {more} KiB more at the peak, {} in all",
        peak()
    );
    assert!(more < 64 << 10, "{more} KiB");
}
