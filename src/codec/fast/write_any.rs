//! Wire bytes of `google.protobuf.Any` to JSON.

use super::{
    print,
    wire::Wire,
    write::{Stop, Writer},
};
use crate::codec::{
    table::{InAny, LENGTH},
    wkt,
};

impl Writer<'_, '_> {
    /// `{"@type": url, ...}`: the fields of a message, `"value"` for a well-known type, and base64 for a type
    /// that the schema does not have.
    pub(super) fn any(&mut self, wire: Wire<'_>, depth: usize) -> Result<(), Stop> {
        if self.anys >= self.options.max_any_depth {
            return Err(Stop::Bail);
        }
        let (url, payload) = parts(wire)?;
        if url.is_empty() && payload.is_empty() {
            self.out.extend_from_slice(b"{}");
            return Ok(());
        }
        let name = std::str::from_utf8(url).ok().and_then(wkt::type_name);
        let id = name.and_then(|name| self.tables.id(name));
        let message = id.and_then(|id| Some((id, self.tables.message(id)?.in_any)));
        let Some((id, in_any)) = message.filter(|(_, in_any)| *in_any != InAny::Never) else {
            let mut first = self.open_any(url)?;
            self.member(b"\"value\":", &mut first)?;
            print::base64(payload, self.limit, self.out)?;
            self.close(b'}', false);
            return Ok(());
        };
        self.anys += 1;
        match in_any {
            InAny::Fields => self.fields_behind(id, payload, depth + 1, url)?,
            InAny::Value => {
                let mut first = self.open_any(url)?;
                self.member(b"\"value\":", &mut first)?;
                self.message(id, payload, depth + 1)?;
                self.close(b'}', false);
            }
            InAny::Nothing => {
                // There is nothing to print, but it has to be a message.
                self.pass(id, payload)?;
                self.open_any(url)?;
                self.close(b'}', false);
            }
            InAny::Never | InAny::Foreign => return Err(Stop::Bail),
        }
        self.anys -= 1;
        Ok(())
    }

    /// The opening brace and the type. What is next is not the first.
    pub(super) fn open_any(&mut self, url: &[u8]) -> Result<bool, Stop> {
        self.open(b'{');
        let mut first = true;
        self.member(b"\"@type\":", &mut first)?;
        print::string(url, self.limit, self.out)?;
        Ok(first)
    }

    /// A key that is no field.
    fn member(&mut self, key: &[u8], first: &mut bool) -> Result<(), Stop> {
        self.next(first);
        self.out.extend_from_slice(key);
        if self.options.add_whitespace {
            self.out.extend_from_slice(b" ");
        }
        self.check()
    }

    /// A message of which nothing is printed.
    fn pass(&mut self, id: u32, bytes: &[u8]) -> Result<(), Stop> {
        let start = self.out.len();
        self.message(id, bytes, 0)?;
        self.out.truncate(start);
        Ok(())
    }
}

/// Type URL and payload. Given twice the last one holds, which is left to the reference.
fn parts(mut wire: Wire<'_>) -> Result<(&[u8], &[u8]), Stop> {
    let mut parts = [None, None];
    while !wire.is_empty() {
        let (number, wire_type) = wire.key()?;
        let at = usize::try_from(number).ok().and_then(|number| number.checked_sub(1));
        let part = at.and_then(|at| parts.get_mut(at)).filter(|part| part.is_none() && wire_type == LENGTH);
        *part.ok_or(Stop::Bail)? = Some(wire.block()?);
    }
    let [url, payload] = parts;
    Ok((url.unwrap_or_default(), payload.unwrap_or_default()))
}
