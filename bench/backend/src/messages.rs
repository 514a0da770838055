//! The messages of `bench/order.proto` that a reply is made of, and the values they are filled with.

use prost::Message;
use prost_types::Timestamp;

/// A line of an order.
#[derive(Clone, PartialEq, Message)]
pub struct OrderItem {
    #[prost(string, tag = "1")]
    pub product_id: String,
    #[prost(int32, tag = "2")]
    pub quantity: i32,
    #[prost(double, tag = "3")]
    pub price: f64,
}

/// What every method answers with, alone or in a list.
#[derive(Clone, PartialEq, Message)]
pub struct Order {
    #[prost(string, tag = "1")]
    pub id: String,
    #[prost(string, tag = "2")]
    pub user_id: String,
    #[prost(message, repeated, tag = "3")]
    pub items: Vec<OrderItem>,
    #[prost(double, tag = "4")]
    pub total_amount: f64,
    #[prost(int32, tag = "5")]
    pub status: i32,
    #[prost(message, optional, tag = "6")]
    pub created_at: Option<Timestamp>,
}

/// The reply of `ListOrders`.
#[derive(Clone, PartialEq, Message)]
pub struct ListOrdersResponse {
    #[prost(message, repeated, tag = "1")]
    pub orders: Vec<Order>,
    #[prost(string, tag = "2")]
    pub next_page_token: String,
}

/// One message of `WatchOrder`.
#[derive(Clone, PartialEq, Message)]
pub struct OrderUpdate {
    #[prost(message, optional, tag = "1")]
    pub order: Option<Order>,
    #[prost(message, optional, tag = "2")]
    pub updated_at: Option<Timestamp>,
}

impl Order {
    /// The order of this number with so many items; the same arguments give the same bytes.
    pub fn sample(number: u16, items: u16) -> Self {
        let index = i32::from(number);
        Self {
            id: format!("order-{number:08}"),
            user_id: format!("user-{:06}", index * 7 % 100_000),
            items: (0..items).map(|item| OrderItem::sample(index, i32::from(item))).collect(),
            total_amount: 123.45 + f64::from(number),
            status: index % 5 + 1,
            created_at: Some(Timestamp { seconds: NEW_YEAR_2026 + i64::from(number), nanos: 123_000_000 }),
        }
    }
}

impl OrderItem {
    fn sample(order: i32, item: i32) -> Self {
        Self {
            product_id: format!("product-{:05}", (order * 31 + item) % 99_999),
            quantity: item % 9 + 1,
            price: 9.99 + f64::from(item) * 1.25,
        }
    }
}

impl OrderUpdate {
    /// An update that carries the sample order of this number with two items.
    pub fn sample(number: u16) -> Self {
        Self {
            order: Some(Order::sample(number, 2)),
            updated_at: Some(Timestamp { seconds: NEW_YEAR_2026, nanos: 0 }),
        }
    }
}

const NEW_YEAR_2026: i64 = 1_767_225_600;
