//! What to do about a problem that a library tells in words for all its users.
//!
//! By the time an endpoint's problem is told it is text: of `rustls`, or of the system, with the words
//! of an adapter around it. The tests hold what is looked for here against what those really say, so
//! that advice is not lost with one of their versions.

/// What a problem says, in any of these words, and what to do then.
const ADVICE: [(&[&str], &str); 5] = [
    (
        &["UnknownIssuer"],
        "no authority that is trusted has signed the server's certificate; if that is right, name it in `ca_certificates`",
    ),
    (
        &["certificate not valid for name", "NotValidForName"],
        "the server's certificate is for another name; use the name that it is for",
    ),
    (
        &[
            "certificate expired",
            "certificate: Expired",
            "InvalidCertificate(Expired",
        ],
        "the server's certificate is out of date, or this machine's clock is wrong",
    ),
    (
        &["certificate not valid yet", "NotValidYet"],
        "the server's certificate is not valid yet, or this machine's clock is wrong",
    ),
    (
        &["Connection refused"],
        "nothing listens there; is it the right port?",
    ),
];

/// The problem, with what to do about it where that is known.
pub(super) fn advised(problem: String) -> String {
    let is_said = |words: &[&str]| words.iter().any(|word| problem.contains(word));
    match ADVICE.iter().find(|(words, _)| is_said(words)) {
        // Some adapters advise themselves.
        Some((_, advice)) if !problem.contains(advice) => format!("{problem}; {advice}"),
        _ => problem,
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::time::Duration;

    use tokio_rustls::rustls::pki_types::{ServerName, UnixTime};
    use tokio_rustls::rustls::{CertificateError, Error};

    use super::*;

    /// As a certificate is refused, with and without the circumstances.
    fn refused() -> Vec<(CertificateError, &'static str)> {
        let at = |seconds| UnixTime::since_unix_epoch(Duration::from_secs(seconds));
        let context = CertificateError::NotValidForNameContext {
            expected: ServerName::try_from("erp.example").unwrap(),
            presented: vec!["other.example".to_owned()],
        };
        let expired = CertificateError::ExpiredContext {
            time: at(9),
            not_after: at(5),
        };
        let early = CertificateError::NotValidYetContext {
            time: at(5),
            not_before: at(9),
        };
        vec![
            (
                CertificateError::UnknownIssuer,
                "name it in `ca_certificates`",
            ),
            (CertificateError::NotValidForName, "for another name"),
            (context, "for another name"),
            (CertificateError::Expired, "out of date"),
            (expired, "out of date"),
            (CertificateError::NotValidYet, "not valid yet, or"),
            (early, "not valid yet, or"),
        ]
    }

    #[test]
    fn advice_fits_what_rustls_says() {
        for (problem, advice) in refused() {
            let error = Error::InvalidCertificate(problem);
            // Some libraries pass on what programmers see.
            for said in [
                format!("erp.example: {error}"),
                format!("erp.example: {error:?}"),
            ] {
                let told = advised(said.clone());
                assert!(told.contains(advice) && told.starts_with(&said), "{told}");
            }
        }
    }

    #[test]
    fn advice_fits_what_the_system_says() {
        // Nothing listens on a port that was just given back.
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let error = std::net::TcpStream::connect(address).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        assert!(advised(error.to_string()).contains("nothing listens there"));
    }

    #[test]
    fn nothing_is_said_twice_or_of_what_is_not_known() {
        assert_eq!(advised("550 no such user".to_owned()), "550 no such user");
        let once = advised("Connection refused".to_owned());
        assert_eq!(advised(once.clone()), once);
    }
}
