//! The frame of every simulator: a vendor on loopback that logs what it is asked and can be told to misbehave.
//!
//! Invariant: a fault is applied before the vendor's own routes see the request, so a simulator needs no code for it.
//! `POST /_sim/faults` on every simulator sets one from outside, `DELETE` clears all; no fault touches that route.

mod controls;
mod fault;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

pub use fault::{Fault, Faults};

/// Requests kept in a log; older ones go.
const MAX_LOGGED: usize = 10_000;

/// A running fake vendor.
pub trait Simulator: Send + Sync {
    /// What it stands on.
    fn server(&self) -> &Server;

    /// Where it listens.
    fn address(&self) -> SocketAddr {
        self.server().address
    }

    /// What it was asked.
    fn log(&self) -> &Log {
        &self.server().log
    }

    /// How it misbehaves.
    fn faults(&self) -> &Faults {
        &self.server().faults
    }
}

/// One request that came in.
#[derive(Clone, Debug)]
pub struct Logged {
    /// `GET`, …
    pub method: String,
    /// Path without query. Where one path stands for many calls, as in SOAP, `#` and the name of the call follow.
    pub path: String,
    /// Query as sent.
    pub query: String,
    /// `Authorization` as sent: simulators see invented credentials only.
    pub authorization: Option<String>,
}

/// The requests that came in, oldest first. Cheap to clone; all clones are one log.
#[derive(Clone, Default)]
pub struct Log(Arc<Mutex<VecDeque<Logged>>>);

impl Log {
    /// A copy of what is logged.
    #[must_use]
    pub fn all(&self) -> Vec<Logged> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    /// How many requests are logged.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Is nothing logged?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Forgets.
    pub fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn add(&self, request: &Request, path: &str) {
        let uri = request.uri();
        let authorization = request.headers().get("authorization").and_then(|value| value.to_str().ok());
        let mut log = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if log.len() == MAX_LOGGED {
            log.pop_front();
        }
        log.push_back(Logged {
            method: request.method().to_string(),
            path: path.to_owned(),
            query: uri.query().unwrap_or_default().to_owned(),
            authorization: authorization.map(str::to_owned),
        });
    }
}

/// A router on a socket, with log and faults. Stops when it is dropped.
pub struct Server {
    address: SocketAddr,
    log: Log,
    faults: Faults,
    task: JoinHandle<()>,
}

impl Server {
    /// Serves a router on a free loopback port.
    ///
    /// # Errors
    /// When no socket can be had.
    pub async fn start(router: Router) -> std::io::Result<Self> {
        Self::listen(SocketAddr::from(([127, 0, 0, 1], 0)), router).await
    }

    /// Serves a router at an address.
    ///
    /// # Errors
    /// When the address cannot be had.
    pub async fn listen(address: SocketAddr, router: Router) -> std::io::Result<Self> {
        Self::listen_with(address, router, Log::default()).await
    }

    /// Serves a router that shows the log itself.
    ///
    /// # Errors
    /// When the address cannot be had.
    pub async fn listen_with(address: SocketAddr, router: Router, log: Log) -> std::io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let faults = Faults::default();
        let router = router
            .merge(controls::router(faults.clone()))
            .layer(from_fn_with_state((log.clone(), faults.clone()), misbehave));
        let task = tokio::spawn(async move {
            // Ends with the task; an accept error is retried inside.
            let _ended = axum::serve(listener, router).await;
        });
        Ok(Self { address, log, faults, task })
    }
}

impl Simulator for Server {
    fn server(&self) -> &Server {
        self
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The last word of a `SOAPAction`, such as `"urn:Service/Sell"`.
fn soap_action(request: &Request) -> Option<&str> {
    let action = request.headers().get("soapaction")?.to_str().ok()?;
    action.trim().trim_matches('"').rsplit(['/', '#', ':']).next().filter(|word| !word.is_empty())
}

async fn misbehave(State((log, faults)): State<(Log, Faults)>, request: Request, next: Next) -> Response {
    if request.uri().path() == controls::PATH {
        return next.run(request).await;
    }
    let path = match soap_action(&request) {
        Some(action) => format!("{}#{action}", request.uri().path()),
        None => request.uri().path().to_owned(),
    };
    log.add(&request, &path);
    match faults.due(&path) {
        Some(fault) => fault.apply(request, next).await,
        None => next.run(request).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_soap_call_is_known_by_the_last_word_of_its_action() {
        let named = |action: Option<&str>| {
            let mut request = Request::new(axum::body::Body::empty());
            if let Some(action) = action {
                request.headers_mut().insert("soapaction", action.parse().unwrap());
            }
            soap_action(&request).map(str::to_owned)
        };
        assert_eq!(named(Some("\"urn:Service/Sell\"")).as_deref(), Some("Sell"));
        assert_eq!(named(Some("http://vendor.example/ws#Sell")).as_deref(), Some("Sell"));
        assert_eq!(named(Some("\"\"")), None);
        assert_eq!(named(None), None);
    }
}
