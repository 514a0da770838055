//! The demo backend and the generated code of its protos.
//!
//! A gRPC server of tonic's, as any team would write one: it shares nothing with the gateway, so what passes
//! between the two has to be right on the wire. The demo, the tests and the benchmarks run it. Beside it stand what
//! `edgeway demo` makes of it: a fleet whose backends can be taken down, and the page that shows the doors.

mod backend;
mod diagnostics;
mod drain;
mod failure;
mod fleet;
mod metadata;
mod meter;
mod order_request;
mod orders;
mod pace;
mod seed;
mod stats;
mod store;
mod violations;
mod web;

#[cfg(test)]
mod tests;

pub use backend::{BackendError, BackendOptions, serve};
pub use fleet::{BackendState, Fleet, FleetError};
pub use web::{ApiOrigin, OriginError, WebOptions, serve_web};

/// The generated code of `proto/ecommerce/v1` and of what it imports, module by package.
pub mod proto {
    /// Package `ecommerce`.
    pub mod ecommerce {
        /// Package `ecommerce.v1`: messages, clients and servers.
        #[allow(
            missing_docs,
            unused_qualifications,
            clippy::missing_docs_in_private_items,
            clippy::use_self,
            reason = "generated code"
        )]
        pub mod v1 {
            tonic::include_proto!("ecommerce.v1");
        }
    }

    /// Package `google`.
    pub mod google {
        /// Package `google.api`: `HttpBody`.
        #[allow(missing_docs, unused_qualifications, clippy::use_self, reason = "generated code")]
        pub mod api {
            tonic::include_proto!("google.api");
        }

        /// Package `google.rpc`: `Status` and `Code`.
        #[allow(missing_docs, unused_qualifications, clippy::use_self, reason = "generated code")]
        pub mod rpc {
            tonic::include_proto!("google.rpc");
        }
    }
}

/// The encoded `google.protobuf.FileDescriptorSet` of `ecommerce.v1` with all it imports, comments and
/// `google.api.http` options kept. It is also a protoset for tools that want a file.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/ecommerce.binpb"));
