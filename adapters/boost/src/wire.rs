//! The vendor's own shapes, read leniently: lists record by record, numbers as text or as numbers, unknown fields ignored.

use passerelle_kit::lenient::{Amount, Flag, Int, Text};
use serde::Deserialize;
use serde_json::value::RawValue;

/// An answer to signing in.
#[derive(Deserialize)]
pub(crate) struct SignedIn<'a> {
    #[serde(borrow, default)]
    pub(crate) token: Text<'a>,
}

/// The text of an error.
#[derive(Deserialize)]
pub(crate) struct Refused<'a> {
    #[serde(borrow, default)]
    pub(crate) message: Text<'a>,
}

/// One page of a list; each record is read apart.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct List<'a> {
    #[serde(borrow)]
    pub(crate) data: Vec<&'a RawValue>,
    #[serde(default)]
    pub(crate) next_page: Int,
    #[serde(default)]
    pub(crate) total_pages: Int,
}

/// One thing.
#[derive(Deserialize)]
pub(crate) struct One<'a> {
    #[serde(borrow)]
    pub(crate) data: &'a RawValue,
}

/// An attribute of this cinema; its number means nothing elsewhere.
#[derive(Deserialize)]
pub(crate) struct Attribute<'a> {
    #[serde(default)]
    pub(crate) id: Int,
    #[serde(borrow, default)]
    pub(crate) title: Text<'a>,
}

/// A showtime, as the list and the detail have it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Show<'a> {
    #[serde(default)]
    pub(crate) id: Int,
    #[serde(borrow, default)]
    pub(crate) show_date: Text<'a>,
    #[serde(default)]
    pub(crate) number_seats_remaining: Int,
    #[serde(default)]
    pub(crate) sold_out: Flag,
    #[serde(default)]
    pub(crate) hidden: Flag,
    #[serde(default)]
    pub(crate) draft_mode: Flag,
    #[serde(borrow, default)]
    pub(crate) film: Option<Film<'a>>,
    #[serde(borrow, default)]
    pub(crate) format: Option<Titled<'a>>,
    #[serde(borrow, default)]
    pub(crate) version: Option<Version<'a>>,
    /// Absent from the lists of old servers.
    #[serde(borrow, default)]
    pub(crate) showtime_pricing: Option<Vec<Pricing<'a>>>,
    #[serde(default)]
    pub(crate) attributs: Option<Vec<Int>>,
}

/// Something with a title.
#[derive(Debug, Deserialize)]
pub(crate) struct Titled<'a> {
    #[serde(borrow, default)]
    pub(crate) title: Text<'a>,
}

/// Which language it is shown in.
#[derive(Debug, Deserialize)]
pub(crate) struct Version<'a> {
    #[serde(borrow, default)]
    pub(crate) code: Text<'a>,
}

/// A film.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Film<'a> {
    #[serde(default)]
    pub(crate) id: Int,
    #[serde(borrow, default)]
    pub(crate) title_cnc: Text<'a>,
    #[serde(default)]
    pub(crate) num_visa: Int,
    #[serde(default)]
    pub(crate) id_film_allocine: Int,
    #[serde(default)]
    pub(crate) duration: Int,
    #[serde(borrow, default)]
    pub(crate) poster_url: Text<'a>,
}

/// A price of one show.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Pricing<'a> {
    #[serde(default)]
    pub(crate) id: Int,
    #[serde(borrow, default)]
    pub(crate) pricing_code: Text<'a>,
    #[serde(default)]
    pub(crate) amount_taxes_included: Amount,
    #[serde(borrow, default)]
    pub(crate) title: Text<'a>,
}

/// What preparing a sale gave.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Prepared {
    #[serde(default)]
    pub(crate) id: Int,
    #[serde(default)]
    pub(crate) id_showtime: Int,
    #[serde(default)]
    pub(crate) nb_place_selected: Int,
    #[serde(default)]
    pub(crate) place_price: Amount,
}

/// A sale.
#[derive(Debug, Deserialize)]
pub(crate) struct Sale<'a> {
    #[serde(default)]
    pub(crate) id: Int,
    #[serde(borrow, default)]
    pub(crate) code: Text<'a>,
    #[serde(borrow, default)]
    pub(crate) tickets: Vec<Ticket<'a>>,
    /// In an answer to a cancellation.
    #[serde(default)]
    pub(crate) cancelled: Option<bool>,
}

/// One seat of a sale.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Ticket<'a> {
    #[serde(borrow, default)]
    pub(crate) ticket_reference: Text<'a>,
    #[serde(borrow, default)]
    pub(crate) seat: Option<Seat<'a>>,
}

/// A numbered seat.
#[derive(Debug, Deserialize)]
pub(crate) struct Seat<'a> {
    #[serde(borrow, default)]
    pub(crate) code: Text<'a>,
}
