//! `check --connect` of a service: its description is asked for, never an operation called.

use hub_core::AdapterContext;
use hub_web::{Answer, ClientOptions, NoAnswer, Probe, WebServer};
use reqwest::{Method, Url};

use crate::config::{SoapCheck, SoapSinkConfig};

/// Checks the service, and that there are servers where answers may go.
///
/// # Errors
/// What, where, and what to do about it.
pub(crate) async fn check(
    config: &SoapSinkConfig,
    context: &AdapterContext,
) -> Result<(), NoAnswer> {
    let probe = probe(config);
    let options = ClientOptions::default();
    let answer = config
        .server
        .check(options, probe.as_ref(), context)
        .await?;
    if config.check == SoapCheck::Wsdl && !answer.as_ref().is_some_and(is_description) {
        let status = answer.map(|answer| answer.status.to_string());
        let reason = format!(
            "`?wsdl` was answered {} and no description; set `check = \"connection\"` if there is none",
            status.unwrap_or_default()
        );
        return Err(NoAnswer {
            endpoint: context.name.clone(),
            reason,
        });
    }
    for origin in &config.reply_to_origins {
        let server = WebServer {
            url: origin.clone(),
            ..config.server.clone()
        };
        server.check(options, None, context).await?;
    }
    Ok(())
}

fn probe(config: &SoapSinkConfig) -> Option<Probe> {
    if config.check == SoapCheck::Connection {
        return None;
    }
    let mut url = Url::parse(&config.server.url).ok()?;
    let query = match url.query() {
        None => "wsdl".to_owned(),
        Some(query) => format!("{query}&wsdl"),
    };
    url.set_query(Some(&query));
    let may_be_absent = config.check == SoapCheck::WsdlIfServed;
    Some(Probe::new(Method::GET, url).may_be_absent(may_be_absent))
}

/// WSDL 1.1 has `definitions`, 2.0 `description`.
fn is_description(answer: &Answer) -> bool {
    let text = String::from_utf8_lossy(&answer.body);
    let names_it = ["definitions", "description"]
        .iter()
        .any(|root| text.contains(root));
    answer.status.is_success() && names_it && text.contains("wsdl")
}
