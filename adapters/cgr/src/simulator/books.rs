//! What the simulated cinema has and sold.

use std::collections::{BTreeMap, BTreeSet};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

pub(super) const OPEN: i64 = 512_001;
pub(super) const FIVE_LEFT: i64 = 512_002;
pub(super) const LAST_PLACE: i64 = 512_003;
pub(super) const SOLD_OUT: i64 = 512_004;
pub(super) const DEARER: i64 = 512_005;
pub(super) const STARTED: i64 = 512_006;
pub(super) const VANISHED: i64 = 512_999;

/// The film of most sample shows, by its number at Allociné.
pub(super) const FILM: i64 = 305_411;
/// The vendor's number of the cinema.
pub const CINEMA_NUMBER: i64 = 738;
/// The first sale's number.
const FIRST_SALE: i64 = 204_117;
/// Things kept at most: a simulator is not a data base.
const MAX_KEPT: usize = 100_000;
/// Calls kept at most; older ones go.
const MAX_CALLS: usize = 10_000;

/// A film.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SimFilm {
    /// The vendor's own number.
    pub id: i64,
    /// Allociné's number; 0 when it has none.
    pub allocine: i64,
    /// Its title.
    pub title: String,
    /// 0 when it has none.
    pub visa: i64,
    /// Minutes; 0 when unknown.
    pub duration: i64,
    /// May be empty.
    pub synopsis: String,
    /// Where its poster is; may be empty.
    pub poster_url: String,
}

impl Default for SimFilm {
    fn default() -> Self {
        Self {
            id: FILM,
            allocine: FILM,
            title: "La Lanterne du port".to_owned(),
            visa: 158_204,
            duration: 97,
            synopsis: "Un phare & deux sœurs.".to_owned(),
            poster_url: String::new(),
        }
    }
}

/// A show.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SimShow {
    /// Its number.
    pub id: i64,
    /// What is shown.
    pub film: SimFilm,
    /// Its beginning, in seconds since 1970; listed as clocks in Paris show it.
    pub starts_at: i64,
    /// Seats of the room that beneficiaries can buy.
    pub seats: u32,
    /// Seats that were sold beyond the room by others: the listing then counts below zero.
    pub oversold: u32,
    /// What a beneficiary pays, in cents.
    pub cents: u32,
    /// The tariff's name; may be empty.
    pub label: String,
    /// `VF`, `VO`, `VOST`.
    pub version: String,
    /// `2D` or `3D`.
    pub relief: String,
    /// In the ICE room?
    pub ice: bool,
    /// Are seats numbered?
    pub numbered: bool,
}

impl Default for SimShow {
    fn default() -> Self {
        Self {
            id: 0,
            film: SimFilm::default(),
            starts_at: 0,
            seats: 60,
            oversold: 0,
            cents: 690,
            label: "Tarif pass".to_owned(),
            version: "VF".to_owned(),
            relief: "2D".to_owned(),
            ice: false,
            numbered: false,
        }
    }
}

/// A sale.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SimSale {
    /// Its one barcode.
    pub code: String,
    /// What the caller calls it.
    pub token: String,
    /// The show.
    pub show: i64,
    /// Seats.
    pub quantity: u32,
    /// Their names; empty when seats are free to take.
    pub seats: Vec<String>,
    /// Void.
    pub cancelled: bool,
    /// Somebody went in.
    pub controlled: bool,
}

/// A call that was understood: its name, and its parameters but for the account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SimCall {
    /// `ReservationPassCulture`, …
    pub operation: String,
    /// Names and values, in order.
    pub parameters: Vec<(String, String)>,
}

impl SimCall {
    /// The value of a parameter.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// How the cinema behaves where nobody knows, or for a while.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Quirks {
    /// A sale takes so long.
    pub slow_millis: u64,
    /// It is made however long it takes, instead of being taken back after the time that the caller told.
    pub ignores_timeout: bool,
    /// Any price is taken.
    pub any_price: bool,
    /// A cancellation may name a sale by its token.
    pub accepts_token: bool,
    /// No film is listed.
    pub lists_nothing: bool,
    /// The cinema's number, when it is another one now; 0 leaves it alone.
    pub other_number: i64,
}

#[derive(Debug, Default)]
pub(super) struct Books {
    pub(super) shows: BTreeMap<i64, SimShow>,
    pub(super) sales: Vec<SimSale>,
    pub(super) calls: Vec<SimCall>,
    pub(super) quirks: Quirks,
}

impl Books {
    /// A cinema with three films, whose shows begin tomorrow and later.
    pub(super) fn sample(now: SystemTime) -> Self {
        let now = now.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let now = i64::try_from(now).unwrap_or(i64::MAX);
        // Whole hours, as programmes have them.
        let at = |hours: i64| now / 3_600 * 3_600 + hours * 3_600;
        let opera = SimFilm {
            id: 71_009,
            allocine: 0,
            title: "Récital d'avril".to_owned(),
            visa: 0,
            duration: 0,
            synopsis: String::new(),
            poster_url: String::new(),
        };
        let other = SimFilm {
            id: 288_730,
            allocine: 288_730,
            title: "Brume sur l'étang".to_owned(),
            visa: 151_616,
            duration: 118,
            ..SimFilm::default()
        };
        let mut books = Self::default();
        for show in [
            SimShow { id: OPEN, starts_at: at(30), ice: true, numbered: true, ..SimShow::default() },
            SimShow { id: FIVE_LEFT, starts_at: at(33), seats: 5, ..SimShow::default() },
            SimShow { id: LAST_PLACE, starts_at: at(54), seats: 1, ..SimShow::default() },
            SimShow { id: SOLD_OUT, starts_at: at(57), seats: 0, ..SimShow::default() },
            SimShow { id: DEARER, starts_at: at(78), cents: 1_100, relief: "3D".into(), ..SimShow::default() },
            SimShow { id: STARTED, starts_at: at(-1), ..SimShow::default() },
            SimShow {
                id: 512_100,
                film: opera,
                starts_at: at(126),
                cents: 1_800,
                label: String::new(),
                ..SimShow::default()
            },
            SimShow {
                id: 512_110,
                film: other.clone(),
                starts_at: at(34),
                version: "VOST".into(),
                ..SimShow::default()
            },
            SimShow { id: 512_111, film: other, starts_at: at(58), oversold: 3, seats: 0, ..SimShow::default() },
        ] {
            books.put_show(show);
        }
        books
    }

    pub(super) fn put_show(&mut self, show: SimShow) {
        if self.shows.len() < MAX_KEPT || self.shows.contains_key(&show.id) {
            self.shows.insert(show.id, show);
        }
    }

    pub(super) fn note(&mut self, call: SimCall) {
        if self.calls.len() == MAX_CALLS {
            self.calls.remove(0);
        }
        self.calls.push(call);
    }

    pub(super) fn number(&self) -> i64 {
        if self.quirks.other_number > 0 { self.quirks.other_number } else { CINEMA_NUMBER }
    }

    pub(super) fn sold(&self, show: i64) -> u32 {
        if !self.shows.contains_key(&show) {
            return 0;
        }
        self.sales.iter().filter(|sale| sale.show == show && !sale.cancelled).map(|sale| sale.quantity).sum()
    }

    /// As the vendor counts: below zero when too many were sold.
    pub(super) fn counted(&self, show: &SimShow) -> i64 {
        i64::from(show.seats) - i64::from(show.oversold) - i64::from(self.sold(show.id))
    }

    pub(super) fn left(&self, show: i64) -> u32 {
        self.shows.get(&show).map_or(0, |show| u32::try_from(self.counted(show)).unwrap_or(0))
    }

    /// Sells; there are places.
    pub(super) fn sell(&mut self, show: i64, quantity: u32, token: &str) -> SimSale {
        let number = FIRST_SALE + i64::try_from(self.sales.len()).unwrap_or(0);
        let taken: BTreeSet<&String> = self
            .sales
            .iter()
            .filter(|sale| sale.show == show && !sale.cancelled)
            .flat_map(|sale| &sale.seats)
            .collect();
        let names = (0..u32::MAX)
            .map(|at| format!("{}{}", char::from(b'A' + u8::try_from(at / 12 % 26).unwrap_or(0)), at % 12 + 1));
        let numbered = self.shows.get(&show).is_some_and(|show| show.numbered);
        let wanted = if numbered { quantity as usize } else { 0 };
        let seats = names.filter(|seat| !taken.contains(seat)).take(wanted).collect();
        let code = format!("CINE{}{number:09}", self.number());
        let sale =
            SimSale { code, token: token.to_owned(), show, quantity, seats, cancelled: false, controlled: false };
        self.sales.push(sale.clone());
        sale
    }
}
