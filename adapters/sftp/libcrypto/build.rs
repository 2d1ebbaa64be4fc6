//! Tells libssh2's build where AWS-LC's headers are. They also rename its symbols, so that it
//! never meets another libcrypto in one process.

/// AWS-LC's build scripts export under a name with their version in it.
const EXPORTED: (&str, &str) = ("DEP_AWS_LC_", "_INCLUDE");

fn main() {
    let include = std::env::vars_os().find_map(|(name, value)| {
        let name = name.into_string().ok()?;
        (name.starts_with(EXPORTED.0) && name.ends_with(EXPORTED.1)).then_some(value)
    });
    let include = include.expect("aws-lc-sys exports the folder of its headers");
    println!("cargo::metadata=include={}", include.display());
    println!("cargo::rerun-if-changed=build.rs");
}
