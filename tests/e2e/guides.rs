//! Guides are run as they stand: each command of each `console` block, in order, in a shell, as a person types them.
//!
//! Where a test cannot type what is written, `TABLE` says what it does and why. A line of the table that its guide has no
//! use for any more fails, and so does a placeholder that nothing is put in place of.

use crate::{bucket, market::providers_are_there};
use anyhow::{Context, Result, ensure};
use nubes_tests::{
    Rpc, Shell, free_port_base,
    guide::{self, Step},
    repository,
};
use std::{collections::BTreeMap, path::Path};

const README: &str = "README.md";
const BUCKET: &str = "docs/bucket.md";
const NAMES: &str = "docs/names.md";
const STORAGE: &str = "docs/storage.md";
const HELLO: &str = "examples/hello-rust/README.md";
const GUESTBOOK: &str = "examples/guestbook/README.md";
const GUIDES: [&str; 6] = [README, BUCKET, NAMES, STORAGE, HELLO, GUESTBOOK];
/// Documents that show commands and are no guides, with the reason.
const NO_GUIDES: [(&str, &str); 1] =
    [("CONTRIBUTING.md", "chores of the checkout, which need the network or run these tests")];
/// How far the JSON-RPC of `nubes dev` is from the first of its ports.
const RPC_PORT: u16 = 465;
/// How far the front door of a network's first node is from the first of its ports.
const DOOR_PORT: u16 = 2;

/// What a test does about a text that stands in a guide's commands.
enum Treatment {
    /// Types this in its place; `{NAME}` is a value of the test.
    Types(&'static str),
    /// Types in its place what an earlier command printed.
    TypesPrinted { by: &'static str, pick: fn(&str) -> Option<&str> },
    /// Types this in its place and has the command run beside the others, from the line that begins with `ready`.
    Stays { types: &'static str, ready: &'static str },
    /// Waits until the three providers of `nubes dev` have registered.
    AwaitsProviders,
    /// Has made it before.
    Makes,
    /// Does not type the command.
    LeavesOut,
}
use Treatment::{AwaitsProviders, LeavesOut, Makes, Stays, Types, TypesPrinted};

struct Entry {
    guide: &'static str,
    text: &'static str,
    treatment: Treatment,
    why: &'static str,
}

const fn entry(guide: &'static str, text: &'static str, treatment: Treatment, why: &'static str) -> Entry {
    Entry { guide, text, treatment, why }
}

const NOBODY: &str = "nobody is there to be asked";
const PORT: &str = "port 8080 may be taken";
const REGISTERING: &str = "providers register on the ledger, for a moment after the cloud is ready";
const ELSEWHERE: &str =
    "the binary is built already, the example is not in the shell's folder, port 8080 may be taken";
const FOLDER: &str = "somebody's files";
const EARLIER: &str = "an earlier command prints it";
const CID_OF_FOLDER: Treatment = TypesPrinted { by: "nubes add", pick: last_line };
const EMPTY_CLOUD: Treatment = Stays { types: "nubes dev --port-base {port}", ready: "ready " };

/// Everything that is not done as it is written.
const TABLE: &[Entry] = &[
    entry(
        README,
        "cargo run --release -- dev examples/guestbook",
        Stays { types: "nubes dev {examples}/guestbook --port-base {port-2} --data-dir data", ready: "app " },
        ELSEWHERE,
    ),
    entry(README, "cargo xtask test", LeavesOut, "it runs this test"),
    entry(README, "nubes dev", Stays { types: "nubes dev --port-base {port}", ready: "app " }, PORT),
    entry(README, "nubes deploy", Types("nubes deploy --yes"), NOBODY),
    entry(README, "nubes rollback", LeavesOut, "nothing was live before; docs/names.md goes back"),
    entry(README, "photos/", Types("../photos/"), "somebody's files, beside the app"),
    entry(README, "CID", CID_OF_FOLDER, "it depends on the files"),
    entry(
        README,
        "/ip4/127.0.0.1/tcp/4001/p2p/ID",
        TypesPrinted { by: "cargo run --release -- dev examples/guestbook", pick: first_peer },
        "another node that is there",
    ),
    entry(README, "nubes deal make", AwaitsProviders, REGISTERING),
    entry(README, "nubes deal make", Types("nubes deal make --yes"), NOBODY),
    entry(README, "nubes logs -f", Types("nubes logs"), "it would go on; tests/e2e/hello.rs follows"),
    entry(
        README,
        "cast block-number --rpc-url http://127.0.0.1:8545",
        LeavesOut,
        "cast may not be here; tests/js/cast-forge.test.mjs runs it",
    ),
    entry(README, "127.0.0.1:8080", Types("127.0.0.1:{port-2}"), "where the guestbook runs"),
    entry(BUCKET, "nubes dev", EMPTY_CLOUD, PORT),
    entry(BUCKET, "BUCKET", Types("blocks"), "the bucket of the test's server"),
    entry(BUCKET, "PREFIX", Types("nodes/guide"), "any will do"),
    entry(NAMES, "nubes dev", EMPTY_CLOUD, PORT),
    entry(NAMES, "127.0.0.1:8080", Types("127.0.0.1:{port}"), PORT),
    entry(NAMES, "nubes deploy", Types("nubes deploy --yes"), NOBODY),
    entry(NAMES, "nubes rollback", Types("nubes rollback --yes"), NOBODY),
    entry(NAMES, "nubes name transfer", Types("nubes name transfer --yes"), NOBODY),
    entry(
        NAMES,
        "ADDRESS",
        Types("0x70997970C51812dc3A010C7d01b50e0d17dc79C8"),
        "somebody else: the second development account",
    ),
    entry(STORAGE, "nubes dev", EMPTY_CLOUD, PORT),
    entry(STORAGE, "photos/", Makes, FOLDER),
    entry(STORAGE, "nubes provider list", AwaitsProviders, REGISTERING),
    entry(STORAGE, "CID", CID_OF_FOLDER, "it depends on the files"),
    entry(STORAGE, "CID1", TypesPrinted { by: "nubes add photos/hill.jpg", pick: last_line }, EARLIER),
    entry(STORAGE, "CID2", TypesPrinted { by: "nubes add photos/lake/", pick: last_line }, EARLIER),
    entry(STORAGE, "PACK", TypesPrinted { by: "nubes deal make CID1", pick: first_line }, EARLIER),
    entry(
        STORAGE,
        "nubes network init",
        Types("nubes network init --port-base {port-2}"),
        "ports from 18000 may be taken",
    ),
    entry(STORAGE, "127.0.0.1:18002", Types("127.0.0.1:{door-2}"), "the ports are others"),
    entry(
        STORAGE,
        "nubes node run net/v0",
        Stays { types: "nubes node run net/v0", ready: "v0 is ready" },
        "it runs until it is stopped",
    ),
    entry(
        STORAGE,
        "nubes node run net/p0",
        Stays { types: "nubes node run net/p0", ready: "provider " },
        "it runs until it is stopped",
    ),
    entry(
        STORAGE,
        "ADDRESS",
        TypesPrinted { by: "nubes node run net/p0", pick: provider },
        "its key is made anew for each network",
    ),
    entry(
        HELLO,
        "cargo run --release -- dev examples/hello-rust",
        Stays { types: "nubes dev {examples}/hello-rust --port-base {port} --data-dir data", ready: "app " },
        ELSEWHERE,
    ),
    entry(HELLO, "127.0.0.1:8080", Types("127.0.0.1:{port}"), PORT),
    entry(HELLO, "./build.sh", LeavesOut, "its target may not be installed, and what it builds is committed"),
    entry(
        GUESTBOOK,
        "nubes dev examples/guestbook",
        Stays { types: "nubes dev {examples}/guestbook --port-base {port} --data-dir data", ready: "app " },
        ELSEWHERE,
    ),
    entry(
        GUESTBOOK,
        "nubes deploy examples/guestbook",
        Types("nubes deploy --yes {examples}/guestbook"),
        NOBODY,
    ),
    entry(GUESTBOOK, "127.0.0.1:8080", Types("127.0.0.1:{port}"), PORT),
];

fn first_line(printed: &str) -> Option<&str> {
    printed.lines().next()
}

fn last_line(printed: &str) -> Option<&str> {
    printed.lines().last()
}

/// The second word of the first line whose first word is this.
fn named<'a>(printed: &'a str, name: &str) -> Option<&'a str> {
    let mut words = printed.lines().map(str::split_whitespace);
    words.find_map(|mut words| (words.next() == Some(name)).then(|| words.next()).flatten())
}

fn first_peer(printed: &str) -> Option<&str> {
    named(printed, "peers")
}

fn provider(printed: &str) -> Option<&str> {
    named(printed, "provider")
}

fn steps(guide: &str) -> Result<Vec<Step>> {
    let text = std::fs::read_to_string(repository().join(guide))?;
    guide::steps(&text).with_context(|| guide.to_owned())
}

/// What the table says of a command.
fn entries(guide: &str, command: &str) -> impl Iterator<Item = &'static Entry> {
    TABLE.iter().filter(move |entry| entry.guide == guide && guide::has(command, entry.text))
}

/// Somebody who reads a guide and types what it says.
struct Reader {
    guide: &'static str,
    shell: Shell,
    /// What `{NAME}` in the table is.
    values: BTreeMap<&'static str, String>,
    /// Commands, as they are written, and what they printed.
    printed: Vec<(String, String)>,
    dir: tempfile::TempDir,
}

impl Reader {
    /// Reads a guide to its end.
    async fn read(guide: &'static str, variables: &[(&str, &str)]) -> Result<()> {
        let mut reader = Self::new(guide, variables)?;
        for step in steps(guide)? {
            reader.follow(&step).await?;
        }
        reader.shell.close().await
    }

    fn new(guide: &'static str, variables: &[(&str, &str)]) -> Result<Self> {
        let (port, other) = (free_port_base()?, free_port_base()?);
        let examples = repository().join("examples");
        let values = BTreeMap::from([
            ("port", port.to_string()),
            ("rpc", (port + RPC_PORT).to_string()),
            ("port-2", other.to_string()),
            ("door-2", (other + DOOR_PORT).to_string()),
            ("examples", examples.to_str().context("paths of tests are UTF-8")?.to_owned()),
        ]);
        let dir = tempfile::tempdir()?;
        let door = format!("http://127.0.0.1:{port}");
        let shell = Shell::open(dir.path(), &[&[("NUBES_NODE", door.as_str())], variables].concat())?;
        make_photos(shell.home())?;
        Ok(Self { guide, shell, values, printed: Vec::new(), dir })
    }

    async fn follow(&mut self, step: &Step) -> Result<()> {
        let (mut typed, mut shown, mut ready) = (step.command.clone(), step.shown.clone(), None);
        for entry in entries(self.guide, &step.command) {
            let text = match &entry.treatment {
                LeavesOut => return Ok(()),
                Makes => continue,
                AwaitsProviders => {
                    self.await_providers().await;
                    continue;
                }
                Types(text) => self.fill(text),
                TypesPrinted { by, pick } => self.pick(by, *pick)?,
                Stays { types, ready: line } => {
                    ready = Some(*line);
                    self.fill(types)
                }
            };
            typed = guide::replace(&typed, entry.text, &text);
            shown = shown.iter().map(|line| guide::replace(line, entry.text, &text)).collect();
        }
        let printed = match ready {
            Some(ready) => self.shell.stay(&typed, ready).await,
            None => self.run(&typed).await,
        };
        let place = || format!("{}:{}: `{}`, typed as `{typed}`", self.guide, step.line, step.command);
        let printed = printed.with_context(place)?;
        let is_shown = guide::is_shown(&shown, &printed);
        ensure!(is_shown, "{}: not\n{}\nis printed but\n{printed}", place(), shown.join("\n"));
        self.printed.push((step.command.clone(), printed));
        Ok(())
    }

    /// What the command printed for others to read on.
    async fn run(&self, typed: &str) -> Result<String> {
        let output = self.shell.run(typed).await?;
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        ensure!(output.status.success(), "it ended with {}\n{out}{err}", output.status);
        Ok(out.into_owned())
    }

    fn fill(&self, text: &str) -> String {
        let values = self.values.iter();
        values.fold(text.to_owned(), |text, (name, value)| text.replace(&format!("{{{name}}}"), value))
    }

    fn pick(&self, by: &str, pick: fn(&str) -> Option<&str>) -> Result<String> {
        let printed = self.printed.iter().find(|(command, _)| guide::has(command, by));
        let (_, printed) = printed.with_context(|| format!("{}: `{by}` did not run before", self.guide))?;
        let picked = pick(printed).with_context(|| format!("{}: `{by}` printed\n{printed}", self.guide))?;
        Ok(picked.to_owned())
    }

    async fn await_providers(&self) {
        let (door, rpc) = (self.fill("http://127.0.0.1:{port}"), self.fill("http://127.0.0.1:{rpc}"));
        providers_are_there(&Rpc::new(&rpc), &door, self.dir.path()).await;
    }
}

fn make_photos(home: &Path) -> std::io::Result<()> {
    let photos = home.join("photos");
    std::fs::create_dir_all(photos.join("lake"))?;
    std::fs::write(photos.join("hill.jpg"), vec![7; 300_000])?;
    std::fs::write(photos.join("lake/boat.jpg"), vec![8; 1_000])
}

#[test]
fn what_the_table_says_is_in_the_guides() {
    for entry in TABLE {
        let (steps, Entry { guide, text, why, .. }) = (steps(entry.guide).unwrap(), entry);
        assert!(GUIDES.contains(guide) && !why.is_empty(), "{guide}: `{text}`");
        let is_there = |text: &str| steps.iter().any(|step| guide::has(&step.command, text));
        assert!(is_there(text), "{guide} has no `{text}` any more");
        if let TypesPrinted { by, .. } = &entry.treatment {
            assert!(is_there(by), "{guide} has no `{by}` any more");
        }
    }
}

#[test]
fn each_placeholder_of_a_guide_is_in_the_table() {
    for guide in GUIDES {
        let steps = steps(guide).unwrap();
        assert!(!steps.is_empty(), "{guide}: no commands");
        for Step { line, command, .. } in steps {
            let known = |text: String, entry: &Entry| guide::replace(&text, entry.text, "");
            let rest = entries(guide, &command).fold(command.clone(), known);
            assert_eq!(guide::placeholders(&rest), [""; 0], "{guide}:{line}: `{command}`");
        }
    }
}

#[test]
fn documents_that_are_no_guides_have_commands_and_a_reason() {
    for (document, why) in NO_GUIDES {
        assert!(!steps(document).unwrap().is_empty() && !why.is_empty(), "{document}");
    }
}

#[tokio::test]
async fn a_command_is_typed_where_the_one_before_it_left_the_shell() {
    let dir = tempfile::tempdir().unwrap();
    let shell = Shell::open(dir.path(), &[("GIVEN", "a b")]).unwrap();
    let run = async |command: &str| {
        let output = shell.run(command).await.unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    assert_eq!(run("mkdir shop && cd shop && export MADE=\"it's $GIVEN\"").await, (Some(0), String::new()));
    assert_eq!(run("basename \"$PWD\"; echo $MADE; false").await, (Some(1), "shop\nit's a b\n".to_owned()));
    assert_eq!(run("cd .. && cat").await, (Some(0), String::new()), "nobody types into a command");
    assert_eq!(run("ls").await, (Some(0), "shop\n".to_owned()));
}

#[tokio::test]
async fn a_command_that_stays_is_stopped_when_the_shell_is_closed() {
    let dir = tempfile::tempdir().unwrap();
    let mut shell = Shell::open(dir.path(), &[]).unwrap();
    let waits = "signal.signal(2, lambda *_: exit()); print('up', flush=True); signal.pause()";
    let printed = shell.stay(&format!("python3 -c \"import signal; {waits}\"  # a comment"), "up").await;
    assert_eq!(printed.unwrap(), "up\n");
    shell.close().await.unwrap();
}

#[tokio::test]
async fn a_command_that_should_stay_and_ends_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let mut shell = Shell::open(dir.path(), &[]).unwrap();
    let error = shell.stay("nubes explain NX9999", "ready").await.unwrap_err().to_string();
    assert!(error.contains("exit status: 4"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_readme_is_true_slow() {
    Reader::read(README, &[]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_guide_to_names_is_true_slow() {
    Reader::read(NAMES, &[]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_guide_to_storage_is_true_slow() {
    Reader::read(STORAGE, &[]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_guide_to_buckets_is_true_slow() {
    let Some(tools) = bucket::moto() else {
        println!("left out: `cargo xtask test rust` installs the S3 server that it needs");
        return;
    };
    let server = bucket::start(&tools, false).await;
    Reader::read(BUCKET, &bucket::environment(&server)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_example_of_a_component_is_true_slow() {
    Reader::read(HELLO, &[]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_example_with_everything_is_true_slow() {
    Reader::read(GUESTBOOK, &[]).await.unwrap();
}
