//! Workbooks as shops send them: the same columns and rules as a text file.
//!
//! `.xlsx` files are written by `rust_xlsxwriter`, `.ods` and hostile ones by hand as small archives; the `.xls` is a recorded fixture
//! of invented rows (written once with `xlwt`).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::io::Write as _;

use common::{Pulled, fixture, pull_bytes, refusal};
use passerelle_contract::{Class, Context};
use rust_xlsxwriter::{ExcelDateTime, Format, Formula, Workbook, Worksheet};
use serde_json::{Value, json};

const HEADER: [&str; 4] = ["EAN13", "Titre", "PV TTC", "Stock"];

fn head(sheet: &mut Worksheet) {
    for (column, name) in (0..).zip(HEADER) {
        sheet.write(0, column, name).unwrap();
    }
}

/// One row with a reference, a price and a quantity as numbers.
fn row(sheet: &mut Worksheet, row: u32, ean: f64, price: f64, copies: f64) {
    sheet.write(row, 0, ean).unwrap();
    sheet.write(row, 1, "Titre\tavec \"guillemets\"").unwrap();
    sheet.write(row, 2, price).unwrap();
    sheet.write(row, 3, copies).unwrap();
}

async fn read(book: &mut Workbook, more: Value) -> Pulled {
    pull_bytes("stock.xlsx", &book.save_to_buffer().unwrap(), more).await.unwrap()
}

#[tokio::test]
async fn numbers_are_references_prices_and_quantities_and_nothing_else_is() {
    let mut book = Workbook::new();
    let sheet = book.add_worksheet();
    head(sheet);
    row(sheet, 1, 9_782_999_999_107.0, 18.9, 3.0);
    row(sheet, 2, 9_782_999_999_114.0, 0.1 + 0.2 + 7.6, 0.0);
    // Rounded, and without its leading zeros: two reasons.
    row(sheet, 3, 9_782_990_000_000.0, 10.0, 1.0);
    row(sheet, 4, 201_633_612.0, 10.0, 1.0);
    // A disc, whose first zero does not count.
    row(sheet, 5, 602_435_931_975.0, 9.999, 1.0);
    for (at, format) in (6..).zip(["0%", "dd/mm/yyyy", "[$CHF-100C] #,##0.00"]) {
        row(sheet, at, 9_782_999_999_121.0, 0.0, 1.0);
        sheet.write_number_with_format(at, 2, 46.0, &Format::new().set_num_format(format)).unwrap();
    }
    row(sheet, 9, 9_782_999_999_121.0, 0.0, 1.0);
    sheet.write_formula(9, 2, Formula::new("1/0").set_result("#DIV/0!")).unwrap();
    row(sheet, 11, 9_782_999_999_138.0, 0.0, 1.0);
    sheet.write_formula(11, 2, Formula::new("5+5").set_result("10")).unwrap();
    row(sheet, 12, 9_782_999_999_145.0, 1.125, 2.0);
    sheet.write(13, 0, "9782999999152").unwrap();
    sheet.write(13, 2, "12,50 €").unwrap();
    sheet.write(13, 3, "4").unwrap();
    let found = read(&mut book, json!({})).await;
    let currency = found.lines[7].trim_start_matches("9 ");
    assert!(currency.ends_with("Currency"), "{currency}");
    assert_eq!(
        found.lines[..9],
        [
            "2 good 9782999999107 1890 3",
            "3 good 9782999999114 790 0",
            "4 LossyReference",
            "5 BadLength",
            "6 good 0602435931975 1000 1",
            "7 BadNumber",
            "8 BadNumber",
            "9 Currency",
            "10 BadNumber",
        ]
        .map(|line| line.replace("Currency", currency))
    );
    assert_eq!(
        found.lines[9..12],
        ["12 good 9782999999138 1000 1", "13 good 9782999999145 113 2", "14 good 9782999999152 1250 4"]
    );
    assert_eq!(found.lines.last().unwrap(), "end Snapshot");
}

#[tokio::test]
async fn the_name_of_a_workbook_does_not_matter_and_its_settings_are_those_of_a_text() {
    let mut book = Workbook::new();
    let sheet = book.add_worksheet();
    sheet.write(0, 0, "Export du 6 mars").unwrap();
    for (column, name) in (2..).zip(["Code", "Prix achat", "Prix", "Dispo"]) {
        sheet.write(3, column, name).unwrap();
    }
    for (column, value) in (2..).zip([9_782_999_999_107.0, 4.0, 12.5, 6.0]) {
        sheet.write(5, column, value).unwrap();
    }
    sheet.write(7, 2, "Total").unwrap();
    let settings = json!({
        "columns": { "ean": "Code", "quantity": "Dispo", "price": { "name": "Prix", "decimal": "comma" } },
        "file": { "delimiter": ";", "encoding": "cp850", "stop_at": "Total" }
    });
    let found = pull_bytes("stock.csv", &book.save_to_buffer().unwrap(), settings).await.unwrap();
    assert_eq!(found.lines[0], "6 good 9782999999107 1250 6", "{:?}", found.lines);
}

#[tokio::test]
async fn the_one_sheet_that_shows_something_is_read_and_hidden_rows_are_told() {
    let mut book = Workbook::new();
    let sheet = book.add_worksheet().set_name("Stock").unwrap();
    head(sheet);
    row(sheet, 1, 9_782_999_999_107.0, 18.9, 3.0);
    row(sheet, 2, 9_782_999_999_114.0, 7.9, 1.0);
    sheet.set_row_hidden(2).unwrap();
    book.add_worksheet().set_name("Vide").unwrap();
    let hidden = book.add_worksheet().set_name("Ancien").unwrap();
    head(hidden);
    row(hidden, 1, 9_782_999_999_121.0, 1.0, 1.0);
    hidden.set_hidden(true);
    let found = read(&mut book, json!({})).await;
    assert_eq!(found.lines, ["2 good 9782999999107 1890 3", "3 good 9782999999114 790 1", "end Snapshot"]);
    assert!(
        found.warnings.iter().any(|warning| warning.starts_with("1 rows of the workbook are hidden")),
        "{:?}",
        found.warnings
    );
    let named = read(&mut book, json!({ "file": { "sheet": "ancien" } })).await;
    assert_eq!(named.lines[0], "2 good 9782999999121 100 1");

    let second = book.add_worksheet().set_name("Commandes").unwrap();
    second.write(0, 0, "x").unwrap();
    let bytes = book.save_to_buffer().unwrap();
    let several = refusal("stock.xlsx", &bytes, json!({})).await;
    assert!(several.context.contains("file.sheet") && several.context.contains("\"Commandes\""), "{several}");
    let missing = refusal("stock.xlsx", &bytes, json!({ "file": { "sheet": "Livres" } })).await;
    assert_eq!((missing.class, missing.code), (Class::Data, "Unreadable"), "{missing}");
}

#[tokio::test]
async fn an_old_workbook_is_read() {
    let (path, expected) = fixture("workbook-xls");
    let found = common::pull(&common::at_once(&path, json!({})), Context::default()).await.unwrap();
    assert_eq!(found.lines, expected);
}

#[tokio::test]
async fn a_formula_whose_value_the_workbook_does_not_hold_is_no_blank_cell() {
    let cells = |row: u32, price: &str, copies: &str| {
        format!(
            r#"<row r="{row}"><c r="A{row}"><v>9782999999107</v></c><c r="B{row}">{price}</c><c r="C{row}">{copies}</c></row>"#
        )
    };
    let header = r#"<row r="1"><c r="A1" t="str"><v>EAN13</v></c><c r="B1" t="str"><v>PV TTC</v></c><c r="C1" t="str"><v>Stock</v></c></row>"#;
    let sheet = format!(
        "<worksheet><sheetData>{header}{}{}{}</sheetData></worksheet>",
        cells(2, "<v>7.9</v>", "<f>1+1</f><v></v>"),
        cells(3, "<f>D3*1.055</f>", "<v>2</v>"),
        cells(4, "<f>D3*1.055</f><v>7.9</v>", ""),
    );
    let settings = json!({ "values": { "blank_quantity": "zero" } });
    let found = pull_bytes("stock.xlsx", &xlsx(&sheet), settings).await.unwrap();
    assert_eq!(found.lines, ["2 BadNumber", "3 BadNumber", "4 good 9782999999107 790 0", "end Snapshot"]);
}

/// The smallest workbook with this sheet.
fn xlsx(sheet: &str) -> Vec<u8> {
    archive(&[
        ("[Content_Types].xml", b"<Types/>"),
        (
            "_rels/.rels",
            br#"<Relationships><Relationship Id="r1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="xl/workbook.xml"/></Relationships>"#,
        ),
        (
            "xl/workbook.xml",
            br#"<workbook xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"><sheets><sheet name="Stock" sheetId="1" r:id="r1"/></sheets></workbook>"#,
        ),
        (
            "xl/_rels/workbook.xml.rels",
            br#"<Relationships><Relationship Id="r1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet" Target="worksheets/sheet1.xml"/></Relationships>"#,
        ),
        ("xl/worksheets/sheet1.xml", sheet.as_bytes()),
    ])
}

/// An archive with these entries.
fn archive(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, bytes) in entries {
        archive.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
        archive.write_all(bytes).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

fn ods(tables: &str) -> Vec<u8> {
    let content = format!(
        r#"<?xml version="1.0"?><office:document-content><office:automatic-styles><style:style style:name="ta2"><style:table-properties table:display="false"/></style:style></office:automatic-styles><office:body><office:spreadsheet>{tables}</office:spreadsheet></office:body></office:document-content>"#
    );
    archive(&[("mimetype", b"application/vnd.oasis.opendocument.spreadsheet"), ("content.xml", content.as_bytes())])
}

fn text_cell(text: &str) -> String {
    format!(r#"<table:table-cell office:value-type="string"><text:p>{text}</text:p></table:table-cell>"#)
}

fn number_cell(kind: &str, value: &str) -> String {
    format!(
        r#"<table:table-cell office:value-type="{kind}" office:value="{value}"><text:p>shown</text:p></table:table-cell>"#
    )
}

fn ods_row(attributes: &str, ean: &str, price: &str, copies: &str) -> String {
    format!(
        r#"<table:table-row {attributes}>{}{}{price}{copies}<table:table-cell table:number-columns-repeated="1020"/></table:table-row>"#,
        number_cell("float", ean),
        text_cell("A &amp; B<office:annotation><text:p>note</text:p></office:annotation>"),
    )
}

#[tokio::test]
async fn open_document_sheets_are_read_with_their_repetitions_and_hidden_rows() {
    let header: String = HEADER.map(text_cell).concat();
    let (price, one) = (number_cell("float", "18.9"), number_cell("float", "1"));
    let rows = [
        format!("<table:table-row>{header}</table:table-row>"),
        ods_row("", "9782999999107", &price, &number_cell("float", "3")),
        r#"<table:table-row table:number-rows-repeated="2"><table:table-cell table:number-columns-repeated="1024"/></table:table-row>"#.to_owned(),
        ods_row(r#"table:visibility="filter""#, "9782999999114", &number_cell("currency", "7.9"), &one),
        ods_row("", "9782999999121", &number_cell("percentage", "0.5"), &one),
        ods_row("", "9782999999121", r#"<table:table-cell table:formula="of:=1+1"/>"#, &one),
        ods_row("", "9782999999121", r#"<table:table-cell office:value-type="currency" office:currency="CHF" office:value="9"/>"#, &one),
        ods_row("", "9782999999121", r#"<table:table-cell office:value-type="date" office:date-value="2026-09-18"/>"#, &one),
        ods_row("", "9782999999138", &text_cell("12,50"), &one),
        r#"<table:table-row table:number-rows-repeated="1048000"><table:table-cell table:number-columns-repeated="1024"/></table:table-row>"#.to_owned(),
    ]
    .concat();
    let hidden = format!(
        r#"<table:table table:name="Ancien" table:style-name="ta2"><table:table-row>{header}</table:table-row></table:table>"#
    );
    let book = ods(&format!(r#"{hidden}<table:table table:name="Stock">{rows}</table:table>"#));
    let found = pull_bytes("stock.ods", &book, json!({})).await.unwrap();
    assert!(found.lines[4].ends_with("Currency"), "{:?}", found.lines);
    assert_eq!(
        found.lines,
        [
            "2 good 9782999999107 1890 3",
            "5 good 9782999999114 790 1",
            "6 BadNumber",
            "7 BadNumber",
            found.lines[4].as_str(),
            "9 BadNumber",
            "10 good 9782999999138 1250 1",
            "end Snapshot"
        ]
    );
    assert!(
        found.warnings.iter().any(|warning| warning.contains("1 rows of the workbook are hidden")),
        "{:?}",
        found.warnings
    );
}

#[tokio::test]
async fn what_is_no_workbook_or_unpacks_without_end_is_refused() {
    let bomb = format!("<sheetData>{}", "<row r=\"1\"/>".repeat(2 << 20));
    let long = format!("<sheetData><c><v>{}", "9".repeat(2 << 20));
    let parts = |sheet: &str| {
        archive(&[
            ("[Content_Types].xml", b"<Types/>"),
            ("xl/workbook.xml", b"<workbook/>"),
            ("xl/worksheets/sheet1.xml", sheet.as_bytes()),
        ])
    };
    for (bytes, code) in [
        (parts(&bomb), "Unreadable"),
        (parts(&long), "Unreadable"),
        (parts("<worksheet/>"), "NotAStockFile"),
        (archive(&[("[Content_Types].xml", b"<Types/>"), ("word/document.xml", b"<a/>")]), "NotAStockFile"),
        (archive(&[("xl/workbook.bin", b"x")]), "NotAStockFile"),
        (b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1 and nothing of a workbook".to_vec(), "NotAStockFile"),
        (
            archive(&[("mimetype", b"application/vnd.oasis.opendocument.text"), ("content.xml", b"<a/>")]),
            "NotAStockFile",
        ),
    ] {
        let error = refusal("stock.xlsx", &bytes, json!({})).await;
        assert_eq!((error.class, error.code), (Class::Data, code), "{error}");
    }
    // One cell, repeated over a whole sheet.
    let row = r#"<table:table-row table:number-rows-repeated="1048576"><table:table-cell table:number-columns-repeated="16384" office:value-type="float" office:value="1.5"/></table:table-row>"#;
    let endless = ods(&format!(r#"<table:table table:name="a">{row}</table:table>"#));
    assert_eq!(refusal("stock.ods", &endless, json!({})).await.code, "Unreadable");
}

#[tokio::test]
async fn whatever_is_broken_in_a_workbook_is_refused_and_never_a_panic() {
    let mut book = Workbook::new();
    let sheet = book.add_worksheet();
    head(sheet);
    for at in 1..40 {
        row(sheet, at, 9_782_999_999_107.0, 18.9, 3.0);
    }
    sheet.write(40, 2, ExcelDateTime::from_ymd(2026, 9, 18).unwrap()).unwrap();
    let (xls, _) = fixture("workbook-xls");
    for whole in [book.save_to_buffer().unwrap(), std::fs::read(xls).unwrap()] {
        for at in (0..whole.len()).step_by(whole.len() / 60) {
            let mut damaged = whole.clone();
            damaged[at] ^= 0x55;
            let _either = pull_bytes("stock.xlsx", &damaged, json!({})).await;
            let _either = pull_bytes("stock.xlsx", &whole[..at], json!({})).await;
        }
    }
}
