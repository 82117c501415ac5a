//! A driver that runs nothing and remembers everything.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ffi::{c_char, c_int, c_uint, c_ulonglong, c_void};

use crate::kernels::cuda::driver::{Code, Functions, Gpu, Handle, NodeParameters, Start};
use crate::kernels::cuda::launcher::Grid;

/// What a kernel was started with: its function, blocks, threads and arguments.
pub(super) type Ran = (usize, [c_uint; 3], [c_uint; 3], Vec<u64>);

/// What the driver was asked to do, but for the starts of single kernels.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Call {
    /// Of so many nodes.
    Instantiated(usize),
    /// The node at this place.
    Changed(usize),
    /// A graph was started.
    Launched,
}

#[derive(Default)]
struct Driver {
    calls: Vec<Call>,
    ran: Vec<Ran>,
    /// The function that fails, and how often it may be called before.
    failing: Option<(&'static str, u32)>,
    /// The last handle that was given.
    last: usize,
    /// Nodes of graphs, each after the one before.
    graphs: BTreeMap<usize, Vec<(usize, Ran)>>,
    executables: BTreeMap<usize, Vec<(usize, Ran)>>,
}

thread_local! {
    static DRIVER: RefCell<Driver> = RefCell::default();
}

const STREAM: usize = 77;

impl Driver {
    fn new_handle(&mut self) -> usize {
        self.last += 1;
        self.last
    }

    fn fails(&mut self, name: &str) -> bool {
        match &mut self.failing {
            Some((failing, 0)) if *failing == name => true,
            Some((failing, before)) if *failing == name => {
                *before -= 1;
                false
            }
            _ => false,
        }
    }
}

/// Calls `work` unless the function is to fail.
fn play(name: &str, work: impl FnOnce(&mut Driver)) -> Code {
    DRIVER.with_borrow_mut(|driver| {
        if driver.fails(name) {
            return 2;
        }
        work(driver);
        0
    })
}

/// Returns the stream that kernels are started on.
pub(super) fn stream() -> Handle {
    STREAM as Handle
}

/// Returns a start of a function with these arguments. A function's handle ends with the number of its arguments.
pub(super) fn start(function: usize, grid: Grid, arguments: &[u64]) -> Start {
    Start {
        kernel: "played",
        function: (function * 10 + arguments.len()) as Handle,
        grid,
        threads: 256,
        arguments: arguments.to_vec(),
    }
}

/// Returns what a start comes to.
pub(super) fn ran_of(start: &Start) -> Ran {
    (
        start.function as usize,
        start.blocks(),
        start.threads(),
        start.arguments.clone(),
    )
}

/// Returns what was asked and what ran since the last time.
pub(super) fn taken() -> (Vec<Call>, Vec<Ran>) {
    DRIVER.with_borrow_mut(|driver| (std::mem::take(&mut driver.calls), std::mem::take(&mut driver.ran)))
}

/// Returns how many graphs there are, and how many that can be started.
pub(super) fn alive() -> (usize, usize) {
    DRIVER.with_borrow(|driver| (driver.graphs.len(), driver.executables.len()))
}

/// Has a function fail from its call after so many others on, or none.
pub(super) fn fail(failing: Option<(&'static str, u32)>) {
    DRIVER.with_borrow_mut(|driver| driver.failing = failing);
}

/// Returns a GPU of this driver.
pub(super) fn gpu() -> Gpu {
    Gpu::played_by(Functions {
        init: takes_one,
        version: takes_one,
        device: takes_two,
        attribute: takes_three,
        retain: takes_two,
        push: takes_one,
        pop: takes_one,
        load: takes_two,
        function: takes_three,
        launch,
        make_graph,
        add_node,
        instantiate,
        upload,
        set_node,
        launch_graph,
        destroy_executable,
        destroy_graph,
        name,
        text: name,
    })
}

unsafe extern "C" fn takes_one<A>(_: A) -> Code {
    0
}

unsafe extern "C" fn takes_two<A, B>(_: A, _: B) -> Code {
    0
}

unsafe extern "C" fn takes_three<A, B, C>(_: A, _: B, _: C) -> Code {
    0
}

unsafe extern "C" fn name(_: c_int, text: *mut *const c_char) -> c_int {
    // SAFETY: the caller gives a place.
    unsafe { *text = c"CUDA_ERROR_OUT_OF_MEMORY".as_ptr() };
    0
}

/// Reads as many arguments as the function has.
unsafe fn read(function: Handle, arguments: *mut *mut c_void) -> Vec<u64> {
    let count = function as usize % 10;
    // SAFETY: the caller gives as many places.
    let places = unsafe { std::slice::from_raw_parts(arguments, count) };
    // SAFETY: each is of 8 bytes.
    places
        .iter()
        .map(|place| unsafe { *place.cast::<u64>() })
        .collect()
}

unsafe fn told(parameters: *const NodeParameters) -> Ran {
    // SAFETY: the caller gives parameters.
    let of = unsafe { &*parameters };
    assert!(of.extra.is_null() && of.kernel.is_null() && of.context.is_null() && of.shared_bytes == 0);
    // SAFETY: with as many arguments as the function has.
    let arguments = unsafe { read(of.function, of.arguments) };
    (of.function as usize, of.blocks, of.threads, arguments)
}

unsafe extern "C" fn launch(
    function: Handle,
    blocks: c_uint,
    shares: c_uint,
    deep: c_uint,
    threads: c_uint,
    high: c_uint,
    far: c_uint,
    shared_bytes: c_uint,
    stream: Handle,
    arguments: *mut *mut c_void,
    extra: *mut *mut c_void,
) -> Code {
    assert!(stream as usize == STREAM && extra.is_null() && shared_bytes == 0);
    // SAFETY: with as many arguments as the function has.
    let arguments = unsafe { read(function, arguments) };
    let ran = (
        function as usize,
        [blocks, shares, deep],
        [threads, high, far],
        arguments,
    );
    play("launch", |driver| driver.ran.push(ran))
}

unsafe extern "C" fn make_graph(graph: *mut Handle, flags: c_uint) -> Code {
    assert_eq!(flags, 0);
    play("make_graph", |driver| {
        let made = driver.new_handle();
        driver.graphs.insert(made, Vec::new());
        // SAFETY: the caller gives a place.
        unsafe { *graph = made as Handle };
    })
}

unsafe extern "C" fn add_node(
    node: *mut Handle,
    graph: Handle,
    before: *const Handle,
    count: usize,
    parameters: *const NodeParameters,
) -> Code {
    // SAFETY: the caller gives so many nodes, and parameters.
    let (before, told) = unsafe {
        let before = (count > 0).then(|| *before as usize);
        (before, told(parameters))
    };
    play("add_node", |driver| {
        let made = driver.new_handle();
        let nodes = driver.graphs.get_mut(&(graph as usize)).expect("a graph");
        assert_eq!(before, nodes.last().map(|(node, _)| *node), "a chain");
        nodes.push((made, told));
        // SAFETY: the caller gives a place.
        unsafe { *node = made as Handle };
    })
}

unsafe extern "C" fn instantiate(executable: *mut Handle, graph: Handle, flags: c_ulonglong) -> Code {
    assert_eq!(flags, 0);
    play("instantiate", |driver| {
        let made = driver.new_handle();
        let nodes = driver.graphs.get(&(graph as usize)).expect("a graph").clone();
        driver.calls.push(Call::Instantiated(nodes.len()));
        driver.executables.insert(made, nodes);
        // SAFETY: the caller gives a place.
        unsafe { *executable = made as Handle };
    })
}

unsafe extern "C" fn upload(executable: Handle, stream: Handle) -> Code {
    assert_eq!(stream as usize, STREAM);
    play("upload", |driver| {
        assert!(driver.executables.contains_key(&(executable as usize)))
    })
}

unsafe extern "C" fn set_node(executable: Handle, node: Handle, parameters: *const NodeParameters) -> Code {
    // SAFETY: the caller gives parameters.
    let told = unsafe { told(parameters) };
    play("set_node", |driver| {
        let nodes = driver
            .executables
            .get_mut(&(executable as usize))
            .expect("a graph");
        let place = nodes.iter().position(|(known, _)| *known == node as usize);
        let place = place.expect("a node of the graph");
        assert_eq!(nodes[place].1.0, told.0, "a node keeps its function");
        nodes[place].1 = told;
        driver.calls.push(Call::Changed(place));
    })
}

unsafe extern "C" fn launch_graph(executable: Handle, stream: Handle) -> Code {
    assert_eq!(stream as usize, STREAM);
    play("launch_graph", |driver| {
        let nodes = &driver.executables[&(executable as usize)];
        driver.ran.extend(nodes.iter().map(|(_, ran)| ran.clone()));
        driver.calls.push(Call::Launched);
    })
}

unsafe extern "C" fn destroy_executable(executable: Handle) -> Code {
    play("destroy_executable", |driver| {
        assert!(driver.executables.remove(&(executable as usize)).is_some());
    })
}

unsafe extern "C" fn destroy_graph(graph: Handle) -> Code {
    play("destroy_graph", |driver| {
        assert!(driver.graphs.remove(&(graph as usize)).is_some());
    })
}
