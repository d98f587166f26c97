//! Commands that only print what the binary knows: `explain`, `schema`, `completions`.

use crate::{
    cli::{Cli, Completions, Explain},
    failure::{Exit, Failure},
    manifest::schema,
    output::Output,
};
use clap::CommandFactory;
use nubes_base::code::{Code, Explanation, catalogue};
use serde_json::{Value, json};

pub(super) fn explain(args: &Explain, output: Output) -> Result<(), Failure> {
    let Some(text) = &args.code else {
        let rows: Vec<_> = catalogue().map(|entry| format!("{}  {}", entry.code, entry.title)).collect();
        output.result(&rows.join("\n"), &catalogue().map(to_json).collect());
        return Ok(());
    };
    let code: Code = text.parse().map_err(|source: nubes_base::code::CodeSyntaxError| {
        Failure::new(1025, Exit::Usage, format!("`{text}` is no error code")).because(source)
    })?;
    let Some(entry) = code.explanation() else {
        let help = "see all codes with `nubes explain`";
        return Err(
            Failure::new(1025, Exit::NotFound, format!("{code} is not a code of this version")).help(help)
        );
    };
    let page = format!("{}: {}\n\n{}\n\nWhat to do: {}", entry.code, entry.title, entry.cause, entry.fix);
    output.result(&page, &to_json(entry));
    Ok(())
}

fn to_json(entry: &Explanation) -> Value {
    json!({ "code": entry.code.to_string(), "title": entry.title, "cause": entry.cause, "fix": entry.fix })
}

pub(super) fn schema(output: Output) {
    let schema = schema::schema();
    output.result(&format!("{schema:#}"), &schema);
}

pub(super) fn completions(args: &Completions) {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "nubes", &mut script);
    Output::bytes(&script);
}
