//! Events: made, found, changed, with their price categories, dates and picture, and where messages about them go.
//!
//! Each write is one call and says by [`SendError`] whether it may have been done all the same. Nothing here looks up
//! before it makes: the caller does, by `idAtProvider`, whenever a creation's answer was lost.
//!
//! Invariant: a creation is sent a second time only when the first provably did not reach pass Culture; lists are complete
//! or an error.

mod body;
mod dates;
mod message_urls;
mod offers;
mod pages;
mod picture;
mod read;
mod send;
mod written;

pub use body::{
    Accessibility, CategoryFields, Contact, DateBody, DatePatch, EventBody, EventPatch, EventPublication,
    PriceCategoryBody, PriceCategoryPatch,
};
pub use dates::{DatesAdded, MAX_DATES_LISTED, MAX_DATES_SENT, key_again};
pub use message_urls::{MessageUrls, UrlsSet};
pub use offers::MAX_PRICE_CATEGORIES;
pub use pages::MAX_KEYS_ASKED;
pub use picture::{MAX_CREDIT_CHARS, MAX_PICTURE_BYTES};
pub use read::{Event, EventDate, PriceCategory};
pub use send::SendError;

pub(super) use dates::own_key;
pub(super) use pages::List;
pub(super) use read::{Page, Row};

use std::time::Duration;

const EVENTS: &str = "/public/offers/v1/events";

const TIMEOUT: Duration = Duration::from_secs(30);
