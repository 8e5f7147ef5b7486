//! The dates of one event: looked for, made, changed, closed or deleted.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use passerelle_contract::{Cents, Quantity};

use super::{Became, Push, Remembered, Work, became, category, remembered};
use crate::catalogue::PassError;
use crate::catalogue::events::changes::{self, DateStep, as_read, date_patch, date_step, in_step, read_date};
use crate::passculture::{DateBody, DatePatch, EventDate, MAX_PRICE_CATEGORIES, PriceCategoryBody, key_again};
use crate::rules::screenings::CategoryTerms;
use crate::store::events::{DateRow, EventRow};

/// A date that is gone at the vendor, and closed.
const HAS_BOOKINGS: &str = "HasBookings: the show is gone, people have booked it, and it stays closed";
/// A date that was deleted at pass Culture when people had booked it, twice: neither of its keys is given out again.
pub(super) const DELETED_THERE: &str = "DateDeleted: this date was deleted at pass Culture after people had booked it, and pass \
     Culture never gives its ids out again; it stays off sale there: if it is to be sold, make it in the pass Culture portal";
/// A date whose price category cannot be made.
const TOO_MANY_CATEGORIES: &str =
    "TooManyPriceCategories: the offer has 50 price categories at pass Culture, and none can be deleted";

impl Push<'_> {
    /// Everything about the dates of one event; answers how many pass Culture took.
    pub(super) async fn dates(&self, work: &mut Work, offer: i64) -> Result<u64, PassError> {
        if work.dates.is_empty() {
            return Ok(0);
        }
        if !work.is_new && !self.read_dates(work, offer).await? {
            return Ok(0);
        }
        let mut done = self.withdraw(work, offer).await?;
        let Some(categories) = self.categories(work, offer).await? else { return Ok(done) };
        done += self.change(work, offer, &categories).await?;
        done += self.make(work, offer, &categories).await?;
        Ok(done)
    }

    /// Looks for dates that may have been made, and for how pass Culture has those that nobody remembers. False when the offer
    /// is gone.
    async fn read_dates(&self, work: &mut Work, offer: i64) -> Result<bool, PassError> {
        let keys: Vec<String> = work
            .dates
            .iter()
            .filter(|(row, step)| match step {
                DateStep::Create | DateStep::Read | DateStep::Withdraw => true,
                DateStep::Change => changes::needs_booked(row),
                DateStep::Nothing => false,
            })
            .map(|(row, _)| row.key.clone())
            .collect();
        if keys.is_empty() {
            return Ok(true);
        }
        let found = match self.client.find_dates(offer, &keys).await {
            Ok(found) => found,
            Err(error) if error.code == "NoSuchOffer" => {
                self.offer_is_gone(work).await?;
                return Ok(false);
            }
            Err(error) => return Err(error.into()),
        };
        let found: BTreeMap<&str, &EventDate> =
            found.iter().filter_map(|date| Some((date.id_at_provider.as_deref()?, date))).collect();
        let leaving: Vec<i64> = work
            .dates
            .iter()
            .filter(|(_, step)| *step == DateStep::Withdraw)
            .filter_map(|(row, _)| found.get(row.key.as_str()).map(|date| date.id))
            .collect();
        let live = self.live_tickets(&leaving).await?;
        let now = (self.now)();
        let (mut rows, mut forget, mut gone) = (Vec::new(), Vec::new(), Vec::new());
        for (row, step) in &mut work.dates {
            match (found.get(row.key.as_str()), *step) {
                (None, DateStep::Change) if !changes::needs_booked(row) => {}
                (_, DateStep::Nothing) => {}
                (Some(date), DateStep::Withdraw) => {
                    *row = as_read(row, date);
                    // Bookings that we know nothing of count too.
                    let held = live.contains(&date.id) || date.booked > 0;
                    *step = if held { close_step(row) } else { DateStep::Withdraw };
                    if held && *step == DateStep::Nothing {
                        row.refused = Some(HAS_BOOKINGS.to_owned());
                    }
                    rows.push(row.clone());
                }
                (None, DateStep::Withdraw) => {
                    gone.extend(row.stock_id);
                    forget.push((row.event.clone(), row.key.clone()));
                    *step = DateStep::Nothing;
                }
                (Some(date), DateStep::Create | DateStep::Read | DateStep::Change) => {
                    work.booked.insert(row.key.clone(), date.booked);
                    *row = as_read(row, date);
                    *step = date_step(row, true, now);
                    rows.push(row.clone());
                }
                (None, DateStep::Create) => {}
                (None, DateStep::Read | DateStep::Change) => {
                    gone.extend(row.stock_id);
                    *row = DateRow { stock_id: None, acknowledged: None, ..row.clone() };
                    *step = DateStep::Create;
                    rows.push(row.clone());
                }
            }
        }
        if !forget.is_empty() {
            self.store.forget_events(self.lease, &[], &forget).await?;
        }
        if !rows.is_empty() {
            self.save(&work.event, &rows).await?;
        }
        self.dates_are_gone(&gone).await?;
        Ok(true)
    }

    /// What is gone at the vendor is deleted, or closed while somebody holds a ticket.
    async fn withdraw(&self, work: &mut Work, offer: i64) -> Result<u64, PassError> {
        let mut done = 0;
        for (row, step) in &mut work.dates {
            let (true, Some(stock)) = (row.desired.is_none() && *step != DateStep::Nothing, row.stock_id) else {
                continue;
            };
            if *step == DateStep::Withdraw {
                // Once more, right before: a booking may have come in between.
                let live = self.live_tickets(&[stock]).await?;
                if live.is_empty() {
                    match became(self.client.delete_date(offer, stock).await)? {
                        Became::Done(()) => {
                            done += 1;
                            let key = (row.event.clone(), row.key.clone());
                            self.store.forget_events(self.lease, &[], &[key]).await?;
                            self.dates_are_gone(&[stock]).await?;
                            continue;
                        }
                        // The next round looks; a booking that this cancelled unsaid is compared with the listing.
                        Became::Lost | Became::Gone(_) => {
                            self.dates_are_gone(&[stock]).await?;
                            continue;
                        }
                        Became::Refused(why) => row.refused = Some(why),
                    }
                }
            }
            let patch = DatePatch { quantity: Some(Quantity::Exactly(0)), ..DatePatch::default() };
            match became(self.client.change_date(offer, stock, &patch).await)? {
                Became::Done(_) => {
                    done += 1;
                    row.desired_quantity = Some(0);
                    row.acknowledged_quantity = Some(0);
                    row.acknowledged.get_or_insert_with(String::new);
                }
                Became::Refused(why) => {
                    // It cannot even be closed: nothing more can be done about it.
                    row.acknowledged_quantity = Some(0);
                    row.refused = Some(why);
                }
                Became::Lost => {}
                Became::Gone(_) => self.dates_are_gone(&[stock]).await?,
            }
            self.save(&work.event, std::slice::from_ref(row)).await?;
        }
        Ok(done)
    }

    /// Price categories by label and price, those that are needed added. `None` when they cannot be told now.
    async fn categories(&self, work: &mut Work, offer: i64) -> Result<Option<Vec<Remembered>>, PassError> {
        let needed: BTreeSet<CategoryTerms> = work
            .dates
            .iter()
            .filter(|(_, step)| matches!(step, DateStep::Create | DateStep::Change))
            .filter_map(|(row, _)| category(row))
            .collect();
        let mut known = read_categories(&work.event);
        let lacks = |known: &[Remembered]| needed.iter().any(|terms| find(known, terms).is_none());
        if lacks(&known) && !work.is_new {
            known = match self.client.price_categories(offer).await {
                Ok(categories) => {
                    work.event.categories = remembered(&categories);
                    read_categories(&work.event)
                }
                Err(error) if error.code == "NoSuchOffer" => {
                    self.offer_is_gone(work).await?;
                    return Ok(None);
                }
                Err(error) => return Err(error.into()),
            };
        }
        let room = MAX_PRICE_CATEGORIES.saturating_sub(known.len());
        let missing: Vec<PriceCategoryBody> =
            needed.iter().filter(|terms| find(&known, terms).is_none()).take(room).map(category_body).collect();
        if !missing.is_empty() {
            match became(self.client.add_price_categories(offer, &missing).await)? {
                Became::Done(added) => {
                    let added: Vec<Remembered> = serde_json::from_str(&remembered(&added)).unwrap_or_default();
                    known.extend(added);
                    work.event.categories = serde_json::to_string(&known).unwrap_or_else(|_| "[]".to_owned());
                }
                Became::Refused(why) => {
                    work.event.refused = Some(why);
                }
                Became::Lost | Became::Gone(_) => {
                    work.event.categories = "[]".to_owned();
                    self.save(&work.event, &[]).await?;
                    return Ok(None);
                }
            }
        }
        self.save(&work.event, &[]).await?;
        Ok(Some(known))
    }

    /// Dates that differ.
    async fn change(&self, work: &mut Work, offer: i64, categories: &[Remembered]) -> Result<u64, PassError> {
        let mut done = 0;
        for (row, step) in &mut work.dates {
            let terms = (read_date(row.desired.as_deref()), read_date(row.acknowledged.as_deref()));
            let (DateStep::Change, (Some(desired), Some(before)), Some(stock)) = (*step, terms, row.stock_id) else {
                continue;
            };
            let booked = work.booked.get(&row.key).copied().unwrap_or(0);
            let mut patch = date_patch(row, &desired, &before, booked);
            if desired.category != before.category {
                match find(categories, &desired.category) {
                    Some(id) => patch.price_category_id = Some(id),
                    None => row.refused = Some(TOO_MANY_CATEGORIES.to_owned()),
                }
            }
            if row.refused.is_none() {
                match became(self.client.change_date(offer, stock, &patch).await)? {
                    Became::Done(_) => {
                        done += u64::from(patch != DatePatch::default());
                        *row = in_step(row);
                    }
                    Became::Refused(why) => row.refused = Some(why),
                    Became::Lost => row.acknowledged = None,
                    Became::Gone("NoSuchPriceCategory") => work.event.categories = "[]".to_owned(),
                    Became::Gone(_) => {
                        self.dates_are_gone(&[stock]).await?;
                        *row = DateRow { stock_id: None, acknowledged: None, ..row.clone() };
                    }
                }
            }
            self.save(&work.event, std::slice::from_ref(row)).await?;
        }
        Ok(done)
    }

    /// Dates that are not there.
    async fn make(&self, work: &mut Work, offer: i64, categories: &[Remembered]) -> Result<u64, PassError> {
        let mut rows: Vec<&mut DateRow> = Vec::new();
        let mut bodies: Vec<DateBody> = Vec::new();
        let mut unmade: Vec<DateRow> = Vec::new();
        for (row, step) in &mut work.dates {
            let (DateStep::Create, Some(desired)) = (*step, read_date(row.desired.as_deref())) else { continue };
            match find(categories, &desired.category) {
                Some(price_category_id) => bodies.push(DateBody {
                    id_at_provider: row.key.clone(),
                    starts_at: desired.starts_at,
                    bookable_until: desired.starts_at,
                    price_category_id,
                    quantity: Quantity::of(row.desired_quantity),
                }),
                None => {
                    row.refused = Some(TOO_MANY_CATEGORIES.to_owned());
                    unmade.push(row.clone());
                    continue;
                }
            }
            rows.push(row);
        }
        if !unmade.is_empty() {
            self.save(&work.event, &unmade).await?;
        }
        if bodies.is_empty() {
            return Ok(0);
        }
        let mut todo: Vec<(usize, DateBody)> = bodies.into_iter().enumerate().collect();
        let mut written: Vec<DateRow> = Vec::with_capacity(rows.len());
        let (mut made, mut stopped) = (0, None);
        // A second time for keys that turn out to be those of deleted dates.
        while !todo.is_empty() && stopped.is_none() {
            let bodies: Vec<DateBody> = todo.iter().map(|(_, body)| body.clone()).collect();
            let added = self.client.add_dates(offer, &bodies).await;
            for (index, date) in &added.accepted {
                if let Some(row) = todo.get(*index).and_then(|(row, _)| rows.get_mut(*row)) {
                    row.stock_id = Some(date.id);
                    written.push(in_step(row));
                }
            }
            made += added.accepted.len() as u64;
            let (mut named, mut again) = (HashSet::new(), Vec::new());
            for refused in &added.refused {
                let is_taken = refused.field == "idAtProvider";
                // A key of a new offer that is taken is found in the next round. One that was looked for in this round and not
                // found is that of a deleted date.
                if (is_taken && work.is_new) || !named.insert(refused.index) {
                    continue;
                }
                let Some((place, body)) = todo.get(refused.index) else { continue };
                let Some(row) = rows.get_mut(*place) else { continue };
                match key_again(&body.id_at_provider).filter(|_| is_taken) {
                    Some(id_at_provider) => again.push((*place, DateBody { id_at_provider, ..body.clone() })),
                    None => {
                        row.refused = Some(if is_taken {
                            DELETED_THERE.to_owned()
                        } else {
                            let field = if refused.field.is_empty() { "the date" } else { &refused.field };
                            format!("DateRefused: {field}: {}", refused.messages.join("; "))
                        });
                        written.push(row.clone());
                    }
                }
            }
            todo = again;
            stopped = added.stopped;
        }
        self.save(&work.event, &written).await?;
        match stopped {
            None => {}
            Some(stop) => match became::<()>(Err(stop))? {
                Became::Done(()) | Became::Lost => {}
                Became::Gone(_) => self.offer_is_gone(work).await?,
                Became::Refused(why) => {
                    work.event.refused = Some(why);
                    self.save(&work.event, &[]).await?;
                }
            },
        }
        Ok(made)
    }
}

/// What is left to do about a date that is gone at the vendor while somebody holds a ticket.
fn close_step(row: &DateRow) -> DateStep {
    if row.acknowledged_quantity == Some(0) { DateStep::Nothing } else { DateStep::Change }
}

fn read_categories(event: &EventRow) -> Vec<Remembered> {
    serde_json::from_str(&event.categories).unwrap_or_default()
}

fn find(known: &[Remembered], terms: &CategoryTerms) -> Option<i64> {
    known
        .iter()
        .filter(|category| category.label == terms.label && category.price_cents == terms.price_cents)
        .map(|category| category.id)
        .min()
}

/// A price category as it is made.
pub(super) fn category_body(terms: &CategoryTerms) -> PriceCategoryBody {
    PriceCategoryBody { label: terms.label.clone(), price: Cents(terms.price_cents), id_at_provider: None }
}
