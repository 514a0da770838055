//! Fields that came out of order, put into it.
//!
//! prost and Go write the members of a oneof where its first member stands, and any sender may write
//! fields as it likes, the elements of a list apart. What is copied here is the fields of one message,
//! not what is in them; and as each level of nesting may have to be copied again, all copies together
//! are held to twice the size of the reply.

use super::{Bail, wire::Wire};
use crate::codec::table::Message;

/// The fields of a message in the order of their numbers, unknown ones left out; `None` if they are
/// in order already. `budget` is what copies may still take.
pub(super) fn arrange(message: &Message, bytes: &[u8], budget: &mut usize) -> Result<Option<Vec<u8>>, Bail> {
    let mut last = 0;
    let mut ordered = true;
    let mut wire = Wire::new(bytes);
    while !wire.is_empty() {
        let (number, wire_type) = wire.key()?;
        wire.skip(wire_type)?;
        ordered &= last <= number;
        last = number;
    }
    if ordered {
        return Ok(None);
    }
    let mut fields = Vec::new();
    let mut wire = Wire::new(bytes);
    while !wire.is_empty() {
        let start = wire.offset();
        let (number, wire_type) = wire.key()?;
        wire.skip(wire_type)?;
        match message.by_number(number) {
            Some(_) => fields.push((number, start..wire.offset())),
            None if message.extended => return Err(Bail),
            None => {}
        }
    }
    // Stable: the elements of a list keep their order.
    fields.sort_by_key(|(number, _)| *number);
    *budget = budget.checked_sub(bytes.len()).ok_or(Bail)?;
    let mut arranged = Vec::with_capacity(bytes.len());
    for (_, range) in fields {
        arranged.extend_from_slice(wire.slice(range));
    }
    Ok(Some(arranged))
}
