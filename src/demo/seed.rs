//! What every backend knows from the start, the same on each: users, and orders with fixed times.

use std::collections::BTreeMap;

use prost_types::Timestamp;

use super::proto::ecommerce::v1::{Order, OrderItem, OrderStatus, User, UserRole};

/// The users, by id. Carol has no orders.
pub(super) fn users() -> BTreeMap<String, User> {
    [
        ("alice", "Alice Archer", UserRole::Customer),
        ("bob", "Bob Baker", UserRole::Business),
        ("carol", "Carol Carter", UserRole::Admin),
    ]
    .map(|(id, name, role)| {
        let user = User {
            user_id: id.to_owned(),
            display_name: name.to_owned(),
            email: format!("{id}@ecommerce.example"),
            role: role.into(),
            created_at: Some(at(0)),
        };
        (id.to_owned(), user)
    })
    .into()
}

/// The orders `order-1` to `order-6`, oldest first.
pub(super) fn orders(users: &BTreeMap<String, User>) -> Vec<Order> {
    let tea = |quantity| item("tea-green", "Green tea", quantity, 4.5);
    let cup = |quantity| item("cup-blue", "Blue cup", quantity, 12.25);
    let pot = |quantity| item("pot-iron", "Iron teapot", quantity, 59.0);
    [
        ("alice", OrderStatus::Pending, vec![tea(2), cup(1)]),
        ("alice", OrderStatus::Paid, vec![pot(1)]),
        ("bob", OrderStatus::Shipped, vec![tea(40), cup(12), pot(2)]),
        ("alice", OrderStatus::Delivered, vec![cup(4)]),
        ("bob", OrderStatus::Cancelled, vec![pot(10)]),
        ("bob", OrderStatus::Packed, vec![tea(100)]),
    ]
    .into_iter()
    .zip(1..)
    .map(|((user, status, items), number)| Order {
        order_id: format!("order-{number}"),
        buyer: users.get(user).cloned(),
        total: items.iter().map(|item| f64::from(item.quantity) * item.unit_price).sum(),
        items,
        status: status.into(),
        currency: "EUR".to_owned(),
        created_at: Some(at(number)),
        updated_at: Some(at(number)),
        labels: BTreeMap::from([("channel".to_owned(), "web".to_owned())]),
        note: (number == 1).then(|| "Please ring twice".to_owned()),
        revision: 1,
    })
    .collect()
}

fn item(product_id: &str, name: &str, quantity: i32, unit_price: f64) -> OrderItem {
    OrderItem { product_id: product_id.to_owned(), name: name.to_owned(), quantity, unit_price }
}

/// 2025-01-01T09:30:00Z and `days` days.
fn at(days: i64) -> Timestamp {
    Timestamp { seconds: 1_735_723_800 + days * 86_400, nanos: 0 }
}
