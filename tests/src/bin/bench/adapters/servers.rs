//! Where the servers of `deploy/test-services` are.

use crate::Outcome;

/// Values of variables that `deploy/test-services env` sets.
///
/// # Errors
/// Names those that are not set.
pub(super) fn variables<const N: usize>(names: [&str; N]) -> Outcome<[String; N]> {
    let missing: Vec<&str> = names
        .into_iter()
        .filter(|name| std::env::var(name).is_err())
        .collect();
    if !missing.is_empty() {
        let missing = missing.join(", ");
        return Err(format!("{missing} not set; run it under `deploy/test-services run`").into());
    }
    Ok(names.map(|name| std::env::var(name).unwrap_or_default()))
}

/// A server, and who we are to it.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) user: String,
    pub(super) password: String,
}

impl Place {
    /// Of `scheme://user:password@host:port/...`; the password may be missing.
    ///
    /// # Errors
    /// It does not look so.
    pub(super) fn parse(url: &str) -> Outcome<Self> {
        let parts = || {
            let (_, rest) = url.split_once("://")?;
            let (login, rest) = rest.split_once('@')?;
            let address = rest.split('/').next()?;
            let (host, port) = address.rsplit_once(':')?;
            let (user, password) = login.split_once(':').unwrap_or((login, ""));
            Some(Self {
                host: host.to_owned(),
                port: port.parse().ok()?,
                user: user.to_owned(),
                password: password.to_owned(),
            })
        };
        parts().ok_or_else(|| format!("`{url}` does not name a server").into())
    }
}

/// A name that no other run has.
pub(super) fn unique(what: &str) -> String {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let (process, number) = (std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    format!("bench-{what}-{process}-{number}")
}

/// Bytes of a small message.
const MESSAGE_BYTES: usize = 1_024;

/// A message of 1 KiB; every number gives another.
pub(super) fn message(number: u64, out: &mut Vec<u8>) {
    use std::io::Write;
    let end = out.len() + MESSAGE_BYTES;
    // Writing to memory does not fail.
    let _ = write!(out, "message {number:012} ");
    while out.len() < end {
        let left = end - out.len();
        out.extend_from_slice(&TEXT[..TEXT.len().min(left)]);
    }
}

/// The same as a value of its own.
pub(super) fn message_bytes(number: u64) -> Vec<u8> {
    let mut out = Vec::with_capacity(MESSAGE_BYTES);
    message(number, &mut out);
    out
}

const TEXT: &[u8] =
    b"Meter reading of the quarter-hour, in kilowatt-hours as the register shows it. ";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_from_its_url() {
        let place = Place::parse("amqp://hub:pw@127.0.0.1:5672/%2f").unwrap();
        assert_eq!((place.host.as_str(), place.port), ("127.0.0.1", 5672));
        assert_eq!(
            (place.user.as_str(), place.password.as_str()),
            ("hub", "pw")
        );
        assert_eq!(Place::parse("sftp://me@h:22").unwrap().password, "");
        assert!(Place::parse("nonsense").is_err());
    }

    #[test]
    fn messages_have_one_size_and_differ() {
        assert_eq!(message_bytes(1).len(), MESSAGE_BYTES);
        assert_ne!(message_bytes(1), message_bytes(2));
    }
}
