//! Connections of the web server: how many, how long each may be silent, and how they end.
//!
//! ```text
//! Head   nothing of a request, or a part of its head, has arrived      10 s
//! Body   its head has, its body has not                                30 s, by the routes
//! Answer somebody works at it, or the answer is being sent             60 s
//! Idle   answered; the next request has not begun                      75 s
//! ```
//!
//! When every place is taken, those that have been silent longest are closed first, then bodies that do not come on, so that whoever
//! opens a thousand connections and says nothing shuts out himself. Errors of accepting are counted in the log and waited out.
//!
//! Invariant: a request that has arrived whole is never closed for another's sake; and after `stop` every connection is closed within
//! [`STOP_WITHIN`], answered if its request had arrived.

use std::collections::HashMap;
use std::io;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes, HttpBody};
use axum::http::{HeaderValue, Request, header};
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::telemetry;

/// Connections at most, whatever the process may open.
const MOST_CONNECTIONS: u64 = 4_096;
/// Fewest connections, however little the process may open.
const FEWEST_CONNECTIONS: u64 = 32;
/// A request's head arrives within this time, from its first byte or from the connection's opening.
const HEAD_WITHIN: Duration = Duration::from_secs(10);
/// From a request's head to the last byte of its answer. Routes have a shorter limit; this one is for who does not read.
const ANSWER_WITHIN: Duration = Duration::from_secs(60);
/// A kept connection waits so long for its next request: longer than proxies keep theirs, so that theirs end first.
const IDLE_FOR: Duration = Duration::from_secs(75);
/// How often limits are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// A body from which nothing came for this long may be closed for another's sake.
const STALLED_AFTER: Duration = Duration::from_secs(1);
/// Of the places, the part that is freed at once when all are taken.
const FREED_AT_ONCE: usize = 16;
/// Rests after an error of accepting: the first, and the longest.
const RESTS: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(1));

/// When told to stop, connections that wait in the kernel are taken until none comes for this time...
const QUIET: Duration = Duration::from_millis(50);
/// ... and not longer than this.
const LAST_ACCEPTS: Duration = Duration::from_millis(500);
/// A kept connection may bring one last request for this time: it was perhaps on its way.
const LAST_REQUESTS: Duration = Duration::from_secs(1);
/// Then heads that have begun may arrive for this time.
const LAST_HEADS: Duration = Duration::from_secs(1);
/// After this time, from the order to stop, every connection is closed. A booking is answered within seven seconds.
pub(super) const STOP_WITHIN: Duration = Duration::from_secs(9);

/// What a connection is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Head,
    Idle,
    Body,
    Answer,
}

impl Phase {
    /// Nobody works for it.
    const fn is_silent(self) -> bool {
        matches!(self, Self::Head | Self::Idle)
    }

    const fn limit(self) -> Duration {
        match self {
            Self::Head => HEAD_WITHIN,
            Self::Idle => IDLE_FOR,
            Self::Body | Self::Answer => ANSWER_WITHIN,
        }
    }
}

/// One connection, as its task and the front see it.
#[derive(Debug)]
struct Place {
    now: Mutex<(Phase, Instant)>,
    end: CancellationToken,
    freed: Arc<Notify>,
}

impl Place {
    fn phase(&self) -> (Phase, Instant) {
        *self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enter(&self, phase: Phase) {
        *self.now.lock().unwrap_or_else(PoisonError::into_inner) = (phase, Instant::now());
        if phase.is_silent() {
            self.freed.notify_one();
        }
    }

    /// Bytes arrived: the next request begins, or a body comes on. A head is not given more time.
    fn heard(&self) {
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        match now.0 {
            Phase::Idle => *now = (Phase::Head, Instant::now()),
            Phase::Body => now.1 = Instant::now(),
            Phase::Head | Phase::Answer => {}
        }
    }

    /// The body of the request under way is here.
    fn has_body(&self) {
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        if now.0 == Phase::Body {
            now.0 = Phase::Answer;
        }
    }
}

/// Every connection that is open.
#[derive(Debug)]
struct Places {
    most: usize,
    next: u64,
    open: HashMap<u64, Arc<Place>>,
}

impl Places {
    fn is_full(&self) -> bool {
        self.open.len() >= self.most
    }

    /// Those that have been silent longest, as many as are freed at once; stalled bodies when nobody else is silent; none when
    /// everybody is at work.
    fn most_silent(&self) -> Vec<Arc<Place>> {
        let in_phase = |wanted: fn(Phase, Duration) -> bool| {
            let open = self.open.values().filter(|place| !place.end.is_cancelled());
            let mut found: Vec<_> = open
                .map(|place| (place.phase(), place))
                .filter(|((phase, since), _)| wanted(*phase, since.elapsed()))
                .collect();
            found.sort_by_key(|(since, _)| *since);
            found.truncate((self.most / FREED_AT_ONCE).max(1));
            found.into_iter().map(|(_, place)| Arc::clone(place)).collect::<Vec<_>>()
        };
        let silent = in_phase(|phase, _| phase.is_silent());
        if silent.is_empty() { in_phase(|phase, age| phase == Phase::Body && age > STALLED_AFTER) } else { silent }
    }

    fn overdue(&self, now: Instant) -> impl Iterator<Item = &Arc<Place>> {
        self.open.values().filter(move |place| {
            let (phase, since) = place.phase();
            now.saturating_duration_since(since) > phase.limit()
        })
    }
}

/// Serves connections until told to stop.
#[derive(Debug)]
pub(super) struct Front {
    places: Mutex<Places>,
    freed: Arc<Notify>,
    /// The order to stop.
    stop: CancellationToken,
    /// Kept connections end now.
    closing: CancellationToken,
    tasks: TaskTracker,
}

impl Front {
    /// With as many places as the limit of open files allows; half of it is for everything else.
    pub(super) fn new(open_files: u64, stop: CancellationToken) -> Arc<Self> {
        let most = (open_files / 2).clamp(FEWEST_CONNECTIONS, MOST_CONNECTIONS);
        Arc::new(Self {
            places: Mutex::new(Places {
                most: usize::try_from(most).unwrap_or(usize::MAX),
                next: 0,
                open: HashMap::new(),
            }),
            freed: Arc::new(Notify::new()),
            stop,
            closing: CancellationToken::new(),
            tasks: TaskTracker::new(),
        })
    }

    /// Accepts and serves; after `stop`, until the last connection is closed.
    pub(super) async fn serve(self: Arc<Self>, listener: TcpListener, router: Router) {
        let looking = tokio::spawn(Arc::clone(&self).look());
        let service = TowerToHyperService::new(router);
        let mut rest = RESTS.0;
        while !self.stop.is_cancelled() {
            if !self.has_room().await {
                continue;
            }
            tokio::select! {
                biased;
                () = self.stop.cancelled() => break,
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) => {
                        rest = RESTS.0;
                        self.open(stream, &service);
                    }
                    Err(why) if is_of_one_connection(&why) => {}
                    Err(why) => {
                        telemetry::accept_failed(&why);
                        // Perhaps too many files are open: the silent ones go.
                        self.free();
                        tokio::select! {
                            () = self.stop.cancelled() => {}
                            () = tokio::time::sleep(rest) => {}
                        }
                        rest = (rest * 2).min(RESTS.1);
                    }
                },
            }
        }
        let stopped = Instant::now();
        // Another server with the same socket takes what comes from now on; alone, it is taken while it comes.
        while stopped.elapsed() < LAST_ACCEPTS {
            let Ok(Ok((stream, _))) = timeout(QUIET, listener.accept()).await else { break };
            self.open(stream, &service);
        }
        drop(listener);
        self.tasks.close();
        self.wind_down(stopped).await;
        looking.abort();
    }

    /// Until a connection may be accepted; false when it has to be looked at again.
    async fn has_room(&self) -> bool {
        if !self.lock().is_full() {
            return true;
        }
        if self.free() == 0 {
            telemetry::connections_full();
        }
        tokio::select! {
            () = self.stop.cancelled() => {}
            () = self.freed.notified() => {}
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
        false
    }

    /// Closes those that have been silent longest; how many.
    fn free(&self) -> usize {
        let silent = self.lock().most_silent();
        for place in &silent {
            place.end.cancel();
        }
        telemetry::connections_closed("place_needed", silent.len());
        silent.len()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Places> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Closes what is over its time.
    async fn look(self: Arc<Self>) {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let now = Instant::now();
            let (closed, open) = {
                let places = self.lock();
                let closed = places.overdue(now).map(|place| place.end.cancel()).count();
                (closed, places.open.len())
            };
            telemetry::connections_closed("too_slow", closed);
            telemetry::connections_open(open);
            telemetry::flush_refused();
        }
    }

    async fn wind_down(&self, stopped: Instant) {
        let left = |limit: Duration| limit.saturating_sub(stopped.elapsed());
        if timeout(left(LAST_REQUESTS), self.tasks.wait()).await.is_ok() {
            return;
        }
        self.closing.cancel();
        if timeout(left(LAST_REQUESTS + LAST_HEADS), self.tasks.wait()).await.is_ok() {
            return;
        }
        for place in self.lock().open.values().filter(|place| place.phase().0.is_silent()) {
            place.end.cancel();
        }
        if timeout(left(STOP_WITHIN), self.tasks.wait()).await.is_ok() {
            return;
        }
        let late: Vec<_> = self.lock().open.values().cloned().collect();
        tracing::warn!(connections = late.len(), "requests were not answered in time; their connections are closed");
        for place in late {
            place.end.cancel();
        }
        self.tasks.wait().await;
    }

    fn open(self: &Arc<Self>, stream: TcpStream, service: &TowerToHyperService<Router>) {
        let place = Arc::new(Place {
            now: Mutex::new((Phase::Head, Instant::now())),
            end: CancellationToken::new(),
            freed: Arc::clone(&self.freed),
        });
        let id = {
            let mut places = self.lock();
            places.next += 1;
            let id = places.next;
            places.open.insert(id, Arc::clone(&place));
            id
        };
        // Answers are small and wanted at once.
        let _ = stream.set_nodelay(true);
        let (front, service) = (Arc::clone(self), service.clone());
        self.tasks.spawn(async move {
            front.one(stream, &place, service).await;
            front.lock().open.remove(&id);
            front.freed.notify_one();
        });
    }

    async fn one(&self, stream: TcpStream, place: &Arc<Place>, service: TowerToHyperService<Router>) {
        let answers = service_fn(|request: Request<Incoming>| {
            let (place, stop) = (Arc::clone(place), self.stop.clone());
            place.enter(if request.body().is_end_stream() { Phase::Answer } else { Phase::Body });
            let arriving = Arc::clone(&place);
            let answering = service.call(request.map(|body| Body::new(Arriving { body, place: arriving })));
            async move {
                let mut response = answering.await?;
                if stop.is_cancelled() {
                    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
                }
                Ok::<_, std::convert::Infallible>(response.map(|body| Leaving { body, _sent: Sent(place) }))
            }
        });
        let io = TokioIo::new(Heard { stream, place: Arc::clone(place) });
        // Deadlines are ours: hyper's would count a kept connection's silence as a slow head.
        let connection = http1::Builder::new().header_read_timeout(None).serve_connection(io, answers);
        let mut connection = pin!(connection);
        let mut is_closing = false;
        loop {
            tokio::select! {
                // An error is the peer's: it went away, or does not speak HTTP.
                _ = connection.as_mut() => return,
                () = place.end.cancelled() => return,
                () = self.closing.cancelled(), if !is_closing => {
                    is_closing = true;
                    connection.as_mut().graceful_shutdown();
                }
            }
        }
    }
}

/// Errors of the connection that was to be accepted; the next may be well.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

/// A stream that notes when something arrives.
#[derive(Debug)]
struct Heard {
    stream: TcpStream,
    place: Arc<Place>,
}

impl AsyncRead for Heard {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let answer = Pin::new(&mut self.stream).poll_read(cx, buf);
        if buf.filled().len() > before {
            self.place.heard();
        }
        answer
    }
}

impl AsyncWrite for Heard {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

/// A request's body that notes its end.
#[derive(Debug)]
struct Arriving {
    body: Incoming,
    place: Arc<Place>,
}

impl HttpBody for Arriving {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        if matches!(frame, Poll::Ready(None)) || self.body.is_end_stream() {
            self.place.has_body();
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// An answer's body: once it is gone, the connection waits for another request.
#[derive(Debug)]
struct Leaving {
    body: Body,
    _sent: Sent,
}

#[derive(Debug)]
struct Sent(Arc<Place>);

impl Drop for Sent {
    fn drop(&mut self) {
        self.0.enter(Phase::Idle);
    }
}

impl HttpBody for Leaving {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(most: usize, phases: &[(Phase, u64)]) -> Places {
        let (begun, freed) = (Instant::now(), Arc::new(Notify::new()));
        let open = phases.iter().zip(0..).map(|((phase, age), id)| {
            let since = begun.checked_sub(Duration::from_secs(*age)).unwrap_or(begun);
            let now = Mutex::new((*phase, since));
            (id, Arc::new(Place { now, end: CancellationToken::new(), freed: Arc::clone(&freed) }))
        });
        Places { most, next: phases.len() as u64, open: open.collect() }
    }

    fn ages(silent: &[Arc<Place>]) -> Vec<(Phase, u64)> {
        silent.iter().map(|place| (place.phase().0, place.phase().1.elapsed().as_secs())).collect()
    }

    #[test]
    fn the_longest_silent_goes_first_and_nobody_at_work() {
        use Phase::{Answer, Body, Head, Idle};
        let full = places(32, &[(Answer, 40), (Head, 1), (Head, 7), (Idle, 60), (Body, 20), (Head, 3)]);
        assert_eq!(ages(&full.most_silent()), [(Head, 7), (Head, 3)]);
        let stalled = places(32, &[(Answer, 40), (Body, 20), (Body, 0)]);
        assert_eq!(ages(&stalled.most_silent()), [(Body, 20)]);
        let at_work = places(32, &[(Answer, 40), (Body, 0)]);
        assert!(at_work.most_silent().is_empty());
    }

    #[test]
    fn every_phase_has_a_limit() {
        use Phase::{Answer, Body, Head, Idle};
        let all = places(99, &[(Head, 9), (Head, 11), (Idle, 74), (Idle, 76), (Body, 59), (Answer, 61)]);
        let mut late: Vec<_> = all.overdue(Instant::now()).map(|place| place.phase().0).collect();
        late.sort();
        assert_eq!(late, [Head, Idle, Answer]);
    }
}
