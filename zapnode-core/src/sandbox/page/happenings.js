// What becomes of messages: edits, revokes, deletions, reactions; and calls (fact sheet §5.1, §5.5).
if (!window.__sandboxRefused) {
  __d('SandboxHappenings', (require, exports) => {
    const { Msg } = require('WAWebCollections');
    const { config, openStage, isOpen } = require('SandboxLoader');
    const storage = require('SandboxStorage');
    const { MsgKey, createWid } = require('SandboxIds');
    const messages = require('SandboxMessages');
    const wire = require('SandboxWire');

    // The key of one's own message in a group may have either name of this account.
    const find = (parts) => (parts.fromMe ? messages.ownModel(messages.keyOf(parts)) : Msg.get(messages.keyOf(parts)));
    const keyFor = (parts) => find(parts)?.id ?? messages.keyOf(parts);

    // Changes what is in the storage only; nobody is told of that.
    async function inStorage(key, change) {
      const isIt = (one) => key.fromMe && one.fromMe && one.wire === key.id;
      const record = (await storage.get('message', key.toString())) ?? (await storage.all('message')).find(isIt);
      if (record) storage.put('message', change(record));
    }

    exports.edit = ({ key: parts, body, atMs }) => {
      const key = messages.keyOf(parts);
      const editKey = new MsgKey({ ...parts, fromMe: parts.fromMe, remote: createWid(parts.chat), id: `${key.id.slice(0, 4)}${atMs}` });
      const model = find(parts);
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
        protocolMessageKey: keyFor(parts),
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
      const key = keyFor(parts);
      const model = find(parts);
      if (model) Msg.remove(model);
      require('SandboxChats').chatOf(createWid(parts.chat)).msgs.remove(model);
      storage.drop('message', key.toString());
    };

    exports.star = ({ key: parts, on }) => {
      const key = messages.keyOf(parts);
      const model = find(parts);
      if (model) {
        model.set({ star: on });
        messages.keep(model);
      } else inStorage(key, (record) => ({ ...record, star: on }));
    };

    // Read by its table only (fact sheet §6).
    exports.pin = ({ key: parts, pin, by, byMe, atMs, seconds }) => {
      const parent = keyFor(parts);
      const id = new MsgKey({ fromMe: byMe, remote: createWid(parts.chat), id: pin, participant: parts.participant ? createWid(by) : undefined });
      const row = { id: id.toString(), chatId: parts.chat, parentMsgKey: parent.toString(), pinType: seconds > 0 ? 1 : 2, t: atMs, pinExpiryDuration: seconds };
      storage.put('pin', { id: parent.toString(), row });
    };

    // A row as the page writes it to its database (fact sheet §5.1).
    function voteRow({ key, vote, by, byMe, options, atMs }) {
      const remote = createWid(key.chat);
      const inGroup = Boolean(key.participant);
      return {
        id: new MsgKey({ fromMe: byMe, remote, id: vote, participant: inGroup ? createWid(by) : undefined }),
        pollUpdateParentKey: keyFor(key),
        t: atMs,
        author: inGroup ? createWid(by) : undefined,
        from: createWid(by),
        selectedOptionLocalIds: options,
        senderTimestampMs: atMs,
      };
    }
    const writeVotes = (rows) => require('WAWebAddonPollVoteTableMode').pollVoteTableMode.bulkUpsert(rows);

    exports.vote = (frame) => {
      const parent = keyFor(frame.key).toString();
      const row = { parentMsgKey: parent, sender: frame.by, selectedOptionLocalIds: frame.options, senderTimestampMs: frame.atMs };
      storage.put('vote', { id: `${parent} ${frame.by}`, row, frame });
      writeVotes([voteRow(frame)]);
    };

    // A row as the page writes it to its database.
    function rowOf({ key, reaction, by, byMe, emoji, atMs, orphan }) {
      const remote = createWid(key.chat);
      const inGroup = Boolean(key.participant);
      return {
        id: new MsgKey({ fromMe: byMe, remote, id: reaction, participant: inGroup ? createWid(by) : undefined }),
        reactionParentKey: keyFor(key),
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
      const parent = keyFor(frame.key);
      const row = { ...frame, orphan: !messages.knows(parent) };
      storage.put('reaction', { id: `${parent} ${frame.by}`, row });
      write([rowOf(row)]);
      Msg.get(parent)?.set({ hasReaction: Boolean(frame.emoji) });
    };

    // Old rows are written again when the page syncs.
    exports.replay = async () => {
      const rows = await storage.all('reaction');
      if (rows.length) write(rows.map(({ row }) => rowOf(row)));
      const votes = await storage.all('vote');
      if (votes.length) writeVotes(votes.map(({ frame }) => voteRow(frame)));
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
    // Which one the page would end or turn away.
    Object.defineProperty(collection, 'active', { get: () => [...collection.calls.values()].at(-1) });
    module.exports = collection;
  }, { stage: 'calls', plain: true });

  __d('WAWebVoipStackInterface', (require, exports) => {
    exports.getVoipStackInterface = async () => ({
      // The active call, and no other.
      rejectCall() {
        const { active } = require('WAWebCallCollection');
        if (active) require('SandboxWire').send({ t: 'rejectCall', id: active.id, way: 'voip' });
      },
      acceptCall() {},
      endCall() {},
    });
  }, { stage: 'calls' });
}
