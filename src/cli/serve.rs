//! `passerelle serve`: web, schedule, workers, until Ctrl-C, SIGTERM, or a store that takes no more writes.

use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use tokio_util::sync::CancellationToken;

use super::server::{listening, stop_signal};
use super::{CliContext, CliError};
use crate::config::Problem;
use crate::gateway::{self, schedule, settling};
use crate::health::{FAILING_AFTER, StoreWatch};
use crate::store::servers::ServerRow;
use crate::{delivery, telemetry, web};

/// After the order to stop the process is gone within this time, and a little.
const STOP_WITHIN: Duration = Duration::from_secs(13);
/// A store that has failed is told at `/livez` for this long before the process ends.
const SEEN_FOR: Duration = Duration::from_secs(5);

/// Runs the gateway.
#[derive(Debug, Args)]
pub(crate) struct Serve {}

impl Serve {
    pub(crate) async fn run(self, context: &CliContext) -> Result<u8, CliError> {
        let Self {} = self;
        // Before anything counts, so that nothing is missed.
        telemetry::metrics();
        ignore_file_size_signal();
        let (config, gateway) = context.open_checked("serve").await?;
        let admin_token = config
            .server
            .admin_token
            .as_ref()
            .map(|token| token.resolve(&config.base_dir))
            .transpose()
            .map_err(|why| {
            CliError::Configuration(vec![Problem { place: "server.admin_token".to_owned(), message: why.to_string() }])
        })?;
        let listen = config.server.listen;
        let servers = gateway.store.servers().await?;
        let (listener, origin) = web::listen(listen, &servers)
            .await
            .map_err(|why| CliError::Failed(format!("cannot listen on {listen}: {why}; is another program there?")))?;
        let address = listener.local_addr().map_err(|why| CliError::Failed(why.to_string()))?;
        let now = (gateway.now)();
        let server = ServerRow { owner: gateway.owner.clone(), address: address.to_string(), since: now, beat_at: now };
        gateway.store.beat(&server).await?;
        // Before anybody hears that we listen: whoever replaces us may ask at once.
        let sharing = web::share(&listener, &gateway.owner.id);
        if let Err(why) = &sharing {
            tracing::info!(%why, "a server that replaces this one cannot share its socket");
        }
        if origin != web::Origin::Bound {
            context.output.say(match origin {
                web::Origin::Shared => "the socket is shared with the server before this one, which may be stopped now",
                _ => "the socket was given by the service manager",
            });
        }
        listening(context, address);

        let gateway = Arc::new(gateway);
        let (stop, beating) = (CancellationToken::new(), CancellationToken::new());
        let store_watch = StoreWatch::new(Arc::clone(&gateway.store));
        let watching = {
            let (store_watch, beating, now) = (Arc::clone(&store_watch), beating.clone(), gateway.now);
            tokio::spawn(async move { store_watch.run(server, now, beating).await })
        };
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
        let place = gateway.store.place();
        let web =
            web::Web::new(gateway, desk.clone(), admin_token).watching(Arc::clone(&store_watch)).until(stop.clone());
        let served = tokio::spawn(web::serve(listener, web));
        let failure = tokio::select! {
            () = stop_signal() => None,
            why = store_watch.failed() => {
                tokio::time::sleep(SEEN_FOR).await;
                Some(why)
            }
        };
        context.output.say("stopping: finishing requests and sales, giving leases back");
        stop.cancel();
        drop(sharing);
        let finished = async {
            let served = served.await;
            let _ = tokio::join!(schedule, settling, addresses, delivering, comparing);
            // A sale under way is finished even when its answer left long ago.
            desk.finish().await;
            beating.cancel();
            let _ = watching.await;
            served
        };
        let finished = tokio::time::timeout(STOP_WITHIN, finished).await;
        if let Some(why) = failure {
            return Err(CliError::Failed(format!(
                "the store at {place} could not be written for {} s: {why}; free the disk or start its database, then start this \
                 again (a service manager does)",
                FAILING_AFTER.as_secs()
            )));
        }
        match finished {
            Ok(Ok(())) => Ok(0),
            Ok(Err(why)) => Err(CliError::Failed(format!("the web server failed: {why}"))),
            Err(_) => {
                // Safe at any line: what was begun is in the store.
                tracing::warn!("not everything ended in time; what is open is settled after the next start");
                Ok(0)
            }
        }
    }
}

/// A file that may not grow is an error of one write (`EFBIG`), not the end of the process.
fn ignore_file_size_signal() {
    #[cfg(any(target_os = "linux", target_os = "macos"))]
    {
        use tokio::signal::unix::{SignalKind, signal};
        // SIGXFSZ; its handler stays when the stream is dropped.
        if let Err(why) = signal(SignalKind::from_raw(25)) {
            tracing::warn!(%why, "a limit of file sizes would end this process");
        }
    }
}
