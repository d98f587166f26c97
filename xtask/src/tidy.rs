//! Rules of the house that no compiler checks. A rule looks at one file and names what breaks it; `STYLE.md` says why.
//!
//! Words that a rule forbids are written in two parts here, so that this file keeps its own rules.

use crate::repository;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};
use toml_edit::{DocumentMut, TableLike};
use walkdir::{DirEntry, WalkDir};

const FILE_LINES_MAX: usize = 500;
const COMMENT_PERCENT_MAX: usize = 5;
/// Folders that hold nothing written by hand.
const FOREIGN_FOLDERS: [&str; 7] = [".git", ".nubes", "cache", "deps", "node_modules", "out", "target"];
const TEXT_FILES: [&str; 14] =
    ["css", "html", "js", "json", "lock", "md", "mjs", "rs", "sh", "sol", "svg", "toml", "wit", "yml"];
/// Words that praise and do not inform.
const ADVERTISING: [&str; 18] = [
    concat!("blaz", "ing"),
    concat!("compre", "hensive"),
    concat!("cutting", "-edge"),
    concat!("de", "lve"),
    concat!("effort", "less"),
    concat!("effort", "lessly"),
    concat!("enterprise", "-grade"),
    concat!("game", "-changing"),
    concat!("lever", "age"),
    concat!("power", "ful"),
    concat!("revolution", "ary"),
    concat!("ro", "bust"),
    concat!("seam", "less"),
    concat!("seam", "lessly"),
    concat!("sim", "ply"),
    concat!("state-of", "-the-art"),
    concat!("util", "ize"),
    concat!("world", "-class"),
];
/// The one place of the tests that asks again and again, because plain HTTP gives it no other way.
const POLLING: &str = "tests/src/rpc.rs";
/// Crates that every layer may use; every other `nubes-*` crate is a layer.
const SHARED: [&str; 2] = ["nubes-base", "nubes-contracts"];
/// The machine and its engine are one layer in two crates, because the engine costs minutes to compile.
const ONE_LAYER: (&str, &str) = ("nubes-ledger", "nubes-consensus");

/// A text file and its path from the root, with `/` between the names.
struct File {
    path: String,
    text: String,
}

type Rule = fn(&File) -> Vec<String>;

impl File {
    fn is_test(&self) -> bool {
        self.path.starts_with("tests/") || self.path.contains("/tests/") || self.path.ends_with("/tests.rs")
    }

    fn is(&self, extension: &str) -> bool {
        self.path.rsplit_once('.').is_some_and(|(_, own)| own == extension)
    }

    /// Names each line that `bad` holds for.
    fn lines(&self, bad: impl Fn(&str) -> bool, why: &str) -> Vec<String> {
        let numbered = self.text.lines().zip(1_usize..);
        numbered.filter(|(line, _)| bad(line)).map(|(_, at)| format!("{}:{at}: {why}", self.path)).collect()
    }
}

/// Every text file that people wrote.
fn files() -> Vec<File> {
    let root = repository();
    let own = |entry: &DirEntry| {
        let name = entry.file_name().to_string_lossy();
        !(entry.file_type().is_dir() && FOREIGN_FOLDERS.contains(&&*name))
    };
    let mut files = Vec::new();
    for entry in WalkDir::new(&root).sort_by_file_name().into_iter().filter_entry(own) {
        let entry = entry.unwrap();
        let path = entry.path().strip_prefix(&root).unwrap().to_str().unwrap().replace('\\', "/");
        let is_text =
            path == ".ci/run" || path.rsplit_once('.').is_some_and(|(_, end)| TEXT_FILES.contains(&end));
        if entry.file_type().is_file() && is_text {
            files.push(File { path, text: fs::read_to_string(entry.path()).unwrap() });
        }
    }
    files
}

#[track_caller]
fn check(rule: Rule) {
    let broken: Vec<String> = files().iter().flat_map(rule).collect();
    assert!(broken.is_empty(), "\n{}\n", broken.join("\n"));
}

#[track_caller]
fn finds(rule: Rule, path: &str, text: &str) {
    let file = File { path: path.to_owned(), text: text.to_owned() };
    assert!(!rule(&file).is_empty(), "not found in {path}: {text}");
}

/// Whether `word` stands in `line` on its own.
fn has_word(line: &str, word: &str) -> bool {
    let part = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    line.match_indices(word)
        .any(|(at, _)| !part(line[..at].chars().next_back()) && !part(line[at + word.len()..].chars().next()))
}

fn fits_in_one_head(file: &File) -> Vec<String> {
    let lines = file.text.lines().count();
    if !file.is("rs") || file.is_test() || lines <= FILE_LINES_MAX {
        return Vec::new();
    }
    vec![format!("{}: {lines} lines, at most {FILE_LINES_MAX}", file.path)]
}

fn ignores_no_test(file: &File) -> Vec<String> {
    let bad = |line: &str| line.contains(concat!("#[ign", "ore"));
    if file.is("rs") { file.lines(bad, "repair the test or delete it") } else { Vec::new() }
}

fn has_no_bare_reminder(file: &File) -> Vec<String> {
    let reminders = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")];
    let bad = |line: &str| reminders.iter().any(|word| has_word(line, word)) && !line.contains("(#");
    if file.is("lock") || file.is("json") {
        return Vec::new();
    }
    file.lines(bad, "a reminder names its issue: (#123)")
}

fn does_not_advertise(file: &File) -> Vec<String> {
    let in_docs = |line: &str| file.is("md") || line.trim_start().starts_with("//");
    let bad = |line: &str| {
        let line = line.to_lowercase();
        in_docs(&line) && ADVERTISING.iter().any(|word| has_word(&line, word))
    };
    if !(file.is("md") || file.is("rs") || file.is("sol") || file.is("js") || file.is("mjs")) {
        return Vec::new();
    }
    file.lines(bad, "a word that praises and does not inform")
}

fn does_not_sleep_in_tests(file: &File) -> Vec<String> {
    let bad =
        |line: &str| line.contains(concat!("thread::sl", "eep")) || line.contains(concat!("time::sl", "eep"));
    if file.is_test() && file.is("rs") && file.path != POLLING {
        file.lines(bad, "wait for the thing, not for time")
    } else {
        Vec::new()
    }
}

fn says_what_it_is(file: &File) -> Vec<String> {
    let is_root = file.path.starts_with("crates/") && file.path.ends_with("/src/lib.rs");
    if !is_root || file.text.starts_with("//!") {
        return Vec::new();
    }
    vec![format!("{}: begins with `//!`: what it is, what it is not, its laws", file.path)]
}

fn names_no_machine(file: &File) -> Vec<String> {
    let places =
        [concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/ho", "me/"), concat!("/Use", "rs/")];
    // A path starts there; `a/b` in the middle of an address does not.
    let starts = |line: &str, place: &str| {
        let before = |at: usize| line[..at].chars().next_back();
        line.match_indices(place)
            .any(|(at, _)| before(at).is_none_or(|c| !(c.is_alphanumeric() || "./}_-".contains(c))))
    };
    file.lines(|line| places.iter().any(|place| starts(line, place)), "a path of one machine")
}

fn keeps_errors_as_types(file: &File) -> Vec<String> {
    let bad = |line: &str| line.contains(concat!("Oth", "er(String)"));
    if file.is("rs") {
        file.lines(bad, "a variant per thing the caller can do differently")
    } else {
        Vec::new()
    }
}

fn does_not_ask_whether_it_is_tested(file: &File) -> Vec<String> {
    let bad = |line: &str| line.contains(concat!("cfg!(te", "st)"));
    if file.is("rs") { file.lines(bad, "no test-only branches: use a port and its fake") } else { Vec::new() }
}

fn layers_do_not_meet(file: &File) -> Vec<String> {
    let Some(own) = file.path.strip_prefix("crates/").and_then(|path| path.strip_suffix("/Cargo.toml"))
    else {
        return Vec::new();
    };
    let manifest: DocumentMut = file.text.parse().unwrap();
    let mut broken = Vec::new();
    for (table, dependency) in dependencies(&manifest) {
        let for_tests = table == "dev-dependencies" && dependency == "nubes-testkit";
        let allowed = match own {
            "nubes" => dependency != "nubes-testkit" || for_tests,
            "nubes-base" => for_tests,
            "nubes-contracts" => dependency == "nubes-base" || for_tests,
            "nubes-testkit" => SHARED.contains(&dependency.as_str()),
            layer => {
                SHARED.contains(&dependency.as_str())
                    || for_tests
                    || (layer, dependency.as_str()) == ONE_LAYER
            }
        };
        if !allowed {
            broken.push(format!("{}: {own} must not name {dependency} in [{table}]", file.path));
        }
    }
    broken
}

/// Crates of ours that a manifest names, each with the table it is in.
fn dependencies(manifest: &DocumentMut) -> Vec<(&'static str, String)> {
    const TABLES: [&str; 3] = ["dependencies", "dev-dependencies", "build-dependencies"];
    let targets = manifest.get("target").and_then(|targets| targets.as_table_like());
    let targets =
        targets.into_iter().flat_map(TableLike::iter).filter_map(|(_, target)| target.as_table_like());
    let mut found = Vec::new();
    for place in targets.chain([manifest.as_table() as &dyn TableLike]) {
        for table in TABLES {
            let Some(entries) = place.get(table).and_then(|table| table.as_table_like()) else { continue };
            for (name, entry) in entries.iter() {
                let renamed = entry.get("package").and_then(|package| package.as_str());
                found.push((table, renamed.unwrap_or(name).to_owned()));
            }
        }
    }
    found.retain(|(_, name)| name == "nubes" || name.starts_with("nubes-"));
    found
}

/// Commands of documents, as a person types them: after `$`, or indented by four.
fn commands(text: &str) -> Vec<String> {
    let typed = text.lines().filter_map(|line| line.strip_prefix("$ ").or_else(|| line.strip_prefix("    ")));
    let parts = typed.flat_map(|line| line.split(" # ").next().unwrap_or(line).split("&&"));
    let parts = parts.map(|part| part.trim().replace("cargo run --release -- ", "nubes "));
    parts
        .filter(|part| ["nubes ", "cargo xtask ", "cast "].iter().any(|start| part.starts_with(start)))
        .collect()
}

/// Words of a command that a test must use too: the subcommand and the options.
fn tested_words(command: &str) -> BTreeSet<String> {
    let words = command.split_whitespace().skip(1);
    let option = |word: &&str| word.starts_with('-');
    let subcommand = words.clone().take(1);
    subcommand
        .chain(words.skip(1).filter(option))
        .map(|word| word.split('=').next().unwrap_or(word).to_owned())
        .collect()
}

#[test]
fn a_file_fits_in_one_head() {
    finds(fits_in_one_head, "crates/a/src/b.rs", &"\n".repeat(FILE_LINES_MAX + 1));
    check(fits_in_one_head);
}

#[test]
fn layers_meet_only_in_ports() {
    let path = "crates/nubes-storage/Cargo.toml";
    finds(layers_do_not_meet, path, "[dependencies]\nnubes-ledger.workspace = true");
    finds(
        layers_do_not_meet,
        path,
        "[target.'cfg(unix)'.dev-dependencies]\nx = { package = \"nubes-dapi\" }",
    );
    finds(layers_do_not_meet, path, "[dependencies]\nnubes-testkit.workspace = true");
    finds(
        layers_do_not_meet,
        "crates/nubes-consensus/Cargo.toml",
        "[dependencies]\nnubes-ledger.workspace = true",
    );
    check(layers_do_not_meet);
}

#[test]
fn no_test_is_skipped() {
    finds(ignores_no_test, "tests/e2e/a.rs", concat!("#[ign", "ore = \"slow\"]"));
    check(ignores_no_test);
}

#[test]
fn a_reminder_names_its_issue() {
    finds(has_no_bare_reminder, "crates/a/src/b.rs", concat!("// TO", "DO later"));
    check(has_no_bare_reminder);
}

#[test]
fn documents_inform() {
    finds(does_not_advertise, "README.md", concat!("A Ro", "bust cloud"));
    finds(does_not_advertise, "crates/a/src/b.rs", concat!("    /// Sim", "ply does it."));
    check(does_not_advertise);
}

#[test]
fn tests_wait_for_things_and_not_for_time() {
    finds(does_not_sleep_in_tests, "crates/a/src/tests.rs", concat!("std::thread::sl", "eep(second)"));
    finds(does_not_sleep_in_tests, "tests/e2e/a.rs", concat!("tokio::time::sl", "eep(second).await"));
    check(does_not_sleep_in_tests);
}

#[test]
fn a_library_begins_with_what_it_is() {
    finds(says_what_it_is, "crates/a/src/lib.rs", "mod b;");
    check(says_what_it_is);
}

#[test]
fn no_file_knows_a_machine() {
    finds(names_no_machine, "docs/a.md", concat!("see /ho", "me/ada/notes"));
    check(names_no_machine);
}

#[test]
fn errors_are_types() {
    finds(keeps_errors_as_types, "crates/a/src/b.rs", concat!("Oth", "er(String),"));
    check(keeps_errors_as_types);
}

#[test]
fn production_code_does_not_know_of_tests() {
    finds(does_not_ask_whether_it_is_tested, "crates/a/src/b.rs", concat!("if cfg!(te", "st) {"));
    check(does_not_ask_whether_it_is_tested);
}

#[test]
fn names_speak_for_themselves() {
    let mut crates: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    for file in
        files().iter().filter(|file| file.path.starts_with("crates/") && file.is("rs") && !file.is_test())
    {
        let name = file.path.split('/').nth(1).unwrap().to_owned();
        let (comments, lines) = crates.entry(name).or_default();
        *lines += file.text.lines().count();
        *comments += file.text.lines().map(str::trim_start).filter(|line| is_plain_comment(line)).count();
    }
    let talkative = |(comments, lines): &(usize, usize)| comments * 100 > lines * COMMENT_PERCENT_MAX;
    let broken: Vec<_> = crates.iter().filter(|(_, counts)| talkative(counts)).collect();
    assert!(broken.is_empty(), "over {COMMENT_PERCENT_MAX} % comments (comments, lines): {broken:?}");
}

fn is_plain_comment(line: &str) -> bool {
    line.starts_with("//") && !line.starts_with("///") && !line.starts_with("//!")
}

#[test]
fn commands_of_documents_are_run_by_tests() {
    let files = files();
    let text_of = |folder: &str, extension: &str| -> String {
        let chosen = files.iter().filter(|file| file.path.starts_with(folder) && file.is(extension));
        chosen.map(|file| file.text.as_str()).collect()
    };
    let (chores, own, foreign) =
        (text_of("xtask/src/", "rs"), text_of("tests/", "rs"), text_of("tests/js/", "mjs"));
    let mut found = 0;
    let mut broken = Vec::new();
    for document in files.iter().filter(|file| file.is("md") && !file.path.starts_with("contracts/")) {
        for command in commands(&document.text) {
            found += 1;
            let (words, home) = match command.split_once(' ') {
                Some(("cargo", rest)) => (tested_words(rest), &chores),
                Some(("cast", _)) => (tested_words(&command), &foreign),
                _ => (tested_words(&command), &own),
            };
            let missing = words.into_iter().filter(|word| !home.contains(&format!("\"{word}\"")));
            broken
                .extend(missing.map(|word| format!("{}: `{command}`: no test uses `{word}`", document.path)));
        }
    }
    assert!(broken.is_empty(), "\n{}\n", broken.join("\n"));
    assert!(found >= 5, "only {found} commands found: has the form of documents changed?");
}

#[test]
fn guides_are_run_as_they_stand() {
    let files = files();
    let run = files.iter().find(|file| file.path == "tests/e2e/guides.rs").unwrap();
    let guides = files.iter().filter(|file| file.is("md") && file.text.contains("```console"));
    let paths: Vec<&str> = guides.map(|file| file.path.as_str()).collect();
    let broken: Vec<&&str> = paths.iter().filter(|path| !run.text.contains(&format!("\"{path}\""))).collect();
    assert!(broken.is_empty(), "tests/e2e/guides.rs does not name {broken:?}");
    assert!(paths.len() >= 5, "only {paths:?} found: has the form of documents changed?");
}
