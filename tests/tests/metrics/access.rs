//! Who is told: only who shows the operators' token, wherever they ask from.

use std::os::unix::fs::PermissionsExt;

use meterhub_tests::hub_process;

use crate::rig::Rig;

const PATHS: [&str; 2] = ["/metrics", "/api/v1/endpoints"];

/// What who shows these tokens is answered.
async fn answers(rig: &Rig, shown: &[(Option<&str>, u16)]) {
    for path in PATHS {
        for (token, status) in shown {
            let mut request = rig.client.get(rig.url(path));
            if let Some(token) = token {
                request = request.bearer_auth(token);
            }
            let answer = request.send().await.expect("the hub answers");
            assert_eq!(answer.status(), *status, "{path} with {token:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_show_the_configured_token_is_told_nothing() {
    let rig = Rig::start(Some("file:metrics-token")).await;
    answers(&rig, &[(None, 401), (Some("wrong"), 401), (Some(""), 401)]).await;
    let own = rig.config.dir().join("data/operator.token");
    assert!(!own.exists(), "the hub makes none where one is configured");
    rig.hub.stop().await;
}

/// A proxy of this machine that adds no header, as nginx by default, looks like this.
#[tokio::test(flavor = "multi_thread")]
async fn without_a_configured_token_the_hub_asks_for_its_own_also_on_this_machine() {
    let rig = Rig::start(None).await;
    let token = rig.token();
    answers(
        &rig,
        &[(None, 401), (Some("wrong"), 401), (Some(&token), 200)],
    )
    .await;
    let file = rig.config.dir().join("data/operator.token");
    let mode = std::fs::metadata(&file)
        .expect("is there")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    // The command finds it.
    let json = hub_process::run_json(&rig.config, &["endpoints"]);
    assert_eq!(json[0]["endpoints"].as_array().map(Vec::len), Some(4));

    // It is kept.
    let rig = rig.again().await;
    assert_eq!(rig.token(), token);
    answers(&rig, &[(Some(&token), 200)]).await;

    // Without it the command says what is asked for, not that no hub is there.
    std::fs::remove_file(&file).expect("can be removed");
    let output = hub_process::run(&rig.config, &["endpoints"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.contains("operator.token"), "{said}");
    rig.hub.stop().await;
}
