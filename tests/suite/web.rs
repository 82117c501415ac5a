//! Web servers of our own on this machine: requests read, answers sent, with accidents on demand.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

/// What goes wrong with a body.
#[derive(Clone)]
pub enum Fault {
    /// The connection ends after so many bytes.
    Cut(usize),
    /// All bytes come, but not the right ones.
    Corrupt,
    /// Fewer bytes come, and the header says that this is all.
    Short(usize),
    /// The body comes in two parts with a pause between them, in milliseconds.
    Slow(u64),
}

/// A request that was made.
#[derive(Clone, Debug)]
pub struct Request {
    /// Which server was asked.
    pub server: &'static str,
    pub method: String,
    pub path: String,
    pub headers: BTreeMap<String, String>,
    /// What was sent along.
    pub body: Vec<u8>,
}

/// An answer before it is sent.
pub struct Reply {
    pub status: u16,
    /// Each with `\r\n` at its end.
    pub headers: String,
    pub body: Vec<u8>,
    pub fault: Option<Fault>,
}

/// Starts a server, which ends with the test's process, and gives its address.
pub fn serve(name: &'static str, answer: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = format!("http://{}", listener.local_addr().expect("an address"));
    let answer = Arc::new(answer);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let answer = answer.clone();
            // A client that hangs up is no failure of the test.
            thread::spawn(move || {
                let request = read(name, &stream)?;
                answer(&request).send(&request, stream)
            });
        }
    });
    address
}

fn read(server: &'static str, stream: &TcpStream) -> std::io::Result<Request> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let mut words = line.split_whitespace().map(str::to_string);
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 || line.trim().is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':') {
            headers.insert(name.to_lowercase(), value.trim().to_string());
        }
    }
    let length = headers
        .get("content-length")
        .and_then(|length| length.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body)?;
    Ok(Request {
        server,
        method,
        path,
        headers,
        body,
    })
}

impl Reply {
    pub fn new(status: u16, headers: impl Into<String>) -> Reply {
        Reply {
            status,
            headers: headers.into(),
            body: Vec::new(),
            fault: None,
        }
    }

    /// The bytes of a file, or the part of them that was asked for: `bytes=A-` or `bytes=A-B`, on the conditions of
    /// `if-range` and `if-match`.
    pub fn part(request: &Request, bytes: &[u8], etag: Option<&str>, mut headers: String) -> Reply {
        let wanted = |name: &str| request.headers.get(name).map(String::as_str);
        if wanted("if-match").is_some_and(|wanted| Some(wanted) != etag) {
            return Reply::new(412, "");
        }
        let range = wanted("range")
            .filter(|_| wanted("if-range").is_none_or(|wanted| Some(wanted) == etag))
            .and_then(|range| {
                let (first, last) = range.strip_prefix("bytes=")?.split_once('-')?;
                let last: usize = last.parse().unwrap_or(usize::MAX);
                Some((
                    first.parse::<usize>().ok()?,
                    last.min(bytes.len().saturating_sub(1)),
                ))
            });
        let (status, part) = match range {
            Some((first, _)) if first >= bytes.len() => return Reply::new(416, ""),
            Some((first, last)) => {
                let length = bytes.len();
                write!(headers, "Content-Range: bytes {first}-{last}/{length}\r\n").expect("a string");
                (206, &bytes[first..=last])
            }
            None => (200, bytes),
        };
        let mut reply = Reply::new(status, format!("{headers}Accept-Ranges: bytes\r\n"));
        reply.body = part.to_vec();
        reply
    }

    fn send(mut self, request: &Request, mut stream: TcpStream) -> std::io::Result<()> {
        let (mut sent, mut pause) = (self.body.len(), None);
        match self.fault {
            Some(Fault::Corrupt) => self.body.iter_mut().for_each(|byte| *byte ^= 1),
            Some(Fault::Short(length)) => {
                self.body.truncate(length);
                sent = self.body.len();
            }
            Some(Fault::Cut(length)) => sent = length.min(sent),
            Some(Fault::Slow(milliseconds)) => pause = Some(Duration::from_millis(milliseconds)),
            None => {}
        }
        let mut head = format!(
            "HTTP/1.1 {} Whatever\r\nConnection: close\r\n{}",
            self.status, self.headers
        );
        if !self.headers.contains("Content-Length") {
            write!(head, "Content-Length: {}\r\n", self.body.len()).expect("a string");
        }
        stream.write_all(head.as_bytes())?;
        stream.write_all(b"\r\n")?;
        if request.method == "HEAD" {
            return Ok(());
        }
        let half = sent / 2;
        stream.write_all(&self.body[..half])?;
        stream.flush()?;
        if let Some(pause) = pause {
            thread::sleep(pause);
        }
        stream.write_all(&self.body[half..sent])?;
        stream.flush()
    }
}

/// Lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a string");
        text
    })
}
