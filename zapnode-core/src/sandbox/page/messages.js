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

    // Which messages this device has, in the collection or only in its storage, and in which order
    // they came: WhatsApp's clock counts seconds only.
    const orders = new Map();
    let lastOrder = 0;
    function nextOrder(id) {
      lastOrder += 1;
      orders.set(id, lastOrder);
      return lastOrder;
    }

    // A stored message is a plain record under the string of its key.
    function recordOf(model, chat) {
      return {
        id: model.id.toString(),
        chat: chat.toString(),
        fromMe: model.id.fromMe,
        wire: model.id.id,
        body: model.body,
        type: model.type,
        t: model.t,
        ack: model.ack,
        from: String(model.from),
        quoted: model.quotedStanzaID,
        name: model.notifyName,
        order: orders.get(model.id.toString()) ?? nextOrder(model.id.toString()),
      };
    }
    exports.keep = (model) => storage.put('message', recordOf(model, model.id.remote));

    exports.modelOf = (record) => {
      const chat = createWid(record.chat);
      const model = new Msg.modelClass({
        id: new MsgKey({ fromMe: record.fromMe, remote: chat, id: record.wire }),
        ack: record.ack,
        body: record.body,
        type: record.type,
        t: record.t,
        from: createWid(record.from),
        to: record.fromMe ? chat : me.getMaybeMePnUser(),
        self: record.fromMe ? 'out' : 'in',
        isNewMsg: false,
        notifyName: record.name,
        star: false,
        quotedStanzaID: record.quoted,
      });
      return model;
    };

    exports.stored = () => storage.all('message');
    exports.fromStorage = async (id) => {
      const record = await storage.get('message', id);
      if (!record) return undefined;
      // Somebody may have been quicker.
      return Msg.get(id) ?? exports.modelOf(record);
    };

    // After a load the collections hold the chats, their last messages, and what is unsent.
    exports.loadStored = async () => {
      for (const { id, lid } of await storage.all('lidmap')) map.learn(id, lid, { keep: false });
      const records = (await exports.stored()).sort((a, b) => a.order - b.order);
      for (const { id, order } of records) {
        orders.set(id, order);
        lastOrder = Math.max(lastOrder, order);
      }
      const newest = new Map();
      for (const record of records) newest.set(record.chat, record);
      for (const record of records) {
        const chat = chatOf(createWid(record.chat), record.fromMe ? undefined : record.name);
        if (record === newest.get(record.chat) || (record.fromMe && record.ack === 0)) {
          show(exports.modelOf(record), chat);
        }
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
    exports.take = (frame) => {
      switch (frame.k) {
        case 'msg':
          return takeMessage(frame.msg);
        case 'ack':
          return takeAck(frame);
        case 'history':
          return frame.msgs.forEach((msg) => add(msg, false));
        case 'seen':
          return require('SandboxChats').chatOf(createWid(frame.chat)).set({ unreadCount: 0 });
      }
    };

    function add(msg, isNewMsg, type = msg.kind) {
      const wid = createWid(msg.chat);
      if (msg.also) {
        const other = createWid(msg.also);
        if (wid.isLid()) map.learn(other, wid);
        else map.learn(wid, other);
      }
      const chat = chatOf(wid, msg.fromMe ? undefined : msg.name);
      const id = new MsgKey({ fromMe: msg.fromMe, remote: wid, id: msg.id });
      // Sent again by the servers, because it was not confirmed in time.
      if (Msg.get(id) || orders.has(id.toString())) return null;
      nextOrder(id.toString());
      const mine = wid.isLid() ? me.getMaybeMeLidUser() : me.getMaybeMePnUser();
      const model = new Msg.modelClass({
        id,
        ack: msg.fromMe ? msg.ack : 1,
        body: type === 'ciphertext' ? undefined : msg.body,
        type,
        t: msg.at,
        from: msg.fromMe ? mine : wid,
        to: msg.fromMe ? wid : mine,
        self: msg.fromMe ? 'out' : 'in',
        isNewMsg,
        star: false,
        notifyName: msg.fromMe ? undefined : msg.name,
        quotedStanzaID: msg.quoted ?? undefined,
        quotedMsg: msg.quoted ? { type: 'chat' } : undefined,
      });
      if (isNewMsg && !msg.fromMe) chat.set({ unreadCount: (chat.unreadCount ?? 0) + 1, t: msg.at });
      show(model, chat);
      if (type !== 'ciphertext') exports.keep(model);
      return model;
    }

    function takeMessage(msg) {
      const { ciphertext, ciphertextMs } = config.faults;
      if (ciphertext === 'off' || msg.fromMe) {
        add(msg, true);
        return;
      }
      const model = add(msg, true, 'ciphertext');
      if (!model || ciphertext === 'never') return;
      setTimeout(() => {
        if (ciphertext === 'revoked') {
          model.set({ protocolMessageKey: model.id, body: '', type: 'revoked' });
        } else {
          model.set({ body: msg.body, type: msg.kind });
          exports.keep(model);
        }
      }, ciphertextMs);
    }

    // Records that are being brought up to date: the servers must not hear that an ack is stored
    // before it is.
    const updates = new Set();
    exports.kept = async () => {
      await Promise.allSettled([...updates]);
      await storage.stored();
    };

    function takeAck({ chat, id, ack }) {
      const key = new MsgKey({ fromMe: true, remote: createWid(chat), id });
      // The send call's second promise settles at the server's own tick, whatever listeners are told.
      require('SandboxSend').settle(id, { messageSendResult: 'OK', t: Math.floor(Date.now() / 1000), count: 1 });
      const model = Msg.get(key);
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
