//! Checks of requests, collected so that the caller hears of every wrong field at once.

use std::time::Duration;

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, FieldViolation, StatusExt};

/// The fields that are wrong, as `google.rpc.BadRequest` lists them.
#[derive(Debug, Default)]
pub(super) struct Violations(Vec<FieldViolation>);

impl Violations {
    /// Notes that `field`, a path in the request, is wrong: what was expected, what was found.
    pub(super) fn add(&mut self, field: impl Into<String>, description: impl Into<String>) {
        self.0.push(FieldViolation::new(field, description));
    }

    /// Notes an empty string where one is required.
    pub(super) fn require(&mut self, field: impl Into<String>, value: &str) {
        if value.is_empty() {
            self.add(field, "expected a value, found none");
        }
    }

    /// Reads a duration from zero to one hour; absent is zero.
    pub(super) fn duration(&mut self, field: &str, value: Option<&prost_types::Duration>) -> Duration {
        let Some(value) = value else { return Duration::ZERO };
        match Duration::try_from(*value) {
            Ok(duration) if duration <= LONGEST => duration,
            _ => {
                self.add(field, format!("expected 0s to {}s, found {value}", LONGEST.as_secs()));
                Duration::ZERO
            }
        }
    }

    /// `INVALID_ARGUMENT` with a `BadRequest`, unless nothing was noted.
    pub(super) fn check(self) -> Result<(), Status> {
        let Some(first) = self.0.first() else { return Ok(()) };
        let more = match self.0.len() - 1 {
            0 => String::new(),
            more => format!(" (and {more} more)"),
        };
        let message = format!("{}: {}{more}", first.field, first.description);
        Err(Status::with_error_details(
            Code::InvalidArgument,
            message,
            ErrorDetails::with_bad_request(self.0),
        ))
    }
}

/// The longest wait that a request may ask for.
const LONGEST: Duration = Duration::from_secs(3600);
