//! The bulk routes' own shapes: what is written, and what is read leniently.
//!
//! Unknown fields and values are ignored; a field that the gateway decides on must be there.

use passerelle_contract::{Cents, Ean, Quantity};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{EanOffer, ProductOffer, ProductStock, Publication};
use crate::passculture::Availability;

#[derive(Serialize)]
pub(super) struct WireUpsert {
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
    pub(super) fn new(venue_id: i64, offers: &[EanOffer], publication: Publication) -> Self {
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
pub(super) struct WireAvailability {
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
    pub(super) fn verdicts(self) -> Vec<(Ean, Availability)> {
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
pub(super) struct WireProducts {
    pub(super) products: Vec<WireProduct>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WireProduct {
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
    pub(super) fn into_offer(self) -> Option<ProductOffer> {
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
    use super::*;
    use crate::passculture::OfferStatus;

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
