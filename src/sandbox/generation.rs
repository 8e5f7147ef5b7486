//! The versions of pass Culture that the sandbox plays, and what each does differently.
//!
//! One question, one method: a route asks for the behaviour, never for the date.
//!
//! Invariant: what a version is not known to have changed, it does as the one before.

use serde::{Deserialize, Serialize};

use super::errors::Validator;

/// A version of pass Culture, named by its month.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, clap::ValueEnum)]
pub enum Generation {
    /// December 2025: bookings by offer alone, one validator for offers.
    #[serde(rename = "2025-12")]
    #[value(name = "2025-12")]
    December2025,
    /// February 2026: bookings by venue, events under 24 hours, labels of categories.
    #[serde(rename = "2026-02")]
    #[value(name = "2026-02")]
    February2026,
    /// September 2026: products have the new validator, notifications are compact.
    #[default]
    #[serde(rename = "2026-09")]
    #[value(name = "2026-09")]
    September2026,
}

impl Generation {
    /// The validator of the product routes, the EAN routes among them.
    pub(crate) fn product_validator(self) -> Validator {
        if self >= Self::September2026 { Validator::New } else { Validator::Old }
    }

    /// Whether bookings are listed by venue too.
    pub(crate) fn lists_bookings_by_venue(self) -> bool {
        self >= Self::February2026
    }

    /// Whether an event must be shorter than a day.
    pub(crate) fn bounds_durations(self) -> bool {
        self >= Self::February2026
    }

    /// Whether the categories of events have labels.
    pub(crate) fn labels_categories(self) -> bool {
        self >= Self::February2026
    }

    /// Whether an offer at its venue has an address of its own, labelled with the venue's public name.
    pub(crate) fn labels_addresses(self) -> bool {
        self >= Self::February2026
    }

    /// Whether the checks of an address on the network come before that of an EAN.
    pub(crate) fn checks_urls_first(self) -> bool {
        self >= Self::February2026
    }

    /// Whether the refusal of half a position begins with the validator's own words.
    pub(crate) fn prefixes_own_words(self) -> bool {
        self < Self::February2026
    }

    /// Whether the inner text of a notification is compact, its characters as they are.
    pub(crate) fn sends_compact_notifications(self) -> bool {
        self >= Self::September2026
    }
}
