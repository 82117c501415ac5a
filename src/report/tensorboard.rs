//! TensorBoard event files: scalars and histograms that TensorBoard itself reads.
//!
//! A file is a sequence of records (length, masked CRC-32C of the length, data, masked CRC-32C of the data), each an
//! `Event` message of TensorFlow's `event.proto`.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use prost::Message;

use crate::clock;
use crate::error::{Error, Result};
use crate::event::{Control, Event, Histogram, Observer};
use crate::files::require_still_at;
use crate::policy::{self, Access};

/// Writes what is logged into event files in one folder. Where several dictionaries are trained together each has a
/// folder of its own in it, which TensorBoard shows side by side.
pub struct TensorBoard {
    folder: PathBuf,
    files: BTreeMap<Option<String>, EventFile>,
}

impl TensorBoard {
    /// Writes below `folder`, from the first event on.
    pub fn new(folder: &Path) -> Self {
        TensorBoard {
            folder: folder.to_path_buf(),
            files: BTreeMap::new(),
        }
    }

    /// Returns the folder to open in TensorBoard.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Returns the event file of the dictionary `run`.
    ///
    /// # Errors
    /// The folder or the file cannot be written.
    pub fn file(&mut self, run: Option<&str>) -> Result<&mut EventFile> {
        let key = run.map(str::to_string);
        if !self.files.contains_key(&key) {
            let folder = match run {
                Some(run) => self.folder.join(run),
                None => self.folder.clone(),
            };
            self.files.insert(key.clone(), EventFile::create(&folder)?);
        }
        self.files
            .get_mut(&key)
            .ok_or_else(|| Error::run("the event file is gone"))
    }
}

/// One event file.
pub struct EventFile {
    path: PathBuf,
    file: BufWriter<File>,
}

impl EventFile {
    /// Starts a new event file in `folder`, which is made if needed.
    ///
    /// # Errors
    /// The folder or the file cannot be written.
    pub fn create(folder: &Path) -> Result<Self> {
        std::fs::create_dir_all(folder).map_err(|error| Error::io("create", folder, error))?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        // TensorBoard reads the files of a folder in the order of their names.
        let name = format!(
            "events.out.tfevents.{}.{:09}.saescript.{}",
            now.as_secs(),
            now.subsec_nanos(),
            std::process::id()
        );
        let path = folder.join(name);
        let failed = |error| Error::io("create", &path, error);
        let file = File::create(&path).map_err(failed)?;
        policy::confirm(Access::Write, &file, &path).map_err(failed)?;
        let mut events = EventFile {
            path,
            file: BufWriter::new(file),
        };
        events.write(EventMessage {
            file_version: "brain.Event:2".into(),
            ..EventMessage::now(0)
        })?;
        Ok(events)
    }

    /// Notes that a training begins or goes on after `step` steps: TensorBoard forgets what earlier files of the folder
    /// have for later steps, so that nothing shows twice after a rollback.
    pub fn begin_after(&mut self, step: u64) -> Result<()> {
        self.write(EventMessage {
            session_log: Some(SessionLog {
                status: SessionLog::START,
            }),
            ..EventMessage::now(step + 1)
        })
    }

    /// Logs scalars under a step.
    pub fn scalars(&mut self, step: u64, values: &[(String, f64)]) -> Result<()> {
        let value = values
            .iter()
            .map(|(tag, value)| SummaryValue {
                tag: tag.clone(),
                simple_value: Some(*value as f32),
                histogram: None,
            })
            .collect();
        self.write(EventMessage {
            summary: Some(Summary { value }),
            ..EventMessage::now(step)
        })
    }

    /// Logs a histogram under a step.
    pub fn histogram(&mut self, step: u64, tag: &str, histogram: &Histogram) -> Result<()> {
        let proto = HistogramProto {
            min: histogram.min,
            max: histogram.max,
            num: histogram.counts.iter().sum(),
            sum: histogram.sum,
            sum_squares: histogram.sum_squares,
            bucket_limit: histogram.upper_edges.clone(),
            bucket: histogram.counts.clone(),
        };
        let value = vec![SummaryValue {
            tag: tag.into(),
            simple_value: None,
            histogram: Some(proto),
        }];
        self.write(EventMessage {
            summary: Some(Summary { value }),
            ..EventMessage::now(step)
        })
    }

    /// One record, flushed, so that a killed process loses nothing that was logged.
    fn write(&mut self, message: EventMessage) -> Result<()> {
        let data = message.encode_to_vec();
        let length = (data.len() as u64).to_le_bytes();
        let mut record = Vec::with_capacity(data.len() + 16);
        record.extend_from_slice(&length);
        record.extend_from_slice(&masked_crc(&length).to_le_bytes());
        record.extend_from_slice(&data);
        record.extend_from_slice(&masked_crc(&data).to_le_bytes());
        require_still_at(self.file.get_ref(), &self.path)
            .and_then(|()| self.file.write_all(&record))
            .and_then(|()| self.file.flush())
            .map_err(|error| Error::io("write", &self.path, error))
    }
}

impl Observer for TensorBoard {
    fn on(&mut self, event: &Event) -> Result<Control> {
        match event {
            Event::RunStarted { run, step } => self.file(run.as_deref())?.begin_after(*step)?,
            Event::Logged {
                run, step, metrics, ..
            } => self.file(run.as_deref())?.scalars(*step, metrics)?,
            Event::Distribution {
                run,
                step,
                name,
                histogram,
            } => self.file(run.as_deref())?.histogram(*step, name, histogram)?,
            _ => {}
        }
        Ok(Control::Continue)
    }

    fn wants_distributions(&self) -> bool {
        true
    }
}

/// TensorFlow's masking, which keeps a checksum of data that holds checksums from being trivial.
fn masked_crc(data: &[u8]) -> u32 {
    crc32c::crc32c(data).rotate_right(15).wrapping_add(0xa282_ead8)
}

/// `Event` of event.proto.
#[derive(Clone, PartialEq, Message)]
struct EventMessage {
    #[prost(double, tag = "1")]
    wall_time: f64,
    #[prost(int64, tag = "2")]
    step: i64,
    #[prost(string, tag = "3")]
    file_version: String,
    #[prost(message, optional, tag = "5")]
    summary: Option<Summary>,
    #[prost(message, optional, tag = "7")]
    session_log: Option<SessionLog>,
}

impl EventMessage {
    fn now(step: u64) -> Self {
        EventMessage {
            wall_time: clock::seconds(SystemTime::now()),
            step: step as i64,
            ..Default::default()
        }
    }
}

#[derive(Clone, PartialEq, Message)]
struct SessionLog {
    #[prost(int32, tag = "1")]
    status: i32,
}

impl SessionLog {
    /// A session begins: what earlier ones have for this step and later ones is void.
    const START: i32 = 1;
}

#[derive(Clone, PartialEq, Message)]
struct Summary {
    #[prost(message, repeated, tag = "1")]
    value: Vec<SummaryValue>,
}

#[derive(Clone, PartialEq, Message)]
struct SummaryValue {
    #[prost(string, tag = "1")]
    tag: String,
    #[prost(float, optional, tag = "2")]
    simple_value: Option<f32>,
    #[prost(message, optional, tag = "5")]
    histogram: Option<HistogramProto>,
}

#[derive(Clone, PartialEq, Message)]
struct HistogramProto {
    #[prost(double, tag = "1")]
    min: f64,
    #[prost(double, tag = "2")]
    max: f64,
    #[prost(double, tag = "3")]
    num: f64,
    #[prost(double, tag = "4")]
    sum: f64,
    #[prost(double, tag = "5")]
    sum_squares: f64,
    #[prost(double, repeated, tag = "6")]
    bucket_limit: Vec<f64>,
    #[prost(double, repeated, tag = "7")]
    bucket: Vec<f64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_tensorflows() {
        // The check value of CRC-32C, and the mask's own constant.
        assert_eq!(crc32c::crc32c(b"123456789"), 0xe306_9283);
        assert_eq!(masked_crc(b""), 0xa282_ead8);
    }

    #[test]
    fn a_file_is_read_back_record_by_record() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut board = EventFile::create(folder.path()).expect("created");
        board
            .scalars(7, &[("losses/mse_loss".into(), 0.5)])
            .expect("written");
        board
            .histogram(7, "x", &Histogram::of(&[0.1, 0.2, 0.9], vec![0.5, 1.0]))
            .expect("written");
        let bytes = std::fs::read(&board.path).expect("readable");
        let mut events = Vec::new();
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            let length = u64::from_le_bytes(rest[..8].try_into().expect("eight bytes")) as usize;
            assert_eq!(masked_crc(&rest[..8]).to_le_bytes(), rest[8..12]);
            let data = &rest[12..12 + length];
            assert_eq!(masked_crc(data).to_le_bytes(), rest[12 + length..16 + length]);
            events.push(EventMessage::decode(data).expect("an event"));
            rest = &rest[16 + length..];
        }
        assert_eq!(events[0].file_version, "brain.Event:2");
        assert_eq!(events[1].step, 7);
        assert_eq!(
            events[1].summary.as_ref().expect("a summary").value[0].simple_value,
            Some(0.5)
        );
        let histogram = events[2].summary.as_ref().expect("a summary").value[0]
            .histogram
            .clone()
            .expect("one");
        assert_eq!((histogram.bucket, histogram.num), (vec![2.0, 1.0], 3.0));
    }
}
