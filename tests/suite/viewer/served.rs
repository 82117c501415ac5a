//! A store that is served by the program, as people start it.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};

use super::chromium::Browser;
use super::made_store::{Size, make};
use crate::program::program;

/// A running `saescript serve`.
pub struct Served {
    child: Child,
    lines: Arc<Mutex<Vec<String>>>,
    /// The link that opens one browser.
    pub link: String,
    /// `127.0.0.1:PORT`
    pub host: String,
}

impl Served {
    /// Serves `stores`, with further arguments.
    pub fn start(stores: &[&Path], arguments: &[&str]) -> Served {
        let mut command = program();
        command.arg("serve").args(stores).args(arguments);
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        let mut out = BufReader::new(child.stdout.take().expect("a pipe"));
        let mut link = String::new();
        out.read_line(&mut link).expect("a line");
        if link.is_empty() {
            let mut said = String::new();
            let _ = child.stderr.take().expect("a pipe").read_to_string(&mut said);
            panic!("no link came: {said}");
        }
        let lines: Arc<Mutex<Vec<String>>> = Arc::default();
        let noted = lines.clone();
        std::thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                noted.lock().expect("no panic").push(line);
            }
        });
        let link = link.trim().to_string();
        let host = link
            .trim_start_matches("http://")
            .split('/')
            .next()
            .unwrap_or_default()
            .to_string();
        Served {
            child,
            lines,
            link,
            host,
        }
    }

    /// The one-time token of the link.
    pub fn token(&self) -> &str {
        self.link.split("token=").nth(1).expect("a token")
    }

    /// Further lines on standard output.
    pub fn lines(&self) -> Vec<String> {
        self.lines.lock().expect("no panic").clone()
    }

    /// The address of a page, such as `latent/3?range=1`.
    pub fn at(&self, page: &str) -> String {
        format!("http://{}/#/{page}", self.host)
    }

    /// Ends the program as Ctrl-C does; its exit code.
    pub fn interrupt(&mut self) -> Option<i32> {
        let id = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(id, rustix::process::Signal::INT).expect("sent");
        self.child.wait().expect("it ends").code()
    }

    /// The number of its process.
    #[allow(dead_code)] // for measurements
    pub fn process(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A small store in a folder of its own.
pub fn small() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("small.sqlite");
    make(&path, Size::SMALL).expect("a store");
    (folder, path)
}

/// The browser on a served small store, at the first page; nothing where no browser is installed.
pub fn opened() -> Option<(tempfile::TempDir, PathBuf, Served, Browser)> {
    let mut browser = Browser::start()?;
    let (folder, path) = small();
    let served = Served::start(&[&path], &[]);
    browser.open(&served.link);
    browser.wait("document.querySelector('.cards')");
    Some((folder, path, served, browser))
}
