//! Puts off the starts of kernels until something else is to happen on the device, so that many go at once.
//!
//! What libtorch does on this thread comes after them, because it tells before (see [`pending`]); so do events, waits and
//! changes of streams. The tensors among their arguments are held until then: no memory that a kernel has yet to read or
//! write goes to anybody else. What comes between two kernels and is neither of these is the allocation of tensors, which
//! needs no order.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::{Rc, Weak};

use super::launcher::{Argument, Grid, Launch, Launcher};
use crate::error::{Error, Result};
use crate::native::pending::{self, Pending};
use crate::tensor::{Device, Tensor};

/// The most starts that are put off.
const MOST: usize = 64;
/// How many bytes tensors may have that are held, so that temporary ones are freed soon where they are large.
const MOST_BYTES: usize = 512 << 20;

/// A launcher that puts off what another one starts.
#[derive(Debug)]
pub struct Deferred<L: Launcher> {
    launcher: L,
    put_off: RefCell<PutOff>,
    failed: RefCell<Option<Error>>,
    itself: Weak<Self>,
}

/// What was put off, and the tensors that it holds.
#[derive(Debug, Default)]
struct PutOff {
    launches: Vec<Launch>,
    places: BTreeSet<usize>,
    bytes: usize,
}

impl PutOff {
    /// Adds a start. Returns whether no more should be put off.
    fn add(&mut self, launch: Launch) -> bool {
        for tensor in launch.tensors() {
            if self.places.insert(tensor.data_ptr() as usize) {
                self.bytes += tensor.numel() * tensor.kind().elt_size_in_bytes();
            }
        }
        self.launches.push(launch);
        self.launches.len() >= MOST || self.bytes > MOST_BYTES
    }
}

impl<L: Launcher + 'static> Deferred<L> {
    /// Returns one that puts off what `launcher` starts.
    pub fn new(launcher: L) -> Rc<Self> {
        Rc::new_cyclic(|itself| Self {
            launcher,
            put_off: RefCell::default(),
            failed: RefCell::default(),
            itself: itself.clone(),
        })
    }

    /// Returns the launcher that starts.
    pub fn launcher(&self) -> &L {
        &self.launcher
    }

    /// Tells once what failed when nobody could be told.
    fn told(&self) -> Result<()> {
        self.failed.take().map_or(Ok(()), Err)
    }
}

impl<L: Launcher> Deferred<L> {
    /// Starts what was put off; what fails is kept.
    fn start(&self) {
        let put_off = self.put_off.take();
        if put_off.launches.is_empty() {
            return;
        }
        if let Err(error) = self.launcher.launch_all(&put_off.launches) {
            self.failed.borrow_mut().get_or_insert(error);
        }
    }
}

impl<L: Launcher> Pending for Deferred<L> {
    fn send(&self) {
        self.start();
    }
}

impl<L: Launcher> Drop for Deferred<L> {
    fn drop(&mut self) {
        self.start();
    }
}

impl<L: Launcher + 'static> Launcher for Deferred<L> {
    fn device(&self) -> Device {
        self.launcher.device()
    }

    fn threads(&self) -> i64 {
        self.launcher.threads()
    }

    fn launch(&self, kernel: &str, grid: Grid, arguments: &[Argument<'_>]) -> Result<()> {
        self.told()?;
        let itself: Weak<dyn Pending> = self.itself.clone();
        if !pending::wait(&itself) {
            return self.launcher.launch(kernel, grid, arguments);
        }
        let is_full = self
            .put_off
            .borrow_mut()
            .add(Launch::new(kernel, grid, arguments));
        if is_full { self.flush() } else { Ok(()) }
    }

    fn product(&self, left: &Tensor, right: &Tensor) -> Result<Tensor> {
        self.flush()?;
        self.launcher.product(left, right)
    }

    fn flush(&self) -> Result<()> {
        pending::finish();
        self.start();
        self.told()
    }

    fn remark(&self) -> Option<String> {
        self.launcher.remark()
    }
}
