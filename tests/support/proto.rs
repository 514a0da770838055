//! Descriptors of protos that a test writes down.

use protox::{
    Compiler,
    file::{ChainFileResolver, File, FileResolver, GoogleFileResolver, IncludeFileResolver},
};

/// The encoded descriptor set of one file and of what it imports.
pub fn descriptors(source: &'static str) -> Vec<u8> {
    let mut resolver = ChainFileResolver::new();
    resolver.add(Written(source));
    resolver.add(IncludeFileResolver::new(concat!(env!("CARGO_MANIFEST_DIR"), "/proto").into()));
    resolver.add(GoogleFileResolver::new());
    let mut compiler = Compiler::with_file_resolver(resolver);
    compiler.include_imports(true).open_file(NAME).expect("a proto that compiles");
    compiler.encode_file_descriptor_set()
}

struct Written(&'static str);

impl FileResolver for Written {
    fn open_file(&self, name: &str) -> Result<File, protox::Error> {
        match name {
            NAME => File::from_source(name, self.0),
            _ => Err(protox::Error::file_not_found(name)),
        }
    }
}

const NAME: &str = "test.proto";
