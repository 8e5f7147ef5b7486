//! Dates of an event: found, added by hundreds, changed, deleted.
//!
//! pass Culture takes a call of dates whole or not at all. Here a long list goes in several calls, what a call names is set
//! aside and the rest goes again; the caller learns of each date what became of it.
//!
//! Invariant: every date of a list is accepted, refused, lost or unsent, exactly one of them; and no empty list is sent.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use passerelle_contract::Class;
use reqwest::Method;

use super::EVENTS;
use super::body::{DateBody, DatePatch, NewDates};
use super::pages::{List, MAX_KEYS_ASKED, questions};
use super::read::{EventDate, Page, WireDate};
use super::send::{FROZEN, KEY_TAKEN, Meaning, SendError, Write};
use crate::passculture::client::Client;
use crate::passculture::error::{Missing, NorthError};
use crate::passculture::products::{RefusedItem, refused_items};

/// Dates in one call: at 80 a second a call takes a few seconds, and a lost answer leaves few in doubt.
pub const MAX_DATES_SENT: usize = 200;
/// Dates of one event read at most: 2 500 live ones are allowed, past ones included.
pub const MAX_DATES_LISTED: usize = 5_000;
/// How often one call of dates is sent again without those that were refused.
const MAX_ROUNDS: usize = 10;
/// Ten seconds were seen for 500 dates.
const ADD_TIMEOUT: Duration = Duration::from_secs(60);

/// What became of the dates of a list; numbers are places in that list.
#[derive(Debug, Default)]
pub struct DatesAdded {
    /// Made.
    pub accepted: Vec<(usize, EventDate)>,
    /// Not made, and why; one date may be named several times.
    pub refused: Vec<RefusedItem>,
    /// Perhaps made: look for their keys before adding them again.
    pub lost: Vec<usize>,
    /// Not made: what stopped it came before.
    pub unsent: Vec<usize>,
    /// What stopped it; with it, either of the former two has dates.
    pub stopped: Option<SendError>,
}

const TOO_MANY: Meaning = Meaning {
    status: 400,
    key: "dates",
    class: Class::Data,
    code: "TooManyDates",
    what: "pass Culture takes at most 2500 dates of one event",
    remedy: "offer fewer tariffs or fewer days ahead to pass Culture",
};

/// Not *gone*: the date is there, the price category is another event's.
const NO_SUCH_PRICE_CATEGORY: Meaning = Meaning {
    status: 404,
    key: "priceCategoryId",
    class: Class::Data,
    code: "NoSuchPriceCategory",
    what: "the event has no such price category",
    remedy: "nothing to do: the next pass reads them again",
};

const GONE: Meaning = Meaning {
    status: 404,
    key: "stock_id",
    class: Class::Data,
    code: "NoSuchDate",
    what: "the event has no such date: it was deleted",
    remedy: "nothing to do: the next pass makes it again if it is still wanted",
};

const BOOKING_SETTLED: Meaning = Meaning {
    status: 410,
    key: "booking",
    class: Class::Data,
    code: "BookingsSettled",
    what: "a booking of this date can no longer be set back",
    remedy: "the date stays as it is; see the excerpt",
};

const PAYMENT_SETTLED: Meaning = Meaning { key: "payment", ..BOOKING_SETTLED };

/// What follows a key that is used a second time.
const AGAIN: &str = "~again";
/// Longest key, in characters.
const LONGEST_KEY: usize = 70;

/// The key under which a date is made whose own key pass Culture holds for a deleted one's. `None` when there is none left. Dates are
/// read, and bookings of them told, under their own key.
#[must_use]
pub fn key_again(key: &str) -> Option<String> {
    let fits = !key.ends_with(AGAIN) && key.chars().count() + AGAIN.len() <= LONGEST_KEY;
    fits.then(|| format!("{key}{AGAIN}"))
}

/// A date's own key.
pub(in crate::passculture) fn own_key(key: &str) -> &str {
    key.strip_suffix(AGAIN).filter(|own| !own.is_empty()).unwrap_or(key)
}

impl Client {
    /// Every date of an event that was not deleted, past ones included.
    ///
    /// # Errors
    /// `NoSuchOffer`, `ListTooLong` beyond [`MAX_DATES_LISTED`], or as any call.
    pub async fn dates(&self, event_id: i64) -> Result<Vec<EventDate>, NorthError> {
        let list = List {
            operation: "list dates",
            path: &path(event_id),
            query: Vec::new(),
            missing: Missing::Offer,
            bound: MAX_DATES_LISTED,
        };
        let rows: Vec<WireDate> = self.rows(&list).await?;
        Ok(rows.into_iter().map(EventDate::from).collect())
    }

    /// The dates of an event that have one of these keys; a key without date is absent. Asks for at most
    /// [`MAX_KEYS_ASKED`] at a time.
    ///
    /// # Errors
    /// `UnaskableKey` (empty, or with a comma), `NoSuchOffer`, or as any call.
    pub async fn find_dates(&self, event_id: i64, keys: &[String]) -> Result<Vec<EventDate>, NorthError> {
        const OPERATION: &str = "find dates";
        let wanted: HashSet<&str> = keys.iter().map(String::as_str).collect();
        let path = path(event_id);
        let mut found = Vec::new();
        let mut asked = keys.to_vec();
        asked.extend(keys.iter().filter_map(|key| key_again(key)));
        for question in questions(OPERATION, &asked)? {
            let list = List {
                operation: OPERATION,
                path: &path,
                query: vec![("idsAtProvider", question)],
                missing: Missing::Offer,
                // A key is unique within an event.
                bound: 2 * MAX_KEYS_ASKED,
            };
            let rows: Vec<WireDate> = self.rows(&list).await?;
            found.extend(
                rows.into_iter()
                    .map(EventDate::from)
                    .filter(|date| date.id_at_provider.as_deref().is_some_and(|key| wanted.contains(key))),
            );
        }
        found.sort_by_key(|date| date.id);
        found.dedup_by_key(|date| date.id);
        Ok(found)
    }

    /// Adds dates, [`MAX_DATES_SENT`] a call. The first ones end the event's draft. Stops at the first call that fails; a
    /// call that names dates is repeated without them, ten times at most.
    pub async fn add_dates(&self, event_id: i64, dates: &[DateBody]) -> DatesAdded {
        let mut added = DatesAdded::default();
        let mut keys = HashSet::new();
        let mut sendable: Vec<(usize, &DateBody)> = Vec::with_capacity(dates.len());
        for (index, date) in dates.iter().enumerate() {
            if keys.insert(date.id_at_provider.as_str()) {
                sendable.push((index, date));
            } else {
                let messages = vec!["the same key stands twice in the list".to_owned()];
                added.refused.push(RefusedItem { index, field: "idAtProvider".to_owned(), messages });
            }
        }
        let mut chunks = sendable.chunks(MAX_DATES_SENT);
        for chunk in chunks.by_ref() {
            if let Err(stop) = self.add_some(event_id, chunk, &mut added).await {
                added.stopped = Some(stop);
                break;
            }
        }
        added.unsent.extend(chunks.flatten().map(|(index, _)| *index));
        added
    }

    /// Adds the dates of one call. `Err` means that there is no point in going on.
    async fn add_some(
        &self,
        event_id: i64,
        chunk: &[(usize, &DateBody)],
        added: &mut DatesAdded,
    ) -> Result<(), SendError> {
        let mut left = chunk.to_vec();
        let mut rounds = 0;
        while !left.is_empty() {
            rounds += 1;
            let places = |left: &[(usize, &DateBody)]| left.iter().map(|(index, _)| *index).collect::<Vec<_>>();
            let made = match self.post_dates(event_id, &left).await {
                Ok(made) => made,
                Err(stop @ SendError::AnswerLost(_)) => {
                    added.lost.extend(places(&left));
                    return Err(stop);
                }
                Err(stop) => {
                    let named = named(&stop, &left);
                    if !named.is_empty() {
                        let aside: HashSet<usize> = named.iter().map(|item| item.index).collect();
                        left.retain(|(index, _)| !aside.contains(index));
                        added.refused.extend(named);
                        if rounds < MAX_ROUNDS || left.is_empty() {
                            continue;
                        }
                    }
                    added.unsent.extend(places(&left));
                    return Err(stop);
                }
            };
            let mut by_key: HashMap<String, EventDate> =
                made.into_iter().filter_map(|date| Some((date.id_at_provider.clone()?, date))).collect();
            left.retain(|(index, date)| match by_key.remove(own_key(&date.id_at_provider)) {
                Some(made) => {
                    added.accepted.push((*index, made));
                    false
                }
                None => true,
            });
            if left.is_empty() {
                return Ok(());
            }
            added.lost.extend(places(&left));
            return Err(SendError::AnswerLost(NorthError::new(
                Class::VendorFault,
                "UnreadableAnswer",
                "add dates",
                format!("{} of {} dates are missing from the answer", left.len(), chunk.len()),
                "they are looked up by their keys on the next pass; if it lasts, report it",
            )));
        }
        Ok(())
    }

    async fn post_dates(&self, event_id: i64, dates: &[(usize, &DateBody)]) -> Result<Vec<EventDate>, SendError> {
        let path = path(event_id);
        let dates: Vec<&DateBody> = dates.iter().map(|(_, date)| *date).collect();
        let write = Write { timeout: ADD_TIMEOUT, ..Write::create("add dates", &path, &[KEY_TAKEN, TOO_MANY, FROZEN]) };
        let page: Page<WireDate> = self.write(&write, &NewDates { dates: &dates }).await?;
        Ok(page.rows.into_iter().map(EventDate::from).collect())
    }

    /// Changes what is set in the patch. `None`: nothing was set, nothing was sent.
    ///
    /// # Errors
    /// [`SendError`]; among the codes `NoSuchDate`, `NoSuchPriceCategory` (the date is there), `NoSuchOffer`,
    /// `OfferFrozen` (the event has begun, too), `KeyTaken`, `BookingsSettled`.
    pub async fn change_date(
        &self,
        event_id: i64,
        stock_id: i64,
        patch: &DatePatch,
    ) -> Result<Option<EventDate>, SendError> {
        if *patch == DatePatch::default() {
            return Ok(None);
        }
        let path = format!("{}/{stock_id}", path(event_id));
        let meanings = [NO_SUCH_PRICE_CATEGORY, GONE, KEY_TAKEN, FROZEN, BOOKING_SETTLED, PAYMENT_SETTLED];
        let write = Write::change("change the date", &path, &meanings);
        self.write::<WireDate>(&write, patch).await.map(|date| Some(date.into()))
    }

    /// Deletes a date and cancels its bookings, of which pass Culture sends no message: the caller voids their tickets.
    /// A date that is not there is deleted. Possible until two days after its beginning.
    ///
    /// # Errors
    /// [`SendError`]; `NoSuchOffer` when the whole event is not shown to us, whose dates may well be alive; `OfferFrozen`.
    pub async fn delete_date(&self, event_id: i64, stock_id: i64) -> Result<(), SendError> {
        let path = format!("{}/{stock_id}", path(event_id));
        let meanings = [GONE, FROZEN, BOOKING_SETTLED, PAYMENT_SETTLED];
        let write = Write { method: Method::DELETE, ..Write::change("delete the date", &path, &meanings) };
        match self.write_raw(&write, None).await {
            Ok(_) => Ok(()),
            Err(error) if error.error().code == GONE.code => Ok(()),
            Err(error) => Err(error),
        }
    }
}

fn path(event_id: i64) -> String {
    format!("{EVENTS}/{event_id}/dates")
}

/// The dates that a refusal names, by their place in the caller's list.
fn named(refusal: &SendError, sent: &[(usize, &DateBody)]) -> Vec<RefusedItem> {
    let SendError::Refused { fields, .. } = refusal else { return Vec::new() };
    refused_items("dates", fields, sent.len())
        .into_iter()
        .filter_map(|item| sent.get(item.index).map(|(index, _)| RefusedItem { index: *index, ..item }))
        .collect()
}
