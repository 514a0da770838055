//! Errors as JSON.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use prost::Message as _;
use tonic_types::pb;

use super::POOL;
use crate::codec::{StatusParts, StatusShape, WriteOptions, status_to_json};

fn any(type_url: &str, value: Vec<u8>) -> prost_types::Any {
    prost_types::Any { type_url: type_url.into(), value }
}

fn json_of(code: i32, message: &str, details: Option<&[u8]>) -> String {
    json_in(StatusShape::Status, code, message, details)
}

fn json_in(shape: StatusShape, code: i32, message: &str, details: Option<&[u8]>) -> String {
    let parts = StatusParts { code, message, details };
    let options = WriteOptions { add_whitespace: true, ..WriteOptions::default() };
    let json = status_to_json(&POOL, parts, shape, &options);
    String::from_utf8(json.to_vec()).expect("JSON is UTF-8")
}

fn details(code: i32, message: &str, details: Vec<prost_types::Any>) -> Vec<u8> {
    pb::Status { code, message: message.into(), details }.encode_to_vec()
}

#[test]
fn a_status_without_details() {
    assert_eq!(json_of(5, "no \"order\" é", None), r#"{"code":5,"message":"no \"order\" é","details":[]}"#);
    assert_eq!(json_of(2, "", None), r#"{"code":2,"message":"","details":[]}"#);
}

#[test]
fn every_shape_has_all_of_its_members() {
    let duration = prost_types::Duration { seconds: 1, nanos: 0 }.encode_to_vec();
    let bytes =
        details(5, "gone", vec![any("type.googleapis.com/google.protobuf.Duration", duration.clone())]);
    let detail = r#""details":[{"@type":"type.googleapis.com/google.protobuf.Duration","value":"1s"}]"#;
    let aip = StatusShape::Aip193 { http: 404, name: "NOT_FOUND" };
    assert_eq!(
        json_in(aip, 5, "", Some(&bytes)),
        format!(r#"{{"error":{{"code":404,"message":"gone","status":"NOT_FOUND",{detail}}}}}"#)
    );
    let problem = StatusShape::Problem { http: 404, title: "Not Found" };
    assert_eq!(
        json_in(problem, 5, "", Some(&bytes)),
        format!(
            r#"{{"type":"about:blank","title":"Not Found","status":404,"detail":"gone","code":5,{detail}}}"#
        )
    );
}

#[test]
fn details_are_resolved_or_keep_their_bytes() {
    let duration = prost_types::Duration { seconds: 1, nanos: 0 }.encode_to_vec();
    let kinds = vec![0x18, 5];
    let bytes = details(
        5,
        "gone",
        vec![
            any("type.googleapis.com/google.protobuf.Duration", duration),
            any("type.googleapis.com/codec.test.Kinds", kinds),
            any("type.googleapis.com/acme.Secret", vec![1, 2, 3]),
            any("", vec![1]),
        ],
    );
    assert_eq!(
        json_of(5, "header", Some(&bytes)),
        concat!(
            r#"{"code":5,"message":"gone","details":["#,
            r#"{"@type":"type.googleapis.com/google.protobuf.Duration","value":"1s"},"#,
            r#"{"@type":"type.googleapis.com/codec.test.Kinds","i32":5},"#,
            r#"{"@type":"type.googleapis.com/acme.Secret","value":"AQID"},"#,
            r#"{"@type":"","value":"AQ=="}]}"#
        )
    );
}

#[test]
fn a_detail_without_a_json_form_keeps_its_bytes() {
    // A string that is no UTF-8, and a Duration whose parts differ in sign.
    for (name, value) in [
        ("codec.test.Kinds", vec![0x72, 1, 0xff]),
        (
            "google.protobuf.Duration",
            vec![8, 1, 0x10, 0xfb, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1],
        ),
    ] {
        let bytes = details(9, "", vec![any(&format!("x/{name}"), value.clone())]);
        let wanted = format!(
            r#"{{"code":9,"message":"header","details":[{{"@type":"x/{name}","value":"{}"}}]}}"#,
            STANDARD.encode(value)
        );
        assert_eq!(json_of(9, "header", Some(&bytes)), wanted);
    }
}

#[test]
fn details_that_are_none_are_left_out() {
    for bytes in
        [&[0xff, 0xff][..], b"!!!", &[0x1a, 0x05, 0x0a], &details(7, "other", vec![any("x/a.B", vec![])])]
    {
        assert_eq!(json_of(5, "header", Some(bytes)), r#"{"code":5,"message":"header","details":[]}"#);
    }
}

#[test]
fn a_bomb_in_the_details_keeps_its_bytes_or_goes() {
    let mut bomb = prost_types::Any::default();
    for _ in 0..8_000 {
        bomb = any("x/google.protobuf.Any", bomb.encode_to_vec());
    }
    let json = json_of(5, "", Some(&details(5, "", vec![bomb])));
    let value: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert!(value["details"][0]["value"].is_string());
    let huge = details(5, "", vec![any("x/a.B", vec![0; 2 << 20]), any("x/a.C", vec![])]);
    assert_eq!(
        json_of(5, "", Some(&huge)),
        r#"{"code":5,"message":"","details":[{"@type":"x/a.C","value":""}]}"#
    );
}

#[test]
fn long_messages_are_cut_at_a_character() {
    let json = json_of(5, &"é".repeat(5_000), None);
    let value: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(value["message"].as_str().map(str::len), Some(8_192));
    let json = json_of(5, &format!("a{}", "é".repeat(5_000)), None);
    let value: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(value["message"].as_str().map(str::len), Some(8_191));
}
