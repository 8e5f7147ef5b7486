//! The inner document, and whether it is of the kind that its route is for.

use passerelle_contract::{Cents, Holder};
use serde::Deserialize;

use super::{Action, BookingRequest, Kind, MAX_BARCODE_CHARACTERS, MAX_BARCODES, Message, Rejected};
use crate::passculture::events::own_key;

/// Every key that decides, whatever the kind. Other keys are pass Culture's future and are ignored.
#[derive(Deserialize)]
struct Document {
    barcodes: Option<Vec<String>>,
    action: Option<String>,
    booking_creation_date: Option<String>,
    booking_quantity: Option<u32>,
    offer_ean: Option<String>,
    offer_id: Option<i64>,
    offer_id_at_provider: Option<String>,
    offer_name: Option<String>,
    offer_price: Option<u32>,
    stock_id: Option<i64>,
    stock_id_at_provider: Option<String>,
    user_birth_date: Option<String>,
    user_email: Option<String>,
    user_first_name: Option<String>,
    user_last_name: Option<String>,
    user_phone: Option<String>,
    venue_id: Option<i64>,
}

pub(super) fn parse(kind: Kind, inner: &str) -> Result<Message, Rejected> {
    let value: serde_json::Value = serde_json::from_str(inner).map_err(|_| Rejected::Unreadable)?;
    let document = Document::deserialize(value).map_err(|_| Rejected::Shape)?;
    match (kind, &document.barcodes, &document.action) {
        (Kind::Booking, None, None) => {
            let request = request(document)?;
            if !(1..=2).contains(&request.quantity) {
                return Err(Rejected::Shape);
            }
            Ok(Message::Booking(Box::new(request)))
        }
        (Kind::Cancellation, Some(_), None) if document.stock_id.is_none() => cancellation(document),
        (Kind::Notification, None, Some(action)) => {
            let action = match action.as_str() {
                "BOOK" => Action::Book,
                "CANCEL" => Action::Cancel,
                _ => return Err(Rejected::Shape),
            };
            Ok(Message::Notification(Box::new(request(document)?), action))
        }
        _ => Err(Rejected::Shape),
    }
}

fn cancellation(document: Document) -> Result<Message, Rejected> {
    let mut barcodes = document.barcodes.unwrap_or_default();
    let fits = |barcode: &String| (1..=MAX_BARCODE_CHARACTERS).contains(&barcode.chars().count());
    if barcodes.is_empty() || barcodes.len() > MAX_BARCODES || !barcodes.iter().all(fits) {
        return Err(Rejected::Shape);
    }
    // Two seats of one sale may share a barcode.
    barcodes.sort_unstable();
    barcodes.dedup();
    Ok(Message::Cancellation(barcodes))
}

fn request(document: Document) -> Result<BookingRequest, Rejected> {
    let missing = Rejected::Shape;
    let written = |text: Option<String>| text.filter(|text| !text.is_empty());
    Ok(BookingRequest {
        created_at_micros: document.booking_creation_date.as_deref().and_then(micros).ok_or(missing)?,
        quantity: document.booking_quantity.filter(|quantity| *quantity > 0).ok_or(missing)?,
        ean: written(document.offer_ean),
        offer_id: document.offer_id.ok_or(missing)?,
        offer_id_at_provider: written(document.offer_id_at_provider),
        offer_name: document.offer_name.ok_or(missing)?,
        price: Cents(document.offer_price.ok_or(missing)?),
        stock_id: document.stock_id.ok_or(missing)?,
        stock_id_at_provider: written(document.stock_id_at_provider).map(|key| own_key(&key).to_owned()),
        venue_id: document.venue_id.ok_or(missing)?,
        holder: Holder {
            first_name: document.user_first_name.ok_or(missing)?,
            last_name: document.user_last_name.ok_or(missing)?,
            email: written(document.user_email).ok_or(missing)?,
            birth_date: document.user_birth_date.ok_or(missing)?,
            phone: written(document.user_phone),
        },
    })
}

/// Naive UTC with microseconds when they are not zero; a time with an offset is understood too.
fn micros(text: &str) -> Option<i64> {
    let instant = match text.parse::<jiff::Timestamp>() {
        Ok(instant) => instant,
        Err(_) => jiff::tz::TimeZone::UTC.to_timestamp(text.parse::<jiff::civil::DateTime>().ok()?).ok()?,
    };
    Some(instant.as_microsecond())
}

#[cfg(test)]
mod tests {
    use super::micros;

    #[test]
    fn creation_dates_keep_their_microseconds() {
        assert_eq!(micros("1970-01-01T00:00:01"), Some(1_000_000));
        assert_eq!(micros("1970-01-01T00:00:01.000002"), Some(1_000_002));
        assert_eq!(micros("1970-01-01T01:00:00+01:00"), Some(0));
        assert_eq!(micros("yesterday"), None);
    }
}
