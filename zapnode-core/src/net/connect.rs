//! From a host's name to a connection: to the very address that was judged.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::Uri;
use hyper_util::rt::TokioIo;
use thiserror::Error;
use tokio::net::TcpStream;
use tokio::time::timeout;
use url::{Host, Url};

use super::error::NetError;
use super::guard::{Policy, classify};

/// How many of a name's addresses are tried.
const ADDRESSES_TRIED: usize = 4;

pub(super) fn host_of(url: &Url) -> String {
    match url.host() {
        Some(Host::Domain(name)) => name.to_owned(),
        Some(Host::Ipv4(ip)) => ip.to_string(),
        Some(Host::Ipv6(ip)) => ip.to_string(),
        None => String::new(),
    }
}

pub(super) fn port_of(url: &Url) -> u16 {
    url.port_or_known_default().unwrap_or(80)
}

pub(super) fn private(host: &str, address: IpAddr) -> NetError {
    NetError::PrivateAddress {
        host: host.to_owned(),
        address,
        kind: classify(address),
    }
}

/// All addresses of a host, which may be an address itself.
pub(super) async fn resolve(
    host: &str,
    port: u16,
    within: Duration,
) -> Result<Vec<SocketAddr>, NetError> {
    if let Ok(ip) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(ip, port)]);
    }
    let unknown = |source| NetError::UnknownHost {
        host: host.to_owned(),
        source,
    };
    let found = match timeout(within, tokio::net::lookup_host((host, port))).await {
        Ok(found) => found.map_err(unknown)?,
        Err(_) => return Err(unknown(io::ErrorKind::TimedOut.into())),
    };
    let addresses: Vec<_> = found.collect();
    if addresses.is_empty() {
        return Err(unknown(io::ErrorKind::NotFound.into()));
    }
    Ok(addresses)
}

/// Connects to what a name resolves to, if that may be called: to that very address, so that a
/// name which changes in between gains nothing.
#[derive(Clone, Debug)]
pub(super) struct Connector {
    pub(super) policy: Policy,
    pub(super) within: Duration,
}

impl Connector {
    async fn connect(self, uri: Uri) -> Result<TokioIo<TcpStream>, NetError> {
        let host = uri.host().unwrap_or_default();
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let usual = if uri.scheme_str() == Some("https") {
            443
        } else {
            80
        };
        let port = uri.port_u16().unwrap_or(usual);
        let addresses = resolve(host, port, self.within).await?;
        let refused = addresses.iter().find(|a| !self.policy.allows(a.ip()));
        let mut failure = refused.map(|a| private(host, a.ip()));
        let allowed = addresses.iter().filter(|a| self.policy.allows(a.ip()));
        for address in allowed.take(ADDRESSES_TRIED) {
            match timeout(self.within, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => {
                    // Requests are small and wanted at once. Without it they only come later.
                    let _ = stream.set_nodelay(true);
                    return Ok(TokioIo::new(stream));
                }
                Ok(Err(source)) => {
                    failure = Some(NetError::Unreachable {
                        host: host.to_owned(),
                        source,
                    });
                }
                Err(_) => {
                    failure = Some(NetError::ConnectTimeout {
                        host: host.to_owned(),
                        after: self.within,
                    });
                }
            }
        }
        Err(failure.unwrap_or(NetError::InvalidUrl("this url cannot be called")))
    }
}

/// Carries our error through the client's, which only lends it: it is taken out once.
#[derive(Debug, Error)]
#[error("not connected")]
pub(super) struct ConnectFailed(std::sync::Mutex<Option<NetError>>);

impl ConnectFailed {
    pub(super) fn take(&self) -> Option<NetError> {
        let mut held = self
            .0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        held.take()
    }
}

impl tower_service::Service<Uri> for Connector {
    type Response = TokioIo<TcpStream>;
    type Error = Box<dyn std::error::Error + Send + Sync>;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connecting = self.clone().connect(uri);
        Box::pin(async move {
            connecting
                .await
                .map_err(|error| ConnectFailed(std::sync::Mutex::new(Some(error))).into())
        })
    }
}
