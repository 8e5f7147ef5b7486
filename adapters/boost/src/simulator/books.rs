//! What the simulated cinema has, holds and sold.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

pub(super) const OPEN: i64 = 70_231;
pub(super) const FIVE_LEFT: i64 = 70_240;
pub(super) const LAST_PLACE: i64 = 70_255;
pub(super) const SOLD_OUT: i64 = 70_260;
pub(super) const VANISHED: i64 = 70_999;
pub(super) const DEARER: i64 = 70_270;
pub(super) const STARTED: i64 = 70_280;

/// How long seats are held for a sale that is prepared and not confirmed.
const HOLD: Duration = Duration::from_secs(300);
/// Sales and holds kept at most: a simulator is not a data base.
const MAX_KEPT: usize = 100_000;

/// A film.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SimFilm {
    /// Its number.
    pub id: i64,
    /// In capitals, as box offices write it.
    pub title: String,
    /// 0 when it has none.
    pub visa: i64,
    /// Minutes; 0 when unknown.
    pub duration: i64,
    /// Where its poster is; may be empty.
    pub poster_url: String,
}

impl Default for SimFilm {
    fn default() -> Self {
        Self { id: 41, title: "LES MARÉES".to_owned(), visa: 162_999, duration: 121, poster_url: String::new() }
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
    /// Its beginning, in seconds since 1970.
    pub starts_at: i64,
    /// Seats of the room that beneficiaries can buy.
    pub seats: u32,
    /// What a beneficiary pays, in cents; `None` when there is no price for them.
    pub cents: Option<u32>,
    /// The code of that price.
    pub code: String,
    /// Surcharge that only preparing tells, in cents a seat.
    pub surcharge: u32,
    /// `VO` or `VF`.
    pub version: String,
    /// `2D` or `3D`.
    pub format: String,
    /// In the ICE room?
    pub ice: bool,
    /// Are seats numbered?
    pub numbered: bool,
    /// Taken off sale by the cinema.
    pub hidden: bool,
}

impl Default for SimShow {
    fn default() -> Self {
        Self {
            id: 0,
            film: SimFilm::default(),
            starts_at: 0,
            seats: 60,
            cents: Some(650),
            code: "PCU".to_owned(),
            surcharge: 0,
            version: "VF".to_owned(),
            format: "2D".to_owned(),
            ice: false,
            numbered: false,
            hidden: false,
        }
    }
}

/// A sale.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SimSale {
    /// `sale-…`: its barcode.
    pub code: String,
    /// The show.
    pub show: i64,
    /// Seats.
    pub quantity: u32,
    /// Their names, when they are numbered.
    pub seats: Vec<Option<String>>,
    /// Void.
    pub cancelled: bool,
    /// Somebody went in.
    pub controlled: bool,
}

/// How a server differs from one of today.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Quirks {
    /// Lists ignore the filters and tell no prices (before 2024).
    pub old_lists: bool,
    /// Preparing sells (before May 2024).
    pub one_step: bool,
    /// Confirming the same preparation again gives the same sale instead of a refusal.
    pub confirms_again: bool,
    /// Cancelling again is a success instead of a refusal.
    pub cancels_again: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Hold {
    pub(super) show: i64,
    pub(super) pricing: i64,
    pub(super) quantity: u32,
    pub(super) until: SystemTime,
    /// The sale that it became.
    pub(super) sale: Option<i64>,
}

#[derive(Debug, Default)]
pub(super) struct Books {
    pub(super) shows: BTreeMap<i64, SimShow>,
    pub(super) tokens: BTreeSet<String>,
    pub(super) tokens_given: u64,
    pub(super) holds: BTreeMap<i64, Hold>,
    pub(super) sales: BTreeMap<i64, SimSale>,
    pub(super) quirks: Quirks,
}

/// The number of the pass Culture price at a show, and of the full price.
pub(super) const fn pricing_of(show: i64) -> (i64, i64) {
    (show * 10 + 4, show * 10)
}

impl Books {
    /// A cinema with three films, whose shows begin tomorrow and later.
    pub(super) fn sample(now: SystemTime) -> Self {
        let now = now.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let now = i64::try_from(now).unwrap_or(i64::MAX);
        // Whole hours, as programmes have them.
        let at = |hours: i64| now / 3_600 * 3_600 + hours * 3_600;
        let opera =
            SimFilm { id: 42, title: "OPÉRA DU DIMANCHE".to_owned(), visa: 0, duration: 0, ..SimFilm::default() };
        let short = SimFilm {
            id: 43,
            title: "LE PHARE ET LA BRUME".to_owned(),
            visa: 150_777,
            duration: 94,
            ..SimFilm::default()
        };
        let mut books = Self::default();
        for show in [
            SimShow {
                id: OPEN,
                starts_at: at(30),
                ice: true,
                version: "VO".into(),
                format: "3D".into(),
                numbered: true,
                ..SimShow::default()
            },
            SimShow { id: FIVE_LEFT, starts_at: at(33), seats: 5, ..SimShow::default() },
            SimShow { id: LAST_PLACE, starts_at: at(54), seats: 1, ..SimShow::default() },
            SimShow { id: SOLD_OUT, starts_at: at(57), seats: 0, ..SimShow::default() },
            SimShow { id: DEARER, starts_at: at(78), cents: Some(900), ..SimShow::default() },
            SimShow { id: STARTED, starts_at: at(-1), ..SimShow::default() },
            SimShow {
                id: 70_300,
                film: opera,
                starts_at: at(126),
                cents: Some(1_800),
                code: "PC2".into(),
                ..SimShow::default()
            },
            SimShow { id: 70_310, film: short.clone(), starts_at: at(34), version: "VO".into(), ..SimShow::default() },
            SimShow { id: 70_311, film: short, starts_at: at(58), cents: None, ..SimShow::default() },
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

    pub(super) fn sold(&self, show: i64) -> u32 {
        if !self.shows.contains_key(&show) {
            return 0;
        }
        self.sales.values().filter(|sale| sale.show == show && !sale.cancelled).map(|sale| sale.quantity).sum()
    }

    fn held(&self, show: i64) -> u32 {
        let now = SystemTime::now();
        let open = |hold: &&Hold| hold.show == show && hold.sale.is_none() && hold.until > now;
        self.holds.values().filter(open).map(|hold| hold.quantity).sum()
    }

    pub(super) fn left(&self, show: i64) -> u32 {
        self.shows
            .get(&show)
            .map_or(0, |known| known.seats.saturating_sub(self.sold(show)).saturating_sub(self.held(show)))
    }

    /// Holds seats; `Err` with what is left when they are too few.
    pub(super) fn hold(&mut self, show: i64, pricing: i64, quantity: u32) -> Result<i64, u32> {
        let left = self.left(show);
        if left < quantity {
            return Err(left);
        }
        let id = 57 + i64::try_from(self.holds.len()).unwrap_or(0);
        self.holds.insert(id, Hold { show, pricing, quantity, until: SystemTime::now() + HOLD, sale: None });
        Ok(id)
    }

    /// Sells; gives the number of the sale.
    pub(super) fn sell(&mut self, show: i64, quantity: u32) -> i64 {
        let id = 204_518 + i64::try_from(self.sales.len()).unwrap_or(0);
        let numbered = self.shows.get(&show).is_some_and(|show| show.numbered);
        let taken: BTreeSet<String> = self
            .sales
            .values()
            .filter(|sale| sale.show == show && !sale.cancelled)
            .flat_map(|sale| sale.seats.iter().flatten().cloned())
            .collect();
        let mut free = (0..u32::MAX)
            .map(|at| format!("{}{}", char::from(b'A' + u8::try_from(at / 12 % 26).unwrap_or(0)), at % 12 + 1));
        let seats =
            (0..quantity).map(|_| if numbered { free.find(|seat| !taken.contains(seat)) } else { None }).collect();
        let sale = SimSale { code: format!("sale-{id}"), show, quantity, seats, cancelled: false, controlled: false };
        self.sales.insert(id, sale);
        id
    }
}
