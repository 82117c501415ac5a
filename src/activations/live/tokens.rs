//! Reads and tokenises a data set on threads of its own, ahead of the model and in order.
//!
//! One thread reads records and hands them out in groups; `num_workers` threads tokenise them. Each group's result
//! comes through a channel of its own, and these channels are queued in reading order: the sequence of results never
//! depends on which thread is faster, and the bounded queue holds the readers back when the model is slower.

use std::collections::VecDeque;
use std::sync::Arc;
use std::thread;

use crossbeam_channel::{Receiver, Sender, bounded};

use super::model::Encoder;
use super::packing::{Leftover, Packer, TokenSequence};
use super::position::SourcePosition;
use crate::error::{Error, Fault, Result};
use crate::policy;
use crate::text::{Content, Dataset, Record, RecordKind, Records, Skipped};

/// Records tokenised by one thread at a time.
const GROUP: usize = 32;

/// Groups that may wait for the model, for each worker.
const WAITING_GROUPS: usize = 4;

/// How records become token ids.
#[derive(Clone)]
pub(super) struct Tokenising {
    /// Text, or ids already.
    pub kind: RecordKind,
    /// Put BOS before each text.
    pub prepend_bos: bool,
    /// How often the records are read; `None`: again and again.
    pub passes: Option<u64>,
    /// Cut to so many ids.
    pub limit: usize,
    /// Join the texts and cut them into windows of so many ids.
    pub window: Option<usize>,
    /// The tokenizer.
    pub encoder: Arc<dyn Encoder>,
}

/// What a record gave.
enum Given {
    Sequence(TokenSequence),
    /// A record of this number that is skipped, and what is wrong with it.
    Bad(u64, String),
}

type Group = Result<Vec<Given>>;

struct Task {
    records: Vec<Record>,
    reply: Sender<Group>,
}

/// The token sequences of a data set, in order, as often as it is to be read.
pub(super) struct TokenReader {
    groups: Receiver<Receiver<Group>>,
    ready: VecDeque<Given>,
    next_record: u64,
    /// The number of the pass over the records, from 0.
    pass: u64,
    /// This pass has given tokens that are text, so another one will.
    gave_text: bool,
    skipped: Skipped,
    packer: Option<Packer>,
    /// What it was started with.
    dataset: Dataset,
    how: Tokenising,
    workers: usize,
    /// The threads gave up, and are to be started anew.
    interrupted: bool,
}

impl TokenReader {
    /// Starts `workers` tokenisers at `start`.
    ///
    /// # Errors
    /// A missing column; threads that cannot be started.
    pub(super) fn start(
        dataset: &Dataset,
        how: &Tokenising,
        workers: usize,
        start: &SourcePosition,
    ) -> Result<Self> {
        Ok(TokenReader {
            groups: read_ahead(&dataset.for_pass(start.pass), how, workers, start.next)?,
            ready: VecDeque::new(),
            next_record: start.next,
            pass: start.pass,
            gave_text: start.next > 0,
            skipped: start.skipped.clone(),
            packer: how
                .window
                .map(|length| Packer::new(length, how.encoder.bos_id(), start.left.clone())),
            dataset: dataset.clone(),
            how: how.clone(),
            workers,
            interrupted: false,
        })
    }

    /// Returns the next sequence, or `None` after the last. Waits for the tokenisers if need be.
    ///
    /// # Errors
    /// What is wrong with a record; an interruption, after which it goes on with the sequence that would have come.
    pub(super) fn next(&mut self) -> Result<Option<TokenSequence>> {
        if self.interrupted {
            *self = TokenReader::start(&self.dataset, &self.how, self.workers, &self.position())?;
        }
        match self.packer.take() {
            Some(mut packer) => {
                let window = packer.next(|| self.next_text());
                self.packer = Some(packer);
                window
            }
            None => self.next_text(),
        }
    }

    fn next_text(&mut self) -> Result<Option<TokenSequence>> {
        loop {
            while let Some(given) = self.ready.pop_front() {
                match given {
                    Given::Sequence(sequence) => {
                        self.next_record = sequence.record + 1;
                        let bos = self.how.encoder.bos_id();
                        self.gave_text |= sequence.ids.iter().any(|id| Some(*id) != bos);
                        return Ok(Some(sequence));
                    }
                    Given::Bad(record, wrong) => {
                        self.next_record = record + 1;
                        self.skipped.add(&wrong);
                    }
                }
            }
            let Ok(group) = self.groups.recv() else {
                if self.begins_anew()? {
                    continue;
                }
                return Ok(None);
            };
            let group = group.recv().map_err(|_| {
                Error::run("a thread that reads or tokenises the data set ended unexpectedly")
            })?;
            let group = group.inspect_err(|error| self.interrupted = error.fault() == Fault::Interrupted)?;
            self.ready.extend(group);
        }
    }

    /// Begins the next pass over the records, if there is to be one. A pass without any text is the last: so would be all
    /// that follow.
    fn begins_anew(&mut self) -> Result<bool> {
        let is_last = self.how.passes.is_some_and(|passes| self.pass + 1 >= passes);
        if is_last || !self.gave_text {
            return Ok(false);
        }
        let dataset = self.dataset.for_pass(self.pass + 1);
        self.groups = read_ahead(&dataset, &self.how, self.workers, 0)?;
        self.pass += 1;
        self.next_record = 0;
        self.gave_text = false;
        Ok(true)
    }

    /// Returns where to start again so that what was handed out is not read again.
    pub(super) fn position(&self) -> SourcePosition {
        SourcePosition {
            next: self.next_record,
            pass: self.pass,
            skipped: self.skipped.clone(),
            left: self
                .packer
                .as_ref()
                .map_or(Leftover::default(), |packer| packer.left().clone()),
        }
    }

    /// Returns the bad records that were left out so far.
    pub(super) fn skipped(&self) -> &Skipped {
        &self.skipped
    }

    /// Groups that are tokenised or under way, and the most there can be.
    pub(super) fn queue_fill(&self) -> (usize, usize) {
        (self.groups.len(), self.groups.capacity().unwrap_or(0))
    }
}

/// Starts threads that read the records from number `start` on, and `workers` that tokenise them.
fn read_ahead(
    dataset: &Dataset,
    how: &Tokenising,
    workers: usize,
    start: u64,
) -> Result<Receiver<Receiver<Group>>> {
    let records = dataset.records(how.kind, start)?;
    let (task_sender, tasks) = bounded::<Task>(workers);
    let (group_sender, groups) = bounded(workers * WAITING_GROUPS);
    spawn("reader", move || read(records, &task_sender, &group_sender))?;
    for _ in 0..workers {
        let tasks = tasks.clone();
        let how = how.clone();
        spawn("tokeniser", move || {
            for task in tasks {
                // A closed channel means that nobody wants the rest.
                let _ = task.reply.send(how.tokenise(task.records));
            }
        })?;
    }
    Ok(groups)
}

fn spawn(role: &str, work: impl FnOnce() + Send + 'static) -> Result<()> {
    thread::Builder::new()
        .name(format!("saescript-{role}"))
        .spawn(policy::carried(work))
        .map(drop)
        .map_err(|error| Error::run(format!("cannot start a {role} thread: {error}")))
}

/// Hands out groups of records until they end, one is broken, or nobody listens any more.
fn read(mut records: Records, tasks: &Sender<Task>, groups: &Sender<Receiver<Group>>) {
    loop {
        let mut group = Vec::with_capacity(GROUP);
        let mut broken = None;
        while group.len() < GROUP && broken.is_none() {
            match records.next() {
                Some(Ok(record)) => group.push(record),
                Some(Err(error)) => broken = Some(error),
                None => break,
            }
        }
        let last = group.len() < GROUP;
        if !group.is_empty() {
            let (reply, result) = bounded(1);
            let task = Task {
                records: group,
                reply,
            };
            if groups.send(result).is_err() || tasks.send(task).is_err() {
                return;
            }
        }
        if let Some(error) = broken {
            let (reply, result) = bounded(1);
            let _ = reply.send(Err(error));
            let _ = groups.send(result);
        }
        if last {
            return;
        }
    }
}

impl Tokenising {
    fn tokenise(&self, records: Vec<Record>) -> Group {
        records.into_iter().map(|record| self.given(record)).collect()
    }

    fn given(&self, record: Record) -> Result<Given> {
        let ids = match record.content {
            Content::Text(text) => {
                self.encoder
                    .encode(&text, self.prepend_bos, self.limit)
                    .map_err(|error| {
                        error.context(format!(
                            "while tokenising record {} of `{}`",
                            record.origin.row + 1,
                            record.origin.file.display()
                        ))
                    })?
            }
            Content::Tokens(mut ids) => {
                ids.truncate(self.limit);
                ids
            }
            Content::Bad(wrong) => return Ok(Given::Bad(record.origin.index, wrong)),
        };
        Ok(Given::Sequence(TokenSequence {
            ids,
            record: record.origin.index,
        }))
    }
}
