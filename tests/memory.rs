//! What a message may cost in memory while it goes from JSON to wire bytes or back.
//!
//! The fast codec stays within four times the larger of input and output, whatever comes. What it leaves to the
//! reference may become a tree, which costs by the value and not by the byte; there the budget is [`TREE`]. What is
//! refused costs no more than what is taken.

use std::sync::{LazyLock, Mutex, PoisonError};

use bytes::BytesMut;
use edgeway::codec::{Codecs, MessageCodec, ReadOptions, WriteOptions, json_to_wire, wire_to_json};
use peak_alloc::PeakAlloc;
use prost::encoding::{bytes::encode as block, encode_varint, string::encode as string};
use prost_reflect::DescriptorPool;

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

/// One measurement at a time: the allocator counts for all threads.
static TURN: Mutex<()> = Mutex::new(());

static CODEC: LazyLock<MessageCodec> = LazyLock::new(|| {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/json");
    let files = protox::compile(["kinds.proto", "legacy.proto"], [folder]).expect("the protos compile");
    let pool = DescriptorPool::from_file_descriptor_set(files).expect("the protos resolve");
    let desc = pool.get_message_by_name("codec.test.Kinds").expect("a message of the protos");
    Codecs::compile([&desc]).codec(&desc)
});

/// What one conversion did and cost.
struct Cost {
    /// Bytes allocated at most at one time.
    peak: usize,
    /// The larger of input and output.
    larger: usize,
    done: bool,
}

impl Cost {
    /// Of `convert`, which tells whether it appended something to the buffer.
    fn of(input: &[u8], convert: impl FnOnce(&mut BytesMut) -> bool) -> Self {
        ALLOCATOR.reset_peak_usage();
        let before = ALLOCATOR.current_usage();
        let mut out = BytesMut::new();
        let done = convert(&mut out);
        let peak = ALLOCATOR.peak_usage().saturating_sub(before);
        Self { peak, larger: input.len().max(out.len()), done }
    }

    /// That it is at most four times the message, and `more`.
    /// With the output that it would have had.
    fn out_of(self, bytes: usize) -> Self {
        Self { larger: self.larger.max(bytes), ..self }
    }

    /// That it is at most four times the message, and `more`.
    #[track_caller]
    fn check(&self, name: &str, more: usize) {
        let Self { peak, larger, done } = self;
        eprintln!("{name}: {peak} bytes for {larger}, done {done}");
        assert!(*peak <= 4 * larger + more, "{name}: {peak} bytes for {larger}, done {done}");
    }
}

/// JSON of about a MiB, or of as many values as the options let pass, of which much has to be kept in mind, or that
/// is much more as a message.
fn documents(values: usize) -> Vec<(&'static str, String)> {
    // Parts in a list, with the number of values that each is.
    let list = |open: &str, cost: usize, part: &dyn Fn(usize) -> String, close: &str| {
        let mut text = open.to_owned();
        for at in 0..(values.saturating_sub(10) / cost) {
            if text.len() > MIB {
                break;
            }
            text.push_str(if at == 0 { "" } else { "," });
            text.push_str(&part(at));
        }
        text + close
    };
    let nested = |open: &str, core: &str, times| format!("{}{core}{}", open.repeat(times), "}".repeat(times));
    let tower = nested(r#"{"a":"#, "{}", 45);
    let deep = nested(r#"{"child":"#, "{}", 97);
    let long = "a".repeat(MIB);
    vec![
        ("empty structs in a struct", list(r#"{"st":{"a":["#, 1, &|_| "{}".into(), "]}}")),
        ("empty lists in a list", list(r#"{"lst":["#, 1, &|_| "[]".into(), "]}")),
        ("nested structs", list(r#"{"lst":["#, 46, &|_| tower.clone(), "]}")),
        ("nulls in a list", list(r#"{"lst":["#, 1, &|_| "null".into(), "]}")),
        ("zeros in a list", list(r#"{"lst":["#, 1, &|_| "0".into(), "]}")),
        ("empty messages", list(r#"{"children":["#, 1, &|_| "{}".into(), "]}")),
        ("small messages", list(r#"{"children":["#, 2, &|_| r#"{"i32":1}"#.into(), "]}")),
        ("deep messages", list(r#"{"children":["#, 98, &|_| deep.clone(), "]}")),
        ("keys of a struct", list(r#"{"st":{"#, 1, &|at| format!(r#""{at}":0"#), "}}")),
        ("keys of a map of strings", list(r#"{"textMap":{"#, 1, &|at| format!(r#""{at:x}":"""#), "}}")),
        ("keys of a map of numbers", list(r#"{"i32Map":{"#, 1, &|at| format!(r#""{at}":0"#), "}}")),
        ("maps of one key", list(r#"{"children":["#, 3, &|_| r#"{"i32Map":{"1":1}}"#.into(), "]}")),
        ("one key many times", list(r#"{"textMap":{"#, 1, &|_| r#""a":"""#.into(), "}}")),
        ("one field many times", list("{", 1, &|_| r#""i32":1"#.into(), "}")),
        ("strings", list(r#"{"texts":["#, 1, &|_| r#""""#.into(), "]}")),
        ("digits", list(r#"{"i32s":["#, 1, &|at| (at % 10).to_string(), "]}")),
        ("doubles", list(r#"{"dbls":["#, 1, &|at| (at % 10).to_string(), "]}")),
        ("long numbers", list(r#"{"s64s":["#, 1, &|_| i64::MIN.to_string(), "]}")),
        ("Any of nothing", list(r#"{"anys":["#, 1, &|_| "{}".into(), "]}")),
        ("Any", list(r#"{"anys":["#, 2, &|_| r#"{"@type":"x/codec.test.Kinds"}"#.into(), "]}")),
        (
            "Any of a list",
            list(r#"{"any":{"@type":"x/google.protobuf.ListValue","value":["#, 1, &|_| "{}".into(), "]}}"),
        ),
        ("structs", list(r#"{"lst":["#, 2, &|_| r#"{"a":0}"#.into(), "]}")),
        ("a long string", format!(r#"{{"text":"{long}"}}"#)),
        ("a long string of escapes", format!(r#"{{"text":"{}"}}"#, "\\n".repeat(MIB / 2))),
        ("a long string of long escapes", format!(r#"{{"text":"{}"}}"#, "\\u0001".repeat(MIB / 6))),
        ("an escape in a key", format!(r#"{{"te\u0078t":"{long}"}}"#)),
        ("a long key of escapes", format!(r#"{{"{}":1}}"#, "\\n".repeat(MIB / 2))),
        ("a long string far inside", nested(r#"{"child":"#, &format!(r#"{{"text":"{long}"}}"#), 90)),
        ("one long number", format!(r#"{{"dbl":{}}}"#, "1".repeat(MIB))),
        ("base64", format!(r#"{{"data":"{}"}}"#, "AAAA".repeat(MIB / 4))),
        ("base64 with an escape", format!(r#"{{"data":"{}\/AAA"}}"#, "AAAA".repeat(MIB / 4))),
        ("a path of many names", format!(r#"{{"mask":"{}"}}"#, vec!["a"; MIB / 2].join(","))),
        ("brackets", "[".repeat(MIB)),
        ("white space", format!("{{{}}}", " ".repeat(MIB))),
    ]
}

#[test]
fn json_costs_no_multiple_of_itself() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    LazyLock::force(&CODEC);
    let bounded = ReadOptions::default();
    for (name, json) in documents(bounded.max_nodes) {
        let read = |json: &str| {
            Cost::of(json.as_bytes(), |out| CODEC.to_wire(json.as_bytes(), &bounded, out).is_ok())
        };
        let taken = read(&json);
        taken.check(name, SMALL);
        // All of it is read, and then it is refused.
        let wrong = with_an_error(&json);
        read(&wrong).out_of(taken.larger).check(&format!("{name}, with an error behind it"), SMALL + KEYS);
    }
    // Whatever bounds an operator sets: here all that fits into a MiB.
    let unbounded = ReadOptions { max_nodes: usize::MAX, ..ReadOptions::default() };
    for (name, json) in documents(MIB) {
        let json = json.as_bytes();
        let cost = Cost::of(json, |out| CODEC.fast_to_wire(json, &unbounded, out));
        if cost.done {
            cost.check(&format!("{name}, without a bound"), SMALL);
        }
    }
}

/// The reference alone, as for what the fast codec leaves to it.
#[test]
fn a_tree_of_json_stays_within_its_budget() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    LazyLock::force(&CODEC);
    let bounded = ReadOptions::default();
    for (name, text) in documents(bounded.max_nodes) {
        let json = text.as_bytes();
        let cost = Cost::of(json, |out| match json_to_wire(CODEC.descriptor(), json, &bounded) {
            Ok(wire) => {
                out.extend_from_slice(&wire);
                true
            }
            Err(_) => false,
        });
        cost.check(&format!("{name}, by the reference"), if cost.done { TREE } else { KEYS });
        let wrong = with_an_error(&text);
        let wrong = wrong.as_bytes();
        Cost::of(wrong, |_| json_to_wire(CODEC.descriptor(), wrong, &bounded).is_ok())
            .check(&format!("{name}, with an error behind it, by the reference"), KEYS);
    }
}

/// A document whose last field is wrong.
fn with_an_error(json: &str) -> String {
    match json.strip_suffix('}') {
        Some(rest) => format!(r#"{rest},"i32":"x"}}"#),
        None => json.to_owned(),
    }
}

/// Wire bytes that are far more as JSON, or as a tree.
fn replies() -> Vec<(&'static str, Vec<u8>)> {
    let mut any = Vec::new();
    for _ in 0..8_000 {
        let mut parent = Vec::new();
        string(1, &"x/google.protobuf.Any".to_owned(), &mut parent);
        block(2, &any, &mut parent);
        any = parent;
    }
    let message = |number: u32, content: &[u8]| {
        let mut wire = Vec::new();
        block(number, &content.to_vec(), &mut wire);
        wire
    };
    let many = |part: &[u8]| part.repeat(MIB / 2 / part.len());
    let maps = |number, distinct: u64| {
        let mut wire = Vec::new();
        for at in 0..u64::try_from(MIB / 12).expect("a small number") {
            let mut entry = vec![8];
            encode_varint(at % distinct, &mut entry);
            wire.extend(message(number, &entry));
        }
        wire
    };
    let mut behind = many(&message(37, b"\x18\x01"));
    behind.extend(b"\x72\x01\xff");
    let one_any = {
        let mut any = Vec::new();
        string(1, &"x/codec.test.Kinds".to_owned(), &mut any);
        block(2, &many(&message(37, b"\x18\x01")), &mut any);
        any
    };
    vec![
        ("8,000 levels of Any", message(61, &any)),
        ("Any of small messages", message(61, &one_any)),
        ("empty messages", many(&message(37, b""))),
        ("small messages", many(&message(37, b"\x18\x01"))),
        ("small messages with an error behind them", behind),
        ("empty Any", many(&message(84, b""))),
        ("empty structs", message(67, &many(&message(1, &message(5, b""))))),
        ("packed varints", message(31, &many(b"\x01"))),
        ("packed zigzag", message(32, &many(b"\x01"))),
        ("packed enums", message(36, &many(b"\x02"))),
        ("packed doubles", message(33, &many(&0.1_f64.to_le_bytes()))),
        ("numbers one by one", many(b"\xb0\x02\x01")),
        ("control characters", message(14, &many(b"\x01"))),
        ("bytes", message(15, &many(b"\x01"))),
        ("empty strings", many(&message(34, b""))),
        ("empty entries", many(&message(42, b""))),
        ("two entries many times", maps(42, 2)),
        ("entries", maps(42, u64::MAX)),
        ("unknown fields", many(b"\xf8\x3f\x01")),
        ("unknown groups", many(b"\xfb\x3f\xfc\x3f")),
        ("fields in disorder", many(b"\x20\x01\x18\x01")),
        ("messages in disorder", [many(&message(37, b"\x20\x01\x18\x01")), b"\x18\x01".to_vec()].concat()),
    ]
}

#[test]
fn a_reply_costs_no_multiple_of_itself() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    LazyLock::force(&CODEC);
    for (name, wire) in replies() {
        for (all, max_bytes) in [(false, 16 * MIB), (true, MIB)] {
            let options = WriteOptions {
                always_print_primitive_fields: all,
                add_whitespace: all,
                max_bytes,
                ..WriteOptions::default()
            };
            let name = if all { format!("{name}, with defaults and white space") } else { name.to_owned() };
            // What was given up had become as large as it may.
            let check = |cost: Cost, name: &str, more| {
                let out = if cost.done { 0 } else { max_bytes };
                cost.out_of(out).check(name, more);
            };
            let fast = Cost::of(&wire, |out| CODEC.fast_to_json(&wire, &options, out));
            let more = if fast.done { SMALL } else { TREE };
            check(fast, &name, SMALL);
            let input = bytes::Bytes::copy_from_slice(&wire);
            let both = Cost::of(&wire, |out| CODEC.to_json(input, &options, out).is_ok());
            check(both, &format!("{name}, by both"), more);
            if all {
                continue;
            }
            let input = bytes::Bytes::copy_from_slice(&wire);
            let tree = Cost::of(&wire, |out| wire_to_json(CODEC.descriptor(), input, &options, out).is_ok());
            check(tree, &format!("{name}, by the reference"), TREE);
        }
    }
}

const MIB: usize = 1 << 20;

/// What a conversion may cost for itself.
const SMALL: usize = 64 << 10;

/// A tree: 50,000 values of up to 2 KB on the way in, a budget of the same order on the way out.
const TREE: usize = 96 << 20;

/// The keys of open maps, which is all that is kept of a text while it is only looked at: 50,000 of 200 bytes.
const KEYS: usize = 10 << 20;
