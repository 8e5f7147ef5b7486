//! A wire between adapter and server that can lose the answers to what changes something.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

pub(crate) struct Proxy {
    address: SocketAddr,
    loses: Arc<AtomicBool>,
}

impl Proxy {
    pub(crate) async fn start(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let loses = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&loses);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(carry(client, server, Arc::clone(&flag)));
            }
        });
        Self { address, loses }
    }

    pub(crate) fn base_url(&self) -> String {
        format!("http://{}/", self.address)
    }

    pub(crate) fn lose_answers(&self, loses: bool) {
        self.loses.store(loses, Ordering::Relaxed);
    }
}

/// What changes something comes on a connection of its own, so that the first bytes tell what it carries.
async fn carry(mut client: TcpStream, server: SocketAddr, loses: Arc<AtomicBool>) {
    let mut server = TcpStream::connect(server).await.unwrap();
    let mut first = [0; 4];
    if client.peek(&mut first).await.is_ok() && first == *b"POST" && loses.load(Ordering::Relaxed) {
        let (mut from, mut to) = client.split();
        let (mut answer, mut ask) = server.split();
        let mut one = [0; 1];
        tokio::select! {
            // The server has answered: it has done what was asked. The connection dies with it.
            _answered = answer.read(&mut one) => {}
            _sent = async { tokio::io::copy(&mut from, &mut ask).await } => {}
        }
        let _closed = to.shutdown().await;
        return;
    }
    let _ended = copy_bidirectional(&mut client, &mut server).await;
}
