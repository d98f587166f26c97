//! Which preview of an app is meant: the one that was named, or that of the git branch its folder is on.
//!
//! The branch is read from `.git/HEAD`, so that no git has to be installed. A name, given or read, becomes a label of a host
//! name; two that differ only in what a label cannot say are the same preview.

use super::Manifest;
use crate::failure::{Exit, Failure};
use alloy_primitives::{hex, keccak256};
use nubes_base::app::{APP_NAME_CHARS_MAX, AppName, AppNameError, PREVIEW_SEPARATOR};
use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

/// Longest label made of a branch, so that the app's name after it can still be read.
const LABEL_CHARS_MAX: usize = 40;
/// Of a branch that is cut, this much of its digest is kept, so that two that begin alike are two previews.
const DIGEST_CHARS: usize = 8;
/// Longest file of git's that is read here; a branch's name is a path.
const GIT_FILE_BYTES_MAX: u64 = 8 << 10;

/// Why a text names no preview.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PreviewError {
    #[error("it has none of a-z and 0-9")]
    Empty,
    #[error("no room is left beside the name of the app, of {APP_NAME_CHARS_MAX} characters for both")]
    NoRoom,
    #[error(transparent)]
    Name(#[from] AppNameError),
}

impl Manifest {
    /// The same app as the preview `named`, or as that of its git branch.
    pub(crate) fn into_preview(mut self, named: Option<&str>) -> Result<Self, Failure> {
        let text = match named {
            Some(text) => text.to_owned(),
            None => branch_of(&self.dir)?,
        };
        self.name = preview_of(&self.name, &text).map_err(|source| {
            let what = format!("`{text}` cannot name a preview of {}", self.name);
            Failure::new(1036, Exit::Usage, what).because(source)
        })?;
        Ok(self)
    }
}

pub(crate) fn preview_of(app: &AppName, text: &str) -> Result<AppName, PreviewError> {
    let room = APP_NAME_CHARS_MAX.saturating_sub(app.app().len() + PREVIEW_SEPARATOR.len());
    Ok(app.with_preview(&label(text, room.min(LABEL_CHARS_MAX))?)?)
}

fn label(text: &str, chars_max: usize) -> Result<String, PreviewError> {
    let mut label = String::new();
    for c in text.chars().map(|c| c.to_ascii_lowercase()) {
        if c.is_ascii_alphanumeric() {
            label.push(c);
        } else if !label.is_empty() && !label.ends_with('-') {
            label.push('-');
        }
    }
    let label = label.trim_end_matches('-');
    if label.is_empty() {
        return Err(PreviewError::Empty);
    }
    if label.len() <= chars_max {
        return Ok(label.to_owned());
    }
    let room =
        chars_max.checked_sub(DIGEST_CHARS + 1).filter(|room| *room > 0).ok_or(PreviewError::NoRoom)?;
    let digest = hex::encode(keccak256(text));
    Ok(format!("{}-{}", label[..room].trim_end_matches('-'), &digest[..DIGEST_CHARS]))
}

fn branch_of(dir: &Path) -> Result<String, Failure> {
    let nameless = |what: String| Failure::new(1035, Exit::Usage, what);
    let found = dir.ancestors().map(|folder| folder.join(".git")).find(|git| git.exists());
    let git = found.ok_or_else(|| nameless(format!("{} is in no git repository", dir.display())))?;
    let unread = |source| nameless(format!("cannot read the branch at {}", git.display())).because(source);
    let head = read_small(&git_dir(&git).map_err(unread)?.join("HEAD")).map_err(unread)?;
    let branch = branch_in(&head).ok_or_else(|| nameless(format!("{} is on no branch", dir.display())))?;
    Ok(branch.to_owned())
}

/// In a worktree and in a submodule `.git` is a file that says where the folder is.
fn git_dir(git: &Path) -> std::io::Result<PathBuf> {
    if git.is_dir() {
        return Ok(git.to_owned());
    }
    let text = read_small(git)?;
    let path = text.trim_end().strip_prefix("gitdir: ").unwrap_or_default();
    Ok(git.parent().unwrap_or(git).join(path))
}

fn read_small(path: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(GIT_FILE_BYTES_MAX).read_to_string(&mut text)?;
    Ok(text)
}

/// None: a commit is checked out and not a branch, or the repository keeps its branches elsewhere (reftable writes `.invalid`).
fn branch_in(head: &str) -> Option<&str> {
    head.trim_end()
        .strip_prefix("ref: refs/heads/")
        .filter(|branch| !branch.is_empty() && *branch != ".invalid")
}

#[cfg(test)]
mod tests {
    use super::{LABEL_CHARS_MAX, Manifest, PreviewError, branch_in, label, preview_of};
    use nubes_base::app::{AppName, AppNameError};
    use std::path::Path;

    #[track_caller]
    fn check(text: &str, expect: Result<&str, PreviewError>) {
        assert_eq!(label(text, LABEL_CHARS_MAX), expect.map(str::to_owned), "{text}");
    }

    #[test]
    fn a_branch_becomes_a_label() {
        check("main", Ok("main"));
        check("feature/New_Login", Ok("feature-new-login"));
        check("--a..b--", Ok("a-b"));
        check("fix#12", Ok("fix-12"));
        check("grün", Ok("gr-n"));
        check("", Err(PreviewError::Empty));
        check("/-/", Err(PreviewError::Empty));
        check("日本", Err(PreviewError::Empty));
    }

    #[test]
    fn long_branches_that_begin_alike_stay_apart() {
        let labels = ["one", "two"].map(|end| label(&format!("{}/{end}", "x".repeat(50)), 40).unwrap());
        assert_ne!(labels[0], labels[1]);
        assert!(labels.iter().all(|label| label.len() == 40), "{labels:?}");
        assert_eq!(label(&"x".repeat(40), 40), Ok("x".repeat(40)));
    }

    #[test]
    fn a_preview_and_its_app_fit_into_one_label() {
        let app = |chars: usize| AppName::of_app(&"a".repeat(chars)).unwrap();
        assert_eq!(preview_of(&app(4), &"x".repeat(90)).unwrap().as_str().len(), 40 + 2 + 4);
        assert_eq!(preview_of(&app(50), &"x".repeat(90)).unwrap().as_str().len(), 63);
        assert_eq!(preview_of(&app(60), "x").unwrap().preview(), Some("x"));
        assert_eq!(preview_of(&app(60), "xy"), Err(PreviewError::NoRoom));
        assert_eq!(preview_of(&app(63), "x"), Err(PreviewError::NoRoom));
        assert_eq!(preview_of(&app(4), "XN"), Err(AppNameError::Encoded.into()));
    }

    #[test]
    fn only_a_branch_is_read_from_head() {
        assert_eq!(branch_in("ref: refs/heads/feature/a\n"), Some("feature/a"));
        for head in
            ["", "ref: refs/heads/\n", "ref: refs/heads/.invalid\n", "8f14e45fceea167a5a36dedd4bea2543\n"]
        {
            assert_eq!(branch_in(head), None, "{head}");
        }
    }

    fn manifest(dir: &Path) -> Manifest {
        Manifest::parse(dir, "[app]\nname = \"shop\"\n").unwrap()
    }

    #[test]
    fn a_preview_without_a_name_is_that_of_the_branch() {
        let dir = tempfile::tempdir().unwrap();
        let app = dir.path().join("work/apps/shop");
        std::fs::create_dir_all(&app).unwrap();
        let code = |named| manifest(&app).into_preview(named).unwrap_err().error_code().to_string();
        assert_eq!(code(None), "NX1035", "no repository");
        assert_eq!(code(Some("/")), "NX1036");

        // A worktree: `.git` is a file.
        std::fs::create_dir_all(dir.path().join("git/worktrees/work")).unwrap();
        std::fs::write(dir.path().join("work/.git"), "gitdir: ../git/worktrees/work\n").unwrap();
        let head = dir.path().join("git/worktrees/work/HEAD");
        std::fs::write(&head, "ref: refs/heads/fix/a\n").unwrap();
        assert_eq!(manifest(&app).into_preview(None).unwrap().name.as_str(), "fix-a--shop");
        assert_eq!(manifest(&app).into_preview(Some("b")).unwrap().name.as_str(), "b--shop");
        std::fs::write(&head, "8f14e45fceea167a5a36dedd4bea2543\n").unwrap();
        assert_eq!(code(None), "NX1035", "a commit and no branch");
    }

    #[test]
    fn whatever_names_a_preview_fits() {
        let texts = ["x".repeat(90), "é".repeat(90), "a/".repeat(45), "-".repeat(90), "Ab--".repeat(20)];
        for (text, chars) in texts.iter().flat_map(|text| (1..=63).map(move |chars| (text, chars))) {
            let app = AppName::of_app(&"a".repeat(chars)).unwrap();
            if let Ok(name) = preview_of(&app, text) {
                assert!(name.preview().is_some_and(|preview| preview.len() <= LABEL_CHARS_MAX), "{name}");
                assert_eq!(name.app(), app.as_str());
            }
        }
    }
}
