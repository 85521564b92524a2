// The boot: modules become visible in stages while the session starts beside them (fact sheet §1.3).
if (!window.__sandboxRefused) {
  (() => {
    const require = window.__sandboxRequire;
    delete window.__sandboxRequire;
    const { config, openStage, publish } = require('SandboxLoader');
    const { faults } = config;
    const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

    async function modules() {
      if (faults.requireDelayMs) await wait(faults.requireDelayMs);
      publish();
      const debug = () => {
        window.Debug = { VERSION: require('SandboxVersion') };
      };
      if (faults.debug === 'present') debug();
      await wait(faults.moduleDelayMs);
      openStage('early');
      await wait(faults.moduleDelayMs);
      openStage('core');
      if (faults.callCollection === 'present' || faults.callCollection === 'throws') openStage('calls');
      // Fact sheet §1.3: assigned late, and behind a gate of the servers.
      if (faults.debug === 'late') setTimeout(debug, 150);
    }

    require('SandboxUi').start();
    require('SandboxFaults').start();
    const session = require('SandboxSession');
    const { Socket } = require('WAWebSocketModel');
    if (faults.hasSynced === 'beforeAttach') {
      // With a stored login the modules come only when all is over; without one, nothing is changed.
      const shown = new Promise((resolve) => {
        Socket.on('change:hasSynced', resolve);
        Socket.on('change:state', (_socket, state) => state.startsWith('UNPAIRED') && resolve());
      });
      shown.then(modules);
    } else modules();
    session.start();
  })();
}
