//! What the simulated sites show and sold.

use std::collections::BTreeMap;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::{OTHER_SITE, SITE_ID};

pub(super) const OPEN: i64 = 615_400_027_711;
pub(super) const FIVE_LEFT: i64 = 615_400_027_712;
pub(super) const LAST_PLACE: i64 = 615_400_027_713;
pub(super) const SOLD_OUT: i64 = 615_400_027_714;
pub(super) const VANISHED: i64 = 615_400_027_899;
pub(super) const DEARER: i64 = 615_400_027_715;
pub(super) const STARTED: i64 = 615_400_027_716;
/// The film of the show that was there once.
pub(super) const VANISHED_FILM: &str = "GONE1";

/// The one till of every site.
const TILL: &str = "255";
/// Orders kept at most: a simulator is not a data base.
const MAX_KEPT: usize = 100_000;
/// How long ago the sample was put into the schedule, in seconds.
const SAMPLE_AGE: i64 = 48 * 3_600;

/// A film.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SimFilm {
    /// Five capitals and digits.
    pub id: String,
    /// Its title.
    pub title: String,
    /// Allociné's number; 0 is written as an empty text.
    pub allocine_id: i64,
    /// Minutes; 0 is written as null.
    pub duration: i64,
    /// May be empty.
    pub director: String,
    /// May be empty.
    pub synopsis: String,
    /// Where its small poster is; may be empty.
    pub bill_url: String,
}

impl Default for SimFilm {
    fn default() -> Self {
        Self {
            id: "VTKN4".to_owned(),
            title: "Les Heures de sable".to_owned(),
            allocine_id: 311_207,
            duration: 104,
            director: "Mona Kersal, Idris Abane".to_owned(),
            synopsis: "Une horlogère compte à rebours.".to_owned(),
            bill_url: String::new(),
        }
    }
}

/// A show.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SimShow {
    /// Twelve digits, the site's four in front.
    pub id: String,
    /// Where it plays.
    pub site: String,
    /// What is shown.
    pub film: SimFilm,
    /// Its beginning, in seconds since 1970; the schedule writes it as a clock in Paris shows it.
    pub starts_at: i64,
    /// Seats, sold ones included.
    pub seats: u32,
    /// What beneficiaries pay, in cents.
    pub cents: u32,
    /// `vf`, `vo`, `video_3d` and others.
    pub features: Vec<String>,
    /// Are its seats numbered?
    pub numbered: bool,
    /// Not on sale any more.
    pub closed: bool,
    /// When it last changed, in seconds since 1970; 0 means when it is put.
    pub changed_at: i64,
}

impl Default for SimShow {
    fn default() -> Self {
        Self {
            id: String::new(),
            site: SITE_ID.to_owned(),
            film: SimFilm::default(),
            starts_at: 0,
            seats: 60,
            cents: 685,
            features: vec!["vf".to_owned()],
            numbered: false,
            closed: false,
            changed_at: 0,
        }
    }
}

/// An order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SimSale {
    /// The site.
    pub site: String,
    /// Its name, given by the caller.
    pub number: String,
    /// The show.
    pub show: String,
    /// Its number at the vendor.
    pub transaction: i64,
    /// The tickets.
    pub tickets: Vec<SimTicket>,
    /// Void.
    pub cancelled: bool,
}

/// A ticket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SimTicket {
    /// Twelve digits, the operation among zeros. Another site may have the same.
    pub barcode: String,
    /// Its number at the vendor.
    pub operation: i64,
    /// Empty when seats are free to take.
    pub seat: String,
    /// The till.
    pub till: String,
    /// In cents.
    pub cents: u32,
}

/// Things that nobody outside the vendor knows for certain, and misbehaviour within its rules.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Quirks {
    /// A sale knows shows only by ids without zeros in front.
    pub bare_ids_only: bool,
    /// An order number that was used before is sold again instead of being refused.
    pub sells_again: bool,
    /// A successful cancellation answers with status 1 instead of an empty value.
    pub full_cancellations: bool,
    /// A successful cancellation answers with nothing at all.
    pub silent_cancellations: bool,
    /// Voided orders can still be looked up, tickets and all.
    pub shows_voided: bool,
    /// A duo gives one ticket.
    pub one_ticket_short: bool,
    /// Tickets come without barcode.
    pub no_barcodes: bool,
    /// The schedule does not tell of the sample site.
    pub hides_site: bool,
    /// Any price is sold.
    pub any_price: bool,
}

#[derive(Debug, Default)]
pub(super) struct Books {
    pub(super) shows: BTreeMap<String, SimShow>,
    pub(super) sales: Vec<SimSale>,
    pub(super) quirks: Quirks,
    /// Bodies of booking calls, as they came.
    pub(super) bodies: Vec<(String, String)>,
}

pub(super) fn number(id: &str) -> &str {
    id.trim_start_matches('0')
}

pub(super) fn unix_now() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    i64::try_from(since).unwrap_or(i64::MAX)
}

impl Books {
    /// Two sites with three films, whose shows begin tomorrow and later.
    pub(super) fn sample() -> Self {
        let now = unix_now();
        let at = |hours: i64| now / 3_600 * 3_600 + hours * 3_600;
        let shorts = SimFilm {
            id: "BW2C7".into(),
            title: "Trois contes d'hiver".into(),
            allocine_id: 0,
            duration: 0,
            director: String::new(),
            synopsis: String::new(),
            ..SimFilm::default()
        };
        let street = SimFilm {
            id: "JD9RE".into(),
            title: "Le Dernier Tramway".into(),
            allocine_id: 311_208,
            ..SimFilm::default()
        };
        let mut books = Self::default();
        let show = |id: i64, hours: i64| SimShow { id: id.to_string(), starts_at: at(hours), ..SimShow::default() };
        let features = |all: &[&str]| all.iter().map(|one| (*one).to_owned()).collect::<Vec<_>>();
        for show in [
            SimShow { numbered: true, features: features(&["video_3d", "vo", "subtitle"]), ..show(OPEN, 31) },
            SimShow { seats: 5, ..show(FIVE_LEFT, 34) },
            SimShow { seats: 1, film: street.clone(), ..show(LAST_PLACE, 55) },
            SimShow { seats: 0, ..show(SOLD_OUT, 58) },
            SimShow { cents: 900, film: street, ..show(DEARER, 79) },
            show(STARTED, -15),
            SimShow {
                film: shorts,
                cents: 450,
                features: features(&["disabled_access"]),
                ..show(615_400_027_801, 103)
            },
            SimShow { id: "004200005150".into(), site: OTHER_SITE.into(), cents: 700, ..show(0, 32) },
        ] {
            books.put_show(SimShow { changed_at: now - SAMPLE_AGE, ..show });
        }
        books
    }

    pub(super) fn put_show(&mut self, mut show: SimShow) {
        if show.changed_at == 0 {
            show.changed_at = unix_now();
        }
        if self.shows.len() < MAX_KEPT || self.shows.contains_key(&show.id) {
            self.shows.insert(show.id.clone(), show);
        }
    }

    /// A show by its id, zeros in front or not.
    pub(super) fn show(&self, id: &str) -> Option<&SimShow> {
        self.shows.values().find(|show| number(&show.id) == number(id))
    }

    pub(super) fn sold(&self, show: &SimShow) -> u32 {
        let live = self.sales.iter().filter(|sale| sale.show == show.id && !sale.cancelled);
        u32::try_from(live.map(|sale| sale.tickets.len()).sum::<usize>()).unwrap_or(u32::MAX)
    }

    pub(super) fn left(&self, show: &SimShow) -> u32 {
        if show.closed || show.starts_at <= unix_now() { 0 } else { show.seats.saturating_sub(self.sold(show)) }
    }

    pub(super) fn seats_sold(&self) -> u32 {
        let live = self.sales.iter().filter(|sale| !sale.cancelled);
        u32::try_from(live.map(|sale| sale.tickets.len()).sum::<usize>()).unwrap_or(u32::MAX)
    }

    /// Sells what was checked; gives the order.
    pub(super) fn sell(&mut self, show: &SimShow, order_number: &str, quantity: u32) -> SimSale {
        // Each site counts for itself: two of them may print the same barcode.
        let (orders, tickets) = self
            .sales
            .iter()
            .filter(|sale| sale.site == show.site)
            .fold((0, 0), |(orders, tickets), sale| (orders + 1, tickets + sale.tickets.len()));
        let taken: Vec<String> = self
            .sales
            .iter()
            .filter(|sale| sale.show == show.id && !sale.cancelled)
            .flat_map(|sale| sale.tickets.iter().map(|ticket| ticket.seat.clone()))
            .collect();
        let mut free = (1..u32::MAX).map(|at| format!("C{at}")).filter(|seat| !taken.contains(seat));
        let given = if self.quirks.one_ticket_short { quantity.saturating_sub(1) } else { quantity };
        let first = 208_301 + i64::try_from(tickets).unwrap_or(0);
        let tickets = (0..given)
            .map(|at| {
                let operation = first + i64::from(at);
                let seat = if show.numbered { free.next().unwrap_or_default() } else { String::new() };
                let barcode = if self.quirks.no_barcodes { String::new() } else { format!("{operation:012}") };
                SimTicket { barcode, operation, seat, till: TILL.to_owned(), cents: show.cents }
            })
            .collect();
        let sale = SimSale {
            site: show.site.clone(),
            number: order_number.to_owned(),
            show: show.id.clone(),
            transaction: 912 + i64::from(orders),
            tickets,
            cancelled: false,
        };
        if self.sales.len() < MAX_KEPT {
            self.sales.push(sale.clone());
        }
        sale
    }
}
