//! Parses arguments and calls the library.

use std::process::ExitCode;

use clap::Parser;
use passerelle::cli::{self, Arguments};

fn main() -> ExitCode {
    // One crypto backend for everything that speaks TLS; a second call would only mean that it is there already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    if let Err(why) = cli::check_arguments(std::env::args_os().skip(1)) {
        let _ = std::io::Write::write_all(&mut std::io::stderr(), format!("error: {why}\n").as_bytes());
        cli::tell_usage_error(&why);
        return ExitCode::from(cli::WRONG_USAGE);
    }
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(told) => {
            // Help and version are no mistakes.
            let code = if told.use_stderr() { cli::WRONG_USAGE } else { 0 };
            let _ = told.print();
            if told.use_stderr() {
                cli::tell_usage_error(&told.to_string());
            }
            return ExitCode::from(code);
        }
    };
    match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => {
            let code = runtime.block_on(cli::run(arguments));
            // A vendor's blocking read must not keep the process alive.
            runtime.shutdown_background();
            ExitCode::from(code)
        }
        Err(why) => {
            let _ = std::io::Write::write_all(&mut std::io::stderr(), format!("error: no runtime: {why}\n").as_bytes());
            ExitCode::from(cli::FAILED)
        }
    }
}
