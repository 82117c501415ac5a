//! Threads that work on a GPU side by side, and tensors that go from one to another.
//!
//! A thread with a stream of its own is not in turn with the others. So whoever takes tensors over from it waits for its
//! [`Mark`], and says of each tensor that it is [`used_here`]: freed memory goes at once to what comes next on the stream that
//! it was made on, which knows nothing of other streams. The CPU does everything in turn, and needs none of this.

use tch::{Device, Tensor};

use super::failure::device_failed;
use crate::error::{Error, Result};
use crate::native::stream::{self, Failed};

/// A point in a thread's work on a device.
#[derive(Debug)]
pub struct Mark(Option<stream::Mark>);

impl Mark {
    /// Returns the point after all that this thread has told `device`.
    ///
    /// # Errors
    /// The GPU fails; so it is with all below.
    pub fn here(device: Device) -> Result<Self> {
        let mark = on_gpu(device, stream::Mark::here)?;
        Ok(Mark(mark))
    }

    /// Has the device do what this thread tells it from now on only after this point; the thread does not wait.
    pub fn wait(&self) -> Result<()> {
        self.0.as_ref().map_or(Ok(()), stream::Mark::wait).map_err(failed)
    }
}

/// Gives this thread a stream of its own on `device`.
pub fn own_stream(device: Device) -> Result<()> {
    on_gpu(device, stream::own).map(drop)
}

/// Waits until `device` has done what this thread told it.
pub fn finish(device: Device) -> Result<()> {
    on_gpu(device, stream::finish).map(drop)
}

/// Keeps the memory of `x`, which another thread made, until what this thread tells its device is done.
pub fn used_here(x: &Tensor) -> Result<()> {
    // SAFETY: the tensor is there until this returns.
    let used = |_| unsafe { stream::used_here(x.as_ptr().cast()) };
    on_gpu(x.device(), used).map(drop)
}

fn on_gpu<T>(
    device: Device,
    work: impl FnOnce(usize) -> std::result::Result<T, Failed>,
) -> Result<Option<T>> {
    match device {
        Device::Cuda(index) => work(index).map(Some).map_err(failed),
        _ => Ok(None),
    }
}

fn failed(_: Failed) -> Error {
    device_failed("the GPU does not answer").hint("see what `saescript doctor` says of it")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Subject;

    #[test]
    fn a_gpu_that_does_not_answer_is_a_failure_of_the_device() {
        // There are not so many.
        let error = Mark::here(Device::Cuda(99)).expect_err("no GPU");
        assert_eq!(error.subject(), &Subject::DeviceFailure);
        assert!(
            Mark::here(Device::Cpu)
                .expect("the CPU needs none")
                .wait()
                .is_ok()
        );
    }
}
