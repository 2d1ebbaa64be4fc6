//! The client zeep imports our description and calls us by it.

use std::process::Stdio;
use std::sync::Arc;

use hub_core::SystemClock;
use hub_core::files::OsFiles;
use meterhub_tests::conformance::{self, accepted, read, receive};
use meterhub_tests::services::service;
use serde_json::Value;
use tokio::process::Command;

use crate::rig::Hub;

const CONFIG: &str = "style = 'iec61968-100'\ncontent = 'payload'\nservice_name = 'Readings'\n\
    target_namespace = 'http://iec.ch/TC57/2011/MeterReadings'\n\
    operations = [{ name = 'CreatedMeterReadings', \
    element = '{http://iec.ch/TC57/2011/MeterReadingsMessage}CreatedMeterReadings', \
    answer_element = '{http://iec.ch/TC57/2011/MeterReadingsMessage}MeterReadingsResponseMessage' }]\n\
    ws_security = { users = [{ user = 'hes', password = 'file:password' }] }";

const PAYLOAD: &str = "<MeterReadings xmlns='http://iec.ch/TC57/2011/MeterReadings#'/>";

async fn hub() -> Hub {
    let base = tempfile::tempdir().unwrap();
    std::fs::write(base.path().join("password"), "s3cret").unwrap();
    let mut context = conformance::context("hes", base.path(), Arc::new(OsFiles));
    // zeep's tokens are of now.
    context.clock = Arc::new(SystemClock);
    Hub::with(base, context, CONFIG).await
}

/// A service of documents, described by a schema of its own; one-way, or with an empty answer.
#[tokio::test]
async fn zeep_posts_documents() {
    let Some(python) = service("SOAP_PYTHON") else {
        return;
    };
    let xsd = "<xs:schema xmlns:xs='http://www.w3.org/2001/XMLSchema' targetNamespace='urn:x' \
        elementFormDefault='qualified'><xs:element name='Put'><xs:complexType><xs:sequence>\
        <xs:element name='Id' type='xs:int'/></xs:sequence></xs:complexType></xs:element></xs:schema>";
    for answer in ["none", "empty"] {
        let base = tempfile::tempdir().unwrap();
        std::fs::write(base.path().join("put.xsd"), xsd).unwrap();
        let context = conformance::context("hes", base.path(), Arc::new(OsFiles));
        let config = format!(
            "answer = '{answer}'\nschemas = ['put.xsd']\ndoor = {{ insecure_allow_anonymous = true }}\n\
             operations = [{{ name = 'Put', element = '{{urn:x}}Put' }}]"
        );
        let hub = Hub::with(base, context, &config).await;
        let mut source = hub.source().await;
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/source/zeep_document.py");
        let mut client = Command::new(&python);
        client
            .args([script, &hub.url()])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let client = tokio::spawn(async move { client.output().await.unwrap() });
        for _ in 0..2 {
            let (message, receipt) = receive(source.as_mut()).await.into_parts();
            let body = String::from_utf8(read(message.body).await.unwrap()).unwrap();
            assert!(body.contains(":Id>7</"), "{body}");
            receipt.settle(accepted()).await;
        }
        let told = told(&client.await.unwrap());
        assert_eq!(told, [Value::Null, Value::Null], "{answer}");
    }
}

fn call(python: &str, hub: &Hub, password: &str) -> Command {
    let mut command = Command::new(python);
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/source/zeep_client.py");
    command.args([script, &hub.url(), "hes", password, PAYLOAD]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command.kill_on_drop(true);
    command
}

fn told(output: &std::process::Output) -> Vec<Value> {
    let (text, errors) = (&output.stdout, String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{errors}");
    let text = String::from_utf8_lossy(text);
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[tokio::test]
async fn zeep_calls_both_versions_by_our_description() {
    let Some(python) = service("SOAP_PYTHON") else {
        return;
    };
    let hub = hub().await;
    let mut source = hub.source().await;
    let mut client = call(&python, &hub, "s3cret");
    let client = tokio::spawn(async move { client.output().await.unwrap() });
    for port in ["ReadingsSoap11", "ReadingsSoap12"] {
        let (message, receipt) = receive(source.as_mut()).await.into_parts();
        assert_eq!(message.business_key, Some(format!("zeep-{port}")));
        assert!(
            message
                .headers
                .contains(&("sender".to_owned(), "hes".to_owned()))
        );
        let body = String::from_utf8(read(message.body).await.unwrap()).unwrap();
        assert!(body.contains("MeterReadings"), "{body}");
        receipt.settle(accepted()).await;
    }
    let told = told(&client.await.unwrap());
    assert_eq!(told.len(), 2);
    for line in told {
        assert_eq!(line["result"], "OK", "{line}");
        let port = line["port"].as_str().unwrap();
        assert_eq!(line["correlation"], format!("zeep-{port}"));
    }
}

#[tokio::test]
async fn zeep_understands_our_faults() {
    let Some(python) = service("SOAP_PYTHON") else {
        return;
    };
    let hub = hub().await;
    let _source = hub.source().await;
    let output = call(&python, &hub, "wrong").output().await.unwrap();
    let told = told(&output);
    assert_eq!(told[0]["fault"], "wsse:FailedAuthentication", "{told:?}");
    assert_eq!(told[1]["subcodes"][0], "FailedAuthentication", "{told:?}");
    assert!(
        told[1]["message"].as_str().unwrap().contains("wrong"),
        "{told:?}"
    );
}
