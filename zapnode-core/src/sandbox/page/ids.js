// Ids: who and which message (fact sheet §0.3), and who is whom (§0.4).
if (!window.__sandboxRefused) {
  __d('SandboxIds', (require, exports) => {
    // As it was at the load: a build does not change under a living page.
    const { msgKey } = require('SandboxLoader').config.faults;

    class Wid {
      constructor(user, server) {
        this.server = server;
        this.user = user;
        this._serialized = `${user}@${server}`;
      }
      isUser() {
        return this.server === 'c.us' || this.server === 'lid' || this.server === 'bot';
      }
      isLid() {
        return this.server === 'lid';
      }
      isGroup() {
        return this.server === 'g.us';
      }
      isNewsletter() {
        return this.server === 'newsletter';
      }
      isStatus() {
        return this._serialized === 'status@broadcast';
      }
      isBroadcast() {
        return this.server === 'broadcast';
      }
      isBot() {
        return this.server === 'bot';
      }
      equals(other) {
        return other instanceof Wid && other.toString() === this.toString();
      }
      toJid() {
        return `${this.user}@${this.server === 'c.us' ? 's.whatsapp.net' : this.server}`;
      }
      toString(options) {
        return options?.legacy ? this.toJid() : `${this.user}@${this.server}`;
      }
    }

    const servers = ['c.us', 'lid', 'g.us', 'broadcast', 'newsletter', 'bot', 'hosted', 'hosted.lid'];
    const cache = new Map();
    // One object for each id, shared by everything on the page: whoever writes to it corrupts all.
    function createWid(text) {
      if (text instanceof Wid) return text;
      if (typeof text !== 'string') throw new Error('wid error: invalid wid');
      const known = cache.get(text);
      if (known) return known;
      const [user, server, more] = text.replace('@s.whatsapp.net', '@c.us').split('@');
      if (!user || !servers.includes(server) || more !== undefined)
        throw new Error(`wid error: invalid wid ${text}`);
      const wid = new Wid(user.split(':')[0], server);
      cache.set(text, wid);
      return wid;
    }

    class MsgKey {
      constructor({ fromMe, remote, from, to, id, participant, selfDir }) {
        if (typeof id !== 'string' || !id) throw new Error('MsgKey error: no id');
        const given = remote ?? to;
        if (!given) throw new Error('MsgKey error: no remote');
        if (remote === undefined && !from) throw new Error('MsgKey error: no from');
        this.fromMe = remote === undefined ? true : Boolean(fromMe);
        this.remote = createWid(given);
        this.id = id;
        if (participant) this.participant = createWid(participant);
        if (selfDir) this.self = selfDir;
        const text = [this.fromMe, this.remote, id, this.participant].filter((part) => part !== undefined).join('_');
        // Fact sheet §0.3: the minified name in newer builds, the old one before.
        if (msgKey === 'serialized') this._serialized = text;
        else this.$1 = text;
      }
      toString() {
        return this.$1 ?? this._serialized;
      }
      equals(other) {
        return String(other) === this.toString();
      }
      clone() {
        return MsgKey.fromString(this.toString());
      }
      static async newId() {
        const bytes = crypto.getRandomValues(new Uint8Array(9));
        return `3EB0${[...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('').toUpperCase()}`;
      }
      static fromString(text) {
        const [fromMe, remote, id, participant] = String(text).split('_');
        return new MsgKey({ fromMe: fromMe === 'true', remote: createWid(remote), id, participant });
      }
    }

    Object.assign(exports, { Wid, createWid, MsgKey });
  }, { stage: 'sandbox' });

  // Pairs of phone number and LID, as far as this device has learned them.
  __d('SandboxLidMap', (require, exports) => {
    const { createWid } = require('SandboxIds');
    const { faults } = require('SandboxLoader').config;
    const storage = require('SandboxStorage');
    const lids = new Map();
    const numbers = new Map();

    exports.learn = (pn, lid, { keep = true } = {}) => {
      if (lids.get(String(pn))) return;
      lids.set(String(pn), createWid(String(lid)));
      numbers.set(String(lid), createWid(String(pn)));
      if (keep) storage.put('lidmap', { id: String(pn), lid: String(lid) });
    };
    exports.lidOf = (wid) => (wid.isLid() ? wid : lids.get(String(wid)));
    exports.numberOf = (wid) => (wid.isLid() ? numbers.get(String(wid)) : wid);
    // Whether WhatsApp addresses this person by LID in one-to-one chats.
    exports.byLid = (wid) => {
      if (wid.isLid()) return true;
      if (wid.server !== 'c.us') return false;
      if (faults.addressing !== 'mixed') return faults.addressing === 'lid';
      return Number(wid.user.at(-1)) % 2 === 1;
    };
  }, { stage: 'sandbox' });

  __d('WAWebWid', (require, _exports, module) => {
    module.exports = require('SandboxIds').Wid;
  }, { plain: true });

  __d('WAWebMsgKey', (require, _exports, module) => {
    const { MsgKey } = require('SandboxIds');
    const wrapped = require('SandboxLoader').config.faults.msgKeyExport === 'default';
    module.exports = wrapped ? { default: MsgKey } : MsgKey;
  }, { plain: true });

  __d('WAWebWidFactory', (require, exports) => {
    const { createWid, Wid } = require('SandboxIds');
    exports.createWid = createWid;
    exports.createWidFromWidLike = (like) => createWid(like instanceof Wid ? like : `${like.user}@${like.server}`);
    exports.createUserWidOrThrow = (text) => exports.asUserWidOrThrow(createWid(text.includes('@') ? text : `${text}@c.us`));
    exports.asUserWidOrThrow = (wid) => {
      if (!wid?.isUser?.()) throw new Error('wid error: not a user');
      return wid;
    };
    exports.toUserLidOrThrow = (wid) => {
      if (!wid?.isLid?.()) throw new Error('wid error: not a lid');
      return wid;
    };
    exports.isWidlike = (like) => Boolean(like && like.user && like.server);
  });

  __d('WAWebApiContact', (require, exports) => {
    const map = require('SandboxLidMap');
    exports.getCurrentLid = (wid) => map.lidOf(wid);
    exports.getPhoneNumber = (wid) => map.numberOf(wid);
    exports.getAlternateUserWid = (wid) => (wid.isLid() ? map.numberOf(wid) : map.lidOf(wid));
  });

  __d('WAWebLidMigrationUtils', (require, exports) => {
    const map = require('SandboxLidMap');
    exports.toPn = (wid) => map.numberOf(wid);
    exports.toLid = (wid) => map.lidOf(wid);
    exports.getEnforceCurrentLid = (wid) => map.lidOf(wid);
    exports.getCurrentLidForUserWid = (wid) => map.lidOf(wid);
    exports.toUserLidOrThrow = (wid) => {
      const lid = map.lidOf(wid);
      if (!lid) throw new Error('No LID for user');
      return lid;
    };
  });

  __d('Lid1X1MigrationUtils', (require, exports) => {
    const { faults } = require('SandboxLoader').config;
    exports.Lid1X1MigrationUtils = {
      isLidMigrated: () => faults.addressing !== 'pn',
      isSyncdSessionMigrated: () => faults.addressing !== 'pn',
      shouldApplyNonMigratedMessagingRules: () => faults.addressing === 'pn',
    };
  });

  __d('WAWebWidToJid', (_require, exports) => {
    exports.widToUserJid = (wid) => wid.toJid();
    exports.widToGroupJid = (wid) => wid.toJid();
  });

  __d('WAWebJidToWid', (require, exports) => {
    exports.userJidToUserWid = require('SandboxIds').createWid;
    exports.newsletterJidToWid = require('SandboxIds').createWid;
  });
}
