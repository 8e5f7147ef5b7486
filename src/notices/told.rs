//! What is told of a product's booking, and to whom. Pure.

use passerelle_contract::{Holder, Reference};
use passerelle_kit::notice::{
    BookingData, CancelledData, HolderData, Kind, Reason, UsedData, data, document, instant, message_id,
};

use super::{FIRST_LOOK_AFTER, Told, after, expires_at};
use crate::passculture::messages::{Action, BookingRequest, fingerprint_of_notice};
use crate::store::Millis;
use crate::store::messages::{Condition, NewMessage};
use crate::store::products::{NoticeRow, Notified, ProductBooking, ProductState};

/// What happened to a booking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Happened {
    /// It was made.
    Created,
    /// It is over.
    Cancelled(Reason),
    /// It was fetched.
    Used,
}

/// A notification, and what follows from it for those who are told at its venue. `by_itself`: the venue asked for the cancellation.
#[must_use]
pub fn notified(
    account: &str,
    request: &BookingRequest,
    action: Action,
    by_itself: bool,
    told: &[Told],
    now: Millis,
) -> Notified {
    let notice = NoticeRow {
        fingerprint: fingerprint_of_notice(account, request, action),
        account: account.to_owned(),
        action: action.name().to_owned(),
        offer_id: request.offer_id,
        stock_id: request.stock_id,
        venue_id: request.venue_id,
        ean: request.ean.clone(),
        quantity: request.quantity,
        received_at: now,
    };
    if told.is_empty() {
        return Notified { notice, booking: None, messages: Vec::new(), look_at: now };
    }
    let (state, happened) = match action {
        Action::Book => (ProductState::Open, Happened::Created),
        Action::Cancel => (ProductState::Cancelled, Happened::Cancelled(cancelled_by(by_itself))),
    };
    let fingerprint = request.attempt(account).fingerprint();
    let item = item(request);
    let booked_at = request.created_at_micros.div_euclid(1_000);
    let booking = ProductBooking {
        account: account.to_owned(),
        booking: booking_name(&fingerprint),
        fingerprint,
        offer_id: request.offer_id,
        stock_id: request.stock_id,
        venue_id: request.venue_id,
        expires_at: expires_at(&item, booked_at),
        item,
        quantity: request.quantity,
        price_cents: request.price.0,
        state,
        booked_at,
        moved_at: now,
    };
    let messages = messages(&booking, happened, Some(&request.holder), told);
    Notified { notice, booking: Some(booking), messages, look_at: after(now, FIRST_LOOK_AFTER) }
}

/// Who ended a booking.
pub(super) const fn cancelled_by(by_itself: bool) -> Reason {
    if by_itself { Reason::Offerer } else { Reason::Beneficiary }
}

/// What everybody is told of a booking. `holder` is known while a notification is read, and never again.
pub(super) fn messages(
    booking: &ProductBooking,
    happened: Happened,
    holder: Option<&Holder>,
    told: &[Told],
) -> Vec<NewMessage> {
    told.iter()
        .filter(|told| told.terms.hears_everything)
        .map(|told| message(booking, happened, holder, told))
        .collect()
}

fn message(booking: &ProductBooking, happened: Happened, holder: Option<&Holder>, told: &Told) -> NewMessage {
    let booking_id = booking.booking.clone();
    let (kind, data, condition, least_sequence) = match happened {
        Happened::Created => {
            let created = BookingData {
                booking_id,
                stock_id: booking.item.clone(),
                quantity: booking.quantity,
                unit_price_cents: booking.price_cents,
                currency: "EUR",
                event_starts_at: None,
                tickets: None,
                holder: HolderData::allowed(holder, &told.terms),
                answer_before: None,
            };
            (Kind::Created, data(&created), Condition::First, 1)
        }
        Happened::Cancelled(reason) => {
            let cancelled = CancelledData { booking_id, barcodes: Vec::new(), reason, remaining_barcodes: Vec::new() };
            (Kind::Cancelled, data(&cancelled), Condition::Once, 2)
        }
        Happened::Used => {
            let used = UsedData {
                booking_id,
                barcodes: Vec::new(),
                used_at: instant(booking.moved_at),
                source: "passculture",
            };
            (Kind::Used, data(&used), Condition::Always, 2)
        }
    };
    NewMessage {
        connection: told.connection.clone(),
        id: message_id(uuid::Uuid::now_v7().as_u128()),
        booking: booking.booking.clone(),
        kind: kind.name(),
        at: booking.moved_at,
        data,
        write: document,
        least_sequence,
        condition,
        is_sent: told.terms.is_sent_to,
        starts_at: None,
    }
}

/// What the venue's software knows it by: the EAN of a product, else our own key of it, else pass Culture's number.
fn item(request: &BookingRequest) -> String {
    let written = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    written(&request.ean)
        .or_else(|| written(&request.stock_id_at_provider))
        .or_else(|| written(&request.offer_id_at_provider))
        .unwrap_or_else(|| request.stock_id.to_string())
}

/// A booking's name for venues' software, made of its fingerprint: the same whichever way it became known.
pub(super) fn booking_name(fingerprint: &str) -> String {
    let head = fingerprint.get(..32).and_then(|head| u128::from_str_radix(head, 16).ok());
    Reference::booking_id_of(head.unwrap_or_default())
}
