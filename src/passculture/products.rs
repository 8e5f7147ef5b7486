//! Books, discs and vinyls, by EAN: may they be sold, put them at these terms, what is there now.
//!
//! A number of copies means *still for sale* when it is sent and *ever offered* when it is read back; this file is the only
//! place where the two meet.
//!
//! Invariant: a quantity is always sent. pass Culture reads its absence as *unlimited*.

use std::time::Duration;

use passerelle_contract::{Cents, Class, Ean, Quantity};
use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::availability::Availability;
use super::client::Client;
use super::error::{FieldError, Missing, NorthError};
use super::transport::{Call, Resend};

/// EANs in one availability check or one read.
pub const MAX_EANS_ASKED: usize = 100;
/// EANs in one upsert.
pub const MAX_EANS_SENT: usize = 500;

const READ_TIMEOUT: Duration = Duration::from_secs(30);
/// The answer comes when 500 products are queued: 340 ms were seen, minutes were not.
const UPSERT_TIMEOUT: Duration = Duration::from_secs(60);

const PATH: &str = "/public/offers/v1/products/ean";

/// What one EAN should be sold at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EanOffer {
    /// The product.
    pub ean: Ean,
    /// Unit price, at most 30 000 cents.
    pub price: Cents,
    /// Copies still for sale, at most 1 000 000.
    pub quantity: Quantity,
}

/// Whether an upsert says that the offers are to be visible. Either way pass Culture publishes them: there is no *as it is*.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Publication {
    /// Leave the field out; its default is `now`.
    #[default]
    Omitted,
    /// Write `now`.
    Now,
}

/// What to do when an upsert may have been taken but the answer was lost (time-out, connection cut, 502, 504).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AfterLostAnswer {
    /// Do not repeat: [`UpsertError::AnswerLost`]. Right whenever an EAN may be new to the venue: two upserts of a new EAN
    /// in flight make two offers.
    #[default]
    Report,
    /// Repeat like a read. Right when every EAN is already on pass Culture: the same terms twice are the same terms.
    Resend,
}

/// How an upsert is made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UpsertOptions {
    /// What is said of publication.
    pub publication: Publication,
    /// What to do when the answer is lost.
    pub after_lost_answer: AfterLostAnswer,
}

/// Why an upsert was not taken. In the first two cases nothing of it was.
#[derive(Debug, thiserror::Error)]
pub enum UpsertError {
    /// pass Culture named items that it does not take. Set these aside and send the rest again.
    #[error("{error}")]
    Refused {
        /// At least one, by index; one item may be named several times.
        items: Vec<RefusedItem>,
        /// The answer.
        error: NorthError,
    },
    /// Nothing was taken.
    #[error(transparent)]
    Failed(NorthError),
    /// It may have been taken: read back before these EANs are sent again.
    #[error(transparent)]
    AnswerLost(NorthError),
}

impl UpsertError {
    /// The failure behind it.
    #[must_use]
    pub const fn error(&self) -> &NorthError {
        match self {
            Self::Refused { error, .. } | Self::Failed(error) | Self::AnswerLost(error) => error,
        }
    }
}

/// One item that a 400 named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedItem {
    /// Index in the call.
    pub index: usize,
    /// The field below it: `stock.price`, or `__root__`.
    pub field: String,
    /// pass Culture's messages.
    pub messages: Vec<String>,
}

/// An offer of a venue, read by EAN.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProductOffer {
    /// The product.
    pub ean: Ean,
    /// The offer's number; a newer offer has a higher one.
    pub offer_id: i64,
    /// Where it stands.
    pub status: OfferStatus,
    /// Its stock; `None` when it has none.
    pub stock: Option<ProductStock>,
}

/// The stock of an offer as read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProductStock {
    /// Unit price.
    pub price: Cents,
    /// Ever offered, booked copies included.
    pub total: Quantity,
    /// Booked, used and reimbursed; cancelled ones are out.
    pub booked: u32,
}

impl ProductStock {
    /// Copies still for sale: what an upsert sends.
    #[must_use]
    pub const fn remaining(&self) -> Quantity {
        match self.total {
            Quantity::Unlimited => Quantity::Unlimited,
            Quantity::Exactly(total) => Quantity::Exactly(total.saturating_sub(self.booked)),
        }
    }
}

/// Where an offer stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OfferStatus {
    /// Bookable.
    Active,
    /// Visible, nothing left.
    SoldOut,
    /// Switched off.
    Inactive,
    /// Visible, not yet bookable.
    Published,
    /// To be visible later.
    Scheduled,
    /// Waiting for review.
    Pending,
    /// Refused by pass Culture: it cannot be changed any more.
    Rejected,
    /// All booking limits have passed.
    Expired,
    /// Not finished (events).
    Draft,
    /// A status of a later version, as written.
    Other(String),
}

impl From<&str> for OfferStatus {
    fn from(text: &str) -> Self {
        match text {
            "ACTIVE" => Self::Active,
            "SOLD_OUT" => Self::SoldOut,
            "INACTIVE" => Self::Inactive,
            "PUBLISHED" => Self::Published,
            "SCHEDULED" => Self::Scheduled,
            "PENDING" => Self::Pending,
            "REJECTED" => Self::Rejected,
            "EXPIRED" => Self::Expired,
            "DRAFT" => Self::Draft,
            other => Self::Other(other.chars().take(50).collect()),
        }
    }
}

impl Client {
    /// Asks which of at most [`MAX_EANS_ASKED`] EANs can be sold at all, at any venue. Answers in no fixed order; an EAN
    /// of which pass Culture says nothing is absent.
    ///
    /// # Errors
    /// As any call.
    pub async fn check_availability(&self, eans: &[Ean]) -> Result<Vec<(Ean, Availability)>, NorthError> {
        const OPERATION: &str = "check availability";
        if eans.is_empty() {
            return Ok(Vec::new());
        }
        at_most(OPERATION, eans.len(), MAX_EANS_ASKED)?;
        let path = format!("{PATH}/check_availability");
        let query = [("eans", joined(eans))];
        let answer: WireAvailability = self.ask(&read(OPERATION, &path, &query, Missing::Path)).await?;
        Ok(answer.verdicts())
    }

    /// Puts at most [`MAX_EANS_SENT`] EANs of one venue at these terms. `Ok` means queued: pass Culture works later, may
    /// drop an EAN without a word, and works in no fixed order, so no EAN may be in two calls until it was read back.
    ///
    /// # Errors
    /// [`UpsertError`].
    pub async fn upsert_eans(
        &self,
        venue_id: i64,
        offers: &[EanOffer],
        options: UpsertOptions,
    ) -> Result<(), UpsertError> {
        const OPERATION: &str = "upsert EANs";
        if offers.is_empty() {
            return Ok(());
        }
        at_most(OPERATION, offers.len(), MAX_EANS_SENT).map_err(UpsertError::Failed)?;
        let body = serde_json::to_vec(&WireUpsert::new(venue_id, offers, options.publication))
            .map_err(|why| UpsertError::Failed(unwritable(OPERATION, &why)))?;
        let resend = match options.after_lost_answer {
            AfterLostAnswer::Report => Resend::IfNothingHappened,
            AfterLostAnswer::Resend => Resend::Freely,
        };
        let call = Call {
            operation: OPERATION,
            method: Method::POST,
            path: PATH,
            query: &[],
            body: Some(&body),
            timeout: UPSERT_TIMEOUT,
            missing: Missing::Venue,
            resend,
        };
        match self.send(&call).await {
            Ok(_) => Ok(()),
            Err(failure) if failure.answer_lost => Err(UpsertError::AnswerLost(failure.error)),
            Err(failure) => {
                let items = refused_items(&failure.fields, offers.len());
                if items.is_empty() {
                    Err(UpsertError::Failed(failure.error))
                } else {
                    Err(UpsertError::Refused { items, error: failure.error })
                }
            }
        }
    }

    /// Reads the offers of a venue for at most [`MAX_EANS_ASKED`] EANs, newest first; several for one EAN are possible,
    /// and the newest is the one that an upsert changes. An EAN without offer is absent.
    ///
    /// # Errors
    /// `VenueNotLinked`, or as any call.
    pub async fn read_eans(&self, venue_id: i64, eans: &[Ean]) -> Result<Vec<ProductOffer>, NorthError> {
        const OPERATION: &str = "read offers by EAN";
        if eans.is_empty() {
            return Ok(Vec::new());
        }
        at_most(OPERATION, eans.len(), MAX_EANS_ASKED)?;
        let query = [("eans", joined(eans)), ("venueId", venue_id.to_string())];
        let answer: WireProducts = self.ask(&read(OPERATION, PATH, &query, Missing::Venue)).await?;
        let mut offers: Vec<ProductOffer> = answer.products.into_iter().filter_map(WireProduct::into_offer).collect();
        // It says newest first; the newest deciding is too important to take its word.
        offers.sort_by_key(|offer| std::cmp::Reverse(offer.offer_id));
        Ok(offers)
    }
}

fn read<'a>(operation: &'static str, path: &'a str, query: &'a [(&'static str, String)], missing: Missing) -> Call<'a> {
    Call {
        operation,
        method: Method::GET,
        path,
        query,
        body: None,
        timeout: READ_TIMEOUT,
        missing,
        resend: Resend::Freely,
    }
}

fn at_most(operation: &'static str, count: usize, most: usize) -> Result<(), NorthError> {
    if count <= most {
        return Ok(());
    }
    Err(NorthError::new(
        Class::Data,
        "TooManyAtOnce",
        operation,
        format!("{count} EANs in one call; pass Culture takes {most}"),
        "this is a fault of the gateway: report it",
    ))
}

fn unwritable(operation: &'static str, why: &serde_json::Error) -> NorthError {
    NorthError::new(
        Class::Data,
        "UnwritableRequest",
        operation,
        format!("the request cannot be written as JSON: {why}"),
        "this is a fault of the gateway: report it",
    )
}

fn joined(eans: &[Ean]) -> String {
    let mut text = String::with_capacity(eans.len() * 14);
    for ean in eans {
        if !text.is_empty() {
            text.push(',');
        }
        text.push_str(&ean.to_string());
    }
    text
}

/// The items that a 400 names (`products.12.stock.price`), in order; names that fit no item are left out.
fn refused_items(fields: &[FieldError], sent: usize) -> Vec<RefusedItem> {
    let mut items: Vec<RefusedItem> = fields
        .iter()
        .filter_map(|error| {
            let (index, field) = error.key.strip_prefix("products.")?.split_once('.')?;
            let index = index.parse().ok().filter(|index| *index < sent)?;
            Some(RefusedItem { index, field: field.to_owned(), messages: error.messages.clone() })
        })
        .collect();
    items.sort_by_key(|item| item.index);
    items
}

// ── wire ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────

#[derive(Serialize)]
struct WireUpsert {
    location: WireLocation,
    products: Vec<WireItem>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WireLocation {
    #[serde(rename = "type")]
    kind: &'static str,
    venue_id: i64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WireItem {
    ean: Ean,
    stock: WireStockSent,
    #[serde(skip_serializing_if = "Option::is_none")]
    publication_datetime: Option<&'static str>,
}

#[derive(Serialize)]
struct WireStockSent {
    price: u32,
    quantity: WireQuantity,
}

#[derive(Serialize)]
#[serde(untagged)]
enum WireQuantity {
    Exactly(u32),
    Unlimited(&'static str),
}

impl WireUpsert {
    fn new(venue_id: i64, offers: &[EanOffer], publication: Publication) -> Self {
        let publication_datetime = match publication {
            Publication::Omitted => None,
            Publication::Now => Some("now"),
        };
        let item = |offer: &EanOffer| WireItem {
            ean: offer.ean,
            stock: WireStockSent {
                price: offer.price.0,
                quantity: match offer.quantity {
                    Quantity::Exactly(copies) => WireQuantity::Exactly(copies),
                    Quantity::Unlimited => WireQuantity::Unlimited("unlimited"),
                },
            },
            publication_datetime,
        };
        Self { location: WireLocation { kind: "physical", venue_id }, products: offers.iter().map(item).collect() }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireAvailability {
    available: Vec<Value>,
    rejected: Option<WireRejected>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct WireRejected {
    not_found: Option<Vec<Value>>,
    subcategory_not_allowed: Option<Vec<Value>>,
    not_compliant_with_cgu: Option<Vec<Value>>,
}

impl WireAvailability {
    fn verdicts(self) -> Vec<(Ean, Availability)> {
        let rejected = self.rejected.unwrap_or_default();
        let lists = [
            (Some(self.available), Availability::Available),
            (rejected.not_found, Availability::NotFound),
            (rejected.subcategory_not_allowed, Availability::SubcategoryNotAllowed),
            (rejected.not_compliant_with_cgu, Availability::NotCompliant),
        ];
        lists
            .into_iter()
            .flat_map(|(eans, verdict)| eans.unwrap_or_default().into_iter().map(move |ean| (ean, verdict)))
            .filter_map(|(ean, verdict)| Some((ean_of(&ean)?, verdict)))
            .collect()
    }
}

#[derive(Deserialize)]
struct WireProducts {
    products: Vec<WireProduct>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireProduct {
    id: i64,
    status: Option<String>,
    category_related_fields: Option<WireCategory>,
    stock: Option<WireStock>,
}

#[derive(Deserialize)]
struct WireCategory {
    ean: Option<Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireStock {
    price: u32,
    quantity: Value,
    booked_quantity: Option<u32>,
}

impl WireProduct {
    /// `None` for an offer without EAN, which was not asked for.
    fn into_offer(self) -> Option<ProductOffer> {
        let ean = ean_of(&self.category_related_fields?.ean?)?;
        let stock = self.stock.map(|stock| ProductStock {
            price: Cents(stock.price),
            total: total_of(&stock.quantity),
            booked: stock.booked_quantity.unwrap_or(0),
        });
        let status = self.status.as_deref().unwrap_or_default().into();
        Some(ProductOffer { ean, offer_id: self.id, status, stock })
    }
}

/// Anything but a number is unlimited, as in pass Culture itself, where no number means no limit.
fn total_of(quantity: &Value) -> Quantity {
    match quantity.as_u64() {
        Some(total) => Quantity::Exactly(u32::try_from(total).unwrap_or(u32::MAX)),
        None => Quantity::Unlimited,
    }
}

/// Written as text everywhere; a number is understood because it costs nothing.
fn ean_of(value: &Value) -> Option<Ean> {
    match value {
        Value::String(text) => text.parse().ok(),
        Value::Number(number) => Ean::from_u64(number.as_u64()?).ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::error::field_errors;
    use super::*;

    const BOOK: &str = "9782070286256";
    const DISC: &str = "0602435931975";

    fn ean(text: &str) -> Ean {
        text.parse().unwrap()
    }

    #[test]
    fn an_upsert_always_says_how_many_and_never_more_than_the_route_takes() {
        let offers = [
            EanOffer { ean: ean(BOOK), price: Cents(799), quantity: Quantity::Exactly(0) },
            EanOffer { ean: ean(DISC), price: Cents(1990), quantity: Quantity::Unlimited },
        ];
        let json = serde_json::to_string(&WireUpsert::new(535, &offers, Publication::Omitted)).unwrap();
        assert_eq!(
            json,
            concat!(
                r#"{"location":{"type":"physical","venueId":535},"products":["#,
                r#"{"ean":"9782070286256","stock":{"price":799,"quantity":0}},"#,
                r#"{"ean":"0602435931975","stock":{"price":1990,"quantity":"unlimited"}}]}"#
            )
        );
        let json = serde_json::to_string(&WireUpsert::new(535, &offers[..1], Publication::Now)).unwrap();
        assert!(json.contains(r#""publicationDatetime":"now""#), "{json}");
    }

    #[test]
    fn a_400_tells_which_items_to_set_aside() {
        let body = br#"{"products.12.stock.price":["too big"],"products.3.ean":"13 characters, please",
            "products.3.stock.quantity":["a","b"],"products.0.__root__":["dates"],"products.500.ean":["nobody"],
            "products.x.ean":["?"],"products":["too many"],"location":["no"]}"#;
        let items = refused_items(&field_errors(body), 500);
        let read: Vec<_> = items.iter().map(|item| (item.index, item.field.as_str(), item.messages.len())).collect();
        assert_eq!(read.len(), 4, "{read:?}");
        assert_eq!(read[0], (0, "__root__", 1));
        assert!(read.contains(&(3, "stock.quantity", 2)) && read.contains(&(3, "ean", 1)));
        assert_eq!(read[3], (12, "stock.price", 1));
    }

    #[test]
    fn what_is_read_is_a_total_and_what_remains_is_the_rest() {
        let answer: WireProducts = serde_json::from_str(
            r#"{"products":[
              {"id":9,"name":"x","status":"ACTIVE","categoryRelatedFields":{"category":"LIVRE_PAPIER","ean":"9782070286256"},
               "stock":{"price":1200,"quantity":10,"bookedQuantity":2,"bookingLimitDatetime":null},"new":{}},
              {"id":4,"status":"SOMETHING_NEW","categoryRelatedFields":{"ean":"0602435931975"},"stock":null},
              {"id":5,"status":"SOLD_OUT","categoryRelatedFields":{"ean":"9790231802351"},
               "stock":{"price":900,"quantity":"unlimited","bookedQuantity":null}},
              {"id":6,"status":null,"categoryRelatedFields":{"ean":null}}]}"#,
        )
        .unwrap();
        let offers: Vec<_> = answer.products.into_iter().filter_map(WireProduct::into_offer).collect();
        assert_eq!(offers.len(), 3);
        let stock = offers[0].stock.unwrap();
        assert_eq!((stock.total, stock.booked), (Quantity::Exactly(10), 2));
        assert_eq!(stock.remaining(), Quantity::Exactly(8));
        assert_eq!((offers[1].ean, &offers[1].stock), (ean(DISC), &None));
        assert_eq!(offers[1].status, OfferStatus::Other("SOMETHING_NEW".into()));
        assert_eq!(offers[2].stock.unwrap().remaining(), Quantity::Unlimited);
        let oversold = ProductStock { price: Cents(1), total: Quantity::Exactly(1), booked: 3 };
        assert_eq!(oversold.remaining(), Quantity::Exactly(0));
    }

    #[test]
    fn verdicts_are_read_from_every_list() {
        let answer: WireAvailability = serde_json::from_str(
            r#"{"available":["9782070286256"],"rejected":{"notFound":["0602435931975"],"subcategoryNotAllowed":null,
                "notCompliantWithCgu":["9790231802351","not an ean"],"aNewReason":["3700551782888"]}}"#,
        )
        .unwrap();
        assert_eq!(
            answer.verdicts(),
            [
                (ean(BOOK), Availability::Available),
                (ean(DISC), Availability::NotFound),
                (ean("9790231802351"), Availability::NotCompliant)
            ]
        );
    }
}
