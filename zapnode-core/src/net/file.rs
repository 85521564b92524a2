//! Fetching a file that somebody else's program names.

use hyper::body::{Bytes, Incoming};
use hyper::header::LOCATION;
use hyper::{HeaderMap, Method, Response};
use tokio::time::Instant;
use url::Url;

use super::client::{HttpClient, REDIRECTS, check_url, is_redirect};
use super::error::NetError;
use super::guard::Policy;

impl HttpClient {
    /// Asks for a file, with nothing of ours that could be stolen: so redirects to other hosts are
    /// followed too, as to the storage behind a program. `own` holds for the first address's own
    /// host, `others` for all others.
    ///
    /// # Errors
    /// Why there was no answer. An answer that says no is none.
    pub(crate) async fn open_file(
        &self,
        own: Policy,
        others: Policy,
        url: &Url,
    ) -> Result<Response<Incoming>, NetError> {
        let (began, first) = (Instant::now(), url.origin());
        let (headers, body) = (HeaderMap::new(), Bytes::new());
        let mut url = url.clone();
        for _ in 0..=REDIRECTS {
            let policy = if url.origin() == first { own } else { others };
            let answer = self
                .once(policy, &Method::GET, &url, &headers, &body, began)
                .await?;
            let target = answer.headers().get(LOCATION);
            let target = target.filter(|_| is_redirect(answer.status()));
            let Some(target) = target.and_then(|target| target.to_str().ok()) else {
                return Ok(answer);
            };
            let joined = url.join(target);
            let joined = joined.map_err(|_| NetError::InvalidUrl("a redirect leads nowhere"))?;
            url = check_url(joined.as_str())?;
        }
        Err(NetError::TooManyRedirects)
    }
}
