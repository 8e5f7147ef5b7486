//! Facts → offers. Being written.
