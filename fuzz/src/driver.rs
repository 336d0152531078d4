//! The loop: pick an input, change it, run it, keep it if it went a new way; write down what fails.

use std::collections::BTreeSet;
use std::fs;
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::coverage::Coverage;
use crate::meter;
use crate::mutate::{Random, mutate};
use crate::targets::Target;

/// An execution that takes longer is a finding: inputs are small.
const TOO_LONG: Duration = Duration::from_secs(10);

/// Different findings after which a target's run ends.
const ENOUGH: usize = 20;

pub struct Settings {
    pub seconds: Option<u64>,
    pub runs: Option<u64>,
    pub seed: u64,
    /// Where inputs that went a new way are kept between runs.
    pub corpus: Option<PathBuf>,
    pub findings: PathBuf,
}

impl Default for Settings {
    fn default() -> Self {
        let findings = "target/fuzz/findings".into();
        Self { seconds: None, runs: None, seed: 1, corpus: None, findings }
    }
}

/// What the watchdog looks at: the number of the execution, and its input.
static EXECUTION: AtomicU64 = AtomicU64::new(0);
static CURRENT: Mutex<Vec<u8>> = Mutex::new(Vec::new());
static PANIC: Mutex<String> = Mutex::new(String::new());

/// Runs `input`: what was wrong, if something was.
fn execute(target: &Target, input: &[u8], coverage: &Coverage) -> Result<(), String> {
    if let Ok(mut current) = CURRENT.lock() {
        current.clear();
        current.extend_from_slice(input);
    }
    EXECUTION.fetch_add(1, Ordering::Relaxed);
    let before = meter::begin();
    coverage.reset();
    let done = panic::catch_unwind(AssertUnwindSafe(|| (target.run)(input)));
    let peak = meter::peak(before);
    if done.is_err() {
        return Err(PANIC.lock().map_or_else(|_| String::new(), |panic| panic.clone()));
    }
    let allowed = (target.memory)(input.len());
    if peak > allowed {
        return Err(format!("memory: {peak} bytes, {allowed} are allowed"));
    }
    Ok(())
}

/// What makes two findings the same: where it was, not which values there were.
fn kind(message: &str) -> String {
    let parts = if message.starts_with("memory") { 1 } else { 2 };
    message.split(':').take(parts).collect::<Vec<_>>().join(":")
}

fn quiet_panics() {
    panic::set_hook(Box::new(|info| {
        let place = info.location().map(|at| format!("{}:{}", at.file(), at.line()));
        let what = info.payload();
        let what = what.downcast_ref::<String>().map(String::as_str);
        let what = what.or_else(|| info.payload().downcast_ref::<&str>().copied());
        if let Ok(mut panic) = PANIC.lock() {
            *panic = format!("{}: {}", place.unwrap_or_default(), what.unwrap_or("panic"));
        }
    }));
}

fn watch(name: &'static str, findings: PathBuf) {
    std::thread::spawn(move || {
        loop {
            let before = EXECUTION.load(Ordering::Relaxed);
            std::thread::sleep(TOO_LONG);
            if before != 0 && EXECUTION.load(Ordering::Relaxed) == before {
                let input = CURRENT.lock().map_or_else(|_| Vec::new(), |it| it.clone());
                let path = save(&findings, name, &input);
                eprintln!("{name}: an execution does not end: {}", path.display());
                std::process::exit(1);
            }
        }
    });
}

fn save(folder: &Path, name: &str, input: &[u8]) -> PathBuf {
    let folder = folder.join(name);
    let hash = input.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let path = folder.join(format!("{hash:016x}"));
    if let Err(error) = fs::create_dir_all(&folder).and_then(|()| fs::write(&path, input)) {
        eprintln!("{}: {error}", path.display());
    }
    path
}

fn files(folder: &Path) -> Vec<Vec<u8>> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    paths.iter().filter_map(|path| fs::read(path).ok()).collect()
}

/// The shortest input found that fails in the same way, by leaving stretches out.
fn shorten(target: &Target, input: &[u8], kind_: &str, coverage: &Coverage) -> Vec<u8> {
    let mut best = input.to_vec();
    let mut size = best.len() / 2;
    while size > 0 {
        let mut at = 0;
        while at < best.len() {
            let mut shorter = best.clone();
            shorter.drain(at..(at + size).min(best.len()));
            match execute(target, &shorter, coverage) {
                Err(message) if kind(&message) == kind_ => best = shorter,
                _ => at += size,
            }
        }
        size /= 2;
    }
    best
}

struct Campaign<'a> {
    target: &'static Target,
    settings: &'a Settings,
    coverage: Coverage,
    corpus: Vec<Vec<u8>>,
    kinds: BTreeSet<String>,
    executions: u64,
}

impl Campaign<'_> {
    fn try_input(&mut self, input: Vec<u8>, keep_anyway: bool) {
        self.executions += 1;
        match execute(self.target, &input, &self.coverage) {
            Ok(()) => {
                let new = self.coverage.is_new();
                if new
                    && !keep_anyway
                    && let Some(folder) = &self.settings.corpus
                {
                    save(folder, self.target.name, &input);
                }
                if new || keep_anyway {
                    self.corpus.push(input);
                }
            }
            Err(message) => {
                let kind_ = kind(&message);
                if self.kinds.insert(kind_.clone()) {
                    let short = shorten(self.target, &input, &kind_, &self.coverage);
                    let path = save(&self.settings.findings, self.target.name, &short);
                    println!("{}: {message}\n  {}", self.target.name, path.display());
                }
            }
        }
    }

    fn ends(&self, began: Instant) -> bool {
        self.kinds.len() >= ENOUGH
            || self.settings.runs.is_some_and(|runs| self.executions >= runs)
            || self.settings.seconds.is_some_and(|seconds| began.elapsed().as_secs() >= seconds)
    }
}

/// Runs a target as `settings` say, prints a line, and returns the number of different findings.
pub fn run(target: &'static Target, settings: &Settings) -> usize {
    quiet_panics();
    watch(target.name, settings.findings.clone());
    let (coverage, corpus) = (Coverage::new(), Vec::new());
    let kinds = BTreeSet::new();
    let mut campaign = Campaign { target, settings, coverage, corpus, kinds, executions: 0 };
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds").join(target.name);
    for input in files(&seeds) {
        campaign.try_input(input, true);
    }
    if let Some(folder) = &settings.corpus {
        for input in files(&folder.join(target.name)) {
            campaign.try_input(input, true);
        }
    }
    if campaign.corpus.is_empty() {
        campaign.corpus.push(Vec::new());
    }
    let began = Instant::now();
    let mut random = Random::new(settings.seed);
    while !campaign.ends(began) {
        let count = campaign.corpus.len();
        // What was found last is tried more often.
        let newest = random.below(2) * (count - count.div_ceil(4));
        let pick = newest + random.below(count - newest);
        let mut input = campaign.corpus[pick].clone();
        let other = campaign.corpus[random.below(count)].clone();
        mutate(&mut random, &mut input, &other, target.max_len);
        campaign.try_input(input, false);
    }
    let seconds = began.elapsed().as_secs_f64();
    println!(
        "{:<12}{:>12} executions in {seconds:>6.1} s, {:>5} inputs kept, {}, {} findings",
        target.name,
        campaign.executions,
        campaign.corpus.len(),
        if campaign.coverage.is_on() {
            format!("{:>5} branches", campaign.coverage.edges())
        } else {
            "no coverage".to_owned()
        },
        campaign.kinds.len(),
    );
    campaign.kinds.len()
}

/// Runs one input outside of the loop: a panic ends the program with its backtrace.
pub fn replay(target: &Target, file: &Path) {
    match fs::read(file) {
        Ok(input) => (target.run)(&input),
        Err(error) => eprintln!("{}: {error}", file.display()),
    }
}
