//! Starting and talking to `wandb-core`, the service that W&B ships in its Python package.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use super::core::neutral;
use super::protocol::{Command, InformTeardown, ServerRequest, ServerResponse, receive, send};
use crate::error::{Error, Result};

/// Replies that need no network, and how long a write may wait for the service to read.
pub(super) const LOCAL_LIMIT: Duration = Duration::from_secs(30);
/// How long wandb-core may take to open its socket.
const START_LIMIT: Duration = Duration::from_secs(30);

/// A running service and the connection to it. Dropping it ends the service.
pub(super) struct Service {
    stream: Box<dyn Stream>,
    process: Child,
    next_request: u64,
}

trait Stream: Read + Write + Send {
    /// How long to wait for a reply.
    fn limit(&self, reply: Option<Duration>) -> std::io::Result<()>;
    /// How long to wait until a request is taken: an service that hangs must not hold up a training.
    fn limit_writes(&self, write: Duration) -> std::io::Result<()>;
}

impl Stream for UnixStream {
    fn limit(&self, reply: Option<Duration>) -> std::io::Result<()> {
        self.set_read_timeout(reply)
    }

    fn limit_writes(&self, write: Duration) -> std::io::Result<()> {
        self.set_write_timeout(Some(write))
    }
}

impl Stream for TcpStream {
    fn limit(&self, reply: Option<Duration>) -> std::io::Result<()> {
        self.set_read_timeout(reply)
    }

    fn limit_writes(&self, write: Duration) -> std::io::Result<()> {
        self.set_write_timeout(Some(write))
    }
}

impl Service {
    /// Starts the service and connects to it.
    pub(super) fn start(core: &Path) -> Result<Self> {
        let failed = |text: String| Error::run(format!("wandb-core did not start: {text}"));
        let folder = tempfile::tempdir().map_err(|error| failed(error.to_string()))?;
        let port_file = std::path::absolute(folder.path().join("port.txt"));
        let port_file = port_file.map_err(|error| failed(error.to_string()))?;
        let mut process = neutral(core)
            .arg("--no-observability")
            .arg("--port-filename")
            .arg(&port_file)
            .args(["--pid", &std::process::id().to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| failed(format!("`{}`: {error}", core.display())))?;
        let address = match wait_for_address(&port_file, &mut process) {
            Ok(address) => address,
            Err(text) => {
                let _ = process.kill();
                let _ = process.wait();
                return Err(failed(text));
            }
        };
        let connected = connect(&address).and_then(|stream| {
            stream.limit_writes(LOCAL_LIMIT)?;
            Ok(stream)
        });
        match connected {
            Ok(stream) => Ok(Service {
                stream,
                process,
                next_request: 0,
            }),
            Err(error) => {
                let _ = process.kill();
                let _ = process.wait();
                Err(failed(format!("cannot reach it at {address}: {error}")))
            }
        }
    }

    /// Sends a command that has no reply.
    pub(super) fn publish(&mut self, command: Command) -> Result<()> {
        let request = ServerRequest {
            request_id: String::new(),
            command: Some(command),
        };
        send(&mut self.stream, &request).map_err(lost)
    }

    /// Sends a command and waits up to `limit` for its reply. `make` is given the request's id.
    pub(super) fn deliver(
        &mut self,
        limit: Duration,
        make: impl FnOnce(&str) -> Command,
    ) -> Result<ServerResponse> {
        self.next_request += 1;
        let id = format!("saescript-{}", self.next_request);
        let request = ServerRequest {
            command: Some(make(&id)),
            request_id: id.clone(),
        };
        send(&mut self.stream, &request).map_err(lost)?;
        self.stream.limit(Some(limit)).map_err(lost)?;
        loop {
            let response = receive(&mut self.stream).map_err(lost)?;
            if response.request_id != id {
                continue;
            }
            return match response.error {
                Some(error) => Err(Error::run(format!("Weights & Biases: {}", error.message))),
                None => Ok(response),
            };
        }
    }

    /// Asks the service to end and waits for it, so that everything is on disk afterwards.
    pub(super) fn tear_down(mut self, exit_code: i32) -> Result<()> {
        self.publish(Command::InformTeardown(InformTeardown { exit_code }))?;
        let end = Instant::now() + START_LIMIT;
        while Instant::now() < end {
            if matches!(self.process.try_wait(), Ok(Some(_))) {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        if matches!(self.process.try_wait(), Ok(None)) {
            let _ = self.process.kill();
        }
        let _ = self.process.wait();
    }
}

fn lost(error: std::io::Error) -> Error {
    use std::io::ErrorKind::{TimedOut, WouldBlock};
    match error.kind() {
        TimedOut | WouldBlock => Error::run("Weights & Biases: wandb-core did not answer in time"),
        _ => Error::run(format!(
            "Weights & Biases: the connection to wandb-core broke: {error}"
        )),
    }
}

/// Polls the file in which the service writes its address: `unix=PATH` or `sock=PORT`, then `EOF`.
fn wait_for_address(file: &Path, process: &mut Child) -> Result<String, String> {
    let end = Instant::now() + START_LIMIT;
    while Instant::now() < end {
        if let Ok(Some(status)) = process.try_wait() {
            return Err(format!("it ended at once ({status})"));
        }
        let text = std::fs::read_to_string(file).unwrap_or_default();
        if text.trim_end().ends_with("EOF") {
            let known = |line: &&str| line.starts_with("unix=") || line.starts_with("sock=");
            let address = text.lines().find(known).map(str::to_string);
            return address.ok_or_else(|| format!("it offers no known connection: {text:?}"));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Err(format!(
        "it gave no address within {} seconds",
        START_LIMIT.as_secs()
    ))
}

fn connect(address: &str) -> std::io::Result<Box<dyn Stream>> {
    if let Some(path) = address.strip_prefix("unix=") {
        return Ok(Box::new(UnixStream::connect(path)?));
    }
    let port = address
        .strip_prefix("sock=")
        .and_then(|port| port.parse().ok())
        .unwrap_or(0u16);
    Ok(Box::new(TcpStream::connect(("127.0.0.1", port))?))
}
