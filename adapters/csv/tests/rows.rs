//! One row is one row: quotes, widths, ends of files, numbers and codes as shops send them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{Pulled, lines_of, pull_bytes, refusal};
use passerelle_contract::{Class, Quantity};
use serde_json::{Value, json};

const HEADER: &str = "EAN13;Titre;PV TTC;Stock";

/// `9782999…` with a right check digit.
fn ean(number: usize) -> String {
    let body = format!("978299900{number:03}");
    (0..10).map(|key| format!("{body}{key}")).find(|ean| ean.parse::<passerelle_contract::Ean>().is_ok()).unwrap()
}

/// Rows `EAN;title;10,00;2` with these numbers.
fn books(numbers: std::ops::Range<usize>) -> String {
    numbers.map(|number| format!("{};Livre {number};10,00;2\n", ean(number))).collect()
}

async fn read(text: &str) -> Pulled {
    read_as(text, json!({})).await
}

async fn read_as(text: &str, settings: Value) -> Pulled {
    pull_bytes("stock.csv", text.as_bytes(), settings).await.unwrap()
}

fn good(line: usize, number: usize, cents: u32, copies: u32) -> String {
    format!("{line} good {} {cents} {copies}", ean(number))
}

fn told(pulled: &Pulled, text: &str) -> bool {
    pulled.warnings.iter().any(|warning| warning.contains(text))
}

#[tokio::test]
async fn words_in_quotes_at_the_beginning_of_titles_swallow_no_row() {
    for (first, last) in [
        ("\"Art\" et autres", "Le mot \"fin\""),
        ("\"Art\" et autres", "\"Bis\" suivi de \"Ter\""),
        ("\"Il dit \"oui\"\"", "\"Autre\""),
        ("\"Art\" et autres", "Livre 9"),
    ] {
        let text = format!("{HEADER}\n{};{first};18,90;3\n{}{};{last};7,50;8\n", ean(1), books(2..9), ean(9));
        let found = read(&text).await;
        assert_eq!(found.lines.len(), 10, "{text}");
        assert_eq!(found.lines[0], good(2, 1, 1890, 3));
        assert_eq!(found.lines[8..], [good(10, 9, 750, 8), "end Snapshot".into()], "{text}");
        assert!(told(&found, "quotes: "), "{first}");
    }
}

#[tokio::test]
async fn a_title_before_the_reference_takes_nobodys_price() {
    let text = format!(
        "Titre;EAN13;PV TTC;Stock\n\"Art\" et autres;{};18,90;3\nLivre;{};10,00;2\nLe mot \"fin\";{};7,50;8\n",
        ean(1),
        ean(2),
        ean(3)
    );
    let expected = [good(2, 1, 1890, 3), good(3, 2, 1000, 2), good(4, 3, 750, 8), "end Snapshot".into()];
    assert_eq!(read(&text).await.lines, expected);
}

#[tokio::test]
async fn a_row_of_several_lines_is_one_and_is_told() {
    let text =
        format!("{HEADER};Remarque\n{};\"deux\n\"\"lignes\"\"\";18,90;3;\"à\nvoir\"\n{};x;7,90;1;\n", ean(1), ean(2));
    let found = read(&text).await;
    assert_eq!(found.lines, [good(2, 1, 1890, 3), good(5, 2, 790, 1), "end Snapshot".into()]);
    assert!(told(&found, "2 lines more than rows"), "{:?}", found.warnings);
}

#[tokio::test]
async fn a_text_may_speak_of_another_book() {
    let text = format!("{HEADER};Résumé\n{};x;18,90;3;\"Suite de\n{}\nparu\"\n{}", ean(1), ean(5), books(2..3));
    assert_eq!(read(&text).await.lines, [good(2, 1, 1890, 3), good(5, 2, 1000, 2), "end Snapshot".into()]);
}

#[tokio::test]
async fn quotes_behind_a_backslash_are_found_out_and_told() {
    let rows =
        format!("\"{}\";\"L'affaire \\\"D\\\"; suite\";\"18,90\";\"3\"\n\"{}\";\"x\";\"7,90\";\"1\"\n", ean(1), ean(2));
    let found = read(&format!("\"EAN13\";\"Titre\";\"PV TTC\";\"Stock\"\n{rows}")).await;
    assert_eq!(found.lines, [good(2, 1, 1890, 3), good(3, 2, 790, 1), "end Snapshot".into()]);
    assert!(told(&found, "backslash"));
}

#[tokio::test]
async fn lone_quotes_beside_a_delimiter_cost_their_row() {
    let text = format!("{HEADER}\n{};\"La mort de \"X\"; quoi ?\";18,90;3\n{}", ean(1), books(2..4));
    let found = read(&text).await;
    assert_eq!(found.lines, ["2 BadLine".into(), good(3, 2, 1000, 2), good(4, 3, 1000, 2), "end Snapshot".to_owned()]);
    assert_eq!(found.errors[0].legible.eans, [ean(1).parse().unwrap()]);
}

#[tokio::test]
async fn a_quote_that_never_closes_before_the_end_withdraws_nothing() {
    let text = format!("{HEADER}\n{}{};\"Livre sans fin;10,00;2\n{}", books(1..100), ean(100), books(101..110));
    let found = read(&text).await;
    assert_eq!(found.lines[99], "101 BadLine");
    assert_eq!((found.lines.len(), found.lines.last().unwrap().as_str()), (110, "end Partial"));
    assert!(told(&found, "line 101") && told(&found, "nothing is withdrawn"), "{:?}", found.warnings);
}

#[tokio::test]
async fn decimal_commas_between_commas_never_become_another_price() {
    let header = "EAN13,Titre,PV TTC,Stock";
    let (a, b) = (ean(1), ean(2));
    for (text, expected) in [
        // A blank cell too many, and only in the shifted row.
        (format!("{header},Rayon\n{a},x,18,90,3,\n{b},y,7.90,1,BD\n"), "2 BadLine"),
        // The header's own blank cell.
        (format!("{header},\n{a},x,18,90,3\n{b},y,7.90,1,\n"), "2 BadLine"),
        // The cells that were left out make room for the shift.
        (format!("{header},Rayon,Remarque\n{a},x,18,90,3\n{b},y,7.90,1,BD,\n"), "2 BadLine"),
        (format!("{header},Rayon\n{b},y,7.90,1,BD\n{a},x,12,50,3,\n{a},x,12,50,3\n"), "3 BadLine"),
    ] {
        let found = read(&text).await;
        assert!(found.lines.contains(&expected.to_owned()), "{text}{:?}", found.lines);
        assert_eq!(found.lines.iter().filter(|line| line.contains("good")).count(), 1, "{text}{:?}", found.lines);
    }
    let numbers = json!({ "columns": { "ean": { "index": 1 }, "price": { "index": 2 }, "quantity": { "index": 3 } } });
    let rows: String = (1..9).map(|number| format!("{},1{number},50,{number}\n", ean(number))).collect();
    let error = refusal("stock.csv", rows.as_bytes(), numbers.clone()).await;
    assert_eq!((error.class, error.code), (Class::Data, "HeaderMismatch"));
    assert!(error.context.contains("decimal commas"), "{error}");
    let titled: String = (1..9).map(|number| format!("{},x,1{number},50,{number}\n", ean(number))).collect();
    let error = refusal("stock.csv", format!("{header}\n{titled}").as_bytes(), json!({})).await;
    assert!(error.context.contains("decimal commas"), "{error}");
    let whole: String = (1..9).map(|number| format!("{},1{number}.50,{number},BD\n", ean(number))).collect();
    assert_eq!(read_as(&whole, numbers).await.lines.len(), 9);
}

#[tokio::test]
async fn cells_that_nobody_reads_may_be_left_out_or_blank_in_all_rows() {
    let short = format!("{HEADER};Remarque\n{};x;10,00;2;\n{};y;10,00;2\n", ean(1), ean(2));
    assert_eq!(read(&short).await.lines, [good(2, 1, 1000, 2), good(3, 2, 1000, 2), "end Snapshot".into()]);
    let blank = format!("{HEADER}\n{};x;10,00;2;;\n{};y;10,00;2;;\n", ean(1), ean(2));
    assert_eq!(read(&blank).await.lines, [good(2, 1, 1000, 2), good(3, 2, 1000, 2), "end Snapshot".into()]);
    let one = format!("{HEADER}\n{};x;10,00;2;\n{};y;10,00;2\n", ean(1), ean(2));
    assert_eq!(read(&one).await.lines[0], "2 BadLine");
}

#[tokio::test]
async fn totals_remarks_and_the_shops_own_articles_are_no_products() {
    let text = format!(
        "{HEADER}\n{}CARTE-0022;Carte;1,50;10\n;;;\n\"\";\"\";;\nTotal;;;1 350\nFin de l'export\n;Remarque;;\n{HEADER}\n",
        books(1..4)
    );
    let found = read(&text).await;
    assert_eq!((found.lines.len(), found.skipped, found.errors.len()), (4, 7, 0), "{:?}", found.lines);
    assert_eq!(found.lines[3], "end Snapshot");
    let codes = read(&format!("{HEADER}\n1234567;x;1,50;1\n40123455;y;1,50;1\n97829999991;z;1;1\n")).await;
    assert_eq!(codes.lines, ["2 InternalCode", "3 InternalCode", "4 BadLength", "end Snapshot"]);
}

#[tokio::test]
async fn a_row_that_cannot_be_read_names_the_references_that_stand_in_it() {
    let eans = |pulled: &Pulled| pulled.errors[0].legible.eans.iter().map(ToString::to_string).collect::<Vec<_>>();
    let shifted = read(&format!("Titre;EAN13;PV TTC;Stock\nUn; deux;{};10,00;2\n", ean(1))).await;
    assert_eq!((shifted.lines[0].as_str(), eans(&shifted)), ("2 BadLine", vec![ean(1)]));
    assert_eq!(shifted.errors[0].legible.cells.as_deref(), Some(&*format!("… | … | {} | 10,00 | 2", ean(1))));
    let long =
        read(&format!("{HEADER};Résumé\n{};x;10,00;2;\"{}\"\n{}", ean(1), "x".repeat(70_000), books(2..3))).await;
    assert_eq!((long.lines[0].as_str(), eans(&long)), ("2 BadLine", vec![ean(1)]));
    assert_eq!(long.lines[1], good(3, 2, 1000, 2));
    let rounded = read(&format!("{HEADER}\n9,78299E+12;x;10,00;2\n9782998000000;y;1,00;1\n")).await;
    assert_eq!(rounded.lines, ["2 LossyReference", "3 BadCheckDigit", "end Snapshot"]);
    assert!(rounded.errors[0].message.contains("scientific notation"));
    let begins: Vec<_> = rounded.errors.iter().map(|error| error.legible.begins_with.as_deref()).collect();
    assert_eq!(begins, [Some("97829"), Some("978299")]);
    let used =
        read_as(&format!("{HEADER};Etat\n{};x;4,00;1;Bon\n", ean(1)), json!({ "columns": { "condition": "Etat" } }))
            .await;
    assert_eq!(
        (used.lines[0].as_str(), eans(&used)),
        ("2 UsedCopy", Vec::<String>::new()),
        "a used copy names no new one"
    );
}

#[tokio::test]
async fn an_error_message_at_the_end_is_no_end() {
    for message in [
        "<br />\n<b>Fatal error</b>: Allowed memory size exhausted<br />\n",
        "Erreur 12 : connexion perdue",
        "ORA-01555: snapshot too old\n",
        "Maximum execution time of 30 seconds exceeded\n",
        "MySQL server has gone away",
    ] {
        let found = read(&format!("{HEADER}\n{}{message}", books(1..20))).await;
        assert_eq!(found.lines.last().unwrap(), "end Partial", "{message}");
        assert!(told(&found, "error message") || told(&found, "stops in its middle"), "{:?}", found.warnings);
    }
    let titled = format!("{HEADER}\n{};Fatal error;10,00;2\nException;;;\n", ean(1));
    assert_eq!(read(&titled).await.lines.last().unwrap(), "end Snapshot");
    let inside = format!("{HEADER}\n{}Warning: undefined index\n{}", books(1..5), books(5..9));
    assert_eq!(read(&inside).await.lines.last().unwrap(), "end Snapshot");
}

#[tokio::test]
async fn an_end_of_file_character_before_more_rows_withdraws_nothing() {
    let title = format!("{HEADER}\n{}{};L\u{1A}t\u{1A};10,00;2\n{}", books(1..4), ean(4), books(5..8));
    let found = read(&title).await;
    assert_eq!((found.lines.len(), found.lines.last().unwrap().as_str()), (8, "end Partial"));
    // At a line's start, where one buffer ends and the next begins.
    let edge = 256 * 1024 - 1;
    let mut rows = format!("{HEADER}\n");
    while rows.len() < edge - 200 {
        rows.push_str(&books(1..2));
    }
    let tail = format!("{};10,00;2\n", ean(2));
    let title = "x".repeat(edge - rows.len() - tail.len() - 1);
    rows.push_str(&tail.replacen(';', &format!(";{title};"), 1));
    assert_eq!(rows.len(), edge);
    let found = read(&format!("{rows}\u{1A}{}", books(3..5))).await;
    assert_eq!(
        found.lines[found.lines.len() - 3..],
        [
            format!("{} BehindEnd", rows.lines().count() + 1),
            format!("{} BehindEnd", rows.lines().count() + 2),
            "end Partial".to_owned()
        ]
    );
    assert!(told(&found, "0x1A"));
    let plain = read(&format!("{HEADER}\n{};x;10,00;2\u{1A}", ean(1))).await;
    assert_eq!(plain.lines, [good(2, 1, 1000, 2), "end Snapshot".into()]);
}

#[tokio::test]
async fn reading_stops_only_where_no_row_follows() {
    let settings = json!({ "file": { "stop_at": "^(Total|TOTAL)" }, "columns": { "ean": "EAN13", "price": "PV TTC", "quantity": "Stock" } });
    let header = "Titre;EAN13;PV TTC;Stock";
    let row = |title: &str, number: usize| format!("{title};{};10,00;2\n", ean(number));
    let book = format!("{header}\n{}{}Total;;;4\n12345678;x\n", row("Total Khéops", 1), row("Livre", 2));
    let found = read_as(&book, settings.clone()).await;
    assert_eq!(found.lines, [good(2, 1, 1000, 2), good(3, 2, 1000, 2), "end Snapshot".into()]);
    assert_eq!(found.skipped, 2);
    let between =
        format!("{header}\n{}Total du rayon;;;2\n12345678;x\n{}TOTAL;;;4\n", row("Livre", 1), row("Livre", 2));
    let found = read_as(&between, settings).await;
    assert_eq!(found.lines, [good(2, 1, 1000, 2), "4 BadLine".into(), good(5, 2, 1000, 2), "end Snapshot".into()]);
    assert_eq!(found.skipped, 2);
}

#[tokio::test]
async fn a_second_header_ends_what_the_first_one_explained() {
    let joined = format!("EAN13;Stock;PV TTC\n{};2;10,00\nEAN13;PV TTC;Stock\n{};12;3\n", ean(1), ean(2));
    let found = read(&joined).await;
    assert_eq!(found.lines, [good(2, 1, 1000, 2), "4 SecondHeader".into(), "end Partial".into()]);
    assert_eq!((found.skipped, &found.errors[0].legible.eans[..]), (1, &[ean(2).parse().unwrap()][..]));
    assert!(told(&found, "second header"));
    let twice = format!("{HEADER}\n{}{HEADER}\n{}", books(1..3), books(1..3));
    let found = read(&twice).await;
    assert_eq!((found.lines.len(), found.skipped, found.lines.last().unwrap().as_str()), (5, 1, "end Snapshot"));
    let numbers = json!({ "columns": { "ean": { "index": 1 }, "price": { "index": 3 }, "quantity": { "index": 4 } }, "file": { "header": "none" } });
    let found = read_as(&twice, numbers).await;
    assert_eq!((found.lines.len(), found.skipped), (5, 2), "{:?}", found.lines);
}

#[tokio::test]
async fn a_quantity_and_a_price_are_two_statements() {
    let text = |price: &str, copies: &str| format!("{HEADER}\n{};x;{price};{copies}\n", ean(1));
    for price in ["", "NC", "-5", "0", "0,01", "abc", "1,250"] {
        assert_eq!(read(&text(price, "0")).await.lines[0], good(2, 1, 0, 0), "{price}");
        let left = read(&text(price, "2")).await;
        assert_eq!(left.errors[0].legible.quantity, Some(Quantity::Exactly(2)), "{price}");
        assert_eq!(left.errors[0].legible.eans, [ean(1).parse().unwrap()]);
    }
    assert_eq!(read(&text("0", "2")).await.lines[0], "2 ZeroPrice");
    assert_eq!(read(&text("0,01", "2")).await.lines[0], "2 PriceBelowFloor");
    let lower = json!({ "limits": { "min_price_cents": 1 } });
    assert_eq!(read_as(&text("0,01", "2"), lower).await.lines[0], good(2, 1, 1, 2));
    assert_eq!(read(&text("350,00", "0")).await.lines[0], good(2, 1, 35_000, 0));
    let blank = read(&text("10,00", "")).await;
    assert_eq!((blank.lines[0].as_str(), blank.errors[0].legible.quantity), ("2 MissingQuantity", None));
    assert_eq!(read(&text("10,00", &ean(2))).await.lines[0], good(2, 1, 1000, u32::MAX), "for the gateway to judge");
}

#[tokio::test]
async fn numbers_that_could_be_two_are_read_as_their_neighbours_or_refused() {
    let rows = |column: &[(&str, &str)]| {
        let rows: String = column
            .iter()
            .enumerate()
            .map(|(at, (price, copies))| format!("{};x;{price};{copies}\n", ean(at + 1)))
            .collect();
        format!("{HEADER}\n{rows}")
    };
    let found = lines_of(rows(&[("1,250", "1"), ("7.90", "1")]).as_bytes(), json!({})).await;
    assert_eq!(found[0], good(2, 1, 125_000, 1));
    let found = lines_of(rows(&[("1.250", "2"), ("150", "1"), ("2 400", "1")]).as_bytes(), json!({})).await;
    assert_eq!(found[0], "2 AmbiguousNumber");
    let found = lines_of(
        rows(&[("9.00", "3.000"), ("9.00", "0.000"), ("9.00", "1.500"), ("9.00", "-1.000")]).as_bytes(),
        json!({}),
    )
    .await;
    let expected = [
        good(2, 1, 900, 3),
        good(3, 2, 900, 0),
        "4 BadNumber".into(),
        good(5, 4, 900, 0),
        "note 5 NegativeQuantityClamped".into(),
    ];
    assert_eq!(found[..5], expected);
    let found = lines_of(rows(&[("9.00", "1.500"), ("9.00", "3.000")]).as_bytes(), json!({})).await;
    assert_eq!(found[..2], ["2 AmbiguousNumber", "3 AmbiguousNumber"]);
    let cents =
        json!({ "columns": { "ean": "EAN13", "quantity": "Stock", "price": { "name": "PV TTC", "unit": "cent" } } });
    let found = lines_of(rows(&[("1.890", "1"), ("18,90", "1"), ("790", "1")]).as_bytes(), cents).await;
    assert_eq!(found[..3], [good(2, 1, 1890, 1), "3 BadNumber".into(), good(4, 3, 790, 1)]);
    let found = lines_of(rows(&[("10,00", "3-"), ("10,00", "(2)"), ("10,005", "2")]).as_bytes(), json!({})).await;
    assert_eq!(found[..3], [good(2, 1, 1000, 0), good(3, 2, 1000, 0), good(4, 3, 1001, 2)]);
    for damaged in ["12-mars", "mars-90", "#N/A", "#VALEUR!", "=C2*1,055", "1,29E+01"] {
        assert_eq!(lines_of(rows(&[(damaged, "1")]).as_bytes(), json!({})).await[0], "2 BadNumber", "{damaged}");
    }
}

#[tokio::test]
async fn a_blank_place_beside_a_number_holds_nothing() {
    let settings =
        json!({ "columns": { "ean": "EAN13", "price": "PV TTC", "quantity": { "sum_of": ["Magasin", "Réserve"] } } });
    let text = format!(
        "EAN13;PV TTC;Magasin;Réserve\n{};10,00;3;\n{};10,00;;2\n{};10,00;;\n{};10,00;x;\n",
        ean(1),
        ean(2),
        ean(3),
        ean(4)
    );
    let expected = [
        good(2, 1, 1000, 3),
        good(3, 2, 1000, 2),
        "4 MissingQuantity".into(),
        "5 BadNumber".into(),
        "end Snapshot".into(),
    ];
    assert_eq!(lines_of(text.as_bytes(), settings).await, expected);
}

#[tokio::test]
async fn a_suffix_is_what_the_settings_say() {
    let text = format!("{HEADER}\n{}-01;x;4,00;1\n{};y;12,00;2\n{}.00;z;9,00;1\n", ean(1), ean(1), ean(2));
    let read = async |rule: &str| {
        lines_of(text.as_bytes(), json!({ "values": { "reference_suffix": rule } })).await[0].clone()
    };
    assert_eq!(read("reject").await, "2 ReferenceSuffix");
    assert_eq!(read("used").await, "2 UsedCopy");
    assert_eq!(read("ignore").await, good(2, 1, 400, 1));
    let plain = lines_of(text.as_bytes(), json!({})).await;
    assert_eq!(plain[..3], ["2 ReferenceSuffix".into(), good(3, 1, 1200, 2), good(4, 2, 900, 1)]);
}

#[tokio::test]
async fn prices_in_another_currency_are_refused_and_their_quantities_heard() {
    let text = format!(
        "EAN13;Prix;Devise;Stock\n{};29,00;CHF;3\n{};250;XPF;0\n{};7,90;EUR;2\n{};7,90;;2\n",
        ean(1),
        ean(2),
        ean(3),
        ean(4)
    );
    for settings in [json!({}), json!({ "columns": { "ean": "EAN13", "price": "Prix", "quantity": "Stock" } })] {
        let found = read_as(&text, settings).await;
        assert_eq!(found.lines[..4], ["2 Currency".into(), good(3, 2, 0, 0), good(4, 3, 790, 2), good(5, 4, 790, 2)]);
        assert_eq!(found.errors[0].legible.quantity, Some(Quantity::Exactly(3)));
    }
}

#[tokio::test]
async fn a_column_that_may_tell_used_copies_stops_automatic_columns() {
    for (name, values) in [
        ("bookcondition", ["Good", "New"]),
        ("État du livre", ["Bon", "Neuf"]),
        ("N/O", ["O", "N"]),
        ("Divers", ["Très bon", "Neuf"]),
    ] {
        let text = format!("{HEADER};{name}\n{};x;4,00;1;{}\n{};y;12,00;2;{}\n", ean(1), values[0], ean(2), values[1]);
        let error = refusal("stock.csv", text.as_bytes(), json!({})).await;
        assert_eq!((error.class, error.code), (Class::Data, "HeaderMismatch"), "{name}");
        assert!(error.context.contains(&format!("columns.condition = {name:?}")), "{error}");
        let written = json!({ "columns": { "ean": "EAN13", "price": "PV TTC", "quantity": "Stock" } });
        assert!(told(&read_as(&text, written).await, &format!("{name:?}")), "{name}");
        let mut condition = json!({ "columns": { "condition": name } });
        let found = read_as(&text, condition.clone()).await;
        assert_eq!(found.lines[..2], ["2 UsedCopy".into(), good(3, 2, 1200, 2)], "{name}");
        condition["filters"] = json!({ "keep_if": [{ "column": "condition", "in": [values[0], values[1]] }] });
        assert_eq!(read_as(&text, condition).await.lines[0], good(2, 1, 400, 1), "{name}");
    }
    let asked = format!("{HEADER};Livre usagé (O/N)\n{};x;4,00;1;O\n", ean(1));
    assert!(refusal("stock.csv", asked.as_bytes(), json!({})).await.context.contains("Livre usagé (O/N)"));
    let packed = format!("{HEADER};Conditionnement\n{};x;4,00;1;Carton\n", ean(1));
    assert_eq!(read(&packed).await.lines.len(), 2);
    let numbered = format!("No;{HEADER}\n1;{};x;4,00;1\n2;{};y;12,00;2\n", ean(1), ean(2));
    assert_eq!(read(&numbered).await.lines.len(), 3, "a number is no condition");
    let other = format!("{HEADER};Visible\n{};x;4,00;1;O\n{};y;12,00;2;N\n", ean(1), ean(2));
    assert_eq!(read(&other).await.lines.len(), 3, "O and N may be yes and no");
}

#[tokio::test]
async fn a_header_that_is_a_book_is_no_header() {
    let numbers = |header: Value| json!({ "file": { "header": header }, "columns": { "ean": { "index": 1 }, "price": { "index": 3 }, "quantity": { "index": 4 } } });
    for header in [json!("first"), json!({ "line": 1 })] {
        let error = refusal("stock.csv", books(1..5).as_bytes(), numbers(header)).await;
        assert!(error.code == "HeaderMismatch" && error.context.contains(&ean(1)), "{error}");
    }
    assert_eq!(read_as(&books(1..5), numbers(json!("none"))).await.lines.len(), 5);
}

#[tokio::test]
async fn a_number_that_a_line_break_cut_is_not_half_a_number() {
    let cut = format!("{HEADER}\n{}{};x;10,00;1\n5\n{}", books(1..3), ean(3), books(4..6));
    let found = read(&cut).await;
    assert_eq!(found.lines[2..5], ["4 BadLine".into(), "5 BadLine".into(), good(6, 4, 1000, 2)], "{:?}", found.lines);
    // Twelve digits of a reference can be another one's.
    let cut = "PV TTC;Stock;EAN13;Titre\n10,00;2;978207000003\n6;x\n";
    assert_eq!(read(cut).await.lines, ["2 BadLength", "end Snapshot"]);
    let first = format!("PV TTC;EAN13;Stock\n10,00;{};2\n1\n2,90;{};2\n", ean(1), ean(2));
    let found = read(&first).await;
    // The digit between two rows may belong to either.
    assert_eq!(found.lines, ["2 BadLine", "4 BadLine", "end Snapshot"]);
}

#[tokio::test]
async fn what_is_no_text_is_refused_by_what_it_is() {
    for (name, bytes, word) in [
        ("stock.xls", b"<table><tr><td>EAN13</td></tr></table>".as_slice(), "table of a web page"),
        ("stock.csv", b"\xEF\xBB\xBF<html xmlns:x=\"x\"><table border>", "table of a web page"),
        ("stock.csv", b"7z\xBC\xAF\x27\x1C\0\x04abc", "7z"),
        ("stock.csv", b"Rar!\x1A\x07\x01\0abc", "RAR"),
        ("stock.dbf", b"\x03\x1A\x03\x05\x03\0\0\0\x61\0\x20\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0EAN", "dBase"),
        ("stock.csv", b"%PDF-1.7\n%\xE2\xE3", "PDF"),
        ("stock.csv", b"\x01\x02\x03\x04\x05\x06\x0E\x0F9782999999107;1;2", "a program's own format"),
    ] {
        let error = refusal(name, bytes, json!({})).await;
        assert_eq!((error.class, error.code), (Class::Data, "NotAStockFile"), "{name} {error}");
        assert!(error.context.contains(word) && !error.to_string().contains(|c: char| c.is_control()), "{error}");
    }
}

#[tokio::test]
async fn old_and_wide_encodings_are_read_and_named() {
    let text = format!("EAN13;Libellé;PV TTC;Stock\n{};Été;18,90 €;3\n", ean(1));
    let expected = [good(2, 1, 1890, 3), "end Snapshot".into()];
    let units: Vec<u16> = text.encode_utf16().collect();
    let big: Vec<u8> = units.iter().copied().flat_map(u16::to_be_bytes).collect();
    let little: Vec<u8> = units.iter().copied().flat_map(u16::to_le_bytes).collect();
    for (bytes, right, other) in [(&big, "utf-16be", "utf-16le"), (&little, "utf-16le", "utf-16be")] {
        let error = refusal("stock.csv", bytes, json!({})).await;
        assert!(
            error.code == "BadEncoding" && error.context.contains(right) && !error.context.contains(other),
            "{error}"
        );
        assert_eq!(lines_of(bytes, json!({ "file": { "encoding": right } })).await, expected);
    }
    let marked = [b"\xFE\xFF".as_slice(), &big].concat();
    for encoding in ["auto", "utf-16be", "utf-16le"] {
        assert_eq!(
            lines_of(&marked, json!({ "file": { "encoding": encoding } })).await,
            expected,
            "the mark says which"
        );
    }
    let twice = [b"\xEF\xBB\xBF\xEF\xBB\xBF".as_slice(), text.as_bytes()].concat();
    assert_eq!(lines_of(&twice, json!({})).await, expected);
    let macintosh: Vec<u8> = text
        .chars()
        .map(|c| match c {
            'é' => 0x8E,
            'É' => 0x83,
            '€' => 0xDB,
            '\n' => b'\r',
            c => c as u8,
        })
        .collect();
    let settings = json!({ "file": { "encoding": "macintosh" }, "filters": { "keep_if": [{ "column": "Libellé", "in": ["Été"] }] } });
    assert_eq!(lines_of(&macintosh, settings).await, expected);
}
