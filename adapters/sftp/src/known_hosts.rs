//! Host keys that we know: OpenSSH's `known_hosts` file (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT).

use std::io::{self, Read};
use std::path::Path;

use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD};
use sha2::{Digest, Sha256};
use ssh2::{CheckResult, KnownHostFileKind, Session};

/// Largest file read, in bytes: some ten thousand hosts.
const LARGEST_FILE: u64 = 4 * 1024 * 1024;

/// What the file says about one host.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct HostKeys {
    /// Raw public keys.
    known: Vec<Vec<u8>>,
    revoked: Vec<Vec<u8>>,
}

/// What we make of the key that a server shows.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Known,
    Unknown,
    /// The host is known by another key.
    Changed,
    Revoked,
}

impl HostKeys {
    /// Reads what the file says about a host. `session` lends its hash for hashed names. A file
    /// that is not there knows nobody.
    ///
    /// # Errors
    /// It cannot be read.
    pub(crate) fn read(path: &Path, session: &Session, name: &str) -> io::Result<Self> {
        let mut text = Vec::new();
        match std::fs::File::open(path) {
            Ok(file) => file.take(LARGEST_FILE).read_to_end(&mut text)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
            Err(error) => return Err(error),
        };
        let hashed = |line: &str, key: &[u8]| is_hash_of(session, line, name, key);
        Ok(Self::parse(&String::from_utf8_lossy(&text), name, hashed))
    }

    /// Lines that cannot be read are passed over, as OpenSSH does.
    fn parse(text: &str, name: &str, hashed: impl Fn(&str, &[u8]) -> bool) -> Self {
        let mut keys = Self::default();
        for line in text.lines().map(str::trim) {
            let (marker, entry) = match line.split_once(char::is_whitespace) {
                Some((marker, rest)) if marker.starts_with('@') => (marker, rest.trim_start()),
                _ => ("", line),
            };
            let mut fields = entry.split_whitespace();
            let (Some(names), Some(_), Some(key)) = (fields.next(), fields.next(), fields.next())
            else {
                continue;
            };
            let Ok(key) = BASE64_STANDARD.decode(key) else {
                continue;
            };
            let ours = match names.starts_with('|') {
                true => hashed(entry, &key),
                false => matches_any(names, name),
            };
            match marker {
                "" if ours && !line.starts_with('#') => keys.known.push(key),
                "@revoked" if ours => keys.revoked.push(key),
                _ => {}
            }
        }
        keys
    }

    pub(crate) fn verdict(&self, key: &[u8]) -> Verdict {
        let is_it = |known: &Vec<u8>| known.as_slice() == key;
        if self.revoked.iter().any(is_it) {
            Verdict::Revoked
        } else if self.known.iter().any(is_it) {
            Verdict::Known
        } else if self.known.is_empty() {
            Verdict::Unknown
        } else {
            Verdict::Changed
        }
    }

    /// Key algorithms to ask the server for: it may have several keys, and should show one that
    /// we know. `None` if we know none.
    pub(crate) fn algorithms(&self) -> Option<String> {
        let mut names: Vec<&str> = Vec::new();
        for key in &self.known {
            let algorithms = match key_type(key) {
                // One key, several signatures (RFC 8332).
                "ssh-rsa" => &["rsa-sha2-512", "rsa-sha2-256"][..],
                other => &[other][..],
            };
            for name in algorithms {
                if !name.is_empty() && !names.contains(name) {
                    names.push(name);
                }
            }
        }
        (!names.is_empty()).then(|| names.join(","))
    }
}

/// The name of a host in the file.
pub(crate) fn host_name(host: &str, port: u16) -> String {
    match port {
        22 => host.to_lowercase(),
        port => format!("[{}]:{port}", host.to_lowercase()),
    }
}

/// The type that a raw public key begins with (RFC 4253, 6.6).
pub(crate) fn key_type(key: &[u8]) -> &str {
    let named = key.split_first_chunk::<4>().and_then(|(length, rest)| {
        let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
        std::str::from_utf8(rest.get(..length)?).ok()
    });
    named.unwrap_or_default()
}

/// As `ssh-keygen -l` shows it.
pub(crate) fn fingerprint(key: &[u8]) -> String {
    let hash = BASE64_STANDARD_NO_PAD.encode(Sha256::digest(key));
    format!("{} SHA256:{hash}", key_type(key))
}

/// The line that makes a key known.
pub(crate) fn line(name: &str, key: &[u8]) -> String {
    format!("{name} {} {}", key_type(key), BASE64_STANDARD.encode(key))
}

fn is_hash_of(session: &Session, line: &str, name: &str, key: &[u8]) -> bool {
    let Ok(mut hosts) = session.known_hosts() else {
        return false;
    };
    let read = hosts.read_str(line, KnownHostFileKind::OpenSSH);
    read.is_ok() && matches!(hosts.check(name, key), CheckResult::Match)
}

fn matches_any(patterns: &str, name: &str) -> bool {
    let mut matched = false;
    for pattern in patterns.split(',') {
        match pattern.strip_prefix('!') {
            Some(not) if matches(not.as_bytes(), name.as_bytes()) => return false,
            Some(_) => {}
            None => matched |= matches(pattern.as_bytes(), name.as_bytes()),
        }
    }
    matched
}

/// `*` stands for any text, `?` for any one character. Steps back to the last `*` only, so it
/// takes time in proportion to both lengths.
fn matches(pattern: &[u8], name: &[u8]) -> bool {
    let (mut p, mut n) = (0, 0);
    let mut star = None;
    while n < name.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(b'?') => (p, n) = (p + 1, n + 1),
            Some(c) if c.eq_ignore_ascii_case(&name[n]) => (p, n) = (p + 1, n + 1),
            _ => match star {
                Some((at, from)) => {
                    star = Some((at, from + 1));
                    (p, n) = (at + 1, from + 1);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(kind: &str, body: &[u8]) -> Vec<u8> {
        let mut key = u32::try_from(kind.len()).unwrap().to_be_bytes().to_vec();
        key.extend_from_slice(kind.as_bytes());
        key.extend_from_slice(body);
        key
    }

    fn parse(text: &str, name: &str) -> HostKeys {
        HostKeys::parse(text, name, |_, _| false)
    }

    #[test]
    fn a_host_is_known_by_its_keys_only() {
        let (ours, theirs) = (key("ssh-ed25519", b"1"), key("ssh-ed25519", b"2"));
        let text = format!("# comment\n\nnonsense\n{}\n", line("a.example", &ours));
        assert_eq!(parse(&text, "a.example").verdict(&ours), Verdict::Known);
        assert_eq!(parse(&text, "a.example").verdict(&theirs), Verdict::Changed);
        assert_eq!(parse(&text, "b.example").verdict(&ours), Verdict::Unknown);
        let port = host_name("A.example", 2222);
        assert_eq!(parse(&text, &port).verdict(&ours), Verdict::Unknown);
        let commented = format!("#{text}");
        let commented = format!("# {}", commented.lines().last().unwrap());
        assert_eq!(parse(&commented, "a.example"), HostKeys::default());
    }

    #[test]
    fn a_revoked_key_is_never_known() {
        let key = key("ssh-ed25519", b"1");
        let text = format!("{}\n@revoked {}", line("a", &key), line("*", &key));
        assert_eq!(parse(&text, "a").verdict(&key), Verdict::Revoked);
        let authority = format!("@cert-authority {}", line("a", &key));
        assert_eq!(parse(&authority, "a").verdict(&key), Verdict::Unknown);
    }

    #[test]
    fn names_may_be_patterns() {
        for (patterns, name, expected) in [
            ("*.example.org,!bad.example.org", "a.example.org", true),
            ("*.example.org,!bad.example.org", "bad.example.org", false),
            ("10.0.0.?", "10.0.0.7", true),
            ("10.0.0.?", "10.0.0.77", false),
            ("a,B", "b", true),
            ("[a]:2222", "[a]:2222", true),
            ("a*b*c", "aXbXbXc", true),
            ("*", "", true),
            ("", "a", false),
        ] {
            assert_eq!(matches_any(patterns, name), expected, "{patterns} {name}");
        }
    }

    #[test]
    fn a_hashed_name_is_found() {
        let session = Session::new().unwrap();
        let raw = key("ssh-ed25519", &[7; 36]);
        let plain = format!("{}\n", line("[127.0.0.1]:24128", &raw));
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("known_hosts");
        std::fs::write(&path, plain).unwrap();
        let hashed = std::process::Command::new("ssh-keygen")
            .arg("-H")
            .arg("-f")
            .arg(&path)
            .output();
        if !hashed.is_ok_and(|output| output.status.success()) {
            eprintln!("skipped: no ssh-keygen here");
            return;
        }
        assert!(std::fs::read_to_string(&path).unwrap().starts_with("|1|"));
        let keys = |name| HostKeys::read(&path, &session, name).unwrap();
        assert_eq!(keys("[127.0.0.1]:24128").verdict(&raw), Verdict::Known);
        assert_eq!(keys("127.0.0.1").verdict(&raw), Verdict::Unknown);
    }

    #[test]
    fn the_algorithms_of_known_keys_are_asked_for() {
        let text = format!(
            "{}\n{}",
            line("a", &key("ssh-rsa", b"1")),
            line("a", &key("ssh-ed25519", b"2"))
        );
        let asked = parse(&text, "a").algorithms().unwrap();
        assert_eq!(asked, "rsa-sha2-512,rsa-sha2-256,ssh-ed25519");
        assert_eq!(parse(&text, "b").algorithms(), None);
    }

    #[test]
    fn no_file_knows_nobody() {
        let session = Session::new().unwrap();
        let keys = HostKeys::read(Path::new("/none/known_hosts"), &session, "a").unwrap();
        assert_eq!(keys, HostKeys::default());
    }
}
