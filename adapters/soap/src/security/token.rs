//! The user name token itself: its digest, and ours as we send it.

use aws_lc_rs::rand;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hub_model::Instant;
use sha1::{Digest, Sha1};

use crate::names::{BASE64_BINARY, USERNAME_PROFILE, WSSE, WSU};
use crate::xml::escaped;

/// Bytes of a nonce of ours.
const NONCE_BYTES: usize = 16;

/// For how long a token of ours holds: as long as receivers usually take one.
const TOKEN_SECONDS: i64 = 300;

/// `Base64(SHA-1(nonce + created + password))`, section 3.1 of the profile. SHA-1 is what the profile
/// demands; it protects the password, not the message, which TLS does.
pub(crate) fn digest(nonce: &[u8], created: &str, password: &str) -> String {
    let mut hash = Sha1::new();
    hash.update(nonce);
    hash.update(created.as_bytes());
    hash.update(password.as_bytes());
    BASE64_STANDARD.encode(hash.finalize())
}

/// Who we are with a partner.
pub(crate) struct OwnToken {
    pub(crate) user: String,
    pub(crate) password: String,
    /// Send the digest, not the password.
    pub(crate) digest: bool,
}

impl OwnToken {
    /// The `wsse:Security` of one request. Each has a nonce of its own.
    ///
    /// # Errors
    /// The system gives no random numbers.
    pub(crate) fn header(&self, now: Instant, envelope_prefix: &str) -> Result<String, String> {
        let mut nonce = [0; NONCE_BYTES];
        rand::fill(&mut nonce).map_err(|_| "the system gives no random numbers".to_owned())?;
        let created = crate::time::written(now);
        let (kind, password) = match self.digest {
            true => ("#PasswordDigest", digest(&nonce, &created, &self.password)),
            false => ("#PasswordText", self.password.clone()),
        };
        let expires = crate::time::written(now.plus_seconds(TOKEN_SECONDS));
        Ok(format!(
            "<wsse:Security xmlns:wsse=\"{WSSE}\" xmlns:wsu=\"{WSU}\" \
             {envelope_prefix}:mustUnderstand=\"1\">\
             <wsu:Timestamp><wsu:Created>{created}</wsu:Created><wsu:Expires>{expires}</wsu:Expires>\
             </wsu:Timestamp><wsse:UsernameToken><wsse:Username>{}</wsse:Username>\
             <wsse:Password Type=\"{USERNAME_PROFILE}{kind}\">{}</wsse:Password>\
             <wsse:Nonce EncodingType=\"{BASE64_BINARY}\">{}</wsse:Nonce>\
             <wsu:Created>{created}</wsu:Created></wsse:UsernameToken></wsse:Security>",
            escaped(&self.user),
            escaped(&password),
            BASE64_STANDARD.encode(nonce),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_is_that_of_the_profile() {
        // Made with another implementation (Python's hashlib).
        let found = digest(b"nonce", "2026-03-29T00:15:00Z", "secret");
        assert_eq!(found, "zrt1uEwNUfu23Hl/H/gyO3Jioo8=");
    }
}
