//! Files in an SFTP drop, from a small server on loopback.

#![cfg(feature = "sftp")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::sync::Arc;

use common::{at_once, pull};
use passerelle_contract::{Class, Context};
use russh::keys::{Algorithm, HashAlg, PrivateKey};
use russh::server::{Auth, ChannelOpenHandle, Msg, Session};
use russh::{Channel, ChannelId};
use russh_sftp::protocol::{Attrs, Data, FileAttributes, Handle, OpenFlags, Status, StatusCode};
use serde_json::{Value, json};

const STOCK: &[u8] = b"EAN13;Titre;PV TTC;Stock\n9782999999107;a;18,90;3\n";
const USER: &str = "librairie";
const PASSWORD: &str = "kanari-7731";

#[derive(Default)]
struct Shell {
    channel: Option<Channel<Msg>>,
}

impl russh::server::Handler for Shell {
    type Error = russh::Error;

    async fn auth_password(&mut self, user: &str, password: &str) -> Result<Auth, russh::Error> {
        Ok(if user == USER && password == PASSWORD { Auth::Accept } else { Auth::reject() })
    }

    async fn channel_open_session(
        &mut self,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), russh::Error> {
        self.channel = Some(channel);
        reply.accept().await;
        Ok(())
    }

    async fn subsystem_request(
        &mut self,
        id: ChannelId,
        _name: &str,
        session: &mut Session,
    ) -> Result<(), russh::Error> {
        session.channel_success(id)?;
        if let Some(channel) = self.channel.take() {
            russh_sftp::server::run(channel.into_stream(), Drop).await;
        }
        Ok(())
    }
}

/// One file, at two paths.
struct Drop;

const PATHS: [&str; 2] = ["/drop/stock.csv", "/dépôt du jour/stock n°1.csv"];

fn attributes(id: u32) -> Attrs {
    let attrs = FileAttributes {
        size: Some(STOCK.len() as u64),
        mtime: Some(1_772_000_000),
        permissions: Some(0o100_644),
        ..FileAttributes::default()
    };
    Attrs { id, attrs }
}

impl russh_sftp::server::Handler for Drop {
    type Error = StatusCode;

    fn unimplemented(&self) -> StatusCode {
        StatusCode::OpUnsupported
    }

    async fn stat(&mut self, id: u32, path: String) -> Result<Attrs, StatusCode> {
        if PATHS.contains(&path.as_str()) { Ok(attributes(id)) } else { Err(StatusCode::NoSuchFile) }
    }

    async fn fstat(&mut self, id: u32, _handle: String) -> Result<Attrs, StatusCode> {
        Ok(attributes(id))
    }

    async fn open(&mut self, id: u32, path: String, _: OpenFlags, _: FileAttributes) -> Result<Handle, StatusCode> {
        Ok(Handle { id, handle: path })
    }

    async fn read(&mut self, id: u32, _handle: String, offset: u64, len: u32) -> Result<Data, StatusCode> {
        let rest =
            STOCK.get(usize::try_from(offset).unwrap()..).filter(|rest| !rest.is_empty()).ok_or(StatusCode::Eof)?;
        Ok(Data { id, data: rest[..rest.len().min(len as usize)].to_vec() })
    }

    async fn close(&mut self, id: u32, _handle: String) -> Result<Status, StatusCode> {
        Ok(Status { id, status_code: StatusCode::Ok, error_message: String::new(), language_tag: String::new() })
    }
}

/// Address and fingerprint of a server of its own.
async fn serve() -> (String, String) {
    let key = PrivateKey::random(&mut russh::keys::key::safe_rng(), Algorithm::Ed25519).unwrap();
    let fingerprint = key.public_key().fingerprint(HashAlg::Sha256).to_string();
    let config = Arc::new(russh::server::Config {
        keys: vec![key],
        auth_rejection_time: std::time::Duration::ZERO,
        ..russh::server::Config::default()
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let config = Arc::clone(&config);
            tokio::spawn(async move {
                if let Ok(session) = russh::server::run_stream(config, stream, Shell::default()).await {
                    let _ended = session.await;
                }
            });
        }
    });
    (address, fingerprint)
}

fn settings(url: String, password: &std::path::Path, host_key: &str) -> Value {
    let mut settings = at_once(
        std::path::Path::new(""),
        json!({
            "url": url, "access": { "user": USER, "password": { "file": password }, "host_key": host_key }
        }),
    );
    settings.as_object_mut().unwrap().remove("path");
    settings
}

fn at_home() -> Context {
    Context { allow_private_addresses: true, ..Context::default() }
}

#[tokio::test]
async fn a_drop_is_read_from_the_server_whose_key_is_pinned_and_from_no_other() {
    let (address, fingerprint) = serve().await;
    let secret = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(secret.path(), PASSWORD).unwrap();
    let url = format!("sftp://{address}/drop/stock.csv");
    let pulled = pull(&settings(url.clone(), secret.path(), &fingerprint), at_home()).await.unwrap();
    assert_eq!(pulled.lines, ["2 good 9782999999107 1890 3", "end Snapshot"]);

    for written in ["/dépôt du jour/stock n°1.csv", "/d%C3%A9p%C3%B4t%20du%20jour/stock%20n%C2%B01.csv"] {
        let url = format!("sftp://{address}{written}");
        let pulled = pull(&settings(url, secret.path(), &fingerprint), at_home()).await.unwrap();
        assert_eq!(pulled.lines[0], "2 good 9782999999107 1890 3", "{written}");
    }

    let other = "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    let error = pull(&settings(url.clone(), secret.path(), other), at_home()).await.err().unwrap();
    assert_eq!((error.class, error.code), (Class::Auth, "HostKeyMismatch"), "{error}");

    let error = pull(&settings(url.clone(), secret.path(), &fingerprint), Context::default()).await.err().unwrap();
    assert_eq!(error.code, "PrivateAddress");

    let missing = format!("sftp://{address}/drop/none.csv");
    let error = pull(&settings(missing, secret.path(), &fingerprint), at_home()).await.err().unwrap();
    assert_eq!((error.class, error.code), (Class::Data, "Unreadable"), "{error}");

    std::fs::write(secret.path(), "wrong").unwrap();
    let error = pull(&settings(url, secret.path(), &fingerprint), at_home()).await.err().unwrap();
    assert_eq!((error.class, error.code), (Class::Auth, "SignInRefused"), "{error}");
}

#[test]
fn an_rsa_host_key_is_refused_as_one() {
    let secret = tempfile::NamedTempFile::new().unwrap();
    let url = "sftp://127.0.0.1/drop/stock.csv".to_owned();
    for key in ["ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABgQC7", "127.0.0.1 ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABgQC7"] {
        let refused = (passerelle_csv::DESCRIPTOR.connect)(&settings(url.clone(), secret.path(), key), at_home());
        let problems = refused.err().expect("refused").problems;
        let problem = problems.iter().find(|problem| problem.path == "access.host_key").expect("the key is named");
        assert!(problem.message.contains("RSA") && problem.message.contains("ed25519"), "{}", problem.message);
    }
}
