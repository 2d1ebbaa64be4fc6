//! Lets in who has a user name token that holds.

use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hub_core::Clock;
use hub_model::Instant;
use subtle::ConstantTimeEq;

use super::{Denied, Nonces, digest};
use crate::config::PasswordKind;
use crate::names::{BASE64_BINARY, USERNAME_PROFILE};
use crate::wire::{SoapHeader, UsernameToken};

/// Longest nonce in bytes.
const MAX_NONCE_BYTES: usize = 256;

/// Who may send, and for how long their tokens hold.
pub(crate) struct Gate {
    /// Names and passwords.
    pub(crate) users: Vec<(String, String)>,
    pub(crate) kind: PasswordKind,
    pub(crate) window_seconds: i64,
    pub(crate) skew_seconds: i64,
    pub(crate) nonces: Nonces,
    pub(crate) clock: Arc<dyn Clock>,
}

impl Gate {
    /// The name of who sends.
    ///
    /// # Errors
    /// Why they are not let in.
    pub(crate) async fn check(&self, header: &SoapHeader) -> Result<String, Denied> {
        let now = self.clock.now();
        let mut tokens = header.security.iter().flat_map(|s| &s.tokens);
        let token = tokens.next().ok_or(Denied::NoToken)?;
        if tokens.next().is_some() {
            let what = "more than one `wsse:UsernameToken`, expected one";
            return Err(Denied::Invalid(what.to_owned()));
        }
        for security in &header.security {
            if let Some(timestamp) = &security.timestamp {
                self.check_times(
                    timestamp.created.as_deref(),
                    timestamp.expires.as_deref(),
                    now,
                )?;
            }
        }
        let created = self.check_times(token.created.as_deref(), None, now)?;
        let nonce = nonce(token)?;
        self.check_password(token, nonce.as_deref())?;
        // Only those who know a password can make us remember something.
        if let Some(nonce) = nonce {
            let created = created.unwrap_or(now);
            let expiry = created.plus_seconds(self.window_seconds + self.skew_seconds);
            self.nonces
                .spend(&token.username, &nonce, expiry, now)
                .await?;
        }
        Ok(token.username.clone())
    }

    /// Whether a time is within the window; gives it.
    fn check_times(
        &self,
        created: Option<&str>,
        expires: Option<&str>,
        now: Instant,
    ) -> Result<Option<Instant>, Denied> {
        let read = |text: &str| crate::time::read(text).map_err(Denied::Invalid);
        if let Some(expires) = expires
            && read(expires)?.plus_seconds(self.skew_seconds) < now
        {
            return Err(Denied::Stale(format!("it expired at {expires}")));
        }
        let Some(text) = created else {
            return Ok(None);
        };
        let created = read(text)?;
        if created.plus_seconds(self.window_seconds + self.skew_seconds) < now {
            return Err(Denied::Stale(format!(
                "created {text}, at most {} seconds ago would be valid",
                self.window_seconds
            )));
        }
        if created > now.plus_seconds(self.skew_seconds) {
            return Err(Denied::TooEarly(format!("created {text}")));
        }
        Ok(Some(created))
    }

    fn check_password(&self, token: &UsernameToken, nonce: Option<&[u8]>) -> Result<(), Denied> {
        let password = token.password.as_ref().ok_or_else(|| {
            Denied::Invalid("the `wsse:UsernameToken` has no `wsse:Password`".to_owned())
        })?;
        let kind = password.kind.as_deref().unwrap_or("#PasswordText");
        let kind = kind.strip_prefix(USERNAME_PROFILE).unwrap_or(kind);
        let is_digest = match kind {
            "#PasswordDigest" => true,
            "#PasswordText" => false,
            other => return Err(Denied::Unsupported(format!("the password type `{other}`"))),
        };
        match (self.kind, is_digest) {
            (PasswordKind::Digest, false) => {
                let what = "the password is text, expected `#PasswordDigest`";
                return Err(Denied::Unsupported(what.to_owned()));
            }
            (PasswordKind::Text, true) => {
                let what = "the password is a digest, expected `#PasswordText`";
                return Err(Denied::Unsupported(what.to_owned()));
            }
            _ => {}
        }
        let user = self.users.iter().find(|(name, _)| *name == token.username);
        let known = user.map_or("", |(_, password)| password);
        let expected = match (is_digest, nonce, token.created.as_deref()) {
            (false, ..) => known.to_owned(),
            (true, Some(nonce), Some(created)) => digest(nonce, created, known),
            (true, ..) => {
                let what = "a password digest needs `wsse:Nonce` and `wsu:Created`";
                return Err(Denied::Invalid(what.to_owned()));
            }
        };
        // As long for a stranger as for a wrong password.
        let given = match is_digest {
            true => password.value.trim(),
            false => password.value.as_str(),
        };
        let is_right = bool::from(expected.as_bytes().ct_eq(given.as_bytes()));
        match user {
            None => Err(Denied::UnknownUser),
            Some(_) if is_right => Ok(()),
            Some(_) => Err(Denied::WrongPassword),
        }
    }
}

fn nonce(token: &UsernameToken) -> Result<Option<Vec<u8>>, Denied> {
    let Some(nonce) = &token.nonce else {
        return Ok(None);
    };
    if let Some(encoding) = nonce.encoding.as_deref()
        && encoding != BASE64_BINARY
    {
        let what = format!("the `EncodingType` `{encoding}` of the `wsse:Nonce`");
        return Err(Denied::Unsupported(what));
    }
    match BASE64_STANDARD.decode(nonce.value.trim()) {
        Ok(nonce) if (1..=MAX_NONCE_BYTES).contains(&nonce.len()) => Ok(Some(nonce)),
        _ => Err(Denied::Invalid(format!(
            "the `wsse:Nonce` is not base64 of 1 to {MAX_NONCE_BYTES} bytes"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::soap_header;
    use hub_core::{ManualClock, MemoryState};

    const NOW: &str = "2026-03-29T00:15:00Z";

    async fn gate(kind: PasswordKind) -> Gate {
        let state = Arc::new(MemoryState::default());
        Gate {
            users: vec![("sap".to_owned(), "s3cret".to_owned())],
            kind,
            window_seconds: 300,
            skew_seconds: 60,
            nonces: Nonces::load(state, "soap", 10).await.unwrap(),
            clock: Arc::new(ManualClock::at(NOW.parse().unwrap())),
        }
    }

    /// A header with a token of these parts.
    fn header(user: &str, kind: &str, password: &str, nonce: &str, created: &str) -> SoapHeader {
        use crate::names::{SOAP11, WSSE, WSU};
        let xml = format!(
            "<S:Header xmlns:S='{SOAP11}' xmlns:w='{WSSE}' xmlns:u='{WSU}'><w:Security>\
             <w:UsernameToken><w:Username>{user}</w:Username>\
             <w:Password Type='{USERNAME_PROFILE}{kind}'>{password}</w:Password>\
             <w:Nonce>{}</w:Nonce><u:Created>{created}</u:Created></w:UsernameToken>\
             </w:Security></S:Header>",
            BASE64_STANDARD.encode(nonce)
        );
        soap_header(xml.as_bytes()).unwrap().0
    }

    fn digested(user: &str, password: &str, nonce: &str, created: &str) -> SoapHeader {
        let value = digest(nonce.as_bytes(), created, password);
        header(user, "#PasswordDigest", &value, nonce, created)
    }

    #[tokio::test]
    async fn a_digest_lets_in_once() {
        let gate = gate(PasswordKind::Digest).await;
        let header = digested("sap", "s3cret", "n1", "2026-03-29T00:14:00Z");
        assert_eq!(gate.check(&header).await, Ok("sap".to_owned()));
        assert_eq!(gate.check(&header).await, Err(Denied::Replayed));
        // With another zone it is the same instant, but not the same digest: still the same nonce.
        let header = digested("sap", "s3cret", "n1", "2026-03-29T02:14:00+02:00");
        assert_eq!(gate.check(&header).await, Err(Denied::Replayed));
    }

    #[tokio::test]
    async fn wrong_stale_early_and_missing_are_told_apart() {
        let gate = gate(PasswordKind::Digest).await;
        for (header, expected) in [
            (digested("sap", "wrong", "1", NOW), Denied::WrongPassword),
            (digested("sp", "s3cret", "2", NOW), Denied::UnknownUser),
            (digested("sp", "", "2", NOW), Denied::UnknownUser),
            (SoapHeader::default(), Denied::NoToken),
        ] {
            assert_eq!(gate.check(&header).await, Err(expected));
        }
        let at = |created| digested("sap", "s3cret", "3", created);
        let found = gate.check(&at("2026-03-29T00:08:59Z")).await;
        assert!(matches!(found, Err(Denied::Stale(_))), "{found:?}");
        let found = gate.check(&at("2026-03-29T00:16:01Z")).await;
        assert!(matches!(found, Err(Denied::TooEarly(_))), "{found:?}");
        let found = gate.check(&at("yesterday")).await;
        assert!(matches!(found, Err(Denied::Invalid(_))), "{found:?}");
        assert!(gate.check(&at("2026-03-29T00:09:01Z")).await.is_ok());
        assert_eq!(
            Denied::UnknownUser.to_string(),
            Denied::WrongPassword.to_string()
        );
        assert_ne!(
            Denied::UnknownUser.counter(),
            Denied::WrongPassword.counter()
        );
    }

    /// Section 3.1 of the profile: both are a part of what is digested.
    #[tokio::test]
    async fn a_digest_without_nonce_or_time_is_refused() {
        let gate = gate(PasswordKind::Any).await;
        let whole = digested("sap", "s3cret", "n1", NOW);
        type Change = fn(&mut UsernameToken);
        let changes: [Change; 4] = [
            |token| token.nonce = None,
            |token| token.created = None,
            |token| {
                token.nonce = None;
                token.created = None;
            },
            // An empty one is none.
            |token| {
                if let Some(nonce) = &mut token.nonce {
                    nonce.value.clear();
                }
            },
        ];
        for change in changes {
            let mut header = whole.clone();
            change(&mut header.security[0].tokens[0]);
            let found = gate.check(&header).await;
            assert!(matches!(found, Err(Denied::Invalid(_))), "{found:?}");
        }
        assert_eq!(
            gate.check(&whole).await,
            Ok("sap".to_owned()),
            "none was spent"
        );
    }

    #[tokio::test]
    async fn a_nonce_is_base64_or_told_to_be_something_else() {
        let gate = gate(PasswordKind::Digest).await;
        for (encoding, is_taken) in [(BASE64_BINARY, true), ("urn:#HexBinary", false)] {
            let mut header = digested("sap", "s3cret", encoding, NOW);
            let nonce = header.security[0].tokens[0].nonce.as_mut().unwrap();
            nonce.encoding = Some(encoding.to_owned());
            let found = gate.check(&header).await;
            assert_eq!(found.is_ok(), is_taken, "{found:?}");
            let unsupported = matches!(found, Err(Denied::Unsupported(_)));
            assert_eq!(unsupported, !is_taken);
        }
    }

    /// A sender's clock may be ahead by the skew, and its nonce is remembered for as much longer.
    #[tokio::test]
    async fn the_skew_counts_on_both_sides() {
        let mut gate = gate(PasswordKind::Digest).await;
        let early = digested("sap", "s3cret", "n1", "2026-03-29T00:16:00Z");
        assert!(gate.check(&early).await.is_ok());
        for (now, expected) in [
            ("2026-03-29T00:22:00Z", Denied::Replayed),
            (
                "2026-03-29T00:22:01Z",
                Denied::Stale(
                    "created 2026-03-29T00:16:00Z, at most 300 seconds ago would be valid"
                        .to_owned(),
                ),
            ),
        ] {
            gate.clock = Arc::new(ManualClock::at(now.parse().unwrap()));
            assert_eq!(gate.check(&early).await, Err(expected), "{now}");
        }
    }

    #[tokio::test]
    async fn text_is_taken_where_it_is_allowed() {
        let text = |password| header("sap", "#PasswordText", password, "1", NOW);
        let found = gate(PasswordKind::Digest)
            .await
            .check(&text("s3cret"))
            .await;
        assert!(matches!(found, Err(Denied::Unsupported(_))), "{found:?}");
        let gate = gate(PasswordKind::Any).await;
        assert_eq!(gate.check(&text("s3cret")).await, Ok("sap".to_owned()));
        assert_eq!(gate.check(&text("s3cre")).await, Err(Denied::WrongPassword));
        let odd = header("sap", "#PasswordKerberos", "x", "2", NOW);
        let found = gate.check(&odd).await;
        assert!(matches!(found, Err(Denied::Unsupported(_))), "{found:?}");
    }
}
