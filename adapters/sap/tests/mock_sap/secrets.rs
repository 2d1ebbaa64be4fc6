//! Logon by other means than a password: tokens that end in mid-stream, certificates.

use adapter_sap::{SapIdocSinkConfig, SapODataSourceConfig};
use hub_core::{SinkConfig, SourceConfig};
use meterhub_tests::conformance::{message, receive};

use crate::rig::Sap;

fn oauth(sap: &Sap, secret: &str) -> String {
    let (url, user) = (&sap.url, &sap.user);
    format!(
        "[server]\nurl = '{url}'\ntimeout_seconds = 3\n\
         auth = {{ oauth2 = {{ token_url = '{url}/sap/bc/sec/oauth2/token', client_id = '{user}', client_secret = 'file:{secret}' }} }}\n"
    )
}

#[tokio::test]
async fn an_access_token_that_ends_in_mid_stream_is_renewed() {
    let Some(sap) = Sap::new().await else { return };
    let keys = "path = '/sap/bc/idoc'\ncsrf = true";
    let toml = format!("{keys}\n{}", oauth(&sap, "password"));
    let config: SapIdocSinkConfig = toml::from_str(&toml).unwrap();
    let sink = config.connect(&sap.context).await.unwrap();
    let mut idoc = message(1, "");
    idoc.content = hub_core::Content::bytes("<ORDERS05><IDOC/></ORDERS05>".as_bytes());
    for _ in 0..3 {
        sink.send(&idoc).await.unwrap();
        sap.end_tokens().await;
    }
    let set = "/sap/opu/odata/sap/API_PRODUCT_SRV/A_Product";
    let keys = format!("version = 'v2'\npath = '{set}'\npage_size = 1\npoll_seconds = 1");
    let field = "field = { name = 'Product', type = 'string', unique = true }";
    let toml = format!("{keys}\n{field}\n{}", oauth(&sap, "password"));
    let config: SapODataSourceConfig = toml::from_str(&toml).unwrap();
    let mut source = config.connect(&sap.context).await.unwrap();
    for _ in 0..3 {
        let (_, receipt) = receive(source.as_mut()).await.into_parts();
        receipt
            .settle(meterhub_tests::conformance::accepted())
            .await;
        sap.end_tokens().await;
    }
}

#[tokio::test]
async fn a_wrong_secret_is_told_and_not_shown() {
    let Some(sap) = Sap::new().await else { return };
    let toml = format!("path = '/sap/bc/idoc'\n{}", oauth(&sap, "wrong"));
    let config: SapIdocSinkConfig = toml::from_str(&toml).unwrap();
    let error = config.check(&sap.context).await.unwrap_err().to_string();
    assert!(
        error.contains("token endpoint") && error.contains("invalid_client"),
        "{error}"
    );
    assert!(!error.contains("wrong-password"), "{error}");
}
