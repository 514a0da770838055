//! Which methods an entry speaks of.
//!
//! ```text
//! selector = "*"                     every method
//!          | name ".*"               every method below a package or a service
//!          | name                    one method, pkg.Service.Method
//! name     = identifier *( "." identifier )
//! ```
//!
//! The form of `google.api.Service` selectors (google/api/http.proto): dots only, a star only at the end.

use std::fmt;
use std::str::FromStr;

use crate::config::value::{Invalid, quoted};

/// A pattern over full method names, `pkg.Service.Method`.
///
/// Its order is by specificity: of two that match one method, the greater is the more specific.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Selector {
    rank: Rank,
    /// Of two prefixes of one method's name the longer is the greater text, too: the derived order holds.
    name: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Rank {
    All,
    Below,
    One,
}

impl Selector {
    /// Whether the method `method` of the service with the full name `service` is meant.
    pub fn matches(&self, service: &str, method: &str) -> bool {
        match self.rank {
            Rank::All => true,
            Rank::Below => service
                .strip_prefix(self.name.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('.')),
            Rank::One => self
                .name
                .strip_prefix(service)
                .and_then(|rest| rest.strip_prefix('.'))
                .is_some_and(|rest| rest == method),
        }
    }
}

impl FromStr for Selector {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let text = text.trim();
        if text == "*" {
            return Ok(Self { rank: Rank::All, name: String::new() });
        }
        let wrong = || Invalid::new(format!("expected a selector, found {}", quoted(text)));
        let forms = "write `*`, `pkg.*`, `pkg.Service.*` or `pkg.Service.Method`";
        if text.contains('/') {
            let dotted = text.trim_matches('/').replace('/', ".");
            return Err(wrong().help(format!("a selector has dots only: {}", quoted(&dotted))));
        }
        let (rank, name) = match text.strip_suffix(".*") {
            Some(name) => (Rank::Below, name),
            None => (Rank::One, text),
        };
        if name.contains('*') {
            return Err(wrong().help(format!("a star stands alone or after the last dot; {forms}")));
        }
        if !name.split('.').all(is_identifier) {
            return Err(wrong().help(forms));
        }
        if rank == Rank::One && !name.contains('.') {
            return Err(
                wrong().help(format!("one name alone is no method; for all below it write `{name}.*`"))
            );
        }
        Ok(Self { rank, name: name.to_owned() })
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.rank {
            Rank::All => f.write_str("*"),
            Rank::Below => write!(f, "{}.*", self.name),
            Rank::One => f.write_str(&self.name),
        }
    }
}

/// An identifier of the protobuf language specification.
pub(super) fn is_identifier(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matching() {
        for (selector, service, method, expected) in [
            ("*", "shop.v1.Orders", "Get", true),
            ("*", "Orders", "Get", true),
            ("shop.*", "shop.v1.Orders", "Get", true),
            ("shop.v1.*", "shop.v1.Orders", "Get", true),
            ("shop.v1.*", "shop.v10.Orders", "Get", false),
            ("shop.v1.Orders.*", "shop.v1.Orders", "Get", true),
            ("shop.v1.Orders.*", "shop.v1.OrdersAdmin", "Get", false),
            ("shop.v1.Orders.Get", "shop.v1.Orders", "Get", true),
            ("shop.v1.Orders.Get", "shop.v1.Orders", "GetAll", false),
            ("shop.v1.Orders.Get", "shop.v1", "Orders.Get", true),
            ("Orders.*", "Orders", "Get", true),
            ("Orders.Get", "Orders", "Get", true),
        ] {
            let parsed: Selector = selector.parse().expect(selector);
            assert_eq!(parsed.matches(service, method), expected, "{selector} {service} {method}");
            assert_eq!(parsed.to_string(), selector);
        }
    }

    #[test]
    fn refusals() {
        for (text, help) in [
            ("", "write `*`, `pkg.*`, `pkg.Service.*` or `pkg.Service.Method`"),
            ("shop..Orders", "write `*`, `pkg.*`, `pkg.Service.*` or `pkg.Service.Method`"),
            ("1a.b", "write `*`, `pkg.*`, `pkg.Service.*` or `pkg.Service.Method`"),
            ("Orders", "one name alone is no method; for all below it write `Orders.*`"),
            ("/shop.v1.Orders/Get", "a selector has dots only: `shop.v1.Orders.Get`"),
            (
                "shop.*.Get",
                "a star stands alone or after the last dot; write `*`, `pkg.*`, `pkg.Service.*` or `pkg.Service.Method`",
            ),
        ] {
            assert_eq!(text.parse::<Selector>().map_err(|e| e.help), Err(Some(help.into())), "{text}");
        }
    }

    #[test]
    fn the_more_specific_is_greater() {
        let ranked = ["*", "shop.*", "shop.v1.*", "shop.v1.Orders.*", "shop.v1.Orders.Get"];
        for pair in ranked.windows(2) {
            let [less, more] = pair else { unreachable!("windows of two") };
            let parse = |text: &str| text.parse::<Selector>().expect(text);
            assert!(parse(less) < parse(more), "{less} {more}");
        }
    }
}
