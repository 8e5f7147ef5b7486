//! What rarely changes: rooms, tariffs for pass Culture, the way they are paid, the quota that counts.
//!
//! Every pass reads it; a booking uses what was read within the last hour, and reads it itself when nothing was.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use passerelle_contract::{AdapterError, Cents, Class};
use passerelle_kit::lenient;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::client::{Cds, For};
use crate::seats::Counting;
use crate::wire;

/// Used so long without being read again.
const LIFE: Duration = Duration::from_secs(3_600);
/// The code of pass Culture's vouchers.
const VOUCHER: &str = "PSCULTURE";
/// The code of the payment type for vouchers. The one that is called PASSCULTURE is another and wrong.
const PAYMENT: &str = "VCH";
/// Before the number of a room, in the key of its own table of labels.
const LABELS: &str = "SEATMAP_HARDCODED_LABELS_SCREENID_";
/// What the account's cinemas are asked for.
const READ_CINEMAS: &str = "read the cinemas";
/// What a tariff without a name is called.
const UNNAMED: &str = "pass Culture";

/// A tariff for beneficiaries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Voucher {
    pub(crate) id: i64,
    pub(crate) tariff: i64,
    pub(crate) label: String,
    pub(crate) price: Cents,
}

/// What rarely changes, of one cinema.
#[derive(Debug)]
pub(crate) struct Static {
    at: Instant,
    /// Does the pool of internet sales count, rather than the till's?
    internet_pool: bool,
    /// Tables of seat labels, by room. `Null` where one is there and cannot be read.
    labels: HashMap<i64, Value>,
    screens: HashMap<i64, Counting>,
    vouchers: Vec<Voucher>,
    /// The payment type of vouchers.
    pub(crate) payment: i64,
}

/// As last read.
#[derive(Debug, Default)]
pub(crate) struct Statics(Mutex<Option<Arc<Static>>>);

impl Statics {
    fn known(&self) -> Option<Arc<Static>> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.as_ref().filter(|known| known.at.elapsed() < LIFE).map(Arc::clone)
    }

    fn keep(&self, read: &Arc<Static>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(read));
    }
}

impl Static {
    /// The tariff of a show: the cheapest of those that its tariffs and the vouchers have in common.
    pub(crate) fn voucher(&self, show: &wire::Show<'_>) -> Option<&Voucher> {
        let tariffs = show.tariffs.iter().flatten().filter_map(|tariff| tariff.tariffid.0);
        tariffs
            .flat_map(|tariff| self.vouchers.iter().filter(move |voucher| voucher.tariff == tariff))
            // Of equal prices the first stays.
            .min_by_key(|voucher| voucher.price)
    }

    /// Places left for beneficiaries. The two pools are apart: neither limits the other.
    pub(crate) fn remaining(&self, show: &wire::Show<'_>) -> u32 {
        let left = if self.internet_pool { show.internetremainingplace } else { show.remainingplace };
        left.0.and_then(|left| u32::try_from(left).ok()).unwrap_or(0)
    }

    /// How a room counts its seats, and its own table of labels.
    pub(crate) fn counting(&self, screen: Option<i64>) -> Option<(Counting, Option<&Value>)> {
        let screen = screen?;
        Some((*self.screens.get(&screen)?, self.labels.get(&screen)))
    }
}

impl Cds {
    /// What rarely changes, as read within the last hour, or now.
    pub(crate) async fn known_statics(&self, who: For<'_>) -> Result<Arc<Static>, AdapterError> {
        match self.statics.known() {
            Some(known) => Ok(known),
            None => self.read_statics(who).await,
        }
    }

    /// What rarely changes, read now.
    pub(crate) async fn read_statics(&self, who: For<'_>) -> Result<Arc<Static>, AdapterError> {
        let at = Instant::now();
        let (internet_pool, labels) = self.cinema(who).await?;
        let read = Arc::new(Static {
            at,
            internet_pool,
            labels,
            vouchers: self.vouchers(who).await?,
            screens: self.screens(who).await?,
            payment: self.payment(who).await?,
        });
        self.statics.keep(&read);
        Ok(read)
    }

    /// The account's cinemas. The body holds their secrets: it is read here and kept nowhere.
    pub(crate) async fn cinemas<T>(
        &self,
        who: For<'_>,
        read: impl FnOnce(Vec<&RawValue>) -> Result<T, AdapterError>,
    ) -> Result<T, AdapterError> {
        let answer = self.get(READ_CINEMAS, "cinemas", who).await?;
        let records: Vec<&RawValue> = lenient::text(&answer.body)
            .and_then(|text| serde_json::from_str(text).ok())
            // Not even its beginning is shown.
            .ok_or_else(|| AdapterError::new(Class::VendorFault, "MalformedBody", READ_CINEMAS, answer.saw()))?;
        read(records)
    }

    /// Which pool counts, and the tables of labels.
    async fn cinema(&self, who: For<'_>) -> Result<(bool, HashMap<i64, Value>), AdapterError> {
        self.cinemas(who, |records| self.own(&records)).await
    }

    /// What this cinema's record says.
    fn own(&self, records: &[&RawValue]) -> Result<(bool, HashMap<i64, Value>), AdapterError> {
        let ours = records
            .iter()
            .filter_map(|raw| serde_json::from_str::<wire::Cinema<'_>>(raw.get()).ok())
            .find(|cinema| cinema.id.trimmed() == Some(self.settings().cinema_id.as_str()))
            .ok_or_else(|| {
                let why = format!(
                    "the account has no cinema `{}`; check cinema_id, which is often but not always the same as account_id",
                    self.settings().cinema_id
                );
                AdapterError::new(Class::Settings, "UnknownCinema", READ_CINEMAS, why)
            })?;
        let labels = ours
            .parameters
            .iter()
            .flatten()
            // Others hold secrets: they are not read at all.
            .filter(|raw| raw.get().contains(LABELS))
            .filter_map(|raw| serde_json::from_str::<wire::Parameter<'_>>(raw.get()).ok())
            .filter_map(|parameter| {
                let screen = parameter.key.trimmed()?.strip_prefix(LABELS)?.parse().ok()?;
                let table = parameter.value.trimmed()?;
                Some((screen, serde_json::from_str(table).unwrap_or(Value::Null)))
            })
            .collect();
        Ok((ours.internetsalegaugeactive.0, labels))
    }

    async fn vouchers(&self, who: For<'_>) -> Result<Vec<Voucher>, AdapterError> {
        let answer = self.get("read the voucher types", "vouchertype", who).await?;
        let records: Vec<&RawValue> = self.read(&answer)?;
        Ok(records
            .iter()
            .filter_map(|raw| serde_json::from_str::<wire::VoucherType<'_>>(raw.get()).ok())
            .filter(|voucher| voucher.code.trimmed() == Some(VOUCHER))
            .filter_map(|voucher| {
                let tariff = voucher.tariffid?;
                Some(Voucher {
                    id: voucher.id.0?,
                    tariff: tariff.id.0?,
                    label: tariff.labeltariff.trimmed().unwrap_or(UNNAMED).to_owned(),
                    price: tariff.price.0?,
                })
            })
            .collect())
    }

    async fn screens(&self, who: For<'_>) -> Result<HashMap<i64, Counting>, AdapterError> {
        let answer = self.get("read the screens", "screens", who).await?;
        let records: Vec<&RawValue> = self.read(&answer)?;
        Ok(records
            .iter()
            .filter_map(|raw| serde_json::from_str::<wire::Screen>(raw.get()).ok())
            .filter_map(|screen| {
                let counting = Counting {
                    front_to_back: screen.seatmapfronttoback.0,
                    left_to_right: screen.seatmaplefttoright.0,
                    skip_missing: screen.seatmapskipmissingseats.0,
                };
                Some((screen.id.0?, counting))
            })
            .collect())
    }

    async fn payment(&self, who: For<'_>) -> Result<i64, AdapterError> {
        const OPERATION: &str = "read the payment types";
        let answer = self.get(OPERATION, "paiementtype", who).await?;
        let records: Vec<&RawValue> = self.read(&answer)?;
        records
            .iter()
            .filter_map(|raw| serde_json::from_str::<wire::PaymentType<'_>>(raw.get()).ok())
            .find(|payment| payment.internalcode.trimmed() == Some(PAYMENT))
            .and_then(|payment| payment.id.0)
            .ok_or_else(|| {
                let why = "the cinema has no payment type with the internal code VCH (vouchers); without it nothing can be sold or \
                           cancelled: ask the cinema to set it up";
                AdapterError::new(Class::Settings, "NoVoucherPayment", OPERATION, why)
            })
    }
}
