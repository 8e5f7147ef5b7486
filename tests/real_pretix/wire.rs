//! A wire that tells how long the other side took: from the first byte of a request to the last of its answer.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// Exchanges, each from its first byte to one of its answer.
type Exchanges = Arc<Mutex<Vec<(Instant, Instant)>>>;

pub(crate) struct Wire {
    address: SocketAddr,
    exchanges: Exchanges,
}

impl Wire {
    pub(crate) async fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let exchanges = Exchanges::default();
        let book = Arc::clone(&exchanges);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(carry(client, server, Arc::clone(&book)));
            }
        });
        Self { address, exchanges }
    }

    pub(crate) fn base_url(&self) -> String {
        format!("http://{}/", self.address)
    }

    pub(crate) fn forget(&self) {
        self.exchanges.lock().unwrap().clear();
    }

    /// Time during which the other side was waited for; what overlaps counts once.
    pub(crate) fn waited(&self) -> Duration {
        let mut all = self.exchanges.lock().unwrap().clone();
        all.sort();
        let mut end: Option<Instant> = None;
        let mut waited = Duration::ZERO;
        for (from, to) in all {
            let from = end.map_or(from, |end| from.max(end));
            waited += to.saturating_duration_since(from);
            end = Some(end.map_or(to, |end| end.max(to)));
        }
        waited
    }
}

async fn carry(mut client: TcpStream, server: SocketAddr, exchanges: Exchanges) {
    let mut server = TcpStream::connect(server).await.unwrap();
    let (mut ask, mut answer) = ([0; 16 * 1024], [0; 16 * 1024]);
    let (mut asked, mut answered) = (Instant::now(), true);
    loop {
        tokio::select! {
            read = client.read(&mut ask) => {
                let Ok(length @ 1..) = read else { return };
                if answered {
                    (asked, answered) = (Instant::now(), false);
                }
                if server.write_all(&ask[..length]).await.is_err() {
                    return;
                }
            }
            read = server.read(&mut answer) => {
                let Ok(length @ 1..) = read else { return };
                answered = true;
                if client.write_all(&answer[..length]).await.is_err() {
                    return;
                }
                exchanges.lock().unwrap().push((asked, Instant::now()));
            }
        }
    }
}
