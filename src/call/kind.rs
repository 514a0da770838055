//! The shape of a method: who sends how many messages.

/// Cardinality of a method, from the `stream` keywords of its proto definition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// One request message, one response message.
    Unary,
    /// Any number of request messages, one response message.
    ClientStream,
    /// One request message, any number of response messages.
    ServerStream,
    /// Any number of messages both ways.
    Bidi,
}

impl Kind {
    /// From the two `stream` flags of a method descriptor.
    pub fn new(client_streaming: bool, server_streaming: bool) -> Self {
        match (client_streaming, server_streaming) {
            (false, false) => Self::Unary,
            (true, false) => Self::ClientStream,
            (false, true) => Self::ServerStream,
            (true, true) => Self::Bidi,
        }
    }

    /// Whether the caller may send other than exactly one message.
    pub fn client_streaming(self) -> bool {
        matches!(self, Self::ClientStream | Self::Bidi)
    }

    /// Whether the backend may send other than exactly one message.
    pub fn server_streaming(self) -> bool {
        matches!(self, Self::ServerStream | Self::Bidi)
    }

    /// The `grpc_type` label of go-grpc-prometheus.
    pub fn label(self) -> &'static str {
        match self {
            Self::Unary => "unary",
            Self::ClientStream => "client_stream",
            Self::ServerStream => "server_stream",
            Self::Bidi => "bidi_stream",
        }
    }
}
