//! The few words that the bridge itself says to agents, in their language.

use serde::{Deserialize, Serialize};

use crate::event::StatusReason;

/// The language of the bridge's own words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// English.
    #[default]
    En,
    /// Portuguese.
    Pt,
}

/// The words of one language.
#[derive(Debug)]
pub struct Words {
    language: Language,
    pub(super) edited: &'static str,
    pub(super) revoked: &'static str,
    pub(super) reacted: &'static str,
    pub(super) unreacted: &'static str,
    pub(super) call: &'static str,
    pub(super) video_call: &'static str,
    pub(super) not_taken_back: &'static str,
    pub(super) not_taken: &'static str,
    pub(super) no_addressee: &'static str,
    pub(super) restored: &'static str,
    pub(super) scan: &'static str,
    pub(super) no_code: &'static str,
    pub(super) commands: &'static str,
    kinds: &'static [(&'static str, &'static str)],
}

const EN: Words = Words {
    language: Language::En,
    edited: "✏️ Edited:",
    revoked: "🚫 This message was deleted on WhatsApp.",
    reacted: "Reacted:",
    unreacted: "Took the reaction back.",
    call: "📞 Called on WhatsApp.",
    video_call: "📹 Video call on WhatsApp.",
    not_taken_back: "This message was deleted here, but it cannot be taken back on WhatsApp: the recipient still has it.",
    not_taken: "⚠️ A message came that Chatwoot does not take; it is on the phone.",
    restored: "A backup was brought back; whether this was sent cannot be known. Send it again if it is missing on the phone.",
    no_addressee: "Nothing says to whom on WhatsApp this goes: give the contact a phone number.",
    scan: "Scan this QR with the phone: WhatsApp → Settings → Linked devices. It changes every 20 to 60 seconds; write *qr* for the current one.",
    no_code: "There is no QR to scan right now.",
    commands: "Write *status*, *qr*, *start* or *stop*.",
    kinds: &[
        ("image", "image"),
        ("video", "video"),
        ("audio", "audio"),
        ("ptt", "voice message"),
        ("document", "document"),
        ("sticker", "sticker"),
        ("location", "location"),
        ("album", "album"),
        ("vcard", "contact"),
        ("multi_vcard", "contacts"),
        ("poll_creation", "poll"),
        ("event_creation", "event"),
        ("groups_v4_invite", "group invitation"),
        ("order", "order"),
        ("product", "product"),
        ("list", "list"),
        ("payment", "payment"),
    ],
};

const PT: Words = Words {
    language: Language::Pt,
    edited: "✏️ Editada:",
    revoked: "🚫 Esta mensagem foi apagada no WhatsApp.",
    reacted: "Reagiu:",
    unreacted: "Retirou a reação.",
    call: "📞 Ligou pelo WhatsApp.",
    video_call: "📹 Chamada de vídeo pelo WhatsApp.",
    not_taken_back: "Esta mensagem foi apagada aqui, mas não pode ser apagada no WhatsApp: quem a recebeu ainda a tem.",
    not_taken: "⚠️ Chegou uma mensagem que o Chatwoot não aceita; ela está no telefone.",
    restored: "Um backup foi restaurado; não se sabe se isto foi enviado. Envie de novo se faltar no telefone.",
    no_addressee: "Nada diz para quem no WhatsApp isto vai: dê um número de telefone ao contato.",
    scan: "Leia este QR com o telefone: WhatsApp → Configurações → Dispositivos conectados. Ele muda a cada 20 a 60 segundos; escreva *qr* para o atual.",
    no_code: "Não há QR para ler agora.",
    commands: "Escreva *status*, *qr*, *start* ou *stop*.",
    kinds: &[
        ("image", "imagem"),
        ("video", "vídeo"),
        ("audio", "áudio"),
        ("ptt", "mensagem de voz"),
        ("document", "documento"),
        ("sticker", "figurinha"),
        ("location", "localização"),
        ("album", "álbum"),
        ("vcard", "contato"),
        ("multi_vcard", "contatos"),
        ("poll_creation", "enquete"),
        ("event_creation", "evento"),
        ("groups_v4_invite", "convite de grupo"),
        ("order", "pedido"),
        ("product", "produto"),
        ("list", "lista"),
        ("payment", "pagamento"),
    ],
};

impl Words {
    /// Those of a language.
    pub fn of(language: Language) -> &'static Self {
        match language {
            Language::En => &EN,
            Language::Pt => &PT,
        }
    }

    /// The word for a kind of message that a text cannot show; absent for texts.
    pub(super) fn kind(&self, kind: &str) -> Option<&'static str> {
        self.kinds
            .iter()
            .find(|(name, _)| *name == kind)
            .map(|(_, word)| *word)
    }

    /// What agents are told of a state; absent for those that pass by themselves.
    pub(super) fn state(&self, state: &str, reason: Option<&StatusReason>) -> Option<String> {
        let said = match (self.language, state) {
            (Language::En, "ready") => "✅ WhatsApp is connected.",
            (Language::Pt, "ready") => "✅ O WhatsApp está conectado.",
            (Language::En, "awaiting_login") => "📱 WhatsApp waits for its QR to be scanned.",
            (Language::Pt, "awaiting_login") => "📱 O WhatsApp espera a leitura do QR.",
            (Language::En, "logged_out") => "⛔ WhatsApp was unlinked.",
            (Language::Pt, "logged_out") => "⛔ O WhatsApp foi desconectado do telefone.",
            (Language::En, "failed") => "⛔ WhatsApp is not working.",
            (Language::Pt, "failed") => "⛔ O WhatsApp não está funcionando.",
            (Language::En, "recovering") => "⚠️ WhatsApp is being brought back.",
            (Language::Pt, "recovering") => "⚠️ O WhatsApp está sendo recuperado.",
            (Language::En, "stopped") => "⏹ WhatsApp was stopped.",
            (Language::Pt, "stopped") => "⏹ O WhatsApp foi parado.",
            _ => return None,
        };
        Some(match reason {
            Some(reason) if state != "ready" => {
                format!("{said} {} ({})", reason.detail, reason.code)
            }
            _ => said.to_owned(),
        })
    }
}
