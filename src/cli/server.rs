//! What every command that listens does the same way: say where, and stop when told.

use std::net::SocketAddr;

use serde_json::json;

use super::CliContext;

/// Says where something listens, the same way for every server.
pub(super) fn listening(context: &CliContext, address: SocketAddr) {
    context.output.say(format!("listening on http://{address}"));
    context.output.json(&json!({ "event": "listening", "address": address.to_string() }));
}

/// Ctrl-C, or what a service manager sends.
pub(super) async fn stop_signal() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            }
            return;
        }
    }
    let _ = tokio::signal::ctrl_c().await;
}
