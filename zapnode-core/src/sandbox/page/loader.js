// The module loader (fact sheet §0.1): `__d` registers factories by id, `require` runs each once.
// Modules become visible in stages, as the bundles of the real page arrive one after the other.
(() => {
  'use strict';

  const config = window.__sandboxConfig;
  delete window.__sandboxConfig;

  // Fact sheet §1.1: newer builds turn this user agent away and never boot.
  if (config.faults.refuseHeadless && navigator.userAgent.includes('HeadlessChrome')) {
    document.getElementById('status').textContent = 'WhatsApp works with Google Chrome 100+';
    document.getElementById('detail').textContent =
      'To use WhatsApp, update Chrome or use Mozilla Firefox, Safari, Microsoft Edge or Opera.';
    window.__sandboxRefused = true;
    return;
  }

  const modules = new Map();
  const missing = new Set(config.faults.missingModules);
  const openStages = new Set(['boot']);

  // Registers a module. `stage` says with which bundle it comes; `sandbox` ones are our own
  // workings and never seen from outside. `plain` modules are their default export themselves.
  function define(id, factory, { stage = 'core', plain = false } = {}) {
    modules.set(id, { id, factory, stage, plain, state: 'new', exports: undefined });
  }

  function run(module) {
    if (module.state === 'new') {
      const holder = { exports: {} };
      module.state = 'running';
      module.exports = holder.exports;
      try {
        module.factory(inner, holder.exports, holder);
      } catch (error) {
        module.state = 'new';
        throw error;
      }
      module.exports = holder.exports;
      module.state = 'done';
    }
    return module.exports;
  }

  // The page's own code sees every module at once.
  function inner(id) {
    const module = modules.get(id);
    if (!module) throw new Error(`Requiring unknown module "${id}"`);
    return run(module);
  }

  function visible(module) {
    return (
      module &&
      module.stage !== 'sandbox' &&
      openStages.has(module.stage) &&
      !missing.has(module.id)
    );
  }

  function lookUp(id) {
    const module = modules.get(id);
    if (visible(module)) return module;
    switch (config.faults.missingModule) {
      case 'null':
        return null;
      case 'undefined':
        return undefined;
      default:
        throw new Error(`Requiring unknown module "${id}"`);
    }
  }

  function outerRequire(id) {
    const module = lookUp(id);
    return module ? run(module) : module;
  }

  // The same modules with the default export under its name.
  function importNamespace(id) {
    const module = lookUp(id);
    if (!module) return module;
    const exports = run(module);
    return module.plain && !exports.default ? { default: exports } : exports;
  }

  define(
    'ErrorGuard',
    (_require, exports) => {
      let skip = false;
      exports.skipGuardGlobal = (value) => {
        skip = Boolean(value);
      };
      exports.guardSkipped = () => skip;
    },
    { stage: 'boot' },
  );

  define(
    '__debug',
    (_require, exports) => {
      Object.defineProperty(exports, 'modulesMap', {
        enumerable: true,
        get: () =>
          Object.fromEntries(
            [...modules.values()].filter(visible).map((module) => [module.id, { id: module.id }]),
          ),
      });
    },
    { stage: 'boot' },
  );

  // Lazy bundles (fact sheet §8.2): a component's name brings its modules.
  const components = {
    'WAWebMediaForwardMediaMsg': 'forward',
    'WAWebForwardMessageFlow.react': 'forward',
  };
  define(
    'Bootloader',
    (_require, exports) => {
      exports.loadModules = (names, callback) => {
        setTimeout(() => {
          for (const name of names) if (components[name]) openStages.add(components[name]);
          callback?.(...names.map(() => ({})));
        }, 5);
      };
      exports.__debug = { componentMap: new Map(Object.keys(components).map((name) => [name, {}])) };
    },
    { stage: 'boot' },
  );

  // Two ids that throw when they are touched, so that nobody requires everything (§0.1).
  for (const id of ['WAWebEmojiPanelContentEmojiSearchEmpty.react', 'WAWebMoment-es-do']) {
    define(id, () => {
      throw new Error(`${id} must not be required`);
    });
  }

  define('SandboxLoader', (_require, exports) => {
    exports.config = config;
    exports.openStage = (stage) => openStages.add(stage);
    exports.isOpen = (stage) => openStages.has(stage);
    exports.publish = () => {
      window.require = outerRequire;
      window.importNamespace = importNamespace;
    };
  }, { stage: 'sandbox' });

  window.__d = (id, factory, options) => define(id, factory, options);
  // What the scripts after this one need; session.js takes it away again.
  window.__sandboxRequire = inner;
})();
