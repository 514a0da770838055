//! What a message would cost as a tree, told from its wire bytes before it is decoded.
//!
//! A tree costs by the value and not by the byte: two bytes on the wire are an empty message, four are one with a
//! field in it, and that is a node of a B-tree with room for eleven. A backend that sends MiB of them would cost
//! GiB.

use prost::{
    bytes::Buf,
    encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field},
};
use prost_reflect::{Kind, MessageDescriptor};

use crate::codec::options::{MAX_DEPTH, MAX_TREE_BYTES};

/// Bytes that trees may still take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Room(usize);

/// A tree is larger than the room for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Full;

/// Why the walk ended early.
enum Stop {
    Full,
    /// Decoding will end here, too, and say why.
    Malformed,
}

impl Room {
    pub(crate) fn new() -> Self {
        Self(MAX_TREE_BYTES)
    }

    /// What is left of the room when the message in `wire` has been decoded.
    pub(crate) fn without(self, desc: &MessageDescriptor, mut wire: &[u8]) -> Result<Self, Full> {
        let mut survey = Survey { left: self.0 };
        match survey.fields(Some(desc), &mut wire, None, 0) {
            Err(Stop::Full) => Err(Full),
            Ok(()) | Err(Stop::Malformed) => Ok(Self(survey.left)),
        }
    }
}

struct Survey {
    left: usize,
}

impl Survey {
    fn spend(&mut self, cost: usize) -> Result<(), Stop> {
        self.left = self.left.checked_sub(cost).ok_or(Stop::Full)?;
        Ok(())
    }

    /// The fields of a message up to the end of the bytes or of the group; of an unknown group without a descriptor.
    fn fields(
        &mut self,
        desc: Option<&MessageDescriptor>,
        wire: &mut &[u8],
        group: Option<u32>,
        depth: usize,
    ) -> Result<(), Stop> {
        if depth > MAX_DEPTH {
            return Err(Stop::Malformed);
        }
        let mut single = 0;
        let mut node = false;
        while !wire.is_empty() {
            let (number, wire_type) = decode_key(wire).map_err(|_| Stop::Malformed)?;
            if wire_type == WireType::EndGroup {
                return if group == Some(number) { Ok(()) } else { Err(Stop::Malformed) };
            }
            if !std::mem::replace(&mut node, true) {
                self.spend(NODE)?;
            }
            let field = desc.and_then(|desc| Known::of(desc, number));
            match &field {
                Some(field) if field.map => {
                    self.spend(ENTRY)?;
                    self.entry(&field.kind, block(wire, wire_type)?, depth)?;
                    continue;
                }
                Some(field)
                    if field.list && wire_type == WireType::LengthDelimited && is_number(&field.kind) =>
                {
                    self.spend(elements(&field.kind, block(wire, wire_type)?).saturating_mul(ELEMENT))?;
                    continue;
                }
                Some(field) if !field.list => {
                    single += 1;
                    if single > HALF_A_NODE {
                        self.spend(NODE / HALF_A_NODE)?;
                    }
                }
                Some(_) | None => self.spend(ELEMENT)?,
            }
            let message = field.as_ref().and_then(|field| field.kind.as_message());
            match (message, wire_type) {
                (Some(message), WireType::LengthDelimited) => {
                    let mut block = block(wire, wire_type)?;
                    self.fields(Some(message), &mut block, None, depth + 1)?;
                }
                (message, WireType::StartGroup) => self.fields(message, wire, Some(number), depth + 1)?,
                (_, wire_type) => {
                    skip_field(wire_type, number, wire, DecodeContext::default())
                        .map_err(|_| Stop::Malformed)?;
                }
            }
        }
        Ok(())
    }

    /// The value of an entry, which is no node of its own.
    fn entry(&mut self, entry: &Kind, mut wire: &[u8], depth: usize) -> Result<(), Stop> {
        let value = entry.as_message().map(|entry| entry.map_entry_value_field().kind());
        let message = value.as_ref().and_then(|value| value.as_message());
        while !wire.is_empty() {
            let (number, wire_type) = decode_key(&mut wire).map_err(|_| Stop::Malformed)?;
            match message {
                Some(message) if number == 2 && wire_type == WireType::LengthDelimited => {
                    let mut block = block(&mut wire, wire_type)?;
                    self.fields(Some(message), &mut block, None, depth + 1)?;
                }
                _ => {
                    skip_field(wire_type, number, &mut wire, DecodeContext::default())
                        .map_err(|_| Stop::Malformed)?;
                }
            }
        }
        Ok(())
    }
}

/// What is asked of a field or extension.
struct Known {
    kind: Kind,
    list: bool,
    map: bool,
}

impl Known {
    fn of(desc: &MessageDescriptor, number: u32) -> Option<Self> {
        if let Some(field) = desc.get_field(number) {
            return Some(Self { kind: field.kind(), list: field.is_list(), map: field.is_map() });
        }
        let extension = desc.get_extension(number)?;
        Some(Self { kind: extension.kind(), list: extension.is_list(), map: extension.is_map() })
    }
}

fn block<'w>(wire: &mut &'w [u8], wire_type: WireType) -> Result<&'w [u8], Stop> {
    if wire_type != WireType::LengthDelimited {
        return Err(Stop::Malformed);
    }
    let length = decode_varint(wire).ok().and_then(|length| usize::try_from(length).ok());
    let (block, _) = length.and_then(|length| wire.split_at_checked(length)).ok_or(Stop::Malformed)?;
    wire.advance(block.len());
    Ok(block)
}

fn is_number(kind: &Kind) -> bool {
    !matches!(kind, Kind::String | Kind::Bytes | Kind::Message(_))
}

/// How many numbers are packed into a block.
fn elements(kind: &Kind, block: &[u8]) -> usize {
    match kind.wire_type() {
        WireType::ThirtyTwoBit => block.len() / 4,
        WireType::SixtyFourBit => block.len() / 8,
        _ => block.iter().filter(|byte| **byte < 0x80).count(),
    }
}

/// A message with a field in it: a leaf of `BTreeMap` has eleven places.
const NODE: usize = 720;

/// Places that a leaf keeps when it is split.
const HALF_A_NODE: usize = 6;

/// A value in a list: 48 bytes, and as much again twice where the list grows.
const ELEMENT: usize = 144;

/// A key and a value in a map, which is at most seven eighths full, and half as large before it grows.
const ENTRY: usize = 320;
