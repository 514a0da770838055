//! The orders of a backend, in memory and bounded.

use std::collections::{BTreeMap, HashMap};
use std::time::SystemTime;

use parking_lot::Mutex;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

use super::proto::ecommerce::v1::{Order, OrderStatus, User};
use super::seed;

/// Users, who are fixed, and orders, which come and change.
///
/// It holds [`CAPACITY`] orders beside those of the start; the oldest makes place for the next, so that a demo
/// that runs for days goes on taking orders.
#[derive(Debug)]
pub(super) struct Store {
    users: BTreeMap<String, User>,
    orders: Mutex<Orders>,
    /// Stands in the ids of new orders: those of two backends differ.
    name: String,
}

/// Orders by their number, which is their age.
#[derive(Debug, Default)]
struct Orders {
    by_number: BTreeMap<u64, Order>,
    numbers: HashMap<String, u64>,
    last: u64,
    seeded: u64,
}

/// Why the store does not do what it was asked to.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub(super) enum StoreError {
    #[error("expected the id of an order, found `{order_id}`: `order-1` to `order-6` are always there")]
    NoOrder { order_id: String },
    #[error("expected the id of a user, found `{user_id}`: `alice`, `bob` and `carol` are there")]
    NoUser { user_id: String },
    #[error("expected an order that is under way, found `{order_id}`, which is {}", status_word(*.status))]
    CannotAdvance { order_id: String, status: OrderStatus },
    #[error("expected an order that is not shipped, found `{order_id}`, which is {}", status_word(*.status))]
    CannotCancel { order_id: String, status: OrderStatus },
}

impl Store {
    /// The store of the backend `name`, with the users and orders of the start.
    pub(super) fn new(name: &str) -> Self {
        let users = seed::users();
        let mut orders = Orders::default();
        for order in seed::orders(&users) {
            orders.insert(order);
        }
        orders.seeded = orders.last;
        Self { users, orders: Mutex::new(orders), name: name.to_owned() }
    }

    /// The user with this id.
    pub(super) fn user(&self, user_id: &str) -> Result<&User, StoreError> {
        self.users.get(user_id).ok_or_else(|| StoreError::NoUser { user_id: user_id.to_owned() })
    }

    /// The order with this id.
    pub(super) fn order(&self, order_id: &str) -> Result<Order, StoreError> {
        let orders = self.orders.lock();
        let number = orders.number(order_id)?;
        orders.by_number.get(&number).cloned().ok_or_else(|| no_order(order_id))
    }

    /// Up to `limit` orders of a user that are `wanted`, oldest first.
    pub(super) fn orders_of(&self, user: &User, limit: usize, wanted: impl Fn(&Order) -> bool) -> Vec<Order> {
        let orders = self.orders.lock();
        orders
            .by_number
            .values()
            .filter(|order| order.buyer.as_ref().is_some_and(|buyer| buyer.user_id == user.user_id))
            .filter(|order| wanted(order))
            .take(limit)
            .cloned()
            .collect()
    }

    /// Keeps `order` as a new one: with an id, as pending, placed at this moment.
    pub(super) fn place(&self, mut order: Order) -> Order {
        let mut orders = self.orders.lock();
        let now = SystemTime::now().into();
        order.order_id = format!("order-{}-{}", self.name, orders.last + 1);
        order.status = OrderStatus::Pending.into();
        order.created_at = Some(now);
        order.updated_at = Some(now);
        order.revision = 1;
        orders.insert(order.clone());
        orders.evict();
        order
    }

    /// Moves an order to its next status; gives the status it had, and the order.
    pub(super) fn advance(&self, order_id: &str) -> Result<(OrderStatus, Order), StoreError> {
        self.change(order_id, |status| {
            next(status).ok_or_else(|| StoreError::CannotAdvance { order_id: order_id.to_owned(), status })
        })
    }

    /// Cancels an order; gives the status it had, and the order.
    pub(super) fn cancel(&self, order_id: &str) -> Result<(OrderStatus, Order), StoreError> {
        self.change(order_id, |status| match status {
            OrderStatus::Pending | OrderStatus::Paid | OrderStatus::Packed => Ok(OrderStatus::Cancelled),
            OrderStatus::Unspecified
            | OrderStatus::Shipped
            | OrderStatus::Delivered
            | OrderStatus::Cancelled => {
                Err(StoreError::CannotCancel { order_id: order_id.to_owned(), status })
            }
        })
    }

    fn change(
        &self,
        order_id: &str,
        to: impl FnOnce(OrderStatus) -> Result<OrderStatus, StoreError>,
    ) -> Result<(OrderStatus, Order), StoreError> {
        let mut orders = self.orders.lock();
        let number = orders.number(order_id)?;
        let order = orders.by_number.get_mut(&number).ok_or_else(|| no_order(order_id))?;
        let previous = order.status();
        order.set_status(to(previous)?);
        order.updated_at = Some(SystemTime::now().into());
        order.revision += 1;
        Ok((previous, order.clone()))
    }
}

impl Orders {
    fn number(&self, order_id: &str) -> Result<u64, StoreError> {
        self.numbers.get(order_id).copied().ok_or_else(|| no_order(order_id))
    }

    fn insert(&mut self, order: Order) {
        self.last += 1;
        self.numbers.insert(order.order_id.clone(), self.last);
        self.by_number.insert(self.last, order);
    }

    fn evict(&mut self) {
        while self.last - self.seeded > CAPACITY {
            let Some((&oldest, _)) = self.by_number.range(self.seeded + 1..).next() else { return };
            if self.last - oldest < CAPACITY {
                return;
            }
            if let Some(order) = self.by_number.remove(&oldest) {
                self.numbers.remove(&order.order_id);
            }
        }
    }
}

impl From<StoreError> for Status {
    fn from(error: StoreError) -> Self {
        let message = error.to_string();
        let (code, details) = match error {
            StoreError::NoOrder { order_id } => (
                Code::NotFound,
                ErrorDetails::with_resource_info(ORDER, order_id, "", "there is no such order"),
            ),
            StoreError::NoUser { user_id } => {
                (Code::NotFound, ErrorDetails::with_resource_info(USER, user_id, "", "there is no such user"))
            }
            StoreError::CannotAdvance { order_id, status }
            | StoreError::CannotCancel { order_id, status } => (
                Code::FailedPrecondition,
                ErrorDetails::with_precondition_failure_violation(
                    "STATUS",
                    order_id,
                    format!("the order is {}", status_word(status)),
                ),
            ),
        };
        Self::with_error_details(code, message, details)
    }
}

/// The status that follows; none follows the last ones.
pub(super) fn next(status: OrderStatus) -> Option<OrderStatus> {
    match status {
        OrderStatus::Pending => Some(OrderStatus::Paid),
        OrderStatus::Paid => Some(OrderStatus::Packed),
        OrderStatus::Packed => Some(OrderStatus::Shipped),
        OrderStatus::Shipped => Some(OrderStatus::Delivered),
        OrderStatus::Unspecified | OrderStatus::Delivered | OrderStatus::Cancelled => None,
    }
}

/// A status in a sentence.
pub(super) fn status_word(status: OrderStatus) -> &'static str {
    match status {
        OrderStatus::Unspecified => "in no known state",
        OrderStatus::Pending => "pending",
        OrderStatus::Paid => "paid",
        OrderStatus::Packed => "packed",
        OrderStatus::Shipped => "shipped",
        OrderStatus::Delivered => "delivered",
        OrderStatus::Cancelled => "cancelled",
    }
}

fn no_order(order_id: &str) -> StoreError {
    StoreError::NoOrder { order_id: order_id.to_owned() }
}

/// How many placed orders are kept.
const CAPACITY: u64 = 10_000;

/// The types of `google.rpc.ResourceInfo`.
const ORDER: &str = "ecommerce.v1.Order";
const USER: &str = "ecommerce.v1.User";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_backend_starts_with_the_same_orders() {
        let (a, b) = (Store::new("a"), Store::new("b"));
        for id in 1..=6 {
            let id = format!("order-{id}");
            assert_eq!(a.order(&id).unwrap(), b.order(&id).unwrap());
        }
        assert_ne!(a.place(Order::default()).order_id, b.place(Order::default()).order_id);
    }

    #[test]
    fn the_oldest_order_makes_place_and_the_seeds_stay() {
        let store = Store::new("a");
        let placed: Vec<_> = (0..CAPACITY + 2).map(|_| store.place(Order::default()).order_id).collect();
        for (index, order_id) in placed.iter().enumerate() {
            assert_eq!(store.order(order_id).is_ok(), index >= 2, "{order_id}");
        }
        assert!(store.order("order-1").is_ok());
        assert_eq!(store.orders.lock().numbers.len() as u64, CAPACITY + 6);
    }

    #[test]
    fn an_order_goes_its_way_and_no_further() {
        let store = Store::new("a");
        for status in [OrderStatus::Paid, OrderStatus::Packed, OrderStatus::Shipped, OrderStatus::Delivered] {
            assert_eq!(store.advance("order-1").unwrap().1.status(), status);
        }
        let stuck = StoreError::CannotAdvance { order_id: "order-1".into(), status: OrderStatus::Delivered };
        assert_eq!(store.advance("order-1"), Err(stuck));
        assert_eq!(store.order("order-1").unwrap().revision, 5);
        assert_eq!(store.cancel("order-2").unwrap().0, OrderStatus::Paid);
        assert!(matches!(store.cancel("order-3"), Err(StoreError::CannotCancel { .. })));
        assert!(matches!(store.cancel("order-0"), Err(StoreError::NoOrder { .. })));
    }
}
