//! `fuzz [TARGET…] [--seconds N] [--runs N] [--seed N] [--corpus DIR] [--findings DIR]`, and
//! `fuzz TARGET --replay FILE`. See `fuzz/README.md`.

mod coverage;
mod driver;
mod meter;
mod mutate;
mod targets;

use std::path::PathBuf;
use std::process::ExitCode;

use driver::{Settings, replay, run};
use targets::{TARGETS, Target};

#[global_allocator]
static METER: meter::Meter = meter::Meter;

/// The engine, by the path that its scripted kernel (`targets/engine.rs`) knows it by.
#[cfg(unix)]
mod engine {
    pub use _core::engine::{
        Address, Engine, Errno, Interest, MAX_EVENTS, RawEvent, Read, Ready, Sys, Token,
    };
}

fn main() -> ExitCode {
    match parse(std::env::args().skip(1)) {
        Ok((targets, settings, None)) => {
            let mut findings = 0;
            for target in targets {
                findings += run(target, &settings);
            }
            if findings == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Ok((targets, _, Some(file))) => {
            for target in targets {
                replay(target, &file);
            }
            ExitCode::SUCCESS
        }
        Err(message) => {
            eprintln!("fuzz: {message}");
            ExitCode::from(2)
        }
    }
}

type Work = (Vec<&'static Target>, Settings, Option<PathBuf>);

fn parse(mut words: impl Iterator<Item = String>) -> Result<Work, String> {
    let mut settings = Settings::default();
    let (mut targets, mut file) = (Vec::new(), None);
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or(format!("{word} needs a value"));
        let number = |text: String| {
            text.parse::<u64>().map_err(|_| format!("{word}: {text:?} is no whole number"))
        };
        match word.as_str() {
            "--seconds" => settings.seconds = Some(number(value()?)?),
            "--runs" => settings.runs = Some(number(value()?)?),
            "--seed" => settings.seed = number(value()?)?,
            "--corpus" => settings.corpus = Some(value()?.into()),
            "--findings" => settings.findings = value()?.into(),
            "--replay" => file = Some(value()?.into()),
            name => targets.push(TARGETS.iter().find(|target| target.name == name).ok_or_else(
                || {
                    let known: Vec<_> = TARGETS.iter().map(|target| target.name).collect();
                    format!("{name:?} is no target; there are {}", known.join(", "))
                },
            )?),
        }
    }
    if targets.is_empty() {
        targets = TARGETS.iter().collect();
    }
    if settings.seconds.is_none() && settings.runs.is_none() {
        settings.seconds = Some(60);
    }
    Ok((targets, settings, file))
}
