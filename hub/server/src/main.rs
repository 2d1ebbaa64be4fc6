//! The binary `meterhub`.

use std::process::ExitCode;

/// What one thread decodes another one stores and frees: the system's allocator locks for that.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    meterhub::cli::main()
}
