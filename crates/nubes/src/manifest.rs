//! `nubes.toml`: what an app is made of, as its author writes it.
//!
//! Parsing never guesses: an unknown key, a wrong type or a value out of range is refused with its place in the file.
//! Files that the manifest names are checked when they are needed, after the `build` commands ran.

mod limits;
mod preview;
mod reader;
pub(crate) mod schema;
#[cfg(test)]
mod tests;

use crate::failure::{Exit, Failure, Place};
use nubes_base::app::{AppName, AppNameError, FunctionLimits};
use reader::Section;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    str::FromStr,
};
use toml_edit::Document;

pub(crate) const FILE_NAME: &str = "nubes.toml";

/// A checked manifest. Paths are as written, relative to [`Manifest::dir`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Manifest {
    pub(crate) dir: PathBuf,
    pub(crate) name: AppName,
    pub(crate) site: Option<Site>,
    pub(crate) functions: BTreeMap<String, Function>,
    pub(crate) contracts: BTreeMap<String, Contract>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Site {
    pub(crate) dir: Input,
    pub(crate) build: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Function {
    pub(crate) source: Input,
    pub(crate) build: Option<String>,
    pub(crate) route: String,
    pub(crate) state: bool,
    pub(crate) limits: FunctionLimits,
    pub(crate) config: BTreeMap<String, String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Contract {
    pub(crate) artifact: Input,
    pub(crate) build: Option<String>,
}

/// A file or folder named by the manifest, with the place that names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Input {
    pub(crate) path: PathBuf,
    pub(crate) span: std::ops::Range<usize>,
}

impl Manifest {
    /// Reads the manifest of `dir`, or of the nearest folder above it that has one.
    pub(crate) fn find(dir: &Path) -> Result<Self, Failure> {
        let start = std::path::absolute(dir)
            .map_err(|source| Failure::new(1006, Exit::NotFound, "no current folder").because(source))?;
        let found = start.ancestors().find(|folder| folder.join(FILE_NAME).is_file());
        let Some(folder) = found else {
            let what = format!("no {FILE_NAME} in {} or above", start.display());
            return Err(Failure::new(1006, Exit::NotFound, what));
        };
        let file = folder.join(FILE_NAME);
        let text = std::fs::read_to_string(&file).map_err(|source| {
            Failure::new(1005, Exit::Failure, format!("cannot read {}", file.display())).because(source)
        })?;
        Self::parse(folder, &text)
    }

    pub(crate) fn parse(dir: &Path, text: &str) -> Result<Self, Failure> {
        let document = Document::parse(text).map_err(|error| {
            let failure =
                Failure::new(1005, Exit::Failure, format!("{FILE_NAME} is not TOML: {}", error.message()));
            match error.span() {
                Some(span) => failure.at(place(text, span, "here")),
                None => failure,
            }
        })?;
        let mut root = Section::root(text, document.as_table());
        let mut app = root.required_table("app")?;
        let OfApp(name) = app.required_parsed("name")?;
        app.finish()?;
        let site = root.table("site")?.map(read_site).transpose()?;
        let functions = root.named_tables("function", read_function)?;
        let contracts = root.named_tables("contract", read_contract)?;
        root.finish()?;
        Ok(Self { dir: dir.to_owned(), name, site, functions, contracts })
    }

    /// Where an input lies, if it is there.
    pub(crate) fn input(&self, input: &Input) -> Result<PathBuf, Failure> {
        let path = self.dir.join(&input.path);
        if path.exists() {
            return Ok(path);
        }
        let what = format!("`{}` does not exist", input.path.display());
        let text = std::fs::read_to_string(self.dir.join(FILE_NAME)).unwrap_or_default();
        let failure = Failure::new(1004, Exit::NotFound, what);
        // The file may have been edited since it was parsed; a span that no longer fits is not shown.
        if text.get(input.span.clone()).is_some() {
            return Err(failure.at(place(&text, input.span.clone(), "named here")));
        }
        Err(failure)
    }
}

/// The name of an app and not of a preview: what is previewed is said on the command line.
struct OfApp(AppName);

impl FromStr for OfApp {
    type Err = AppNameError;

    fn from_str(text: &str) -> Result<Self, AppNameError> {
        AppName::of_app(text).map(Self)
    }
}

fn read_site(mut section: Section<'_>) -> Result<Site, Failure> {
    let site = Site { dir: section.required_input("dir")?, build: section.string("build")? };
    section.finish()?;
    Ok(site)
}

fn read_function(mut section: Section<'_>) -> Result<Function, Failure> {
    let function = Function {
        source: section.required_input("source")?,
        build: section.string("build")?,
        route: section.required_parsed::<limits::Route>("route")?.into(),
        state: section.choice("state", &["kv"])?.is_some(),
        limits: limits::read(section.table("limits")?)?,
        config: section.strings("config")?,
    };
    section.finish()?;
    Ok(function)
}

fn read_contract(mut section: Section<'_>) -> Result<Contract, Failure> {
    let contract =
        Contract { artifact: section.required_input("artifact")?, build: section.string("build")? };
    section.finish()?;
    Ok(contract)
}

fn place(text: &str, span: std::ops::Range<usize>, label: &str) -> Place {
    Place { file: FILE_NAME.to_owned(), text: text.to_owned(), span, label: label.to_owned() }
}
