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
    let (mut last, mut count) = (0, 0);
    let mut ordered = true;
    let mut wire = Wire::new(bytes);
    while !wire.is_empty() {
        let (number, wire_type) = wire.key()?;
        wire.skip(wire_type)?;
        ordered &= last <= number;
        last = number;
        count += 1;
    }
    if ordered {
        return Ok(None);
    }
    *budget = budget.checked_sub(bytes.len()).ok_or(Bail)?;
    // Only where each stands: a field may be two bytes, and this is to be no multiple of it.
    let mut fields: Vec<u32> = Vec::with_capacity(count);
    let mut wire = Wire::new(bytes);
    while !wire.is_empty() {
        let start = u32::try_from(wire.offset()).map_err(|_| Bail)?;
        let (number, wire_type) = wire.key()?;
        wire.skip(wire_type)?;
        match message.by_number(number) {
            Some(_) => fields.push(start),
            None if message.extended => return Err(Bail),
            None => {}
        }
    }
    let wire = Wire::new(bytes);
    // The elements of a list keep their order. All keys were read before.
    fields.sort_unstable_by_key(|start| {
        (wire.from(place(*start)).key().map_or(0, |(number, _)| number), *start)
    });
    let mut arranged = Vec::with_capacity(bytes.len());
    for start in fields {
        let start = place(start);
        let mut field = wire.from(start);
        let (_, wire_type) = field.key()?;
        field.skip(wire_type)?;
        arranged.extend_from_slice(wire.slice(start..field.offset()));
    }
    Ok(Some(arranged))
}

fn place(start: u32) -> usize {
    usize::try_from(start).unwrap_or(usize::MAX)
}
