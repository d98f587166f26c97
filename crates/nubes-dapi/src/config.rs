//! What the front door is told.

use crate::host::BaseDomains;
use std::time::Duration;

/// Settings of a [`crate::Door`].
#[derive(Clone, Debug)]
pub struct Config {
    /// Domains below which apps and content have their hosts.
    pub base_domains: BaseDomains,
    /// Told to apps, see `/.well-known/nubes.json`.
    pub chain_id: u64,
    pub rpc: RpcUrls,
    pub limits: Limits,
}

/// Where visitors' wallets and scripts reach the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RpcUrls {
    pub http: String,
    pub ws: String,
}

/// What one node takes on at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Requests being answered; one more is refused with 503.
    pub requests_max: usize,
    /// Open connections; one more waits in the listen queue.
    pub connections_max: usize,
    /// Body of a request to a function.
    pub function_body_bytes_max: u64,
    /// From the request's head to the response's head. Mounted routers keep their own time.
    pub request_timeout: Duration,
    /// For the head of a request, and for the pause between two on one connection.
    pub header_timeout: Duration,
    /// A connection that takes nothing of what is to be sent for so long is cut off. What its socket has room for counts
    /// as taken, so who reads little by little needs no hurry.
    pub write_timeout: Duration,
    /// How long a shutdown waits for requests that have begun.
    pub drain_timeout: Duration,
    /// Without a final block for longer than this the node reports itself as not ready.
    pub head_age_max: Duration,
}

impl Limits {
    /// For a machine that does little else.
    pub const STANDARD: Self = Self {
        requests_max: 4096,
        connections_max: 8192,
        function_body_bytes_max: 10 << 20,
        request_timeout: Duration::from_mins(2),
        header_timeout: Duration::from_secs(30),
        write_timeout: Duration::from_mins(1),
        drain_timeout: Duration::from_secs(10),
        head_age_max: Duration::from_mins(1),
    };
}
