//! What pass Culture says, or shows, of an EAN.
//!
//! Invariant: codes and names are stable: the ledger and the availability table store the code, people filter on the name.

use std::time::Duration;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// pass Culture's verdict on an EAN: asked for beforehand, or learnt by sending.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Availability {
    /// It can be sold.
    Available,
    /// Not in its product base, which new books enter every day.
    NotFound,
    /// In the product base, but neither a paper book nor a CD nor a vinyl.
    SubcategoryNotAllowed,
    /// Excluded by its general conditions, by hand, or not yet published.
    NotCompliant,
    /// Said to be available and accepted with 204, but no offer appeared.
    DroppedSilently,
    /// The bulk upsert named it in a 400.
    RejectedByUpsert,
    /// The offer is there, and pass Culture's moderation rejected it: it is frozen.
    OfferRejected,
}

impl Availability {
    /// Every verdict, for `explain` and the documentation.
    pub const ALL: [Self; 7] = [
        Self::Available,
        Self::NotFound,
        Self::SubcategoryNotAllowed,
        Self::NotCompliant,
        Self::DroppedSilently,
        Self::RejectedByUpsert,
        Self::OfferRejected,
    ];

    /// The code as stored: 0 for available, 1 and up for refusals.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Available => 0,
            Self::NotFound => 1,
            Self::SubcategoryNotAllowed => 2,
            Self::NotCompliant => 3,
            Self::DroppedSilently => 4,
            Self::RejectedByUpsert => 5,
            Self::OfferRejected => 6,
        }
    }

    /// The verdict of a stored code; `None` for a code of a later release.
    #[must_use]
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|verdict| verdict.code() == code)
    }

    /// The stable name, as in the quarantine's codes.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Available => "Available",
            Self::NotFound => "NotFound",
            Self::SubcategoryNotAllowed => "SubcategoryNotAllowed",
            Self::NotCompliant => "NotCompliant",
            Self::DroppedSilently => "DroppedSilently",
            Self::RejectedByUpsert => "RejectedByUpsert",
            Self::OfferRejected => "OfferRejected",
        }
    }

    /// May the EAN be sent?
    #[must_use]
    pub const fn is_available(self) -> bool {
        matches!(self, Self::Available)
    }

    /// How long the verdict is worth keeping before asking again.
    #[must_use]
    pub const fn stands_for(self) -> Duration {
        match self {
            // A drop without a reason may have been their hiccup.
            Self::NotFound | Self::DroppedSilently => DAY,
            _ => DAY.saturating_mul(7),
        }
    }

    /// [`Availability::stands_for`] in whole days.
    #[must_use]
    pub const fn stands_for_days(self) -> u16 {
        match self {
            Self::NotFound | Self::DroppedSilently => 1,
            _ => 7,
        }
    }

    /// For operators.
    #[must_use]
    pub const fn english(self) -> &'static str {
        match self {
            Self::Available => "pass Culture takes this EAN",
            Self::NotFound => {
                "pass Culture's product base does not know this EAN; new references enter it daily, so it is asked again tomorrow"
            }
            Self::SubcategoryNotAllowed => {
                "pass Culture knows this EAN, but it is neither a paper book nor a CD nor a vinyl"
            }
            Self::NotCompliant => {
                "pass Culture excludes this EAN (general conditions, a ban, or a title not yet published)"
            }
            Self::DroppedSilently => {
                "pass Culture answered 204 for this EAN but no offer appeared: it was dropped without a word"
            }
            Self::RejectedByUpsert => "pass Culture refused this EAN's price, quantity or code with a 400",
            Self::OfferRejected => "pass Culture's moderation rejected the offer: it is frozen and cannot be changed",
        }
    }

    /// For booksellers.
    #[must_use]
    pub const fn french(self) -> &'static str {
        match self {
            Self::Available => "Cet article peut être proposé sur le pass Culture.",
            Self::NotFound => "Le pass Culture ne connaît pas encore cet article ; nous redemanderons demain.",
            Self::SubcategoryNotAllowed => {
                "Cet article n'est ni un livre papier, ni un CD, ni un vinyle : le pass Culture ne le propose pas."
            }
            Self::NotCompliant => {
                "Cet article est exclu par les conditions générales du pass Culture, ou n'est pas encore paru."
            }
            Self::DroppedSilently => {
                "Le pass Culture n'a pas créé l'offre de cet article, sans en donner la raison ; nous réessaierons demain."
            }
            Self::RejectedByUpsert => {
                "Le pass Culture a refusé le prix ou la quantité de cet article : vérifiez-les dans votre logiciel."
            }
            Self::OfferRejected => "L'offre de cet article a été refusée par la modération du pass Culture.",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_survive_storage_and_only_available_is_zero() {
        for verdict in Availability::ALL {
            assert_eq!(Availability::from_code(verdict.code()), Some(verdict));
            assert_eq!(verdict.code() == 0, verdict.is_available());
            assert_ne!(verdict.english(), verdict.french());
        }
        assert_eq!(Availability::from_code(200), None);
    }

    #[test]
    fn what_is_not_found_is_asked_again_the_next_day_and_the_rest_after_a_week() {
        assert_eq!(Availability::NotFound.stands_for(), DAY);
        assert_eq!(Availability::NotCompliant.stands_for(), DAY * 7);
    }
}
