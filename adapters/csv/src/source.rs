//! The pull: finds the file, reads it on a blocking thread, hands its pages on as fast as they are taken.
//!
//! Invariant: at most [`PAGES_AHEAD`] pages wait, and dropping the stream stops the reading.

use std::sync::Arc;

use futures_util::stream;
use passerelle_contract::{
    AdapterError, Class, Completeness, Context, Cursor, End, Expectations, Page, PageStream, Pull, SettingsError,
    Source, StockLine,
};
use tokio::sync::mpsc;

use crate::identity;
use crate::origin::{Found, Origin, unpack};
use crate::plan::Plan;
use crate::scan;
use crate::settings::NamedMode;

/// Pages read ahead of the consumer.
const PAGES_AHEAD: usize = 3;

/// One connection's stock file.
pub(crate) struct StockFile {
    pub plan: Arc<Plan>,
    pub origin: Arc<Origin>,
}

type Sent = Result<Page<StockLine>, AdapterError>;

/// Where a pass stands.
enum Walk {
    Start(Arc<Plan>, Arc<Origin>, Option<Cursor>),
    Reading(mpsc::Receiver<Sent>),
    Done,
}

impl StockFile {
    pub(crate) fn new(plan: Plan, context: &Context) -> Result<Self, SettingsError> {
        let origin = Origin::new(&plan, context)?;
        Ok(Self { plan: Arc::new(plan), origin: Arc::new(origin) })
    }
}

impl Source<StockLine> for StockFile {
    fn pull(&self, ask: Pull) -> PageStream<'_, StockLine> {
        let start = Walk::Start(Arc::clone(&self.plan), Arc::clone(&self.origin), ask.from);
        Box::pin(stream::unfold(start, |walk| async move {
            let mut pages = match walk {
                Walk::Done => return None,
                Walk::Reading(pages) => pages,
                Walk::Start(plan, origin, from) => match origin.fetch(&plan.pick, from.as_ref()).await {
                    Err(error) => return Some((Err(error), Walk::Done)),
                    Ok(Found::NothingNew(cursor)) => {
                        return Some((Ok(no_rows(Completeness::Delta, cursor)), Walk::Done));
                    }
                    Ok(Found::Same(cursor)) => {
                        return Some((Ok(no_rows(Completeness::Unchanged, cursor)), Walk::Done));
                    }
                    Ok(Found::File(file, about)) => read_aside(plan, file, about, from),
                },
            };
            match pages.recv().await {
                Some(Ok(page)) if page.end.is_none() => Some((Ok(page), Walk::Reading(pages))),
                Some(last) => Some((last, Walk::Done)),
                None => Some((Err(stopped()), Walk::Done)),
            }
        }))
    }

    fn expectations(&self) -> Expectations {
        self.plan.expectations
    }
}

/// Starts the reading thread. It ends by itself once nobody takes its pages.
fn read_aside(plan: Arc<Plan>, file: std::fs::File, about: scan::About, from: Option<Cursor>) -> mpsc::Receiver<Sent> {
    let (sender, receiver) = mpsc::channel(PAGES_AHEAD);
    tokio::task::spawn_blocking(move || {
        let mut send = |page| sender.blocking_send(Ok(page)).is_ok();
        if let Err(error) = read_file(&plan, file, about, from, &mut send) {
            // Nobody listening is the one reason why this cannot be said.
            let _unheard = sender.blocking_send(Err(error));
        }
    });
    receiver
}

/// A full file that is byte for byte the one of the last pass needs no second reading: the shop's software writes the same
/// export again and again between two days of trade.
fn read_file(
    plan: &Plan,
    mut file: std::fs::File,
    mut about: scan::About,
    from: Option<Cursor>,
    send: &mut dyn FnMut(Page<StockLine>) -> bool,
) -> Result<(), AdapterError> {
    if about.mode == NamedMode::Full && about.cursor.is_none() {
        let content = identity::of(&mut file).map_err(|error| scan::read_error(error, &about.operation))?;
        let cursor = identity::with_tag(&content, about.tag.as_deref());
        if from.as_ref().is_some_and(|from| identity::is(from, &content))
            && about.unchanged.as_ref().is_none_or(|unchanged| unchanged())
        {
            send(scan::same_again(&about, cursor));
            return Ok(());
        }
        about.cursor = Some(cursor);
    }
    let operation = about.operation.clone();
    unpack::with_content(file, &operation, &mut |content| scan::scan(content, plan, &about, send))
}

fn no_rows(completeness: Completeness, cursor: Cursor) -> Page<StockLine> {
    let end = End { completeness, cursor: Some(cursor), observed_at: None, fingerprint: None, warnings: Vec::new() };
    Page { rows: Vec::new(), notes: Vec::new(), skipped: 0, end: Some(end) }
}

fn stopped() -> AdapterError {
    AdapterError::new(
        Class::Transient,
        "Unreadable",
        "read the stock file",
        "the reading thread stopped before the end",
    )
}
