//! Looking at the machine: each part finds out about itself and says it in a line or two.

use std::fs;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::error::byte_size;
use crate::hub::HubSettings;
use crate::kernels::isa::Isa;
use crate::report::wandb;
use crate::tensor::gpu::{self, Driver};
use crate::tensor::product::{Backend, Choice, Reason};
use crate::tensor::{self, Device, Kind, get_num_threads, has_mkl, has_mkldnn, has_openmp, product, runtime};

/// The libtorch this program runs with.
#[derive(Debug, Serialize)]
pub(super) struct Libtorch {
    pub(super) version: Option<String>,
    folder: Option<PathBuf>,
}

impl Libtorch {
    pub(super) fn survey() -> Self {
        Libtorch {
            version: runtime::libtorch_version(),
            folder: runtime::libtorch_folder(),
        }
    }

    pub(super) fn lines(&self) -> Vec<String> {
        let version = self.version.as_deref().unwrap_or("of unknown version");
        let folder = self.folder.as_deref().unwrap_or(Path::new("an unknown folder"));
        vec![format!("{version} in {}", folder.display())]
    }
}

/// The processor and how libtorch uses it.
#[derive(Debug, Serialize)]
pub(super) struct Processor {
    model: String,
    /// Those this process may use.
    pub(super) cores: usize,
    /// Those libtorch uses within one operation.
    pub(super) threads: usize,
    instructions: Vec<&'static str>,
    /// Those of [`INSTRUCTIONS`] that it lacks, of an x86 one.
    lacking: Vec<&'static str>,
    /// How products are done in half precision: dtype, and whether by the processor's own instructions.
    half_products: [(&'static str, bool); 2],
    /// Which library does large products in float32, and why.
    float_products: Option<Choice>,
    pub(super) mkl: bool,
    onednn: bool,
    pub(super) openmp: bool,
}

/// What matters for matrix products: name in /proc/cpuinfo and in print.
const INSTRUCTIONS: [(&str, &str); 7] = [
    ("avx2", "AVX2"),
    ("fma", "FMA"),
    ("avx512f", "AVX-512"),
    ("avx512_bf16", "AVX-512 BF16"),
    ("avx512_fp16", "AVX-512 FP16"),
    ("amx_bf16", "AMX BF16"),
    ("amx_fp16", "AMX FP16"),
];

/// Names of the instruction sets whose flags are `wanted`.
fn named(wanted: impl Fn(&str) -> bool) -> Vec<&'static str> {
    let wanted = INSTRUCTIONS.iter().filter(|(flag, _)| wanted(flag));
    wanted.map(|(_, name)| *name).collect()
}

impl Processor {
    pub(super) fn survey() -> Self {
        let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let field = |name| value_of(&text, name).unwrap_or_default();
        let flags = field("flags");
        let has = |flag: &str| flags.split_whitespace().any(|known| known == flag);
        Processor {
            model: field("model name").to_string(),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            threads: get_num_threads().max(1) as usize,
            instructions: named(has),
            lacking: if has("sse2") {
                named(|flag| !has(flag))
            } else {
                Vec::new()
            },
            half_products: [("bfloat16", Kind::BFloat16), ("float16", Kind::Half)]
                .map(|(name, kind)| (name, product::instead_of(kind, Device::Cpu).is_none())),
            float_products: product::choice().ok(),
            mkl: has_mkl(),
            onednn: has_mkldnn(),
            openmp: has_openmp(),
        }
    }

    fn float_line(&self) -> String {
        let Some(choice) = &self.float_products else {
            return "products in float32 by no library".into();
        };
        let why = match choice.reason {
            Reason::Asked => "as SAESCRIPT_PRODUCT says",
            Reason::Kept => "as in the training that goes on",
            Reason::Remembered | Reason::Measured => "the fastest here",
        };
        let by_hand = match Isa::chosen() {
            Isa::Plain => String::new(),
            isa => format!("; those of training steps by kernels of our own ({})", isa.name()),
        };
        format!(
            "products in float32 by {}, {why}{}{by_hand}",
            choice.backend,
            measured(choice)
        )
    }

    pub(super) fn lines(&self) -> Vec<String> {
        let lacking = if self.lacking.is_empty() {
            String::new()
        } else {
            format!("; no {}", self.lacking.join(", "))
        };
        let half = self.half_products.map(|(dtype, own)| {
            if own {
                format!("{dtype} by its own instructions")
            } else {
                format!("{dtype} in float32 on rounded numbers, so no faster than float32")
            }
        });
        vec![
            format!(
                "{}, {} cores, {}{lacking}",
                self.model,
                self.cores,
                self.instructions.join(", ")
            ),
            format!("products in {}", half.join(", in ")),
            self.float_line(),
            format!(
                "libtorch uses {} threads; MKL {}, oneDNN {}, OpenMP {}",
                self.threads,
                yes(self.mkl),
                yes(self.onednn),
                yes(self.openmp)
            ),
        ]
    }
}

/// Returns what each library took, in words; nothing where none was measured.
fn measured(choice: &Choice) -> String {
    let times = Backend::ALL.into_iter().filter_map(|backend| {
        let time = choice.milliseconds.of(backend)?;
        Some(format!("{backend} {time:.1} ms"))
    });
    let times: Vec<String> = times.collect();
    if times.is_empty() {
        String::new()
    } else {
        format!(" ({})", times.join(", "))
    }
}

/// Main memory in bytes.
#[derive(Debug, Serialize)]
pub(super) struct Memory {
    total: u64,
    available: u64,
    /// What this process's control group may use, if it is limited.
    limit: Option<u64>,
}

impl Memory {
    pub(super) fn survey() -> Self {
        let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
        let field = |name| {
            let kilobytes: u64 = value_of(&text, name)?.split(' ').next()?.parse().ok()?;
            Some(kilobytes * 1024)
        };
        Memory {
            total: field("MemTotal").unwrap_or(0),
            available: field("MemAvailable").unwrap_or(0),
            limit: fs::read_to_string("/sys/fs/cgroup/memory.max")
                .ok()
                .and_then(|text| text.trim().parse().ok()),
        }
    }

    pub(super) fn lines(&self) -> Vec<String> {
        let limit = self
            .limit
            .map(|limit| format!(", limited to {} here", byte_size(limit)));
        vec![format!(
            "{}, {} available{}",
            byte_size(self.total),
            byte_size(self.available),
            limit.unwrap_or_default()
        )]
    }
}

/// Whether tensors can live on a GPU, and if not, why.
#[derive(Debug, Serialize)]
pub(super) struct Cuda {
    usable: bool,
    /// GPUs that libtorch can use; fewer than the driver's if `CUDA_VISIBLE_DEVICES` hides some.
    devices: usize,
    pub(super) obstacle: Option<String>,
    pub(super) remedy: Option<String>,
    driver: Option<Driver>,
}

impl Cuda {
    pub(super) fn survey() -> Self {
        let obstacle = runtime::cuda_obstacle();
        Cuda {
            usable: obstacle.is_none(),
            devices: tensor::Cuda::device_count().max(0) as usize,
            remedy: obstacle.as_ref().and_then(|obstacle| obstacle.advice.clone()),
            obstacle: obstacle.map(|obstacle| obstacle.reason),
            driver: gpu::driver(),
        }
    }

    pub(super) fn lines(&self) -> Vec<String> {
        let mut lines = vec![match &self.obstacle {
            Some(reason) => format!("not usable: {reason}"),
            None => format!("usable, {} device(s)", self.devices),
        }];
        if let Ok(visible) = std::env::var(runtime::VISIBLE) {
            lines.push(format!("{}=\"{visible}\"", runtime::VISIBLE));
        }
        if let Some(driver) = &self.driver {
            lines.push(format!(
                "driver {}, for CUDA up to {}",
                driver.version, driver.cuda
            ));
            for (index, gpu) in driver.gpus.iter().enumerate() {
                let memory = gpu.memory.map_or("shared memory".into(), |memory| {
                    format!("{} of {} free", byte_size(memory.free), byte_size(memory.total))
                });
                lines.push(format!(
                    "{index}: {}, compute capability {}, {memory}",
                    gpu.name, gpu.compute_capability
                ));
            }
        }
        lines
    }
}

/// The Hugging Face hub and its cache.
#[derive(Debug, Serialize)]
pub(super) struct Hub {
    endpoint: String,
    pub(super) offline: bool,
    /// Empty where not even a home folder is known.
    pub(super) cache: PathBuf,
    models: usize,
    datasets: usize,
    /// Whether there is a token for gated and private repositories.
    token: bool,
}

impl Hub {
    pub(super) fn survey() -> Self {
        let found = HubSettings::default().survey();
        let cache = found.cache.unwrap_or_default();
        let count = |kind| {
            let entries = fs::read_dir(&cache).into_iter().flatten().flatten();
            let named = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(kind));
            named.count()
        };
        Hub {
            endpoint: found.endpoint,
            offline: found.offline,
            models: count("models--"),
            datasets: count("datasets--"),
            token: found.has_token,
            cache,
        }
    }

    pub(super) fn lines(&self) -> Vec<String> {
        vec![
            format!(
                "{}, {}, {}",
                self.endpoint,
                if self.offline { "offline" } else { "online" },
                if self.token {
                    "token found"
                } else {
                    "no token (needed for gated models only)"
                }
            ),
            format!(
                "cache {} ({} models, {} data sets)",
                self.cache.display(),
                self.models,
                self.datasets
            ),
        ]
    }
}

/// Where metrics can go besides the run's folder.
#[derive(Debug, Serialize)]
pub(super) struct Loggers {
    /// The engine of Weights & Biases; `None` if it is not installed.
    wandb_core: Option<PathBuf>,
    /// Whether there is an API key for logging online.
    wandb_key: bool,
}

impl Loggers {
    pub(super) fn survey() -> Self {
        Loggers {
            wandb_core: wandb::find_core().ok(),
            wandb_key: wandb::has_api_key(),
        }
    }

    pub(super) fn lines(&self) -> Vec<String> {
        let key = if self.wandb_key {
            "API key found"
        } else {
            "no API key"
        };
        let engine = match &self.wandb_core {
            Some(path) => format!("Weights & Biases: {}, {key}", path.display()),
            None => "Weights & Biases: wandb-core not found (`pip install wandb` provides it)".into(),
        };
        vec!["metrics.jsonl and TensorBoard: always there".into(), engine]
    }
}

/// Where output goes.
#[derive(Debug, Serialize)]
pub(super) struct Terminal {
    /// Whether standard error, where progress bars go, is a terminal.
    interactive: bool,
    columns: Option<u16>,
    colours: bool,
}

impl Terminal {
    pub(super) fn survey() -> Self {
        let stderr = std::io::stderr();
        Terminal {
            interactive: stderr.is_terminal(),
            columns: rustix::termios::tcgetwinsize(&stderr)
                .ok()
                .map(|window| window.ws_col),
            colours: anstream::AutoStream::choice(&stderr) != anstream::ColorChoice::Never,
        }
    }

    pub(super) fn lines(&self) -> Vec<String> {
        vec![match (self.interactive, self.columns) {
            (true, Some(columns)) => format!("{columns} columns, colours {}", yes(self.colours)),
            (true, None) => format!("of unknown width, colours {}", yes(self.colours)),
            (false, _) => "none: progress is reported in plain lines".into(),
        }]
    }
}

/// The value of the first `name: value` line of a file under /proc.
fn value_of<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        (key.trim() == name).then(|| value.trim())
    })
}

/// Bytes for people: "7.6 GB".
pub(super) fn yes(value: bool) -> &'static str {
    if value { "yes" } else { "no" }
}
