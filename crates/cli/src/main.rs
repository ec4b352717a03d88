//! The `gradus` program: one file a command.

#![forbid(unsafe_code)]

mod augment;
mod compare;
mod dashboard;
mod draw;
mod eval;
mod folds;
mod init;
mod new;
mod ops;
mod output;
mod predict;
mod rate;
mod recipes;
mod report;
mod summary;
mod train;
mod trained;
mod watch;
mod weights;

use clap::{Parser, Subcommand};
use gradus_tensor::{Device, Result};
use std::process::ExitCode;

/// From data to a trained model.
#[derive(Debug, Parser)]
#[command(name = "gradus", version, max_term_width = 100)]
#[command(after_help = "Example:\n  gradus train digits\n\nEvery command explains itself: gradus \
                        COMMAND --help")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Init(init::Init),
    Rate(rate::RateOf),
    Train(train::Train),
    Recipes(recipes::Recipes),
    Eval(eval::Eval),
    Compare(compare::Compare),
    Predict(predict::Predict),
    Augment(augment::AugmentOf),
    Dashboard(dashboard::Dashboard),
    Report(draw::ReportOf),
    Summary(summary::SummaryOf),
    Weights(weights::WeightsOf),
    Ops(ops::Ops),
    New(new::New),
}

fn main() -> ExitCode {
    output::explain_panics();
    // Wrong usage ends here, with exit code 2.
    let arguments = Arguments::parse();
    match run(arguments.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output::complain(error);
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<()> {
    Device::check_environment()?;
    match command {
        Command::Init(init) => init.run(),
        Command::Rate(rate) => rate.run(),
        Command::Train(train) => train.run(),
        Command::Recipes(recipes) => recipes.run(),
        Command::Eval(eval) => eval.run(),
        Command::Compare(compare) => compare.run(),
        Command::Predict(predict) => predict.run(),
        Command::Augment(augment) => augment.run(),
        Command::Dashboard(dashboard) => dashboard.run(),
        Command::Report(report) => report.run(),
        Command::Summary(summary) => summary.run(),
        Command::Weights(weights) => weights.run(),
        Command::Ops(ops) => ops.run(),
        Command::New(new) => new.run(),
    }
}
