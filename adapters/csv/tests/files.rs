//! Files as shops send them, read from disk: what is a fact, what is kept apart and why, what is refused whole.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::io::Write as _;

use common::{at_once, fixture, lines_of, pull, pull_bytes, refusal};
use passerelle_contract::{Class, Context};
use serde_json::json;

const HEADER: &str = "EAN13;Titre;PV TTC;Stock\n";

#[tokio::test]
async fn the_recorded_files_give_the_rows_their_scenarios_say() {
    let scenarios = [
        ("windows-1252-full", json!({})),
        ("art-asc", json!({})),
        (
            "preamble-footer",
            json!({ "file": { "stop_at": "^(RÉSUMÉ|Total)" },
            "columns": { "ean": "Code Barre", "price": { "name": "Prix (€)", "unit": "euro" }, "quantity": "Stock" } }),
        ),
        ("no-price", json!({ "columns": { "ean": { "index": 1 }, "quantity": { "index": 2 } } })),
        (
            "delta",
            json!({ "file": { "mode": "by_name", "mode_by_name": [{ "glob": "*_delta_*", "mode": "delta" }] },
            "columns": { "ean": { "index": 1 }, "price": { "index": 2 }, "quantity": { "index": 3 } } }),
        ),
    ];
    for (scenario, settings) in scenarios {
        let (path, expected) = fixture(scenario);
        let pulled = pull(&at_once(&path, settings), Context::default()).await.unwrap();
        assert_eq!(pulled.lines, expected, "{scenario}");
    }
}

#[tokio::test]
async fn every_encoding_gives_the_same_rows() {
    let text = "EAN13;Libellé;PV TTC;Stock\r\n9782999999107;Été;18,90\u{A0}€;1\u{A0}200\r\n";
    let utf16: Vec<u8> = [0xFF, 0xFE].into_iter().chain(text.encode_utf16().flat_map(u16::to_le_bytes)).collect();
    let latin = |nbsp: u8, euro: u8, e: u8, cap: u8| -> Vec<u8> {
        text.chars()
            .map(|c| match c {
                '\u{A0}' => nbsp,
                '€' => euro,
                'é' => e,
                'É' => cap,
                c => c as u8,
            })
            .collect()
    };
    for (bytes, encoding) in [
        (text.as_bytes().to_vec(), "auto"),
        ([b"\xEF\xBB\xBF", text.as_bytes()].concat(), "auto"),
        (utf16.clone(), "auto"),
        (utf16[2..].to_vec(), "utf-16le"),
        (latin(0xA0, 0x80, 0xE9, 0xC9), "auto"),
        (latin(0xA0, 0xA4, 0xE9, 0xC9), "iso-8859-15"),
        (latin(0xA0, 0xA4, 0xE9, 0xC9), "auto"),
    ] {
        let found = lines_of(&bytes, json!({ "file": { "encoding": encoding } })).await;
        assert_eq!(found, ["2 good 9782999999107 1890 1200", "end Snapshot"], "{encoding}");
    }
    let dos = latin(0xFF, b' ', 0x82, 0x90);
    assert_eq!(lines_of(&dos, json!({ "file": { "encoding": "cp850" } })).await[0], "2 good 9782999999107 1890 1200");
    assert_eq!(refusal("stock.csv", &utf16[2..], json!({})).await.code, "BadEncoding");
}

#[tokio::test]
async fn what_is_not_a_stock_file_is_refused_by_name() {
    for (name, bytes) in [
        ("stock.csv", b"<!DOCTYPE html><html>".as_slice()),
        ("stock.csv", b"\r\n <HTML><body>"),
        ("stock.csv", b"A00013025590000000\r\nB0002\r\n"),
        ("catalogue.tit", b"9782999999107~x~y\r\n"),
        ("stock.csv", b"\xD0\xCF\x11\xE0aaaa"),
        ("stock.csv", b"{\"stocks\": []}"),
    ] {
        let error = refusal(name, bytes, json!({})).await;
        assert_eq!((error.class, error.code), (Class::Data, "NotAStockFile"), "{name} {error}");
    }
    assert_eq!(
        refusal("stock.csv", &zipped(&[("[Content_Types].xml", b"x"), ("xl/a", b"b")]), json!({})).await.code,
        "NotAStockFile"
    );
}

#[tokio::test]
async fn a_header_that_cannot_be_understood_is_shown_with_a_mapping_to_paste() {
    let error = refusal("stock.csv", b"EAN13;Titre;Prix achat;PV TTC;Stock\n9782999999107;a;1;2;3\n", json!({})).await;
    assert_eq!((error.class, error.code), (Class::Data, "HeaderMismatch"));
    for part in ["Prix achat", "ean = \"EAN13\"", "quantity = \"Stock\"", "name = \"PV TTC\""] {
        assert!(error.context.contains(part), "{part} in {error}");
    }
    let trade = "Code article;EAN13;Px Achat;Px Vente TTC;Qté dispo\nA1;9782999999107;9,00;18,90;3\nA2;9782999999114;4,00;7,90;0\n";
    let error = refusal("stock.csv", trade.as_bytes(), json!({})).await;
    for part in
        ["ean = \"EAN13\"", "quantity = \"Qté dispo\"", "name = \"Px Vente TTC\"", "line 2: EAN13 \"9782999999107\""]
    {
        assert!(error.context.contains(part), "{part} in {error}");
    }
    // What was found and reads nothing is told with three rows and with what would work.
    let codes = trade.to_owned() + "A3;9782999999121;4,00;7,90;0\n";
    let wrong = json!({ "columns": { "ean": "Code article", "quantity": "Qté dispo", "price": "Px Vente TTC" } });
    let pulled = pull_bytes("stock.csv", codes.as_bytes(), wrong).await.unwrap();
    let told = pulled.warnings.join("\n");
    assert!(told.contains("none of the 3 rows could be kept") && told.contains("line 4"), "{told}");
    assert!(told.contains("ean = \"EAN13\"") && !told.contains("quantity ="), "{told}");
    let renamed = refusal("stock.csv", HEADER.as_bytes(), json!({ "columns": { "quantity": "Qté" } })).await;
    assert!(renamed.context.contains("no column is named Qté"), "{renamed}");
}

#[tokio::test]
async fn a_file_with_a_header_only_or_nothing_at_all_is_an_empty_snapshot() {
    assert_eq!(lines_of(HEADER.as_bytes(), json!({})).await, ["end Snapshot"]);
    assert_eq!(lines_of(b"", json!({})).await, ["end Snapshot"]);
}

#[tokio::test]
async fn one_bad_line_costs_one_line_and_keeps_its_number() {
    let filler = "9782999999114;y;7,90;1\n".repeat(10_000);
    let text = format!(
        "{HEADER}9782999999107;\"a;18,90;3\n{filler}9782999999107;trop;18,90;3;x;y\n\n9782999999108;z;1;1\n9782999999107;\"deux\nlignes\";18,90;3\n9782999999107;z;1,00;2\n"
    );
    let found = lines_of(text.as_bytes(), json!({})).await;
    assert_eq!(found[0], "2 BadLine");
    assert_eq!(found[1], "3 good 9782999999114 790 1");
    assert_eq!(
        found[10_001..],
        [
            "10003 BadLine",
            "10005 BadCheckDigit",
            "10006 good 9782999999107 1890 3",
            "10008 good 9782999999107 100 2",
            "end Snapshot",
        ]
    );
}

#[tokio::test]
async fn a_last_line_cut_in_its_middle_makes_the_pass_partial() {
    let cut =
        pull_bytes("stock.csv", format!("{HEADER}9782999999107;a;18,90;3\n9782999999114;b;7").as_bytes(), json!({}))
            .await
            .unwrap();
    assert_eq!(cut.lines, ["2 good 9782999999107 1890 3", "3 BadLine", "end Partial"]);
    assert_eq!(cut.warnings.len(), 1);
    let fixed = b"EXTRACTION STOCK DU 05/03/2026\r\n6505978299999910700030000001890\r\n65059782999";
    assert_eq!(lines_of(fixed, json!({})).await, ["2 good 9782999999107 1890 3", "3 BadLine", "end Partial"]);
}

#[tokio::test]
async fn art_asc_lines_of_another_width_or_shop_are_kept_apart() {
    let text = b"6505978299999910700030000001890\n65059782999999107100000000001890\n650597829999991070003000000189\n6506978299999911400010000000790\n6505978299999911400010000000000\n";
    let found = lines_of(text, json!({ "file": { "format": "art-asc" }, "filters": { "shop_equals": "6505" } })).await;
    assert_eq!(
        found,
        ["1 good 9782999999107 1890 3", "2 BadLine", "3 BadLine", "4 FilteredOut", "5 ZeroPrice", "end Snapshot"]
    );
    let wide =
        lines_of(b"00006505978299999910700030000001890\n", json!({ "file": { "format": "art-asc", "shop_width": 8 } }))
            .await;
    assert_eq!(wide[0], "1 good 9782999999107 1890 3");
}

#[tokio::test]
async fn odd_bytes_and_hints_do_not_stop_a_file() {
    let text = "sep=;\r\n\u{FEFF}EAN13;Titre;PV TTC;Stock\r\n9782999999107\0;\0a;18,90;3\r\n\u{FEFF}9782999999114;=HYPERLINK(\"x\");7,90;1\r\n\u{1A}\0";
    assert_eq!(
        lines_of(text.as_bytes(), json!({})).await,
        ["3 good 9782999999107 1890 3", "4 good 9782999999114 790 1", "end Snapshot"]
    );
    let cut = pull_bytes(
        "stock.csv",
        format!("{HEADER}9782999999107;a;18,90;3\n\u{1A}9782999999114;b;7,90;1\n").as_bytes(),
        json!({}),
    )
    .await
    .unwrap();
    assert_eq!(cut.lines, ["2 good 9782999999107 1890 3", "3 BehindEnd", "end Partial"]);
}

#[tokio::test]
async fn filters_and_values_do_what_the_settings_say() {
    let text = "ean;stock;prix;Rayon;Etat;Réservé;Magasin\n9782999999107;5;18,90;BD;Neuf;2;1\n9782999999114;oui;7,90;Papeterie;N;;1\n9782999999121;;7,90;BD;Neuf;;1\n9782999999107;1;9,00;BD;Très bon;;1\n9782999999107;1;9,00;BD;Neuf;;2\n2000000012346;1;9,00;BD;Neuf;;1\n9782999999138;oui;1,999;BD;;0;1\n";
    let settings = json!({
        "columns": { "ean": "ean", "price": "prix", "quantity": { "name": "stock", "minus": "Réservé" }, "condition": "Etat", "shop": "Magasin" },
        "filters": { "drop_if": [{ "column": "Rayon", "regex": "(?i)papeterie" }], "ean_prefix_drop": ["2"], "shop_equals": "1" },
        "values": { "quantity_map": { "Oui": 1 } }
    });
    assert_eq!(
        lines_of(text.as_bytes(), settings).await,
        [
            "2 good 9782999999107 1890 3",
            "3 FilteredOut",
            "4 MissingQuantity",
            "5 UsedCopy",
            "6 FilteredOut",
            "7 FilteredOut",
            "8 good 9782999999138 200 1",
            "note 8 RoundedPrice",
            "end Snapshot",
        ]
    );
}

#[tokio::test]
async fn fixed_columns_are_counted_in_characters() {
    let settings = json!({ "file": { "format": "fixed" }, "columns": { "title": { "pos": 0, "len": 5 }, "ean": { "pos": 5, "len": 13 },
        "quantity": { "pos": 18, "len": 3 }, "price": { "pos": 21, "len": 6 } } });
    let found = lines_of("Été  9782999999107  3 18,90\nHiver9782999999114  1\n".as_bytes(), settings).await;
    assert_eq!(found, ["1 good 9782999999107 1890 3", "2 BadLine", "end Snapshot"]);
}

#[tokio::test]
async fn a_delete_file_needs_no_price() {
    let settings = json!({ "file": { "mode": "by_name", "mode_by_name": [{ "glob": "*.del", "mode": "delete" }] } });
    let found = pull_bytes("s.del", b"EAN;Stock\n9782999999107;3\n", settings).await.unwrap();
    assert_eq!(found.lines, ["2 good 9782999999107 0 0", "end Delta"]);
}

#[tokio::test]
async fn a_file_still_being_written_is_left_alone() {
    let waiting = refusal("stock.csv", HEADER.as_bytes(), json!({ "file": { "settle_seconds": 600 } })).await;
    assert_eq!((waiting.class, waiting.code), (Class::Waiting, "FileIncomplete"));
    let wait = waiting.retry_after.unwrap().as_secs();
    assert!((590..=601).contains(&wait) && waiting.context.contains("is read in"), "{wait} {waiting}");
    let marked = refusal("stock.csv", HEADER.as_bytes(), json!({ "file": { "marker": ".ok" } })).await;
    assert_eq!((marked.class, marked.retry_after.is_some()), (Class::Waiting, true), "{marked}");
    let missing = pull(&json!({ "path": "no-such-file.csv" }), Context::default()).await.err().unwrap();
    assert_eq!((missing.class, missing.code), (Class::Data, "Unreadable"));
}

fn zipped(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, bytes) in entries {
        archive.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
        archive.write_all(bytes).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

#[tokio::test]
async fn archives_are_read_and_those_that_never_end_are_refused() {
    let text = format!("{HEADER}9782999999107;a;18,90;3\n");
    let expected = ["2 good 9782999999107 1890 3", "end Snapshot"];
    assert_eq!(lines_of(&gzipped(text.as_bytes()), json!({})).await, expected);
    assert_eq!(lines_of(&zipped(&[("../../stock.csv", text.as_bytes())]), json!({})).await, expected);
    assert_eq!(refusal("s.zip", &zipped(&[("a.csv", b"x"), ("b.csv", b"y")]), json!({})).await.code, "Unreadable");
    let bomb = format!("{text}{}", "z".repeat(40 << 20));
    for bytes in [gzipped(bomb.as_bytes()), zipped(&[("a.csv", bomb.as_bytes())])] {
        let error = refusal("s.csv", &bytes, json!({})).await;
        assert_eq!((error.class, error.code), (Class::Data, "Unreadable"), "{error}");
    }
    let whole = gzipped(text.as_bytes());
    assert_eq!(refusal("s.gz", &whole[..whole.len() - 9], json!({})).await.code, "FileIncomplete");
}

#[tokio::test]
async fn the_probes_tell_what_they_saw_and_the_schema_names_its_keys() {
    let (path, _) = fixture("windows-1252-full");
    let adapter = (passerelle_csv::DESCRIPTOR.connect)(&at_once(&path, json!({})), Context::default()).unwrap();
    let probes = adapter.probes();
    assert_eq!(probes.iter().map(|probe| probe.kind.name()).collect::<Vec<_>>(), ["reach", "read-one"]);
    for probe in &probes {
        assert!(!(probe.ask)().await.unwrap().saw.is_empty());
    }
    let schema = (passerelle_csv::DESCRIPTOR.settings_schema)();
    for key in ["path", "url", "file", "columns", "filters", "values", "limits"] {
        assert!(schema["properties"][key].is_object(), "{key}");
    }
}
