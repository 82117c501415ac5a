//! Answers as they come in, without a wait that cannot be ended.
//!
//! Looking up a name, connecting and reading cannot be interrupted. Each request is therefore made on a thread of its
//! own; whoever asked waits for what it sends, and leaves it behind when the work is given up.

use std::io::{self, Read};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use ureq::Agent;
use ureq::http::{Request, Response};
use url::Url;

use super::progress::Progress;
use super::redirect;
use super::trouble::Trouble;
use crate::error::Error;

/// How often it is looked whether the work shall end.
const TICK: Duration = Duration::from_millis(50);

/// Bytes handed on at a time.
const PIECE: usize = 1 << 18;

/// Fewer bytes within the patience for a server, and it is not worth waiting for.
const TRICKLE: u64 = 1 << 10;

/// A request, ready to be made.
pub(super) struct Call {
    pub agent: Agent,
    /// For an address to which a redirect led: the one that was asked first, and who is to ask unless that one is
    /// private itself.
    pub elsewhere: Option<(Url, Agent)>,
    pub method: Method,
    pub address: String,
    pub headers: Vec<(String, String)>,
    /// What is sent, by POST.
    pub body: Option<Vec<u8>>,
    /// How long a server may send next to nothing.
    pub patience: Duration,
}

type Piece = io::Result<Vec<u8>>;

/// The body of an answer. Reading fails when the work shall end.
pub struct Body<'a> {
    pieces: Receiver<Piece>,
    piece: io::Cursor<Vec<u8>>,
    progress: &'a Progress,
    pace: Pace,
}

/// How much came in since when.
struct Pace {
    patience: Duration,
    since: Instant,
    bytes: u64,
}

/// Makes the request and waits for the head of the answer.
///
/// # Errors
/// No answer; work that shall end.
pub(super) fn start(call: Call, progress: &Progress) -> Result<Reply<'_>, Trouble> {
    progress.check()?;
    let pace = Pace::new(call.patience);
    let (answer, answered) = bounded(1);
    thread::Builder::new()
        .name("saescript-request".into())
        .spawn(move || make(&call, &answer))
        .map_err(|error| Error::run(format!("cannot start a thread for a request: {error}")))?;
    loop {
        match answered.recv_timeout(TICK) {
            Ok(Ok((head, pieces))) => {
                let body = Body {
                    pieces,
                    piece: io::Cursor::default(),
                    progress,
                    pace,
                };
                return Ok(head.map(|()| body));
            }
            Ok(Err(trouble)) => return Err(trouble),
            Err(RecvTimeoutError::Timeout) => progress.check()?,
            Err(RecvTimeoutError::Disconnected) => {
                return Err(Trouble::Broken(
                    "the thread of a request ended unexpectedly".into(),
                ));
            }
        }
    }
}

type Answer = Result<(Response<()>, Receiver<Piece>), Trouble>;

/// Makes a request, and sends its body piece by piece until nobody listens any more.
fn make(call: &Call, answer: &Sender<Answer>) {
    let agent = match &call.elsewhere {
        Some((asked, public)) if !redirect::is_private(asked) => public,
        _ => &call.agent,
    };
    let method = match (&call.body, call.method) {
        (Some(_), _) => "POST",
        (None, Method::Get) => "GET",
        (None, Method::Head) => "HEAD",
    };
    let mut request = Request::builder().method(method).uri(&call.address);
    for (name, value) in &call.headers {
        request = request.header(name, value);
    }
    let sent = match (request.body(()), &call.body) {
        (Err(error), _) => Err(error.into()),
        (Ok(request), None) => agent.run(request),
        (Ok(request), Some(body)) => agent.run(request.map(|()| body.as_slice())),
    };
    let (head, body) = match sent {
        Ok(reply) => reply.into_parts(),
        Err(error) => return drop(answer.send(Err(broken(&error)))),
    };
    let (sender, pieces) = bounded(2);
    if answer.send(Ok((Response::from_parts(head, ()), pieces))).is_err() {
        return;
    }
    let mut body = body.into_reader();
    loop {
        let mut piece = vec![0; PIECE];
        let piece = match body.read(&mut piece) {
            Ok(0) => return,
            Ok(read) => {
                piece.truncate(read);
                Ok(piece)
            }
            Err(error) => Err(io::Error::other(error.to_string())),
        };
        let ended = piece.is_err();
        if sender.send(piece).is_err() || ended {
            return;
        }
    }
}

fn broken(error: &ureq::Error) -> Trouble {
    match error {
        ureq::Error::HostNotFound => Trouble::Broken("the host is not known; is the network up?".into()),
        ureq::Error::Timeout(_) => Trouble::Broken("no answer in time".into()),
        ureq::Error::Io(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            Trouble::Local(Error::run(error.to_string()))
        }
        ureq::Error::Io(error) => Trouble::Broken(error.to_string()),
        other => Trouble::Broken(other.to_string()),
    }
}

/// Returns why reading a body ended early.
pub fn cut(error: io::Error) -> Trouble {
    match error.kind() {
        // It would go on like that the next time.
        io::ErrorKind::TimedOut => Trouble::Local(Error::run(error.to_string())),
        _ => Trouble::Broken(format!("the connection broke off: {error}")),
    }
}

impl Read for Body<'_> {
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        while self.piece.position() == self.piece.get_ref().len() as u64 {
            match self.pieces.recv_timeout(TICK) {
                Ok(piece) => {
                    self.piece = io::Cursor::new(piece?);
                    self.pace.bytes += self.piece.get_ref().len() as u64;
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Ok(0),
            }
            self.pace.check()?;
            self.progress
                .check()
                .map_err(|_| io::Error::other("it was interrupted"))?;
        }
        self.piece.read(target)
    }
}

impl Pace {
    fn new(patience: Duration) -> Self {
        Pace {
            patience,
            since: Instant::now(),
            bytes: 0,
        }
    }

    fn check(&mut self) -> io::Result<()> {
        if self.since.elapsed() < self.patience {
            return Ok(());
        }
        let bytes = self.bytes;
        let seconds = self.patience.as_secs();
        *self = Pace::new(self.patience);
        if bytes < TRICKLE {
            Err(io::Error::new(
                io::ErrorKind::TimedOut,
                format!("the server sends next to nothing: {bytes} bytes in {seconds} s"),
            ))
        } else {
            Ok(())
        }
    }
}

/// An answer: its status and headers, and its body to be read.
pub type Reply<'a> = ureq::http::Response<Body<'a>>;

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// For the contents.
    Get,
    /// For the headers alone.
    Head,
}
