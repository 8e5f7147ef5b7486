//! Answers that no service should give, at each of the three calls: reading and voiding may be repeated, so an odd answer is an
//! error; after a sale it is a doubt, and never a refusal.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use common::{Silent, envelope};
use futures_util::StreamExt as _;
use passerelle_cgr::simulator::{CgrSimulator, PASSWORD, USERNAME};
use passerelle_contract::{
    Adapter, AdapterError, BookOutcome, CancelOutcome, Class, Completeness, Deadline, Holder, Order, Pull, Reference,
    Refusal, Ticket,
};
use passerelle_testkit::simulator::{Server, Simulator as _};

const LIST: &str = "GetSeancesPassCulture";
const BOOK: &str = "ReservationPassCulture";
const CANCEL: &str = "AnnulationPassCulture";
const LISTED: &str = r#"{"CodeErreur":0,"IntituleErreur":"","ObjetRetour":{"NumCine":738,"Films":[{"IDFilm":1,"IDFilmAlloCine":305411,
    "Titre":"Le R&B de l'été","Seances":[{"IDSeance":512001,"Date":"2031-03-14","Heure":"20:45:00.000","NbPlacesRestantes":9,
    "PrixUnitaire":6.9,"libTarif":"T"}]}]}}"#;
const SOLD: &str = r#"{"CodeErreur":0,"IntituleErreur":"R&B","QrCode":"CINE738000000001","Placement":"D8"}"#;
const CANCELLED: &str = r#"{"CodeErreur":0,"IntituleErreur":null}"#;

/// Status, content type, body.
type Canned = (u16, &'static str, Vec<u8>);

/// What is answered to each call; a call without an answer of its own gets the good one.
type Answers = Arc<Mutex<Vec<(&'static str, Canned)>>>;

fn good(operation: &str) -> &'static str {
    match operation {
        LIST => LISTED,
        BOOK => SOLD,
        _ => CANCELLED,
    }
}

fn xml(body: impl Into<Vec<u8>>) -> Canned {
    (200, "text/xml; charset=utf-8", body.into())
}

async fn answer(State(answers): State<Answers>, headers: HeaderMap) -> Response {
    let action = headers.get("soapaction").unwrap().to_str().unwrap().to_owned();
    let operation =
        [LIST, BOOK, CANCEL].into_iter().find(|name| action == format!("\"urn:GestionCinemaWS/{name}\"")).unwrap();
    let own = answers.lock().unwrap().iter().find(|(name, _)| *name == operation).map(|(_, canned)| canned.clone());
    let (status, kind, body) = own.unwrap_or_else(|| xml(envelope(operation, good(operation))));
    (StatusCode::from_u16(status).unwrap(), [(header::CONTENT_TYPE, kind)], body).into_response()
}

struct Stage {
    _server: Server,
    answers: Answers,
    adapter: Arc<dyn Adapter>,
}

impl Stage {
    async fn set() -> Self {
        let answers = Answers::default();
        let server = Server::start(Router::new().fallback(answer).with_state(Arc::clone(&answers))).await.unwrap();
        let adapter = common::adapter_for(&format!("http://{}/ws", server.address()));
        Self { _server: server, answers, adapter }
    }

    fn answers(&self, operation: &'static str, canned: Canned) {
        *self.answers.lock().unwrap() = vec![(operation, canned)];
    }

    /// Rows and completeness.
    async fn list(&self) -> Result<(usize, Completeness), AdapterError> {
        let mut pass = self.adapter.screenings().unwrap().pull(Pull::default());
        let page = pass.next().await.unwrap()?;
        Ok((page.rows.len(), page.end.unwrap().completeness))
    }

    async fn book(&self) -> BookOutcome {
        self.adapter.box_office().unwrap().book(&order(), &Silent, Deadline::after(Duration::from_secs(6))).await
    }

    async fn cancel(&self) -> CancelOutcome {
        let ticket = Ticket { barcode: "CINE738000000001".to_owned(), seat: None, vendor: "{}".to_owned() };
        let office = self.adapter.box_office().unwrap();
        office.cancel(&[ticket], Deadline::after(Duration::from_secs(5))).await.pop().unwrap()
    }
}

fn order() -> Order {
    let holder = Holder {
        first_name: "Zebulonne".to_owned(),
        last_name: "Quichenotte".to_owned(),
        email: "zq@example.com".to_owned(),
        ..Holder::default()
    };
    Order { reference: Reference("K7M2QXABCDEFGHJK".to_owned()), holder: Some(holder), ..CgrSimulator::orders().open }
}

fn fault() -> String {
    "<SOAP-ENV:Envelope xmlns:SOAP-ENV=\"http://schemas.xmlsoap.org/soap/envelope/\"><SOAP-ENV:Body><SOAP-ENV:Fault>\
     <faultcode>SOAP-ENV:Server</faultcode><faultstring>Erreur</faultstring></SOAP-ENV:Fault></SOAP-ENV:Body></SOAP-ENV:Envelope>"
        .to_owned()
}

fn latin(text: &str) -> Vec<u8> {
    text.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect()
}

/// Puts this in the place of the escaped result.
fn inside(operation: &str, text: &str) -> String {
    envelope(operation, "@").replace('@', text)
}

type Make = fn(&str, &str) -> Canned;

/// Odd to look at, and good.
const GOOD: [(&str, Make); 8] = [
    ("H1 one section", |name, json| xml(inside(name, &format!("<![CDATA[{json}]]>")))),
    ("H2 two sections", |name, json| {
        let (first, second) = json.split_at(11);
        xml(inside(name, &format!("<![CDATA[{first}]]><![CDATA[{second}]]>")))
    }),
    ("H17 more keys and more elements", |name, json| {
        let json = json.replacen('{', "{\"More\":[{\"x\":null}],", 1);
        xml(envelope(name, &json).replace("</ns1:", "<Other><x/></Other></ns1:"))
    }),
    ("H19 declared latin", |name, json| (200, "text/xml", latin(&envelope(name, json).replace("UTF-8", "ISO-8859-1")))),
    ("H21 a mark", |name, json| xml(format!("\u{feff}{}", envelope(name, json)))),
    ("H22 white space", |name, json| xml(format!("\n  {}", envelope(name, json)))),
    ("H23 a code as text", |name, json| xml(envelope(name, &json.replacen(":0", ":\"0\"", 1)))),
    ("H23 a code with a point", |name, json| xml(envelope(name, &json.replacen(":0", ":0.0", 1)))),
];

/// No answers at all.
const BAD: [(&str, Make); 28] = [
    ("H3 half a section", |name, _| xml(inside(name, "<![CDATA[{\"CodeErreur\":0,\"Intitule]]>"))),
    ("H4 a bare ampersand", |name, _| xml(inside(name, "{\"CodeErreur\":0,\"QrCode\":\"R&B\"}"))),
    ("H5 cut off", |name, json| {
        let whole = envelope(name, json);
        xml(&whole.as_bytes()[..whole.len() - 60])
    }),
    ("H6 a web page", |_, _| (200, "text/html", b"<!doctype html><title>Maintenance</title>".to_vec())),
    ("H6 a well-formed one", |_, _| (200, "text/html", b"<html><body><p>Maintenance</p></body></html>".to_vec())),
    ("H7 500 and a web page", |_, _| (500, "text/html", b"<html></html>".to_vec())),
    ("H7 500 and a fault", |_, _| (500, "text/xml", fault().into_bytes())),
    ("H7 200 and a fault", |_, _| xml(fault())),
    ("H9 nothing", |_, _| xml("")),
    ("H9 204", |_, _| (204, "text/xml", Vec::new())),
    ("201 with an answer", |name, _| (201, "text/xml", envelope(name, "{\"CodeErreur\":0}").into_bytes())),
    ("H10 an empty result", |name, _| xml(inside(name, ""))),
    ("H10 a nil result", |name, _| xml(inside(name, "").replacen("Result>", "Result xsi:nil=\"true\">", 1))),
    ("H10 no result", |name, _| xml(envelope(name, "1").replace(&format!("{name}Result"), "Other"))),
    ("H10 elements in the result", |name, _| xml(inside(name, "<a>1</a>"))),
    ("H11 null", |name, _| xml(envelope(name, "null"))),
    ("H11 a list", |name, _| xml(envelope(name, "[]"))),
    ("H11 a text", |name, _| xml(envelope(name, "\"text\""))),
    ("H11 a number", |name, _| xml(envelope(name, "0"))),
    ("no code", |name, _| xml(envelope(name, "{}"))),
    ("H18 too long", |name, json| {
        let padding = " ".repeat(21 * 1024 * 1024);
        xml(envelope(name, &format!("{json}{padding}")))
    }),
    ("H18 nested too deep", |name, json| xml(inside(name, &format!("{}{json}", "<a>".repeat(100_000))))),
    ("H18 nested too deep in the JSON", |name, _| {
        xml(envelope(name, &format!("{{\"CodeErreur\":{}", "[".repeat(100_000))))
    }),
    ("H20 latin declared as UTF-8", |name, _| xml(latin(&envelope(name, "{\"CodeErreur\":0,\"x\":\"é\"}")))),
    ("an unknown character set", |name, json| (200, "text/xml; charset=utf-7", envelope(name, json).into_bytes())),
    ("entities that grow", |name, _| {
        let body = inside(name, "{\"CodeErreur\":0,\"QrCode\":\"&c;\"}");
        xml(body.replacen(
            '\n',
            "<!DOCTYPE l [<!ENTITY a \"ha\"><!ENTITY b \"&a;&a;&a;\"><!ENTITY c \"&b;&b;&b;\">]>",
            1,
        ))
    }),
    ("an entity that reads a file", |name, _| {
        let body = inside(name, "{\"CodeErreur\":0,\"QrCode\":\"&x;\"}");
        xml(body.replacen('\n', "<!DOCTYPE r [<!ENTITY x SYSTEM \"file:///etc/hostname\">]>", 1))
    }),
    ("another operation's answer", |name, json| xml(envelope(if name == BOOK { CANCEL } else { BOOK }, json))),
];

#[tokio::test]
async fn what_only_looks_odd_is_read_at_every_call() {
    let stage = Stage::set().await;
    for (what, make) in GOOD {
        stage.answers(LIST, make(LIST, LISTED));
        assert_eq!(stage.list().await.unwrap(), (1, Completeness::Snapshot), "{what}");
        stage.answers(BOOK, make(BOOK, SOLD));
        let outcome = stage.book().await;
        let whole = matches!(&outcome, BookOutcome::Booked(sale) if sale.tickets[0].barcode == "CINE738000000001"
            && sale.tickets[0].seat.as_deref() == Some("D8"));
        assert!(whole, "{what}: {outcome:?}");
        stage.answers(CANCEL, make(CANCEL, CANCELLED));
        let outcome = stage.cancel().await;
        assert!(matches!(outcome, CancelOutcome::Cancelled), "{what}: {outcome:?}");
    }
}

#[tokio::test]
async fn what_is_no_answer_is_an_error_before_a_sale_and_a_doubt_after_it() {
    let stage = Stage::set().await;
    for (what, make) in BAD {
        stage.answers(LIST, make(LIST, LISTED));
        let outcome = stage.book().await;
        assert!(
            matches!(&outcome, BookOutcome::NotAttempted(error) if retried(error)),
            "{what} to the listing of a booking: {outcome:?}"
        );
        // With a status that stays, a pass tries again for seconds.
        if make(LIST, LISTED).0 < 500 {
            let error = stage.list().await.unwrap_err();
            assert!(retried(&error), "{what} to a pass: {error:?}");
        }
        stage.answers(BOOK, make(BOOK, SOLD));
        let outcome = stage.book().await;
        assert!(
            matches!(&outcome, BookOutcome::Unknown(suspicion) if suspicion.tickets.is_empty()),
            "{what} to a sale: {outcome:?}"
        );
        stage.answers(CANCEL, make(CANCEL, CANCELLED));
        let outcome = stage.cancel().await;
        assert!(matches!(outcome, CancelOutcome::Unknown(_)), "{what} to a cancellation: {outcome:?}");
    }
}

fn retried(error: &AdapterError) -> bool {
    matches!(error.class, Class::Transient | Class::VendorFault)
}

#[tokio::test]
async fn a_success_that_comes_as_an_error_is_a_doubt_with_its_tickets() {
    // H8
    let stage = Stage::set().await;
    stage.answers(BOOK, (500, "text/xml", envelope(BOOK, SOLD).into_bytes()));
    let outcome = stage.book().await;
    let BookOutcome::Unknown(suspicion) = &outcome else { panic!("{outcome:?}") };
    assert_eq!((suspicion.tickets.len(), suspicion.error.code), (1, "VendorDown"));
    assert_eq!(suspicion.tickets[0].barcode, "CINE738000000001");
    stage.answers(LIST, (500, "text/xml", envelope(LIST, LISTED).into_bytes()));
    assert!(matches!(stage.book().await, BookOutcome::NotAttempted(_)));
    stage.answers(CANCEL, (500, "text/xml", envelope(CANCEL, CANCELLED).into_bytes()));
    assert!(matches!(stage.cancel().await, CancelOutcome::Unknown(_)));
}

#[tokio::test]
async fn a_listing_without_lists_is_malformed_or_withdraws_nothing() {
    let stage = Stage::set().await;
    // H12
    for none in [
        r#"{"CodeErreur":0}"#,
        r#"{"CodeErreur":0,"ObjetRetour":null}"#,
        r#"{"CodeErreur":0,"ObjetRetour":{"Films":{}}}"#,
    ] {
        stage.answers(LIST, xml(envelope(LIST, none)));
        assert_eq!(stage.list().await.unwrap_err().code, "MalformedBody", "{none}");
        assert!(matches!(stage.book().await, BookOutcome::NotAttempted(_)), "{none}");
    }
    // H13
    let no_films = r#"{"CodeErreur":0,"ObjetRetour":{"NumCine":738,"Films":null}}"#;
    let no_shows = LISTED.replace("\"Seances\":[", "\"Seances\":null,\"x\":[");
    // A show without number may be any show.
    let nameless = LISTED.replace("\"Seances\":[", "\"Seances\":[{\"IDSeance\":null},");
    stage.answers(LIST, xml(envelope(LIST, &nameless)));
    assert_eq!(stage.list().await.unwrap(), (2, Completeness::Partial));
    for (json, rows) in [(no_films, 0), (no_shows.as_str(), 1)] {
        stage.answers(LIST, xml(envelope(LIST, json)));
        assert_eq!(stage.list().await.unwrap(), (rows, Completeness::Partial), "{json}");
        // Where the show may hide nobody says that it is gone.
        assert!(matches!(stage.book().await, BookOutcome::NotAttempted(_)), "{json}");
    }
}

#[tokio::test]
async fn a_million_films_are_read_or_refused_in_time() {
    let stage = Stage::set().await;
    let films = vec!["{}"; 1_000_000].join(",");
    stage.answers(LIST, xml(envelope(LIST, &format!("{{\"CodeErreur\":0,\"ObjetRetour\":{{\"Films\":[{films}]}}}}"))));
    let outcome = stage.book().await;
    assert!(matches!(outcome, BookOutcome::NotAttempted(_)), "{outcome:?}");
}

#[tokio::test]
async fn a_no_in_words_is_what_the_table_says() {
    type Expected = fn(&BookOutcome) -> bool;
    let table: [(&str, Expected); 9] = [
        (
            r#"{"CodeErreur":99,"IntituleErreur":"Impossible de délivrer 2 places , il n'en reste que : 1","QrCode":""}"#,
            |it| matches!(it, BookOutcome::Refused(Refusal::NotEnough { remaining: 1 })),
        ),
        (
            r#"{"CodeErreur":99,"IntituleErreur":"Impossible de délivrer 2 places , il n’en reste que : -4","QrCode":""}"#,
            |it| matches!(it, BookOutcome::Refused(Refusal::SoldOut)),
        ),
        // Enough, and yet not.
        (
            r#"{"CodeErreur":99,"IntituleErreur":"Impossible de délivrer 2 places , il n'en reste que : 12","QrCode":""}"#,
            |it| matches!(it, BookOutcome::NotAttempted(_)),
        ),
        (r#"{"CodeErreur":12,"IntituleErreur":"Séance inconnue.","QrCode":"","Placement":""}"#, |it| {
            matches!(it, BookOutcome::Refused(Refusal::ShowGone))
        }),
        (
            r#"{"CodeErreur":99,"IntituleErreur":"PASS CULTURE IMPOSSIBLE erreur création résa (site) : IdSeance(512001) inconnu"}"#,
            |it| matches!(it, BookOutcome::Refused(Refusal::ShowGone)),
        ),
        (
            r#"{"CodeErreur":99,"IntituleErreur":"Identifiant ou mot de passe incorrect"}"#,
            |it| matches!(it, BookOutcome::NotAttempted(error) if error.class == Class::Auth),
        ),
        (
            r#"{"CodeErreur":"99","IntituleErreur":"Tarif incorrect","QrCode":"","Placement":""}"#,
            |it| matches!(it, BookOutcome::NotAttempted(error) if error.class == Class::VendorFault),
        ),
        // Code 1 is a success of cancellations only.
        (r#"{"CodeErreur":1,"IntituleErreur":"Erreur"}"#, |it| matches!(it, BookOutcome::NotAttempted(_))),
        // A no that names a ticket is a doubt.
        (
            r#"{"CodeErreur":99,"IntituleErreur":"Séance inconnue.","QrCode":"CINE738000000001"}"#,
            |it| matches!(it, BookOutcome::Unknown(suspicion) if suspicion.tickets.len() == 2),
        ),
    ];
    let stage = Stage::set().await;
    for (json, expected) in table {
        stage.answers(BOOK, xml(envelope(BOOK, json)));
        let office = stage.adapter.box_office().unwrap();
        let two = Order { quantity: 2, ..order() };
        let outcome = office.book(&two, &Silent, Deadline::after(Duration::from_secs(6))).await;
        assert!(expected(&outcome), "{json}: {outcome:?}");
    }
    for none in [r#"{"CodeErreur":0}"#, r#"{"CodeErreur":0,"QrCode":""}"#] {
        stage.answers(BOOK, xml(envelope(BOOK, none)));
        assert!(matches!(stage.book().await, BookOutcome::Unknown(_)), "{none}");
    }
}

#[tokio::test]
async fn a_no_to_a_cancellation_is_final_only_in_the_words_of_the_table() {
    let stage = Stage::set().await;
    let mut told = Vec::new();
    for json in [
        r#"{"CodeErreur":1,"IntituleErreur":"Annulation impossible : déjà annulée"}"#,
        r#"{"CodeErreur":99,"IntituleErreur":"Code barre non reconnu / annulation impossible"}"#,
        r#"{"CodeErreur":-1,"IntituleErreur":"Erreur interne"}"#,
        r#"{"CodeErreur":99,"IntituleErreur":"Mot de passe incorrect"}"#,
    ] {
        stage.answers(CANCEL, xml(envelope(CANCEL, json)));
        told.push(match stage.cancel().await {
            CancelOutcome::AlreadyCancelled => "before",
            CancelOutcome::Refused(_) => "refused",
            CancelOutcome::Unknown(_) => "unknown",
            CancelOutcome::NotAttempted(error) if error.class == Class::Auth => "account",
            other => panic!("{other:?}"),
        });
    }
    assert_eq!(told, ["before", "refused", "unknown", "account"]);
}

#[tokio::test]
async fn a_refused_account_stops_a_pass_whichever_way_it_is_said() {
    let stage = Stage::set().await;
    let words = envelope(LIST, r#"{"CodeErreur":99,"IntituleErreur":"Accès refusé","ObjetRetour":null}"#);
    for canned in [
        xml(words),
        xml(fault().replace("Erreur", "Utilisateur inconnu")),
        (500, "text/xml", fault().replace("Erreur", "Mot de passe").into_bytes()),
        (403, "text/html", Vec::new()),
    ] {
        stage.answers(LIST, canned);
        assert_eq!(stage.list().await.unwrap_err().class, Class::Auth);
    }
    stage.answers(
        LIST,
        xml(envelope(LIST, r#"{"CodeErreur":-1,"IntituleErreur":"Erreur interne","ObjetRetour":null}"#)),
    );
    assert_eq!(stage.list().await.unwrap_err().class, Class::Transient);
}

#[tokio::test]
async fn words_of_the_vendor_never_repeat_a_person_or_the_account() {
    let stage = Stage::set().await;
    let echo = format!("Zebulonne QUICHENOTTE zq@example.com {USERNAME} {PASSWORD}");
    let json = serde_json::json!({ "CodeErreur": 99, "IntituleErreur": echo }).to_string();
    let faulty = fault().replace("Erreur", &echo.replace('&', "&amp;"));
    for canned in [xml(envelope(BOOK, &json)), xml(faulty.clone()), (500, "text/xml", faulty.into_bytes())] {
        stage.answers(BOOK, canned);
        let shown = format!("{:?}", stage.book().await);
        for hidden in ["Zebulonne", "Quichenotte", "QUICHENOTTE", "zq@", USERNAME, PASSWORD] {
            assert!(!shown.contains(hidden), "{hidden} in {shown}");
        }
        assert!(shown.contains("***"), "{shown}");
    }
}
