// People: the phone's address book, blocked people, pictures, about texts, businesses; and turning
// calls away (fact sheet §5.5, §6).
if (!window.__sandboxRefused) {
  __d('SandboxPeople', (require, exports) => {
    const wire = require('SandboxWire');
    const map = require('SandboxLidMap');
    const { createWid } = require('SandboxIds');
    const { Contact, Blocklist } = require('WAWebCollections');

    // Whom the account has blocked, and whom a switch says so of.
    const blocked = { account: [], switch: [] };
    exports.setBlocked = (source, ids) => {
      blocked[source] = ids;
      const all = new Set([...blocked.account, ...blocked.switch]);
      for (const model of Blocklist.getModelsArray()) if (!all.has(model.id.toString())) Blocklist.remove(model);
      for (const id of all) Blocklist.add({ id: createWid(id) });
      for (const contact of Contact.getModelsArray()) {
        const lid = map.lidOf(contact.id);
        contact.set({ isContactBlocked: all.has(contact.id.toString()) || all.has(String(lid)) });
      }
    };

    // What the servers know of the account besides its messages.
    wire.events.on('account', ({ book, blocked: ids }) => {
      for (const { pn, lid, name } of book) {
        map.learn(createWid(pn), createWid(lid));
        const wid = createWid(map.byLid(createWid(pn)) ? lid : pn);
        const contact = Contact.get(wid) ?? Contact.gadd(wid, { silent: true });
        contact.set({ name, shortName: name.split(' ')[0], isAddressBookContact: 1, phoneNumber: wid.isLid() ? createWid(pn) : undefined });
      }
      exports.setBlocked('account', ids);
    });

    // Asks the servers for something of a person; a refusal is thrown as theirs are.
    exports.ask = async (what, wid, more = {}) => {
      if (!require('SandboxSession').mayAct()) throw new Error(`${what} while syncing`);
      const { status, value } = await wire.ask({ t: 'person', what, wid: wid.toString(), ...more });
      if (status !== 200) throw require('SandboxSend').serverError(status);
      return value;
    };
  }, { stage: 'sandbox' });

  __d('WAWebBlockContactAction', (require, exports) => {
    const { ask } = require('SandboxPeople');
    async function block(contact, on) {
      const lid = contact?.id;
      // Fact sheet §6: by LID only.
      if (!lid?.isLid?.()) throw new TypeError('blockContact: the contact has no LID');
      await ask('block', lid, { on });
      const { Blocklist } = require('WAWebCollections');
      const ids = new Set(Blocklist.map((one) => one.id.toString()));
      if (on) ids.add(lid.toString());
      else ids.delete(lid.toString());
      require('SandboxPeople').setBlocked('account', [...ids]);
    }
    exports.blockContact = async (given) => block(given.contact, true);
    exports.unblockContact = async (contact, _entryPoint) => block(contact, false);
  });

  // How the reference client finds what to block: the contact under its LID.
  __d('WAWebBlockContactUtils', (require, exports) => {
    const map = require('SandboxLidMap');
    exports.getContactToBlockOnlyUseIfNoAssociatedChat = (contact, _entryPoint) => {
      const lid = map.lidOf(contact.id);
      return lid ? { id: lid, isContactBlocked: false, phoneNumber: null } : contact;
    };
  });

  __d('WAWebContactStatusBridge', (require, exports) => {
    const { ask } = require('SandboxPeople');
    exports.getStatus = async ({ token, wid }) => {
      if (token === undefined || !wid?.isUser?.()) throw new TypeError('getStatus: whose?');
      return { id: wid, status: await ask('about', wid) };
    };
    exports.setMyStatus = async (text) => {
      await ask('setAbout', require('WAWebUserPrefsMeUser').getMaybeMePnUser(), { text: String(text) });
    };
  });

  __d('WAWebSetPushnameConnAction', (require, exports) => {
    exports.setPushname = async (name) => {
      const me = require('WAWebUserPrefsMeUser').getMaybeMePnUser();
      await require('SandboxPeople').ask('setName', me, { text: String(name) });
      require('WAWebConnModel').Conn.set({ pushname: String(name) });
    };
  });

  __d('SandboxProfilePictures', (require, exports) => {
    const { Model, Collection } = require('SandboxModels');
    const { createWid } = require('SandboxIds');
    const me = require('WAWebUserPrefsMeUser');
    const isMe = (wid) => Boolean(me.getMaybeMePnUser()?.equals(wid) || me.getMaybeMeLidUser()?.equals(wid));

    class Thumb extends Model {
      static fields = ['id', 'img', 'imgFull', 'eurl', 'tag'];
      canSet() {
        return this.id.isGroup() ? require('SandboxGroupPictures').mayChange(this.id) : isMe(this.id);
      }
      canDelete() {
        return this.id.isGroup() ? require('SandboxGroupPictures').mayChange(this.id) : isMe(this.id) && Boolean(this.img);
      }
    }
    class Thumbs extends Collection {
      async find(id) {
        const wid = createWid(id);
        const thumb = this.get(wid) ?? this.gadd(wid, { silent: true });
        const url = await exports.ask(wid).catch((error) => {
          if (error.name === 'ServerStatusCodeError') return undefined;
          throw error;
        });
        thumb.set({ img: url, imgFull: url, eurl: url });
        return thumb;
      }
    }
    exports.ask = async (wid) => new URL(await require('SandboxPeople').ask('picture', wid), location.origin).href;
    exports.collection = new Thumbs(Thumb);
  }, { stage: 'sandbox' });

  __d('WAWebContactProfilePicThumbBridge', (require, exports) => {
    const { ask } = require('SandboxPeople');
    exports.requestProfilePicFromServer = async (chat) => {
      if (!chat?.id) throw new TypeError('requestProfilePicFromServer: no chat');
      const url = await require('SandboxProfilePictures').ask(chat.id);
      return { eurl: url, tag: url.split('=').at(-1) };
    };
    exports.sendSetPicture = async (wid, thumb, full) => {
      for (const picture of [thumb, full])
        if (!String(picture).startsWith('data:image/jpeg;base64,')) throw new TypeError('sendSetPicture: no JPEG');
      if (wid.isGroup()) return require('SandboxGroupPictures').set(wid, full);
      await ask('setPicture', wid, { text: full });
      await require('SandboxProfilePictures').collection.find(wid);
      return { status: 200 };
    };
    exports.requestDeletePicture = async (wid) => {
      if (wid.isGroup()) return require('SandboxGroupPictures').set(wid, null);
      await ask('setPicture', wid, { text: '' });
      await require('SandboxProfilePictures').collection.find(wid);
      return { status: 200 };
    };
  });

  __d('SandboxBusinesses', (require, exports) => {
    const { Model, Collection } = require('SandboxModels');
    const { createWid } = require('SandboxIds');
    class Businesses extends Collection {
      async find(id) {
        const wid = createWid(id);
        const profile = this.get(wid) ?? this.gadd(wid, { silent: true });
        const fields = await require('SandboxPeople').ask('business', wid);
        profile.set({ ...fields, profileOptions: Object.keys(fields).length ? {} : undefined });
        return profile;
      }
    }
    exports.collection = new Businesses(Model);
  }, { stage: 'sandbox' });

  // Stanzas made by hand, as for turning a call away.
  __d('WAWap', (_require, exports) => {
    let last = 0;
    exports.wap = (tag, attrs, content) => ({ tag, attrs, content: content ?? null });
    exports.generateId = () => `${Date.now().toString(16).toUpperCase()}-${(last += 1)}`;
  });

  __d('WADeprecatedSendIq', (require, exports) => {
    exports.deprecatedCastStanza = async (stanza) => {
      const [reject] = stanza?.content ?? [];
      if (stanza?.tag !== 'call' || reject?.tag !== 'reject' || !stanza.attrs.id) throw new Error('deprecatedCastStanza: not in the sandbox');
      const { 'call-id': id, 'call-creator': creator } = reject.attrs;
      if (!id || creator !== stanza.attrs.to) throw new Error('deprecatedCastStanza: no such call');
      require('SandboxWire').send({ t: 'rejectCall', id, way: 'stanza' });
    };
  });
}
