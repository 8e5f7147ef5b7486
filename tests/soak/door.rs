//! What stands before the nodes: a connection goes to a node that answers, and the time from its first byte to the first byte of the
//! answer is measured, which is what pass Culture waits.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// A door with nodes behind it. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Door {
    pub(crate) address: SocketAddr,
    inner: Arc<Inner>,
}

struct Inner {
    nodes: Mutex<Vec<SocketAddr>>,
    turn: AtomicUsize,
    slowest_micros: AtomicU64,
    answered: AtomicU64,
}

impl Door {
    pub(crate) async fn open() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let inner = Arc::new(Inner {
            nodes: Mutex::default(),
            turn: AtomicUsize::new(0),
            slowest_micros: AtomicU64::new(0),
            answered: AtomicU64::new(0),
        });
        let door = Self { address, inner };
        let kept = door.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let door = kept.clone();
                tokio::spawn(async move { door.carry(client).await });
            }
        });
        door
    }

    /// Adds a node; its place in the list stays its own.
    pub(crate) fn set_nodes(&self, nodes: Vec<SocketAddr>) {
        *self.inner.nodes.lock().unwrap_or_else(PoisonError::into_inner) = nodes;
    }

    pub(crate) fn slowest(&self) -> Duration {
        Duration::from_micros(self.inner.slowest_micros.load(Ordering::Relaxed))
    }

    pub(crate) fn answered(&self) -> u64 {
        self.inner.answered.load(Ordering::Relaxed)
    }

    async fn node(&self) -> Option<TcpStream> {
        let nodes = self.inner.nodes.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let first = self.inner.turn.fetch_add(1, Ordering::Relaxed);
        for step in 0..nodes.len() {
            if let Ok(stream) = TcpStream::connect(nodes[(first + step) % nodes.len()]).await {
                return Some(stream);
            }
        }
        None
    }

    async fn carry(&self, mut client: TcpStream) {
        let Some(mut node) = self.node().await else { return };
        let (mut asked, mut said) = (vec![0_u8; 64 * 1024], vec![0_u8; 64 * 1024]);
        let mut began: Option<Instant> = None;
        loop {
            tokio::select! {
                read = client.read(&mut asked) => match read {
                    Ok(bytes) if bytes > 0 => {
                        began.get_or_insert_with(Instant::now);
                        if node.write_all(&asked[..bytes]).await.is_err() { return }
                    }
                    _ => return,
                },
                read = node.read(&mut said) => match read {
                    Ok(bytes) if bytes > 0 => {
                        if let Some(began) = began.take() {
                            let micros = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
                            self.inner.slowest_micros.fetch_max(micros, Ordering::Relaxed);
                            self.inner.answered.fetch_add(1, Ordering::Relaxed);
                        }
                        if client.write_all(&said[..bytes]).await.is_err() { return }
                    }
                    _ => return,
                },
            }
        }
    }
}
