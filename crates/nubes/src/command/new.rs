//! `nubes new`: a folder with a small app that runs at once.

use crate::{
    cli::{New, Template},
    failure::{Exit, Failure},
    output::Output,
};
use nubes_base::AppName;
use serde_json::json;
use std::path::Path;

type File = (&'static str, &'static str);

const FULLSTACK: &[File] = &[
    ("nubes.toml", include_str!("../../templates/fullstack/nubes.toml")),
    ("web/index.html", include_str!("../../templates/fullstack/web/index.html")),
    ("web/app.js", include_str!("../../templates/fullstack/web/app.js")),
    ("web/style.css", include_str!("../../templates/fullstack/web/style.css")),
    ("api/index.js", include_str!("../../templates/fullstack/api/index.js")),
];
const STATIC: &[File] = &[
    ("nubes.toml", include_str!("../../templates/static/nubes.toml")),
    ("web/index.html", include_str!("../../templates/static/web/index.html")),
    ("web/style.css", include_str!("../../templates/static/web/style.css")),
];

pub(super) fn run(args: &New, output: Output) -> Result<(), Failure> {
    let folder = args.dir.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let name = AppName::of_app(folder).map_err(|source| {
        Failure::new(1003, Exit::Usage, format!("`{folder}` cannot be an app's name")).because(source)
    })?;
    let empty = std::fs::read_dir(&args.dir).map_or(true, |mut entries| entries.next().is_none());
    if !empty {
        return Err(Failure::new(1013, Exit::Usage, format!("{} is not empty", args.dir.display())));
    }
    let files = match args.template {
        Template::Fullstack => FULLSTACK,
        Template::Static => STATIC,
    };
    for (path, text) in files {
        write(&args.dir.join(path), &text.replace("{name}", name.as_str()))?;
    }
    let next = format!("made {}\nnext: cd {} && nubes dev", args.dir.display(), args.dir.display());
    let written: Vec<_> = files.iter().map(|(path, _)| *path).collect();
    output.result(&next, &json!({ "name": name.as_str(), "dir": args.dir, "files": written }));
    Ok(())
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let written =
        path.parent().map_or(Ok(()), std::fs::create_dir_all).and_then(|()| std::fs::write(path, text));
    written.map_err(|source| {
        Failure::new(1023, Exit::Failure, format!("cannot write {}", path.display())).because(source)
    })
}
