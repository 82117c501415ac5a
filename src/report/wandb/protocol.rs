//! The part of the wandb-core process protocol that a training run needs: message shapes and framing.
//!
//! Messages are Protocol Buffers; on the socket each is preceded by the byte `W` and its length as a little-endian
//! 32-bit number. Field numbers are those of W&B's published `wandb_server.proto`, `wandb_internal.proto` and
//! `wandb_settings.proto`; fields that are never set are left out, as the format allows.

use std::io::{Read, Write};

use prost::Message;

/// First byte of every frame.
const MAGIC: u8 = b'W';
/// No reply to our few requests comes near this; more means that the stream is broken.
const LARGEST_REPLY: usize = 64 << 20;

/// Writes one request.
pub(super) fn send(stream: &mut impl Write, request: &ServerRequest) -> std::io::Result<()> {
    let body = request.encode_to_vec();
    let mut frame = Vec::with_capacity(body.len() + 5);
    frame.push(MAGIC);
    frame.extend_from_slice(&(body.len() as u32).to_le_bytes());
    frame.extend_from_slice(&body);
    stream.write_all(&frame)
}

/// Reads one reply; blocks until it is there.
pub(super) fn receive(stream: &mut impl Read) -> std::io::Result<ServerResponse> {
    let broken = |text: String| std::io::Error::new(std::io::ErrorKind::InvalidData, text);
    let mut head = [0u8; 5];
    stream.read_exact(&mut head)?;
    let length = u32::from_le_bytes([head[1], head[2], head[3], head[4]]) as usize;
    if head[0] != MAGIC || length > LARGEST_REPLY {
        return Err(broken(format!("not a wandb-core frame: {head:?}")));
    }
    let mut body = vec![0u8; length];
    stream.read_exact(&mut body)?;
    ServerResponse::decode(body.as_slice()).map_err(|error| broken(error.to_string()))
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct ServerRequest {
    #[prost(string, tag = "10")]
    pub request_id: String,
    #[prost(oneof = "Command", tags = "1, 3, 4, 7")]
    pub command: Option<Command>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
#[allow(clippy::large_enum_variant)] // prost's own shape; each lives for one frame
pub(super) enum Command {
    #[prost(message, tag = "1")]
    RecordPublish(Record),
    #[prost(message, tag = "3")]
    InformInit(InformInit),
    #[prost(message, tag = "4")]
    InformFinish(InformFinish),
    #[prost(message, tag = "7")]
    InformTeardown(InformTeardown),
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct InformInit {
    #[prost(message, optional, tag = "1")]
    pub settings: Option<Settings>,
    #[prost(message, optional, tag = "200")]
    pub info: Option<RecordInfo>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct InformFinish {
    #[prost(message, optional, tag = "200")]
    pub info: Option<RecordInfo>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct InformTeardown {
    #[prost(int32, tag = "1")]
    pub exit_code: i32,
}

/// Says which run a message is about.
#[derive(Clone, PartialEq, Message)]
pub(super) struct RecordInfo {
    #[prost(string, tag = "1")]
    pub stream_id: String,
}

/// Optional text: `google.protobuf.StringValue`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Text {
    #[prost(string, tag = "1")]
    pub value: String,
}

/// Optional flag: `google.protobuf.BoolValue`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Flag {
    #[prost(bool, tag = "1")]
    pub value: bool,
}

/// Optional number: `google.protobuf.DoubleValue`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Number {
    #[prost(double, tag = "1")]
    pub value: f64,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Settings {
    #[prost(message, optional, tag = "7")]
    pub disable_meta: Option<Flag>,
    #[prost(message, optional, tag = "10")]
    pub disable_stats: Option<Flag>,
    #[prost(message, optional, tag = "30")]
    pub offline: Option<Flag>,
    #[prost(message, optional, tag = "41")]
    pub start_time: Option<Number>,
    #[prost(message, optional, tag = "55")]
    pub api_key: Option<Text>,
    #[prost(message, optional, tag = "57")]
    pub base_url: Option<Text>,
    #[prost(message, optional, tag = "60")]
    pub console: Option<Text>,
    #[prost(message, optional, tag = "69")]
    pub entity: Option<Text>,
    #[prost(message, optional, tag = "85")]
    pub log_dir: Option<Text>,
    #[prost(message, optional, tag = "86")]
    pub log_internal: Option<Text>,
    #[prost(message, optional, tag = "92")]
    pub mode: Option<Text>,
    #[prost(message, optional, tag = "97")]
    pub project: Option<Text>,
    #[prost(message, optional, tag = "102")]
    pub resume: Option<Text>,
    #[prost(message, optional, tag = "105")]
    pub root_dir: Option<Text>,
    #[prost(message, optional, tag = "107")]
    pub run_id: Option<Text>,
    #[prost(message, optional, tag = "109")]
    pub run_mode: Option<Text>,
    #[prost(message, optional, tag = "110")]
    pub run_name: Option<Text>,
    #[prost(message, optional, tag = "133")]
    pub sync_dir: Option<Text>,
    #[prost(message, optional, tag = "134")]
    pub sync_file: Option<Text>,
    #[prost(message, optional, tag = "139")]
    pub timespec: Option<Text>,
    #[prost(message, optional, tag = "142")]
    pub wandb_dir: Option<Text>,
    #[prost(message, optional, tag = "182")]
    pub primary: Option<Flag>,
    #[prost(message, optional, tag = "183")]
    pub update_finish_state: Option<Flag>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Record {
    #[prost(message, optional, tag = "16")]
    pub control: Option<RecordControl>,
    #[prost(message, optional, tag = "200")]
    pub info: Option<RecordInfo>,
    #[prost(oneof = "RecordType", tags = "3, 5, 17, 18, 21, 100")]
    pub kind: Option<RecordType>,
}

/// `local` records are acted on and not kept in the run's log.
#[derive(Clone, PartialEq, Message)]
pub(super) struct RecordControl {
    #[prost(bool, tag = "2")]
    pub local: bool,
    #[prost(string, tag = "4")]
    pub mailbox_slot: String,
}

#[derive(Clone, PartialEq, prost::Oneof)]
#[allow(clippy::large_enum_variant)] // as above
pub(super) enum RecordType {
    #[prost(message, tag = "3")]
    Summary(Items),
    #[prost(message, tag = "5")]
    Config(Items),
    #[prost(message, tag = "17")]
    Run(RunRecord),
    #[prost(message, tag = "18")]
    Exit(RunExit),
    #[prost(message, tag = "21")]
    Header(Header),
    #[prost(message, tag = "100")]
    Request(Request),
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Header {}

/// `ConfigRecord` and `SummaryRecord`: both are lists of keys with JSON values.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Items {
    #[prost(message, repeated, tag = "1")]
    pub update: Vec<Item>,
}

/// `ConfigItem`, `SummaryItem` and `HistoryItem`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Item {
    #[prost(string, tag = "1")]
    pub key: String,
    #[prost(string, tag = "16")]
    pub value_json: String,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct RunRecord {
    #[prost(string, tag = "1")]
    pub run_id: String,
    #[prost(string, tag = "2")]
    pub entity: String,
    #[prost(string, tag = "3")]
    pub project: String,
    #[prost(message, optional, tag = "4")]
    pub config: Option<Items>,
    #[prost(message, optional, tag = "5")]
    pub summary: Option<Items>,
    #[prost(string, tag = "6")]
    pub run_group: String,
    #[prost(string, tag = "7")]
    pub job_type: String,
    #[prost(string, tag = "8")]
    pub display_name: String,
    #[prost(string, tag = "9")]
    pub notes: String,
    #[prost(string, repeated, tag = "10")]
    pub tags: Vec<String>,
    #[prost(string, tag = "13")]
    pub host: String,
    #[prost(int64, tag = "14")]
    pub starting_step: i64,
    #[prost(string, tag = "16")]
    pub storage_id: String,
    #[prost(message, optional, tag = "17")]
    pub start_time: Option<Timestamp>,
    #[prost(bool, tag = "18")]
    pub resumed: bool,
    #[prost(int32, tag = "20")]
    pub runtime: i32,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Timestamp {
    #[prost(int64, tag = "1")]
    pub seconds: i64,
    #[prost(int32, tag = "2")]
    pub nanos: i32,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct RunExit {
    #[prost(int32, tag = "1")]
    pub exit_code: i32,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Request {
    #[prost(oneof = "RequestType", tags = "10, 11, 64")]
    pub kind: Option<RequestType>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
#[allow(clippy::large_enum_variant)] // prost's own shape; each lives for one frame
pub(super) enum RequestType {
    #[prost(message, tag = "10")]
    PartialHistory(PartialHistory),
    #[prost(message, tag = "11")]
    RunStart(RunStart),
    #[prost(message, tag = "64")]
    Shutdown(Shutdown),
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Shutdown {}

#[derive(Clone, PartialEq, Message)]
pub(super) struct RunStart {
    #[prost(message, optional, tag = "1")]
    pub run: Option<RunRecord>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct PartialHistory {
    #[prost(message, repeated, tag = "1")]
    pub item: Vec<Item>,
    #[prost(message, optional, tag = "2")]
    pub step: Option<HistoryStep>,
    #[prost(message, optional, tag = "3")]
    pub action: Option<HistoryAction>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct HistoryStep {
    #[prost(int64, tag = "1")]
    pub num: i64,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct HistoryAction {
    #[prost(bool, tag = "1")]
    pub flush: bool,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct ServerResponse {
    #[prost(string, tag = "10")]
    pub request_id: String,
    #[prost(message, optional, tag = "2")]
    pub result: Option<RecordResult>,
    #[prost(message, optional, tag = "200")]
    pub error: Option<ServerError>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct ServerError {
    #[prost(string, tag = "1")]
    pub message: String,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct RecordResult {
    #[prost(message, optional, tag = "17")]
    pub run: Option<RunUpdate>,
    #[prost(message, optional, tag = "18")]
    pub exit: Option<ExitResult>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct RunUpdate {
    #[prost(message, optional, tag = "1")]
    pub run: Option<RunRecord>,
    #[prost(message, optional, tag = "2")]
    pub error: Option<ServerError>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct ExitResult {
    #[prost(bool, tag = "1")]
    pub timed_out: bool,
}
