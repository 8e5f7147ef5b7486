//! Facts → offers: what may be offered on pass Culture, and on which terms. Pure; knows no vendor and no database.

pub mod films;
mod kinds;
pub mod pictures;
pub mod places;
pub mod products;
pub mod screenings;
pub mod siret;
pub mod zones;
