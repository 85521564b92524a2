// The switches that act on a living page (fact sheet Appendix B).
if (!window.__sandboxRefused)
  __d('SandboxFaults', (require, exports) => {
    const { config } = require('SandboxLoader');
    const wire = require('SandboxWire');
    const { Socket } = require('WAWebSocketModel');

    // Once for each turn of the switches, over reloads too.
    function once(name, act) {
      const key = `sandbox-once-${name}`;
      if (sessionStorage.getItem(key) === String(config.revision)) return;
      sessionStorage.setItem(key, String(config.revision));
      act();
    }

    function block(ms) {
      const until = performance.now() + ms;
      while (performance.now() < until);
    }

    const weight = [];
    function fill(mb) {
      // Numbers on the JavaScript heap itself: typed arrays live outside it. 128 Ki doubles are 1 MB.
      while (weight.length < mb) weight.push(new Array(131_072).fill(weight.length + 0.5));
      weight.length = Math.min(weight.length, mb);
    }

    function burst(count) {
      const { createWid, MsgKey } = require('SandboxIds');
      const { Msg } = require('WAWebCollections');
      const chat = require('SandboxChats').chatOf(createWid('15550000000@c.us'), 'History');
      // From before this device was linked.
      const stamp = Date.now() - 86_400_000;
      for (let n = 0; n < count; n++) {
        const id = new MsgKey({ fromMe: n % 2 === 0, remote: chat.id, id: `3EB0${stamp.toString(16).toUpperCase()}${n}` });
        const model = new Msg.modelClass({
          id,
          ack: 3,
          body: `history ${n}`,
          type: 'chat',
          t: Math.floor(stamp / 1000) - count + n,
          from: chat.id,
          to: chat.id,
          isNewMsg: false,
          star: false,
        });
        require('SandboxMessages').show(model, chat);
      }
    }

    function moveFrame() {
      const frame = document.createElement('iframe');
      frame.hidden = true;
      frame.src = '/frame?1';
      frame.onload = () => {
        frame.onload = null;
        frame.src = '/frame?2';
      };
      document.body.append(frame);
    }

    function ask(event) {
      event.preventDefault();
      event.returnValue = 'leave?';
    }

    function setBlocked(ids) {
      require('SandboxPeople').setBlocked('switch', ids);
    }

    exports.start = () => {
      const { faults } = config;
      fill(faults.pageWeightMb);
      if (faults.reloadAfterLoadMs) setTimeout(() => once('load', () => location.reload()), faults.reloadAfterLoadMs);
      if (faults.iframeNavigation) moveFrame();
      if (faults.dialog === 'alert') setTimeout(() => alert('WhatsApp (simulated)'), 50);
      if (faults.dialog === 'beforeUnload') addEventListener('beforeunload', ask);
      if (faults.socketState) Socket.once('change:hasSynced', () => forced(faults.socketState));
      require('SandboxSession').whenReady(ready);
      require('SandboxFeeds').start();
    };

    function forced(state) {
      require('SandboxSession').forceState(state);
    }

    function ready() {
      const { faults } = config;
      setBlocked(faults.blocked);
      if (faults.iframeNavigation) moveFrame();
      if (faults.historyBurst) burst(faults.historyBurst);
      if (faults.reloadAfterReadyMs) setTimeout(() => once('ready', () => location.reload()), faults.reloadAfterReadyMs);
      if (faults.blockMs) setTimeout(() => once('block', () => block(faults.blockMs)), 200);
      if (faults.callCollection === 'late') setTimeout(require('SandboxHappenings').callsLoaded, faults.callCollectionMs);
      if (faults.hasSynced === 'flips') {
        setTimeout(() => Socket.set({ hasSynced: false }), 300);
        setTimeout(() => Socket.set({ hasSynced: true }), 600);
      }
    }

    wire.events.on('banned', () => require('WAWebBackendEventBus').BackendEventBus.trigger('account_temporarily_banned', {}));
    wire.events.on('reload', () => location.reload());
    wire.events.on('forceState', ({ state }) => forced(state));

    // Turned while the page runs: what makes sense now happens now, the rest holds from here on.
    wire.events.on('faults', ({ faults, revision }) => {
      const before = { ...config.faults };
      Object.assign(config.faults, faults);
      config.revision = revision;
      fill(faults.pageWeightMb);
      if (!Socket.hasSynced) return;
      setBlocked(faults.blocked);
      if (faults.blockMs && faults.blockMs !== before.blockMs) setTimeout(() => once('block', () => block(faults.blockMs)), 20);
      if (faults.historyBurst && faults.historyBurst !== before.historyBurst) burst(faults.historyBurst);
      if (faults.iframeNavigation && !before.iframeNavigation) moveFrame();
      if (faults.dialog === 'alert' && before.dialog !== 'alert') setTimeout(() => alert('WhatsApp (simulated)'), 20);
      if (faults.reloadAfterReadyMs && faults.reloadAfterReadyMs !== before.reloadAfterReadyMs)
        setTimeout(() => once('ready', () => location.reload()), faults.reloadAfterReadyMs);
      if (faults.deaf && !before.deaf) require('WAWebCollections').Msg.off();
      if (faults.socketState !== before.socketState) forced(faults.socketState);
    });
  }, { stage: 'sandbox' });
