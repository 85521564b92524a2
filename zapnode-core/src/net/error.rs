//! Why a call to somebody else's address brought no answer.

use std::io;
use std::net::IpAddr;
use std::time::Duration;

use thiserror::Error;

use super::client::REDIRECTS;
use super::guard::AddressKind;

/// Why there was no answer.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum NetError {
    /// Not an address that can be called.
    #[error("{0}")]
    InvalidUrl(&'static str),
    /// It leads into a network that callers must not reach through us.
    #[error("{host} is at {address}, a {kind} address")]
    PrivateAddress {
        /// The host of the URL.
        host: String,
        /// Where it is.
        address: IpAddr,
        /// What that is.
        kind: AddressKind,
    },
    /// The name is not known, or the name servers did not answer.
    #[error("the host name {host} could not be resolved")]
    UnknownHost {
        /// Which.
        host: String,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
    /// Nobody listens there, or the network has no way to it.
    #[error("no connection to {host}")]
    Unreachable {
        /// Which.
        host: String,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
    /// There was no connection in time.
    #[error("no connection to {host} within {} s", .after.as_secs_f32())]
    ConnectTimeout {
        /// Which.
        host: String,
        /// How long it was tried.
        after: Duration,
    },
    /// The certificate is not valid for it, or it speaks no TLS.
    #[error("no secure connection to {host}")]
    Tls {
        /// Which.
        host: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// It was connected and did not answer in time.
    #[error("no answer within {} s", .after.as_secs_f32())]
    Timeout {
        /// How long it was waited for.
        after: Duration,
    },
    /// The connection ended before there was an answer, or what came was no HTTP.
    #[error("the connection ended without an answer")]
    Closed {
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// It sent us to another host, or from https to http.
    #[error("the answer is a redirect to {to}, which is not followed")]
    RedirectElsewhere {
        /// Where to; its origin only.
        to: String,
    },
    /// It sent us around.
    #[error("more than {REDIRECTS} redirects")]
    TooManyRedirects,
}

impl NetError {
    /// The stable word for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::InvalidUrl(_) => "invalid_url",
            Self::PrivateAddress { .. } => "private_address",
            Self::UnknownHost { .. } => "unknown_host",
            Self::Unreachable { .. } => "unreachable",
            Self::ConnectTimeout { .. } => "connect_timeout",
            Self::Tls { .. } => "tls_failed",
            Self::Timeout { .. } => "timeout",
            Self::Closed { .. } => "closed",
            Self::RedirectElsewhere { .. } => "redirect_elsewhere",
            Self::TooManyRedirects => "too_many_redirects",
        }
    }
}
