//! Files that no one means: missing, huge, not text, bombs, noise.

use std::fs;

use proptest::prelude::*;

use crate::config::load::load_in;
use crate::config::tests::loaded;
use crate::config::{Flags, Report};

/// The report about a file of these bytes, without its folder.
fn report_on(bytes: &[u8]) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("edgeway.yaml");
    fs::write(&file, bytes).expect("a file");
    let report = load_in(folder.path(), &Flags::default(), &|_| None).expect_err("a file that is refused");
    report.to_string().replace(&format!("{}/", folder.path().display()), "")
}

#[test]
fn files_that_are_no_configuration() {
    let mut huge = b"clusters: {a: a:1}\n#".to_vec();
    huge.resize((1 << 20) + 1, b'x');
    let expected =
        "error: expected a configuration file of at most 1MiB, found a larger one\n --> edgeway.yaml";
    assert_eq!(report_on(&huge), expected);
    let expected = "error: expected UTF-8 text, found other bytes in line 2\n --> edgeway.yaml";
    assert_eq!(report_on(b"clusters:\n  a\xff: a:1\n"), expected);

    huge.truncate(1 << 20);
    assert!(loaded(std::str::from_utf8(&huge).expect("text")).is_ok(), "1 MiB is not too much");
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("edgeway.yaml"), "\u{feff}clusters: {a: a:1}\n").expect("a file");
    assert!(load_in(folder.path(), &Flags::default(), &|_| None).is_ok(), "a byte order mark is fine");
}

#[test]
fn files_that_are_missing() {
    let folder = tempfile::tempdir().expect("a folder");
    let missing = folder.path().join("none.yaml");
    let check = |flags: &Flags, env: &dyn Fn(&str) -> Option<String>, by: &str| {
        let report = load_in(folder.path(), flags, env).expect_err("a missing file").to_string();
        let start = "error: cannot read the configuration file: No such file or directory";
        assert!(report.starts_with(start), "{report}");
        assert!(report.contains("none.yaml\n = help: give a file that exists and is readable"), "{report}");
        assert!(report.contains(by), "{report}");
        assert!(!report.contains("cluster"), "what a missing file lacks is not its second problem: {report}");
    };
    let flags = Flags { config: Some(missing.clone()), ..Flags::default() };
    check(&flags, &|_| None, "named by flag --config");
    let variable = |name: &str| (name == "EDGEWAY_CONFIG").then(|| missing.display().to_string());
    check(&Flags::default(), &variable, "named by environment variable EDGEWAY_CONFIG");

    let flags = Flags { config: Some(folder.path().to_owned()), ..Flags::default() };
    let report: Report = load_in(folder.path(), &flags, &|_| None).expect_err("a folder");
    assert!(report.to_string().starts_with("error: cannot read the configuration file: "), "{report}");
}

/// Each of these is below 1 MiB and would cost hours or all memory if each alias were walked.
#[test]
fn bombs() {
    let laughs: String =
        (1..30).map(|i| format!("l{i}: &l{i} [{}]\n", vec![format!("*l{}", i - 1); 9].join(","))).collect();
    let laughs = format!("l0: &l0 [a.b]\n{laughs}clusters: {{a: {{target: a:1, expose: *l29}}}}\n");
    let wrong: String = (0..20_000).map(|i| format!("k{i}: 1, ")).collect();
    let wrong = format!("x: &x {{{wrong}}}\npolicies: [{}]\n", vec!["*x"; 20_000].join(","));
    let merged: String = (0..5_000).map(|i| format!("k{i}: 1, ")).collect();
    let merged = format!("x: &x {{{merged}}}\ny: {{<<: [{}]}}\n", vec!["*x"; 15].join(","));
    let exposed = format!("e: &e [{}]\n", vec!["a.b"; 20_000].join(","));
    let clusters: String = (0..20_000).map(|i| format!("c{i}: {{target: a:1, expose: *e}}, ")).collect();
    let exposed = format!("{exposed}clusters: {{{clusters}}}\n");
    for (text, expected) in [
        (laughs, "expected at most 100000 values, aliases counted, found more"),
        (wrong, "expected at most 100000 values, aliases counted, found more"),
        (merged, "expected at most 10000 merged keys"),
        (exposed, "expected at most 100000 values, aliases counted, found more"),
        ("[".repeat(100_000), "this is not YAML: "),
        (format!("{}{}", "[".repeat(40), "]".repeat(40)), "expected at most 32 levels, found more"),
        (format!("a: {}", "{a: ".repeat(50_000)), "expected at most 32 levels, found more"),
    ] {
        let report = loaded(&text).expect_err("a bomb");
        let messages: Vec<&str> = report.diagnostics.iter().map(|d| d.message.as_str()).collect();
        assert!(messages.iter().any(|message| message.starts_with(expected)), "{expected}: {messages:?}");
    }
}

#[test]
fn many_problems_on_one_long_line() {
    let keys: String = (0..60_000).map(|i| format!("k{i}: 1, ")).collect();
    let report = loaded(&format!("{{{keys}}}")).expect_err("unknown keys");
    assert_eq!(report.diagnostics.len(), Report::LIMIT);
    assert_eq!(report.diagnostics.len() + report.left_out, 60_001);
    assert!(report.to_string().len() < 200_000);
}

#[test]
fn anchors_and_merges() {
    let text = "clusters:\n  a: &base {target: a:1, connect_timeout: 1s}\n  b: {<<: *base, target: b:1}\n  c: *base\n";
    let (config, _) = loaded(text).expect("valid");
    let clusters: Vec<String> = config
        .clusters
        .iter()
        .map(|c| format!("{} {} {:?}", c.name, c.target, c.connection.connect_timeout))
        .collect();
    assert_eq!(clusters, ["a dns:///a:1 1s", "b dns:///b:1 1s", "c dns:///a:1 1s"]);
}

/// Pieces of configurations, so that noise gets past the YAML.
fn near_yaml() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "clusters:",
        "a: a:1",
        "listen:",
        "\n",
        "\n  ",
        "\n    ",
        "- ",
        "{",
        "}",
        "[",
        "]",
        ", ",
        ": ",
        "&x ",
        "*x",
        "<<: ",
        "${HOST}",
        "${",
        "$$",
        "'",
        "\"",
        "|",
        ">",
        "#",
        "!t ",
        "?",
        "policies:",
        "selector: '*'",
        "timeout:",
        "5s",
        "none",
        "service_config:",
        "loadBalancingConfig:",
        "round_robin",
        "---",
        "\t",
        "\r",
        "\u{85}",
        "é",
        "\u{F0000}",
        "expose:",
        "target:",
        "null",
        "~",
        "descriptors:",
        "telemetry: {logs: {level: info}}",
    ]);
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn any_text_is_a_configuration_or_a_report(text in "\\PC{0,200}|(?s).{0,200}") {
        if let Err(report) = loaded(&text) {
            prop_assert!(report.to_string().contains("error: "));
        }
    }

    #[test]
    fn any_near_yaml_is_a_configuration_or_a_report(text in near_yaml()) {
        if let Err(report) = loaded(&text) {
            prop_assert!(report.to_string().contains("error: "));
        }
    }
}
