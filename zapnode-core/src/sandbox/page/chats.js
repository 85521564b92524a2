// Chats as a whole: history, search, archive, pin, mute, unread, clear, delete (fact sheet §6).
if (!window.__sandboxRefused) {
  // How chats are marked; kept over a reload, and told to the account's other devices by the servers.
  __d('SandboxChatMarks', (require, exports) => {
    const storage = require('SandboxStorage');
    const wire = require('SandboxWire');
    const { Model } = require('SandboxModels');

    class MuteModel extends Model {
      static fields = ['expiration'];
    }
    exports.muteOf = (chat) => {
      const mute = new MuteModel({ expiration: 0 });
      const change = (name, expiration) =>
        Object.defineProperty(mute, name, {
          value: async (options) => {
            if (options?.sendDevice !== true) throw new TypeError(`${name}: no options`);
            const until = expiration(options);
            if (!Number.isInteger(until)) throw new TypeError(`${name}: no expiration`);
            await exports.change(chat(), { mute: until });
          },
        });
      change('mute', (options) => options.expiration);
      change('unmute', () => 0);
      return mute;
    };

    const apply = (chat, { archive, pin, mute, unreadCount }) => {
      if (archive !== undefined) chat.set({ archive });
      if (pin !== undefined) chat.set({ pin });
      if (unreadCount !== undefined) chat.set({ unreadCount });
      if (mute !== undefined && chat.mute.expiration !== mute) {
        chat.mute.set({ expiration: mute });
        chat.tell('change:mute', chat.mute);
      }
    };
    const marksOf = (chat) => ({ archive: chat.archive, pin: chat.pin, mute: chat.mute.expiration, unreadCount: chat.unreadCount });
    exports.keep = (chat) => storage.put('chat', { id: chat.id.toString(), t: chat.t, marks: marksOf(chat) });

    exports.change = async (chat, marks) => {
      if (!require('SandboxSession').mayAct()) throw new Error('a chat was changed while syncing');
      // It takes a moment until the servers have it.
      await wire.ask({ t: 'chat', chat: chat.id.toString(), marks });
      apply(chat, marks);
      exports.keep(chat);
    };

    exports.load = async (chatOf) => {
      const { createWid } = require('SandboxIds');
      for (const { id, t, marks } of await storage.all('chat')) {
        const chat = chatOf(createWid(id));
        if (!chat.msgs.length) chat.attributes.t = t;
        apply(chat, marks);
      }
    };

    // Another device of the account changed it.
    exports.changed = ({ chat, marks, cleared, deleted }) => {
      const { Chat } = require('WAWebCollections');
      const model = Chat.get(chat);
      if (!model) return;
      if (cleared || deleted) exports.empty(model, deleted);
      else {
        apply(model, marks);
        exports.keep(model);
      }
    };

    exports.empty = async (chat, gone) => {
      const { Msg, Chat } = require('WAWebCollections');
      for (const model of chat.msgs.getModelsArray()) {
        chat.msgs.remove(model);
        Msg.remove(model);
      }
      chat.attributes.lastReceivedKey = undefined;
      await require('SandboxMessages').forgetChat(chat.id.toString());
      if (!gone) return;
      storage.drop('chat', chat.id.toString());
      Chat.remove(chat);
    };
  }, { stage: 'sandbox' });

  // What the command bus does with chats.
  __d('SandboxChatCommands', (require, exports) => {
    const marks = require('SandboxChatMarks');
    const live = (chat) => {
      const model = require('WAWebCollections').Chat.get(chat?.id);
      if (!model || model !== chat) throw new TypeError("Cannot read properties of undefined (reading 'archive')");
      return model;
    };
    exports.archiveChat = async (chat, on) => marks.change(live(chat), { archive: Boolean(on) });
    exports.pinChat = async (chat, on) => {
      const { Chat } = require('WAWebCollections');
      // Whoever asks for a fourth gets a hint on the screen, and nothing else.
      if (on && Chat.filter((one) => one.pin).length >= 3) return;
      await marks.change(live(chat), { pin: on ? Math.floor(Date.now() / 1000) : 0 });
    };
    exports.markChatUnread = async (chat, on) => marks.change(live(chat), { unreadCount: on ? -1 : 0 });
  }, { stage: 'sandbox' });

  __d('WAWebChatClearBridge', (require, exports) => {
    exports.sendClear = async (chat, _keepStarred) => {
      if (!chat?.id) throw new TypeError('sendClear: no chat');
      await require('SandboxWire').ask({ t: 'chat', chat: chat.id.toString(), marks: {}, cleared: true });
      await require('SandboxChatMarks').empty(require('WAWebCollections').Chat.get(chat.id), false);
    };
  });

  __d('WAWebDeleteChatAction', (require, exports) => {
    exports.sendDelete = async (chat) => {
      if (!chat?.id) throw new TypeError('sendDelete: no chat');
      await require('SandboxWire').ask({ t: 'chat', chat: chat.id.toString(), marks: {}, deleted: true });
      await require('SandboxChatMarks').empty(require('WAWebCollections').Chat.get(chat.id), true);
    };
  });

  // --- history -----------------------------------------------------------------------------------

  // How many the page loads in one go.
  const ROUND = 50;

  __d('WAWebChatLoadMessages', (require, exports) => {
    const { config } = require('SandboxLoader');
    // Fact sheet §8.1: the object form, or the positional one before it; another shape fails as it
    // does on the real page.
    exports.loadEarlierMsgs = async (given) => {
      const chat = config.faults.loadEarlier === 'positional' ? given : given.chat;
      if (!chat?.msgs?.getModelsArray) throw new TypeError("Cannot read properties of undefined (reading 'waitForChatLoading')");
      const messages = require('SandboxMessages');
      const records = (await messages.stored()).filter((one) => one.chat === chat.id.toString() && !chat.msgs.get(one.id));
      const loaded = records.sort((a, b) => a.order - b.order).slice(-ROUND).map((record) => messages.modelOf(record));
      for (const model of loaded) messages.show(model, chat);
      // The collection is in the order of time.
      messages.reorder(chat);
      return loaded.length ? loaded : undefined;
    };
  });

  __d('WAWebDBMessageFindLocal', (require, exports) => {
    const { config } = require('SandboxLoader');
    const { MsgKey } = require('SandboxIds');
    if (config.faults.historyFind === 'missing') throw new Error('not in this build');
    // Fact sheet §6: an array, or an object with one.
    exports.msgFindByDirection = async ({ anchor, count, direction }) => {
      if (!(anchor instanceof MsgKey)) throw new TypeError('msgFindByDirection: the anchor is no MsgKey');
      const messages = require('SandboxMessages');
      const all = (await messages.stored()).filter((one) => one.chat === anchor.remote.toString()).sort((a, b) => a.order - b.order);
      const place = all.findIndex((one) => one.id === anchor.toString());
      const before = place < 0 ? [] : all.slice(0, place);
      const after = place < 0 ? [] : all.slice(place + 1);
      const rows = direction === 'before' ? before.slice(-count) : after.slice(0, count);
      const models = rows.map((record) => messages.modelOf(record));
      return config.faults.historyFind === 'object' ? { messages: models } : models;
    };
  });
}
