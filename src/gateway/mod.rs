//! Assembly: configuration to a running gateway.
