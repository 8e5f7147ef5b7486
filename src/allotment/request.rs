//! What a vendor states, as it writes it: JSON → what is stored, or everything that is wrong with it. Pure.
//!
//! Unknown keys are left alone, since vendors send what they have. What is known is checked here and nowhere later: what was
//! stored once is published.
//!
//! Invariant: what is accepted becomes an offer that pass Culture's documented limits allow, its category and its words apart.

use passerelle_contract::EventKind;
use passerelle_kit::checks::{is_email, is_online, is_word};
use serde_json::{Map, Value};

use super::document::{EventDocument, PriceCategory, StockDocument};
use crate::rules::screenings::{LONGEST_DESCRIPTION, LONGEST_MINUTES};
use crate::store::Millis;
use crate::store::allotments::{Repriced, StatedStock};

/// Longest title and longest label, in characters: pass Culture's own limits are kept by cutting.
const LONGEST_TITLE: usize = 1_000;
/// Longest id of a price category.
const LONGEST_ID: usize = 100;
/// Price categories of one event.
const MOST_PRICES: usize = 50;
/// The dearest seat that pass Culture takes, in cents.
const DEAREST: u64 = 30_000;
/// Places of one stock at most.
const MOST_PLACES: u64 = 1_000_000;
/// Longest address of a picture, in characters.
const LONGEST_ADDRESS: usize = 2_000;
/// Stocks of one batch.
pub const MOST_STOCKS: usize = 500;

/// One thing wrong with what a vendor wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Dotted path: `price_categories.2.price_cents`.
    pub path: String,
    /// What is wrong and what to write.
    pub message: String,
}

/// A place that a vendor names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Named {
    /// By this number: it must be the connection's own.
    Number(String),
    /// In words: nothing depends on them, unless they are the id of a connection.
    Words(String),
}

/// An event as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventRequest {
    /// What is stored.
    pub document: EventDocument,
    /// Where it is, when that was said.
    pub venue: Option<Named>,
}

/// A stock as it was written; its price may follow its event's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StockRequest {
    /// What is stored, price and columns apart.
    pub document: StockDocument,
    /// The beginning.
    pub starts_at: Millis,
    /// Unit price.
    pub price_cents: u32,
    /// Places left; `None` is unlimited.
    pub remaining: Option<u32>,
    /// The vendor's count of its changes.
    pub version: Option<i64>,
}

/// Places left at a stock, in a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlacesRequest {
    /// The stock.
    pub stock: String,
    /// Places left; `None` is unlimited.
    pub remaining: Option<u32>,
    /// The vendor's count of its changes.
    pub version: Option<i64>,
}

/// Reads fields of an object and collects what is wrong.
struct Reader<'a> {
    object: &'a Map<String, Value>,
    path: String,
    faults: Vec<Fault>,
}

impl<'a> Reader<'a> {
    const fn new(object: &'a Map<String, Value>, path: String) -> Self {
        Self { object, path, faults: Vec::new() }
    }

    fn fault(&mut self, field: &str, message: impl Into<String>) {
        self.faults.push(Fault { path: format!("{}{field}", self.path), message: message.into() });
    }

    /// The field, when it says something.
    fn said(&self, field: &str) -> Option<&'a Value> {
        self.object.get(field).filter(|value| !value.is_null())
    }

    fn text(&mut self, field: &str, longest: usize) -> Option<String> {
        let value = self.said(field)?;
        let text = value.as_str().map(str::trim);
        match text {
            Some("") => None,
            Some(text) if text.chars().count() > longest => {
                self.fault(field, format!("write at most {longest} characters"));
                None
            }
            Some(text) if text.contains('\0') => {
                self.fault(field, "leave the zero character out");
                None
            }
            Some(text) => Some(text.to_owned()),
            None => {
                self.fault(field, "write a text");
                None
            }
        }
    }

    fn number(&mut self, field: &str, most: u64) -> Option<u32> {
        let value = self.said(field)?;
        let number = value.as_u64().filter(|number| *number <= most).and_then(|number| u32::try_from(number).ok());
        if number.is_none() {
            self.fault(field, format!("write a whole number from 0 to {most}"));
        }
        number
    }

    fn version(&mut self) -> Option<i64> {
        let value = self.said("version")?;
        let number = value.as_i64().filter(|number| *number >= 0);
        if number.is_none() {
            self.fault("version", "write a whole number that rises with each change, from 0 on");
        }
        number
    }

    fn instant(&mut self, field: &str) -> Option<Millis> {
        let value = self.said(field)?;
        let at = value.as_str().and_then(|text| text.trim().parse::<jiff::Timestamp>().ok());
        let at = at.map(|at| at.as_millisecond()).filter(|at| *at > 0);
        if at.is_none() {
            self.fault(field, "write a date and a time with an offset, such as 2035-01-10T20:30:00+01:00");
        }
        at
    }

    /// `remaining` must be said, since forgetting it would mean unlimited.
    fn remaining(&mut self) -> Option<u32> {
        match self.object.get("remaining") {
            Some(Value::Null) => None,
            Some(_) => self.number("remaining", MOST_PLACES),
            None => {
                self.fault("remaining", "write the number of places left, or null where there is no limit");
                None
            }
        }
    }

    fn id(&mut self, field: &str) -> Option<String> {
        match self.said(field)? {
            Value::Number(number) => Some(number.to_string()),
            _ => self.text(field, LONGEST_ID),
        }
    }
}

/// The object of a body.
///
/// # Errors
/// When it is none.
pub fn object(value: &Value) -> Result<&Map<String, Value>, Vec<Fault>> {
    value.as_object().ok_or_else(|| vec![Fault { path: String::new(), message: "write a JSON object".to_owned() }])
}

/// Reads an event. `own` is what the connection's settings say of its shows.
///
/// # Errors
/// Everything that is wrong with it.
pub fn event(value: &Value, own: &EventKind) -> Result<EventRequest, Vec<Fault>> {
    let mut reader = Reader::new(object(value)?, String::new());
    let title = reader.text("title", LONGEST_TITLE);
    if title.is_none() && reader.faults.is_empty() {
        reader.fault("title", "write what it is called");
    }
    let description = reader.text("description", LONGEST_DESCRIPTION);
    let mut word = |field: &str| {
        let word = reader.text(field, LONGEST_ID)?;
        if !is_word(&word) {
            reader.fault(field, "write pass Culture's word for it, such as CONCERT or THEATRE-COMEDIE");
            return None;
        }
        Some(word)
    };
    let (category, show_type, music_type) = (word("category"), word("show_type"), word("music_type"));
    if category.as_deref().is_some_and(is_online) {
        reader.fault("category", "an online category has no place at a venue: write one of events that people come to");
    }
    // Films are what a connection has whose settings say nothing: no theatre is to find its plays among them.
    if category.is_none() && own.category == EventKind::film().category && reader.said("category").is_none() {
        reader.fault("category", "write pass Culture's category, such as CONCERT or SEANCE_CINE");
    }
    let booking_contact = reader.text("booking_contact", LONGEST_ID + 20);
    if booking_contact.as_deref().is_some_and(|contact| !is_email(contact)) {
        reader.fault("booking_contact", "write an e-mail address of at most 120 characters");
    }
    let duration_minutes = reader.number("duration_minutes", u64::from(LONGEST_MINUTES)).filter(|minutes| *minutes > 0);
    let image_url = reader.text("image_url", LONGEST_ADDRESS);
    let is_address = |address: &str| {
        url::Url::parse(address).is_ok_and(|address| matches!(address.scheme(), "http" | "https") && address.has_host())
    };
    if image_url.as_deref().is_some_and(|address| !is_address(address)) {
        reader.fault("image_url", "write an address that begins with https://");
    }
    let venue = venue(&mut reader);
    let price_categories = prices(&mut reader);
    match title {
        Some(title) if reader.faults.is_empty() => Ok(EventRequest {
            document: EventDocument {
                title,
                description,
                category,
                show_type,
                music_type,
                booking_contact,
                duration_minutes,
                image_url,
                price_categories,
            },
            venue,
        }),
        _ => Err(reader.faults),
    }
}

fn venue(reader: &mut Reader<'_>) -> Option<Named> {
    let text = match reader.said("venue")? {
        Value::Number(number) => number.to_string(),
        // Some describe the place; what tells it from another is its number.
        Value::Object(place) => {
            let number = ["siret", "id"].iter().find_map(|key| place.get(*key))?;
            number.as_str().map_or_else(|| number.to_string(), str::to_owned)
        }
        _ => reader.text("venue", LONGEST_TITLE)?,
    };
    Some(named(&text))
}

/// A text that is a number, or holds one that is long enough for a SIREN or a SIRET, names a place by it.
#[must_use]
pub fn named(text: &str) -> Named {
    const SIREN: usize = 9;
    let packed: String = text.chars().filter(|character| !character.is_whitespace()).collect();
    let runs = packed.split(|character: char| !character.is_ascii_digit());
    let longest = runs.max_by_key(|run| run.len()).unwrap_or_default();
    if !longest.is_empty() && (longest.len() == packed.len() || longest.len() >= SIREN) {
        Named::Number(longest.to_owned())
    } else {
        Named::Words(text.to_owned())
    }
}

fn prices(reader: &mut Reader<'_>) -> Vec<PriceCategory> {
    let Some(value) = reader.said("price_categories") else { return Vec::new() };
    let Some(list) = value.as_array().filter(|list| list.len() <= MOST_PRICES) else {
        reader.fault("price_categories", format!("write a list of at most {MOST_PRICES}"));
        return Vec::new();
    };
    let mut prices: Vec<PriceCategory> = Vec::with_capacity(list.len());
    for (at, value) in list.iter().enumerate() {
        let Some(object) = value.as_object() else {
            // A label alone tells nothing that its stocks do not tell too.
            if !value.is_string() {
                reader.fault(&format!("price_categories.{at}"), "write an object with label and price_cents");
            }
            continue;
        };
        let mut one = Reader::new(object, format!("price_categories.{at}."));
        let label = one.text("label", LONGEST_TITLE);
        let id = one.id("id").or_else(|| label.clone());
        let price = one.number("price_cents", DEAREST);
        if id.is_none() && one.faults.is_empty() {
            one.fault("label", "write a label or an id");
        }
        if id.as_ref().is_some_and(|id| prices.iter().any(|known| known.id == *id)) {
            one.fault("id", "another price category has it");
        }
        if let (Some(id), Some(price_cents)) = (id, price) {
            prices.push(PriceCategory { label: label.unwrap_or_default(), id, price_cents });
        }
        reader.faults.append(&mut one.faults);
    }
    prices
}

/// Reads a stock of an event.
///
/// # Errors
/// Everything that is wrong with it.
pub fn stock(value: &Value, event: &EventDocument) -> Result<StockRequest, Vec<Fault>> {
    let mut reader = Reader::new(object(value)?, String::new());
    let starts_at = reader.instant("starts_at");
    if starts_at.is_none() && reader.said("starts_at").is_none() {
        reader.fault("starts_at", "write its beginning, such as 2035-01-10T20:30:00+01:00");
    }
    let booking_limit_at = reader.instant("booking_limit_at");
    let label = reader.text("price_label", LONGEST_TITLE);
    let price = reader.number("price_cents", DEAREST);
    let category = reader.id("price_category");
    let by_category = category.as_deref().and_then(|named| event.price(named));
    if category.is_some() && by_category.is_none() && price.is_none() {
        reader.fault("price_category", "the event has no price category with this id or label");
    }
    if let (Some(price), Some(category)) = (price, by_category)
        && price != category.price_cents
    {
        reader.fault("price_cents", "the price category that it names costs something else; write one of them");
    }
    if price.is_none() && category.is_none() && reader.said("price_cents").is_none() {
        reader.fault("price_cents", "write the price in cents, VAT included, or name a price_category");
    }
    let remaining = reader.remaining();
    let version = reader.version();
    let price_cents = price.or_else(|| by_category.map(|category| category.price_cents));
    // A category that has no price of its own is a name for the stock's.
    let named = by_category.map(|category| category.label.clone()).or_else(|| category.clone());
    let price_label = label.or(named).unwrap_or_default();
    match (starts_at, price_cents) {
        (Some(starts_at), Some(price_cents)) if reader.faults.is_empty() => Ok(StockRequest {
            document: StockDocument { price_label, price_category: category, booking_limit_at },
            starts_at,
            price_cents,
            remaining,
            version,
        }),
        _ => Err(reader.faults),
    }
}

/// Reads one entry of a batch of places.
///
/// # Errors
/// Everything that is wrong with it.
pub fn places(value: &Value) -> Result<PlacesRequest, Vec<Fault>> {
    let mut reader = Reader::new(object(value)?, String::new());
    let stock = reader.id("stock_id");
    if stock.is_none() && reader.faults.is_empty() {
        reader.fault("stock_id", "write the id of the stock");
    }
    let remaining = reader.remaining();
    let version = reader.version();
    match stock {
        Some(stock) if reader.faults.is_empty() => Ok(PlacesRequest { stock, remaining, version }),
        _ => Err(reader.faults),
    }
}

/// Stocks whose price follows a price category that says something else now. One that is named no more keeps its price.
#[must_use]
pub fn repriced(stocks: &[StatedStock], before: Option<&EventDocument>, now: &EventDocument) -> Vec<Repriced> {
    let follow = |stock: &StatedStock| {
        let mut document: StockDocument = serde_json::from_str(&stock.document).ok()?;
        let named = document.price_category.clone()?;
        let price = now.price(&named)?;
        // A label of the stock's own stays.
        let followed =
            before.and_then(|before| before.price(&named)).is_some_and(|old| old.label == document.price_label);
        if followed || document.price_label.is_empty() {
            document.price_label.clone_from(&price.label);
        }
        let document = serde_json::to_string(&document).ok()?;
        let same = document == stock.document && price.price_cents == stock.price_cents;
        (!same).then(|| Repriced {
            stock: stock.stock.clone(),
            before: stock.document.clone(),
            document,
            price_cents: price.price_cents,
        })
    };
    stocks.iter().filter_map(follow).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::store::allotments::NO_VERSION;

    fn own() -> EventKind {
        EventKind { category: "CONCERT".into(), show_type: None, music_type: None, booking_contact: None }
    }

    fn paths(faults: Vec<Fault>) -> Vec<String> {
        faults.into_iter().map(|fault| fault.path).collect()
    }

    fn sample() -> EventDocument {
        let value = json!({ "title": " La Mouette ", "venue": 535, "unknown": [], "price_categories": [
            { "id": 7, "label": "Plein", "price_cents": 1200 }, { "label": "Réduit", "price_cents": 800 }] });
        event(&value, &own()).unwrap().document
    }

    #[test]
    fn an_event_is_read_leniently_and_checked_strictly() {
        let document = sample();
        assert_eq!((document.title.as_str(), document.price_categories.len()), ("La Mouette", 2));
        assert_eq!(
            (document.price("7").unwrap().price_cents, document.price("Réduit").unwrap().price_cents),
            (1200, 800)
        );
        let odd = json!({ "title": "A", "category": "a b", "booking_contact": "nobody", "duration_minutes": -4,
            "image_url": "ftp://x/y", "venue": {}, "price_categories": [1, { "label": "x" }, { "label": "x", "price_cents": 30_001 }] });
        assert_eq!(
            paths(event(&odd, &own()).unwrap_err()),
            [
                "category",
                "booking_contact",
                "duration_minutes",
                "image_url",
                "price_categories.0",
                "price_categories.2.price_cents"
            ]
        );
        let labels =
            json!({ "title": "A", "venue": { "name": "Salle" }, "price_categories": ["Plein", { "label": "Réduit" }] });
        assert_eq!(event(&labels, &own()).unwrap().document.price_categories, []);
        assert_eq!(paths(event(&json!({ "title": " " }), &own()).unwrap_err()), ["title"]);
        assert_eq!(paths(event(&json!({ "title": "A" }), &EventKind::film()).unwrap_err()), ["category"]);
        assert!(event(&json!([]), &own()).is_err());
    }

    #[test]
    fn a_place_that_is_a_number_names_a_venue_and_words_do_not() {
        for (text, number) in
            [("535", "535"), ("853 318 459 00049", "85331845900049"), ("SIRET 85331845900049", "85331845900049")]
        {
            assert_eq!(named(text), Named::Number(number.into()));
        }
        for words in ["Salle du Port, 2e étage", "halle-du-port", ""] {
            assert_eq!(named(words), Named::Words(words.into()));
        }
    }

    #[test]
    fn a_stock_says_when_how_much_and_how_many() {
        let event = sample();
        let read = |value: Value| stock(&value, &event);
        let good = read(json!({ "starts_at": "2035-01-10T20:30:00+01:00", "price_category": "7", "remaining": null }))
            .unwrap();
        assert_eq!((good.price_cents, good.remaining, good.version), (1200, None, None));
        assert_eq!((good.document.price_label.as_str(), good.starts_at), ("Plein", 2_052_070_200_000));
        assert_eq!(
            paths(read(json!({ "starts_at": "2035-01-10T20:30:00", "price_cents": 1.5, "version": -1 })).unwrap_err()),
            ["starts_at", "price_cents", "remaining", "version"]
        );
        assert_eq!(paths(read(json!({ "remaining": 1 })).unwrap_err()), ["starts_at", "price_cents"]);
        let odd = json!({ "starts_at": "2035-01-10T20:30:00Z", "price_category": "Nul", "remaining": 1 });
        assert_eq!(paths(read(odd).unwrap_err()), ["price_category"]);
        let named =
            json!({ "starts_at": "2035-01-10T20:30:00Z", "price_category": "Nul", "price_cents": 900, "remaining": 1 });
        assert_eq!(read(named).unwrap().document.price_label, "Nul");
        let two =
            json!({ "starts_at": "2035-01-10T20:30:00Z", "price_category": "7", "price_cents": 1, "remaining": 1 });
        assert_eq!(paths(read(two).unwrap_err()), ["price_cents"]);
    }

    #[test]
    fn an_entry_of_a_batch_needs_its_stock_and_its_number() {
        let good = places(&json!({ "stock_id": 12, "remaining": 3, "version": 4 })).unwrap();
        assert_eq!(good, PlacesRequest { stock: "12".into(), remaining: Some(3), version: Some(4) });
        assert_eq!(paths(places(&json!({ "version": "x" })).unwrap_err()), ["stock_id", "remaining", "version"]);
        assert_eq!(paths(places(&json!({ "stock_id": "a", "remaining": -1 })).unwrap_err()), ["remaining"]);
    }

    #[test]
    fn prices_of_stocks_follow_their_category() {
        let before = sample();
        let mut now = before.clone();
        now.price_categories[0].price_cents = 1_300;
        now.price_categories[0].label = "Plein tarif".into();
        now.price_categories.remove(1);
        let stock = |document: &str, price_cents| StatedStock {
            stock: document.into(),
            event: "e".into(),
            document: document.into(),
            starts_at: 1,
            closes_at: 1,
            price_cents,
            version: NO_VERSION,
            stated: None,
            remaining: None,
            gone: false,
            stated_at: 1,
        };
        let stocks = [
            stock(r#"{"price_label":"Plein","price_category":"7"}"#, 1_200),
            stock(r#"{"price_label":"Le mien","price_category":"7"}"#, 1_200),
            stock(r#"{"price_label":"Réduit","price_category":"Réduit"}"#, 800),
            stock(r#"{"price_label":"Plein"}"#, 1_200),
        ];
        let moved = repriced(&stocks, Some(&before), &now);
        let told: Vec<(&str, u32)> = moved.iter().map(|one| (one.document.as_str(), one.price_cents)).collect();
        assert_eq!(
            told,
            [
                (r#"{"price_label":"Plein tarif","price_category":"7"}"#, 1_300),
                (r#"{"price_label":"Le mien","price_category":"7"}"#, 1_300)
            ]
        );
        assert!(repriced(&stocks, Some(&before), &before).is_empty());
    }
}
