//! Requests as the vendor already receives them: one envelope on one line, plain text escaped.
//!
//! Invariant: the bytes are those of the client that is in use today; parameters have no namespace and a fixed order. A request
//! holds the password and, for a sale, a person: it is shown to nobody.

/// Namespace of the operations.
pub(crate) const SERVICE: &str = "urn:GestionCinemaWS";
/// Namespace of the envelope.
pub(crate) const ENVELOPE: &str = "http://schemas.xmlsoap.org/soap/envelope/";

/// What can be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    /// Films and showtimes.
    List,
    /// Sells.
    Book,
    /// Voids.
    Cancel,
}

impl Operation {
    /// The vendor's name of it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::List => "GetSeancesPassCulture",
            Self::Book => "ReservationPassCulture",
            Self::Cancel => "AnnulationPassCulture",
        }
    }

    /// The value of the `SOAPAction` header; the quotes belong to it.
    pub(crate) fn action(self) -> String {
        format!("\"{SERVICE}/{}\"", self.name())
    }
}

/// The whole request; parameters in the order of the contract.
pub(crate) fn envelope(operation: Operation, parameters: &[(&str, &str)]) -> String {
    let name = operation.name();
    let mut text = format!(
        "<?xml version='1.0' encoding='utf-8'?>\n<soap-env:Envelope xmlns:soap-env=\"{ENVELOPE}\"><soap-env:Body>\
         <ns0:{name} xmlns:ns0=\"{SERVICE}\">"
    );
    for (parameter, value) in parameters {
        text.push('<');
        text.push_str(parameter);
        text.push('>');
        escape(&mut text, value);
        text.push_str("</");
        text.push_str(parameter);
        text.push('>');
    }
    text.push_str("</ns0:");
    text.push_str(name);
    text.push_str("></soap-env:Body></soap-env:Envelope>");
    text
}

fn escape(text: &mut String, value: &str) {
    for c in value.chars() {
        match c {
            '&' => text.push_str("&amp;"),
            '<' => text.push_str("&lt;"),
            '>' => text.push_str("&gt;"),
            c if is_xml(c) => text.push(c),
            // Nothing can carry it, and one such character would make the whole request unreadable.
            _ => {}
        }
    }
}

/// May XML hold this character?
pub(crate) const fn is_xml(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

#[cfg(test)]
mod tests {
    use sha2::{Digest as _, Sha256};

    use super::*;

    const WHO: [(&str, &str); 2] = [("User", "gateway_demo"), ("mdp", "p&ss<w>ord")];

    fn fingerprint(operation: Operation, parameters: &[(&str, &str)]) -> (usize, String) {
        let bytes = envelope(operation, &[&WHO, parameters].concat());
        (bytes.len(), hex::encode(Sha256::digest(&bytes)))
    }

    #[test]
    fn the_bytes_are_those_that_the_vendor_knows() {
        for (film, length, hash) in [
            ("0", 345, "00c0ed54df990734bea04ab3ee315359b88eeb3929489aae6e2c0e49741c6e2a"),
            ("990417", 350, "9c41ae1f6cfd1a21c7d46625bffc0f6a1f7ff11ab226299b1276f34f5a2a1aff"),
        ] {
            assert_eq!(fingerprint(Operation::List, &[("IDFilmAllocine", film)]), (length, hash.to_owned()), "{film}");
        }
        let sale = [
            ("pIDSeances", "402117"),
            ("pNumCinema", "421"),
            ("pPUTTC", "6.90"),
            ("pNBPlaces", "2"),
            ("pNom", "L'Hélias"),
            ("pPrenom", "Zoé"),
            ("pEmail", "zoe.lhelias@example.org"),
            ("pToken", "K7M2QX"),
            ("pDateLimiteAnnul", "2026-03-12T18:30:05.120000"),
            ("pTimeoutReservation", "8"),
        ];
        let hash = "025ffac7b6e934f96c88f2d880adb55f7e16efc9de895b6701aebefaf3c783cb";
        assert_eq!(fingerprint(Operation::Book, &sale), (632, hash.to_owned()));
        let hash = "3a4fb15cdc0c5223cf8fb79b46faba4d9d4e7984c248b0a00f0617145cb5dec9";
        assert_eq!(fingerprint(Operation::Cancel, &[("pQrCode", "CINE421000118834")]), (346, hash.to_owned()));
    }

    #[test]
    fn an_empty_value_is_an_empty_element_and_what_xml_cannot_hold_is_left_out() {
        let text = envelope(Operation::Book, &[("pPrenom", ""), ("pNom", "a\u{0}b\u{1b}\u{ffff}c")]);
        assert!(text.contains("<pPrenom></pPrenom><pNom>abc</pNom>"), "{text}");
        assert_eq!(Operation::Cancel.action(), "\"urn:GestionCinemaWS/AnnulationPassCulture\"");
    }
}
