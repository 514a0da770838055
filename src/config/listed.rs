//! Files of endpoints, for targets of the scheme `file:`.
//!
//! ```text
//! file     = list of endpoint              YAML, and so JSON
//! endpoint = address | { address: address, weight: 1-65535, priority: 0-127, zone: text, hash_key: text }
//! address  = IP ":" port | "unix:" path | "unix-abstract:" name
//! ```
//!
//! An empty list is an answer: there is no endpoint. Nothing is substituted in it: whoever writes the file knows.

use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use crate::config::document::{self, Content, Node};
use crate::config::keys::LISTED;
use crate::config::problems::Problems;
use crate::config::report::{Diagnostic, Origin, Report};
use crate::config::table::{Table, describe, read};
use crate::config::target::Address;
use crate::config::value::{Invalid, number, quoted};

/// One endpoint of such a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Where it listens; no other of its file has the same.
    pub address: Address,
    /// Its share beside others of its priority; above zero.
    pub weight: u32,
    /// Endpoints of a higher number are used while those of lower ones are not enough.
    pub priority: u32,
    /// Where it runs.
    pub zone: Option<Arc<str>>,
    /// Its name on a hash ring where that is not the address.
    pub hash_key: Option<Arc<str>>,
}

impl Listed {
    /// An endpoint of which only the address is said.
    pub fn new(address: Address) -> Self {
        Self { address, weight: 1, priority: 0, zone: None, hash_key: None }
    }

    /// Reads the bytes of a file; `file` is what problems call it.
    ///
    /// # Errors
    /// Everything that is wrong, each with its line and column.
    pub fn read_all(file: &Path, bytes: &[u8]) -> Result<Vec<Self>, Report> {
        let mut problems = Problems::default();
        let text = std::str::from_utf8(bytes).unwrap_or_else(|error| {
            let line = bytes.iter().take(error.valid_up_to()).filter(|byte| **byte == b'\n').count() + 1;
            let message = format!("expected UTF-8 text, found other bytes in line {line}");
            problems.push(Diagnostic::error(Origin::File(file.to_owned()), message));
            "[]"
        });
        problems.read_from(file.to_owned(), text);
        let listed = document::parse(text, &|_| None, &mut problems).map(|root| list(&root, &mut problems));
        problems.finish()?;
        Ok(listed.unwrap_or_default())
    }
}

fn list(root: &Node, problems: &mut Problems) -> Vec<Listed> {
    let elements: &[Rc<Node>] = match &root.content {
        Content::List(elements) => elements,
        Content::Broken => return Vec::new(),
        // A file that somebody has just truncated is empty too; an answer of nothing is written as one.
        Content::Null | Content::Scalar(_) | Content::Table(_) => {
            let message = format!("expected a list of endpoints, found {}", describe(root));
            problems.error(root.span, message, Some("write `[]` for none, or `- 10.0.0.1:50051`".into()));
            return Vec::new();
        }
    };
    let mut listed: Vec<Listed> = Vec::new();
    for element in elements {
        let Some(endpoint) = endpoint(element, problems) else { continue };
        if listed.iter().any(|known| known.address == endpoint.address) {
            let message = format!("expected each address once, found {} twice", endpoint.address);
            problems.error(element.span, message, None);
        }
        listed.push(endpoint);
    }
    listed
}

fn endpoint(node: &Node, problems: &mut Problems) -> Option<Listed> {
    if matches!(node.content, Content::Scalar(_)) {
        return read(node, "endpoint", problems, str::parse).map(Listed::new);
    }
    let table = Table::open(node, &LISTED, problems)?;
    let address = table.require("address", problems, str::parse);
    let weight = table.read("weight", problems, |text| number(text, 1..=65_535));
    let priority = table.read("priority", problems, |text| number(text, 0..=127));
    let zone = table.read("zone", problems, word);
    let hash_key = table.read("hash_key", problems, word);
    let mut listed = Listed::new(address?);
    listed.weight = weight.unwrap_or(listed.weight);
    listed.priority = priority.unwrap_or(listed.priority);
    (listed.zone, listed.hash_key) = (zone, hash_key);
    Some(listed)
}

fn word(text: &str) -> Result<Arc<str>, Invalid> {
    if text.is_empty() || text.len() > LONGEST || text.chars().any(char::is_control) {
        return Err(Invalid::new(format!(
            "expected text of 1 to {LONGEST} bytes in one line, found {}",
            quoted(text)
        )));
    }
    Ok(text.into())
}

const LONGEST: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<Listed>, String> {
        Listed::read_all(Path::new("orders.yaml"), text.as_bytes()).map_err(|report| report.to_string())
    }

    #[test]
    fn yaml_and_json() {
        let plain = Listed::new("10.0.0.1:50051".parse().unwrap());
        let whole = Listed {
            address: "unix:/run/orders.sock".parse().unwrap(),
            weight: 3,
            priority: 1,
            zone: Some("a".into()),
            hash_key: Some("orders-0".into()),
        };
        for text in [
            "# by hand\n- 10.0.0.1:50051\n- address: unix:///run/orders.sock\n  weight: 3\n  priority: 1\n  zone: a\n  \
             hash_key: orders-0\n",
            r#"["10.0.0.1:50051", {"address": "unix:///run/orders.sock", "weight": 3, "priority": 1, "zone": "a",
                "hash_key": "orders-0"}]"#,
        ] {
            assert_eq!(read(text), Ok(vec![plain.clone(), whole.clone()]), "{text}");
        }
        assert_eq!(read("[]"), Ok(Vec::new()));
    }

    #[test]
    fn refusals() {
        for (text, expected) in [
            ("", "orders.yaml:1:1"),
            ("", "expected a list of endpoints, found nothing"),
            ("endpoints: []", "expected a list of endpoints, found a table"),
            ("- orders:50051", "orders.yaml:1:3"),
            (
                "- orders:50051",
                "expected an IP address with its port, or a Unix socket, found `orders:50051`",
            ),
            ("- 10.0.0.1:1\n- 10.0.0.1:1", "orders.yaml:2:3"),
            ("- { weight: 1 }", "expected the key `address`, found none"),
            ("- { address: '10.0.0.1:1', weigth: 1 }", "did you mean `weight`?"),
            (
                "- { address: '10.0.0.1:1', weight: 0 }",
                "weight: expected a number from 1 to 65535, found `0`",
            ),
            ("- { address: '10.0.0.1:1', zone: '' }", "zone: expected text of 1 to 256 bytes"),
            ("- [", "this is not YAML"),
            ("- 10.0.0.1:${PORT}", "PORT"),
        ] {
            let error = read(text).expect_err(text);
            assert!(error.contains(expected), "{text}: {error}");
        }
        let error = Listed::read_all(Path::new("orders.yaml"), b"- a\n- \xff").expect_err("no UTF-8");
        assert!(error.to_string().contains("found other bytes in line 2"), "{error}");
    }
}
