//! What is common to the answers of SAP's services beyond HTTP's own table ([`hub_web::verdict`]).

use hub_core::SinkError;
use hub_web::Answer;
use reqwest::StatusCode;

use crate::odata::ODataError;
use crate::readable::readable;

/// What an answer says, in one line: its error object, or the words of its page.
pub(crate) fn said(answer: &Answer) -> String {
    match ODataError::read(&answer.body) {
        Some(error) => error.to_string(),
        None => readable(&answer.body),
    }
}

/// Whether the answer says that the client (`sap-client`) is not there: wrong for all messages, not for
/// this one.
pub(crate) fn is_about_the_client(status: StatusCode, said: &str) -> bool {
    let said = said.to_lowercase();
    let names_it = said.contains("client ") || said.contains("mandant");
    let absent = [
        "not available",
        "does not exist",
        "not exist",
        "unknown",
        "existiert nicht",
        "nicht vorhanden",
    ];
    status.is_client_error() && names_it && absent.iter().any(|words| said.contains(words))
}

/// The configuration is wrong, not the message: it waits, and is not parked for it.
pub(crate) fn misconfigured(endpoint: &str, answer: &Answer, said: &str) -> SinkError {
    SinkError::Unavailable {
        endpoint: endpoint.to_owned(),
        reason: format!("it answered {} {said}", answer.status)
            .trim_end()
            .to_owned(),
        retry_after: answer.retry_after,
        answered: false,
    }
}

/// The other side has trouble that may be this message's fault.
pub(crate) fn troubled(endpoint: &str, answer: &Answer, said: &str) -> SinkError {
    SinkError::Unavailable {
        endpoint: endpoint.to_owned(),
        reason: format!("it answered {} {said}", answer.status)
            .trim_end()
            .to_owned(),
        retry_after: answer.retry_after,
        answered: true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_absent_client_is_told_from_a_bad_message() {
        let bad = StatusCode::BAD_REQUEST;
        assert!(is_about_the_client(
            bad,
            "Client 999 is not available in this system"
        ));
        assert!(is_about_the_client(
            StatusCode::UNAUTHORIZED,
            "Mandant 999 existiert nicht"
        ));
        assert!(!is_about_the_client(bad, "Material 999 is not available"));
        assert!(!is_about_the_client(
            StatusCode::INTERNAL_SERVER_ERROR,
            "client 1 does not exist"
        ));
    }
}
