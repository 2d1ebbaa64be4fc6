//! The HTTP client of one endpoint: its certificates, its proxy, where it may be led.

use std::time::Duration;

use hub_core::AdapterContext;
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, ClientBuilder, Identity, Proxy, StatusCode};

use super::access::basic;
use super::answer::reason;
use super::server::WebServer;

/// Connections kept open while idle. A lane per business object may mean many at once.
const IDLE_CONNECTIONS: usize = 64;

/// Redirects followed, if any are.
const MOST_REDIRECTS: usize = 5;

/// What an adapter wants of its client beside what is configured.
#[derive(Debug, Clone, Copy, Default)]
pub struct ClientOptions {
    /// Keep the cookies that the server sets, as a session needs.
    pub cookies: bool,
    /// Follow redirects that keep the request as it is (307, 308), on the same server.
    pub follow_redirects: bool,
}

/// Builds the client of a server.
///
/// # Errors
/// A certificate file or the proxy is not usable.
pub(super) fn client(
    server: &WebServer,
    options: ClientOptions,
    context: &AdapterContext,
) -> Result<Client, String> {
    builder(server, options, context)?.build().map_err(reason)
}

/// The same, not built yet.
pub(super) fn builder(
    server: &WebServer,
    options: ClientOptions,
    context: &AdapterContext,
) -> Result<ClientBuilder, String> {
    // No proxy from the environment: where messages go is in the configuration, all of it.
    let mut builder = Client::builder()
        .no_proxy()
        .user_agent("meterhub")
        .cookie_store(options.cookies)
        .connect_timeout(Duration::from_secs(server.connect_timeout_seconds))
        .pool_max_idle_per_host(IDLE_CONNECTIONS)
        .redirect(redirects(options.follow_redirects));
    if let Some(proxy) = &server.proxy {
        let mut proxy = Proxy::all(proxy).map_err(|e| format!("`proxy`: {}", reason(e)))?;
        if let Some(auth) = &server.proxy_auth {
            let header = basic(auth, &context.base_dir);
            // Not by the URL: what stands there is taken apart once more, and a `%` with it.
            proxy = proxy.custom_http_auth(header.map_err(|e| format!("`proxy_auth`: {e}"))?);
        }
        builder = builder.proxy(proxy);
    }
    if let Some(path) = &server.ca_certificates {
        let path = context.path(path);
        let pem = std::fs::read(&path).map_err(|e| format!("`{}`: {e}", path.display()))?;
        let certificates = Certificate::from_pem_bundle(&pem).map_err(reason)?;
        builder = builder.tls_certs_merge(certificates);
    }
    if let Some(secret) = &server.client_certificate {
        let pem = secret
            .resolve(&context.base_dir)
            .map_err(|e| e.to_string())?;
        let identity = Identity::from_pem(pem.as_bytes())
            .map_err(|e| format!("`client_certificate`: {}", reason(e)))?;
        builder = builder.identity(identity);
    }
    Ok(builder)
}

/// 301 to 303 turn a POST into a GET, whose 200 would be no yes: these are never followed.
fn redirects(follow: bool) -> Policy {
    if !follow {
        return Policy::none();
    }
    Policy::custom(|attempt| {
        let same_request = matches!(
            attempt.status(),
            StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT
        );
        let previous = attempt.previous();
        let same_server = previous
            .first()
            .is_some_and(|first| first.origin() == attempt.url().origin());
        match same_request && same_server && previous.len() <= MOST_REDIRECTS {
            true => attempt.follow(),
            false => attempt.stop(),
        }
    })
}
