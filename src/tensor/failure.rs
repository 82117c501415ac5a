//! Libtorch's errors, which are nothing but text: the one place that reads it.

use tch::TchError;

use crate::error::{Error, Subject};

const ADVICE: &str = "use a smaller batch, expansion factor or model, or half precision";

/// Keeps the first line of what libtorch says; its C++ stack is of no use to the reader.
impl From<TchError> for Error {
    fn from(error: TchError) -> Self {
        let text = error.to_string();
        let said = first_sentence(&text);
        // The CPU's allocator: "[enforce fail at alloc_cpu.cpp:127] … you tried to allocate 4000 bytes. Error code 12 …"
        if let Some((_, wanted)) = said.split_once("you tried to allocate ") {
            let bytes = wanted.split(" bytes").next().unwrap_or(wanted);
            return Self::out_of_memory(format!("{bytes} bytes are not to be had")).hint(ADVICE);
        }
        if said.contains("bad_alloc") {
            return Self::out_of_memory("libtorch could not get what it needs for this");
        }
        // cuBLAS has an error of its own where its workspace finds no room.
        if said.to_lowercase().contains("out of memory") || said.contains("CUBLAS_STATUS_ALLOC_FAILED") {
            return Self::out_of_memory(said).hint(ADVICE);
        }
        // Where a check of libtorch's own failed in its sources is of no use either.
        let place_and_rest = said
            .strip_prefix("[enforce fail at ")
            .and_then(|rest| rest.split_once("] "));
        let shown = place_and_rest.map_or(said, |(_, rest)| rest);
        match subject(said) {
            Subject::DeviceFailure => device_failed(format!("libtorch: {shown}")),
            subject => Self::run(format!("libtorch: {shown}")).about(subject),
        }
    }
}

/// Says that a GPU failed, and what to do.
pub fn device_failed(message: impl Into<String>) -> Error {
    Error::run(message)
        .about(Subject::DeviceFailure)
        .hint("`nvidia-smi` says whether the GPU is still there, and `dmesg` often why the driver gave it up")
        .hint("this process cannot use it any more: a new one goes on from the last checkpoint")
}

fn first_sentence(text: &str) -> &str {
    let mut lines = text.lines().map(str::trim);
    let line = lines.find(|line| !line.is_empty()).unwrap_or("unknown error");
    let line = line.trim_start_matches("Internal torch error: ");
    let line = line.split(" (function ").next().unwrap_or(line);
    line.split(" Exception raised from").next().unwrap_or(line)
}

fn subject(said: &str) -> Subject {
    const SUBJECTS: [(&str, Subject); 5] = [
        ("CUDA error", Subject::DeviceFailure),
        ("out of range", Subject::OutOfRange),
        ("out of bounds", Subject::OutOfRange),
        ("view size is not compatible", Subject::NotViewable),
        ("ZeroDivisionError", Subject::DivisionByZero),
    ];
    let mut subjects = SUBJECTS.into_iter();
    let found = subjects.find(|(phrase, _)| said.contains(phrase));
    found.map_or(Subject::Other, |(_, subject)| subject)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_libtorch_says_becomes_a_sentence_and_a_subject() {
        let read = |text: &str| Error::from(TchError::Torch(text.into()));
        let error = read("Internal torch error: CUDA out of memory. Tried to allocate 2 GiB\n#0 c10::Error");
        assert_eq!(
            error.message(),
            "out of memory: CUDA out of memory. Tried to allocate 2 GiB"
        );
        assert_eq!(*error.subject(), Subject::OutOfMemory);
        let error =
            read("[enforce fail at alloc_cpu.cpp:127] err == 0. you tried to allocate 4000 bytes. Error");
        assert_eq!(error.message(), "out of memory: 4000 bytes are not to be had");
        let error = read("select(): index 5 out of range for tensor of size [2] at dimension 0");
        assert_eq!(*error.subject(), Subject::OutOfRange);
        let error = read("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`");
        assert_eq!(*error.subject(), Subject::OutOfMemory);
        let error = read("CUDA error: an illegal memory access");
        assert_eq!(*error.subject(), Subject::DeviceFailure);
        assert!(error.hints().iter().any(|hint| hint.contains("checkpoint")));
        assert_eq!(*read("mat1 and mat2 do not fit").subject(), Subject::Other);
    }
}
