//! The endpoints that are tried: of each kind one that is right, and one for each thing that may be
//! wrong, as people get it wrong.

use meterhub_tests::services::service;

/// An endpoint and what is to be said of it.
pub(crate) struct Endpoint {
    /// `source` or `sink`.
    pub(crate) role: &'static str,
    pub(crate) name: String,
    /// Its adapter's table, on a line.
    pub(crate) adapter: String,
    /// Words of its line; empty if all is well.
    pub(crate) says: &'static [&'static str],
    /// Whether its check needs the server to say something: a frozen one is noticed then.
    pub(crate) asks: bool,
}

/// Where the servers are.
pub(crate) struct Servers {
    amqps: u16,
    mqtts: u16,
    smtp: u16,
    imaps: u16,
    smpp: String,
    smpps: String,
    sftp: u16,
    sap: u16,
    ca: String,
    other_ca: String,
    key: String,
    other_key: String,
    known_hosts: String,
    /// Nobody listens there.
    closed: u16,
}

impl Servers {
    /// `None`, said aloud, if one is not there.
    pub(crate) fn find(closed: u16) -> Option<Self> {
        Some(Self {
            amqps: port("AMQPS_URL")?,
            mqtts: port("MQTTS_URL")?,
            smtp: port("SMTP_URL")?,
            imaps: port("IMAPS_URL")?,
            smpp: service("SMPP_ADDR")?,
            smpps: service("SMPPS_ADDR")?,
            sftp: port("SFTP_URL")?,
            sap: port("SAP_URL")?,
            ca: service("TLS_CA")?,
            other_ca: service("TLS_OTHER_CA")?,
            key: service("SFTP_KEY")?,
            other_key: service("SFTP_OTHER_KEY")?,
            known_hosts: service("SFTP_KNOWN_HOSTS")?,
            closed,
        })
    }

    /// All endpoints.
    pub(crate) fn endpoints(&self) -> Vec<Endpoint> {
        let mut all = Vec::new();
        self.amqp(&mut all);
        self.amqp10(&mut all);
        self.mqtt(&mut all);
        self.mail(&mut all);
        self.sms(&mut all);
        self.sftp(&mut all);
        self.web(&mut all);
        file(&mut all);
        all
    }

    fn amqp(&self, all: &mut Vec<Endpoint>) {
        let broker = |url: String, password, ca: &str| {
            format!(
                "broker = {{ url = \"{url}\", ca_certificates = \"{ca}\", auth = {{ password = {{ user = \"hub\", password = \"file:{password}\" }} }} }}"
            )
        };
        let tls = self.amqps;
        for (name, broker, says) in [
            (
                "right",
                broker(format!("amqps://localhost:{tls}"), "right", &self.ca),
                &[][..],
            ),
            (
                "password",
                broker(format!("amqps://localhost:{tls}"), "wrong", &self.ca),
                &["ACCESS_REFUSED"],
            ),
            (
                "authority",
                broker(format!("amqps://localhost:{tls}"), "right", &self.other_ca),
                &["localhost:", "certificate", "`ca_certificates`"],
            ),
            (
                "closed",
                broker(
                    format!("amqps://localhost:{}", self.closed),
                    "right",
                    &self.ca,
                ),
                &["refused", "nothing listens"],
            ),
        ] {
            let sink =
                format!("{broker}\nexchange = \"\"\nrouting_key = \"x\"\ntopology = \"declare\"");
            add(all, "sink", "amqp", name, sink, says);
            let source = format!("{broker}\nqueue = \"not-there-yet\"\ntopology = \"declare\"");
            add(all, "source", "amqp", name, source, says);
        }
        let right = broker(format!("amqps://localhost:{tls}"), "right", &self.ca);
        let missing = format!("{right}\nqueue = \"nobody-made-it\"");
        add(
            all,
            "source",
            "amqp",
            "missing",
            missing,
            &["nobody-made-it"],
        );
    }

    /// The same broker, by the other protocol.
    fn amqp10(&self, all: &mut Vec<Endpoint>) {
        let broker = |port: u16, host: &str, password, ca: &str| {
            format!(
                "broker = {{ url = \"amqps://{host}:{port}\", ca_certificates = \"{ca}\", auth = {{ password = {{ user = \"hub\", password = \"file:{password}\" }} }} }}"
            )
        };
        let tls = self.amqps;
        for (name, broker, says) in [
            (
                "right",
                broker(tls, "localhost", "right", &self.ca),
                &[][..],
            ),
            (
                "password",
                broker(tls, "localhost", "wrong", &self.ca),
                &["does not accept our credentials", "`broker.auth`"],
            ),
            (
                "authority",
                broker(tls, "localhost", "right", &self.other_ca),
                &["certificate", "`ca_certificates`"],
            ),
            (
                "closed",
                broker(self.closed, "localhost", "right", &self.ca),
                &["refused", "nothing listens"],
            ),
            (
                "host",
                broker(tls, "nowhere.invalid", "right", &self.ca),
                &["failed to lookup address"],
            ),
        ] {
            let sink = format!("{broker}\naddress = \"check-connect-10\"");
            add(all, "sink", "amqp10", name, sink.clone(), says);
            add(all, "source", "amqp10", name, sink, says);
        }
    }

    fn mqtt(&self, all: &mut Vec<Endpoint>) {
        let broker = |url: String, password, ca: &str| {
            format!(
                "broker = {{ url = \"{url}\", ca_certificates = \"{ca}\", auth = {{ password = {{ user = \"hub\", password = \"file:{password}\" }} }} }}"
            )
        };
        let tls = self.mqtts;
        for (name, broker, says) in [
            (
                "right",
                broker(format!("mqtts://localhost:{tls}"), "right", &self.ca),
                &[][..],
            ),
            (
                "password",
                broker(format!("mqtts://localhost:{tls}"), "wrong", &self.ca),
                &["NotAuthorized"],
            ),
            (
                "authority",
                broker(format!("mqtts://localhost:{tls}"), "right", &self.other_ca),
                &["localhost:", "certificate", "`ca_certificates`"],
            ),
            (
                "closed",
                broker(
                    format!("mqtts://localhost:{}", self.closed),
                    "right",
                    &self.ca,
                ),
                &["refused", "nothing listens"],
            ),
        ] {
            add(
                all,
                "sink",
                "mqtt",
                name,
                format!("{broker}\ntopic = \"check/out\""),
                says,
            );
            let source = format!("{broker}\nclient_id = \"check-{name}\"\ntopics = [\"check/in\"]");
            add(all, "source", "mqtt", name, source, says);
        }
    }

    fn mail(&self, all: &mut Vec<Endpoint>) {
        let server = |port: u16, security, password, ca: &str| {
            format!(
                "server = {{ address = \"localhost:{port}\", security = \"{security}\", ca_certificates = \"{ca}\", login = {{ user = \"hub\", password = \"file:{password}\" }} }}"
            )
        };
        let sink = |server| {
            format!("{server}\nfrom = \"hub@north.example\"\nto = [\"erp@north.example\"]")
        };
        for (name, port, password, ca, says) in [
            ("right", self.smtp, "right", &self.ca, &[][..]),
            ("password", self.smtp, "wrong", &self.ca, &["535"]),
            (
                "authority",
                self.smtp,
                "right",
                &self.other_ca,
                &["localhost:", "certificate", "`ca_certificates`"],
            ),
            (
                "closed",
                self.closed,
                "right",
                &self.ca,
                &["refused", "nothing listens"],
            ),
        ] {
            let body = sink(server(port, "starttls", password, ca));
            add(all, "sink", "mail", name, body, says);
        }
        for (name, port, password, ca, says) in [
            ("right", self.imaps, "right", &self.ca, &[][..]),
            (
                "password",
                self.imaps,
                "wrong",
                &self.ca,
                &["login of `hub`: [AUTHENTICATIONFAILED]"],
            ),
            (
                "authority",
                self.imaps,
                "right",
                &self.other_ca,
                &["localhost:", "certificate", "`ca_certificates`"],
            ),
            (
                "closed",
                self.closed,
                "right",
                &self.ca,
                &["refused", "nothing listens"],
            ),
        ] {
            let body = server(port, "tls", password, ca);
            add(all, "source", "mailbox", name, body, says);
        }
        let nowhere = server(self.imaps, "tls", "right", &self.ca);
        let nowhere = format!("{nowhere}\nfolder = \"Nowhere\"");
        add(
            all,
            "source",
            "mailbox",
            "folder",
            nowhere,
            &["folder `Nowhere`: Mailbox"],
        );
    }

    fn sms(&self, all: &mut Vec<Endpoint>) {
        let account = |server: &str, password, tls: &str| {
            format!(
                "account = {{ server = \"{server}\", system_id = \"hub\", password = \"file:{password}\"{tls} }}"
            )
        };
        let trusting = |ca: &str| format!(", tls = {{ ca_certificates = \"{ca}\" }}");
        let closed = format!("127.0.0.1:{}", self.closed);
        for (name, account, says) in [
            (
                "right",
                account(&self.smpps, "right", &trusting(&self.ca)),
                &[][..],
            ),
            ("password", account(&self.smpp, "wrong", ""), &["assword"]),
            (
                "authority",
                account(&self.smpps, "right", &trusting(&self.other_ca)),
                &["certificate", "`ca_certificates`"],
            ),
            (
                "closed",
                account(&closed, "right", ""),
                &["refused", "nothing listens"],
            ),
        ] {
            let sink = format!("{account}\nsender = \"Nordkraft\"");
            add(all, "sink", "sms", name, sink, says);
            add(all, "source", "sms", name, account, says);
        }
    }

    fn sftp(&self, all: &mut Vec<Endpoint>) {
        let server = |port: u16, key: &str, known: &str| {
            format!(
                "server = {{ address = \"127.0.0.1:{port}\", user = \"meterhub-key\", private_key = \"file:{key}\", known_hosts = \"{known}\" }}"
            )
        };
        for (name, server, says) in [
            (
                "right",
                server(self.sftp, &self.key, &self.known_hosts),
                &[][..],
            ),
            (
                "key",
                server(self.sftp, &self.other_key, &self.known_hosts),
                &["key"],
            ),
            (
                "changed",
                server(self.sftp, &self.key, "changed_hosts"),
                &["host key", "SHA256:"],
            ),
            (
                "unknown",
                server(self.sftp, &self.key, "no_hosts"),
                &["host key", "SHA256:"],
            ),
            (
                "closed",
                server(self.closed, &self.key, &self.known_hosts),
                &["refused", "nothing listens"],
            ),
        ] {
            add(
                all,
                "sink",
                "sftp",
                name,
                format!("{server}\npath = \"/in\""),
                says,
            );
            add(
                all,
                "source",
                "sftp",
                name,
                format!("{server}\npath = \"/in\""),
                says,
            );
        }
        let nowhere = server(self.sftp, &self.key, &self.known_hosts);
        let nowhere = format!("{nowhere}\npath = \"/nowhere\"");
        add(
            all,
            "source",
            "sftp",
            "folder",
            nowhere.clone(),
            &["/nowhere"],
        );
        add(all, "sink", "sftp", "folder", nowhere, &["/nowhere"]);
    }

    /// What is fetched over HTTP, and what is posted to us.
    fn web(&self, all: &mut Vec<Endpoint>) {
        for (name, port, password, says) in [
            ("right", self.sap, "right", &[][..]),
            ("password", self.sap, "wrong", &["401"]),
            (
                "closed",
                self.closed,
                "right",
                &["refused", "nothing listens"],
            ),
        ] {
            let source = format!(
                "server = {{ url = \"http://127.0.0.1:{port}\", auth = {{ basic = {{ user = \"hub\", password = \"file:{password}\" }} }} }}\n\
                 version = \"v2\"\npath = \"/sap/opu/odata/sap/API_BUSINESS_PARTNER_SRV/A_BusinessPartner\"\n\
                 field = {{ name = \"BusinessPartner\", type = \"string\", unique = true }}"
            );
            add(all, "source", "sap_odata", name, source, says);
        }
        let door = "bearer = [\"file:right\"]".to_owned();
        add(all, "source", "http", "right", door, &[]);
        add(
            all,
            "source",
            "http",
            "secret",
            "bearer = [\"file:no-such-secret\"]".to_owned(),
            &["no-such-secret"],
        );
        for endpoint in all
            .iter_mut()
            .filter(|endpoint| endpoint.name.starts_with("http"))
        {
            endpoint.asks = false;
        }
    }
}

fn file(all: &mut Vec<Endpoint>) {
    for (name, path, says) in [
        ("right", "../partner", &[][..]),
        ("folder", "../nowhere", &["nowhere"]),
    ] {
        let path = format!("path = \"{path}\"");
        add(
            all,
            "sink",
            "file",
            name,
            format!("{path}\ncreate_folder = false"),
            says,
        );
        add(all, "source", "file", name, path, says);
    }
    for endpoint in all
        .iter_mut()
        .filter(|endpoint| endpoint.name.starts_with("file"))
    {
        endpoint.asks = false;
    }
}

pub(crate) fn add(
    all: &mut Vec<Endpoint>,
    role: &'static str,
    kind: &str,
    name: &str,
    body: String,
    says: &'static [&'static str],
) {
    let name = format!("{}-{name}", kind.replace('_', "-"));
    all.push(Endpoint {
        role,
        adapter: format!("[{role}.{name}.{kind}]\n{body}\n"),
        name,
        says,
        asks: true,
    });
}

/// The port of a URL.
fn port(variable: &str) -> Option<u16> {
    let url = service(variable)?;
    let digits = url.rsplit(':').next()?.split('/').next()?;
    Some(digits.parse().expect("a URL with a port"))
}
