//! A progress bar on a terminal, plain lines elsewhere, silence when JSON is asked for.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::output::Output;
use crate::catalogue::progress::{Progress, Step};

/// A run shorter than this needs no lines beside its summary.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// Shows what a run is doing.
pub(crate) enum Bar {
    /// On a terminal.
    Drawn(ProgressBar),
    /// In a log or a pipe: one line now and then.
    Lines {
        /// Where they go.
        output: Output,
        /// Whose run it is.
        connection: String,
        /// When the last one was written.
        last: Mutex<Instant>,
    },
    /// For programs.
    Silent,
}

impl Bar {
    pub(crate) fn new(output: Output, connection: &str) -> Self {
        if output.is_json() {
            return Self::Silent;
        }
        if !output.is_terminal() {
            return Self::Lines { output, connection: connection.to_owned(), last: Mutex::new(Instant::now()) };
        }
        let bar = ProgressBar::new_spinner();
        bar.set_draw_target(ProgressDrawTarget::stderr_with_hz(10));
        bar.enable_steady_tick(Duration::from_millis(120));
        if let Ok(style) = ProgressStyle::with_template("{spinner} {prefix} {msg}") {
            bar.set_style(style);
        }
        bar.set_prefix(connection.to_owned());
        Self::Drawn(bar)
    }

    pub(crate) fn done(&self) {
        if let Self::Drawn(bar) = self {
            bar.finish_and_clear();
        }
    }
}

impl Progress for Bar {
    fn step(&self, step: Step) {
        match self {
            Self::Silent => {}
            Self::Drawn(bar) => draw(bar, step),
            Self::Lines { output, connection, last } => {
                let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
                if last.elapsed() >= LINE_EVERY {
                    *last = Instant::now();
                    output.say(format!("{connection}: {}", tell(step)));
                }
            }
        }
    }
}

fn draw(bar: &ProgressBar, step: Step) {
    if let Step::Pushed { done, of } = step {
        if let Ok(style) = ProgressStyle::with_template("{spinner} {prefix} [{bar:30}] {pos}/{len} pushed, {eta} left")
        {
            bar.set_style(style);
        }
        bar.set_length(of);
        bar.set_position(done);
    }
    bar.set_message(tell(step));
}

fn tell(step: Step) -> String {
    match step {
        Step::Read(rows) => format!("reading: {rows} rows"),
        Step::Planned { create, change, withdraw } => {
            format!("planned: {create} to create, {change} to change, {withdraw} to withdraw")
        }
        Step::Pushed { done, of } => format!("pushed: {done} of {of}"),
        Step::Verified(seen) => format!("read back: {seen}"),
    }
}
