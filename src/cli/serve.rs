//! `passerelle serve`: web, schedule, workers, until Ctrl-C or SIGTERM.

use std::sync::Arc;

use clap::Args;
use tokio_util::sync::CancellationToken;

use super::server::{listening, stop_signal};
use super::{CliContext, CliError};
use crate::config::Problem;
use crate::gateway::{self, schedule, settling};
use crate::{delivery, telemetry, web};

/// Runs the gateway.
#[derive(Debug, Args)]
pub(crate) struct Serve {}

impl Serve {
    pub(crate) async fn run(self, context: &CliContext) -> Result<u8, CliError> {
        let Self {} = self;
        // Before anything counts, so that nothing is missed.
        telemetry::metrics();
        let (config, gateway) = context.open("serve").await?;
        let admin_token = config
            .server
            .admin_token
            .as_ref()
            .map(|token| token.resolve(&config.base_dir))
            .transpose()
            .map_err(|why| {
            CliError::Configuration(vec![Problem { place: "server.admin_token".to_owned(), message: why.to_string() }])
        })?;
        let listener = web::listen(config.server.listen).await.map_err(|why| {
            CliError::Failed(format!("cannot listen on {}: {why}; is another program there?", config.server.listen))
        })?;
        let address = listener.local_addr().map_err(|why| CliError::Failed(why.to_string()))?;
        listening(context, address);

        let gateway = Arc::new(gateway);
        let stop = CancellationToken::new();
        let schedule = tokio::spawn(schedule::run(Arc::clone(&gateway), stop.clone()));
        let desk = gateway::desk(&gateway);
        let settling = tokio::spawn(settling::run(Arc::clone(&gateway), desk.clone(), stop.clone()));
        let comparing = tokio::spawn(settling::compare_products(Arc::clone(&gateway), stop.clone()));
        let addresses = tokio::spawn(settling::keep_message_urls(Arc::clone(&gateway), stop.clone()));
        let sinks = Arc::clone(&gateway) as Arc<dyn delivery::Sinks>;
        let delivering = tokio::spawn(delivery::run(
            Arc::clone(&gateway.store),
            sinks,
            gateway.owner.clone(),
            gateway.now,
            stop.clone(),
        ));
        let web = web::Web::new(gateway, desk.clone(), admin_token);
        let served = tokio::spawn(web::serve(listener, web, stop.clone().cancelled_owned()));
        stop_signal().await;
        context.output.say("stopping: finishing requests and sales, giving leases back");
        stop.cancel();
        let _ = schedule.await;
        let served = served.await;
        let _ = settling.await;
        let _ = addresses.await;
        let _ = delivering.await;
        let _ = comparing.await;
        // A sale under way is finished even when its answer left long ago.
        desk.finish().await;
        match served {
            Ok(Ok(())) => Ok(0),
            Ok(Err(why)) => Err(CliError::Failed(format!("the web server failed: {why}"))),
            Err(why) => Err(CliError::Failed(format!("the web server failed: {why}"))),
        }
    }
}
