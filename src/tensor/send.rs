//! Copies to a GPU that nobody waits for.

use tch::{Device, TchError, Tensor};

/// Returns `x` on `device`.
///
/// What lies on the CPU goes to a GPU by way of pinned memory, which the GPU reads by itself: nothing waits, neither for
/// the copy nor for what the GPU has to do before it, and what is computed there later finds it, since it comes on the same
/// stream. Copies of other memory wait for all of that. What is copied are the numbers that `x` has now.
///
/// # Errors
/// Too little memory; the GPU fails.
pub fn send(x: &Tensor, device: Device) -> Result<Tensor, TchError> {
    match (x.device(), device) {
        (Device::Cpu, Device::Cuda(_)) => {
            x.f_pin_memory(device)?
                .f_to_device_(device, x.f_kind()?, true, false)
        }
        _ => x.f_to_device(device),
    }
}
