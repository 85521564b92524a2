// Sending and marking as seen (fact sheet §4.3, §4.7).
if (!window.__sandboxRefused) {
  __d('SandboxSend', (require, exports) => {
    const wire = require('SandboxWire');
    const { config } = require('SandboxLoader');
    const waiting = new Map();

    // Gives whether it went out; what did not goes at the next connection.
    exports.transmit = (model) =>
      require('WAWebSocketModel').Socket.state === 'CONNECTED' &&
      wire.send({
        t: 'send',
        id: model.id.id,
        from: String(model.from),
        to: model.id.remote.toString(),
        // The wire is UTF-8: lone surrogates do not get through.
        body: String(model.body ?? '').toWellFormed(),
        kind: model.type,
        quoted: model.quotedStanzaID ?? null,
        mentions: (model.mentionedJidList ?? []).map(String),
      });

    exports.result = (id) =>
      new Promise((resolve) => {
        waiting.set(id, [...(waiting.get(id) ?? []), resolve]);
      });
    exports.settle = (id, result) => {
      const resolves = waiting.get(id);
      if (!resolves) return;
      waiting.delete(id);
      const { sendResult, sendResultDelayMs } = config.faults;
      if (sendResult === 'never') return;
      const settle = () => resolves.forEach((resolve) => resolve(result));
      if (sendResult === 'late') setTimeout(settle, sendResultDelayMs);
      else settle();
    };
  }, { stage: 'sandbox' });

  __d('WAWebSendMsgChatAction', (require, exports) => {
    const { Msg, Chat } = require('WAWebCollections');
    const { config } = require('SandboxLoader');
    const { MsgKey, Wid } = require('SandboxIds');
    const send = require('SandboxSend');
    const messages = require('SandboxMessages');

    function check(chat, message) {
      const id = message?.id;
      if (!(id instanceof MsgKey)) throw new Error('addAndSendMsgToChat: the id is no MsgKey');
      if (!(chat?.id instanceof Wid)) throw new Error('addAndSendMsgToChat: not a chat');
      if (!id.fromMe || !id.remote.equals(chat.id)) throw new Error('addAndSendMsgToChat: the key is of another chat');
      // Fact sheet §4.3: in groups a key names its writer.
      if (chat.id.isGroup() && !(id.participant instanceof Wid)) throw new Error('addAndSendMsgToChat: no participant');
      if (!(message.from instanceof Wid)) throw new Error('addAndSendMsgToChat: no from');
      const model = Chat.get(chat.id);
      // Fact sheet §9: what ids of live models that were written to lead to.
      if (!model) throw new Error('Lid is missing in chat table');
      if (typeof message.body !== 'string' && message.type === 'chat') throw new Error('addAndSendMsgToChat: no body');
      return model;
    }

    function start(chat, message) {
      const live = check(chat, message);
      if (!require('SandboxSession').mayAct()) {
        throw new Error('addAndSendMsgToChat while syncing');
      }
      // An id that is there already goes to the servers once more; they know it and acknowledge it again.
      const model = Msg.get(message.id) ?? new Msg.modelClass(message);
      const added = Promise.resolve().then(() => {
        messages.show(model, live);
        messages.keep(model);
        return model;
      });
      const { sendResult } = config.faults;
      if (sendResult === 'errorNetwork') {
        return [added, added.then(() => ({ messageSendResult: 'ERROR_NETWORK' }))];
      }
      const result = send.result(model.id.id);
      if (sendResult !== 'lost') added.then(() => send.transmit(model));
      return [added, result];
    }

    exports.addAndSendMsgToChat = (chat, message) => {
      const pair = start(chat, message);
      return config.faults.sendReturns === 'promise' ? Promise.resolve(pair) : pair;
    };
  });

  __d('WAWebUpdateUnreadChatAction', (require, exports) => {
    const { config } = require('SandboxLoader');
    const { Chat } = require('WAWebCollections');
    const wire = require('SandboxWire');

    async function seen(chat) {
      // The wrong shape ends as it does on the real page (fact sheet §4.7).
      const model = Chat.get(chat?.id);
      if (!model) throw new TypeError("Cannot read properties of undefined (reading 'markedUnread')");
      if (!require('SandboxSession').mayAct()) throw new Error('sendSeen while syncing');
      await null;
      model.set({ unreadCount: 0 });
      wire.send({ t: 'read', chat: model.id.toString() });
    }

    exports.sendSeen = async (...args) => {
      switch (config.faults.sendSeen) {
        case 'throws':
          throw new Error('sendSeen failed');
        case 'positional':
          return seen(args[0]?.id ? args[0] : undefined);
        default:
          return seen(args[0]?.chat);
      }
    };
    exports.markUnread = async (chat, unread) => chat.set({ unreadCount: unread ? -1 : 0 });
    exports.markPlayed = async () => {};
  });
}
