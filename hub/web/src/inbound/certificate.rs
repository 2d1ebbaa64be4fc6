//! Certificates of clients: what the listener hands over, and which of them a source takes.

use std::fmt;
use std::str::FromStr;

use axum::http::StatusCode;
use schemars::JsonSchema;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use x509_cert::Certificate;
use x509_cert::der::Decode;
use x509_cert::name::RdnSequence;

use crate::problem::Problem;

/// Bytes of a fingerprint.
const FINGERPRINT_BYTES: usize = 32;

/// Marks requests that came over TLS to our own listener. Stands in their extensions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BehindTls;

/// The certificate that a client showed to the listener, which let it in because an authority that it
/// trusts has signed it. Stands in the extensions of each request of the connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientCertificate {
    subject: Option<String>,
    fingerprint: [u8; FINGERPRINT_BYTES],
}

impl ClientCertificate {
    /// Reads a certificate in DER. Of one whose subject cannot be read only the fingerprint counts.
    #[must_use]
    pub fn new(der: &[u8]) -> Self {
        let subject = Certificate::from_der(der).map(|read| read.tbs_certificate.subject);
        Self {
            subject: subject.ok().map(|subject| subject.to_string()),
            fingerprint: Sha256::digest(der).into(),
        }
    }

    /// Whom it is for, as RFC 4514 writes it: `CN=hes.north.example,O=Nordkraft`.
    #[must_use]
    pub fn subject(&self) -> Option<&str> {
        self.subject.as_deref()
    }
}

impl fmt::Display for ClientCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let subject = self.subject().unwrap_or("a subject that cannot be read");
        write!(f, "`{subject}`, SHA-256 ")?;
        let mut bytes = self.fingerprint.iter();
        bytes.try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// A certificate that a partner shows.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CertificateRule {
    /// Its subject, as RFC 4514 writes it (`openssl x509 -noout -subject -nameopt RFC2253`):
    /// `CN=hes.north.example,O=Nordkraft`. Any certificate for it will do that one of the listener's
    /// `client_authorities` has signed, also the next one.
    Subject(String),
    /// Its SHA-256 in hexadecimal, with or without colons (`openssl x509 -noout -fingerprint -sha256`):
    /// this certificate, and no other.
    Fingerprint(String),
}

/// The same, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum KnownCertificate {
    Subject(String),
    Fingerprint([u8; FINGERPRINT_BYTES]),
}

impl CertificateRule {
    /// Reads it.
    ///
    /// # Errors
    /// What would be valid.
    pub(super) fn read(&self) -> Result<KnownCertificate, String> {
        match self {
            Self::Subject(text) => match RdnSequence::from_str(text) {
                Ok(subject) if !subject.0.is_empty() => {
                    Ok(KnownCertificate::Subject(subject.to_string()))
                }
                _ => Err(format!(
                    "`{text}` is no subject, expected one such as `CN=hes.north.example,O=Nordkraft`"
                )),
            },
            Self::Fingerprint(text) => match fingerprint(text) {
                Some(fingerprint) => Ok(KnownCertificate::Fingerprint(fingerprint)),
                None => Err(format!(
                    "`{text}` is no SHA-256, expected {FINGERPRINT_BYTES} bytes in hexadecimal"
                )),
            },
        }
    }
}

fn fingerprint(text: &str) -> Option<[u8; FINGERPRINT_BYTES]> {
    let digits: Vec<u8> = text.bytes().filter(|byte| *byte != b':').collect();
    let byte = |pair: &[u8]| {
        let is_hex = pair.iter().all(u8::is_ascii_hexdigit);
        let pair = std::str::from_utf8(pair).ok().filter(|_| is_hex)?;
        u8::from_str_radix(pair, 16).ok()
    };
    let bytes: Option<Vec<u8>> = digits.chunks(2).map(byte).collect();
    bytes?
        .try_into()
        .ok()
        .filter(|_| digits.len() == 2 * FINGERPRINT_BYTES)
}

/// Whether a client showed one of the certificates that are taken; all do if none are named.
pub(super) fn check(
    shown: Option<&ClientCertificate>,
    known: &[KnownCertificate],
) -> Result<(), Problem> {
    if known.is_empty() {
        return Ok(());
    }
    let Some(shown) = shown else {
        return Err(refused(
            "this source takes requests only by TLS with the partner's certificate, and none came"
                .to_owned(),
        ));
    };
    let is_shown = |one: &KnownCertificate| match one {
        KnownCertificate::Subject(subject) => shown.subject() == Some(subject),
        KnownCertificate::Fingerprint(fingerprint) => shown.fingerprint == *fingerprint,
    };
    match known.iter().any(is_shown) {
        true => Ok(()),
        false => Err(refused(format!(
            "the certificate that came ({shown}) is not one that this source takes; ask the operator"
        ))),
    }
}

fn refused(detail: String) -> Problem {
    let title = "The client certificate is missing or not the right one";
    Problem::new(StatusCode::FORBIDDEN, "certificate", title, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(subject: &str) -> ClientCertificate {
        ClientCertificate {
            subject: Some(subject.to_owned()),
            fingerprint: Sha256::digest("it").into(),
        }
    }

    fn known(rules: &[CertificateRule]) -> Vec<KnownCertificate> {
        rules.iter().map(|rule| rule.read().unwrap()).collect()
    }

    #[test]
    fn a_subject_is_all_of_it_however_it_is_written() {
        let rules = known(&[CertificateRule::Subject(
            "cn=hes,O=Nord\\, Kraft".to_owned(),
        )]);
        assert!(check(Some(&shown("CN=hes,O=Nord\\, Kraft")), &rules).is_ok());
        for other in [
            "CN=hes",
            "O=Nord\\, Kraft,CN=hes",
            "CN=hes,O=Nord\\, Kraft,C=DE",
            "CN=HES,O=Nord\\, Kraft",
        ] {
            let problem = check(Some(&shown(other)), &rules).unwrap_err();
            assert_eq!(problem.status(), StatusCode::FORBIDDEN);
            assert!(problem.detail().contains(other), "{}", problem.detail());
        }
        let problem = check(None, &rules).unwrap_err();
        assert!(problem.detail().contains("none came"));
        assert!(check(None, &[]).is_ok());
    }

    #[test]
    fn a_fingerprint_is_of_one_certificate() {
        let digest = Sha256::digest("it");
        let colons: Vec<String> = digest.iter().map(|byte| format!("{byte:02X}")).collect();
        let rules = known(&[CertificateRule::Fingerprint(colons.join(":"))]);
        assert!(check(Some(&shown("CN=any")), &rules).is_ok());
        let other = known(&[CertificateRule::Fingerprint("00".repeat(32))]);
        let problem = check(Some(&shown("CN=any")), &other).unwrap_err();
        assert!(problem.detail().contains(&colons.concat().to_lowercase()));
    }

    #[test]
    fn wrong_rules_say_what_would_be_right() {
        for rule in [
            CertificateRule::Subject("hes".to_owned()),
            CertificateRule::Subject(String::new()),
            CertificateRule::Subject("CN=a, O=b".to_owned()),
            CertificateRule::Fingerprint("00".repeat(31)),
            CertificateRule::Fingerprint("0".repeat(63)),
            CertificateRule::Fingerprint("+1".repeat(32)),
            CertificateRule::Fingerprint("äö".repeat(16)),
        ] {
            let reason = rule.read().unwrap_err();
            assert!(reason.contains("expected"), "{reason}");
        }
    }

    #[test]
    fn what_is_no_certificate_has_a_fingerprint_only() {
        let odd = ClientCertificate::new(b"no certificate");
        assert_eq!(odd.subject(), None);
        assert!(odd.to_string().contains("cannot be read"));
    }
}
