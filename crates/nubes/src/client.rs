//! Talks to a node over its public surfaces, as any other program would.

use crate::failure::{Exit, Failure};
use alloy_primitives::{Address, B256, Bytes, hex};
use cid::Cid;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use std::time::Duration;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// Longest answer that is read into memory from a node's API.
const ANSWER_BYTES_MAX: u64 = 64 << 20;

/// What a node says of itself at `/api/v1/node`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NodeInfo {
    pub(crate) version: String,
    pub(crate) chain_id: u64,
    pub(crate) genesis: B256,
    /// True if the development accounts are funded on this chain.
    pub(crate) development: bool,
    pub(crate) rpc: RpcUrls,
    /// How IPFS peers reach it, if they do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) exchange: Option<ExchangeInfo>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ExchangeInfo {
    pub(crate) peer_id: String,
    /// Multiaddrs that end in the peer id.
    pub(crate) addresses: Vec<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct RpcUrls {
    pub(crate) http: String,
    pub(crate) ws: String,
}

/// A node's front door and its JSON-RPC.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    http: reqwest::Client,
    door: String,
}

impl Client {
    pub(crate) fn new(door: &str) -> Result<Self, Failure> {
        let http = reqwest::Client::builder().connect_timeout(CONNECT_TIMEOUT).no_proxy().build();
        let http =
            http.map_err(|source| Failure::new(1015, Exit::Network, "no HTTP client").because(source))?;
        Ok(Self { http, door: door.trim_end_matches('/').to_owned() })
    }

    pub(crate) const fn http(&self) -> &reqwest::Client {
        &self.http
    }

    pub(crate) fn door(&self) -> &str {
        &self.door
    }

    fn unreachable(&self, url: &str, source: reqwest::Error) -> Failure {
        let exit = if source.is_timeout() { Exit::TimedOut } else { Exit::Network };
        Failure::new(1015, exit, format!("no answer from {url}")).because(source).help(format!(
            "is a node running? start one with `nubes dev`, or name another with --node (now {})",
            self.door
        ))
    }

    /// GET or POST below the front door; an error status becomes a failure with the node's own words.
    pub(crate) async fn send(&self, request: reqwest::RequestBuilder) -> Result<reqwest::Response, Failure> {
        let answer = request.send().await;
        let answer = answer.map_err(|source| {
            let url = source.url().map_or_else(|| self.door.clone(), ToString::to_string);
            self.unreachable(&url, source)
        })?;
        if answer.status().is_success() {
            return Ok(answer);
        }
        let status = answer.status();
        let problem: Value = answer.json().await.unwrap_or_default();
        let code = problem
            .get("code")
            .and_then(Value::as_str)
            .and_then(|text| text.parse::<nubes_base::Code>().ok());
        let detail = problem.get("detail").or_else(|| problem.get("title")).and_then(Value::as_str);
        let exit = if status == reqwest::StatusCode::NOT_FOUND { Exit::NotFound } else { Exit::Failure };
        let what = format!(
            "the node answered {status}{}",
            detail.map(|text| format!(": {text}")).unwrap_or_default()
        );
        Err(Failure::new(code.map_or(1021, nubes_base::Code::number), exit, what))
    }

    pub(crate) async fn json<T: DeserializeOwned>(
        &self,
        request: reqwest::RequestBuilder,
    ) -> Result<T, Failure> {
        let answer = self.send(request).await?;
        let url = answer.url().to_string();
        if answer.content_length().is_some_and(|bytes| bytes > ANSWER_BYTES_MAX) {
            return Err(Failure::new(1021, Exit::Failure, format!("the answer of {url} is too long")));
        }
        answer.json().await.map_err(|source| {
            Failure::new(1021, Exit::Failure, format!("{url} did not answer as a Nubes node does"))
                .because(source)
        })
    }

    pub(crate) async fn info(&self) -> Result<NodeInfo, Failure> {
        self.json(self.http.get(format!("{}/api/v1/node", self.door))).await
    }

    /// Which of these blocks the node does not have.
    pub(crate) async fn missing(&self, cids: &[Cid]) -> Result<Vec<String>, Failure> {
        let cids: Vec<String> = cids.iter().map(ToString::to_string).collect();
        let request =
            self.http.post(format!("{}/api/v1/blocks/missing", self.door)).json(&json!({ "cids": cids }));
        let answer: Missing = self.json(request).await?;
        Ok(answer.missing)
    }

    pub(crate) async fn upload_car(&self, car: reqwest::Body) -> Result<(), Failure> {
        let request = self.http.post(format!("{}/api/v1/car", self.door));
        let request = request.header("content-type", "application/vnd.ipld.car").body(car);
        self.send(request).await.map(|_| ())
    }

    /// Has the node keep what is below these roots, all of which it has. NX3050: it has not, send it again.
    pub(crate) async fn pin(&self, roots: &[Cid], name: &str) -> Result<(), Failure> {
        let request = self.http.post(self.url("/api/v1/car", ("pin", name))?);
        let header = nubes_storage::car::header(roots);
        self.send(request.header("content-type", "application/vnd.ipld.car").body(header)).await.map(|_| ())
    }

    /// The CIDs of all pins of this name.
    pub(crate) async fn pinned(&self, name: &str) -> Result<Vec<Cid>, Failure> {
        let request = self.http.get(self.url("/api/v1/pins", ("name", name))?);
        let Pins { pins } = self.json(request).await?;
        let cids = pins.iter().filter_map(|pin| pin.get("cid")?.as_str()?.parse().ok());
        Ok(cids.collect())
    }

    /// Has the node keep a CID no longer by this name; another pin may still keep it.
    pub(crate) async fn unpin(&self, cid: &Cid, name: &str) -> Result<(), Failure> {
        let request = self.http.delete(self.url(&format!("/api/v1/pins/{cid}"), ("name", name))?);
        self.send(request).await.map(|_| ())
    }

    fn url(&self, path: &str, option: (&str, &str)) -> Result<reqwest::Url, Failure> {
        let url = format!("{}{path}", self.door);
        reqwest::Url::parse_with_params(&url, [option]).map_err(|source| {
            Failure::new(1015, Exit::Network, format!("{url} is no address")).because(source)
        })
    }

    pub(crate) async fn rpc<T: DeserializeOwned>(
        &self,
        url: &str,
        method: &str,
        params: Value,
    ) -> Result<T, Failure> {
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let answer: RpcAnswer = self.json(self.http.post(url).json(&body)).await?;
        if let Some(error) = answer.error {
            let what = format!("{method}: {}", error.message);
            return Err(Failure::new(1021, Exit::Failure, what));
        }
        serde_json::from_value(answer.result.unwrap_or_default()).map_err(|source| {
            Failure::new(1021, Exit::Failure, format!("{method} did not answer as Ethereum nodes do"))
                .because(source)
        })
    }

    /// Reads a contract.
    pub(crate) async fn call(&self, url: &str, to: Address, data: &[u8]) -> Result<Bytes, Failure> {
        let params = json!([{ "to": to, "data": hex::encode_prefixed(data) }, "latest"]);
        self.rpc(url, "eth_call", params).await
    }
}

#[derive(Deserialize)]
struct Missing {
    missing: Vec<String>,
}

#[derive(Deserialize)]
struct Pins {
    pins: Vec<Value>,
}

#[derive(Deserialize)]
struct RpcAnswer {
    result: Option<Value>,
    error: Option<RpcError>,
}

#[derive(Deserialize)]
struct RpcError {
    message: String,
}
