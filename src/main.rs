//! The `edgeway` binary. Everything it does stands in the library; this is the door.

/// Calls allocate and free small things on every thread; glibc's allocator contends and fragments there.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    edgeway::cli::main()
}
