//! What every adapter needs and none should write again.
//!
//! [`http`] is the only way a vendor's package reaches the network: polite, bounded, and shut to the gateway's own
//! network. [`settings`] reads `[connection.settings]` and [`checks`] holds it to its rules, and both report every
//! problem with its dotted path. [`secret`] reads
//! what settings only name. [`json`] keeps numbers as they were written and tells a web page from data; [`lenient`] reads the fields
//! of a record so that one odd value loses nothing else, [`records`] reads fields whichever way they are written, and [`clock`] the
//! beginnings of shows; [`pass`] cuts what came in one go into pages; [`sales`] has what box offices say alike and voids each sale once,
//! [`session`] shares one session of an account between all who need it,
//! [`notice`] writes what venues' software is told. [`mod@reference`] and
//! [`money`] read EANs, prices and quantities as shops write them.
//!
//! Invariant: nothing here knows a vendor, and no text that leaves this crate carries a secret or a query string.

pub mod checks;
pub mod clock;
pub mod http;
pub mod json;
pub mod lenient;
pub mod money;
pub mod notice;
pub mod pass;
pub mod records;
pub mod reference;
pub mod sales;
pub mod secret;
pub mod session;
pub mod settings;
