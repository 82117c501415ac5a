//! Commands that look at what there is: `:type`, `:who`, `:device`, `:page`.

use std::collections::{BTreeMap, HashSet};

use super::outside::page;
use super::session::{Next, Session};
use crate::error::{Result, byte_size, counted};
use crate::report::Table;
use crate::script::{Outcome, TensorHandle, is_blank};
use crate::tensor::{Cuda, Tensor, get_num_threads, gpu, runtime, summarise};

/// Shows the type of a value, of a tensor with shape, dtype and device.
pub(super) fn show_type(session: &mut Session, expression: &str) -> Result<Next> {
    if let Outcome::Finished(value) = session.evaluate_silently(expression)? {
        let mut kind = session.interactive.borrow().type_name(&value);
        if let Some(tensor) = value.read_lock::<TensorHandle>() {
            let shape = tensor.tensor().size();
            kind += &format!(" {shape:?} {}", described(tensor.tensor()));
        }
        session.printer.line(&kind);
    }
    Ok(Next::Continue)
}

/// `float32 on cpu`
fn described(tensor: &Tensor) -> String {
    let dtype = crate::tensor::DType::from(tensor.kind());
    format!("{dtype} on {}", device_of(tensor))
}

fn device_of(tensor: &Tensor) -> String {
    match tensor.device() {
        crate::tensor::Device::Cuda(index) => format!("cuda:{index}"),
        crate::tensor::Device::Cpu => "cpu".into(),
        other => format!("{other:?}").to_lowercase(),
    }
}

/// Lists the session's variables and functions: all, or those in whose name or type `part` is.
pub(super) fn show_variables(session: &mut Session, part: &str) -> Result<Next> {
    let interactive = session.interactive.borrow();
    let fits = |text: &str| text.to_lowercase().contains(&part.to_lowercase());
    let mut variables = interactive.variables();
    variables.retain(|(name, kind, _)| {
        !["ARGS", "SCRIPT_DIR", "SCRIPT_PATH"].contains(&name.as_str())
            && !is_blank(name)
            && (fits(name) || fits(kind))
    });
    variables.reverse();
    let mut functions = interactive.functions();
    functions.retain(|function| fits(function));
    if variables.is_empty() && functions.is_empty() {
        let nothing = if part.is_empty() {
            "nothing is defined yet"
        } else {
            "nothing of that name or type"
        };
        session.printer.line(nothing);
        return Ok(Next::Continue);
    }
    if !variables.is_empty() {
        let mut table = Table::new(["name", "type", "value"]);
        for (name, kind, value) in &variables {
            let shown = match value.read_lock::<TensorHandle>() {
                Some(tensor) if tensor.tensor().numel() > 8 => summarise(tensor.tensor()),
                _ => interactive.show(value, usize::MAX / 2),
            };
            table.row([name.clone(), kind.clone(), shortened(&shown)]);
        }
        session.printer.line(&table.render(None));
    }
    for function in functions {
        session.printer.line(&format!(" fn {function}"));
    }
    Ok(Next::Continue)
}

/// The first line of a value, cut where it gets long.
fn shortened(text: &str) -> String {
    const WIDTH: usize = 60;
    let mut lines = text.lines();
    let first = lines.next().unwrap_or_default();
    let cut: String = first.chars().take(WIDTH).collect();
    if cut.len() < first.len() || lines.next().is_some() {
        format!("{cut} …")
    } else {
        cut
    }
}

/// Shows what tensors can be computed on, and what the session's variables take there.
pub(super) fn show_devices(session: &mut Session, _: &str) -> Result<Next> {
    let mut held: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    let mut seen = HashSet::new();
    for (_, _, value) in session.interactive.borrow().variables() {
        if let Some(tensor) = value.read_lock::<TensorHandle>() {
            let tensor = tensor.tensor();
            // A result has two names, and is in one place.
            if !seen.insert(tensor.data_ptr()) {
                continue;
            }
            let (count, bytes) = held.entry(device_of(tensor)).or_default();
            *count += 1;
            *bytes += tensor.numel() * tensor.kind().elt_size_in_bytes();
        }
    }
    let mut table = Table::new(["device", "what it is", "memory", "tensors of the session"]);
    let mut row = |device: String, what: String, memory: String| {
        let (count, bytes) = held.get(&device).copied().unwrap_or_default();
        let tensors = if count == 0 {
            "none".into()
        } else {
            format!("{count}, {}", byte_size(bytes as u64))
        };
        table.row([device, what, memory, tensors]);
    };
    let used = crate::memory::used();
    let memory = format!(
        "{} used, {} allowed",
        byte_size(used),
        byte_size(crate::memory::limit())
    );
    row("cpu".into(), counted(get_num_threads(), "thread"), memory);
    let gpus = gpu::driver().map(|driver| driver.gpus).unwrap_or_default();
    for index in 0..Cuda::device_count().max(0) as usize {
        let gpu = gpus.get(index);
        let memory = gpu.and_then(|gpu| gpu.memory);
        row(
            format!("cuda:{index}"),
            gpu.map_or_else(|| "a GPU".into(), |gpu| gpu.name.clone()),
            memory.map_or_else(
                || "its own".into(),
                |memory| format!("{} free of {}", byte_size(memory.free), byte_size(memory.total)),
            ),
        );
    }
    session.printer.line(&table.render(None));
    if !runtime::cuda_usable() {
        session
            .printer
            .line("no GPU can be used here; `saescript doctor` says why");
    }
    Ok(Next::Continue)
}

/// Shows a value from its beginning to its end, through the pager: that of `expression`, or the last result.
pub(super) fn page_value(session: &mut Session, expression: &str) -> Result<Next> {
    let expression = if expression.is_empty() { "_" } else { expression };
    if let Outcome::Finished(value) = session.evaluate_silently(expression)? {
        let text = session.interactive.borrow().show(&value, session.printer.width());
        page(&crate::report::visible(&text), &session.printer, &session.waiting);
    }
    Ok(Next::Continue)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_values_are_cut() {
        assert_eq!(shortened("5"), "5");
        assert_eq!(shortened("a\nb"), "a …");
        assert_eq!(shortened(&"é".repeat(80)), format!("{} …", "é".repeat(60)));
    }
}
