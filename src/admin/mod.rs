//! The operator's port: health, readiness, metrics.
