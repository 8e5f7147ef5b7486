//! How moments, amounts and places are written: for `serialize_with`.

use jiff::Timestamp;
use passerelle_contract::{Cents, Quantity};
use serde::ser::Error as _;
use serde::{Serialize, Serializer};

use crate::passculture::client::Millis;

/// In UTC with `Z`, which will be the only form that pass Culture takes.
pub(super) fn utc<S: Serializer>(at: Millis) -> Result<String, S::Error> {
    let at = Timestamp::from_millisecond(at).map_err(|_| S::Error::custom("a moment is out of range"))?;
    Ok(at.to_string())
}

pub(super) fn at<S: Serializer>(at: &Millis, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&utc::<S>(*at)?)
}

pub(super) fn moment<S: Serializer>(at: &Option<Millis>, serializer: S) -> Result<S::Ok, S::Error> {
    match at {
        Some(at) => serializer.serialize_str(&utc::<S>(*at)?),
        None => serializer.serialize_none(),
    }
}

pub(super) fn at_venue<S: Serializer>(venue_id: &i64, serializer: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    #[serde(tag = "type", rename = "physical", rename_all = "camelCase")]
    struct Physical {
        venue_id: i64,
    }
    Physical { venue_id: *venue_id }.serialize(serializer)
}

pub(super) fn cents<S: Serializer>(price: &Cents, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u32(price.0)
}

pub(super) fn some_cents<S: Serializer>(price: &Option<Cents>, serializer: S) -> Result<S::Ok, S::Error> {
    price.map(|price| price.0).serialize(serializer)
}

pub(super) fn places<S: Serializer>(quantity: &Quantity, serializer: S) -> Result<S::Ok, S::Error> {
    match quantity {
        Quantity::Exactly(places) => serializer.serialize_u32(*places),
        Quantity::Unlimited => serializer.serialize_str("unlimited"),
    }
}

pub(super) fn some_places<S: Serializer>(quantity: &Option<Quantity>, serializer: S) -> Result<S::Ok, S::Error> {
    match quantity {
        Some(quantity) => places(quantity, serializer),
        None => serializer.serialize_none(),
    }
}
