//! Takes keys out of a TOML table one by one and knows where each stood; what is left over is a mistake.

use super::{Input, place};
use crate::failure::{Exit, Failure};
use std::{collections::BTreeMap, fmt::Display, ops::Range, str::FromStr};
use toml_edit::{Item, Table, TableLike, Value};

/// A suggestion is made when it is this similar to what was written.
const SIMILARITY_MIN: f64 = 0.7;
const NAME_CHARS_MAX: usize = 63;

pub(super) struct Section<'a> {
    text: &'a str,
    /// As it is written in the file: `function.api`; empty for the whole file.
    path: String,
    table: &'a dyn TableLike,
    span: Range<usize>,
    known: Vec<&'static str>,
}

impl<'a> Section<'a> {
    pub(super) fn root(text: &'a str, table: &'a Table) -> Self {
        Self { text, path: String::new(), table, span: 0..0, known: Vec::new() }
    }

    fn take(&mut self, key: &'static str) -> Option<&'a Item> {
        self.known.push(key);
        self.table.get(key)
    }

    pub(super) fn table(&mut self, key: &'static str) -> Result<Option<Self>, Failure> {
        self.take(key).map(|item| self.child(key, item)).transpose()
    }

    pub(super) fn required_table(&mut self, key: &'static str) -> Result<Self, Failure> {
        self.table(key)?.ok_or_else(|| self.missing(key))
    }

    /// All tables `[key.NAME]`, by name.
    pub(super) fn named_tables<T>(
        &mut self,
        key: &'static str,
        read: impl Fn(Self) -> Result<T, Failure>,
    ) -> Result<BTreeMap<String, T>, Failure> {
        let Some(parent) = self.table(key)? else { return Ok(BTreeMap::new()) };
        let mut found = BTreeMap::new();
        for (name, item) in parent.table.iter() {
            let valid = name.len() <= NAME_CHARS_MAX
                && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
            if !valid {
                let what = format!(
                    "`{name}` is no name for a {key}: use at most {NAME_CHARS_MAX} of a-z, 0-9 and -"
                );
                return Err(parent.refuse(1003, what, parent.key_span(name), "this name"));
            }
            let section = parent.child(name, item)?;
            found.insert(name.to_owned(), read(section)?);
        }
        Ok(found)
    }

    pub(super) fn string(&mut self, key: &'static str) -> Result<Option<String>, Failure> {
        let Some(item) = self.take(key) else { return Ok(None) };
        match item.as_str() {
            Some(text) => Ok(Some(text.to_owned())),
            None => Err(self.wrong_type(key, item, "a string")),
        }
    }

    pub(super) fn integer(&mut self, key: &'static str) -> Result<Option<u64>, Failure> {
        let Some(item) = self.take(key) else { return Ok(None) };
        let number = item.as_integer().ok_or_else(|| self.wrong_type(key, item, "an integer"))?;
        let number = u64::try_from(number)
            .map_err(|_| self.refuse(1003, format!("`{key}` is not negative"), item.span(), "below zero"))?;
        Ok(Some(number))
    }

    pub(super) fn required_input(&mut self, key: &'static str) -> Result<Input, Failure> {
        let text = self.string(key)?.ok_or_else(|| self.missing(key))?;
        let span = self.value_span(key).unwrap_or(0..0);
        let path = std::path::PathBuf::from(&text);
        let inside = path
            .components()
            .all(|part| matches!(part, std::path::Component::Normal(_) | std::path::Component::CurDir));
        if text.is_empty() || !inside {
            let what = format!("`{key}` must be a path inside the app's folder");
            return Err(self.refuse(1003, what, Some(span), "leads outside"));
        }
        Ok(Input { path, span })
    }

    /// A value that is one of a few words.
    pub(super) fn choice(
        &mut self,
        key: &'static str,
        words: &[&'static str],
    ) -> Result<Option<&'static str>, Failure> {
        let Some(text) = self.string(key)? else { return Ok(None) };
        let found = words.iter().find(|word| **word == text).copied();
        let what = || format!("`{key}` is one of: {}", words.join(", "));
        found.map(Some).ok_or_else(|| self.refuse(1003, what(), self.value_span(key), "not one of them"))
    }

    pub(super) fn parsed<T: FromStr<Err: Display>>(
        &mut self,
        key: &'static str,
    ) -> Result<Option<T>, Failure> {
        let Some(text) = self.string(key)? else { return Ok(None) };
        let parsed = text.parse::<T>();
        parsed.map(Some).map_err(|error| {
            self.refuse(1003, format!("`{key}` is not valid: {error}"), self.value_span(key), "here")
        })
    }

    pub(super) fn required_parsed<T: FromStr<Err: Display>>(
        &mut self,
        key: &'static str,
    ) -> Result<T, Failure> {
        self.parsed(key)?.ok_or_else(|| self.missing(key))
    }

    /// A table of strings with free keys.
    pub(super) fn strings(&mut self, key: &'static str) -> Result<BTreeMap<String, String>, Failure> {
        let Some(table) = self.table(key)? else { return Ok(BTreeMap::new()) };
        let mut found = BTreeMap::new();
        for (name, item) in table.table.iter() {
            let text = item.as_str().ok_or_else(|| table.wrong_type(name, item, "a string"))?;
            found.insert(name.to_owned(), text.to_owned());
        }
        Ok(found)
    }

    /// Refuses keys that nobody asked for.
    pub(super) fn finish(self) -> Result<(), Failure> {
        let Some((key, _)) = self.table.iter().find(|(key, _)| !self.known.contains(key)) else {
            return Ok(());
        };
        let place = if self.path.is_empty() { FILE_PLACE.to_owned() } else { format!("[{}]", self.path) };
        let failure = self.refuse(
            1001,
            format!("unknown key `{key}` in {place}"),
            self.key_span(key),
            "not a known key",
        );
        let closest = self
            .known
            .iter()
            .map(|known| (strsim::jaro_winkler(known, key), known))
            .max_by(|(a, _), (b, _)| a.total_cmp(b));
        Err(match closest {
            Some((similarity, known)) if similarity >= SIMILARITY_MIN => {
                failure.help(format!("did you mean `{known}`?"))
            }
            _ => failure.help(format!("known keys: {}", self.known.join(", "))),
        })
    }

    fn child(&self, key: &str, item: &'a Item) -> Result<Self, Failure> {
        let table = item.as_table_like().ok_or_else(|| self.wrong_type(key, item, "a table"))?;
        let path = if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) };
        let span = item.span().or_else(|| self.key_span(key)).unwrap_or(0..0);
        Ok(Self { text: self.text, path, table, span, known: Vec::new() })
    }

    fn key_span(&self, key: &str) -> Option<Range<usize>> {
        self.table.key(key).and_then(toml_edit::Key::span)
    }

    fn value_span(&self, key: &str) -> Option<Range<usize>> {
        self.table.get(key).and_then(Item::span)
    }

    fn missing(&self, key: &str) -> Failure {
        let what = if self.path.is_empty() {
            format!("[{key}] is missing")
        } else {
            format!("`{key}` is missing in [{}]", self.path)
        };
        self.refuse(1003, what, Some(self.span.clone()), "in this section").help(format!("add `{key}`"))
    }

    fn wrong_type(&self, key: &str, item: &Item, expected: &str) -> Failure {
        let found = item.as_value().map_or(item.type_name(), Value::type_name);
        let what = format!("`{key}` takes {expected}, this is {} {found}", article(found));
        self.refuse(1002, what, item.span().or_else(|| self.key_span(key)), &format!("not {expected}"))
    }

    pub(super) fn refuse(&self, code: u16, what: String, span: Option<Range<usize>>, label: &str) -> Failure {
        let failure = Failure::new(code, Exit::Failure, what);
        match span {
            Some(span) => failure.at(place(self.text, span, label)),
            None => failure,
        }
    }

    pub(super) fn span_of(&self, key: &str) -> Option<Range<usize>> {
        self.value_span(key)
    }
}

const FILE_PLACE: &str = "the manifest";

fn article(noun: &str) -> &'static str {
    if noun.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" }
}
