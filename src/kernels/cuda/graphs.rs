//! The graphs of sequences of kernels that come again and again.
//!
//! A sequence is known by its functions. It gets a graph when it comes for the second time; from then on only nodes that are
//! started otherwise than before are changed, and all are started by one call.

use super::driver::{Gpu, Handle, Start};
use super::graph::Graph;
use crate::error::{Error, Result};

/// The fewest kernels that are worth a graph.
const FEWEST: usize = 3;
/// The most sequences that are known at a time.
const MOST: usize = 32;

/// The sequences that were seen last.
#[derive(Debug, Default)]
pub struct Graphs {
    /// From the one that was seen longest ago.
    known: Vec<Sequence>,
    /// The driver refused a graph, and no more are made.
    are_off: bool,
    /// What is still to be said of that.
    remark: Option<String>,
}

/// A sequence of kernels.
#[derive(Debug)]
struct Sequence {
    functions: Vec<Handle>,
    made: Option<Made>,
}

/// A graph, and what its nodes were last told.
#[derive(Debug)]
struct Made {
    graph: Graph,
    starts: Vec<Start>,
}

impl Graphs {
    /// Starts kernels on a stream, one after the other: by a graph where they are worth one, else each by itself.
    ///
    /// # Errors
    /// The GPU failed, now or in what was started before. A graph that the driver refuses is none.
    ///
    /// # Safety
    /// As of [`Gpu::launch`] for each.
    pub unsafe fn launch(&mut self, gpu: &Gpu, starts: Vec<Start>, stream: Handle) -> Result<()> {
        if starts.len() >= FEWEST && !self.are_off {
            match self.ready(gpu, &starts, stream) {
                // SAFETY: promised, and each node has been told its start.
                Ok(Some(graph)) => return unsafe { gpu.launch_graph(graph, stream) },
                Ok(None) => {}
                Err(error) => self.turn_off(gpu, &error),
            }
        }
        // SAFETY: promised.
        starts
            .iter()
            .try_for_each(|start| unsafe { gpu.launch(start, stream) })
    }

    /// Returns a graph that starts just this, where the sequence is known.
    fn ready(&mut self, gpu: &Gpu, starts: &[Start], stream: Handle) -> Result<Option<&Graph>> {
        let functions = || starts.iter().map(|start| start.function);
        let known = self
            .known
            .iter()
            .position(|sequence| sequence.functions.iter().copied().eq(functions()));
        let Some(place) = known else {
            if self.known.len() >= MOST {
                forget(gpu, self.known.remove(0));
            }
            self.known.push(Sequence {
                functions: functions().collect(),
                made: None,
            });
            return Ok(None);
        };
        self.known[place..].rotate_left(1);
        let Some(sequence) = self.known.last_mut() else {
            return Ok(None);
        };
        match &mut sequence.made {
            Some(made) => made.change(gpu, starts)?,
            none => {
                let graph = gpu.graph(starts, stream)?;
                *none = Some(Made {
                    graph,
                    starts: starts.to_vec(),
                });
            }
        }
        Ok(sequence.made.as_ref().map(|made| &made.graph))
    }

    /// Makes no more graphs, and forgets those that there are: one of them may be changed by half.
    pub fn turn_off(&mut self, gpu: &Gpu, error: &Error) {
        self.are_off = true;
        self.remark = Some(format!(
            "every kernel is started by itself, which is slower for small dictionaries: {}",
            error.message()
        ));
        self.clear(gpu);
    }

    /// Forgets all graphs.
    pub fn clear(&mut self, gpu: &Gpu) {
        self.known.drain(..).for_each(|sequence| forget(gpu, sequence));
    }

    /// Returns why no graphs are made, once, if that is so.
    pub fn remark(&mut self) -> Option<String> {
        self.remark.take()
    }
}

impl Made {
    /// Tells the nodes that are started otherwise than before.
    fn change(&mut self, gpu: &Gpu, starts: &[Start]) -> Result<()> {
        for (place, (last, start)) in self.starts.iter_mut().zip(starts).enumerate() {
            if last != start {
                gpu.change(&self.graph, place, start)?;
                last.clone_from(start);
            }
        }
        Ok(())
    }
}

fn forget(gpu: &Gpu, sequence: Sequence) {
    if let Some(made) = sequence.made {
        gpu.forget(made.graph);
    }
}
