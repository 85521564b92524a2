// The page's life: boot, login, sync, loss of the connection, logout (fact sheet §1, §2, §3).
if (!window.__sandboxRefused) {
  __d('SandboxSession', (require, exports) => {
    const { config } = require('SandboxLoader');
    const wire = require('SandboxWire');
    const keys = require('SandboxKeys');
    const storage = require('SandboxStorage');
    const messages = require('SandboxMessages');
    const { createWid } = require('SandboxIds');
    const { Socket } = require('WAWebSocketModel');
    const { Stream } = require('WAWebStreamModel');
    const { Conn } = require('WAWebConnModel');
    const { Cmd } = require('WAWebCmd');
    const { BackendEventBus } = require('WAWebBackendEventBus');
    const { OfflineMessageHandler } = require('WAWebOfflineHandler');

    let login = null;
    let leaving = false;
    let everSynced = false;
    let retryMs = 250;
    let lostSince = null;
    let toCome = 0;
    let come = 0;
    let hooks = [];
    let loggedOut = null;

    // Calls back once the first sync is through.
    exports.whenReady = (call) => hooks.push(call);

    function show(stream, mode, info) {
      Socket.set({ stream });
      Stream.set({ mode, info, displayInfo: info });
    }

    exports.start = async () => {
      // It listens to the wire.
      require('SandboxHappenings');
      await storage.start();
      await keys.start();
      login = await keys.login();
      if (login) await messages.loadStored();
      // A login that was lost, as by a kill right after linking, leaves nothing to whoever links next.
      else await storage.empty(['message', 'lidmap', 'reaction', 'group', 'pin', 'vote']);
      if (config.faults.outdatedBuild) {
        show('DISCONNECTED', 'DEPRECATED_VERSION', 'OFFLINE');
        Stream.set({ needsUpdate: true });
        Socket.set({ state: 'DEPRECATED_VERSION' });
        return;
      }
      connect();
    };

    function connect() {
      Socket.set({ state: 'OPENING' });
      Stream.set({ info: 'OPENING', displayInfo: 'OPENING' });
      wire.open();
    }

    wire.events.on('open', () => {
      retryMs = 250;
      lostSince = null;
      if (!login) {
        require('SandboxPairing').start();
        return;
      }
      Socket.set({ state: 'PAIRING' });
      show(everSynced ? 'RESUMING' : 'SYNCING', everSynced ? 'MAIN' : 'SYNCING', 'PAIRING');
      wire.send({ t: 'login', device: login.device, secret: login.secret });
    });

    wire.events.on('closed', () => {
      if (leaving || Socket.state === 'CONFLICT' || Socket.state === 'DEPRECATED_VERSION') return;
      lostSince ??= Date.now();
      Conn.attributes.ref = null;
      Conn.set({ connected: false });
      show('DISCONNECTED', everSynced ? 'MAIN' : Stream.mode, 'OFFLINE');
      // A connection that is long in coming shows as TIMEOUT between two attempts.
      Socket.set({ state: Date.now() - lostSince > 10_000 ? 'TIMEOUT' : 'OPENING' });
      setTimeout(() => !leaving && !wire.isOpen() && connect(), retryMs);
      retryMs = Math.min(retryMs * 2, 5_000);
    });

    wire.events.on('paired', async ({ device, secret }) => {
      await keys.keepLogin(device, secret);
      login = { device, secret };
      Conn.attributes.ref = null;
      // The real page starts its socket anew with the fresh login.
      wire.close();
      connect();
    });

    wire.events.on('passkey', () => {
      // Fact sheet §2.5: the state stays UNPAIRED, and a headless browser goes no further.
      require('SandboxLoader').openStage('passkey');
      require('SandboxUi').passkey();
    });

    wire.events.on('loggedIn', ({ me, backlog }) => {
      const pn = createWid(me.pn);
      const lid = createWid(me.lid);
      require('SandboxLidMap').learn(pn, lid);
      require('WAWebUserPrefsMeUser').setMe(pn, lid);
      Conn.set({ connected: true, pushname: me.name, wid: pn, lid });
      Socket.set({ state: 'CONNECTED' });
      toCome = backlog;
      come = 0;
      progress(backlog ? 0 : 100);
    });

    function progress(percent) {
      OfflineMessageHandler.setProgress(percent);
      Cmd.trigger('offline_progress_update_from_bridge');
      Cmd.trigger('offline_progress_update');
    }

    // Confirmed together, after they are stored: a page that is killed gets them again.
    let confirm = 0;
    let confirming = false;
    wire.events.on('stored', (frame) => {
      messages.take(frame, !(toCome && config.faults.backlogAsHistory));
      confirm = frame.n;
      if (toCome) {
        come += 1;
        progress(Math.min(99, Math.floor((come / toCome) * 100)));
      }
      confirmStored();
    });

    // No timer here: a page in the background has few of them, and its messages arrive all the same.
    async function confirmStored() {
      if (confirming) return;
      confirming = true;
      let n;
      do {
        n = confirm;
        await messages.kept();
        wire.send({ t: 'got', n });
      } while (n !== confirm);
      confirming = false;
    }

    wire.events.on('offlineEnd', () => {
      toCome = 0;
      setTimeout(synced, everSynced ? 0 : config.faults.syncMs);
    });

    function synced() {
      if (leaving || !wire.isOpen() || Socket.state !== 'CONNECTED') return;
      progress(100);
      BackendEventBus.isOfflineDeliveryEnd = true;
      BackendEventBus.trigger('offline_delivery_end');
      Socket.set({ stream: 'CONNECTED' });
      Socket.set({ hasSynced: true });
      const first = !everSynced;
      everSynced = true;
      if (first) require('SandboxHappenings').replay();
      setTimeout(() => {
        if (!wire.isOpen()) return;
        Stream.set({ mode: 'MAIN', info: 'NORMAL', displayInfo: 'NORMAL' });
        Cmd.isMainLoaded = true;
        BackendEventBus.isMainStreamReadyMd = true;
        Cmd.trigger('main_loaded');
        Cmd.trigger('main_stream_mode_ready');
        BackendEventBus.trigger('main_stream_mode_ready');
        messages.resendUnsent();
        if (first) {
          require('SandboxLoader').openStage('login');
          for (const hook of hooks) hook();
          hooks = [];
        }
      }, first ? config.faults.syncingMs : 0);
    }

    // Whether the page may act; acting earlier costs the login (fact sheet §2.2).
    exports.mayAct = () => {
      if (Stream.mode === 'MAIN') return true;
      wire.send({ t: 'misbehaved' });
      return false;
    };

    wire.events.on('conflict', () => {
      Socket.set({ state: 'CONFLICT' });
      show('DISCONNECTED', 'CONFLICT', 'OFFLINE');
      wire.close();
    });

    exports.takeover = () => {
      if (Socket.state === 'CONFLICT') connect();
    };
    exports.reconnect = () => {
      wire.close();
      connect();
    };
    exports.poke = () => {
      if (!wire.isOpen() && Socket.state !== 'CONFLICT' && !leaving) connect();
    };

    exports.logout = () =>
      new Promise((resolve) => {
        loggedOut = resolve;
        // Off line it cannot tell the servers; it forgets its login all the same.
        if (!login || !wire.send({ t: 'logout' })) leave('user_initiated');
      });

    wire.events.on('loggedOut', ({ reason }) => leave(reason));

    async function leave(reason) {
      if (leaving) return;
      leaving = true;
      const which = config.faults.logoutEvent;
      if (which === 'both' || which === 'logout') Cmd.trigger('logout', reason);
      if (which === 'both' || which === 'logoutFromBridge') Cmd.trigger('logout_from_bridge', reason);
      Socket.set({ stream: 'DISCONNECTED' });
      await storage.clear();
      wire.close();
      loggedOut?.();
      // Time for a driver to hear of it before its page goes.
      setTimeout(() => location.replace(`${location.pathname}?post_logout=1&logout_reason=${codes[reason] ?? 0}`), 120);
    }
    const codes = { syncd_failure: 1, critical_sync_timeout: 1, history_sync_timeout: 2, account_locked: 3 };

    // A state from outside; what is sent meanwhile stays unsent until it is taken back.
    const blocking = ['PROXYBLOCK', 'TOS_BLOCK', 'SMB_TOS_BLOCK', 'DEPRECATED_VERSION', 'CONFLICT'];
    exports.forceState = (state) => {
      if (state) {
        const mode = blocking.includes(state) ? state : Stream.mode;
        Stream.set({ mode, info: state === 'OPENING' ? 'OPENING' : 'OFFLINE', displayInfo: 'OFFLINE' });
        Socket.set({ state });
        return;
      }
      if (!wire.isOpen() || Socket.state === 'CONNECTED') return;
      Socket.set({ state: login ? 'CONNECTED' : 'UNPAIRED' });
      Stream.set({ mode: login ? 'MAIN' : 'QR', info: 'NORMAL', displayInfo: 'NORMAL' });
      messages.resendUnsent();
    };
  }, { stage: 'sandbox' });
}
