//! Weights & Biases, through W&B's own engine.
//!
//! A [`WandbRun`] drives the `wandb-core` program that the `wandb` Python package ships, so that runs, offline files,
//! uploads, retries and resuming are W&B's own. `WANDB_MODE` (`online`, `offline`, `disabled`), `WANDB_API_KEY`,
//! `WANDB_BASE_URL`, `WANDB_PROJECT`, `WANDB_ENTITY`, `WANDB_NAME`, `WANDB_RUN_ID`, `WANDB_RESUME` and `WANDB_DIR` mean
//! what they mean there.

mod protocol;
mod service;
mod settings;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use service::find_core;
pub use settings::has_api_key;

use self::protocol::{
    Command, Header, HistoryAction, HistoryStep, InformFinish, InformInit, Item, Items, PartialHistory,
    Record, RecordControl, RecordInfo, RecordType, Request, RequestType, RunExit, RunRecord, RunStart,
    Shutdown, Timestamp,
};
use self::service::Service;
use self::settings::Plan;
use crate::config::{Config, Value};
use crate::error::{Error, Result};
use crate::event::{Control, Event, Observer};

/// Replies that need no network.
const LOCAL_LIMIT: Duration = Duration::from_secs(30);
/// Creating an online run, and uploading what is left at the end.
const NETWORK_LIMIT: Duration = Duration::from_secs(120);

/// What to do about a run id that exists already. Names are W&B's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Resume {
    /// Refuse to go on with a finished run.
    #[default]
    Never,
    /// Go on with it if it exists.
    Allow,
    /// It has to exist.
    Must,
    /// Go on with this machine's last run of the project if it did not finish.
    Auto,
}

/// Logging to Weights & Biases.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct WandbConfig {
    /// The project that the run belongs to.
    pub wandb_project: String,
    /// The run's display name; null lets W&B choose one.
    pub exp_name: Option<String>,
    /// The user or team; null means the default of the API key.
    pub wandb_entity: Option<String>,
    /// The run's id, for going on with an earlier run; null makes a new one.
    pub wandb_run_id: Option<String>,
    /// What to do when a run of that id exists.
    pub wandb_resume: Resume,
}

impl Default for WandbConfig {
    fn default() -> Self {
        WandbConfig {
            wandb_project: "gpt2-sae-training".into(),
            exp_name: None,
            wandb_entity: None,
            wandb_run_id: None,
            wandb_resume: Resume::Never,
        }
    }
}

impl Config for WandbConfig {
    const NAME: &'static str = "WandbConfig";

    fn validate(&self) -> Result<()> {
        if self.wandb_project.is_empty() {
            return Err(Error::input("the project needs a name").under("wandb_project"));
        }
        if self.wandb_resume == Resume::Must && self.wandb_run_id.is_none() {
            return Err(Error::input("resuming needs the run's id").under("wandb_run_id"));
        }
        Ok(())
    }
}

/// A live run. Log to it, or add it to the observers of a training run; then [`finish`](Self::finish) it.
pub struct WandbRun {
    service: Option<Service>,
    plan: Plan,
}

impl WandbRun {
    /// Starts a run with `settings` as its configuration (a map; anything else is refused).
    ///
    /// With `WANDB_MODE=disabled` nothing is started and everything logged goes nowhere.
    ///
    /// # Errors
    /// No `wandb-core`, an online run without an API key, and what the server answers to the new run.
    pub fn init(config: &WandbConfig, settings: &Value) -> Result<Self> {
        config.validate()?;
        let plan = Plan::from_environment(config)?;
        if plan.disabled {
            return Ok(WandbRun { service: None, plan });
        }
        std::fs::create_dir_all(plan.sync_dir.join("logs"))
            .map_err(|error| Error::io("create", &plan.sync_dir, error))?;
        std::fs::create_dir_all(plan.sync_dir.join("files"))
            .map_err(|error| Error::io("create", &plan.sync_dir, error))?;
        let mut run = WandbRun {
            service: Some(Service::start(&find_core()?)?),
            plan,
        };
        run.start(settings)?;
        Ok(run)
    }

    /// The run's id.
    pub fn id(&self) -> &str {
        &self.plan.run_id
    }

    /// Where the run can be seen or, offline, where it lies on disk.
    pub fn place(&self) -> String {
        self.plan.sync_dir.display().to_string()
    }

    /// Is it written to disk only?
    pub fn offline(&self) -> bool {
        self.plan.offline
    }

    /// Logs metrics under a step; steps must not decrease. Without a step the next one is taken.
    pub fn log(&mut self, step: Option<u64>, metrics: &[(String, Value)]) -> Result<()> {
        let mut item: Vec<Item> = metrics.iter().map(|(key, value)| json_item(key, value)).collect();
        item.push(json_item("_timestamp", &Value::from(seconds_now())));
        let history = PartialHistory {
            item,
            step: step.map(|step| HistoryStep { num: step as i64 }),
            action: Some(HistoryAction { flush: true }),
        };
        self.publish(
            RecordType::Request(Request {
                kind: Some(RequestType::PartialHistory(history)),
            }),
            true,
        )
    }

    /// Sets values of the run's summary.
    pub fn summarize(&mut self, values: &[(String, Value)]) -> Result<()> {
        let update = values.iter().map(|(key, value)| json_item(key, value)).collect();
        self.publish(RecordType::Summary(Items { update }), false)
    }

    /// Ends the run and waits until everything is uploaded or, offline, on disk. A second call does nothing.
    pub fn finish(&mut self, exit_code: i32) -> Result<()> {
        let Some(mut service) = self.service.take() else {
            return Ok(());
        };
        let info = self.info();
        let limit = if self.plan.offline {
            LOCAL_LIMIT
        } else {
            NETWORK_LIMIT
        };
        service.deliver(limit, |id| {
            Command::RecordPublish(record(
                &info,
                RecordType::Exit(RunExit { exit_code }),
                Some(id),
                false,
            ))
        })?;
        service.deliver(LOCAL_LIMIT, |id| {
            let shutdown = RecordType::Request(Request {
                kind: Some(RequestType::Shutdown(Shutdown {})),
            });
            Command::RecordPublish(record(&info, shutdown, Some(id), false))
        })?;
        service.publish(Command::InformFinish(InformFinish { info: Some(info) }))?;
        service.tear_down(exit_code)
    }

    fn start(&mut self, settings: &Value) -> Result<()> {
        let config = Items {
            update: config_items(settings)?,
        };
        let info = self.info();
        let run = self.plan.run_record(config);
        let settings = self.plan.settings();
        let Some(service) = &mut self.service else {
            return Ok(());
        };
        service.deliver(LOCAL_LIMIT, |_| {
            Command::InformInit(InformInit {
                settings: Some(settings),
                info: Some(info.clone()),
            })
        })?;
        service.publish(Command::RecordPublish(record(
            &info,
            RecordType::Header(Header {}),
            None,
            false,
        )))?;
        let reply = service.deliver(NETWORK_LIMIT, |id| {
            Command::RecordPublish(record(&info, RecordType::Run(run), Some(id), false))
        })?;
        let answer = reply.result.and_then(|result| result.run).unwrap_or_default();
        if let Some(error) = answer.error {
            return Err(Error::run(format!(
                "Weights & Biases refused the run: {}",
                error.message
            )));
        }
        let started = RequestType::RunStart(RunStart { run: answer.run });
        service.deliver(LOCAL_LIMIT, |id| {
            let request = RecordType::Request(Request { kind: Some(started) });
            Command::RecordPublish(record(&info, request, Some(id), true))
        })?;
        Ok(())
    }

    fn publish(&mut self, kind: RecordType, local: bool) -> Result<()> {
        let info = self.info();
        match &mut self.service {
            Some(service) => service.publish(Command::RecordPublish(record(&info, kind, None, local))),
            None => Ok(()),
        }
    }

    fn info(&self) -> RecordInfo {
        RecordInfo {
            stream_id: self.plan.run_id.clone(),
        }
    }
}

impl Observer for WandbRun {
    fn on(&mut self, event: &Event) -> Result<Control> {
        if let Event::Logged { step, metrics, .. } = event {
            let values: Vec<(String, Value)> = metrics
                .iter()
                .map(|(name, value)| (name.clone(), Value::from(*value)))
                .collect();
            self.log(Some(*step), &values)?;
        }
        Ok(Control::Continue)
    }
}

impl Drop for WandbRun {
    /// A run that nobody finished is closed as failed, so that what it logged is kept.
    fn drop(&mut self) {
        let _ = self.finish(1);
    }
}

fn record(info: &RecordInfo, kind: RecordType, slot: Option<&str>, local: bool) -> Record {
    let control = RecordControl {
        local,
        mailbox_slot: slot.unwrap_or_default().into(),
    };
    Record {
        control: Some(control),
        info: Some(info.clone()),
        kind: Some(kind),
    }
}

fn json_item(key: &str, value: &Value) -> Item {
    Item {
        key: key.into(),
        value_json: value.to_string(),
    }
}

fn config_items(settings: &Value) -> Result<Vec<Item>> {
    match settings {
        Value::Null => Ok(Vec::new()),
        Value::Object(map) => Ok(map.iter().map(|(key, value)| json_item(key, value)).collect()),
        _ => Err(Error::input("the configuration of a W&B run must be a map")),
    }
}

fn seconds_now() -> f64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs_f64()
}

fn timestamp_now() -> Timestamp {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp {
        seconds: now.as_secs() as i64,
        nanos: now.subsec_nanos() as i32,
    }
}

impl Plan {
    fn run_record(&self, config: Items) -> RunRecord {
        RunRecord {
            run_id: self.run_id.clone(),
            entity: self.entity.clone().unwrap_or_default(),
            project: self.project.clone(),
            config: Some(config),
            display_name: self.name.clone().unwrap_or_default(),
            host: settings::host_name(),
            start_time: Some(timestamp_now()),
            resume: matches!(self.resume, Resume::Allow | Resume::Must | Resume::Auto),
            ..Default::default()
        }
    }
}
