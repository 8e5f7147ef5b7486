//! The way of a request: log, faults, rate limit, path, method, body, key, handler, effects.
//!
//! The order is the backend's: what it refuses before it looks at the key is refused before the key here.
//!
//! Invariant: handlers run under the one lock and never wait; whatever waits (delays, messages, hangs) is done
//! outside it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, Method, header};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::{Notify, OwnedMutexGuard};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::beneficiary::Outgoing;
use super::connection::Connection;
use super::ean::Chunk;
use super::errors::{Answer, AnswerBody, Outcome, html_page};
use super::faults::{FaultBody, FaultEffect};
use super::generation::Generation;
use super::locks::{Locks, Row};
use super::log::{SeenRequest, SentMessage};
use super::multipart::{self, Form};
use super::offer::{Event, Offer};
use super::outbox::Outbox;
use super::routes::{Action, Target, resolve};
use super::state::{AccountIndex, World};
use super::{
    addresses, auth, bookings, categories, controls, dates, ean, events, genres, price_categories, product_offers,
    products, provider, queue, ticketing, venues,
};

/// Largest body read; a bulk call of 500 items is under 200 kB.
const MAX_BODY: usize = 32 * 1024 * 1024;
/// How often the periodic jobs look whether their time has come.
const JOB_PERIOD: Duration = Duration::from_secs(1);
/// How long a call that "never" answers is kept.
const HANG: Duration = Duration::from_secs(3600);

/// What every handler shares.
pub(crate) struct Shared {
    world: Mutex<World>,
    outbox: Outbox,
    locks: Locks,
    tasks: TaskTracker,
    stop: CancellationToken,
    queue_moved: Notify,
}

impl Shared {
    pub(crate) fn new(world: World) -> std::io::Result<Self> {
        Ok(Self {
            world: Mutex::new(world),
            outbox: Outbox::new()?,
            locks: Locks::default(),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
            queue_moved: Notify::new(),
        })
    }

    /// The state. A handler that died while holding the lock leaves it usable.
    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn stop_token(&self) -> &CancellationToken {
        &self.stop
    }

    pub(crate) async fn finish(&self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }

    pub(crate) fn locks(&self) -> &Locks {
        &self.locks
    }

    /// Asks a ticketing and logs it; nothing when no answer came in time.
    pub(crate) async fn exchange(&self, question: &Outgoing) -> Option<(u16, Vec<u8>)> {
        let read_limit = self.world().settings.read_limit();
        let answer = tokio::select! {
            answer = self.outbox.ask(question, read_limit) => answer,
            () = self.stop.cancelled() => None,
        };
        self.world().log.message(sent(question, answer.as_ref().map(|(status, _)| *status)));
        answer
    }

    /// Does what the backend does by itself, until the sandbox stops: sweeps barcodes, holds past bookings for used.
    pub(crate) fn spawn_periodic_jobs(self: &Arc<Self>) {
        self.tasks.spawn(queue::work(self.clone()));
        let shared = self.clone();
        self.tasks.spawn(async move {
            loop {
                tokio::select! {
                    () = tokio::time::sleep(JOB_PERIOD) => {}
                    () = shared.stop.cancelled() => return,
                }
                let age = {
                    let mut world = shared.world();
                    bookings::use_past(&mut world);
                    world.settings.sweep_after_seconds
                };
                ticketing::sweep(&shared, age).await;
            }
        });
    }

    /// Posts messages in the background.
    pub(crate) fn send(self: &Arc<Self>, outgoing: Vec<Outgoing>) {
        for message in outgoing {
            let shared = self.clone();
            self.tasks.spawn(async move {
                let read_limit = shared.world().settings.read_limit();
                let posted = tokio::select! {
                    status = shared.outbox.post(&message, read_limit) => status,
                    () = shared.stop.cancelled() => return,
                };
                shared.world().log.message(sent(&message, posted));
            });
        }
    }

    /// Queues the tasks of one call.
    fn queue(&self, chunks: Vec<Chunk>) {
        if !chunks.is_empty() {
            queue::accept(&mut self.world(), chunks);
            self.queue_moved.notify_one();
        }
    }

    /// Told when a task came or ended.
    pub(crate) fn queue_moved(&self) -> &Notify {
        &self.queue_moved
    }
}

fn sent(message: &Outgoing, status: Option<u16>) -> SentMessage {
    SentMessage { action: message.action.to_owned(), url: message.url.clone(), booking_id: message.booking, status }
}

/// A request that passed every check before its handler.
pub(crate) struct Call {
    pub(crate) account: AccountIndex,
    /// Decoded pairs, in order.
    pub(crate) query: Vec<(String, String)>,
    pub(crate) body: Value,
    pub(crate) now: Timestamp,
    pub(crate) generation: Generation,
}

impl Call {
    /// The first value of a query parameter.
    pub(crate) fn query(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// What came in, read as the route reads it.
struct Payload {
    json: Option<Value>,
    form: Option<Form>,
}

/// What a handler asks to be done after the lock is released.
#[derive(Default)]
struct Effects {
    chunks: Vec<Chunk>,
    outgoing: Vec<Outgoing>,
    /// A booking to cancel by asking its provider.
    cancellation: Option<u64>,
    /// What came in as a form: read before the lock is taken.
    form: Option<Form>,
}

/// The one entry point of the web server.
pub(crate) async fn handle(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(connection): ConnectInfo<Connection>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path().to_owned();
    let query = parts.uri.query().unwrap_or("").to_owned();
    let Ok(bytes) = axum::body::to_bytes(body, MAX_BODY).await else {
        return Answer { status: 413, body: AnswerBody::Html(html_page(413)), retry_after: None }.into_response();
    };
    let pairs: Vec<(String, String)> = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    if let Some(rest) = path.strip_prefix("/_sandbox") {
        return controls::handle(&shared, &parts.method, rest, &pairs, &bytes).await.into_response();
    }
    let target = resolve(&path);
    let fault = {
        let mut world = shared.world();
        let World { faults, random, .. } = &mut *world;
        faults.strike(parts.method.as_str(), &path, random)
    };
    let parsed = if target.as_ref().is_some_and(|t| t.reads_body(&parts.method)) {
        serde_json::from_slice::<Value>(&bytes).ok()
    } else {
        None
    };
    let form = target
        .as_ref()
        .filter(|t| t.action(&parts.method) == Some(Action::UploadImage))
        .map(|_| multipart::read(content_type(&parts.headers), &bytes));
    let items = count_items(parsed.as_ref(), &pairs);
    let seen = |status: u16| {
        let route = target.as_ref().map_or("unknown path", |t| t.pattern);
        let seen = SeenRequest {
            number: 0,
            method: parts.method.to_string(),
            path: path.clone(),
            query: query.clone(),
            status,
            items,
        };
        shared.world().log.request(route, seen);
    };
    let payload = Payload { json: parsed, form };
    let work =
        async |payload| answer(&shared, target.as_ref(), &parts.method, &parts.headers, pairs.clone(), payload).await;
    match fault {
        None => {
            let answer = work(payload).await;
            seen(answer.status);
            answer.into_response()
        }
        Some(FaultEffect::Status { status, retry_after, body }) => {
            seen(status);
            fault_answer(status, retry_after, body).into_response()
        }
        Some(FaultEffect::ServerError) => {
            seen(500);
            Answer::crash().into_response()
        }
        Some(effect) => {
            if matches!(effect, FaultEffect::TimeoutAfterEffect | FaultEffect::CutAfterEffect) {
                work(payload).await;
            }
            seen(0);
            if matches!(effect, FaultEffect::Hang | FaultEffect::TimeoutAfterEffect) {
                tokio::select! {
                    () = tokio::time::sleep(HANG) => {}
                    () = shared.stop.cancelled() => {}
                }
            }
            // Nothing that is answered now can leave: the connection is dead.
            connection.kill();
            Response::new(Body::empty())
        }
    }
}

fn fault_answer(status: u16, retry_after: Option<u64>, body: FaultBody) -> Answer {
    let mut answer = match status {
        429 => Answer::too_many(retry_after, false),
        500 => Answer::crash(),
        _ => Answer::listed(status, "global", format!("HTTP {status}")),
    };
    if body == FaultBody::Html {
        answer.body = AnswerBody::Html(html_page(status));
    }
    answer.retry_after = retry_after;
    answer
}

fn count_items(body: Option<&Value>, query: &[(String, String)]) -> usize {
    let listed = body.and_then(Value::as_object).into_iter().flatten().find_map(|(_, value)| value.as_array());
    match listed {
        Some(items) => items.len(),
        None => query.iter().find(|(key, _)| key == "eans").map_or(0, |(_, eans)| eans.split(',').count()),
    }
}

/// Everything but faults: the backend's own answer.
async fn answer(
    shared: &Arc<Shared>,
    target: Option<&Target<'_>>,
    method: &Method,
    headers: &HeaderMap,
    query: Vec<(String, String)>,
    payload: Payload,
) -> Answer {
    let mut effects = Effects { form: payload.form, ..Effects::default() };
    let _rows = hold_rows(shared, target, method).await;
    let mut outcome = {
        let mut world = shared.world();
        judge(&mut world, target, method, headers, query, payload.json, &mut effects)
    };
    shared.queue(effects.chunks);
    shared.send(effects.outgoing);
    if let Some(booking) = effects.cancellation {
        // The real route does not catch what its provider does.
        outcome = ticketing::cancel(shared, booking, Answer::crash()).await.and(outcome);
    }
    outcome.unwrap_or_else(|refusal| refusal)
}

/// The rows that a write of dates or prices waits for: those of stocks whose provider is being asked.
async fn hold_rows(shared: &Shared, target: Option<&Target<'_>>, method: &Method) -> Vec<OwnedMutexGuard<()>> {
    let Some(target) = target else { return Vec::new() };
    let number = |id| u64::try_from(id).unwrap_or(0);
    let stocks: Vec<u64> = {
        let world = shared.world();
        let event = world.offers.get(&number(target.id)).and_then(Offer::event);
        let dates = event.into_iter().flat_map(Event::live_dates);
        match target.action(method) {
            Some(Action::EditDate | Action::DeleteDate) => {
                dates.filter(|d| d.stock.id == number(target.sub)).map(|d| d.stock.id).collect()
            }
            Some(Action::EditPriceCategory) => {
                dates.filter(|d| d.price_category == number(target.sub)).map(|d| d.stock.id).collect()
            }
            _ => Vec::new(),
        }
    };
    let mut held = Vec::with_capacity(stocks.len());
    for stock in stocks {
        held.push(shared.locks.hold(Row::Stock(stock)).await);
    }
    held
}

fn judge(
    world: &mut World,
    target: Option<&Target<'_>>,
    method: &Method,
    headers: &HeaderMap,
    query: Vec<(String, String)>,
    parsed: Option<Value>,
    effects: &mut Effects,
) -> Outcome {
    let key = auth::bearer(headers);
    // In front of the application: every call with a key counts, whatever its path.
    if let (Some(key), Some(limit)) = (key, world.settings.rate_limit) {
        world.windows.check(limit, key)?;
    }
    let target = target.ok_or_else(Answer::unknown_path)?;
    let action = target.action(method).ok_or_else(|| match *method {
        Method::OPTIONS => Answer { status: 200, body: AnswerBody::Empty, retry_after: None },
        _ => Answer::wrong_method(),
    })?;
    let mut body = json!({});
    if action.has_body() {
        if !is_json(headers) {
            return Err(Answer::not_json());
        }
        body = parsed.ok_or_else(Answer::unreadable_body)?;
        if is_falsy(&body) {
            body = json!({});
        }
    }
    let account = auth::account(world, key)?;
    let call = Call { account, query, body, now: world.clock.now(), generation: world.settings.generation };
    dispatch(world, action, &call, target, effects)
}

fn dispatch(world: &mut World, action: Action, call: &Call, target: &Target<'_>, effects: &mut Effects) -> Outcome {
    match action {
        Action::ShowProvider => provider::show(world, call),
        Action::UpdateProvider => provider::update(world, call),
        Action::UpdateVenueUrls => provider::update_venue(world, call, target.id),
        Action::ListVenues => venues::list(world, call),
        Action::ShowVenue => venues::by_siret(world, call, target.text),
        Action::ShowAddress => addresses::show(world, target.id),
        Action::SearchAddresses => addresses::search(world, call),
        Action::CreateAddress => addresses::create(world, call),
        Action::CheckAvailability => ean::check_availability(world, call),
        Action::ReadEans => ean::read(world, call),
        Action::UpsertEans => {
            effects.chunks = ean::upsert(world, call)?;
            Ok(Answer::no_content())
        }
        Action::ListProducts => products::list(world, call),
        Action::ShowProduct => products::show(world, call, target.id),
        Action::CreateProduct => product_offers::create(world, call),
        Action::EditProduct => product_offers::edit(world, call, &mut effects.outgoing),
        Action::UploadImage => product_offers::upload_image(world, call, target.id, effects.form.take()),
        Action::ListProductCategories => categories::list_products(),
        Action::CreateEvent => events::create(world, call),
        Action::ListEvents => events::list(world, call),
        Action::ShowEvent => events::show(world, call, target.id),
        Action::EditEvent => events::edit(world, call, target.id),
        Action::ListEventCategories => categories::list_events(call.generation),
        Action::AddPriceCategories => price_categories::add(world, call, target.id),
        Action::ListPriceCategories => price_categories::list(world, call, target.id),
        Action::EditPriceCategory => price_categories::edit(world, call, target.id, target.sub),
        Action::AddDates => dates::add(world, call, target.id),
        Action::ListDates => dates::list(world, call, target.id),
        Action::EditDate => dates::edit(world, call, target.id, target.sub),
        Action::DeleteDate => dates::delete(world, call, target.id, target.sub, &mut effects.outgoing),
        Action::ListShowTypes => genres::list_show_types(),
        Action::ListMusicTypes => genres::list_music_types(false),
        Action::ListEventMusicTypes => genres::list_music_types(true),
        Action::ListBookings => bookings::list(world, call),
        Action::ShowToken => bookings::show(world, call, target.text),
        Action::UseToken => bookings::validate(world, call, target.text),
        Action::KeepToken => bookings::keep(world, call, target.text),
        Action::CancelToken => bookings::cancel(world, call, target.text, &mut effects.cancellation),
    }
}

/// The body of a write model of the old generation: an object, or the error that says it is not one.
pub(crate) fn object_body<'v>(body: &'v Value, model: &str) -> Result<&'v Value, Answer> {
    let kind = match body {
        Value::Object(_) => return Ok(body),
        Value::Array(_) => "list",
        Value::String(_) => "str",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_f64() => "float",
        Value::Number(_) => "int",
        Value::Null => "NoneType",
    };
    Err(Answer::listed(400, "__root__", format!("{model} expected dict not {kind}")))
}

/// `application/json` or `application/…+json`, whatever its parameters.
fn is_json(headers: &HeaderMap) -> bool {
    let kind = content_type(headers).split(';').next().unwrap_or("").trim().to_ascii_lowercase();
    kind == "application/json" || (kind.starts_with("application/") && kind.ends_with("+json"))
}

/// The content type as it was sent, empty without one.
fn content_type(headers: &HeaderMap) -> &str {
    headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or("")
}

/// What Python holds for false: such a body reads as `{}`.
fn is_falsy(body: &Value) -> bool {
    match body {
        Value::Null | Value::Bool(false) => true,
        Value::Array(items) => items.is_empty(),
        Value::String(text) => text.is_empty(),
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::Bool(true) | Value::Object(_) => false,
    }
}
