//! A progress bar on a terminal, silence elsewhere.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::catalogue::progress::{Progress, Step};

/// One bar that says what a run is doing.
pub(crate) struct Bar {
    bar: ProgressBar,
}

impl Bar {
    pub(crate) fn new(visible: bool, connection: &str) -> Self {
        let bar = ProgressBar::new_spinner();
        if visible {
            bar.set_draw_target(ProgressDrawTarget::stderr_with_hz(10));
            bar.enable_steady_tick(Duration::from_millis(120));
        } else {
            bar.set_draw_target(ProgressDrawTarget::hidden());
        }
        if let Ok(style) = ProgressStyle::with_template("{spinner} {prefix} {msg}") {
            bar.set_style(style);
        }
        bar.set_prefix(connection.to_owned());
        Self { bar }
    }

    pub(crate) fn done(&self) {
        self.bar.finish_and_clear();
    }
}

impl Progress for Bar {
    fn step(&self, step: Step) {
        let told = match step {
            Step::Read(rows) => format!("reading: {rows} rows"),
            Step::Planned { create, change, withdraw } => {
                format!("planned: {create} to create, {change} to change, {withdraw} to withdraw")
            }
            Step::Pushed { done, of } => {
                if let Ok(style) =
                    ProgressStyle::with_template("{spinner} {prefix} [{bar:30}] {pos}/{len} pushed, {eta} left")
                {
                    self.bar.set_style(style);
                }
                self.bar.set_length(of);
                self.bar.set_position(done);
                String::new()
            }
            Step::Verified(seen) => format!("read back: {seen}"),
        };
        self.bar.set_message(told);
    }
}
