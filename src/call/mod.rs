//! The waist: the one shape every call has between a door and the way out.
//!
//! Whatever protocol came in, past its door there is one kind of request and one kind of response:
//!
//! | | a request at the waist | a response at the waist |
//! |---|---|---|
//! | 1 | is `POST /package.Service/Method`, `application/grpc`, `te: trailers` | is HTTP 200, `application/grpc` |
//! | 2 | carries no `content-length`, no hop-by-hop and no browser headers | the same |
//! | 3 | body: gRPC frames and nothing else | body: gRPC frames, then trailers with exactly one valid `grpc-status`; or an empty body and that status in the headers (trailers-only) |
//! | 4 | carries [`Context`] in its extensions | |
//! | 5 | a body error ([`CallError`]) means that the client went away or broke its protocol | a body error is the call's outcome, in place of trailers |
//!
//! `Err(CallError)` in place of a response means that no backend answered and Edgeway says why. A response ends exactly
//! once, and ends when its body ends: load, limits and records count that moment.

mod body;
mod context;
mod error;
mod journal;
mod kind;
mod signal;

pub use body::{Body, Chunks, Whole};
pub use context::{Context, DeadlineSource, Inbound, Peer, Sessions, Via};
pub use error::{CallError, reason};
pub use journal::{Journal, Outcome};
pub use kind::Kind;
pub use signal::{Signal, Watch};

/// A call on its way in.
pub type Request = http::Request<Body>;

/// A backend's answer on its way out.
pub type Response = http::Response<Body>;
