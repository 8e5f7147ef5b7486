//! A venue's software on loopback: it verifies each call with the published library of Standard Webhooks, and misbehaves as told.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde_json::Value;
use standardwebhooks::Webhook;

/// What it does with a call.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Does {
    Takes,
    Answers(u16),
    Redirects,
    Hangs,
    Babbles,
}

/// A call that it got.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) id: String,
    pub(crate) timestamp: i64,
    pub(crate) body: String,
    pub(crate) verified: bool,
    pub(crate) replay: bool,
    pub(crate) at: Instant,
}

impl Call {
    pub(crate) fn document(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    pub(crate) fn kind(&self) -> String {
        self.document()["type"].as_str().unwrap().to_owned()
    }
}

struct Inner {
    secret: String,
    calls: Mutex<Vec<Call>>,
    next: Mutex<VecDeque<Does>>,
    always: Mutex<Does>,
}

/// Running until dropped.
#[derive(Clone)]
pub(crate) struct Receiver {
    inner: Arc<Inner>,
    address: SocketAddr,
}

impl Receiver {
    pub(crate) async fn start(secret: &str) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let inner = Arc::new(Inner {
            secret: secret.to_owned(),
            calls: Mutex::default(),
            next: Mutex::default(),
            always: Mutex::new(Does::Takes),
        });
        let router = Router::new().fallback(post(take)).with_state(Arc::clone(&inner));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { inner, address }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/webhook", self.address)
    }

    /// The next calls are treated like this, and later ones as always.
    pub(crate) fn next(&self, does: &[Does]) {
        self.inner.next.lock().unwrap().extend(does);
    }

    pub(crate) fn always(&self, does: Does) {
        *self.inner.always.lock().unwrap() = does;
    }

    /// Every call but pings.
    pub(crate) fn calls(&self) -> Vec<Call> {
        self.inner.calls.lock().unwrap().iter().filter(|call| !call.body.contains("endpoint.ping")).cloned().collect()
    }

    /// Every call once, however often it came: a process that died before it wrote that one was taken sends it again.
    pub(crate) fn different(&self) -> Vec<Call> {
        let mut seen = std::collections::BTreeSet::new();
        self.calls().into_iter().filter(|call| seen.insert(call.id.clone())).collect()
    }

    pub(crate) fn kinds(&self) -> Vec<String> {
        self.calls().iter().map(Call::kind).collect()
    }
}

async fn take(State(inner): State<Arc<Inner>>, headers: HeaderMap, body: Bytes) -> Response {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let verified = Webhook::new(&inner.secret).unwrap().verify(&body, &headers).is_ok();
    let call = Call {
        id: text("webhook-id"),
        timestamp: text("webhook-timestamp").parse().unwrap_or_default(),
        body: String::from_utf8(body.to_vec()).unwrap(),
        verified,
        replay: text("gateway-replay") == "1",
        at: Instant::now(),
    };
    inner.calls.lock().unwrap().push(call);
    let next = inner.next.lock().unwrap().pop_front();
    let does = next.unwrap_or_else(|| *inner.always.lock().unwrap());
    match does {
        Does::Takes => StatusCode::NO_CONTENT.into_response(),
        Does::Answers(status) => StatusCode::from_u16(status).unwrap().into_response(),
        Does::Redirects => {
            (StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, "http://127.0.0.1:1/elsewhere")]).into_response()
        }
        Does::Hangs => {
            tokio::time::sleep(Duration::from_secs(600)).await;
            StatusCode::OK.into_response()
        }
        Does::Babbles => (StatusCode::OK, "<html>\u{0}not what you think".repeat(10_000)).into_response(),
    }
}
