//! `OrderService`, call by call.

use std::time::Duration;

use futures_util::stream::{self, StreamExt, TryStreamExt};
use tokio::time::Instant;
use tonic::Code;
use tonic_types::StatusExt;

use crate::demo::proto::ecommerce::v1::process_orders_request::{Action, Advance, Cancel};
use crate::demo::proto::ecommerce::v1::{
    CreateOrderRequest, GetOrderRequest, ListOrdersRequest, OrderFilter, OrderItem, OrderStatus,
    ProcessOrdersRequest, WatchOrderRequest,
};
use crate::demo::proto::google::rpc;

use super::{Backend, fields};

#[tokio::test]
async fn an_order_is_placed_and_found() {
    let backend = Backend::start().await;
    let request = CreateOrderRequest {
        user_id: "alice".into(),
        items: vec![item("tea-green", 3, 4.5), item("cup-blue", 1, 12.25)],
        note: Some(String::new()),
        ..CreateOrderRequest::default()
    };
    let placed = backend.orders().create_order(request).await.unwrap().into_inner();
    assert_eq!((placed.total, placed.status()), (25.75, OrderStatus::Pending));
    assert_eq!(placed.buyer.as_ref().unwrap().display_name, "Alice Archer");
    assert_eq!(placed.items[0].name, "tea-green");
    assert_eq!(placed.note.as_deref(), Some(""));

    let order_id = placed.order_id.clone();
    let found = backend.orders().get_order(GetOrderRequest { order_id }).await.unwrap().into_inner();
    assert_eq!(found, placed);
}

#[tokio::test]
async fn wrong_requests_name_each_wrong_field() {
    let backend = Backend::start().await;
    let request = CreateOrderRequest {
        items: vec![item("tea-green", 1, 1.0), item("", 0, f64::NAN)],
        currency: "euro".into(),
        note: Some("x".repeat(1001)),
        ..CreateOrderRequest::default()
    };
    let status = backend.orders().create_order(request).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    let wrong =
        ["user_id", "items[1].product_id", "items[1].quantity", "items[1].unit_price", "currency", "note"];
    assert_eq!(fields(&status), wrong);
    assert_eq!(status.message(), "user_id: expected a value, found none (and 5 more)");

    let filter = OrderFilter {
        status: vec![1, 77],
        min_total: Some(2.0),
        max_total: Some(1.0),
        ..OrderFilter::default()
    };
    let request = ListOrdersRequest { user_id: "alice".into(), page_size: -1, filter: Some(filter) };
    let status = backend.orders().list_orders(request).await.unwrap_err();
    assert_eq!(fields(&status), ["page_size", "filter.status[1]", "filter.max_total"]);
}

#[tokio::test]
async fn what_is_not_there_is_named() {
    let backend = Backend::start().await;
    let request = GetOrderRequest { order_id: "order-0".into() };
    let status = backend.orders().get_order(request).await.unwrap_err();
    assert_eq!(status.code(), Code::NotFound);
    let resource = status.get_details_resource_info().unwrap();
    assert_eq!(resource.resource_type, "ecommerce.v1.Order");
    assert_eq!(resource.resource_name, "order-0");

    let request = ListOrdersRequest { user_id: "mallory".into(), ..ListOrdersRequest::default() };
    let status = backend.orders().list_orders(request).await.unwrap_err();
    assert_eq!(status.get_details_resource_info().unwrap().resource_type, "ecommerce.v1.User");
}

#[tokio::test]
async fn orders_are_listed_as_the_filter_says() {
    let backend = Backend::start().await;
    let list = async |user_id: &str, page_size, filter| {
        let request = ListOrdersRequest { user_id: user_id.to_owned(), page_size, filter };
        let orders = backend.orders().list_orders(request).await.unwrap().into_inner();
        orders.map_ok(|order| order.order_id).try_collect::<Vec<_>>().await.unwrap()
    };
    let any = OrderFilter::default();
    let open_or_done = vec![OrderStatus::Pending.into(), OrderStatus::Delivered.into()];
    // The time at which order-4 was placed, four days after the start of all.
    let fourth = prost_types::Timestamp { seconds: 1_735_723_800 + 4 * 86_400, nanos: 0 };
    let cases: [(_, _, _, &[&str]); 7] = [
        ("alice", 0, None, &["order-1", "order-2", "order-4"]),
        ("alice", 2, None, &["order-1", "order-2"]),
        ("carol", 0, None, &[]),
        ("alice", 0, Some(OrderFilter { status: open_or_done, ..any.clone() }), &["order-1", "order-4"]),
        (
            "alice",
            0,
            Some(OrderFilter { min_total: Some(49.0), max_total: Some(59.0), ..any.clone() }),
            &["order-2", "order-4"],
        ),
        (
            "bob",
            0,
            Some(OrderFilter { product_id: "pot-iron".into(), ..any.clone() }),
            &["order-3", "order-5"],
        ),
        ("alice", 0, Some(OrderFilter { created_after: Some(fourth), ..any }), &["order-4"]),
    ];
    for (user_id, page_size, filter, expected) in cases {
        assert_eq!(
            list(user_id, page_size, filter.clone()).await,
            expected,
            "{user_id} {page_size} {filter:?}"
        );
    }
}

#[tokio::test]
async fn a_watched_order_arrives_step_by_step() {
    let backend = Backend::start().await;
    let watch = async |order_id: &str| {
        let request = WatchOrderRequest { order_id: order_id.to_owned() };
        let updates = backend.orders().watch_order(request).await.unwrap().into_inner();
        let seen = updates.map_ok(|update| (update.sequence, update.previous_status(), update.status()));
        seen.try_collect::<Vec<_>>().await.unwrap()
    };
    let start = Instant::now();
    let expected = [
        (1, OrderStatus::Unspecified, OrderStatus::Packed),
        (2, OrderStatus::Packed, OrderStatus::Shipped),
        (3, OrderStatus::Shipped, OrderStatus::Delivered),
    ];
    assert_eq!(watch("order-6").await, expected);
    assert!(start.elapsed() >= Duration::from_millis(600), "took {:?}", start.elapsed());
    // Watching moves nothing.
    assert_eq!(watch("order-6").await, expected);
    assert_eq!(watch("order-5").await, [(1, OrderStatus::Unspecified, OrderStatus::Cancelled)]);
}

#[tokio::test]
async fn a_batch_tells_what_became_of_each() {
    let backend = Backend::start().await;
    let good = CreateOrderRequest {
        user_id: "bob".into(),
        items: vec![item("cup-blue", 2, 10.0)],
        ..CreateOrderRequest::default()
    };
    let unknown = CreateOrderRequest { user_id: "mallory".into(), ..good.clone() };
    let batch = [good.clone(), unknown, CreateOrderRequest::default(), good.clone()];
    let summary = backend.orders().batch_create_orders(stream::iter(batch)).await.unwrap().into_inner();
    assert_eq!((summary.created_count, summary.rejected_count, summary.total), (2, 2, 40.0));
    assert_eq!(summary.order_ids.len(), 2);
    let rejected: Vec<_> =
        summary.rejections.iter().map(|one| (one.index, one.error.as_ref().unwrap())).collect();
    assert_eq!((rejected[0].0, rejected[0].1.code), (1, rpc::Code::NotFound.into()));
    assert_eq!((rejected[1].0, rejected[1].1.code), (2, rpc::Code::InvalidArgument.into()));
    assert_eq!(rejected[1].1.details[0].type_url, "type.googleapis.com/google.rpc.BadRequest");

    for (orders, expected) in [(1000, Code::Ok), (1001, Code::ResourceExhausted)] {
        let many = stream::iter(std::iter::repeat_n(good.clone(), orders));
        let code =
            backend.orders().batch_create_orders(many).await.err().map_or(Code::Ok, |status| status.code());
        assert_eq!(code, expected, "{orders} orders");
    }
}

#[tokio::test]
async fn orders_are_processed_one_by_one() {
    let backend = Backend::start().await;
    let (requests, inbound) = tokio::sync::mpsc::channel(1);
    let inbound = tokio_stream::wrappers::ReceiverStream::new(inbound);
    let mut updates = backend.orders().process_orders(inbound).await.unwrap().into_inner();
    let cancel = Some(Action::Cancel(Cancel { reason: "changed my mind".into() }));
    let advance = Some(Action::Advance(Advance {}));
    let cases = [
        ("order-2", advance.clone(), OrderStatus::Packed, "order-2 is packed", None),
        ("order-2", cancel, OrderStatus::Cancelled, "order-2 is cancelled: changed my mind", None),
        ("order-2", advance.clone(), OrderStatus::Cancelled, "not done", Some(rpc::Code::FailedPrecondition)),
        ("order-0", advance, OrderStatus::Unspecified, "not done", Some(rpc::Code::NotFound)),
        ("order-1", None, OrderStatus::Pending, "not done", Some(rpc::Code::InvalidArgument)),
    ];
    for ((order_id, action, status, message, error), sequence) in cases.into_iter().zip(1..) {
        // The answer comes while the caller has not said that it is done.
        requests.send(ProcessOrdersRequest { order_id: order_id.into(), action }).await.unwrap();
        let update = updates.message().await.unwrap().unwrap();
        assert_eq!((update.status(), update.message.as_str()), (status, message));
        assert_eq!(update.error.map(|status| status.code), error.map(i32::from));
        assert_eq!(update.sequence, sequence);
    }
    drop(requests);
    assert_eq!(updates.next().await.transpose().unwrap(), None);
}

fn item(product_id: &str, quantity: i32, unit_price: f64) -> OrderItem {
    OrderItem { product_id: product_id.into(), quantity, unit_price, ..OrderItem::default() }
}
