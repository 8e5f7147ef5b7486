//! Offers: products with one stock, events with price categories and dates.
//!
//! Pure data and what follows from it; `state` holds them.
//!
//! Invariant: a date's price is its price category's until the date is past, and a date that ever had a booking is
//! kept, marked deleted, when it is deleted.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::state::AccountIndex;

/// What moderation says of an offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Validation {
    Draft,
    Pending,
    Approved,
    Rejected,
}

pub(crate) struct Offer {
    pub(crate) id: u64,
    pub(crate) venue: u32,
    /// The account that created it or took it over last.
    pub(crate) owner: AccountIndex,
    pub(crate) name: Arc<str>,
    pub(crate) category: Arc<str>,
    pub(crate) ean: Option<u64>,
    pub(crate) validation: Validation,
    pub(crate) publication: Option<Timestamp>,
    pub(crate) booking_allowed: Option<Timestamp>,
    /// Where it takes place when that is not the venue: index into `World::addresses` and a label.
    pub(crate) address: Option<Box<OfferAddress>>,
    /// What an offer made by EAN does not have.
    pub(crate) details: Option<Box<Details>>,
    pub(crate) kind: OfferKind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OfferAddress {
    pub(crate) address_id: u64,
    pub(crate) label: Option<String>,
}

/// What a provider writes about an offer that pass Culture's product base does not know.
#[derive(Debug, Clone, Default)]
pub(crate) struct Details {
    pub(crate) id_at_provider: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) accessibility: Accessibility,
    pub(crate) booking_contact: Option<String>,
    pub(crate) booking_email: Option<String>,
    /// Whether one beneficiary may book two seats.
    pub(crate) duo: bool,
    pub(crate) ticket_office_url: Option<String>,
    pub(crate) collection_details: Option<String>,
    pub(crate) image: Option<Image>,
    /// Where it takes place when that is online.
    pub(crate) url: Option<String>,
    /// Fields of its category that were set, `category` itself left out.
    pub(crate) category_fields: Map<String, Value>,
}

/// Audio, mental, motor, visual.
pub(crate) type Accessibility = [bool; 4];

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Image {
    pub(crate) credit: Option<String>,
    pub(crate) url: String,
}

/// What an offer sells.
pub(crate) enum OfferKind {
    Product { stock: Option<Stock> },
    Event(Box<Event>),
}

#[derive(Default)]
pub(crate) struct Event {
    /// Whether the provider issues the tickets.
    pub(crate) has_ticket: bool,
    /// Minutes; the backend does not refuse a negative number.
    pub(crate) duration: Option<i64>,
    pub(crate) video_url: Option<String>,
    /// In the order in which they were made or changed last.
    pub(crate) price_categories: Vec<PriceCategory>,
    pub(crate) dates: BTreeMap<u64, EventDate>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PriceCategory {
    pub(crate) id: u64,
    pub(crate) label: String,
    /// In cents.
    pub(crate) price: u32,
    pub(crate) id_at_provider: Option<String>,
}

pub(crate) struct EventDate {
    pub(crate) stock: Stock,
    pub(crate) beginning: Timestamp,
    pub(crate) price_category: u64,
    pub(crate) id_at_provider: Option<String>,
    pub(crate) deleted: bool,
}

pub(crate) struct Stock {
    pub(crate) id: u64,
    /// Unit price in cents.
    pub(crate) price: u32,
    /// Total ever put on sale, booked seats included; `None` is unlimited.
    pub(crate) total: Option<u32>,
    pub(crate) booked: u32,
    pub(crate) booking_limit: Option<Timestamp>,
}

impl Stock {
    pub(crate) fn remaining(&self) -> Option<u32> {
        self.total.map(|total| total.saturating_sub(self.booked))
    }

    /// Sets what is left to sell: the total is that and what is booked.
    pub(crate) fn set_remaining(&mut self, remaining: Option<u32>) {
        self.total = remaining.map(|left| left.saturating_add(self.booked));
    }

    fn is_past_limit(&self, now: Timestamp) -> bool {
        self.booking_limit.is_some_and(|at| at < now)
    }
}

impl EventDate {
    /// Whether a seat of it can be booked, as far as the date itself goes.
    pub(crate) fn is_bookable(&self, now: Timestamp) -> bool {
        !self.deleted && self.beginning > now && !self.stock.is_past_limit(now) && self.stock.remaining() != Some(0)
    }
}

impl Event {
    pub(crate) fn live_dates(&self) -> impl Iterator<Item = &EventDate> {
        self.dates.values().filter(|date| !date.deleted)
    }

    /// A date that was not deleted.
    pub(crate) fn live_date(&self, id: u64) -> Option<&EventDate> {
        self.dates.get(&id).filter(|date| !date.deleted)
    }

    pub(crate) fn price_category(&self, id: u64) -> Option<&PriceCategory> {
        self.price_categories.iter().find(|category| category.id == id)
    }
}

/// The statuses an offer shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OfferStatus {
    Rejected,
    Pending,
    Draft,
    Inactive,
    Scheduled,
    Published,
    Expired,
    SoldOut,
    Active,
}

impl OfferStatus {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Rejected => "REJECTED",
            Self::Pending => "PENDING",
            Self::Draft => "DRAFT",
            Self::Inactive => "INACTIVE",
            Self::Scheduled => "SCHEDULED",
            Self::Published => "PUBLISHED",
            Self::Expired => "EXPIRED",
            Self::SoldOut => "SOLD_OUT",
            Self::Active => "ACTIVE",
        }
    }
}

impl Offer {
    pub(crate) fn is_event(&self) -> bool {
        matches!(self.kind, OfferKind::Event(_))
    }

    pub(crate) fn event(&self) -> Option<&Event> {
        match &self.kind {
            OfferKind::Event(event) => Some(event),
            OfferKind::Product { .. } => None,
        }
    }

    pub(crate) fn event_mut(&mut self) -> Option<&mut Event> {
        match &mut self.kind {
            OfferKind::Event(event) => Some(event),
            OfferKind::Product { .. } => None,
        }
    }

    pub(crate) fn has_ticket(&self) -> bool {
        self.event().is_some_and(|event| event.has_ticket)
    }

    pub(crate) fn id_at_provider(&self) -> Option<&str> {
        self.details.as_ref()?.id_at_provider.as_deref()
    }

    pub(crate) fn product_stock(&self) -> Option<&Stock> {
        match &self.kind {
            OfferKind::Product { stock } => stock.as_ref(),
            OfferKind::Event(_) => None,
        }
    }

    /// Every stock, deleted dates included.
    pub(crate) fn stocks(&self) -> impl Iterator<Item = &Stock> {
        let dates = self.event().into_iter().flat_map(|event| event.dates.values().map(|date| &date.stock));
        self.product_stock().into_iter().chain(dates)
    }

    pub(crate) fn stock_mut(&mut self, id: u64) -> Option<&mut Stock> {
        match &mut self.kind {
            OfferKind::Product { stock } => stock.as_mut().filter(|s| s.id == id),
            OfferKind::Event(event) => event.dates.get_mut(&id).map(|date| &mut date.stock),
        }
    }

    pub(crate) fn stock(&self, id: u64) -> Option<&Stock> {
        match &self.kind {
            OfferKind::Product { stock } => stock.as_ref().filter(|s| s.id == id),
            OfferKind::Event(event) => event.dates.get(&id).map(|date| &date.stock),
        }
    }

    /// The date of a stock and its price category.
    pub(crate) fn date_of(&self, stock: u64) -> Option<(&EventDate, Option<&PriceCategory>)> {
        let event = self.event()?;
        let date = event.dates.get(&stock)?;
        Some((date, event.price_category(date.price_category)))
    }

    /// In the backend's order of evaluation.
    pub(crate) fn status(&self, now: Timestamp) -> OfferStatus {
        match self.validation {
            Validation::Rejected => return OfferStatus::Rejected,
            Validation::Pending => return OfferStatus::Pending,
            Validation::Draft => return OfferStatus::Draft,
            Validation::Approved => {}
        }
        match self.publication {
            None => return OfferStatus::Inactive,
            Some(at) if at > now => return OfferStatus::Scheduled,
            Some(_) => {}
        }
        if self.booking_allowed.is_some_and(|at| at > now) {
            return OfferStatus::Published;
        }
        let (live, expired, bookable) = self.count_stocks(now);
        match (live, expired, bookable) {
            (0, ..) => OfferStatus::SoldOut,
            (live, expired, _) if live == expired => OfferStatus::Expired,
            (_, _, 0) => OfferStatus::SoldOut,
            _ => OfferStatus::Active,
        }
    }

    /// Live stocks, those of them past their limit, those with something left to sell.
    fn count_stocks(&self, now: Timestamp) -> (usize, usize, usize) {
        let mut counts = (0, 0, 0);
        let mut count = |stock: &Stock, to_come: bool| {
            counts.0 += 1;
            counts.1 += usize::from(stock.is_past_limit(now));
            counts.2 += usize::from(to_come && stock.remaining() != Some(0));
        };
        if let Some(stock) = self.product_stock() {
            count(stock, true);
        }
        for date in self.event().into_iter().flat_map(Event::live_dates) {
            count(&date.stock, date.beginning > now);
        }
        counts
    }
}
