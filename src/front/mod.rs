//! The doors: each turns one inbound protocol into a call and the answer back.
