//! A faithful fake pass Culture. Being written.
