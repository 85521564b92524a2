// Socket, stream, keys, QR and pairing code (fact sheet §2).
if (!window.__sandboxRefused) {
  __d('WAWebSocketModel', (require, exports) => {
    const { Model } = require('SandboxModels');
    class SocketModel extends Model {
      static fields = ['state', 'stream', 'hasSynced'];
      // What these do is the session's business.
      logout(reason) {
        return require('SandboxSession').logout(reason);
      }
      takeover() {
        require('SandboxSession').takeover();
      }
      reconnect() {
        require('SandboxSession').reconnect();
      }
      poke() {
        require('SandboxSession').poke();
      }
    }
    exports.Socket = new SocketModel({ state: 'UNLAUNCHED', stream: 'DISCONNECTED', hasSynced: false });
  }, { stage: 'early' });

  __d('WAWebStreamModel', (require, exports) => {
    const { Model } = require('SandboxModels');
    class StreamModel extends Model {
      static fields = ['mode', 'info', 'displayInfo', 'needsUpdate', 'available'];
      markAvailable() {
        this.set({ available: true });
        require('SandboxWire').send({ t: 'presence', available: true });
      }
      markUnavailable() {
        this.set({ available: false });
        require('SandboxWire').send({ t: 'presence', available: false });
      }
    }
    exports.Stream = new StreamModel({
      mode: 'QR',
      info: 'OPENING',
      displayInfo: 'OPENING',
      needsUpdate: false,
      available: false,
    });
  }, { stage: 'early' });

  __d('WAWebConnModel', (require, exports) => {
    const { Model } = require('SandboxModels');
    class ConnModel extends Model {
      static fields = ['ref', 'refTTL', 'connected', 'pushname', 'platform', 'phone', 'wid', 'lid', 'battery', 'plugged'];
      canSetMyPushname() {
        return true;
      }
    }
    exports.Conn = new ConnModel({ ref: null, refTTL: null, connected: false, platform: 'android' });
  }, { stage: 'early' });

  __d('WAWebCmd', (require, exports) => {
    const { Emitter } = require('SandboxModels');
    class CmdClass extends Emitter {
      isMainLoaded = false;
      refreshQR() {
        require('SandboxPairing').refresh();
      }
      openChatBottom() {
        return Promise.resolve(true);
      }
      markChatUnread(chat, unread) {
        require('WAWebUpdateUnreadChatAction').markUnread(chat, unread);
      }
      // Fact sheet §8.1: all builds of 2.3000 take the object.
      sendRevokeMsgs(chat, { list, type }, options) {
        if (!chat?.id || type !== 'message' || !options) throw new Error('sendRevokeMsgs: wrong arguments');
        const may = require('WAWebMsgActionCapability');
        require('SandboxActions').each(list, { a: 'revoke' }, (msg) => may.canSenderRevokeMsg(msg) || may.canAdminRevokeMsg(msg));
      }
      sendDeleteMsgs(chat, { list, type }, _clearMedia) {
        if (!chat?.id || type !== 'message') throw new Error('sendDeleteMsgs: wrong arguments');
        require('SandboxActions').each(list, { a: 'delete' });
      }
      sendStarMsgs(_chat, list) {
        require('SandboxActions').each(list, { a: 'star', on: true });
      }
      sendUnstarMsgs(_chat, list) {
        require('SandboxActions').each(list, { a: 'star', on: false });
      }
    }
    exports.Cmd = new CmdClass();
  }, { stage: 'early' });

  __d('WAWebBackendEventBus', (require, exports) => {
    const { Emitter } = require('SandboxModels');
    exports.BackendEventBus = new Emitter();
    exports.BackendEventBus.isMainStreamReadyMd = false;
    exports.BackendEventBus.isOfflineDeliveryEnd = false;
  });

  __d('WAWebLaunchSocketUtils', (require, exports) => {
    exports.refreshQR = () => require('SandboxPairing').refresh();
  });

  __d('WAWebOfflineHandler', (_require, exports) => {
    let progress = 0;
    exports.OfflineMessageHandler = {
      getOfflineDeliveryProgress: () => progress,
      // Only the session calls this.
      setProgress: (percent) => {
        progress = percent;
      },
    };
  });

  __d('WABase64', (_require, exports) => {
    exports.encodeB64 = (bytes) => btoa(String.fromCharCode(...new Uint8Array(bytes)));
    exports.decodeB64 = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)).buffer;
  });

  // Keys are made once for a profile and kept in its storage.
  __d('SandboxKeys', (require, exports) => {
    const storage = require('SandboxStorage');
    const { encodeB64 } = require('WABase64');
    const fresh = () => crypto.getRandomValues(new Uint8Array(32));
    let keys = null;
    let adv = encodeB64(fresh());

    exports.start = async () => {
      keys = await storage.get('keys', 'registration');
      if (!keys) {
        keys = { id: 'registration', noise: fresh(), identity: fresh(), registrationId: 1 + (Date.now() % 16380) };
        storage.put('keys', keys);
      }
      localStorage.setItem('WANoiseInfo', JSON.stringify(encodeB64(keys.noise)));
    };
    exports.noise = () => keys.noise;
    exports.identity = () => keys.identity;
    exports.registrationId = () => keys.registrationId;
    exports.adv = () => adv;
    exports.renewAdv = () => {
      adv = encodeB64(fresh());
    };

    exports.login = async () => {
      const kept = await storage.get('keys', 'login');
      const wid = localStorage.getItem('last-wid-md');
      return kept && wid === JSON.stringify(kept.device) ? kept : null;
    };
    exports.keepLogin = async (device, secret) => {
      storage.put('keys', { id: 'login', device, secret });
      localStorage.setItem('last-wid-md', JSON.stringify(device));
      localStorage.setItem('md-opted-in', 'true');
      await storage.stored();
    };
  }, { stage: 'sandbox' });

  __d('WAWebUserPrefsInfoStore', (require, exports) => {
    exports.waNoiseInfo = {
      get: async () => ({ staticKeyPair: { pubKey: require('SandboxKeys').noise() } }),
    };
  });

  __d('WAWebSignalStoreApi', (require, exports) => {
    const keys = require('SandboxKeys');
    exports.waSignalStore = {
      getRegistrationInfo: async () => ({
        registrationId: keys.registrationId(),
        identityKeyPair: { pubKey: keys.identity() },
      }),
    };
  });

  __d('WAWebUserPrefsMultiDevice', (require, exports) => {
    exports.getADVSecretKey = () => require('SandboxKeys').adv();
  });

  __d('WAWebAdvSignatureApi', (require, exports) => {
    // The older home gives a promise.
    exports.getADVSecretKey = async () => require('SandboxKeys').adv();
  });

  __d('WAWebCompanionRegClientUtils', (_require, exports) => {
    exports.DEVICE_PLATFORM = 1;
  });

  // Who a driver says it is: the entry in the phone's list of linked devices (§1.4).
  __d('WAWebMiscBrowserUtils', (_require, exports) => {
    exports.info = () => ({
      os: navigator.platform,
      version: (navigator.userAgent.match(/Chrome\/(\d+)/) ?? [])[1] ?? '0',
      name: 'Chrome',
      ua: navigator.userAgent,
    });
  });

  __d('WAWebUserPrefsMeUser', (_require, exports) => {
    let me = { pn: undefined, lid: undefined };
    exports.getMaybeMePnUser = () => me.pn;
    exports.getMaybeMeLidUser = () => me.lid;
    exports.getMaybeMeUser = () => me.pn;
    exports.getMeUser = () => {
      if (!me.pn) throw new Error('no me user');
      return me.pn;
    };
    exports.getMaybeMeLid = () => me.lid;
    // Only the session calls this.
    exports.setMe = (pn, lid) => {
      me = { pn, lid };
    };
  });

  // Showing this page's QR and pairing code; the servers send the references.
  __d('SandboxPairing', (require, exports) => {
    const wire = require('SandboxWire');
    const keys = require('SandboxKeys');
    const { encodeB64 } = require('WABase64');
    const { Socket } = require('WAWebSocketModel');
    const { Stream } = require('WAWebStreamModel');
    const { Conn } = require('WAWebConnModel');

    exports.start = () => {
      const { name, os } = require('WAWebMiscBrowserUtils').info();
      wire.send({
        t: 'pair',
        noise: encodeB64(keys.noise()),
        identity: encodeB64(keys.identity()),
        adv: keys.adv(),
        name: `${name} (${os})`,
      });
    };

    wire.events.on('unpaired', () => {
      Stream.set({ mode: 'QR', info: 'NORMAL', displayInfo: 'NORMAL' });
      Socket.set({ state: 'UNPAIRED' });
    });
    wire.events.on('ref', ({ r, ttlMs }) => {
      if (Socket.state === 'UNPAIRED_IDLE') Socket.set({ state: 'UNPAIRED' });
      Conn.attributes.refTTL = ttlMs;
      Conn.set({ ref: r });
    });
    wire.events.on('idle', () => {
      Conn.attributes.ref = null;
      Socket.set({ state: 'UNPAIRED_IDLE' });
    });

    exports.refresh = () => {
      keys.renewAdv();
      if (Socket.state === 'UNPAIRED' || Socket.state === 'UNPAIRED_IDLE') wire.send({ t: 'refresh', adv: keys.adv() });
    };
  }, { stage: 'sandbox' });

  __d('WAWebAltDeviceLinkingApi', (require, exports) => {
    const wire = require('SandboxWire');
    let type = null;
    let initialized = false;
    exports.setPairingType = (given) => {
      type = given;
    };
    exports.initializeAltDeviceLinking = async () => {
      if (type !== 'ALT_DEVICE_LINKING') throw new Error('alt linking: the pairing type is not set');
      await null;
      initialized = true;
    };
    exports.startAltLinkingFlow = async (phone, _showNotification) => {
      if (!initialized) throw new Error('alt linking: not initialized');
      if (!/^\d{7,15}$/.test(phone)) throw new Error('alt linking: not a phone number');
      const { code } = await wire.ask({ t: 'pairCode', phone });
      if (!code) throw new Error('alt linking: refused');
      return code;
    };
    exports.initializeQRLinking = async () => {
      type = null;
      initialized = false;
    };
  });
}
