//! Files written in editions, lowered to the proto2 or proto3 that the descriptor pool takes.
//!
//! Done on the wire bytes, so that options survive which no struct has a place for. A file becomes
//! proto3 if one of its fields has implicit presence, which proto2 does not know, and else proto2, whose
//! enums may begin with any number. Everything else is said field by field, whatever the syntax:
//!
//! | in the edition | in the lowered file |
//! |---|---|
//! | explicit presence | `proto3_optional`, without the synthetic oneof, which the pool does not ask for |
//! | required | the label, with `proto3_optional` |
//! | packed or not | the option `packed` |
//! | delimited | `TYPE_GROUP`, maps and their entries excepted |
//! | open or closed | the resolved feature as option of the enum, read by `codec` |
//!
//! Features are inherited: file, message, nested message or oneof, field. What cannot be said so is
//! refused with the name of the element.

use bytes::Bytes;

mod features;
mod raw;

#[cfg(test)]
mod tests;

use features::{Features, Presence};
use raw::{Damaged, Raw};

/// Why a file cannot be lowered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// The bytes are no descriptor.
    Damaged,
    /// Messages inside of messages beyond what any decoder takes.
    TooDeep,
    /// A feature that is not known, or that does not go together with others.
    Feature {
        /// The full name of what has it.
        element: String,
        /// What it has.
        feature: String,
        /// What to do.
        way_out: &'static str,
    },
}

/// Whether files of this edition, by its number in descriptor.proto, can be lowered: those of 2023 and 2024.
pub(super) fn is_supported(edition: i32) -> bool {
    matches!(edition, 1000 | 1001)
}

/// An edition as people write it.
pub(super) fn name(edition: i32) -> String {
    match edition {
        0 => "of no number".to_owned(),
        998 => "proto2".to_owned(),
        999 => "proto3".to_owned(),
        1002 => "2026".to_owned(),
        number => format!("number {number}"),
    }
}

/// The file in proto2 or proto3.
pub(super) fn lower(file: Bytes) -> Result<Bytes, Refused> {
    let mut file = Raw::read(file)?;
    let mut lowering = Lowering { scope: file.text(2), implicit: None, nonzero: None };
    let features = lowering.features(Features::default(), &file.message(8)?, 50)?;
    file.change(4, |message| lowering.message(message, features, 0))?;
    file.change(5, |descriptor| lowering.enumeration(descriptor, features))?;
    file.change(7, |field| lowering.extension(field, features))?;
    let syntax = match (lowering.implicit, lowering.nonzero) {
        (Some(field), Some(element)) => {
            return Err(Refused::Feature {
                element,
                feature: format!(
                    "a first value other than 0 in the file of {field}, which has implicit presence"
                ),
                way_out: "move the enum to a file of its own",
            });
        }
        (Some(_), None) => "proto3",
        (None, _) => "proto2",
    };
    file.set_block(SYNTAX, syntax);
    file.remove(EDITION);
    Ok(file.write())
}

/// What the walk through a file has come by.
struct Lowering {
    /// The package, and the messages that are open.
    scope: String,
    /// A field of implicit presence.
    implicit: Option<String>,
    /// An enum that does not begin with 0.
    nonzero: Option<String>,
}

impl Lowering {
    /// The features of an element by its options, where `FeatureSet` is the field `field` of them.
    fn features(&self, inherited: Features, options: &Raw, field: u32) -> Result<Features, Refused> {
        inherited.with(&options.message(field)?).map_err(|feature| Refused::Feature {
            element: self.scope.clone(),
            feature,
            way_out: "compile the file with a feature of edition 2023 or 2024",
        })
    }

    /// Does `work` with the name of the element `descriptor` on the scope.
    fn within<T>(
        &mut self,
        descriptor: &Raw,
        work: impl FnOnce(&mut Self) -> Result<T, Refused>,
    ) -> Result<T, Refused> {
        let length = self.scope.len();
        if length > 0 {
            self.scope.push('.');
        }
        self.scope.push_str(&descriptor.text(NAME));
        let done = work(self);
        self.scope.truncate(length);
        done
    }

    /// A `DescriptorProto`.
    fn message(&mut self, bytes: Bytes, inherited: Features, depth: usize) -> Result<Bytes, Refused> {
        if depth == MAX_DEPTH {
            return Err(Refused::TooDeep);
        }
        let mut message = Raw::read(bytes)?;
        let options = message.message(7)?;
        // The pool makes of an entry what its syntax says: an absent value and a default one are the same.
        if options.varint(MAP_ENTRY).is_some_and(|is| is != 0) {
            return Ok(message.write());
        }
        self.within(&message.clone(), |this| {
            let features = this.features(inherited, &options, 12)?;
            let mut oneofs = Vec::new();
            for oneof in message.blocks(8) {
                let options = Raw::read(oneof.clone())?.message(2)?;
                oneofs.push(this.features(features, &options, 1)?);
            }
            let mut entries = Vec::new();
            for nested in message.blocks(3) {
                let nested = Raw::read(nested.clone())?;
                if nested.message(7)?.varint(MAP_ENTRY).is_some_and(|is| is != 0) {
                    entries.push(format!(".{}.{}", this.scope, nested.text(NAME)));
                }
            }
            let members = Members { features, oneofs, entries };
            message.change(2, |field| this.field(field, &members))?;
            message.change(3, |nested| this.message(nested, features, depth + 1))?;
            message.change(4, |descriptor| this.enumeration(descriptor, features))?;
            message.change(6, |field| this.extension(field, features))?;
            Ok(message.write())
        })
    }

    /// A `FieldDescriptorProto` of a message.
    fn field(&mut self, bytes: Bytes, members: &Members) -> Result<Bytes, Refused> {
        let mut field = Raw::read(bytes)?;
        self.within(&field.clone(), |this| {
            let oneof = field.varint(ONEOF_INDEX).and_then(|index| usize::try_from(index).ok());
            let oneof = oneof.and_then(|index| members.oneofs.get(index));
            let features = this.encode(&mut field, *oneof.unwrap_or(&members.features), &members.entries)?;
            let singular = field.varint(LABEL) != Some(REPEATED) && oneof.is_none();
            let message = matches!(field.varint(TYPE), Some(MESSAGE | GROUP));
            match features.presence {
                _ if !singular => {}
                Presence::Required => {
                    field.set_varint(LABEL, REQUIRED);
                    field.set_varint(PROTO3_OPTIONAL, 1);
                }
                Presence::Explicit | Presence::Implicit if message => {}
                Presence::Explicit => field.set_varint(PROTO3_OPTIONAL, 1),
                Presence::Implicit => this.implicit = Some(this.scope.clone()),
            }
            Ok(field.write())
        })
    }

    /// A `FieldDescriptorProto` of an extension, which has presence whatever its file says.
    fn extension(&mut self, bytes: Bytes, inherited: Features) -> Result<Bytes, Refused> {
        let mut field = Raw::read(bytes)?;
        self.within(&field.clone(), |this| {
            this.encode(&mut field, inherited, &[])?;
            Ok(field.write())
        })
    }

    /// Says how a field is on the wire; gives the features that it has.
    fn encode(&self, field: &mut Raw, inherited: Features, entries: &[String]) -> Result<Features, Refused> {
        let mut options = field.message(8)?;
        let features = self.features(inherited, &options, 21)?;
        let kind = field.varint(TYPE);
        if field.varint(LABEL) == Some(REPEATED) && !matches!(kind, Some(STRING | GROUP | MESSAGE | BYTES)) {
            options.set_varint(PACKED, u64::from(features.packed));
            field.set_block(8, options.write());
        }
        if features.delimited && kind == Some(MESSAGE) && !entries.contains(&field.text(TYPE_NAME)) {
            field.set_varint(TYPE, GROUP);
        }
        Ok(features)
    }

    /// An `EnumDescriptorProto`.
    fn enumeration(&mut self, bytes: Bytes, inherited: Features) -> Result<Bytes, Refused> {
        let mut descriptor = Raw::read(bytes)?;
        self.within(&descriptor.clone(), |this| {
            let mut options = descriptor.message(3)?;
            let features = this.features(inherited, &options, ENUM_FEATURES)?;
            options.set_block(ENUM_FEATURES, features.enum_type().write());
            let first = descriptor.blocks(2).next().cloned().unwrap_or_default();
            if Raw::read(first)?.varint(2).is_some_and(|number| number != 0) {
                this.nonzero = Some(this.scope.clone());
            }
            descriptor.set_block(3, options.write());
            Ok(descriptor.write())
        })
    }
}

/// What the fields of a message are lowered by.
struct Members {
    features: Features,
    /// Of its oneofs in their order.
    oneofs: Vec<Features>,
    /// Type names of its map entries.
    entries: Vec<String>,
}

impl From<Damaged> for Refused {
    fn from(Damaged: Damaged) -> Self {
        Self::Damaged
    }
}

/// Messages inside of messages: the recursion limit of prost, which reads the file next.
const MAX_DEPTH: usize = 100;

/// Numbers of descriptor.proto that are used more than once, or say more by a name.
const NAME: u32 = 1;
const SYNTAX: u32 = 12;
const EDITION: u32 = 14;
const LABEL: u32 = 4;
const TYPE: u32 = 5;
const TYPE_NAME: u32 = 6;
const ONEOF_INDEX: u32 = 9;
const PROTO3_OPTIONAL: u32 = 17;
const PACKED: u32 = 2;
const MAP_ENTRY: u32 = 7;
const ENUM_FEATURES: u32 = 7;
/// Labels and types of a field.
const REQUIRED: u64 = 2;
const REPEATED: u64 = 3;
const STRING: u64 = 9;
const GROUP: u64 = 10;
const MESSAGE: u64 = 11;
const BYTES: u64 = 12;
