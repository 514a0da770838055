//! What `/clusters` says: JSON, or lines for people and their tools.
//!
//! ```text
//! orders::policy::least_request
//! orders::10.0.0.1:50051::state::ready
//! orders::10.0.0.1:50051::connections::0::streams::3
//! ```
//!
//! Lines as Envoy's `/clusters` has them: the way to a value with `::` between its names, where a thing with a name or an
//! address of its own goes by that.

use std::fmt::Write;

use serde_json::Value;

/// The lines of a list of clusters.
pub(super) fn text(clusters: &Value) -> String {
    let mut out = String::new();
    write(&mut out, &mut Vec::new(), clusters);
    out
}

fn write(out: &mut String, way: &mut Vec<String>, value: &Value) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields.iter().filter(|(key, _)| !IDS.contains(&key.as_str())) {
                // A list of things that are called something: the name says what they are.
                let named = value.as_array().is_some_and(|list| list.iter().any(|one| id(one).is_some()));
                if named {
                    write(out, way, value);
                } else {
                    within(out, way, key.clone(), value);
                }
            }
        }
        Value::Array(list) => {
            for (index, one) in list.iter().enumerate() {
                within(out, way, id(one).map_or_else(|| index.to_string(), str::to_owned), one);
            }
        }
        Value::String(text) => line(out, way, text),
        Value::Null | Value::Bool(_) | Value::Number(_) => line(out, way, &value.to_string()),
    }
}

fn within(out: &mut String, way: &mut Vec<String>, step: String, value: &Value) {
    way.push(step);
    write(out, way, value);
    way.pop();
}

fn line(out: &mut String, way: &[String], value: &str) {
    // What came from outside must not make a line of its own.
    let value: String = value.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    writeln!(out, "{}::{value}", way.join("::")).expect("a String takes all that is written to it");
}

fn id(value: &Value) -> Option<&str> {
    IDS.iter().find_map(|key| value.get(key)?.as_str())
}

/// The fields that a thing goes by.
const IDS: [&str; 2] = ["name", "address"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines() {
        let clusters = serde_json::json!([{
            "name": "orders",
            "policy": "least_request",
            "breakers": { "max_requests": { "open": 3, "max": 1024 } },
            "endpoints": [
                { "address": "10.0.0.1:1", "healthy": true, "connections": [{ "streams": 3 }, { "streams": 0 }] },
                { "address": "[fd00::1]:1", "error": "refused\nby it", "connections": [] },
            ],
        }]);
        assert_eq!(
            text(&clusters),
            "orders::breakers::max_requests::max::1024\n\
             orders::breakers::max_requests::open::3\n\
             orders::10.0.0.1:1::connections::0::streams::3\n\
             orders::10.0.0.1:1::connections::1::streams::0\n\
             orders::10.0.0.1:1::healthy::true\n\
             orders::[fd00::1]:1::error::refused by it\n\
             orders::policy::least_request\n"
        );
        assert_eq!(text(&serde_json::json!([])), "");
    }
}
