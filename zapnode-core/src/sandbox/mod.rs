//! A simulated WhatsApp on loopback: servers, the web page, and phones one can script. Nothing here
//! reaches the real WhatsApp.
//!
//! A browser opens [`Sandbox::url`] and finds a page with the module surface of WhatsApp Web, as far
//! as our fact sheet has it, with its asynchrony and its traps; each trap is a switch in [`Faults`].
//! [`Sandbox::phone`] gives the phone that scans the page's QR, writes, reads and logs out. The same
//! can be done over HTTP under `/_sandbox/`, and by people at [`Sandbox::phones_url`].
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use std::time::Duration;
//! use zapnode_core::PhoneNumber;
//! use zapnode_core::sandbox::{Sandbox, SandboxOptions};
//!
//! let sandbox = Sandbox::start(SandboxOptions::default()).await?;
//! // … a session opens sandbox.url() and shows a QR …
//! let ana = sandbox.phone(&PhoneNumber::new("244929782402")?);
//! let qr = ana.wait_for_qr(Duration::from_secs(10)).await?;
//! ana.scan(&qr.qr).await?;
//! # Ok(())
//! # }
//! ```
//!
//! # Over HTTP
//!
//! | Request under `/_sandbox/` | Body | What it does |
//! |---|---|---|
//! | `POST phones/{number}/scan` | `{"qr"}` or nothing | scans that QR, or the only one shown |
//! | `POST phones/{number}/code` | `{"code"}` | types a pairing code |
//! | `POST phones/{number}/deliver` | `{"to","text"}` or `{"from","text"}`, optional `kind`, `quoted`, `mentions`, `fields` | this phone writes (to a number or a group), or somebody to it |
//! | `POST phones/{number}/file?to=&kind=` | the file's bytes, with their `Content-Type`; in the query also `from`, `caption`, `name`, `duration`, `viewOnce` | this phone sends a file, or somebody to it; kinds: `image`, `video`, `gif`, `audio`, `ptt`, `document`, `sticker` |
//! | `GET phones/{number}/messages/{id}/file` | | the bytes of a message's file, as the phone decrypts them |
//! | `POST phones/{number}/edit` | `{"id","text"}` | changes a message it wrote |
//! | `POST phones/{number}/revoke`, `/delete` | `{"id"}` | takes a message back for everyone, or deletes it here |
//! | `POST phones/{number}/react` | `{"id","emoji"}` | reacts; an empty emoji takes that away |
//! | `POST phones/{number}/star` | `{"id","on"}` | stars a message, or takes the star away |
//! | `POST phones/{number}/vote` | `{"id","options"}` | votes in a poll, the options by their place |
//! | `POST phones/{number}/pin` | `{"id","seconds"}` | pins a message in its chat; 0 unpins it |
//! | `POST phones/{number}/call` | `{"to","video"}` | calls a number or a group |
//! | `POST phones/{number}/group` | `{"act":"create","subject","members"}`; `{"act","group", …}` with `add`, `remove`, `promote`, `demote` (`members`), `join`, `requestToJoin`, `leave`, `picture`, `subject`, `description` (`text`), `announce`, `restrict`, `adminsAdd`, `approval` (`on`), `ephemeral` (`seconds`), `approve`, `reject` (`members`), `invite`; `create` also with `community` | founds a group, or acts in one; `invite` answers with its `code` |
//! | `POST phones/{number}/channel` | `{"act":"create","name"}`, `{"act":"post","channel","text"}` | makes a channel, or posts to one |
//! | `POST phones/{number}/status` | `{"text"}` | shows a text as the account's status |
//! | `POST phones/{number}/labels` | `{"names"}` | the account is WhatsApp Business, with these labels |
//! | `POST phones/{number}/invite-only` | `{"on"}` | the account can only be invited to groups, or be added |
//! | `POST phones/{number}/profile` | any of `{"about","picture","business"}` | changes what the account shows; the picture is a JPEG in base64 |
//! | `POST phones/{number}/contact` | `{"number","name"}` | puts somebody into its address book |
//! | `POST phones/{number}/card` | `{"chat"}` or nothing | what it has besides messages; how that chat is marked |
//! | `POST phones/{number}/read` | `{"chat"}` or nothing | reads a chat, or all |
//! | `POST phones/{number}/logout` | – | removes the linked devices |
//! | `POST phones/{number}/offline`, `/online` | – | takes the phone's network away, or gives it back |
//! | `POST phones/{number}/reload` | – | the account's pages load themselves anew |
//! | `POST phones/{number}/state` | `{"state"}`, `null` ends it | forces a socket state on the account's pages |
//! | `GET phones`, `GET phones/{number}/messages`, `GET groups` | | the phones; what is on one; the groups |
//! | `GET faults`, `POST faults` | part of [`Faults`], or `{"reset":true}` | the switches |
//! | `GET state`, `GET state?since={revision}` | | everything; waits for news |
//!
//! A refusal is `{"success":false,"error","code"}`. Every number has WhatsApp except those that
//! begin with 000; an account comes to be when its number is first used.

mod account;
mod acts;
mod control;
mod control_acts;
mod control_people;
mod delivery;
mod faults;
mod feeds;
mod frames;
mod group_calls;
mod groups;
mod happenings;
mod hub;
mod linking;
mod media;
mod media_acts;
mod page;
mod people;
mod phone;
mod phone_acts;
mod qr;
mod server;
mod socket;
mod state_file;
#[cfg(test)]
mod tests;
mod wire;
mod world;

pub use account::{Marks, PhoneMessage};
pub use faults::{
    AckOrder, Addressing, CallCollection, CallPath, ChatRecord, Ciphertext, DebugObject, Dialog,
    Faults, ForwardKey, GroupModules, HasSynced, HistoryFind, Hold, InvalidFaults, LoadEarlier,
    LogoutEvent, MissingModule, MsgKeyExport, MsgKeyForm, PrepSend, ReactionSend, ReactionTable,
    RefusalNumber, Reupload, SendResult, SendReturns, SendSeen, Servers, Uploads,
};
pub use feeds::ChannelView;
pub use group_calls::GroupView;
pub use groups::{GroupAct, GroupId, Notice, Place};
pub use media_acts::PhoneFile;
pub use people::{ChatMarks, RejectedCall};
pub use phone::{Phone, PhoneError, WaitingQr};
pub use phone_acts::Draft;
pub use qr::{InvalidQrText, QrText};
pub use server::{Sandbox, SandboxError, SandboxOptions};
