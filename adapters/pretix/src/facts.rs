//! What is on sale, at which price, and how much of it is left. Pure; the same for passes and for sales.
//!
//! pretix's API takes orders that its shop refuses: for events that are not live, dates that are over, items that need a
//! voucher. Invariant: whatever is odd or unknown closes; nothing is open by default.

use std::sync::Arc;
use std::time::SystemTime;

use jiff::Timestamp;
use passerelle_contract::{
    Cents, DataError, DataProblem, Film, Places, Position, Quantity, Row, Screening, Severity, Showtime, Starts, Tariff,
};
use passerelle_kit::lenient::Flag;
use passerelle_kit::money::NumberProblem;
use serde_json::value::RawValue;

use crate::keys::{self, Key, is_id};
use crate::wire::{Event, Item, Left, Money, Override, Quota, SubEvent, Variation, When, Words};

const UNREADABLE: DataProblem = DataProblem { code: "UnreadableShow", severity: Severity::Unreadable };
const UNREADABLE_ITEM: DataProblem = DataProblem { code: "UnreadableItem", severity: Severity::Unreadable };
const NO_ITEM: DataProblem = DataProblem { code: "NoPassCultureTariff", severity: Severity::NotForSale };
/// The only money that pass Culture knows.
const CURRENCY: &str = "EUR";
/// The dearest seat there is, in cents; more is no seat.
const DEAREST: u32 = 30_000;
/// The longest show there is, in minutes; what lasts longer is a season.
const LONGEST: i64 = 1_440;

/// What the settings say of what is sold.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules<'a> {
    pub(crate) items: Option<&'a [i64]>,
    pub(crate) channel: &'a str,
    pub(crate) now: Timestamp,
}

/// What is asked for a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Offer {
    At(Cents),
    /// Nothing that a beneficiary may buy here.
    No,
    /// The price cannot be read.
    Odd,
}

impl Rules<'_> {
    /// Can anything be bought on this date now?
    pub(crate) fn is_open(&self, event: &Event, date: Option<&SubEvent>) -> bool {
        let (from, until) = match date {
            Some(date) => (date.presale_start.or(event.presale_start), date.presale_end.or(event.presale_end)),
            None => (event.presale_start, event.presale_end),
        };
        event.live
            && date.is_none_or(|date| date.active)
            && self.through(event.all_sales_channels, &event.limit_sales_channels)
            && self.within(from, until)
            && begins(event, date).at().is_some_and(|begins| begins > self.now)
    }

    /// What an item, or a variation of it, costs on a date.
    pub(crate) fn offer(&self, event: &Event, date: Option<&SubEvent>, item: &Item, kind: Option<&Variation>) -> Offer {
        let seated = date.map_or(&event.seat_category_mapping, |date| &date.seat_category_mapping);
        // A numbered seat must be chosen, and pass Culture has nobody choose.
        let sold = self.wants(item) && self.sells(item) && !seated.0.contains(&item.id);
        let sold = sold && kind.map_or(!item.has_variations.0, |kind| self.sells_kind(kind));
        let mine = |one: &&Override| one.item == Some(item.id);
        let of_item = date.and_then(|date| date.item_price_overrides.iter().find(mine));
        let of_kind = kind
            .zip(date)
            .and_then(|(kind, date)| date.variation_price_overrides.iter().find(|one| one.variation == Some(kind.id)));
        let off = |one: &Override| one.disabled.0 || !self.within(one.available_from, one.available_until);
        if !sold || of_item.is_some_and(off) || of_kind.is_some_and(off) {
            return Offer::No;
        }
        let special = match kind {
            Some(_) => of_kind,
            None => of_item,
        };
        price([special.map(|one| one.price), kind.map(|kind| kind.default_price), Some(item.default_price)])
    }

    /// Is it one of those that the settings name, or one that lets people in where they name none?
    fn wants(&self, item: &Item) -> bool {
        self.items.map_or(item.admission.0, |items| items.contains(&item.id))
    }

    fn sells(&self, item: &Item) -> bool {
        let barred = [
            item.require_voucher,
            item.hide_without_voucher,
            item.require_approval,
            item.require_membership,
            item.require_bundling,
            item.issue_giftcard,
        ];
        item.active
            && !barred.iter().any(|barred| barred.0)
            // Bought alone it would lack what belongs to it.
            && item.bundles.is_empty()
            && !item.addons.iter().any(|addon| addon.min_count.0.is_none_or(|least| least > 0))
            && item.min_per_order.0.is_none_or(|least| least <= 1)
            && self.within(item.available_from, item.available_until)
            && self.through(item.all_sales_channels, &item.limit_sales_channels)
    }

    fn sells_kind(&self, kind: &Variation) -> bool {
        let barred = [kind.hide_without_voucher, kind.require_approval, kind.require_membership];
        kind.active
            && !barred.iter().any(|barred| barred.0)
            && self.within(kind.available_from, kind.available_until)
            && self.through(kind.all_sales_channels, &kind.limit_sales_channels)
    }

    fn within(&self, from: When, until: When) -> bool {
        let begun = match from {
            When::Unset => true,
            When::At(at) => at <= self.now,
            When::Odd => false,
        };
        let over = match until {
            When::Unset => false,
            When::At(at) => at <= self.now,
            When::Odd => true,
        };
        begun && !over
    }

    fn through(&self, all: Flag, some: &Words) -> bool {
        all.0 || some.0.iter().any(|channel| channel == self.channel)
    }
}

/// The first price that is set. An assumption: prices hold the tax, as prices for people must; pretix can also be told to put
/// it on top.
fn price(from: [Option<Money>; 3]) -> Offer {
    match from.into_iter().flatten().find(|price| *price != Money::Unset) {
        Some(Money::Is(price)) if price.0 <= DEAREST => Offer::At(price),
        _ => Offer::Odd,
    }
}

fn begins(event: &Event, date: Option<&SubEvent>) -> When {
    date.map_or(event.date_from, |date| date.date_from)
}

/// Places left: the least that any quota with this item has. `None` when one of them cannot be read, since it may be the
/// least. What no quota has is not for sale, and what is in a closed one is not either.
pub(crate) fn remaining(quotas: &[Option<Quota>], key: &Key) -> Option<Quantity> {
    let holds = |quota: &Quota| {
        quota.subevent == key.date
            && quota.items.contains(&key.item)
            && key.variation.is_none_or(|variation| quota.variations.contains(&variation))
    };
    let mut least = None;
    for quota in quotas {
        let quota = quota.as_ref()?;
        if !holds(quota) {
            continue;
        }
        let left = match (quota.closed.0, quota.available_number) {
            (true, _) => u32::MIN,
            (_, Left::Places(left)) => left,
            (_, Left::Unlimited) => u32::MAX,
            (_, Left::Unknown) => return None,
        };
        least = Some(least.map_or(left, |least: u32| least.min(left)));
    }
    Some(match least.unwrap_or(0) {
        u32::MAX => Quantity::Unlimited,
        left => Quantity::Exactly(left),
    })
}

/// What was read of one event.
pub(crate) struct Programme {
    pub(crate) event: Event,
    /// The language that it is written in first, where that matters.
    pub(crate) locale: Option<String>,
    pub(crate) items: Vec<Box<RawValue>>,
    /// Empty where it is no series.
    pub(crate) dates: Vec<Box<RawValue>>,
    pub(crate) quotas: Vec<Option<Quota>>,
}

/// An event's rows.
#[derive(Default)]
pub(crate) struct Rows {
    pub(crate) rows: Vec<Row<Screening>>,
    /// Something that cannot be read may hide what is for sale.
    pub(crate) hides: bool,
    /// Its number among the events, from 1.
    page: u32,
}

impl Rows {
    /// Reads an event, the `page`th of the pass.
    pub(crate) fn of(programme: &Programme, rules: &Rules<'_>, page: u32) -> Self {
        let mut rows = Self { page, ..Self::default() };
        let items: Vec<Item> = rows.read(&programme.items, ("an item", "article"));
        let dates: Vec<SubEvent> = rows.read(&programme.dates, ("a date", "date"));
        let film = film(&programme.event, programme.locale.as_deref()).map(Arc::new);
        if programme.event.has_subevents {
            for date in &dates {
                rows.show(programme, rules, film.as_ref(), &items, Some(date));
            }
        } else {
            rows.show(programme, rules, film.as_ref(), &items, None);
        }
        rows
    }

    fn read<T: serde::de::DeserializeOwned>(&mut self, all: &[Box<RawValue>], what: (&str, &str)) -> Vec<T> {
        let mut good = Vec::with_capacity(all.len());
        for raw in all {
            match serde_json::from_str(raw.get()) {
                Ok(one) => good.push(one),
                Err(_) => {
                    self.hides = true;
                    let fr = format!("{} illisible", what.1);
                    self.poison(None, UNREADABLE_ITEM, &format!("{} cannot be read", what.0), &fr);
                }
            }
        }
        good
    }

    fn at(&self) -> Position {
        Position::Entry { page: self.page, entry: u32::try_from(self.rows.len() + 1).unwrap_or(u32::MAX) }
    }

    fn poison(&mut self, key: Option<String>, problem: DataProblem, message: &str, message_fr: &str) {
        let (message, message_fr) = (message.to_owned(), message_fr.to_owned());
        self.rows.push(Row::Poison(Box::new(DataError {
            at: self.at(),
            key,
            problem,
            message,
            message_fr,
            legible: Box::default(),
        })));
    }

    /// One show as a fact; each of its places that cannot be read stands apart.
    fn show(
        &mut self,
        programme: &Programme,
        rules: &Rules<'_>,
        film: Option<&Arc<Film>>,
        items: &[Item],
        date: Option<&SubEvent>,
    ) {
        let event = &programme.event;
        let key = keys::show(&event.slug, date.map(|date| date.id));
        let begins = begins(event, date).at().and_then(|begins| SystemTime::try_from(begins).ok());
        let problem = match (film, begins) {
            _ if date.is_some_and(|date| !is_id(date.id)) => {
                Err(("its number is too large", "numéro de date trop grand"))
            }
            (None, _) => Err(("the event has no name", "l'évènement n'a pas de nom")),
            (_, None) => Err(("its beginning is no moment", "l'horaire est illisible")),
            (Some(film), Some(begins)) => Ok((film, begins)),
        };
        let (film, begins) = match problem {
            Ok(good) => good,
            Err((why, why_fr)) => return self.poison(Some(key), UNREADABLE, why, why_fr),
        };
        if event.currency.as_deref() != Some(CURRENCY) {
            let problem = NumberProblem::Currency;
            return self.poison(Some(key), problem.price_problem(), &problem.to_string(), problem.message_fr());
        }
        let open = rules.is_open(event, date);
        let mut places = Vec::new();
        let mut odd = Vec::new();
        for (item, kind) in items.iter().flat_map(kinds) {
            let key = Key {
                event: event.slug.clone(),
                date: date.map(|date| date.id),
                item: item.id,
                variation: kind.map(|kind| kind.id),
            };
            let left = if open { remaining(&programme.quotas, &key) } else { Some(Quantity::Exactly(0)) };
            match (rules.offer(event, date, item, kind), left) {
                (Offer::No, _) => {}
                (Offer::At(price), Some(remaining)) if is_id(item.id) && kind.is_none_or(|kind| is_id(kind.id)) => {
                    let label = label(item, kind, programme.locale.as_deref());
                    let tariff = Tariff { key: key.to_string(), label, price };
                    places.push(Places { key: key.to_string(), tariff, remaining });
                }
                _ => odd.push(key.to_string()),
            }
        }
        self.hides |= !odd.is_empty();
        for key in &odd {
            let (why, why_fr) = ("its price or its quotas cannot be read", "prix ou quotas illisibles");
            self.poison(Some(key.clone()), UNREADABLE_ITEM, why, why_fr);
        }
        if places.is_empty() && odd.is_empty() {
            let (why, why_fr) = ("it has no item for pass Culture", "aucun article vendable au pass Culture");
            return self.poison(Some(key), NO_ITEM, why, why_fr);
        }
        if !places.is_empty() {
            let showtime = Showtime { key, starts: Starts::At(begins), formats: Vec::new(), places };
            self.rows.push(Row::Good(Screening { film: Arc::clone(film), showtime, at: self.at() }));
        }
    }
}

/// An item by itself, or each of its variations.
fn kinds(item: &Item) -> Vec<(&Item, Option<&Variation>)> {
    if item.variations.is_empty() {
        vec![(item, None)]
    } else {
        item.variations.iter().map(|kind| (item, Some(kind))).collect()
    }
}

fn label(item: &Item, kind: Option<&Variation>, locale: Option<&str>) -> String {
    let item = item.name.pick(locale).unwrap_or_default();
    match kind.and_then(|kind| kind.value.pick(locale)) {
        Some(kind) => format!("{item} – {kind}"),
        None => item.to_owned(),
    }
}

fn film(event: &Event, locale: Option<&str>) -> Option<Film> {
    let lasts = event.date_to.at().zip(event.date_from.at()).filter(|_| !event.has_subevents);
    let minutes = lasts.map(|(until, from)| until.duration_since(from).as_mins());
    Some(Film {
        key: event.slug.clone(),
        title: event.name.pick(locale)?.to_owned(),
        duration_minutes: minutes
            .filter(|minutes| (1..=LONGEST).contains(minutes))
            .and_then(|minutes| u32::try_from(minutes).ok()),
        ..Film::default()
    })
}

#[cfg(test)]
#[path = "facts_tests.rs"]
mod tests;
