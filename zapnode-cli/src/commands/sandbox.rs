use clap::Args;
use serde_json::json;
use zapnode_core::sandbox::{Sandbox, SandboxOptions};

use super::{Context, asked_to_end};
use crate::error::CliError;

/// Run a simulated WhatsApp, to try everything without a phone
///
/// Nothing in it reaches the real WhatsApp. It remembers its phones and their linked devices.
#[derive(Args, Debug)]
pub(crate) struct SandboxArgs {
    /// Port of the simulated WhatsApp Web and of the page with its phones
    /// [env: ZAPNODE_SANDBOX_PORT] [default: 3900]
    #[arg(long, value_name = "PORT")]
    port: Option<u16>,
    /// Also offer it over https on this port, with a certificate of its own; 0 picks a free one
    #[arg(long, value_name = "PORT")]
    https_port: Option<u16>,
}

pub(crate) async fn run(args: &SandboxArgs, context: &Context) -> Result<(), CliError> {
    let sandbox = Sandbox::start(SandboxOptions {
        http_port: args.port.unwrap_or(context.settings.sandbox_port),
        https_port: args.https_port,
        state_file: Some(context.settings.sandbox_state_file()),
        ..SandboxOptions::default()
    })
    .await
    .map_err(|error| CliError::other(zapnode_core::with_causes(&error)))?;
    let url = sandbox.url();
    let text = format!(
        "Simulated WhatsApp; nothing here reaches real people.\n\n  \
         Page for sessions  {url}\n  \
         Page of phones     {}\n\n\
         In another terminal:\n\n  \
         ZAPNODE_WEB_URL={url} zapnode login --session demo --data-dir ./demo-data\n\n\
         and scan with a simulated phone on the page of phones. Ctrl-C ends it.",
        sandbox.phones_url()
    );
    context.output.result(
        text,
        &json!({
            "success": true,
            "url": url,
            "httpsUrl": sandbox.https_url(),
            "phonesUrl": sandbox.phones_url(),
        }),
    );
    asked_to_end().await;
    sandbox.shutdown().await;
    Ok(())
}
