// Messages between the servers, the collections and the page's storage (fact sheet §5).
if (!window.__sandboxRefused)
  __d('SandboxMessages', (require, exports) => {
    const { Msg } = require('WAWebCollections');
    const { config } = require('SandboxLoader');
    const storage = require('SandboxStorage');
    const { MsgKey, createWid } = require('SandboxIds');
    const map = require('SandboxLidMap');
    const me = require('WAWebUserPrefsMeUser');
    const { chatOf } = require('SandboxChats');
    const groups = require('SandboxGroups');

    // Which messages this device has, in the collection or only in its storage, and in which order
    // they came: WhatsApp's clock counts seconds only.
    const orders = new Map();
    let lastOrder = 0;
    function nextOrder(id) {
      lastOrder += 1;
      orders.set(id, lastOrder);
      return lastOrder;
    }
    exports.knows = (id) => orders.has(String(id));

    const keyOf = ({ fromMe, chat, id, participant }) =>
      new MsgKey({ fromMe, remote: createWid(chat), id, participant: participant ? createWid(participant) : undefined });
    exports.keyOf = keyOf;

    // A stored message is a plain record under the string of its key; the model's ids are text in it.
    const texts = (list) => (list ?? []).map(String);
    function recordOf(model) {
      const { id } = model;
      const known = recordsOfModels.get(model);
      return {
        id: id.toString(),
        chat: id.remote.toString(),
        fromMe: id.fromMe,
        wire: id.id,
        participant: id.participant?.toString(),
        author: model.author?.toString(),
        body: model.body,
        type: model.type,
        subtype: model.subtype,
        recipients: texts(model.recipients),
        mentions: texts(model.mentionedJidList),
        t: model.t,
        ack: model.ack,
        from: String(model.from),
        quoted: model.quotedStanzaID,
        quotedFrom: model.quotedParticipant?.toString(),
        editKey: model.latestEditMsgKey?.toString(),
        editAt: model.latestEditSenderTimestampMs,
        name: model.notifyName,
        fields: known?.fields ?? require('SandboxSend').fieldsOf(model),
        star: model.star,
        // The frame that its text comes from, as long as it is not decrypted.
        pending: model.type === 'ciphertext' ? known?.pending : undefined,
        order: orders.get(id.toString()) ?? nextOrder(id.toString()),
      };
    }
    const recordsOfModels = new WeakMap();
    exports.keep = (model) => storage.put('message', recordOf(model));

    function modelOf(record, isNewMsg = false) {
      const chat = createWid(record.chat);
      const mine = chat.isLid() || chat.isGroup() ? me.getMaybeMeLidUser() : me.getMaybeMePnUser();
      const model = new Msg.modelClass({
        ...record.fields,
        id: keyOf({ fromMe: record.fromMe, chat: record.chat, id: record.wire, participant: record.participant }),
        ack: record.ack,
        body: record.body,
        type: record.type,
        subtype: record.subtype,
        t: record.t,
        from: createWid(record.from),
        to: record.fromMe ? chat : mine,
        author: record.author ? createWid(record.author) : undefined,
        recipients: record.recipients?.length ? record.recipients.map(createWid) : undefined,
        mentionedJidList: record.mentions?.length ? record.mentions.map(createWid) : undefined,
        self: record.fromMe ? 'out' : 'in',
        isNewMsg,
        notifyName: record.name,
        star: record.star ?? false,
        quotedStanzaID: record.quoted,
        quotedParticipant: record.quotedFrom ? createWid(record.quotedFrom) : undefined,
        quotedMsg: record.quoted ? (record.fields.quotedMsg ?? { type: 'chat' }) : undefined,
        latestEditMsgKey: record.editKey ? MsgKey.fromString(record.editKey) : undefined,
        latestEditSenderTimestampMs: record.editAt,
      });
      recordsOfModels.set(model, record);
      return model;
    }
    exports.modelOf = modelOf;

    exports.stored = () => storage.all('message');
    exports.fromStorage = async (id) => {
      const record = await storage.get('message', id);
      if (!record) return undefined;
      // Somebody may have been quicker.
      return Msg.get(id) ?? modelOf(record);
    };

    // After a load the collections hold the chats, their last messages, and what is unsent or
    // undecrypted.
    exports.loadStored = async () => {
      for (const { id, lid } of await storage.all('lidmap')) map.learn(id, lid, { keep: false });
      for (const group of await storage.all('group')) groups.learn(group.id, group.frame, { keep: false });
      const records = (await exports.stored()).sort((a, b) => a.order - b.order);
      for (const { id, order } of records) {
        orders.set(id, order);
        lastOrder = Math.max(lastOrder, order);
      }
      const newest = new Map();
      for (const record of records) newest.set(record.chat, record);
      for (const record of records) {
        const chat = chatOf(createWid(record.chat), record.fromMe || record.participant ? undefined : record.name);
        const unsent = record.fromMe && record.ack === 0;
        if (record !== newest.get(record.chat) && !unsent && !record.pending) continue;
        const model = modelOf(record);
        show(model, chat);
        if (record.pending) decryptLater(model, record.pending);
      }
    };

    const last = new WeakMap();
    function show(model, chat) {
      chat.msgs.index.set(model.id.toString(), model);
      last.set(chat, model);
      chat.attributes.t = model.t;
      if (!model.id.fromMe) chat.attributes.lastReceivedKey = model.id;
      Msg.add(model);
      chat.msgs.trigger('add', model);
    }
    exports.show = show;
    exports.lastOf = (chat) => last.get(chat);

    // What the servers kept for this device, one by one.
    exports.take = (frame, isNewMsg = true) => {
      const happenings = require('SandboxHappenings');
      switch (frame.k) {
        case 'msg':
          return takeMessage(frame.msg, isNewMsg);
        case 'ack':
          return takeAck(frame);
        case 'history':
          return frame.msgs.forEach((msg) => add(msg, false));
        case 'seen':
          return chatOf(createWid(frame.chat)).set({ unreadCount: 0 });
        default:
          return happenings[frame.k](frame);
      }
    };

    // People whose other address comes with a message.
    function learn(wid, also) {
      if (!also) return;
      const other = createWid(also);
      if (wid.isLid()) map.learn(other, wid);
      else map.learn(wid, other);
    }

    function add(msg, isNewMsg, type = msg.revoked ? 'revoked' : msg.kind) {
      const wid = createWid(msg.chat);
      const writer = msg.participant ? createWid(msg.participant) : wid;
      learn(writer, msg.also);
      if (msg.group) groups.learn(msg.chat, msg.group);
      const chat = chatOf(wid, msg.group || msg.fromMe ? undefined : msg.name);
      // A group's notice is nobody's message.
      const notice = msg.kind === 'gp2';
      const id = keyOf({ ...msg, participant: notice ? null : msg.participant });
      // Sent again by the servers, because it was not confirmed in time.
      if (Msg.get(id) || orders.has(id.toString())) return null;
      const order = nextOrder(id.toString());
      const mine = writer.isLid() ? me.getMaybeMeLidUser() : me.getMaybeMePnUser();
      const hidden = type === 'ciphertext';
      const record = {
        id: id.toString(),
        chat: msg.chat,
        fromMe: msg.fromMe,
        wire: msg.id,
        participant: id.participant?.toString(),
        author: msg.participant ?? undefined,
        body: hidden ? undefined : msg.body,
        type,
        subtype: msg.subtype ?? undefined,
        recipients: msg.recipients,
        mentions: hidden ? [] : msg.mentions,
        t: msg.at,
        ack: msg.fromMe ? msg.ack : 1,
        from: msg.fromMe ? String(mine) : msg.chat,
        quoted: hidden ? undefined : (msg.quoted ?? undefined),
        quotedFrom: hidden ? undefined : (msg.quotedFrom ?? undefined),
        name: msg.fromMe || notice ? undefined : msg.name,
        fields: hidden ? {} : msg.fields,
        star: msg.starred,
        pending: hidden ? msg : undefined,
        order,
      };
      if (hidden && config.faults.ciphertext === 'unavailable') record.subtype = 'view_once_unavailable_fanout';
      const model = modelOf(record, isNewMsg);
      if (isNewMsg && !msg.fromMe && !notice) chat.set({ unreadCount: (chat.unreadCount ?? 0) + 1, t: msg.at });
      show(model, chat);
      exports.keep(model);
      return model;
    }

    function takeMessage(msg, isNewMsg) {
      if (config.faults.ciphertext === 'off' || msg.fromMe || msg.kind === 'gp2') {
        add(msg, isNewMsg);
        return;
      }
      const model = add(msg, isNewMsg, 'ciphertext');
      if (model) decryptLater(model, msg);
    }

    // Records that are being brought up to date: the servers must not hear that an ack is stored
    // before it is.
    const updates = new Set();
    exports.kept = async () => {
      await Promise.allSettled([...updates]);
      await storage.stored();
    };

    // Those that wait for their writer's answer, by the string of their key.
    const undecrypted = new Map();
    function decryptLater(model, msg) {
      const { ciphertext, ciphertextMs } = config.faults;
      if (ciphertext === 'resolves' || ciphertext === 'off') setTimeout(() => decrypt(model, msg), ciphertextMs);
      if (ciphertext === 'revoked') setTimeout(() => require('SandboxHappenings').takeBack(model), ciphertextMs);
      if (ciphertext === 'resent') undecrypted.set(model.id.toString(), () => decrypt(model, msg));
    }

    function decrypt(model, msg) {
      if (model.type !== 'ciphertext') return;
      const known = recordsOfModels.get(model);
      recordsOfModels.set(model, { ...known, fields: msg.fields, pending: undefined });
      model.set({
        ...msg.fields,
        body: msg.body,
        quotedStanzaID: msg.quoted ?? undefined,
        quotedParticipant: msg.quotedFrom ? createWid(msg.quotedFrom) : undefined,
        mentionedJidList: msg.mentions.length ? msg.mentions.map(createWid) : undefined,
        type: msg.kind,
      });
      exports.keep(model);
    }

    exports.askAgain = (models) => {
      require('SandboxWire').send({ t: 'resend', ids: models.map((model) => model.id.toString()) });
    };
    exports.resent = ({ ids }) => {
      for (const id of ids) {
        const one = undecrypted.get(id);
        undecrypted.delete(id);
        if (one) setTimeout(one, config.faults.ciphertextMs);
      }
    };

    // A message in memory by its short id: the key of one's own in a group may have either name.
    function ownModel(key) {
      return Msg.get(key) ?? Msg.filter((one) => one.id.fromMe && one.id.id === key.id)[0];
    }

    function takeAck({ chat, participant, id, ack }) {
      const key = keyOf({ fromMe: true, chat, id, participant });
      // The send call's second promise settles at the server's own tick, whatever listeners are told.
      require('SandboxSend').settle(id, { messageSendResult: 'OK', t: Math.floor(Date.now() / 1000), count: 1 });
      const model = ownModel(key);
      if (!model) {
        // Known to the storage only: its record is brought up to date, and nobody is told.
        const done = storage.get('message', key.toString()).then((record) => {
          if (record && record.ack < ack) storage.put('message', { ...record, ack });
        });
        updates.add(done);
        done.finally(() => updates.delete(done));
        return;
      }
      const tell = (value) => {
        if (model.ack === value) model.tell('change:ack', value, value);
        else model.set({ ack: value });
      };
      const order = config.faults.acks;
      if (order === 'repeated') {
        tell(ack);
        tell(ack);
      } else if (order === 'shuffled' && ack === 1) {
        // The server's own tick comes after the device's, which then comes again.
        setTimeout(() => {
          const now = Math.max(model.ack, 1);
          tell(1);
          if (now > 1) tell(now);
        }, 100);
      } else if (model.ack < ack) tell(ack);
      exports.keep(model);
    }

    // Unsent messages go again after a reload or a reconnection, by themselves.
    exports.resendUnsent = () => {
      for (const model of Msg.filter((one) => one.id.fromMe && one.ack === 0)) {
        require('SandboxSend').transmit(model);
      }
    };
  }, { stage: 'sandbox' });
