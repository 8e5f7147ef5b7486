//! Every envelope that was thought of, good and hostile.

use proptest::prelude::*;

use super::*;

const JSON: &str = r#"{"CodeErreur":0,"Titre":"R&B <3"}"#;
/// The same as XML writes it.
const ESCAPED: &str = r#"{"CodeErreur":0,"Titre":"R&amp;B &lt;3"}"#;

fn around(inside: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<SOAP-ENV:Envelope xmlns:SOAP-ENV=\"{ENVELOPE}\"><SOAP-ENV:Header/>\
         <SOAP-ENV:Body>{inside}</SOAP-ENV:Body></SOAP-ENV:Envelope>"
    )
}

fn with(result: &str) -> String {
    around(&format!(
        "<ns1:ReservationPassCultureResponse xmlns:ns1=\"{SERVICE}\">{result}</ns1:ReservationPassCultureResponse>"
    ))
}

fn envelope(text: &str) -> String {
    with(&format!("<ReservationPassCultureResult>{text}</ReservationPassCultureResult>"))
}

fn parse(body: &str) -> Result<Content, &'static str> {
    read(body.as_bytes(), None, Operation::Book)
}

fn result(body: &str) -> String {
    match parse(body) {
        Ok(Content::Result(text)) => text,
        other => panic!("{other:?} of {body}"),
    }
}

fn why(body: &str) -> &'static str {
    parse(body).expect_err(body)
}

#[test]
fn text_and_sections_in_any_mixture_are_one_text() {
    let (first, second) = JSON.split_at(16);
    for inside in [
        ESCAPED.to_owned(),
        format!("\n    {ESCAPED}\n  "),
        format!("<![CDATA[{JSON}]]>"),
        format!("<![CDATA[{first}]]><![CDATA[{second}]]>"),
        format!(" <![CDATA[{first}]]>{}<!-- no part of it -->", second.replace('&', "&#38;").replace('<', "&#x3C;")),
    ] {
        assert_eq!(result(&envelope(&inside)), JSON, "{inside}");
    }
    assert_eq!(result(&envelope("&quot;&apos;&gt;&#233;&#x1F3AC;")), "\"'>é🎬");
}

#[test]
fn prefixes_namespaces_of_the_result_and_what_stands_beside_it_do_not_matter() {
    let plain = format!(
        "<Envelope xmlns=\"{ENVELOPE}\"><Body><other xmlns=\"urn:x\"><deep/></other>\
         <ReservationPassCultureResponse xmlns=\"{SERVICE}\"><Before a=\"1\">x</Before>\
         <ReservationPassCultureResult>1</ReservationPassCultureResult><After><b/></After>\
         </ReservationPassCultureResponse></Body></Envelope>\n<!-- end -->\n"
    );
    assert_eq!(result(&plain), "1");
}

#[test]
fn marks_white_space_and_character_sets_are_read_as_declared() {
    let good = envelope("\u{e9}t\u{e9}");
    assert_eq!(result(&format!("\u{feff}{good}")), "été");
    assert_eq!(result(&format!("\r\n  {good}")), "été");
    let latin = |text: &str| text.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect::<Vec<u8>>();
    let declared = good.replace("UTF-8", "ISO-8859-1");
    let read_as = |body: &[u8], charset| read(body, charset, Operation::Book);
    let ete = Ok(Content::Result("été".to_owned()));
    assert_eq!(read_as(&latin(&declared), None), ete);
    assert_eq!(read_as(&latin(&good), charset(Some("text/xml; Charset=\"iso-8859-1\""))), ete);
    // The header counts more than the declaration.
    assert_eq!(read_as(declared.as_bytes(), Some("UTF-8")), ete);
    assert!(read_as(&latin(&good), None).is_err());
    assert_eq!(why(&good.replace("UTF-8", "UTF-7")), "its character set is not one that is known here");
    assert_eq!(charset(Some("text/xml")), None);
    assert_eq!(charset(None), None);
}

#[test]
fn what_is_no_answer_is_refused() {
    for (body, reason) in [
        (String::new(), "it has no result"),
        ("   ".to_owned(), "it has no result"),
        ("out of order".to_owned(), "it has text outside its root"),
        ("<!doctype html><title>Maintenance</title>".to_owned(), "it has a document type, which is refused"),
        ("<html><body><p>Maintenance</p></body></html>".to_owned(), "it is no SOAP envelope"),
        ("<html><p>Maintenance<br></html>".to_owned(), "it is no SOAP envelope"),
        ("{\"CodeErreur\":0}".to_owned(), "it has text outside its root"),
        (envelope("\"R&B\""), "it is no well-formed XML"),
        (envelope(ESCAPED).replace("</SOAP-ENV:Body>", ""), "it is no well-formed XML"),
        (envelope(ESCAPED)[..300].to_owned(), "it is no well-formed XML"),
        (envelope(ESCAPED).split("</ns1:").next().unwrap().to_owned(), "it is cut off"),
        (envelope(""), "its result is empty"),
        (envelope(" \n "), "its result is empty"),
        (with("<ReservationPassCultureResult xsi:nil=\"true\"/>"), "its result is empty"),
        (with(""), "it has no result"),
        (around(""), "it has no result"),
        (envelope("<a/>"), "its result has elements inside"),
        (envelope("{\"x\": <b>1</b>}"), "its result has elements inside"),
        (
            with("<ReservationPassCultureResult>1</ReservationPassCultureResult>").replace(SERVICE, "urn:Other"),
            "an element is of a foreign namespace",
        ),
        (
            envelope("1").replace(ENVELOPE, "http://www.w3.org/2003/05/soap-envelope"),
            "an element is of a foreign namespace",
        ),
        (envelope("1").replace("ReservationPassCulture", "AnnulationPassCulture"), "it has no result"),
        (with(&"<ReservationPassCultureResult>1</ReservationPassCultureResult>".repeat(2)), "it has two results"),
        (format!("{}<b/>", envelope("1")), "it is no SOAP envelope"),
        (envelope("&#0;"), "a character cannot be read"),
        (envelope("&#xD800;"), "a character cannot be read"),
        (envelope("&#x1F;"), "a character cannot be read"),
        (envelope("&eacute;"), "it names an entity, which is refused"),
    ] {
        assert_eq!(why(&body), reason, "{body}");
    }
}

#[test]
fn document_types_and_entities_are_refused_before_anything_is_expanded() {
    let types = [
        "<!DOCTYPE lolz [<!ENTITY a \"ha\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;&a;&a;\"><!ENTITY d \"&b;&b;&b;&b;&b;&b;\">]>",
        "<!DOCTYPE r [<!ENTITY d SYSTEM \"file:///etc/hostname\">]>",
        "<!DOCTYPE r SYSTEM \"http://192.0.2.1/x.dtd\">",
        "<!DOCTYPE r [<!ENTITY % p SYSTEM \"http://192.0.2.1/p\"> %p;]>",
    ];
    for kind in types {
        let body = envelope("{\"QrCode\":\"&d;\"}").replacen('\n', kind, 1);
        assert_eq!(why(&body), "it has a document type, which is refused", "{kind}");
    }
    assert_eq!(why(&envelope("&d;")), "it names an entity, which is refused");
    let include =
        "<xi:include xmlns:xi=\"http://www.w3.org/2001/XInclude\" href=\"file:///etc/hostname\" parse=\"text\"/>";
    assert_eq!(why(&envelope(include)), "its result has elements inside");
}

#[test]
fn depth_and_numbers_are_bounded() {
    let deep = |levels: usize| around(&format!("{}{}", "<a>".repeat(levels), "</a>".repeat(levels)));
    assert_eq!(why(&deep(30)), "it has no result");
    assert_eq!(why(&deep(31)), "its elements are nested too deep");
    assert_eq!(why(&deep(100_000)), "its elements are nested too deep");
    let attributes: String = (0..100_000).map(|n| format!(" a{n}=\"1\"")).collect();
    assert_eq!(
        result(&with(&format!("<a{attributes}/><ReservationPassCultureResult>1</ReservationPassCultureResult>"))),
        "1"
    );
    // Name spaces without end would make each look-up slow.
    let spaces: String = (0..100_000).map(|n| format!(" xmlns:a{n}=\"u\"")).collect();
    assert_eq!(why(&with(&format!("<a{spaces}/>"))), "it is no well-formed XML");
    let many = with(&"<a/>".repeat(200_000));
    assert_eq!(why(&many), "it has no result");
}

#[test]
fn a_fault_is_a_fault_in_its_own_words() {
    let fault = around(
        "<SOAP-ENV:Fault><faultcode>SOAP-ENV:Server</faultcode> <faultstring>Erreur\nserveur</faultstring>\
        <detail>kept out</detail></SOAP-ENV:Fault>",
    );
    assert_eq!(parse(&fault), Ok(Content::Fault("SOAP-ENV:ServerErreur serveur".to_owned())));
    let endless = around(&format!("<SOAP-ENV:Fault><faultstring>{}</faultstring></SOAP-ENV:Fault>", "x".repeat(5_000)));
    assert!(matches!(parse(&endless), Ok(Content::Fault(text)) if text.len() == MAX_FAULT_BYTES));
    // Even beside a result.
    let both = envelope("1").replace("</SOAP-ENV:Body>", "<SOAP-ENV:Fault/></SOAP-ENV:Body>");
    assert_eq!(parse(&both), Ok(Content::Fault(String::new())));
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), at in 0_usize..600, inside in "\\PC{0,60}") {
        let _ = read(&bytes, None, Operation::Book);
        let mut body = envelope(&inside).into_bytes();
        let at = at.min(body.len());
        body.splice(at..at, bytes);
        let _ = read(&body, Some("iso-8859-1"), Operation::Book);
        let _ = read(&body, None, Operation::Book);
    }

    #[test]
    fn what_is_escaped_comes_back(text in "\\PC{1,60}") {
        let mut escaped = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        escaped.insert(0, '|');
        let expected = format!("|{text}");
        prop_assert_eq!(result(&envelope(&escaped)), expected.trim());
    }
}
