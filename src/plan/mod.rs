//! Configuration and schema compiled into what one call needs.
