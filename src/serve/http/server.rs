//! Listening, and one task for each connection, all on one thread; reading from stores happens on others.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

use super::hosts::AllowedHosts;
use super::limits;
use super::routes::{Shared, read_ahead, router};
use super::sessions::Sessions;
use crate::error::{Error, Result};
use crate::event::RunContext;
use crate::serve::reading::{Given, Reading};
use crate::serve::stores::OpenStores;

/// How often the server looks whether it shall stop.
const WATCH: Duration = Duration::from_millis(50);

/// Where a server listens.
#[derive(Clone, Debug)]
pub struct ServerOptions {
    /// Name or number of the interface; the loopback's by default.
    pub host: String,
    /// The port; 0 for any that is free.
    pub port: u16,
    /// Model and dictionary for texts, where they are not as the store says.
    pub given: Given,
}

impl Default for ServerOptions {
    fn default() -> Self {
        ServerOptions {
            host: "127.0.0.1".to_string(),
            port: 0,
            given: Given::default(),
        }
    }
}

/// A server that listens, and answers while it runs.
pub struct Server {
    listener: std::net::TcpListener,
    address: SocketAddr,
    stores: OpenStores,
    sessions: Sessions,
    hosts: AllowedHosts,
    given: Given,
    shown_host: String,
}

impl Server {
    /// Listens, so that links can be told before anything is answered.
    ///
    /// # Errors
    /// There is no such interface, or its port is taken.
    pub fn bind(stores: OpenStores, options: &ServerOptions) -> Result<Self> {
        let ServerOptions { host, port, given } = options;
        let cannot = |why: std::io::Error| {
            Error::input(format!("cannot listen on {host}, port {port}: {why}"))
                .hint("give another `--port` (0 takes any that is free), or another `--host`")
        };
        let bare = host.trim_matches(['[', ']']);
        let places: Vec<SocketAddr> = (bare, *port).to_socket_addrs().map_err(cannot)?.collect();
        let listener = std::net::TcpListener::bind(places.as_slice()).map_err(cannot)?;
        listener.set_nonblocking(true).map_err(cannot)?;
        let address = listener.local_addr().map_err(cannot)?;
        let shown_host = shown(address.ip(), bare);
        Ok(Server {
            listener,
            address,
            stores,
            sessions: Sessions::new(address.port())?,
            hosts: AllowedHosts::new(&[host, &shown_host]),
            given: given.clone(),
            shown_host,
        })
    }

    /// Returns whether other machines can reach it.
    pub fn is_public(&self) -> bool {
        !self.address.ip().is_loopback()
    }

    /// Returns a link that opens one browser; `at` is the page, such as `latent/12`.
    ///
    /// # Errors
    /// The operating system has no random numbers.
    pub fn link(&self, at: &str) -> Result<String> {
        let token = self.sessions.link()?;
        Ok(link(&self.shown_host, self.address.port(), at, &token))
    }

    /// Answers until the context's stop is set; `tell` is given a new link whenever a used one was opened again.
    ///
    /// # Errors
    /// The operating system refuses what a server needs.
    pub fn run(self, context: &RunContext, tell: impl Fn(&str) + Send + Sync + 'static) -> Result<()> {
        let cannot = |why: std::io::Error| Error::run(format!("the server cannot be started: {why}"));
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(4)
            .build()
            .map_err(cannot)?;
        let (host, port) = (self.shown_host, self.address.port());
        let listener = self.listener;
        let shared = Arc::new_cyclic(|shared: &std::sync::Weak<Shared>| {
            let shared = shared.clone();
            Shared {
                stores: self.stores,
                sessions: self.sessions,
                hosts: self.hosts,
                reading: Reading::new(self.given, context.clone()),
                on_used_link: Box::new(move || {
                    if let Some(token) = shared.upgrade().and_then(|shared| shared.sessions.link().ok()) {
                        tell(&link(&host, port, "", &token));
                    }
                }),
            }
        });
        let ended = runtime.block_on(async {
            let listener = TcpListener::from_std(listener).map_err(cannot)?;
            let first = shared.clone();
            tokio::task::spawn_blocking(move || read_ahead(&first));
            tokio::spawn(accept(listener, router(shared)));
            while !context.stop.is_set() {
                sleep(WATCH).await;
            }
            Ok(())
        });
        // A request that is still read from a store does not keep the program.
        runtime.shutdown_timeout(Duration::from_millis(500));
        ended
    }
}

fn link(host: &str, port: u16, at: &str, token: &str) -> String {
    // Behind `#`, so that it stands in no request, log or referrer.
    format!("http://{host}:{port}/#/{at}?token={token}")
}

/// Returns the name by which people reach the server.
fn shown(address: IpAddr, name: &str) -> String {
    match address {
        IpAddr::V6(address) if !address.is_unspecified() => format!("[{address}]"),
        _ if address.is_unspecified() => {
            let names = rustix::system::uname();
            names.nodename().to_string_lossy().into_owned()
        }
        _ => name.to_string(),
    }
}

async fn accept(listener: TcpListener, router: Router) {
    let room = Arc::new(Semaphore::new(limits::CONNECTIONS));
    loop {
        let Ok(permit) = room.clone().acquire_owned().await else {
            return;
        };
        match listener.accept().await {
            Ok((stream, _)) => {
                let router = router.clone();
                tokio::spawn(async move {
                    // Who is slow, or stays for ever, is let go; what went wrong with one connection is its own matter.
                    let _ = timeout(limits::CONNECTION_TIME, converse(stream, router)).await;
                    drop(permit);
                });
            }
            // Out of descriptors, or the other side left: nothing to be done but to wait.
            Err(_) => sleep(WATCH).await,
        }
    }
}

async fn converse(stream: TcpStream, router: Router) -> Result<(), hyper::Error> {
    let _ = stream.set_nodelay(true);
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits::HEAD_TIME)
        .max_buf_size(limits::HEAD)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router))
        .await
}
