//! Books, discs and vinyls, by EAN: may they be sold, put them at these terms, what is there now.
//!
//! A number of copies means *still for sale* when it is sent and *ever offered* when it is read back; this file is the only
//! place where the two meet.
//!
//! Invariant: a quantity is always sent. pass Culture reads its absence as *unlimited*.

mod wire;

use std::time::Duration;

use passerelle_contract::{Cents, Class, Ean, Quantity};
use reqwest::Method;

use super::availability::Availability;
use super::client::Client;
use super::error::{FieldError, Missing, NorthError};
use super::transport::{Call, Content, Resend};
use wire::{WireAvailability, WireProduct, WireProducts, WireUpsert};

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
    /// The field below it: `stock.price`; empty when it is about the whole item.
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
            body: Some(Content::Json(&body)),
            timeout: UPSERT_TIMEOUT,
            missing: Missing::Venue,
            resend,
        };
        match self.send(&call).await {
            Ok(_) => Ok(()),
            Err(failure) if failure.answer_lost => Err(UpsertError::AnswerLost(failure.error)),
            Err(failure) => {
                let items = refused_items("products", &failure.fields, offers.len());
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

pub(super) fn unwritable(operation: &'static str, why: &serde_json::Error) -> NorthError {
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

/// The items of a list that a 400 names (`products.12.stock.price`, `products.12`), in order; names that fit no item are left
/// out.
pub(super) fn refused_items(list: &str, fields: &[FieldError], sent: usize) -> Vec<RefusedItem> {
    let mut items: Vec<RefusedItem> = fields
        .iter()
        .filter_map(|error| {
            let parts = error.parts();
            let (index, field) = match parts.as_slice() {
                [name, index, field @ ..] if *name == list => (*index, field.join(".")),
                _ => return None,
            };
            let index = index.parse().ok().filter(|index| *index < sent)?;
            Some(RefusedItem { index, field, messages: error.messages.clone() })
        })
        .collect();
    items.sort_by_key(|item| item.index);
    items
}

#[cfg(test)]
mod tests {
    use super::super::error::field_errors;
    use super::*;

    #[test]
    fn a_400_tells_which_items_to_set_aside() {
        let body = br#"{"products.12.stock.price":["too big"],"products.3.ean":"13 characters, please",
            "products.3.stock.quantity":["a","b"],"products.0.__root__":["dates"],"products.500.ean":["nobody"],
            "products.7":["the item"],"products.12.stock.quantity.int":["no"],"products.x.ean":["?"],"products":["too many"],"location":["no"]}"#;
        let items = refused_items("products", &field_errors(body), 500);
        let read: Vec<_> = items.iter().map(|item| (item.index, item.field.as_str(), item.messages.len())).collect();
        assert_eq!(read.len(), 6, "{read:?}");
        assert_eq!(read[0], (0, "", 1));
        assert!(read.contains(&(7, "", 1)) && read.contains(&(12, "stock.quantity", 1)));
        assert!(read.contains(&(3, "stock.quantity", 2)) && read.contains(&(3, "ean", 1)));
        assert!(read.contains(&(12, "stock.price", 1)));
    }
}
