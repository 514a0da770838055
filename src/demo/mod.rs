//! The demo backend and the generated code of its protos.
