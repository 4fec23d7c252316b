//! The `flowrun` binary: everything is in the library.

fn main() -> std::process::ExitCode {
    flowrun::cli::main()
}
