//! Countermarks: what a beneficiary shows at a counter, looked at, validated, un-validated and cancelled at pass Culture.
//!
//! Each answer of the four routes becomes a [`TokenRefusal`] by route, status and key. In two places pass Culture tells
//! different things with the same status and key; `which_end` and `names_a_day` are the only readers of its sentences, and
//! what they do not recognise claims nothing.
//!
//! Invariant: a countermark opens a booking, so it stands in no error, no log line, no metric and no `Debug` text; of the
//! person behind it nothing is read.

use std::fmt;
use std::time::Duration;

use reqwest::Method;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::client::Client;
use super::error::{FieldError, Missing, NorthError};
use super::events::SendError;
use super::transport::{Call, Failure, Resend};
use crate::store::countermarks::Deed;
use crate::store::listings::BookedAt;

/// Characters of a countermark.
const TOKEN_LENGTH: usize = 6;
/// What stands before the countermark in the QR code on a beneficiary's phone.
const QR_PREFIX: &str = "PASSCULTURE:v3;TOKEN:";
/// The longest that pass Culture may take; callers with somebody at a counter allow less.
const TIMEOUT: Duration = Duration::from_secs(30);

/// A countermark in capitals; never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// Reads what was typed or scanned: six of `A`–`Z` without `I` and `O` and of `2`–`7`, in either case, or the content of
    /// the QR code. `None` when it is neither.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let text = text.trim();
        let text = match text.get(..QR_PREFIX.len()) {
            Some(head) if head.eq_ignore_ascii_case(QR_PREFIX) => text.get(QR_PREFIX.len()..)?.trim(),
            _ => text,
        };
        let token = text.to_ascii_uppercase();
        let fits = |byte: u8| matches!(byte, b'A'..=b'Z' | b'2'..=b'7') && !matches!(byte, b'I' | b'O');
        (token.len() == TOKEN_LENGTH && token.bytes().all(fits)).then_some(Self(token))
    }

    /// The countermark, for pass Culture and for whoever presented it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// By which the store knows it: SHA-256 (hex) of account and countermark.
    #[must_use]
    pub fn fingerprint(&self, account: &str) -> String {
        let mut hash = Sha256::new();
        for text in ["countermark", account, &self.0] {
            hash.update((text.len() as u64).to_be_bytes());
            hash.update(text);
        }
        hex::encode(hash.finalize())
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// What a valid countermark is good for; the person is not read.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TokenBooking {
    /// pass Culture's venue: whose it is.
    pub venue_id: i64,
    /// pass Culture's stock.
    pub stock_id: Option<i64>,
    /// The product, when it has an EAN.
    pub offer_ean: Option<String>,
    /// Title.
    pub offer_name: Option<String>,
    /// Copies or seats.
    pub quantity: Option<u32>,
    /// Of one copy, in cents.
    #[serde(rename = "price")]
    pub unit_price_cents: Option<u32>,
    /// When it was booked, as pass Culture writes it (UTC).
    #[serde(rename = "creationDate")]
    pub booked_at: Option<String>,
}

impl TokenBooking {
    /// By which its notification and its row in a list are known, when pass Culture tells both parts.
    #[must_use]
    pub fn booked(&self) -> Option<BookedAt> {
        let booked_at = self.booked_at.as_deref()?.parse::<jiff::Timestamp>().ok()?;
        Some(BookedAt { stock_id: self.stock_id?, booked_at: booked_at.as_microsecond().div_euclid(1_000) })
    }
}

/// Why pass Culture does not show a countermark, or does not do what was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TokenRefusal {
    /// There is none, or it is of a venue that is not linked to the account.
    NotFound,
    /// Its beneficiary may still give it back.
    NotYet,
    /// Its offerer was closed, or something else stands against validating it.
    NotAllowed,
    /// It was validated.
    Used,
    /// It was cancelled.
    Cancelled,
    /// Validated or cancelled; this gateway does not understand which.
    Ended,
    /// The venue was paid for it.
    Reimbursed,
    /// It cannot be un-validated: it is not validated, or it has an activation code.
    NotUsed,
    /// It can no longer be cancelled.
    TooLate,
}

/// What pass Culture shows of a countermark.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shown {
    /// It could be validated now.
    Valid(TokenBooking),
    /// It could not; whose it is, is not told.
    Refused(TokenRefusal),
}

/// What became of a call that pass Culture answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moved {
    /// Done.
    Done,
    /// Not done (any more).
    Refused {
        /// Why.
        refusal: TokenRefusal,
        /// Did an earlier attempt of this very call perhaps take effect?
        after_lost: bool,
    },
}

/// The four routes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Route {
    Show,
    Move(Deed),
}

impl Route {
    const fn operation(self) -> &'static str {
        match self {
            Self::Show => "show a countermark",
            Self::Move(Deed::Use) => "use a countermark",
            Self::Move(Deed::Keep) => "keep a countermark",
            Self::Move(Deed::Cancel) => "cancel a countermark",
        }
    }

    fn path(self, token: &Token) -> String {
        let verb = match self {
            Self::Show => "",
            Self::Move(Deed::Use) => "use/",
            Self::Move(Deed::Keep) => "keep/",
            Self::Move(Deed::Cancel) => "cancel/",
        };
        format!("/public/bookings/v1/{verb}token/{}", token.expose())
    }

    /// What an answer means here; `None` when it is none of the route's own.
    fn refusal(self, status: u16, fields: &[FieldError]) -> Option<TokenRefusal> {
        let told = |key: &str| fields.iter().find(|field| field.is_about(key)).map(|field| field.messages.join(" "));
        match status {
            404 => told("global").map(|_| TokenRefusal::NotFound),
            403 if told("payment").is_some() => Some(TokenRefusal::Reimbursed),
            403 => told("booking").map(|sentence| match self {
                Self::Move(Deed::Keep) => TokenRefusal::NotUsed,
                Self::Move(Deed::Cancel) => TokenRefusal::TooLate,
                Self::Show | Self::Move(Deed::Use) if names_a_day(&sentence) => TokenRefusal::NotYet,
                Self::Show | Self::Move(Deed::Use) => TokenRefusal::NotAllowed,
            }),
            410 => told("booking").map(|sentence| match self {
                // What is used can be kept, so only a cancelled one is gone here.
                Self::Move(Deed::Keep) => TokenRefusal::Cancelled,
                _ => which_end(&sentence),
            }),
            _ => None,
        }
    }
}

/// 410 `booking` is both "has already been validated" and "has been cancelled". Only the sentence tells, in English today; its
/// stem is looked for in both languages. Neither or both: [`TokenRefusal::Ended`], with which nothing is claimed.
fn which_end(sentence: &str) -> TokenRefusal {
    let sentence = sentence.to_lowercase();
    let has = |stems: &[&str]| stems.iter().any(|stem| sentence.contains(stem));
    match (has(&["validat", "validé", "used", "utilis"]), has(&["cancel", "annul"])) {
        (true, false) => TokenRefusal::Used,
        (false, true) => TokenRefusal::Cancelled,
        _ => TokenRefusal::Ended,
    }
}

/// 403 `booking` is both "you may validate it from dd/mm/yyyy" and "you may not any more". Only the former names a day.
fn names_a_day(sentence: &str) -> bool {
    let bytes = sentence.as_bytes();
    bytes.windows(10).any(|window| {
        window
            .iter()
            .enumerate()
            .all(|(at, byte)| if matches!(at, 2 | 5) { *byte == b'/' } else { byte.is_ascii_digit() })
    })
}

impl Client {
    /// What a countermark is good for now.
    ///
    /// # Errors
    /// As any call; an error never shows an answer's body, in which a proxy may repeat the address.
    pub async fn countermark(&self, token: &Token) -> Result<Shown, NorthError> {
        let route = Route::Show;
        match self.ask_route(route, token).await {
            Ok(body) => self.decode(route.operation(), &body).map(Shown::Valid).map_err(silent),
            Err(failure) => match refusal_of(route, &failure) {
                Some(refusal) => Ok(Shown::Refused(refusal)),
                None => Err(silent(failure.error)),
            },
        }
    }

    /// Validates, un-validates or cancels. Cancelling a booking with tickets makes pass Culture call our own address meanwhile.
    ///
    /// # Errors
    /// [`SendError::AnswerLost`] when it may have been done, [`SendError::Failed`] when it surely was not.
    pub async fn move_countermark(&self, token: &Token, deed: Deed) -> Result<Moved, SendError> {
        let route = Route::Move(deed);
        let Err(failure) = self.ask_route(route, token).await else { return Ok(Moved::Done) };
        if let Some(refusal) = refusal_of(route, &failure) {
            return Ok(Moved::Refused { refusal, after_lost: failure.open_before });
        }
        let open = failure.open_before || failure.leaves_open();
        let error = silent(failure.error);
        Err(if open { SendError::AnswerLost(error) } else { SendError::Failed(error) })
    }

    async fn ask_route(&self, route: Route, token: &Token) -> Result<Vec<u8>, Failure> {
        let call = Call {
            operation: route.operation(),
            method: if route == Route::Show { Method::GET } else { Method::PATCH },
            path: &route.path(token),
            query: &[],
            body: None,
            timeout: TIMEOUT,
            missing: Missing::Path,
            resend: Resend::Freely,
        };
        self.send(&call).await
    }
}

fn refusal_of(route: Route, failure: &Failure) -> Option<TokenRefusal> {
    route.refusal(failure.error.status?, &failure.fields)
}

/// Without the answer's beginning: it may name a person, and a proxy's page repeats the address.
fn silent(error: NorthError) -> NorthError {
    NorthError { excerpt: None, ..error }
}

#[cfg(test)]
mod tests {
    use super::super::error::field_errors;
    use super::*;

    const ROUTES: [Route; 4] =
        [Route::Show, Route::Move(Deed::Use), Route::Move(Deed::Keep), Route::Move(Deed::Cancel)];

    #[test]
    fn a_countermark_is_read_as_typed_or_as_scanned_and_nothing_else_is() {
        for text in ["ABC234", "abc234", "  Abc234\n", "PASSCULTURE:v3;TOKEN:ABC234", "passculture:V3;token:abc234 "] {
            assert_eq!(Token::read(text).as_ref().map(Token::expose), Some("ABC234"), "{text:?}");
        }
        for text in [
            "",
            "ABC23",
            "ABC2345",
            "ABI234",
            "ABO234",
            "ABC231",
            "ABC238",
            "ABC230",
            "AB C23",
            "ABÉ23",
            "ABC23/",
            "PASSCULTURE:v2;TOKEN:ABC234",
            "PASSCULTURE:v3;TOKEN:",
            "TOKEN:ABC234",
            "PASSCULTURE:v3;TOKEN:ABC234;X",
        ] {
            assert_eq!(Token::read(text), None, "{text:?}");
        }
        assert_eq!(Token::read("ILOABC"), None);
        assert!(Token::read("LLLLLL").is_some(), "only I and O are left out");
    }

    #[test]
    fn it_is_not_printed_and_accounts_have_fingerprints_of_their_own() {
        let token = Token::read("ABC234").unwrap();
        assert_eq!(format!("{token:?}"), "***");
        assert_eq!(token.fingerprint("a").len(), 64);
        assert_ne!(token.fingerprint("a"), token.fingerprint("b"));
        assert_eq!(token.fingerprint("a"), Token::read("abc234").unwrap().fingerprint("a"));
    }

    #[test]
    fn every_row_of_the_table_is_told_by_route_status_and_key() {
        use TokenRefusal::{Cancelled, NotAllowed, NotFound, NotUsed, NotYet, Reimbursed, TooLate, Used};
        let not_yet = r#"{"booking":"Vous pourrez valider cette contremarque à partir du 04/03/2026 à 20:00, une fois le délai d’annulation passé."}"#;
        let closed = r#"{"booking":["Vous ne pouvez plus valider de contremarque"]}"#;
        let unknown = r#"{"global":"This countermark cannot be found"}"#;
        let validated = r#"{"booking":"This booking has already been validated"}"#;
        let cancelled = r#"{"booking":"This booking has been cancelled"}"#;
        let [show, used, keep, cancel] = ROUTES;
        for (routes, status, body, expected) in [
            (&ROUTES[..], 404, unknown, Some(NotFound)),
            (&ROUTES[..], 404, "{}", None),
            (&ROUTES[..], 404, "<html>", None),
            (&[show, used], 403, not_yet, Some(NotYet)),
            (&[show, used], 403, closed, Some(NotAllowed)),
            (&[show, used], 403, r#"{"booking":"something new"}"#, Some(NotAllowed)),
            (&[show, used], 410, validated, Some(Used)),
            (&[show, used, keep], 410, cancelled, Some(Cancelled)),
            (&[show, used], 403, r#"{"payment":"This booking has already been reimbursed"}"#, Some(Reimbursed)),
            (&[keep, cancel], 403, r#"{"payment":"This booking has been reimbursed"}"#, Some(Reimbursed)),
            (&[keep], 403, r#"{"booking":"This booking has not been used"}"#, Some(NotUsed)),
            (&[keep], 403, r#"{"booking":["it has an activation code"]}"#, Some(NotUsed)),
            (&[cancel], 403, r#"{"booking":"This booking cannot be cancelled anymore"}"#, Some(TooLate)),
            (&[cancel], 410, r#"{"booking":"This booking has been validated"}"#, Some(Used)),
            (&[cancel], 410, r#"{"booking":"This booking has already been cancelled"}"#, Some(Cancelled)),
            (&ROUTES[..], 403, r#"{"auth":["Inactive provider"]}"#, None),
            (&ROUTES[..], 410, "gone", None),
            (&ROUTES[..], 500, validated, None),
        ] {
            for route in routes {
                let read = route.refusal(status, &field_errors(body.as_bytes()));
                assert_eq!(read, expected, "{route:?} {status} {body}");
            }
        }
    }

    #[test]
    fn what_a_sentence_does_not_tell_is_not_guessed() {
        assert_eq!(which_end("It is over"), TokenRefusal::Ended);
        assert_eq!(which_end("Validated, then cancelled"), TokenRefusal::Ended);
        assert_eq!(which_end("Cette contremarque a été annulée"), TokenRefusal::Cancelled);
        assert_eq!(which_end("Cette contremarque a déjà été validée"), TokenRefusal::Used);
        assert!(names_a_day("à partir du 04/03/2026 à"));
        assert!(!names_a_day("4/3/2026") && !names_a_day("") && !names_a_day("é04/0é/2026"));
    }

    #[test]
    fn of_the_booking_only_the_goods_are_read() {
        let booking: TokenBooking = serde_json::from_str(
            r#"{"id":1,"quantity":2,"creationDate":"2025-06-25T12:25:00Z","confirmationDate":null,"price":1250,
                "status":"CONFIRMED","offerId":12,"stockId":9001,"offerName":"Le Phare","offerEan":null,"venueId":535,
                "userEmail":"lea@example.org","userFirstName":"Léa","userLastName":"Exemple","userPhoneNumber":null}"#,
        )
        .unwrap();
        assert_eq!((booking.venue_id, booking.unit_price_cents, booking.quantity), (535, Some(1250), Some(2)));
        let shown = format!("{booking:?}");
        assert!(!shown.contains("Exemple") && !shown.contains("lea@"), "{shown}");
    }
}
