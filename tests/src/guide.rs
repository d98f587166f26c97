//! Guides as a test reads them: the commands of a Markdown text, in the order in which they stand.
//!
//! A command is a line of a `console` block that begins with `$ `. A `\` at its end continues it on the next line, and a
//! comment behind it is none of it. What follows, up to the next command or the end of the block, is what it prints; a
//! line `...` among that stands for any lines. A block may be indented, as in a list. Blocks of other languages are left
//! alone.
//!
//! A word of two or more capital letters alone, such as `CID`, is a placeholder: who reads puts something in its place.

use anyhow::{Result, ensure};

const LANGUAGE: &str = "console";
const PROMPT: &str = "$ ";
const ANY_LINES: &str = "...";
/// Fewer marks in a row are no fence.
const FENCE_MARKS_MIN: usize = 3;

/// One command of a guide.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The line it begins in, from one.
    pub line: usize,
    pub command: String,
    /// The lines that the guide shows after it.
    pub shown: Vec<String>,
}

/// Whether a command printed what a guide shows; where it shows nothing, anything is right.
pub fn is_shown(shown: &[String], printed: &str) -> bool {
    let printed: Vec<&str> = printed.lines().map(str::trim_end).collect();
    let shown: Vec<&str> = shown.iter().map(String::as_str).collect();
    shown.is_empty() || matches(&shown, &printed)
}

fn matches(shown: &[&str], printed: &[&str]) -> bool {
    match shown.split_first() {
        None => printed.is_empty(),
        Some((&ANY_LINES, rest)) => (0..=printed.len()).any(|skipped| matches(rest, &printed[skipped..])),
        Some((line, rest)) => {
            printed.split_first().is_some_and(|(first, others)| first == line && matches(rest, others))
        }
    }
}

/// A line that opens a block: how far it is indented, its marks, and the language behind them.
struct Fence<'a> {
    indent: usize,
    marks: &'a str,
    language: &'a str,
}

impl<'a> Fence<'a> {
    fn read(line: &'a str) -> Option<Self> {
        let text = line.trim_start_matches(' ');
        let mark = text.chars().next().filter(|mark| ['`', '~'].contains(mark))?;
        let language = text.trim_start_matches(mark);
        let (marks, indent) = (&text[..text.len() - language.len()], line.len() - text.len());
        // Marks in the rest make it code within a line.
        let opens = FENCE_MARKS_MIN <= marks.len() && !language.contains('`');
        opens.then(|| Self { indent, marks, language: language.trim() })
    }

    fn is_closed_by(&self, line: &str) -> bool {
        let line = line.trim();
        line.starts_with(self.marks) && line.chars().all(|c| self.marks.starts_with(c))
    }

    /// A line of the block, without the room before it that the block itself has.
    fn line<'b>(&self, line: &'b str) -> &'b str {
        let room = line.len() - line.trim_start_matches(' ').len();
        &line[room.min(self.indent)..]
    }
}

/// All commands of a guide.
pub fn steps(text: &str) -> Result<Vec<Step>> {
    let mut steps = Vec::new();
    let mut lines = (1..).zip(text.lines());
    while let Some((opened, line)) = lines.next() {
        let Some(fence) = Fence::read(line) else { continue };
        let mut block = Vec::new();
        let mut is_closed = false;
        for (at, line) in lines.by_ref() {
            is_closed = fence.is_closed_by(line);
            if is_closed {
                break;
            }
            block.push((at, fence.line(line)));
        }
        ensure!(is_closed, "line {opened}: the block that begins here has no end");
        if fence.language == LANGUAGE {
            steps.extend(steps_of(&block)?);
        }
    }
    Ok(steps)
}

fn steps_of(block: &[(usize, &str)]) -> Result<Vec<Step>> {
    let mut steps: Vec<Step> = Vec::new();
    let mut lines = block.iter();
    while let Some(&(line, text)) = lines.next() {
        let Some(typed) = text.strip_prefix(PROMPT) else {
            let Some(step) = steps.last_mut() else {
                anyhow::bail!("line {line}: something is printed before any command");
            };
            step.shown.push(text.trim_end().to_owned());
            continue;
        };
        let mut command = without_comment(typed).to_owned();
        while let Some(begun) = command.strip_suffix('\\') {
            let next = lines.next().map(|(_, next)| without_comment(next));
            let Some(next) = next else { anyhow::bail!("line {line}: the command is continued nowhere") };
            command = format!("{} {}", begun.trim_end(), next.trim_start());
        }
        steps.push(Step { line, command, shown: Vec::new() });
    }
    Ok(steps)
}

/// What a shell takes of a line: a `#` begins a comment at the beginning of a word that is not quoted.
fn without_comment(line: &str) -> &str {
    let (mut quote, mut before) = (None, ' ');
    for (at, c) in line.char_indices() {
        match quote {
            Some(mark) if c == mark => quote = None,
            None if c == '"' || c == '\'' => quote = Some(c),
            None if c == '#' && before == ' ' => return line[..at].trim_end(),
            _ => {}
        }
        before = c;
    }
    line.trim_end()
}

/// The placeholders of a command.
pub fn placeholders(command: &str) -> Vec<&str> {
    let words = command.split(|c| !is_of_word(c));
    words.filter(|word| 1 < word.len() && word.chars().all(|c| c.is_ascii_uppercase())).collect()
}

/// Whether `text` stands in `command`, not as a part of longer words.
pub fn has(command: &str, text: &str) -> bool {
    !places(command, text).is_empty()
}

/// `command` with `other` wherever `text` stands in it, not as a part of longer words.
pub fn replace(command: &str, text: &str, other: &str) -> String {
    let mut replaced = String::new();
    let mut done = 0;
    for at in places(command, text) {
        replaced.push_str(&command[done..at]);
        replaced.push_str(other);
        done = at + text.len();
    }
    replaced.push_str(&command[done..]);
    replaced
}

fn places(command: &str, text: &str) -> Vec<usize> {
    // Two characters of words side by side make one word.
    let joins = |left: Option<char>, right: Option<char>| {
        left.is_some_and(is_of_word) && right.is_some_and(is_of_word)
    };
    let starts = command.match_indices(text).map(|(at, _)| at);
    let alone = starts.filter(|at| {
        let (before, after) = (&command[..*at], &command[at + text.len()..]);
        !joins(before.chars().next_back(), text.chars().next())
            && !joins(text.chars().next_back(), after.chars().next())
    });
    alone.collect()
}

fn is_of_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each step as `LINE COMMAND => SHOWN | SHOWN`.
    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        let steps = steps(text).unwrap();
        let found = steps.iter().map(|step| {
            let shown =
                if step.shown.is_empty() { String::new() } else { format!(" => {}", step.shown.join(" | ")) };
            format!("{} {}{shown}", step.line, step.command)
        });
        assert_eq!(found.collect::<Vec<_>>(), expected);
    }

    #[track_caller]
    fn refused(text: &str, why: &str) {
        let error = steps(text).unwrap_err().to_string();
        assert_eq!(error, why);
    }

    #[test]
    fn commands_of_console_blocks_are_read_in_order() {
        check(
            "a\n```console\n$ one\n$ two\n```\nb\n```console\n$ three\n```\n",
            &["3 one", "4 two", "8 three"],
        );
        check("no block\n", &[]);
    }

    #[test]
    fn what_a_command_prints_follows_it() {
        check("```console\n$ one\nfirst\n  second \n$ two\n```", &["2 one => first |   second", "5 two"]);
        refused("```console\nfirst\n```", "line 2: something is printed before any command");
    }

    #[test]
    fn blocks_of_other_languages_are_left_alone() {
        check("```text\n$ one\n```\n```\n$ two\n```\n```sh\n```\n    $ three\n$ four\n", &[]);
        check("~~~text\n```console\n$ one\n~~~\n````console\n$ two\n```\n````", &["6 two => ```"]);
        check("```console``` is code\n$ one\n", &[]);
    }

    #[test]
    fn a_block_in_a_list_loses_its_room() {
        check("- do\n  ```console\n  $ one\n    wide\n  ```\n- go", &["3 one =>   wide"]);
    }

    #[test]
    fn a_command_goes_on_after_a_backslash() {
        check("```console\n$ one \\\n    --two \\\n  three\nfour\n```", &["2 one --two three => four"]);
        refused("```console\n$ one \\\n```", "line 2: the command is continued nowhere");
    }

    #[test]
    fn a_comment_is_not_typed() {
        check("```console\n$ one   # two\n$ 'a # b' \"# c\" d#e\n```", &["2 one", "3 'a # b' \"# c\" d#e"]);
    }

    #[test]
    fn a_block_without_an_end_is_an_error() {
        refused("a\n```console\n$ one\n", "line 2: the block that begins here has no end");
        refused("```text\n~~~\n", "line 1: the block that begins here has no end");
    }

    #[test]
    fn placeholders_are_words_of_capitals() {
        let words = placeholders("nubes get CID/a --to=NAME -H X_Y A s3://BUCKET/p $IDs xCID");
        assert_eq!(words, ["CID", "NAME", "BUCKET"]);
    }

    #[test]
    fn whole_words_are_replaced() {
        assert_eq!(replace("get CID CIDs aCID CID", "CID", "x"), "get x CIDs aCID x");
        assert_eq!(replace("nubes dev developer --x", "nubes dev", "y"), "y developer --x");
        assert_eq!(replace("ls photos/a photos/", "photos/", "../photos/"), "ls ../photos/a ../photos/");
        assert!(!has("nubes device", "nubes dev") && has("a; nubes dev", "nubes dev"));
    }

    #[test]
    fn what_is_shown_is_what_was_printed() {
        let shows = |shown: &[&str], printed: &str| {
            let shown: Vec<String> = shown.iter().map(|&line| line.to_owned()).collect();
            is_shown(&shown, printed)
        };
        assert!(shows(&[], "anything") && shows(&["a", "b"], "a \nb\n"));
        assert!(!shows(&["a"], "a\nb") && !shows(&["a", "b"], "a") && !shows(&["a"], ""));
        assert!(
            shows(&["a", "...", "d"], "a\nb\nc\nd\n") && shows(&["...", "a"], "a") && shows(&["..."], "")
        );
        assert!(!shows(&["a", "...", "d"], "a\nb\n") && !shows(&["...", "a"], "a\nb"));
    }
}
