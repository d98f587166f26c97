//! JSON-RPC as plain HTTP, so that tests see exactly what is on the wire.

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

/// One node's JSON-RPC.
#[derive(Clone, Debug)]
pub struct Rpc {
    http: reqwest::Client,
    url: String,
}

impl Rpc {
    pub fn new(url: &str) -> Self {
        Self { http: reqwest::Client::new(), url: url.to_owned() }
    }

    /// The whole answer, result or error.
    pub async fn raw(&self, body: String) -> Result<Value> {
        let request = self.http.post(&self.url).header("content-type", "application/json").body(body);
        Ok(request.send().await?.json().await?)
    }

    pub async fn call(&self, method: &str, params: Value) -> Result<Value> {
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let answer = self.raw(body.to_string()).await?;
        if let Some(error) = answer.get("error") {
            bail!("{method}: {error}");
        }
        Ok(answer["result"].clone())
    }

    pub async fn block_number(&self) -> Result<u64> {
        let number = self.call("eth_blockNumber", json!([])).await?;
        let hex = number.as_str().context("a quantity is a string")?;
        Ok(u64::from_str_radix(hex.trim_start_matches("0x"), 16)?)
    }

    /// Waits until the chain is at `height`; the caller bounds the time.
    pub async fn reach(&self, height: u64) -> Result<u64> {
        loop {
            let now = self.block_number().await?;
            if now >= height {
                return Ok(now);
            }
            // Polling is what a client over plain HTTP does; the pause keeps it from being a busy loop.
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    }
}
