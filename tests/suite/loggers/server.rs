//! A W&B server of our own on this machine, as far as wandb-core needs one: GraphQL, file stream and uploads.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};

use saescript::config::Value;
use serde_json::{Map, json};

/// What arrived of a run.
#[derive(Clone, Default)]
pub struct Run {
    pub id: String,
    pub project: String,
    pub name: String,
    pub config: Map<String, Value>,
    pub history: Vec<Map<String, Value>>,
    pub summary: Map<String, Value>,
    pub exit_code: Option<i64>,
}

/// The server. It ends with the test's process.
#[derive(Clone)]
pub struct Server {
    pub address: String,
    runs: Arc<Mutex<Vec<Run>>>,
}

impl Server {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = format!("http://{}", listener.local_addr().expect("an address"));
        let server = Server {
            address,
            runs: Arc::default(),
        };
        let ours = server.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let ours = ours.clone();
                std::thread::spawn(move || ours.answer(stream));
            }
        });
        server
    }

    fn locked(&self) -> MutexGuard<'_, Vec<Run>> {
        self.runs.lock().expect("no thread panicked")
    }

    /// Every run that arrived.
    pub fn runs(&self) -> Vec<Run> {
        self.locked().clone()
    }

    fn answer(&self, mut stream: TcpStream) -> std::io::Result<()> {
        let mut reader = BufReader::new(stream.try_clone()?);
        let (mut line, mut length, mut packed) = (String::new(), 0, false);
        reader.read_line(&mut line)?;
        let path = line.split(' ').nth(1).unwrap_or_default().to_string();
        loop {
            let mut header = String::new();
            reader.read_line(&mut header)?;
            let header = header.trim().to_lowercase();
            if header.is_empty() {
                break;
            }
            match header.split_once(": ") {
                Some(("content-length", value)) => length = value.parse().unwrap_or(0),
                Some(("content-encoding", "gzip")) => packed = true,
                Some(("expect", _)) => stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?,
                _ => {}
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        if packed {
            let mut plain = Vec::new();
            flate2::read::GzDecoder::new(body.as_slice()).read_to_end(&mut plain)?;
            body = plain;
        }
        let request: Value = serde_json::from_slice(&body).unwrap_or_default();
        let reply = if path.starts_with("/graphql") {
            json!({"data": self.query(&request)})
        } else {
            if let Some(id) = path
                .strip_suffix("/file_stream")
                .and_then(|path| path.rsplit('/').next())
            {
                self.take_stream(id, &request);
            }
            json!({})
        };
        let reply = reply.to_string();
        write!(
            stream,
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{reply}",
            reply.len()
        )
    }

    fn query(&self, request: &Value) -> Value {
        let query = request["query"].as_str().unwrap_or_default();
        let variables = &request["variables"];
        if query.contains("upsertBucket") {
            self.upsert(variables)
        } else if query.contains("RunResumeStatus") {
            self.resume_status(variables["name"].as_str().unwrap_or_default())
        } else if query.contains("createRunFiles") {
            let names = variables["files"].as_array().cloned().unwrap_or_default();
            let url = |name: &Value| json!({"name": name, "uploadUrl": format!("{}/upload", self.address)});
            let files: Vec<Value> = names.iter().map(url).collect();
            json!({"createRunFiles": {"runID": "stored", "uploadHeaders": [], "files": files}})
        } else {
            json!({"serverInfo": {"features": []}, "project": {"run": {"stopped": false}}})
        }
    }

    fn upsert(&self, variables: &Value) -> Value {
        let text = |key: &str| variables[key].as_str().unwrap_or_default().to_string();
        let id = text("name");
        let mut runs = self.locked();
        let inserted = !runs.iter().any(|run| run.id == id);
        if inserted {
            runs.push(Run {
                id: id.clone(),
                project: text("project"),
                name: text("displayName"),
                ..Run::default()
            });
        }
        let run = runs.iter_mut().find(|run| run.id == id).expect("the run");
        if let Ok(Value::Object(config)) = serde_json::from_str(&text("config")) {
            run.config = config;
        }
        json!({"upsertBucket": {"inserted": inserted, "bucket": {
            "id": "stored", "name": id, "displayName": run.name, "description": "", "config": "{}",
            "sweepName": null, "historyLineCount": run.history.len(),
            "project": {"id": "1", "name": run.project, "entity": {"id": "2", "name": "locals"}},
        }}})
    }

    fn resume_status(&self, id: &str) -> Value {
        let runs = self.locked();
        let bucket = runs.iter().find(|run| run.id == id).map(|run| {
            let tail: Vec<String> = run
                .history
                .last()
                .map(|row| Value::from(row.clone()).to_string())
                .into_iter()
                .collect();
            json!({
                "id": "stored", "name": id, "displayName": run.name, "notes": null, "tags": [],
                "summaryMetrics": Value::from(run.summary.clone()).to_string(),
                "config": Value::from(run.config.clone()).to_string(), "wandbConfig": r#"{"t": 1}"#,
                "historyLineCount": run.history.len(), "eventsLineCount": 0, "logLineCount": 0,
                "historyTail": json!(tail).to_string(), "eventsTail": "[]",
            })
        });
        json!({"model": {"id": "1", "name": "p", "entity": {"id": "2", "name": "locals"}, "bucket": bucket}})
    }

    fn take_stream(&self, id: &str, request: &Value) {
        let mut runs = self.locked();
        let Some(run) = runs.iter_mut().find(|run| run.id == id) else {
            return;
        };
        let lines = |file: &str| -> Vec<Map<String, Value>> {
            let content = request["files"][file]["content"]
                .as_array()
                .cloned()
                .unwrap_or_default();
            let parse = |line: &Value| serde_json::from_str(line.as_str()?).ok();
            content.iter().filter_map(parse).collect()
        };
        let rows = lines("wandb-history.jsonl");
        if !rows.is_empty() {
            let offset = request["files"]["wandb-history.jsonl"]["offset"]
                .as_u64()
                .unwrap_or(0);
            run.history.truncate(offset as usize);
            run.history.extend(rows);
        }
        if let Some(summary) = lines("wandb-summary.json").pop() {
            run.summary = summary;
        }
        if let Some(code) = request["exitcode"].as_i64() {
            run.exit_code = Some(code);
        }
    }
}
