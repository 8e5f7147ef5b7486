//! The fake backend's memory: accounts, venues, products, offers, bookings, and the indexes over them.
//!
//! Pure data behind one lock; no I/O, no clock of its own. Offers of every kind live in one map with one id
//! sequence, as in the real database.
//!
//! Invariant: each index (`by_ean`, `by_stock`, `by_provider_id`, `by_offer`, `by_token`) names exactly what the maps hold, and
//! `Stock::booked` is the sum of the seats of the stock's bookings that are not cancelled.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::Arc;

use jiff::Timestamp;

use super::clock::Clock;
use super::faults::Faults;
use super::log::Log;
pub(crate) use super::offer::*;
use super::queue::Queue;
use super::seed::{ProductStatus, Seed, SeedBeneficiary, ean_number};
use super::settings::{Settings, Windows};

/// Largest number of offers the sandbox keeps; past it a creation is lost, as a database error would.
pub(crate) const MAX_OFFERS: usize = 5_000_000;
/// Largest number of bookings the sandbox keeps.
pub(crate) const MAX_BOOKINGS: usize = 1_000_000;

/// Position of an account in [`World::accounts`].
pub(crate) type AccountIndex = usize;

pub(crate) struct World {
    pub(crate) seed: Arc<Seed>,
    pub(crate) accounts: Vec<Account>,
    pub(crate) venues: BTreeMap<u32, Venue>,
    pub(crate) products: HashMap<u64, Product>,
    pub(crate) offers: BTreeMap<u64, Offer>,
    /// Offers of a venue for an EAN, oldest first.
    pub(crate) by_ean: HashMap<(u32, u64), Vec<u64>>,
    pub(crate) by_stock: HashMap<u64, u64>,
    /// The offer of a venue that carries an id of its provider's.
    pub(crate) by_provider_id: HashMap<(u32, String), u64>,
    /// Barcodes received whose booking must be found saved, or be voided: oldest first.
    pub(crate) sweep: VecDeque<SweepItem>,
    pub(crate) bookings: BTreeMap<u64, Booking>,
    pub(crate) by_offer: HashMap<u64, Vec<u64>>,
    pub(crate) by_token: HashMap<String, u64>,
    pub(crate) beneficiaries: Vec<SeedBeneficiary>,
    pub(crate) addresses: Vec<Address>,
    /// EANs that an upsert loses without a word.
    pub(crate) dropped: HashSet<u64>,
    pub(crate) clock: Clock,
    pub(crate) settings: Settings,
    pub(crate) windows: Windows,
    pub(crate) faults: Faults,
    pub(crate) log: Log,
    pub(crate) random: Random,
    /// Upsert chunks accepted and not yet applied.
    pub(crate) queued_chunks: usize,
    /// The tasks themselves.
    pub(crate) queue: Queue,
    /// Raised by a reset, so that work queued before it is forgotten.
    pub(crate) era: u64,
    next_id: u64,
}

pub(crate) struct Account {
    pub(crate) id: u32,
    pub(crate) name: String,
    pub(crate) api_key: String,
    pub(crate) hmac_key: String,
    pub(crate) active: bool,
    pub(crate) urls: MessagingUrls,
}

/// The three addresses a provider or a venue may register.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct MessagingUrls {
    pub(crate) notification: Option<String>,
    pub(crate) booking: Option<String>,
    pub(crate) cancel: Option<String>,
}

impl MessagingUrls {
    /// Whether tickets can be asked for and voided.
    pub(crate) fn has_ticketing(&self) -> bool {
        self.booking.is_some() && self.cancel.is_some()
    }
}

pub(crate) struct Venue {
    pub(crate) id: u32,
    pub(crate) siret: Option<String>,
    pub(crate) name: String,
    pub(crate) street: Option<String>,
    pub(crate) city: Option<String>,
    pub(crate) postal_code: Option<String>,
    pub(crate) activity: String,
    /// Accounts with an active link, in link order.
    pub(crate) linked: Vec<AccountIndex>,
    /// Venue-level addresses of each account.
    pub(crate) urls: BTreeMap<AccountIndex, MessagingUrls>,
    /// Closed by its owner or the back office.
    pub(crate) closed: bool,
}

impl Venue {
    pub(crate) fn siren(&self) -> &str {
        let siret = self.siret.as_deref().unwrap_or("");
        siret.get(..9).unwrap_or(siret)
    }

    /// `75`, `2A`, `974`: what the API calls the department code.
    pub(crate) fn department(&self) -> Option<String> {
        department(self.postal_code.as_deref()?)
    }

    /// The venue's zone in the IANA database.
    pub(crate) fn zone(&self) -> &'static str {
        match self.department().as_deref() {
            Some("971" | "977" | "978") => "America/Guadeloupe",
            Some("972") => "America/Martinique",
            Some("973") => "America/Cayenne",
            Some("974") => "Indian/Reunion",
            Some("975") => "America/Miquelon",
            Some("976") => "Indian/Mayotte",
            Some("986") => "Pacific/Wallis",
            Some("987") => "Pacific/Tahiti",
            Some("988") => "Pacific/Noumea",
            _ => "Europe/Paris",
        }
    }
}

/// The department code of a postal code.
pub(crate) fn department(code: &str) -> Option<String> {
    let overseas = code.starts_with("97") || code.starts_with("98");
    match code.get(..3)? {
        "200" | "201" => Some("2A".to_owned()),
        "202" | "206" => Some("2B".to_owned()),
        three if overseas => Some(three.to_owned()),
        three => three.get(..2).map(str::to_owned),
    }
}

#[derive(Clone)]
pub(crate) struct Product {
    pub(crate) name: Arc<str>,
    pub(crate) category: Arc<str>,
    pub(crate) status: ProductStatus,
}

/// Categories that the EAN upsert creates.
pub(crate) const EAN_CATEGORIES: [&str; 3] =
    ["LIVRE_PAPIER", "SUPPORT_PHYSIQUE_MUSIQUE_CD", "SUPPORT_PHYSIQUE_MUSIQUE_VINYLE"];

/// What a product is worth to an upsert.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Eligibility {
    Available,
    NotCompliant,
    CategoryNotAllowed,
}

impl Product {
    pub(crate) fn eligibility(&self) -> Eligibility {
        if !EAN_CATEGORIES.contains(&&*self.category) {
            Eligibility::CategoryNotAllowed
        } else if self.status != ProductStatus::Compatible || &*self.name == "xxx" {
            Eligibility::NotCompliant
        } else {
            Eligibility::Available
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BookingStatus {
    Confirmed,
    Used,
    Cancelled,
    Reimbursed,
}

impl BookingStatus {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Confirmed => "CONFIRMED",
            Self::Used => "USED",
            Self::Cancelled => "CANCELLED",
            Self::Reimbursed => "REIMBURSED",
        }
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        [Self::Confirmed, Self::Used, Self::Cancelled, Self::Reimbursed].into_iter().find(|s| s.as_str() == text)
    }
}

pub(crate) struct Booking {
    pub(crate) id: u64,
    pub(crate) token: String,
    pub(crate) offer: u64,
    pub(crate) stock: u64,
    pub(crate) beneficiary: usize,
    pub(crate) quantity: u32,
    /// Unit price in cents, as it was when booked.
    pub(crate) price: u32,
    pub(crate) status: BookingStatus,
    pub(crate) created: Timestamp,
    /// End of the beneficiary's cancellation window; none for products.
    pub(crate) confirmation: Option<Timestamp>,
    /// Tickets of the provider's; none but for events with tickets.
    pub(crate) tickets: Vec<Ticket>,
}

/// One seat, as the provider's ticketing gave it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Ticket {
    /// What is scanned at the door.
    pub barcode: String,
    /// Seat, when there is one.
    pub seat: Option<String>,
}

/// A barcode that the sweeper will look at.
#[derive(Debug, Clone)]
pub(crate) struct SweepItem {
    pub(crate) barcode: String,
    pub(crate) received: Timestamp,
    pub(crate) account: AccountIndex,
    pub(crate) stock: u64,
}

pub(crate) struct Address {
    pub(crate) street: String,
    pub(crate) city: String,
    pub(crate) postal_code: String,
    pub(crate) latitude: f64,
    pub(crate) longitude: f64,
}

/// A small, seeded generator (xorshift): the same sandbox does the same things.
pub(crate) struct Random(u64);

impl Random {
    fn new() -> Self {
        Self(0x9E37_79B9_7F4A_7C15)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A number from 0 up to, but not, 1.
    pub(crate) fn share(&mut self) -> f64 {
        // 20 bits are plenty for a share of calls, and fit an f64 exactly.
        f64::from(u32::try_from(self.below(1 << 20)).unwrap_or(0)) / f64::from(1 << 20)
    }

    /// A number below `end`; 0 when `end` is 0.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        if end == 0 { 0 } else { (self.next() >> 11) % end }
    }
}

impl World {
    pub(crate) fn new(seed: Arc<Seed>) -> Self {
        let mut world = Self {
            accounts: Vec::new(),
            venues: BTreeMap::new(),
            products: HashMap::with_capacity(seed.products.len()),
            offers: BTreeMap::new(),
            by_ean: HashMap::new(),
            by_stock: HashMap::new(),
            by_provider_id: HashMap::new(),
            sweep: VecDeque::new(),
            bookings: BTreeMap::new(),
            by_offer: HashMap::new(),
            by_token: HashMap::new(),
            beneficiaries: seed.beneficiaries.clone(),
            addresses: Vec::new(),
            dropped: HashSet::new(),
            clock: Clock::default(),
            settings: Settings { generation: seed.generation.unwrap_or_default(), ..Settings::default() },
            windows: Windows::default(),
            faults: Faults::default(),
            log: Log::default(),
            random: Random::new(),
            queued_chunks: 0,
            queue: Queue::default(),
            era: 0,
            next_id: 1,
            seed: seed.clone(),
        };
        for (index, account) in seed.accounts.iter().enumerate() {
            world.accounts.push(Account {
                id: u32::try_from(index + 1).unwrap_or(u32::MAX),
                name: account.name.clone(),
                api_key: account.api_key.clone(),
                hmac_key: account.hmac_key.clone(),
                active: true,
                urls: MessagingUrls::default(),
            });
        }
        for venue in &seed.venues {
            let sees = |name: &str| venue.accounts.as_ref().is_none_or(|names| names.iter().any(|n| n == name));
            let linked = seed.accounts.iter().enumerate().filter(|(_, a)| sees(&a.name)).map(|(i, _)| i).collect();
            world.venues.insert(
                venue.id,
                Venue {
                    id: venue.id,
                    siret: venue.siret.clone(),
                    name: venue.name.clone(),
                    street: venue.street.clone(),
                    city: venue.city.clone(),
                    postal_code: venue.postal_code.clone(),
                    activity: venue.activity.clone(),
                    linked,
                    urls: BTreeMap::new(),
                    closed: false,
                },
            );
        }
        let mut categories = HashMap::<&str, Arc<str>>::new();
        for product in &seed.products {
            let Some(ean) = ean_number(&product.ean) else { continue };
            let category = categories.entry(&product.category).or_insert_with(|| product.category.as_str().into());
            let name = product.name.as_deref().unwrap_or("Produit");
            let entry = Product { name: name.into(), category: category.clone(), status: product.status };
            world.products.insert(ean, entry);
        }
        world
    }

    /// Back to the seed; the request log, the settings and the faults are cleared too.
    pub(crate) fn reset(&mut self) {
        let era = self.era + 1;
        *self = Self::new(self.seed.clone());
        self.era = era;
    }

    /// One sequence for every row, so that an offer's id never equals a stock's by chance.
    pub(crate) fn next_id(&mut self) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        id
    }

    pub(crate) fn is_linked(&self, account: AccountIndex, venue: u32) -> bool {
        self.venues.get(&venue).is_some_and(|v| v.linked.contains(&account))
    }

    /// The zone of a venue; Paris for one that is unknown.
    pub(crate) fn zone(&self, venue: u32) -> &'static str {
        self.venues.get(&venue).map_or("Europe/Paris", Venue::zone)
    }

    /// The venue of an id off the wire, when the account may see it.
    pub(crate) fn linked_venue(&self, account: AccountIndex, id: i64) -> Option<u32> {
        let id = u32::try_from(id).ok()?;
        self.is_linked(account, id).then_some(id)
    }

    /// A visible offer.
    pub(crate) fn visible_offer(&self, account: AccountIndex, id: i64) -> Option<&Offer> {
        let offer = self.offers.get(&u64::try_from(id).ok()?)?;
        self.is_linked(account, offer.venue).then_some(offer)
    }

    /// A product of the base, or one made up when the setting `any_ean` is on.
    pub(crate) fn product(&self, ean: u64) -> Option<Product> {
        if let Some(product) = self.products.get(&ean) {
            return Some(product.clone());
        }
        let book = matches!(ean / 10_000_000_000, 978 | 979);
        (self.settings.any_ean && book && has_check_digit(ean)).then(|| Product {
            name: format!("Livre {}", ean / 10).into(),
            category: "LIVRE_PAPIER".into(),
            status: ProductStatus::Compatible,
        })
    }

    pub(crate) fn insert_offer(&mut self, offer: Offer) {
        if let Some(ean) = offer.ean {
            self.by_ean.entry((offer.venue, ean)).or_default().push(offer.id);
        }
        for stock in offer.stocks() {
            self.by_stock.insert(stock.id, offer.id);
        }
        if let Some(id) = offer.id_at_provider() {
            self.by_provider_id.insert((offer.venue, id.to_owned()), offer.id);
        }
        self.offers.insert(offer.id, offer);
    }
}

fn has_check_digit(ean: u64) -> bool {
    let mut rest = ean;
    let mut sum = 0;
    for position in 0..13 {
        let weight = if position % 2 == 0 { 1 } else { 3 };
        sum += (rest % 10) * weight;
        rest /= 10;
    }
    sum % 10 == 0
}

/// An EAN as it is written, leading zeros kept.
pub(crate) fn ean_text(ean: u64) -> String {
    format!("{ean:013}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn departments_follow_the_postal_code() {
        let mut world = World::new(Arc::new(Seed::built_in()));
        let venue = world.venues.get_mut(&1).unwrap();
        for (code, department) in
            [("75008", "75"), ("97400", "974"), ("20000", "2A"), ("20200", "2B"), ("98800", "988")]
        {
            venue.postal_code = Some(code.to_owned());
            assert_eq!(venue.department().as_deref(), Some(department), "{code}");
        }
    }

    #[test]
    fn the_check_digit_is_the_last_one() {
        assert!(has_check_digit(9_782_070_286_256));
        assert!(has_check_digit(602_435_931_975));
        assert!(!has_check_digit(1_234_567_890_123));
    }
}
