// The collections (fact sheet §0.2, §6).
if (!window.__sandboxRefused) {
  __d('WAWebCollections', (require, exports) => {
    const { Model, Collection } = require('SandboxModels');
    const { createWid } = require('SandboxIds');
    const messages = () => require('SandboxMessages');

    class MsgModel extends Model {
      static fields = [
        'id', 'ack', 'body', 'type', 'subtype', 't', 'from', 'to', 'author', 'notifyName', 'isNewMsg', 'caption',
        'local', 'self', 'star', 'broadcast', 'isForwarded', 'quotedMsg', 'quotedStanzaID', 'quotedParticipant',
        'protocolMessageKey', 'latestEditMsgKey', 'latestEditSenderTimestampMs', 'isUnsentMedia', 'hasReaction',
        'pendingAckUpdate', 'recipients', 'mentionedJidList',
      ];
      get isStatusV3() {
        return false;
      }
      get isNotification() {
        return false;
      }
      get isEphemeral() {
        return false;
      }
      // What a reply to this message carries.
      msgContextInfo(chat) {
        if (!chat) throw new Error('msgContextInfo: no chat');
        return {
          quotedMsg: { type: this.type, body: this.body },
          quotedStanzaID: this.id.id,
          quotedParticipant: this.id.fromMe ? require('WAWebUserPrefsMeUser').getMaybeMePnUser() : (this.author ?? this.from),
          quotedRemoteJid: undefined,
        };
      }
      canReply() {
        return true;
      }
      updateAck(ack) {
        this.set({ ack });
      }
      avParams() {
        return {};
      }
      get mediaData() {
        return require('SandboxMedia').dataOf(this);
      }
      get mediaObject() {
        return require('SandboxMedia').objectOf(this);
      }
      downloadMedia(how) {
        return require('SandboxMedia').download(this, how);
      }
    }

    class MsgCollection extends Collection {
      // Also what is only in the page's storage.
      async getMessagesById(ids) {
        const found = [];
        for (const id of ids) {
          const model = this.get(id) ?? (await messages().fromStorage(String(id)));
          if (model) found.push(model);
        }
        return { messages: found };
      }
      // Where the page takes in what is no message to show.
      async processMultipleMessages(_chatId, given) {
        for (const message of given) require('SandboxHappenings').process(message);
      }
      async search(query, page, count, chatId) {
        const all = (await messages().stored()).sort((a, b) => b.order - a.order);
        const text = (one) => `${one.body ?? ''} ${one.fields?.caption ?? ''}`.toLowerCase();
        const hits = all.filter((one) => text(one).includes(query.toLowerCase()) && (!chatId || one.chat === String(chatId)));
        const start = count ? ((page || 1) - 1) * count : 0;
        const found = hits.slice(start, count ? start + count : undefined);
        return { messages: found.map((one) => this.get(one.id) ?? messages().modelOf(one)) };
      }
    }

    class ChatModel extends Model {
      static fields = [
        'id', 't', 'unreadCount', 'archive', 'pin', 'isLocked', 'isReadOnly', 'mute', 'msgs', 'lastReceivedKey',
        'groupMetadata', 'name', 'endOfHistoryTransferType',
      ];
      get formattedTitle() {
        return this.name ?? this.id.user;
      }
      get isGroup() {
        return this.id.isGroup();
      }
      iAmAdmin() {
        const me = require('WAWebUserPrefsMeUser');
        const members = this.groupMetadata?.participants;
        return [me.getMaybeMeLidUser(), me.getMaybeMePnUser()].some((one) => members?.get(one)?.isAdmin);
      }
    }

    class ContactModel extends Model {
      static fields = ['id', 'name', 'pushname', 'shortName', 'phoneNumber', 'isBusiness', 'isEnterprise', 'isContactBlocked', 'isAddressBookContact'];
      get formattedName() {
        return this.name ?? this.pushname ?? this.id.user;
      }
    }

    class ContactCollection extends Collection {
      async find(id) {
        await null;
        const wid = createWid(id);
        return this.get(wid) ?? this.gadd(wid, { silent: true });
      }
    }

    class ChatCollection extends Collection {
      async find(id) {
        const { chat } = await require('WAWebFindChatAction').findOrCreateLatestChat(createWid(id));
        return this.get(chat.id);
      }
    }

    exports.Msg = new MsgCollection(MsgModel);
    exports.Chat = new ChatCollection(ChatModel);
    exports.Contact = new ContactCollection(ContactModel);
    for (const name of [
      'Label', 'Status', 'Blocklist', 'Reactions', 'Presence',
      'WAWebGroupMetadataCollection', 'WAWebNewsletterCollection', 'WAWebNewsletterMetadataCollection',
    ])
      exports[name] = new Collection();
    // Those that ask the servers have a module of their own.
    for (const [name, home] of [['ProfilePicThumb', 'SandboxProfilePictures'], ['BusinessProfile', 'SandboxBusinesses']])
      Object.defineProperty(exports, name, { enumerable: true, get: () => require(home).collection });
    // Fact sheet §8.1: its name before.
    if (require('SandboxLoader').config.faults.groupModules === 'older') {
      exports.GroupMetadata = exports.WAWebGroupMetadataCollection;
      delete exports.WAWebGroupMetadataCollection;
    }
  });

  __d('SandboxChats', (require, exports) => {
    const { Chat, Contact } = require('WAWebCollections');
    const { Collection } = require('SandboxModels');

    // The chat of an address, which comes to be.
    exports.chatOf = (wid, name) => {
      const known = Chat.get(wid);
      if (known) {
        if (name && !known.name) known.attributes.name = name;
        return known;
      }
      if (!Contact.get(wid)) Contact.add({ id: wid, pushname: name, isBusiness: false, isEnterprise: false });
      const chat = new Chat.modelClass({
        id: wid,
        name,
        t: Math.floor(Date.now() / 1000),
        unreadCount: 0,
        archive: false,
        pin: 0,
        isLocked: false,
        isReadOnly: false,
        mute: require('SandboxChatMarks').muteOf(() => chat),
        msgs: new Collection(require('WAWebCollections').Msg.modelClass),
        endOfHistoryTransferType: 0,
      });
      Chat.add(chat);
      return chat;
    };
  }, { stage: 'sandbox' });

  __d('WAWebFindChatAction', (require, exports) => {
    const { Chat } = require('WAWebCollections');
    const map = require('SandboxLidMap');
    const { Wid } = require('SandboxIds');
    const { faults } = require('SandboxLoader').config;

    exports.findOrCreateLatestChat = async (wid, _origin) => {
      if (!(wid instanceof Wid)) throw new Error('findOrCreateLatestChat: not a wid');
      await null;
      // Groups cannot be made by naming them.
      if (wid.isGroup() && !Chat.get(wid)) throw new Error('findOrCreateLatestChat: no such group');
      let address = wid;
      if (wid.server === 'c.us' && map.byLid(wid)) {
        address = map.lidOf(wid);
        // Fact sheet §4.2: a number without mapping; queryWidExists brings it.
        if (!address) throw new Error('No LID for user');
      }
      const known = Chat.get(address);
      if (known) return { chat: known, created: false };
      if (!require('SandboxSession').mayAct()) throw new Error('chat creation while syncing');
      const chat = require('SandboxChats').chatOf(address);
      if (faults.chatRecord === 'model') return { chat, created: true };
      // What the storage would give: fields, and nothing of the model.
      const record = { id: chat.id, t: chat.t, unreadCount: 0, archive: false, mute: { expiration: 0 } };
      return { chat: record, created: true };
    };
  });

  __d('WAWebQueryExistsJob', (require, exports) => {
    const wire = require('SandboxWire');
    const map = require('SandboxLidMap');
    const { createWid, Wid } = require('SandboxIds');
    exports.queryWidExists = async (wid) => {
      if (!(wid instanceof Wid)) throw new Error('queryWidExists: not a wid');
      if (!require('SandboxSession').mayAct()) throw new Error('query while syncing');
      const { refuseQueries } = require('SandboxLoader').config.faults;
      if (refuseQueries) {
        await null;
        throw require('SandboxSend').serverError(refuseQueries);
      }
      const { found } = await wire.ask({ t: 'exists', wid: wid.toString() });
      if (!found) return null;
      map.learn(createWid(found.pn), createWid(found.lid));
      return { wid: createWid(found.wid) };
    };
  });
}
