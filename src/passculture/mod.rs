//! The northbound client. Being written.
