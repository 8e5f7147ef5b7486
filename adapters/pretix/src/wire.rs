//! pretix's own shapes.
//!
//! Invariant: what decides whether and at which price something is sold is read strictly, so that an odd value loses its
//! record or closes it, and never becomes a permission. Everything else is lenient: new fields come with any release.

use std::collections::BTreeMap;

use jiff::Timestamp;
use passerelle_contract::Cents;
use passerelle_kit::json::Scalar;
use passerelle_kit::lenient::{Flag, Int, Text};
use passerelle_kit::money::{self, DecimalMark, PriceUnit};
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// One page of a list.
#[derive(Deserialize)]
pub(crate) struct Listed {
    pub(crate) results: Vec<Box<RawValue>>,
    /// Only whether there is a next page is looked at: behind a wrong proxy the address is another host's.
    pub(crate) next: Option<IgnoredAny>,
}

/// An event: a series, or one with a single date.
#[derive(Debug, Deserialize)]
pub(crate) struct Event {
    pub(crate) slug: String,
    pub(crate) live: bool,
    pub(crate) has_subevents: bool,
    #[serde(default)]
    pub(crate) name: Names,
    #[serde(default, deserialize_with = "text")]
    pub(crate) currency: Option<String>,
    #[serde(default)]
    pub(crate) date_from: When,
    #[serde(default)]
    pub(crate) date_to: When,
    #[serde(default)]
    pub(crate) presale_start: When,
    #[serde(default)]
    pub(crate) presale_end: When,
    #[serde(default)]
    pub(crate) all_sales_channels: Flag,
    #[serde(default)]
    pub(crate) limit_sales_channels: Words,
    #[serde(default)]
    pub(crate) seat_category_mapping: Seated,
}

/// A date of a series.
#[derive(Debug, Deserialize)]
pub(crate) struct SubEvent {
    pub(crate) id: i64,
    pub(crate) active: bool,
    #[serde(default)]
    pub(crate) date_from: When,
    #[serde(default)]
    pub(crate) presale_start: When,
    #[serde(default)]
    pub(crate) presale_end: When,
    #[serde(default)]
    pub(crate) item_price_overrides: Vec<Override>,
    #[serde(default)]
    pub(crate) variation_price_overrides: Vec<Override>,
    #[serde(default)]
    pub(crate) seat_category_mapping: Seated,
}

/// What is different about an item, or a variation, on one date.
#[derive(Debug, Deserialize)]
pub(crate) struct Override {
    /// One of the two is there.
    pub(crate) item: Option<i64>,
    pub(crate) variation: Option<i64>,
    #[serde(default)]
    pub(crate) price: Money,
    #[serde(default)]
    pub(crate) disabled: Barred,
    #[serde(default)]
    pub(crate) available_from: When,
    #[serde(default)]
    pub(crate) available_until: When,
}

/// Something that is sold.
#[derive(Debug, Deserialize)]
pub(crate) struct Item {
    pub(crate) id: i64,
    pub(crate) active: bool,
    #[serde(default)]
    pub(crate) name: Names,
    #[serde(default)]
    pub(crate) admission: Flag,
    #[serde(default)]
    pub(crate) default_price: Money,
    #[serde(default)]
    pub(crate) has_variations: Barred,
    #[serde(default)]
    pub(crate) variations: Vec<Variation>,
    #[serde(default)]
    pub(crate) require_voucher: Barred,
    #[serde(default)]
    pub(crate) hide_without_voucher: Barred,
    #[serde(default)]
    pub(crate) require_approval: Barred,
    #[serde(default)]
    pub(crate) require_membership: Barred,
    #[serde(default)]
    pub(crate) require_bundling: Barred,
    #[serde(default)]
    pub(crate) issue_giftcard: Barred,
    #[serde(default)]
    pub(crate) addons: Vec<AddOn>,
    #[serde(default)]
    pub(crate) bundles: Vec<IgnoredAny>,
    #[serde(default)]
    pub(crate) min_per_order: Int,
    #[serde(default)]
    pub(crate) available_from: When,
    #[serde(default)]
    pub(crate) available_until: When,
    #[serde(default)]
    pub(crate) all_sales_channels: Flag,
    #[serde(default)]
    pub(crate) limit_sales_channels: Words,
}

/// Items that may, or must, be bought with another.
#[derive(Debug, Deserialize)]
pub(crate) struct AddOn {
    #[serde(default)]
    pub(crate) min_count: Int,
}

/// A kind of an item.
#[derive(Debug, Deserialize)]
pub(crate) struct Variation {
    pub(crate) id: i64,
    pub(crate) active: bool,
    #[serde(default)]
    pub(crate) value: Names,
    /// Absent where the item's own counts.
    #[serde(default)]
    pub(crate) default_price: Money,
    #[serde(default)]
    pub(crate) hide_without_voucher: Barred,
    #[serde(default)]
    pub(crate) require_approval: Barred,
    #[serde(default)]
    pub(crate) require_membership: Barred,
    #[serde(default)]
    pub(crate) available_from: When,
    #[serde(default)]
    pub(crate) available_until: When,
    #[serde(default)]
    pub(crate) all_sales_channels: Flag,
    #[serde(default)]
    pub(crate) limit_sales_channels: Words,
}

/// How many of some items can be sold.
#[derive(Debug, Deserialize)]
pub(crate) struct Quota {
    pub(crate) subevent: Option<i64>,
    pub(crate) items: Vec<i64>,
    pub(crate) variations: Vec<i64>,
    #[serde(default)]
    pub(crate) closed: Barred,
    #[serde(default)]
    pub(crate) available_number: Left,
}

/// An order.
#[derive(Debug, Deserialize)]
pub(crate) struct Order {
    pub(crate) code: String,
    pub(crate) status: String,
    pub(crate) positions: Vec<Position>,
}

/// The status of an order that is paid.
pub(crate) const PAID: &str = "p";
/// The status of an order that was cancelled whole; its positions do not say so.
pub(crate) const CANCELED: &str = "c";

impl Order {
    /// The positions that count.
    pub(crate) fn live(&self) -> impl Iterator<Item = &Position> {
        self.positions.iter().filter(|position| self.status != CANCELED && !position.canceled.0)
    }
}

/// A ticket of an order.
#[derive(Debug, Deserialize)]
pub(crate) struct Position {
    pub(crate) id: i64,
    #[serde(default)]
    pub(crate) item: Int,
    #[serde(default)]
    pub(crate) variation: Int,
    #[serde(default)]
    pub(crate) subevent: Int,
    #[serde(default)]
    pub(crate) price: Money,
    #[serde(default, deserialize_with = "text")]
    pub(crate) secret: Option<String>,
    pub(crate) seat: Option<Seat>,
    #[serde(default)]
    pub(crate) canceled: Flag,
    #[serde(default)]
    pub(crate) checkins: Vec<Checkin>,
}

/// A numbered seat.
#[derive(Debug, Deserialize)]
pub(crate) struct Seat {
    #[serde(default, deserialize_with = "text")]
    pub(crate) name: Option<String>,
}

/// A scan at the door.
#[derive(Debug, Deserialize)]
pub(crate) struct Checkin {
    #[serde(default, rename = "type", deserialize_with = "text")]
    pub(crate) kind: Option<String>,
}

/// The language that an event is written in first.
#[derive(Deserialize)]
pub(crate) struct EventSettings {
    #[serde(default, deserialize_with = "text")]
    pub(crate) locale: Option<String>,
}

/// The settings of French venues have French texts.
const FRENCH: &str = "fr";

/// A text in several languages, or in none in particular.
#[derive(Debug, Default)]
pub(crate) struct Names(BTreeMap<String, String>);

impl Names {
    /// In French, else in the event's language, else in the first that there is.
    pub(crate) fn pick(&self, locale: Option<&str>) -> Option<&str> {
        let text = self.0.get(FRENCH).or_else(|| self.0.get(locale?)).or_else(|| self.0.values().next());
        text.map(String::as_str)
    }

    pub(crate) fn is_french(&self) -> bool {
        self.0.contains_key(FRENCH)
    }
}

impl<'de> Deserialize<'de> for Names {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&RawValue>::deserialize(deserializer)?.get();
        let texts: BTreeMap<String, Text<'_>> = match serde_json::from_str(raw) {
            Ok(texts) => texts,
            Err(_) => serde_json::from_str(raw).map(|text| BTreeMap::from([(String::new(), text)])).unwrap_or_default(),
        };
        let said = |(language, text): (String, Text<'_>)| Some((language, text.trimmed()?.to_owned()));
        Ok(Self(texts.into_iter().filter_map(said).collect()))
    }
}

/// A moment with its offset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum When {
    #[default]
    Unset,
    At(Timestamp),
    Odd,
}

impl When {
    pub(crate) const fn at(self) -> Option<Timestamp> {
        if let Self::At(at) = self { Some(at) } else { None }
    }

    /// This one, where it is set; else the other.
    pub(crate) const fn or(self, other: Self) -> Self {
        if matches!(self, Self::Unset) { other } else { self }
    }
}

impl<'de> Deserialize<'de> for When {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(match Scalar::of(Some(<&RawValue>::deserialize(deserializer)?)) {
            Scalar::Missing | Scalar::Null => Self::Unset,
            Scalar::Text(text) => text.parse().map_or(Self::Odd, Self::At),
            Scalar::Number(_) | Scalar::Other => Self::Odd,
        })
    }
}

/// An amount: a decimal text, to the cent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Money {
    #[default]
    Unset,
    Is(Cents),
    Odd,
}

impl<'de> Deserialize<'de> for Money {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let scalar = Scalar::of(Some(<&RawValue>::deserialize(deserializer)?));
        if scalar == Scalar::Null {
            return Ok(Self::Unset);
        }
        let price = scalar.number_text().and_then(|text| money::price(text, PriceUnit::Euro, DecimalMark::Point).ok());
        Ok(price.filter(|price| !price.rounded).map_or(Self::Odd, |price| Self::Is(price.cents)))
    }
}

/// Something that keeps beneficiaries out unless it plainly says no.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Barred(pub(crate) bool);

impl<'de> Deserialize<'de> for Barred {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(!matches!(<&RawValue>::deserialize(deserializer)?.get(), "false" | "null")))
    }
}

/// What a quota has left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Left {
    /// Not said, or not readable.
    #[default]
    Unknown,
    /// Written as null.
    Unlimited,
    Places(u32),
}

impl<'de> Deserialize<'de> for Left {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(match <&RawValue>::deserialize(deserializer)?.get() {
            "null" => Self::Unlimited,
            // An oversold quota has fewer than none.
            text => text
                .parse::<i64>()
                .map_or(Self::Unknown, |left| Self::Places(u32::try_from(left.max(0)).unwrap_or(u32::MAX))),
        })
    }
}

/// A list of words; others in it are left out.
#[derive(Debug, Default)]
pub(crate) struct Words(pub(crate) Vec<String>);

impl<'de> Deserialize<'de> for Words {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&RawValue>::deserialize(deserializer)?.get();
        let words: Vec<Text<'_>> = serde_json::from_str(raw).unwrap_or_default();
        Ok(Self(words.iter().filter_map(|word| word.trimmed().map(str::to_owned)).collect()))
    }
}

/// The items that are sold with a numbered seat: values of a table from categories of seats to items.
#[derive(Debug, Default)]
pub(crate) struct Seated(pub(crate) Vec<i64>);

impl<'de> Deserialize<'de> for Seated {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&RawValue>::deserialize(deserializer)?.get();
        let items: BTreeMap<String, Int> = serde_json::from_str(raw).unwrap_or_default();
        Ok(Self(items.values().filter_map(|item| item.0).collect()))
    }
}

fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(Text::deserialize(deserializer)?.trimmed().map(str::to_owned))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<T: for<'a> Deserialize<'a>>(json: &str) -> T {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn names_are_french_else_the_events_else_the_first() {
        let names: Names = read(r#"{"de":"Möwe","en":"Seagull","fr":" La Mouette "}"#);
        assert_eq!(names.pick(Some("en")), Some("La Mouette"));
        let names: Names = read(r#"{"en":"Seagull","de":"Möwe","fr":" ","it":null,"es":7}"#);
        assert_eq!(
            (names.pick(Some("en")), names.pick(Some("pl")), names.pick(None)),
            (Some("Seagull"), Some("Möwe"), Some("Möwe"))
        );
        assert_eq!(read::<Names>("\"Tout court\"").pick(Some("fr")), Some("Tout court"));
        for odd in ["null", "[]", "{}", "true", "\" \""] {
            assert_eq!(read::<Names>(odd).pick(None), None, "{odd}");
        }
    }

    #[test]
    fn money_is_read_to_the_cent_or_not_at_all() {
        for written in ["\"12.00\"", "12", "12.0", "\"12\""] {
            assert_eq!(read::<Money>(written), Money::Is(Cents(1_200)), "{written}");
        }
        assert_eq!(read::<Money>("null"), Money::Unset);
        for odd in ["\"12.005\"", "\"-1\"", "\"x\"", "[]", "true", "\"\""] {
            assert_eq!(read::<Money>(odd), Money::Odd, "{odd}");
        }
    }

    #[test]
    fn only_a_written_null_is_without_limit() {
        assert_eq!(read::<Left>("null"), Left::Unlimited);
        assert_eq!((read::<Left>("3"), read::<Left>("-2")), (Left::Places(3), Left::Places(0)));
        assert_eq!(read::<Left>("99999999999"), Left::Places(u32::MAX));
        for odd in ["\"3\"", "1.5", "{}", "true"] {
            assert_eq!(read::<Left>(odd), Left::Unknown, "{odd}");
        }
        let silent: Quota = read(r#"{"subevent":null,"items":[],"variations":[]}"#);
        assert_eq!(silent.available_number, Left::Unknown);
    }

    #[test]
    fn a_barrier_is_down_only_when_it_says_so() {
        assert_eq!(
            ["false", "null", "true", "\"no\"", "0", "{}"].map(|json| read::<Barred>(json).0),
            [false, false, true, true, true, true]
        );
    }

    #[test]
    fn a_moment_needs_its_offset() {
        assert_eq!(read::<When>("\"2035-03-10T20:30:00+01:00\"").at(), "2035-03-10T19:30:00Z".parse().ok());
        assert_eq!(read::<When>("null"), When::Unset);
        for odd in ["\"2035-03-10T20:30:00\"", "\"\"", "7", "{}"] {
            assert_eq!(read::<When>(odd), When::Odd, "{odd}");
        }
    }
}
