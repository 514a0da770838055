//! What backends of scenarios do.

use std::time::Duration;

use edgeway::demo::proto::ecommerce::v1::Order;

use crate::scripted::{Call, Step, message, status};

/// The head of an answer, which says by which address it comes.
pub fn head(call: &Call) -> Step {
    Step::Head(200, vec![("content-type", "application/grpc".into()), ("x-peer", call.port.to_string())])
}

/// A message that is one of every method here.
pub fn order() -> Step {
    // `OrderUpdate` has the same first field, so that it is an answer of `WatchOrder` as well.
    message(&Order { order_id: "order-1".into(), ..Order::default() })
}

/// Acts on the call and answers it.
pub fn answer(call: &Call) -> Vec<Step> {
    vec![Step::Request, Step::Execute, head(call), order(), status(0)]
}

/// The same, after some time.
pub fn answer_after(call: &Call, time: Duration) -> Vec<Step> {
    vec![Step::Request, Step::Execute, Step::Wait(time), head(call), order(), status(0)]
}

/// Acts on the call and fails it with a status, in one head as servers do.
pub fn fail(call: &Call, code: u16) -> Vec<Step> {
    let headers = vec![
        ("content-type", "application/grpc".into()),
        ("x-peer", call.port.to_string()),
        ("grpc-status", code.to_string()),
    ];
    vec![Step::Request, Step::Execute, Step::Only(200, headers)]
}

/// Sends so many messages and leaves the stream open until [`Scripted::release`](crate::scripted::Scripted::release)
/// names the call; then it ends well.
pub fn hold_after(call: &Call, messages: usize) -> Vec<Step> {
    let mut steps = vec![Step::Request, Step::Execute, head(call)];
    steps.extend(std::iter::repeat_with(order).take(messages));
    steps.extend([Step::Hold, status(0)]);
    steps
}

/// Whether the call is of a stream.
pub fn is_stream(call: &Call) -> bool {
    call.path.ends_with("/WatchOrder")
}
