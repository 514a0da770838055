//! Labels of what keeps failures of backends from callers.
//!
//! Where a label is gRPC's its values are, too: those of gRFC A91 and A94.

use super::label::label;

label! {
    /// `result` of `edgeway_health_checks_total`.
    pub enum HealthResult {
        /// SERVING.
        Serving => "serving",
        /// Any other serving status, or a service that the backend does not know.
        NotServing => "not_serving",
        /// A status or an error in place of an answer.
        Failed => "failed",
        /// No answer in time.
        Timeout => "timeout",
        /// The backend has no health service, and so counts as healthy.
        Unimplemented => "unimplemented",
    }
}

label! {
    /// `grpc_lb_outlier_detection_detection_method` of gRFC A91.
    pub enum DetectionMethod {
        /// Failures in a row; gRPC itself has no such detector.
        ConsecutiveFailures => "consecutive_failures",
        /// A success rate far below that of the others.
        SuccessRate => "success_rate",
        /// More failures than a fixed percentage.
        FailurePercentage => "failure_percentage",
    }
}

label! {
    /// `grpc_lb_outlier_detection_unenforced_reason` of gRFC A91.
    pub enum UnenforcedReason {
        /// The chance of `enforcement_percentage` was against it.
        EnforcementPercentage => "enforcement_percentage",
        /// `max_ejection_percent` are out already.
        MaxEjectionOverflow => "max_ejection_overflow",
    }
}

label! {
    /// `breaker` of `edgeway_circuit_state`.
    pub enum Breaker {
        /// `max_connections`.
        Connections => "max_connections",
        /// `max_requests`.
        Requests => "max_requests",
        /// `max_pending_requests`.
        Pending => "max_pending_requests",
        /// `max_retries` and `retry_budget_percent`.
        Retries => "max_retries",
    }
}

label! {
    /// `reason` of `edgeway_shed_total`: the limit that a call, a retry or a connection was one too many for.
    pub enum Shed {
        /// `circuit_breakers.max_connections`.
        Connections => "max_connections",
        /// `circuit_breakers.max_requests`.
        Requests => "max_requests",
        /// `circuit_breakers.max_pending_requests`.
        Pending => "max_pending_requests",
        /// `circuit_breakers.queue_timeout`.
        QueueTimeout => "queue_timeout",
        /// `circuit_breakers.max_retries` and `retry_budget_percent`; the failure before it stands.
        Retries => "max_retries",
        /// `adaptive_concurrency`.
        Concurrency => "adaptive_concurrency",
    }
}

label! {
    /// `grpc_disconnect_error` of gRFC A94: the first reason that was seen.
    pub enum DisconnectError {
        /// GOAWAY with this code, as the next ones.
        NoError => "GOAWAY NO_ERROR",
        /// Code 1.
        ProtocolError => "GOAWAY PROTOCOL_ERROR",
        /// Code 2.
        InternalError => "GOAWAY INTERNAL_ERROR",
        /// Code 3.
        FlowControlError => "GOAWAY FLOW_CONTROL_ERROR",
        /// Code 4.
        SettingsTimeout => "GOAWAY SETTINGS_TIMEOUT",
        /// Code 5.
        StreamClosed => "GOAWAY STREAM_CLOSED",
        /// Code 6.
        FrameSizeError => "GOAWAY FRAME_SIZE_ERROR",
        /// Code 7.
        RefusedStream => "GOAWAY REFUSED_STREAM",
        /// Code 8.
        Cancel => "GOAWAY CANCEL",
        /// Code 9.
        CompressionError => "GOAWAY COMPRESSION_ERROR",
        /// Code 10.
        ConnectError => "GOAWAY CONNECT_ERROR",
        /// Code 11.
        EnhanceYourCalm => "GOAWAY ENHANCE_YOUR_CALM",
        /// Code 12.
        InadequateSecurity => "GOAWAY INADEQUATE_SECURITY",
        /// Code 13.
        Http11Required => "GOAWAY HTTP_1_1_REQUIRED",
        /// Edgeway closed it: the endpoint left, the connection was too old, the gateway ended.
        SubchannelShutdown => "subchannel shutdown",
        /// ECONNRESET.
        ConnectionReset => "connection reset",
        /// ETIMEDOUT, or a ping that nobody answered.
        ConnectionTimedOut => "connection timed out",
        /// ECONNABORTED.
        ConnectionAborted => "connection aborted",
        /// Any other error of the socket.
        SocketError => "socket error",
        /// Anything else.
        Unknown => "unknown",
    }
}

impl DisconnectError {
    /// That of a GOAWAY with this HTTP/2 error code (RFC 9113 section 7).
    pub fn goaway(code: u32) -> Self {
        match code {
            0 => Self::NoError,
            1 => Self::ProtocolError,
            2 => Self::InternalError,
            3 => Self::FlowControlError,
            4 => Self::SettingsTimeout,
            5 => Self::StreamClosed,
            6 => Self::FrameSizeError,
            7 => Self::RefusedStream,
            8 => Self::Cancel,
            9 => Self::CompressionError,
            10 => Self::ConnectError,
            11 => Self::EnhanceYourCalm,
            12 => Self::InadequateSecurity,
            13 => Self::Http11Required,
            _ => Self::Unknown,
        }
    }

    /// That of a socket's error.
    pub fn io(kind: std::io::ErrorKind) -> Self {
        match kind {
            std::io::ErrorKind::ConnectionReset => Self::ConnectionReset,
            std::io::ErrorKind::TimedOut => Self::ConnectionTimedOut,
            std::io::ErrorKind::ConnectionAborted => Self::ConnectionAborted,
            _ => Self::SocketError,
        }
    }
}
