//! Scripts that mean harm or are merely careless, in tests/hostile: each ends as its first line says and as `ends.json`
//! beside them documents, within limits of memory and time, and never by a panic, an abort or a C++ trace.
//!
//! `@EXAMPLES@` in a script stands for the examples, `@SCRATCH@` for a folder of the test's own, in which the script lies
//! in `scripts/` and runs in `work/`. No script sees anything of the user's own.

mod moments;
mod outside;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::symlink;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use serde::Deserialize;

use crate::program::{finish, program};

/// What the program may hold, its libraries and the scripts' values, unless the table of ends has something else.
const MEMORY: &str = "1GB";

/// The script whose cache is truncated while it reads it.
const TRUNCATED: &str = "cache_truncated_while_mapped";

/// Resident bytes above which a script got past the budget, which is looked at every few milliseconds.
const MOST_RESIDENT: i64 = 1_400_000_000;

/// Address space, in bytes, for what no check saw.
const ADDRESS_SPACE: u64 = 32 << 30;

/// A guard against hanging.
const PATIENCE: Duration = Duration::from_secs(120);

/// What nobody may ever read: panics, aborts and C++.
const NEVER: &[&str] = &[
    "panicked",
    "defect of this program",
    "stack overflow",
    "memory allocation of",
    "terminate called",
    ".cpp",
    "c10::",
    "Exception raised from",
];

/// How a script ends.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct End {
    /// Exit codes, one of which it ends with.
    codes: Vec<i32>,
    /// Standard output has this in it.
    #[serde(default)]
    out: String,
    /// Standard error has this in it.
    #[serde(default)]
    err: String,
    /// What it may hold.
    memory: Option<String>,
    /// Runs until it is stopped, by SIGTERM.
    #[serde(default)]
    stopped: bool,
    /// Whoever reads its output leaves after some of it.
    #[serde(default)]
    reader_leaves: bool,
    /// What it is refused with in the sandbox; what reaches for nothing outside ends there as it does otherwise.
    sandbox: Option<String>,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/hostile")
}

fn ends() -> BTreeMap<String, End> {
    let text = fs::read_to_string(folder().join("ends.json")).expect("the table of ends");
    serde_json::from_str(&text).expect("the table of ends is JSON")
}

/// What the scripts read and write, and what stands for the devices that they reach for.
struct World(tempfile::TempDir);

impl World {
    /// The world of the script called `name`; the script's path.
    fn of(name: &str) -> (World, PathBuf) {
        let world = World(tempfile::tempdir().expect("a temporary folder"));
        let text = fs::read_to_string(folder().join(name).with_extension("rhai")).expect(name);
        for folder in ["work", "home", "scripts/fx", "data/base/ds"] {
            fs::create_dir_all(world.path(folder)).expect("a folder");
        }
        world.put_files();
        world.put_links_and_pipes();
        if text.contains("fx/chain") {
            world.put_chain();
        }
        let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
        let text = text
            .replace("@EXAMPLES@", &examples.display().to_string())
            .replace("@SCRATCH@", &world.0.path().display().to_string());
        let script = world.path("scripts").join(format!("{name}.rhai"));
        fs::write(&script, text).expect("writable");
        (world, script)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn put_files(&self) {
        let escapes = r#"{"text": "\u001b[31mred\u001b]0;owned\u0007"}"#;
        for (name, text) in [
            ("data/base/ds/a.jsonl", "{\"text\": \"a\"}\n"),
            ("scripts/fx/esc.jsonl", escapes),
            ("scripts/fx/itself.rhai", "import \"./../fx/itself\" as me;"),
            ("scripts/fx/cyc_dots.rhai", "import \"./../fx/cyc_dots2\" as b;"),
            ("scripts/fx/cyc_dots2.rhai", "import \"../fx/./cyc_dots\" as a;"),
            ("outside.rhai", "print(\"outside\");"),
            ("outside", "untouched"),
        ] {
            fs::write(self.path(name), text).expect("writable");
        }
    }

    fn put_links_and_pipes(&self) {
        for (name, of) in [
            ("scripts/fx/zero.txt", Path::new("/dev/zero")),
            ("scripts/fx/zero.rhai", Path::new("/dev/zero")),
            ("scripts/fx/link.rhai", self.path("outside.rhai").as_path()),
            ("scripts/fx/outlink", self.path("outside").as_path()),
        ] {
            symlink(of, self.path(name)).expect("a link");
        }
        let owner = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
        for name in ["scripts/fx/fifo", "scripts/fx/fifo.rhai", "scripts/fx/fifo2"] {
            rustix::fs::mknodat(
                rustix::fs::CWD,
                self.path(name),
                rustix::fs::FileType::Fifo,
                owner,
                0,
            )
            .expect("a pipe");
        }
        for (name, minor) in [("scripts/fx/full", 7), ("scripts/fx/devnull", 3)] {
            let device = rustix::fs::makedev(1, minor);
            let kind = rustix::fs::FileType::CharacterDevice;
            // Only root makes devices; a pipe is no regular file either.
            rustix::fs::mknodat(rustix::fs::CWD, self.path(name), kind, owner, device)
                .or_else(|_| {
                    let kind = rustix::fs::FileType::Fifo;
                    rustix::fs::mknodat(rustix::fs::CWD, self.path(name), kind, owner, 0)
                })
                .expect("a device or a pipe");
        }
    }

    fn put_chain(&self) {
        for link in 0..2000 {
            let text = format!("import \"chain{}\" as next;", link + 1);
            fs::write(self.path(&format!("scripts/fx/chain{link}.rhai")), text).expect("writable");
        }
        fs::write(self.path("scripts/fx/chain2000.rhai"), "export const x = 1;").expect("writable");
    }
}

/// What became of a script.
struct Ended {
    status: ExitStatus,
    resident: i64,
    out: String,
    err: String,
}

/// Waits for `child`, which is not to hang, and asks what it held at most.
fn wait(child: &Child) -> (ExitStatus, i64) {
    let began = Instant::now();
    loop {
        let (mut status, mut usage) = (0, unsafe { std::mem::zeroed::<libc::rusage>() });
        // SAFETY: both are written to for the length of the call.
        let ended = unsafe { libc::wait4(child.id() as i32, &mut status, libc::WNOHANG, &mut usage) };
        if ended != 0 {
            return (ExitStatus::from_raw(status), usage.ru_maxrss * 1024);
        }
        if began.elapsed() > PATIENCE {
            signal(child, rustix::process::Signal::KILL);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn signal(child: &Child, signal: rustix::process::Signal) {
    let process = rustix::process::Pid::from_child(child);
    rustix::process::kill_process(process, signal).expect("it runs");
}

fn text_of(path: &Path) -> String {
    String::from_utf8_lossy(&fs::read(path).expect("what it said")).into_owned()
}

/// The program, about to run `script` in its world and within limits. The script may read the examples and its data.
fn limited(world: &World, script: &Path, end: &End) -> Command {
    let examples = format!("{}/examples", env!("CARGO_MANIFEST_DIR"));
    let flag = format!("--allow-read={examples},{}", world.path("data").display());
    flagged(world, script, end, &flag)
}

fn flagged(world: &World, script: &Path, end: &End, flag: &str) -> Command {
    let mut command = program();
    command
        .args([
            "--max-memory",
            end.memory.as_deref().unwrap_or(MEMORY),
            "run",
            flag,
        ])
        .arg(script)
        .current_dir(world.path("work"))
        .env("HOME", world.path("home"))
        .env("HF_HOME", world.path("home"))
        .env("HF_HUB_OFFLINE", "1")
        .env("CUDA_VISIBLE_DEVICES", "")
        .env_remove("HF_TOKEN")
        .env_remove("WANDB_API_KEY")
        .env_remove("AWS_SECRET_ACCESS_KEY")
        .stdin(Stdio::null())
        .stderr(File::create(world.path("err")).expect("writable"))
        .stdout(File::create(world.path("out")).expect("writable"));
    // SAFETY: one system call, which allocates nothing.
    unsafe {
        command.pre_exec(|| {
            let limit = libc::rlimit {
                rlim_cur: ADDRESS_SPACE,
                rlim_max: ADDRESS_SPACE,
            };
            match libc::setrlimit(libc::RLIMIT_AS, &limit) {
                0 => Ok(()),
                _ => Err(std::io::Error::last_os_error()),
            }
        });
    }
    command
}

fn run(world: &World, script: &Path, end: &End) -> Ended {
    let mut command = limited(world, script, end);
    if end.reader_leaves {
        command.stdout(Stdio::piped());
    }
    #[allow(clippy::zombie_processes)] // `ended` waits for it, with its resources
    let mut child = command.spawn().expect("the program starts");
    if let Some(mut reader) = child.stdout.take() {
        let mut some = [0; 1000];
        reader.read_exact(&mut some).expect("some output");
        fs::write(world.path("out"), some).expect("writable");
    }
    if end.stopped {
        wait_until_caught(&child, rustix::process::Signal::TERM);
        std::thread::sleep(Duration::from_millis(1000));
        signal(&child, rustix::process::Signal::TERM);
    }
    ended(world, &child)
}

/// Waits until the program has said what it does when the signal comes: on a busy machine starting takes long.
fn wait_until_caught(child: &Child, signal: rustix::process::Signal) {
    let caught = || {
        let status = fs::read_to_string(format!("/proc/{}/status", child.id())).ok()?;
        let mask = status.lines().find_map(|line| line.strip_prefix("SigCgt:"))?;
        u64::from_str_radix(mask.trim(), 16).ok()
    };
    let bit = 1 << (signal.as_raw() - 1);
    let begun = Instant::now();
    while caught().is_some_and(|mask| mask & bit == 0) && begun.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn ended(world: &World, child: &Child) -> Ended {
    let (status, resident) = wait(child);
    Ended {
        status,
        resident,
        out: text_of(&world.path("out")),
        err: text_of(&world.path("err")),
    }
}

impl Ended {
    #[track_caller]
    fn is_as_documented(&self, end: &End) {
        let said = format!(
            "\n--- {:?}\n--- stdout\n{:.2000}\n--- stderr\n{:.4000}",
            self.status, self.out, self.err
        );
        let code = self.status.code();
        let as_documented = code.is_some_and(|code| end.codes.contains(&code));
        assert!(as_documented, "the end is another{said}");
        assert!(
            self.out.contains(&end.out),
            "standard output lacks `{}`{said}",
            end.out
        );
        assert!(
            self.err.contains(&end.err),
            "standard error lacks `{}`{said}",
            end.err
        );
        for word in NEVER {
            assert!(!self.err.contains(word), "`{word}`{said}");
        }
        assert!(
            self.resident < MOST_RESIDENT,
            "held {} bytes{said}",
            self.resident
        );
    }
}

fn check(name: &str) {
    let end = ends().remove(name).expect("its end is documented");
    let (world, script) = World::of(name);
    run(&world, &script, &end).is_as_documented(&end);
    assert_eq!(text_of(&world.path("outside.rhai")), "print(\"outside\");");
}

/// A test for each script, so that they run beside each other.
macro_rules! scripts {
    ($($name:ident)*) => {
        $(
            #[test]
            fn $name() {
                check(stringify!($name));
            }
        )*

        #[test]
        fn every_script_has_a_test_and_a_documented_end() {
            let mut named = vec![$(stringify!($name).to_string(),)* TRUNCATED.to_string()];
            named.sort();
            let files = fs::read_dir(folder()).expect("the scripts");
            let files = files.map(|entry| entry.expect("an entry").path());
            let scripts = files.filter(|path| path.extension().is_some_and(|extension| extension == "rhai"));
            let mut scripts: Vec<String> = scripts
                .map(|path| path.file_stem().unwrap_or_default().to_string_lossy().into_owned())
                .collect();
            scripts.sort();
            assert_eq!(named, scripts);
            assert_eq!(ends().into_keys().collect::<Vec<_>>(), scripts);
        }
    };
}

scripts! {
    array_bomb array_copy_bomb array_index_min array_insert_bomb array_nest_clone array_nest_debug array_nest_eq
    array_nest_index array_nest_json array_nest_print array_nest_push array_nest_tensor array_pad
    array_pair_bomb array_self_push autograd_chain bits_extremes blob_1e11 blob_append_bomb blob_huge blob_pad
    cb_delete_results cb_free cb_other_trainer cb_reenter_step cb_wrong_type cfg_factory_huge cfg_sae_huge
    cfg_trainer_minutes closure_chain_drop closure_chain_kept closure_chain_map closure_curry_chain
    ds_dev_zero_txt ds_filter_endless ds_from_list_bad ds_glob_root ds_select_oob ds_take_chain ds_take_neg
    esc_print_dataset esc_unknown_model eval_deep eval_nested file_read_fifo file_read_nul file_read_shadow
    file_read_tty file_torch_save_dev file_write_fill file_write_null file_write_rc file_write_symlink
    format_bomb format_many hook_dtype hook_grad hook_half hook_inplace hook_throw hook_zero_rows
    import_absolute import_chain_deep import_cycle_dots import_dev_link import_directory import_fifo import_self
    import_symlink_out int_abs_min int_mod_min int_mod_zero int_neg_min int_pow int_pow_neg json_bomb json_nest
    libtorch_warning lm_text_huge lm_tokens_long loop_caught loop_endless map_bomb map_nest_clone
    map_nest_config map_nest_dataset map_nest_print_table map_pair_bomb map_values_bomb nan_to_int net_file_url
    oom_caught oom_text oom_twice parse_deep_blocks parse_deep_brackets parse_deep_closures parse_deep_comment
    parse_deep_dots parse_deep_else parse_deep_interpolation parse_deep_maps parse_deep_parentheses
    parse_deep_unary parse_long_chain print_bomb print_stack_debug range_collect range_extremes range_step
    recursion recursion_dataset_map recursion_stream_map replace_bomb result_path_etc retain_mutate sae_from_dev
    save_names secret_env secret_exfil_http secret_metadata sleep_callback sleep_inf sleep_int_max sleep_long
    sleep_nan sleep_negative sort_always_less sort_exit sort_mutate sort_nontotal sort_throw sparkline_nan
    stream_map_exit stream_map_self stream_map_wrong string_bomb string_chars_bomb string_debug_bomb
    string_ops_min string_pad_1e11 string_plus_bomb string_split_bomb tensor_arange_neg tensor_broadcast_bomb
    tensor_dims_to_array tensor_eye_huge tensor_half_ops tensor_index_tensor_oob tensor_inplace_self
    tensor_int_div_zero_t tensor_int_min_mod_t tensor_item_nan_int tensor_linspace_neg tensor_set_threads_huge
    tensor_softmax_dim tensor_std_one tensor_to_device_bad tensor_to_device_nul tensor_topk_neg throw_nest
    timestamp_float timestamp_ops wandb_python_cwd
}
