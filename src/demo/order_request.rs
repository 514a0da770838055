//! What the requests of `OrderService` have to look like.

use prost_types::Timestamp;
use tonic::Status;

use super::proto::ecommerce::v1::{
    CreateOrderRequest, ListOrdersRequest, Order, OrderFilter, OrderItem, OrderStatus, User,
};
use super::violations::Violations;

/// The order that `request` describes, not placed yet: its buyer is an id only.
pub(super) fn create(request: CreateOrderRequest) -> Result<Order, Status> {
    let mut violations = Violations::default();
    violations.require("user_id", &request.user_id);
    if request.items.is_empty() || request.items.len() > MAX_ITEMS {
        violations.add("items", format!("expected 1 to {MAX_ITEMS} items, found {}", request.items.len()));
    }
    for (index, item) in request.items.iter().enumerate().take(MAX_ITEMS) {
        check_item(&format!("items[{index}]"), item, &mut violations);
    }
    let currency = &request.currency;
    if !(currency.is_empty() || currency.len() == 3 && currency.bytes().all(|byte| byte.is_ascii_uppercase()))
    {
        violations.add("currency", format!("expected three capital letters, found `{currency}`"));
    }
    if request.labels.len() > MAX_LABELS {
        violations.add("labels", format!("expected at most {MAX_LABELS}, found {}", request.labels.len()));
    }
    if let Some(note) = &request.note
        && note.len() > MAX_NOTE
    {
        violations.add("note", format!("expected at most {MAX_NOTE} bytes, found {}", note.len()));
    }
    violations.check()?;

    let total = request.items.iter().map(|item| f64::from(item.quantity) * item.unit_price).sum();
    Ok(Order {
        buyer: Some(User { user_id: request.user_id, ..User::default() }),
        items: request
            .items
            .into_iter()
            .map(|item| {
                if item.name.is_empty() { OrderItem { name: item.product_id.clone(), ..item } } else { item }
            })
            .collect(),
        total,
        currency: if request.currency.is_empty() { "EUR".to_owned() } else { request.currency },
        labels: request.labels,
        note: request.note,
        ..Order::default()
    })
}

/// How many orders `request` wants, and which.
pub(super) fn list(request: &ListOrdersRequest) -> Result<(usize, Wanted<'_>), Status> {
    let mut violations = Violations::default();
    violations.require("user_id", &request.user_id);
    let limit = match usize::try_from(request.page_size) {
        Ok(0) => DEFAULT_PAGE,
        Ok(size) if size <= MAX_PAGE => size,
        _ => {
            violations.add("page_size", format!("expected 0 to {MAX_PAGE}, found {}", request.page_size));
            0
        }
    };
    if let Some(filter) = &request.filter {
        for (index, &status) in filter.status.iter().enumerate() {
            if OrderStatus::try_from(status).is_err() {
                violations.add(
                    format!("filter.status[{index}]"),
                    format!("expected a status of OrderStatus, found {status}"),
                );
            }
        }
        if let (Some(min), Some(max)) = (filter.min_total, filter.max_total)
            && min > max
        {
            violations.add("filter.max_total", format!("expected at least min_total ({min}), found {max}"));
        }
    }
    violations.check()?;
    Ok((limit, Wanted(request.filter.as_ref())))
}

/// Which orders a list is to hold.
pub(super) struct Wanted<'a>(Option<&'a OrderFilter>);

impl Wanted<'_> {
    /// Whether `order` meets every condition.
    pub(super) fn wants(&self, order: &Order) -> bool {
        let Some(filter) = self.0 else { return true };
        (filter.status.is_empty() || filter.status.contains(&order.status))
            && filter.min_total.is_none_or(|min| order.total >= min)
            && filter.max_total.is_none_or(|max| order.total <= max)
            && (filter.product_id.is_empty()
                || order.items.iter().any(|item| item.product_id == filter.product_id))
            && filter.created_after.is_none_or(|after| {
                order.created_at.as_ref().is_some_and(|created| instant(created) >= instant(&after))
            })
    }
}

fn check_item(path: &str, item: &OrderItem, violations: &mut Violations) {
    violations.require(format!("{path}.product_id"), &item.product_id);
    if !(1..=MAX_QUANTITY).contains(&item.quantity) {
        violations.add(
            format!("{path}.quantity"),
            format!("expected 1 to {MAX_QUANTITY}, found {}", item.quantity),
        );
    }
    if !(item.unit_price.is_finite() && item.unit_price >= 0.0) {
        violations.add(
            format!("{path}.unit_price"),
            format!("expected a finite price of zero or more, found {}", item.unit_price),
        );
    }
}

fn instant(timestamp: &Timestamp) -> (i64, i32) {
    (timestamp.seconds, timestamp.nanos)
}

/// The most items of one order.
const MAX_ITEMS: usize = 100;

/// The most of one product in an order.
const MAX_QUANTITY: i32 = 1000;

/// The most labels of one order.
const MAX_LABELS: usize = 32;

/// The longest note in bytes.
const MAX_NOTE: usize = 1000;

/// How many orders a list holds when nothing is said.
const DEFAULT_PAGE: usize = 100;

/// The most orders of one list.
const MAX_PAGE: usize = 1000;
