//! An error with its causes on one line.

use std::error::Error;
use std::fmt;

/// Displays an error and its sources, separated by `: `.
///
/// `Display` of an error in this crate never prints its source; a log line wants all of them.
#[derive(Clone, Copy, Debug)]
pub struct ErrorChain<'a>(pub &'a (dyn Error + 'static));

impl fmt::Display for ErrorChain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut source = self.0.source();
        while let Some(error) = source {
            write!(f, ": {error}")?;
            source = error.source();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("cannot read the schema")]
    struct Outer(#[source] std::num::ParseIntError);

    #[test]
    fn every_source_is_named_once() {
        let cause = "x".parse::<u8>().expect_err("x is no number");
        assert_eq!(
            ErrorChain(&Outer(cause)).to_string(),
            "cannot read the schema: invalid digit found in string"
        );
    }
}
