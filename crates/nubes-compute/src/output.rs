//! What a function prints, line by line into the log.

use crate::logs::{LINE_BYTES_MAX, Logs};
use bytes::Bytes;
use nubes_base::{
    AppName, Clock,
    port::{LogLevel, LogLine},
};
use parking_lot::Mutex;
use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};
use tokio::io::AsyncWrite;
use wasmtime_wasi::{
    async_trait,
    cli::{IsTerminal, StdoutStream},
    p2::{OutputStream, Pollable, StreamResult},
};

/// Bytes that a guest may write at once.
const WRITE_BYTES_MAX: usize = 64 << 10;

/// Where a function's output goes.
#[derive(Clone, Debug)]
pub(crate) struct Printer {
    pub(crate) logs: Logs,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) app: AppName,
    pub(crate) function: String,
}

impl Printer {
    pub(crate) fn print(&self, level: LogLevel, text: &str) {
        for text in text.lines() {
            self.logs.add(LogLine {
                at: self.clock.now(),
                app: self.app.clone(),
                function: self.function.clone(),
                level,
                text: text.to_owned(),
            });
        }
    }
}

/// Standard output or error of a component. Clones write to the same line.
///
/// A write is in the log when it returns, so that a guest's last words are not lost when it traps.
#[derive(Clone, Debug)]
pub(crate) struct Output(Arc<Line>);

#[derive(Debug)]
struct Line {
    printer: Printer,
    level: LogLevel,
    // The line's begin, until its end comes. Streams of one guest share it; held for a copy.
    begun: Mutex<Vec<u8>>,
}

impl Output {
    pub(crate) fn new(printer: Printer, level: LogLevel) -> Self {
        Self(Arc::new(Line { printer, level, begun: Mutex::default() }))
    }

    fn take(&self, bytes: &[u8]) {
        let mut begun = self.0.begun.lock();
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let room = LINE_BYTES_MAX.saturating_sub(begun.len());
            begun.extend(piece.iter().take(room));
            if piece.ends_with(b"\n") {
                self.0.print(&begun);
                begun.clear();
            }
        }
    }
}

impl Line {
    fn print(&self, line: &[u8]) {
        self.printer.print(self.level, &String::from_utf8_lossy(line));
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        let rest = std::mem::take(self.begun.get_mut());
        if !rest.is_empty() {
            self.print(&rest);
        }
    }
}

impl IsTerminal for Output {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Output {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

#[async_trait]
impl Pollable for Output {
    async fn ready(&mut self) {}
}

impl OutputStream for Output {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.take(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(WRITE_BYTES_MAX)
    }
}

impl AsyncWrite for Output {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.take(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
