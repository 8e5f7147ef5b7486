//! The northbound client: the only room that knows pass Culture's wire types.
//!
//! [`Client`] says what the gateway needs to say (who am I, which venues, is this EAN taken, put these at these terms, what
//! is there now) and answers in the house's own types. Politeness is inside: every attempt, retries included, pays one
//! permit of the account's shared [`Budget`]; a 429 is obeyed by everybody at once; each failure is a [`NorthError`] with a
//! class, a stable code and what to do.
//!
//! Not for: deciding *what* to send (`rules`, `catalogue`), or remembering anything.
//!
//! Invariant: no API key and no personal data in an error, a log line or a `Debug` text.

mod availability;
mod bookings;
mod budget;
mod client;
mod error;
mod events;
mod listings;
pub mod messages;
mod pace;
mod products;
mod retry;
mod tokens;
mod transport;
mod venues;

pub use availability::Availability;
pub use bookings::{BookingStatus, Email, ListedBooking, MAX_BOOKINGS_LISTED, VenueBookings};
pub use budget::{Budget, BudgetError, Traffic};
pub use client::{Client, Clock, Millis, Settings};
pub use error::{FieldError, NorthError};
pub use events::{
    Accessibility, CategoryFields, Contact, DateBody, DatePatch, DatesAdded, Event, EventBody, EventDate, EventPatch,
    EventPublication, MAX_CREDIT_CHARS, MAX_DATES_LISTED, MAX_DATES_SENT, MAX_KEYS_ASKED, MAX_PICTURE_BYTES,
    MAX_PRICE_CATEGORIES, MessageUrls, PriceCategory, PriceCategoryBody, PriceCategoryPatch, SendError, UrlsSet,
    key_again,
};
pub use listings::{ListingError, Listings, Recent};
pub use products::{
    AfterLostAnswer, EanOffer, MAX_EANS_ASKED, MAX_EANS_SENT, OfferStatus, ProductOffer, ProductStock, Publication,
    RefusedItem, UpsertError, UpsertOptions,
};
pub use retry::RetryPolicy;
pub use tokens::{Moved, Shown, Token, TokenBooking, TokenRefusal};
pub use venues::{Provider, Venue};
