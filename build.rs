//! Compiles `proto/` into descriptor sets and the demo's code, with no `protoc` on the machine.

use std::env;
use std::error::Error;
use std::fs;
use std::path::PathBuf;

use protox::Compiler;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=proto");

    let out_dir = PathBuf::from(env::var_os("OUT_DIR").ok_or("OUT_DIR is not set: run by cargo only")?);

    let google = compile(GOOGLE)?;
    fs::write(out_dir.join("google.binpb"), google.encode_file_descriptor_set())?;

    let ecommerce = compile(ECOMMERCE)?;
    // The encoded form: the struct form has no place for extension options and drops `google.api.http`.
    fs::write(out_dir.join("ecommerce.binpb"), ecommerce.encode_file_descriptor_set())?;

    generate(&ecommerce)
}

/// Compiles files and what they import, comments kept: they become the documentation that the gateway shows.
fn compile(files: &[&str]) -> Result<Compiler, Box<dyn Error>> {
    let mut compiler = Compiler::new(["proto"])?;
    compiler.include_imports(true).include_source_info(true);
    compiler.open_files(files)?;
    Ok(compiler)
}

/// Generates clients and servers of `ecommerce.v1` and the messages of `google` that they use.
fn generate(compiler: &Compiler) -> Result<(), Box<dyn Error>> {
    let mut set = compiler.file_descriptor_set();
    // The rest of `google.api` is options only: nothing at run time uses its messages.
    set.file.retain(|file| file.package() != "google.api" || file.name() == "google/api/httpbody.proto");
    for file in &mut set.file {
        if file.package().starts_with("google.") {
            // Their comments hold indented examples, which rustdoc would take for Rust and test.
            file.source_code_info = None;
        }
    }
    tonic_prost_build::configure()
        // Payloads are shared between messages, not copied: a stream offers gigabytes of the same bytes.
        .bytes(".ecommerce.v1")
        .bytes(".google.api")
        .btree_map(".ecommerce.v1")
        .compile_fds(set)?;
    Ok(())
}

const ECOMMERCE: &[&str] = &["ecommerce/v1/order_service.proto", "ecommerce/v1/diagnostics.proto"];

/// What other people's protos import most; the well-known types come with protox.
const GOOGLE: &[&str] = &[
    "google/api/annotations.proto",
    "google/api/http.proto",
    "google/api/httpbody.proto",
    "google/rpc/code.proto",
    "google/rpc/error_details.proto",
    "google/rpc/status.proto",
    "google/protobuf/any.proto",
    "google/protobuf/api.proto",
    "google/protobuf/descriptor.proto",
    "google/protobuf/duration.proto",
    "google/protobuf/empty.proto",
    "google/protobuf/field_mask.proto",
    "google/protobuf/source_context.proto",
    "google/protobuf/struct.proto",
    "google/protobuf/timestamp.proto",
    "google/protobuf/type.proto",
    "google/protobuf/wrappers.proto",
];
