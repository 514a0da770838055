//! What a scenario found.

use std::fmt::Display;

/// What a scenario found: what was seen, and what of it is not as expected.
#[derive(Clone, Debug, Default)]
pub struct Verdict {
    seen: Vec<String>,
    faults: Vec<String>,
}

impl Verdict {
    /// Tells something that was seen.
    pub fn saw(&mut self, what: impl Display) {
        self.seen.push(what.to_string());
    }

    /// Checks something; `what` says how it is where it is not as expected.
    pub fn expect(&mut self, holds: bool, what: impl Display) {
        if !holds {
            self.faults.push(what.to_string());
        }
    }

    /// Takes what another one found.
    pub fn add(&mut self, other: Self) {
        self.seen.extend(other.seen);
        self.faults.extend(other.faults);
    }

    /// Fails the test where something is not as expected.
    #[track_caller]
    pub fn holds(&self) {
        println!("{}", self.seen.join("; "));
        assert!(self.faults.is_empty(), "{}\nseen: {}", self.faults.join("\n"), self.seen.join("; "));
    }

    /// As a cell of a table.
    pub fn cell(&self) -> String {
        let seen = self.seen.join("; ");
        if self.faults.is_empty() {
            return format!("as expected: {seen}");
        }
        format!("**differs**: {}; {seen}", self.faults.join("; "))
    }
}
