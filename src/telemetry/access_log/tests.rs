//! Lines as they come out.

use std::sync::mpsc;

use serde_json::Value;

use super::*;

/// Hands over what was written when it is dropped with its thread.
struct Collect(Vec<u8>, mpsc::Sender<Vec<u8>>);

impl Write for Collect {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Collect {
    fn drop(&mut self) {
        self.1.send(std::mem::take(&mut self.0)).ok();
    }
}

fn lines(format: Format, records: impl IntoIterator<Item = Record>) -> Vec<String> {
    let (tx, rx) = mpsc::channel();
    let dropped = Arc::new(Counter::default());
    let (log, flush) =
        AccessLog::open(format, Collect(Vec::new(), tx), Arc::clone(&dropped)).expect("a thread");
    assert!(log.enabled());
    for record in records {
        log.write(Box::new(record));
    }
    drop(flush);
    assert_eq!(dropped.value(), 0);
    let out = String::from_utf8(rx.recv().expect("the writer has ended")).expect("UTF-8");
    assert!(out.ends_with('\n'));
    out.lines().map(str::to_owned).collect()
}

fn order() -> Record {
    Record {
        ts: SystemTime::UNIX_EPOCH + Duration::from_millis(1_795_224_225_678),
        protocol: "rest",
        listener: "public".into(),
        http_method: Text::cut("GET"),
        path: Text::cut("/v1/orders/42"),
        http_route: Arc::<str>::from("/v1/orders/{order_id}").into(),
        http_status: 200,
        grpc_type: "unary",
        grpc_service: "shop.v1.Orders".into(),
        grpc_method: "Get".into(),
        duration: Duration::from_micros(12_400),
        deadline: Some(Duration::from_secs(5)),
        deadline_source: "policy",
        attempts: 1,
        cluster: "orders".into(),
        endpoint: "172.18.0.4:50051".into(),
        response_bytes: 512,
        messages_in: 1,
        messages_out: 1,
        client_ip: Some([203, 0, 113, 9].into()),
        ..Record::default()
    }
}

#[test]
fn json_form() {
    let lines = lines(Format::Json, [order()]);
    assert_eq!(
        lines,
        [concat!(
            r#"{"ts":"2026-11-21T01:23:45.678Z","level":"info","msg":"rpc","protocol":"rest","listener":"public","#,
            r#""http_method":"GET","path":"/v1/orders/42","http_route":"/v1/orders/{order_id}","http_status":200,"#,
            r#""grpc_type":"unary","grpc_service":"shop.v1.Orders","grpc_method":"Get","grpc_code":"OK","#,
            r#""grpc_message":"","reason":"","duration_ms":12.4,"deadline_ms":5000.0,"deadline_source":"policy","attempts":1,"#,
            r#""cluster":"orders","endpoint":"172.18.0.4:50051","request_bytes":0,"response_bytes":512,"#,
            r#""messages_in":1,"messages_out":1,"client_ip":"203.0.113.9","user_agent":"","request_id":"","#,
            r#""flags":[]}"#
        )]
    );
}

#[test]
fn text_form() {
    let failed = Record {
        http_status: 503,
        grpc_code: 14,
        grpc_message: Text::cut("no \"endpoint\""),
        duration: Duration::from_millis(2003),
        endpoint: Text::default(),
        flags: vec!["NoHealthyUpstream", "UpstreamConnectionFailure"],
        request_id: Text::cut("0193"),
        ..order()
    };
    let no_route = Record {
        ts: order().ts,
        http_method: "POST".into(),
        path: Text::cut("/nowhere"),
        http_status: 404,
        grpc_code: 5,
        duration: Duration::from_micros(440),
        ..Record::default()
    };
    assert_eq!(
        lines(Format::Text, [order(), failed, no_route]),
        [
            "01:23:45.678 GET /v1/orders/42 -> shop.v1.Orders/Get 200 OK 12ms orders@172.18.0.4:50051",
            "01:23:45.678 GET /v1/orders/42 -> shop.v1.Orders/Get 503 Unavailable 2.0s orders \
             \"no \\\"endpoint\\\"\" NoHealthyUpstream,UpstreamConnectionFailure [req 0193]",
            "01:23:45.678 POST /nowhere 404 NotFound 0.4ms",
        ]
    );
}

#[test]
fn no_control_character_gets_out() {
    let controls: String = ('\0'..='\u{9f}').filter(|char| char.is_control()).collect();
    let record = || Record {
        http_method: Text::cut(&controls),
        path: Text::cut(&controls),
        grpc_message: Text::cut(&controls),
        user_agent: Text::cut(&controls),
        request_id: Text::cut(&controls),
        cluster: Text::cut(&controls),
        endpoint: Text::cut(&controls),
        ..order()
    };
    for format in [Format::Json, Format::Text] {
        let lines = lines(format, [record(), record()]);
        assert_eq!(lines.len(), 2, "{format:?}: a newline got out");
        assert!(lines.iter().all(|line| !line.contains(char::is_control)), "{format:?}: {lines:?}");
    }
    let lines = lines(Format::Json, [record()]);
    let value: Value = serde_json::from_str(&lines[0]).expect("JSON");
    assert_eq!(value["grpc_message"], Value::from(controls));
}

#[test]
fn errors_of_this_side_are_warnings() {
    let records = (0..18).map(|code| Record { grpc_code: code, ..order() });
    let warned: Vec<usize> = lines(Format::Json, records)
        .iter()
        .enumerate()
        .filter(|(_, line)| serde_json::from_str::<Value>(line).expect("JSON")["level"] == "warn")
        .map(|(code, _)| code)
        .collect();
    // 17 is no code and counts as Unknown.
    assert_eq!(warned, [2, 4, 12, 13, 14, 15, 17]);
}

#[test]
fn values_are_cut() {
    let long = Record { path: Text::cut("/".repeat(8000)), ..order() };
    let line = &lines(Format::Json, [long])[0];
    let value: Value = serde_json::from_str(line).expect("JSON");
    assert_eq!(value["path"].as_str().map(str::len), Some(256));
}

#[test]
fn a_clock_out_of_range_is_no_harm() {
    let early = Record { ts: SystemTime::UNIX_EPOCH - Duration::from_secs(1), ..order() };
    let late = Record { ts: SystemTime::UNIX_EPOCH + Duration::from_secs(253_402_300_800), ..order() };
    for line in lines(Format::Json, [early, late]) {
        assert!(line.starts_with(r#"{"ts":"1970-01-01T00:00:00.000Z","#), "{line}");
    }
}

#[test]
fn a_disabled_log_takes_nothing() {
    let log = AccessLog::disabled();
    assert!(!log.enabled());
    log.write(Box::new(order()));
}
