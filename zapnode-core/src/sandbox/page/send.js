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
        fields: exports.fieldsOf(model),
      });

    // What a message carries besides, as it goes over the wire and into the storage.
    const carried = [
      'quotedMsg', 'lat', 'lng', 'loc', 'clientUrl', 'vcardFormattedName', 'vcardList', 'pollName', 'pollOptions',
      'pollSelectableOptionsCount', 'eventName', 'eventDescription', 'eventStartTime', 'eventEndTime', 'eventLocation',
      'eventJoinLink', 'isEventCanceled', 'title', 'description', 'matchedText', 'richPreviewType', 'thumbnail',
      'isForwarded', 'forwardingScore', 'inviteGrp', 'inviteGrpName', 'inviteCode', 'inviteCodeExp',
    ];
    exports.fieldsOf = (model) => {
      const known = carried.filter((name) => model[name] !== undefined && model[name] !== null);
      return { ...Object.fromEntries(known.map((name) => [name, model[name]])), ...require('SandboxMedia').fieldsOf(model) };
    };

    // What the page makes of a message before it is encrypted. A place that counts as a medium has
    // no file, and is not sent (fact sheet §4.6).
    exports.sendable = (model) => {
      if (model.type !== 'location') return true;
      const proto = { locationMessage: { degreesLatitude: model.lat, degreesLongitude: model.lng } };
      const medium = require('WAWebBackendJobsCommon').mediaTypeFromProtobuf(proto);
      return medium === null && require('WAWebE2EProtoUtils').typeAttributeFromProtobuf(proto) === 'text';
    };

    exports.result = (id) =>
      new Promise((resolve, reject) => {
        waiting.set(id, [...(waiting.get(id) ?? []), { resolve, reject }]);
      });
    exports.settle = (id, result) => {
      const resolves = waiting.get(id);
      if (!resolves) return;
      waiting.delete(id);
      const { sendResult, sendResultDelayMs } = config.faults;
      if (sendResult === 'never') return;
      const settle = () => resolves.forEach(({ resolve }) => resolve(result));
      if (sendResult === 'late') setTimeout(settle, sendResultDelayMs);
      else settle();
    };

    // The servers refuse a message: it shows that it failed, and its second promise says why.
    wire.events.on('refused', ({ id, status }) => {
      const { Msg } = require('WAWebCollections');
      for (const model of Msg.filter((one) => one.id.fromMe && one.id.id === id)) {
        model.set({ ack: -1 });
        require('SandboxMessages').keep(model);
      }
      const error = exports.serverError(status);
      for (const { reject } of waiting.get(id) ?? []) reject(error);
      waiting.delete(id);
    });

    // Fact sheet §6.1: the name is known; where the number is, is not.
    exports.serverError = (status) => {
      const words = { 429: 'rate-overlimit', 463: 'reachout-timelock' }[status] ?? 'refused';
      const place = config.faults.refusalNumber;
      const error = new Error(place === 'words' ? `${status}: ${words}` : words);
      error.name = 'ServerStatusCodeError';
      if (place === 'field') error.statusCode = status;
      return error;
    };
  }, { stage: 'sandbox' });

  __d('WAWebSendMsgChatAction', (require, exports) => {
    const { Msg, Chat } = require('WAWebCollections');
    const { config } = require('SandboxLoader');
    const { MsgKey, Wid } = require('SandboxIds');
    const send = require('SandboxSend');
    const messages = require('SandboxMessages');
    const storage = require('SandboxStorage');
    const wire = require('SandboxWire');

    // Stands still with a message that the storage has, and in 'taken' the servers too; a driver
    // sees only what the collection has, so it learns of it afterwards.
    async function held(at, model) {
      messages.keep(model);
      await storage.stored();
      if (at === 'taken') send.transmit(model);
      // A connection that is lost meanwhile holds nothing up.
      await wire.ask({ t: 'hold', at }).catch(() => {});
      const record = await storage.get('message', model.id.toString());
      if (record) model.set({ ack: record.ack });
    }

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
      require('SandboxKinds').check(message);
      if (require('SandboxMedia').isMedia(message.type)) {
        for (const field of ['directPath', 'mediaKey', 'filehash', 'encFilehash'])
          if (!message[field]) throw new Error(`addAndSendMsgToChat: a medium without ${field}`);
      }
      return model;
    }

    function start(chat, message) {
      const live = check(chat, message);
      if (!require('SandboxSession').mayAct()) {
        throw new Error('addAndSendMsgToChat while syncing');
      }
      // An id that is there already goes to the servers once more; they know it and acknowledge it again.
      const model = Msg.get(message.id) ?? new Msg.modelClass(message);
      const { hold } = config.faults;
      const holds = (hold === 'kept' || hold === 'taken') && !Msg.get(message.id);
      const added = Promise.resolve(holds && held(hold, model)).then(() => {
        messages.show(model, live);
        messages.keep(model);
        return model;
      });
      const { sendResult } = config.faults;
      if (sendResult === 'errorNetwork') {
        return [added, added.then(() => ({ messageSendResult: 'ERROR_NETWORK' }))];
      }
      if (!send.sendable(model)) {
        added.then(() => {
          model.set({ ack: -1 });
          messages.keep(model);
        });
        return [added, added.then(() => ({ messageSendResult: 'ERROR_UPLOAD' }))];
      }
      const result = send.result(model.id.id);
      if (sendResult !== 'lost' && !(holds && hold === 'taken')) added.then(() => send.transmit(model));
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
      require('SandboxChatMarks').keep(model);
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
    exports.markUnread = async (chat, unread) => require('SandboxChatCommands').markChatUnread(chat, unread);
    exports.markPlayed = async () => {};
  });
}
