//! The passes of one analysis, in their order.

use std::ops::Range;

use super::bands::{latents_at_a_time, memory_for_samples};
use super::coactivation::Coactivation;
use super::contexts::ContextReader;
use super::finish::{Weights, finish, write_band};
use super::passes::{First, Pass, Second, walk};
use super::progress::{Keeper, Parts, Position};
use super::samples::Collection;
use super::settings::FeatureAnalyzerConfig;
use super::single::Single;
use crate::activations::BatchStream;
use crate::dictionary::SparseAutoEncoder;
use crate::error::{Error, Result, counted};
use crate::event::RunContext;
use crate::findings::{State, Subsample};
use crate::memory;
use crate::tensor::DType;

/// Opens a stream at its beginning; called once for each pass.
pub type OpenStream<'a> = dyn FnMut() -> Result<Box<dyn BatchStream>> + 'a;

/// An analysis under way.
pub(super) struct Work<'a> {
    pub(super) config: &'a FeatureAnalyzerConfig,
    pub(super) rules: Vec<Subsample>,
    pub(super) keeper: Keeper<'a>,
    pub(super) sae: &'a SparseAutoEncoder,
    pub(super) amp: Option<DType>,
    pub(super) open: &'a mut OpenStream<'a>,
    /// A stream that was opened already.
    pub(super) opened: Option<Box<dyn BatchStream>>,
    pub(super) runs_a_model: bool,
    pub(super) context: &'a RunContext,
    /// Passes over the stream that were begun.
    pub(super) passes: u32,
}

impl Work<'_> {
    /// Does what is left to do.
    ///
    /// # Errors
    /// What the stream says, or the store; a stop was asked for, and what was done is kept.
    pub(super) fn run(&mut self) -> Result<State> {
        let (mut position, kept) = self.keeper.position()?;
        if !position.written && self.config.single_pass {
            self.run_once(&mut position, &kept)?;
        } else if !position.written {
            self.run_bands(&mut position, kept)?;
        }
        Ok(if position.ended_early {
            State::EndedEarly
        } else {
            State::Complete
        })
    }

    /// Counts in one pass, and collects in others, some latents in each.
    fn run_bands(&mut self, position: &mut Position, mut kept: Parts) -> Result<()> {
        let first = if position.counted_all {
            self.first(&self.keeper.found()?)?
        } else {
            let first = self.count(position, &kept)?;
            kept = Parts::new();
            first
        };
        let weights = Weights::of(self.sae, self.config, self.context)?;
        let latents = self.latents() as u32;
        while position.first < latents {
            let band = position.first..latents.min(position.first + position.at_a_time.max(1));
            self.collect((&first, &weights), band, position, &kept)?;
            kept = Parts::new();
        }
        self.keeper
            .store
            .transaction(|| self.finish(&first, &weights, position))
    }

    /// Writes, within a transaction, what needs all latents, and that what is left needs no stream.
    fn finish(&self, first: &First, weights: &Weights, position: &mut Position) -> Result<()> {
        let keeper = &self.keeper;
        let check = || self.context.check("the analysis");
        finish(
            (keeper.store, keeper.analysis),
            first,
            weights,
            (self.sae, self.config),
            check,
        )?;
        position.written = true;
        keeper.next(position)
    }

    /// Counts and collects in one pass over a stream that need not be there again.
    fn run_once(&mut self, position: &mut Position, kept: &Parts) -> Result<()> {
        let (store, analysis) = (self.keeper.store, self.keeper.analysis);
        let weights = Weights::of(self.sae, self.config, self.context)?;
        let latents = self.latents();
        let rules = self.rules.clone();
        let near = weights.near_of(&(0..latents as u32));
        let first = self.first(kept)?;
        let unknown = vec![f32::INFINITY; latents];
        let mut collection = Collection::new(&rules, self.config.seed, 0, unknown, latents);
        if let Some((count, near)) = &near {
            collection.set_near(*count, near);
        }
        let sizes = (self.config.seed, memory_for_samples(self.config));
        let mut single = Single::new(first, (collection, &rules), sizes, kept)?;
        let title = "analysing in a single pass";
        self.read(&mut single, kept, position, title)?;
        let (first, settle) = single.done();
        let second = settle(&first.statistics);
        let band = 0..latents as u32;
        store.transaction(|| {
            write_band((store, analysis), &second, &weights, (self.config, band))?;
            self.finish(&first, &weights, position)
        })
    }

    fn latents(&self) -> usize {
        self.sae.cfg.d_sae() as usize
    }

    /// Returns the stream for the next pass.
    fn stream(&mut self) -> Result<Box<dyn BatchStream>> {
        self.passes += 1;
        match self.opened.take() {
            Some(stream) => Ok(stream),
            None => (self.open)(),
        }
    }

    /// Returns whether pairs that fire together are too many to count all of them.
    pub(super) fn estimates_pairs(&self) -> bool {
        self.config.neighbours > 0 && self.latents() > self.config.coactivation_up_to as usize
    }

    /// Returns the first pass with what `parts` have.
    fn first(&self, parts: &Parts) -> Result<First> {
        let latents = self.latents();
        let exact = !self.estimates_pairs();
        let pairs = if self.config.neighbours > 0 {
            let bytes = Coactivation::bytes(latents as u64, exact);
            memory::admit(bytes, "counting which latents fire together").map_err(|error| {
                error.hint("a smaller `analyzer.coactivation_up_to` has it estimated; `analyzer.neighbours = 0` leaves it out")
            })?;
            Some(Coactivation::new(latents, exact))
        } else {
            None
        };
        First::new(latents, pairs, parts)
    }

    /// Reads the stream for `pass`, which is the first one, and notes how much there was of it.
    fn read(
        &mut self,
        pass: &mut dyn Pass,
        parts: &Parts,
        position: &mut Position,
        title: &str,
    ) -> Result<()> {
        let mut stream = self.stream()?;
        let mut reader = ContextReader::new(self.sae, self.config, self.amp)?;
        walk(
            pass,
            &mut reader,
            (stream.as_mut(), parts),
            (&mut self.keeper, position, title),
            (self.context, self.config.total_analyzing_tokens),
        )?;
        if reader.counted == 0 {
            return Err(
                Error::input("no token of the stream counts, so there is nothing to analyse")
                    .hint("look at its mask, or set `analyzer.ignore_token_ids`"),
            );
        }
        if position.ended_early {
            self.context.events.warn(format!(
                "the data ended after {} of {}: the analysis is of these",
                counted(reader.tokens, "token"),
                self.config.total_analyzing_tokens
            ))?;
        }
        let (store, analysis) = (self.keeper.store, self.keeper.analysis);
        store.set_extent(analysis, reader.tokens, reader.counted, u64::from(reader.next))
    }

    /// The first pass of several.
    fn count(&mut self, position: &mut Position, parts: &Parts) -> Result<First> {
        let mut first = self.first(parts)?;
        self.read(&mut first, parts, position, "analysing, pass 1: counting")?;
        position.counted_all = true;
        position.at_a_time = latents_at_a_time(self.config, &first.statistics);
        position.first = 0;
        (position.contexts, position.tokens) = (0, 0);
        self.keeper.keep_found(position, first.parts()?)?;
        Ok(first)
    }

    /// A pass for the samples of the latents of `band`, which are written at its end.
    fn collect(
        &mut self,
        (first, weights): (&First, &Weights),
        band: Range<u32>,
        position: &mut Position,
        parts: &Parts,
    ) -> Result<()> {
        let title = self.announce(&band, position)?;
        let statistics = &first.statistics;
        let max = statistics.max[band.start as usize..band.end as usize].to_vec();
        let near = weights.near_of(&band);
        let mut stream = self.stream()?;
        let mut collection = Collection::new(&self.rules, self.config.seed, band.start, max, self.latents());
        if let Some((count, near)) = &near {
            collection.set_near(*count, near);
        }
        let mut second = Second::new(statistics, collection, band.clone(), parts)?;
        let mut reader = ContextReader::new(self.sae, self.config, self.amp)?;
        walk(
            &mut second,
            &mut reader,
            (stream.as_mut(), parts),
            (&mut self.keeper, position, &title),
            (self.context, self.config.total_analyzing_tokens),
        )?;
        position.first = band.end;
        (position.contexts, position.tokens) = (0, 0);
        let keeper = &self.keeper;
        keeper.store.transaction(|| {
            write_band(
                (keeper.store, keeper.analysis),
                &second,
                weights,
                (self.config, band),
            )?;
            keeper.next(position)
        })
    }

    /// Returns what the pass for the latents of `band` is called, and says that the model runs again.
    fn announce(&self, band: &Range<u32>, position: &Position) -> Result<String> {
        let number = band.start / position.at_a_time + 2;
        let passes = (self.latents() as u32).div_ceil(position.at_a_time) + 1;
        if self.runs_a_model {
            self.context.events.note(format!(
                "the model runs through the stream again, for pass {number} of {passes}; cached activations would spare that"
            ))?;
        }
        Ok(match passes {
            2 => "analysing, pass 2: collecting samples".to_string(),
            passes => format!("analysing, pass {number} of {passes}: collecting samples"),
        })
    }
}
