//! Opens caches as a factory's sources: alone, as a producer of their own, or beside data sets, chunk by chunk.

use super::chunk::Rows;
use super::gather::{Handing, Picked, gather, room_for};
use super::planner::{Cursor, PlannedSource, Planner};
use super::producer::{CachedProducer, Reading};
use super::reader::CacheReader;
use crate::activations::config::{ActivationFactoryConfig, ActivationFactoryTarget};
use crate::activations::rule::DrawRule;
use crate::activations::{ActivationFactoryActivationsSource, Batch};
use crate::error::{Error, Result};
use crate::event::RunContext;
use crate::tensor::{DType, Device};

/// The producer that reads `sources`, all of them caches.
pub(in crate::activations) fn cached_producer(
    config: &ActivationFactoryConfig,
    sources: &[&ActivationFactoryActivationsSource],
    context: &RunContext,
) -> Result<CachedProducer> {
    let mut planned = Vec::new();
    for (index, source) in sources.iter().enumerate() {
        let segment = format!("[{index}]");
        let opened = planned_source(config, source, context);
        planned.push(opened.map_err(|error| error.under(segment).under("sources"))?);
    }
    let Some(first) = sources.first() else {
        return Err(Error::input("a factory needs at least one source").under("sources"));
    };
    if sources.iter().any(|source| source.device != first.device) {
        return Err(Error::input("caches that are mixed must be read to one device").under("sources"));
    }
    if config.override_dtype.is_none() && sources.iter().any(|source| source.dtype != first.dtype) {
        return Err(Error::input("caches that are mixed must be read as one dtype")
            .hint("set `override_dtype`")
            .under("sources"));
    }
    let reading = Reading {
        workers: sources.iter().map(|source| source.num_workers).max().unwrap_or(1),
        ahead: sources
            .iter()
            .filter_map(|source| source.prefetch)
            .max()
            .unwrap_or(1),
        handing: handing(config, first.dtype, first.device.resolve()?),
    };
    let planner = Planner::new(planned, DrawRule::new(config));
    CachedProducer::start(planner, reading, context.clone())
}

fn planned_source(
    config: &ActivationFactoryConfig,
    source: &ActivationFactoryActivationsSource,
    context: &RunContext,
) -> Result<PlannedSource> {
    Ok(PlannedSource {
        reader: open(config, source, context)?,
        weight: source.sample_weights,
        passes: source.passes,
        shuffle_seed: source.chunk_shuffle_seed,
        ahead: source.prefetch.unwrap_or(0),
    })
}

fn handing(config: &ActivationFactoryConfig, dtype: Option<DType>, device: Device) -> Handing {
    Handing {
        device,
        dtype: config.override_dtype.or(dtype),
        only_tokens: config.target == ActivationFactoryTarget::Tokens,
        ignored: config.ignore_token_ids.clone().unwrap_or_default(),
    }
}

/// Opens a cache and its first chunk, which tells whether it fits the target.
fn open(
    config: &ActivationFactoryConfig,
    source: &ActivationFactoryActivationsSource,
    context: &RunContext,
) -> Result<CacheReader> {
    if config.hook_points.is_empty() {
        return Err(
            Error::input("a cache is found by its hook points, but none is given").under("hook_points"),
        );
    }
    let rows = match config.target {
        ActivationFactoryTarget::Activations1D => Rows::Positions {
            ignored: config.ignore_token_ids.clone(),
        },
        _ => Rows::Stored,
    };
    let hook_points = &config.hook_points;
    let reader = CacheReader::open(&source.path, hook_points, rows, source.num_workers, context)?;
    let length = reader.length(context)?;
    let folder = reader.folder();
    match (config.target, length) {
        (ActivationFactoryTarget::Activations1D, _) => {}
        (target, None) => {
            return Err(Error::input(format!(
                "the cache `{folder}` holds single activations, which cannot become target \"{target}\""
            ))
            .hint("use target \"activations-1d\", or generate the cache with target \"activations-2d\"")
            .under("path"));
        }
        (_, Some(length)) => {
            if let Some(size) = config.context_size.filter(|size| *size as i64 != length) {
                return Err(Error::input(format!(
                    "the cache `{folder}` holds sequences of {length} tokens, but `context_size` is {size}"
                ))
                .hint("leave `context_size` out")
                .under("path"));
            }
        }
    }
    Ok(reader)
}

/// A cache that is read chunk by chunk beside data sets.
pub(in crate::activations) struct CacheWalk {
    source: PlannedSource,
    cursor: Cursor,
    handing: Handing,
    next: u64,
}

impl CacheWalk {
    /// Starts at chunk number `start` of the sequence.
    pub(in crate::activations) fn start(
        config: &ActivationFactoryConfig,
        source: &ActivationFactoryActivationsSource,
        start: u64,
        context: &RunContext,
    ) -> Result<Self> {
        let device = source.device.resolve().map_err(|error| error.under("device"))?;
        let handing = handing(config, source.dtype, device);
        let source = planned_source(config, source, context)?;
        let mut cursor = Cursor::start(&source);
        for _ in 0..start {
            cursor.advance();
        }
        Ok(CacheWalk {
            source,
            cursor,
            handing,
            next: start,
        })
    }

    /// Returns all rows of the next chunk, or `None` at the end.
    pub(in crate::activations) fn next(&mut self) -> Result<Option<Batch>> {
        if self.cursor.has_ended(&self.source) {
            return Ok(None);
        }
        let number = self.cursor.advance() as usize;
        let reader = &self.source.reader;
        reader.order(number);
        if reader.is_remote() {
            let ahead = self.source.ahead;
            let upcoming = self.cursor.upcoming(&self.source, ahead);
            reader.order_ahead(upcoming, ahead + 1);
        }
        let chunk = reader.chunk(number)?;
        self.next += 1;
        let picked = Picked {
            rows: (0..chunk.rows() as u32).map(|row| (0, row)).collect(),
            chunks: vec![chunk],
        };
        let batch = gather(&picked, room_for(&picked, &self.handing)?, &self.handing)?;
        batch.to_device(self.handing.device).map(Some)
    }

    /// Returns the number of the next chunk in the sequence.
    pub(in crate::activations) fn next_number(&self) -> u64 {
        self.next
    }
}
