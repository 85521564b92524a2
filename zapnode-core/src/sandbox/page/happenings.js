// What becomes of messages: edits, revokes, deletions, reactions; and calls (fact sheet §5.1, §5.5).
if (!window.__sandboxRefused) {
  __d('SandboxHappenings', (require, exports) => {
    const { Msg } = require('WAWebCollections');
    const { config, openStage, isOpen } = require('SandboxLoader');
    const storage = require('SandboxStorage');
    const { MsgKey, createWid } = require('SandboxIds');
    const messages = require('SandboxMessages');
    const wire = require('SandboxWire');

    // Changes what is in the storage only; nobody is told of that.
    async function inStorage(key, change) {
      const record = await storage.get('message', key.toString());
      if (record) storage.put('message', change(record));
    }

    exports.edit = ({ key: parts, body, atMs }) => {
      const key = messages.keyOf(parts);
      const editKey = new MsgKey({ ...parts, fromMe: parts.fromMe, remote: createWid(parts.chat), id: `${key.id.slice(0, 4)}${atMs}` });
      const model = Msg.get(key);
      if (!model) {
        inStorage(key, (record) => ({ ...record, body, editKey: editKey.toString(), editAt: atMs }));
        return;
      }
      const field = model.directPath ? 'caption' : 'body';
      model.set({ [field]: body, latestEditMsgKey: editKey, latestEditSenderTimestampMs: atMs });
      messages.keep(model);
    };

    // As a message of the protocol among the others; whether the message it means is in memory or
    // not (fact sheet §5.1: revokes may bypass `Msg add`).
    exports.revoke = ({ key: parts, by, byAdmin }) => {
      const protocol = {
        id: new MsgKey({ fromMe: parts.fromMe, remote: createWid(parts.chat), id: `3EB0${Date.now().toString(16).toUpperCase()}`, participant: parts.participant ? createWid(by) : undefined }),
        type: 'protocol',
        subtype: byAdmin ? 'admin_revoke' : 'sender_revoke',
        protocolMessageKey: messages.keyOf(parts),
        from: createWid(parts.chat),
        author: parts.participant ? createWid(by) : undefined,
        t: Math.floor(Date.now() / 1000),
      };
      Msg.processMultipleMessages(createWid(parts.chat), [protocol]);
    };

    exports.takeBack = (model) => {
      model.set({ protocolMessageKey: model.id, body: '', caption: undefined, type: 'revoked' });
      messages.keep(model);
    };

    exports.process = (message) => {
      if (message.type !== 'protocol') throw new Error('processMultipleMessages: not in the sandbox');
      const key = message.protocolMessageKey;
      const model = Msg.get(key);
      if (model) exports.takeBack(model);
      else inStorage(key, (record) => ({ ...record, body: '', type: 'revoked' }));
    };

    exports.delete = ({ key: parts }) => {
      const key = messages.keyOf(parts);
      const model = Msg.get(key);
      if (model) Msg.remove(model);
      storage.drop('message', key.toString());
    };

    exports.star = ({ key: parts, on }) => {
      const key = messages.keyOf(parts);
      const model = Msg.get(key);
      if (model) {
        model.set({ star: on });
        messages.keep(model);
      } else inStorage(key, (record) => ({ ...record, star: on }));
    };

    // Read by its table only (fact sheet §6).
    exports.pin = ({ key: parts, pin, by, byMe, atMs, seconds }) => {
      const parent = messages.keyOf(parts);
      const id = new MsgKey({ fromMe: byMe, remote: createWid(parts.chat), id: pin, participant: parts.participant ? createWid(by) : undefined });
      const row = { id: id.toString(), chatId: parts.chat, parentMsgKey: parent.toString(), pinType: seconds > 0 ? 1 : 2, t: atMs, pinExpiryDuration: seconds };
      storage.put('pin', { id: parent.toString(), row });
    };

    exports.unread = ({ chat }) => require('SandboxChats').chatOf(createWid(chat)).set({ unreadCount: -1 });

    // A row as the page writes it to its database.
    function rowOf({ key, reaction, by, byMe, emoji, atMs, orphan }) {
      const remote = createWid(key.chat);
      const inGroup = Boolean(key.participant);
      return {
        id: new MsgKey({ fromMe: byMe, remote, id: reaction, participant: inGroup ? createWid(by) : undefined }),
        reactionParentKey: messages.keyOf(key),
        reactionTimestamp: atMs,
        author: inGroup ? createWid(by) : undefined,
        from: createWid(by),
        reactionText: emoji,
        orphan: orphan ? 1 : 0,
        orphanReason: orphan ? 'no_parent' : undefined,
        read: false,
        ack: 1,
      };
    }

    function write(rows) {
      if (config.faults.reactionTable === 'createOrUpdate') require('WAWebDBCreateOrUpdateReactions').createOrUpdateReactions(rows);
      else require('WAWebAddonReactionTableMode').reactionTableMode.bulkUpsert(rows);
    }

    exports.reaction = (frame) => {
      const parent = messages.keyOf(frame.key);
      const row = { ...frame, orphan: !messages.knows(parent) };
      storage.put('reaction', { id: `${parent} ${frame.by}`, row });
      write([rowOf(row)]);
      Msg.get(parent)?.set({ hasReaction: Boolean(frame.emoji) });
    };

    // Old rows are written again when the page syncs.
    exports.replay = async () => {
      const rows = await storage.all('reaction');
      if (rows.length) write(rows.map(({ row }) => rowOf(row)));
    };

    wire.events.on('resent', messages.resent);

    // --- calls ---------------------------------------------------------------------------------

    const ringing = [];
    function ring() {
      if (!isOpen('calls')) return;
      let collection;
      try {
        collection = require('WAWebCallCollection');
      } catch {
        return;
      }
      for (const call of ringing.splice(0)) collection.ring(call);
    }
    wire.events.on('call', ({ call }) => {
      ringing.push(call);
      ring();
    });
    // The page needs its lazy bundle for a call.
    exports.callsLoaded = () => {
      openStage('calls');
      ring();
    };
  }, { stage: 'sandbox' });

  __d('WAWebAddonReactionTableMode', (require, exports) => {
    if (require('SandboxLoader').config.faults.reactionTable !== 'bulkUpsert') throw new Error('not in this build');
    exports.reactionTableMode = { bulkUpsert: async (rows) => rows.length };
  });
  __d('WAWebDBCreateOrUpdateReactions', (require, exports) => {
    if (require('SandboxLoader').config.faults.reactionTable === 'bulkUpsert') throw new Error('not in this build');
    exports.createOrUpdateReactions = async (rows) => rows.length;
  });
  __d('WAWebAddonPollVoteTableMode', (_require, exports) => {
    exports.pollVoteTableMode = { bulkUpsert: async () => {} };
  });

  // Fact sheet §5.2.
  __d('WAWebSyncGatingUtils', (_require, exports) => {
    exports.isPlaceholderMessageResendEnabled = () => false;
  });
  __d('WAWebNonMessageDataRequestPlaceholderMessageResendUtils', (require, exports) => {
    exports.handlePlaceholderMsgsSeen = async (models, _force) => {
      if (!require('WAWebSyncGatingUtils').isPlaceholderMessageResendEnabled()) return;
      require('SandboxMessages').askAgain(models);
    };
  });

  // Fact sheet §5.5: in a lazy chunk.
  __d('WAWebCallCollection', (require, _exports, module) => {
    const { Emitter, Model } = require('SandboxModels');
    const { createWid } = require('SandboxIds');
    const { faults } = require('SandboxLoader').config;
    if (faults.callCollection === 'throws') throw new Error('WAWebCallCollection failed');

    class CallModel extends Model {
      static fields = ['id', 'peerJid', 'isVideo', 'isGroup', 'outgoing', 'offerTime', 'participants', 'canHandleLocally', 'webClientShouldHandle'];
      getState() {
        return this.attributes.state ?? 0;
      }
    }

    class CallCollection extends Emitter {
      calls = new Map();
    }
    const keep = (collection, call) => call && collection.calls.set(call.id, call);
    const paths = {
      setActiveCall(call) {
        keep(this, call);
      },
      processIncomingCall(call) {
        keep(this, call);
      },
    };
    if (faults.callPath !== 'add') CallCollection.prototype[faults.callPath] = paths[faults.callPath];

    const collection = new CallCollection();
    const ring = (call) => {
      const model = new CallModel({
        id: call.id,
        peerJid: createWid(call.from),
        isVideo: call.video,
        isGroup: call.group,
        outgoing: false,
        offerTime: 0,
        participants: call.participants.map(createWid),
        canHandleLocally: true,
        webClientShouldHandle: true,
      });
      if (faults.callPath === 'add') {
        keep(collection, model);
        collection.trigger('add', model);
      } else collection[faults.callPath](model);
      // It says only afterwards that it rings: `ReceivedCall`.
      Promise.resolve().then(() => (model.attributes.state = faults.callPath === 'add' ? 'INCOMING_RING' : 3));
    };
    Object.defineProperty(collection, 'ring', { value: ring });
    module.exports = collection;
  }, { stage: 'calls', plain: true });

  __d('WAWebVoipStackInterface', (_require, exports) => {
    exports.getVoipStackInterface = async () => ({ rejectCall() {}, acceptCall() {}, endCall() {} });
  }, { stage: 'calls' });
}
