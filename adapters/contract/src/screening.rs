//! Facts about showtimes: what plays, when, at which tariff, and how many places are left.

use std::sync::Arc;
use std::time::SystemTime;

use crate::{Cents, EventKind, Position, Quantity};

/// One showtime of one film, with the tariffs that pass Culture beneficiaries may buy there.
///
/// A showtime that exists but cannot be sold now (full, closed, hidden) is stated with zero places: leaving it out of a
/// complete snapshot says that it is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Screening {
    /// What is shown. Shared, since a film has many showtimes.
    pub film: Arc<Film>,
    /// When and where.
    pub showtime: Showtime,
    /// Where the vendor said it.
    pub at: Position,
}

/// What is shown, as its vendor knows it: a film, or another kind of show ([`crate::Adapter::kind`]). "Unknown" is `None`: never a zero, never an empty text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Film {
    /// The vendor's own stable key, at most 40 characters, without the vendor's name.
    pub key: String,
    /// As written by the vendor, trimmed; not empty.
    pub title: String,
    /// What it is about.
    pub synopsis: Option<String>,
    /// Minutes, above zero.
    pub duration_minutes: Option<u32>,
    /// French film visa number.
    pub visa: Option<String>,
    /// Allociné's film id, above zero.
    pub allocine_id: Option<u64>,
    /// Who made it.
    pub director: Option<String>,
    /// Where its poster can be fetched.
    pub poster: Option<Poster>,
    /// What it is on pass Culture, where that differs from show to show of a connection ([`crate::Adapter::kind`] otherwise).
    pub kind: Option<EventKind>,
}

/// Where a picture can be fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Poster {
    /// An http or https address, as the vendor wrote it.
    pub url: String,
    /// The vendor's own server may serve it from a private address: `Some(origin)` is the origin of the connection's
    /// settings. Everything else on a private address is refused.
    pub at_home: Option<String>,
}

/// One showtime.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Showtime {
    /// The vendor's own stable key: the same when the show moves to another time or room. At most 40 characters.
    pub key: String,
    /// Its beginning.
    pub starts: Starts,
    /// Version and projection, in the order in which people name them: `VO`, `3D`.
    pub formats: Vec<Format>,
    /// What beneficiaries may buy. A cinema has one tariff for them, a theatre may have several. Never empty.
    pub places: Vec<Places>,
}

/// Places of one showtime at one tariff: what pass Culture calls a stock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Places {
    /// Stable within the connection for as long as the showtime lives, whatever its tariff becomes: where a showtime has one
    /// tariff for pass Culture, the showtime's own key. At most 60 characters.
    pub key: String,
    /// What it costs.
    pub tariff: Tariff,
    /// Places left for beneficiaries, now; or in all, for a source whose [`crate::Expectations::places_in_all`] says so.
    pub remaining: Quantity,
}

/// A tariff for beneficiaries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tariff {
    /// The vendor's own key of the tariff; for the vendor's eyes only.
    pub key: String,
    /// As the vendor names it; may be empty.
    pub label: String,
    /// Unit price, VAT included.
    pub price: Cents,
}

/// When something begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Starts {
    /// An instant: the vendor stated an offset.
    At(SystemTime),
    /// A wall clock reading of the place of the show: the gateway knows the place's zone.
    Local(WallClock),
}

/// A date and a time of day as a wall clock shows them. Not checked here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct WallClock {
    /// Year.
    pub year: i16,
    /// 1–12.
    pub month: i8,
    /// 1–31.
    pub day: i8,
    /// 0–23.
    pub hour: i8,
    /// 0–59.
    pub minute: i8,
    /// 0–59.
    pub second: i8,
}

/// How a film is shown. Named as the trade names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Format {
    /// Original version.
    Vo,
    /// French version.
    Vf,
    /// Three-dimensional projection.
    ThreeD,
    /// ICE room.
    Ice,
    /// 4DX or moving seats.
    FourDx,
    /// IMAX.
    Imax,
    /// Dolby Cinema.
    Dolby,
    /// ScreenX.
    ScreenX,
}

impl Format {
    /// What people read.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Vo => "VO",
            Self::Vf => "VF",
            Self::ThreeD => "3D",
            Self::Ice => "ICE",
            Self::FourDx => "4DX",
            Self::Imax => "IMAX",
            Self::Dolby => "Dolby",
            Self::ScreenX => "ScreenX",
        }
    }
}
