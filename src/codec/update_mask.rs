//! The `update_mask` of a PATCH from the keys of its body, for clients that send none.
//!
//! | in the body | in the mask |
//! |---|---|
//! | a field of one value, null among them | its path |
//! | a list, a map, a well-known type | its path, whatever is in it |
//! | a message with fields | the paths of these |
//! | a message without any: `{}` | its path |
//! | an unknown key, an extension, an enum name that is let pass | nothing |
//!
//! Null counts since it is how a client clears a field. An empty object stands for itself, one with
//! nothing but unknown keys does not: what they meant is not to clear the rest.

use std::collections::BTreeSet;

use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, Value};

use crate::codec::{
    error::{ReadError, Reason},
    field::FieldPath,
    options::ReadOptions,
    path::At,
    reference::{self, Enums, Slot},
    scalar,
    scan::{ScanError, Scanner, Shape},
    wkt::{MAX_PATHS, WellKnown},
};

/// The one FieldMask of a request whose body is a message in it.
#[derive(Clone, Debug)]
pub struct UpdateMask {
    path: FieldPath,
    body: MessageDescriptor,
}

impl UpdateMask {
    /// `None` if the request has no FieldMask or several of them, or the body is no plain message.
    pub fn of(request: &MessageDescriptor, body: &FieldDescriptor) -> Option<Self> {
        let single = |field: &FieldDescriptor| !field.is_list() && !field.is_map();
        let message = match body.kind() {
            Kind::Message(message) if single(body) && WellKnown::of(&message).is_none() => message,
            _ => return None,
        };
        let mut masks = request.fields().filter(|field| {
            single(field)
                && field.kind().as_message().is_some_and(|m| WellKnown::of(m) == Some(WellKnown::FieldMask))
        });
        let mask = masks.next().filter(|_| masks.next().is_none())?;
        let path = FieldPath::resolve(request, mask.name()).ok()?;
        Some(Self { path, body: message })
    }

    /// The field of the mask, to be compared with what else is bound.
    pub fn path(&self) -> &FieldPath {
        &self.path
    }

    /// The paths that `json` sets, sorted, in the names of the `.proto` file. The text has been read
    /// into the body with the same options before.
    ///
    /// # Errors
    /// More paths than a mask holds.
    pub fn paths(&self, json: &[u8], options: &ReadOptions) -> Result<Vec<String>, ReadError> {
        fields_of_json(&self.body, json, options)
    }

    /// The value of the field that holds these paths.
    pub fn value(&self, paths: Vec<String>) -> Value {
        let kind = self.path.leaf().kind();
        let Some(desc) = kind.as_message() else { return Value::default_value(&kind) };
        let mut mask = DynamicMessage::new(desc.clone());
        mask.set_field_by_number(1, Value::List(paths.into_iter().map(Value::String).collect()));
        Value::Message(mask)
    }

    /// The wire bytes of a message that holds the field with these paths.
    pub fn to_wire(&self, paths: Vec<String>) -> Vec<u8> {
        reference::encode_field(self.path.leaf(), &self.value(paths))
    }
}

/// The paths of the fields that `json` sets of a message, sorted, by the table above. The text has been read
/// into the message with the same options before.
///
/// # Errors
/// More paths than a mask holds.
pub fn fields_of_json(
    desc: &MessageDescriptor,
    json: &[u8],
    options: &ReadOptions,
) -> Result<Vec<String>, ReadError> {
    let fault = |error: ScanError, scan: Option<Scanner<'_>>| {
        let position = scan.map(|scan| scan.position(error.offset));
        ReadError::new(error.reason, &At::root(), position)
    };
    let scan = Scanner::new(json).map_err(|error| fault(error, None))?;
    let mut walk =
        Walk { scan, options, enums: Enums::default(), paths: BTreeSet::new(), prefix: String::new() };
    let read = match walk.scan.shape() {
        Ok(Shape::Object) if WellKnown::of(desc).is_none() => walk.object(desc),
        shape => shape.map(|_| false),
    };
    match read {
        Ok(_) => Ok(walk.paths.into_iter().collect()),
        Err(error) => Err(fault(error, Some(scan))),
    }
}

/// A way through the text, on which what is met becomes paths.
struct Walk<'j, 'o> {
    scan: Scanner<'j>,
    options: &'o ReadOptions,
    enums: Enums,
    paths: BTreeSet<String>,
    /// The path of the message around the cursor, with a dot behind each name.
    prefix: String,
}

impl Walk<'_, '_> {
    /// Passes an object; whether it has keys.
    fn object(&mut self, desc: &MessageDescriptor) -> Result<bool, ScanError> {
        self.scan.enter();
        let mut first = true;
        let mut any = false;
        while let Some(key) = self.scan.key(&mut first)? {
            any = true;
            match Slot::named(desc, &key) {
                Some(Slot::Field(field)) => self.field(&field)?,
                Some(Slot::Extension(_)) | None => self.scan.pass()?,
            }
        }
        Ok(any)
    }

    fn field(&mut self, field: &FieldDescriptor) -> Result<(), ScanError> {
        let start = self.prefix.len();
        self.prefix.push_str(field.name());
        let set = match (field.kind(), self.scan.shape()?) {
            (Kind::Message(message), Shape::Object)
                if !field.is_map() && !field.is_list() && WellKnown::of(&message).is_none() =>
            {
                self.prefix.push('.');
                let empty = !self.object(&message)?;
                self.prefix.pop();
                empty
            }
            (Kind::Enum(desc), Shape::String) if !self.options.reject_unknown_enums && !field.is_list() => {
                let name = self.scan.string()?;
                scalar::enum_by_name(&desc, &name).is_ok()
                    || (self.options.knows_other_enum_names()
                        && self.enums.table(&desc).number(name.as_bytes(), self.options).is_some())
            }
            _ => {
                self.scan.pass()?;
                true
            }
        };
        if set && self.paths.insert(self.prefix.clone()) && self.paths.len() > MAX_PATHS {
            let reason = Reason::TooManyPaths { limit: MAX_PATHS };
            return Err(ScanError { reason, offset: self.scan.offset() });
        }
        self.prefix.truncate(start);
        Ok(())
    }
}
