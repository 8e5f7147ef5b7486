//! How the store keeps what a vendor stated, and the facts that it becomes.
//!
//! Invariant: what was stored is a fact again, or a row that stays behind; a stock that the vendor took off is stated with no
//! place until it is over, since only time removes what people may have booked.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use passerelle_contract::{
    Cents, DataError, DataProblem, EventKind, Film, Issue, Places, Position, Poster, Quantity, Row, Screening,
    Severity, Showtime, Starts, Tariff,
};
use serde::{Deserialize, Serialize};

use crate::store::Millis;
use crate::store::allotments::{IssueTerms, PoolCount, StatedEvent, StatedStock};

const UNREADABLE: DataProblem = DataProblem { code: "UnreadableShow", severity: Severity::Unreadable };

/// An event: JSON of [`StatedEvent::document`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventDocument {
    /// 1–1000 characters.
    pub title: String,
    /// What it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// pass Culture's category; the connection's own where the vendor gave none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
    /// pass Culture's slug.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub show_type: Option<String>,
    /// pass Culture's slug.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub music_type: Option<String>,
    /// E-mail address that beneficiaries write to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub booking_contact: Option<String>,
    /// Minutes, above zero.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_minutes: Option<u32>,
    /// Where its picture can be fetched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_url: Option<String>,
    /// Prices that its stocks may name.
    #[serde(default)]
    pub price_categories: Vec<PriceCategory>,
}

/// A price that stocks may name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PriceCategory {
    /// The vendor's id; its label where it gave none.
    pub id: String,
    /// What people read.
    pub label: String,
    /// Unit price.
    pub price_cents: u32,
}

impl EventDocument {
    /// The price that a stock names, by id or by label.
    #[must_use]
    pub fn price(&self, named: &str) -> Option<&PriceCategory> {
        let by_id = self.price_categories.iter().find(|price| price.id == named);
        by_id.or_else(|| self.price_categories.iter().find(|price| price.label == named))
    }
}

/// A stock: JSON of [`StatedStock::document`]. Beginning, price and places have columns of their own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StockDocument {
    /// What people read of the price; may be empty.
    #[serde(default)]
    pub price_label: String,
    /// The price category that it named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price_category: Option<String>,
    /// The end of booking, where the vendor gave one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub booking_limit_at: Option<Millis>,
}

/// What was stated, as facts. `own` is what the connection's settings say of its shows.
#[must_use]
pub fn screenings(
    events: &[StatedEvent],
    stocks: &[StatedStock],
    pool: &[PoolCount],
    terms: Option<IssueTerms>,
    own: &EventKind,
    now: Millis,
) -> Vec<Row<Screening>> {
    let films: HashMap<&str, Option<Arc<Film>>> =
        events.iter().map(|event| (event.event.as_str(), film(event, own).map(Arc::new))).collect();
    let pool: HashMap<&str, &PoolCount> = pool.iter().map(|count| (count.stock.as_str(), count)).collect();
    let mut rows = Vec::with_capacity(stocks.len());
    for (entry, stock) in (1..).zip(stocks) {
        if stock.starts_at <= now {
            continue;
        }
        let at = Position::Entry { page: 1, entry };
        let document = serde_json::from_str::<StockDocument>(&stock.document).ok();
        let film = films.get(stock.event.as_str()).cloned().flatten();
        rows.push(match (film, document) {
            (Some(film), Some(document)) => {
                let left = left(stock, pool.get(stock.stock.as_str()).copied(), terms, now);
                Row::Good(screening(film, stock, document, left, at))
            }
            _ => poison(stock, at),
        });
    }
    rows
}

fn film(event: &StatedEvent, own: &EventKind) -> Option<Film> {
    let document: EventDocument = serde_json::from_str(&event.document).ok()?;
    // Kinds of show and of music belong to a category: another category takes none of the settings' own.
    let own = match &document.category {
        Some(category) if *category != own.category => EventKind {
            category: category.clone(),
            show_type: None,
            music_type: None,
            booking_contact: own.booking_contact.clone(),
        },
        _ => own.clone(),
    };
    let kind = EventKind {
        category: own.category,
        show_type: document.show_type.or(own.show_type),
        music_type: document.music_type.or(own.music_type),
        booking_contact: document.booking_contact.or(own.booking_contact),
    };
    Some(Film {
        key: event.event.clone(),
        title: document.title,
        synopsis: document.description,
        duration_minutes: document.duration_minutes,
        poster: document.image_url.map(|url| Poster { url, at_home: None }),
        kind: Some(kind),
        ..Film::default()
    })
}

/// Places left at a stock.
fn left(stock: &StatedStock, pool: Option<&PoolCount>, terms: Option<IssueTerms>, now: Millis) -> Quantity {
    if stock.gone || stock.closes_at <= now {
        return Quantity::Exactly(0);
    }
    let stated = stock.remaining.map_or(Quantity::Unlimited, Quantity::Exactly);
    let only_imported = terms.is_some_and(|terms| terms.issue == Issue::Imported);
    match pool {
        Some(pool) if terms.is_some() && pool.imported > 0 => fewer(stated, pool.free),
        _ if only_imported => Quantity::Exactly(0),
        _ => stated,
    }
}

/// The smaller of a number of places and of barcodes.
pub(super) fn fewer(places: Quantity, barcodes: u32) -> Quantity {
    match places {
        Quantity::Exactly(places) => Quantity::Exactly(places.min(barcodes)),
        Quantity::Unlimited => Quantity::Exactly(barcodes),
    }
}

fn screening(
    film: Arc<Film>,
    stock: &StatedStock,
    document: StockDocument,
    remaining: Quantity,
    at: Position,
) -> Screening {
    let tariff = Tariff {
        key: document.price_category.unwrap_or_default(),
        label: document.price_label,
        price: Cents(stock.price_cents),
    };
    let places = vec![Places { key: stock.stock.clone(), tariff, remaining }];
    let starts = Starts::At(instant(stock.starts_at));
    Screening { film, showtime: Showtime { key: stock.stock.clone(), starts, formats: Vec::new(), places }, at }
}

/// Checked when it was stated: this is a store that was written by another release.
fn poison(stock: &StatedStock, at: Position) -> Row<Screening> {
    Row::Poison(Box::new(DataError {
        at,
        key: Some(stock.stock.clone()),
        problem: UNREADABLE,
        message: format!("what was stated of stock {} cannot be read; its vendor states it again", stock.stock),
        message_fr: "La séance enregistrée est illisible ; le logiciel de billetterie doit la renvoyer.".to_owned(),
        legible: Box::default(),
    }))
}

/// A point in time as facts have it.
pub(super) fn instant(at: Millis) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(u64::try_from(at).unwrap_or_default())
}

/// A point in time as the store has it.
pub(super) fn millis(at: SystemTime) -> Millis {
    at.duration_since(UNIX_EPOCH).ok().and_then(|since| Millis::try_from(since.as_millis()).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::allotments::NO_VERSION;

    const NOW: Millis = 1_760_000_000_000;

    fn event(document: &str) -> StatedEvent {
        StatedEvent { event: "mouette".into(), document: document.into(), stated_at: NOW }
    }

    fn stock(id: &str) -> StatedStock {
        StatedStock {
            stock: id.into(),
            event: "mouette".into(),
            document: r#"{"price_label":"Plein"}"#.into(),
            starts_at: NOW + 2_000,
            closes_at: NOW + 1_000,
            price_cents: 1_200,
            version: NO_VERSION,
            stated: Some(5),
            remaining: Some(5),
            gone: false,
            stated_at: NOW,
        }
    }

    fn own() -> EventKind {
        EventKind {
            category: "SPECTACLE_REPRESENTATION".into(),
            show_type: Some("THEATRE-COMEDIE".into()),
            music_type: None,
            booking_contact: Some("a@theatre.example".into()),
        }
    }

    fn places(rows: &[Row<Screening>]) -> Vec<(String, Quantity)> {
        let good = |row: &Row<Screening>| match row {
            Row::Good(show) => (show.showtime.key.clone(), show.showtime.places[0].remaining),
            Row::Poison(error) => (error.key.clone().unwrap_or_default(), Quantity::Exactly(999)),
        };
        rows.iter().map(good).collect()
    }

    fn told(stocks: &[StatedStock], pool: &[PoolCount], issue: Option<Issue>) -> Vec<(String, Quantity)> {
        let events = [event(r#"{"title":"La Mouette"}"#)];
        let terms = issue.map(|issue| IssueTerms { issue, stated: true });
        places(&screenings(&events, stocks, pool, terms, &own(), NOW))
    }

    #[test]
    fn places_are_those_that_are_left_to_give() {
        let one = |stock: StatedStock, pool: &[PoolCount], issue| told(&[stock], pool, issue).remove(0).1;
        let pool = [PoolCount { stock: "a".into(), imported: 4, issued: 2, free: 2 }];
        assert_eq!(one(stock("a"), &[], Some(Issue::Counted)), Quantity::Exactly(5));
        assert_eq!(one(stock("a"), &pool, Some(Issue::Counted)), Quantity::Exactly(2));
        assert_eq!(one(stock("a"), &[], Some(Issue::Imported)), Quantity::Exactly(0), "nothing was imported");
        assert_eq!(one(stock("a"), &pool, None), Quantity::Exactly(5), "its own box office does not know our pool");
        let unlimited = StatedStock { remaining: None, ..stock("a") };
        assert_eq!(one(unlimited.clone(), &[], Some(Issue::Counted)), Quantity::Unlimited);
        assert_eq!(one(unlimited, &pool, Some(Issue::Imported)), Quantity::Exactly(2));
    }

    #[test]
    fn what_was_taken_off_stays_stated_without_places_until_it_is_over() {
        let gone = StatedStock { gone: true, ..stock("gone") };
        let closed = StatedStock { closes_at: NOW, ..stock("closed") };
        let over = StatedStock { starts_at: NOW, ..stock("over") };
        let orphan = StatedStock { event: "elsewhere".into(), ..stock("orphan") };
        let odd = StatedStock { document: "7".into(), ..stock("odd") };
        let zero = Quantity::Exactly(0);
        assert_eq!(
            told(&[gone, closed, over, orphan, odd], &[], Some(Issue::Counted)),
            [
                ("gone".to_owned(), zero),
                ("closed".to_owned(), zero),
                ("orphan".to_owned(), Quantity::Exactly(999)),
                ("odd".to_owned(), Quantity::Exactly(999))
            ]
        );
    }

    #[test]
    fn an_event_has_its_own_kind_and_the_connections_where_it_says_nothing() {
        let kind = |document: &str| film(&event(document), &own()).unwrap().kind.unwrap();
        assert_eq!(kind(r#"{"title":"A"}"#), own());
        let concert = kind(r#"{"title":"A","category":"CONCERT","music_type":"ROCK"}"#);
        assert_eq!((concert.show_type, concert.music_type.as_deref()), (None, Some("ROCK")));
        assert_eq!(concert.booking_contact, own().booking_contact);
    }
}
