//! A file in an SFTP drop, fetched into a temporary file. The drop is only read: nothing is moved or deleted.
//!
//! Invariant: credentials go only to the server whose pinned key answered, and to no private address unless allowed.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use passerelle_contract::{AdapterError, Class, Context, Cursor, SettingProblem, SettingsError};
use passerelle_kit::http::is_public;
use passerelle_kit::secret::Secret;
use russh::client::{self, Handle};
use russh::keys::{HashAlg, PrivateKeyWithHashAlg, PublicKey, PublicKeyOrCertificate};
use russh_sftp::client::SftpSession;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _, AsyncWriteExt as _};
use url::Url;

use super::{
    Choice, Chosen, Found, Listed, MAX_DOWNLOAD_BYTES, MAX_FETCH_TIME, Opened, Sight, changed_meanwhile, check_settled,
    choose, mode_of, newest,
};
use crate::plan::Pick;
use crate::scan::{About, read_error};
use crate::settings::{Access, NamedMode};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const PROBE_TIMEOUT: Duration = Duration::from_secs(30);
/// Most entries of a folder that are looked at.
const MAX_LISTED: usize = 50_000;
const PIECE_BYTES: usize = 256 * 1024;

/// One drop.
pub(crate) struct Sftp {
    host: String,
    port: u16,
    path: String,
    user: String,
    password: Option<Secret>,
    private_key: Option<Arc<russh::keys::PrivateKey>>,
    host_key: HostKey,
    allow_private_addresses: bool,
}

/// The server's pinned key.
#[derive(Clone)]
enum HostKey {
    Whole(Box<PublicKey>),
    Fingerprint(String),
}

/// Checks the server's key against the pinned one.
struct Pinned(HostKey);

impl client::Handler for Pinned {
    type Error = russh::Error;

    async fn check_server_key(&mut self, presented: &PublicKeyOrCertificate) -> Result<bool, russh::Error> {
        let PublicKeyOrCertificate::PublicKey { key, .. } = presented else { return Ok(false) };
        Ok(match &self.0 {
            HostKey::Whole(pinned) => key.key_data() == pinned.key_data(),
            HostKey::Fingerprint(pinned) => key.fingerprint(HashAlg::Sha256).to_string() == *pinned,
        })
    }
}

/// A signed-in session. Dropping it closes the connection.
struct Drop {
    sftp: SftpSession,
    _session: Handle<Pinned>,
}

impl Sftp {
    pub(crate) fn new(url: &Url, access: &Access, context: &Context) -> Result<Self, SettingsError> {
        let mut problems = Vec::new();
        let mut secret = |reference: &Option<passerelle_kit::secret::SecretRef>, path: &str| {
            let resolved = reference.as_ref()?.resolve(&context.base_dir);
            resolved.map_err(|problem| problems.push(problem.at(path))).ok()
        };
        let password = secret(&access.password, "access.password");
        let key_text = secret(&access.private_key, "access.private_key");
        let private_key = key_text.and_then(|text| match russh::keys::decode_secret_key(text.expose(), None) {
            Ok(key) => Some(Arc::new(key)),
            Err(_) => {
                let message =
                    "this is no private key in OpenSSH format without passphrase (RSA is not supported)".into();
                problems.push(SettingProblem { path: "access.private_key".into(), message });
                None
            }
        });
        let host_key = match HostKey::read(access.host_key.as_deref().unwrap_or_default()) {
            Ok(key) => Some(key),
            Err(message) => {
                problems.push(SettingProblem { path: "access.host_key".into(), message: message.into() });
                None
            }
        };
        let path = percent_encoding::percent_decode_str(url.path()).decode_utf8().map(std::borrow::Cow::into_owned);
        if path.is_err() {
            let message = "the path is not UTF-8: write it as it is, with its blanks and accents".into();
            problems.push(SettingProblem { path: "url".into(), message });
        }
        let (Some(host_key), Ok(path), true) = (host_key, path, problems.is_empty()) else {
            return Err(SettingsError { problems });
        };
        Ok(Self {
            host: url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned(),
            port: url.port().unwrap_or(22),
            path,
            user: access.user.clone().unwrap_or_default(),
            password,
            private_key,
            host_key,
            allow_private_addresses: context.allow_private_addresses,
        })
    }

    pub(crate) fn server(&self) -> String {
        format!("sftp://{}:{}", self.host, self.port)
    }

    pub(crate) async fn fetch(&self, pick: &Pick, from: Option<&Cursor>) -> Result<Found, AdapterError> {
        let operation = self.operation("fetch");
        within(MAX_FETCH_TIME, &operation, self.fetch_now(pick, from, &operation)).await
    }

    pub(crate) async fn reach(&self, pick: &Pick) -> Result<Sight, AdapterError> {
        let operation = self.operation("look at");
        let look = async {
            let fail = |error| sftp_error(error, &operation);
            let drop = self.sign_in(&operation).await?;
            let is_folder = drop.sftp.metadata(&self.path).await.map_err(fail)?.is_dir();
            let what = if is_folder { "folder" } else { "file" };
            let newest = if is_folder {
                newest(drop.list(&self.path).await.map_err(fail)?, pick, &operation)?
            } else {
                drop.stat(&self.path).await.map_err(fail)?
            };
            let saw = format!("signed in to {}; the {what} {} is there", self.host, self.path);
            Ok(Sight::of(saw, Some(newest)))
        };
        within(PROBE_TIMEOUT, &operation, look).await
    }

    fn operation(&self, verb: &str) -> String {
        format!("{verb} sftp://{}{}", self.host, self.path)
    }

    async fn fetch_now(&self, pick: &Pick, from: Option<&Cursor>, operation: &str) -> Result<Found, AdapterError> {
        let fail = |error| sftp_error(error, operation);
        let drop = self.sign_in(operation).await?;
        let now = SystemTime::now();
        let folder = self.path.trim_end_matches('/');
        let (path, choice) = if drop.sftp.metadata(&self.path).await.map_err(fail)?.is_dir() {
            match choose(drop.list(&self.path).await.map_err(fail)?, pick, from, now, operation)? {
                Chosen::NothingNew(cursor, warnings) => return Ok(Found::NothingNew(cursor, warnings)),
                Chosen::File(choice) => (format!("{folder}/{}", choice.file.name), *choice),
            }
        } else {
            let file = drop.stat(&self.path).await.map_err(fail)?;
            let mode = mode_of(pick, &file.name);
            let choice = Choice { file, mode, newer: Vec::new(), reading: None, warnings: Vec::new() };
            (self.path.clone(), choice)
        };
        let marker = match &pick.marker {
            Some(ending) => drop.stat(&format!("{path}{ending}")).await.ok(),
            None => None,
        };
        check_settled(pick, &choice.file, marker.as_ref(), now, operation)?;
        let (file, mut about) = drop.copy_whole(&path, choice.file, choice.mode, pick, now, operation).await?;
        about.warnings = choice.warnings;
        let mut newer = Vec::with_capacity(choice.newer.len());
        for (listed, mode) in choice.newer {
            let path = format!("{folder}/{}", listed.name);
            newer.push(drop.copy_whole(&path, listed, mode, pick, now, operation).await?);
        }
        Ok(Found::File(Box::new(Opened { file, about, newer, reading: choice.reading })))
    }

    async fn sign_in(&self, operation: &str) -> Result<Drop, AdapterError> {
        let unreachable = |code, context: &str| AdapterError::new(Class::Transient, code, operation, context);
        let stream = tokio::time::timeout(CONNECT_TIMEOUT, self.connect(operation))
            .await
            .map_err(|_| unreachable("TimedOut", "the server does not answer; check host and port"))??;
        let config =
            Arc::new(client::Config { inactivity_timeout: Some(Duration::from_secs(60)), ..client::Config::default() });
        let mut session =
            client::connect_stream(config, stream, Pinned(self.host_key.clone())).await.map_err(|error| match error {
                russh::Error::UnknownKey => AdapterError::new(
                    Class::Auth,
                    "HostKeyMismatch",
                    operation,
                    "the server shows another key than access.host_key; ask its owner whether it changed, then pin the new one",
                ),
                russh::Error::NoCommonAlgo { .. } => AdapterError::new(
                    Class::Settings,
                    "NoCommonAlgorithm",
                    operation,
                    "the server offers nothing that is spoken here; often it has an RSA host key only, which is not accepted \
                     (RUSTSEC-2023-0071 has no fix): ask its owner for an Ed25519 or ECDSA host key",
                ),
                error => unreachable("Unreachable", "no SSH session could be made").caused_by(error),
            })?;
        self.authenticate(&mut session, operation).await?;
        let fail =
            |error: russh::Error| unreachable("Unreachable", "the server opens no SFTP session").caused_by(error);
        let channel = session.channel_open_session().await.map_err(fail)?;
        channel.request_subsystem(true, "sftp").await.map_err(fail)?;
        let sftp = SftpSession::new(channel.into_stream()).await.map_err(|error| sftp_error(error, operation))?;
        Ok(Drop { sftp, _session: session })
    }

    async fn authenticate(&self, session: &mut Handle<Pinned>, operation: &str) -> Result<(), AdapterError> {
        let fail = |error: russh::Error| {
            AdapterError::new(Class::Transient, "Unreachable", operation, "the sign-in was cut off").caused_by(error)
        };
        if let Some(key) = &self.private_key {
            let key = PrivateKeyWithHashAlg::new(Arc::clone(key), None);
            if session.authenticate_publickey(&self.user, key).await.map_err(fail)?.success() {
                return Ok(());
            }
        }
        if let Some(password) = &self.password
            && session.authenticate_password(&self.user, password.expose()).await.map_err(fail)?.success()
        {
            return Ok(());
        }
        let context = "the server refuses the account; check access.user, access.password and access.private_key";
        Err(AdapterError::new(Class::Auth, "SignInRefused", operation, context))
    }

    /// Connects to an address of the host that may be talked to.
    async fn connect(&self, operation: &str) -> Result<tokio::net::TcpStream, AdapterError> {
        let fail = |context: &str, error: std::io::Error| {
            AdapterError::new(Class::Transient, "Unreachable", operation, context).caused_by(error)
        };
        let found = tokio::net::lookup_host((self.host.as_str(), self.port))
            .await
            .map_err(|error| fail("the host's name is not known", error))?;
        let open: Vec<SocketAddr> =
            found.filter(|address| self.allow_private_addresses || is_public(address.ip())).collect();
        if open.is_empty() {
            let context = "the host is on a private network, which this connection may not reach";
            return Err(AdapterError::new(Class::Settings, "PrivateAddress", operation, context));
        }
        tokio::net::TcpStream::connect(open.as_slice())
            .await
            .map_err(|error| fail("the server does not answer; check host and port", error))
    }
}

impl Drop {
    async fn stat(&self, path: &str) -> Result<Listed, russh_sftp::client::error::Error> {
        let metadata = self.sftp.metadata(path).await?;
        let name = path.rsplit('/').next().unwrap_or_default().to_owned();
        Ok(Listed { name, bytes: metadata.size.unwrap_or(0), modified: modified(metadata.mtime) })
    }

    async fn list(&self, folder: &str) -> Result<Vec<Listed>, russh_sftp::client::error::Error> {
        let entries = self.sftp.read_dir(folder).await?;
        Ok(entries
            .take(MAX_LISTED)
            .filter(|entry| !entry.metadata().is_dir())
            .map(|entry| {
                let metadata = entry.metadata();
                Listed {
                    name: entry.file_name(),
                    bytes: metadata.size.unwrap_or(0),
                    modified: modified(metadata.mtime),
                }
            })
            .collect())
    }

    /// A copy of a file that was not written to meanwhile.
    async fn copy_whole(
        &self,
        path: &str,
        file: Listed,
        mode: NamedMode,
        pick: &Pick,
        now: SystemTime,
        operation: &str,
    ) -> Result<(std::fs::File, About), AdapterError> {
        let copy = self.copy(path, operation).await?;
        if self.stat(path).await.map_err(|error| sftp_error(error, operation))? != file {
            return Err(changed_meanwhile(operation, pick.settle));
        }
        let about = About {
            name: file.name,
            operation: operation.to_owned(),
            modified: file.modified,
            mode,
            cursor: None,
            tag: None,
            warnings: Vec::new(),
            now,
            unchanged: None,
        };
        Ok((copy, about))
    }

    async fn copy(&self, path: &str, operation: &str) -> Result<std::fs::File, AdapterError> {
        let fail = |error| read_error(error, operation);
        let mut remote = self.sftp.open(path).await.map_err(|error| sftp_error(error, operation))?;
        let mut copy = tokio::fs::File::from_std(tempfile::tempfile().map_err(fail)?);
        let mut piece = vec![0; PIECE_BYTES];
        let mut bytes = 0_u64;
        loop {
            let read = remote.read(&mut piece).await.map_err(fail)?;
            if read == 0 {
                break;
            }
            bytes += read as u64;
            if bytes > MAX_DOWNLOAD_BYTES {
                let context = format!("the file is larger than {MAX_DOWNLOAD_BYTES} bytes");
                return Err(AdapterError::new(Class::Data, "Unreadable", operation, context));
            }
            copy.write_all(&piece[..read]).await.map_err(fail)?;
        }
        copy.flush().await.map_err(fail)?;
        copy.rewind().await.map_err(fail)?;
        Ok(copy.into_std().await)
    }
}

impl HostKey {
    fn read(text: &str) -> Result<Self, &'static str> {
        let text = text.trim();
        if text.starts_with("SHA256:") {
            return Ok(Self::Fingerprint(text.to_owned()));
        }
        if text.split_whitespace().any(|word| word.eq_ignore_ascii_case("ssh-rsa") || word.starts_with("rsa-sha2-")) {
            return Err(
                "this is an RSA key, and RSA is not spoken here (its library has an advisory without a fix, RUSTSEC-2023-0071): \
                        run `ssh-keyscan -t ed25519,ecdsa HOST` and pin one of those keys",
            );
        }
        PublicKey::from_openssh(text).map(|key| Self::Whole(Box::new(key))).map_err(
            |_| "write the key as `ssh-keyscan HOST` prints it after the host name, or its SHA256:… fingerprint",
        )
    }
}

fn modified(seconds: Option<u32>) -> Option<SystemTime> {
    Some(SystemTime::UNIX_EPOCH + Duration::from_secs(u64::from(seconds?)))
}

async fn within<T>(
    limit: Duration,
    operation: &str,
    work: impl Future<Output = Result<T, AdapterError>>,
) -> Result<T, AdapterError> {
    tokio::time::timeout(limit, work).await.unwrap_or_else(|_| {
        let context = format!("not done after {} s", limit.as_secs());
        Err(AdapterError::new(Class::Transient, "TooSlow", operation, context))
    })
}

fn sftp_error(error: russh_sftp::client::error::Error, operation: &str) -> AdapterError {
    use russh_sftp::client::error::Error;
    use russh_sftp::protocol::StatusCode;
    let (class, context) = match &error {
        Error::Status(status) if status.status_code == StatusCode::NoSuchFile => {
            (Class::Data, "there is no such file; check url, and that the shop's software has written it")
        }
        Error::Status(status) if status.status_code == StatusCode::PermissionDenied => {
            (Class::Settings, "the account may not read it; ask the server's owner for the right to")
        }
        _ => (Class::Transient, "the SFTP session broke off"),
    };
    AdapterError::new(class, "Unreadable", operation, context).caused_by(error)
}
