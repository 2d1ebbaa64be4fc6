//! User name tokens, over the wire.

use adapter_soap::SoapSourceConfig;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hub_core::SourceConfig;
use meterhub_tests::conformance::{accepted, receive};
use reqwest::StatusCode;
use sha1::{Digest, Sha1};

use crate::rig::{Hub, SOAP11, SOAP12, envelope};

const CONFIG: &str =
    "answer = 'empty'\nws_security = { users = [{ user = 'sap', password = 'file:password' }] }";
const WSSE: &str =
    "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd";
const WSU: &str =
    "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd";
const PROFILE: &str =
    "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-username-token-profile-1.0";

/// What the listener's clock says.
const NOW: &str = "2026-03-29T00:15:00Z";

fn token(user: &str, password: &str, nonce: &str, created: &str) -> String {
    let mut hash = Sha1::new();
    hash.update(nonce);
    hash.update(created);
    hash.update(password);
    let digest = BASE64_STANDARD.encode(hash.finalize());
    let nonce = BASE64_STANDARD.encode(nonce);
    format!(
        "<w:Security xmlns:w='{WSSE}' S:mustUnderstand='1'><w:UsernameToken>\
         <w:Username>{user}</w:Username><w:Password Type='{PROFILE}#PasswordDigest'>{digest}</w:Password>\
         <w:Nonce>{nonce}</w:Nonce><u:Created xmlns:u='{WSU}'>{created}</u:Created>\
         </w:UsernameToken></w:Security>"
    )
}

#[tokio::test]
async fn a_token_lets_in_once_also_after_a_restart() {
    let hub = Hub::new(CONFIG).await;
    let mut source = hub.source().await;
    let text = envelope(SOAP11, &token("sap", "s3cret", "n-1", NOW), "<Order/>");
    let post = |text: &str| {
        let request = hub
            .client
            .post(hub.url())
            .header("content-type", "text/xml");
        request.body(text.to_owned())
    };
    let answer = hub.go(post(&text));
    let (message, receipt) = receive(source.as_mut()).await.into_parts();
    assert!(
        message
            .headers
            .contains(&("sender".to_owned(), "sap".to_owned()))
    );
    receipt.settle(accepted()).await;
    assert_eq!(answer.await.unwrap().status(), StatusCode::OK);
    for restarted in [false, true] {
        if restarted {
            drop(source);
            source = hub.source().await;
        }
        let again = post(&text).send().await.unwrap();
        assert_eq!(again.status(), 500);
        let told = again.text().await.unwrap();
        assert!(told.contains("wsse:FailedAuthentication"), "{told}");
        assert!(told.contains("nonce was used before"), "{told}");
    }
}

#[tokio::test]
async fn who_is_not_let_in_is_told_in_the_profiles_words() {
    let hub = Hub::new(CONFIG).await;
    let _source = hub.source().await;
    for (header, code) in [
        (token("sap", "wrong", "1", NOW), "wsse:FailedAuthentication"),
        (
            token("nobody", "s3cret", "1", NOW),
            "wsse:FailedAuthentication",
        ),
        (
            token("sap", "s3cret", "1", "2026-03-28T00:15:00Z"),
            "wsu:MessageExpired",
        ),
        (
            token("sap", "s3cret", "1", "2026-03-30T00:15:00Z"),
            "wsu:MessageExpired",
        ),
        (token("sap", "s3cret", "1", "now"), "wsse:InvalidSecurity"),
        (String::new(), "wsse:InvalidSecurity"),
    ] {
        let text = envelope(SOAP12, &header, "<Order/>");
        let request = hub
            .client
            .post(hub.url())
            .header("content-type", "application/soap+xml");
        let answer = request.body(text).send().await.unwrap();
        assert_eq!(answer.status(), 400);
        let told = answer.text().await.unwrap();
        assert!(
            told.contains(&format!("<soap:Value>{code}<")),
            "{code}: {told}"
        );
    }
    // A header of HTTP that nobody checks opens nothing.
    let request = hub.post(envelope(SOAP11, "", "<Order/>"));
    assert_eq!(request.send().await.unwrap().status(), 401);
}

#[tokio::test]
async fn a_missing_password_is_told_at_once() {
    let hub = Hub::new(CONFIG).await;
    std::fs::remove_file(hub.base.path().join("password")).unwrap();
    let config: SoapSourceConfig = toml::from_str(CONFIG).unwrap();
    let error = config.check(&hub.context).await.unwrap_err().to_string();
    assert!(error.contains("password"), "{error}");
}
