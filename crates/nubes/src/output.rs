//! Data to stdout, talk to stderr; JSON on request.

use crate::failure::Failure;
use serde_json::Value;
use std::io::{IsTerminal, Write};

/// How this run speaks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    json: bool,
    quiet: bool,
}

impl Output {
    pub(crate) const fn new(json: bool, quiet: bool) -> Self {
        Self { json, quiet }
    }

    pub(crate) const fn is_json(self) -> bool {
        self.json
    }

    /// The command's result: `text` for a person, `value` for a program.
    pub(crate) fn result(self, text: &str, value: &Value) {
        let mut out = std::io::stdout().lock();
        // A reader that went away (`| head`) is no failure of the command.
        let _ = if self.json { writeln!(out, "{value}") } else { writeln!(out, "{}", text.trim_end()) };
        let _ = out.flush();
    }

    /// Something to tell a person while the command works.
    pub(crate) fn say(self, text: &str) {
        if !self.json && !self.quiet {
            let _ = writeln!(std::io::stderr().lock(), "{text}");
        }
    }

    /// Things that are not as somebody may think, and do not keep the command from its work.
    pub(crate) fn warn(self, warnings: &[String]) {
        for warning in warnings {
            self.say(&format!("warning: {warning}"));
        }
    }

    /// Raw bytes of a result, as they are.
    pub(crate) fn bytes(bytes: &[u8]) {
        let mut out = std::io::stdout().lock();
        let _ = out.write_all(bytes).and_then(|()| out.flush());
    }

    pub(crate) fn failure(self, failure: Failure) {
        let mut err = std::io::stderr().lock();
        let _ = if self.json {
            writeln!(err, "{}", failure.to_json())
        } else {
            writeln!(err, "{:?}", miette::Report::new(failure))
        };
    }

    /// Whether a person can be asked.
    pub(crate) fn can_ask(self) -> bool {
        !self.json && std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
    }

    /// A bar for work of `total` bytes, hidden where nobody looks.
    pub(crate) fn progress(self, total: u64, what: &str) -> indicatif::ProgressBar {
        if self.json || self.quiet {
            return indicatif::ProgressBar::hidden();
        }
        let bar = indicatif::ProgressBar::new(total);
        let style =
            indicatif::ProgressStyle::with_template("{msg} {wide_bar} {bytes}/{total_bytes} {bytes_per_sec}");
        if let Ok(style) = style {
            bar.set_style(style);
        }
        bar.set_message(what.to_owned());
        bar
    }
}
