//! `saescript doctor`: what this machine has, what of it is used, and what would help.

mod disks;
mod survey;

use std::io::{ErrorKind, Write};

use anstyle::Style;
use serde::Serialize;

use crate::error::{Error, Result, byte_size};
use crate::report::visible;
use crate::tensor::runtime::LIBTORCH_VERSION;
use disks::Disk;
use survey::{Cuda, Hub, Libtorch, Loggers, Memory, Processor, Terminal};

/// Less free space than this is worth a word: a small model with its data set, or some checkpoints.
const LITTLE_SPACE: u64 = 5_000_000_000;

/// Everything the command reports; also its JSON form. Sizes in bytes.
#[derive(Debug, Serialize)]
struct Report {
    saescript: &'static str,
    libtorch: Libtorch,
    processor: Processor,
    memory: Memory,
    cuda: Cuda,
    hub: Hub,
    loggers: Loggers,
    disks: Vec<Disk>,
    terminal: Terminal,
    advice: Vec<String>,
}

/// Prints the report, as aligned text or as JSON.
///
/// # Errors
/// Standard output that cannot be written to.
pub fn run(json: bool) -> Result<()> {
    let report = Report::gather();
    let text = if json {
        serde_json::to_string_pretty(&report)
            .map(|text| text + "\n")
            .map_err(|error| Error::run(format!("cannot write the report as JSON: {error}")))?
    } else {
        report.render()
    };
    match anstream::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Error::io("write", "standard output", error))
        }
        _ => Ok(()),
    }
}

impl Report {
    fn gather() -> Self {
        let hub = Hub::survey();
        let mut report = Report {
            saescript: env!("CARGO_PKG_VERSION"),
            libtorch: Libtorch::survey(),
            processor: Processor::survey(),
            memory: Memory::survey(),
            cuda: Cuda::survey(),
            loggers: Loggers::survey(),
            disks: disks::disks(&hub.cache),
            terminal: Terminal::survey(),
            advice: Vec::new(),
            hub,
        };
        report.advice = report.advise();
        report
    }

    fn advise(&self) -> Vec<String> {
        let mut advice = Vec::new();
        match &self.libtorch.version {
            Some(version) if version.split('+').next() != Some(LIBTORCH_VERSION) => advice.push(format!(
                "libtorch is {version}, and {LIBTORCH_VERSION} is needed: run `scripts/setup`, or check LD_LIBRARY_PATH"
            )),
            _ => {}
        }
        let processor = &self.processor;
        if processor.threads == 1 && processor.cores > 1 {
            advice.push(format!(
                "libtorch uses 1 of {} cores: unset OMP_NUM_THREADS and MKL_NUM_THREADS, unless other work runs here",
                processor.cores
            ));
        }
        if !processor.mkl || !processor.openmp {
            advice.push("this libtorch lacks MKL or OpenMP and is slow on the CPU: let `scripts/setup --cpu` provide one".into());
        }
        if let Some(obstacle) = &self.cuda.obstacle
            && let Some(remedy) = &self.cuda.remedy
        {
            advice.push(format!("CUDA is not usable, {obstacle}: {remedy}"));
        }
        if self.hub.offline {
            advice
                .push("HF_HUB_OFFLINE is set, so only models and data sets in the cache can be used".into());
        }
        for disk in self.disks.iter().filter(|disk| disk.free < LITTLE_SPACE) {
            advice.push(format!(
                "only {} are free for {} ({}): {}",
                byte_size(disk.free),
                disk.purpose,
                disk.path.display(),
                disk.remedy
            ));
        }
        advice
    }

    fn render(&self) -> String {
        let bold = Style::new().bold();
        let mut text = format!("{bold}saescript {}{bold:#}\n\n", self.saescript);
        for (label, lines) in self.sections() {
            for (index, line) in lines.iter().enumerate() {
                let label = if index == 0 { label } else { "" };
                text += &format!("{bold}{label:<11}{bold:#}{}\n", visible(line));
            }
        }
        if self.advice.is_empty() {
            text += "\nNothing to advise.\n";
        } else {
            text += &format!("\n{bold}Advice{bold:#}\n");
            for line in &self.advice {
                text += &format!("  - {}\n", visible(line));
            }
        }
        text
    }

    fn sections(&self) -> [(&'static str, Vec<String>); 8] {
        [
            ("libtorch", self.libtorch.lines()),
            ("processor", self.processor.lines()),
            ("memory", self.memory.lines()),
            ("CUDA", self.cuda.lines()),
            ("hub", self.hub.lines()),
            ("loggers", self.loggers.lines()),
            ("disks", self.disks.iter().map(Disk::line).collect()),
            ("terminal", self.terminal.lines()),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_section_says_something() {
        let report = Report::gather();
        for (label, lines) in report.sections() {
            assert!(
                !lines.is_empty() && lines.iter().all(|line| !line.is_empty()),
                "{label}"
            );
        }
        let text = anstream::adapter::strip_str(&report.render()).to_string();
        assert!(
            text.starts_with(concat!("saescript ", env!("CARGO_PKG_VERSION"), "\n")),
            "{text}"
        );
    }

    #[test]
    fn advises_where_something_can_be_done() {
        let mut report = Report::gather();
        report.processor.cores = 8;
        report.processor.threads = 1;
        report.hub.offline = true;
        report.cuda.obstacle = Some("libtorch was set up without its CUDA libraries".into());
        report.cuda.remedy = Some("run `scripts/setup --cuda`".into());
        report.disks[0].free = LITTLE_SPACE - 1;
        report.libtorch.version = Some("2.10.0+cpu".into());
        let advice = report.advise().join("\n");
        for word in [
            "2.10.0+cpu",
            "1 of 8 cores",
            "--cuda",
            "HF_HUB_OFFLINE",
            "5.0 GB are free",
        ] {
            assert!(advice.contains(word), "no {word} in:\n{advice}");
        }
    }
}
