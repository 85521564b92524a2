// What is done to messages that are there (fact sheet §4.4, §4.6): edits, revokes, deletions,
// reactions, stars, pins. The servers tell all devices of it, this one too, before they answer.
if (!window.__sandboxRefused) {
  __d('SandboxActions', (require, exports) => {
    const wire = require('SandboxWire');
    const { MsgKey } = require('SandboxIds');

    exports.act = async (model, act) => {
      if (!(model?.id instanceof MsgKey)) throw new TypeError("Cannot read properties of undefined (reading 'id')");
      if (!require('SandboxSession').mayAct()) throw new Error(`${act.a} while syncing`);
      const { error } = await wire.ask({ t: 'act', id: model.id.id, fromMe: model.id.fromMe, act });
      if (error) throw new Error(error);
    };

    // The commands of the page give nothing back: they show a notice when something fails.
    exports.each = (given, act, may = () => true) => {
      for (const model of given.filter(may)) exports.act(model, act).catch((error) => console.warn('not done:', error.message));
    };
  }, { stage: 'sandbox' });

  __d('WAWebMsgActionCapability', (require, exports) => {
    const { config } = require('SandboxLoader');
    const within = (msg, seconds) => Date.now() / 1000 - msg.t < seconds;
    const isThere = (msg) => msg.type !== 'revoked' && msg.type !== 'ciphertext' && msg.type !== 'gp2';
    const isSent = (msg) => msg.id.fromMe && msg.ack >= 1 && isThere(msg);
    exports.canEditText = (msg) => isSent(msg) && msg.type === 'chat' && within(msg, config.faults.editSeconds);
    exports.canEditCaption = (msg) => isSent(msg) && Boolean(msg.directPath && msg.caption) && within(msg, config.faults.editSeconds);
    exports.canSenderRevokeMsg = (msg) => isSent(msg) && within(msg, config.faults.revokeSeconds);
    exports.canAdminRevokeMsg = (msg) => {
      if (msg.id.fromMe || !msg.id.remote.isGroup() || !isThere(msg)) return false;
      const { Chat } = require('WAWebCollections');
      const me = require('WAWebUserPrefsMeUser');
      const members = Chat.get(msg.id.remote)?.groupMetadata?.participants;
      return [me.getMaybeMeLidUser(), me.getMaybeMePnUser()].some((one) => members?.get(one)?.isAdmin);
    };
    exports.canStarMsg = isThere;
  });

  __d('WAWebSendMessageEditAction', (require, exports) => {
    // Gives nothing in newer builds (§8.1).
    exports.sendMessageEdit = async (msg, text, options) => {
      if (typeof text !== 'string' || !text) throw new Error('sendMessageEdit: no text');
      if (typeof options !== 'object') throw new TypeError("Cannot read properties of undefined (reading 'mentionedJidList')");
      await require('SandboxActions').act(msg, { a: 'edit', body: text.toWellFormed() });
    };
  });

  __d('WAWebSendReactionMsgAction', (require, exports, module) => {
    const send = async (msg, emoji) => {
      if (typeof emoji !== 'string') throw new Error('sendReactionToMsg: no emoji');
      await require('SandboxActions').act(msg, { a: 'react', emoji });
    };
    // Before 2026-03 the module itself was callable (§4.6).
    if (require('SandboxLoader').config.faults.reactionSend === 'itself') module.exports = send;
    else exports.sendReactionToMsg = send;
  });

  __d('WAWebPinMsgConstants', (_require, exports) => {
    exports.getPinExpiryDuration = () => 604_800;
  });
  __d('WAWebSendPinMessageAction', (require, exports) => {
    exports.sendPinInChatMsg = async (msg, action, _duration) => {
      if (action !== 1 && action !== 2) throw new Error('sendPinInChatMsg: no such action');
      // Whatever is given: the page has its own choice of durations.
      const seconds = action === 1 ? require('WAWebPinMsgConstants').getPinExpiryDuration() : 0;
      await require('SandboxActions').act(msg, { a: 'pin', seconds });
      return { messageSendResult: 'OK' };
    };
  });
  __d('WAWebPinInChatSchema', (require, exports) => {
    exports.getTable = () => ({
      equals: async ([field], value) => {
        const rows = await require('SandboxStorage').all('pin');
        return rows.map(({ row }) => row).filter((row) => row[field] === value);
      },
    });
  });
}
