//! The program under test of the protobuf conformance runner, once for each codec.
//!
//! The runner writes requests to standard input, each behind its length as four bytes, and reads answers from
//! standard output in the same form (`conformance/conformance.proto` of the protobuf project).

use std::collections::HashMap;
use std::io::{self, Read, Write};

use bytes::BytesMut;
use edgeway::codec::{
    Codecs, MessageCodec, ReadOptions, WriteOptions, json_to_wire, message_to_wire, wire_to_json,
};
use edgeway::schema::{DescriptorSet, Schema};
use prost::Message as _;
use prost_reflect::DynamicMessage;

/// Answers requests until there are no more, by `codec` and the messages of the set in `descriptors`. What the fast
/// codec left to the reference is told on standard error.
pub(crate) fn run(codec: &str, descriptors: &str) -> io::Result<()> {
    let mut testee = Testee::new(codec == "fast", descriptors)?;
    let (mut input, mut output) = (io::stdin().lock(), io::stdout().lock());
    let mut length = [0; 4];
    while input.read_exact(&mut length).is_ok() {
        let mut request = vec![0; usize::try_from(u32::from_le_bytes(length)).map_err(io::Error::other)?];
        input.read_exact(&mut request)?;
        let request = Request::decode(&*request).map_err(io::Error::other)?;
        let answer = Response { result: Some(testee.answer(request)) }.encode_to_vec();
        output.write_all(&u32::try_from(answer.len()).map_err(io::Error::other)?.to_le_bytes())?;
        output.write_all(&answer)?;
        output.flush()?;
    }
    for (what, (declined, all)) in [("read", testee.read), ("printed", testee.print)] {
        if all > 0 {
            let done = all - declined;
            writeln!(
                io::stderr(),
                "testee: {done} of {all} {what} by the fast codec itself, errors are none of it"
            )?;
        }
    }
    Ok(())
}

struct Testee {
    fast: bool,
    messages: HashMap<String, MessageCodec>,
    /// What the fast codec declined, of how many.
    read: (usize, usize),
    print: (usize, usize),
}

impl Testee {
    fn new(fast: bool, descriptors: &str) -> io::Result<Self> {
        let set = DescriptorSet::new(descriptors, std::fs::read(descriptors)?);
        let schema = Schema::build(&[set], |_| true).map_err(io::Error::other)?;
        let found: Vec<_> = schema.pool().all_messages().collect();
        let codecs = Codecs::compile(&found);
        let messages = found.iter().map(|desc| (desc.full_name().to_owned(), codecs.codec(desc))).collect();
        Ok(Self { fast, messages, read: (0, 0), print: (0, 0) })
    }

    fn answer(&mut self, request: Request) -> Outcome {
        if request.message_type == "conformance.FailureSet" {
            return Outcome::ProtobufPayload(Vec::new());
        }
        let Some(codec) = self.messages.get(&request.message_type).cloned() else {
            return Outcome::RuntimeError(format!("no message {}", request.message_type));
        };
        let wire = match request.payload {
            Some(Payload::Protobuf(wire)) => wire,
            Some(Payload::Json(json)) => match self.read(&codec, &json, request.test_category) {
                Ok(wire) => wire,
                Err(error) => return Outcome::ParseError(error),
            },
            Some(Payload::Jspb(_) | Payload::Text(_)) | None => {
                return Outcome::Skipped("only protobuf and JSON are read".to_owned());
            }
        };
        match request.requested_output_format {
            PROTOBUF => match DynamicMessage::decode(codec.descriptor().clone(), &*wire) {
                Ok(message) => Outcome::ProtobufPayload(message_to_wire(&message)),
                Err(error) => Outcome::ParseError(error.to_string()),
            },
            // Bytes that are no message have to be told from messages that have no JSON.
            JSON => match DynamicMessage::decode(codec.descriptor().clone(), &*wire) {
                Ok(_) => self.print(&codec, &wire),
                Err(error) => Outcome::ParseError(error.to_string()),
            },
            _ => Outcome::Skipped("only protobuf and JSON are written".to_owned()),
        }
    }

    fn read(&mut self, codec: &MessageCodec, json: &str, category: i32) -> Result<Vec<u8>, String> {
        let strict = category != IGNORE_UNKNOWN;
        let options = ReadOptions {
            reject_unknown_fields: strict,
            reject_unknown_enums: strict,
            ..ReadOptions::default()
        };
        if !self.fast {
            return json_to_wire(codec.descriptor(), json.as_bytes(), &options)
                .map_err(|error| error.to_string());
        }
        self.read.0 += usize::from(!codec.fast_to_wire(json.as_bytes(), &options, &mut BytesMut::new()));
        self.read.1 += 1;
        let mut wire = BytesMut::new();
        codec.to_wire(json.as_bytes(), &options, &mut wire).map_err(|error| error.to_string())?;
        Ok(wire.to_vec())
    }

    fn print(&mut self, codec: &MessageCodec, wire: &[u8]) -> Outcome {
        let (options, mut json) = (WriteOptions::default(), BytesMut::new());
        let printed = if self.fast {
            self.print.0 += usize::from(!codec.fast_to_json(wire, &options, &mut BytesMut::new()));
            self.print.1 += 1;
            codec.to_json(wire, &options, &mut json)
        } else {
            wire_to_json(codec.descriptor(), wire, &options, &mut json)
        };
        match printed {
            Ok(()) => Outcome::JsonPayload(String::from_utf8_lossy(&json).into_owned()),
            Err(error) => Outcome::SerializeError(error.to_string()),
        }
    }
}

/// `conformance.ConformanceRequest`
#[derive(Clone, PartialEq, prost::Message)]
struct Request {
    #[prost(oneof = "Payload", tags = "1, 2, 7, 8")]
    payload: Option<Payload>,
    #[prost(int32, tag = "3")]
    requested_output_format: i32,
    #[prost(string, tag = "4")]
    message_type: String,
    #[prost(int32, tag = "5")]
    test_category: i32,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum Payload {
    #[prost(bytes, tag = "1")]
    Protobuf(Vec<u8>),
    #[prost(string, tag = "2")]
    Json(String),
    #[prost(string, tag = "7")]
    Jspb(String),
    #[prost(string, tag = "8")]
    Text(String),
}

/// `conformance.ConformanceResponse`
#[derive(Clone, PartialEq, prost::Message)]
struct Response {
    #[prost(oneof = "Outcome", tags = "1, 2, 3, 4, 5, 6")]
    result: Option<Outcome>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum Outcome {
    #[prost(string, tag = "1")]
    ParseError(String),
    #[prost(string, tag = "2")]
    RuntimeError(String),
    #[prost(bytes, tag = "3")]
    ProtobufPayload(Vec<u8>),
    #[prost(string, tag = "4")]
    JsonPayload(String),
    #[prost(string, tag = "5")]
    Skipped(String),
    #[prost(string, tag = "6")]
    SerializeError(String),
}

/// `conformance.WireFormat`
const PROTOBUF: i32 = 1;
const JSON: i32 = 2;

/// `conformance.TestCategory`
const IGNORE_UNKNOWN: i32 = 3;
