//! `OrderService`: the shop.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures_util::stream::{self, BoxStream, StreamExt};
use tonic::{Request, Response, Status, Streaming};

use super::failure;
use super::order_request;
use super::proto::ecommerce::v1::order_service_server::OrderService;
use super::proto::ecommerce::v1::process_orders_request::Action;
use super::proto::ecommerce::v1::{
    BatchCreateOrdersResponse, BatchRejection, CreateOrderRequest, GetInvoiceRequest, GetOrderRequest,
    ListOrdersRequest, Order, OrderItem, OrderStatus, OrderUpdate, ProcessOrdersRequest, WatchOrderRequest,
};
use super::proto::google::api::HttpBody;
use super::store::{self, Store};
use super::violations::Violations;

/// The service of one backend, over a store of its own.
#[derive(Debug)]
pub(super) struct Orders {
    store: Arc<Store>,
}

impl Orders {
    /// The shop of the backend `name`, with the orders of the start.
    pub(super) fn new(name: &str) -> Self {
        Self { store: Arc::new(Store::new(name)) }
    }
}

#[tonic::async_trait]
impl OrderService for Orders {
    type WatchOrderStream = BoxStream<'static, Result<OrderUpdate, Status>>;
    type ListOrdersStream = BoxStream<'static, Result<Order, Status>>;
    type ProcessOrdersStream = BoxStream<'static, Result<OrderUpdate, Status>>;

    async fn create_order(&self, request: Request<CreateOrderRequest>) -> Result<Response<Order>, Status> {
        Ok(Response::new(place(&self.store, request.into_inner())?))
    }

    async fn get_order(&self, request: Request<GetOrderRequest>) -> Result<Response<Order>, Status> {
        Ok(Response::new(find(&self.store, &request.get_ref().order_id)?))
    }

    async fn get_invoice(&self, request: Request<GetInvoiceRequest>) -> Result<Response<HttpBody>, Status> {
        let order = find(&self.store, &request.get_ref().order_id)?;
        Ok(Response::new(HttpBody {
            content_type: "text/plain; charset=utf-8".to_owned(),
            data: invoice(&order).into(),
            extensions: Vec::new(),
        }))
    }

    async fn watch_order(
        &self,
        request: Request<WatchOrderRequest>,
    ) -> Result<Response<Self::WatchOrderStream>, Status> {
        let order = find(&self.store, &request.get_ref().order_id)?;
        let step = Step { order_id: order.order_id.clone(), previous: None, sequence: 1 };
        let updates = stream::unfold(Some((step, order.status())), |next| async move {
            let (step, status) = next?;
            if step.previous.is_some() {
                tokio::time::sleep(STEP).await;
            }
            let update = step.update(status);
            let following = Step { previous: Some(status), sequence: step.sequence + 1, ..step };
            Some((Ok(update), store::next(status).map(|next| (following, next))))
        });
        Ok(Response::new(updates.boxed()))
    }

    async fn list_orders(
        &self,
        request: Request<ListOrdersRequest>,
    ) -> Result<Response<Self::ListOrdersStream>, Status> {
        let request = request.into_inner();
        let (limit, filter) = order_request::list(&request)?;
        let user = self.store.user(&request.user_id)?;
        let orders = self.store.orders_of(user, limit, |order| filter.wants(order));
        Ok(Response::new(stream::iter(orders).map(Ok).boxed()))
    }

    async fn batch_create_orders(
        &self,
        request: Request<Streaming<CreateOrderRequest>>,
    ) -> Result<Response<BatchCreateOrdersResponse>, Status> {
        let mut requests = request.into_inner();
        let mut summary = BatchCreateOrdersResponse::default();
        let mut index = 0;
        while let Some(request) = requests.message().await? {
            if index == MAX_BATCH {
                return Err(Status::resource_exhausted(format!(
                    "expected a batch of at most {MAX_BATCH} orders, found more: send them in several batches"
                )));
            }
            match place(&self.store, request) {
                Ok(order) => {
                    summary.created_count += 1;
                    summary.total += order.total;
                    summary.order_ids.push(order.order_id);
                }
                Err(status) => {
                    summary.rejected_count += 1;
                    summary.rejections.push(BatchRejection { index, error: Some(failure::message(&status)) });
                }
            }
            index += 1;
        }
        Ok(Response::new(summary))
    }

    async fn process_orders(
        &self,
        request: Request<Streaming<ProcessOrdersRequest>>,
    ) -> Result<Response<Self::ProcessOrdersStream>, Status> {
        let store = Arc::clone(&self.store);
        let mut sequence = 0_i32;
        let updates = request.into_inner().map(move |request| {
            let request = request?;
            sequence = sequence.wrapping_add(1);
            let update = process(&store, &request).unwrap_or_else(|status| OrderUpdate {
                message: "not done".to_owned(),
                occurred_at: Some(SystemTime::now().into()),
                status: store.order(&request.order_id).map(|order| order.status).unwrap_or_default(),
                error: Some(failure::message(&status)),
                order_id: request.order_id,
                ..OrderUpdate::default()
            });
            Ok(OrderUpdate { sequence, ..update })
        });
        Ok(Response::new(updates.boxed()))
    }
}

fn invoice(order: &Order) -> String {
    let buyer = order.buyer.as_ref().map_or("", |buyer| &buyer.display_name);
    let mut text = format!("Invoice of {} for {buyer}\n\n", order.order_id);
    for OrderItem { name, quantity, unit_price, .. } in &order.items {
        let price = f64::from(*quantity) * unit_price;
        text.push_str(&format!("{quantity:>4} {name:<24} {price:>10.2}\n"));
    }
    text.push_str(&format!("     {:<24} {:>10.2} {}\n", "Total", order.total, order.currency));
    text
}

/// One step of the journey that a watcher sees.
struct Step {
    order_id: String,
    previous: Option<OrderStatus>,
    sequence: i32,
}

impl Step {
    fn update(&self, status: OrderStatus) -> OrderUpdate {
        OrderUpdate {
            order_id: self.order_id.clone(),
            status: status.into(),
            previous_status: self.previous.unwrap_or_default().into(),
            message: format!("{} is {}", self.order_id, store::status_word(status)),
            occurred_at: Some(SystemTime::now().into()),
            sequence: self.sequence,
            error: None,
        }
    }
}

fn place(store: &Store, request: CreateOrderRequest) -> Result<Order, Status> {
    let mut order = order_request::create(request)?;
    if let Some(buyer) = &mut order.buyer {
        *buyer = store.user(&buyer.user_id)?.clone();
    }
    Ok(store.place(order))
}

fn find(store: &Store, order_id: &str) -> Result<Order, Status> {
    let mut violations = Violations::default();
    violations.require("order_id", order_id);
    violations.check()?;
    Ok(store.order(order_id)?)
}

fn process(store: &Store, request: &ProcessOrdersRequest) -> Result<OrderUpdate, Status> {
    let mut violations = Violations::default();
    violations.require("order_id", &request.order_id);
    if request.action.is_none() {
        violations.add("action", "expected `advance` or `cancel`, found neither");
    }
    violations.check()?;
    let ((previous, order), reason) = match &request.action {
        Some(Action::Cancel(cancel)) => (store.cancel(&request.order_id)?, cancel.reason.as_str()),
        Some(Action::Advance(_)) | None => (store.advance(&request.order_id)?, ""),
    };
    let mut message = format!("{} is {}", order.order_id, store::status_word(order.status()));
    if !reason.is_empty() {
        message.push_str(": ");
        message.push_str(reason);
    }
    Ok(OrderUpdate {
        order_id: order.order_id,
        status: order.status,
        previous_status: previous.into(),
        message,
        occurred_at: order.updated_at,
        ..OrderUpdate::default()
    })
}

/// How long a watched order takes from one status to the next.
const STEP: Duration = Duration::from_millis(300);

/// The most orders of one batch; the summary names each.
const MAX_BATCH: i32 = 1000;
