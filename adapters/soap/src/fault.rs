//! Faults of ours: what is wrong with a request, in the words of either version of SOAP.
//!
//! # Status codes
//!
//! What is refused before the envelope was read (no such credentials, too large, too fast, busy)
//! keeps the status that HTTP has for it. What is said about an envelope follows its version: SOAP
//! 1.1 demands 500 for every fault (section 6.2), with `Retry-After` where the message may come
//! again; SOAP 1.2 has 400 for `Sender`, 500 for `Receiver`, and 503 where the message may come again.

use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;
use hub_web::Problem;

use crate::envelope::{Trouble, Version};
use crate::names::{WSSE, WSU};
use crate::security::Denied;
use crate::wire::{ErrorPart, Reply, codes, written};
use crate::xml::escaped;

/// Pause that a sender is asked for when the hub cannot check or take a message now.
const PAUSE_SECONDS: u64 = 2;

/// Whose fault it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Code {
    /// The envelope is of no version we know.
    VersionMismatch,
    /// A header that must be understood is not.
    MustUnderstand,
    /// The sender's: it must not come again as it is.
    Sender,
    /// Ours: it may come again.
    Receiver,
    /// The sender's, in the words of WS-Security: `wsse:...` or `wsu:...`.
    Security(&'static str),
}

/// A fault.
#[derive(Debug)]
pub(crate) struct Fault {
    code: Code,
    /// The same in a reply of IEC 61968-100.
    reply_code: &'static str,
    reason: String,
    /// The status it keeps, whatever the version.
    status: Option<StatusCode>,
    header: Option<Box<(HeaderName, HeaderValue)>>,
    /// Namespace of the IEC 61968-100 reply that goes with it, if the service speaks that.
    pub(crate) reply_in: Option<String>,
}

impl Fault {
    pub(crate) fn new(code: Code, reason: impl Into<String>) -> Self {
        Self {
            code,
            reply_code: match code {
                Code::Receiver => codes::NOT_TRIED,
                _ => codes::FORMAT,
            },
            reason: reason.into(),
            status: None,
            header: None,
            reply_in: None,
        }
    }

    /// Something that HTTP has a status for, before the envelope was read.
    pub(crate) fn of_transport(problem: &Problem) -> Self {
        Self {
            status: Some(problem.status()),
            ..Self::of_problem(problem)
        }
    }

    /// Why a message was not accepted whose envelope was read.
    pub(crate) fn of_problem(problem: &Problem) -> Self {
        let code = match problem.status().is_client_error() && !is_passing(problem.status()) {
            true => Code::Sender,
            false => Code::Receiver,
        };
        Self {
            header: problem.header().map(Box::new),
            reply_code: reply_code(problem.status()),
            ..Self::new(code, format!("{}: {}", problem.title(), problem.detail()))
        }
    }

    /// Why somebody was not let in.
    pub(crate) fn of_denial(denied: &Denied) -> Self {
        match denied.fault() {
            Some(name) => Self::new(Code::Security(name), denied.to_string()),
            None => Self {
                header: Some(Box::new((header::RETRY_AFTER, PAUSE_SECONDS.into()))),
                ..Self::new(Code::Receiver, denied.to_string())
            },
        }
    }

    /// What is wrong with an envelope.
    pub(crate) fn of_trouble(trouble: &Trouble) -> Self {
        let code = match trouble {
            Trouble::Version(_) => Code::VersionMismatch,
            _ => Code::Sender,
        };
        Self::new(code, trouble.to_string())
    }

    /// The answer in a version.
    pub(crate) fn response(&self, version: Version) -> Response {
        let mut response = Response::new(self.written(version).into());
        *response.status_mut() = self.status_in(version);
        let headers = response.headers_mut();
        headers.extend(self.header.as_deref().cloned());
        let media_type = HeaderValue::from_static(version.media_type());
        headers.insert(header::CONTENT_TYPE, media_type);
        response
    }

    fn status_in(&self, version: Version) -> StatusCode {
        let may_come_again =
            matches!(self.header.as_deref(), Some((name, _)) if name == header::RETRY_AFTER);
        match (self.status, version, self.code) {
            (Some(status), ..) => status,
            (None, Version::V11, _) => StatusCode::INTERNAL_SERVER_ERROR,
            (None, Version::V12, Code::Sender | Code::Security(_)) => StatusCode::BAD_REQUEST,
            (None, Version::V12, _) if may_come_again => StatusCode::SERVICE_UNAVAILABLE,
            (None, Version::V12, _) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn written(&self, version: Version) -> String {
        let namespace = version.namespace();
        let reason = escaped(&self.reason);
        let detail = self.detail(version);
        let names = format!("xmlns:wsse=\"{WSSE}\" xmlns:wsu=\"{WSU}\"");
        let fault = match version {
            Version::V11 => {
                let code = match self.code {
                    Code::VersionMismatch => "soap:VersionMismatch",
                    Code::MustUnderstand => "soap:MustUnderstand",
                    Code::Sender => "soap:Client",
                    Code::Receiver => "soap:Server",
                    Code::Security(name) => name,
                };
                format!(
                    "<faultcode>{code}</faultcode>\
                     <faultstring xml:lang=\"en\">{reason}</faultstring>{detail}"
                )
            }
            Version::V12 => {
                let (code, subcode) = match self.code {
                    Code::VersionMismatch => ("VersionMismatch", ""),
                    Code::MustUnderstand => ("MustUnderstand", ""),
                    Code::Sender => ("Sender", ""),
                    Code::Receiver => ("Receiver", ""),
                    Code::Security(name) => ("Sender", name),
                };
                let subcode = match subcode {
                    "" => String::new(),
                    name => format!("<soap:Subcode><soap:Value>{name}</soap:Value></soap:Subcode>"),
                };
                format!(
                    "<soap:Code><soap:Value>soap:{code}</soap:Value>{subcode}</soap:Code>\
                     <soap:Reason><soap:Text xml:lang=\"en\">{reason}</soap:Text></soap:Reason>{detail}"
                )
            }
        };
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<soap:Envelope xmlns:soap=\"{namespace}\" {names}>\
             <soap:Body><soap:Fault>{fault}</soap:Fault></soap:Body></soap:Envelope>"
        )
    }

    /// The reply of IEC 61968-100 that goes with it: what failed, for whoever reads only that. Faults
    /// about headers have none (SOAP 1.1, section 4.4).
    fn detail(&self, version: Version) -> String {
        let (Some(namespace), Code::Sender | Code::Receiver) = (&self.reply_in, self.code) else {
            return String::new();
        };
        let reply = Reply {
            result: "FAILED".to_owned(),
            errors: vec![ErrorPart {
                code: Some(self.reply_code.to_owned()),
                level: Some("FATAL".to_owned()),
                reason: Some(self.reason.clone()),
                ..ErrorPart::default()
            }],
        };
        let message = format!(
            "<m:FaultMessage xmlns:m=\"{}\">{}</m:FaultMessage>",
            escaped(namespace),
            written(&reply, namespace)
        );
        match version {
            Version::V11 => format!("<detail>{message}</detail>"),
            Version::V12 => format!("<soap:Detail>{message}</soap:Detail>"),
        }
    }
}

/// The code of IEC 61968-100 for what HTTP has a status for.
fn reply_code(status: StatusCode) -> &'static str {
    match status {
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => codes::BUSY,
        StatusCode::UNPROCESSABLE_ENTITY => codes::FAILED,
        StatusCode::BAD_REQUEST => codes::FORMAT,
        _ => codes::NOT_TRIED,
    }
}

/// Statuses of the sender's class that pass: it may come again.
fn is_passing(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::envelope::{Plan, read_whole};
    use crate::wire::{fault, reply_in};

    fn told(fault_of_ours: &Fault, version: Version) -> (StatusCode, crate::wire::Told) {
        let text = fault_of_ours.written(version);
        let (outline, content) = read_whole(text.as_bytes(), None, Plan::default()).unwrap();
        assert_eq!(outline.version, Some(version));
        let told = fault(&content, version).unwrap();
        (fault_of_ours.status_in(version), told)
    }

    #[test]
    fn each_version_has_its_words_and_statuses() {
        let (v11, v12) = (Version::V11, Version::V12);
        let sender = Fault::new(Code::Sender, "no <b> & such");
        let (status, found) = told(&sender, v11);
        assert_eq!((status.as_u16(), found.code.as_str()), (500, "Client"));
        assert_eq!(found.reason, "no <b> & such");
        let (status, found) = told(&sender, v12);
        assert_eq!((status.as_u16(), found.code.as_str()), (400, "Sender"));
        let denied = Fault::of_denial(&Denied::WrongPassword);
        let (status, found) = told(&denied, v11);
        assert_eq!(
            (status.as_u16(), found.code.as_str()),
            (500, "FailedAuthentication")
        );
        let (status, found) = told(&denied, v12);
        assert_eq!(status.as_u16(), 400);
        assert_eq!(found.subcode, "FailedAuthentication");
    }

    #[test]
    fn what_may_come_again_says_when() {
        let problem = Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "not-now",
            "Not now",
            "wait",
        );
        let later = Fault::of_problem(&problem.retry_after(7));
        let (status, found) = told(&later, Version::V11);
        assert_eq!((status.as_u16(), found.code.as_str()), (500, "Server"));
        let (status, found) = told(&later, Version::V12);
        assert_eq!((status.as_u16(), found.code.as_str()), (503, "Receiver"));
        assert_eq!(later.response(Version::V11).headers()["retry-after"], "7");
        let problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, "rate", "Too many", "wait");
        let busy = Fault::of_transport(&problem);
        assert_eq!(told(&busy, Version::V11).0.as_u16(), 429);
    }

    #[test]
    fn a_reply_of_iec_says_what_may_come_again() {
        for (status, code) in [
            (422, "5.3"),
            (503, "5.1"),
            (429, "5.1"),
            (408, "5.2"),
            (413, "5.2"),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            let problem = Problem::new(status, "x", "X", "x");
            assert_eq!(Fault::of_problem(&problem).reply_code, code);
        }
    }

    #[test]
    fn a_reply_of_iec_stands_in_the_detail() {
        let mut refused = Fault::new(Code::Sender, "not for us");
        refused.reply_in = Some("http://iec.ch/TC57/2011/schema/message".to_owned());
        for version in [Version::V11, Version::V12] {
            let text = refused.written(version);
            let begin = text.find("<m:FaultMessage").unwrap();
            let end = text.find("</m:FaultMessage>").unwrap() + "</m:FaultMessage>".len();
            let reply = reply_in(&text.as_bytes()[begin..end]).unwrap().unwrap();
            assert_eq!(reply.result, "FAILED");
            assert_eq!(reply.errors[0].reason.as_deref(), Some("not for us"));
            assert_eq!(reply.errors[0].code.as_deref(), Some("1.8"));
        }
    }
}
