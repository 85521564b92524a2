//! One session through builds of WhatsApp's page that differ in every way the driver must not mind
//! (fact sheet App. B). In a process of its own: it asks most of the machine.
#![cfg(feature = "sandbox")]

mod chrome_support;

use chrome_support::Bench;
use chrome_support::simulated::{logged_in, sandbox, talk};
use zapnode_core::sandbox::{
    AckOrder, Addressing, CallCollection, ChatRecord, Ciphertext, DebugObject, Dialog, Faults,
    HasSynced, MissingModule, MsgKeyExport, MsgKeyForm, SendResult, SendReturns, SendSeen,
};

/// One linked session goes through builds that differ in every way the driver must not mind.
#[tokio::test(flavor = "multi_thread")]
async fn builds_of_every_kind_send_and_receive() {
    let sandbox = sandbox(|_| {}).await;
    let bench = Bench::new(&sandbox.url());
    let mut session = logged_in(&sandbox, &bench).await;
    let builds: Vec<(&str, Faults)> = vec![
        (
            "old keys, null modules, hasSynced before we listen",
            Faults {
                msg_key: MsgKeyForm::Serialized,
                missing_module: MissingModule::Null,
                has_synced: HasSynced::BeforeAttach,
                debug: DebugObject::Absent,
                addressing: Addressing::Pn,
                chat_record: ChatRecord::Model,
                ..Faults::default()
            },
        ),
        (
            "default exports, undefined modules, late require, hasSynced flips, SYNCING for a while",
            Faults {
                msg_key_export: MsgKeyExport::Default,
                missing_module: MissingModule::Undefined,
                require_delay_ms: 600,
                module_delay_ms: 150,
                has_synced: HasSynced::Flips,
                syncing_ms: 500,
                addressing: Addressing::Lid,
                send_returns: SendReturns::Promise,
                acks: AckOrder::Shuffled,
                ..Faults::default()
            },
        ),
        (
            "calls throw, frames move, late results, repeated acks, sendSeen throws",
            Faults {
                call_collection: CallCollection::Throws,
                iframe_navigation: true,
                send_result: SendResult::Late,
                acks: AckOrder::Repeated,
                send_seen: SendSeen::Throws,
                debug: DebugObject::Present,
                ..Faults::default()
            },
        ),
        (
            "no optional modules, results that never come, undecrypted first",
            Faults {
                missing_modules: [
                    "WAWebStreamModel",
                    "WAWebGetEphemeralFieldsMsgActionsUtils",
                    "WAWebMsgReply",
                    "WAWebOfflineHandler",
                    "WAWebAltDeviceLinkingApi",
                    "WAWebLidMigrationUtils",
                    "WAWebCmd",
                ]
                .map(str::to_owned)
                .to_vec(),
                send_result: SendResult::Never,
                ciphertext: Ciphertext::Resolves,
                call_collection: CallCollection::Missing,
                ..Faults::default()
            },
        ),
        (
            "a burst of history, and dialogs",
            Faults {
                history_burst: 3000,
                dialog: Dialog::Alert,
                ..Faults::default()
            },
        ),
    ];
    for (build, faults) in builds {
        tracing::info!(build);
        sandbox.set_faults(faults);
        session.reload().await;
        talk(&sandbox, &mut session).await;
    }
    session.close().await;
}
