//! What a command says when it cannot do what was asked: a code, what happened, where, and how to mend it.

use miette::{Diagnostic, LabeledSpan, NamedSource, Severity, SourceCode};
use nubes_base::Code;
use serde_json::{Value, json};
use std::{fmt, ops::Range};

/// Exit codes of every command (design §8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    Failure = 1,
    Usage = 2,
    Money = 3,
    NotFound = 4,
    Denied = 5,
    Network = 6,
    TimedOut = 7,
}

/// A place in a file the user wrote.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) file: String,
    pub(crate) text: String,
    pub(crate) span: Range<usize>,
    pub(crate) label: String,
}

/// An error on its way to the person at the terminal.
#[derive(Debug)]
pub(crate) struct Failure {
    code: Code,
    exit: Exit,
    what: String,
    help: Option<String>,
    place: Option<Box<(NamedSource<String>, LabeledSpan)>>,
    source: Option<anyhow::Error>,
}

impl Failure {
    pub(crate) fn new(code: u16, exit: Exit, what: impl Into<String>) -> Self {
        Self { code: Code::new(code), exit, what: what.into(), help: None, place: None, source: None }
    }

    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    pub(crate) fn at(mut self, place: Place) -> Self {
        let span = LabeledSpan::new(Some(place.label), place.span.start, place.span.len());
        self.place = Some(Box::new((NamedSource::new(place.file, place.text), span)));
        self
    }

    pub(crate) fn because(mut self, source: impl Into<anyhow::Error>) -> Self {
        self.source = Some(source.into());
        self
    }

    pub(crate) const fn exit(&self) -> Exit {
        self.exit
    }

    pub(crate) const fn error_code(&self) -> Code {
        self.code
    }

    /// The same content for programs (`--json`).
    pub(crate) fn to_json(&self) -> Value {
        let causes: Vec<String> =
            self.source.iter().flat_map(|source| source.chain()).map(ToString::to_string).collect();
        let span = self.place.as_ref().map(|place| {
            let (source, span) = place.as_ref();
            json!({ "file": source.name(), "offset": span.offset(), "length": span.len() })
        });
        json!({
            "error": {
                "code": self.error_code().to_string(), "message": self.what, "help": self.advice(), "causes": causes, "at": span,
            }
        })
    }

    fn advice(&self) -> Option<&str> {
        self.help.as_deref().or_else(|| self.code.explanation().map(|entry| entry.fix))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for Failure {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|source| -> &(dyn std::error::Error + 'static) { source.as_ref() })
    }
}

impl Diagnostic for Failure {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(self.code))
    }

    fn severity(&self) -> Option<Severity> {
        Some(Severity::Error)
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.advice().map(|text| -> Box<dyn fmt::Display + 'a> { Box::new(text) })
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.place.as_ref().map(|place| -> &dyn SourceCode { &place.0 })
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let span = self.place.as_ref()?.1.clone();
        Some(Box::new(std::iter::once(span)))
    }
}
