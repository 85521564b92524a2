// Smaller modules around the minimum path.
if (!window.__sandboxRefused) {
  __d('SandboxVersion', (_require, _exports, module) => {
    module.exports = `2.3000.${window.SiteData.client_revision}`;
  }, { stage: 'sandbox' });

  __d('WAWebBuildConstants', (require, exports) => {
    exports.VERSION_STR = require('SandboxVersion');
    [exports.VERSION_PRIMARY, exports.VERSION_SECONDARY, exports.VERSION_TERTIARY] = exports.VERSION_STR.split('.').map(Number);
  });

  __d('WAWebGetEphemeralFieldsMsgActionsUtils', (_require, exports) => {
    exports.getEphemeralFields = (chat) => {
      if (!chat?.id) throw new Error('getEphemeralFields: no chat');
      return {};
    };
  });

  __d('WAWebChatGetters', (_require, exports) => {
    exports.getIsNewsletter = (chat) => chat.id.isNewsletter();
    exports.getIsBroadcast = (chat) => chat.id.isBroadcast();
    exports.getIsGroup = (chat) => chat.id.isGroup();
  });

  __d('WAWebContactGetters', (require, exports) => {
    const me = require('WAWebUserPrefsMeUser');
    exports.getIsMe = (contact) => Boolean(me.getMaybeMePnUser()?.equals(contact.id) || me.getMaybeMeLidUser()?.equals(contact.id));
    exports.getIsUser = (contact) => contact.id.isUser();
    exports.getIsGroup = (contact) => contact.id.isGroup();
    exports.getIsWAContact = () => true;
    exports.getUserid = (contact) => contact.id.user;
    exports.getVerifiedName = () => undefined;
    exports.getVerifiedLevel = () => undefined;
    exports.getStatusMute = () => false;
    exports.getName = (contact) => contact.name;
    exports.getShortName = (contact) => contact.shortName;
    exports.getPushname = (contact) => contact.pushname;
    exports.getIsEnterprise = () => false;
  });

  __d('WAWebFrontendContactGetters', (_require, exports) => {
    exports.getIsMyContact = (contact) => Boolean(contact.isAddressBookContact);
    exports.getFormattedName = (contact) => contact.formattedName;
  });

  __d('WALinkify', (_require, exports) => {
    const pattern = () => /https?:\/\/[^\s<>"]+/g;
    exports.findLinks = (text) => [...String(text ?? '').matchAll(pattern())].map(([href]) => ({ href, suspiciousCharacters: undefined }));
    exports.findLink = (text) => exports.findLinks(text)[0] ?? null;
  });

  __d('WAWebMsgReply', (_require, exports) => {
    exports.canReplyMsg = (msg) => msg.type !== 'ciphertext' && msg.type !== 'revoked';
  });

  __d('WAWebQuotedMsgModelUtils', (require, exports) => {
    const { Msg } = require('WAWebCollections');
    exports.getQuotedMsgObj = (msg) => Msg.filter((one) => one.id.id === msg.quotedStanzaID)[0];
  });

  __d('WAWebPhoneUtils', (_require, exports) => {
    exports.formattedPhoneNumber = (jid) => `+${jid.split('@')[0]}`;
  });

  __d('WAWebPresenceChatAction', (require, exports) => {
    const { Stream } = require('WAWebStreamModel');
    exports.sendPresenceAvailable = () => Stream.markAvailable();
    exports.sendPresenceUnavailable = () => Stream.markUnavailable();
  });

  __d('WAWebChatStateBridge', (require, exports) => {
    const { Wid } = require('SandboxIds');
    const wire = require('SandboxWire');
    async function tell(wid, state) {
      if (!(wid instanceof Wid)) throw new Error('chat state: not a wid');
      if (!require('SandboxSession').mayAct()) throw new Error('chat state while syncing');
      await null;
      wire.send({ t: 'chatState', chat: wid.toString(), state });
    }
    exports.sendChatStateComposing = (wid) => tell(wid, 'composing');
    exports.sendChatStateRecording = (wid) => tell(wid, 'recording');
    exports.sendChatStatePaused = (wid) => tell(wid, 'paused');
  });

  // After the login only (§8.2).
  __d('WAWebRevokeStatusAction', (_require, exports) => {
    exports.sendStatusRevokeMsgAction = async () => {
      throw new Error('the sandbox has no status');
    };
  }, { stage: 'login' });
  // Seen once the phone asked for a passkey (§2.5).
  for (const id of ['WAWebShortcakeLinkingHandlePasskeyPrologueRequest', 'WAWebShortcakeLinkingIq', 'WAWebShortcakePasskeyScreen.react'])
    __d(id, () => {}, { stage: 'passkey' });
}
