//! What the gateway measures and says: metrics, access log, process log. Knows no other room.
