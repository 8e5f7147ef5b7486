//! The documents that tell a venue's software of bookings: one envelope, three kinds of data.
//!
//! The same documents are posted, fetched and asked with, so that a receiver reads one format. Keys are only ever added.
//!
//! Invariant: of a person there is at most a first and a last name here, and `null` unless somebody decided otherwise.

use serde::Serialize;

/// Largest document, in bytes.
pub const MAX_DOCUMENT_BYTES: usize = 20 * 1024;

/// What a document tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Allocate seats and answer now.
    Requested,
    /// A booking is firm.
    Created,
    /// Void these barcodes and answer now.
    CancelRequested,
    /// Some or all barcodes are void.
    Cancelled,
    /// It was validated.
    Used,
    /// Are you there?
    Ping,
}

impl Kind {
    /// As written in `type`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Requested => "booking.requested",
            Self::Created => "booking.created",
            Self::CancelRequested => "booking.cancel_requested",
            Self::Cancelled => "booking.cancelled",
            Self::Used => "booking.used",
            Self::Ping => "endpoint.ping",
        }
    }
}

/// Data of [`Kind::Requested`] and [`Kind::Created`].
#[derive(Clone, Debug, Serialize)]
pub struct BookingData {
    /// Ours, stable: effects are idempotent by it.
    pub booking_id: String,
    /// The venue's own key of date and tariff; the EAN of a product.
    pub stock_id: String,
    /// Seats or copies.
    pub quantity: u32,
    /// VAT included.
    pub unit_price_cents: u32,
    /// Always `EUR`.
    pub currency: &'static str,
    /// RFC 3339, UTC; `None` for products.
    pub event_starts_at: Option<String>,
    /// As many as the quantity, where the gateway issues them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tickets: Option<Vec<TicketData>>,
    /// Who booked, where a processing agreement allows it.
    pub holder: Option<HolderData>,
    /// RFC 3339, UTC: when an answer comes too late.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answer_before: Option<String>,
}

/// One ticket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TicketData {
    /// What the scanner reads.
    pub barcode: String,
    /// Printed seat.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seat: Option<String>,
}

/// A person, as far as the venue may know.
#[derive(Clone, Default, PartialEq, Eq, Serialize)]
pub struct HolderData {
    /// First name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_name: Option<String>,
    /// Last name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_name: Option<String>,
}

impl std::fmt::Debug for HolderData {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("HolderData(***)")
    }
}

impl HolderData {
    /// What these terms let a venue know of a person; `None` when that is nothing.
    #[must_use]
    pub fn allowed(
        holder: Option<&passerelle_contract::Holder>,
        terms: &passerelle_contract::NoticeTerms,
    ) -> Option<Self> {
        let holder = holder.filter(|_| terms.first_name || terms.last_name)?;
        Some(Self {
            first_name: terms.first_name.then(|| holder.first_name.clone()),
            last_name: terms.last_name.then(|| holder.last_name.clone()),
        })
    }
}

/// Why barcodes are void.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Reason {
    /// The person cancelled.
    Beneficiary,
    /// The venue cancelled.
    Offerer,
    /// The person did not come in time.
    Expired,
    /// An operator of the gateway voided it.
    Operator,
    /// pass Culture never had the booking: our answer was lost or came too late.
    Compensation,
}

/// Data of [`Kind::Cancelled`] and [`Kind::CancelRequested`].
#[derive(Clone, Debug, Serialize)]
pub struct CancelledData {
    /// As in [`BookingData`].
    pub booking_id: String,
    /// The void ones; empty when nobody knows which were made.
    pub barcodes: Vec<String>,
    /// Why.
    pub reason: Reason,
    /// Those of the booking that stay good.
    pub remaining_barcodes: Vec<String>,
}

/// Data of [`Kind::Used`].
#[derive(Clone, Debug, Serialize)]
pub struct UsedData {
    /// As in [`BookingData`].
    pub booking_id: String,
    /// Those that were used; empty for products.
    pub barcodes: Vec<String>,
    /// RFC 3339, UTC.
    pub used_at: String,
    /// `passculture`, `vendor` or `operator`.
    pub source: &'static str,
}

#[derive(Serialize)]
struct Envelope<'a> {
    r#type: &'a str,
    timestamp: String,
    sequence: u32,
    data: &'a serde_json::value::RawValue,
}

/// A message's id: `msg_` and a number (a time-ordered UUID's) as 26 symbols of Crockford's alphabet, which is what a ULID is.
#[must_use]
pub fn message_id(number: u128) -> String {
    const SYMBOLS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    let symbol = |place: u32| char::from(SYMBOLS[((number >> (5 * place)) & 31) as usize]);
    std::iter::once("msg_".to_owned()).chain((0..26).rev().map(|place| symbol(place).to_string())).collect()
}

/// `data` as JSON text, for [`document`].
#[must_use]
pub fn data(data: &impl Serialize) -> String {
    // Structures of texts and numbers always serialise.
    serde_json::to_string(data).unwrap_or_else(|_| "{}".to_owned())
}

/// The whole document: when it happened (milliseconds since 1970), which of its booking's it is (1, 2, 3, …), and its data.
#[must_use]
pub fn document(kind: &str, at: i64, sequence: u32, data: &str) -> String {
    let parsed =
        serde_json::from_str::<&serde_json::value::RawValue>(data).unwrap_or(serde_json::value::RawValue::NULL);
    let envelope = Envelope { r#type: kind, timestamp: instant(at), sequence, data: parsed };
    serde_json::to_string(&envelope).unwrap_or_default()
}

/// Milliseconds since 1970 as RFC 3339 with whole seconds, UTC.
#[must_use]
pub fn instant(at: i64) -> String {
    jiff::Timestamp::from_second(at.div_euclid(1_000)).map(|at| at.to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: i64 = 2_052_000_000_000;

    fn tickets(barcodes: &[&str]) -> Option<Vec<TicketData>> {
        Some(barcodes.iter().map(|barcode| TicketData { barcode: (*barcode).to_owned(), seat: None }).collect())
    }

    #[test]
    fn documents_are_the_bytes_of_the_published_examples() {
        let booking = BookingData {
            booking_id: "bk_7Q2M9XWTA4D5".into(),
            stock_id: "mouette/1/A".into(),
            quantity: 2,
            unit_price_cents: 1_200,
            currency: "EUR",
            event_starts_at: None,
            tickets: tickets(&["GW0000000001", "GW0000000002"]),
            holder: None,
            answer_before: None,
        };
        // The published example leaves out what is null and new; receivers ignore what they do not know.
        let text = document(Kind::Created.name(), AT, 1, &data(&booking)).replace(r#""event_starts_at":null,"#, "");
        assert_eq!(
            text,
            r#"{"type":"booking.created","timestamp":"2035-01-10T00:00:00Z","sequence":1,"data":{"booking_id":"bk_7Q2M9XWTA4D5","stock_id":"mouette/1/A","quantity":2,"unit_price_cents":1200,"currency":"EUR","tickets":[{"barcode":"GW0000000001"},{"barcode":"GW0000000002"}],"holder":null}}"#
        );
    }

    #[test]
    fn ids_have_thirty_characters_and_sort_by_time() {
        assert_eq!(message_id(0), "msg_00000000000000000000000000");
        assert_eq!(message_id(u128::MAX), "msg_7ZZZZZZZZZZZZZZZZZZZZZZZZZ");
        assert!(message_id(5 << 80) < message_id(6 << 80));
    }

    #[test]
    fn a_person_is_told_only_as_far_as_the_terms_go() {
        let holder = passerelle_contract::Holder {
            first_name: "Zoé".into(),
            last_name: "Durand".into(),
            email: "zoe@example.com".into(),
            birth_date: "2008-01-01".into(),
            phone: Some("+33600000000".into()),
        };
        let terms = |first_name, last_name| passerelle_contract::NoticeTerms {
            is_sent_to: true,
            hears_everything: true,
            first_name,
            last_name,
            retry_after: Vec::new(),
        };
        assert_eq!(HolderData::allowed(Some(&holder), &terms(false, false)), None);
        let told = data(&HolderData::allowed(Some(&holder), &terms(true, false)));
        assert_eq!(told, r#"{"first_name":"Zoé"}"#);
        for forbidden in ["zoe@", "2008", "+336", "Durand"] {
            assert!(!told.contains(forbidden));
        }
    }
}
