//! Connecting to a server: verify its host key, then log in. Blocks, up to the time-outs.

use std::io;
use std::net::{Shutdown, TcpStream, ToSocketAddrs};
use std::path::PathBuf;
use std::time::Duration;

use hub_core::Meter;
use ssh2::MethodType;

use crate::failure::Failure;
use crate::known_hosts::{self, HostKeys, Verdict};
use crate::login::Login;
use crate::metrics;
use crate::session::{Session, describe};

/// Ciphers that we ask for, the best first. AES-GCM before ChaCha20, the other way round than
/// libssh2 would have it: processors have AES built in, and its ChaCha20 is plain C.
const CIPHERS: &str = "aes256-gcm@openssh.com,aes128-gcm@openssh.com,\
                       chacha20-poly1305@openssh.com,aes256-ctr,aes192-ctr,aes128-ctr";

/// How to reach a server and get in.
#[derive(Debug, Clone)]
pub(crate) struct Dial {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) known_hosts: PathBuf,
    pub(crate) login: Login,
    pub(crate) connect_timeout: Duration,
    pub(crate) timeout: Duration,
    pub(crate) meter: Meter,
}

impl Dial {
    /// How errors and logs name the server.
    pub(crate) fn name(&self) -> String {
        format!("`{}`", known_hosts::host_name(&self.host, self.port))
    }

    /// Connects, verifies the host key, and only then logs in.
    ///
    /// # Errors
    /// `Connection`, or `Refused` if the key or the login is not accepted.
    pub(crate) fn open(&self) -> Result<Session, Failure> {
        let opened = self.try_open();
        let count = match opened {
            Ok(_) => metrics::LOGINS,
            Err(_) => metrics::LOGIN_FAILURES,
        };
        self.meter.count(count, 1);
        opened
    }

    fn try_open(&self) -> Result<Session, Failure> {
        let stream = self.connect()?;
        let mut ssh = ssh2::Session::new().map_err(|error| self.lost("beginning", &error))?;
        let opened = self.shake_hands(&mut ssh, &stream);
        if opened.is_err() {
            // Whatever libssh2 still wants to say must not wait for a server that is stalled.
            let _ = stream.shutdown(Shutdown::Both);
        }
        let sftp = opened?;
        Ok(Session::new(ssh, sftp, stream))
    }

    fn lost(&self, doing: &str, error: &ssh2::Error) -> Failure {
        let reason = describe(error, self.connect_timeout);
        Failure::Connection(format!("{doing} with {}: {reason}", self.name()))
    }

    fn connect(&self) -> Result<TcpStream, Failure> {
        let failed = |error: io::Error| {
            Failure::Connection(format!("cannot connect to {}: {error}", self.name()))
        };
        let mut last = io::Error::other("its name has no address");
        for address in (self.host.as_str(), self.port)
            .to_socket_addrs()
            .map_err(failed)?
        {
            match TcpStream::connect_timeout(&address, self.connect_timeout) {
                Ok(stream) => {
                    stream.set_nodelay(true).map_err(failed)?;
                    return Ok(stream);
                }
                Err(error) => last = error,
            }
        }
        Err(failed(last))
    }

    fn shake_hands(
        &self,
        ssh: &mut ssh2::Session,
        stream: &TcpStream,
    ) -> Result<ssh2::Sftp, Failure> {
        let lost = |doing: &'static str| move |error: ssh2::Error| self.lost(doing, &error);
        ssh.set_timeout(millis(self.connect_timeout));
        let name = known_hosts::host_name(&self.host, self.port);
        let keys = HostKeys::read(&self.known_hosts, ssh, &name)
            .map_err(|error| Failure::Refused(self.unreadable(&error)))?;
        for direction in [MethodType::CryptCs, MethodType::CryptSc] {
            ssh.method_pref(direction, CIPHERS)
                .map_err(lost("beginning"))?;
        }
        if let Some(algorithms) = keys.algorithms() {
            // Known by an algorithm that libssh2 lacks: the key that comes is refused below.
            let _ = ssh.method_pref(MethodType::HostKey, &algorithms);
        }
        let stream = stream.try_clone().map_err(|error| {
            Failure::Connection(format!("beginning with {}: {error}", self.name()))
        })?;
        ssh.set_tcp_stream(stream);
        ssh.handshake().map_err(lost("SSH handshake"))?;
        self.verify(ssh, &keys)?;
        self.login.perform(ssh, &self.name())?;
        let sftp = ssh.sftp().map_err(lost("beginning SFTP"))?;
        ssh.set_timeout(millis(self.timeout));
        Ok(sftp)
    }

    fn unreadable(&self, error: &io::Error) -> String {
        format!(
            "known hosts `{}` cannot be read: {error}",
            self.known_hosts.display()
        )
    }

    fn verify(&self, ssh: &ssh2::Session, keys: &HostKeys) -> Result<(), Failure> {
        let key = ssh.host_key().map(|(key, _)| key).unwrap_or_default();
        let (name, file) = (self.name(), self.known_hosts.display());
        let fingerprint = known_hosts::fingerprint(key);
        let line = known_hosts::line(&known_hosts::host_name(&self.host, self.port), key);
        Err(Failure::Refused(match keys.verdict(key) {
            Verdict::Known => return Ok(()),
            Verdict::Unknown => format!(
                "host key of {name} is unknown: {fingerprint}. Ask the server's operator whether \
                 this is its fingerprint; if so, add this line to `{file}`: {line}"
            ),
            Verdict::Changed => format!(
                "host key of {name} is not the one in `{file}`: it shows {fingerprint}. Somebody \
                 may be posing as the server. Only if its operator confirms the new fingerprint, \
                 replace the host's line by: {line}"
            ),
            Verdict::Revoked => format!(
                "host key of {name} is revoked in `{file}`: {fingerprint}. Ask the server's operator \
                 for its new key"
            ),
        }))
    }
}

fn millis(duration: Duration) -> u32 {
    u32::try_from(duration.as_millis()).unwrap_or(u32::MAX)
}
