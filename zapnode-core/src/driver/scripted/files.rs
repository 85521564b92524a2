//! The files of messages in the script's world.

use std::path::Path;

use super::ScriptedDriver;
use crate::driver::file_sink::FileSink;
use crate::driver::{DriverError, DriverEvent};
use crate::id::{MessageId, PhoneNumber, SessionId, WireId};
use crate::message::{Downloaded, IncomingMessage, MediaFacts};

/// The file of a message. One of [`ScriptedFile::new`] can be fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScriptedFile {
    /// What is in it.
    pub bytes: Vec<u8>,
    /// What its sender says it is.
    pub mime_type: String,
    /// Its name.
    pub file_name: Option<String>,
    /// The servers have let go of it.
    pub expired: bool,
    /// The phone still has it, and uploads it again when it is asked.
    pub on_phone: bool,
}

impl ScriptedFile {
    /// A file that is on the servers and on the phone.
    pub fn new(mime_type: &str, bytes: impl Into<Vec<u8>>) -> Self {
        Self {
            bytes: bytes.into(),
            mime_type: mime_type.to_owned(),
            file_name: None,
            expired: false,
            on_phone: true,
        }
    }
}

impl ScriptedDriver {
    /// Somebody sends a document to the session's account.
    pub async fn write_file(
        &self,
        session: &SessionId,
        from: &PhoneNumber,
        file: ScriptedFile,
    ) -> IncomingMessage {
        let mut message = Self::unwritten(from, "document", None);
        message.details.media = Some(MediaFacts {
            mime_type: Some(file.mime_type.clone()),
            file_name: file.file_name.clone(),
            size: Some(file.bytes.len() as u64),
            ..MediaFacts::default()
        });
        self.put_file(&message.id.wire_id(), file);
        let told = DriverEvent::Message(Box::new(message.clone()));
        self.tell(session, told).await;
        message
    }

    /// A message, sent or received, has this file from now on.
    pub fn put_file(&self, message: &WireId, file: ScriptedFile) {
        self.state().files.insert(message.clone(), file);
    }

    fn file_of(&self, id: &MessageId) -> Result<ScriptedFile, DriverError> {
        let file = self.state().files.get(&id.wire_id()).cloned();
        file.ok_or_else(|| DriverError::NoMedia {
            message: id.to_string(),
        })
    }

    pub(super) async fn download(
        &self,
        id: &MessageId,
        to: &Path,
    ) -> Result<Downloaded, DriverError> {
        let file = self.file_of(id)?;
        if file.expired {
            return Err(expired(id, false));
        }
        let mut sink = FileSink::create(to).await?;
        for piece in file.bytes.chunks(1024) {
            sink.write(piece).await?;
        }
        Ok(Downloaded {
            size: sink.size(),
            sha256: sink.finish().await?,
            mime_type: Some(file.mime_type),
            file_name: file.file_name,
        })
    }

    pub(super) fn request_media(&self, id: &MessageId) -> Result<(), DriverError> {
        let file = self.file_of(id)?;
        if file.expired && !file.on_phone {
            return Err(expired(id, true));
        }
        if let Some(file) = self.state().files.get_mut(&id.wire_id()) {
            file.expired = false;
        }
        Ok(())
    }
}

fn expired(id: &MessageId, asked: bool) -> DriverError {
    DriverError::MediaExpired {
        message: id.to_string(),
        asked,
    }
}
