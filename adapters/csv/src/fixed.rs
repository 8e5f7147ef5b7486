//! The 31-character stock file (`{shop}_ART.asc`) that several unrelated programs write for Place des Libraires.
//!
//! Shop number, EAN, quantity, price in cents, nothing between them. Its first line states a date, which is only used to
//! notice a stale file: the programs that write it get it wrong in several ways.

use jiff::civil::Date;

use crate::dialect::Dialect;
use crate::mapping::{At, Mapping, Width};
use crate::plan::Plan;
use crate::reader::Syntax;

const TITLE: &[u8] = b"EXTRACTION STOCK DU";
const EAN_LEN: usize = 13;
const QUANTITY_LEN: usize = 4;
const PRICE_LEN: usize = 10;

/// How long a line is.
pub(crate) const fn art_asc_width(shop_width: usize) -> usize {
    shop_width + EAN_LEN + QUANTITY_LEN + PRICE_LEN
}

/// Is it safe to say that these first lines are of that layout?
pub(crate) fn looks_like_art_asc(lines: &[Vec<u8>], width: usize) -> bool {
    let Some(first) = lines.first() else { return false };
    first.to_ascii_uppercase().starts_with(TITLE)
        || lines.iter().all(|line| {
            line.len() == width && line.iter().skip(width - 27).all(|byte| byte.is_ascii_digit() || *byte == b'-')
        })
}

/// Where everything stands.
pub(crate) fn art_asc_dialect(plan: &Plan, lines: &[Vec<u8>]) -> Dialect {
    let shop = plan.layout.shop_width;
    let span = |pos, len| At::Span { pos, len };
    let first = lines.first().map(Vec::as_slice).unwrap_or_default();
    let has_header = first.to_ascii_uppercase().starts_with(TITLE);
    Dialect {
        syntax: Syntax::LINES,
        skip: plan.layout.skip_lines,
        has_header,
        mapping: Mapping {
            quantity: vec![span(shop + EAN_LEN, QUANTITY_LEN)],
            price: Some(span(shop + EAN_LEN + QUANTITY_LEN, PRICE_LEN)),
            shop: (shop > 0).then_some(span(0, shop)),
            width: Width::Exact(art_asc_width(shop)),
            ..Mapping::at(span(shop, EAN_LEN))
        },
        stated_date: if has_header { stated_date(&first[TITLE.len()..]) } else { None },
        is_art_asc: true,
        quoting: None,
        advice: None,
    }
}

/// `05/03/2026`, or the American order where the French one is no date; never more than a hint.
fn stated_date(text: &[u8]) -> Option<Date> {
    let text = std::str::from_utf8(text).ok()?;
    let mut parts = text.trim().split('/').map(|part| part.trim().parse::<i16>().ok());
    let (first, second, year) = (parts.next()??, parts.next()??, parts.next()??);
    let date = |day: i16, month: i16| Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok();
    date(first, second).or_else(|| date(second, first))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stated_date_is_read_leniently() {
        let date = |text: &str| stated_date(text.as_bytes()).map(|date| date.to_string());
        assert_eq!(date(" 05/03/2026").as_deref(), Some("2026-03-05"));
        assert_eq!(date(" 3/25/2026").as_deref(), Some("2026-03-25"));
        assert_eq!(date(" hier"), None);
    }

    #[test]
    fn the_layout_is_recognised_with_and_without_its_first_line() {
        let line = b"6505978299999910700030000001890".to_vec();
        assert!(looks_like_art_asc(&[b"EXTRACTION STOCK DU 05/03/2026".to_vec(), line.clone()], 31));
        assert!(looks_like_art_asc(std::slice::from_ref(&line), 31));
        assert!(!looks_like_art_asc(&[line, b"9782999999107;18,90;3".to_vec()], 31));
    }
}
