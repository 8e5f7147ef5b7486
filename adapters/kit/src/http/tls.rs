//! The machine's root certificates, read once for all clients.
//!
//! Thousands of connections have a client each; a root store for each of them would be a tenth of a megabyte and milliseconds of
//! work every time. They are read again after [`GOOD_FOR`], for clients that are made then.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustls::ClientConfig;
use rustls::crypto::CryptoProvider;
use rustls_platform_verifier::Verifier;

/// Certificates that were installed or withdrawn meanwhile count after this.
const GOOD_FOR: Duration = Duration::from_secs(3600);

static SHARED: Mutex<Option<(Instant, ClientConfig)>> = Mutex::new(None);

/// A configuration whose root certificates are shared with every other one.
///
/// # Errors
/// When the machine has no usable store of root certificates. It is tried again the next time.
pub(super) fn shared() -> Result<ClientConfig, rustls::Error> {
    let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, config)) = shared.as_ref().filter(|(since, _)| since.elapsed() < GOOD_FOR) {
        return Ok(config.clone());
    }
    let provider =
        CryptoProvider::get_default().cloned().unwrap_or_else(|| Arc::new(rustls::crypto::ring::default_provider()));
    let verifier = Arc::new(Verifier::new(Arc::clone(&provider))?);
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    *shared = Some((Instant::now(), config.clone()));
    Ok(config)
}
