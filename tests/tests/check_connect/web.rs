//! The endpoints that call a server over HTTP: http, soap, SAP, Oracle and gateways for texts, each
//! behind TLS.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use meterhub_tests::services::service;

use crate::endpoints::{Endpoint, add};
use crate::front::front;
use crate::standin::StandIn;

/// A service of SAP's that the imitation has.
const PARTNERS: &str = "/sap/opu/odata/sap/API_BUSINESS_PARTNER_SRV/";

/// Where the servers are, each by the port of its front.
pub(crate) struct Web {
    sap: u16,
    strict: u16,
    spyne: u16,
    kannel: u16,
    oracle: u16,
    /// It lives as long as it is asked.
    pub(crate) standin: StandIn,
    ca: String,
    other_ca: String,
    /// Nobody listens there.
    closed: u16,
}

/// A way in which a server is right or wrong.
struct Way {
    name: &'static str,
    url: String,
    ca: String,
    password: &'static str,
    says: &'static [&'static str],
}

impl Web {
    /// `None`, said aloud, if a server is not there.
    pub(crate) async fn find(closed: u16) -> Option<Self> {
        let (ca, other_ca) = (service("TLS_CA")?, service("TLS_OTHER_CA")?);
        let keys = PathBuf::from(&ca);
        let keys = keys.parent().unwrap_or(Path::new("/"));
        let sap = address(&service("SAP_URL")?);
        let spyne = address(&service("SOAP_SPYNE_URL")?);
        let kannel = address(&service("SMS_HTTP_URL")?);
        let standin = StandIn::start().await;
        Some(Self {
            sap: front(sap, keys, false).await,
            strict: front(sap, keys, true).await,
            spyne: front(spyne, keys, false).await,
            kannel: front(kannel, keys, false).await,
            oracle: front(standin.address(), keys, false).await,
            standin,
            ca,
            other_ca,
            closed,
        })
    }

    /// All endpoints.
    pub(crate) fn endpoints(&self) -> Vec<Endpoint> {
        let mut all = Vec::new();
        self.http(&mut all);
        self.soap(&mut all);
        self.sap(&mut all);
        self.oracle(&mut all);
        self.gateway(&mut all);
        all
    }

    /// Right, and wrong in all ways but the path. `right` is the file with the password.
    fn ways(&self, port: u16, right: &'static str) -> Vec<Way> {
        let way = |name, url: String, ca: &str, password, says| Way {
            name,
            url,
            ca: ca.to_owned(),
            password,
            says,
        };
        let there = format!("https://localhost:{port}");
        vec![
            way("right", there.clone(), &self.ca, right, &[]),
            way(
                "password",
                there.clone(),
                &self.ca,
                "wrong",
                &["401 Unauthorized", "our credentials are refused", "`auth`"],
            ),
            way(
                "authority",
                there,
                &self.other_ca,
                right,
                &["localhost:", "certificate", "`ca_certificates`"],
            ),
            way(
                "name",
                format!("https://127.0.0.2:{port}"),
                &self.ca,
                right,
                &["127.0.0.2:", "certificate is for another name"],
            ),
            way(
                "closed",
                format!("https://localhost:{}", self.closed),
                &self.ca,
                right,
                &["localhost:", "refused", "nothing listens"],
            ),
            way(
                "host",
                "https://nowhere.invalid".to_owned(),
                &self.ca,
                right,
                &["`nowhere.invalid` is not known here"],
            ),
            way(
                "plain",
                format!("https://127.0.0.1:{}", self.standin.address().port()),
                &self.ca,
                right,
                &["127.0.0.1:", "does not speak TLS"],
            ),
        ]
    }

    fn http(&self, all: &mut Vec<Endpoint>) {
        let mut sink = |name: &str, url: &str, more: String, says| {
            add(
                all,
                "sink",
                "http",
                name,
                format!("url = \"{url}\"\n{more}"),
                says,
            );
        };
        for way in self.ways(self.sap, "right") {
            let url = format!("{}{PARTNERS}", way.url);
            sink(way.name, &url, access(&way, "hub"), way.says);
        }
        let right = &self.ways(self.sap, "right")[0];
        let known = access(right, "hub");
        let url = format!("{}{PARTNERS}", right.url);
        for (name, url, more, says) in [
            (
                "path",
                format!("{}/nowhere", right.url),
                known.clone(),
                &["404 Not Found", "nothing at this path"][..],
            ),
            (
                "template",
                format!("{}/in/{{message_id}}", right.url),
                known.clone(),
                &[],
            ),
            (
                "asked",
                format!("{}/in/{{message_id}}", right.url),
                format!("{known}check_method = \"GET\"\ncheck_path = \"/health/none\""),
                &["GET https://localhost", "/health/none` was answered 404"],
            ),
            (
                "stranger",
                url.clone(),
                format!("ca_certificates = \"{}\"", self.ca),
                &["401", "none are given"],
            ),
            (
                "certificate",
                url.replace(&self.sap.to_string(), &self.strict.to_string()),
                known.clone(),
                &["CertificateRequired", "give it in `client_certificate`"],
            ),
            (
                "shown",
                url.replace(&self.sap.to_string(), &self.strict.to_string()),
                format!("{known}client_certificate = \"file:client.pem\""),
                &[],
            ),
        ] {
            sink(name, &url, more, says);
        }
    }

    fn soap(&self, all: &mut Vec<Endpoint>) {
        let mut sink = |name: &str, way: &Way, path: &str, more: &str, says| {
            let server = server(way, path, "hub");
            add(all, "sink", "soap", name, format!("{more}\n{server}"), says);
        };
        for way in self.ways(self.sap, "right") {
            sink(way.name, &way, "/sap/bc/soap", "", way.says);
        }
        let right = &self.ways(self.spyne, "right")[0];
        let wrong = Way {
            password: "wrong",
            ..self.ways(self.sap, "right").swap_remove(0)
        };
        sink("described", right, "/soap11", "check = \"wsdl\"", &[]);
        sink(
            "page",
            right,
            "/health",
            "check = \"wsdl\"",
            &["200 OK and no description"],
        );
        sink(
            "quiet",
            &wrong,
            "/sap/bc/soap",
            "check = \"connection\"",
            &[],
        );
        if let Some(last) = all.last_mut() {
            last.asks = false;
        }
    }

    fn sap(&self, all: &mut Vec<Endpoint>) {
        for way in self.ways(self.sap, "right") {
            let idoc = format!("path = \"/sap/bc/idoc\"\n{}", server(&way, "", "hub"));
            add(all, "sink", "sap_idoc", way.name, idoc, way.says);
            let entity = format!(
                "version = \"v2\"\npath = \"{PARTNERS}A_BusinessPartner\"\n{}",
                server(&way, "", "hub")
            );
            add(all, "sink", "sap_odata", way.name, entity, way.says);
        }
        let right = &self.ways(self.sap, "right")[0];
        let server = server(right, "", "hub");
        for (kind, body) in [
            ("sap_idoc", "path = \"/sap/bc/no_idocs\"".to_owned()),
            (
                "sap_odata",
                "version = \"v2\"\npath = \"/sap/opu/odata/sap/NONE_SRV/X\"".to_owned(),
            ),
        ] {
            let body = format!("{body}\n{server}");
            add(
                all,
                "sink",
                kind,
                "path",
                body,
                &["404", "nothing at this path"],
            );
        }
    }

    fn oracle(&self, all: &mut Vec<Endpoint>) {
        let import = "document_account = \"a\"\njob_name = \"/x,J\"";
        let topic = "topic = \"METER_READINGS\"";
        for way in self.ways(self.oracle, "oracle") {
            let fusion = server(&way, "", "METERS");
            let schema = server(&way, "/ords/meters", "METERS");
            for (role, kind, body) in [
                ("sink", "oracle_fbdi", format!("{import}\n{fusion}")),
                ("source", "oracle_fbdi_jobs", fusion.clone()),
                ("sink", "oracle_txeventq", format!("{topic}\n{schema}")),
                (
                    "sink",
                    "oracle_ords",
                    format!("path = \"rows/{{message_id}}\"\n{schema}"),
                ),
            ] {
                add(all, role, kind, way.name, body, way.says);
            }
        }
        let right = &self.ways(self.oracle, "oracle")[0];
        let schema = server(right, "/ords/meters", "METERS");
        for (kind, name, body, says) in [
            (
                "oracle_txeventq",
                "topic",
                "topic = \"NONE\"",
                &["no topic `NONE`"][..],
            ),
            (
                "oracle_ords",
                "path",
                "path = \"no/such/table\"",
                &["404", "nothing at this path"],
            ),
            (
                "oracle_fbdi",
                "path",
                "resource = \"/no\"\ndocument_account = \"a\"\njob_name = \"/x,J\"",
                &["404"],
            ),
        ] {
            add(all, "sink", kind, name, format!("{body}\n{schema}"), says);
        }
    }

    /// Only connected to: who we are there is not told.
    fn gateway(&self, all: &mut Vec<Endpoint>) {
        for way in self.ways(self.kannel, "right") {
            if way.name == "password" {
                continue;
            }
            let body = format!(
                "gateway = \"kannel\"\nsender = \"Nordkraft\"\nmethod = \"GET\"\nca_certificates = \"{}\"\n\
                 url = \"{}/cgi-bin/sendsms\"\nquery = {{ to = \"{{to}}\", text = \"{{text}}\" }}",
                way.ca, way.url
            );
            add(all, "sink", "sms_http", way.name, body, way.says);
            if let Some(last) = all.last_mut() {
                last.asks = false;
            }
        }
    }
}

fn access(way: &Way, user: &str) -> String {
    format!(
        "ca_certificates = \"{}\"\nauth = {{ basic = {{ user = \"{user}\", password = \"file:{}\" }} }}\n",
        way.ca, way.password
    )
}

/// `server = { ... }` of a configuration.
fn server(way: &Way, path: &str, user: &str) -> String {
    let access = access(way, user).trim().replace('\n', ", ");
    format!("server = {{ url = \"{}{path}\", {access} }}\n", way.url)
}

/// The address in a URL.
fn address(url: &str) -> SocketAddr {
    let authority = url.split("://").nth(1).unwrap_or_default();
    let authority = authority.split('/').next().unwrap_or_default();
    let address = authority.rsplit('@').next().unwrap_or_default();
    address.parse().expect("a URL with an address and a port")
}
