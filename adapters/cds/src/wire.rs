//! The vendor's own shapes, read leniently: lists record by record, ids as numbers or texts, unknown fields ignored.
//!
//! "No value" is a missing key, `null`, an empty text or spaces, and fixed-width texts are padded: texts are trimmed here.
//! What holds secrets (a cinema's own token, payment credentials) has no field here.

use passerelle_kit::lenient::{Amount, Flag, Int, Text};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// `{"id": 77}`; absent when it is not written like that.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reference(pub(crate) Option<i64>);

impl<'de> Deserialize<'de> for Reference {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Named {
            #[serde(default)]
            id: Int,
        }
        let raw = <&RawValue>::deserialize(deserializer)?;
        Ok(Self(serde_json::from_str::<Named>(raw.get()).ok().and_then(|named| named.id.0)))
    }
}

/// A film.
#[derive(Debug, Deserialize)]
pub(crate) struct Media<'a> {
    #[serde(default)]
    pub(crate) id: Int,
    #[serde(borrow, default)]
    pub(crate) title: Text<'a>,
    /// Seconds.
    #[serde(default)]
    pub(crate) duration: Int,
    #[serde(borrow, default)]
    pub(crate) storyline: Text<'a>,
    #[serde(borrow, default)]
    pub(crate) posterpath: Text<'a>,
    #[serde(borrow, default)]
    pub(crate) visanumber: Text<'a>,
    #[serde(borrow, default)]
    pub(crate) allocineid: Text<'a>,
}

/// A way to show a film.
#[derive(Debug, Deserialize)]
pub(crate) struct MediaOption<'a> {
    #[serde(default)]
    pub(crate) id: Int,
    #[serde(borrow, default)]
    pub(crate) ticketlabel: Text<'a>,
    #[serde(borrow, default)]
    pub(crate) label: Text<'a>,
}

/// A show.
#[derive(Debug, Deserialize)]
pub(crate) struct Show<'a> {
    #[serde(default)]
    pub(crate) id: Int,
    #[serde(borrow, default)]
    pub(crate) cinemaid: Text<'a>,
    /// With one L.
    #[serde(default)]
    pub(crate) canceled: Flag,
    #[serde(default)]
    pub(crate) deleted: Flag,
    #[serde(default)]
    pub(crate) draft: Flag,
    #[serde(default)]
    pub(crate) disableseatmap: Flag,
    /// Says only whether there is a map; the seats in it are stale.
    #[serde(borrow, default)]
    pub(crate) seatmap: Option<&'a RawValue>,
    #[serde(default)]
    pub(crate) remainingplace: Int,
    #[serde(default)]
    pub(crate) internetremainingplace: Int,
    #[serde(borrow, default)]
    pub(crate) showtime: Text<'a>,
    #[serde(rename = "showsTariffPostypeCollection", default)]
    pub(crate) tariffs: Option<Vec<ShowTariff>>,
    #[serde(rename = "showsMediaoptionsCollection", default)]
    pub(crate) options: Option<Vec<ShowOption>>,
    #[serde(default)]
    pub(crate) screenid: Reference,
    #[serde(default)]
    pub(crate) mediaid: Reference,
    #[serde(default)]
    pub(crate) threed: Flag,
}

#[derive(Debug, Deserialize)]
pub(crate) struct ShowTariff {
    #[serde(default)]
    pub(crate) tariffid: Reference,
}

#[derive(Debug, Deserialize)]
pub(crate) struct ShowOption {
    #[serde(default)]
    pub(crate) mediaoptionsid: Reference,
}

/// Only the number of a show.
#[derive(Debug, Deserialize)]
pub(crate) struct ShowId {
    #[serde(default)]
    pub(crate) id: Int,
}

/// Does a show have a seat map, as far as the show says?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mapped {
    Yes,
    No,
    /// The show does not say; its live map does.
    Unsaid,
}

impl Show<'_> {
    pub(crate) fn mapped(&self) -> Mapped {
        if self.disableseatmap.0 {
            return Mapped::No;
        }
        match self.seatmap.map(RawValue::get) {
            None | Some("null") => Mapped::Unsaid,
            // A truth value says that the map is empty.
            Some("true") => Mapped::No,
            Some("false") => Mapped::Yes,
            // A map written as a text: any digit is a cell.
            Some(text) if text.bytes().any(|byte| byte.is_ascii_digit()) => Mapped::Yes,
            Some(_) => Mapped::No,
        }
    }
}

/// What a tariff is paid with.
#[derive(Debug, Deserialize)]
pub(crate) struct VoucherType<'a> {
    #[serde(default)]
    pub(crate) id: Int,
    #[serde(borrow, default)]
    pub(crate) code: Text<'a>,
    #[serde(borrow, default)]
    pub(crate) tariffid: Option<Tariff<'a>>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Tariff<'a> {
    #[serde(default)]
    pub(crate) id: Int,
    #[serde(default)]
    pub(crate) price: Amount,
    #[serde(borrow, default)]
    pub(crate) labeltariff: Text<'a>,
}

/// A way to pay.
#[derive(Debug, Deserialize)]
pub(crate) struct PaymentType<'a> {
    #[serde(default)]
    pub(crate) id: Int,
    #[serde(borrow, default)]
    pub(crate) internalcode: Text<'a>,
}

/// A room.
#[derive(Debug, Deserialize)]
pub(crate) struct Screen {
    #[serde(default)]
    pub(crate) id: Int,
    #[serde(default)]
    pub(crate) seatmapfronttoback: Flag,
    #[serde(default)]
    pub(crate) seatmaplefttoright: Flag,
    #[serde(default)]
    pub(crate) seatmapskipmissingseats: Flag,
}

/// A cinema of the account, its secrets left out.
#[derive(Debug, Deserialize)]
pub(crate) struct Cinema<'a> {
    #[serde(borrow, default)]
    pub(crate) id: Text<'a>,
    #[serde(borrow, default)]
    pub(crate) name: Text<'a>,
    #[serde(borrow, default)]
    pub(crate) city: Text<'a>,
    #[serde(default)]
    pub(crate) internetsalegaugeactive: Flag,
    #[serde(rename = "cinemaParameters", borrow, default)]
    pub(crate) parameters: Option<Vec<&'a RawValue>>,
}

/// A setting of a cinema. Read only when its key says that it holds seat labels: others hold secrets.
#[derive(Debug, Deserialize)]
pub(crate) struct Parameter<'a> {
    #[serde(borrow, default)]
    pub(crate) key: Text<'a>,
    #[serde(borrow, default)]
    pub(crate) value: Text<'a>,
}

/// A sale.
#[derive(Debug, Deserialize)]
pub(crate) struct Transaction<'a> {
    #[serde(default)]
    pub(crate) id: Int,
    #[serde(borrow, default)]
    pub(crate) invoiceid: Text<'a>,
    #[serde(borrow)]
    pub(crate) tickets: Vec<Ticket<'a>>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Ticket<'a> {
    #[serde(default)]
    pub(crate) id: Int,
    #[serde(borrow, default)]
    pub(crate) barcode: Text<'a>,
    #[serde(borrow, default)]
    pub(crate) seatnumber: Text<'a>,
}
