//! `nubes invoke`: one request to an app's function, through the front door as any visitor's.

use crate::{
    cli::Invoke,
    client::Client,
    failure::{Exit, Failure},
    output::Output,
};
use reqwest::{Method, header};
use serde_json::json;
use std::io::Read;

pub(super) async fn run(args: Invoke, output: Output) -> Result<(), Failure> {
    let manifest = args.app.manifest()?;
    let client = Client::new(&args.app.door.node)?;
    let body = args.data.as_deref().map(read_data).transpose()?;
    let default = if body.is_some() { "POST" } else { "GET" };
    let method = args.method.as_deref().unwrap_or(default);
    let method = Method::from_bytes(method.as_bytes())
        .map_err(|source| usage(format!("`{method}` is no HTTP method")).because(source))?;
    let path = args.path.trim_start_matches('/');
    let mut request = client.http().request(method, format!("{}/{path}", client.door()));
    // The app is chosen by the Host header, so that no name has to resolve.
    request = request.header(header::HOST, format!("{}.localhost", manifest.name));
    for text in &args.headers {
        let (name, value) =
            text.split_once(':').ok_or_else(|| usage(format!("`{text}` is no `Name: value`")))?;
        request = request.header(name.trim(), value.trim());
    }
    let answer = match body {
        Some(body) => request.body(body).send().await,
        None => request.send().await,
    };
    let answer = answer.map_err(|source| {
        Failure::new(1015, Exit::Network, format!("no answer from {}", client.door())).because(source)
    })?;
    let status = answer.status();
    let bytes = answer.bytes().await;
    let bytes =
        bytes.map_err(|source| Failure::new(1015, Exit::Network, "the answer broke off").because(source))?;
    if output.is_json() {
        let text = String::from_utf8_lossy(&bytes);
        output.result("", &json!({ "status": status.as_u16(), "body": text }));
    } else {
        output.say(&format!("{status}"));
        Output::bytes(&bytes);
    }
    if status.is_client_error() || status.is_server_error() {
        return Err(Failure::new(1026, Exit::Failure, format!("the function answered {status}")));
    }
    Ok(())
}

fn read_data(data: &str) -> Result<Vec<u8>, Failure> {
    let Some(file) = data.strip_prefix('@') else { return Ok(data.as_bytes().to_vec()) };
    if file == "-" {
        let mut bytes = Vec::new();
        let read = std::io::stdin().lock().read_to_end(&mut bytes);
        return read
            .map(|_| bytes)
            .map_err(|source| usage("cannot read standard input".to_owned()).because(source));
    }
    std::fs::read(file).map_err(|source| usage(format!("cannot read {file}")).because(source))
}

fn usage(what: String) -> Failure {
    Failure::new(1027, Exit::Usage, what)
}
