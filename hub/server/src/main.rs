//! The binary `meterhub`.

use std::process::ExitCode;

fn main() -> ExitCode {
    meterhub::cli::main()
}
