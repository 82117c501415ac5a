//! A browser to be driven: Chromium without a window, spoken to through a pipe in its DevTools protocol.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// How long anything may take that is waited for.
const PATIENCE: Duration = Duration::from_secs(40);

/// How often the browser may be started until it answers.
const STARTS: usize = 3;

/// A browser with one page.
pub struct Browser {
    child: Child,
    input: Option<ChildStdin>,
    messages: Receiver<Value>,
    events: VecDeque<Value>,
    troubles: Vec<String>,
    session: Option<String>,
    last: u64,
    profile: tempfile::TempDir,
    /// One browser at a time on a machine.
    turn: File,
}

/// Returns the browser that is installed, if one is.
pub fn installed() -> Option<PathBuf> {
    let named = std::env::var_os("SAESCRIPT_CHROMIUM").map(PathBuf::from);
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let found = std::env::split_paths(&paths).flat_map(|folder| names.map(|name| folder.join(name)));
    named.into_iter().chain(found).find(|path| path.is_file())
}

/// Where the browser's own messages are kept.
fn said(profile: &Path) -> PathBuf {
    profile.join("said.txt")
}

/// Starts the program without a window, its protocol on standard input and output.
fn spawned(program: &Path, profile: &Path) -> Child {
    // It speaks on the descriptors 3 and 4.
    let exec = "exec \"$0\" \"$@\" 3<&0 4>&1 </dev/null >/dev/null 2>\"$SAID\"";
    let mut command = Command::new("sh");
    command.args(["-c", exec]).arg(program).env("SAID", said(profile));
    command.args([
        "--headless",
        "--remote-debugging-pipe",
        "--no-sandbox",
        "--disable-gpu",
    ]);
    command.args([
        "--disable-dev-shm-usage",
        "--no-first-run",
        "--disable-extensions",
    ]);
    command.args(["--disable-background-networking", "--force-color-profile=srgb"]);
    command.args(["--hide-scrollbars", "--lang=en-US", "--font-render-hinting=none"]);
    command.arg(format!("--user-data-dir={}", profile.display()));
    let spawned = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    spawned.expect("the browser starts")
}

/// What the browser says, message by message.
fn messages_of(child: &mut Child) -> Receiver<Value> {
    let output = child.stdout.take().expect("a pipe");
    let (send, messages) = channel();
    std::thread::spawn(move || {
        for message in BufReader::new(output).split(0).map_while(Result::ok) {
            let read = serde_json::from_slice(&message).expect("JSON");
            if send.send(read).is_err() {
                return;
            }
        }
    });
    messages
}

impl Browser {
    /// Starts the browser; `None`, with a remark, where none is installed.
    pub fn start() -> Option<Browser> {
        let Some(program) = installed() else {
            eprintln!(
                "skipped: no Chromium is installed (Debian: apt install chromium), so pages are not tried"
            );
            return None;
        };
        let turn = File::create(std::env::temp_dir().join("saescript-test-browser.lock")).expect("a lock");
        turn.lock().expect("a turn");
        let mut browser = Browser::awake(&program, turn);
        let target = browser.ask("Target.createTarget", json!({ "url": "about:blank" }))["targetId"].clone();
        let attached = browser.ask(
            "Target.attachToTarget",
            json!({ "targetId": target, "flatten": true }),
        );
        browser.session = attached["sessionId"].as_str().map(str::to_string);
        for domain in ["Page", "Runtime", "Log", "Network"] {
            browser.ask(&format!("{domain}.enable"), json!({}));
        }
        browser.resize(1400, 900);
        Some(browser)
    }

    /// Starts the program until it answers: on a machine without room to spare it may end at once.
    fn awake(program: &Path, turn: File) -> Browser {
        let mut browser = Browser::started(program, turn);
        for _ in 1..STARTS {
            if browser.answer("Browser.getVersion", json!({})).is_some() {
                return browser;
            }
            eprintln!(
                "the browser does not answer and is started again:\n{}",
                browser.said()
            );
            let turn = browser.turn.try_clone().expect("the turn");
            // What is left of the one before has ended when the next one starts.
            drop(browser);
            sleep(Duration::from_secs(1));
            browser = Browser::started(program, turn);
        }
        browser
    }

    fn started(program: &Path, turn: File) -> Browser {
        let profile = tempfile::tempdir().expect("a folder");
        let mut child = spawned(program, profile.path());
        Browser {
            input: child.stdin.take(),
            messages: messages_of(&mut child),
            child,
            events: VecDeque::new(),
            troubles: Vec::new(),
            session: None,
            last: 0,
            profile,
            turn,
        }
    }

    /// What the browser itself had to say.
    fn said(&self) -> String {
        std::fs::read_to_string(said(self.profile.path())).unwrap_or_default()
    }

    /// Sends a command; returns its result.
    pub fn ask(&mut self, method: &str, parameters: Value) -> Value {
        self.answer(method, parameters)
            .unwrap_or_else(|| panic!("no answer to {method}\n{}", self.said()))
    }

    /// Sends a command; returns its result, or nothing if the browser has ended or says nothing for too long.
    fn answer(&mut self, method: &str, parameters: Value) -> Option<Value> {
        self.last += 1;
        let mut message = json!({ "id": self.last, "method": method, "params": parameters });
        if let Some(session) = &self.session {
            message["sessionId"] = session.as_str().into();
        }
        let mut text = message.to_string().into_bytes();
        text.push(0);
        self.input.as_mut().expect("a pipe").write_all(&text).ok()?;
        let begun = Instant::now();
        loop {
            let left = PATIENCE.saturating_sub(begun.elapsed());
            let message = self.messages.recv_timeout(left).ok()?;
            if message["id"] == self.last {
                assert!(message["error"].is_null(), "{method}: {}", message["error"]);
                return Some(message["result"].clone());
            }
            self.note(message);
        }
    }

    fn note(&mut self, message: Value) {
        let parameters = &message["params"];
        let trouble = match message["method"].as_str() {
            Some("Runtime.exceptionThrown") => Some(parameters["exceptionDetails"].to_string()),
            Some("Log.entryAdded") if parameters["entry"]["level"] == "error" => {
                Some(parameters["entry"].to_string())
            }
            Some("Page.javascriptDialogOpening") => {
                let dialog = format!("a dialog: {parameters}");
                self.troubles.push(dialog);
                None
            }
            Some("Network.requestWillBeSent") => {
                let address = parameters["request"]["url"].as_str().unwrap_or_default();
                let own = ["http://127.0.0.1", "file://", "blob:", "data:", "about:"]
                    .iter()
                    .any(|own| address.starts_with(own));
                (!own).then(|| format!("a request elsewhere: {address}"))
            }
            _ => None,
        };
        self.troubles.extend(trouble);
        self.events.push_back(message);
    }

    /// What went wrong on pages since this was asked: errors of scripts, refused loads, dialogs, requests to elsewhere.
    pub fn troubles(&mut self) -> Vec<String> {
        self.ask("Runtime.evaluate", json!({ "expression": "0" }));
        std::mem::take(&mut self.troubles)
    }

    /// Goes to an address and waits until it is loaded.
    pub fn open(&mut self, address: &str) {
        self.ask("Page.navigate", json!({ "url": address }));
        self.wait("document.readyState === 'complete'");
    }

    /// The value of an expression, after what it promises.
    pub fn value(&mut self, expression: &str) -> Value {
        let parameters = json!({ "expression": expression, "awaitPromise": true, "returnByValue": true, "userGesture": true });
        let result = self.ask("Runtime.evaluate", parameters);
        let failed = &result["exceptionDetails"];
        assert!(failed.is_null(), "{expression}: {failed}");
        result["result"]["value"].clone()
    }

    /// The text of the first element that fits `selector`.
    pub fn text(&mut self, selector: &str) -> String {
        let text = self.value(&format!(
            "document.querySelector({})?.textContent ?? null",
            json!(selector)
        ));
        text.as_str()
            .unwrap_or_else(|| panic!("nothing fits {selector}"))
            .to_string()
    }

    pub fn count(&mut self, selector: &str) -> usize {
        self.value(&format!("document.querySelectorAll({}).length", json!(selector)))
            .as_u64()
            .expect("a number") as usize
    }

    pub fn address(&mut self) -> String {
        self.value("location.href")
            .as_str()
            .expect("an address")
            .to_string()
    }

    /// Waits until an expression holds.
    #[track_caller]
    pub fn wait(&mut self, expression: &str) {
        let begun = Instant::now();
        // What is not there yet is not so yet.
        let asked =
            format!("(() => {{ try {{ return Boolean({expression}); }} catch {{ return false; }} }})()");
        while self.value(&asked) != true {
            if begun.elapsed() > PATIENCE {
                let shown = self.value("document.body.innerText.slice(0, 3000)");
                let troubles = self.troubles();
                panic!(
                    "never so: {expression}\nat {}\n{troubles:?}\n{shown}",
                    self.address()
                );
            }
            sleep(Duration::from_millis(15));
        }
    }

    /// Waits until the first element that fits `selector` has `text` in it.
    #[track_caller]
    pub fn wait_text(&mut self, selector: &str, text: &str) {
        self.wait(&format!(
            "document.querySelector({})?.textContent.includes({})",
            json!(selector),
            json!(text)
        ));
    }

    /// Presses keys, one after the other: letters, signs and names such as `Enter`.
    pub fn keys<'a>(&mut self, keys: impl IntoIterator<Item = &'a str>) {
        for key in keys {
            let text = match key {
                "Enter" => "\r",
                named if named.len() > 1 => "",
                letter => letter,
            };
            let code = match key {
                "Enter" => 13,
                "Escape" => 27,
                _ => 0,
            };
            let kind = if text.is_empty() { "rawKeyDown" } else { "keyDown" };
            self.ask(
                "Input.dispatchKeyEvent",
                json!({ "type": kind, "key": key, "text": text, "windowsVirtualKeyCode": code }),
            );
            self.ask(
                "Input.dispatchKeyEvent",
                json!({ "type": "keyUp", "key": key, "windowsVirtualKeyCode": code }),
            );
        }
    }

    /// Writes into the field that has the focus.
    pub fn write(&mut self, text: &str) {
        self.ask("Input.insertText", json!({ "text": text }));
    }

    /// The middle of an element, after it was brought into view.
    fn middle(&mut self, selector: &str) -> (f64, f64) {
        let place = self.value(&format!(
            "(() => {{ const element = document.querySelector({}); if (!element) return null; element.scrollIntoView({{ block: 'nearest' }}); const box = element.getBoundingClientRect(); return [box.x + box.width / 2, box.y + box.height / 2]; }})()",
            json!(selector)
        ));
        let at = |index: usize| {
            place[index]
                .as_f64()
                .unwrap_or_else(|| panic!("nothing fits {selector}"))
        };
        (at(0), at(1))
    }

    fn mouse(&mut self, kind: &str, (x, y): (f64, f64)) {
        self.ask(
            "Input.dispatchMouseEvent",
            json!({ "type": kind, "x": x, "y": y, "button": "left", "clickCount": 1, "buttons": 1 }),
        );
    }

    /// Moves the pointer onto an element.
    pub fn point(&mut self, selector: &str) {
        let place = self.middle(selector);
        self.ask(
            "Input.dispatchMouseEvent",
            json!({ "type": "mouseMoved", "x": place.0, "y": place.1 }),
        );
    }

    /// Clicks on an element.
    pub fn click(&mut self, selector: &str) {
        let place = self.middle(selector);
        self.mouse("mousePressed", place);
        self.mouse("mouseReleased", place);
    }

    /// Draws from the middle of an element to another place, in pixels from there.
    pub fn drag(&mut self, selector: &str, by: (f64, f64)) {
        let (x, y) = self.middle(selector);
        self.mouse("mousePressed", (x, y));
        self.mouse("mouseMoved", (x + by.0 / 2.0, y + by.1 / 2.0));
        self.mouse("mouseMoved", (x + by.0, y + by.1));
        self.mouse("mouseReleased", (x + by.0, y + by.1));
    }

    /// Has the window so many pixels.
    pub fn resize(&mut self, width: u32, height: u32) {
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.ask("Emulation.setDeviceMetricsOverride", size);
    }

    /// Has the system prefer dark colours, or light ones.
    pub fn dark(&mut self, dark: bool) {
        let value = if dark { "dark" } else { "light" };
        let features = json!([{ "name": "prefers-color-scheme", "value": value }]);
        self.ask("Emulation.setEmulatedMedia", json!({ "features": features }));
    }

    /// Writes what is seen into a file, as PNG.
    pub fn picture(&mut self, path: &Path) {
        use base64::Engine;
        let data = self.ask("Page.captureScreenshot", json!({ "format": "png" }))["data"].clone();
        let bytes = base64::engine::general_purpose::STANDARD
            .decode(data.as_str().expect("a picture"))
            .expect("base64");
        std::fs::write(path, bytes).expect("written");
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Its own end, so that the processes it started end as well.
        if let Some(mut input) = self.input.take() {
            let _ = input.write_all(b"{\"id\":0,\"method\":\"Browser.close\"}\0");
        }
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(5) {
            if matches!(self.child.try_wait(), Ok(Some(_))) {
                return;
            }
            sleep(Duration::from_millis(20));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
