//! The domain name system, asked through the machine's own servers or a named one.
//!
//! Plain DNS over UDP, and TCP for what is too long: nothing is verified, so whoever is between the node and its server can change an
//! answer. A server on the same machine or network that verifies answers keeps them away.

use async_trait::async_trait;
use bytes::Bytes;
use hickory_resolver::{
    TokioResolver,
    config::{ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig},
    net::{DnsError, NetError, runtime::TokioRuntimeProvider},
    proto::rr::{Name, RData},
};
use nubes_base::port::{TextRecords, Texts, TextsError};
use serde::{Deserialize, Serialize};
use std::{fmt, net::SocketAddr, str::FromStr, time::Duration};

/// For one try at one server.
const TRY_TIMEOUT: Duration = Duration::from_secs(2);
const TRIES_MAX: usize = 2;

/// Who is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) enum Server {
    /// Those of the machine's own configuration.
    System,
    At(SocketAddr),
}

/// The text names no server.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a server of names is `system` or an address with its port, such as 127.0.0.1:53")]
pub(crate) struct ServerError;

impl FromStr for Server {
    type Err = ServerError;

    fn from_str(text: &str) -> Result<Self, ServerError> {
        if text == "system" {
            return Ok(Self::System);
        }
        text.parse().map(Self::At).map_err(|_| ServerError)
    }
}

impl TryFrom<String> for Server {
    type Error = ServerError;

    fn try_from(text: String) -> Result<Self, ServerError> {
        text.parse()
    }
}

impl From<Server> for String {
    fn from(server: Server) -> Self {
        server.to_string()
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::System => f.write_str("system"),
            Self::At(address) => address.fmt(f),
        }
    }
}

/// [`TextRecords`] of the domain name system.
pub(crate) struct Dns {
    server: Server,
    resolver: TokioResolver,
}

impl Dns {
    /// Fails if the machine's configuration cannot be read; nobody is asked yet.
    pub(crate) fn new(server: Server) -> Result<Self, NetError> {
        let mut builder = match server {
            Server::System => TokioResolver::builder_tokio()?,
            Server::At(address) => {
                let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
                    connection.port = address.port();
                    connection
                });
                let server = NameServerConfig::new(address.ip(), true, connections.to_vec());
                let config = ResolverConfig::from_name_servers(vec![server]);
                TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
            }
        };
        let options = builder.options_mut();
        (options.timeout, options.attempts) = (TRY_TIMEOUT, TRIES_MAX);
        // Who asks remembers, and no file of hosts has texts.
        (options.cache_size, options.use_hosts_file) = (0, ResolveHosts::Never);
        Ok(Self { server, resolver: builder.build()? })
    }
}

#[async_trait]
impl TextRecords for Dns {
    async fn texts(&self, name: &str) -> Result<Texts, TextsError> {
        let failed = |source| TextsError { name: name.to_owned(), source };
        // The dot at the end keeps the resolver from adding the machine's own domain.
        let full = Name::from_ascii(format!("{name}.")).map_err(|source| failed(source.into()))?;
        match self.resolver.txt_lookup(full).await {
            Ok(found) => {
                let records = found.answers().iter().filter_map(|record| match &record.data {
                    RData::TXT(text) => Some((Bytes::from(text.txt_data.concat()), record.ttl)),
                    _ => None,
                });
                let (texts, lives): (Vec<_>, Vec<_>) = records.unzip();
                let life = lives.into_iter().min().map(|seconds| Duration::from_secs(seconds.into()));
                Ok(Texts { texts, life })
            }
            Err(NetError::Dns(DnsError::NoRecordsFound(nothing))) => {
                let life = nothing.negative_ttl.map(|seconds| Duration::from_secs(seconds.into()));
                Ok(Texts { texts: Vec::new(), life })
            }
            Err(error) => Err(failed(error.into())),
        }
    }
}

impl fmt::Debug for Dns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dns").field("server", &self.server).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::{Dns, Server};
    use hickory_resolver::proto::{
        op::{Message, ResponseCode},
        rr::{RData, Record, rdata::TXT},
    };
    use nubes_base::port::TextRecords;
    use std::{net::SocketAddr, time::Duration};
    use tokio::{net::UdpSocket, task::JoinSet};

    /// A server that knows two names, does not answer for those that begin with `silent`, and fails for those with `broken`.
    async fn server() -> (SocketAddr, JoinSet<()>) {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let mut task = JoinSet::new();
        task.spawn(async move {
            let mut buffer = [0; 1_500];
            loop {
                let (length, from) = socket.recv_from(&mut buffer).await.unwrap();
                if let Some(answer) = answer(&buffer[..length]) {
                    socket.send_to(&answer, from).await.unwrap();
                }
            }
        });
        (address, task)
    }

    fn answer(question: &[u8]) -> Option<Vec<u8>> {
        let mut message = Message::from_vec(question).unwrap().into_response();
        let name = message.queries[0].name().clone();
        let texts: &[(&[&str], u32)] = match name.to_ascii().as_str() {
            "_dnslink.a.example." => &[(&["dnslink=", "/ipfs/x"], 300), (&["v=spf1"], 60)],
            "empty.example." => &[],
            name if name.starts_with("silent") => return None,
            name if name.starts_with("broken") => {
                message.metadata.response_code = ResponseCode::ServFail;
                &[]
            }
            _ => {
                message.metadata.response_code = ResponseCode::NXDomain;
                &[]
            }
        };
        for (parts, ttl) in texts {
            let text = TXT::new(parts.iter().map(|part| (*part).to_owned()).collect());
            message.add_answer(Record::from_rdata(name.clone(), *ttl, RData::TXT(text)));
        }
        Some(message.to_vec().unwrap())
    }

    #[tokio::test]
    async fn a_server_on_this_machine_is_asked() {
        let (address, _task) = server().await;
        let dns = Dns::new(Server::At(address)).unwrap();
        let found = dns.texts("_dnslink.a.example").await.unwrap();
        assert_eq!(found.texts, ["dnslink=/ipfs/x", "v=spf1"]);
        assert_eq!(found.life, Some(Duration::from_mins(1)), "the shortest of them");
        for name in ["empty.example", "nobody.example"] {
            assert_eq!(dns.texts(name).await.unwrap().texts, Vec::<&str>::new(), "{name}");
        }
        for name in ["broken.example", "silent.example", "not..a.name"] {
            assert_eq!(dns.texts(name).await.unwrap_err().name, name);
        }
    }

    #[test]
    fn a_server_is_read_as_it_is_written() {
        for text in ["system", "127.0.0.1:53", "[::1]:5300"] {
            assert_eq!(text.parse::<Server>().unwrap().to_string(), text);
        }
        for text in ["", "System", "127.0.0.1", "dns.example:53", "https://dns.example"] {
            assert!(text.parse::<Server>().is_err(), "{text}");
        }
    }
}
