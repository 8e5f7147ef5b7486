//! The contract of the service: what a request must look like, to the letter, what an answer looks like, and its description.

use std::fmt::Write as _;

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use quick_xml::NsReader;
use quick_xml::events::Event;
use quick_xml::name::{Namespace, ResolveResult};

use crate::request::{ENVELOPE, SERVICE};

/// Each operation with its parameters in order, and whether one is a whole number.
pub(super) const OPERATIONS: [(&str, &[(&str, bool)]); 3] = [
    ("GetSeancesPassCulture", &[("User", false), ("mdp", false), ("IDFilmAllocine", false)]),
    (
        "ReservationPassCulture",
        &[
            ("User", false),
            ("mdp", false),
            ("pIDSeances", true),
            ("pNumCinema", true),
            ("pPUTTC", false),
            ("pNBPlaces", true),
            ("pNom", false),
            ("pPrenom", false),
            ("pEmail", false),
            ("pToken", false),
            ("pDateLimiteAnnul", false),
            ("pTimeoutReservation", false),
        ],
    ),
    ("AnnulationPassCulture", &[("User", false), ("mdp", false), ("pQrCode", false)]),
];

/// What is asked: an operation and its parameters. The error is told in a fault.
pub(super) fn read(body: &[u8], action: Option<&str>) -> Result<(String, Vec<(String, String)>), String> {
    let text = std::str::from_utf8(body).map_err(|_| "not UTF-8")?;
    let (operation, parameters) = parse(text)?;
    let Some((_, expected)) = OPERATIONS.iter().find(|(name, _)| *name == operation) else {
        return Err(format!("no operation {operation}"));
    };
    let named = format!("{SERVICE}/{operation}");
    if action.is_some_and(|action| action.trim().trim_matches('"') != named) {
        return Err("SOAPAction and body disagree".to_owned());
    }
    let names = |list: &[(String, String)]| list.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    if names(&parameters) != expected.iter().map(|(name, _)| (*name).to_owned()).collect::<Vec<_>>() {
        return Err(format!("parameters of {operation}: {:?}", names(&parameters)));
    }
    for ((name, value), (_, is_int)) in parameters.iter().zip(expected.iter()) {
        if *is_int && value.parse::<i32>().is_err() {
            return Err(format!("{name} is no xsd:int"));
        }
    }
    Ok((operation, parameters))
}

fn parse(text: &str) -> Result<(String, Vec<(String, String)>), String> {
    let mut reader = NsReader::from_str(text);
    reader.config_mut().expand_empty_elements = true;
    let mut depth = 0_usize;
    let mut operation = None;
    let mut parameters: Vec<(String, String)> = Vec::new();
    loop {
        let event = reader.read_event().map_err(|error| error.to_string())?;
        match event {
            Event::Start(start) => {
                depth += 1;
                let (space, local) = reader.resolver().resolve_element(start.name());
                let name = String::from_utf8_lossy(local.as_ref()).into_owned();
                let bound = |uri: &str| space == ResolveResult::Bound(Namespace(uri.as_bytes()));
                match (depth, name.as_str()) {
                    (1, "Envelope") | (2, "Body") if bound(ENVELOPE) => {}
                    (3, _) if bound(SERVICE) && operation.is_none() => operation = Some(name),
                    (4, _) if space == ResolveResult::Unbound => parameters.push((name, String::new())),
                    _ => return Err(format!("unexpected element {name}")),
                }
            }
            Event::End(_) => depth = depth.saturating_sub(1),
            Event::Text(part) if depth == 4 => add(&mut parameters, &part.decode().map_err(|error| error.to_string())?),
            Event::GeneralRef(part) if depth == 4 => {
                let entity = part.decode().map_err(|error| error.to_string())?;
                let plain = quick_xml::escape::unescape(&format!("&{entity};"))
                    .map_err(|error| error.to_string())?
                    .into_owned();
                add(&mut parameters, &plain);
            }
            Event::Text(part) if part.trim_ascii().is_empty() => {}
            Event::Decl(_) => {}
            Event::Eof if depth == 0 => break,
            other => return Err(format!("unexpected {other:?}").chars().take(80).collect()),
        }
    }
    Ok((operation.ok_or("no operation")?, parameters))
}

fn add(parameters: &mut [(String, String)], text: &str) {
    if let Some((_, value)) = parameters.last_mut() {
        value.push_str(text);
    }
}

/// An answer with this result, with the white space that servers put around it.
pub(super) fn answer(operation: &str, json: &str) -> Response {
    let json = json.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    xml(
        StatusCode::OK,
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<SOAP-ENV:Envelope xmlns:SOAP-ENV=\"{ENVELOPE}\">\n  <SOAP-ENV:Header/>\n  \
             <SOAP-ENV:Body>\n    <ns1:{operation}Response xmlns:ns1=\"{SERVICE}\">\n      <{operation}Result>\n        {json}\n      \
             </{operation}Result>\n    </ns1:{operation}Response>\n  </SOAP-ENV:Body>\n</SOAP-ENV:Envelope>\n"
        ),
    )
}

/// What a request that breaks the contract gets.
pub(super) fn fault(why: &str) -> Response {
    let why: String = why.chars().filter(|c| !matches!(c, '<' | '>' | '&')).collect();
    xml(
        StatusCode::INTERNAL_SERVER_ERROR,
        format!(
            "<SOAP-ENV:Envelope xmlns:SOAP-ENV=\"{ENVELOPE}\"><SOAP-ENV:Body><SOAP-ENV:Fault><faultcode>SOAP-ENV:Client</faultcode>\
             <faultstring>{why}</faultstring></SOAP-ENV:Fault></SOAP-ENV:Body></SOAP-ENV:Envelope>"
        ),
    )
}

fn xml(status: StatusCode, text: String) -> Response {
    (status, [(header::CONTENT_TYPE, "text/xml; charset=utf-8")], text).into_response()
}

/// The description of the service. Its address is a decoy, as at the vendor: callers use the one that they were given.
pub(super) fn description() -> Response {
    const DECOY: &str = "http://192.0.2.10/GESTIONCINEMAWS_WEB/awws/GestionCinemaWS.awws";
    let (mut types, mut messages, mut ports, mut bindings) =
        (String::new(), String::new(), String::new(), String::new());
    for (name, parameters) in OPERATIONS {
        let elements = parameters.iter().fold(String::new(), |mut all, (parameter, is_int)| {
            let kind = if *is_int { "int" } else { "string" };
            let _infallible = write!(all, "<xsd:element name=\"{parameter}\" type=\"xsd:{kind}\"/>");
            all
        });
        let result = format!("<xsd:element name=\"{name}Result\" type=\"xsd:string\"/>");
        for (element, inside) in [(name.to_owned(), elements), (format!("{name}Response"), result)] {
            let _infallible = write!(
                types,
                "<xsd:element name=\"{element}\" type=\"s:t{element}\"/><xsd:complexType name=\"t{element}\"><xsd:sequence>{inside}\
                 </xsd:sequence></xsd:complexType>"
            );
        }
        for (side, element) in [("In", name.to_owned()), ("Out", format!("{name}Response"))] {
            let _infallible = write!(
                messages,
                "<message name=\"GestionCinemaWS_{name}_Message{side}\"><part name=\"parameters\" element=\"s:{element}\"/></message>"
            );
        }
        let _infallible = write!(
            ports,
            "<operation name=\"{name}\"><input message=\"s:GestionCinemaWS_{name}_MessageIn\"/>\
             <output message=\"s:GestionCinemaWS_{name}_MessageOut\"/></operation>"
        );
        let _infallible = write!(
            bindings,
            "<operation name=\"{name}\"><soap:operation soapAction=\"{SERVICE}/{name}\" style=\"document\"/>\
             <input><soap:body use=\"literal\"/></input><output><soap:body use=\"literal\"/></output></operation>"
        );
    }
    xml(
        StatusCode::OK,
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<definitions name=\"GestionCinemaWS\" targetNamespace=\"{SERVICE}\" \
             xmlns=\"http://schemas.xmlsoap.org/wsdl/\" xmlns:soap=\"http://schemas.xmlsoap.org/wsdl/soap/\" \
             xmlns:xsd=\"http://www.w3.org/2001/XMLSchema\" xmlns:s=\"{SERVICE}\"><types><xsd:schema targetNamespace=\"{SERVICE}\" \
             elementFormDefault=\"unqualified\">{types}</xsd:schema></types>{messages}\
             <portType name=\"GestionCinemaWSSOAPPortType\">{ports}</portType>\
             <binding name=\"GestionCinemaWSSOAPBinding\" type=\"s:GestionCinemaWSSOAPPortType\">\
             <soap:binding style=\"document\" transport=\"http://schemas.xmlsoap.org/soap/http\"/>{bindings}</binding>\
             <service name=\"GestionCinemaWS\"><port name=\"GestionCinemaWSSOAPPort\" binding=\"s:GestionCinemaWSSOAPBinding\">\
             <soap:address location=\"{DECOY}\"/></port></service></definitions>\n"
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::{Operation, envelope};

    const ACTION: Option<&str> = Some("\"urn:GestionCinemaWS/AnnulationPassCulture\"");

    fn request() -> String {
        envelope(Operation::Cancel, &[("User", "u&<v>"), ("mdp", ""), ("pQrCode", "CINE1")])
    }

    fn refused(body: &str, action: Option<&str>) -> String {
        read(body.as_bytes(), action).expect_err(body)
    }

    #[test]
    fn a_request_is_read_with_or_without_its_action_and_quotes() {
        for action in [ACTION, None, Some("urn:GestionCinemaWS/AnnulationPassCulture")] {
            let (operation, parameters) = read(request().as_bytes(), action).unwrap();
            assert_eq!(operation, "AnnulationPassCulture");
            let values: Vec<&str> = parameters.iter().map(|(_, value)| value.as_str()).collect();
            assert_eq!(values, ["u&<v>", "", "CINE1"]);
        }
    }

    #[test]
    fn what_breaks_the_contract_is_a_fault() {
        let good = request();
        assert!(refused(&good, Some("\"urn:GestionCinemaWS/ReservationPassCulture\"")).contains("disagree"));
        for broken in [
            good.replace(SERVICE, "urn:Other"),
            good.replace(ENVELOPE, "http://www.w3.org/2003/05/soap-envelope"),
            good.replace("<mdp></mdp>", ""),
            good.replace("<mdp></mdp>", "<ns0:mdp></ns0:mdp>"),
            good.replace("<mdp></mdp>", "<mdp></mdp><mdp></mdp>"),
            good.replace("User", "Utilisateur"),
            good.replace("AnnulationPassCulture", "Annulation"),
            good.replace("</soap-env:Body>", ""),
            good.replace("CINE1", "<a/>"),
            String::new(),
        ] {
            refused(&broken, None);
        }
        let (first, rest) = good.split_once("<User>").unwrap();
        let (user, rest) = rest.split_once("<mdp>").unwrap();
        refused(&format!("{first}<mdp></mdp><User>{user}{}", rest.replacen("</mdp>", "", 1)), None);
        let number =
            envelope(Operation::Book, &OPERATIONS[1].1.iter().map(|(name, _)| (*name, "1.5")).collect::<Vec<_>>());
        assert!(refused(&number, None).contains("pIDSeances"));
    }
}
