//! Weights & Biases, through W&B's own service.
//!
//! A [`WandbRun`] drives the `wandb-core` program that the `wandb` Python package ships, so that runs, offline files,
//! uploads, retries and resuming are W&B's own. `WANDB_MODE` (`online`, `offline`, `disabled`), `WANDB_API_KEY`,
//! `WANDB_BASE_URL`, `WANDB_PROJECT`, `WANDB_ENTITY`, `WANDB_NAME`, `WANDB_RUN_ID`, `WANDB_RESUME`, `WANDB_RUN_GROUP`,
//! `WANDB_JOB_TYPE`, `WANDB_NOTES`, `WANDB_TAGS` and `WANDB_DIR` mean what they mean there.
//!
//! Everything logged under one step becomes one row, which the service closes when a later step comes. A run that goes on
//! after a rollback logs some steps again; online the service leaves out those that the server has.

mod config;
mod core;
mod items;
mod protocol;
mod service;
mod settings;

use std::time::{Duration, SystemTime};

pub use config::{Resume, RunOptions, WandbConfig};
pub use core::find_core;
pub use settings::{folder, has_api_key, key_places, server, talks_to_server};

use self::items::{config_items, histogram, item, number};
use self::protocol::{
    Command, Header, HistoryAction, HistoryStep, InformFinish, InformInit, Item, Items, PartialHistory,
    Record, RecordControl, RecordInfo, RecordType, Request, RequestType, RunExit, RunRecord, RunStart,
    Shutdown,
};
use self::service::{LOCAL_LIMIT, Service};
use self::settings::Plan;
use crate::clock;
use crate::config::{IntoChecked, Value};
use crate::error::{Error, Result};
use crate::event::{Control, Event, Observer};

/// Creating an online run, and uploading what is left at the end.
const NETWORK_LIMIT: Duration = Duration::from_secs(120);

/// A live run. Log to it, or add it to the observers of a training run; then [`finish`](Self::finish) it.
///
/// When the connection to the service breaks, the call that finds out fails, and all later ones do nothing: what is
/// logged to W&B is never worth a training.
pub struct WandbRun {
    service: Option<Service>,
    plan: Plan,
    /// User or team and project, as the server answered.
    path: Option<(String, String)>,
}

impl WandbRun {
    /// Starts a run with `settings` as its configuration (a map; anything else is refused).
    ///
    /// With `WANDB_MODE=disabled` nothing is started and everything logged goes nowhere.
    ///
    /// # Errors
    /// No `wandb-core`, an online run without an API key, and what the server answers to the new run.
    pub fn init(
        config: impl IntoChecked<WandbConfig>,
        options: &RunOptions,
        settings: &Value,
    ) -> Result<Self> {
        let config = config.into_checked()?;
        let config_items = config_items(settings)?;
        let plan = Plan::from_environment(&config, options)?;
        let mut run = WandbRun {
            service: None,
            plan,
            path: None,
        };
        if run.plan.disabled {
            return Ok(run);
        }
        let core = find_core()?;
        run.plan.prepare_folders()?;
        run.service = Some(Service::start(&core)?);
        match run.start(config_items) {
            Ok(()) => Ok(run),
            // A run that did not start has nothing to finish.
            Err(error) => {
                run.service = None;
                Err(error)
            }
        }
    }

    /// Refuses what [`init`](Self::init) refuses before it asks a server, and starts nothing.
    ///
    /// # Errors
    /// No `wandb-core`, an online run without an API key.
    pub fn look(config: impl IntoChecked<WandbConfig>, options: &RunOptions) -> Result<()> {
        let config = config.into_checked()?;
        if Plan::from_environment(&config, options)?.disabled {
            Ok(())
        } else {
            find_core().map(drop)
        }
    }

    /// Returns the run's id.
    pub fn id(&self) -> &str {
        &self.plan.run_id
    }

    /// Returns where the run can be seen or, offline, where it lies on disk.
    pub fn place(&self) -> String {
        match &self.path {
            Some((entity, project)) => format!(
                "{}/{entity}/{project}/runs/{}",
                self.plan.app_url(),
                self.plan.run_id
            ),
            None => self.plan.sync_dir.display().to_string(),
        }
    }

    /// Returns whether it is written to disk only.
    pub fn offline(&self) -> bool {
        self.plan.offline
    }

    /// Logs metrics under a step; steps must not decrease, and calls with the same step fill one row. Without a step
    /// the row is closed at once and the next one begun.
    ///
    /// # Errors
    /// The service is gone.
    pub fn log(&mut self, step: Option<u64>, metrics: &[(String, Value)]) -> Result<()> {
        self.log_items(
            step,
            metrics.iter().map(|(key, value)| item(key, value)).collect(),
        )
    }

    /// Sets values of the run's summary.
    ///
    /// # Errors
    /// The service is gone.
    pub fn summarize(&mut self, values: &[(String, Value)]) -> Result<()> {
        let update = values.iter().map(|(key, value)| item(key, value)).collect();
        self.publish(RecordType::Summary(Items { update }), false)
    }

    /// Adds to the run's configuration.
    ///
    /// # Errors
    /// The service is gone.
    pub fn configure(&mut self, values: &[(String, Value)]) -> Result<()> {
        let update = values.iter().map(|(key, value)| item(key, value)).collect();
        self.publish(RecordType::Config(Items { update }), false)
    }

    /// Ends the run and waits until everything is uploaded or, offline, on disk. A second call does nothing.
    ///
    /// # Errors
    /// The service is gone, or the server did not take everything in time; the records lie on disk all the same.
    pub fn finish(&mut self, exit_code: i32) -> Result<()> {
        let Some(service) = self.service.take() else {
            return Ok(());
        };
        let limit = if self.plan.offline {
            LOCAL_LIMIT
        } else {
            NETWORK_LIMIT
        };
        let ended = end(service, &self.info(), limit, exit_code);
        if exit_code == 0 {
            self.plan.forget_auto_resume();
        }
        ended.map_err(|error| {
            error.hint(format!(
                "what was logged lies in `{}`; `wandb sync` uploads it",
                self.plan.sync_dir.display()
            ))
        })
    }

    fn log_items(&mut self, step: Option<u64>, mut item: Vec<Item>) -> Result<()> {
        item.push(number("_timestamp", clock::seconds(SystemTime::now())));
        let history = PartialHistory {
            item,
            step: step.map(|step| HistoryStep { num: step as i64 }),
            action: Some(HistoryAction {
                flush: step.is_none(),
            }),
        };
        self.publish(
            RecordType::Request(Request {
                kind: Some(RequestType::PartialHistory(history)),
            }),
            true,
        )
    }

    fn start(&mut self, config: Items) -> Result<()> {
        let info = self.info();
        let run = self.plan.run_record(config);
        let settings = self.plan.settings();
        let Some(service) = &mut self.service else {
            return Ok(());
        };
        // Newer services answer this, older ones do not: the answer to the run below says all.
        service.publish(Command::InformInit(InformInit {
            settings: Some(settings),
            info: Some(info.clone()),
        }))?;
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
        self.adopt(answer.run.unwrap_or_default())
    }

    /// Takes over what the server knows about the run, which is more than nothing when it goes on.
    fn adopt(&mut self, run: RunRecord) -> Result<()> {
        if !self.plan.offline && !run.entity.is_empty() {
            self.path = Some((run.entity.clone(), run.project.clone()));
        }
        let summary = run.summary.clone().unwrap_or_default();
        let info = self.info();
        let started = RequestType::RunStart(RunStart { run: Some(run) });
        if let Some(service) = &mut self.service {
            service.deliver(LOCAL_LIMIT, |id| {
                let request = RecordType::Request(Request { kind: Some(started) });
                Command::RecordPublish(record(&info, request, Some(id), true))
            })?;
        }
        if summary.update.is_empty() {
            Ok(())
        } else {
            self.publish(RecordType::Summary(summary), false)
        }
    }

    fn publish(&mut self, kind: RecordType, local: bool) -> Result<()> {
        let info = self.info();
        let Some(service) = &mut self.service else {
            return Ok(());
        };
        let sent = service.publish(Command::RecordPublish(record(&info, kind, None, local)));
        sent.map_err(|error| {
            self.service = None;
            error.hint(format!(
                "what was logged before lies in `{}`; `wandb sync` uploads it",
                self.plan.sync_dir.display()
            ))
        })
    }

    fn info(&self) -> RecordInfo {
        RecordInfo {
            stream_id: self.plan.run_id.clone(),
        }
    }
}

impl Observer for WandbRun {
    fn on(&mut self, event: &Event) -> Result<Control> {
        match event {
            Event::Logged { step, metrics, .. } => {
                let items = metrics.iter().map(|(name, value)| number(name, *value));
                self.log_items(Some(*step), items.collect())?;
            }
            Event::Distribution {
                step,
                name,
                histogram: spread,
                ..
            } => self.log_items(Some(*step), vec![histogram(name, spread)])?,
            _ => {}
        }
        Ok(Control::Continue)
    }

    fn wants_distributions(&self) -> bool {
        self.service.is_some()
    }
}

impl Drop for WandbRun {
    /// A run that nobody finished is closed as failed, so that what it logged is kept.
    fn drop(&mut self) {
        let _ = self.finish(1);
    }
}

/// Closes the run, then the service.
fn end(mut service: Service, info: &RecordInfo, limit: Duration, exit_code: i32) -> Result<()> {
    service.deliver(limit, |id| {
        let exit = RecordType::Exit(RunExit { exit_code });
        Command::RecordPublish(record(info, exit, Some(id), false))
    })?;
    service.deliver(LOCAL_LIMIT, |id| {
        let shutdown = RecordType::Request(Request {
            kind: Some(RequestType::Shutdown(Shutdown {})),
        });
        Command::RecordPublish(record(info, shutdown, Some(id), false))
    })?;
    service.publish(Command::InformFinish(InformFinish {
        info: Some(info.clone()),
    }))?;
    service.tear_down(exit_code)
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
