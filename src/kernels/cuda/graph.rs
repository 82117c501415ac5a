//! Graphs of the driver: kernels that a single call starts, one after the other.
//!
//! Their nodes are made one by one, and nothing is recorded from a stream. What a node is started with can be changed: a change
//! holds for the starts that come after it, and those come in the order of their stream, each after the one before.

use std::ptr::{null, null_mut};

use super::driver::{Functions, Gpu, Handle, NodeParameters, Start, places_of};
use crate::error::Result;

/// A chain of kernels that is started as a whole.
#[derive(Debug)]
pub struct Graph {
    definition: Handle,
    executable: Handle,
    /// In the order in which they run.
    nodes: Vec<Handle>,
}

impl Gpu {
    /// Makes a graph of these starts, ready to be started on a stream. It lasts until it is [forgotten](Self::forget).
    ///
    /// # Errors
    /// The driver refuses one; too little memory on the GPU.
    pub fn graph(&self, starts: &[Start], stream: Handle) -> Result<Graph> {
        self.within(|functions| {
            let mut graph = Graph {
                definition: null_mut(),
                executable: null_mut(),
                nodes: Vec::with_capacity(starts.len()),
            };
            let made = self.make(functions, &mut graph, starts, stream);
            if made.is_err() {
                destroy(functions, &graph);
            }
            made.map(|()| graph)
        })
    }

    fn make(&self, functions: &Functions, graph: &mut Graph, starts: &[Start], stream: Handle) -> Result<()> {
        const WHAT: &str = "given a graph of kernels";
        // SAFETY: it writes a handle.
        self.check(
            unsafe { (functions.make_graph)(&raw mut graph.definition, 0) },
            WHAT,
        )?;
        for start in starts {
            let mut node = null_mut();
            let before = graph.nodes.last();
            let code = with_parameters(start, |parameters| {
                // SAFETY: graph and node are of this graph, and the driver copies the parameters before it returns.
                unsafe {
                    (functions.add_node)(
                        &raw mut node,
                        graph.definition,
                        before.map_or(null(), std::ptr::from_ref),
                        usize::from(before.is_some()),
                        parameters,
                    )
                }
            });
            self.check(code, WHAT)?;
            graph.nodes.push(node);
        }
        // SAFETY: the graph was made above; memory that its kernels are given is not looked at.
        unsafe {
            let code = (functions.instantiate)(&raw mut graph.executable, graph.definition, 0);
            self.check(code, WHAT)?;
            self.check((functions.upload)(graph.executable, stream), WHAT)
        }
    }

    /// Has the node at `place` be started in this way from now on.
    ///
    /// # Errors
    /// The driver refuses it.
    pub fn change(&self, graph: &Graph, place: usize, start: &Start) -> Result<()> {
        self.within(|functions| {
            let code = with_parameters(start, |parameters| {
                // SAFETY: the node is one of the graph, and the driver copies the parameters before it returns.
                unsafe { (functions.set_node)(graph.executable, graph.nodes[place], parameters) }
            });
            self.check(code, "told what a kernel of a graph is given")
        })
    }

    /// Starts a graph on a stream.
    ///
    /// # Errors
    /// The GPU failed, now or in what was started before.
    ///
    /// # Safety
    /// As of [`launch`](Self::launch) for each of its nodes.
    pub unsafe fn launch_graph(&self, graph: &Graph, stream: Handle) -> Result<()> {
        self.within(|functions| {
            // SAFETY: promised.
            let code = unsafe { (functions.launch_graph)(graph.executable, stream) };
            self.check(code, "starting a graph of kernels")
        })
    }

    /// Lets go of a graph. Where it still runs, the driver does so afterwards.
    pub fn forget(&self, graph: Graph) {
        // A GPU that fails has nothing to let go of.
        let _ = self.within(|functions| {
            destroy(functions, &graph);
            Ok(())
        });
    }
}

fn destroy(functions: &Functions, graph: &Graph) {
    // SAFETY: each is there at most once, and nobody uses it after this.
    unsafe {
        if !graph.executable.is_null() {
            (functions.destroy_executable)(graph.executable);
        }
        if !graph.definition.is_null() {
            (functions.destroy_graph)(graph.definition);
        }
    }
}

/// Calls `work` with what the driver is told of a start.
fn with_parameters<T>(start: &Start, work: impl FnOnce(&NodeParameters) -> T) -> T {
    let mut slots = start.arguments.clone();
    let mut places = places_of(&mut slots);
    work(&NodeParameters {
        function: start.function,
        blocks: start.blocks(),
        threads: start.threads(),
        shared_bytes: 0,
        arguments: places.as_mut_ptr(),
        extra: null_mut(),
        kernel: null_mut(),
        context: null_mut(),
    })
}
