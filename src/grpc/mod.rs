//! The words and bytes of gRPC: frames, status tables, metadata, timeouts. No I/O, no clock.
