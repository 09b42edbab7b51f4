//! Every chore of this repository: `cargo xtask <verb>`.

mod agent;
mod artifact;
mod bench;
mod debian;
mod demo;
mod docker;
mod ebpf;
mod image;
mod process;
mod server;
mod test;
mod usage;
mod vm;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", about = "Every chore of this repository")]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Run a real search server (elasticsearch, opensearch) on loopback, in the foreground
    Server(server::Arguments),
    /// Run every suite that this machine can, and say what was left out
    Test(test::Arguments),
    /// Watch lines travel from containers to Elasticsearch, and see that each arrives once
    Demo(demo::Arguments),
    /// Measure the agent, and check or record what it costs
    Bench(bench::Arguments),
    /// Make the container image: a tar for `docker load` and the tools of OCI
    Image(image::Arguments),
    /// Build the kernel programs into ebpf/prebuilt
    BuildEbpf(ebpf::Arguments),
    /// Run a program on other kernels, each in an emulated machine
    Vm(vm::Arguments),
    /// Run a command that gets SIGTERM when the process that started it dies
    #[command(hide = true)]
    Tether(process::TetherArguments),
}

fn main() -> ExitCode {
    let done = match Arguments::parse().verb {
        Verb::Server(arguments) => server::run(&arguments),
        Verb::Test(arguments) => test::run(&arguments),
        Verb::Demo(arguments) => demo::run(&arguments),
        Verb::Bench(arguments) => bench::run(&arguments),
        Verb::Image(arguments) => image::run(&arguments),
        Verb::BuildEbpf(arguments) => ebpf::run(&arguments),
        Verb::Vm(arguments) => vm::run(&arguments),
        Verb::Tether(arguments) => process::tether(&arguments),
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}
