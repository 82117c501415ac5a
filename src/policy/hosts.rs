//! Servers and object stores that requests may go to.

use std::fmt;

use url::Url;

use crate::error::{Error, Result};

/// One server, or one bucket of an object store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Server {
    /// A host, at a port or at all of them.
    Host {
        /// Its name or address, in lower case; IPv6 in brackets.
        name: String,
        /// `None`: any.
        port: Option<u16>,
    },
    /// A bucket: `s3://NAME`.
    Bucket(String),
}

impl fmt::Display for Server {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Server::Host { name, port: None } => formatter.write_str(name),
            Server::Host {
                name,
                port: Some(port),
            } => write!(formatter, "{name}:{port}"),
            Server::Bucket(name) => write!(formatter, "s3://{name}"),
        }
    }
}

impl Server {
    /// Returns the server that an address names: `https://host:8443/path`, `s3://bucket/path`.
    ///
    /// # Errors
    /// It names none.
    pub fn of_address(address: &str) -> Result<Self> {
        let wrong = || Error::input(format!("`{}` is no address of a server", without_user(address)));
        let url = Url::parse(address).map_err(|_| wrong())?;
        let name = url.host_str().filter(|name| !name.is_empty()).ok_or_else(wrong)?;
        if url.scheme() == "s3" {
            return Ok(Server::Bucket(name.to_string()));
        }
        Ok(Server::Host {
            name: name.to_lowercase(),
            port: url.port_or_known_default(),
        })
    }

    /// Returns the server that a flag or a manifest names: `host`, `host:port`, `https://host`, `s3://bucket`.
    ///
    /// # Errors
    /// It is none of these.
    pub fn parse(text: &str) -> Result<Self> {
        if text.contains("://") {
            return Self::of_address(text);
        }
        let wrong = || {
            Error::input(format!("`{text}` names no server"))
                .hint("write a host, `host:port` or `s3://bucket`; several are separated by commas")
        };
        let url = Url::parse(&format!("any://{text}")).map_err(|_| wrong())?;
        let has_more = !matches!(url.path(), "" | "/") || url.query().is_some() || !url.username().is_empty();
        match url.host_str().filter(|name| !name.is_empty() && !has_more) {
            Some(name) => Ok(Server::Host {
                name: name.to_lowercase(),
                port: url.port(),
            }),
            None => Err(wrong()),
        }
    }
}

/// An address without the user and the password that it may hold.
fn without_user(address: &str) -> String {
    match address.split_once("://") {
        Some((scheme, rest)) => {
            let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            let host = host.rsplit('@').next().unwrap_or(host);
            format!("{scheme}://{host}{path}")
        }
        None => address.to_string(),
    }
}

/// Servers that requests may go to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Hosts {
    all: bool,
    servers: Vec<Server>,
}

impl Hosts {
    /// Returns all servers.
    pub fn all() -> Self {
        Hosts {
            all: true,
            servers: Vec::new(),
        }
    }

    /// Adds a server.
    pub fn add(&mut self, server: Server) {
        self.servers.push(server);
    }

    /// Adds all servers.
    pub fn add_everything(&mut self) {
        self.all = true;
    }

    /// Returns whether `server` is one of them.
    pub fn holds(&self, server: &Server) -> bool {
        let is = |known: &Server| match (known, server) {
            (
                Server::Host { name, port },
                Server::Host {
                    name: other,
                    port: at,
                },
            ) => name == other && (port.is_none() || port == at),
            (known, other) => known == other,
        };
        self.all || self.servers.iter().any(is)
    }
}
