//! Drives pass Culture to what the ledger of events says, event by event.
//!
//! Each event is written down when it is done, so that a crash costs one event's answers: whatever may have been made before is
//! looked up by its key and adopted. What pass Culture refuses is written down with its reason and not sent again until it
//! changes; what stops everything (keys, message URLs, pass Culture down) ends the push.
//!
//! Invariants: nothing is made that was not looked for first; a date with live tickets is closed, never deleted.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use passerelle_contract::{Adapter, Class};
use serde::{Deserialize, Serialize};

use super::changes::{DateStep, date_step, event_differs, read_event};
use super::pictures::Pictures;
use super::{Ledger, changes};
use crate::catalogue::PassError;
use crate::catalogue::progress::{Progress, Step};
use crate::passculture::{Client, Contact, Event, EventBody, EventPublication, NorthError, PriceCategory, SendError};
use crate::rules::screenings::CategoryTerms;
use crate::store::bookings::MAX_ASKED;
use crate::store::events::{DateRow, EventRow};
use crate::store::{ConnectionRecord, Lease, Millis, Store, StoreError};

mod dates;

/// Dates named in one sentence.
const MOST_NAMED: usize = 20;
/// Rounds of one push: the first does the work, the others look at what was lost or overtaken.
const ROUNDS: usize = 3;

/// One venue's way north, for events.
pub(in crate::catalogue) struct Push<'a> {
    pub(in crate::catalogue) store: &'a Arc<dyn Store>,
    pub(in crate::catalogue) lease: &'a Lease,
    pub(in crate::catalogue) client: &'a Client,
    pub(in crate::catalogue) connection: &'a ConnectionRecord,
    pub(in crate::catalogue) adapter: &'a dyn Adapter,
    pub(in crate::catalogue) venue_id: i64,
    pub(in crate::catalogue) progress: &'a dyn Progress,
    pub(in crate::catalogue) now: fn() -> Millis,
}

/// What a push did.
#[derive(Debug, Default)]
pub(in crate::catalogue) struct Pushed {
    /// Dates that pass Culture made, changed or took away.
    pub(in crate::catalogue) dates: u64,
    /// Sentences for the operator.
    pub(in crate::catalogue) notices: Vec<String>,
}

/// An event and what is to be done about it.
struct Work {
    event: EventRow,
    /// Known at pass Culture before this push: its dates are looked for before they are made.
    is_new: bool,
    dates: Vec<(DateRow, DateStep)>,
    /// Places that pass Culture has given away, by date, where that was asked.
    booked: BTreeMap<String, u32>,
}

/// What became of one call.
enum Became<T> {
    Done(T),
    /// Refused: code and sentence for the ledger.
    Refused(String),
    /// It may have been done; the next round looks.
    Lost,
    /// What it was about is not there any more.
    Gone(&'static str),
}

/// A price category as the ledger remembers it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Remembered {
    id: i64,
    label: String,
    price_cents: u32,
}

impl Push<'_> {
    /// Pushes until pass Culture is in step, as far as it lets itself be driven.
    ///
    /// # Errors
    /// What stops everything. What was done before stays done.
    pub(in crate::catalogue) async fn drive(&self) -> Result<Pushed, PassError> {
        let mut pushed = Pushed::default();
        let pictures = Pictures::new(self.connection, self.client);
        for _ in 0..ROUNDS {
            let ledger = self.load().await?;
            let work = self.work(&ledger).await?;
            if work.is_empty() {
                break;
            }
            let of = work.iter().map(|one| one.dates.len() as u64).sum::<u64>() + pushed.dates;
            let found = self.find_offers(&work).await?;
            for mut one in work {
                if let Some(event) = found.get(&one.event.key) {
                    adopt(&mut one, event);
                }
                pushed.dates += self.event(one, &pictures, &mut pushed.notices).await?;
                self.progress.step(Step::Pushed { done: pushed.dates, of });
            }
            self.doubt_what_was_overtaken(&ledger).await?;
        }
        Ok(pushed)
    }

    /// Offers and dates that are wanted and that pass Culture refuses.
    ///
    /// # Errors
    /// The store's.
    pub(in crate::catalogue) async fn refused(&self) -> Result<u64, StoreError> {
        let ledger = self.load().await?;
        let events = ledger.events.iter().filter(|row| row.refused.is_some()).count();
        let dates = ledger.dates.iter().filter(|row| row.refused.is_some() && row.desired.is_some()).count();
        Ok((events + dates) as u64)
    }

    async fn load(&self) -> Result<Ledger, StoreError> {
        let id = &self.lease.connection;
        Ok(Ledger { events: self.store.events(id).await?, dates: self.store.dates(id).await? })
    }

    /// What is to be done, by event.
    async fn work(&self, ledger: &Ledger) -> Result<Vec<Work>, StoreError> {
        let now = (self.now)();
        let leaving: Vec<i64> =
            ledger.dates.iter().filter(|row| row.desired.is_none()).filter_map(|row| row.stock_id).collect();
        let live = self.live_tickets(&leaving).await?;
        let mut dates: BTreeMap<&str, Vec<(DateRow, DateStep)>> = BTreeMap::new();
        for row in &ledger.dates {
            let step = date_step(row, row.stock_id.is_some_and(|stock| live.contains(&stock)), now);
            if step != DateStep::Nothing {
                dates.entry(row.event.as_str()).or_default().push((row.clone(), step));
            }
        }
        let work = ledger.events.iter().filter_map(|event| {
            let mut dates = dates.remove(event.key.as_str()).unwrap_or_default();
            // Without an offer, and with one that pass Culture refuses, only what is there can be changed.
            if event.offer_id.is_none() && event.refused.is_some() {
                dates.retain(|(_, step)| *step != DateStep::Create);
            }
            let wants_picture = event.offer_id.is_some() && Pictures::wanted(event);
            (!dates.is_empty() || event_differs(event) || wants_picture).then(|| Work {
                event: event.clone(),
                is_new: false,
                dates,
                booked: BTreeMap::new(),
            })
        });
        Ok(work.collect())
    }

    async fn live_tickets(&self, stocks: &[i64]) -> Result<HashSet<i64>, StoreError> {
        let mut live = HashSet::new();
        for some in stocks.chunks(MAX_ASKED) {
            live.extend(self.store.stocks_with_live_tickets(&self.connection.account, some).await?);
        }
        Ok(live)
    }

    /// Offers that are there already under the keys of events that have none in the ledger.
    async fn find_offers(&self, work: &[Work]) -> Result<BTreeMap<String, Event>, PassError> {
        let keys: Vec<String> =
            work.iter().filter(|one| one.event.offer_id.is_none()).map(|one| one.event.key.clone()).collect();
        if keys.is_empty() {
            return Ok(BTreeMap::new());
        }
        let found = self.client.find_events(self.venue_id, &keys).await?;
        Ok(found.into_iter().filter_map(|event| Some((event.id_at_provider.clone()?, event))).collect())
    }

    /// Everything about one event; answers how many dates pass Culture took.
    async fn event(&self, mut work: Work, pictures: &Pictures, notices: &mut Vec<String>) -> Result<u64, PassError> {
        if !self.ensure_offer(&mut work).await? {
            return Ok(0);
        }
        let Some(offer) = work.event.offer_id else { return Ok(0) };
        self.change_event(&mut work, offer).await?;
        let done = if work.event.offer_id.is_some() { self.dates(&mut work, offer).await? } else { 0 };
        let deleted = work.dates.iter().filter(|(row, _)| row.refused.as_deref() == Some(dates::DELETED_THERE));
        let deleted: Vec<&str> = deleted.map(|(row, _)| row.key.as_str()).take(MOST_NAMED).collect();
        if !deleted.is_empty() {
            notices.push(format!("dates {} of event {}: {}", deleted.join(", "), work.event.key, dates::DELETED_THERE));
        }
        if work.event.offer_id.is_some() && Pictures::wanted(&work.event) {
            if let Some(notice) = pictures.put(&mut work.event, offer).await? {
                notices.push(notice);
            }
            self.save(&work.event, &[]).await?;
        }
        Ok(done)
    }

    /// False when there is no offer to work on.
    async fn ensure_offer(&self, work: &mut Work) -> Result<bool, PassError> {
        if work.event.offer_id.is_some() {
            return Ok(true);
        }
        let terms = read_event(work.event.desired.as_deref());
        let to_make = work.dates.iter().any(|(_, step)| *step == DateStep::Create);
        let (Some(terms), true) = (terms, to_make) else {
            // Nothing was ever made, so that nothing has to be taken away.
            let gone: Vec<_> = work.dates.iter().map(|(row, _)| (row.event.clone(), row.key.clone())).collect();
            self.store.forget_events(self.lease, &[], &gone).await?;
            return Ok(false);
        };
        let categories: BTreeSet<CategoryTerms> = work.dates.iter().filter_map(|(row, _)| category(row)).collect();
        let body = EventBody {
            venue_id: self.venue_id,
            id_at_provider: work.event.key.clone(),
            name: terms.name.clone(),
            category: changes::category_fields(&terms),
            // Cinema software does not say; the venue can in pass Culture's portal, and is not overwritten.
            accessibility: crate::passculture::Accessibility::default(),
            has_ticket: self.adapter.box_office().is_some(),
            duo: terms.duo,
            description: terms.description.clone(),
            duration_minutes: terms.duration_minutes,
            booking_contact: terms.booking_contact.clone().map(Contact::new),
            booking_email: None,
            collection_details: None,
            publication: EventPublication::Now,
            bookable_from: None,
            price_categories: categories
                .iter()
                .take(crate::passculture::MAX_PRICE_CATEGORIES)
                .map(dates::category_body)
                .collect(),
        };
        match became(self.client.create_event(&body).await)? {
            Became::Done(event) => {
                work.is_new = true;
                work.event.offer_id = Some(event.id);
                work.event.acknowledged.clone_from(&work.event.desired);
                work.event.categories = remembered(&event.price_categories);
            }
            Became::Refused(why) => work.event.refused = Some(why),
            // The next round looks the key up.
            Became::Lost | Became::Gone(_) => return Ok(false),
        }
        self.save(&work.event, &[]).await?;
        Ok(work.event.offer_id.is_some())
    }

    async fn change_event(&self, work: &mut Work, offer: i64) -> Result<(), PassError> {
        if !event_differs(&work.event) {
            return Ok(());
        }
        let Some(desired) = read_event(work.event.desired.as_deref()) else { return Ok(()) };
        let before = match read_event(work.event.acknowledged.as_deref()) {
            Some(before) => before,
            None => changes::terms_of(&self.client.event(offer).await?, &desired),
        };
        let Some(patch) = changes::event_patch(&desired, &before) else {
            work.event.acknowledged.clone_from(&work.event.desired);
            return Ok(self.save(&work.event, &[]).await?);
        };
        match became(self.client.change_event(offer, &patch).await)? {
            Became::Done(_) => work.event.acknowledged.clone_from(&work.event.desired),
            Became::Refused(why) => work.event.refused = Some(why),
            // A change is safe to send again.
            Became::Lost => work.event.acknowledged = None,
            Became::Gone(_) => return self.offer_is_gone(work).await,
        }
        Ok(self.save(&work.event, &[]).await?)
    }

    /// Somebody deleted the offer, or it is another provider's now: everything about it is looked up and made again.
    async fn offer_is_gone(&self, work: &mut Work) -> Result<(), PassError> {
        work.event = EventRow {
            offer_id: None,
            acknowledged: None,
            categories: "[]".to_owned(),
            picture: None,
            ..work.event.clone()
        };
        let mut rows = self.store.dates(&self.lease.connection).await?;
        rows.retain(|row| row.event == work.event.key && row.stock_id.is_some());
        let stocks: Vec<i64> = rows.iter().filter_map(|row| row.stock_id).collect();
        for row in &mut rows {
            row.stock_id = None;
            row.acknowledged = None;
        }
        self.save(&work.event, &rows).await?;
        self.dates_are_gone(&stocks).await?;
        Ok(())
    }

    /// pass Culture cancels the bookings of dates that go, and tells nobody: `settle` compares them with its listing.
    async fn dates_are_gone(&self, stocks: &[i64]) -> Result<(), StoreError> {
        for some in stocks.chunks(MAX_ASKED) {
            self.store.look_again(&self.connection.account, some, (self.now)()).await?;
        }
        Ok(())
    }

    /// A booking may have moved a date's places between our reading of its row and our patch. Which of the two pass Culture
    /// has now is not known, so it is read.
    async fn doubt_what_was_overtaken(&self, before: &Ledger) -> Result<(), StoreError> {
        let seen: BTreeMap<(&str, &str), &DateRow> =
            before.dates.iter().map(|row| ((row.event.as_str(), row.key.as_str()), row)).collect();
        let mut doubtful = self.store.dates(&self.lease.connection).await?;
        doubtful.retain(|row| {
            seen.get(&(row.event.as_str(), row.key.as_str())).is_some_and(|seen| {
                seen.touched_at != row.touched_at
                    && row.stock_id.is_some()
                    && row.acknowledged.is_some()
                    && seen.desired_quantity != seen.acknowledged_quantity
            })
        });
        for row in &mut doubtful {
            row.acknowledged = None;
        }
        if doubtful.is_empty() { Ok(()) } else { self.store.save_events(self.lease, &[], &doubtful).await }
    }

    async fn save(&self, event: &EventRow, dates: &[DateRow]) -> Result<(), StoreError> {
        self.store.save_events(self.lease, std::slice::from_ref(event), dates).await
    }
}

fn adopt(work: &mut Work, event: &Event) {
    let Some(desired) = read_event(work.event.desired.as_deref()) else { return };
    work.event.offer_id = Some(event.id);
    work.event.categories = remembered(&event.price_categories);
    work.event.acknowledged = serde_json::to_string(&changes::terms_of(event, &desired)).ok();
}

fn category(row: &DateRow) -> Option<CategoryTerms> {
    changes::read_date(row.desired.as_deref()).map(|terms| terms.category)
}

fn remembered(categories: &[PriceCategory]) -> String {
    let all: Vec<Remembered> = categories
        .iter()
        .map(|category| Remembered { id: category.id, label: category.label.clone(), price_cents: category.price.0 })
        .collect();
    serde_json::to_string(&all).unwrap_or_else(|_| "[]".to_owned())
}

/// Codes that say that something is not there: what we remember of it is stale.
const GONE: [&str; 3] = ["NoSuchOffer", "NoSuchDate", "NoSuchPriceCategory"];
/// Somebody made it meanwhile: the next round finds it.
const KEY_TAKEN: &str = "KeyTaken";

/// What became of a call; what concerns more than this one thing ends the push.
fn became<T>(result: Result<T, SendError>) -> Result<Became<T>, NorthError> {
    let error = match result {
        Ok(done) => return Ok(Became::Done(done)),
        Err(SendError::AnswerLost(_)) => return Ok(Became::Lost),
        Err(SendError::Refused { error, .. } | SendError::Failed(error)) => error,
    };
    if let Some(code) = GONE.into_iter().find(|code| *code == error.code) {
        return Ok(Became::Gone(code));
    }
    if error.code == KEY_TAKEN {
        return Ok(Became::Lost);
    }
    if error.class == Class::Data {
        // Which field and which words there are is said in the answer alone.
        let said = error.excerpt.map(|said| format!(": {said}")).unwrap_or_default();
        return Ok(Became::Refused(format!("{}: {}{said}", error.code, error.what)));
    }
    Err(error)
}
