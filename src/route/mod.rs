//! HTTP method and path to a method and its captures.
