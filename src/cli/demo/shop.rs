//! The demonstration's bookshop: its titles and its stock files.

use std::fmt::Write as _;

use passerelle_contract::Ean;

/// References in the demonstration shop.
const TITLES: u64 = 240;

/// An EAN from an imprint that publishes nothing: 978-2-999999.
pub(super) fn title(number: u64) -> Ean {
    let body = format!("9782999999{:02}", number % 100);
    let body = if number < 100 { body } else { format!("97829999{:04}", number) };
    let sum: u32 =
        body.bytes().enumerate().map(|(at, digit)| u32::from(digit - b'0') * if at % 2 == 0 { 1 } else { 3 }).sum();
    let key = (10 - sum % 10) % 10;
    // The key was computed for these very digits.
    Ean::from_digits(format!("{body}{key}").as_bytes()).unwrap_or(Ean::MIN)
}

/// A title that is in the shop but not in pass Culture's base.
pub(super) fn unknown_title() -> Ean {
    title(TITLES + 1)
}

const HEADER: &str = "EAN13;Titre;PV TTC;Stock\n";

fn line(number: u64, cents: u64, copies: u64) -> String {
    format!("{};Titre {number};{},{:02};{copies}\n", title(number), cents / 100, cents % 100)
}

fn price(number: u64) -> u64 {
    590 + number * 37 % 3_000
}

pub(super) fn first_stock() -> String {
    let mut text = HEADER.to_owned();
    for number in 1..TITLES {
        text.push_str(&line(number, price(number), 1 + number % 7));
    }
    text.push_str(&line(TITLES + 1, 1_850, 2));
    text.push_str("9782999999108;Clé fausse;12,00;1\n9,78299999912E+12;Abîmé par un tableur;22,00;2\n");
    text.push_str("2000000012344;Carnet maison;6,50;12\n");
    let _ = writeln!(text, "{};Coffret de luxe;349,00;1", title(TITLES + 2));
    text
}

pub(super) fn second_stock() -> String {
    let mut text = HEADER.to_owned();
    // The first title is gone; three sold a copy; one costs more; the last one of the base arrived.
    for number in 2..=TITLES {
        let sold = u64::from(matches!(number, 10 | 20 | 30));
        let dearer = if number == 40 { 100 } else { 0 };
        text.push_str(&line(number, price(number) + dearer, 1 + number % 7 - sold));
    }
    text.push_str(&line(TITLES + 1, 1_850, 2));
    text
}

pub(super) fn cut_stock() -> String {
    second_stock().lines().take(11).fold(String::new(), |text, line| text + line + "\n")
}

/// The product base of pass Culture, as the sandbox reads it.
pub(super) fn products() -> String {
    let mut products = String::new();
    for number in 1..=TITLES {
        let _ = write!(
            products,
            "{}{{\"ean\":\"{}\",\"name\":\"Titre {number}\",\"category\":\"LIVRE_PAPIER\",\"status\":\"COMPATIBLE\"}}",
            if number == 1 { "" } else { "," },
            title(number)
        );
    }
    products
}
