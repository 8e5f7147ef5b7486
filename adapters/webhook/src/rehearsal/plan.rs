//! What the rehearsal says: the messages in their order, and what must come back to each. Nothing is sent here.
//!
//! Invariant: whatever makes a booking is in [`Script::cast`], so that it is cancelled at the end.

use passerelle_kit::notice::{self, BookingData, CancelledData, Kind, MAX_DOCUMENT_BYTES, Reason, TicketData};
use serde::Serialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::Targets;
use super::judge::Expected;
use super::stage::Signing;
use crate::client::{new_id, now_millis};

/// A type that no version of the contract has.
const UNKNOWN_TYPE: &str = "rehearsal.unknown_type";
const IDEMPOTENT: &str = "whether the effect happened once cannot be seen from outside: look into your books";

/// One message.
#[derive(Clone, Debug)]
pub(super) struct Step {
    pub(super) rule: &'static str,
    pub(super) kind: &'static str,
    pub(super) id: String,
    pub(super) body: String,
    pub(super) signing: Signing,
    pub(super) expected: Expected,
    /// Which booking it makes, should it be taken.
    pub(super) makes: Option<usize>,
    /// Said where the rule is kept.
    pub(super) note: &'static str,
    /// Said where it is broken.
    pub(super) remedy: &'static str,
}

/// A booking of the rehearsal.
#[derive(Clone, Debug)]
pub(super) struct Role {
    pub(super) booking_id: String,
    pub(super) barcodes: Vec<String>,
}

impl Role {
    fn new(seats: usize) -> Self {
        let name = fresh_name();
        let barcodes = (1..=seats).map(|seat| format!("GWTEST{name}{seat}")).collect();
        Self { booking_id: format!("bk_{name}"), barcodes }
    }

    fn first(&self) -> Vec<String> {
        self.barcodes.iter().take(1).cloned().collect()
    }

    fn others(&self) -> Vec<String> {
        self.barcodes.iter().skip(1).cloned().collect()
    }
}

/// The messages, and the bookings that they may make.
#[derive(Clone, Debug)]
pub(super) struct Script {
    pub(super) steps: Vec<Step>,
    pub(super) cast: Vec<Role>,
}

/// Twelve symbols that nobody had before.
pub(super) fn fresh_name() -> String {
    let id = Uuid::new_v4().simple().to_string().to_uppercase();
    id.chars().take(12).collect()
}

/// A new booking's name.
pub(super) fn fresh_booking() -> String {
    format!("bk_{}", fresh_name())
}

/// A document that says of itself that it is a rehearsal.
pub(super) fn document(kind: &str, sequence: u32, data: &impl Serialize) -> String {
    let mut data = serde_json::to_value(data).unwrap_or_default();
    if let Value::Object(data) = &mut data {
        data.insert("test".to_owned(), Value::Bool(true));
    }
    notice::document(kind, now_millis(), sequence, &data.to_string())
}

/// A booking that is firm, or one that is asked for when `answer_before` is there.
pub(super) fn booking(targets: &Targets, booking_id: &str, tickets: Option<&[String]>) -> BookingData {
    let listed = tickets.map(|barcodes| {
        barcodes.iter().map(|barcode| TicketData { barcode: barcode.clone(), seat: None }).collect::<Vec<_>>()
    });
    BookingData {
        booking_id: booking_id.to_owned(),
        stock_id: targets.stock_id.clone(),
        quantity: listed.as_ref().map_or(1, |listed| u32::try_from(listed.len()).unwrap_or(1)),
        unit_price_cents: targets.price_cents,
        currency: "EUR",
        // A wrong date would be a reason to refuse, and the right one is not known here.
        event_starts_at: None,
        tickets: listed,
        holder: None,
        answer_before: None,
    }
}

/// Barcodes of a booking that are void.
pub(super) fn cancelled(booking_id: &str, barcodes: Vec<String>, left: Vec<String>, reason: Reason) -> CancelledData {
    CancelledData { booking_id: booking_id.to_owned(), barcodes, reason, remaining_barcodes: left }
}

/// `data` and envelope with keys that the contract does not have yet.
fn with_new_keys(document: &str) -> String {
    let mut whole: Value = serde_json::from_str(document).unwrap_or_default();
    if let Some(data) = whole.get_mut("data").and_then(Value::as_object_mut) {
        data.insert("rehearsal_key".to_owned(), json!({ "nested": [1, "two", null] }));
    }
    if let Value::Object(whole) = &mut whole {
        whole.insert("rehearsal_key".to_owned(), json!("new"));
    }
    whole.to_string()
}

/// A ping that is one byte shorter than the largest document. Only spaces are added: what is tried is the size alone.
fn large(ping: &str) -> String {
    let spaces = " ".repeat((MAX_DOCUMENT_BYTES - 1).saturating_sub(ping.len()));
    let (head, tail) = ping.split_at(ping.len().saturating_sub(1));
    format!("{head}{spaces}{tail}")
}

/// A message that is rightly signed and must be taken.
fn good(rule: &'static str, kind: &'static str, body: String, remedy: &'static str) -> Step {
    let (signing, expected) = (Signing::Right, Expected::Taken);
    Step { rule, kind, id: new_id(), body, signing, expected, makes: None, note: "", remedy }
}

/// A booking that must be refused for how it is signed.
fn wrong(rule: &'static str, body: String, signing: Signing, remedy: &'static str) -> Step {
    let (kind, expected) = (Kind::Created.name(), Expected::Refused);
    Step { rule, kind, id: new_id(), body, signing, expected, makes: Some(STRANGER), note: "", remedy }
}

/// The places in the cast.
const PAIR: usize = 0;
const NEW_KEYS: usize = 1;
const STRANGER: usize = 2;
const LATE: usize = 3;

/// Every message to `url`, in order.
pub(super) fn script(targets: &Targets) -> Script {
    let (pair, new_keys, stranger, late) = (Role::new(2), Role::new(1), Role::new(1), Role::new(1));
    let (created, void) = (Kind::Created.name(), Kind::Cancelled.name());
    let made = |role: &Role| document(created, 1, &booking(targets, &role.booking_id, Some(&role.barcodes)));
    let voided = |role: &Role, sequence, barcodes, left| {
        document(void, sequence, &cancelled(&role.booking_id, barcodes, left, Reason::Beneficiary))
    };
    let ping = || notice::document(Kind::Ping.name(), now_millis(), 1, "{}");
    let pinged = |rule, signing, remedy| Step { signing, ..good(rule, Kind::Ping.name(), ping(), remedy) };

    let first = Step {
        makes: Some(PAIR),
        ..good(
            "created",
            created,
            made(&pair),
            "a firm booking must be taken; where the stock must be one of yours, name it with its price",
        )
    };
    let again = Step {
        rule: "same-id-again",
        note: IDEMPOTENT,
        remedy: "a message whose webhook-id was seen is answered 2xx as well, and not done again",
        ..first.clone()
    };
    let signatures = "several signatures may come while a secret is replaced: accept if any v1 entry fits";
    let clock = "a timestamp more than 300 s away from your clock must be refused, or whoever recorded a call can play it again";
    let steps = vec![
        good("ping", Kind::Ping.name(), ping(), "answer endpoint.ping with 2xx, as every type that you do not act on"),
        first,
        again,
        wrong(
            "bad-signature",
            made(&stranger),
            Signing::Strange,
            "anybody can make bookings: compare webhook-signature before anything else, and answer 401 when it does not fit",
        ),
        wrong("old-timestamp", made(&stranger), Signing::Past, clock),
        wrong("future-timestamp", made(&stranger), Signing::Future, clock),
        pinged("two-signatures-first-right", Signing::RightThenStrange, signatures),
        pinged("two-signatures-last-right", Signing::StrangeThenRight, signatures),
        wrong(
            "other-version-only",
            made(&stranger),
            Signing::OtherVersion,
            "entries of another version than v1 must be left alone; without a v1 entry that fits the call is refused",
        ),
        wrong(
            "keyed-with-text",
            made(&stranger),
            Signing::ByText,
            "the key is what the base64 after whsec_ decodes to, never its text",
        ),
        good(
            "unknown-type",
            UNKNOWN_TYPE,
            document(UNKNOWN_TYPE, 1, &json!({})),
            "types that you do not know are answered 2xx and left alone: new ones will come",
        ),
        Step {
            makes: Some(NEW_KEYS),
            ..good(
                "unknown-keys",
                created,
                with_new_keys(&made(&new_keys)),
                "keys that you do not know are left alone: new ones will come",
            )
        },
        Step {
            note: IDEMPOTENT,
            ..good(
                "partly-cancelled",
                void,
                voided(&pair, 2, pair.first(), pair.others()),
                "one of two barcodes may be cancelled: void that one, and keep the other",
            )
        },
        good("cancelled", void, voided(&pair, 3, pair.others(), Vec::new()), "a cancellation must be taken"),
        good(
            "cancelled-twice",
            void,
            voided(&pair, 4, pair.others(), Vec::new()),
            "a cancellation of what is void already is answered 2xx, and frees nothing more",
        ),
        good(
            "cancelled-unknown",
            void,
            voided(&late, 2, late.barcodes.clone(), Vec::new()),
            "a cancellation may overtake its booking: answer 2xx, and remember it",
        ),
        Step {
            makes: Some(LATE),
            note: "its effect cannot be seen from outside: the booking that came after its cancellation must stay void",
            ..good(
                "created-after-cancelled",
                created,
                made(&late),
                "a booking that was cancelled before it came is answered 2xx, and stays void",
            )
        },
        good("large-body", Kind::Ping.name(), large(&ping()), "bodies of up to 20 KiB must be taken"),
    ];
    Script { steps, cast: vec![pair, new_keys, stranger, late] }
}

/// The message that voids a whole booking at the end, whatever became of it before.
pub(super) fn last_word(role: &Role) -> String {
    let data = cancelled(&role.booking_id, role.barcodes.clone(), Vec::new(), Reason::Operator);
    document(Kind::Cancelled.name(), 9, &data)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_ping_is_a_ping_of_almost_twenty_kibibytes() {
        let ping = notice::document(Kind::Ping.name(), 0, 1, "{}");
        let large = large(&ping);
        assert_eq!(large.len(), MAX_DOCUMENT_BYTES - 1);
        let read = |text: &str| serde_json::from_str::<Value>(text).unwrap();
        assert_eq!(read(&large), read(&ping));
    }

    #[test]
    fn new_keys_leave_the_old_ones_as_they_are() {
        let plain = document("booking.created", 1, &json!({ "booking_id": "bk_A" }));
        let read: Value = serde_json::from_str(&with_new_keys(&plain)).unwrap();
        assert_eq!((&read["data"]["booking_id"], &read["data"]["test"]), (&json!("bk_A"), &json!(true)));
        assert!(read["rehearsal_key"].is_string() && read["data"]["rehearsal_key"].is_object());
    }
}
